/*
 * The lock, the clock, the thread and the letters. The thread sleeps until the time that
 * admission_run names, or for ever; whoever changes that time wakes it.
 */
#include "upstream/budget.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

#include "base/clock.h"
#include "base/memory.h"
#include "base/secret.h"

struct budget {
    atomic_uint references;
    pthread_mutex_t lock; /* guards all below; held for a few microseconds */
    pthread_cond_t changed;
    pthread_t thread;
    struct admission *admission;
    int64_t wake_us; /* when the thread is to look again */
    bool stopping;
};

static struct times times_now(void)
{
    return (struct times){.now_us = clock_now_us(), .wall_us = clock_wall_us()};
}

static void budget_lock(struct budget *budget)
{
    (void)pthread_mutex_lock(&budget->lock); /* a plain mutex: cannot fail */
}

/* Decides, tells those who waited, and lets go. */
static void budget_unlock(struct budget *budget, const struct times *times)
{
    const int64_t wake_us = admission_run(budget->admission, times);
    struct budget_ticket *ticket;

    if (wake_us < budget->wake_us)
        (void)pthread_cond_signal(&budget->changed);
    budget->wake_us = wake_us;
    /* under the lock: with its letter a ticket may be gone */
    while ((ticket = admission_decided(budget->admission)) != NULL)
        mailbox_post(ticket->mailbox, &ticket->letter);
    (void)pthread_mutex_unlock(&budget->lock);
}

static void *budget_run(void *context)
{
    struct budget *budget = context;

    budget_lock(budget);
    while (!budget->stopping) {
        if (budget->wake_us == INT64_MAX) {
            (void)pthread_cond_wait(&budget->changed, &budget->lock);
        } else if (budget->wake_us > clock_now_us()) {
            const struct timespec until = {.tv_sec = budget->wake_us / CLOCK_SECOND_US,
                                           .tv_nsec = budget->wake_us % CLOCK_SECOND_US * 1000};

            (void)pthread_cond_timedwait(&budget->changed, &budget->lock, &until);
        } else {
            const struct times times = times_now();

            budget_unlock(budget, &times);
            budget_lock(budget);
        }
    }
    (void)pthread_mutex_unlock(&budget->lock);
    return NULL;
}

static void budget_free(struct budget *budget)
{
    admission_destroy(budget->admission);
    (void)pthread_cond_destroy(&budget->changed);
    (void)pthread_mutex_destroy(&budget->lock);
    free(budget);
}

enum result budget_create(const struct budget_options *options, struct budget **created)
{
    const struct times times = times_now();
    struct admission *admission;
    const enum result result = admission_create(options, &times, &admission);
    pthread_condattr_t attributes;

    if (result != RESULT_OK)
        return result;
    struct budget *budget = memory_take(1, sizeof(*budget));
    atomic_init(&budget->references, 1);
    budget->admission = admission;
    budget->wake_us = INT64_MAX;
    (void)pthread_mutex_init(&budget->lock, NULL); /* default attributes: cannot fail on Linux */
    (void)pthread_condattr_init(&attributes);
    (void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC); /* there is one */
    (void)pthread_cond_init(&budget->changed, &attributes);
    (void)pthread_condattr_destroy(&attributes);
    if (pthread_create(&budget->thread, NULL, budget_run, budget) != 0) {
        budget_free(budget);
        return RESULT_SYSTEM;
    }
    *created = budget;
    return RESULT_OK;
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
    budget_lock(budget);
    budget->stopping = true;
    (void)pthread_cond_signal(&budget->changed);
    (void)pthread_mutex_unlock(&budget->lock);
    (void)pthread_join(budget->thread, NULL);
    budget_free(budget);
}

enum result budget_set(struct budget *budget, const struct budget_options *options)
{
    const struct times times = times_now();

    budget_lock(budget);
    const enum result result = admission_set(budget->admission, options, &times);
    budget_unlock(budget, &times);
    return result;
}

enum result budget_enter(struct budget *budget, struct budget_ticket *ticket)
{
    const struct times times = times_now();

    budget_lock(budget);
    const enum result result = admission_enter(budget->admission, ticket, &times);
    budget_unlock(budget, &times);
    return result;
}

void budget_leave(struct budget *budget, struct budget_ticket *ticket, const struct budget_end *end)
{
    const struct times times = times_now();

    budget_lock(budget);
    admission_leave(budget->admission, ticket, end, &times);
    budget_unlock(budget, &times);
}

void budget_spend(struct budget *budget)
{
    const struct times times = times_now();

    budget_lock(budget);
    admission_spend(budget->admission, &times);
    budget_unlock(budget, &times);
}

void budget_raise(struct budget *budget, struct budget_ticket *ticket)
{
    const struct times times = times_now();

    budget_lock(budget);
    admission_raise(budget->admission, ticket);
    budget_unlock(budget, &times);
}

bool budget_give_up(struct budget *budget, struct budget_ticket *ticket)
{
    const struct times times = times_now();

    budget_lock(budget);
    const bool waited = admission_give_up(budget->admission, ticket);
    budget_unlock(budget, &times);
    return waited;
}

bool budget_retry(struct budget *budget, const struct budget_ticket *ticket, uint32_t tries,
                  int64_t *wait_us)
{
    struct retry retry = {.tries = tries, .now_us = clock_now_us()};

    secret_random(&retry.chance, sizeof(retry.chance));
    budget_lock(budget);
    const bool may = admission_retry(budget->admission, ticket, &retry, wait_us);
    (void)pthread_mutex_unlock(&budget->lock);
    return may;
}

void budget_read(struct budget *budget, struct budget_status *status)
{
    const struct times times = times_now();

    budget_lock(budget);
    admission_read(budget->admission, &times, status);
    (void)pthread_mutex_unlock(&budget->lock);
}

void budget_count_waiting(struct budget *budget, uint32_t *by_client, size_t count)
{
    budget_lock(budget);
    admission_count_waiting(budget->admission, by_client, count);
    (void)pthread_mutex_unlock(&budget->lock);
}
