/*
 * A stored answer tells its freshness and its tags; one that is not there is looked for among the
 * invalidations that are remembered, first by its key, then by the tags that its path has.
 */
#include "admin/why.h"

#include <cJSON.h>

#include "base/clock.h"
#include "base/memory.h"
#include "cache/shown.h"
#include "gateway/normalise.h"

enum { WHY_ARENA_BYTES = 16 * 1024 };

struct asking {
    struct server *server;
    struct cache_reader *reader;
    struct arena arena;
    const struct upstream_config *upstream;
    struct account *account;
    struct bytes at_gate; /* the URL as clients write it */
    struct target target;
    struct bytes plain_path;
    struct cache_key url;
    cJSON *told;
};

enum result why_read(struct bytes query, struct arena *arena, struct why *why)
{
    struct parameter parameter;

    *why = (struct why){0};
    while (parameter_next(&query, &parameter)) {
        const struct bytes value = uri_decode_query(arena, parameter.value);

        if (bytes_equal(parameter.name, BYTES("url")))
            why->url = value;
        else if (bytes_equal(parameter.name, BYTES("client")))
            why->client = value;
        else if (bytes_equal(parameter.name, BYTES("accept")))
            why->accept = value;
    }
    return why->url.length > 0 ? RESULT_OK : RESULT_INVALID;
}

/* Who asks: the client of that name; without a name the first, or "local". NULL: there is none. */
static const struct client_config *asking_client(const struct settings *settings, struct bytes name)
{
    const struct configuration *configuration = settings->configuration;

    if (configuration->client_count == 0)
        return name.length == 0 || bytes_equal(name, BYTES("local")) ? &settings->local : NULL;
    for (size_t i = 0; i < configuration->client_count; i++)
        if (name.length == 0 || bytes_equal(bytes_of_string(configuration->clients[i].name), name))
            return &configuration->clients[i];
    return NULL;
}

/* The upstream, the account, the URL in its one form. */
static enum result asking_begin(struct asking *asking, const struct why *why, struct error *error)
{
    const struct settings *settings = server_settings(asking->server);
    const struct client_config *client = asking_client(settings, why->client);
    struct request request = {.method = METHOD_GET, .method_text = BYTES("GET")};
    struct normalised normalised;
    struct bytes authority;

    if (client == NULL)
        return error_set(error, RESULT_INVALID, "there is no client of that name");
    enum result result = target_origin_form(&asking->arena, why->url, &request.target, &authority);
    if (result == RESULT_OK)
        result = normalise_request(&asking->arena, settings->configuration, client, &request,
                                   &normalised);
    if (result == RESULT_MISSING)
        return error_set(error, RESULT_INVALID, "no upstream serves that path");
    if (result != RESULT_OK)
        return error_set(error, RESULT_INVALID, "the url is none: send url=/v2/profile/456");
    asking->at_gate = normalised.at_gate.url;
    asking->target = normalised.target;
    asking->plain_path = normalised.plain_path;
    asking->upstream = &settings->configuration->upstreams[normalised.route.upstream];
    asking->account = settings_account(&settings->upstreams[normalised.route.upstream]);
    if (asking->account != NULL)
        asking->url = key_of_url(&asking->arena, bytes_of_string(asking->account->name),
                                 bytes_of_string(asking->upstream->name), asking->target.url);
    return RESULT_OK;
}

/* As it would be stored now, or (knowing nothing) as the very first answer was. */
static struct shown asking_shown(struct asking *asking, struct bytes body, bool knowing)
{
    const struct shown_question question = {
        .preset = asking->upstream->preset,
        .relations = knowing ? cache_reader_relations(asking->reader, asking->account)
                             : (struct relations){.account_tag = asking->account->tag},
        .path = asking->plain_path,
        .query = asking->target.query,
        .body = body,
    };
    struct shown shown;

    shown_by_answer(&question, &asking->arena, &shown);
    return shown;
}

static void tell_stored(struct asking *asking, const struct entry *entry)
{
    const int64_t wall_us = clock_wall_us();
    const double fresh_s = (double)(entry->expires_wall_us - wall_us) / 1e6;

    (void)cJSON_AddStringToObject(asking->told, "state",
                                  entry_is_fresh(entry, wall_us) ? "fresh" : "stale");
    (void)cJSON_AddNumberToObject(asking->told, "fresh_for_s", fresh_s > 0 ? fresh_s : 0);
    (void)cJSON_AddNumberToObject(asking->told, "age_s", (double)entry_age_s(entry, wall_us));
    (void)cJSON_AddNumberToObject(asking->told, "status", entry->status);
    (void)cJSON_AddNumberToObject(asking->told, "bytes", (double)entry->body.length);
    (void)cJSON_AddNumberToObject(asking->told, "tag_count", (double)entry->tags.count);
}

/* The texts of those that are among `held`, but not among `told` already. */
static void tell_tags(struct asking *asking, const struct shown *shown, struct tags held,
                      struct tags told)
{
    cJSON *tags = cJSON_GetObjectItemCaseSensitive(asking->told, "tags");

    if (tags == NULL)
        tags = cJSON_AddArrayToObject(asking->told, "tags");
    for (size_t i = 0; i < shown->tags.count; i++)
        if (tags_have(held, shown->tags.hashes[i]) && !tags_have(told, shown->tags.hashes[i]))
            (void)cJSON_AddItemToArray(
                tags, cJSON_CreateString(arena_copy(&asking->arena, shown->texts[i]).data));
}

static void tell_memory(struct asking *asking, const struct cache_memory *memory, bool by_key)
{
    cJSON *object = cJSON_AddObjectToObject(asking->told, by_key ? "went_by" : "last_named_by");
    char time[CLOCK_RFC3339_ROOM];

    clock_format_rfc3339(memory->wall_us, time);
    (void)cJSON_AddStringToObject(object, "time", time);
    (void)cJSON_AddStringToObject(object, "rule", memory->rule);
    (void)cJSON_AddStringToObject(object, "method", memory->method);
    (void)cJSON_AddStringToObject(object, "url", memory->url);
    (void)cJSON_AddStringToObject(object, "client", memory->client);
    (void)cJSON_AddStringToObject(object, "id", memory->id);
    (void)cJSON_AddNumberToObject(object, "entries_gone", (double)memory->gone);
}

/* True: it is stored, or is known to have gone, as this Accept selects it. */
static bool tell_variant(struct asking *asking, struct bytes accept)
{
    struct cache *cache = server_gate(asking->server)->cache;
    struct fields sent = {0};
    struct entry entry;
    struct cache_memory memory;

    if (accept.length > 0)
        fields_add(&sent, &asking->arena, BYTES("Accept"), accept);
    const struct cache_query query = {
        .account = asking->account, .url = asking->url, .sent = &sent};
    if (cache_lookup(asking->reader, &query, &asking->arena, &entry) == RESULT_OK) {
        const struct bytes body = arena_copy(&asking->arena, entry.body);

        tell_stored(asking, &entry);
        const struct shown now = asking_shown(asking, body, true);
        const struct shown first = asking_shown(asking, body, false);
        tell_tags(asking, &now, entry.tags, (struct tags){0});
        tell_tags(asking, &first, entry.tags, now.tags);
        return true;
    }
    const struct cache_key key = key_of_variant(&asking->arena, &asking->url, BYTES(""), &sent);
    if (cache_recall(cache, key.hash, &memory) != RESULT_OK)
        return false;
    (void)cJSON_AddStringToObject(asking->told, "state", "invalidated");
    tell_memory(asking, &memory, true);
    return true;
}

static void tell_all(struct asking *asking, const struct why *why)
{
    const struct bytes usual[] = {BYTES("*/*"), BYTES(""), BYTES("application/json")};
    struct cache_memory memory;
    bool told = false;

    (void)cJSON_AddStringToObject(asking->told, "url",
                                  arena_copy(&asking->arena, asking->at_gate).data);
    (void)cJSON_AddStringToObject(asking->told, "upstream", asking->upstream->name);
    if (asking->account == NULL) {
        (void)cJSON_AddStringToObject(asking->told, "state", "account not known yet");
        return;
    }
    if (why->accept.data != NULL)
        told = tell_variant(asking, why->accept);
    for (size_t i = 0; !told && why->accept.data == NULL && i < ARRAY_LENGTH(usual); i++)
        told = tell_variant(asking, usual[i]);
    if (told)
        return;
    (void)cJSON_AddStringToObject(asking->told, "state", "not stored");
    const struct shown shown = asking_shown(asking, BYTES("null"), true);
    tell_tags(asking, &shown, shown.tags, (struct tags){0});
    if (cache_recall_tags(server_gate(asking->server)->cache, shown.tags, &memory) == RESULT_OK)
        tell_memory(asking, &memory, false);
}

enum result why_write(struct server *server, struct cache_reader *reader, const struct why *why,
                      struct buffer *text, struct error *error)
{
    struct asking asking = {.server = server, .reader = reader};

    arena_init(&asking.arena, WHY_ARENA_BYTES);
    const enum result result = asking_begin(&asking, why, error);
    if (result == RESULT_OK) {
        asking.told = cJSON_CreateObject();
        tell_all(&asking, why);
        cache_reader_reset(reader);
        char *printed = cJSON_PrintUnformatted(asking.told);
        if (printed == NULL)
            memory_exhausted();
        buffer_add(text, bytes_of_string(printed));
        buffer_add_byte(text, '\n');
        cJSON_free(printed);
        cJSON_Delete(asking.told);
    }
    arena_finish(&asking.arena);
    return result;
}
