/* The JSON of the admin address. */
#ifndef POSTERN_ADMIN_API_H
#define POSTERN_ADMIN_API_H

#include "base/buffer.h"
#include "gateway/server.h"

/* GET /api/status: one JSON object, appended. */
void api_write_status(struct server *server, struct buffer *text);

enum { API_PURGE_ACCOUNTS = 64 };

/* What POST /api/purge asks for. */
struct api_purge {
    bool all;
    struct bytes path;   /* at the gate, normalised: it and all below it go */
    struct bytes entity; /* "profile/456": all that a change of it could change goes */
};

/*
 * Reads {"all": true}, {"path": "/v2/profile/456"}, {"tag": "profile/456"} or {"entity":
 * "profile/456"}: exactly one of them.
 * The error says what is wrong with it. Texts live in the arena.
 */
MUST_USE enum result api_read_purge(const struct server *server, struct bytes body,
                                    struct arena *arena, struct api_purge *purge,
                                    struct error *error);

/* What a path at the gate is at one upstream. */
enum purge_reach {
    PURGE_NOTHING, /* it does not lead there */
    PURGE_PATH,
    PURGE_ACCOUNT, /* all of the upstream is there or below */
};

/* *plain_path: at the upstream, without version prefix, of PURGE_PATH; borrows. */
enum purge_reach api_purge_reach(const struct configuration *configuration, uint32_t upstream,
                                 struct bytes path, struct bytes *plain_path);

#endif
