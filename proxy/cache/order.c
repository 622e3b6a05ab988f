/* The slots of the stamps. See order.h for the rules; order_publish comes after the commit and
 * never before. */
#include "cache/order.h"

#include <stdlib.h>

#include "base/memory.h"

void order_init(struct order *order)
{
    atomic_init(&order->now, 1); /* 0 is "not sent" in a flight */
    order->stamps = memory_take(ORDER_SLOTS, sizeof(order->stamps[0]));
}

void order_finish(struct order *order)
{
    free((void *)order->stamps);
    order->stamps = NULL;
}

static size_t slot_of(uint64_t tag)
{
    return (size_t)(tag & (ORDER_SLOTS - 1));
}

void order_stamp(struct order *order, struct tags tags)
{
    const uint64_t next = atomic_load_explicit(&order->now, memory_order_relaxed) + 1;

    for (size_t i = 0; i < tags.count; i++)
        atomic_store_explicit(&order->stamps[slot_of(tags.hashes[i])], next, memory_order_relaxed);
}

bool order_is_current(const struct order *order, struct tags tags, uint64_t begun)
{
    for (size_t i = 0; i < tags.count; i++)
        if (atomic_load_explicit(&order->stamps[slot_of(tags.hashes[i])], memory_order_relaxed) >
            begun)
            return false;
    return true;
}

void order_publish(struct order *order)
{
    atomic_fetch_add_explicit(&order->now, 1, memory_order_release);
}
