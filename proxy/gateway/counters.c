/* Counting requests. */
#include "gateway/counters.h"

#include <assert.h>
#include <stdlib.h>

#include "base/memory.h"

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

void counters_add_request(struct counters *counters, const struct counted *counted)
{
    const unsigned class = counted->status / 100 < COUNTERS_CLASSES ? counted->status / 100 : 0;
    const uint32_t slot = counted->slot < COUNTERS_CLIENTS ? counted->slot : COUNTERS_CLIENTS - 1;
    struct client_counters *client = counters_of_client(counters, slot);

    counter_add(&client->requests[counted->method][class][counted->outcome], 1);
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
