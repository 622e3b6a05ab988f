/* Pauses: of a template, of the account, their probes, and how long. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "upstream/pauses.h"

#define SECOND_US INT64_C(1000000)
#define NOT_SAID (-1)

static const int64_t start_us = 1000 * SECOND_US;

/* Templates. */
enum { A = 11, B, C };

static struct pauses pauses_of(int64_t max_us)
{
    return (struct pauses){.max_us = max_us};
}

static void assert_goes(struct pauses *pauses, uint64_t scope, int64_t now_us)
{
    int64_t wait_us;

    assert_int_equal(pauses_wait_us(pauses, scope, now_us), 0);
    assert_int_equal(pauses_ask(pauses, scope, now_us, &wait_us), PAUSE_NONE);
}

static void assert_waits(struct pauses *pauses, uint64_t scope, int64_t now_us, int64_t wanted_us)
{
    int64_t wait_us = 0;

    assert_int_equal(pauses_wait_us(pauses, scope, now_us), wanted_us);
    assert_int_equal(pauses_ask(pauses, scope, now_us, &wait_us), PAUSE_WAIT);
    assert_int_equal(wait_us, wanted_us);
}

static void assert_probes(struct pauses *pauses, uint64_t scope, int64_t now_us)
{
    int64_t wait_us;

    assert_int_equal(pauses_wait_us(pauses, scope, now_us), 0);
    assert_int_equal(pauses_ask(pauses, scope, now_us, &wait_us), PAUSE_PROBE);
}

static void nothing_is_paused_at_first(void **state)
{
    struct pauses pauses = pauses_of(60 * SECOND_US);

    (void)state;
    assert_goes(&pauses, A, start_us);
    assert_false(pauses_are_on(&pauses, start_us));
    pauses_end(&pauses, A, true);
    pauses_lost(&pauses, A);
    assert_goes(&pauses, A, start_us);
}

static void an_answer_that_says_nothing_pauses_its_template(void **state)
{
    struct pauses pauses = pauses_of(60 * SECOND_US);
    const int64_t over_us = start_us + PAUSES_FIRST_US;

    (void)state;
    assert_false(pauses_begin(&pauses, A, NOT_SAID, false, start_us));
    assert_true(pauses_are_on(&pauses, start_us));
    assert_waits(&pauses, A, start_us, PAUSES_FIRST_US);
    assert_waits(&pauses, A, over_us - 1, 1);
    assert_goes(&pauses, B, start_us);
    assert_probes(&pauses, A, over_us);
    assert_waits(&pauses, A, over_us, PAUSES_PROBE_HINT_US); /* one probe at a time */
    assert_true(pauses_are_on(&pauses, over_us));
    assert_goes(&pauses, B, over_us);
    pauses_end(&pauses, A, true);
    assert_goes(&pauses, A, over_us);
    assert_false(pauses_are_on(&pauses, over_us));
}

static void an_answer_that_says_how_long_pauses_the_account(void **state)
{
    struct pauses pauses = pauses_of(60 * SECOND_US);
    const int64_t over_us = start_us + 7 * SECOND_US;

    (void)state;
    assert_true(pauses_begin(&pauses, A, 7 * SECOND_US, false, start_us));
    assert_waits(&pauses, A, start_us, 7 * SECOND_US);
    assert_waits(&pauses, B, start_us, 7 * SECOND_US);
    assert_probes(&pauses, B, over_us); /* of any template */
    assert_waits(&pauses, A, over_us, PAUSES_PROBE_HINT_US);
    assert_waits(&pauses, B, over_us, PAUSES_PROBE_HINT_US);
    pauses_end(&pauses, B, true);
    assert_goes(&pauses, A, over_us);
    assert_goes(&pauses, B, over_us);
}

static void what_is_said_is_clamped(void **state)
{
    struct pauses pauses = pauses_of(60 * SECOND_US);

    (void)state;
    assert_true(pauses_begin(&pauses, A, 86400 * SECOND_US, false, start_us));
    assert_waits(&pauses, B, start_us, 60 * SECOND_US);
    assert_true(pauses_begin(&pauses, A, INT64_MAX, false, start_us));
    assert_waits(&pauses, B, start_us, 60 * SECOND_US);
    pauses = pauses_of(60 * SECOND_US);
    assert_true(pauses_begin(&pauses, A, 0, false, start_us)); /* less than a second */
    assert_waits(&pauses, B, start_us, PAUSES_FIRST_US);
    pauses = pauses_of(SECOND_US / 10);
    assert_true(pauses_begin(&pauses, A, 5 * SECOND_US, false, start_us));
    assert_waits(&pauses, B, start_us, SECOND_US / 10);
    pauses = pauses_of(SECOND_US / 10);
    assert_false(pauses_begin(&pauses, A, NOT_SAID, false, start_us));
    assert_waits(&pauses, A, start_us, SECOND_US / 10);
}

static void a_longer_pause_of_the_account_stays(void **state)
{
    struct pauses pauses = pauses_of(60 * SECOND_US);

    (void)state;
    assert_true(pauses_begin(&pauses, A, 20 * SECOND_US, false, start_us));
    assert_true(pauses_begin(&pauses, B, 2 * SECOND_US, false, start_us + SECOND_US));
    assert_waits(&pauses, C, start_us + SECOND_US, 19 * SECOND_US);
    assert_true(pauses_begin(&pauses, B, 30 * SECOND_US, false, start_us + SECOND_US));
    assert_waits(&pauses, C, start_us + SECOND_US, 30 * SECOND_US);
}

static void two_templates_pause_the_account(void **state)
{
    struct pauses pauses = pauses_of(60 * SECOND_US);
    const int64_t second_us = start_us + SECOND_US / 2;
    const int64_t over_us = second_us + PAUSES_FIRST_US;

    (void)state;
    assert_false(pauses_begin(&pauses, A, NOT_SAID, false, start_us));
    assert_false(pauses_begin(&pauses, A, NOT_SAID, false, start_us)); /* the same one again */
    assert_goes(&pauses, C, start_us);
    assert_true(pauses_begin(&pauses, B, NOT_SAID, false, second_us));
    assert_waits(&pauses, C, second_us, PAUSES_FIRST_US);
    assert_probes(&pauses, A, over_us); /* of both its template and the account */
    assert_waits(&pauses, C, over_us, PAUSES_PROBE_HINT_US);
    pauses_end(&pauses, A, true);
    assert_goes(&pauses, A, over_us);
    assert_goes(&pauses, C, over_us);
    assert_probes(&pauses, B, over_us); /* its own is still to be had */
}

static void two_templates_one_after_the_other_do_not(void **state)
{
    struct pauses pauses = pauses_of(60 * SECOND_US);

    (void)state;
    assert_false(pauses_begin(&pauses, A, NOT_SAID, false, start_us));
    assert_false(pauses_begin(&pauses, B, NOT_SAID, false, start_us + PAUSES_FIRST_US));
    assert_goes(&pauses, C, start_us + PAUSES_FIRST_US);
}

static void a_failed_probe_doubles_the_pause_up_to_the_bound(void **state)
{
    struct pauses pauses = pauses_of(20 * SECOND_US);
    const int64_t lengths_us[] = {1, 2, 4, 8, 16, 20, 20};
    int64_t now_us = start_us;

    (void)state;
    for (size_t i = 0; i < sizeof(lengths_us) / sizeof(lengths_us[0]); i++) {
        assert_false(pauses_begin(&pauses, A, NOT_SAID, i > 0, now_us));
        assert_waits(&pauses, A, now_us, lengths_us[i] * SECOND_US);
        now_us += lengths_us[i] * SECOND_US;
        assert_probes(&pauses, A, now_us);
    }
    pauses_end(&pauses, A, true); /* ends the doubling, too */
    assert_false(pauses_begin(&pauses, A, NOT_SAID, false, now_us));
    assert_waits(&pauses, A, now_us, PAUSES_FIRST_US);
}

static void a_failed_probe_of_the_account_doubles_its_pause(void **state)
{
    struct pauses pauses = pauses_of(60 * SECOND_US);
    int64_t now_us = start_us;

    (void)state;
    (void)pauses_begin(&pauses, A, NOT_SAID, false, now_us);
    assert_true(pauses_begin(&pauses, B, NOT_SAID, false, now_us));
    now_us += PAUSES_FIRST_US;
    assert_probes(&pauses, C, now_us);
    assert_true(pauses_begin(&pauses, C, NOT_SAID, true, now_us));
    assert_waits(&pauses, C, now_us, 2 * PAUSES_FIRST_US);
    assert_waits(&pauses, A, now_us, 2 * PAUSES_FIRST_US);
    now_us += 2 * PAUSES_FIRST_US;
    assert_probes(&pauses, A, now_us); /* of both: both are longer now */
    assert_true(pauses_begin(&pauses, A, NOT_SAID, true, now_us));
    assert_waits(&pauses, C, now_us, 4 * PAUSES_FIRST_US);
    now_us += 4 * PAUSES_FIRST_US;
    assert_probes(&pauses, C, now_us);
    assert_true(pauses_begin(&pauses, C, 9 * SECOND_US, true, now_us)); /* it says: that counts */
    assert_waits(&pauses, C, now_us, 9 * SECOND_US);
    now_us += 9 * SECOND_US;
    assert_probes(&pauses, A, now_us);
    assert_true(pauses_begin(&pauses, A, SECOND_US, true, now_us)); /* for the template, too */
    assert_waits(&pauses, A, now_us, SECOND_US);
    assert_probes(&pauses, A, now_us + SECOND_US);
}

static void a_lost_probe_is_followed_by_another(void **state)
{
    struct pauses pauses = pauses_of(60 * SECOND_US);
    const int64_t over_us = start_us + 5 * SECOND_US;

    (void)state;
    (void)pauses_begin(&pauses, A, NOT_SAID, false, start_us);
    (void)pauses_begin(&pauses, A, 5 * SECOND_US, false, start_us);
    assert_probes(&pauses, A, over_us);
    pauses_lost(&pauses, A);
    assert_probes(&pauses, B, over_us);
    pauses_lost(&pauses, C); /* not its probe */
    assert_waits(&pauses, C, over_us, PAUSES_PROBE_HINT_US);
    pauses_lost(&pauses, B);
    assert_probes(&pauses, A, over_us);
    pauses_end(&pauses, A, true);
    assert_goes(&pauses, A, over_us);
}

/* Answers to calls that were sent before the pause. */
static void other_calls_neither_end_nor_lengthen_a_pause(void **state)
{
    struct pauses pauses = pauses_of(60 * SECOND_US);
    const int64_t over_us = start_us + PAUSES_FIRST_US;

    (void)state;
    (void)pauses_begin(&pauses, A, NOT_SAID, false, start_us);
    pauses_end(&pauses, A, false);
    (void)pauses_begin(&pauses, A, NOT_SAID, false, start_us + 1000);
    assert_waits(&pauses, A, start_us + 1000, PAUSES_FIRST_US - 1000);
    assert_probes(&pauses, A, over_us);
    pauses_end(&pauses, A, false);
    (void)pauses_begin(&pauses, A, NOT_SAID, false, over_us);
    assert_waits(&pauses, A, over_us, PAUSES_PROBE_HINT_US);
    pauses_end(&pauses, B, true); /* a probe of something else */
    assert_waits(&pauses, A, over_us, PAUSES_PROBE_HINT_US);
    (void)pauses_begin(&pauses, A, 5 * SECOND_US, false, over_us); /* the account is paused: … */
    assert_true(pauses_begin(&pauses, B, NOT_SAID, false, over_us));
    pauses_end(&pauses, A, true); /* … the probe of the template ends no pause of the account */
    assert_probes(&pauses, C, over_us + 5 * SECOND_US);
    pauses_end(&pauses, C, true);
    assert_goes(&pauses, B, over_us + 5 * SECOND_US); /* and B got no pause of its own */
}

static void without_a_longest_pause_there_is_none(void **state)
{
    struct pauses pauses = pauses_of(60 * SECOND_US);

    (void)state;
    (void)pauses_begin(&pauses, A, 5 * SECOND_US, false, start_us);
    pauses.max_us = 0; /* set anew while paused */
    assert_goes(&pauses, A, start_us);
    assert_false(pauses_are_on(&pauses, start_us));
    pauses = pauses_of(0);
    assert_false(pauses_begin(&pauses, A, 5 * SECOND_US, false, start_us));
    assert_false(pauses_begin(&pauses, A, NOT_SAID, false, start_us));
    assert_false(pauses_begin(&pauses, B, NOT_SAID, false, start_us));
    pauses.max_us = 60 * SECOND_US;
    assert_goes(&pauses, A, start_us);
}

static void one_more_template_takes_the_place_of_what_is_over_first(void **state)
{
    struct pauses pauses = pauses_of(60 * SECOND_US);
    int64_t now_us = start_us;

    (void)state;
    for (uint64_t scope = 1; scope <= PAUSES_SCOPES + 1; scope++) { /* none at once with another */
        assert_false(pauses_begin(&pauses, scope, NOT_SAID, false, now_us));
        now_us += PAUSES_FIRST_US;
    }
    assert_goes(&pauses, 1, now_us);
    for (uint64_t scope = 2; scope <= PAUSES_SCOPES + 1; scope++)
        assert_probes(&pauses, scope, now_us);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_paused_at_first),
        cmocka_unit_test(an_answer_that_says_nothing_pauses_its_template),
        cmocka_unit_test(an_answer_that_says_how_long_pauses_the_account),
        cmocka_unit_test(what_is_said_is_clamped),
        cmocka_unit_test(a_longer_pause_of_the_account_stays),
        cmocka_unit_test(two_templates_pause_the_account),
        cmocka_unit_test(two_templates_one_after_the_other_do_not),
        cmocka_unit_test(a_failed_probe_doubles_the_pause_up_to_the_bound),
        cmocka_unit_test(a_failed_probe_of_the_account_doubles_its_pause),
        cmocka_unit_test(a_lost_probe_is_followed_by_another),
        cmocka_unit_test(other_calls_neither_end_nor_lengthen_a_pause),
        cmocka_unit_test(without_a_longest_pause_there_is_none),
        cmocka_unit_test(one_more_template_takes_the_place_of_what_is_over_first),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
