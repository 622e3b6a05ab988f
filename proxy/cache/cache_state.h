/* What cache.c and writer.c share. Private to cache/. */
#ifndef POSTERN_CACHE_CACHE_STATE_H
#define POSTERN_CACHE_CACHE_STATE_H

#include <pthread.h>

#include "cache/cache.h"
#include "cache/evict.h"
#include "cache/store.h"

struct job_list {
    struct cache_job *first, *last;
    size_t count;
};

struct cache {
    struct store store;
    struct order order;
    struct evict evict; /* writer, but for its marks */
    uint64_t max_bytes;

    pthread_mutex_t
        lock; /* guards accounts' list, the queues and stopping; held for a few instructions */
    pthread_cond_t work;
    struct account *accounts;
    struct job_list urgent; /* intents and invalidations: a client waits */
    struct job_list stores;
    bool stopping;

    pthread_t writer;
    /* the writer's own */
    uint64_t serial, next_intent;
    bool sweeping;                  /* dead entries are still to be deleted */
    int64_t stores_paused_until_us; /* after a failed store: no room */
    uint64_t *owed_intents;         /* of failed invalidations */
    size_t owed_count, owed_capacity;
    bool owes; /* some account is owed an invalidation */

    /* written by the writer, read by status */
    _Atomic uint64_t entries, held_bytes, evictions, store_count, refused_stores, invalidations;
    _Atomic uint64_t failed_invalidations, open_intents;
};

/* writer.c: the thread's function. `context` is the cache. */
void *writer_run(void *context);

/* load.c, before the thread runs: what is stored into evict, intents left behind into
 * invalidations (rule 10). */
MUST_USE enum result load_all(struct cache *cache, struct error *error);

#endif
