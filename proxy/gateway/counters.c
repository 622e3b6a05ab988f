/* Counting requests. */
#include "gateway/counters.h"

#include <assert.h>
#include <stdlib.h>

#include "base/memory.h"
#include "gateway/scope.h"

const char *outcome_name(enum outcome outcome)
{
    static const char *const names[] = {
        [OUTCOME_HIT] = "hit",
        [OUTCOME_MISS] = "miss",
        [OUTCOME_REVALIDATED] = "revalidated",
        [OUTCOME_COLLAPSED] = "collapsed",
        [OUTCOME_BYPASS] = "bypass",
        [OUTCOME_WRITE] = "write",
        [OUTCOME_NONE] = "none",
    };
    static_assert(ARRAY_LENGTH(names) == OUTCOME_COUNT, "a name for each outcome");

    return names[outcome];
}

const char *refusal_name(enum refusal refusal)
{
    static const char *const names[] = {
        [REFUSAL_NONE] = "none",      [REFUSAL_FORM] = "malformed", [REFUSAL_KEY] = "key",
        [REFUSAL_PATH] = "path",      [REFUSAL_RULE] = "rule",      [REFUSAL_QUOTA] = "quota",
        [REFUSAL_QUEUE] = "queue",    [REFUSAL_SPENT] = "spent",    [REFUSAL_PAUSED] = "paused",
        [REFUSAL_BROKEN] = "breaker",
    };
    static_assert(ARRAY_LENGTH(names) == REFUSALS, "a name for each refusal");

    return names[refusal];
}

/* --- pairs --- */

enum { PAIR_SCOPE_BITS = 9 };

static_assert(SCOPES_LIMIT == 1 << PAIR_SCOPE_BITS, "a key has room for a scope");
static_assert((PAIRS_PLACES & (PAIRS_PLACES - 1)) == 0, "places are cut by a mask");

static uint32_t first_place(uint32_t key)
{
    enum { SPREAD = 0x9e3779b1, KEPT_BITS = 13 }; /* 2^32 divided by the golden ratio */

    static_assert(PAIRS_PLACES == 1 << KEPT_BITS, "the highest bits of a product are its best");
    return key * (uint32_t)SPREAD >> (32 - KEPT_BITS);
}

uint32_t pairs_place(struct pairs *pairs, uint32_t slot, uint32_t scope)
{
    const uint32_t key = slot << PAIR_SCOPE_BITS | scope; /* a scope other than 0: so is the key */
    uint32_t place = first_place(key);

    assert(scope < SCOPES_LIMIT);
    if (scope == SCOPE_OTHER)
        return PAIRS_NONE;
    for (;;) {
        uint32_t found = atomic_load_explicit(&pairs->keys[place], memory_order_relaxed);

        if (found == 0 && atomic_load_explicit(&pairs->count, memory_order_relaxed) >= PAIRS_LIMIT)
            return PAIRS_NONE;
        if (found == 0 && atomic_compare_exchange_strong(&pairs->keys[place], &found, key)) {
            (void)atomic_fetch_add(&pairs->count, 1); /* threads that race give a few more */
            return place;
        }
        if (found == key)
            return place;
        place = (place + 1) & (PAIRS_PLACES - 1);
    }
}

bool pairs_read(const struct pairs *pairs, uint32_t place, uint32_t *slot, uint32_t *scope)
{
    const uint32_t key = atomic_load_explicit(&pairs->keys[place], memory_order_relaxed);

    *slot = key >> PAIR_SCOPE_BITS;
    *scope = key & (SCOPES_LIMIT - 1);
    return key != 0;
}

void counters_finish(struct counters *counters)
{
    for (size_t i = 0; i < COUNTERS_CLIENTS; i++)
        free(counters->clients[i]);
}

static struct client_counters *counters_of_client(struct counters *counters, uint32_t slot)
{
    struct client_counters *client =
        atomic_load_explicit(&counters->clients[slot], memory_order_relaxed);

    if (client != NULL)
        return client;
    client = memory_take(1, sizeof(*client));
    atomic_store_explicit(&counters->clients[slot], client,
                          memory_order_release); /* zeroed before it is seen */
    return client;
}

static size_t bucket_of(int64_t us)
{
    size_t bucket = 0;

    while (bucket < COUNTERS_BUCKETS - 1 && us > (INT64_C(1) << bucket))
        bucket++;
    return bucket;
}

static void pair_count(struct pair_counters *pair, const struct counted *counted)
{
    counter_add(&pair->requests, 1);
    if (counted->outcome == OUTCOME_HIT)
        counter_add(&pair->hits, 1);
    if (counted->outcome == OUTCOME_HIT || counted->outcome == OUTCOME_COLLAPSED)
        counter_add(&pair->saved, 1);
    if (counted->calls > 0)
        counter_add(&pair->calls, counted->calls);
    if (counted->queue_us >= COUNTERS_QUEUED_US) {
        counter_add(&pair->queued, 1);
        counter_add(&pair->queue_us, (uint64_t)counted->queue_us);
    }
}

void counters_add_request(struct counters *counters, const struct counted *counted)
{
    const unsigned class = counted->status / 100 < COUNTERS_CLASSES ? counted->status / 100 : 0;
    const uint32_t slot = counted->slot < COUNTERS_CLIENTS ? counted->slot : COUNTERS_CLIENTS - 1;
    struct client_counters *client = counters_of_client(counters, slot);
    const uint32_t place = pairs_place(counters->pairs, slot, counted->scope);

    counter_add(&client->requests[counted->method][class][counted->outcome], 1);
    if (counted->refusal != REFUSAL_NONE)
        counter_add(&client->refusals[counted->refusal], 1);
    pair_count(place == PAIRS_NONE ? &client->other : &counters->by_pair[place], counted);
    counter_add(&counters->latency[bucket_of(counted->total_us)], 1);
    counter_add(&counters->latency_us, (uint64_t)counted->total_us);
    counter_add(&counters->latency_count, 1);
    counter_add(&counters->in_bytes, counted->in_bytes);
    counter_add(&counters->out_bytes, counted->out_bytes);
}

void counters_add_widened(struct counters *counters, unsigned widened)
{
    for (unsigned why = 0; why < WIDENINGS; why++)
        if ((widened >> why & 1) != 0)
            counter_add(&counters->widened[why], 1);
}

void counters_add_malformed(struct counters *counters)
{
    counter_add(&counters->refused_connections, 1);
    counter_add(&counters_of_client(counters, 0)->refusals[REFUSAL_FORM], 1);
}
