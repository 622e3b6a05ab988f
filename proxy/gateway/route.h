/*
 * Which upstream serves a path. Paths are compared in their one form (http/uri.h), and so are the
 * prefixes of upstreams (config/upstreams.c): no spelling leads elsewhere than its normal form
 * does.
 */
#ifndef POSTERN_GATEWAY_ROUTE_H
#define POSTERN_GATEWAY_ROUTE_H

#include "config/configuration.h"

struct route {
    uint32_t upstream;   /* index into configuration.upstreams */
    struct bytes prefix; /* what is cut off the path before it goes up; empty: nothing */
};

/*
 * The route of a normalised path: a client that names an upstream has that one, whether its prefix
 * is there or not; others have the upstream with the longest prefix that the path is below, else
 * the one without. RESULT_MISSING: there is none.
 */
MUST_USE enum result route_find(const struct configuration *configuration,
                                const struct client_config *client, struct bytes path,
                                struct route *route);

/* Whether the path is the prefix, or below it. Every path is below the empty one. */
bool route_is_below(struct bytes path, struct bytes prefix);

/* What is left of a path below the prefix: "/" of the prefix itself. Borrows from the path. */
struct bytes route_rest(struct bytes path, struct bytes prefix);

#endif
