/*
 * The life of one client's connection: which bytes it reads, when the handler hears of them, and
 * when it closes. connection_settle is the only place that waits, hands on or frees; everything
 * else marks a state and returns. Listeners and clocks are connections.c's, answers answer.c's.
 */
#include "http/connection.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/memory.h"
#include "http/connection_state.h"

/* The exchange is over: the handler lets go, its memory goes. */
static void connection_finish_exchange(struct connection *connection, bool complete)
{
    assert(connection->state == CONNECTION_SERVING);
    connection->owner->handler->on_finished(connection, complete);
    connection->exchange = NULL;
    connection->held = false;
    connection->request = (struct request){0};
    arena_reset(&connection->arena);
}

/* The peer is gone or can't be understood any more: nothing is sent after this. */
static void connection_drop(struct connection *connection)
{
    if (connection->state == CONNECTION_CLOSING)
        return;
    if (connection->state == CONNECTION_SERVING)
        connection_finish_exchange(connection, false);
    connection->state = CONNECTION_CLOSING;
}

void connection_answer_abort(struct connection *connection)
{
    /* What was queued goes out first, so that the client sees how far it came: close after
     * flushing, never whole. */
    assert(connection->state == CONNECTION_SERVING);
    connection_finish_exchange(connection, false);
    connection->keep_alive = false;
    connection->state = CONNECTION_FLUSHING;
}

static void connection_begin_request(struct connection *connection)
{
    connection->answered = connection->answer_ended = false;
    connection->answer_chunked = connection->answer_bodiless = false;
    connection->body_wanted = connection->body_paused = connection->body_ended = false;
    connection->answer_left = 0;
    connection->held = false;
    connection->bytes_in = connection->bytes_out = 0;
    connection->drained_bytes = 0;
}

static void input_consume(struct connection *connection)
{
    buffer_consume(&connection->input, connection->parsed);
    connection->parsed = 0;
}

static void connection_on_head(struct connection *connection)
{
    struct request *request = &connection->request;

    connection->bytes_in = connection->parsed;
    if (!request_parser_take_head(&connection->parser, &connection->arena, request)) {
        connection_refuse(connection, connection->parser.status, connection->parser.detail);
        return;
    }
    input_consume(connection);
    connection->state = CONNECTION_SERVING;
    connection->served_before = true;
    connection->keep_alive = request_keeps_alive(request) && !connection->owner->draining;
    connection_set_timer(connection, TIMER_NONE);
    connection->owner->handler->on_request(connection, connection->owner->server);
}

/* Reads on in a head that is not whole. True: something has changed, look again. */
static bool connection_advance_head(struct connection *connection)
{
    const struct bytes input = buffer_bytes(&connection->input);
    size_t taken = 0;

    if (connection->parsed == input.length || connection->owner->paused)
        return false;
    if (connection->parsed == 0)
        connection_begin_request(connection);
    if (connection->timer != TIMER_HEAD)
        connection_set_timer(connection, TIMER_HEAD);
    const enum parser_event event = request_parser_feed(
        &connection->parser, input.data, bytes_from(input, connection->parsed), &taken);
    connection->parsed += taken;
    if (event == PARSER_ERROR)
        connection_refuse(connection, connection->parser.status, connection->parser.detail);
    else if (connection->parsed > HTTP_HEAD_LIMIT_BYTES)
        connection_refuse(connection, 431, "the head of the request is longer than 64 KiB");
    else if (event == PARSER_HEAD)
        connection_on_head(connection);
    return event != PARSER_MORE;
}

/* The parser met bytes of the body. */
static void connection_on_body(void *context, struct bytes part)
{
    struct connection *connection = context;

    if (connection->state != CONNECTION_SERVING)
        return;
    if (connection->answer_ended)
        connection->drained_bytes += part.length; /* nobody wants it any more */
    else
        connection->owner->handler->on_body(connection, part);
}

static bool body_is_to_be_read(const struct connection *connection)
{
    if (connection->body_ended)
        return false;
    return connection->answer_ended || (connection->body_wanted && !connection->body_paused);
}

static void connection_end_body(struct connection *connection)
{
    connection->body_ended = true;
    connection_set_timer(connection, TIMER_NONE);
    if (!connection->answer_ended)
        connection->owner->handler->on_body_end(connection);
}

/* The body breaks its framing: nothing after it can be trusted. */
static void connection_refuse_body(struct connection *connection)
{
    if (connection->answered) {
        connection_drop(connection);
        return;
    }
    connection_finish_exchange(connection, false);
    connection_refuse(connection, 400, "the body of the request does not follow RFC 9112");
}

/* Reads on in the body. True: something has changed, look again. */
static bool connection_advance_body(struct connection *connection)
{
    const struct bytes input = buffer_bytes(&connection->input);
    size_t taken = 0;

    if (!body_is_to_be_read(connection))
        return false;
    if (connection->request.body_bytes == 0) {
        connection_end_body(connection);
        return true;
    }
    if (input.length == 0)
        return false;
    const enum parser_event event =
        request_parser_feed(&connection->parser, input.data, input, &taken);
    connection->parsed = taken;
    connection->bytes_in += taken;
    input_consume(connection);
    if (connection->state != CONNECTION_SERVING)
        return true;
    if (event == PARSER_ERROR)
        connection_refuse_body(connection);
    else if (event == PARSER_END)
        connection_end_body(connection);
    else
        connection_set_timer(connection, TIMER_BODY);
    return true;
}

/* After a whole answer: the next request, or the end. False: part of the request is still to be
 * dropped. */
static bool connection_advance_answered(struct connection *connection)
{
    const bool body_left = !connection->body_ended && connection->request.body_bytes != 0;

    if (body_left && connection->keep_alive && connection->body_wanted &&
        connection->drained_bytes <= CONNECTION_DRAIN_BYTES && !connection->input_ended)
        return false;
    connection_finish_exchange(connection, true);
    request_parser_reset(&connection->parser);
    if (connection->keep_alive && !body_left) {
        connection->state = CONNECTION_READING;
    } else {
        connection->state = CONNECTION_FLUSHING;
        connection->linger = body_left || connection->input.length > 0;
    }
    return true;
}

/* Does all that the input and the answers given allow. */
static void connection_advance(struct connection *connection)
{
    bool again = true;

    while (again) {
        if (connection->state == CONNECTION_READING)
            again = connection->output.unsent_bytes <= CONNECTION_HIGH_BYTES &&
                    connection_advance_head(connection);
        else if (connection->state == CONNECTION_SERVING && connection->answer_ended)
            again = connection_advance_answered(connection) || connection_advance_body(connection);
        else if (connection->state == CONNECTION_SERVING)
            again = connection_advance_body(connection);
        else
            again = false;
    }
}

static bool connection_wants_input(const struct connection *connection)
{
    if (connection->input_ended || connection->state == CONNECTION_CLOSING)
        return false;
    if (connection->state == CONNECTION_FLUSHING)
        return false;
    if (connection->owner->paused && connection->state == CONNECTION_READING)
        return false;
    if (connection->state == CONNECTION_SERVING && connection->body_wanted &&
        connection->body_paused && !connection->answer_ended)
        return false;
    if (connection->input.length < CONNECTION_READ_BYTES)
        return true;
    /* a head longer than one read; behind answers that wait for the client, its requests wait too
     */
    return connection->state == CONNECTION_READING &&
           connection->output.unsent_bytes <= CONNECTION_HIGH_BYTES &&
           connection->input.length <= CONNECTION_INPUT_LIMIT_BYTES - CONNECTION_READ_BYTES;
}

/* One read; false when the peer is gone. */
static void connection_read(struct connection *connection)
{
    char *room = buffer_reserve(&connection->input, CONNECTION_READ_BYTES);

    assert(room != NULL);
    ssize_t got;
    do
        got = read(connection->fd, room, CONNECTION_READ_BYTES);
    while (got == -1 && errno == EINTR);
    if (got > 0)
        connection->input.length += (size_t)got;
    else if (got == 0)
        connection->input_ended = true;
    else if (errno != EAGAIN && errno != EWOULDBLOCK)
        connection_drop(connection);
}

/* The peer sends no more: what that means depends on what we wait for. A half-closed peer still
 * gets its answer. */
static void connection_on_input_end(struct connection *connection)
{
    const bool body_due = connection->state == CONNECTION_SERVING && !connection->body_ended &&
                          connection->body_wanted && connection->request.body_bytes != 0;

    if (connection->state == CONNECTION_READING || connection->state == CONNECTION_LINGERING)
        connection->state =
            connection->output.unsent_bytes > 0 ? CONNECTION_FLUSHING : CONNECTION_CLOSING;
    else if (body_due && !connection->body_paused && connection->input.length == 0)
        connection_drop(connection);
}

/* libevent: the client sent bytes, or closed. */
static void connection_on_readable(evutil_socket_t fd, short what, void *context)
{
    struct connection *connection = context;

    (void)fd;
    (void)what;
    assert(!connection->busy);
    connection->busy = true;
    connection_read(connection);
    if (connection->state == CONNECTION_LINGERING) {
        connection->drained_bytes += connection->input.length;
        buffer_reset(&connection->input);
        if (connection->drained_bytes > CONNECTION_DRAIN_BYTES)
            connection->state = CONNECTION_CLOSING;
    }
    connection->busy = false;
    connection_settle(connection);
}

/* libevent: the client's socket takes bytes again. */
static void connection_on_writable(evutil_socket_t fd, short what, void *context)
{
    struct connection *connection = context;

    (void)fd;
    (void)what;
    assert(!connection->busy);
    connection->writes = false;
    connection_settle(connection);
}

static void connection_flush(struct connection *connection)
{
    const size_t before = connection->output.unsent_bytes;

    if (connection->output.copies.failed) {
        connection_drop(connection);
        return;
    }
    if (before == 0 || connection->held)
        return;
    const enum result result = output_send(&connection->output, connection->fd);
    if (result == RESULT_SYSTEM)
        connection_drop(connection);
    else if (connection->output.unsent_bytes < before)
        connection_set_timer(connection, TIMER_NONE); /* progress: the clock starts anew */
}

/* Tells the handler that there is room again. True: it may have given more. */
static bool connection_tell_drained(struct connection *connection)
{
    if (!connection->was_full || connection->output.unsent_bytes >= CONNECTION_LOW_BYTES)
        return false;
    connection->was_full = false;
    if (connection->state != CONNECTION_SERVING || connection->answer_ended)
        return false;
    connection->owner->handler->on_drained(connection);
    return true;
}

/* All is sent: close at once, or gently where the peer may still be sending (RFC 9112 §9.6). */
static void connection_end_flushing(struct connection *connection)
{
    if (!connection->linger || connection->input_ended || shutdown(connection->fd, SHUT_WR) == -1) {
        connection->state = CONNECTION_CLOSING;
        return;
    }
    connection->state = CONNECTION_LINGERING;
    connection->drained_bytes = 0;
    buffer_reset(&connection->input);
    connection_set_timer(connection, TIMER_LINGER);
}

static enum connection_timer timer_due(const struct connection *connection)
{
    if (connection->held)
        return TIMER_NONE;
    if (connection->state == CONNECTION_LINGERING)
        return TIMER_LINGER;
    if (connection->output.unsent_bytes > 0)
        return TIMER_BODY;
    if (connection->state == CONNECTION_SERVING)
        return body_is_to_be_read(connection) ? TIMER_BODY : TIMER_NONE;
    if (connection->input.length > 0 || !connection->served_before)
        return TIMER_HEAD;
    return TIMER_IDLE;
}

static void connection_update_events(struct connection *connection)
{
    const bool reads = connection_wants_input(connection);
    const bool writes = connection->output.unsent_bytes > 0 && !connection->held;
    const enum connection_timer timer = timer_due(connection);

    if (reads != connection->reads) {
        connection->reads = reads;
        (void)(reads ? event_add(&connection->readable, NULL) : event_del(&connection->readable));
    }
    if (writes && !connection->writes) {
        connection->writes = true;
        (void)event_add(&connection->writable, NULL); /* memory is the only thing it could lack */
    }
    if (timer != connection->timer || timer == TIMER_IDLE)
        connection_set_timer(connection, timer);
}

/* True: there is more to do at once, in this wake or the next. */
static bool connection_goes_on(struct connection *connection)
{
    if (connection_tell_drained(connection))
        return true;
    return connection->state == CONNECTION_READING && connection->output.unsent_bytes == 0 &&
           connection->parsed < connection->input.length && !connection->owner->paused;
}

void connection_settle(struct connection *connection)
{
    bool more = true;

    if (connection->busy)
        return;
    connection->busy = true;
    connection->now_us = clock_now_us();
    for (int round = 0; more && round < CONNECTION_ROUNDS_PER_WAKE; round++) {
        connection_advance(connection);
        if (connection->input_ended)
            connection_on_input_end(connection);
        connection_flush(connection);
        more = connection_goes_on(connection);
    }
    output_keep(&connection->output);
    if (connection->state == CONNECTION_FLUSHING && connection->output.unsent_bytes == 0)
        connection_end_flushing(connection);
    connection->busy = false;
    if (connection->state == CONNECTION_CLOSING) {
        connection_destroy(connection);
        return;
    }
    if (more)
        event_active(&connection->writable, EV_WRITE, 0); /* after the others */
    connection_update_events(connection);
}

void connection_time_out(struct connection *connection)
{
    const bool stuck_output = connection->output.unsent_bytes > 0;

    if (connection->state == CONNECTION_READING && connection->input.length > 0 && !stuck_output) {
        connection_refuse(connection, 408, "the head of the request did not come in time");
    } else if (connection->state == CONNECTION_SERVING && !connection->answered && !stuck_output) {
        connection_finish_exchange(connection, false);
        connection_refuse(connection, 408, "the body of the request did not come in time");
    } else {
        connection_drop(connection);
    }
    connection_settle(connection);
}

void connection_create(struct connections *owner, int fd, const struct sockaddr_storage *peer)
{
    struct connection *connection = memory_take(1, sizeof(*connection));

    connection->owner = owner;
    connection->fd = fd;
    connection->timer = TIMER_NONE;
    connection->now_us = clock_now_us();
    connection_name_peer(connection, peer);
    buffer_init(&connection->input, CONNECTION_INPUT_LIMIT_BYTES);
    output_init(&connection->output, owner->limits.output_bytes);
    arena_init(&connection->arena, CONNECTION_ARENA_BYTES);
    request_parser_init(&connection->parser, connection_on_body, connection);
    (void)event_assign(&connection->readable, owner->base, fd, EV_READ | EV_PERSIST,
                       connection_on_readable, connection);
    (void)event_assign(&connection->writable, owner->base, fd, EV_WRITE, connection_on_writable,
                       connection);
    TAILQ_INSERT_TAIL(&owner->all, connection, all);
    owner->count++;
    connection_update_events(connection);
}

void connection_destroy(struct connection *connection)
{
    struct connections *owner = connection->owner;

    if (connection->state == CONNECTION_SERVING)
        connection_finish_exchange(connection, false);
    if (owner->handler->on_closed != NULL)
        owner->handler->on_closed(connection, owner->server);
    connection_set_timer(connection, TIMER_NONE);
    (void)event_del(&connection->readable);
    (void)event_del(&connection->writable);
    (void)close(connection->fd); /* nothing of ours is lost by it */
    TAILQ_REMOVE(&owner->all, connection, all);
    owner->count--;
    buffer_finish(&connection->input);
    output_finish(&connection->output);
    arena_finish(&connection->arena);
    free(connection);
    connections_on_count(owner);
}

const struct request *connection_request(const struct connection *connection)
{
    return &connection->request;
}

struct arena *connection_arena(struct connection *connection)
{
    return &connection->arena;
}

void *connection_exchange(const struct connection *connection)
{
    return connection->exchange;
}

void connection_set_exchange(struct connection *connection, void *exchange)
{
    connection->exchange = exchange;
}

void *connection_server(const struct connection *connection)
{
    return connection->owner->server;
}

struct bytes connection_peer(const struct connection *connection)
{
    return bytes_of_string(connection->peer);
}

int64_t connection_now_us(const struct connection *connection)
{
    return connection->now_us;
}

uint64_t connection_bytes_in(const struct connection *connection)
{
    return connection->bytes_in;
}

uint64_t connection_bytes_out(const struct connection *connection)
{
    return connection->bytes_out;
}

void connection_read_body(struct connection *connection)
{
    assert(connection->state == CONNECTION_SERVING);
    connection->body_paused = false;
    if (connection->body_wanted)
        return;
    connection->body_wanted = true;
    if (connection->request.expects_continue && !connection->answered &&
        connection->input.length == 0)
        output_add(&connection->output, BYTES("HTTP/1.1 100 Continue\r\n\r\n"));
}

void connection_hold(struct connection *connection, bool held)
{
    connection->held = held;
}

void connection_keep_borrowed(struct connection *connection)
{
    output_keep(&connection->output);
}

void connection_pause_body(struct connection *connection)
{
    connection->body_paused = true;
}
