/* Counting and stamping, as rules 1, 3 and 4 of the order use them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "cache/order.h"

static struct order order;

static int order_make(void **state)
{
    (void)state;
    order_init(&order);
    return 0;
}

static int order_drop(void **state)
{
    (void)state;
    order_finish(&order);
    return 0;
}

static const uint64_t one = 11, other = 12;
static const uint64_t both[] = {11, 12};
static const struct tags of_one = {&one, 1}, of_other = {&other, 1}, of_both = {both, 2};

static void what_nobody_named_is_current(void **state)
{
    (void)state;
    assert_true(order_now(&order) > 0); /* 0 is "not sent" in a flight */
    assert_true(order_is_current(&order, of_both, order_now(&order)));
    assert_true(order_is_current(&order, (struct tags){0}, 0));
}

/* Rule 3: the stamp is ahead of now until the commit is published. */
static void a_fetch_begun_before_the_publishing_is_overtaken(void **state)
{
    (void)state;
    const uint64_t before = order_now(&order);
    order_stamp(&order, of_one);
    assert_int_equal(order_now(&order), before);
    assert_false(order_is_current(&order, of_one, before));
    order_publish(&order);
    assert_int_equal(order_now(&order), before + 1);
    assert_false(order_is_current(&order, of_one, before));
    assert_true(order_is_current(&order, of_one, order_now(&order)));
}

static void only_the_named_tags_are_overtaken(void **state)
{
    (void)state;
    const uint64_t before = order_now(&order);
    order_stamp(&order, of_one);
    order_publish(&order);
    assert_true(order_is_current(&order, of_other, before));
    assert_false(order_is_current(&order, of_both, before)); /* one of them suffices */
}

static void a_later_stamp_overtakes_what_an_earlier_one_did_not(void **state)
{
    (void)state;
    order_stamp(&order, of_both);
    order_publish(&order);
    const uint64_t between = order_now(&order);
    assert_true(order_is_current(&order, of_both, between));
    order_stamp(&order, of_other);
    order_publish(&order);
    assert_true(order_is_current(&order, of_one, between));
    assert_false(order_is_current(&order, of_other, between));
}

static void a_shared_slot_only_makes_it_more_careful(void **state)
{
    const uint64_t collides = one + ORDER_SLOTS;
    const struct tags of_collides = {&collides, 1};

    (void)state;
    const uint64_t before = order_now(&order);
    order_stamp(&order, of_collides);
    order_publish(&order);
    assert_false(order_is_current(&order, of_one, before));
}

#define WITH_ORDER(test) cmocka_unit_test_setup_teardown(test, order_make, order_drop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_ORDER(what_nobody_named_is_current),
        WITH_ORDER(a_fetch_begun_before_the_publishing_is_overtaken),
        WITH_ORDER(only_the_named_tags_are_overtaken),
        WITH_ORDER(a_later_stamp_overtakes_what_an_earlier_one_did_not),
        WITH_ORDER(a_shared_slot_only_makes_it_more_careful),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
