/*
 * What an answer's fields say of the upstream's own limit: Retry-After (RFC 9110 §10.2.3),
 * RateLimit (draft-ietf-httpapi-ratelimit-headers-10: `"default";r=50;t=30`), its earlier forms
 * (RateLimit-Remaining, RateLimit-Reset in seconds), and the X-RateLimit- fields, whose Reset is
 * seconds from now or the time of day in seconds or milliseconds since 1970, told apart by size.
 */
#ifndef POSTERN_UPSTREAM_ALLOWANCE_H
#define POSTERN_UPSTREAM_ALLOWANCE_H

#include "http/message.h"

struct allowance {
    int64_t retry_after_us; /* -1: not said, or not understood */
    bool has_left;          /* the next two are known */
    uint64_t left;          /* calls that may still be made … */
    int64_t reset_us;       /* … within this time from now */
};

/* Of several limits the one with the least left. What does not parse counts as not said. */
struct allowance allowance_read(const struct fields *fields, int64_t now_wall_us);

#endif
