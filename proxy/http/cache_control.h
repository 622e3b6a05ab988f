/*
 * Cache-Control (RFC 9111 §5.2, RFC 5861, RFC 8246) and CDN-Cache-Control (RFC 9213), as values.
 * What they mean for a stored response is decided in cache/freshness.
 *
 * Where directives contradict each other or their argument is malformed, the most restrictive
 * reading holds (RFC 9111 §4.2.1): the shortest lifetime, no stale window, the longest min-fresh.
 * no-cache and private that name fields count as if they named none, as §5.2.2.4 and §5.2.2.7
 * allow.
 */
#ifndef POSTERN_HTTP_CACHE_CONTROL_H
#define POSTERN_HTTP_CACHE_CONTROL_H

#include <stdint.h>

#include "http/message.h"

#define CACHE_CONTROL_NOT_SAID INT64_C(-1)
/* The most that is told apart (RFC 9111 §1.2.2); also max-stale without an argument. */
#define CACHE_CONTROL_MAXIMUM_S INT64_C(2147483648)

/* Seconds: CACHE_CONTROL_NOT_SAID, or 0 to CACHE_CONTROL_MAXIMUM_S. */
struct cache_control {
    int64_t max_age_s;
    int64_t s_maxage_s;
    int64_t stale_while_revalidate_s;
    int64_t stale_if_error_s;
    int64_t min_fresh_s;
    int64_t max_stale_s;
    bool is_present; /* there was such a field line, even an empty one */
    bool no_store;
    bool no_cache;
    bool is_private;
    bool is_public;
    bool must_revalidate;
    bool proxy_revalidate;
    bool must_understand;
    bool only_if_cached;
    bool immutable;
    bool no_transform;
};

/* All Cache-Control lines of a request or a response together. Cannot fail. */
void cache_control_read(const struct fields *fields, struct cache_control *control);

/*
 * CDN-Cache-Control, which stands in place of Cache-Control and Expires where it is there.
 * RESULT_MISSING: it is not, or it is empty or not a dictionary, and so to be ignored (RFC 9213
 * §2.1).
 */
MUST_USE enum result cache_control_read_targeted(const struct fields *fields, struct arena *arena,
                                                 struct cache_control *control);

#endif
