/*
 * A rate limit: so many a second on average, so many at once (the generic cell rate algorithm; a
 * token bucket told by one number, the time at which it is full again). Time comes in; one atomic,
 * so any thread may take.
 */
#ifndef POSTERN_BASE_PACE_H
#define POSTERN_BASE_PACE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct pace_limit {
    int64_t interval_ns;  /* between two at the average rate; 0: no limit */
    int64_t tolerance_ns; /* how far the bucket's full time may lie ahead before one more */
};

/* `per_second` 0: no limit. `burst` 0 is as 1. In any time t there are at most burst + per_second *
 * t. */
struct pace_limit pace_limit_of(double per_second, uint32_t burst);

/* Zeroed: nothing was taken. */
struct pace {
    _Atomic int64_t full_ns; /* the monotonic time at which all is there again */
};

/* Takes one. False: not now; *wait_us says when one would be there (at least 1). */
bool pace_take(struct pace *pace, const struct pace_limit *limit, int64_t now_us, int64_t *wait_us);

/* How many could be taken at once now; UINT64_MAX without a limit. */
uint64_t pace_left(const struct pace *pace, const struct pace_limit *limit, int64_t now_us);

/* Takes one whether it is there or not: what was spent without asking. */
void pace_force(struct pace *pace, const struct pace_limit *limit, int64_t now_us);

/*
 * The limit is another from now on: what was taken stays taken, so many of the new intervals as it
 * was of the old. Without it a pace under a slow limit would keep its distant full time under a
 * fast one. A take at the same time may be forgotten.
 */
void pace_change(struct pace *pace, const struct pace_limit *from, const struct pace_limit *to,
                 int64_t now_us);

#endif
