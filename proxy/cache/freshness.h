/*
 * Whether a response may be stored, how long it is fresh, and how old it was on arrival (RFC 9111
 * §3, §4.2), and what a request asks of a stored one (§5.2.1). Heuristics are never used: where the
 * answer says nothing, the operator's ttl does. The gate is a shared cache, but the client's
 * credential is the gate's own, so §3.5 (Authorization) does not concern it.
 */
#ifndef POSTERN_CACHE_FRESHNESS_H
#define POSTERN_CACHE_FRESHNESS_H

#include "config/configuration.h"
#include "http/message.h"

#define FRESHNESS_NOT_SAID INT64_C(-1)

/* Wall clock, for Date and Expires are wall clock too. */
struct freshness_times {
    int64_t request_wall_us;  /* just before the request was sent */
    int64_t response_wall_us; /* when the response's head had arrived */
};

/* What holds where the rule says -1, or there is none: the preset's, else the configuration's. */
struct freshness_fallback {
    int64_t ttl_us;
    int64_t negative_ttl_us; /* 404 and 410 */
};

struct freshness {
    bool may_store;         /* false: all else here means nothing */
    bool no_cache;          /* to be validated before each use */
    bool must_revalidate;   /* never used stale: must-revalidate, proxy-revalidate, s-maxage */
    bool drops_cookies;     /* stored by override: Set-Cookie is to be left out */
    int64_t lifetime_us;    /* 0: stale at once */
    int64_t initial_age_us; /* at response_wall_us (RFC 9111 §4.2.3) */
    /* RFC 5861. FRESHNESS_NOT_SAID: the configured windows hold; 0: the answer allows none. */
    int64_t stale_while_revalidate_us;
    int64_t stale_if_error_us;
};

/*
 * Judges a final response to a GET. `rule` may be NULL.
 *
 * Lifetime: the rule's ttl where it overrides; else CDN-Cache-Control; else s-maxage, max-age,
 * Expires minus Date; else, for 200, 203, 204, 300, 301, 308, 404 and 410 only, the ttl. Explicit
 * freshness makes any status storable but 206 and 304. Freshness that does not parse is 0. Without
 * explicit freshness a ttl of 0 means: not stored.
 * Not stored: store false, Vary: *; and unless the rule overrides: no-store (but must-understand
 * with a status we understand, §5.2.2.3), private, Set-Cookie.
 * `arena` is for scratch. Borrows all for the call. Cannot fail.
 */
struct freshness freshness_of_response(const struct response *response,
                                       const struct freshness_times *times,
                                       const struct cache_rule *rule,
                                       const struct freshness_fallback *fallback,
                                       struct arena *arena);

/* What a request asks of the cache. */
struct freshness_wishes {
    bool wants_fresh;     /* no-cache, max-age=0, or Pragma: no-cache without Cache-Control */
    bool no_store;        /* the answer is not to be stored */
    bool only_if_cached;  /* 504 rather than an upstream call */
    int64_t max_age_us;   /* FRESHNESS_NOT_SAID, or the most it may be old */
    int64_t min_fresh_us; /* fresh for at least this long; 0: not said */
    int64_t max_stale_us; /* stale for at most this long; 0: not said */
};

struct freshness_wishes freshness_of_request(const struct fields *request_fields);

/*
 * Whether a stored response of this lifetime and current age serves the wishes without asking the
 * upstream (RFC 9111 §4.2, §5.2.1). `may_be_stale` is false for one that must be revalidated. Stale
 * windows of the configuration are another matter, see wishes_allow_stale.
 */
bool wishes_are_served(const struct freshness_wishes *wishes, int64_t lifetime_us, int64_t age_us,
                       bool may_be_stale);

/* Whether the gate's own stale windows may be used for it: not with no-cache, max-age or min-fresh.
 */
bool wishes_allow_stale(const struct freshness_wishes *wishes);

#endif
