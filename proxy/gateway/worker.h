/*
 * A worker: one thread with its own event loop, listeners, connections to the upstream, cache
 * reader and audit ring. Workers share nothing hot; what they share is struct gate.
 */
#ifndef POSTERN_GATEWAY_WORKER_H
#define POSTERN_GATEWAY_WORKER_H

#include <pthread.h>
#include <sys/queue.h>

#include "audit/audit.h"
#include "cache/flight.h"
#include "gateway/counters.h"
#include "gateway/scope.h"
#include "gateway/settings.h"
#include "gateway/tally.h"
#include "http/connection.h"

/* Shared by all workers; each member is safe for threads by itself. Main's. */
struct gate {
    struct cache *cache;
    struct flights *flights;
    struct audit *audit; /* NULL: switched off */
    struct client_slots *slots;
    struct tally *tally;
    struct ledger *ledger; /* what was spent today: in data_dir */
    struct quotas *quotas;
    struct scopes *scopes;
    struct pairs *pairs;
    _Atomic uint64_t generation; /* of the settings that workers have, or are about to get */
    _Atomic uint32_t unswitched; /* letters with new settings that have not come */
};

enum { WORKER_ID_ROOM = 33 };

struct deferred;

struct worker {
    struct gate *gate;
    uint32_t index;
    pthread_t thread;
    struct event_base *base;
    struct mailbox *mailbox;
    struct connections *connections;
    struct fetcher *fetcher;
    struct cache_reader *reader;
    struct audit_ring *ring;   /* NULL: no audit */
    struct settings *settings; /* one reference; what new exchanges begin with */
    struct counters counters;
    struct scope_memory scope_memory;
    char id_prefix[17]; /* of the ids that this worker gives */
    uint64_t id_count;
    TAILQ_HEAD(, deferred) deferred; /* records that found the ring full; see record.c */
    struct event *retry;
    bool ring_is_full;      /* the sockets pause */
    size_t calls_under_way; /* reads and writes that outlive their client */
    bool draining;
    atomic_bool ended; /* its thread is about to return */
};

/* Makes a worker; it does not run yet. Takes a reference of the settings. */
MUST_USE enum result worker_create(struct gate *gate, uint32_t index, struct settings *settings,
                                   struct worker **worker, struct error *error);

/* Before worker_start: serves on a listening socket that the caller keeps. */
MUST_USE enum result worker_listen(struct worker *worker, int fd);

MUST_USE enum result worker_start(struct worker *worker);

/* From main, by letter: new settings (of which the worker takes a reference). */
void worker_change_settings(struct worker *worker, struct settings *settings);

/* From main, by letter: answers what is under way, then ends its thread; worker_join waits for
 * that. */
void worker_drain(struct worker *worker);

/* Its thread has nothing left to do: worker_join does not wait. */
bool worker_has_ended(const struct worker *worker);

void worker_join(struct worker *worker);

/* After worker_join, or if it never ran. NULL is fine. */
void worker_destroy(struct worker *worker);

/* --- for exchanges --- */

/* A new request id into `id`. */
struct bytes worker_new_id(struct worker *worker, struct arena *arena);

/* A call begins or ends that must be finished before the worker may end. */
void worker_hold(struct worker *worker);
void worker_let_go(struct worker *worker);

#endif
