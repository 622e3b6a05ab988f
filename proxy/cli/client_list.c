/* What stands in the configuration of each client, read as the gate reads it. */
#include "cli/client_list.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/memory.h"
#include "cli/cli.h"
#include "cli/configured.h"
#include "gateway/client_view.h"

enum { CELL_ROOM = 128 };

/* "enabled", "disabled", or "expired": no key of its is valid now. */
static const char *client_state(const struct client_config *client, int64_t wall_us)
{
    if (client->disabled)
        return "disabled";
    for (size_t i = 0; i < client->key_count; i++)
        if (wall_us < client->keys[i].until_wall_us)
            return "enabled";
    return "expired";
}

static const char *client_upstream_name(const struct configuration *configuration,
                                        const struct client_config *client)
{
    if (client->has_upstream || configuration->upstream_count == 1)
        return configuration->upstreams[client->upstream].name;
    return "by path";
}

/* --- as a table --- */

static void say_quota(const struct quota_config *quota, char *cell)
{
    int used = 0;

    if (quota->per_second <= 0 && quota->per_day == 0)
        (void)snprintf(cell, CELL_ROOM, "-");
    if (quota->per_second > 0)
        used = snprintf(cell, CELL_ROOM, "%g/s burst %u%s", quota->per_second,
                        quota->burst == 0 ? 1 : quota->burst, quota->per_day > 0 ? ", " : "");
    if (quota->per_day > 0)
        (void)snprintf(cell + used, CELL_ROOM - (size_t)used, "%u/day", quota->per_day);
}

static void say_rules(const struct client_config *client, char *cell)
{
    if (client->allow == NULL && client->deny_count == 0)
        (void)snprintf(cell, CELL_ROOM, "all");
    else if (client->allow == NULL)
        (void)snprintf(cell, CELL_ROOM, "all, deny %zu", client->deny_count);
    else
        (void)snprintf(cell, CELL_ROOM, "allow %zu, deny %zu", client->allow_count,
                       client->deny_count);
}

static void say_keys(const struct client_config *client, char *cell)
{
    char until[CLOCK_RFC3339_ROOM];
    size_t used = 0;

    (void)snprintf(cell, CELL_ROOM, "no end");
    for (size_t i = 0; i < client->key_count; i++) {
        if (client->keys[i].until_wall_us == INT64_MAX)
            (void)snprintf(until, sizeof(until), "no end");
        else
            clock_format_seconds(client->keys[i].until_wall_us, until);
        used += (size_t)snprintf(cell + used, CELL_ROOM - used, "%s%s",
                                 i == 0 ? "" : "; previous: ", until);
    }
}

static void say_table(const struct configuration *configuration, int64_t wall_us)
{
    int name_width = 4;

    for (size_t i = 0; i < configuration->client_count; i++) {
        const int width = (int)strlen(configuration->clients[i].name); /* 64 at most */

        name_width = width > name_width ? width : name_width;
    }
    (void)printf("%-*s  %-8s  %-12s  %-15s  %-28s  %-18s  %s\n", name_width, "NAME", "STATE",
                 "UPSTREAM", "PRIORITY", "QUOTA", "RULES", "KEY UNTIL");
    for (size_t i = 0; i < configuration->client_count; i++) {
        const struct client_config *client = &configuration->clients[i];
        const char *upstream = client_upstream_name(configuration, client);
        char quota[CELL_ROOM], rules[CELL_ROOM], keys[CELL_ROOM], priority[CELL_ROOM];

        say_quota(&client->quota, quota);
        say_rules(client, rules);
        say_keys(client, keys);
        (void)snprintf(priority, sizeof(priority), "%s:%u", priority_name(client->priority),
                       client->weight);
        (void)printf("%-*s  %-8s  %-12s  %-15s  %-28s  %-18s  %s\n", name_width, client->name,
                     client_state(client, wall_us), upstream, priority, quota, rules, keys);
    }
}

/* --- as JSON; cJSON's printing asks for all that could not be had --- */

static void add_quota(cJSON *object, const struct quota_config *quota)
{
    cJSON *inner = cJSON_AddObjectToObject(object, "quota");

    (void)cJSON_AddNumberToObject(inner, "per_second", quota->per_second);
    (void)cJSON_AddNumberToObject(inner, "burst", quota->burst);
    (void)cJSON_AddNumberToObject(inner, "per_day", quota->per_day);
}

static cJSON *client_json(const struct configuration *configuration,
                          const struct client_config *client, int64_t wall_us)
{
    cJSON *object = client_view_create(configuration, client);

    (void)cJSON_AddStringToObject(object, "state", client_state(client, wall_us));
    add_quota(object, &client->quota);
    client_view_add_time(object, "key_until", client->keys[0].until_wall_us);
    (void)cJSON_AddBoolToObject(object, "has_previous_key", client->key_count > 1);
    if (client->key_count > 1)
        client_view_add_time(object, "previous_key_until", client->keys[1].until_wall_us);
    return object;
}

static void say_json(const struct configuration *configuration, int64_t wall_us)
{
    cJSON *list = cJSON_CreateArray();

    for (size_t i = 0; i < configuration->client_count; i++)
        (void)cJSON_AddItemToArray(list,
                                   client_json(configuration, &configuration->clients[i], wall_us));
    char *text = cJSON_Print(list);
    cJSON_Delete(list);
    if (text == NULL)
        memory_exhausted();
    (void)puts(text);
    cJSON_free(text);
}

int client_list_print(const char *config, bool json)
{
    struct configuration *configuration;
    const int code = configured_read(config, &configuration);

    if (code != CLI_DONE)
        return code;
    if (json)
        say_json(configuration, clock_wall_us());
    else
        say_table(configuration, clock_wall_us());
    configuration_release(configuration);
    return fflush(stdout) == EOF ? CLI_FAILED : CLI_DONE;
}
