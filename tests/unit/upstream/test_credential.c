/* A token that is renewed while it is used: who gets which, who waits, how often it is asked for.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include <assert.h>
#include <event2/event.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>

#include "upstream/credential.h"

enum { THREADS = 4, ROUNDS = 200 };

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

static void deliver(void)
{
    assert_int_not_equal(event_base_loop(base, EVLOOP_NONBLOCK), -1);
}

static struct token *token_of(const char *text)
{
    struct token *token;
    struct error error;

    assert_int_equal(token_create(bytes_of_string(text), &token, &error), RESULT_OK);
    return token;
}

/* Who wants another token. */
struct caller {
    struct credential_wish wish; /* first */
    int letters;
};

static void on_tried(struct letter *letter)
{
    ((struct caller *)letter)->letters++;
}

static struct caller caller_make(void)
{
    return (struct caller){.wish = {.letter = {.deliver = on_tried}, .mailbox = mailbox}};
}

static void on_wanted(void *context, struct credential *credential)
{
    (void)credential;
    ++*(int *)context;
}

/* One that counts in `wanted` how often main is asked. */
static struct credential *renewable(struct token *token, int *wanted)
{
    struct credential *credential = credential_create(token);

    credential_set_hooks(credential,
                         &(struct credential_hooks){.wanted = on_wanted, .context = wanted});
    return credential;
}

static void assert_token(struct credential *credential, const struct token *wanted)
{
    struct token *token = credential_token(credential);

    assert_true(token_equal(token, wanted));
    token_release(token);
}

static void everybody_gets_the_present_token(void **state)
{
    struct token *first = token_of("first-token"), *second = token_of("second-token");
    struct credential *credential = credential_create(first);

    (void)state;
    assert_token(credential, first);
    struct token *held = credential_token(credential);
    credential_renewed(credential, second);
    assert_token(credential, second);
    assert_true(token_equal(held, first)); /* who sent a call with it still has it */
    token_release(held);
    credential_release(credential);
    token_release(first);
    token_release(second);
}

static void without_a_token_there_is_none(void **state)
{
    struct credential *credential = credential_create(NULL);

    (void)state;
    assert_null(credential_token(credential));
    credential_release(credential);
    credential_release(NULL);
    assert_null(credential_acquire(NULL));
}

static void what_nobody_can_renew_is_missing(void **state)
{
    struct token *token = token_of("the-token");
    struct credential *credential = credential_create(token);
    struct caller caller = caller_make();

    (void)state;
    assert_int_equal(credential_renew(credential, token, &caller.wish), RESULT_MISSING);
    assert_false(credential_leave(credential, &caller.wish));
    credential_release(credential);
    token_release(token);
}

static void many_wishes_are_one_renewal(void **state)
{
    struct token *old = token_of("old-token"), *new = token_of("new-token");
    struct caller callers[3] = {caller_make(), caller_make(), caller_make()};
    int wanted = 0;
    struct credential *credential = renewable(old, &wanted);

    (void)state;
    for (int i = 0; i < 3; i++)
        assert_int_equal(credential_renew(credential, old, &callers[i].wish), RESULT_BUSY);
    assert_int_equal(wanted, 1);
    deliver();
    assert_int_equal(callers[0].letters, 0); /* not before it has been tried */
    assert_true(credential_is_wanted(credential));
    credential_renewed(credential, new);
    assert_false(credential_is_wanted(credential));
    deliver();
    for (int i = 0; i < 3; i++)
        assert_int_equal(callers[i].letters, 1);
    /* Whoever is late, having used the old one, finds the new one there. */
    assert_int_equal(credential_renew(credential, old, &callers[0].wish), RESULT_OK);
    assert_int_equal(wanted, 1);
    /* And when the new one is none any more, it begins again. */
    assert_int_equal(credential_renew(credential, new, &callers[0].wish), RESULT_BUSY);
    assert_int_equal(wanted, 2);
    assert_true(credential_leave(credential, &callers[0].wish));
    credential_release(credential);
    token_release(old);
    token_release(new);
}

static void a_failed_renewal_leaves_the_old_token_and_is_tried_again(void **state)
{
    struct token *old = token_of("old-token");
    struct caller caller = caller_make();
    int wanted = 0;
    struct credential *credential = renewable(old, &wanted);

    (void)state;
    assert_int_equal(credential_renew(credential, old, &caller.wish), RESULT_BUSY);
    credential_renewed(credential, NULL);
    deliver();
    assert_int_equal(caller.letters, 1);
    assert_token(credential, old);
    assert_int_equal(credential_renew(credential, old, &caller.wish), RESULT_BUSY);
    assert_int_equal(wanted, 2);
    credential_renewed(credential, NULL);
    deliver();
    credential_release(credential);
    token_release(old);
}

static void the_same_token_once_more_is_no_other(void **state)
{
    struct token *old = token_of("the-token"), *again = token_of("the-token");
    struct caller caller = caller_make();
    int wanted = 0;
    struct credential *credential = renewable(old, &wanted);

    (void)state;
    credential_renewed(credential, again);
    assert_int_equal(credential_renew(credential, old, &caller.wish), RESULT_BUSY);
    assert_int_equal(wanted, 1);
    assert_true(credential_leave(credential, &caller.wish));
    credential_release(credential);
    token_release(old);
    token_release(again);
}

/* Another account's, maybe: what goes up for the first time takes the old one still. */
static void a_replacement_is_for_repeating_only(void **state)
{
    struct token *old = token_of("old-token"), *other = token_of("other-token");
    struct token *last = token_of("last-token");
    struct caller caller = caller_make();
    int wanted = 0;
    struct credential *credential = renewable(old, &wanted);

    (void)state;
    struct token *newest = credential_replacement(credential);
    assert_true(token_equal(newest, old)); /* there is none yet */
    token_release(newest);
    assert_int_equal(credential_renew(credential, old, &caller.wish), RESULT_BUSY);
    credential_replaced(credential, other);
    deliver();
    assert_int_equal(caller.letters, 1);
    assert_token(credential, old);
    newest = credential_replacement(credential);
    assert_true(token_equal(newest, other));
    token_release(newest);
    assert_int_equal(credential_renew(credential, old, &caller.wish), RESULT_OK);
    /* It is refused, too. */
    assert_int_equal(credential_renew(credential, other, &caller.wish), RESULT_BUSY);
    assert_int_equal(wanted, 2);
    credential_replaced(credential, last);
    assert_int_equal(credential_renew(credential, other, &caller.wish), RESULT_OK);
    deliver();
    credential_release(credential);
    token_release(old);
    token_release(other);
    token_release(last);
}

static void the_first_token_can_be_waited_for(void **state)
{
    struct token *first = token_of("first-token");
    struct caller caller = caller_make();
    int wanted = 0;
    struct credential *credential = renewable(NULL, &wanted);

    (void)state;
    assert_int_equal(credential_renew(credential, NULL, &caller.wish), RESULT_BUSY);
    credential_renewed(credential, first);
    deliver();
    assert_int_equal(caller.letters, 1);
    assert_int_equal(credential_renew(credential, NULL, &caller.wish), RESULT_OK);
    credential_release(credential);
    token_release(first);
}

static void who_leaves_gets_no_letter(void **state)
{
    struct token *old = token_of("old-token"), *new = token_of("new-token");
    struct caller callers[3] = {caller_make(), caller_make(), caller_make()};
    int wanted = 0;
    struct credential *credential = renewable(old, &wanted);

    (void)state;
    for (int i = 0; i < 3; i++)
        assert_int_equal(credential_renew(credential, old, &callers[i].wish), RESULT_BUSY);
    assert_true(credential_leave(credential, &callers[1].wish)); /* in the middle */
    assert_false(credential_leave(credential, &callers[1].wish));
    credential_renewed(credential, new);
    assert_false(credential_leave(credential, &callers[0].wish)); /* its letter is on its way */
    deliver();
    assert_int_equal(callers[0].letters, 1);
    assert_int_equal(callers[1].letters, 0);
    assert_int_equal(callers[2].letters, 1);
    credential_release(credential);
    token_release(old);
    token_release(new);
}

/* Several threads use tokens up as fast as this one makes them. */
struct crowd {
    struct credential *credential;
    atomic_int wanted, renewed, running;
};

static void crowd_on_wanted(void *context, struct credential *credential)
{
    struct crowd *crowd = context;

    assert(credential == crowd->credential);
    (void)atomic_fetch_add(&crowd->wanted, 1);
}

static void *crowd_run(void *context)
{
    struct crowd *crowd = context;
    struct event_base *own = event_base_new();
    struct caller caller = caller_make();

    assert(own != NULL && mailbox_open(own, &caller.wish.mailbox) == RESULT_OK);
    for (int i = 0; i < ROUNDS; i++) {
        struct token *used = credential_token(crowd->credential);
        const int letters = caller.letters;
        const enum result result = credential_renew(crowd->credential, used, &caller.wish);

        if (result == RESULT_BUSY && i % 7 == 0 &&
            credential_leave(crowd->credential, &caller.wish)) {
            token_release(used);
            continue;
        }
        while (result == RESULT_BUSY && caller.letters == letters)
            (void)event_base_loop(own, EVLOOP_ONCE);
        token_release(used);
    }
    mailbox_close(caller.wish.mailbox);
    event_base_free(own);
    (void)atomic_fetch_sub(&crowd->running, 1);
    return NULL;
}

static void many_threads_get_as_many_tokens_as_were_asked_for(void **state)
{
    struct token *first = token_of("token-first");
    struct crowd crowd = {.credential = credential_create(first), .running = THREADS};
    pthread_t threads[THREADS];
    char text[32];

    (void)state;
    credential_set_hooks(crowd.credential,
                         &(struct credential_hooks){.wanted = crowd_on_wanted, .context = &crowd});
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, crowd_run, &crowd), 0);
    while (atomic_load(&crowd.running) > 0) {
        if (atomic_load(&crowd.wanted) == crowd.renewed) {
            (void)sched_yield();
            continue;
        }
        crowd.renewed++; /* never more than one behind: no other is asked for meanwhile */
        assert_int_equal(atomic_load(&crowd.wanted), crowd.renewed);
        (void)snprintf(text, sizeof(text), "token-%d", crowd.renewed);
        struct token *token = crowd.renewed % 5 == 0 ? NULL : token_of(text);
        credential_renewed(crowd.credential, token);
        token_release(token);
    }
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    assert_true(crowd.renewed > 0);
    credential_release(crowd.credential);
    token_release(first);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(everybody_gets_the_present_token),
        cmocka_unit_test(without_a_token_there_is_none),
        cmocka_unit_test(what_nobody_can_renew_is_missing),
        cmocka_unit_test_setup_teardown(many_wishes_are_one_renewal, box_make, box_drop),
        cmocka_unit_test_setup_teardown(a_failed_renewal_leaves_the_old_token_and_is_tried_again,
                                        box_make, box_drop),
        cmocka_unit_test_setup_teardown(the_same_token_once_more_is_no_other, box_make, box_drop),
        cmocka_unit_test_setup_teardown(a_replacement_is_for_repeating_only, box_make, box_drop),
        cmocka_unit_test_setup_teardown(the_first_token_can_be_waited_for, box_make, box_drop),
        cmocka_unit_test_setup_teardown(who_leaves_gets_no_letter, box_make, box_drop),
        cmocka_unit_test(many_threads_get_as_many_tokens_as_were_asked_for),
    };

    return cmocka_run_group_tests_name("credential", tests, NULL, NULL);
}
