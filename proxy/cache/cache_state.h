/* What cache.c and writer.c share. Private to cache/. */
#ifndef POSTERN_CACHE_CACHE_STATE_H
#define POSTERN_CACHE_CACHE_STATE_H

#include <pthread.h>

#include "cache/cache.h"
#include "cache/evict.h"
#include "cache/index.h"
#include "cache/recall.h"
#include "cache/store.h"

struct job_list {
    struct cache_job *first, *last;
    size_t count;
};

/* How far the sweep of a tag has come. */
struct sweep_place {
    struct sweep sweep;
    bool begun;
    struct hash128 last; /* the last entry that was looked at */
};

/* What an invalidation removed, until its transaction is committed. */
struct gone {
    const struct cache_job *job;
    uint64_t emptied_tag; /* of an account; 0: an entry */
    struct hash128 hash;
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
    struct arena arena; /* for one change at a time */
    bool sweeping;      /* entries of emptied accounts are still to be deleted */
    size_t sweeps;      /* of tags, that are not over */
    struct sweep_place sweep_place;
    int64_t sweeps_paused_until_us;   /* after a failed one: no room */
    int64_t quarantine_ends_wall_us;  /* when to look for ended ones; INT64_MAX: never */
    int64_t quarantine_ended_wall_us; /* of those that are removed: what was asked for before may
                                         have been asked for in one */
    bool has_moved;                   /* a store saw a relation change: to be published */
    struct gone *gone;                /* of the invalidations that are under way */
    size_t gone_count, gone_capacity;
    struct recall recall;
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
MUST_USE enum result load_all(struct cache *cache, struct bytes scheme, struct error *error);

#endif
