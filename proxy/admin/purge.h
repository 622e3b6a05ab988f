/* POST /api/purge: a completed write of what it names (design, rule 11). */
#ifndef POSTERN_ADMIN_PURGE_H
#define POSTERN_ADMIN_PURGE_H

#include "admin/api.h"
#include "http/connection.h"

struct purging;

/* Who asks for a purge, and is told of its end. */
struct purge_asker {
    struct server *server;
    struct cache_reader *reader; /* of relations */
    struct connection *connection;
    void (*done)(struct connection *connection); /* not called after purge_leave */
};

/* Begins it; `done` is called later. Both are borrowed for the call. */
struct purging *purge_begin(const struct purge_asker *asker, const struct api_purge *wanted);

/* The client has gone; the purge goes on. */
void purge_leave(struct purging *purging);

#endif
