/*
 * A client's quota as the gate keeps and tells it: the RateLimit fields of
 * draft-ietf-httpapi-ratelimit-headers-10, on each answer to a client that has limits.
 *
 *   RateLimit-Policy: "second";q=100;w=2, "day";q=1000;w=86400
 *   RateLimit: "second";r=99;t=1, "day";r=500;t=3600
 *
 * q: requests at once, and a day; w: the seconds in which the burst is there again. r: what is
 * left; t: the seconds until all of it is there again.
 */
#ifndef POSTERN_GATEWAY_ALLOTMENT_H
#define POSTERN_GATEWAY_ALLOTMENT_H

#include "access/quotas.h"
#include "http/message.h"

enum { ALLOTMENT_POLICY_ROOM = 96 };

/* One client's in some settings. */
struct allotment {
    struct quota *quota;
    struct bytes policy;                     /* RateLimit-Policy; empty: it has no limits */
    char policy_text[ALLOTMENT_POLICY_ROOM]; /* what policy borrows */
};

/* Of a client's name and limits, which count from `now_us` on. Main. */
void allotment_make(struct allotment *allotment, struct quotas *quotas,
                    const struct client_config *client, int64_t now_us);

/* Adds both fields where the client has limits. */
void allotment_add_fields(const struct allotment *allotment, struct arena *arena,
                          struct fields *fields, int64_t now_us, int64_t wall_us);

#endif
