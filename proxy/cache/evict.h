/*
 * What is stored, by size and in order of use: decides what goes when room is needed. Lives in the
 * writer thread's memory; only the access marks are set by others.
 *
 * Expired entries go first, soonest expired first (a heap). Then SIEVE (Zhang et al., NSDI 2024): a
 * hand walks from the oldest to the newest; an entry used since the hand last came is spared once.
 * Entries are known by their hash.
 */
#ifndef POSTERN_CACHE_EVICT_H
#define POSTERN_CACHE_EVICT_H

#include <stdatomic.h>
#include <stdint.h>

#include "base/hash.h"
#include "base/result.h"

enum { EVICT_MARKS = 1 << 20 };

struct evict_slot {
    struct hash128 hash;
    uint64_t serial;
    uint64_t account_tag;
    int64_t expires_wall_us;
    uint64_t footprint_bytes;
    uint32_t older, newer; /* in order of storing; EVICT_NONE at the ends; a free slot's next free
                              one in newer */
    uint32_t heap_index;
    uint32_t chain; /* the next slot in the same hash bucket */
};

#define EVICT_NONE UINT32_MAX

struct evict {
    struct evict_slot *slots;
    uint32_t slot_count, slot_capacity, first_free;
    uint32_t *buckets;
    uint32_t bucket_count;
    uint32_t *heap; /* slots by expiry, soonest first */
    uint32_t entry_count;
    uint32_t oldest, newest, hand;
    uint64_t held_bytes;
    _Atomic uint8_t *marks; /* by hash: used since the hand last came; any thread sets */
};

void evict_init(struct evict *evict);
void evict_finish(struct evict *evict);

/* Forgets all entries. The marks stay where they are: other threads set them all the while. */
void evict_clear(struct evict *evict);

/* Notes an entry as the newest; one of the same hash is replaced. */
void evict_add(struct evict *evict, const struct evict_slot *entry);

/* Forgets an entry; one that is not there is fine. */
void evict_remove(struct evict *evict, struct hash128 hash);

/* Which entry should go now. False: there is none. It stays noted until evict_remove. */
MUST_USE bool evict_choose(struct evict *evict, int64_t wall_us, struct hash128 *hash);

/* The entry that was stored first, or next after another; NULL: there is none. Invalid after any
 * change. */
const struct evict_slot *evict_oldest(const struct evict *evict);
const struct evict_slot *evict_newer(const struct evict *evict, const struct evict_slot *slot);

/* The slot at a position from 0 to slot_count, or NULL where it is free: for walks over all. */
const struct evict_slot *evict_at(const struct evict *evict, uint32_t position);

/* Any thread: the entry was used. */
static inline void evict_mark(struct evict *evict, struct hash128 hash)
{
    _Atomic uint8_t *mark = &evict->marks[hash.low & (EVICT_MARKS - 1)];

    if (atomic_load_explicit(mark, memory_order_relaxed) ==
        0) /* no write where others write, too */
        atomic_store_explicit(mark, 1, memory_order_relaxed);
}

#endif
