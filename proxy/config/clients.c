/*
 * The apps that may use the gate: a name, the SHA-256 of a key, an upstream, what they may do. Keys
 * themselves never stand in a configuration. Two clients with one key could not be told apart, and
 * two with one name not in the audit trail: both are faults.
 */
#include <stdlib.h>

#include "base/memory.h"
#include "config/blocks.h"
#include "http/message.h"

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

static void client_key(struct reader *reader, const cJSON *item, const struct member *member,
                       void *into)
{
    struct client_config *client = into;

    (void)member;
    client->keys[0].until_wall_us = INT64_MAX;
    client->key_count = 1;
    if (!key_read(item, client->keys[0].hash))
        reader_fault(reader, item,
                     "expects the SHA-256 of a key in 64 hexadecimal digits: "
                     "`postern client add NAME` makes one");
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

static void allow_read(struct reader *reader, const cJSON *item, struct allow_rule *allow)
{
    const char *text = reader_string(reader, item, "\"METHOD /pattern\", such as \"GET /**\"");

    if (text == NULL)
        return;
    struct bytes path = bytes_of_string(text);
    allow->method = bytes_cut(&path, ' ');
    if (!http_is_token(allow->method) ||
        pattern_compile(&allow->path, &reader->configuration->arena, path) != RESULT_OK)
        reader_fault(reader, item,
                     "expects a method or *, one space and a path pattern, such as "
                     "\"GET /**\" or \"PUT /profile/*/fields\"");
}

static void client_allow(struct reader *reader, const cJSON *item, const struct member *member,
                         void *into)
{
    struct client_config *client = into;
    const size_t count = reader_array(reader, item, "rules such as \"GET /**\"");
    struct allow_rule *allow =
        arena_take_zeroed(&reader->configuration->arena, (count + 1) * sizeof(*allow));
    const cJSON *element;

    (void)member;
    client->allow = allow;
    if (count == 0)
        return;
    cJSON_ArrayForEach(element, item) allow_read(reader, element, &allow[client->allow_count++]);
}

static void client_quota(struct reader *reader, const cJSON *item, const struct member *member,
                         void *into)
{
    struct quota {
        double per_second;
        uint32_t burst;
    };
    static const struct member members[] = {
        {.name = "per_second",
         .read = reader_real,
         .offset = offsetof(struct quota, per_second),
         .maximum = 1000000},
        {.name = "burst",
         .read = reader_number,
         .offset = offsetof(struct quota, burst),
         .maximum = 1000000},
    };
    struct quota quota = {0};

    (void)member, (void)into;
    (void)reader_members(reader, item, members, ARRAY_LENGTH(members), &quota); /* said its fault */
    reader_warn(reader, item,
                "quota does nothing yet: the client may send as many requests as it "
                "likes");
}

static void client_priority(struct reader *reader, const cJSON *item, const struct member *member,
                            void *into)
{
    unsigned priority;

    (void)into;
    reader_choice(reader, item, member, &priority);
    reader_warn(reader, item, "priority does nothing yet: all clients queue alike");
}

static void client_weight(struct reader *reader, const cJSON *item, const struct member *member,
                          void *into)
{
    uint32_t weight;

    (void)into;
    reader_number(reader, item, member, &weight);
    reader_warn(reader, item, "weight does nothing yet: all clients queue alike");
}

static const char *const priorities[] = {"interactive", "batch", NULL};

static const struct member client_members[] = {
    {.name = "name", .read = client_name, .required = true},
    {.name = "key_sha256", .read = client_key, .required = true},
    {.name = "upstream", .read = client_upstream},
    {.name = "allow", .read = client_allow},
    {.name = "quota", .read = client_quota},
    {.name = "priority", .read = client_priority, .words = priorities},
    {.name = "weight", .read = client_weight, .minimum = 1, .maximum = 1000},
};

/* A client and where it stands, for sorting. */
struct seat {
    const struct client_config *client;
    const cJSON *item;
    bool has_key;
};

static int seat_order(const struct seat *a, const struct seat *b)
{
    return a->client < b->client ? -1 : 1; /* of two alike the later one is the fault */
}

static int seats_by_name(const void *a, const void *b)
{
    const struct seat *left = a, *right = b;
    const int order = strcmp(left->client->name, right->client->name);

    return order != 0 ? order : seat_order(left, right);
}

static int seats_by_key(const void *a, const void *b)
{
    const struct seat *left = a, *right = b;
    const int order =
        memcmp(left->client->keys[0].hash, right->client->keys[0].hash, CLIENT_KEY_HASH_BYTES);

    return order != 0 ? order : seat_order(left, right);
}

static void clients_find_doubles(struct reader *reader, struct seat *seats, size_t count)
{
    qsort(seats, count, sizeof(*seats), seats_by_name);
    for (size_t i = 1; i < count; i++)
        if (strcmp(seats[i].client->name, seats[i - 1].client->name) == 0)
            reader_fault(reader, reader_member(seats[i].item, "name"),
                         "another client has this name: names are unique");
    qsort(seats, count, sizeof(*seats), seats_by_key);
    for (size_t i = 1; i < count; i++)
        if (seats[i].has_key && seats[i - 1].has_key &&
            memcmp(seats[i].client->keys[0].hash, seats[i - 1].client->keys[0].hash,
                   CLIENT_KEY_HASH_BYTES) == 0)
            reader_fault(reader, reader_member(seats[i].item, "key_sha256"),
                         "client \"%.64s\" has the same key: give each its own",
                         seats[i - 1].client->name);
}

/* Reads one client, and takes its seat where it has a name to be told from others by. */
static size_t client_read(struct reader *reader, const cJSON *item, struct client_config *client,
                          struct seat *seat)
{
    uint8_t key_hash[CLIENT_KEY_HASH_BYTES];

    client->weight = 1;
    if (!reader_members(reader, item, client_members, ARRAY_LENGTH(client_members), client))
        return 0;
    if (reader_member(item, "upstream") == NULL && reader->configuration->upstream_count > 1)
        reader_fault(reader, item, "needs a member \"upstream\", since there are several");
    if (client->name == NULL)
        return 0;
    *seat = (struct seat){.client = client,
                          .item = item,
                          .has_key = key_read(reader_member(item, "key_sha256"), key_hash)};
    return 1;
}

void block_clients(struct reader *reader, const cJSON *item, const struct member *member,
                   void *into)
{
    struct configuration *configuration = into;
    const size_t count = reader_array(reader, item, "clients");
    struct client_config *clients =
        arena_take_zeroed(&configuration->arena, (count + 1) * sizeof(*clients));
    struct seat *seats = memory_take(count, sizeof(*seats));
    const cJSON *element = count > 0 ? item->child : NULL;
    size_t seated = 0;

    (void)member;
    configuration->clients = clients;
    configuration->client_count = count;
    for (size_t i = 0; i < count; i++, element = element->next)
        seated += client_read(reader, element, &clients[i], &seats[seated]);
    clients_find_doubles(reader, seats, seated);
    free(seats);
}
