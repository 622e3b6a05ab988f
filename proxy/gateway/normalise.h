/* A request's target in its one form (http/uri.h), by the rules of its upstream and that one's
 * preset. */
#ifndef POSTERN_GATEWAY_NORMALISE_H
#define POSTERN_GATEWAY_NORMALISE_H

#include "access/permissions.h"
#include "http/message.h"
#include "http/uri.h"

/*
 * The request's normalised target, in the arena; its credential is the client's key where it came
 * in the query. What the preset calls ignorable or a default is dropped from reads only.
 * RESULT_INVALID: it can be read in more than one way.
 */
MUST_USE enum result normalise_target(struct arena *arena, const struct upstream_config *upstream,
                                      const struct request *request, struct target *target);

/* The path without the preset's version prefix; borrows from it. */
struct bytes normalise_plain_path(const struct upstream_config *upstream, struct bytes path);

/* What permissions are judged on: the normalised path in each reading. Borrows it; the rest is in
 * the arena. */
struct path_readings normalise_readings(struct arena *arena, const struct upstream_config *upstream,
                                        struct bytes path);

#endif
