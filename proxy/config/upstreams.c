/*
 * The APIs behind the gate: where they are, what the token is read from, how it goes up, how many
 * calls they may get. Tokens themselves are not read here: upstream/ does at start and at each
 * reload, and `postern check` tries.
 */
#include <assert.h>

#include "base/clock.h"
#include "config/blocks.h"
#include "http/message.h"

enum { UPSTREAMS_LIMIT = 64, CALLS_LIMIT = 1000000, CALLS_PER_DAY_LIMIT = 1000000000 };

static bool is_alphanumeric(char byte)
{
    return (byte >= '0' && byte <= '9') || (bytes_lower(byte) >= 'a' && bytes_lower(byte) <= 'z');
}

/* Whether it is 1 to `limit` letters, digits and signs out of `signs`. */
static bool is_word(struct bytes text, const char *signs, size_t limit)
{
    for (size_t i = 0; i < text.length; i++)
        if (!is_alphanumeric(text.data[i]) &&
            (text.data[i] == '\0' || strchr(signs, text.data[i]) == NULL))
            return false;
    return text.length > 0 && text.length <= limit;
}

bool block_name_is_fine(struct bytes name)
{
    return is_word(name, "._-", 64) && is_alphanumeric(name.data[0]);
}

/* host, host:port, [v6], [v6]:port (RFC 3986 §3.2.2 without userinfo and percent-encoding). */
static bool authority_is_fine(struct bytes authority)
{
    const bool bracket = bytes_starts_with(authority, BYTES("["));
    const size_t close = bytes_index(authority, ']');
    struct bytes host = bytes_slice(authority, 0, bytes_index(authority, ':'));
    uint64_t port;

    if (bracket)
        host = bytes_slice(authority, 0, close + 1);
    const struct bytes rest = bytes_from(authority, host.length);
    if (bracket ? close == authority.length || host.length < 4 ||
                      !is_word(bytes_slice(host, 1, host.length - 2), ":.", 64)
                : !is_word(host, "._-", 255))
        return false;
    if (rest.length == 0)
        return true;
    return rest.data[0] == ':' && rest.length > 1 && rest.data[1] != '0' &&
           bytes_to_number(bytes_from(rest, 1), 65535, &port) == RESULT_OK;
}

/* "" or "/segment/…", with the characters of RFC 3986 §3.3 but percent-encoding and dot segments.
 */
static bool base_path_is_fine(struct bytes path)
{
    struct bytes rest = bytes_from(path, 1);

    if (path.length == 0)
        return true;
    if (bytes_ends_with(path, BYTES("/")))
        return false; /* one slash at the end was taken off before */
    while (rest.length > 0) {
        const struct bytes segment = bytes_cut(&rest, '/');

        if (!is_word(segment, "-._~!$&'()*+,;=:@", SIZE_MAX) || bytes_equal(segment, BYTES(".")) ||
            bytes_equal(segment, BYTES("..")))
            return false;
    }
    return true;
}

/* Splits into scheme, authority and base path. */
static bool url_split(struct bytes url, struct upstream_config *upstream)
{
    const size_t colon = bytes_find(url, BYTES("://"));
    const struct bytes rest = bytes_from(url, colon + 3);

    upstream->scheme = bytes_slice(url, 0, colon);
    upstream->authority = bytes_slice(rest, 0, bytes_index(rest, '/'));
    upstream->base_path = bytes_from(rest, upstream->authority.length);
    return (bytes_equal(upstream->scheme, BYTES("http")) ||
            bytes_equal(upstream->scheme, BYTES("https"))) &&
           authority_is_fine(upstream->authority) && base_path_is_fine(upstream->base_path);
}

static void upstream_url(struct reader *reader, const cJSON *item, const struct member *member,
                         void *into)
{
    struct upstream_config *upstream = into;
    const char *text = reader_string(reader, item, "the API's address");

    (void)member;
    if (text == NULL)
        return;
    struct bytes url = bytes_of_string(text);
    if (bytes_ends_with(url, BYTES("/")))
        url = arena_copy(&reader->configuration->arena, bytes_slice(url, 0, url.length - 1));
    upstream->url = url.data;
    if (!url_split(url, upstream))
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

static void token_env(struct reader *reader, const cJSON *item, const struct member *member,
                      void *into)
{
    struct token_source *token = into;

    (void)member;
    token->env = reader_string(reader, item, "the name of an environment variable");
    if (token->env != NULL && (!is_word(bytes_of_string(token->env), "_", 255) ||
                               (token->env[0] >= '0' && token->env[0] <= '9')))
        reader_fault(reader, item,
                     "is not the name of an environment variable: letters, digits "
                     "and _ only (the token itself does not belong here)");
}

static void token_credential(struct reader *reader, const cJSON *item, const struct member *member,
                             void *into)
{
    struct token_source *token = into;

    (void)member;
    token->credential = reader_string(reader, item, "the name of a systemd credential");
    if (token->credential != NULL &&
        (!is_word(bytes_of_string(token->credential), "._@-", 255) || token->credential[0] == '.'))
        reader_fault(reader, item,
                     "is not the name of a systemd credential: letters, digits and "
                     ". _ @ - only, the first no dot");
}

static void upstream_token(struct reader *reader, const cJSON *item, const struct member *member,
                           void *into)
{
    static const struct member members[] = {
        {.name = "file", .read = reader_path, .offset = offsetof(struct token_source, file)},
        {.name = "insecure",
         .read = reader_flag,
         .offset = offsetof(struct token_source, insecure)},
        {.name = "env", .read = token_env},
        {.name = "credential", .read = token_credential},
        {.name = "exchange", .read = reader_refuse},
    };
    struct upstream_config *upstream = into;

    (void)member;
    if (!reader_members(reader, item, members, ARRAY_LENGTH(members), &upstream->token))
        return;
    const int sources =
        (reader_member(item, "file") != NULL) + (reader_member(item, "env") != NULL) +
        (reader_member(item, "credential") != NULL) + (reader_member(item, "exchange") != NULL);
    if (sources != 1)
        reader_fault(reader, item, "expects one of \"file\", \"env\" and \"credential\"");
    if (reader_member(item, "insecure") != NULL && reader_member(item, "file") == NULL)
        reader_fault(reader, item, "\"insecure\" belongs to \"file\": take it out");
    upstream->has_token = true;
}

static void injection_query(struct reader *reader, const cJSON *item, const struct member *member,
                            void *into)
{
    struct injection *injection = into;

    (void)member;
    injection->query = reader_string(reader, item, "the name of a query parameter");
    if (injection->query != NULL && !is_word(bytes_of_string(injection->query), "-._~", 255))
        reader_fault(reader, item,
                     "is not the name of a query parameter: letters, digits and "
                     "- . _ ~ only");
}

static void injection_header(struct reader *reader, const cJSON *item, const struct member *member,
                             void *into)
{
    struct injection *injection = into;

    (void)member;
    injection->header = reader_string(reader, item, "the name of a field");
    if (injection->header != NULL && !http_is_token(bytes_of_string(injection->header)))
        reader_fault(reader, item, "is not the name of a field: try \"Authorization\"");
}

static void injection_format(struct reader *reader, const cJSON *item, const struct member *member,
                             void *into)
{
    struct injection *injection = into;
    const char *format = reader_string(reader, item, "a field's value with %s for the token");

    (void)member;
    injection->format = format;
    if (format == NULL)
        return;
    const struct bytes text = bytes_of_string(format);
    const size_t percent = bytes_index(text, '%');
    bool printable = true;
    for (size_t i = 0; i < text.length; i++)
        printable = printable && text.data[i] >= ' ' && text.data[i] <= '~';
    if (!printable || bytes_find(text, BYTES("%s")) != percent || percent == text.length ||
        bytes_index(bytes_from(text, percent + 1), '%') < text.length - percent - 1)
        reader_fault(reader, item,
                     "expects printable ASCII with one %%s where the token goes, such "
                     "as \"Bearer %%s\"");
}

void block_injection(struct reader *reader, const cJSON *item, const struct member *member,
                     void *into)
{
    static const struct member members[] = {
        {.name = "query", .read = injection_query},
        {.name = "header", .read = injection_header},
        {.name = "format", .read = injection_format},
    };
    struct injection *injection = (struct injection *)(void *)((char *)into + member->offset);

    if (!reader_members(reader, item, members, ARRAY_LENGTH(members), injection))
        return;
    const bool query = reader_member(item, "query") != NULL;
    const bool header = reader_member(item, "header") != NULL;
    if (query == header)
        reader_fault(reader, item, "expects one of \"query\" and \"header\"");
    if (reader_member(item, "format") != NULL && !header)
        reader_fault(reader, item, "\"format\" belongs to \"header\": take it out");
    if (header && injection->format == NULL)
        injection->format = "%s";
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
        {.name = "time_zone",
         .read = reader_text,
         .offset = offsetof(struct budget_limits, time_zone)},
    };
    struct upstream_config *upstream = into;
    struct budget_limits *limits = &upstream->limits;

    (void)member;
    if (!reader_members(reader, item, members, ARRAY_LENGTH(members), limits))
        return;
    if (limits->burst > 0 && limits->per_second <= 0)
        reader_fault(reader, item, "\"burst\" belongs to \"per_second\": say that, too");
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
    {.name = "token", .read = upstream_token},
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

/* The host is this machine by its name: nobody else hears what is said to it. */
static bool authority_is_local(struct bytes authority)
{
    return bytes_starts_with(authority, BYTES("127.")) ||
           bytes_starts_with(authority, BYTES("localhost")) ||
           bytes_starts_with(authority, BYTES("[::1]"));
}

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
        !authority_is_local(upstream->authority))
        reader_warn(reader, item, "the token goes over the network unencrypted: use https://");
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
            if (strcmp(upstreams[i].name, upstream->name) == 0)
                reader_fault(reader, element, "this upstream stands twice: keep one");
        configuration->upstream_count++;
    }
}
