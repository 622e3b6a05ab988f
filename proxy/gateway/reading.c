/*
 * A read's call, from its beginning to the store's commit.
 *
 *   collecting: the body is gathered; the client that leads gets it as it comes once it is longer
 * than READING_HOLD_BYTES, those who wait get it whole streaming:  what is too large, private or
 * endless goes through with back-pressure, to one client
 *
 * Whether an answer is stored is the writer's last word (rule 4); whether it may be is decided
 * here, by freshness and, for errors that an API sends as JSON, by its body.
 */
#include "gateway/reading.h"

#include <assert.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/memory.h"
#include "cache/shown.h"
#include "cache/storable.h"
#include "gateway/failure.h"
#include "gateway/record.h"
#include "gateway/respond.h"
#include "http/cache_control.h"

enum {
    READING_HOLD_BYTES = 64 * 1024,
    READING_ARENA_BYTES = 2048,
};

struct reading {
    struct cache_job job; /* first: the writer's letter gets this struct's address */
    struct worker *worker;
    struct settings *settings; /* one reference */
    struct settings_upstream *upstream;
    struct exchange *exchange; /* NULL: the client has gone, or has its answer */
    struct flight *flight;     /* NULL: alone, or ended */
    struct fetch *fetch;       /* NULL: over */
    struct flight_answer *answer;
    struct arena arena; /* all that must outlive the exchange */
    struct cache_query query;
    struct fields sent;
    struct bytes plain_path, url_query;
    struct cache_rule rule;
    struct response response;
    struct freshness freshness;
    int64_t begun_wall_us;
    uint64_t begun;
    struct entry stale; /* its head: status, fields and vary, in the arena */
    bool stores, collecting, validated;
};

static const struct configuration *configuration_of(const struct reading *reading)
{
    return reading->settings->configuration;
}

/* --- life --- */

static struct reading *reading_create(struct exchange *exchange)
{
    struct reading *reading = memory_take(1, sizeof(*reading));

    reading->worker = exchange->worker;
    reading->settings = settings_acquire(exchange->settings);
    reading->upstream = exchange->upstream;
    reading->exchange = exchange;
    arena_init(&reading->arena, READING_ARENA_BYTES);
    reading->answer =
        flight_answer_create((size_t)configuration_of(reading)->cache_max_object_bytes);
    reading->sent = fields_copy(&reading->arena, &exchange->sent);
    reading->plain_path = arena_copy(&reading->arena, exchange->plain_path);
    reading->url_query = arena_copy(&reading->arena, exchange->target.query);
    reading->query = exchange->query;
    reading->query.url.text = arena_copy(&reading->arena, exchange->query.url.text);
    reading->query.sent = &reading->sent;
    reading->rule = exchange->rule; /* borrows from the configuration, which is held */
    reading->collecting = true;
    exchange->reading = reading;
    worker_hold(reading->worker);
    return reading;
}

static void reading_free(struct reading *reading)
{
    struct worker *worker = reading->worker;

    assert(reading->fetch == NULL && reading->flight == NULL && reading->exchange == NULL);
    flight_answer_release(reading->answer);
    arena_finish(&reading->arena);
    settings_release(reading->settings);
    free(reading);
    worker_let_go(worker);
}

static void reading_end_flight(struct reading *reading, bool remember)
{
    if (reading->flight != NULL)
        flight_end(reading->flight, remember);
    reading->flight = NULL;
}

/* The client's part is over: the exchange forgets the reading. Returns it. */
static struct exchange *reading_let_go(struct reading *reading)
{
    struct exchange *exchange = reading->exchange;

    reading->exchange = NULL;
    if (exchange != NULL)
        exchange->reading = NULL;
    return exchange;
}

static void reading_abandon(void *context)
{
    struct reading *reading = context;

    if (reading->fetch == NULL)
        return; /* the store's letter is due, and ends it */
    counter_add(&reading->worker->counters.upstream_calls, fetch_calls(reading->fetch));
    fetch_cancel(reading->fetch);
    reading->fetch = NULL;
    reading_end_flight(reading, false);
    reading_free(reading);
}

static void reading_raise(void *context)
{
    struct reading *reading = context;

    if (reading->fetch != NULL)
        fetch_raise(reading->fetch);
}

void reading_leave(struct reading *reading)
{
    struct exchange *exchange = reading_let_go(reading);

    if (exchange != NULL && reading->fetch != NULL)
        exchange->calls += fetch_calls(reading->fetch); /* what comes after is nobody's */
    if (reading->fetch == NULL)
        return;
    if (reading->collecting && reading->flight != NULL && !flight_leader_left(reading->flight))
        return; /* others wait */
    reading_abandon(reading);
}

void reading_on_drained(struct reading *reading)
{
    if (reading->fetch != NULL)
        fetch_resume(reading->fetch);
}

/* --- to the client that leads --- */

static const char *reading_note(struct reading *reading, bool stored, bool is_revalidated)
{
    return arena_format(&reading->arena, "fwd=%s%s%s",
                        reading->exchange->forwarded == NULL ? "uri-miss"
                                                             : reading->exchange->forwarded,
                        is_revalidated ? "; fwd-status=304" : "", stored ? "; stored" : "")
        .data;
}

static bool reading_may_store(const struct reading *reading)
{
    return reading->stores && reading->freshness.may_store;
}

/* Begins the client's answer, with what was collected so far. */
static void reading_begin_answer(struct reading *reading)
{
    struct exchange *exchange = reading->exchange;

    if (exchange == NULL)
        return;
    exchange->outcome = reading->stores ? OUTCOME_MISS : OUTCOME_BYPASS;
    respond_head(exchange, &reading->response,
                 reading_note(reading, reading_may_store(reading), false));
    connection_answer_body(exchange->connection, buffer_bytes(&reading->answer->spool));
}

static bool reading_holds(const struct reading *reading)
{
    return reading->exchange != NULL && !connection_is_answered(reading->exchange->connection);
}

/*
 * Lets the client's connection go on; touch nothing after it. The last byte of a known length is
 * kept back until the exchange is recorded.
 */
static void reading_settle(struct reading *reading)
{
    struct connection *connection = reading->exchange->connection;

    if (connection_answer_is_complete(connection))
        connection_hold(connection, true);
    connection_settle(connection);
}

/* Gives a part to the client, if its answer has begun. Ends in settling. */
static void reading_relay(struct reading *reading, struct bytes part)
{
    if (reading->exchange == NULL || reading_holds(reading))
        return;
    connection_answer_body(reading->exchange->connection, part);
    if (!reading->collecting && connection_is_full(reading->exchange->connection))
        fetch_pause(reading->fetch);
    reading_settle(reading);
}

/* From collecting to streaming: not to be stored, nor shared. */
static void reading_become_stream(struct reading *reading)
{
    reading->stores = false;
    reading->collecting = false;
    reading_end_flight(reading, reading->response.status < 400);
    fetch_set_streams(reading->fetch);
    if (reading_holds(reading))
        reading_begin_answer(reading);
    buffer_finish(&reading->answer->spool);
}

/* --- what the upstream says --- */

static void reading_on_begun(void *context)
{
    struct reading *reading = context;

    reading->begun_wall_us = clock_wall_us();
    reading->begun = reading->flight != NULL ? flight_sent(reading->flight)
                                             : cache_now(reading->worker->gate->cache);
}

static struct freshness reading_judge(struct reading *reading, const struct response *head)
{
    const struct configuration *configuration = configuration_of(reading);
    const struct freshness_times times = {.request_wall_us = reading->begun_wall_us,
                                          .response_wall_us = clock_wall_us()};
    const struct freshness_fallback fallback = {.ttl_us = configuration->ttl_us,
                                                .negative_ttl_us = configuration->negative_ttl_us};

    reading->job.entry.received_wall_us = times.response_wall_us;
    return freshness_of_response(head, &times, &reading->rule, &fallback, &reading->arena);
}

/* Whether an answer may be gathered for those who wait: one that is endless or said to be private
 * is not. */
static bool reading_is_collectable(const struct reading *reading)
{
    const int64_t length = reading->response.body_bytes;
    struct cache_control control;

    if (length > (int64_t)configuration_of(reading)->cache_max_object_bytes)
        return false;
    if (reading->freshness.may_store)
        return true;
    cache_control_read(&reading->response.fields, &control);
    return !control.is_private && !control.no_store && length >= 0 && length <= READING_HOLD_BYTES;
}

static void reading_on_head(void *context, const struct response *head)
{
    struct reading *reading = context;

    reading->response = (struct response){
        .status = head->status,
        .fields = fields_copy(&reading->answer->arena, &head->fields),
        .body_bytes = head->body_bytes,
    };
    if (reading->stale.serial != 0 && head->status == 304) {
        reading->validated = true;
        return;
    }
    if (reading->stores)
        reading->freshness = reading_judge(reading, head);
    if ((reading->stores || reading->flight != NULL) && reading_is_collectable(reading))
        return;
    reading_become_stream(reading);
    if (reading->exchange == NULL)
        reading_abandon(reading); /* who waited asks for itself now */
    else
        reading_settle(reading);
}

static void reading_on_body(void *context, struct bytes part)
{
    struct reading *reading = context;
    struct buffer *spool = &reading->answer->spool;

    if (reading->validated)
        return;
    if (!reading->collecting) {
        reading_relay(reading, part);
        return;
    }
    buffer_add(spool, part);
    if (spool->failed) {
        reading_become_stream(reading);
        if (reading->exchange == NULL)
            reading_abandon(reading);
        else
            reading_relay(reading, part);
        return;
    }
    if (!reading_holds(reading)) {
        reading_relay(reading, part);
    } else if (spool->length > READING_HOLD_BYTES && !reading->exchange->has_conditions) {
        reading_begin_answer(reading);
        reading_settle(reading);
    }
}

/* --- the end --- */

static void reading_on_stored(struct letter *letter)
{
    struct reading *reading = (struct reading *)letter;

    reading_end_flight(reading, false);
    reading_free(reading);
}

static void entry_note_freshness(struct entry *entry, const struct freshness *freshness)
{
    entry->initial_age_us = freshness->initial_age_us;
    entry->expires_wall_us =
        entry->received_wall_us + freshness->lifetime_us - freshness->initial_age_us;
    if (freshness->must_revalidate)
        entry->flags |= ENTRY_MUST_REVALIDATE;
    if (freshness->no_cache)
        entry->flags |= ENTRY_NO_CACHE;
}

static void reading_post(struct reading *reading, enum cache_job_kind kind,
                         void (*deliver)(struct letter *))
{
    struct cache_job *job = &reading->job;
    struct entry *entry = &job->entry;

    job->letter.deliver = deliver;
    job->mailbox = reading->worker->mailbox;
    job->kind = kind;
    job->account = reading->query.account;
    job->result = RESULT_OK;
    job->begun = reading->begun;
    job->begun_wall_us = reading->begun_wall_us;
    job->key =
        key_of_variant(&reading->arena, &reading->query.url, reading->answer->vary, &reading->sent);
    job->url = reading->query.url;
    job->default_hash =
        key_of_variant(&reading->arena, &reading->query.url, BYTES(""), &reading->sent).hash;
    entry->begun_wall_us = reading->begun_wall_us;
    entry->status = reading->response.status;
    entry->fields = reading->response.fields;
    entry->vary = reading->answer->vary;
    entry_note_freshness(entry, &reading->freshness);
    cache_post(reading->worker->gate->cache, job);
}

/* Tags and relations, for what is to be stored. */
static void reading_note_shown(struct reading *reading, struct bytes body)
{
    struct cache_reader *reader = reading->worker->reader;
    const struct shown_question question = {
        .preset = reading->upstream->upstream.config->preset,
        .relations = cache_reader_relations(reader, reading->query.account),
        .path = reading->plain_path,
        .query = reading->url_query,
        .body = body,
    };
    struct shown shown;

    shown_by_answer(&question, &reading->arena, &shown);
    reading->job.entry.tags = shown.tags;
    reading->job.relations = shown.relations;
    reading->job.relation_count = shown.relation_count;
    counters_add_widened(&reading->worker->counters, shown.widened);
}

/* A streamed answer is whole: what was kept back may go, once it is recorded. */
static void reading_end_answer(struct exchange *exchange)
{
    connection_hold(exchange->connection, false);
    record_and_end(exchange);
}

/* A whole answer was collected: those who wait get it, the cache gets it, the client gets it. */
static void reading_finish_collected(struct reading *reading)
{
    struct flight_answer *answer = reading->answer;
    const struct bytes body = buffer_bytes(&answer->spool);
    /* settings on their way may bring another preset: tags by this one would not be met */
    const bool is_current =
        atomic_load(&reading->worker->gate->generation) == reading->settings->generation;
    const bool stored = reading_may_store(reading) && is_current &&
                        !storable_is_error(reading->upstream->upstream.config->preset,
                                           reading->response.status, body);
    struct fields told;

    if (stored) {
        storable_add_date(&reading->response.fields, &answer->arena,
                          reading->job.entry.received_wall_us);
        if (storable_add_etag(&reading->response, &answer->arena, body))
            reading->job.entry.flags |= ENTRY_OWN_ETAG;
    }
    told = fields_copy(&answer->arena, &reading->response.fields);
    answer->status = reading->response.status;
    answer->fields = told;
    answer->vary = fields_joined(&reading->response.fields, &answer->arena, BYTES("Vary"));
    answer->variant =
        key_of_variant(&reading->arena, &reading->query.url, answer->vary, &reading->sent).hash;
    if (reading->flight != NULL)
        flight_land(reading->flight, answer);
    struct exchange *exchange = reading->exchange;
    const char *note = exchange == NULL ? NULL : reading_note(reading, stored, false);
    const bool held = reading_holds(reading);
    (void)reading_let_go(reading);
    if (exchange != NULL) {
        exchange->outcome = reading->stores ? OUTCOME_MISS : OUTCOME_BYPASS;
        if (held)
            respond_whole(exchange, &(struct representation){.status = answer->status,
                                                             .fields = &told,
                                                             .body = body,
                                                             .age_s = -1,
                                                             .note = note});
        else
            reading_end_answer(exchange);
    }
    if (exchange != NULL)
        connection_settle(exchange->connection); /* before the body is read for its tags */
    if (stored) {
        storable_strip(&reading->response.fields);
        reading->job.entry.body = body;
        reading_note_shown(reading, body);
        reading_post(reading, CACHE_STORE, reading_on_stored);
    } else {
        reading_end_flight(reading, false);
        reading_free(reading);
    }
}

/* The writer has freshened the stored answer, or could not: either way, look again. */
static void reading_on_freshened(struct letter *letter)
{
    struct reading *reading = (struct reading *)letter;
    struct exchange *exchange = reading_let_go(reading);
    const bool fresh = reading->job.result == RESULT_OK;
    struct worker *worker = reading->worker;

    reading_end_flight(reading, false);
    reading_free(reading);
    if (exchange == NULL)
        return;
    cache_reader_reset(worker->reader); /* the commit is newer than any snapshot of this batch */
    exchange->validation = fresh ? VALIDATION_DONE : VALIDATION_FAILED;
    exchange_read(exchange, false);
    connection_settle(exchange->connection);
}

/* A 304: the stored answer is fresh again. */
static void reading_finish_validated(struct reading *reading)
{
    storable_add_date(&reading->response.fields, &reading->arena, clock_wall_us());
    reading->response.status = reading->stale.status;
    reading->response.fields =
        storable_update(&reading->arena, &reading->stale.fields, &reading->response.fields);
    reading->freshness = reading_judge(reading, &reading->response);
    reading->answer->vary = reading->stale.vary;
    storable_strip(&reading->response.fields);
    reading->job.entry.serial = reading->stale.serial;
    reading_post(reading, CACHE_FRESHEN, reading_on_freshened);
}

static void reading_finish_stream(struct reading *reading)
{
    struct exchange *exchange = reading_let_go(reading);

    reading_end_flight(reading, false);
    reading_free(reading);
    if (exchange == NULL)
        return;
    reading_end_answer(exchange);
    connection_settle(exchange->connection);
}

/* No whole answer. Those who wait hear why; a client that has part of one is cut off. */
static void reading_fail(struct reading *reading, const struct fetch_end *end)
{
    struct flight_answer *answer = reading->answer;
    const struct failure failure = failure_of(end);
    const bool held = reading_holds(reading);

    log_debug("a read failed: %s", end->detail);
    counter_add(&reading->worker->counters.upstream_failures, 1);
    answer->status = failure.status;
    answer->problem = failure.detail;
    answer->retry_after_s = failure.retry_after_s;
    answer->refusal = failure.refusal;
    if (reading->flight != NULL && !answer->spool.failed) {
        buffer_reset(&answer->spool);
        flight_land(reading->flight, answer);
    }
    struct exchange *exchange = reading_let_go(reading);
    reading_end_flight(reading, false);
    reading_free(reading);
    if (exchange == NULL)
        return;
    struct connection *connection = exchange->connection;
    exchange->outcome = OUTCOME_NONE;
    if (held)
        failure_respond(exchange, &failure);
    else
        connection_answer_abort(connection); /* the exchange is gone after it */
    connection_settle(connection);
}

static void reading_on_end(void *context, const struct fetch_end *end)
{
    struct reading *reading = context;
    struct counters *counters = &reading->worker->counters;

    reading->fetch = NULL;
    if (reading->exchange != NULL)
        failure_note_call(reading->exchange, end);
    counter_add(&counters->upstream_calls, end->calls);
    counter_add(&counters->upstream_us, (uint64_t)end->elapsed_us);
    counter_add(&counters->scrubbed, end->scrubbed);
    if (end->outcome != FETCH_DONE)
        reading_fail(reading, end);
    else if (reading->validated)
        reading_finish_validated(reading);
    else if (reading->collecting)
        reading_finish_collected(reading);
    else
        reading_finish_stream(reading);
}

static const struct fetch_handler reading_handler = {
    .on_begun = reading_on_begun,
    .on_head = reading_on_head,
    .on_body = reading_on_body,
    .on_end = reading_on_end,
};

/* --- the beginning --- */

/* The stored validators go up instead of the client's (rule 7: those are judged on the whole). */
static void reading_add_validators(struct reading *reading, struct fields *fields,
                                   const struct entry *stale)
{
    const struct field *etag = fields_find(&stale->fields, BYTES("ETag"));
    const struct field *modified = fields_find(&stale->fields, BYTES("Last-Modified"));

    reading->stale = (struct entry){
        .serial = stale->serial,
        .status = stale->status,
        .fields = fields_copy(&reading->arena, &stale->fields),
        .vary = arena_copy(&reading->arena, stale->vary),
    };
    if (etag != NULL && (stale->flags & ENTRY_OWN_ETAG) == 0)
        fields_add(fields, &reading->arena, BYTES("If-None-Match"),
                   arena_copy(&reading->arena, etag->value));
    if (modified != NULL)
        fields_add(fields, &reading->arena, BYTES("If-Modified-Since"),
                   arena_copy(&reading->arena, modified->value));
}

void reading_start(struct exchange *exchange, const struct reading_options *options)
{
    struct reading *reading = reading_create(exchange);
    struct fields fields = fields_copy(&reading->arena, &exchange->sent);
    const struct flight_hooks hooks = {.mailbox = reading->worker->mailbox,
                                       .on_abandoned = reading_abandon,
                                       .on_raised = reading_raise,
                                       .context = reading};

    reading->flight = options->flight;
    if (reading->flight != NULL)
        flight_set_hooks(reading->flight, &hooks);
    reading->stores = options->stores;
    if (options->stale != NULL)
        reading_add_validators(reading, &fields, options->stale);
    const struct fetch_request request = {
        .caller = exchange_caller(exchange),
        .method = exchange->request->method_text,
        .safe = true,
        .head = exchange->request->method == METHOD_HEAD,
        .url = exchange->target.url,
        .fields = &fields,
        .streams = !options->stores && options->flight == NULL,
    };
    reading->fetch = fetch_start(reading->worker->fetcher, &reading->upstream->upstream, &request,
                                 &reading_handler, reading);
}
