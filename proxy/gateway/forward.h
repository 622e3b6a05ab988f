/* Which request fields go up: an allow-list (design, "The life of a request"). */
#ifndef POSTERN_GATEWAY_FORWARD_H
#define POSTERN_GATEWAY_FORWARD_H

#include "config/configuration.h"
#include "http/message.h"

/*
 * The fields of a request as they are sent upstream, in the arena. `with_conditions`: If-* and
 * Range too, for requests that the cache takes no part in. Never: credentials, cookies, hop-by-hop
 * fields and those that Connection names, whatever the configuration says; Content-Length and Host
 * are the fetch's own.
 */
struct fields forward_fields(struct arena *arena, const struct fields *from,
                             const struct upstream_config *upstream, bool with_conditions);

/* A field that would make another method of this one (X-HTTP-Method-Override and its kin). */
bool forward_overrides_method(const struct fields *fields);

#endif
