/*
 * The steps of a write, each begun by the letter or the callback that ends the one before:
 *
 *   gather     the body, where what the write changes stands in it
 *   guard      the cache's intent and the audit trail's are on disk (rule 2), or the write is
 * refused send       the body streams up; a small answer is held whole, a long one stops after its
 * first part invalidate by the answer's status, or by there being none (rules 3, 8): the writer
 * thread commits and publishes answer     only now; a long answer is invalidated for again before
 * its last part
 */
#include "gateway/writing.h"

#include <assert.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdlib.h>

#include "base/breakage.h"
#include "base/clock.h"
#include "base/memory.h"
#include "gateway/effects.h"
#include "gateway/failure.h"
#include "gateway/record.h"
#include "gateway/respond.h"
#include "gateway/tally.h"

enum {
    WRITING_ARENA_BYTES = 2048,
    WRITING_UPLOAD_HIGH_BYTES =
        256 * 1024, /* more than this waits for the upstream: the client is not read */
    WRITING_UPLOAD_LOW_BYTES = 64 * 1024,
    WRITING_UPLOAD_LIMIT_BYTES = 1024 * 1024,   /* high, and one more piece of input */
    WRITING_HOLD_BYTES = 64 * 1024,             /* a longer answer is streamed */
    WRITING_HELD_LIMIT_BYTES = 8 * 1024 * 1024, /* that, and parts that came with it */
};

enum writing_step {
    WRITING_GATHERING,
    WRITING_GUARDING,
    WRITING_SENDING,
    WRITING_OPENING,   /* a long answer: invalidated for before its head */
    WRITING_STREAMING, /* a long answer goes through */
    WRITING_CLOSING,   /* the last invalidation, or the clearing, is under way */
};

struct writing {
    struct cache_job job; /* first: the writer's letter gets this struct's address */
    struct audit_flush flush;
    struct worker *worker;
    struct settings *settings; /* one reference */
    struct settings_upstream *upstream;
    struct account *account;
    struct exchange *exchange; /* NULL: the client has gone */
    struct deferred *detached; /* its record then */
    struct fetch *fetch;       /* NULL: not begun, or over */
    struct arena arena;
    enum writing_step step;
    unsigned guards_due;
    bool guards_failed, intent_kept;
    int64_t settle_us; /* the rule's; -1: none */
    struct effects effects;

    struct buffer upload;
    bool upload_ended, upload_broken;
    EVP_MAC_CTX *mac; /* of the body; NULL: not wanted */
    uint8_t body_hmac[32];

    struct response response; /* in the arena */
    bool has_response, ended;
    struct buffer held; /* of the answer's body */
    struct fetch_end end;
};

static struct writing *writing_of_flush(struct letter *letter)
{
    return (struct writing *)((char *)letter - offsetof(struct writing, flush));
}

/* --- life --- */

static void writing_begin_mac(struct writing *writing)
{
    const struct gate *gate = writing->worker->gate;

    if (gate->audit == NULL || !writing->settings->configuration->audit_hash_bodies)
        return;
    const struct bytes key = audit_key(gate->audit);
    const OSSL_PARAM parameters[] = {
        OSSL_PARAM_construct_utf8_string("digest", (char *)"SHA256", 0),
        OSSL_PARAM_construct_end()};
    EVP_MAC *hmac = EVP_MAC_fetch(NULL, "HMAC", NULL);
    writing->mac = hmac == NULL ? NULL : EVP_MAC_CTX_new(hmac);
    EVP_MAC_free(hmac);
    if (writing->mac == NULL ||
        EVP_MAC_init(writing->mac, (const unsigned char *)key.data, key.length, parameters) != 1)
        memory_exhausted(); /* OpenSSL fails here for nothing else */
}

static struct writing *writing_create(struct exchange *exchange)
{
    struct writing *writing = memory_take(1, sizeof(*writing));

    writing->worker = exchange->worker;
    writing->settings = settings_acquire(exchange->settings);
    writing->upstream = exchange->upstream;
    writing->account = exchange->account;
    writing->exchange = exchange;
    writing->settle_us = exchange->rule.settle_us;
    writing->upload_ended = exchange->request->body_bytes == 0;
    arena_init(&writing->arena, WRITING_ARENA_BYTES);
    buffer_init(&writing->upload, WRITING_UPLOAD_LIMIT_BYTES);
    buffer_init(&writing->held, WRITING_HELD_LIMIT_BYTES);
    if (!writing->upload_ended)
        writing_begin_mac(writing);
    writing->step = WRITING_GATHERING;
    exchange->writing = writing;
    worker_hold(writing->worker);
    return writing;
}

static void writing_free(struct writing *writing)
{
    struct worker *worker = writing->worker;

    assert(writing->fetch == NULL && writing->exchange == NULL);
    EVP_MAC_CTX_free(writing->mac);
    buffer_finish(&writing->upload);
    buffer_finish(&writing->held);
    arena_finish(&writing->arena);
    settings_release(writing->settings);
    free(writing);
    worker_let_go(worker);
}

static struct exchange *writing_let_go(struct writing *writing)
{
    struct exchange *exchange = writing->exchange;

    writing->exchange = NULL;
    if (exchange != NULL) {
        exchange->writing = NULL;
        if (exchange->body_hmac != NULL)
            exchange->body_hmac = memcpy(arena_take(exchange->arena, sizeof(writing->body_hmac)),
                                         writing->body_hmac, sizeof(writing->body_hmac));
    }
    return exchange;
}

/* --- the request's body --- */

/* What is gathered is enough: the write is announced. `body`: all of it, or data NULL. */
static void writing_announce(struct writing *writing, struct bytes body);

static size_t writing_on_upload(void *context, char *room, size_t size)
{
    struct writing *writing = context;
    const size_t length = writing->upload.length < size ? writing->upload.length : size;

    if (length == 0) {
        if (writing->upload_broken)
            return FETCH_UPLOAD_ABORT;
        return writing->upload_ended ? 0 : FETCH_UPLOAD_PAUSE;
    }
    memcpy(room, writing->upload.data, length);
    buffer_consume(&writing->upload, length);
    if (writing->exchange != NULL && !writing->upload_ended &&
        writing->upload.length < WRITING_UPLOAD_LOW_BYTES) {
        connection_read_body(writing->exchange->connection);
        connection_settle(writing->exchange->connection);
    }
    return length;
}

void writing_on_body(struct writing *writing, struct bytes part)
{
    buffer_add(&writing->upload, part);
    assert(!writing->upload.failed); /* reading stops at WRITING_UPLOAD_HIGH_BYTES, and a piece is
                                        smaller than the rest */
    if (writing->mac != NULL)
        (void)EVP_MAC_update(writing->mac, (const unsigned char *)part.data,
                             part.length); /* begun: cannot fail */
    if (writing->upload.length > WRITING_UPLOAD_HIGH_BYTES)
        connection_pause_body(writing->exchange->connection);
    if (writing->step == WRITING_GATHERING && writing->upload.length > CHANGED_BODY_LIMIT_BYTES)
        writing_announce(writing, (struct bytes){0});
    else if (writing->fetch != NULL)
        fetch_resume_upload(writing->fetch);
}

void writing_on_body_end(struct writing *writing)
{
    size_t length = 0;

    writing->upload_ended = true;
    if (writing->mac != NULL) {
        (void)EVP_MAC_final(writing->mac, writing->body_hmac, &length,
                            sizeof(writing->body_hmac)); /* begun */
        writing->exchange->body_hmac = writing->body_hmac;
    }
    if (writing->step == WRITING_GATHERING)
        writing_announce(writing,
                         writing->upload.length == 0 ? BYTES("") : buffer_bytes(&writing->upload));
    else if (writing->fetch != NULL)
        fetch_resume_upload(writing->fetch);
}

/* --- the end --- */

/* The answer, or why there is none, to a client that is still there. */
static void writing_answer(const struct writing *writing, struct exchange *exchange)
{
    const bool is_whole = writing->end.outcome == FETCH_DONE && !writing->guards_failed;

    failure_note_call(exchange, &writing->end);
    if (writing->guards_failed) {
        respond_problem(exchange, 503, "the write can't be put on record now, so it was not sent",
                        1);
    } else if (is_whole && connection_is_answered(exchange->connection)) {
        connection_answer_body(exchange->connection, buffer_bytes(&writing->held));
        record_and_end(exchange);
    } else if (is_whole) {
        respond_whole(exchange, &(struct representation){.status = writing->response.status,
                                                         .fields = &writing->response.fields,
                                                         .body = buffer_bytes(&writing->held),
                                                         .age_s = -1,
                                                         .note = "fwd=method"});
    } else if (connection_is_answered(exchange->connection)) {
        connection_answer_abort(exchange->connection);
    } else {
        const struct failure failure = failure_of(&writing->end);

        failure_respond(exchange, &failure);
    }
}

/* Answers the client, which has no more part in it. Its connection may go on after it, NULL: there
 * is none. */
static struct connection *writing_part(struct writing *writing)
{
    struct exchange *exchange = writing_let_go(writing);
    struct connection *connection = exchange == NULL ? NULL : exchange->connection;

    if (exchange != NULL)
        writing_answer(writing, exchange); /* the exchange may be gone after it */
    return connection;
}

static void writing_finish(struct writing *writing)
{
    struct connection *connection = writing_part(writing);

    if (writing->detached != NULL)
        record_detached(writing->worker, writing->detached, writing->response.status,
                        &writing->end);
    writing_free(writing);
    if (connection != NULL)
        connection_settle(connection);
}

static void writing_on_closed(struct letter *letter)
{
    struct writing *writing = (struct writing *)letter;

    if (writing->job.kind == CACHE_INVALIDATE)
        tally_add(writing->worker->gate->tally, writing->job.cause.rule, writing->job.gone);
    writing_finish(writing);
}

/* --- invalidating --- */

/* Rule 3: the only outcomes of which it is sure that they had no effect. */
static bool write_had_no_effect(const struct writing *writing)
{
    static const unsigned refusals[] = {401, 403, 413, 415, 429};

    if (!writing->end.sent && writing->ended)
        return true;
    for (size_t i = 0; i < ARRAY_LENGTH(refusals); i++)
        if (writing->has_response && writing->response.status == refusals[i])
            return writing->end.outcome == FETCH_DONE || !writing->ended;
    return false;
}

/*
 * Rules 8 and 9: how long what it changed may still be changing. 502 and 504 say that nobody knows;
 * so does the 503 of a load balancer; 202 says that it goes on, and so may a rule, with its
 * `settle`. Before it is sent: how long that is if the gate ends before the write does (rule 10).
 */
static int64_t write_quarantine_us(const struct writing *writing)
{
    const int64_t total_us = writing->upstream->upstream.config->total_timeout_us;
    const int64_t settle_us = writing->effects.changed.settle_us > writing->settle_us
                                  ? writing->effects.changed.settle_us
                                  : writing->settle_us;
    const unsigned status = writing->response.status;
    int64_t quarantine_us = 0;

    if (writing->step == WRITING_GUARDING ||
        (writing->ended && writing->end.outcome != FETCH_DONE) || status == 202 || status == 502 ||
        status == 503 || status == 504)
        quarantine_us = total_us;
    if (settle_us > quarantine_us && !write_had_no_effect(writing))
        quarantine_us = settle_us;
    if (is_broken("8"))
        return 0;
    return quarantine_us;
}

/*
 * Whether the write's account is not all that it may have changed: it is not known, another
 * upstream leads to the same origin, or a reload came since the write began, or is just going on:
 * then reads may use another token's account.
 */
static bool write_names_every_account(const struct writing *writing)
{
    const struct gate *gate = writing->worker->gate;

    return writing->account == NULL || writing->upstream->shares_origin ||
           atomic_load(&gate->unswitched) > 0 ||
           atomic_load(&gate->generation) != writing->settings->generation;
}

static void writing_note_answer(struct writing *writing)
{
    effects_add_answer(&writing->effects, writing->worker,
                       writing->has_response ? &writing->response.fields : NULL);
}

static void writing_post(struct writing *writing, enum cache_job_kind kind,
                         void (*deliver)(struct letter *))
{
    struct cache_job *job = &writing->job;

    job->letter.deliver = deliver;
    job->mailbox = writing->worker->mailbox;
    job->kind = kind;
    /* an intent that is found at a start names every account: another token may be there by then */
    job->account =
        kind == CACHE_INTENT || write_names_every_account(writing) ? NULL : writing->account;
    job->result = RESULT_OK;
    effects_fill_job(&writing->effects, job);
    if (job->account == NULL)
        job->tags = (struct tags){0};
    job->quarantine_us = write_quarantine_us(writing);
    job->keeps_intent = writing->step == WRITING_OPENING;
    cache_post(writing->worker->gate->cache, job);
}

static void writing_close(struct writing *writing)
{
    const bool had_no_effect = write_had_no_effect(writing);

    writing->step = WRITING_CLOSING;
    if (!had_no_effect)
        writing_note_answer(writing);
    if (is_broken("3"))
        connection_settle(writing_part(writing));
    writing_post(writing, had_no_effect ? CACHE_CLEAR : CACHE_INVALIDATE, writing_on_closed);
}

/* A long answer may begin: what it follows from is invalidated. */
static void writing_on_opened(struct letter *letter)
{
    struct writing *writing = (struct writing *)letter;
    struct exchange *exchange = writing->exchange;

    writing->step = WRITING_STREAMING;
    if (exchange != NULL)
        respond_head(exchange, &writing->response, "fwd=method");
    if (writing->ended) {
        writing_close(writing);
        return;
    }
    if (exchange != NULL)
        connection_settle(exchange->connection); /* the exchange may be gone after it */
    fetch_resume(writing->fetch);
}

static void writing_open(struct writing *writing)
{
    writing->step = WRITING_OPENING;
    fetch_pause(writing->fetch);
    writing_note_answer(writing);
    writing_post(writing, CACHE_INVALIDATE, writing_on_opened);
}

/* --- what the upstream says --- */

static void writing_on_head(void *context, const struct response *head)
{
    struct writing *writing = context;

    writing->response = (struct response){.status = head->status,
                                          .fields = fields_copy(&writing->arena, &head->fields),
                                          .body_bytes = head->body_bytes};
    writing->has_response = true;
}

/* Always one part behind: the last one waits for the last invalidation. */
static void writing_relay(struct writing *writing, struct bytes part)
{
    struct exchange *exchange = writing->exchange;

    if (exchange != NULL) {
        connection_answer_body(exchange->connection, buffer_bytes(&writing->held));
        if (connection_is_full(exchange->connection))
            fetch_pause(writing->fetch);
    }
    buffer_reset(&writing->held);
    buffer_add(&writing->held, part);
    if (exchange != NULL)
        connection_settle(exchange->connection);
}

static void writing_on_answer_body(void *context, struct bytes part)
{
    struct writing *writing = context;

    if (writing->step == WRITING_STREAMING) {
        writing_relay(writing, part);
        return;
    }
    buffer_add(&writing->held, part);
    assert(!writing->held.failed); /* paused beyond WRITING_HOLD_BYTES */
    if (writing->step == WRITING_SENDING && writing->held.length > WRITING_HOLD_BYTES)
        writing_open(writing);
}

static void writing_on_end(void *context, const struct fetch_end *end)
{
    struct writing *writing = context;
    struct counters *counters = &writing->worker->counters;

    writing->fetch = NULL;
    writing->ended = true;
    writing->end = *end;
    counter_add(&counters->upstream_calls, end->calls);
    counter_add(&counters->upstream_us, (uint64_t)end->elapsed_us);
    counter_add(&counters->scrubbed, end->scrubbed);
    if (end->outcome != FETCH_DONE) {
        counter_add(&counters->upstream_failures, 1);
        log_debug("a write failed: %s", end->detail);
    }
    if (writing->step != WRITING_OPENING) /* else its letter goes on */
        writing_close(writing);
}

static const struct fetch_handler writing_handler = {
    .on_head = writing_on_head,
    .on_body = writing_on_answer_body,
    .on_upload = writing_on_upload,
    .on_end = writing_on_end,
};

/* --- the beginning --- */

static void writing_send(struct writing *writing)
{
    struct exchange *exchange = writing->exchange;
    const struct fetch_request request = {
        .caller = exchange_caller(exchange),
        .method = exchange->request->method_text,
        .url = exchange->target.url,
        .fields = &exchange->sent,
        .body_bytes = exchange->request->body_bytes,
        .streams = true,
    };

    writing->step = WRITING_SENDING;
    writing->fetch = fetch_start(writing->worker->fetcher, &writing->upstream->upstream, &request,
                                 &writing_handler, writing);
    if (writing->upload_ended)
        return;
    connection_read_body(exchange->connection);
    connection_settle(exchange->connection);
}

/* One of the two guards has come. */
static void writing_guard(struct writing *writing, enum result result)
{
    assert(writing->guards_due > 0);
    writing->guards_failed |= result != RESULT_OK;
    if (--writing->guards_due > 0)
        return;
    if (!writing->guards_failed && writing->exchange != NULL) {
        writing_send(writing);
        return;
    }
    writing->ended = true; /* never sent */
    if (writing->intent_kept)
        writing_close(writing);
    else
        writing_finish(writing);
}

static void writing_on_intent(struct letter *letter)
{
    struct writing *writing = (struct writing *)letter;

    writing->intent_kept = writing->job.result == RESULT_OK;
    writing_guard(writing, writing->job.result);
}

static void writing_on_flushed(struct letter *letter)
{
    struct writing *writing = writing_of_flush(letter);

    writing_guard(writing, writing->flush.result);
}

static void writing_announce(struct writing *writing, struct bytes body)
{
    struct exchange *exchange = writing->exchange;
    struct audit_ring *ring = writing->worker->ring;

    effects_begin(&writing->effects, exchange, body, &writing->arena);
    writing->step = WRITING_GUARDING;
    writing->guards_due = ring == NULL ? 1 : 2;
#ifdef POSTERN_BREAKABLE
    if (is_broken("12"))
        cache_reader_freeze(writing->worker->reader);
#endif
    if (is_broken("2"))
        writing_guard(writing, RESULT_OK);
    else
        writing_post(writing, CACHE_INTENT, writing_on_intent);
    if (ring == NULL)
        return;
    if (record_intent(exchange) != RESULT_OK) {
        writing_guard(writing, RESULT_LIMIT);
        return;
    }
    writing->flush.letter.deliver = writing_on_flushed;
    writing->flush.mailbox = writing->worker->mailbox;
    audit_flush(ring, &writing->flush);
}

void writing_start(struct exchange *exchange)
{
    struct writing *writing = writing_create(exchange);

    exchange->outcome = OUTCOME_WRITE;
    exchange->forwarded = "method";
    if (effects_ask_body(exchange))
        connection_read_body(exchange->connection);
    else
        writing_announce(writing, writing->upload_ended ? BYTES("") : (struct bytes){0});
}

void writing_on_drained(struct writing *writing)
{
    if (writing->fetch != NULL && writing->step == WRITING_STREAMING)
        fetch_resume(writing->fetch);
}

void writing_leave(struct writing *writing)
{
    struct exchange *exchange = writing_let_go(writing);

    if (!exchange->recorded)
        writing->detached = record_detach(exchange);
    writing->upload_broken = !writing->upload_ended;
    if (writing->step == WRITING_GATHERING) {
        writing->ended = true; /* never announced */
        writing_finish(writing);
        return;
    }
    if (writing->fetch == NULL)
        return;
    if (fetch_is_waiting(writing->fetch)) { /* it leaves the queue */
        fetch_cancel(writing->fetch);
        writing->fetch = NULL;
        writing->ended = true;
        writing->end = (struct fetch_end){.outcome = FETCH_REFUSED};
        writing_close(writing);
        return;
    }
    fetch_resume_upload(writing->fetch);
    if (writing->step == WRITING_STREAMING)
        fetch_resume(writing->fetch);
}
