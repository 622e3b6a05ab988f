/*
 * What clients have used up: requests a second (base/pace.h) and a day, by the client's name, over
 * reloads; the day's also over restarts. A client keeps what it has used while its limits change.
 *
 * One day for all: that of one time zone. Main tells the days ahead (quotas_note), so that no
 * request reckons with time zones. Any thread for what takes a struct quota; a request costs a few
 * atomics.
 */
#ifndef POSTERN_ACCESS_QUOTAS_H
#define POSTERN_ACCESS_QUOTAS_H

#include "base/day.h"
#include "base/ledger.h"
#include "base/pace.h"
#include "config/configuration.h"

struct quotas; /* main's: all clients' */
struct quota;  /* one client's; lives as long as the quotas */

/*
 * Continues what the ledger (borrowed; NULL: nothing is kept) says of the zone's day at `wall_us`.
 * The zone is taken over.
 */
struct quotas *quotas_create(struct ledger *ledger, struct day_zone *zone, int64_t wall_us);

/* Without noting anything. NULL is fine. */
void quotas_destroy(struct quotas *quotas);

/* Main: days are another zone's from now on, which is taken over. Where its day began at another
 * moment, what was used today is forgotten. */
void quotas_set_zone(struct quotas *quotas, struct day_zone *zone, int64_t wall_us);

/*
 * Main, each second and at the end: tells the days around `wall_us` and notes what has changed in
 * the ledger. Anything but RESULT_OK: nothing was noted; the next one does.
 */
MUST_USE enum result quotas_note(struct quotas *quotas, int64_t wall_us);

/* Main: the client's, made at its first mention, then without limits. */
struct quota *quotas_of(struct quotas *quotas, const char *name);

/* Main: the client's limits from now on. */
void quota_set(struct quota *quota, const struct quota_config *limit, int64_t now_us);

enum quota_answer {
    QUOTA_FINE,
    QUOTA_SECOND, /* over the rate */
    QUOTA_DAY,    /* all of the day's are used */
};

/* Takes one request. *wait_us: of a refusal, when one would be allowed again (at least 1). What is
 * refused costs nothing. */
enum quota_answer quota_take(struct quota *quota, int64_t now_us, int64_t wall_us,
                             int64_t *wait_us);

/* Counts an answered request, for the client's own view. */
void quota_count(struct quota *quota, bool was_hit, uint64_t upstream_calls, int64_t wall_us);

/* What is left, for fields and the client's own view. */
struct quota_view {
    uint64_t second_left, day_left; /* UINT64_MAX: no limit */
    int64_t second_full_us;         /* until all of the burst is there; 0: it is, or no limit */
    int64_t day_ends_wall_us;
    uint64_t requests_today, hits_today, calls_today; /* as quota_count counted them */
};
void quota_view(struct quota *quota, int64_t now_us, int64_t wall_us, struct quota_view *view);

#endif
