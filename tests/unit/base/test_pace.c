/* A rate limit: never more than burst and rate, little less for who comes when told. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include <pthread.h>

#include "base/pace.h"
#include "base/result.h"

enum { SECOND_US = 1000 * 1000, TAKES = 20000, THREADS = 4 };

/* Some time after the machine's start, as clocks tell it. */
static const int64_t start_us = INT64_C(86400) * SECOND_US;

static void the_burst_is_there_at_once_and_no_more(void **state)
{
    const struct pace_limit limit = pace_limit_of(20, 5);
    struct pace pace = {0};
    int64_t wait_us = 0;

    (void)state;
    assert_int_equal(pace_left(&pace, &limit, start_us), 5);
    for (unsigned i = 0; i < 5; i++) {
        assert_int_equal(pace_left(&pace, &limit, start_us), 5 - i);
        assert_true(pace_take(&pace, &limit, start_us, &wait_us));
    }
    assert_int_equal(pace_left(&pace, &limit, start_us), 0);
    assert_false(pace_take(&pace, &limit, start_us, &wait_us));
    assert_int_equal(wait_us, 50 * 1000);
    assert_false(pace_take(&pace, &limit, start_us + wait_us - 1, &wait_us));
    assert_int_equal(wait_us, 1);
    assert_true(pace_take(&pace, &limit, start_us + 50 * 1000, &wait_us));
}

static void no_limit_always_gives(void **state)
{
    const struct pace_limit limit = pace_limit_of(0, 7);
    struct pace pace = {0};
    int64_t wait_us = -1;

    (void)state;
    for (unsigned i = 0; i < 100; i++)
        assert_true(pace_take(&pace, &limit, start_us, &wait_us));
    pace_force(&pace, &limit, start_us);
    assert_true(pace_left(&pace, &limit, start_us) == UINT64_MAX);
    assert_int_equal(wait_us, -1);
}

static void a_burst_of_zero_is_one(void **state)
{
    const struct pace_limit limit = pace_limit_of(2, 0);
    struct pace pace = {0};
    int64_t wait_us;

    (void)state;
    assert_true(pace_take(&pace, &limit, start_us, &wait_us));
    assert_false(pace_take(&pace, &limit, start_us, &wait_us));
    assert_int_equal(wait_us, SECOND_US / 2);
}

static void what_is_forced_is_owed(void **state)
{
    const struct pace_limit limit = pace_limit_of(10, 2);
    struct pace pace = {0};
    int64_t wait_us;

    (void)state;
    for (unsigned i = 0; i < 4; i++)
        pace_force(&pace, &limit, start_us);
    assert_int_equal(pace_left(&pace, &limit, start_us), 0);
    assert_false(pace_take(&pace, &limit, start_us, &wait_us));
    assert_int_equal(wait_us, 300 * 1000); /* full in 400 ms, one of two there 100 ms before */
}

/* Rates and bursts that configuration allows, the extremes included: no overflow (UBSan looks). */
static void extremes_do_not_overflow(void **state)
{
    const double rates[] = {1e-300, 1e-9, 0.5, 1e9, 1e300};
    const uint32_t bursts[] = {0, 1, 2, UINT32_MAX};

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(rates); i++)
        for (size_t j = 0; j < ARRAY_LENGTH(bursts); j++) {
            const struct pace_limit limit = pace_limit_of(rates[i], bursts[j]);
            struct pace pace = {0};
            int64_t wait_us = 1;

            assert_true(limit.interval_ns >= 1);
            assert_true(pace_take(&pace, &limit, start_us, &wait_us));
            for (unsigned k = 0; k < 10; k++)
                pace_force(&pace, &limit, start_us);
            (void)pace_take(&pace, &limit, start_us, &wait_us);
            (void)pace_left(&pace, &limit, start_us);
            assert_true(wait_us >= 1);
        }
}

struct random {
    uint64_t state;
};

/* splitmix64 */
static uint64_t random_below(struct random *random, uint64_t bound)
{
    uint64_t x = random->state += 0x9e3779b97f4a7c15;

    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
    x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
    return (x ^ (x >> 31)) % bound;
}

/*
 * Takers that come at random, in crowds and alone. For each take the most in any window that ends
 * with it: the count of takes since the best beginning minus what the rate gives meanwhile.
 */
static void no_window_has_more_than_burst_and_rate(double rate, uint32_t burst, uint64_t seed)
{
    const struct pace_limit limit = pace_limit_of(rate, burst);
    struct random random = {seed};
    struct pace pace = {0};
    int64_t now_us = start_us, wait_us;
    double lowest = 1e300;

    for (unsigned taken = 0; taken < TAKES;) {
        now_us += random_below(&random, 3) == 0
                      ? (int64_t)random_below(&random, (uint64_t)(4e6 / rate) + 2)
                      : 0;
        if (!pace_take(&pace, &limit, now_us, &wait_us))
            continue;
        const double level = (double)taken - rate * (double)(now_us - start_us) / 1e6;

        if (level < lowest)
            lowest = level;
        taken++;
        assert_true(level + 1 - lowest <= (double)burst + 1e-6);
    }
}

static void the_limit_holds_in_every_window(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 5; seed++) {
        no_window_has_more_than_burst_and_rate(20, 5, seed);
        no_window_has_more_than_burst_and_rate(0.3, 2, seed);
        no_window_has_more_than_burst_and_rate(700, 1, seed);
        no_window_has_more_than_burst_and_rate(12345.678, 50, seed);
    }
}

/* Who always wants more and comes when told, up to a millisecond late. */
static void takers_that_come_when_told_use_the_rate(void **state)
{
    const struct {
        double rate;
        uint32_t burst;
    } rows[] = {{1, 2}, {20, 2}, {20, 5}, {333.3, 2}, {900, 2}, {5000, 20}};

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        const struct pace_limit limit = pace_limit_of(rows[i].rate, rows[i].burst);
        struct random random = {i + 1};
        struct pace pace = {0};
        int64_t now_us = start_us, wait_us = 0;

        for (unsigned taken = 0; taken < TAKES;)
            if (pace_take(&pace, &limit, now_us, &wait_us))
                taken++;
            else
                now_us += wait_us + (int64_t)random_below(&random, 1001);
        assert_true((double)TAKES >= 0.99 * rows[i].rate * (double)(now_us - start_us) / 1e6);
    }
}

static void another_limit_keeps_what_was_taken(void **state)
{
    const struct pace_limit slow = pace_limit_of(0.01, 10), fast = pace_limit_of(20, 10);
    const struct pace_limit none = pace_limit_of(0, 0);
    struct pace pace = {0};
    int64_t wait_us;

    (void)state;
    for (unsigned i = 0; i < 10; i++)
        assert_true(pace_take(&pace, &slow, start_us, &wait_us));
    pace_change(&pace, &slow, &fast, start_us);
    assert_int_equal(pace_left(&pace, &fast, start_us), 0);
    assert_false(pace_take(&pace, &fast, start_us, &wait_us));
    assert_int_equal(wait_us, 50 * 1000);
    pace_change(&pace, &fast, &none, start_us);
    pace_change(&pace, &none, &slow, start_us);
    assert_int_equal(pace_left(&pace, &slow, start_us), 10);
}

struct taker {
    struct pace *pace;
    unsigned taken;
};

static const struct pace_limit shared_limit = {.interval_ns = 1000 * 1000,
                                               .tolerance_ns = 9999 * INT64_C(1000) * 1000};

static void *taker_thread(void *context)
{
    struct taker *taker = context;
    int64_t wait_us;

    for (unsigned i = 0; i < TAKES; i++)
        taker->taken += pace_take(taker->pace, &shared_limit, start_us, &wait_us);
    return NULL;
}

static void threads_together_get_no_more(void **state)
{
    struct pace pace = {0};
    struct taker takers[THREADS];
    pthread_t threads[THREADS];
    unsigned taken = 0;

    (void)state;
    for (unsigned i = 0; i < THREADS; i++) {
        takers[i] = (struct taker){.pace = &pace};
        assert_int_equal(pthread_create(&threads[i], NULL, taker_thread, &takers[i]), 0);
    }
    for (unsigned i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        taken += takers[i].taken;
    }
    assert_int_equal(taken, 10000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_burst_is_there_at_once_and_no_more),
        cmocka_unit_test(no_limit_always_gives),
        cmocka_unit_test(a_burst_of_zero_is_one),
        cmocka_unit_test(what_is_forced_is_owed),
        cmocka_unit_test(extremes_do_not_overflow),
        cmocka_unit_test(the_limit_holds_in_every_window),
        cmocka_unit_test(takers_that_come_when_told_use_the_rate),
        cmocka_unit_test(another_limit_keeps_what_was_taken),
        cmocka_unit_test(threads_together_get_no_more),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
