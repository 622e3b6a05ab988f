/* The rules of a budget, with time as a parameter: what goes, what waits, what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/memory.h"
#include "upstream/admission.h"

enum { TICKETS = 4096, SLOT_US = 50 * 1000 };

static struct admission *admission;
static struct budget_ticket *tickets;
static size_t used;
static struct times times;
static struct budget_limits limits;

static int world_make(void **state)
{
    (void)state;
    times = (struct times){.now_us = 1000 * CLOCK_SECOND_US,
                           .wall_us = INT64_C(1795564800) * CLOCK_SECOND_US + 1};
    limits = (struct budget_limits){.time_zone = "UTC"};
    tickets = memory_take(TICKETS, sizeof(*tickets));
    used = 0;
    return 0;
}

static void pass(int64_t us)
{
    times.now_us += us;
    times.wall_us += us;
}

static void begin(int64_t pause_max_us, bool has_breaker)
{
    const struct budget_options options = {.limits = &limits,
                                           .pause_max_us = pause_max_us,
                                           .has_breaker = has_breaker,
                                           .name = BYTES("api")};

    assert_int_equal(admission_create(&options, &times, &admission), RESULT_OK);
}

static void end(void)
{
    for (size_t i = 0; i < used; i++)
        (void)admission_give_up(admission, &tickets[i]);
    while (admission_decided(admission) != NULL)
        ;
    admission_destroy(admission);
    admission = NULL;
}

static int world_drop(void **state)
{
    (void)state;
    end();
    free(tickets);
    return 0;
}

/* A new call of that client. */
static struct budget_ticket *call(uint32_t client, bool is_write)
{
    assert_true(used < TICKETS);
    struct budget_ticket *ticket = &tickets[used++];

    ticket->caller = (struct caller){
        .client = client, .weight = 1, .scope = client, .patience_us = 3600 * CLOCK_SECOND_US};
    ticket->is_write = is_write;
    return ticket;
}

static enum result enter(struct budget_ticket *ticket)
{
    return admission_enter(admission, ticket, &times);
}

static void leave_with(struct budget_ticket *ticket, struct budget_end how)
{
    admission_leave(admission, ticket, &how, &times);
}

static void leave(struct budget_ticket *ticket)
{
    leave_with(ticket, (struct budget_end){
                           .sent = true, .answered = true, .allowance = {.retry_after_us = -1}});
}

/* A whole call. */
static void whole(bool is_write)
{
    struct budget_ticket *ticket = call(0, is_write);

    assert_int_equal(enter(ticket), RESULT_OK);
    leave(ticket);
}

static void leave_overloaded(struct budget_ticket *ticket, int64_t retry_after_us)
{
    leave_with(ticket, (struct budget_end){.sent = true,
                                           .answered = true,
                                           .verdict = VERDICT_OVERLOADED,
                                           .allowance = {.retry_after_us = retry_after_us}});
}

/* How many of those that waited are let in now; they end at once. */
static unsigned let_in(unsigned *writes)
{
    struct budget_ticket *ticket;
    unsigned count = 0;

    (void)admission_run(admission, &times);
    while ((ticket = admission_decided(admission)) != NULL) {
        assert_int_equal(ticket->refusal, BUDGET_ADMITTED);
        count++;
        *writes += ticket->is_write;
        leave(ticket);
    }
    return count;
}

/* --- a second --- */

static void no_window_of_a_second_has_more_than_rate_and_burst(void **state)
{
    unsigned counts[3000] = {0}, writes = 0, all = 0;

    (void)state;
    limits.per_second = 20;
    limits.burst = 5;
    begin(0, false);
    for (int i = 0; i < 1000; i++) {
        struct budget_ticket *ticket = call(0, false);

        counts[0] += enter(ticket) == RESULT_OK;
    }
    assert_int_equal(counts[0], 5);
    for (int ms = 1; ms < 3000; ms++) {
        pass(1000);
        counts[ms] = let_in(&writes);
    }
    for (int from = 0; from < 2000; from++) {
        unsigned window = 0;

        for (int ms = from; ms < from + 1000; ms++)
            window += counts[ms];
        assert_in_range(window, 19, 25);
    }
    for (int ms = 0; ms < 3000; ms++)
        all += counts[ms];
    assert_in_range(all, 64, 65);
}

static void the_time_to_look_again_is_told(void **state)
{
    unsigned writes = 0;

    (void)state;
    limits.per_second = 20;
    begin(0, false);
    assert_int_equal(enter(call(0, false)), RESULT_OK);
    assert_int_equal(enter(call(0, false)), RESULT_BUSY);
    assert_int_equal(admission_run(admission, &times), times.now_us + SLOT_US);
    pass(SLOT_US - 1);
    assert_int_equal(let_in(&writes), 0);
    pass(1);
    assert_int_equal(let_in(&writes), 1);
    assert_int_equal(admission_run(admission, &times), INT64_MAX);
}

static void a_turn_that_would_come_too_late_is_refused_at_once(void **state)
{
    struct budget_ticket *ticket;

    (void)state;
    limits.per_second = 20;
    begin(0, false);
    assert_int_equal(enter(call(0, false)), RESULT_OK);
    for (int i = 0; i < 10; i++)
        assert_int_equal(enter(call(0, false)), RESULT_BUSY);
    ticket = call(0, false);
    ticket->caller.patience_us = 10 * SLOT_US;
    assert_int_equal(enter(ticket), RESULT_REFUSED);
    assert_int_equal(ticket->refusal, BUDGET_LATE);
    assert_int_equal(ticket->retry_after_us, 11 * SLOT_US);
    ticket = call(0, false);
    ticket->caller.patience_us = 11 * SLOT_US;
    assert_int_equal(enter(ticket), RESULT_BUSY);
    ticket = call(1, false); /* who has nothing waiting is next */
    ticket->caller.patience_us = 2 * SLOT_US;
    assert_int_equal(enter(ticket), RESULT_BUSY);
}

/* --- writes --- */

static void writes_have_their_share_of_the_rate(void **state)
{
    unsigned writes = 0, all = 0;

    (void)state;
    limits.per_second = 20;
    limits.write_share = 0.25;
    begin(0, false);
    for (uint32_t client = 0; client < 20; client++)
        for (int i = 0; i < 40; i++)
            (void)!enter(call(client, false));
    for (int i = 0; i < 200; i++)
        (void)!enter(call(20, true));
    for (int slot = 0; slot < 200; slot++) {
        pass(SLOT_US);
        all += let_in(&writes);
    }
    assert_in_range(all, 199, 200);
    assert_in_range(writes, 49, 52); /* by turns alone it would be 10 */
}

/* A thread that decides a little after it may must not take from the writes. */
static void writes_have_their_share_when_decisions_come_late(void **state)
{
    unsigned writes = 0, all = 0;

    (void)state;
    limits.per_second = 20;
    limits.burst = 5;
    limits.write_share = 0.1;
    begin(0, false);
    for (uint32_t client = 0; client < 24; client++)
        for (int i = 0; i < 100; i++)
            (void)!enter(call(client, false));
    for (int i = 0; i < 200; i++)
        (void)!enter(call(24, true));
    for (int64_t slot = 0; slot < 1000; slot++) {
        pass(SLOT_US + (slot * 7919 % 1000) - (slot > 0 ? (slot - 1) * 7919 % 1000 : 0));
        all += let_in(&writes);
    }
    assert_in_range(all, 999, 1001);
    assert_in_range(writes, 99, 102);
}

static void another_rate_counts_from_now_on(void **state)
{
    unsigned writes = 0;

    (void)state;
    limits.per_second = 0.001;
    limits.burst = 10;
    begin(0, false);
    for (int i = 0; i < 10; i++)
        whole(false);
    assert_int_equal(enter(call(0, false)), RESULT_BUSY);
    limits.per_second = 20;
    assert_int_equal(admission_set(admission, &(struct budget_options){.limits = &limits}, &times),
                     RESULT_OK);
    assert_int_equal(let_in(&writes), 0); /* what was spent stays spent, … */
    pass(SLOT_US);
    assert_int_equal(let_in(&writes), 1); /* … but is there again as fast as it now is */
}

static void reads_borrow_what_no_write_asks_for(void **state)
{
    unsigned writes = 0, all = 0;

    (void)state;
    limits.per_second = 20;
    limits.write_share = 0.5;
    begin(0, false);
    for (int i = 0; i < 300; i++)
        (void)!enter(call(0, false));
    for (int slot = 0; slot < 200; slot++) {
        pass(SLOT_US);
        all += let_in(&writes);
    }
    assert_in_range(all, 199, 200);
}

static void the_last_places_are_for_writes(void **state)
{
    (void)state;
    limits.concurrency = 10;
    limits.write_share = 0.2;
    begin(0, false);
    for (int i = 0; i < 8; i++)
        assert_int_equal(enter(call(0, false)), RESULT_OK);
    assert_int_equal(enter(call(0, false)), RESULT_BUSY);
    assert_int_equal(enter(call(0, true)), RESULT_BUSY); /* behind the queue, … */
    (void)admission_run(admission, &times);
    struct budget_ticket *ticket = admission_decided(admission);
    assert_non_null(ticket); /* … but let in by it */
    assert_true(ticket->is_write);
    assert_null(admission_decided(admission));
}

/* --- what is spent --- */

static void the_upstreams_own_numbers_count(void **state)
{
    struct budget_ticket *first, *other, *last;

    (void)state;
    begin(60 * CLOCK_SECOND_US, false);
    first = call(0, false);
    other = call(0, false);
    assert_int_equal(enter(first), RESULT_OK);
    assert_int_equal(enter(other), RESULT_OK);
    leave_with(first, (struct budget_end){.sent = true,
                                          .answered = true,
                                          .allowance = {.retry_after_us = -1,
                                                        .has_left = true,
                                                        .left = 3,
                                                        .reset_us = 10 * CLOCK_SECOND_US}});
    leave(other); /* it may not have been counted: two are left */
    whole(false);
    whole(false);
    last = call(0, false);
    assert_int_equal(enter(last), RESULT_REFUSED);
    assert_int_equal(last->refusal, BUDGET_SPENT);
    assert_int_equal(last->retry_after_us, 10 * CLOCK_SECOND_US);
    pass(10 * CLOCK_SECOND_US);
    assert_int_equal(enter(last), RESULT_OK);
}

static void a_day_is_spent_and_begins_anew(void **state)
{
    const int64_t day_us = 24 * 3600 * CLOCK_SECOND_US;

    (void)state;
    limits.per_day = 10;
    limits.write_share = 0.2;
    begin(0, false);
    for (int i = 0; i < 8; i++)
        whole(false);
    assert_int_equal(enter(call(0, false)), RESULT_REFUSED);
    assert_int_equal(tickets[used - 1].refusal, BUDGET_SPENT);
    assert_int_equal(tickets[used - 1].retry_after_us, day_us - 1);
    assert_int_equal(enter(call(0, true)), RESULT_OK); /* the last two are for writes */
    leave_with(&tickets[used - 1],
               (struct budget_end){.cancelled = true}); /* not sent: not spent */
    for (int i = 0; i < 2; i++)
        whole(true);
    assert_int_equal(enter(call(0, true)), RESULT_REFUSED);
    pass(day_us - 2);
    assert_int_equal(enter(call(0, true)), RESULT_REFUSED);
    pass(1);
    assert_int_equal(enter(call(0, false)), RESULT_OK);
}

/* --- not now --- */

static void a_pause_refuses_who_waits_and_who_comes(void **state)
{
    struct budget_ticket *first, *waiting, *late;

    (void)state;
    limits.concurrency = 1;
    begin(60 * CLOCK_SECOND_US, false);
    first = call(0, false);
    waiting = call(1, false);
    assert_int_equal(enter(first), RESULT_OK);
    assert_int_equal(enter(waiting), RESULT_BUSY);
    leave_overloaded(first, 5 * CLOCK_SECOND_US);
    assert_ptr_equal(admission_decided(admission), waiting);
    assert_int_equal(waiting->refusal, BUDGET_PAUSED);
    assert_int_equal(waiting->retry_after_us, 5 * CLOCK_SECOND_US);
    pass(2 * CLOCK_SECOND_US);
    late = call(2, false);
    assert_int_equal(enter(late), RESULT_REFUSED);
    assert_int_equal(late->retry_after_us, 3 * CLOCK_SECOND_US);
    pass(3 * CLOCK_SECOND_US);
    assert_int_equal(enter(late), RESULT_OK);         /* the probe */
    assert_int_equal(enter(waiting), RESULT_REFUSED); /* nobody knows yet */
    leave(late);
    assert_int_equal(enter(waiting), RESULT_OK);
}

static void a_probe_that_leaves_is_followed_by_another(void **state)
{
    struct budget_ticket *first, *probe, *other;

    (void)state;
    begin(60 * CLOCK_SECOND_US, false);
    first = call(0, false);
    assert_int_equal(enter(first), RESULT_OK);
    leave_overloaded(first, 5 * CLOCK_SECOND_US);
    pass(5 * CLOCK_SECOND_US);
    probe = call(0, false);
    other = call(0, false);
    assert_int_equal(enter(probe), RESULT_OK);
    assert_int_equal(enter(other), RESULT_REFUSED);
    leave_with(probe, (struct budget_end){.cancelled = true});
    assert_int_equal(enter(other), RESULT_OK);
}

static void an_upstream_that_does_not_answer_is_left_alone(void **state)
{
    struct budget_ticket *ticket = NULL;

    (void)state;
    begin(0, true);
    for (int i = 0; i < BREAKER_FAILURES; i++) {
        ticket = call(0, false);
        assert_int_equal(enter(ticket), RESULT_OK);
        leave_with(ticket, (struct budget_end){.sent = i % 2 == 0});
    }
    assert_int_equal(enter(ticket), RESULT_REFUSED);
    assert_int_equal(ticket->refusal, BUDGET_BROKEN);
    assert_int_equal(ticket->retry_after_us, BREAKER_FIRST_US);
    pass(BREAKER_FIRST_US);
    assert_int_equal(enter(ticket), RESULT_OK);
    assert_int_equal(enter(call(0, false)), RESULT_REFUSED);
    leave(ticket);
    assert_int_equal(enter(ticket), RESULT_OK);
}

/* --- retries --- */

static void retries_are_few_and_apart(void **state)
{
    struct budget_ticket *ticket = call(0, false);
    int64_t wait_us = 0;
    unsigned allowed = 0;

    (void)state;
    begin(0, false);
    for (uint32_t i = 0; i < 100; i++) {
        if (!admission_retry(admission, ticket, &(struct retry){0, i * 7919, times.now_us},
                             &wait_us))
            continue;
        allowed++;
        assert_in_range(wait_us, 50 * 1000, 150 * 1000);
    }
    assert_int_equal(allowed, ADMISSION_RETRIES);
    for (int i = 0; i < 10; i++) { /* one for each five calls */
        assert_int_equal(enter(ticket), RESULT_OK);
        leave(ticket);
    }
    allowed = 0;
    for (uint32_t i = 0; i < 100; i++)
        allowed +=
            admission_retry(admission, ticket, &(struct retry){2, i, times.now_us}, &wait_us);
    assert_int_equal(allowed, 2);
    assert_in_range(wait_us, 200 * 1000, 600 * 1000);
}

static void nobody_retries_later_than_it_would_wait(void **state)
{
    struct budget_ticket *ticket = call(0, false);
    int64_t wait_us;

    (void)state;
    begin(60 * CLOCK_SECOND_US, false);
    assert_int_equal(enter(ticket), RESULT_OK);
    leave_overloaded(ticket, 5 * CLOCK_SECOND_US);
    ticket->caller.patience_us = 4 * CLOCK_SECOND_US;
    assert_false(admission_retry(admission, ticket, &(struct retry){0, 1, times.now_us}, &wait_us));
    ticket->caller.patience_us = 6 * CLOCK_SECOND_US;
    assert_true(admission_retry(admission, ticket, &(struct retry){0, 1, times.now_us}, &wait_us));
    assert_in_range(wait_us, 5 * CLOCK_SECOND_US, 5 * CLOCK_SECOND_US + 50 * 1000);
}

#define WITH_WORLD(test) cmocka_unit_test_setup_teardown(test, world_make, world_drop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_WORLD(no_window_of_a_second_has_more_than_rate_and_burst),
        WITH_WORLD(the_time_to_look_again_is_told),
        WITH_WORLD(a_turn_that_would_come_too_late_is_refused_at_once),
        WITH_WORLD(writes_have_their_share_of_the_rate),
        WITH_WORLD(writes_have_their_share_when_decisions_come_late),
        WITH_WORLD(another_rate_counts_from_now_on),
        WITH_WORLD(reads_borrow_what_no_write_asks_for),
        WITH_WORLD(the_last_places_are_for_writes),
        WITH_WORLD(the_upstreams_own_numbers_count),
        WITH_WORLD(a_day_is_spent_and_begins_anew),
        WITH_WORLD(a_pause_refuses_who_waits_and_who_comes),
        WITH_WORLD(a_probe_that_leaves_is_followed_by_another),
        WITH_WORLD(an_upstream_that_does_not_answer_is_left_alone),
        WITH_WORLD(retries_are_few_and_apart),
        WITH_WORLD(nobody_retries_later_than_it_would_wait),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
