/* One array of slots, threaded by a list (order), a heap (expiry) and a hash table (hash → slot).
 */
#include "cache/evict.h"

#include <assert.h>
#include <stdlib.h>

#include "base/memory.h"

enum { EVICT_FIRST_SLOTS = 1024 };

void evict_clear(struct evict *evict)
{
    free(evict->slots);
    free(evict->buckets);
    free(evict->heap);
    evict->slots = NULL;
    evict->buckets = evict->heap = NULL;
    evict->slot_count = evict->slot_capacity = evict->bucket_count = evict->entry_count = 0;
    evict->first_free = evict->oldest = evict->newest = evict->hand = EVICT_NONE;
    evict->held_bytes = 0;
}

void evict_init(struct evict *evict)
{
    *evict = (struct evict){.marks = memory_take(EVICT_MARKS, sizeof(evict->marks[0]))};
    evict_clear(evict);
}

void evict_finish(struct evict *evict)
{
    evict_clear(evict);
    free((void *)evict->marks);
    evict->marks = NULL;
}

static uint32_t *bucket_of(const struct evict *evict, struct hash128 hash)
{
    return &evict->buckets[hash.high & (evict->bucket_count - 1)];
}

static void evict_grow(struct evict *evict)
{
    const uint32_t capacity =
        evict->slot_capacity == 0 ? EVICT_FIRST_SLOTS : evict->slot_capacity * 2;

    assert(capacity > evict->slot_capacity);
    evict->slots = memory_resize(evict->slots, capacity * sizeof(evict->slots[0]));
    evict->heap = memory_resize(evict->heap, capacity * sizeof(evict->heap[0]));
    evict->buckets = memory_resize(evict->buckets, capacity * sizeof(evict->buckets[0]));
    evict->slot_capacity = evict->bucket_count = capacity;
    for (uint32_t i = 0; i < capacity; i++)
        evict->buckets[i] = EVICT_NONE;
    for (uint32_t i = 0; i < evict->slot_count;
         i++) { /* grows only when no slot is free: all are in use */
        uint32_t *bucket = bucket_of(evict, evict->slots[i].hash);

        evict->slots[i].chain = *bucket;
        *bucket = i;
    }
}

static uint32_t slot_take(struct evict *evict)
{
    if (evict->first_free != EVICT_NONE) {
        const uint32_t slot = evict->first_free;

        evict->first_free = evict->slots[slot].newer;
        return slot;
    }
    if (evict->slot_count == evict->slot_capacity)
        evict_grow(evict);
    return evict->slot_count++;
}

static void heap_set(struct evict *evict, uint32_t index, uint32_t slot)
{
    evict->heap[index] = slot;
    evict->slots[slot].heap_index = index;
}

static int64_t heap_expiry(const struct evict *evict, uint32_t index)
{
    return evict->slots[evict->heap[index]].expires_wall_us;
}

static void heap_swap(struct evict *evict, uint32_t a, uint32_t b)
{
    const uint32_t slot = evict->heap[a];

    heap_set(evict, a, evict->heap[b]);
    heap_set(evict, b, slot);
}

/* Moves what stands at `index` up or down to where it belongs. */
static void heap_settle(struct evict *evict, uint32_t index)
{
    while (index > 0 && heap_expiry(evict, index) < heap_expiry(evict, (index - 1) / 2)) {
        heap_swap(evict, index, (index - 1) / 2);
        index = (index - 1) / 2;
    }
    for (;;) {
        uint32_t least = index;

        for (uint32_t child = 2 * index + 1; child <= 2 * index + 2 && child < evict->entry_count;
             child++)
            if (heap_expiry(evict, child) < heap_expiry(evict, least))
                least = child;
        if (least == index)
            return;
        heap_swap(evict, index, least);
        index = least;
    }
}

static uint32_t slot_find(const struct evict *evict, struct hash128 hash)
{
    uint32_t slot = evict->bucket_count == 0 ? EVICT_NONE : *bucket_of(evict, hash);

    while (slot != EVICT_NONE && !hash_equal(evict->slots[slot].hash, hash))
        slot = evict->slots[slot].chain;
    return slot;
}

static void order_append(struct evict *evict, uint32_t slot)
{
    evict->slots[slot].older = evict->newest;
    evict->slots[slot].newer = EVICT_NONE;
    if (evict->newest != EVICT_NONE)
        evict->slots[evict->newest].newer = slot;
    else
        evict->oldest = slot;
    evict->newest = slot;
}

static void order_unlink(struct evict *evict, uint32_t slot)
{
    const struct evict_slot *gone = &evict->slots[slot];

    if (evict->hand == slot)
        evict->hand = gone->newer;
    if (gone->older != EVICT_NONE)
        evict->slots[gone->older].newer = gone->newer;
    else
        evict->oldest = gone->newer;
    if (gone->newer != EVICT_NONE)
        evict->slots[gone->newer].older = gone->older;
    else
        evict->newest = gone->older;
}

void evict_add(struct evict *evict, const struct evict_slot *entry)
{
    evict_remove(evict, entry->hash);
    const uint32_t slot = slot_take(evict);
    uint32_t *bucket = bucket_of(evict, entry->hash);

    evict->slots[slot] = *entry;
    evict->slots[slot].chain = *bucket;
    *bucket = slot;
    order_append(evict, slot);
    heap_set(evict, evict->entry_count, slot);
    evict->entry_count++;
    heap_settle(evict, evict->entry_count - 1);
    evict->held_bytes += entry->footprint_bytes;
}

static void bucket_unlink(struct evict *evict, uint32_t slot)
{
    uint32_t *link = bucket_of(evict, evict->slots[slot].hash);

    while (*link != slot)
        link = &evict->slots[*link].chain;
    *link = evict->slots[slot].chain;
}

static void heap_remove(struct evict *evict, uint32_t index)
{
    evict->entry_count--;
    if (index == evict->entry_count)
        return;
    heap_set(evict, index, evict->heap[evict->entry_count]);
    heap_settle(evict, index);
}

void evict_remove(struct evict *evict, struct hash128 hash)
{
    const uint32_t slot = slot_find(evict, hash);

    if (slot == EVICT_NONE)
        return;
    bucket_unlink(evict, slot);
    order_unlink(evict, slot);
    heap_remove(evict, evict->slots[slot].heap_index);
    assert(evict->held_bytes >= evict->slots[slot].footprint_bytes);
    evict->held_bytes -= evict->slots[slot].footprint_bytes;
    evict->slots[slot] = (struct evict_slot){.newer = evict->first_free, .heap_index = EVICT_NONE};
    evict->first_free = slot;
}

bool evict_choose(struct evict *evict, int64_t wall_us, struct hash128 *hash)
{
    if (evict->entry_count == 0)
        return false;
    if (heap_expiry(evict, 0) <= wall_us) {
        *hash = evict->slots[evict->heap[0]].hash;
        return true;
    }
    for (uint32_t spared = 0;; spared++) {
        if (evict->hand == EVICT_NONE)
            evict->hand = evict->oldest;
        const struct evict_slot *slot = &evict->slots[evict->hand];
        _Atomic uint8_t *mark = &evict->marks[slot->hash.low & (EVICT_MARKS - 1)];

        /* a spared entry's mark is cleared: only readers that set all of them again could make a
         * second round long */
        if (atomic_exchange_explicit(mark, 0, memory_order_relaxed) == 0 ||
            spared > evict->entry_count) {
            *hash = slot->hash;
            return true;
        }
        evict->hand = slot->newer;
    }
}

static const struct evict_slot *slot_or_null(const struct evict *evict, uint32_t slot)
{
    return slot == EVICT_NONE ? NULL : &evict->slots[slot];
}

const struct evict_slot *evict_oldest(const struct evict *evict)
{
    return slot_or_null(evict, evict->oldest);
}

const struct evict_slot *evict_newer(const struct evict *evict, const struct evict_slot *slot)
{
    return slot_or_null(evict, slot->newer);
}

const struct evict_slot *evict_at(const struct evict *evict, uint32_t position)
{
    assert(position < evict->slot_count);
    return evict->slots[position].heap_index == EVICT_NONE ? NULL : &evict->slots[position];
}
