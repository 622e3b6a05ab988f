/*
 * What clients have used up: requests a second (base/pace.h) and a day, by the client's name, over
 * reloads and restarts. Any thread; a request costs a few atomics.
 */
#ifndef POSTERN_ACCESS_QUOTAS_H
#define POSTERN_ACCESS_QUOTAS_H

#include "base/day.h"
#include "base/ledger.h"
#include "base/pace.h"
#include "config/configuration.h"

struct quotas; /* main's: all clients' */
struct quota;  /* one client's; lives as long as the quotas */

/* Continues what the ledger (borrowed; NULL: none) says of today. A day is one of the zone's. */
struct quotas *quotas_create(struct ledger *ledger, const struct day_zone *zone);
void quotas_destroy(struct quotas *quotas); /* notes all; NULL is fine */

/* The client's, made at its first mention. */
struct quota *quotas_of(struct quotas *quotas, const char *name);

/* Main, now and then: notes what has changed since in the ledger. */
void quotas_note(struct quotas *quotas);

enum quota_answer {
    QUOTA_FINE,
    QUOTA_SECOND, /* over the rate */
    QUOTA_DAY,    /* over the day's */
};

/* Takes one request. *wait_us: of a refusal, when one would be allowed again (at least 1). */
enum quota_answer quota_take(struct quota *quota, const struct quota_config *limit, int64_t now_us,
                             int64_t wall_us, int64_t *wait_us);

/* What an answered request was, for the client's own view: counts it. */
void quota_count(struct quota *quota, bool was_hit, uint64_t upstream_calls, int64_t wall_us);

/* What is left, for fields and the client's own view. */
struct quota_view {
    uint64_t second_left, day_left; /* UINT64_MAX: no limit */
    int64_t second_full_us;         /* until all of the burst is there */
    int64_t day_ends_wall_us;
    uint64_t requests_today, hits_today, calls_today;
};
void quota_view(struct quota *quota, const struct quota_config *limit, int64_t now_us,
                int64_t wall_us, struct quota_view *view);

#endif
