/*
 * An upstream's budget, over all workers: admission.h under a lock, with a thread of its own that
 * wakes who waits when their time has come. Who waits gets a letter; who leaves gives the place up.
 * Two upstreams of one account share one.
 */
#ifndef POSTERN_UPSTREAM_BUDGET_H
#define POSTERN_UPSTREAM_BUDGET_H

#include "upstream/admission.h"

struct budget; /* counted; any thread */

/* RESULT_MISSING: there is no such time zone. RESULT_SYSTEM: no thread. */
MUST_USE enum result budget_create(const struct budget_options *options, struct budget **budget);
struct budget *budget_acquire(struct budget *budget);
void budget_release(struct budget *budget); /* NULL is fine */

/* New limits for what begins from now on; what was spent stays spent. RESULT_MISSING: no such time
 * zone, nothing has changed. */
MUST_USE enum result budget_set(struct budget *budget, const struct budget_options *options);

/* RESULT_OK: begin now. RESULT_BUSY: the letter will come. RESULT_REFUSED: the ticket says why. */
MUST_USE enum result budget_enter(struct budget *budget, struct budget_ticket *ticket);

/* A call that was admitted is over. */
void budget_leave(struct budget *budget, struct budget_ticket *ticket,
                  const struct budget_end *end);

/* As the functions of the same names in admission.h. */
void budget_spend(struct budget *budget);
void budget_raise(struct budget *budget, struct budget_ticket *ticket);
MUST_USE bool budget_retry(struct budget *budget, const struct budget_ticket *ticket,
                           uint32_t tries, int64_t *wait_us);
void budget_read(struct budget *budget, struct budget_status *status);
void budget_count_waiting(struct budget *budget, uint32_t *by_client, size_t count);

/* Gives a place up. False: the letter is on its way; where it says BUDGET_ADMITTED, budget_leave is
 * due. */
MUST_USE bool budget_give_up(struct budget *budget, struct budget_ticket *ticket);

#endif
