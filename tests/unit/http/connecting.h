/*
 * Connections with a handler that does what the path says, and a client on the same thread: shared
 * by test_connection and fuzz_connection. Paths:
 *   /echo   the body comes back whole       /stream    streamed_bytes, as fast as the client takes
 * them /later  answered by the test itself     /unread    answered at once; the body is not asked
 * for /short  begins ten bytes, gives three, and aborts     /status/N  an answer of that status
 */
#ifndef POSTERN_TESTS_HTTP_CONNECTING_H
#define POSTERN_TESTS_HTTP_CONNECTING_H

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/clock.h"
#include "http/connection.h"
#include "http/connection_state.h"

enum { STREAM_PIECE_BYTES = 48 * 1024 };

/* The handler's server, and what it saw. */
struct handling {
    struct event_base *base;
    struct connections *connections;
    struct connection *later; /* waits for the test */
    struct buffer body;       /* of the exchange at hand: tests use one at a time */
    size_t requests, bodies_ended, finished, completed, refused, closed, drained;
    unsigned refused_status;
    size_t most_unsent_bytes;
    size_t streamed_bytes, streamed_so_far;
    bool streams, pauses; /* pauses: /echo pauses at each part until the test resumes */
};

static inline void handling_stream(struct handling *handling, struct connection *connection)
{
    static char piece[STREAM_PIECE_BYTES];

    memset(piece, 's', sizeof(piece));
    while (handling->streamed_so_far < handling->streamed_bytes &&
           !connection_is_full(connection)) {
        const size_t left = handling->streamed_bytes - handling->streamed_so_far;
        const size_t length = left < sizeof(piece) ? left : sizeof(piece);

        connection_answer_body(connection, bytes_of(piece, length));
        handling->streamed_so_far += length;
    }
    if (connection->output.unsent_bytes > handling->most_unsent_bytes)
        handling->most_unsent_bytes = connection->output.unsent_bytes;
    if (handling->streamed_so_far == handling->streamed_bytes) {
        handling->streams = false;
        connection_answer_end(connection);
    }
}

static inline void handling_on_request(struct connection *connection, void *server)
{
    struct handling *handling = server;
    const struct request *request = connection_request(connection);
    struct bytes target = request->target;
    const struct fields none = {0};
    uint64_t status;

    handling->requests++;
    if (connection_exchange(connection) != NULL)
        abort(); /* NULL at each on_request */
    connection_set_exchange(connection, handling);
    buffer_reset(&handling->body);
    if (bytes_equal(target, BYTES("/later"))) {
        handling->later = connection;
    } else if (bytes_equal(target, BYTES("/unread"))) {
        connection_answer_whole(connection, 200, &none, BYTES("unread"));
    } else if (bytes_equal(target, BYTES("/stream"))) {
        handling->streams = true;
        handling->streamed_so_far = 0;
        connection_answer(connection, 200, &none, HTTP_BODY_CHUNKED);
        handling_stream(handling, connection);
    } else if (bytes_equal(target, BYTES("/short"))) {
        connection_answer(connection, 200, &none, 10);
        connection_answer_body(connection, BYTES("abc"));
        connection_answer_abort(connection);
    } else if (bytes_starts_with(target, BYTES("/status/")) &&
               bytes_to_number(bytes_from(target, 8), 999, &status) == RESULT_OK && status >= 200) {
        connection_answer_whole(connection, (unsigned)status, &none, BYTES("body"));
    } else {
        connection_read_body(connection);
    }
}

static inline void handling_on_body(struct connection *connection, struct bytes part)
{
    struct handling *handling = connection_exchange(connection);

    if (handling == NULL)
        abort();
    buffer_add(&handling->body, part);
    if (handling->pauses)
        connection_pause_body(connection);
}

static inline void handling_on_body_end(struct connection *connection)
{
    struct handling *handling = connection_exchange(connection);
    const struct fields none = {0};

    handling->bodies_ended++;
    if (!connection_is_answered(connection) && connection != handling->later)
        connection_answer_whole(connection, 200, &none, buffer_bytes(&handling->body));
}

static inline void handling_on_drained(struct connection *connection)
{
    struct handling *handling = connection_exchange(connection);

    handling->drained++;
    if (handling->streams)
        handling_stream(handling, connection);
}

static inline void handling_on_finished(struct connection *connection, bool complete)
{
    struct handling *handling = connection_server(connection);

    if (connection_exchange(connection) == NULL)
        abort(); /* once for each on_request */
    handling->finished++;
    handling->completed += complete;
    if (handling->later == connection)
        handling->later = NULL;
}

static inline struct bytes handling_on_refused(struct connection *connection, unsigned status,
                                               const char *detail, struct fields *fields)
{
    struct handling *handling = connection_server(connection);

    handling->refused++;
    handling->refused_status = status;
    if (detail == NULL || status < 400)
        abort();
    fields_add(fields, connection_arena(connection), BYTES("X-Request-Id"), BYTES("refused-1"));
    return BYTES("refused-1");
}

static inline void handling_on_closed(struct connection *connection, void *server)
{
    struct handling *handling = server;

    (void)connection;
    handling->closed++;
}

static const struct connection_handler handling_handler = {
    .on_request = handling_on_request,
    .on_body = handling_on_body,
    .on_body_end = handling_on_body_end,
    .on_drained = handling_on_drained,
    .on_finished = handling_on_finished,
    .on_refused = handling_on_refused,
    .on_closed = handling_on_closed,
};

static const struct connection_limits handling_limits = {
    .head_timeout_us = 20 * CLOCK_SECOND_US,
    .idle_timeout_us = 20 * CLOCK_SECOND_US,
    .body_timeout_us = 20 * CLOCK_SECOND_US,
    .connections = 64,
    .output_bytes = 4 * 1024 * 1024,
};

static inline void handling_open(struct handling *handling)
{
    *handling = (struct handling){.streamed_bytes = 100000};
    buffer_init(&handling->body, 64 * 1024 * 1024);
    handling->base = event_base_new();
    handling->connections =
        connections_create(handling->base, &handling_handler, handling, &handling_limits);
}

static inline void handling_close(struct handling *handling)
{
    connections_destroy(handling->connections);
    event_base_free(handling->base);
    buffer_finish(&handling->body);
}

/* A connection over a socketpair; returns the client's end, non-blocking. -1: none to be had. */
static inline int handling_connect(struct handling *handling)
{
    const struct sockaddr_storage peer = {.ss_family = AF_UNIX};
    int ends[2];

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends) == -1)
        return -1;
    connection_create(handling->connections, ends[0], &peer);
    return ends[1];
}

#endif
