/* What holds for all connections of a thread: clocks, limits, pauses, the end. */
#include "http/clients.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include "http/listener.h"

/* --- time-outs --- */

static void set_timeouts(int64_t head_us, int64_t idle_us, int64_t body_us)
{
    struct connection_limits limits = handling_limits;

    limits.head_timeout_us = head_us;
    limits.idle_timeout_us = idle_us;
    limits.body_timeout_us = body_us;
    connections_set_limits(handling.connections, &limits);
}

static void a_slow_head_is_answered_408(void **state)
{
    (void)state;
    set_timeouts(50 * 1000, WAIT_US, WAIT_US);
    struct client client = client_open();
    client_say_text(&client, "GET / HTT");
    client_await_end(&client);
    assert_true(heard_has(&client, "HTTP/1.1 408 "));
    assert_int_equal(handling.refused_status, 408);
    client_close(&client);
}

static void a_client_that_never_speaks_is_closed(void **state)
{
    (void)state;
    set_timeouts(50 * 1000, WAIT_US, WAIT_US);
    struct client client = client_open();
    client_await_end(&client);
    assert_int_equal(client.heard.length, 0);
    client_close(&client);
}

static void an_idle_connection_is_closed_without_a_word(void **state)
{
    (void)state;
    set_timeouts(WAIT_US, 50 * 1000, WAIT_US);
    struct client client = client_open();
    client_say_text(&client, "GET /status/200 HTTP/1.1\r\n" HOST "\r\n");
    client_await_end(&client);
    assert_true(bytes_ends_with(buffer_bytes(&client.heard), BYTES("\r\n\r\nbody")));
    client_close(&client);
}

static void a_body_that_stops_coming_is_answered_408(void **state)
{
    (void)state;
    set_timeouts(WAIT_US, WAIT_US, 50 * 1000);
    struct client client = client_open();
    client_say_text(&client, "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\nab");
    client_await_end(&client);
    assert_true(heard_has(&client, "HTTP/1.1 408 "));
    assert_int_equal(handling.finished, 1);
    client_close(&client);
}

static void a_client_that_takes_nothing_in_time_is_dropped(void **state)
{
    const int64_t deadline_us = clock_now_us() + WAIT_US;

    (void)state;
    set_timeouts(WAIT_US, WAIT_US, 50 * 1000);
    handling.streamed_bytes = 8 * 1024 * 1024;
    struct client client = client_open();
    assert_int_not_equal(write(client.fd, "GET /stream HTTP/1.1\r\nHost: h\r\n\r\n", 33), -1);
    while (handling.closed == 0 && clock_now_us() < deadline_us)
        turn();
    assert_int_equal(handling.closed, 1);
    assert_int_equal(handling.completed, 0);
    client_close(&client);
}

static void no_clock_runs_while_the_handler_is_at_work(void **state)
{
    const int64_t until_us = clock_now_us() + 400 * 1000; /* more than one sweep */
    const struct fields none = {0};

    (void)state;
    set_timeouts(50 * 1000, 50 * 1000, 50 * 1000);
    struct client client = client_open();
    client_say_text(&client, "GET /later HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n");
    while (clock_now_us() < until_us)
        turn();
    assert_non_null(handling.later);
    struct connection *later = handling.later;
    connection_answer_whole(later, 200, &none, BYTES("late"));
    connection_settle(later);
    client_await(&client, "\r\n\r\nlate");
    client_close(&client);
}

/* --- many at once, and the end --- */

/* --- many at once, and the end --- */

static void draining_ends_idle_connections_and_lets_answers_finish(void **state)
{
    struct client idler = client_open(), waiter = client_open();
    const struct fields none = {0};

    (void)state;
    client_say_text(&idler, "GET /status/200 HTTP/1.1\r\n" HOST "\r\n");
    client_await(&idler, "body");
    client_say_text(&waiter, "GET /later HTTP/1.1\r\n" HOST "\r\n");
    idle(&waiter);
    connections_drain(handling.connections);
    client_await_end(&idler);
    idle(&waiter);
    assert_false(waiter.ended);
    struct connection *later = handling.later;
    connection_answer_whole(later, 200, &none, BYTES("last"));
    connection_settle(later);
    client_await_end(&waiter);
    assert_true(heard_has(&waiter, "Connection: close"));
    assert_true(heard_has(&waiter, "\r\n\r\nlast"));
    assert_int_equal(connections_count(handling.connections), 0);
    client_close(&idler);
    client_close(&waiter);
}

static void while_paused_no_request_is_begun(void **state)
{
    struct client client = client_open();

    (void)state;
    connections_pause(handling.connections, true);
    client_say_text(&client, "GET /status/200 HTTP/1.1\r\n" HOST "\r\n");
    idle(&client);
    assert_int_equal(handling.requests, 0);
    connections_pause(handling.connections, false);
    client_await(&client, "body");
    client_close(&client);
}

static struct client client_connect(const struct listener *listener)
{
    const char *colon = strrchr(listener->address, ':');
    uint64_t port;
    struct client client = {.fd = socket(AF_INET, SOCK_STREAM, 0)};

    assert_int_equal(bytes_to_number(bytes_of_string(colon + 1), UINT16_MAX, &port), RESULT_OK);
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    assert_int_equal(connect(client.fd, (struct sockaddr *)&to, sizeof(to)), 0);
    assert_int_not_equal(fcntl(client.fd, F_SETFL, O_NONBLOCK), -1);
    buffer_init(&client.heard, 1024 * 1024);
    return client;
}

static void more_connections_than_allowed_wait_to_be_accepted(void **state)
{
    struct connection_limits limits = handling_limits;
    struct listener listener;
    struct error error;

    (void)state;
    limits.connections = 2;
    connections_set_limits(handling.connections, &limits);
    assert_int_equal(listener_open(&listener, "127.0.0.1:0", false, &error), RESULT_OK);
    assert_int_equal(connections_listen(handling.connections, listener.fd), RESULT_OK);
    struct client one = client_connect(&listener), two = client_connect(&listener);
    client_say_text(&one, "GET /status/200 HTTP/1.1\r\n" HOST "\r\n");
    client_await(&one, "body");
    client_say_text(&two, "GET /status/200 HTTP/1.1\r\n" HOST "\r\n");
    client_await(&two, "body");
    struct client three = client_connect(&listener); /* in the backlog */
    client_say_text(&three, "GET /status/200 HTTP/1.1\r\n" HOST "\r\n");
    idle(&three);
    assert_int_equal(connections_count(handling.connections), 2);
    assert_int_equal(three.heard.length, 0);
    client_close(&one);
    client_await(&three, "body");
    assert_int_equal(connections_count(handling.connections), 2);
    client_close(&two);
    client_close(&three);
    connections_drain(handling.connections); /* before its socket goes */
    listener_close(&listener);
}

static void the_peer_is_named_by_address_and_port(void **state)
{
    struct listener listener;
    struct error error;
    struct sockaddr_in name;
    socklen_t length = sizeof(name);
    char wanted[64];

    (void)state;
    assert_int_equal(listener_open(&listener, "127.0.0.1:0", false, &error), RESULT_OK);
    assert_int_equal(connections_listen(handling.connections, listener.fd), RESULT_OK);
    struct client client = client_connect(&listener);
    client_say_text(&client, "GET /later HTTP/1.1\r\n" HOST "\r\n");
    for (int i = 0; i < 1000 && handling.later == NULL; i++)
        turn();
    assert_int_equal(getsockname(client.fd, (struct sockaddr *)&name, &length), 0);
    (void)snprintf(wanted, sizeof(wanted), "127.0.0.1:%u", ntohs(name.sin_port));
    assert_true(bytes_equal(connection_peer(handling.later), bytes_of_string(wanted)));
    client_close(&client);
    connections_drain(handling.connections);
    listener_close(&listener);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_HANDLING(a_slow_head_is_answered_408),
        WITH_HANDLING(a_client_that_never_speaks_is_closed),
        WITH_HANDLING(an_idle_connection_is_closed_without_a_word),
        WITH_HANDLING(a_body_that_stops_coming_is_answered_408),
        WITH_HANDLING(a_client_that_takes_nothing_in_time_is_dropped),
        WITH_HANDLING(no_clock_runs_while_the_handler_is_at_work),
        WITH_HANDLING(draining_ends_idle_connections_and_lets_answers_finish),
        WITH_HANDLING(while_paused_no_request_is_begun),
        WITH_HANDLING(more_connections_than_allowed_wait_to_be_accepted),
        WITH_HANDLING(the_peer_is_named_by_address_and_port),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
