/* Statuses, Location, X-location, X-Created and X-Deleted per version. Lists stand in listing.c. */
#include "sandbox/reply.h"

#include <assert.h>

#include "base/memory.h"

enum { STATUS_SINCE_V3 = 3 };

void reply_init(struct reply *reply, struct arena *arena)
{
    *reply = (struct reply){.arena = arena};
}

void reply_field(struct reply *reply, struct bytes name, struct bytes value)
{
    fields_add(&reply->fields, reply->arena, name, value);
}

void reply_text(struct reply *reply, struct bytes json)
{
    reply->status = 200;
    reply->body = json;
    reply_field(reply, BYTES("Content-Type"), BYTES("application/json"));
}

void reply_json(struct reply *reply, cJSON *tree)
{
    char *text = cJSON_PrintUnformatted(tree);

    if (text == NULL)
        memory_exhausted();
    reply_text(reply, arena_copy(reply->arena, bytes_of_string(text)));
    cJSON_free(text);
    cJSON_Delete(tree);
}

void reply_error(struct reply *reply, const char *message)
{
    cJSON *tree = cJSON_CreateObject();
    cJSON *error = cJSON_AddObjectToObject(tree, "error");

    (void)cJSON_AddStringToObject(error, "message", message);
    reply_json(reply, tree);
    reply->status = 400;
}

static struct bytes call_origin(const struct call *call)
{
    const struct field *host = fields_find(&call->request->fields, BYTES("Host"));

    return arena_join(call->arena, BYTES("http://"),
                      host == NULL ? BYTES("localhost") : host->value);
}

/* The path that was asked, without trailing slashes and a trailing "/fields". */
static struct bytes call_entity_path(const struct call *call)
{
    struct bytes path = call->path;

    while (path.length > 1 && path.data[path.length - 1] == '/')
        path.length--;
    if (bytes_ends_with(path, BYTES("/fields")))
        path.length -= sizeof("/fields") - 1;
    return path;
}

/* As observed of v2: the URL that was asked, without its version, with its query and the token in
 * it. */
static void reply_location(struct reply *reply, const struct call *call)
{
    const struct bytes url = arena_join(call->arena, call_origin(call), call_entity_path(call));
    const struct bytes mark = call->query.length > 0 ? BYTES("?") : BYTES("");

    reply_field(reply, BYTES("Location"),
                arena_join(call->arena, arena_join(call->arena, url, mark), call->query));
}

/* The samples print /v1/ whatever the version was. */
static void reply_x_location(struct reply *reply, const struct call *call, struct bytes path)
{
    const struct bytes origin = arena_join(call->arena, call_origin(call), BYTES("/v1"));

    reply_field(reply, BYTES("X-location"), arena_join(call->arena, origin, path));
}

static void reply_x_created(struct reply *reply, const struct call *call, enum kind kind,
                            uint32_t id)
{
    reply_field(reply, BYTES("X-Created"), arena_format(call->arena, "%u", id));
    reply_x_location(reply, call, arena_format(call->arena, "/%s/%u", kind_name(kind), id));
}

void reply_created(struct reply *reply, const struct call *call, enum kind kind, uint32_t id)
{
    reply->status = 201;
    reply_x_created(reply, call, kind, id);
}

void reply_created_by_put(struct reply *reply, const struct call *call, enum kind kind, uint32_t id)
{
    reply->status = call->version >= STATUS_SINCE_V3 ? 201 : 303;
    if (reply->status == 303)
        reply_location(reply, call);
    reply_x_created(reply, call, kind, id);
}

void reply_updated(struct reply *reply, const struct call *call)
{
    static const unsigned statuses[] = {[1] = 200, [2] = 303, [3] = 204, [4] = 204};

    assert(call->version < ARRAY_LENGTH(statuses));
    reply->status = statuses[call->version];
    if (reply->status == 303)
        reply_location(reply, call);
    reply_x_location(reply, call, call_entity_path(call));
}

void reply_updated_many(struct reply *reply, const struct call *call)
{
    reply->status = call->version >= STATUS_SINCE_V3 ? 204 : 200;
}

void reply_deleted(struct reply *reply, const struct call *call, enum kind kind, uint32_t id)
{
    reply->status = call->version >= STATUS_SINCE_V3 ? 204 : 200;
    reply_field(reply, BYTES("X-Deleted"), arena_format(call->arena, "%s %u", kind_name(kind), id));
}
