/*
 * The APIs behind the gate: where they are, and how many calls they may get. Their tokens:
 * tokens.c.
 */
#include <assert.h>

#include "base/clock.h"
#include "base/day.h"
#include "config/address.h"
#include "config/blocks.h"
#include "http/message.h"

enum { UPSTREAMS_LIMIT = 64, CALLS_LIMIT = 1000000, CALLS_PER_DAY_LIMIT = 1000000000 };

static const double write_share_limit = 0.9;

bool block_name_is_fine(struct bytes name)
{
    return address_is_word(name, "._-", 64) && address_is_word(bytes_slice(name, 0, 1), "", 1);
}

static void upstream_url(struct reader *reader, const cJSON *item, const struct member *member,
                         void *into)
{
    struct upstream_config *upstream = into;
    struct address address;
    const char *text = reader_string(reader, item, "the API's address");

    (void)member;
    if (text == NULL)
        return;
    struct bytes url = bytes_of_string(text);
    if (bytes_ends_with(url, BYTES("/")))
        url = arena_copy(&reader->configuration->arena, bytes_slice(url, 0, url.length - 1));
    upstream->url = url.data;
    const bool is_fine = address_split(url, &address) && !bytes_ends_with(url, BYTES("/"));
    upstream->scheme = address.scheme;
    upstream->authority = address.authority;
    upstream->base_path = address.path;
    if (!is_fine)
        reader_fault(reader, item,
                     "is not the address of an API: expects http:// or https://, a host, maybe "
                     "a port and a path; no user, query or fragment");
}

static void upstream_preset(struct reader *reader, const cJSON *item, const struct member *member,
                            void *into)
{
    struct upstream_config *upstream = into;

    (void)member;
    upstream->preset = preset_load(reader, item);
}

/* Literal segments, none of them a dot segment, in the one form that paths have (http/uri.h): so a
 * normalised path is below them where it begins with them. */
static bool prefix_is_fine(struct bytes prefix)
{
    struct bytes rest = bytes_from(prefix, 1);

    if (prefix.length < 2 || prefix.data[0] != '/' || bytes_ends_with(prefix, BYTES("/")))
        return false;
    while (rest.length > 0) {
        const struct bytes segment = bytes_cut(&rest, '/');

        if (!address_is_word(segment, "-._~", 255) || bytes_equal(segment, BYTES(".")) ||
            bytes_equal(segment, BYTES("..")))
            return false;
    }
    return true;
}

static bool path_is_below(struct bytes path, struct bytes prefix)
{
    return bytes_starts_with(path, prefix) &&
           (path.length == prefix.length || path.data[prefix.length] == '/');
}

static void upstream_match(struct reader *reader, const cJSON *item, const struct member *member,
                           void *into)
{
    struct upstream_config *upstream = into;
    const char *text = reader_string(reader, item, "a path pattern such as \"/github/**\"");
    const struct bytes rest = BYTES("/**");

    (void)member;
    if (text == NULL)
        return;
    const struct bytes match = arena_copy(&reader->configuration->arena, bytes_of_string(text));
    upstream->prefix =
        bytes_slice(match, 0, match.length < rest.length ? 0 : match.length - rest.length);
    if (!bytes_ends_with(match, rest) || !prefix_is_fine(upstream->prefix) ||
        pattern_compile(&upstream->match, &reader->configuration->arena, match) != RESULT_OK) {
        reader_fault(reader, item,
                     "expects literal segments (letters, digits and - . _ ~) and then /**, such "
                     "as \"/github/**\"");
        return;
    }
    if (path_is_below(upstream->prefix, BYTES("/_postern")))
        reader_fault(reader, item, "paths below /_postern are the gate's own: choose another");
    upstream->has_match = true;
}

static void budget_time_zone(struct reader *reader, const cJSON *item, const struct member *member,
                             void *into)
{
    struct budget_limits *limits = into;
    const char *name = reader_string(reader, item, "a time zone such as \"Europe/Amsterdam\"");
    struct day_zone *zone = NULL;

    (void)member;
    if (name == NULL)
        return;
    limits->time_zone = name;
    if (day_zone_open(name, &zone) != RESULT_OK)
        reader_fault(reader, item,
                     "the time zone database has none of this name: \"UTC\", or a name such as "
                     "\"Europe/Amsterdam\" and the package tzdata");
    day_zone_close(zone);
}

static void upstream_budget(struct reader *reader, const cJSON *item, const struct member *member,
                            void *into)
{
    static const struct member members[] = {
        {.name = "concurrency",
         .read = reader_number,
         .offset = offsetof(struct budget_limits, concurrency),
         .maximum = CALLS_LIMIT},
        {.name = "per_second",
         .read = reader_real,
         .offset = offsetof(struct budget_limits, per_second),
         .maximum = CALLS_LIMIT},
        {.name = "burst",
         .read = reader_number,
         .offset = offsetof(struct budget_limits, burst),
         .maximum = CALLS_LIMIT},
        {.name = "per_day",
         .read = reader_number,
         .offset = offsetof(struct budget_limits, per_day),
         .maximum = CALLS_PER_DAY_LIMIT},
        {.name = "write_share",
         .read = reader_real,
         .offset = offsetof(struct budget_limits, write_share),
         .maximum = 1},
        {.name = "time_zone", .read = budget_time_zone},
    };
    struct upstream_config *upstream = into;
    struct budget_limits *limits = &upstream->limits;

    (void)member;
    if (!reader_members(reader, item, members, ARRAY_LENGTH(members), limits))
        return;
    if (limits->burst > 0 && limits->per_second <= 0)
        reader_fault(reader, item, "\"burst\" belongs to \"per_second\": say that, too");
    if (limits->write_share > write_share_limit)
        reader_fault(reader, item, "\"write_share\" leaves reads too little: at most 0.9");
}

static void upstream_timeouts(struct reader *reader, const cJSON *item, const struct member *member,
                              void *into)
{
    static const struct member members[] = {
        {.name = "connect",
         .read = reader_duration,
         .offset = offsetof(struct upstream_config, connect_timeout_us),
         .minimum = 1},
        {.name = "total",
         .read = reader_duration,
         .offset = offsetof(struct upstream_config, total_timeout_us),
         .minimum = 1},
        {.name = "queue",
         .read = reader_duration,
         .offset = offsetof(struct upstream_config, queue_timeout_us),
         .minimum = 1},
    };

    (void)member;
    (void)reader_members(reader, item, members, ARRAY_LENGTH(members), into); /* said its fault */
}

void block_field_names(struct reader *reader, const cJSON *item, const struct bytes **list,
                       size_t *count)
{
    const cJSON *element;

    *list = NULL;
    *count = 0;
    if (!reader_strings(reader, item, "names of fields", list, count))
        return;
    cJSON_ArrayForEach(element, item)
    {
        if (!http_is_token(bytes_of_string(element->valuestring)))
            reader_fault(reader, element, "is not the name of a field");
    }
}

static void upstream_forward(struct reader *reader, const cJSON *item, const struct member *member,
                             void *into)
{
    static const struct bytes never[] = {
        {"Cookie", 6}, {"Authorization", 13}, {"X-Api-Key", 9}, {"Connection", 10}, {"Host", 4},
    };
    struct upstream_config *upstream = into;

    (void)member;
    block_field_names(reader, item, &upstream->forward, &upstream->forward_count);
    for (size_t i = 0; i < upstream->forward_count; i++) {
        if (bytes_equal(upstream->forward[i], BYTES("*")))
            upstream->forward_all = true;
        for (size_t j = 0; j < ARRAY_LENGTH(never); j++)
            if (bytes_equal_nocase(upstream->forward[i], never[j]))
                reader_warn(reader, item, "%s never goes up, whatever stands here", never[j].data);
    }
}

static void upstream_tls(struct reader *reader, const cJSON *item, const struct member *member,
                         void *into)
{
    static const struct member members[] = {
        {.name = "ca_file",
         .read = reader_path,
         .offset = offsetof(struct upstream_config, tls_ca_file)},
        {.name = "verify",
         .read = reader_flag,
         .offset = offsetof(struct upstream_config, tls_verify)},
    };
    struct upstream_config *upstream = into;

    (void)member;
    (void)reader_members(reader, item, members, ARRAY_LENGTH(members), into); /* said its fault */
    if (!upstream->tls_verify)
        reader_warn(reader, item,
                    "the upstream's certificate is not checked: whoever stands "
                    "between can read the token");
}

static const struct member upstream_members[] = {
    {.name = "url", .read = upstream_url, .required = true},
    {.name = "preset", .read = upstream_preset},
    {.name = "match", .read = upstream_match},
    {.name = "token", .read = block_token},
    {.name = "login", .read = block_login},
    {.name = "inject", .read = block_injection, .offset = offsetof(struct upstream_config, inject)},
    {.name = "budget", .read = upstream_budget},
    {.name = "timeouts", .read = upstream_timeouts},
    {.name = "pause_max",
     .read = reader_duration,
     .offset = offsetof(struct upstream_config, pause_max_us)},
    {.name = "retries",
     .read = reader_number,
     .offset = offsetof(struct upstream_config, retries),
     .maximum = 10},
    {.name = "breaker", .read = reader_flag, .offset = offsetof(struct upstream_config, breaker)},
    {.name = "forward", .read = upstream_forward},
    {.name = "tls", .read = upstream_tls},
};

static void upstream_read(struct reader *reader, const cJSON *item,
                          struct upstream_config *upstream)
{
    *upstream = (struct upstream_config){
        .name = arena_copy(&reader->configuration->arena, bytes_of_string(item->string)).data,
        .limits = {.concurrency = 16, .write_share = 0.1, .time_zone = "UTC"},
        .connect_timeout_us = 5 * CLOCK_SECOND_US,
        .total_timeout_us = 60 * CLOCK_SECOND_US,
        .queue_timeout_us = 10 * CLOCK_SECOND_US,
        .pause_max_us = 300 * CLOCK_SECOND_US,
        .retries = 2,
        .breaker = true,
        .tls_verify = true,
    };
    if (!block_name_is_fine(bytes_of_string(item->string)))
        reader_fault(reader, item,
                     "is no name for an upstream: 1 to 64 letters, digits and "
                     ". _ -, the first no sign");
    if (!reader_members(reader, item, upstream_members, ARRAY_LENGTH(upstream_members), upstream))
        return;
    if (reader_member(item, "inject") == NULL && upstream->preset != NULL)
        upstream->inject = upstream->preset->inject;
    if (upstream->has_token && reader_member(item, "inject") == NULL &&
        upstream->inject.query == NULL && upstream->inject.header == NULL)
        reader_fault(reader, item,
                     "has a token and does not say how it goes up: add \"inject\": "
                     "{\"header\": \"Authorization\", \"format\": \"Bearer %%s\"}");
    if (upstream->has_token && bytes_equal(upstream->scheme, BYTES("http")) &&
        !address_is_loopback(upstream->authority))
        reader_warn(reader, item, "the token goes over the network unencrypted: use https://");
}

size_t block_unmatched_upstreams(const struct configuration *configuration)
{
    size_t count = 0;

    for (size_t i = 0; i < configuration->upstream_count; i++)
        count += !configuration->upstreams[i].has_match;
    return count;
}

/* The upstream beside those that stand before it: its name, and what paths would come to it. */
static void upstream_compare(struct reader *reader, const cJSON *item,
                             const struct upstream_config *upstream,
                             const struct upstream_config *earlier)
{
    const cJSON *match = reader_member(item, "match");

    if (strcmp(earlier->name, upstream->name) == 0)
        reader_fault(reader, item, "this upstream stands twice: keep one");
    if (!upstream->has_match || !earlier->has_match)
        return;
    if (bytes_equal(upstream->prefix, earlier->prefix))
        reader_fault(reader, match, "upstream \"%.64s\" has the same match: give each its own",
                     earlier->name);
    else if (path_is_below(upstream->prefix, earlier->prefix))
        reader_fault(reader, match,
                     "is below the match of upstream \"%.64s\", which stands before it: let the "
                     "longer one stand first",
                     earlier->name);
}

void block_upstreams(struct reader *reader, const cJSON *item, const struct member *member,
                     void *into)
{
    struct configuration *configuration = into;
    const size_t count = cJSON_IsObject(item) ? (size_t)cJSON_GetArraySize(item) : 0;
    const cJSON *element;

    (void)member;
    if (count == 0 || count > UPSTREAMS_LIMIT) {
        reader_fault(reader, item,
                     "expects an object of 1 to %d upstreams: {\"name\": {\"url\": …}}",
                     UPSTREAMS_LIMIT);
        return;
    }
    struct upstream_config *upstreams =
        arena_take_zeroed(&configuration->arena, count * sizeof(*upstreams));
    configuration->upstreams = upstreams;
    cJSON_ArrayForEach(element, item)
    {
        struct upstream_config *upstream = &upstreams[configuration->upstream_count];

        upstream_read(reader, element, upstream);
        for (size_t i = 0; i < configuration->upstream_count; i++)
            upstream_compare(reader, element, upstream, &upstreams[i]);
        configuration->upstream_count++;
    }
}
