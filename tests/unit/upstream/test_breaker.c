/* A circuit breaker: when it opens, its probe, how long it stays open. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "upstream/breaker.h"

static const int64_t start_us = INT64_C(1000) * 1000 * 1000;

static void note_failures(struct breaker *breaker, unsigned times, int64_t now_us)
{
    while (times-- > 0)
        breaker_note(breaker, true, false, now_us);
}

static void assert_waits(struct breaker *breaker, int64_t now_us, int64_t wanted_us)
{
    int64_t wait_us = 0;

    assert_int_equal(breaker_ask(breaker, now_us, &wait_us), BREAKER_WAIT);
    assert_int_equal(wait_us, wanted_us);
}

static void assert_probes(struct breaker *breaker, int64_t now_us)
{
    int64_t wait_us;

    assert_int_equal(breaker_ask(breaker, now_us, &wait_us), BREAKER_PROBE);
    assert_int_equal(breaker->state, BREAKER_HALF_OPEN);
}

static void assert_goes(struct breaker *breaker, int64_t now_us)
{
    int64_t wait_us;

    assert_int_equal(breaker_ask(breaker, now_us, &wait_us), BREAKER_GO);
    assert_int_equal(breaker->state, BREAKER_CLOSED);
}

static void five_failures_in_a_row_open_it(void **state)
{
    struct breaker breaker = {0};

    (void)state;
    for (unsigned round = 0; round < 3; round++) { /* rows broken by a good one do not add up … */
        note_failures(&breaker, BREAKER_FAILURES - 3, start_us);
        breaker_note(&breaker, false, false, start_us);
        breaker_note(&breaker, false, false, start_us);
        breaker_note(&breaker, false, false, start_us);
    }
    note_failures(&breaker, BREAKER_FAILURES - 1, start_us);
    assert_goes(&breaker, start_us);
    note_failures(&breaker, 1, start_us);
    assert_int_equal(breaker.state, BREAKER_OPEN);
    assert_waits(&breaker, start_us, BREAKER_FIRST_US);
    assert_waits(&breaker, start_us + BREAKER_FIRST_US - 1, 1);
}

static void half_of_a_window_opens_it(void **state)
{
    struct breaker breaker = {0};

    (void)state;
    for (unsigned i = 0; i < BREAKER_WINDOW; i++) { /* every other one */
        assert_goes(&breaker, start_us);
        breaker_note(&breaker, i % 2 == 1, false, start_us);
    }
    assert_int_equal(breaker.state, BREAKER_OPEN);
}

static void failures_that_left_the_window_do_not_count(void **state)
{
    struct breaker breaker = {0};

    (void)state;
    for (unsigned i = 0; i < 10 * BREAKER_WINDOW; i++) { /* 9 in each 20 */
        breaker_note(&breaker, i % BREAKER_WINDOW % 2 == 1 && i % BREAKER_WINDOW < 19, false,
                     start_us);
        assert_goes(&breaker, start_us);
    }
}

static void one_probe_at_a_time(void **state)
{
    struct breaker breaker = {0};
    const int64_t later_us = start_us + BREAKER_FIRST_US;

    (void)state;
    note_failures(&breaker, BREAKER_FAILURES, start_us);
    assert_probes(&breaker, later_us);
    assert_waits(&breaker, later_us, BREAKER_FIRST_US);
    breaker_lost(&breaker); /* it was not sent: the next one is the probe */
    assert_probes(&breaker, later_us);
    assert_waits(&breaker, later_us + 3600 * INT64_C(1000000), BREAKER_FIRST_US);
    breaker_note(&breaker, false, true, later_us);
    assert_goes(&breaker, later_us);
    note_failures(&breaker, BREAKER_FAILURES - 1, later_us); /* nothing old counts */
    assert_goes(&breaker, later_us);
}

static void each_failed_probe_doubles_up_to_a_bound(void **state)
{
    struct breaker breaker = {0};
    int64_t now_us = start_us, length_us = BREAKER_FIRST_US;

    (void)state;
    note_failures(&breaker, BREAKER_FAILURES, now_us);
    for (unsigned i = 0; i < 10; i++) {
        assert_waits(&breaker, now_us, length_us);
        now_us += length_us;
        assert_probes(&breaker, now_us);
        breaker_note(&breaker, true, true, now_us);
        length_us = 2 * length_us < BREAKER_MAX_US ? 2 * length_us : BREAKER_MAX_US;
    }
    assert_int_equal(length_us, BREAKER_MAX_US);
    assert_probes(&breaker, now_us + BREAKER_MAX_US);
    breaker_note(&breaker, false, true, now_us);
    note_failures(&breaker, BREAKER_FAILURES, now_us); /* a good probe also ends the doubling */
    assert_waits(&breaker, now_us, BREAKER_FIRST_US);
}

static void calls_from_before_it_opened_change_nothing(void **state)
{
    struct breaker breaker = {0};

    (void)state;
    note_failures(&breaker, BREAKER_FAILURES, start_us);
    breaker_note(&breaker, false, false, start_us);
    note_failures(&breaker, 3, start_us + 1000);
    assert_waits(&breaker, start_us + 1000, BREAKER_FIRST_US - 1000);
    assert_probes(&breaker, start_us + BREAKER_FIRST_US);
    breaker_note(&breaker, false, false, start_us + BREAKER_FIRST_US);
    note_failures(&breaker, BREAKER_FAILURES, start_us + BREAKER_FIRST_US);
    assert_int_equal(breaker.state, BREAKER_HALF_OPEN);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(five_failures_in_a_row_open_it),
        cmocka_unit_test(half_of_a_window_opens_it),
        cmocka_unit_test(failures_that_left_the_window_do_not_count),
        cmocka_unit_test(one_probe_at_a_time),
        cmocka_unit_test(each_failed_probe_doubles_up_to_a_bound),
        cmocka_unit_test(calls_from_before_it_opened_change_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
