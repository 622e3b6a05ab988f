/* A client of connecting.h's handler, and the waiting for what it is told: test_connection and
 * test_connections stand on it. */
#ifndef POSTERN_TESTS_HTTP_CLIENTS_H
#define POSTERN_TESTS_HTTP_CLIENTS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include <signal.h>

#include "http/connecting.h"

#define HOST "Host: h\r\n"
#define WAIT_US (60 * CLOCK_SECOND_US)

static struct handling handling;

/* A client's end and all it has heard. */
struct client {
    int fd;
    struct buffer heard;
    bool ended; /* the connection was closed */
};

static inline int handling_make(void **state)
{
    (void)state;
    (void)signal(SIGPIPE, SIG_IGN);
    handling_open(&handling);
    return 0;
}

static inline int handling_drop(void **state)
{
    (void)state;
    handling_close(&handling);
    assert_int_equal(handling.requests, handling.finished);
    return 0;
}

static inline struct client client_open(void)
{
    struct client client = {.fd = handling_connect(&handling)};

    assert_int_not_equal(client.fd, -1);
    buffer_init(&client.heard, 64 * 1024 * 1024);
    return client;
}

static inline void client_close(struct client *client)
{
    if (client->fd != -1)
        assert_int_equal(close(client->fd), 0);
    buffer_finish(&client->heard);
}

static inline void turn(void)
{
    assert_int_not_equal(event_base_loop(handling.base, EVLOOP_NONBLOCK), -1);
}

/* Reads what is there. */
static inline void client_listen(struct client *client)
{
    char *room = buffer_reserve(&client->heard, 64 * 1024);
    const ssize_t got = read(client->fd, room, 64 * 1024);

    if (got > 0)
        client->heard.length += (size_t)got;
    client->ended |= got == 0 || (got == -1 && errno != EAGAIN);
}

static inline void client_say(struct client *client, struct bytes bytes)
{
    const int64_t deadline_us = clock_now_us() + WAIT_US;

    while (bytes.length > 0) {
        const ssize_t sent = write(client->fd, bytes.data, bytes.length);

        if (sent == -1 && errno != EAGAIN)
            return; /* closed: the test sees what it was told */
        bytes = bytes_from(bytes, sent == -1 ? 0 : (size_t)sent);
        turn();
        client_listen(client);
        assert_true(clock_now_us() < deadline_us);
    }
}

static inline void client_say_text(struct client *client, const char *text)
{
    client_say(client, bytes_of_string(text));
}

static inline bool heard_has(const struct client *client, const char *part)
{
    const struct bytes heard = buffer_bytes(&client->heard);

    return bytes_find(heard, bytes_of_string(part)) < heard.length;
}

/* Until `part` was heard. */
static inline void client_await(struct client *client, const char *part)
{
    const int64_t deadline_us = clock_now_us() + WAIT_US;

    while (!heard_has(client, part) && !client->ended && clock_now_us() < deadline_us) {
        turn();
        client_listen(client);
    }
    if (!heard_has(client, part))
        print_error("heard: %.*s\n", (int)client->heard.length, client->heard.data);
    assert_true(heard_has(client, part));
}

static inline void client_await_end(struct client *client)
{
    const int64_t deadline_us = clock_now_us() + WAIT_US;

    while (!client->ended && clock_now_us() < deadline_us) {
        turn();
        client_listen(client);
    }
    assert_true(client->ended);
}

/* What follows the first head. */
static inline struct bytes heard_body(const struct client *client)
{
    const struct bytes heard = buffer_bytes(&client->heard);
    const struct bytes end = BYTES("\r\n\r\n");

    return bytes_from(heard, bytes_find(heard, end) + end.length);
}

/* A few rounds in which nothing is to happen. */
static inline void idle(struct client *client)
{
    for (int i = 0; i < 5; i++) {
        turn();
        client_listen(client);
    }
}

#define WITH_HANDLING(test) cmocka_unit_test_setup_teardown(test, handling_make, handling_drop)

#endif
