/*
 * The count that orders invalidations and fetches ("The order that keeps promise 1" in the design).
 *
 * `now` counts the completed invalidations; a tag's stamp is the count of the last one that named
 * it. Stamps live in 2^20 slots by the tag's hash: a shared slot only makes the gate more careful.
 * Only the writer thread counts and stamps, so that stamps never run backwards; every thread reads.
 */
#ifndef POSTERN_CACHE_ORDER_H
#define POSTERN_CACHE_ORDER_H

#include <stdatomic.h>
#include <stdint.h>

#include "cache/tags.h"

enum { ORDER_SLOTS = 1 << 20 };

struct order {
    _Atomic uint64_t now;     /* release by the writer after its commit; acquire by readers */
    _Atomic uint64_t *stamps; /* writer only */
};

void order_init(struct order *order);
void order_finish(struct order *order);

/* Completed invalidations so far. Whoever sees count n finds, in a snapshot begun after that, what
 * n removed removed. */
static inline uint64_t order_now(const struct order *order)
{
    return atomic_load_explicit(&order->now, memory_order_acquire);
}

/* Writer: names the tags with the count that order_publish will make next. */
void order_stamp(struct order *order, struct tags tags);

/* Writer: true when none of the tags was named after `begun`: what a fetch begun then brought is
 * current. */
bool order_is_current(const struct order *order, struct tags tags, uint64_t begun);

/* Writer: the invalidation is committed; readers may know. */
void order_publish(struct order *order);

#endif
