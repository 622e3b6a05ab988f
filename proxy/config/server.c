/*
 * The gate's own side: where it listens, its log, its limits. Whether an address is one, and
 * whether it is the loopback's, http/listener decides; here stands that a gate without clients,
 * which lets everybody in, must not be reached from other machines.
 */
#include <assert.h>

#include "config/blocks.h"
#include "http/listener.h"

static const char *const levels[] = {"error", "warn", "info", "debug", NULL};
static const char *const formats[] = {"text", "json", NULL};

static_assert(LOG_ERROR == 0 && LOG_DEBUG == 3, "levels[] follows enum log_level");
static_assert(LOG_TEXT == 0 && LOG_JSON == 1, "formats[] follows enum log_format");

void block_log(struct reader *reader, const cJSON *item, const struct member *member, void *into)
{
    static const struct member members[] = {
        {.name = "level",
         .read = reader_choice,
         .offset = offsetof(struct configuration, log_level),
         .words = levels},
        {.name = "format",
         .read = reader_choice,
         .offset = offsetof(struct configuration, log_format),
         .words = formats},
    };

    (void)member;
    (void)reader_members(reader, item, members, ARRAY_LENGTH(members), into); /* said its fault */
}

void block_limits(struct reader *reader, const cJSON *item, const struct member *member, void *into)
{
    static const struct member members[] = {
        {.name = "head_timeout",
         .read = reader_duration,
         .offset = offsetof(struct configuration, head_timeout_us),
         .minimum = 1},
        {.name = "idle_timeout",
         .read = reader_duration,
         .offset = offsetof(struct configuration, idle_timeout_us),
         .minimum = 1},
        {.name = "body_timeout",
         .read = reader_duration,
         .offset = offsetof(struct configuration, body_timeout_us),
         .minimum = 1},
        {.name = "connections",
         .read = reader_number,
         .offset = offsetof(struct configuration, connections),
         .minimum = 1,
         .maximum = 1000000},
    };

    (void)member;
    (void)reader_members(reader, item, members, ARRAY_LENGTH(members), into); /* said its fault */
}

static void listen_no_tls(struct reader *reader, const cJSON *item, const struct member *member,
                          void *into)
{
    (void)member, (void)into;
    reader_fault(reader, item,
                 "TLS on listeners is not available yet: listen on the loopback or a "
                 "Unix socket behind a TLS proxy");
}

/* The address of an element, a string or {"address": …}; NULL and a fault where there is none. */
static const char *listen_address(struct reader *reader, const cJSON *item)
{
    static const struct member members[] = {
        {.name = "address", .read = reader_text, .required = true},
        {.name = "tls", .read = listen_no_tls},
    };
    const char *address = NULL;

    if (!cJSON_IsObject(item))
        return reader_string(reader, item, "an address such as \"127.0.0.1:8080\"");
    (void)reader_members(reader, item, members, ARRAY_LENGTH(members), &address); /* NULL then */
    return address;
}

/* False, and a fault, where it is no address. */
static bool address_check(struct reader *reader, const cJSON *item, const char *address,
                          bool *is_loopback)
{
    struct error error = {0};

    if (listener_check(address, is_loopback, &error) == RESULT_OK)
        return true;
    reader_fault(reader, item, "%s",
                 error.text[0] != '\0' ? error.text : "is not an address: try \"127.0.0.1:8080\"");
    return false;
}

static void listen_add(struct reader *reader, const cJSON *item, const char **listen, size_t *count)
{
    const struct configuration *configuration = reader->configuration;
    const char *address = listen_address(reader, item);
    bool is_loopback;

    if (address == NULL || !address_check(reader, item, address, &is_loopback))
        return;
    for (size_t i = 0; i < *count; i++)
        if (strcmp(listen[i], address) == 0) {
            reader_fault(reader, item, "\"%s\" stands twice: keep one", address);
            return;
        }
    if (!is_loopback && configuration->client_count == 0)
        reader_fault(reader, item,
                     "without \"clients\" only loopback and Unix listeners are allowed: add one "
                     "with `postern client add NAME`, or listen on 127.0.0.1");
    listen[(*count)++] = address;
}

void block_listen(struct reader *reader, const cJSON *item, const struct member *member, void *into)
{
    enum { LISTEN_LIMIT = 64 };
    struct configuration *configuration = into;
    const size_t size = reader_array(reader, item, "addresses");
    const char **listen = arena_take(&configuration->arena, (size + 1) * sizeof(*listen));
    size_t count = 0;
    const cJSON *element;

    (void)member;
    if (cJSON_IsArray(item) && (size == 0 || size > LISTEN_LIMIT)) {
        reader_fault(reader, item, "expects 1 to %d addresses", LISTEN_LIMIT);
        return;
    }
    cJSON_ArrayForEach(element, item) listen_add(reader, element, listen, &count);
    configuration->listen = listen;
    configuration->listen_count = count;
}

void block_admin(struct reader *reader, const cJSON *item, const struct member *member, void *into)
{
    struct configuration *configuration = into;
    bool is_loopback;

    (void)member;
    if (cJSON_IsFalse(item)) {
        configuration->admin = NULL;
        return;
    }
    const char *address = reader_string(reader, item, "an address, or false for none");
    if (address == NULL || !address_check(reader, item, address, &is_loopback))
        return;
    if (!is_loopback)
        reader_warn(reader, item,
                    "whoever reaches this address can read the audit trail and purge "
                    "the cache: 127.0.0.1 is safer");
    configuration->admin = address;
}
