/* The life of a worker's thread, and what main asks of it by letter. */
#include "gateway/worker.h"

#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/memory.h"
#include "base/secret.h"
#include "gateway/exchange.h"
#include "gateway/record.h"

/* What main asks: on the heap, freed when done. */
struct request_of_main {
    struct letter letter; /* first */
    struct worker *worker;
    struct settings *settings;
};

static struct connection_limits limits_of(const struct configuration *configuration)
{
    return (struct connection_limits){
        .head_timeout_us = configuration->head_timeout_us,
        .idle_timeout_us = configuration->idle_timeout_us,
        .body_timeout_us = configuration->body_timeout_us,
        .connections =
            (configuration->connections + configuration->workers - 1) / configuration->workers,
        .output_bytes = (size_t)configuration->cache_max_object_bytes + 4 * CONNECTION_HIGH_BYTES,
    };
}

static enum result worker_open(struct worker *worker)
{
    struct event_config *config = event_config_new();
    enum result result;

    if (config == NULL || event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK) == -1)
        memory_exhausted();
    worker->base = event_base_new_with_config(config);
    event_config_free(config);
    if (worker->base == NULL)
        return RESULT_SYSTEM;
    worker->retry = evtimer_new(worker->base, record_on_retry, worker);
    if (worker->retry == NULL)
        memory_exhausted();
    if ((result = mailbox_open(worker->base, &worker->mailbox)) != RESULT_OK ||
        (result = fetcher_create(worker->base, worker->mailbox, &worker->fetcher)) != RESULT_OK ||
        (result = cache_reader_open(worker->gate->cache, &worker->reader)) != RESULT_OK)
        return result;
    return RESULT_OK;
}

enum result worker_create(struct gate *gate, uint32_t index, struct settings *settings,
                          struct worker **created, struct error *error)
{
    struct worker *worker = memory_take(1, sizeof(*worker));
    unsigned char random[8];

    worker->gate = gate;
    worker->counters.pairs = gate->pairs;
    worker->index = index;
    worker->settings = settings_acquire(settings);
    TAILQ_INIT(&worker->deferred);
    secret_random(random, sizeof(random));
    bytes_to_hex(bytes_of(random, sizeof(random)), worker->id_prefix);
    const enum result result = worker_open(worker);
    if (result != RESULT_OK) {
        worker_destroy(worker);
        return error_set(error, result, "cannot start worker %u: %s", index, result_text(result));
    }
    const struct connection_limits limits = limits_of(settings->configuration);
    worker->connections = connections_create(worker->base, &exchange_handler, worker, &limits);
    if (gate->audit != NULL)
        worker->ring = audit_ring(gate->audit, index);
    *created = worker;
    return RESULT_OK;
}

enum result worker_listen(struct worker *worker, int fd)
{
    return connections_listen(worker->connections, fd);
}

static bool worker_is_done(const struct worker *worker)
{
    return worker->draining && connections_count(worker->connections) == 0 &&
           worker->calls_under_way == 0;
}

static void *worker_run(void *context)
{
    struct worker *worker = context;

    while (!worker_is_done(worker)) {
        if (event_base_loop(worker->base, EVLOOP_ONCE) == -1)
            break;
        cache_reader_reset(worker->reader); /* the batch is over: let old pages go */
    }
    atomic_store(&worker->ended, true);
    return NULL;
}

enum result worker_start(struct worker *worker)
{
    return pthread_create(&worker->thread, NULL, worker_run, worker) == 0 ? RESULT_OK
                                                                          : RESULT_SYSTEM;
}

static void worker_ask(struct worker *worker, struct settings *settings,
                       void (*deliver)(struct letter *))
{
    struct request_of_main *request = memory_take(1, sizeof(*request));

    request->letter.deliver = deliver;
    request->worker = worker;
    request->settings = settings;
    mailbox_post(worker->mailbox, &request->letter);
}

static void worker_on_settings(struct letter *letter)
{
    struct request_of_main *request = (struct request_of_main *)letter;
    struct worker *worker = request->worker;
    const struct connection_limits limits = limits_of(request->settings->configuration);

    settings_release(worker->settings);
    worker->settings = request->settings;
    (void)atomic_fetch_sub(&worker->gate->unswitched, 1);
    connections_set_limits(worker->connections, &limits);
    free(request);
}

void worker_change_settings(struct worker *worker, struct settings *settings)
{
    worker_ask(worker, settings_acquire(settings), worker_on_settings);
}

static void worker_on_drain(struct letter *letter)
{
    struct request_of_main *request = (struct request_of_main *)letter;

    request->worker->draining = true;
    connections_drain(request->worker->connections);
    free(request);
}

void worker_drain(struct worker *worker)
{
    worker_ask(worker, NULL, worker_on_drain);
}

bool worker_has_ended(const struct worker *worker)
{
    return atomic_load(&worker->ended);
}

void worker_join(struct worker *worker)
{
    (void)pthread_join(worker->thread, NULL);
}

void worker_destroy(struct worker *worker)
{
    if (worker == NULL)
        return;
    connections_destroy(worker->connections);
    if (worker->ring != NULL)
        record_finish(worker);
    fetcher_destroy(worker->fetcher);
    cache_reader_close(worker->reader);
    mailbox_close(worker->mailbox);
    if (worker->retry != NULL)
        event_free(worker->retry);
    if (worker->base != NULL)
        event_base_free(worker->base);
    settings_release(worker->settings);
    counters_finish(&worker->counters);
    free(worker);
}

struct bytes worker_new_id(struct worker *worker, struct arena *arena)
{
    const uint64_t count = __builtin_bswap64(++worker->id_count);
    char *id = arena_take(arena, WORKER_ID_ROOM);

    memcpy(id, worker->id_prefix, 16);
    bytes_to_hex(bytes_of(&count, sizeof(count)), id + 16);
    return bytes_of(id, WORKER_ID_ROOM - 1);
}

void worker_hold(struct worker *worker)
{
    worker->calls_under_way++;
}

void worker_let_go(struct worker *worker)
{
    worker->calls_under_way--;
}
