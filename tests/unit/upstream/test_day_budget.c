/*
 * The rhythm of a budget a day, in accelerated time: days of the upstream's time zone, the share
 * for writes, restarts, kills, clocks that change, and what the upstream itself says is left.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "upstream/admission.h"

enum { PER_DAY = 1000, READS_A_DAY = 900, MINUTE_S = 60, HOUR_S = 3600 };

/* 2026-10-23T00:00:00Z: two days before clocks go back in Amsterdam, where it is 02:00. */
static const int64_t start_wall_us = INT64_C(1792713600) * CLOCK_SECOND_US;

static char directory[] = "/tmp/postern-day-XXXXXX";

/* A gate's budget, and the clocks it sees. */
struct gate {
    struct ledger *ledger;
    struct admission *admission;
    struct budget_limits limits;
    struct times times;
};

static int directory_make(void **state)
{
    (void)state;
    memcpy(directory + strlen(directory) - 6, "XXXXXX", 6);
    return mkdtemp(directory) == NULL;
}

static int directory_drop(void **state)
{
    static const char *const names[] = {"ledger.mdb", "ledger.mdb-lock"};
    char path[64];

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(names); i++) {
        (void)snprintf(path, sizeof(path), "%s/%s", directory, names[i]);
        (void)unlink(path);
    }
    return rmdir(directory);
}

static struct budget_options options_of(const struct gate *gate)
{
    return (struct budget_options){
        .limits = &gate->limits, .ledger = gate->ledger, .name = BYTES("api")};
}

static void gate_start(struct gate *gate)
{
    const struct budget_options options = options_of(gate);

    assert_int_equal(admission_create(&options, &gate->times, &gate->admission), RESULT_OK);
}

static struct gate gate_of(const char *zone)
{
    struct gate gate = {
        .limits = {.per_day = PER_DAY, .write_share = 0.1, .time_zone = zone},
        .times = {.now_us = 5 * CLOCK_SECOND_US, .wall_us = start_wall_us},
    };

    assert_int_equal(ledger_open(directory, &gate.ledger, NULL), RESULT_OK);
    gate_start(&gate);
    return gate;
}

static void gate_finish(struct gate *gate)
{
    admission_destroy(gate->admission);
    ledger_close(gate->ledger);
}

static void gate_restart(struct gate *gate)
{
    admission_destroy(gate->admission);
    gate_start(gate);
}

/* As kill -9 leaves it: the ledger holds what was noted while it ran, and nothing of the end. */
static void gate_kill(struct gate *gate)
{
    struct ledger_entry entry = {.name = BYTES("api")};
    const enum result noted = ledger_read(gate->ledger, entry.name, &entry.line);

    admission_destroy(gate->admission);
    if (noted == RESULT_OK)
        assert_int_equal(ledger_write(gate->ledger, &entry, 1), RESULT_OK);
    gate_start(gate);
}

static void pass(struct gate *gate, int64_t seconds)
{
    gate->times.now_us += seconds * CLOCK_SECOND_US;
    gate->times.wall_us += seconds * CLOCK_SECOND_US;
}

/* One call, if it may: answered well, saying no more of the limit than `allowance`. */
static enum result call_told(struct gate *gate, bool is_write, const struct allowance *allowance,
                             int64_t *retry_after_us)
{
    struct budget_ticket ticket = {.caller = {.weight = 1, .scope = 1}, .is_write = is_write};
    const struct budget_end end = {
        .sent = true, .answered = true, .verdict = VERDICT_FINE, .allowance = *allowance};
    const enum result result = admission_enter(gate->admission, &ticket, &gate->times);

    assert_int_not_equal(result, RESULT_BUSY); /* a day's calls are not queued for */
    if (result == RESULT_OK)
        admission_leave(gate->admission, &ticket, &end, &gate->times);
    else
        assert_int_equal(ticket.refusal, BUDGET_SPENT);
    *retry_after_us = ticket.retry_after_us;
    return result;
}

static bool call(struct gate *gate, bool is_write)
{
    const struct allowance nothing = {.retry_after_us = -1};
    int64_t retry_after_us;

    return call_told(gate, is_write, &nothing, &retry_after_us) == RESULT_OK;
}

/* How many of so many calls go. */
static unsigned calls(struct gate *gate, bool is_write, unsigned count)
{
    unsigned gone = 0;

    while (count-- > 0)
        gone += call(gate, is_write);
    return gone;
}

/* When a refused read is told to come again. */
static int64_t told_us(struct gate *gate)
{
    const struct allowance nothing = {.retry_after_us = -1};
    int64_t retry_after_us;

    assert_int_equal(call_told(gate, false, &nothing, &retry_after_us), RESULT_REFUSED);
    return retry_after_us;
}

static void a_days_calls_last_until_its_midnight(void **state)
{
    struct gate gate = gate_of("Europe/Amsterdam"); /* 02:00 there */

    (void)state;
    assert_int_equal(calls(&gate, false, 2 * PER_DAY), READS_A_DAY); /* the rest is for writes */
    assert_int_equal(calls(&gate, true, 2 * PER_DAY), PER_DAY - READS_A_DAY);
    assert_int_equal(told_us(&gate), 22 * HOUR_S * CLOCK_SECOND_US);
    pass(&gate, 22 * HOUR_S - 1);
    assert_int_equal(calls(&gate, true, 10), 0);
    assert_int_equal(told_us(&gate), CLOCK_SECOND_US);
    pass(&gate, 1);
    assert_int_equal(calls(&gate, true, 2 * PER_DAY), PER_DAY); /* writes may have it all */
    assert_int_equal(told_us(&gate), 24 * HOUR_S * CLOCK_SECOND_US);
    gate_finish(&gate);
}

static void a_day_is_as_long_as_it_is_there(void **state)
{
    struct gate gate = gate_of("Europe/Amsterdam");

    (void)state;
    pass(&gate, 46 * HOUR_S); /* 2026-10-25T00:00:00+02:00: a day of 25 hours */
    assert_int_equal(calls(&gate, false, PER_DAY), READS_A_DAY);
    assert_int_equal(told_us(&gate), 25 * HOUR_S * CLOCK_SECOND_US);
    pass(&gate, 25 * HOUR_S - 1);
    assert_int_equal(calls(&gate, false, 10), 0);
    pass(&gate, 1);
    assert_int_equal(calls(&gate, false, 10), 10);
    gate_finish(&gate);
}

/* A day's calls, spread as a day spreads them, through two weeks with a restart each hour. */
static void restarts_forget_nothing(void **state)
{
    struct gate gate = gate_of("America/New_York");
    unsigned today = 0, days = 0;

    (void)state;
    pass(&gate, 4 * HOUR_S); /* midnight there */
    for (unsigned hour = 0; hour < 9 * 24; hour++) {
        for (unsigned minute = 0; minute < 60; minute++) {
            today += calls(&gate, minute % 4 == 0, 1 + hour % 24 / 8);
            pass(&gate, MINUTE_S);
        }
        gate_restart(&gate);
        if (hour % 24 == 23) {
            assert_int_equal(today, PER_DAY);
            today = 0;
            days++;
        }
    }
    assert_int_equal(days, 9);
    gate_finish(&gate);
}

/* Killed at any moment, it may count calls that were not made, but never makes one twice. */
static void kills_never_give_a_call_twice(void **state)
{
    struct gate gate = gate_of("UTC");
    unsigned gone = 0, kills = 0;

    (void)state;
    for (unsigned i = 0; gone < PER_DAY && i < 4 * PER_DAY; i++) {
        gone += call(&gate, true);
        if (i % 7 == 3) {
            gate_kill(&gate);
            kills++;
        }
    }
    assert_true(gone <= PER_DAY);
    assert_true(gone + kills * (PER_DAY / 1000) >= PER_DAY); /* one a kill at most is lost */
    assert_int_equal(calls(&gate, true, 10), 0);
    gate_finish(&gate);
}

static void larger_leases_are_not_given_twice_either(void **state)
{
    struct gate gate = gate_of("UTC");
    unsigned gone = 0, kills = 0;

    (void)state;
    gate.limits.per_day = 50 * PER_DAY; /* noted 50 at a time */
    gate_restart(&gate);
    for (unsigned i = 0; i < 60 * PER_DAY; i++) {
        gone += call(&gate, true);
        if (i % 977 == 5) {
            gate_kill(&gate);
            kills++;
        }
    }
    assert_true(gone <= 50 * PER_DAY);
    assert_true(gone + kills * 50 >= 50 * PER_DAY);
    gate_finish(&gate);
}

/* A clean stop takes back what was noted ahead. */
static void a_clean_restart_loses_no_call(void **state)
{
    struct gate gate = gate_of("UTC");
    unsigned gone = 0;

    (void)state;
    gate.limits.per_day = 50 * PER_DAY;
    gate_restart(&gate);
    for (unsigned i = 0; i < 60; i++) {
        gone += calls(&gate, true, PER_DAY - 1);
        gate_restart(&gate);
    }
    assert_int_equal(gone, 50 * PER_DAY);
    gate_finish(&gate);
}

static void a_clock_that_is_set_back_gives_no_day_twice(void **state)
{
    struct gate gate = gate_of("UTC");

    (void)state;
    assert_int_equal(calls(&gate, true, PER_DAY), PER_DAY);
    gate.times.wall_us -= 5 * CLOCK_SECOND_US; /* yesterday, for a moment */
    assert_int_equal(calls(&gate, true, 10), 0);
    gate_restart(&gate);
    assert_int_equal(calls(&gate, true, 10), 0);
    pass(&gate, 5);
    assert_int_equal(calls(&gate, true, 10), 0);
    pass(&gate, 24 * HOUR_S);
    assert_int_equal(calls(&gate, true, 10), 10);
    gate_finish(&gate);
}

static void what_was_not_sent_costs_nothing(void **state)
{
    struct gate gate = gate_of("UTC");
    struct budget_ticket ticket = {.caller = {.weight = 1, .scope = 1}, .is_write = true};
    const struct budget_end end = {.sent = false, .cancelled = true};

    (void)state;
    for (unsigned i = 0; i < 3 * PER_DAY; i++) {
        assert_int_equal(admission_enter(gate.admission, &ticket, &gate.times), RESULT_OK);
        admission_leave(gate.admission, &ticket, &end, &gate.times);
    }
    assert_int_equal(calls(&gate, true, 2 * PER_DAY), PER_DAY);
    gate_finish(&gate);
}

static void other_limits_count_what_was_spent(void **state)
{
    struct gate gate = gate_of("UTC");
    struct budget_options options;

    (void)state;
    assert_int_equal(calls(&gate, true, 400), 400);
    gate.limits.per_day = 500;
    options = options_of(&gate);
    assert_int_equal(admission_set(gate.admission, &options, &gate.times), RESULT_OK);
    assert_int_equal(calls(&gate, true, 400), 100);
    gate.limits.time_zone = "Nowhere/At_All";
    options = options_of(&gate);
    assert_int_equal(admission_set(gate.admission, &options, &gate.times), RESULT_MISSING);
    assert_int_equal(calls(&gate, true, 10), 0);
    gate_finish(&gate);
}

/* The upstream knows of calls that others make with the same token. */
static void less_is_left_when_the_upstream_says_so(void **state)
{
    struct gate gate = gate_of("UTC");
    const struct allowance said = {.retry_after_us = -1,
                                   .has_left = true,
                                   .left = 100,
                                   .reset_us = 2 * HOUR_S * CLOCK_SECOND_US};
    const struct allowance more = {.retry_after_us = -1,
                                   .has_left = true,
                                   .left = 99999,
                                   .reset_us = 2 * HOUR_S * CLOCK_SECOND_US};
    int64_t retry_after_us;

    (void)state;
    assert_int_equal(call_told(&gate, false, &said, &retry_after_us), RESULT_OK);
    assert_int_equal(call_told(&gate, false, &more, &retry_after_us),
                     RESULT_OK);                    /* a late answer */
    assert_int_equal(calls(&gate, false, 200), 89); /* a tenth of it is for writes */
    assert_int_equal(told_us(&gate), said.reset_us);
    assert_int_equal(calls(&gate, true, 200), 10);
    pass(&gate, 2 * HOUR_S);
    assert_int_equal(call_told(&gate, false, &more, &retry_after_us), RESULT_OK);
    assert_int_equal(calls(&gate, false, 2 * PER_DAY), READS_A_DAY - 102); /* its own limit holds */
    gate_finish(&gate);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_days_calls_last_until_its_midnight, directory_make,
                                        directory_drop),
        cmocka_unit_test_setup_teardown(a_day_is_as_long_as_it_is_there, directory_make,
                                        directory_drop),
        cmocka_unit_test_setup_teardown(restarts_forget_nothing, directory_make, directory_drop),
        cmocka_unit_test_setup_teardown(kills_never_give_a_call_twice, directory_make,
                                        directory_drop),
        cmocka_unit_test_setup_teardown(larger_leases_are_not_given_twice_either, directory_make,
                                        directory_drop),
        cmocka_unit_test_setup_teardown(a_clean_restart_loses_no_call, directory_make,
                                        directory_drop),
        cmocka_unit_test_setup_teardown(a_clock_that_is_set_back_gives_no_day_twice, directory_make,
                                        directory_drop),
        cmocka_unit_test_setup_teardown(what_was_not_sent_costs_nothing, directory_make,
                                        directory_drop),
        cmocka_unit_test_setup_teardown(other_limits_count_what_was_spent, directory_make,
                                        directory_drop),
        cmocka_unit_test_setup_teardown(less_is_left_when_the_upstream_says_so, directory_make,
                                        directory_drop),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
