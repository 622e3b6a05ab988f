/* A request's target in its one form (http/uri.h), at the gate and at the upstream that it is
 * routed to, by the rules of that one's preset. */
#ifndef POSTERN_GATEWAY_NORMALISE_H
#define POSTERN_GATEWAY_NORMALISE_H

#include "access/permissions.h"
#include "gateway/route.h"
#include "http/message.h"
#include "http/uri.h"

struct normalised {
    struct route route;
    struct target at_gate; /* as the client sees it; its credential is the client's key, if it came
                              in the query */
    struct target target;  /* as the upstream sees it: without the route's prefix */
    struct bytes plain_path; /* target.path without version prefix */
};

/*
 * Routes and normalises a request, in the arena. What the preset calls ignorable or a default is
 * dropped from reads only. RESULT_INVALID: it can be read in more than one way; *normalised is not
 * set. RESULT_MISSING: no upstream serves that path, which is in at_gate.path and at_gate.url.
 */
MUST_USE enum result normalise_request(struct arena *arena,
                                       const struct configuration *configuration,
                                       const struct client_config *client,
                                       const struct request *request,
                                       struct normalised *normalised);

/* The path without the preset's version prefix; borrows from it. */
struct bytes normalise_plain_path(const struct upstream_config *upstream, struct bytes path);

/* What permissions are judged on: the normalised path at the gate in each reading, without version
 * prefix behind the route's; `plain_path` is the upstream's. Borrows them; the rest is in the
 * arena. */
struct path_readings normalise_readings(struct arena *arena, const struct upstream_config *upstream,
                                        struct bytes path, struct bytes prefix,
                                        struct bytes plain_path);

#endif
