/* Only what its owner may know: no hash of a key. */
#include "gateway/client_view.h"

#include "base/clock.h"

static void add_text(cJSON *object, const char *name, const char *text)
{
    if (text != NULL)
        (void)cJSON_AddStringToObject(object, name, text);
    else
        (void)cJSON_AddNullToObject(object, name);
}

static void add_rules(cJSON *object, const char *name, const struct allow_rule *rules, size_t count)
{
    cJSON *list = cJSON_AddArrayToObject(object, name);

    for (size_t i = 0; i < count; i++)
        (void)cJSON_AddItemToArray(list, cJSON_CreateString(rules[i].text.data));
}

cJSON *client_view_create(const struct configuration *configuration,
                          const struct client_config *client)
{
    const bool has_one = client->has_upstream || configuration->upstream_count == 1;
    cJSON *object = cJSON_CreateObject();

    add_text(object, "name", client->name);
    add_text(object, "upstream", has_one ? configuration->upstreams[client->upstream].name : NULL);
    if (client->allow != NULL)
        add_rules(object, "allow", client->allow, client->allow_count);
    else
        (void)cJSON_AddNullToObject(object, "allow");
    add_rules(object, "deny", client->deny, client->deny_count);
    add_text(object, "priority", priority_name(client->priority));
    (void)cJSON_AddNumberToObject(object, "weight", client->weight);
    return object;
}

void client_view_add_time(cJSON *object, const char *name, int64_t wall_us)
{
    char text[CLOCK_RFC3339_ROOM];

    if (wall_us != INT64_MAX)
        clock_format_seconds(wall_us, text);
    add_text(object, name, wall_us == INT64_MAX ? NULL : text);
}
