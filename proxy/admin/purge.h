/* POST /api/purge: a completed write of what it names (design, rule 11). */
#ifndef POSTERN_ADMIN_PURGE_H
#define POSTERN_ADMIN_PURGE_H

#include "admin/api.h"
#include "http/connection.h"

struct purging;

/* Begins it; `done` is called later, unless purge_leave was. `wanted` is borrowed for the call. */
struct purging *purge_begin(struct server *server, struct connection *connection,
                            const struct api_purge *wanted,
                            void (*done)(struct connection *connection));

/* The client has gone; the purge goes on. */
void purge_leave(struct purging *purging);

#endif
