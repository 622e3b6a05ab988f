/*
 * How many calls may be under way to one upstream at a time, over all workers: first come, first
 * served, in a bounded queue. Who waits gets a letter; who leaves gives its place up.
 */
#ifndef POSTERN_UPSTREAM_BUDGET_H
#define POSTERN_UPSTREAM_BUDGET_H

#include <stdint.h>

#include "base/mailbox.h"

struct budget; /* counted; any thread */

enum { BUDGET_QUEUE_LIMIT = 10000 };

/* A place in the queue: a member of the caller's struct, the budget's until granted or left. */
struct budget_ticket {
    struct letter letter; /* first: delivered when a call may begin */
    struct budget_ticket *next, *previous;
    struct mailbox *mailbox;
    bool queued; /* guarded by the budget's lock */
};

/* `concurrency` 0: no limit. */
struct budget *budget_create(uint32_t concurrency);
struct budget *budget_acquire(struct budget *budget);
void budget_release(struct budget *budget); /* NULL is fine */

/* A new limit for what begins from now on. */
void budget_set(struct budget *budget, uint32_t concurrency);

/* RESULT_OK: begin now. RESULT_BUSY: the ticket's letter will come. RESULT_LIMIT: the queue is
 * full. */
MUST_USE enum result budget_enter(struct budget *budget, struct budget_ticket *ticket);

/* A call that was allowed is over. */
void budget_leave(struct budget *budget);

/* Gives a place up. False: the letter is on its way, and whoever gets it calls budget_leave. */
MUST_USE bool budget_give_up(struct budget *budget, struct budget_ticket *ticket);

void budget_read(struct budget *budget, uint32_t *under_way, uint32_t *queued);

#endif
