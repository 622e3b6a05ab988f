/* Status out, purges in. */
#include "admin/api.h"

#include <cJSON.h>
#include <stdlib.h>

#include "admin/metrics.h"
#include "admin/usage.h"
#include "base/clock.h"
#include "base/memory.h"
#include "cache/changed.h"
#include "gateway/normalise.h"

static void add_number(cJSON *object, const char *name, uint64_t value)
{
    (void)cJSON_AddNumberToObject(object, name,
                                  (double)value); /* a member that memory forbids is one fewer */
}

static void add_text(cJSON *object, const char *name, const char *value)
{
    (void)cJSON_AddStringToObject(object, name, value);
}

static void add_flag(cJSON *object, const char *name, bool value)
{
    (void)cJSON_AddBoolToObject(object, name, value);
}

static void add_time(cJSON *object, const char *name, int64_t wall_us)
{
    char text[CLOCK_RFC3339_ROOM];

    clock_format_rfc3339(wall_us, text);
    add_text(object, name, text);
}

/* What there is no limit of, and what is not known, is left out. */
static void add_budget(cJSON *upstream, const struct budget_status *budget)
{
    cJSON *object = cJSON_AddObjectToObject(upstream, "budget");

    if (budget->limits.concurrency > 0)
        add_number(object, "concurrency", budget->limits.concurrency);
    if (budget->second_left != UINT64_MAX) {
        (void)cJSON_AddNumberToObject(object, "per_second", budget->limits.per_second);
        add_number(object, "burst", budget->limits.burst > 0 ? budget->limits.burst : 1);
        add_number(object, "second_left", budget->second_left);
    }
    if (budget->limits.per_day > 0) {
        const uint64_t per_day = budget->limits.per_day;

        add_number(object, "per_day", per_day);
        add_number(object, "day_left",
                   budget->day_spent < per_day ? per_day - budget->day_spent : 0);
        add_time(object, "day_ends", budget->day_ends_wall_us);
    }
    add_number(object, "day_spent", budget->day_spent);
    if (budget->has_left) {
        add_number(object, "told_left", budget->left); /* by the upstream itself */
        add_time(object, "told_left_until", budget->left_until_wall_us);
    }
    (void)cJSON_AddNumberToObject(object, "paused_s", (double)budget->paused_us / 1e6);
    add_flag(object, "template_paused", budget->is_template_paused);
    add_text(object, "breaker", breaker_state_name(budget->breaker));
    add_number(object, "admitted", budget->admitted);
    add_number(object, "refused", budget->refused);
    add_number(object, "pauses", budget->pauses);
    add_number(object, "probes", budget->probes);
    add_number(object, "retries", budget->retries);
}

static void add_upstreams(struct server *server, cJSON *status)
{
    const struct settings *settings = server_settings(server);
    cJSON *list = cJSON_AddArrayToObject(status, "upstreams");

    for (size_t i = 0; i < settings->configuration->upstream_count; i++) {
        const struct settings_upstream *upstream = &settings->upstreams[i];
        const struct account *account = settings_account(upstream);
        cJSON *item = cJSON_CreateObject();
        struct budget_status budget;

        budget_read(upstream->upstream.budget, &budget);
        add_text(item, "name", upstream->upstream.config->name);
        add_text(item, "url", upstream->upstream.config->url);
        if (account != NULL)
            add_text(item, "account", account->name);
        else
            (void)cJSON_AddNullToObject(item, "account");
        add_number(item, "under_way", budget.under_way);
        add_number(item, "queued", budget.queued);
        add_budget(item, &budget);
        (void)cJSON_AddItemToArray(list, item);
    }
}

static void add_cache(struct server *server, cJSON *status)
{
    struct cache_status cache;
    cJSON *object = cJSON_AddObjectToObject(status, "cache");

    cache_read_status(server_gate(server)->cache, &cache);
    add_number(object, "entries", cache.entries);
    add_number(object, "bytes", cache.held_bytes);
    add_number(object, "max_bytes", cache.max_bytes);
    add_number(object, "evictions", cache.evictions);
    add_number(object, "stores", cache.stores);
    add_number(object, "refused_stores", cache.refused_stores);
    add_number(object, "invalidations", cache.invalidations);
    add_number(object, "intents", cache.intents);
    add_flag(object, "usable", !cache.unusable);
}

static void add_audit(struct server *server, cJSON *status)
{
    struct audit_status audit;
    const struct gate *gate = server_gate(server);

    if (gate->audit == NULL) {
        (void)cJSON_AddNullToObject(status, "audit");
        return;
    }
    audit_read_status(gate->audit, &audit);
    cJSON *object = cJSON_AddObjectToObject(status, "audit");
    add_number(object, "records", audit.records);
    add_number(object, "bytes", audit.bytes);
    add_flag(object, "failing", audit.failing);
}

static void add_totals(struct server *server, cJSON *status)
{
    const struct metrics_totals totals = metrics_totals(server);

    add_number(status, "requests", totals.requests);
    add_number(status, "hits", totals.hits);
    add_number(status, "collapsed", totals.collapsed);
    add_number(status, "upstream_calls", totals.upstream_calls);
    add_number(status, "calls_saved", totals.hits + totals.collapsed);
}

/* A client's line, but for what it was refused. */
static void add_usage(cJSON *item, const struct usage *usage)
{
    add_number(item, "requests", usage->requests);
    add_number(item, "hits", usage->hits);
    add_number(item, "calls", usage->calls);
    add_number(item, "saved", usage->saved);
    add_number(item, "queued", usage->queued);
    add_number(item, "queue_us", usage->queue_us);
}

/* All clients that asked for anything, nobody ("") being who was not identified. */
static void add_clients(struct server *server, cJSON *status)
{
    cJSON *list = cJSON_AddArrayToObject(status, "clients");
    uint32_t *waiting = usage_waiting(server);
    struct usage_table table;
    const char *name;
    size_t next = 0;

    usage_read(server, &table);
    for (uint32_t slot = 0; (name = client_slots_name(server_gate(server)->slots, slot)) != NULL;
         slot++) {
        struct usage usage = {0};
        uint64_t refused = 0;

        for (; next < table.count && table.lines[next].slot == slot; next++)
            usage_add(&usage, &table.lines[next].usage);
        for (unsigned refusal = REFUSAL_NONE + 1; refusal < REFUSALS; refusal++)
            refused += usage_refusals(server, slot, (enum refusal)refusal);
        if (usage.requests == 0 && refused == 0 && waiting[slot] == 0)
            continue;
        cJSON *item = cJSON_CreateObject();
        add_text(item, "name", name);
        add_usage(item, &usage);
        add_number(item, "waiting", waiting[slot]);
        add_number(item, "refused", refused);
        (void)cJSON_AddItemToArray(list, item);
    }
    usage_finish(&table);
    free(waiting);
}

static void add_listeners(struct server *server, cJSON *status)
{
    cJSON *list = cJSON_AddArrayToObject(status, "listen");

    for (size_t i = 0; i < server_listener_count(server); i++)
        if (i == 0 || strcmp(server_listener(server, i), server_listener(server, i - 1)) != 0)
            (void)cJSON_AddItemToArray(list, cJSON_CreateString(server_listener(server, i)));
}

void api_write_status(struct server *server, struct buffer *text)
{
    cJSON *status = cJSON_CreateObject();

    add_text(status, "version", POSTERN_VERSION);
    add_number(status, "uptime_s",
               (uint64_t)((clock_wall_us() - server_started_wall_us(server)) / CLOCK_SECOND_US));
    add_flag(status, "draining", server_is_draining(server));
    add_number(status, "workers", server_worker_count(server));
    add_number(status, "configured_clients", server_settings(server)->configuration->client_count);
    add_listeners(server, status);
    add_totals(server, status);
    add_clients(server, status);
    add_upstreams(server, status);
    add_cache(server, status);
    add_audit(server, status);
    char *printed = cJSON_PrintUnformatted(status);
    if (printed == NULL)
        memory_exhausted();
    buffer_add(text, bytes_of_string(printed));
    buffer_add_byte(text, '\n');
    cJSON_free(printed);
    cJSON_Delete(status);
}

static const char purge_help[] =
    "send one of {\"all\": true}, {\"path\": \"/profile/456\"}, {\"tag\": \"profile/456\"}, "
    "{\"entity\": \"profile/456\"}, the entity's kind being one of the upstream's preset";

static bool has_client_of_its_own(const struct configuration *configuration, uint32_t upstream)
{
    for (size_t i = 0; i < configuration->client_count; i++)
        if (configuration->clients[i].has_upstream &&
            configuration->clients[i].upstream == upstream)
            return true;
    return false;
}

enum purge_reach api_purge_reach(const struct configuration *configuration, uint32_t upstream,
                                 struct bytes path, struct bytes *plain_path)
{
    const struct upstream_config *config = &configuration->upstreams[upstream];
    struct bytes rest = path;

    if (bytes_equal(path, BYTES("/")) || route_is_below(config->prefix, path))
        return PURGE_ACCOUNT;
    if (route_is_below(path, config->prefix))
        rest = route_rest(path, config->prefix);
    else if (!has_client_of_its_own(configuration, upstream)) /* these may leave the prefix out */
        return PURGE_NOTHING;
    *plain_path = normalise_plain_path(config, rest);
    return bytes_equal(*plain_path, BYTES("/")) ? PURGE_ACCOUNT : PURGE_PATH;
}

/* A path as requests are normalised, that leads to some upstream. All is below the root. */
static enum result purge_read_path(const struct server *server, struct bytes text,
                                   struct arena *arena, struct api_purge *purge)
{
    const struct configuration *configuration = server_settings(server)->configuration;
    struct bytes plain_path;
    bool leads = false;

    if (target_normalise_path(arena, text, false, &purge->path) != RESULT_OK)
        return RESULT_INVALID;
    for (uint32_t i = 0; i < configuration->upstream_count; i++)
        leads |= api_purge_reach(configuration, i, purge->path, &plain_path) != PURGE_NOTHING;
    return leads ? RESULT_OK : RESULT_MISSING;
}

/* "profile/456", of a kind that some upstream's preset knows. */
static enum result purge_read_entity(const struct server *server, struct bytes text,
                                     struct arena *arena, struct api_purge *purge)
{
    const struct configuration *configuration = server_settings(server)->configuration;

    purge->entity = arena_copy(arena, text);
    for (size_t i = 0; i < configuration->upstream_count; i++) {
        const struct changed_question question = {.preset = configuration->upstreams[i].preset};
        struct changed changed;

        if (changed_by_entity(&question, purge->entity, arena, &changed) == RESULT_OK)
            return RESULT_OK;
    }
    return RESULT_INVALID;
}

static enum result purge_read(const struct server *server, const cJSON *json, struct arena *arena,
                              struct api_purge *purge)
{
    const cJSON *all = cJSON_GetObjectItemCaseSensitive(json, "all");
    const cJSON *path = cJSON_GetObjectItemCaseSensitive(json, "path");
    const cJSON *tag = cJSON_GetObjectItemCaseSensitive(json, "tag");
    const cJSON *entity = cJSON_GetObjectItemCaseSensitive(json, "entity");

    if (!cJSON_IsObject(json) || cJSON_GetArraySize(json) != 1)
        return RESULT_INVALID;
    if (cJSON_IsTrue(all)) {
        *purge = (struct api_purge){.all = true};
        return RESULT_OK;
    }
    *purge = (struct api_purge){0};
    if (cJSON_IsString(path))
        return purge_read_path(server, bytes_of_string(path->valuestring), arena, purge);
    if (cJSON_IsString(tag) && tag->valuestring[0] != '/')
        return purge_read_path(server, arena_format(arena, "/%s", tag->valuestring), arena, purge);
    if (cJSON_IsString(entity))
        return purge_read_entity(server, bytes_of_string(entity->valuestring), arena, purge);
    return RESULT_INVALID;
}

enum result api_read_purge(const struct server *server, struct bytes body, struct arena *arena,
                           struct api_purge *purge, struct error *error)
{
    cJSON *json = cJSON_ParseWithLength(body.data == NULL ? "" : body.data, body.length);
    const enum result result = purge_read(server, json, arena, purge);

    cJSON_Delete(json);
    if (result == RESULT_MISSING)
        return error_set(error, result, "no upstream serves that path");
    return result == RESULT_OK ? result : error_set(error, result, "%s", purge_help);
}
