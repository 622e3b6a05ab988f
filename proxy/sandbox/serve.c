/*
 * One call of the API over a connection: count, limit, fault, body, latency, the call itself,
 * latency, answer. What the call means is endpoint.c's and its handlers'; what is wrong on purpose
 * is knobs.c's.
 */
#include <assert.h>
#include <event2/event.h>
#include <event2/event_struct.h>

#include "base/clock.h"
#include "base/memory.h"
#include "sandbox/sandbox_state.h"

enum {
    PIECE_BYTES = 64 * 1024,
    HOLD_US = 600 * 1000 * 1000, /* whoever waits longer for what never comes is let go */
    TRUNCATED_SHARE = 2,         /* half of the body comes */
};

static const int64_t no_pause_us = 0;

/* One call; in the arena of its connection. */
struct exchange {
    struct sandbox *sandbox;
    struct connection *connection;
    struct call call;
    struct reply reply;
    const char *message;       /* of the error that the path already is; NULL: none */
    struct model *account;     /* whose token it came with; the first's, where it needs none */
    bool is_unauthorized;      /* it came with nobody's */
    const struct fault *fault; /* a copy in the arena; NULL: none */
    struct buffer body;
    struct event timer; /* runs `next` */
    void (*next)(struct exchange *exchange);
    uint64_t given, total; /* bytes of a body that is given piecewise */
};

/* libevent: a pause is over. */
static void exchange_on_timer(evutil_socket_t fd, short what, void *context)
{
    struct exchange *exchange = context;
    struct connection *connection = exchange->connection;

    (void)fd;
    (void)what;
    exchange->next(exchange); /* may end the exchange */
    connection_settle(connection);
}

/* Goes on with `next` in a later turn of the loop, after a pause. */
static void exchange_later(struct exchange *exchange, int64_t pause_us,
                           void (*next)(struct exchange *))
{
    const struct timeval pause = {.tv_sec = pause_us / CLOCK_SECOND_US,
                                  .tv_usec = pause_us % CLOCK_SECOND_US};

    exchange->next = next;
    (void)event_add(&exchange->timer, &pause); /* memory is the only thing it could lack */
}

/* Goes on with `next` after a pause, or now. */
static void exchange_pause(struct exchange *exchange, int64_t pause_us,
                           void (*next)(struct exchange *))
{
    if (pause_us == 0)
        next(exchange);
    else
        exchange_later(exchange, pause_us, next);
}

static void exchange_abort(struct exchange *exchange)
{
    connection_answer_abort(exchange->connection);
}

/* Bytes of the answer's body from `at`, at most `limit`, of the reply or the noise. */
static struct bytes exchange_piece(const struct exchange *exchange, uint64_t at, size_t limit)
{
    const struct reply *reply = &exchange->reply;

    if (limit > exchange->total - at)
        limit = (size_t)(exchange->total - at);
    if (!reply->streams_content)
        return bytes_slice(reply->body, (size_t)at, limit);
    const size_t start = (size_t)((at + reply->content_seed * 7919) % SANDBOX_NOISE_BYTES);
    const size_t left = SANDBOX_NOISE_BYTES - start;
    return bytes_of(exchange->sandbox->noise + start, limit < left ? limit : left);
}

/* Only the noise can be borrowed: a reply's body goes with the exchange, before the socket has it.
 */
static void exchange_give(struct exchange *exchange, struct bytes piece)
{
    if (exchange->reply.streams_content)
        connection_answer_body_borrowed(exchange->connection, piece);
    else
        connection_answer_body(exchange->connection, piece);
    exchange->given += piece.length;
}

static bool fault_is(const struct exchange *exchange, enum fault_kind kind)
{
    return exchange->fault != NULL && exchange->fault->kind == kind;
}

/* Gives as much as the connection takes, then waits for it to drain. */
static void exchange_pump(struct exchange *exchange)
{
    const bool is_cut = fault_is(exchange, FAULT_TRUNCATE);
    const uint64_t end = is_cut ? exchange->total / TRUNCATED_SHARE : exchange->total;

    while (exchange->given < end && !connection_is_full(exchange->connection)) {
        const uint64_t left = end - exchange->given;
        const struct bytes piece = exchange_piece(exchange, exchange->given,
                                                  left < PIECE_BYTES ? (size_t)left : PIECE_BYTES);

        exchange_give(exchange, piece);
    }
    if (exchange->given < end)
        return;
    if (is_cut)
        exchange_abort(exchange);
    else
        connection_answer_end(exchange->connection);
}

/* A few bytes, a pause, and so on. */
static void exchange_trickle(struct exchange *exchange)
{
    const struct fault *fault = exchange->fault;
    const struct bytes piece = exchange_piece(exchange, exchange->given, fault->step_bytes);

    exchange_give(exchange, piece);
    if (exchange->given < exchange->total)
        exchange_later(exchange, fault->step_us, exchange_trickle);
    else
        connection_answer_end(exchange->connection);
}

static void exchange_answer(struct exchange *exchange)
{
    const struct reply *reply = &exchange->reply;
    struct connection *connection = exchange->connection;

    exchange->total =
        reply->streams_content ? exchange->sandbox->knobs.numbers.file_bytes : reply->body.length;
    if (fault_is(exchange, FAULT_TRUNCATE) && exchange->total < TRUNCATED_SHARE) {
        exchange_abort(exchange);
        return;
    }
    if (!reply->streams_content && exchange->fault == NULL) {
        connection_answer_whole(connection, reply->status, &reply->fields, reply->body);
        return;
    }
    connection_answer(connection, reply->status, &reply->fields, (int64_t)exchange->total);
    if (exchange->call.request->method == METHOD_HEAD)
        connection_answer_end(connection);
    else if (fault_is(exchange, FAULT_SLOW))
        exchange_trickle(exchange);
    else
        exchange_pump(exchange);
}

/* Whether the fault leaves nothing of the answer; it is carried out then. */
static bool exchange_fails(struct exchange *exchange)
{
    const struct fault *fault = exchange->fault;
    struct reply *reply = &exchange->reply;

    if (fault_is(exchange, FAULT_CLOSE)) {
        exchange_abort(exchange);
        return true;
    }
    if (fault_is(exchange, FAULT_HOLD)) {
        exchange_later(exchange, HOLD_US, exchange_abort);
        return true;
    }
    if (!fault_is(exchange, FAULT_STATUS))
        return false;
    reply_init(reply, connection_arena(exchange->connection));
    reply->status = fault->status;
    reply->body = bytes_of_string(fault->body);
    reply_field(reply, BYTES("Content-Type"), bytes_of_string(fault->content_type));
    connection_answer_whole(exchange->connection, reply->status, &reply->fields, reply->body);
    return true;
}

/* By chance up to `jitter_us` more than `least_us`. */
static int64_t latency_us(struct sandbox *sandbox, int64_t least_us, int64_t jitter_us)
{
    if (jitter_us == 0)
        return least_us;
    return least_us +
           (int64_t)(model_random(sandbox->accounts.list[0]) % ((uint64_t)jitter_us + 1));
}

static void exchange_end(struct exchange *exchange)
{
    if (!exchange_fails(exchange))
        exchange_answer(exchange);
}

/* v1 to v3 know one status for errors; bearers are refused as RFC 6750 says. */
static void exchange_refuse_token(struct exchange *exchange)
{
    reply_error(&exchange->reply, "Invalid access token");
    if (!call_has_bearer(&exchange->call))
        return;
    exchange->reply.status = 401;
    reply_field(&exchange->reply, BYTES("WWW-Authenticate"),
                BYTES("Bearer error=\"invalid_token\""));
}

/* Carries the call out. */
static void exchange_apply(struct exchange *exchange)
{
    struct sandbox *sandbox = exchange->sandbox;
    const struct sandbox_knobs *numbers = &sandbox->knobs.numbers;
    struct call *call = &exchange->call;

    model_set_time(exchange->account, clock_now_us(), clock_wall_us());
    if (exchange->is_unauthorized) {
        exchange_refuse_token(exchange);
    } else if (exchange->message != NULL) {
        reply_error(&exchange->reply, exchange->message);
    } else if (exchange->body.failed) {
        reply_error(&exchange->reply, "Invalid data provided");
    } else {
        call_read_body(call, buffer_bytes(&exchange->body));
        call->endpoint->handle(exchange->account, call, &exchange->reply);
        call_finish(call);
    }
    exchange_pause(exchange,
                   latency_us(sandbox, numbers->latency_after_us, numbers->jitter_after_us),
                   exchange_end);
}

/* More calls than the limit came in this second. */
static bool sandbox_is_over_limit(struct sandbox *sandbox, int64_t now_us)
{
    const int64_t second = now_us / CLOCK_SECOND_US;

    if (sandbox->knobs.numbers.per_second == 0)
        return false;
    if (second != sandbox->limit_second) {
        sandbox->limit_second = second;
        sandbox->limit_count = 0;
    }
    return ++sandbox->limit_count > sandbox->knobs.numbers.per_second;
}

static void exchange_refuse_over_limit(struct exchange *exchange)
{
    struct reply *reply = &exchange->reply;
    struct bytes body = BYTES("<html><head><title>Loadbalancer Error</title></head><body><h1>"
                              "Loadbalancer Error</h1><p>There are too many requests at the "
                              "moment. Please try again later.</p></body></html>\n");

    exchange->sandbox->calls.limited++;
    if (exchange->sandbox->knobs.numbers.limits_with_page) {
        reply->status = 503;
        reply_field(reply, BYTES("Content-Type"), BYTES("text/html"));
    } else {
        reply_error(reply, "Too many requests");
        reply->status = 429;
        body = reply->body;
        reply_field(reply, BYTES("Retry-After"), BYTES("1"));
    }
    connection_answer_whole(exchange->connection, reply->status, &reply->fields, body);
}

/* A copy that lives as long as the exchange: knobs may turn meanwhile. */
static const struct fault *exchange_take_fault(struct exchange *exchange)
{
    struct arena *arena = connection_arena(exchange->connection);
    const struct call *call = &exchange->call;
    const struct fault *fault = knobs_take_fault(
        &exchange->sandbox->knobs, call->request->method_text, arena_copy(arena, call->path).data);

    if (fault == NULL)
        return NULL;
    struct fault *copy = arena_take(arena, sizeof(*copy));
    *copy = *fault;
    copy->path = copy->method = NULL;
    copy->body =
        memcpy(arena_take(arena, strlen(fault->body) + 1), fault->body, strlen(fault->body) + 1);
    copy->content_type = memcpy(arena_take(arena, strlen(fault->content_type) + 1),
                                fault->content_type, strlen(fault->content_type) + 1);
    exchange->sandbox->calls.faulted++;
    return copy;
}

static struct exchange *exchange_begin(struct connection *connection, struct sandbox *sandbox)
{
    struct arena *arena = connection_arena(connection);
    struct exchange *exchange = arena_take_zeroed(arena, sizeof(*exchange));
    const struct request *request = connection_request(connection);

    exchange->sandbox = sandbox;
    exchange->connection = connection;
    buffer_init(&exchange->body, SANDBOX_BODY_LIMIT_BYTES);
    reply_init(&exchange->reply, arena);
    (void)event_assign(&exchange->timer, sandbox->base, -1, 0, exchange_on_timer,
                       exchange); /* fails on wrong arguments only */
    connection_set_exchange(connection, exchange);
    if (call_read(&exchange->call, request, arena) == RESULT_OK)
        exchange->message = endpoint_find(&exchange->call);
    else
        exchange->message = "Invalid method";
    exchange->call.accounts = &sandbox->accounts;
    return exchange;
}

/* Whose call it is. */
static void exchange_identify(struct exchange *exchange)
{
    struct accounts *accounts = &exchange->sandbox->accounts;
    const struct call *call = &exchange->call;
    const struct bytes text = call_token(call);
    const struct api_token *token = accounts_token(accounts, text);

    exchange->account = token == NULL ? NULL : token->account;
    if (exchange->account == NULL && call_has_bearer(call))
        exchange->account = accounts_of_bearer(accounts, text, clock_wall_us());
    exchange->is_unauthorized =
        exchange->account == NULL &&
        (exchange->message != NULL || call->endpoint->kind != ENDPOINT_OPEN);
    exchange->sandbox->calls.unauthorized += exchange->is_unauthorized;
    if (exchange->account == NULL)
        exchange->account = accounts->list[0];
}

/* Connection: a head is whole. */
static void serve_on_request(struct connection *connection, void *server)
{
    struct sandbox *sandbox = server;
    struct exchange *exchange = exchange_begin(connection, sandbox);
    const struct request *request = connection_request(connection);

    calls_count(&sandbox->calls, request->method,
                exchange->message == NULL ? exchange->call.endpoint : NULL);
    calls_keep_head(&sandbox->calls, request);
    if (sandbox_is_over_limit(sandbox, connection_now_us(connection))) {
        exchange_refuse_over_limit(exchange);
        return;
    }
    exchange->fault = exchange_take_fault(exchange);
    if (exchange->fault != NULL && !exchange->fault->is_applied && exchange_fails(exchange))
        return;
    exchange_identify(exchange);
    connection_read_body(connection);
}

static void serve_on_body(struct connection *connection, struct bytes part)
{
    struct exchange *exchange = connection_exchange(connection);
    const bool is_upload = !exchange->is_unauthorized && exchange->message == NULL &&
                           exchange->call.endpoint->kind == ENDPOINT_UPLOAD;

    exchange->sandbox->calls.body_bytes += part.length;
    if (!is_upload)
        buffer_add(&exchange->body, part);
}

static void serve_on_body_end(struct connection *connection)
{
    struct exchange *exchange = connection_exchange(connection);
    struct sandbox *sandbox = exchange->sandbox;
    const struct sandbox_knobs *numbers = &sandbox->knobs.numbers;

    exchange_pause(exchange, latency_us(sandbox, numbers->latency_us, numbers->jitter_us),
                   exchange_apply);
}

/* In a turn of the loop of its own, or one fast reader of a large file would keep all others
 * waiting. */
static void serve_on_drained(struct connection *connection)
{
    struct exchange *exchange = connection_exchange(connection);

    if (!fault_is(exchange, FAULT_SLOW))
        exchange_later(exchange, no_pause_us, exchange_pump);
}

static void serve_on_finished(struct connection *connection, bool complete)
{
    struct exchange *exchange = connection_exchange(connection);

    (void)complete;
    (void)event_del(&exchange->timer); /* fine where it does not run */
    buffer_finish(&exchange->body);
}

const struct connection_handler sandbox_api_handler = {
    .on_request = serve_on_request,
    .on_body = serve_on_body,
    .on_body_end = serve_on_body_end,
    .on_drained = serve_on_drained,
    .on_finished = serve_on_finished,
};
