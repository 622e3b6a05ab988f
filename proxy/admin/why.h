/* GET /api/why?url=…: what the cache knows of a URL, and why it does not. */
#ifndef POSTERN_ADMIN_WHY_H
#define POSTERN_ADMIN_WHY_H

#include "base/buffer.h"
#include "cache/cache.h"
#include "gateway/server.h"

/* What is asked, decoded. */
struct why {
    struct bytes url;    /* a target, or a whole URL; with or without version prefix */
    struct bytes client; /* whose upstream is meant; empty: the first client's */
    struct bytes accept; /* the request's Accept; data NULL: the usual ones are tried */
};

/* Reads url=, client=, accept= of a query. RESULT_INVALID: url is missing. */
MUST_USE enum result why_read(struct bytes query, struct arena *arena, struct why *why);

/* One JSON object, appended; or RESULT_INVALID and why. */
MUST_USE enum result why_write(struct server *server, struct cache_reader *reader,
                               const struct why *why, struct buffer *text, struct error *error);

#endif
