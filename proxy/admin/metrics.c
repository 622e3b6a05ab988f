/* Sums over workers, read while they count. */
#include "admin/metrics.h"

#include <assert.h>
#include <stdlib.h>

#include "admin/usage.h"
#include "base/memory.h"

static uint64_t read_counter(const struct counter *counter)
{
    return atomic_load_explicit(&counter->value, memory_order_relaxed);
}

/* One counter of struct counters, by its place, over all workers. */
static uint64_t sum_counter(struct server *server, size_t offset)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < server_worker_count(server); i++)
        sum += read_counter(
            (const struct counter *)((const char *)&server_worker(server, i)->counters + offset));
    return sum;
}

static uint64_t sum_requests(struct server *server, uint32_t slot, size_t method, size_t class,
                             size_t outcome)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < server_worker_count(server); i++) {
        const struct client_counters *client = atomic_load_explicit(
            &server_worker(server, i)->counters.clients[slot], memory_order_acquire);

        if (client != NULL)
            sum += read_counter(&client->requests[method][class][outcome]);
    }
    return sum;
}

static bool slot_is_used(struct server *server, uint32_t slot)
{
    for (size_t i = 0; i < server_worker_count(server); i++)
        if (atomic_load_explicit(&server_worker(server, i)->counters.clients[slot],
                                 memory_order_acquire) != NULL)
            return true;
    return false;
}

static void write_head(struct buffer *text, const char *name, const char *type, const char *help)
{
    buffer_format(text, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void write_number(struct buffer *text, const char *name, const char *type, const char *help,
                         uint64_t value)
{
    write_head(text, name, type, help);
    buffer_format(text, "%s %llu\n", name, (unsigned long long)value);
}

static void write_seconds(struct buffer *text, const char *name, const char *help, uint64_t us)
{
    write_head(text, name, "counter", help);
    buffer_format(text, "%s %.6f\n", name, (double)us / 1e6);
}

/* name="value": of values that others choose, with the three escapes that the format has. */
static void write_label(struct buffer *text, const char *name, struct bytes value)
{
    buffer_format(text, "%s=\"", name);
    for (size_t i = 0; i < value.length; i++) {
        const char byte = value.data[i];

        if (byte == '\\' || byte == '"')
            buffer_add_byte(text, '\\');
        buffer_add(text, byte == '\n' ? BYTES("\\n") : bytes_slice(bytes_from(value, i), 0, 1));
    }
    buffer_add_byte(text, '"');
}

static struct bytes name_of_slot(struct server *server, uint32_t slot)
{
    return bytes_of_string(client_slots_name(server_gate(server)->slots, slot));
}

static void write_requests_of(struct server *server, struct buffer *text, uint32_t slot,
                              const char *name)
{
    for (size_t method = 0; method < METHOD_COUNT; method++)
        for (size_t class = 0; class < COUNTERS_CLASSES; class ++)
            for (size_t outcome = 0; outcome < OUTCOME_COUNT; outcome++) {
                const uint64_t count = sum_requests(server, slot, method, class, outcome);

                if (count == 0)
                    continue;
                buffer_format(text, "postern_requests_total{");
                write_label(text, "client", bytes_of_string(name));
                buffer_format(text, ",method=\"%s\",status=\"%zuxx\",cache=\"%s\"} %llu\n",
                              http_method_name((enum http_method)method), class,
                              outcome_name((enum outcome)outcome), (unsigned long long)count);
            }
}

static void write_requests(struct server *server, struct buffer *text)
{
    const char *name;

    write_head(text, "postern_requests_total", "counter",
               "Requests by client, method, status class (0xx: the client left) and how the cache "
               "took part.");
    for (uint32_t slot = 0; (name = client_slots_name(server_gate(server)->slots, slot)) != NULL;
         slot++)
        if (slot_is_used(server, slot))
            write_requests_of(server, text, slot, name);
}

/* --- by client and path template --- */

enum usage_unit { USAGE_COUNT, USAGE_SECONDS };

static const struct {
    const char *name, *help;
    size_t offset; /* in struct usage */
    enum usage_unit unit;
} usage_metrics[] = {
    {"postern_client_requests_total", "Requests by client and path template.",
     offsetof(struct usage, requests), USAGE_COUNT},
    {"postern_client_hits_total", "Of these, answered from the cache.",
     offsetof(struct usage, hits), USAGE_COUNT},
    {"postern_client_upstream_calls_total", "Calls to upstreams that they cost.",
     offsetof(struct usage, calls), USAGE_COUNT},
    {"postern_client_calls_saved_total", "Of these, answered without a call of their own.",
     offsetof(struct usage, saved), USAGE_COUNT},
    {"postern_client_queued_total", "Of these, those whose call waited for its turn.",
     offsetof(struct usage, queued), USAGE_COUNT},
    {"postern_client_queue_seconds_total", "How long these waited.",
     offsetof(struct usage, queue_us), USAGE_SECONDS},
};

static void write_usage_line(struct server *server, struct buffer *text, size_t metric,
                             const struct usage_line *line)
{
    const uint64_t value = *(const uint64_t *)(const void *)((const char *)&line->usage +
                                                             usage_metrics[metric].offset);
    struct scope scope;

    if (value == 0 || !scopes_read(server_gate(server)->scopes, line->scope, &scope))
        return;
    buffer_format(text, "%s{", usage_metrics[metric].name);
    write_label(text, "client", name_of_slot(server, line->slot));
    buffer_add_byte(text, ',');
    write_label(text, "path", scope.text);
    if (usage_metrics[metric].unit == USAGE_SECONDS)
        buffer_format(text, "} %.6f\n", (double)value / 1e6);
    else
        buffer_format(text, "} %llu\n", (unsigned long long)value);
}

static void write_usage(struct server *server, struct buffer *text)
{
    struct usage_table table;

    usage_read(server, &table);
    for (size_t metric = 0; metric < ARRAY_LENGTH(usage_metrics); metric++) {
        write_head(text, usage_metrics[metric].name, "counter", usage_metrics[metric].help);
        for (size_t i = 0; i < table.count; i++)
            write_usage_line(server, text, metric, &table.lines[i]);
    }
    usage_finish(&table);
}

static void write_refusals(struct server *server, struct buffer *text)
{
    const char *name;

    write_head(text, "postern_refusals_total", "counter",
               "Requests that the gate refused, by client and reason.");
    for (uint32_t slot = 0; (name = client_slots_name(server_gate(server)->slots, slot)) != NULL;
         slot++)
        for (unsigned refusal = REFUSAL_NONE + 1; refusal < REFUSALS; refusal++) {
            const uint64_t count = usage_refusals(server, slot, (enum refusal)refusal);

            if (count == 0)
                continue;
            buffer_format(text, "postern_refusals_total{");
            write_label(text, "client", bytes_of_string(name));
            buffer_format(text, ",reason=\"%s\"} %llu\n", refusal_name((enum refusal)refusal),
                          (unsigned long long)count);
        }
}

static void write_latency(struct server *server, struct buffer *text)
{
    uint64_t below = 0;

    write_head(text, "postern_request_seconds", "histogram",
               "Time from a request's head to its answer's last byte.");
    for (size_t bucket = 0; bucket < COUNTERS_BUCKETS; bucket++) {
        below += sum_counter(server,
                             offsetof(struct counters, latency) + bucket * sizeof(struct counter));
        if (bucket < COUNTERS_BUCKETS - 1)
            buffer_format(text, "postern_request_seconds_bucket{le=\"%.6f\"} %llu\n",
                          (double)(UINT64_C(1) << bucket) / 1e6, (unsigned long long)below);
    }
    buffer_format(text, "postern_request_seconds_bucket{le=\"+Inf\"} %llu\n",
                  (unsigned long long)below);
    buffer_format(text, "postern_request_seconds_sum %.6f\n",
                  (double)sum_counter(server, offsetof(struct counters, latency_us)) / 1e6);
    buffer_format(text, "postern_request_seconds_count %llu\n", (unsigned long long)below);
}

struct metrics_totals metrics_totals(struct server *server)
{
    struct metrics_totals totals = {
        .upstream_calls = sum_counter(server, offsetof(struct counters, upstream_calls))};

    for (uint32_t slot = 0; slot < COUNTERS_CLIENTS; slot++) {
        if (!slot_is_used(server, slot))
            continue;
        for (size_t method = 0; method < METHOD_COUNT; method++)
            for (size_t class = 0; class < COUNTERS_CLASSES; class ++) {
                totals.hits += sum_requests(server, slot, method, class, OUTCOME_HIT);
                totals.collapsed += sum_requests(server, slot, method, class, OUTCOME_COLLAPSED);
                for (size_t outcome = 0; outcome < OUTCOME_COUNT; outcome++)
                    totals.requests += sum_requests(server, slot, method, class, outcome);
            }
    }
    return totals;
}

static void write_upstream(struct server *server, struct buffer *text)
{
    const struct metrics_totals totals = metrics_totals(server);

    write_number(text, "postern_upstream_calls_total", "counter", "Calls sent to upstreams.",
                 totals.upstream_calls);
    write_number(text, "postern_upstream_calls_saved_total", "counter",
                 "Requests answered without a call of their own.", totals.hits + totals.collapsed);
    write_number(text, "postern_upstream_failures_total", "counter",
                 "Calls without a whole answer.",
                 sum_counter(server, offsetof(struct counters, upstream_failures)));
    write_seconds(text, "postern_upstream_seconds_total", "Time spent in upstream calls.",
                  sum_counter(server, offsetof(struct counters, upstream_us)));
    write_number(text, "postern_token_scrubbed_total", "counter",
                 "Occurrences of a token cut out of answers.",
                 sum_counter(server, offsetof(struct counters, scrubbed)));
}

static void write_traffic(struct server *server, struct buffer *text)
{
    size_t connections = 0;

    for (size_t i = 0; i < server_worker_count(server); i++)
        connections += connections_count(server_worker(server, i)->connections);
    write_number(text, "postern_bytes_in_total", "counter", "Bytes of requests.",
                 sum_counter(server, offsetof(struct counters, in_bytes)));
    write_number(text, "postern_bytes_out_total", "counter", "Bytes of answers.",
                 sum_counter(server, offsetof(struct counters, out_bytes)));
    write_number(text, "postern_malformed_requests_total", "counter",
                 "Requests that the HTTP layer refused.",
                 sum_counter(server, offsetof(struct counters, refused_connections)));
    write_number(text, "postern_connections", "gauge", "Open client connections.", connections);
}

static void write_cache(struct server *server, struct buffer *text)
{
    struct gate *gate = server_gate(server);
    struct cache_status status;

    cache_read_status(gate->cache, &status);
    write_number(text, "postern_cache_entries", "gauge", "Stored responses.", status.entries);
    write_number(text, "postern_cache_bytes", "gauge", "Bytes that stored responses take.",
                 status.held_bytes);
    write_number(text, "postern_cache_max_bytes", "gauge", "Bytes that they may take.",
                 status.max_bytes);
    write_number(text, "postern_cache_evictions_total", "counter",
                 "Entries that went for want of room.", status.evictions);
    write_number(text, "postern_cache_stores_total", "counter", "Responses stored.", status.stores);
    write_number(text, "postern_cache_refused_stores_total", "counter",
                 "Responses not stored because a write overtook them, or for want of room.",
                 status.refused_stores);
    write_number(text, "postern_invalidations_total", "counter", "Invalidations.",
                 status.invalidations);
    write_number(text, "postern_invalidations_failed_total", "counter",
                 "Invalidations that could not be committed at once.", status.failed_invalidations);
    write_number(text, "postern_cache_unusable", "gauge",
                 "1 while a failed invalidation keeps an account uncached.", status.unusable);
    write_number(text, "postern_intents", "gauge", "Writes on record whose outcome is not settled.",
                 status.intents);
    write_number(text, "postern_writer_queue", "gauge", "Jobs that wait for the cache's writer.",
                 status.queued);
    write_number(text, "postern_flights", "gauge", "Calls that other requests may join.",
                 flights_count(gate->flights));
}

static void write_rule(struct buffer *text, const char *name, const char *rule, uint64_t count)
{
    buffer_format(text, "%s{", name);
    write_label(text, "rule", bytes_of_string(rule));
    buffer_format(text, "} %llu\n", (unsigned long long)count);
}

static void write_rules(struct server *server, struct buffer *text)
{
    static const char invalidated[] = "postern_rule_invalidations_total";
    static const char went[] = "postern_rule_entries_gone_total";
    struct tally *tally = server_gate(server)->tally;
    const char *rule;
    uint64_t invalidations, gone;

    write_head(text, invalidated, "counter", "Invalidations by the preset's rule.");
    for (size_t i = 0; tally_read(tally, i, &rule, &invalidations, &gone); i++)
        write_rule(text, invalidated, rule, invalidations);
    write_head(text, went, "counter", "Stored responses that went by it.");
    for (size_t i = 0; tally_read(tally, i, &rule, &invalidations, &gone); i++)
        write_rule(text, went, rule, gone);
    write_head(text, "postern_widened_total", "counter",
               "Reads and writes that are treated more widely than need be, by reason.");
    for (size_t why = 0; why < WIDENINGS; why++)
        buffer_format(text, "postern_widened_total{reason=\"%s\"} %llu\n",
                      widening_name((enum widening)why),
                      (unsigned long long)sum_counter(server, offsetof(struct counters, widened) +
                                                                  why * sizeof(struct counter)));
}

static void write_audit(struct server *server, struct buffer *text)
{
    const struct gate *gate = server_gate(server);
    struct audit_status status;

    if (gate->audit == NULL)
        return;
    audit_read_status(gate->audit, &status);
    write_number(text, "postern_audit_records_total", "counter", "Audit records on file.",
                 status.records);
    write_number(text, "postern_audit_bytes_total", "counter", "Bytes of them.", status.bytes);
    write_number(text, "postern_audit_failures_total", "counter", "Appends that failed.",
                 status.failures);
    write_number(text, "postern_audit_failing", "gauge",
                 "1 while writes are refused because none can be recorded.", status.failing);
    write_head(text, "postern_audit_ring_fill", "gauge", "How full a worker's ring is, 0 to 1.");
    for (size_t i = 0; i < server_worker_count(server); i++)
        buffer_format(text, "postern_audit_ring_fill{worker=\"%zu\"} %.4f\n", i,
                      audit_ring_fill(server_worker(server, i)->ring));
}

/* --- budgets --- */

enum budget_sample {
    SAMPLE_CONCURRENCY,
    SAMPLE_PER_SECOND,
    SAMPLE_PER_DAY,
    SAMPLE_CALLS_UNDER_WAY,
    SAMPLE_UNDER_WAY,
    SAMPLE_QUEUED,
    SAMPLE_SECOND_LEFT,
    SAMPLE_DAY_SPENT,
    SAMPLE_TOLD_LEFT,
    SAMPLE_PAUSED,
    SAMPLE_BREAKER,
    SAMPLE_PAUSES,
    SAMPLE_RETRIES,
    BUDGET_SAMPLES,
};

static const struct {
    const char *name, *type, *help;
} budget_samples[] = {
    [SAMPLE_CONCURRENCY] = {"postern_budget_concurrency", "gauge",
                            "Calls that may be under way; none: no limit."},
    [SAMPLE_PER_SECOND] = {"postern_budget_per_second", "gauge",
                           "Calls a second that may begin; none: no limit."},
    [SAMPLE_PER_DAY] = {"postern_budget_per_day", "gauge",
                        "Calls a day that may begin; none: no limit."},
    [SAMPLE_CALLS_UNDER_WAY] = {"postern_upstream_under_way", "gauge",
                                "The same as postern_budget_under_way."},
    [SAMPLE_UNDER_WAY] = {"postern_budget_under_way", "gauge", "Calls under way."},
    [SAMPLE_QUEUED] = {"postern_budget_queued", "gauge", "Calls that wait for their turn."},
    [SAMPLE_SECOND_LEFT] = {"postern_budget_second_left", "gauge",
                            "Calls that could begin at once; none: no limit a second."},
    [SAMPLE_DAY_SPENT] = {"postern_budget_day_spent", "gauge", "Calls that began today."},
    [SAMPLE_TOLD_LEFT] = {"postern_budget_told_left", "gauge",
                          "Calls that the upstream says are left; none: it does not."},
    [SAMPLE_PAUSED] = {"postern_budget_paused", "gauge",
                       "Seconds for which the account is still left alone."},
    [SAMPLE_BREAKER] = {"postern_budget_breaker", "gauge",
                        "The circuit breaker: 0 closed, 1 open, 2 half open."},
    [SAMPLE_PAUSES] = {"postern_budget_pauses_total", "counter",
                       "Pauses that the upstream's answers made."},
    [SAMPLE_RETRIES] = {"postern_budget_retries_total", "counter", "Calls that were repeated."},
};
static_assert(ARRAY_LENGTH(budget_samples) == BUDGET_SAMPLES, "a name for each");

/* False: there is no such number. */
static bool budget_value(const struct budget_status *budget, enum budget_sample metric,
                         double *value)
{
    const double values[] = {
        [SAMPLE_CONCURRENCY] = budget->limits.concurrency,
        [SAMPLE_PER_SECOND] = budget->limits.per_second,
        [SAMPLE_PER_DAY] = budget->limits.per_day,
        [SAMPLE_CALLS_UNDER_WAY] = budget->under_way,
        [SAMPLE_UNDER_WAY] = budget->under_way,
        [SAMPLE_QUEUED] = budget->queued,
        [SAMPLE_SECOND_LEFT] = (double)budget->second_left,
        [SAMPLE_DAY_SPENT] = (double)budget->day_spent,
        [SAMPLE_TOLD_LEFT] = (double)budget->left,
        [SAMPLE_PAUSED] = (double)budget->paused_us / 1e6,
        [SAMPLE_BREAKER] = budget->breaker,
        [SAMPLE_PAUSES] = (double)budget->pauses,
        [SAMPLE_RETRIES] = (double)budget->retries,
    };
    static_assert(ARRAY_LENGTH(values) == BUDGET_SAMPLES, "a value for each");

    *value = values[metric];
    if (metric <= SAMPLE_PER_DAY)
        return *value > 0;
    if (metric == SAMPLE_SECOND_LEFT)
        return budget->second_left != UINT64_MAX;
    return metric != SAMPLE_TOLD_LEFT || budget->has_left;
}

static void write_budgets(struct server *server, struct buffer *text)
{
    const struct settings *settings = server_settings(server);
    const size_t count = settings->configuration->upstream_count;
    struct budget_status *budgets = memory_take(count, sizeof(*budgets));

    for (size_t i = 0; i < count; i++)
        budget_read(settings->upstreams[i].upstream.budget, &budgets[i]);
    for (unsigned metric = 0; metric < BUDGET_SAMPLES; metric++) {
        write_head(text, budget_samples[metric].name, budget_samples[metric].type,
                   budget_samples[metric].help);
        for (size_t i = 0; i < count; i++) {
            double value;

            if (!budget_value(&budgets[i], (enum budget_sample)metric, &value))
                continue;
            buffer_format(text, "%s{upstream=\"%s\"} %.15g\n", budget_samples[metric].name,
                          settings->configuration->upstreams[i].name, value);
        }
    }
    free(budgets);
}

static void write_tokens(struct server *server, struct buffer *text)
{
    static const char renewals[] = "postern_token_renewals_total";
    static const char fails[] = "postern_token_failing";
    const struct configuration *configuration = server_settings(server)->configuration;

    write_head(text, renewals, "counter", "Tokens that came after an upstream's first.");
    for (size_t i = 0; i < configuration->upstream_count; i++) {
        const char *name = configuration->upstreams[i].name;

        buffer_format(text, "%s{upstream=\"%s\"} %llu\n", renewals, name,
                      (unsigned long long)renewal_state(server_renewal(server), name).renewals);
    }
    write_head(text, fails, "gauge", "1: the last try to read or exchange a token brought none.");
    for (size_t i = 0; i < configuration->upstream_count; i++) {
        const char *name = configuration->upstreams[i].name;

        buffer_format(text, "%s{upstream=\"%s\"} %d\n", fails, name,
                      renewal_state(server_renewal(server), name).fails);
    }
}

void metrics_write(struct server *server, struct buffer *text)
{
    write_requests(server, text);
    write_usage(server, text);
    write_refusals(server, text);
    write_latency(server, text);
    write_upstream(server, text);
    write_budgets(server, text);
    write_tokens(server, text);
    write_traffic(server, text);
    write_cache(server, text);
    write_rules(server, text);
    write_audit(server, text);
}
