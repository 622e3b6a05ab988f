/* Identified clients only: exchange.c asks after it has told who it is. */
#include "gateway/own.h"

#include "base/memory.h"
#include "gateway/client_view.h"
#include "gateway/respond.h"
#include "http/problem.h"

bool own_path(struct bytes path)
{
    return bytes_equal(path, BYTES("/_postern")) || bytes_starts_with(path, BYTES("/_postern/"));
}

/* A count; null without a limit. */
static void add_count(cJSON *object, const char *name, bool is_limited, double count)
{
    if (is_limited)
        (void)cJSON_AddNumberToObject(object, name, count);
    else
        (void)cJSON_AddNullToObject(object, name);
}

static void add_quota(cJSON *object, const struct quota_config *limit,
                      const struct quota_view *view)
{
    const bool by_second = limit->per_second > 0, by_day = limit->per_day > 0;
    cJSON *quota = cJSON_AddObjectToObject(object, "quota");

    add_count(quota, "per_second", by_second, limit->per_second);
    add_count(quota, "burst", by_second, limit->burst == 0 ? 1 : limit->burst);
    add_count(quota, "second_left", view->second_left != UINT64_MAX, (double)view->second_left);
    add_count(quota, "per_day", by_day, limit->per_day);
    add_count(quota, "day_left", view->day_left != UINT64_MAX, (double)view->day_left);
    client_view_add_time(quota, "day_ends", view->day_ends_wall_us);
}

static void add_today(cJSON *object, const struct quota_view *view)
{
    cJSON *today = cJSON_AddObjectToObject(object, "today");

    (void)cJSON_AddNumberToObject(today, "requests", (double)view->requests_today);
    (void)cJSON_AddNumberToObject(today, "hits", (double)view->hits_today);
    (void)cJSON_AddNumberToObject(today, "calls", (double)view->calls_today);
}

/* The client's own view, in the arena. */
static struct bytes view_of(const struct exchange *exchange)
{
    cJSON *object = client_view_create(exchange->settings->configuration, exchange->client);
    struct quota_view view;

    quota_view(exchange->allotment->quota, exchange->start_us, exchange->start_wall_us, &view);
    add_quota(object, &exchange->client->quota, &view);
    client_view_add_time(object, "key_until", exchange->key_until_wall_us);
    add_today(object, &view);
    char *text = cJSON_Print(object);
    cJSON_Delete(object);
    if (text == NULL)
        memory_exhausted();
    const struct bytes body = arena_join(exchange->arena, bytes_of_string(text), BYTES("\n"));
    cJSON_free(text);
    return body;
}

void own_answer(struct exchange *exchange, struct bytes path)
{
    const enum http_method method = exchange->request->method;
    struct arena *arena = exchange->arena;
    struct fields fields = {0};

    exchange->at_gate.url = path; /* for the record: no query, which may hold the key */
    if (!bytes_equal(path, BYTES("/_postern/me"))) {
        respond_refusal(exchange, REFUSAL_PATH, 404,
                        "the gate's own paths are not the upstream's: there is /_postern/me");
        return;
    }
    fields_add(&fields, arena, BYTES("Cache-Control"), BYTES("no-store"));
    if (method != METHOD_GET && method != METHOD_HEAD) {
        exchange->refusal = REFUSAL_PATH;
        fields_add(&fields, arena, BYTES("Allow"), BYTES("GET, HEAD"));
        fields_add(&fields, arena, BYTES("Content-Type"), BYTES(PROBLEM_CONTENT_TYPE));
        respond_own(
            exchange, 405, &fields,
            respond_problem_body(arena, 405, "a client's own view is only read", exchange->id));
        return;
    }
    fields_add(&fields, arena, BYTES("Content-Type"), BYTES("application/json"));
    respond_own(exchange, 200, &fields, view_of(exchange));
}
