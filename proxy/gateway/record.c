/* Records, and the few that have to wait. See record.h. */
#include "gateway/record.h"

#include <assert.h>
#include <event2/event.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/memory.h"

enum {
    RECORD_RETRY_US = 20 * 1000,
    DEFERRED_ARENA_BYTES = 1024,
};

/* The ring is left this much room for the ends of what is under way when the sockets pause. */
static const double ring_high = 0.75, ring_low = 0.25;

/* A record that found the ring full: a copy of its own. */
struct deferred {
    TAILQ_ENTRY(deferred) link;
    struct arena arena;
    struct audit_record record;
    uint8_t body_hmac[32];
    struct exchange *exchange; /* held back until it is written; NULL: the client has gone */
    struct counted counted;    /* of a detached one: what is counted when it is written */
    struct quota *quota;       /* where, besides; NULL: nowhere */
    int64_t start_us;
};

static struct audit_record record_of(struct exchange *exchange, enum audit_kind kind)
{
    const struct settings_upstream *upstream = exchange->upstream;
    struct bytes url = exchange->at_gate.url;

    if (upstream != NULL && upstream->masked_count > 0)
        url = audit_mask(exchange->arena, url, upstream->masked, upstream->masked_count);
    return (struct audit_record){
        .kind = kind,
        .wall_us = exchange->start_wall_us,
        .id = exchange->id,
        .client = exchange->client == NULL ? BYTES("") : bytes_of_string(exchange->client->name),
        .peer = connection_peer(exchange->connection),
        .method = exchange->request->method_text,
        .url = url,
        .status = exchange->status,
        .cache = bytes_of_string(outcome_name(exchange->outcome)),
        .upstream_us = exchange->upstream_us,
        .total_us = clock_now_us() - exchange->start_us,
        .in_bytes = connection_bytes_in(exchange->connection),
        .out_bytes = connection_bytes_out(exchange->connection),
        .body_hmac = exchange->body_hmac,
    };
}

static struct counted counted_of(const struct exchange *exchange, const struct audit_record *record)
{
    return (struct counted){
        .slot = exchange->client_slot,
        .scope = exchange->scope.id,
        .method = exchange->request->method,
        .status = record->status,
        .outcome = exchange->outcome,
        .refusal = exchange->refusal,
        .calls = exchange->calls,
        .queue_us = exchange->queue_us,
        .total_us = record->total_us,
        .in_bytes = record->in_bytes,
        .out_bytes = record->out_bytes,
    };
}

static void count(struct worker *worker, struct quota *quota, const struct counted *counted,
                  const struct audit_record *record)
{
    counters_add_request(&worker->counters, counted);
    if (quota != NULL)
        quota_count(quota, counted->outcome == OUTCOME_HIT, counted->calls,
                    record->wall_us + record->total_us);
}

static struct quota *quota_of(const struct exchange *exchange)
{
    return exchange->allotment == NULL ? NULL : exchange->allotment->quota;
}

static void record_count(struct exchange *exchange, const struct audit_record *record)
{
    const struct counted counted = counted_of(exchange, record);

    count(exchange->worker, quota_of(exchange), &counted, record);
}

/* Pauses the sockets while the ring is nearly full or records wait for it, until it is nearly
 * empty. */
static void worker_watch_ring(struct worker *worker)
{
    const struct timeval retry = {.tv_usec = RECORD_RETRY_US};
    const double fill = audit_ring_fill(worker->ring);

    if (!TAILQ_EMPTY(&worker->deferred) || fill > ring_high)
        worker->ring_is_full = true;
    else if (fill < ring_low)
        worker->ring_is_full = false;
    connections_pause(worker->connections, worker->ring_is_full);
    if (worker->ring_is_full)
        (void)event_add(worker->retry, &retry); /* memory is the only thing it could lack */
}

static struct deferred *record_copy(const struct audit_record *record)
{
    struct deferred *deferred = memory_take(1, sizeof(*deferred));
    struct audit_record *copy = &deferred->record;

    arena_init(&deferred->arena, DEFERRED_ARENA_BYTES);
    *copy = *record;
    copy->id = arena_copy(&deferred->arena, record->id);
    copy->client = arena_copy(&deferred->arena, record->client);
    copy->peer = arena_copy(&deferred->arena, record->peer);
    copy->method = arena_copy(&deferred->arena, record->method);
    copy->url = arena_copy(&deferred->arena, record->url);
    if (record->body_hmac != NULL) {
        memcpy(deferred->body_hmac, record->body_hmac, sizeof(deferred->body_hmac));
        copy->body_hmac = deferred->body_hmac;
    }
    return deferred;
}

/* Writes the record, or defers it. NULL: written. */
static struct deferred *record_write(struct worker *worker, const struct audit_record *record)
{
    if (worker->ring == NULL)
        return NULL;
    if (TAILQ_EMPTY(&worker->deferred) && audit_write(worker->ring, record) == RESULT_OK)
        return NULL;
    struct deferred *deferred = record_copy(record);
    TAILQ_INSERT_TAIL(&worker->deferred, deferred, link);
    return deferred;
}

void record_and_end(struct exchange *exchange)
{
    const struct audit_record record = record_of(exchange, AUDIT_DONE);
    struct worker *worker = exchange->worker;

    assert(!exchange->recorded);
    exchange->recorded = true;
    record_count(exchange, &record);
    exchange->deferred = record_write(worker, &record);
    if (exchange->deferred == NULL) {
        connection_answer_end(exchange->connection);
        return;
    }
    exchange->deferred->exchange = exchange;
    connection_hold(exchange->connection, true);
    worker_watch_ring(worker);
}

void record_aborted(struct exchange *exchange)
{
    if (exchange->deferred != NULL)
        exchange->deferred->exchange = NULL;
    if (exchange->recorded)
        return;
    const struct audit_record record = record_of(exchange, AUDIT_DONE);
    exchange->recorded = true;
    record_count(exchange, &record);
    if (record_write(exchange->worker, &record) != NULL)
        worker_watch_ring(exchange->worker);
}

enum result record_intent(struct exchange *exchange)
{
    struct worker *worker = exchange->worker;
    const struct audit_record record = record_of(exchange, AUDIT_INTENT);

    if (!TAILQ_EMPTY(&worker->deferred))
        return RESULT_LIMIT;
    return audit_write(worker->ring, &record);
}

void record_refused(struct worker *worker, struct connection *connection, struct bytes id,
                    unsigned status)
{
    const struct audit_record record = {
        .kind = AUDIT_DONE,
        .wall_us = clock_wall_us(),
        .id = id,
        .peer = connection_peer(connection),
        .status = status,
        .cache = BYTES("none"),
        .upstream_us = -1,
        .in_bytes = connection_bytes_in(connection),
    };

    counters_add_malformed(&worker->counters);
    if (record_write(worker, &record) != NULL)
        worker_watch_ring(worker);
}

static void deferred_free(struct deferred *deferred)
{
    arena_finish(&deferred->arena);
    free(deferred);
}

static void deferred_remove(struct worker *worker, struct deferred *deferred)
{
    TAILQ_REMOVE(&worker->deferred, deferred, link);
    deferred_free(deferred);
}

struct deferred *record_detach(struct exchange *exchange)
{
    const struct audit_record record = record_of(exchange, AUDIT_DONE);
    struct deferred *detached = record_copy(&record);

    exchange->recorded = true;
    detached->counted = counted_of(exchange, &record);
    detached->quota = quota_of(exchange);
    detached->start_us = exchange->start_us;
    return detached;
}

void record_detached(struct worker *worker, struct deferred *detached, unsigned status,
                     const struct fetch_end *end)
{
    struct audit_record *record = &detached->record;

    record->status = detached->counted.status = status;
    record->upstream_us = end->sent ? end->elapsed_us : -1;
    detached->counted.calls = end->calls;
    detached->counted.queue_us = end->queue_us;
    record->total_us = detached->counted.total_us = clock_now_us() - detached->start_us;
    count(worker, detached->quota, &detached->counted, record);
    if (record_write(worker, record) != NULL)
        worker_watch_ring(worker);
    deferred_free(detached);
}

void record_on_retry(int fd, short what, void *context)
{
    struct worker *worker = context;
    struct deferred *deferred;

    (void)fd;
    (void)what;
    while ((deferred = TAILQ_FIRST(&worker->deferred)) != NULL) {
        struct exchange *exchange = deferred->exchange;

        if (audit_write(worker->ring, &deferred->record) != RESULT_OK)
            break;
        deferred_remove(worker, deferred);
        if (exchange == NULL)
            continue;
        struct connection *connection = exchange->connection;
        exchange->deferred = NULL;
        connection_hold(connection, false);
        connection_answer_end(connection);
        connection_settle(connection);
    }
    worker_watch_ring(worker);
}

void record_finish(struct worker *worker)
{
    struct deferred *deferred;
    size_t lost = 0;

    while ((deferred = TAILQ_FIRST(&worker->deferred)) != NULL) {
        lost += audit_write(worker->ring, &deferred->record) != RESULT_OK;
        deferred_remove(worker, deferred);
    }
    if (lost > 0)
        log_error("%zu audit records found no room at the end: make room on data_dir", lost);
}

void record_check_ring(struct worker *worker)
{
    if (worker->ring != NULL && audit_ring_fill(worker->ring) > ring_high)
        worker_watch_ring(worker);
}
