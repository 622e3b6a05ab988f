/*
 * Letters between threads: any thread posts, the owner's event loop delivers, in order of posting.
 * A letter is a member of the poster's struct: nothing is allocated, a post cannot fail, and the
 * letter belongs to the mailbox until its `deliver` is called.
 */
#ifndef POSTERN_BASE_MAILBOX_H
#define POSTERN_BASE_MAILBOX_H

#include <stdbool.h>

#include "base/result.h"

struct event_base;
struct mailbox; /* owned by the thread whose event_base it was opened on */

struct letter {
    struct letter *next;
    void (*deliver)(struct letter *letter); /* called on the owner's thread */
};

MUST_USE enum result mailbox_open(struct event_base *base, struct mailbox **mailbox);

/* Undelivered letters are dropped: their owners must be gone or not care. NULL is fine. */
void mailbox_close(struct mailbox *mailbox);

/* From any thread. One system call where the box was empty, none where a delivery is due anyway. */
void mailbox_post(struct mailbox *mailbox, struct letter *letter);

#endif
