/*
 * An origin server on a thread of its own, which answers as its paths say, and calls to it: what
 * test_fetch stands on. Paths:
 *   /ok      "ok", and keeps the connection           /echo   the request as it came, as a body
 *   /raw/N   the test's raw bytes N, then closes      /hang   never answers
 *   /big     BIG_BYTES                                /drip   ten bytes, one every 50 ms
 *   /dying   "ok", and closes at the connection's next request without an answer
 */
#ifndef POSTERN_TESTS_UPSTREAM_FETCHING_H
#define POSTERN_TESTS_UPSTREAM_FETCHING_H

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/bytes.h"
#include "base/memory.h"

enum { ORIGIN_CONNECTIONS = 64, BIG_BYTES = 3 * 1024 * 1024, DRIPS = 10 };

struct origin_connection {
    int fd; /* -1: free */
    struct buffer input;
    bool is_dying;
};

struct origin {
    int fd, stop[2]; /* a pipe: closed by the test to end the thread */
    uint16_t port;
    pthread_t thread;
    const struct bytes *raw; /* what /raw/N sends */
    struct origin_connection connections[ORIGIN_CONNECTIONS];
    pthread_mutex_t lock;   /* guards what follows */
    struct buffer requests; /* all heads that came, one after the other */
    size_t accepted;
};

static inline void origin_send(int fd, struct bytes bytes)
{
    while (bytes.length > 0) {
        const ssize_t sent = send(fd, bytes.data, bytes.length, MSG_NOSIGNAL);

        if (sent <= 0)
            return; /* the test has hung up */
        bytes = bytes_from(bytes, (size_t)sent);
    }
}

static inline void origin_send_text(int fd, const char *text)
{
    origin_send(fd, bytes_of_string(text));
}

static inline void origin_send_echo(int fd, struct bytes request)
{
    char head[128];

    (void)snprintf(head, sizeof(head), "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n",
                   request.length);
    origin_send_text(fd, head);
    origin_send(fd, request);
}

static inline void origin_send_big(int fd)
{
    static char big[BIG_BYTES];
    char head[128];

    (void)snprintf(head, sizeof(head), "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n", BIG_BYTES);
    memset(big, 'b', sizeof(big));
    origin_send_text(fd, head);
    origin_send(fd, bytes_of(big, sizeof(big)));
}

static inline void origin_send_drips(int fd)
{
    origin_send_text(fd, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n");
    for (int i = 0; i < DRIPS; i++) {
        (void)usleep(50 * 1000);
        origin_send_text(fd, "d");
    }
}

/* Answers one whole request; false: the connection is to be closed. */
static inline bool origin_answer(struct origin *origin, struct origin_connection *connection,
                                 struct bytes request)
{
    struct bytes rest = request;
    uint64_t number = 0;

    (void)bytes_cut(&rest, ' ');
    struct bytes path = bytes_cut(&rest, ' ');
    path = bytes_cut(&path, '?');
    if (connection->is_dying)
        return false;
    if (bytes_equal(path, BYTES("/hang")))
        return true;
    if (bytes_equal(path, BYTES("/echo")))
        origin_send_echo(connection->fd, request);
    else if (bytes_equal(path, BYTES("/big")))
        origin_send_big(connection->fd);
    else if (bytes_equal(path, BYTES("/drip")))
        origin_send_drips(connection->fd);
    else if (bytes_starts_with(path, BYTES("/raw/")) &&
             bytes_to_number(bytes_from(path, 5), 999, &number) == RESULT_OK)
        origin_send(connection->fd, origin->raw[number]);
    else
        origin_send_text(connection->fd, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    connection->is_dying = bytes_equal(path, BYTES("/dying"));
    return !bytes_starts_with(path, BYTES("/raw/"));
}

/* How long the request at the front is, or 0 while it is not whole. */
static inline size_t origin_request_length(struct bytes input)
{
    const size_t head = bytes_find(input, BYTES("\r\n\r\n"));
    const struct bytes lines = bytes_slice(input, 0, head);
    const struct bytes length_name = BYTES("\r\nContent-Length: ");
    const size_t length_at = bytes_find(lines, length_name);
    uint64_t length = 0;

    if (head == input.length)
        return 0;
    if (bytes_find(lines, BYTES("\r\nTransfer-Encoding: chunked")) < lines.length) {
        const struct bytes end = BYTES("\r\n0\r\n\r\n");
        const size_t at = bytes_find(bytes_from(input, head + 2), end);

        return at == input.length - head - 2 ? 0 : head + 2 + at + end.length;
    }
    if (length_at < lines.length) {
        struct bytes value = bytes_from(lines, length_at + length_name.length);

        value = bytes_cut(&value, '\r');
        if (bytes_to_number(value, 1 << 30, &length) != RESULT_OK)
            abort();
    }
    return input.length >= head + 4 + length ? head + 4 + (size_t)length : 0;
}

static inline void origin_drop(struct origin_connection *connection)
{
    (void)close(connection->fd);
    buffer_finish(&connection->input);
    *connection = (struct origin_connection){.fd = -1};
}

static inline void origin_read(struct origin *origin, struct origin_connection *connection)
{
    char *room = buffer_reserve(&connection->input, 64 * 1024);
    const ssize_t got = recv(connection->fd, room, 64 * 1024, 0);
    size_t length;

    if (got <= 0) {
        origin_drop(connection);
        return;
    }
    connection->input.length += (size_t)got;
    while ((length = origin_request_length(buffer_bytes(&connection->input))) > 0) {
        const struct bytes request = bytes_slice(buffer_bytes(&connection->input), 0, length);

        (void)pthread_mutex_lock(&origin->lock);
        buffer_add(&origin->requests,
                   bytes_slice(request, 0, bytes_find(request, BYTES("\r\n\r\n"))));
        buffer_add(&origin->requests, BYTES("\r\n\r\n"));
        (void)pthread_mutex_unlock(&origin->lock);
        if (!origin_answer(origin, connection, request)) {
            origin_drop(connection);
            return;
        }
        buffer_consume(&connection->input, length);
    }
}

static inline void origin_accept(struct origin *origin)
{
    const int fd = accept(origin->fd, NULL, NULL);

    for (size_t i = 0; fd != -1 && i < ORIGIN_CONNECTIONS; i++)
        if (origin->connections[i].fd == -1) {
            origin->connections[i].fd = fd;
            buffer_init(&origin->connections[i].input, 16 * 1024 * 1024);
            (void)pthread_mutex_lock(&origin->lock);
            origin->accepted++;
            (void)pthread_mutex_unlock(&origin->lock);
            return;
        }
}

static inline void *origin_run(void *context)
{
    struct origin *origin = context;

    for (;;) {
        struct pollfd waits[ORIGIN_CONNECTIONS + 2] = {{.fd = origin->stop[0], .events = POLLIN},
                                                       {.fd = origin->fd, .events = POLLIN}};

        for (size_t i = 0; i < ORIGIN_CONNECTIONS; i++)
            waits[i + 2] = (struct pollfd){.fd = origin->connections[i].fd, .events = POLLIN};
        if (poll(waits, ARRAY_LENGTH(waits), -1) == -1)
            continue;
        if (waits[0].revents != 0)
            return NULL;
        for (size_t i = 0; i < ORIGIN_CONNECTIONS; i++)
            if (waits[i + 2].revents != 0)
                origin_read(origin, &origin->connections[i]);
        if (waits[1].revents != 0)
            origin_accept(origin);
    }
}

static inline void origin_open(struct origin *origin, const struct bytes *raw)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof(at);

    *origin = (struct origin){.fd = socket(AF_INET, SOCK_STREAM, 0), .raw = raw};
    for (size_t i = 0; i < ORIGIN_CONNECTIONS; i++)
        origin->connections[i].fd = -1;
    (void)pthread_mutex_init(&origin->lock, NULL);
    buffer_init(&origin->requests, 16 * 1024 * 1024);
    if (bind(origin->fd, (struct sockaddr *)&at, sizeof(at)) == -1 ||
        listen(origin->fd, ORIGIN_CONNECTIONS) == -1 ||
        getsockname(origin->fd, (struct sockaddr *)&at, &length) == -1 ||
        pipe(origin->stop) == -1 || pthread_create(&origin->thread, NULL, origin_run, origin) != 0)
        abort();
    origin->port = ntohs(at.sin_port);
}

static inline void origin_close(struct origin *origin)
{
    (void)close(origin->stop[1]);
    (void)pthread_join(origin->thread, NULL);
    (void)close(origin->stop[0]);
    (void)close(origin->fd);
    for (size_t i = 0; i < ORIGIN_CONNECTIONS; i++)
        if (origin->connections[i].fd != -1)
            origin_drop(&origin->connections[i]);
    buffer_finish(&origin->requests);
    (void)pthread_mutex_destroy(&origin->lock);
}

/* How many requests came that contain `part`. */
static inline size_t origin_count(struct origin *origin, const char *part)
{
    size_t count = 0;

    (void)pthread_mutex_lock(&origin->lock);
    struct bytes rest = buffer_bytes(&origin->requests);
    const struct bytes wanted = bytes_of_string(part);
    for (size_t at; (at = bytes_find(rest, wanted)) < rest.length; count++)
        rest = bytes_from(rest, at + wanted.length);
    (void)pthread_mutex_unlock(&origin->lock);
    return count;
}

#endif
