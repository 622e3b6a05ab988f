/*
 * The apps that may use the gate: a name, the SHA-256 of a key (of two during a rotation), an
 * upstream, what they may do, and how much of it. Keys themselves never stand in a configuration.
 * Two clients with one key could not be told apart, and two with one name not in the audit trail:
 * both are faults.
 */
#include <stdlib.h>

#include "base/clock.h"
#include "base/memory.h"
#include "config/blocks.h"
#include "http/message.h"

static const double QUOTA_LEAST_PER_SECOND = 0.001;

static void client_name(struct reader *reader, const cJSON *item, const struct member *member,
                        void *into)
{
    struct client_config *client = into;

    (void)member;
    client->name = reader_string(reader, item, "the client's name");
    if (client->name != NULL && !block_name_is_fine(bytes_of_string(client->name)))
        reader_fault(reader, item,
                     "is no name for a client: 1 to 64 letters, digits and . _ -, "
                     "the first no sign");
}

static bool key_read(const cJSON *item, uint8_t *key_hash)
{
    return cJSON_IsString(item) && bytes_from_hex(bytes_of_string(item->valuestring), key_hash,
                                                  CLIENT_KEY_HASH_BYTES) == RESULT_OK;
}

/* Into the member's client_key: the present one or the previous one. */
static void client_key(struct reader *reader, const cJSON *item, const struct member *member,
                       void *into)
{
    struct client_config *client = into;
    struct client_key *key = (struct client_key *)((char *)into + member->offset);

    key->until_wall_us = INT64_MAX;
    client->key_count = (size_t)(key - client->keys) + 1; /* the present one is read first */
    if (!key_read(item, key->hash))
        reader_fault(reader, item,
                     "expects the SHA-256 of a key in 64 hexadecimal digits: "
                     "`postern client add NAME` makes one");
}

static void client_key_until(struct reader *reader, const cJSON *item, const struct member *member,
                             void *into)
{
    struct client_key *key = (struct client_key *)((char *)into + member->offset);

    if (!cJSON_IsString(item) ||
        clock_parse_rfc3339(bytes_of_string(item->valuestring), &key->until_wall_us) != RESULT_OK)
        reader_fault(reader, item, "expects a time such as \"2027-01-31T12:00:00Z\" (RFC 3339)");
}

static void client_upstream(struct reader *reader, const cJSON *item, const struct member *member,
                            void *into)
{
    const struct configuration *configuration = reader->configuration;
    struct client_config *client = into;
    const char *name = reader_string(reader, item, "the name of an upstream");

    (void)member;
    for (size_t i = 0; i < configuration->upstream_count && name != NULL; i++)
        if (strcmp(configuration->upstreams[i].name, name) == 0) {
            client->upstream = (uint32_t)i;
            client->has_upstream = true;
            return;
        }
    if (name != NULL)
        reader_fault(reader, item, "there is no upstream \"%.64s\" in \"upstreams\"", name);
}

bool block_pattern(struct reader *reader, const cJSON *item, struct pattern *pattern)
{
    const char *text = reader_string(reader, item, "a path pattern such as \"/live/**\"");

    if (text == NULL)
        return false;
    if (pattern_compile(pattern, &reader->configuration->arena, bytes_of_string(text)) == RESULT_OK)
        return true;
    reader_fault(reader, item,
                 "is no path pattern: it starts with a slash and has no two together");
    return false;
}

static void rule_read(struct reader *reader, const cJSON *item, struct allow_rule *rule)
{
    const char *text = reader_string(reader, item, "\"METHOD /pattern\", such as \"GET /**\"");

    if (text == NULL)
        return;
    struct bytes path = bytes_of_string(text);
    rule->text = path;
    rule->method = bytes_cut(&path, ' ');
    if (!http_is_token(rule->method) ||
        pattern_compile(&rule->path, &reader->configuration->arena, path) != RESULT_OK)
        reader_fault(reader, item,
                     "expects a method or *, one space and a path pattern, such as "
                     "\"GET /**\" or \"PUT /profile/*/fields\"");
}

/* An array of rules; *rules is not NULL then. */
static void client_rules(struct reader *reader, const cJSON *item, const struct allow_rule **rules,
                         size_t *rule_count)
{
    const size_t count = reader_array(reader, item, "rules such as \"GET /**\"");
    struct allow_rule *made =
        arena_take_zeroed(&reader->configuration->arena, (count + 1) * sizeof(*made));
    const cJSON *element = count > 0 ? item->child : NULL;

    for (size_t i = 0; i < count; i++, element = element->next)
        rule_read(reader, element, &made[i]);
    *rules = made;
    *rule_count = count;
}

static void client_allow(struct reader *reader, const cJSON *item, const struct member *member,
                         void *into)
{
    struct client_config *client = into;

    (void)member;
    client_rules(reader, item, &client->allow, &client->allow_count);
}

static void client_deny(struct reader *reader, const cJSON *item, const struct member *member,
                        void *into)
{
    struct client_config *client = into;

    (void)member;
    client_rules(reader, item, &client->deny, &client->deny_count);
}

static void client_quota(struct reader *reader, const cJSON *item, const struct member *member,
                         void *into)
{
    static const struct member members[] = {
        {.name = "per_second",
         .read = reader_real,
         .offset = offsetof(struct quota_config, per_second),
         .maximum = 1000000},
        {.name = "burst",
         .read = reader_number,
         .offset = offsetof(struct quota_config, burst),
         .maximum = 1000000},
        {.name = "per_day",
         .read = reader_number,
         .offset = offsetof(struct quota_config, per_day),
         .maximum = 1000000000},
    };
    struct client_config *client = into;
    struct quota_config *quota = &client->quota;

    (void)member;
    if (!reader_members(reader, item, members, ARRAY_LENGTH(members), quota))
        return;
    if (quota->per_second > 0 && quota->per_second < QUOTA_LEAST_PER_SECOND)
        reader_fault(reader, reader_member(item, "per_second"),
                     "is less than one in 1000 seconds: say it with \"per_day\"");
    if (quota->burst > 0 && quota->per_second <= 0)
        reader_fault(reader, reader_member(item, "burst"),
                     "says nothing without \"per_second\": add that, or take it out");
}

static const char *const priorities[] = {
    [PRIORITY_INTERACTIVE] = "interactive", [PRIORITY_BATCH] = "batch", [PRIORITIES] = NULL};

const char *priority_name(enum priority priority)
{
    return priorities[priority];
}

/* In this order: a key's end follows its key. */
static const struct member client_members[] = {
    {.name = "name", .read = client_name, .required = true},
    {.name = "key_sha256",
     .read = client_key,
     .offset = offsetof(struct client_config, keys[0]),
     .required = true},
    {.name = "key_until",
     .read = client_key_until,
     .offset = offsetof(struct client_config, keys[0])},
    {.name = "previous_key_sha256",
     .read = client_key,
     .offset = offsetof(struct client_config, keys[1])},
    {.name = "previous_key_until",
     .read = client_key_until,
     .offset = offsetof(struct client_config, keys[1])},
    {.name = "disabled", .read = reader_flag, .offset = offsetof(struct client_config, disabled)},
    {.name = "upstream", .read = client_upstream},
    {.name = "allow", .read = client_allow},
    {.name = "deny", .read = client_deny},
    {.name = "quota", .read = client_quota},
    {.name = "priority",
     .read = reader_choice,
     .offset = offsetof(struct client_config, priority),
     .words = priorities},
    {.name = "weight",
     .read = reader_number,
     .offset = offsetof(struct client_config, weight),
     .minimum = 1,
     .maximum = 1000},
};

/* A client's name or one of its keys, and where it stands, for sorting. */
struct seat {
    const struct client_config *client;
    const cJSON *item;
    const void *what;
};

/* Of two alike the later one is the fault; a key of a client's own comes in the order of keys[]. */
static int seat_order(const struct seat *a, const struct seat *b)
{
    if (a->client != b->client)
        return a->client < b->client ? -1 : 1;
    return a->what < b->what ? -1 : 1;
}

static int seats_by_name(const void *a, const void *b)
{
    const struct seat *left = a, *right = b;
    const int order = strcmp(left->what, right->what);

    return order != 0 ? order : seat_order(left, right);
}

static int seats_by_key(const void *a, const void *b)
{
    const struct seat *left = a, *right = b;
    const int order = memcmp(left->what, right->what, CLIENT_KEY_HASH_BYTES);

    return order != 0 ? order : seat_order(left, right);
}

/* What all clients are told apart by, while they are read. */
struct seats {
    struct seat *names, *keys; /* room for one and CLIENT_KEYS_LIMIT of each client */
    size_t name_count, key_count;
};

static void seats_find_doubles(struct reader *reader, const struct seats *seats)
{
    qsort(seats->names, seats->name_count, sizeof(struct seat), seats_by_name);
    for (size_t i = 1; i < seats->name_count; i++)
        if (strcmp(seats->names[i].what, seats->names[i - 1].what) == 0)
            reader_fault(reader, seats->names[i].item,
                         "another client has this name: names are unique");
    qsort(seats->keys, seats->key_count, sizeof(struct seat), seats_by_key);
    for (size_t i = 1; i < seats->key_count; i++) {
        const struct seat *seat = &seats->keys[i], *other = &seats->keys[i - 1];

        if (memcmp(seat->what, other->what, CLIENT_KEY_HASH_BYTES) != 0)
            continue;
        if (seat->client == other->client)
            reader_fault(reader, seat->item, "is the client's present key: take this one out");
        else
            reader_fault(reader, seat->item, "client \"%.64s\" has the same key: give each its own",
                         other->client->name == NULL ? "" : other->client->name);
    }
}

static void seats_add_keys(struct seats *seats, const cJSON *item,
                           const struct client_config *client)
{
    static const char *const names[] = {"key_sha256", "previous_key_sha256"};
    uint8_t ignored[CLIENT_KEY_HASH_BYTES];

    for (size_t i = 0; i < ARRAY_LENGTH(names); i++) {
        const cJSON *key = reader_member(item, names[i]);

        if (key_read(key, ignored)) /* else its fault was said */
            seats->keys[seats->key_count++] =
                (struct seat){.client = client, .item = key, .what = client->keys[i].hash};
    }
}

static void client_read(struct reader *reader, const cJSON *item, struct client_config *client,
                        struct seats *seats)
{
    client->weight = 1;
    if (!reader_members(reader, item, client_members, ARRAY_LENGTH(client_members), client))
        return;
    if (reader_member(item, "upstream") == NULL &&
        block_unmatched_upstreams(reader->configuration) > 1)
        reader_fault(reader, item,
                     "needs a member \"upstream\", since there are several without \"match\"");
    if (reader_member(item, "previous_key_until") != NULL &&
        reader_member(item, "previous_key_sha256") == NULL)
        reader_fault(reader, reader_member(item, "previous_key_until"),
                     "there is no \"previous_key_sha256\" that it could end");
    if (client->name != NULL)
        seats->names[seats->name_count++] = (struct seat){
            .client = client, .item = reader_member(item, "name"), .what = client->name};
    seats_add_keys(seats, item, client);
}

void block_clients(struct reader *reader, const cJSON *item, const struct member *member,
                   void *into)
{
    struct configuration *configuration = into;
    const size_t count = reader_array(reader, item, "clients");
    struct client_config *clients =
        arena_take_zeroed(&configuration->arena, (count + 1) * sizeof(*clients));
    struct seats seats = {.names = memory_take(count, sizeof(struct seat)),
                          .keys = memory_take(count, CLIENT_KEYS_LIMIT * sizeof(struct seat))};
    const cJSON *element = count > 0 ? item->child : NULL;

    (void)member;
    configuration->clients = clients;
    configuration->client_count = count;
    for (size_t i = 0; i < count; i++, element = element->next)
        client_read(reader, element, &clients[i], &seats);
    seats_find_doubles(reader, &seats);
    free(seats.names);
    free(seats.keys);
}
