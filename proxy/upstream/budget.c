/* A counting semaphore with a queue of letters. */
#include "upstream/budget.h"

#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/memory.h"

struct budget {
    atomic_uint references;
    pthread_mutex_t lock; /* guards all below */
    uint32_t concurrency, under_way, queued;
    struct budget_ticket *first, *last;
};

struct budget *budget_create(uint32_t concurrency)
{
    struct budget *budget = memory_take(1, sizeof(*budget));

    atomic_init(&budget->references, 1);
    (void)pthread_mutex_init(&budget->lock, NULL); /* default attributes: cannot fail on Linux */
    budget->concurrency = concurrency;
    return budget;
}

struct budget *budget_acquire(struct budget *budget)
{
    (void)atomic_fetch_add_explicit(&budget->references, 1,
                                    memory_order_relaxed); /* who calls has one */
    return budget;
}

void budget_release(struct budget *budget)
{
    if (budget == NULL ||
        atomic_fetch_sub_explicit(&budget->references, 1, memory_order_acq_rel) != 1)
        return;
    (void)pthread_mutex_destroy(&budget->lock);
    free(budget);
}

static bool budget_has_room(const struct budget *budget)
{
    return budget->concurrency == 0 || budget->under_way < budget->concurrency;
}

static void budget_unlink(struct budget *budget, struct budget_ticket *ticket)
{
    if (ticket->previous != NULL)
        ticket->previous->next = ticket->next;
    else
        budget->first = ticket->next;
    if (ticket->next != NULL)
        ticket->next->previous = ticket->previous;
    else
        budget->last = ticket->previous;
    ticket->queued = false;
    budget->queued--;
}

/* Lets in who waits, as far as there is room. */
static void budget_admit(struct budget *budget)
{
    while (budget->first != NULL && budget_has_room(budget)) {
        struct budget_ticket *ticket = budget->first;

        budget_unlink(budget, ticket);
        budget->under_way++;
        mailbox_post(ticket->mailbox, &ticket->letter);
    }
}

void budget_set(struct budget *budget, uint32_t concurrency)
{
    (void)pthread_mutex_lock(&budget->lock);
    budget->concurrency = concurrency;
    budget_admit(budget);
    (void)pthread_mutex_unlock(&budget->lock);
}

static void budget_append(struct budget *budget, struct budget_ticket *ticket)
{
    ticket->next = NULL;
    ticket->previous = budget->last;
    if (budget->last != NULL)
        budget->last->next = ticket;
    else
        budget->first = ticket;
    budget->last = ticket;
    ticket->queued = true;
    budget->queued++;
}

enum result budget_enter(struct budget *budget, struct budget_ticket *ticket)
{
    enum result result = RESULT_OK;

    (void)pthread_mutex_lock(&budget->lock);
    if (budget->first == NULL && budget_has_room(budget))
        budget->under_way++;
    else if (budget->queued == BUDGET_QUEUE_LIMIT)
        result = RESULT_LIMIT;
    else
        result = RESULT_BUSY;
    if (result == RESULT_BUSY)
        budget_append(budget, ticket);
    (void)pthread_mutex_unlock(&budget->lock);
    return result;
}

void budget_leave(struct budget *budget)
{
    (void)pthread_mutex_lock(&budget->lock);
    assert(budget->under_way > 0);
    budget->under_way--;
    budget_admit(budget);
    (void)pthread_mutex_unlock(&budget->lock);
}

bool budget_give_up(struct budget *budget, struct budget_ticket *ticket)
{
    (void)pthread_mutex_lock(&budget->lock);
    const bool was_queued = ticket->queued;
    if (was_queued)
        budget_unlink(budget, ticket);
    (void)pthread_mutex_unlock(&budget->lock);
    return was_queued;
}

void budget_read(struct budget *budget, uint32_t *under_way, uint32_t *queued)
{
    (void)pthread_mutex_lock(&budget->lock);
    *under_way = budget->under_way;
    *queued = budget->queued;
    (void)pthread_mutex_unlock(&budget->lock);
}
