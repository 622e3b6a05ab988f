/* A locked list and an eventfd that wakes the owner's loop. */
#include "base/mailbox.h"

#include <assert.h>
#include <event2/event.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/memory.h"

struct mailbox {
    pthread_mutex_t lock; /* guards first and last; held for a few instructions only */
    struct letter *first, *last;
    struct event *wake;
    int fd;
};

/* libevent: somebody posted. */
static void mailbox_on_wake(evutil_socket_t fd, short what, void *context)
{
    struct mailbox *mailbox = context;
    uint64_t count;

    (void)what;
    (void)!read(fd, &count, sizeof(count)); /* EAGAIN only: then there is nothing to clear */
    (void)pthread_mutex_lock(&mailbox->lock);
    struct letter *letter = mailbox->first;
    mailbox->first = mailbox->last = NULL;
    (void)pthread_mutex_unlock(&mailbox->lock);
    for (struct letter *next; letter != NULL; letter = next) {
        next = letter->next;
        letter->next = NULL;
        letter->deliver(letter);
    }
}

enum result mailbox_open(struct event_base *base, struct mailbox **mailbox)
{
    const int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);

    if (fd == -1)
        return RESULT_SYSTEM;
    struct mailbox *opened = memory_take(1, sizeof(*opened));
    opened->fd = fd;
    (void)pthread_mutex_init(&opened->lock, NULL); /* default attributes: cannot fail on Linux */
    opened->wake = event_new(base, fd, EV_READ | EV_PERSIST, mailbox_on_wake, opened);
    if (opened->wake == NULL || event_add(opened->wake, NULL) == -1) {
        mailbox_close(opened);
        return RESULT_SYSTEM;
    }
    *mailbox = opened;
    return RESULT_OK;
}

void mailbox_close(struct mailbox *mailbox)
{
    if (mailbox == NULL)
        return;
    if (mailbox->wake != NULL)
        event_free(mailbox->wake);
    (void)close(mailbox->fd);
    (void)pthread_mutex_destroy(&mailbox->lock);
    free(mailbox);
}

void mailbox_post(struct mailbox *mailbox, struct letter *letter)
{
    const uint64_t one = 1;

    assert(letter->deliver != NULL);
    letter->next = NULL;
    (void)pthread_mutex_lock(&mailbox->lock);
    const bool was_empty = mailbox->first == NULL;
    if (was_empty)
        mailbox->first = letter;
    else
        mailbox->last->next = letter;
    mailbox->last = letter;
    (void)pthread_mutex_unlock(&mailbox->lock);
    if (was_empty)
        (void)!write(mailbox->fd, &one,
                     sizeof(one)); /* EAGAIN: the counter is full, so a wake-up is due */
}
