/*
 * The generic cell rate algorithm: taking one moves the time at which the bucket is full again on
 * by one interval, and is allowed while that time lies at most `tolerance` ahead.
 */
#include "base/pace.h"

#include <assert.h>

/* An interval and a tolerance of at most 73 years: what a take adds up stays within int64_t. */
static const int64_t longest_ns = INT64_MAX / 4;

static const int64_t us_ns = 1000;

/* Rounded up, so that the rate is never more than asked for. */
static int64_t interval_of(double per_second)
{
    const double interval_ns = 1e9 / per_second;

    if (interval_ns >= (double)longest_ns)
        return longest_ns;
    const int64_t whole_ns = (int64_t)interval_ns;
    return (double)whole_ns < interval_ns ? whole_ns + 1 : whole_ns;
}

struct pace_limit pace_limit_of(double per_second, uint32_t burst)
{
    struct pace_limit limit = {0};

    if (!(per_second > 0))
        return limit;
    limit.interval_ns = interval_of(per_second);
    if (burst > 1 &&
        __builtin_mul_overflow(limit.interval_ns, (int64_t)burst - 1, &limit.tolerance_ns))
        limit.tolerance_ns = longest_ns;
    if (limit.tolerance_ns > longest_ns)
        limit.tolerance_ns = longest_ns;
    return limit;
}

static int64_t later_of(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

/* Relaxed throughout: the number is all that threads share here. */
static int64_t full_time(const struct pace *pace)
{
    return atomic_load_explicit(&pace->full_ns, memory_order_relaxed);
}

bool pace_take(struct pace *pace, const struct pace_limit *limit, int64_t now_us, int64_t *wait_us)
{
    const int64_t now_ns = now_us * us_ns;
    int64_t full_ns = full_time(pace);

    if (limit->interval_ns == 0)
        return true;
    while (full_ns - now_ns <= limit->tolerance_ns)
        if (atomic_compare_exchange_weak_explicit(&pace->full_ns, &full_ns,
                                                  later_of(full_ns, now_ns) + limit->interval_ns,
                                                  memory_order_relaxed, memory_order_relaxed))
            return true;
    const int64_t wait_ns = full_ns - now_ns - limit->tolerance_ns;
    *wait_us = (wait_ns - 1) / us_ns + 1;
    assert(*wait_us >= 1);
    return false;
}

uint64_t pace_left(const struct pace *pace, const struct pace_limit *limit, int64_t now_us)
{
    const int64_t debt_ns = later_of(full_time(pace) - now_us * us_ns, 0);

    if (limit->interval_ns == 0)
        return UINT64_MAX;
    if (debt_ns > limit->tolerance_ns)
        return 0;
    return (uint64_t)((limit->tolerance_ns - debt_ns) / limit->interval_ns) + 1;
}

void pace_force(struct pace *pace, const struct pace_limit *limit, int64_t now_us)
{
    const int64_t now_ns = now_us * us_ns;
    int64_t full_ns = full_time(pace);
    int64_t next_ns;

    if (limit->interval_ns == 0)
        return;
    do {
        if (__builtin_add_overflow(later_of(full_ns, now_ns), limit->interval_ns, &next_ns))
            next_ns = INT64_MAX;
    } while (!atomic_compare_exchange_weak_explicit(&pace->full_ns, &full_ns, next_ns,
                                                    memory_order_relaxed, memory_order_relaxed));
}

void pace_change(struct pace *pace, const struct pace_limit *from, const struct pace_limit *to,
                 int64_t now_us)
{
    const int64_t now_ns = now_us * us_ns;
    const int64_t debt_ns = later_of(full_time(pace) - now_ns, 0);
    double changed_ns = 0;

    if (from->interval_ns != 0)
        changed_ns = (double)debt_ns / (double)from->interval_ns * (double)to->interval_ns;
    if (changed_ns > (double)longest_ns)
        changed_ns = (double)longest_ns;
    atomic_store_explicit(&pace->full_ns, now_ns + (int64_t)changed_ns, memory_order_relaxed);
}
