/* Prometheus text (exposition format 0.0.4) of what the gate counts. */
#ifndef POSTERN_ADMIN_METRICS_H
#define POSTERN_ADMIN_METRICS_H

#include "base/buffer.h"
#include "gateway/server.h"

/* All metrics, appended. */
void metrics_write(struct server *server, struct buffer *text);

/* Requests in all, and those that were answered without an upstream call of their own. */
struct metrics_totals {
    uint64_t requests, hits, collapsed, upstream_calls;
};
struct metrics_totals metrics_totals(struct server *server);

#endif
