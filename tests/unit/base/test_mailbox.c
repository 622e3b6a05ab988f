/* Letters between threads: in order, none lost, delivered on the owner's thread. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include <event2/event.h>
#include <pthread.h>

#include "base/mailbox.h"
#include "base/memory.h"

enum { POSTERS = 4, LETTERS_EACH = 10000 };

struct note {
    struct letter letter; /* first: its address is the note's */
    struct desk *desk;
    unsigned poster, number;
};

struct desk {
    struct event_base *base;
    struct mailbox *mailbox;
    pthread_t owner;
    unsigned next[POSTERS];
    unsigned delivered;
    bool is_wrong; /* out of order, or on another thread */
};

static void note_deliver(struct letter *letter)
{
    const struct note *note = (const struct note *)letter;
    struct desk *desk = note->desk;

    desk->is_wrong |= note->number != desk->next[note->poster]++;
    desk->is_wrong |= !pthread_equal(pthread_self(), desk->owner);
    desk->delivered++;
}

static void desk_init(struct desk *desk)
{
    *desk = (struct desk){.base = event_base_new(), .owner = pthread_self()};
    assert_int_equal(mailbox_open(desk->base, &desk->mailbox), RESULT_OK);
}

static void desk_finish(struct desk *desk)
{
    mailbox_close(desk->mailbox);
    event_base_free(desk->base);
}

static void desk_run_until(struct desk *desk, unsigned delivered)
{
    while (desk->delivered < delivered)
        assert_int_equal(event_base_loop(desk->base, EVLOOP_ONCE), 0);
}

static void letters_are_delivered_in_the_order_of_posting(void **state)
{
    struct desk desk;
    struct note notes[3];

    (void)state;
    desk_init(&desk);
    for (unsigned i = 0; i < 3; i++) {
        notes[i] = (struct note){{.deliver = note_deliver}, &desk, 0, i};
        mailbox_post(desk.mailbox, &notes[i].letter);
    }
    assert_int_equal(desk.delivered, 0); /* never inside the post */
    desk_run_until(&desk, 3);
    assert_false(desk.is_wrong);
    desk_finish(&desk);
}

static void repost_deliver(struct letter *letter)
{
    struct note *note = (struct note *)letter;

    note->desk->delivered++;
    if (note->desk->delivered < 5)
        mailbox_post(note->desk->mailbox, letter);
}

static void a_letter_may_be_posted_again_while_it_is_delivered(void **state)
{
    struct desk desk;

    (void)state;
    desk_init(&desk);
    struct note note = {{.deliver = repost_deliver}, &desk, 0, 0};
    mailbox_post(desk.mailbox, &note.letter);
    desk_run_until(&desk, 5);
    assert_int_equal(desk.delivered, 5);
    desk_finish(&desk);
}

struct poster {
    struct desk *desk;
    struct note *notes;
    unsigned number;
};

static void *poster_thread(void *context)
{
    struct poster *poster = context;

    for (unsigned i = 0; i < LETTERS_EACH; i++) {
        struct note *note = &poster->notes[i];

        *note = (struct note){{.deliver = note_deliver}, poster->desk, poster->number, i};
        mailbox_post(poster->desk->mailbox, &note->letter);
    }
    return NULL;
}

static void none_is_lost_among_many_posters(void **state)
{
    struct desk desk;
    struct poster posters[POSTERS];
    pthread_t threads[POSTERS];

    (void)state;
    desk_init(&desk);
    for (unsigned i = 0; i < POSTERS; i++) {
        posters[i] = (struct poster){&desk, memory_take(LETTERS_EACH, sizeof(struct note)), i};
        assert_int_equal(pthread_create(&threads[i], NULL, poster_thread, &posters[i]), 0);
    }
    desk_run_until(&desk, POSTERS * LETTERS_EACH);
    for (unsigned i = 0; i < POSTERS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        assert_int_equal(desk.next[i], LETTERS_EACH);
        free(posters[i].notes);
    }
    assert_false(desk.is_wrong);
    desk_finish(&desk);
}

static void closing_drops_what_is_undelivered(void **state)
{
    struct desk desk;

    (void)state;
    desk_init(&desk);
    struct note note = {{.deliver = note_deliver}, &desk, 0, 0};
    mailbox_post(desk.mailbox, &note.letter);
    desk_finish(&desk);
    assert_int_equal(desk.delivered, 0);
    mailbox_close(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(letters_are_delivered_in_the_order_of_posting),
        cmocka_unit_test(a_letter_may_be_posted_again_while_it_is_delivered),
        cmocka_unit_test(none_is_lost_among_many_posters),
        cmocka_unit_test(closing_drops_what_is_undelivered),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
