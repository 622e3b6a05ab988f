/* Each number is a moment old at most, and none runs backwards. */
#include "admin/usage.h"

#include <stdlib.h>

#include "base/memory.h"

static uint64_t read_counter(const struct counter *counter)
{
    return atomic_load_explicit(&counter->value, memory_order_relaxed);
}

void usage_add(struct usage *sum, const struct usage *more)
{
    sum->requests += more->requests;
    sum->hits += more->hits;
    sum->calls += more->calls;
    sum->saved += more->saved;
    sum->queued += more->queued;
    sum->queue_us += more->queue_us;
}

static void usage_add_pair(struct usage *sum, const struct pair_counters *pair)
{
    const struct usage more = {
        .requests = read_counter(&pair->requests),
        .hits = read_counter(&pair->hits),
        .calls = read_counter(&pair->calls),
        .saved = read_counter(&pair->saved),
        .queued = read_counter(&pair->queued),
        .queue_us = read_counter(&pair->queue_us),
    };

    usage_add(sum, &more);
}

/* NULL: this worker has not seen the client. */
static const struct client_counters *counters_of(struct server *server, size_t worker,
                                                 uint32_t slot)
{
    return atomic_load_explicit(&server_worker(server, worker)->counters.clients[slot],
                                memory_order_acquire);
}

static void table_add(struct usage_table *table, const struct usage_line *line)
{
    if (line->usage.requests > 0)
        table->lines[table->count++] = *line;
}

static void table_add_pairs(struct usage_table *table, struct server *server)
{
    const struct pairs *pairs = server_gate(server)->pairs;

    for (uint32_t place = 0; place < PAIRS_PLACES; place++) {
        struct usage_line line = {0};

        if (!pairs_read(pairs, place, &line.slot, &line.scope))
            continue;
        for (size_t i = 0; i < server_worker_count(server); i++)
            usage_add_pair(&line.usage, &server_worker(server, i)->counters.by_pair[place]);
        table_add(table, &line);
    }
}

static void table_add_others(struct usage_table *table, struct server *server)
{
    for (uint32_t slot = 0; slot < COUNTERS_CLIENTS; slot++) {
        struct usage_line line = {.slot = slot, .scope = SCOPE_OTHER};

        for (size_t i = 0; i < server_worker_count(server); i++) {
            const struct client_counters *client = counters_of(server, i, slot);

            if (client != NULL)
                usage_add_pair(&line.usage, &client->other);
        }
        table_add(table, &line);
    }
}

static int line_compare(const void *a, const void *b)
{
    const struct usage_line *left = a, *right = b;

    if (left->slot != right->slot)
        return left->slot < right->slot ? -1 : 1;
    return left->scope < right->scope ? -1 : left->scope > right->scope;
}

void usage_read(struct server *server, struct usage_table *table)
{
    table->lines = memory_take(PAIRS_PLACES + COUNTERS_CLIENTS, sizeof(table->lines[0]));
    table->count = 0;
    table_add_pairs(table, server);
    table_add_others(table, server);
    qsort(table->lines, table->count, sizeof(table->lines[0]), line_compare);
}

void usage_finish(struct usage_table *table)
{
    free(table->lines);
    *table = (struct usage_table){0};
}

uint64_t usage_refusals(struct server *server, uint32_t slot, enum refusal refusal)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < server_worker_count(server); i++) {
        const struct client_counters *client = counters_of(server, i, slot);

        sum += client == NULL ? 0 : read_counter(&client->refusals[refusal]);
    }
    return sum;
}

/* Upstreams of one account may share a budget. */
static bool is_counted(const struct settings *settings, size_t upstream)
{
    for (size_t i = 0; i < upstream; i++)
        if (settings->upstreams[i].upstream.budget == settings->upstreams[upstream].upstream.budget)
            return true;
    return false;
}

uint32_t *usage_waiting(struct server *server)
{
    const struct settings *settings = server_settings(server);
    uint32_t *waiting = memory_take(COUNTERS_CLIENTS, sizeof(*waiting));

    for (size_t i = 0; i < settings->configuration->upstream_count; i++)
        if (!is_counted(settings, i))
            budget_count_waiting(settings->upstreams[i].upstream.budget, waiting, COUNTERS_CLIENTS);
    return waiting;
}
