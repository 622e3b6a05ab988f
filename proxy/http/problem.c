/*
 * One flat JSON object, written by hand: five members whose order people read. Which status and
 * which words is the caller's decision.
 */
#include "http/problem.h"

#include "http/json.h"
#include "http/message.h"

/* `body` with one more string member; an empty value is left out. */
static struct bytes with_member(struct arena *arena, struct bytes body, const char *name,
                                struct bytes value)
{
    if (value.length == 0)
        return body;
    const struct bytes string = json_string(arena, value);
    return arena_format(arena, "%.*s,\"%s\":%.*s", (int)body.length, body.data, name,
                        (int)string.length, string.data);
}

struct bytes problem_body(struct arena *arena, unsigned status, struct bytes title,
                          struct bytes detail, struct bytes request_id)
{
    const struct bytes name = title.length > 0 ? title : bytes_of_string(http_reason(status));
    const struct bytes string = json_string(arena, name);
    struct bytes body =
        arena_format(arena, "{\"type\":\"about:blank\",\"title\":%.*s,\"status\":%u",
                     (int)string.length, string.data, status);

    body = with_member(arena, body, "detail", detail);
    body = with_member(arena, body, "request_id", request_id);
    return arena_join(arena, body, BYTES("}\n"));
}
