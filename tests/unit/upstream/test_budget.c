/* How many calls may be under way: the limit, the queue's order, leaving it, many threads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include <event2/event.h>
#include <pthread.h>
#include <stdatomic.h>

#include "base/memory.h"
#include "upstream/budgeting.h"

enum { THREADS = 4, CALLS_EACH = 2000, CONCURRENCY = 3 };

static struct event_base *base;
static struct mailbox *mailbox;

static int box_make(void **state)
{
    (void)state;
    base = event_base_new();
    return mailbox_open(base, &mailbox) != RESULT_OK;
}

static int box_drop(void **state)
{
    (void)state;
    mailbox_close(mailbox);
    event_base_free(base);
    return 0;
}

struct waiter {
    struct budget_ticket ticket; /* first */
    int *admitted;               /* counts who was let in */
    int place;                   /* … of those; 0: not yet */
};

static void on_admitted(struct letter *letter)
{
    struct waiter *waiter = (struct waiter *)letter;

    waiter->place = ++*waiter->admitted;
}

static struct waiter waiter_of(int *admitted)
{
    return (struct waiter){.ticket = {.letter = {.deliver = on_admitted},
                                      .mailbox = mailbox,
                                      .caller = {.weight = 1, .patience_us = INT64_MAX}},
                           .admitted = admitted};
}

static void deliver(void)
{
    assert_int_not_equal(event_base_loop(base, EVLOOP_NONBLOCK), -1);
}

/* A call of whom it is ends as if it had never been sent. */
static void leave(struct budget *budget, struct budget_ticket *ticket)
{
    budget_leave(budget, ticket, &(struct budget_end){.cancelled = true});
}

static void as_many_as_allowed_begin_at_once(void **state)
{
    struct budget *budget = budget_of(2);
    int admitted = 0;
    struct waiter a = waiter_of(&admitted), b = waiter_of(&admitted), c = waiter_of(&admitted);

    (void)state;
    assert_int_equal(budget_enter(budget, &a.ticket), RESULT_OK);
    assert_int_equal(budget_enter(budget, &b.ticket), RESULT_OK);
    assert_int_equal(budget_enter(budget, &c.ticket), RESULT_BUSY);
    assert_counts(budget, 2, 1);
    leave(budget, &a.ticket);
    assert_counts(budget, 2, 0);
    assert_int_equal(c.place, 0); /* by letter */
    deliver();
    assert_int_equal(c.place, 1);
    leave(budget, &b.ticket);
    leave(budget, &c.ticket);
    assert_counts(budget, 0, 0);
    budget_release(budget);
}

static void without_a_limit_nobody_waits(void **state)
{
    struct budget *budget = budget_of(0);
    int admitted = 0;
    struct waiter waiter = waiter_of(&admitted);

    (void)state;
    for (int i = 0; i < 1000; i++)
        assert_int_equal(budget_enter(budget, &waiter.ticket), RESULT_OK);
    assert_counts(budget, 1000, 0);
    budget_release(budget);
}

static void who_came_first_is_let_in_first(void **state)
{
    struct budget *budget = budget_of(1);
    int admitted = 0;
    struct waiter first = waiter_of(&admitted), waiters[5];

    (void)state;
    assert_int_equal(budget_enter(budget, &first.ticket), RESULT_OK);
    for (int i = 0; i < 5; i++) {
        waiters[i] = waiter_of(&admitted);
        assert_int_equal(budget_enter(budget, &waiters[i].ticket), RESULT_BUSY);
    }
    assert_true(budget_give_up(budget, &waiters[0].ticket)); /* the head, … */
    assert_true(budget_give_up(budget, &waiters[2].ticket)); /* one in the middle, … */
    assert_true(budget_give_up(budget, &waiters[4].ticket)); /* and the tail */
    leave(budget, &first.ticket);
    deliver();
    leave(budget, &waiters[1].ticket);
    deliver();
    assert_int_equal(waiters[1].place, 1);
    assert_int_equal(waiters[3].place, 2);
    leave(budget, &waiters[3].ticket);
    assert_counts(budget, 0, 0);
    budget_release(budget);
}

/* Nobody overtakes the queue although there is room for the moment. */
static void a_newcomer_waits_behind_the_queue(void **state)
{
    struct budget *budget = budget_of(1);
    int admitted = 0;
    struct waiter a = waiter_of(&admitted), b = waiter_of(&admitted), c = waiter_of(&admitted);

    (void)state;
    assert_int_equal(budget_enter(budget, &a.ticket), RESULT_OK);
    assert_int_equal(budget_enter(budget, &b.ticket), RESULT_BUSY);
    leave(budget, &a.ticket); /* b has the place, though not the letter yet */
    assert_int_equal(budget_enter(budget, &c.ticket), RESULT_BUSY);
    deliver();
    assert_int_equal(b.place, 1);
    assert_int_equal(c.place, 0);
    assert_true(budget_give_up(budget, &c.ticket));
    leave(budget, &b.ticket);
    budget_release(budget);
}

static void a_letter_on_its_way_can_not_be_given_up(void **state)
{
    struct budget *budget = budget_of(1);
    int admitted = 0;
    struct waiter a = waiter_of(&admitted), b = waiter_of(&admitted);

    (void)state;
    assert_int_equal(budget_enter(budget, &a.ticket), RESULT_OK);
    assert_int_equal(budget_enter(budget, &b.ticket), RESULT_BUSY);
    leave(budget, &a.ticket);
    assert_false(budget_give_up(budget, &b.ticket));
    deliver();
    leave(budget, &b.ticket);
    assert_counts(budget, 0, 0);
    budget_release(budget);
}

static void the_queue_of_a_client_is_bounded(void **state)
{
    struct budget *budget = budget_of(1);
    int admitted = 0;
    struct waiter first = waiter_of(&admitted), last = waiter_of(&admitted),
                  other = waiter_of(&admitted);
    struct waiter *waiters = memory_take(QUEUE_FLOW_LIMIT, sizeof(*waiters));

    (void)state;
    assert_int_equal(budget_enter(budget, &first.ticket), RESULT_OK);
    for (int i = 0; i < QUEUE_FLOW_LIMIT; i++) {
        waiters[i] = waiter_of(&admitted);
        assert_int_equal(budget_enter(budget, &waiters[i].ticket), RESULT_BUSY);
    }
    assert_int_equal(budget_enter(budget, &last.ticket), RESULT_REFUSED);
    assert_int_equal(last.ticket.refusal, BUDGET_FULL);
    other.ticket.caller.client = 1;
    assert_int_equal(budget_enter(budget, &other.ticket), RESULT_BUSY);
    assert_true(budget_give_up(budget, &other.ticket));
    assert_true(budget_give_up(budget, &waiters[7].ticket));
    assert_int_equal(budget_enter(budget, &last.ticket), RESULT_BUSY);
    assert_true(budget_give_up(budget, &last.ticket));
    for (int i = 0; i < QUEUE_FLOW_LIMIT; i++)
        assert_true(i == 7 || budget_give_up(budget, &waiters[i].ticket));
    budget_release(budget);
    free(waiters);
}

static void a_new_limit_holds_for_what_begins_from_now_on(void **state)
{
    struct budget *budget = budget_of(1);
    int admitted = 0;
    struct waiter first = waiter_of(&admitted), waiters[4];

    (void)state;
    assert_int_equal(budget_enter(budget, &first.ticket), RESULT_OK);
    for (int i = 0; i < 4; i++) {
        waiters[i] = waiter_of(&admitted);
        assert_int_equal(budget_enter(budget, &waiters[i].ticket), RESULT_BUSY);
    }
    budget_limit(budget, 3);
    deliver();
    assert_int_equal(admitted, 2);
    budget_limit(budget, 1);
    leave(budget, &first.ticket);
    deliver();
    assert_int_equal(admitted, 2); /* two are still under way */
    budget_limit(budget, 0);
    deliver();
    assert_int_equal(admitted, 4);
    budget_release(budget);
}

/* --- many threads --- */

struct shared {
    struct budget *budget;
    atomic_int under_way, most;
};

struct thread {
    struct budget_ticket ticket; /* first */
    struct shared *shared;
    struct event_base *base;
    struct mailbox *mailbox;
    bool is_in;
    pthread_t thread;
    uint64_t random;
};

static void caller_on_admitted(struct letter *letter)
{
    ((struct thread *)letter)->is_in = true;
}

static void caller_work(struct thread *caller)
{
    struct shared *shared = caller->shared;
    const int now = atomic_fetch_add(&shared->under_way, 1) + 1;
    int most = atomic_load(&shared->most);

    while (now > most && !atomic_compare_exchange_weak(&shared->most, &most, now))
        ;
    (void)sched_yield();
    (void)atomic_fetch_sub(&shared->under_way, 1);
    leave(shared->budget, &caller->ticket);
}

static void caller_call(struct thread *caller)
{
    struct budget *budget = caller->shared->budget;
    const enum result result = budget_enter(budget, &caller->ticket);

    caller->random = caller->random * 6364136223846793005u + 1442695040888963407u;
    caller->is_in = result == RESULT_OK;
    if (result == RESULT_BUSY && caller->random >> 62 == 0 &&
        budget_give_up(budget, &caller->ticket))
        return;
    while (!caller->is_in)
        if (event_base_loop(caller->base, EVLOOP_ONCE) == -1)
            abort();
    caller_work(caller);
}

static void *caller_run(void *context)
{
    for (int i = 0; i < CALLS_EACH; i++)
        caller_call(context);
    return NULL;
}

static void the_limit_holds_over_all_threads(void **state)
{
    struct shared shared = {.budget = budget_of(CONCURRENCY)};
    struct thread callers[THREADS];

    (void)state;
    for (unsigned i = 0; i < THREADS; i++) {
        callers[i] = (struct thread){.shared = &shared, .base = event_base_new(), .random = i};
        assert_int_equal(mailbox_open(callers[i].base, &callers[i].mailbox), RESULT_OK);
        callers[i].ticket.letter.deliver = caller_on_admitted;
        callers[i].ticket.mailbox = callers[i].mailbox;
        callers[i].ticket.caller =
            (struct caller){.client = i, .weight = 1, .patience_us = INT64_MAX};
        assert_int_equal(pthread_create(&callers[i].thread, NULL, caller_run, &callers[i]), 0);
    }
    for (unsigned i = 0; i < THREADS; i++)
        assert_int_equal(pthread_join(callers[i].thread, NULL), 0);
    for (unsigned i = 0; i < THREADS; i++) {
        mailbox_close(callers[i].mailbox);
        event_base_free(callers[i].base);
    }
    assert_true(shared.most <= CONCURRENCY);
    assert_int_equal(shared.under_way, 0);
    assert_counts(shared.budget, 0, 0);
    budget_release(shared.budget);
}

#define WITH_BOX(test) cmocka_unit_test_setup_teardown(test, box_make, box_drop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_BOX(as_many_as_allowed_begin_at_once),
        WITH_BOX(without_a_limit_nobody_waits),
        WITH_BOX(who_came_first_is_let_in_first),
        WITH_BOX(a_newcomer_waits_behind_the_queue),
        WITH_BOX(a_letter_on_its_way_can_not_be_given_up),
        WITH_BOX(the_queue_of_a_client_is_bounded),
        WITH_BOX(a_new_limit_holds_for_what_begins_from_now_on),
        cmocka_unit_test(the_limit_holds_over_all_threads),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
