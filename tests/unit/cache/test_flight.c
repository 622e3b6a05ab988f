/* Collapsed forwarding: who leads, who waits, who is told what, and who is left alone. */
#include "storing.h"

#include "base/memory.h"
#include "cache/flight.h"

static struct keeper keeper;
static struct flights *flights;
static unsigned letters, answers, abandonments, raises;

static int table_make(void **state)
{
    (void)state;
    keeper_open(&keeper, 16 * 1024 * 1024);
    flights = flights_create(keeper.cache);
    letters = answers = abandonments = raises = 0;
    return 0;
}

static int table_drop(void **state)
{
    (void)state;
    assert_int_equal(flights_count(flights), 0);
    flights_destroy(flights);
    keeper_close(&keeper);
    return 0;
}

static void on_landed(struct letter *letter)
{
    struct flight_waiter *waiter = (struct flight_waiter *)letter;

    letters++;
    answers += waiter->answer != NULL;
    flight_answer_release(waiter->answer);
    free(waiter);
}

static void on_abandoned(void *context)
{
    abandonments++;
    flight_end(context, false);
}

static void on_raised(void *context)
{
    (void)context;
    raises++;
}

/* What came of joining. */
struct joined {
    enum flight_role role;
    struct flight *flight;        /* FLIGHT_LEAD */
    struct flight_waiter *waiter; /* FLIGHT_WAIT */
};

static struct joined join_with(const char *path, struct hash128 variant, bool is_urgent)
{
    const struct cache_query query = keeper_query(&keeper, path);
    struct joined joined = {.waiter = memory_take(1, sizeof(*joined.waiter))};

    joined.waiter->letter.deliver = on_landed;
    joined.waiter->mailbox = keeper.mailbox;
    joined.waiter->is_urgent = is_urgent;
    joined.role = flight_join(flights, &query, variant, joined.waiter, &joined.flight);
    if (joined.role == FLIGHT_LEAD) {
        const struct flight_hooks hooks = {keeper.mailbox, on_abandoned, on_raised, joined.flight};

        flight_set_hooks(joined.flight, &hooks);
    }
    if (joined.role == FLIGHT_LANDED)
        flight_answer_release(joined.waiter->answer);
    if (joined.role != FLIGHT_WAIT) {
        free(joined.waiter);
        joined.waiter = NULL;
    }
    return joined;
}

static struct joined join_as(const char *path, struct hash128 variant)
{
    return join_with(path, variant, false);
}

static struct joined join_urgently(const char *path)
{
    return join_with(path, hash_of(bytes_of_string(path)), true);
}

static struct joined join(const char *path)
{
    return join_as(path, hash_of(bytes_of_string(path)));
}

static void land(struct flight *flight)
{
    struct flight_answer *answer = flight_answer_create(64);

    buffer_add(&answer->spool, BYTES("body"));
    flight_land(flight, answer);
    flight_answer_release(answer);
}

static void deliver(void)
{
    assert_int_not_equal(event_base_loop(keeper.base, EVLOOP_NONBLOCK), -1);
}

static void one_leads_and_the_others_get_its_answer(void **state)
{
    (void)state;
    const struct joined leader = join("/a");
    assert_int_equal(leader.role, FLIGHT_LEAD);
    assert_int_equal(join("/a").role, FLIGHT_WAIT);
    assert_int_equal(flight_sent(leader.flight), cache_now(keeper.cache));
    assert_int_equal(join("/a").role, FLIGHT_WAIT);
    const struct joined other = join("/b");
    assert_int_equal(other.role, FLIGHT_LEAD);
    assert_int_equal(flights_count(flights), 2);
    land(leader.flight);
    deliver();
    assert_int_equal(answers, 2);
    flight_end(leader.flight, false);
    assert_int_equal(flights_count(flights), 1);
    flight_end(other.flight, false);
}

static void a_landed_flight_answers_at_once_until_it_ends(void **state)
{
    (void)state;
    const struct joined leader = join("/a");
    (void)flight_sent(leader.flight);
    land(leader.flight);
    assert_int_equal(join("/a").role, FLIGHT_LANDED);
    flight_end(leader.flight, false);
    const struct joined next = join("/a");
    assert_int_equal(next.role, FLIGHT_LEAD);
    flight_end(next.flight, false);
}

static void a_flight_sent_before_an_invalidation_takes_no_joiner(void **state)
{
    (void)state;
    const struct joined old = join("/a");
    (void)flight_sent(old.flight);
    assert_int_equal(join("/a").role, FLIGHT_WAIT);
    assert_int_equal(keeper_invalidate(&keeper), RESULT_OK);
    const struct joined new = join("/a");
    assert_int_equal(new.role, FLIGHT_LEAD);
    (void)flight_sent(new.flight);
    assert_int_equal(join("/a").role, FLIGHT_WAIT);
    land(old.flight);
    deliver();
    assert_int_equal(answers, 1); /* who joined lawfully, and nobody else */
    land(new.flight);
    deliver();
    assert_int_equal(answers, 2);
    flight_end(old.flight, false);
    assert_int_equal(join("/a").role, FLIGHT_LANDED); /* the new one is still in the table */
    flight_end(new.flight, false);
}

static void a_landed_flight_takes_no_joiner_after_an_invalidation(void **state)
{
    (void)state;
    const struct joined old = join("/a");
    (void)flight_sent(old.flight);
    land(old.flight);
    assert_int_equal(keeper_invalidate(&keeper), RESULT_OK);
    const struct joined new = join("/a");
    assert_int_equal(new.role, FLIGHT_LEAD);
    flight_end(new.flight, false);
    flight_end(old.flight, false);
}

static void a_flight_not_yet_sent_takes_any_joiner(void **state)
{
    (void)state;
    const struct joined leader = join("/a");
    assert_int_equal(keeper_invalidate(&keeper), RESULT_OK);
    assert_int_equal(join("/a").role, FLIGHT_WAIT);
    assert_int_equal(flight_sent(leader.flight), cache_now(keeper.cache));
    assert_int_equal(join("/a").role, FLIGHT_WAIT);
    land(leader.flight);
    flight_end(leader.flight, false);
    deliver();
    assert_int_equal(answers, 2);
}

static void another_accounts_write_parts_nobody(void **state)
{
    struct account *mine = keeper.account;

    (void)state;
    const struct joined leader = join("/a");
    (void)flight_sent(leader.flight);
    keeper.account = cache_account(keeper.cache, BYTES("other"));
    assert_int_equal(keeper_invalidate(&keeper), RESULT_OK);
    keeper.account = mine;
    const struct joined waiter = join("/a");
    assert_int_equal(waiter.role, FLIGHT_WAIT);
    flight_end(leader.flight, false);
    deliver();
}

static void a_hash_that_collides_joins_nobody(void **state)
{
    const struct hash128 variant = {1, 2};

    (void)state;
    const struct joined a = join_as("/a", variant), b = join_as("/b", variant);
    assert_int_equal(a.role, FLIGHT_LEAD);
    assert_int_equal(b.role, FLIGHT_LEAD);
    assert_int_equal(join_as("/a", variant).role, FLIGHT_WAIT);
    flight_end(b.flight, false);
    assert_int_equal(join_as("/a", variant).role, FLIGHT_WAIT);
    flight_end(a.flight, false);
    deliver();
    assert_int_equal(letters, 2);
}

static void variants_of_one_url_fly_apart(void **state)
{
    (void)state;
    const struct joined a = join_as("/a", (struct hash128){1, 2});
    const struct joined b = join_as("/a", (struct hash128){1, 3});
    assert_int_equal(b.role, FLIGHT_LEAD);
    flight_end(a.flight, false);
    flight_end(b.flight, false);
}

static void a_flight_that_ends_without_an_answer_tells_who_waits(void **state)
{
    (void)state;
    const struct joined leader = join("/a");
    assert_int_equal(join("/a").role, FLIGHT_WAIT);
    flight_end(leader.flight, false);
    deliver();
    assert_int_equal(letters, 1);
    assert_int_equal(answers, 0);
}

static void what_can_not_be_shared_is_remembered(void **state)
{
    (void)state;
    const struct joined leader = join("/a");
    flight_end(leader.flight, true);
    assert_int_equal(join("/a").role, FLIGHT_ALONE);
    const struct joined other = join("/b");
    assert_int_equal(other.role, FLIGHT_LEAD);
    flight_end(other.flight, false);
}

/* --- leaving --- */

static void a_leader_that_leaves_alone_ends_the_flight(void **state)
{
    (void)state;
    const struct joined leader = join("/a");
    assert_true(flight_leader_left(leader.flight));
    const struct joined next = join("/a"); /* not that flight any more */
    assert_int_equal(next.role, FLIGHT_LEAD);
    flight_end(leader.flight, false);
    flight_end(next.flight, false);
}

static void the_last_waiter_to_leave_ends_the_flight(void **state)
{
    (void)state;
    const struct joined leader = join("/a"), first = join("/a"), second = join("/a");
    assert_false(flight_leader_left(leader.flight));
    assert_true(flight_leave(first.waiter));
    free(first.waiter);
    deliver();
    assert_int_equal(abandonments, 0);
    assert_true(flight_leave(second.waiter));
    free(second.waiter);
    assert_int_equal(abandonments, 0); /* by letter, on the leader's thread */
    const struct joined next = join("/a");
    assert_int_equal(next.role, FLIGHT_LEAD);
    deliver();
    assert_int_equal(abandonments, 1);
    flight_end(next.flight, false);
}

static void waiters_may_leave_while_the_leader_stays(void **state)
{
    (void)state;
    const struct joined leader = join("/a"), first = join("/a"), second = join("/a"),
                        third = join("/a");
    assert_true(flight_leave(second.waiter)); /* from the middle of the list */
    assert_true(flight_leave(first.waiter));
    assert_true(flight_leave(third.waiter));
    free(first.waiter);
    free(second.waiter);
    free(third.waiter);
    deliver();
    assert_int_equal(abandonments, 0);
    assert_int_equal(join("/a").role, FLIGHT_WAIT);
    flight_end(leader.flight, false);
    deliver();
    assert_int_equal(letters, 1);
}

static void a_waiter_gets_the_answer_although_the_leader_left(void **state)
{
    (void)state;
    const struct joined leader = join("/a"), waiter = join("/a");
    assert_int_equal(waiter.role, FLIGHT_WAIT);
    assert_false(flight_leader_left(leader.flight));
    land(leader.flight);
    flight_end(leader.flight, false);
    deliver();
    assert_int_equal(answers, 1);
    assert_int_equal(abandonments, 0);
}

static void the_first_urgent_one_who_waits_raises_the_flight(void **state)
{
    (void)state;
    const struct joined leader = join("/a");
    assert_int_equal(join("/a").role, FLIGHT_WAIT);
    deliver();
    assert_int_equal(raises, 0);
    assert_int_equal(join_urgently("/a").role, FLIGHT_WAIT);
    assert_int_equal(join_urgently("/a").role, FLIGHT_WAIT);
    assert_int_equal(raises, 0); /* by letter */
    deliver();
    assert_int_equal(raises, 1);
    flight_end(leader.flight, false);
    deliver();
    const struct joined urgent = join_urgently("/b");
    assert_int_equal(join_urgently("/b").role, FLIGHT_WAIT);
    deliver();
    assert_int_equal(raises, 1); /* it was urgent from the start */
    flight_end(urgent.flight, false);
    deliver();
}

static void a_flight_that_ends_before_it_hears_of_being_raised_is_gone_once(void **state)
{
    (void)state;
    const struct joined leader = join("/a");
    assert_int_equal(join_urgently("/a").role, FLIGHT_WAIT);
    flight_end(leader.flight, false);
    deliver();
    assert_int_equal(raises, 0);
}

static void a_flight_that_ends_before_it_hears_of_being_abandoned_is_ended_once(void **state)
{
    (void)state;
    const struct joined leader = join("/a"), waiter = join("/a");
    assert_false(flight_leader_left(leader.flight));
    assert_true(flight_leave(waiter.waiter));
    free(waiter.waiter);
    land(leader.flight); /* the answer came while the letter was on its way */
    flight_end(leader.flight, false);
    deliver();
    assert_int_equal(abandonments, 0);
}

static void a_letter_on_its_way_can_not_be_called_back(void **state)
{
    (void)state;
    const struct joined leader = join("/a"), waiter = join("/a");
    land(leader.flight);
    assert_false(flight_leave(waiter.waiter));
    deliver(); /* frees it */
    assert_int_equal(letters, 1);
    flight_end(leader.flight, false);
}

static void waiters_are_bounded(void **state)
{
    (void)state;
    const struct joined leader = join("/a");
    for (unsigned i = 0; i < FLIGHT_WAITERS_LIMIT; i++)
        assert_int_equal(join("/a").role, FLIGHT_WAIT);
    assert_int_equal(join("/a").role, FLIGHT_ALONE);
    land(leader.flight);
    flight_end(leader.flight, false);
    deliver();
    assert_int_equal(answers, FLIGHT_WAITERS_LIMIT);
}

#define WITH_TABLE(test) cmocka_unit_test_setup_teardown(test, table_make, table_drop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_TABLE(one_leads_and_the_others_get_its_answer),
        WITH_TABLE(a_landed_flight_answers_at_once_until_it_ends),
        WITH_TABLE(a_flight_sent_before_an_invalidation_takes_no_joiner),
        WITH_TABLE(a_landed_flight_takes_no_joiner_after_an_invalidation),
        WITH_TABLE(a_flight_not_yet_sent_takes_any_joiner),
        WITH_TABLE(another_accounts_write_parts_nobody),
        WITH_TABLE(a_hash_that_collides_joins_nobody),
        WITH_TABLE(variants_of_one_url_fly_apart),
        WITH_TABLE(a_flight_that_ends_without_an_answer_tells_who_waits),
        WITH_TABLE(what_can_not_be_shared_is_remembered),
        WITH_TABLE(a_leader_that_leaves_alone_ends_the_flight),
        WITH_TABLE(the_last_waiter_to_leave_ends_the_flight),
        WITH_TABLE(waiters_may_leave_while_the_leader_stays),
        WITH_TABLE(a_waiter_gets_the_answer_although_the_leader_left),
        WITH_TABLE(the_first_urgent_one_who_waits_raises_the_flight),
        WITH_TABLE(a_flight_that_ends_before_it_hears_of_being_raised_is_gone_once),
        WITH_TABLE(a_flight_that_ends_before_it_hears_of_being_abandoned_is_ended_once),
        WITH_TABLE(a_letter_on_its_way_can_not_be_called_back),
        WITH_TABLE(waiters_are_bounded),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
