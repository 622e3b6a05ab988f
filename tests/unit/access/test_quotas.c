/* What clients have used up. Time is a parameter; the ledger is a real one. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "access/quotas.h"
#include "base/clock.h"

enum { THREADS = 4, TAKES_EACH = 5000 };

/* 2026-03-28T23:00:00Z is midnight in Amsterdam, whose next day is one of 23 hours. */
#define SHORT_DAY_US INT64_C(1774738800000000)
#define HOUR_US (INT64_C(3600) * CLOCK_SECOND_US)
#define NOW_US INT64_C(5000000000)

static struct day_zone *zone_of(const char *name)
{
    struct day_zone *zone = NULL;

    assert_int_equal(day_zone_open(name, &zone), RESULT_OK);
    return zone;
}

static struct quotas *quotas_in(const char *zone, struct ledger *ledger, int64_t wall_us)
{
    return quotas_create(ledger, zone_of(zone), wall_us);
}

static struct quota *quota_with(struct quotas *quotas, const char *name, struct quota_config limit)
{
    struct quota *quota = quotas_of(quotas, name);

    quota_set(quota, &limit, NOW_US);
    return quota;
}

static struct quota_view view_of(struct quota *quota, int64_t now_us, int64_t wall_us)
{
    struct quota_view view;

    quota_view(quota, now_us, wall_us, &view);
    return view;
}

static void take(struct quota *quota, int64_t now_us, int64_t wall_us, size_t count)
{
    int64_t wait_us;

    for (size_t i = 0; i < count; i++)
        assert_int_equal(quota_take(quota, now_us, wall_us, &wait_us), QUOTA_FINE);
}

static void without_limits_nothing_is_refused_and_all_is_counted(void **state)
{
    struct quotas *quotas = quotas_in("UTC", NULL, 0);
    struct quota *quota = quota_with(quotas, "a", (struct quota_config){0});

    (void)state;
    take(quota, NOW_US, 0, 10000);
    quota_count(quota, true, 0, 0);
    quota_count(quota, false, 3, 0);
    const struct quota_view view = view_of(quota, NOW_US, 0);
    assert_true(view.second_left == UINT64_MAX && view.day_left == UINT64_MAX);
    assert_int_equal(view.second_full_us, 0);
    assert_int_equal(view.requests_today, 2);
    assert_int_equal(view.hits_today, 1);
    assert_int_equal(view.calls_today, 3);
    quotas_destroy(quotas);
    quotas_destroy(NULL);
}

static void a_burst_is_there_again_at_the_rate(void **state)
{
    struct quotas *quotas = quotas_in("UTC", NULL, 0);
    struct quota *quota =
        quota_with(quotas, "a", (struct quota_config){.per_second = 2, .burst = 3});
    int64_t wait_us = 0;

    (void)state;
    assert_int_equal(view_of(quota, NOW_US, 0).second_left, 3);
    take(quota, NOW_US, 0, 3);
    assert_int_equal(view_of(quota, NOW_US, 0).second_left, 0);
    assert_int_equal(view_of(quota, NOW_US, 0).second_full_us, 1500000);
    assert_int_equal(quota_take(quota, NOW_US, 0, &wait_us), QUOTA_SECOND);
    assert_int_equal(wait_us, 500000);
    assert_int_equal(quota_take(quota, NOW_US + wait_us - 1, 0, &wait_us), QUOTA_SECOND);
    take(quota, NOW_US + 500000, 0, 1);
    assert_int_equal(view_of(quota, NOW_US + 10 * CLOCK_SECOND_US, 0).second_left, 3);
    assert_int_equal(view_of(quota, NOW_US + 10 * CLOCK_SECOND_US, 0).second_full_us, 0);
    quotas_destroy(quotas);
}

static void what_is_refused_costs_nothing(void **state)
{
    struct quotas *quotas = quotas_in("UTC", NULL, 0);
    struct quota *quota =
        quota_with(quotas, "a", (struct quota_config){.per_second = 1, .burst = 2, .per_day = 3});
    int64_t wait_us;

    (void)state;
    take(quota, NOW_US, 0, 2);
    for (int i = 0; i < 10; i++)
        assert_int_equal(quota_take(quota, NOW_US, 0, &wait_us), QUOTA_SECOND);
    assert_int_equal(view_of(quota, NOW_US, 0).day_left, 1);
    const int64_t later_us = NOW_US + 10 * CLOCK_SECOND_US;
    take(quota, later_us, 0, 1);
    for (int i = 0; i < 10; i++)
        assert_int_equal(quota_take(quota, later_us, 0, &wait_us), QUOTA_DAY);
    assert_int_equal(view_of(quota, later_us, 0).second_left, 1);
    quotas_destroy(quotas);
}

static void a_day_ends_at_the_zone_s_midnight(void **state)
{
    struct quotas *quotas = quotas_in("Europe/Amsterdam", NULL, SHORT_DAY_US);
    struct quota *quota = quota_with(quotas, "a", (struct quota_config){.per_day = 2});
    int64_t wait_us = 0;

    (void)state;
    take(quota, NOW_US, SHORT_DAY_US, 2);
    assert_int_equal(quota_take(quota, NOW_US, SHORT_DAY_US + HOUR_US, &wait_us), QUOTA_DAY);
    assert_true(wait_us == 22 * HOUR_US);
    const int64_t end_us = SHORT_DAY_US + 23 * HOUR_US;
    assert_int_equal(quota_take(quota, NOW_US, end_us - 1, &wait_us), QUOTA_DAY);
    assert_int_equal(wait_us, 1);
    /* before and after main has told the new day */
    take(quota, NOW_US, end_us, 1);
    assert_true(view_of(quota, NOW_US, end_us).day_ends_wall_us == end_us + 24 * HOUR_US);
    assert_int_equal(quotas_note(quotas, end_us), RESULT_OK);
    assert_int_equal(view_of(quota, NOW_US, end_us + 1).day_left, 1);
    take(quota, NOW_US, end_us + 1, 1);
    assert_int_equal(quota_take(quota, NOW_US, end_us + 1, &wait_us), QUOTA_DAY);
    quotas_destroy(quotas);
}

static void the_counts_of_a_day_end_with_it(void **state)
{
    struct quotas *quotas = quotas_in("UTC", NULL, 0);
    struct quota *quota = quota_with(quotas, "a", (struct quota_config){0});

    (void)state;
    quota_count(quota, true, 2, 5);
    const struct quota_view view = view_of(quota, NOW_US, 24 * HOUR_US);
    assert_int_equal(view.requests_today, 0);
    assert_int_equal(view.hits_today, 0);
    assert_int_equal(view.calls_today, 0);
    quotas_destroy(quotas);
}

/* NTP steps back over midnight. */
static void a_clock_that_slips_back_gives_no_second_day(void **state)
{
    const int64_t midnight_us = 10 * 24 * HOUR_US;
    struct quotas *quotas = quotas_in("UTC", NULL, midnight_us);
    struct quota *quota = quota_with(quotas, "a", (struct quota_config){.per_day = 5});

    (void)state;
    take(quota, NOW_US, midnight_us + 1, 3);
    assert_int_equal(quotas_note(quotas, midnight_us - CLOCK_SECOND_US), RESULT_OK);
    assert_int_equal(view_of(quota, NOW_US, midnight_us - CLOCK_SECOND_US).day_left, 2);
    assert_int_equal(view_of(quota, NOW_US, midnight_us + CLOCK_SECOND_US).day_left, 2);
    /* one that was a day ahead is another matter */
    assert_int_equal(quotas_note(quotas, midnight_us - 20 * HOUR_US), RESULT_OK);
    assert_int_equal(view_of(quota, NOW_US, midnight_us - 20 * HOUR_US).day_left, 5);
    quotas_destroy(quotas);
}

static void limits_that_change_leave_what_was_used(void **state)
{
    struct quotas *quotas = quotas_in("UTC", NULL, 0);
    struct quota *quota =
        quota_with(quotas, "a", (struct quota_config){.per_second = 1, .burst = 10, .per_day = 10});

    (void)state;
    take(quota, NOW_US, 0, 10);
    assert_ptr_equal(quotas_of(quotas, "a"), quota);
    (void)quota_with(quotas, "a",
                     (struct quota_config){.per_second = 100, .burst = 10, .per_day = 12});
    assert_int_equal(view_of(quota, NOW_US, 0).day_left, 2);
    assert_int_equal(view_of(quota, NOW_US, 0).second_left, 0);
    assert_int_equal(view_of(quota, NOW_US, 0).second_full_us, 100000);
    (void)quota_with(quotas, "a", (struct quota_config){.per_day = 4});
    assert_int_equal(view_of(quota, NOW_US, 0).day_left, 0);
    assert_true(view_of(quota, NOW_US, 0).second_left == UINT64_MAX);
    quotas_destroy(quotas);
}

static void clients_do_not_share(void **state)
{
    struct quotas *quotas = quotas_in("UTC", NULL, 0);
    char name[16];

    (void)state;
    for (int i = 0; i < 300; i++) {
        (void)snprintf(name, sizeof(name), "c%d", i);
        take(quota_with(quotas, name, (struct quota_config){.per_day = 1}), NOW_US, 0, 1);
    }
    assert_int_equal(view_of(quotas_of(quotas, "c7"), NOW_US, 0).day_left, 0);
    assert_int_equal(
        view_of(quota_with(quotas, "c300", (struct quota_config){.per_day = 1}), NOW_US, 0)
            .day_left,
        1);
    quotas_destroy(quotas);
}

static char directory[] = "/tmp/postern-quotas-XXXXXX";

static int directory_make(void **state)
{
    (void)state;
    return mkdtemp(directory) == NULL ? -1 : 0;
}

static int directory_drop(void **state)
{
    static const char *const files[] = {"ledger.mdb", "ledger.mdb-lock"};
    char path[64];

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(files); i++) {
        (void)snprintf(path, sizeof(path), "%s/%s", directory, files[i]);
        (void)unlink(path);
    }
    return rmdir(directory);
}

static struct ledger *ledger_now(void)
{
    struct ledger *ledger = NULL;
    struct error error = {0};

    if (ledger_open(directory, &ledger, &error) != RESULT_OK)
        fail_msg("%s", error.text);
    return ledger;
}

static void what_was_used_today_is_known_after_a_restart(void **state)
{
    const int64_t wall_us = 100 * 24 * HOUR_US;
    struct ledger *ledger = ledger_now();
    struct quotas *quotas = quotas_in("UTC", ledger, wall_us);
    struct quota *quota = quota_with(quotas, "a", (struct quota_config){.per_day = 10});

    (void)state;
    take(quota, NOW_US, wall_us, 4);
    quota_count(quota, true, 7, wall_us);
    (void)quotas_of(quotas, "idle");
    assert_int_equal(quotas_note(quotas, wall_us), RESULT_OK);
    take(quota, NOW_US, wall_us, 1); /* not noted any more: kill -9 */
    quotas_destroy(quotas);
    ledger_close(ledger);

    ledger = ledger_now();
    quotas = quotas_in("UTC", ledger, wall_us + HOUR_US);
    quota = quota_with(quotas, "a", (struct quota_config){.per_day = 10});
    struct quota_view view = view_of(quota, NOW_US, wall_us + HOUR_US);
    assert_int_equal(view.day_left, 6);
    assert_int_equal(view.requests_today, 1);
    assert_int_equal(view.hits_today, 1);
    assert_int_equal(view.calls_today, 7);
    quotas_destroy(quotas);

    quotas = quotas_in("UTC", ledger, wall_us + 24 * HOUR_US); /* a day later */
    quota = quota_with(quotas, "a", (struct quota_config){.per_day = 10});
    assert_int_equal(view_of(quota, NOW_US, wall_us + 24 * HOUR_US).day_left, 10);
    quotas_destroy(quotas);
    ledger_close(ledger);
}

static void only_what_has_changed_is_noted(void **state)
{
    const int64_t wall_us = 200 * 24 * HOUR_US;
    struct ledger *ledger = ledger_now();
    struct quotas *quotas = quotas_in("UTC", ledger, wall_us);
    struct ledger_line line = {.day_begins_wall_us = wall_us, .counts = {9}};
    const struct ledger_entry other = {.name = BYTES("client/b"), .line = line};

    (void)state;
    take(quotas_of(quotas, "b"), NOW_US, wall_us, 1);
    assert_int_equal(quotas_note(quotas, wall_us), RESULT_OK);
    assert_int_equal(ledger_write(ledger, &other, 1), RESULT_OK);
    take(quotas_of(quotas, "c"), NOW_US, wall_us, 2);
    assert_int_equal(quotas_note(quotas, wall_us), RESULT_OK);
    assert_int_equal(ledger_read(ledger, BYTES("client/b"), &line), RESULT_OK);
    assert_int_equal(line.counts[0], 9);
    assert_int_equal(ledger_read(ledger, BYTES("client/c"), &line), RESULT_OK);
    assert_int_equal(line.counts[0], 2);
    assert_true(line.day_begins_wall_us == wall_us);
    quotas_destroy(quotas);
    ledger_close(ledger);
}

static void *take_many(void *context)
{
    struct quota *quota = context;
    uintptr_t taken = 0;
    int64_t wait_us;

    for (int i = 0; i < TAKES_EACH; i++) {
        taken += quota_take(quota, NOW_US, i, &wait_us) == QUOTA_FINE;
        quota_count(quota, false, 1, i);
    }
    return (void *)taken;
}

static void threads_together_take_no_more_than_there_is(void **state)
{
    struct quotas *quotas = quotas_in("UTC", NULL, 0);
    struct quota *quota = quota_with(
        quotas, "a", (struct quota_config){.per_second = 1, .burst = 15000, .per_day = 12345});
    pthread_t threads[THREADS];
    uintptr_t taken = 0;

    (void)state;
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, take_many, quota), 0);
    for (size_t i = 0; i < THREADS; i++) {
        void *each;

        assert_int_equal(pthread_join(threads[i], &each), 0);
        taken += (uintptr_t)each;
    }
    assert_int_equal(taken, 12345);
    assert_int_equal(view_of(quota, NOW_US, 0).calls_today, THREADS * TAKES_EACH);
    quotas_destroy(quotas);
}

static void another_zone_is_another_day(void **state)
{
    struct quotas *quotas = quotas_in("UTC", NULL, SHORT_DAY_US);
    struct quota *quota = quota_with(quotas, "a", (struct quota_config){.per_day = 5});

    (void)state;
    assert_true(view_of(quota, NOW_US, SHORT_DAY_US).day_ends_wall_us == SHORT_DAY_US + HOUR_US);
    quotas_set_zone(quotas, zone_of("Europe/Amsterdam"), SHORT_DAY_US);
    assert_true(view_of(quota, NOW_US, SHORT_DAY_US).day_ends_wall_us ==
                SHORT_DAY_US + 23 * HOUR_US);
    quotas_destroy(quotas);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_limits_nothing_is_refused_and_all_is_counted),
        cmocka_unit_test(a_burst_is_there_again_at_the_rate),
        cmocka_unit_test(what_is_refused_costs_nothing),
        cmocka_unit_test(a_day_ends_at_the_zone_s_midnight),
        cmocka_unit_test(the_counts_of_a_day_end_with_it),
        cmocka_unit_test(a_clock_that_slips_back_gives_no_second_day),
        cmocka_unit_test(limits_that_change_leave_what_was_used),
        cmocka_unit_test(clients_do_not_share),
        cmocka_unit_test(what_was_used_today_is_known_after_a_restart),
        cmocka_unit_test(only_what_has_changed_is_noted),
        cmocka_unit_test(threads_together_take_no_more_than_there_is),
        cmocka_unit_test(another_zone_is_another_day),
    };

    return cmocka_run_group_tests_name("access/quotas", tests, directory_make, directory_drop);
}
