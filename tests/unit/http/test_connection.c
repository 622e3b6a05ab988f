/* The life of a client's connection: order, back-pressure, framing of answers, time-outs, the end.
 */
#include "http/clients.h"

/* --- requests in order --- */

static void one_connection_serves_many_requests(void **state)
{
    struct client client = client_open();

    (void)state;
    client_say_text(&client, "GET /status/200 HTTP/1.1\r\n" HOST "\r\n");
    client_await(&client, "\r\n\r\nbody");
    buffer_reset(&client.heard);
    client_say_text(&client, "GET /status/404 HTTP/1.1\r\n" HOST "\r\n");
    client_await(&client, "HTTP/1.1 404 Not Found\r\n");
    client_await(&client, "\r\n\r\nbody");
    assert_false(client.ended);
    assert_int_equal(handling.completed, 2);
    client_close(&client);
}

static void pipelined_requests_are_answered_in_order(void **state)
{
    struct client client = client_open();

    (void)state;
    client_say_text(&client, "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 3\r\n\r\none"
                             "POST /echo HTTP/1.1\r\n" HOST
                             "Transfer-Encoding: chunked\r\n\r\n3\r\ntwo\r\n0\r\n\r\n"
                             "GET /status/404 HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n");
    client_await_end(&client);
    const struct bytes heard = buffer_bytes(&client.heard);
    const size_t one = bytes_find(heard, BYTES("\r\n\r\none")),
                 two = bytes_find(heard, BYTES("\r\n\r\ntwo")),
                 three = bytes_find(heard, BYTES(" 404 "));
    assert_true(one < two && two < three && three < heard.length);
    assert_int_equal(handling.completed, 3);
    client_close(&client);
}

/* RFC 9112 §9.3.2: nothing after an unanswered request is begun. */
static void a_request_waits_for_the_answer_before_it(void **state)
{
    struct client client = client_open();
    const struct fields none = {0};

    (void)state;
    client_say_text(&client, "PUT /later HTTP/1.1\r\n" HOST "\r\n"
                             "GET /status/200 HTTP/1.1\r\n" HOST "\r\n");
    idle(&client);
    assert_int_equal(handling.requests, 1);
    assert_int_equal(client.heard.length, 0);
    struct connection *later = handling.later;
    connection_answer_whole(later, 202, &none, BYTES("done"));
    connection_settle(later);
    client_await(&client, "\r\n\r\nbody");
    assert_true(bytes_starts_with(buffer_bytes(&client.heard), BYTES("HTTP/1.1 202 Accepted\r\n")));
    assert_int_equal(handling.requests, 2);
    client_close(&client);
}

static void requests_cut_anywhere_are_answered_alike(void **state)
{
    const struct bytes stream =
        BYTES("POST /echo HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\nhello"
              "GET /status/204 HTTP/1.1\r\n" HOST "\r\n"
              "POST /echo HTTP/1.1\r\n" HOST "Connection: close\r\n"
              "Transfer-Encoding: chunked\r\n\r\n2\r\nby\r\n1\r\ne\r\n0\r\n\r\n");

    (void)state;
    for (size_t cut = 1; cut < stream.length; cut++) {
        struct client client = client_open();

        client_say(&client, bytes_slice(stream, 0, cut));
        turn();
        client_say(&client, bytes_from(stream, cut));
        client_await_end(&client);
        assert_true(heard_has(&client, "\r\n\r\nhelloHTTP/1.1 204 No Content\r\n"));
        assert_true(bytes_ends_with(buffer_bytes(&client.heard), BYTES("\r\n\r\nbye")));
        client_close(&client);
    }
}

/* --- how an answer's end is told --- */

static void answers_without_a_body_have_none(void **state)
{
    static const struct {
        const char *request, *length; /* NULL: no Content-Length (RFC 9110 §8.6) */
    } rows[] = {
        {"GET /status/204", NULL},
        {"GET /status/304", NULL},
        {"HEAD /status/200", "\r\nContent-Length: 4\r\n"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        struct client client = client_open();
        char request[128];

        (void)snprintf(request, sizeof(request),
                       "%s HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n", rows[i].request);
        client_say_text(&client, request);
        client_await_end(&client);
        assert_int_equal(heard_body(&client).length, 0);
        assert_true(bytes_ends_with(buffer_bytes(&client.heard), BYTES("\r\n\r\n")));
        if (rows[i].length == NULL)
            assert_false(heard_has(&client, "Content-Length"));
        else
            assert_true(heard_has(&client, rows[i].length));
        client_close(&client);
    }
}

static void http_1_0_is_answered_without_chunks(void **state)
{
    struct client client = client_open();

    (void)state;
    handling.streamed_bytes = 300;
    client_say_text(&client, "GET /stream HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    client_await_end(&client); /* the only way to tell its end (RFC 9112 §6.3) */
    assert_false(heard_has(&client, "chunked"));
    assert_true(heard_has(&client, "Connection: close"));
    assert_int_equal(heard_body(&client).length, 300);
    client_close(&client);
}

static void http_1_0_keeps_the_connection_where_it_asks_and_the_length_is_known(void **state)
{
    struct client client = client_open();

    (void)state;
    client_say_text(&client, "GET /status/200 HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    client_await(&client, "\r\n\r\nbody");
    assert_true(heard_has(&client, "Connection: keep-alive"));
    client_say_text(&client, "GET /status/200 HTTP/1.0\r\n\r\n");
    client_await_end(&client);
    assert_int_equal(handling.completed, 2);
    client_close(&client);
}

static void an_aborted_answer_is_seen_to_be_cut(void **state)
{
    struct client client = client_open();

    (void)state;
    client_say_text(&client, "GET /short HTTP/1.1\r\n" HOST "\r\nGET /status/200 HTTP/1.1\r\n");
    client_await_end(&client);
    assert_true(heard_has(&client, "Content-Length: 10"));
    assert_true(bytes_equal(heard_body(&client), BYTES("abc")));
    assert_int_equal(handling.completed, 0);
    assert_int_equal(handling.requests, 1);
    client_close(&client);
}

/* --- bodies --- */

static void a_hundred_continue_is_sent_when_the_body_is_wanted(void **state)
{
    struct client client = client_open();

    (void)state;
    client_say_text(&client, "POST /later HTTP/1.1\r\n" HOST
                             "Content-Length: 2\r\nExpect: 100-continue\r\n\r\n");
    idle(&client);
    assert_int_equal(client.heard.length, 0);
    struct connection *later = handling.later;
    handling.later = NULL; /* /echo from here */
    connection_read_body(later);
    connection_settle(later);
    client_await(&client, "HTTP/1.1 100 Continue\r\n\r\n");
    client_say_text(&client, "hi");
    client_await(&client, "\r\n\r\nhi");
    client_close(&client);
}

/* RFC 9110 §10.1.1: whoever got a final answer may or may not send the body: the end. */
static void an_answer_in_place_of_a_hundred_continue_closes(void **state)
{
    struct client client = client_open();

    (void)state;
    client_say_text(&client, "POST /unread HTTP/1.1\r\n" HOST
                             "Content-Length: 2\r\nExpect: 100-continue\r\n\r\n");
    client_await_end(&client);
    assert_false(heard_has(&client, "100 Continue"));
    assert_true(heard_has(&client, "Connection: close"));
    client_close(&client);
}

static void a_paused_body_comes_on_when_it_is_resumed(void **state)
{
    static char body[1024 * 1024];
    struct client client = client_open();
    struct bytes rest = bytes_of(body, sizeof(body));
    const int64_t deadline_us = clock_now_us() + WAIT_US;

    (void)state;
    memset(body, 'u', sizeof(body));
    handling.pauses = true;
    client_say_text(&client, "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 1048576\r\n\r\n");
    while (handling.bodies_ended == 0 && clock_now_us() < deadline_us) {
        for (ssize_t sent; (sent = write(client.fd, rest.data, rest.length)) > 0;)
            rest = bytes_from(rest, (size_t)sent);
        turn();
        const size_t paused_at = handling.body.length;
        turn();
        turn();
        assert_int_equal(handling.body.length, paused_at); /* nothing comes while it is paused */
        struct connection *connection = TAILQ_FIRST(&handling.connections->all);
        assert_true(connection->input.length <= 2 * CONNECTION_READ_BYTES);
        if (connection->state != CONNECTION_SERVING)
            break; /* all came, and is answered */
        connection_read_body(connection);
        connection_settle(connection);
    }
    client_await(&client, "Content-Length: 1048576");
    while (heard_body(&client).length < sizeof(body) && !client.ended) {
        turn();
        client_listen(&client);
    }
    assert_true(bytes_equal(heard_body(&client), bytes_of(body, sizeof(body))));
    client_close(&client);
}

static void a_body_that_nobody_asked_for_is_dropped_and_the_next_request_served(void **state)
{
    struct client client = client_open();

    (void)state;
    client_say_text(&client, "POST /unread HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\nGET /"
                             "GET /status/404 HTTP/1.1\r\n" HOST "\r\n");
    client_await(&client, " 404 ");
    assert_int_equal(handling.requests, 2);
    assert_int_equal(handling.completed, 2);
    client_close(&client);
}

/* The answer arrives although the client was still sending (RFC 9112 §9.6). */
static void a_long_body_that_nobody_asked_for_ends_the_connection_gently(void **state)
{
    static char body[64 * 1024];
    struct client client = client_open();

    (void)state;
    client_say_text(&client, "POST /unread HTTP/1.1\r\n" HOST "Content-Length: 99999999\r\n\r\n");
    for (int i = 0; i < 8; i++)
        client_say(&client, bytes_of(body, sizeof(body)));
    client_await(&client, "\r\n\r\nunread");
    client_await_end(&client);
    assert_true(heard_has(&client, "Connection: close"));
    client_close(&client);
}

static void a_body_that_breaks_its_framing_is_answered_400(void **state)
{
    struct client client = client_open();

    (void)state;
    client_say_text(&client, "POST /echo HTTP/1.1\r\n" HOST
                             "Transfer-Encoding: chunked\r\n\r\n3\r\nabcd\r\n0\r\n\r\n");
    client_await(&client, "HTTP/1.1 400 ");
    client_await(&client, "application/problem+json");
    assert_int_equal(handling.refused_status, 400);
    assert_int_equal(handling.bodies_ended, 0);
    assert_int_equal(handling.finished, 1);
    assert_int_equal(handling.completed, 0);
    client_close(&client);
}

static void a_client_that_goes_in_mid_upload_ends_the_exchange(void **state)
{
    struct client client = client_open();

    (void)state;
    client_say_text(&client, "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\nab");
    client_close(&client);
    for (int i = 0; i < 100 && handling.closed == 0; i++)
        turn();
    assert_int_equal(handling.finished, 1);
    assert_int_equal(handling.completed, 0);
    assert_int_equal(handling.closed, 1);
    assert_int_equal(connections_count(handling.connections), 0);
}

static void a_half_closed_client_still_gets_its_answer(void **state)
{
    struct client client = client_open();
    const struct fields none = {0};

    (void)state;
    client_say_text(&client, "GET /later HTTP/1.1\r\n" HOST "\r\n");
    assert_int_equal(shutdown(client.fd, SHUT_WR), 0);
    idle(&client);
    assert_non_null(handling.later);
    struct connection *later = handling.later;
    connection_answer_whole(later, 200, &none, BYTES("late"));
    connection_settle(later);
    client_await_end(&client);
    assert_true(bytes_equal(heard_body(&client), BYTES("late")));
    client_close(&client);
}

/* --- back-pressure --- */

static void a_slow_client_holds_the_answer_back(void **state)
{
    struct client client = client_open();

    (void)state;
    handling.streamed_bytes = 8 * 1024 * 1024;
    client_say_text(&client, "GET /stream HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n");
    idle(&client);
    assert_true(handling.streamed_so_far < 3 * 1024 * 1024);
    client_await_end(&client);
    assert_true(handling.drained > 5);
    assert_true(handling.most_unsent_bytes <= CONNECTION_HIGH_BYTES + STREAM_PIECE_BYTES + 64);
    assert_true(bytes_ends_with(buffer_bytes(&client.heard), BYTES("\r\n0\r\n\r\n")));
    assert_true(client.heard.length > handling.streamed_bytes);
    assert_int_equal(handling.completed, 1);
    client_close(&client);
}

static void what_is_held_does_not_leave(void **state)
{
    struct client client = client_open();
    const struct fields none = {0};

    (void)state;
    client_say_text(&client, "GET /later HTTP/1.1\r\n" HOST "\r\n");
    idle(&client);
    struct connection *later = handling.later;
    connection_answer(later, 200, &none, 4);
    connection_answer_body(later, BYTES("held"));
    assert_true(connection_answer_is_complete(later));
    connection_hold(later, true);
    connection_settle(later);
    idle(&client);
    assert_int_equal(client.heard.length, 0);
    connection_hold(later, false);
    connection_answer_end(later);
    connection_settle(later);
    client_await(&client, "\r\n\r\nheld");
    client_say_text(&client, "GET /status/404 HTTP/1.1\r\n" HOST "\r\n"); /* held no more */
    client_await(&client, " 404 ");
    client_close(&client);
}

static void what_was_held_leaves_when_the_answer_is_aborted(void **state)
{
    struct client client = client_open();
    const struct fields none = {0};

    (void)state;
    client_say_text(&client, "GET /later HTTP/1.1\r\n" HOST "\r\n");
    idle(&client);
    struct connection *later = handling.later;
    connection_answer(later, 200, &none, 9);
    connection_answer_body(later, BYTES("held"));
    connection_hold(later, true);
    connection_settle(later);
    connection_answer_abort(later);
    connection_settle(later);
    client_await_end(&client);
    assert_true(bytes_equal(heard_body(&client), BYTES("held")));
    client_close(&client);
}

static void borrowed_bytes_are_kept_when_the_socket_takes_no_more(void **state)
{
    struct client client = client_open();
    const struct fields none = {0};
    const size_t size = 2 * 1024 * 1024;
    char *map = malloc(size);

    (void)state;
    assert_non_null(map);
    memset(map, 'm', size);
    client_say_text(&client, "GET /later HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n");
    idle(&client);
    struct connection *later = handling.later;
    connection_answer(later, 200, &none, (int64_t)size);
    connection_answer_body_borrowed(later, bytes_of(map, size));
    connection_answer_end(later);
    connection_settle(later);
    memset(map, 'x', size); /* the event is over */
    client_await_end(&client);
    const struct bytes body = heard_body(&client);
    assert_int_equal(body.length, size);
    for (size_t i = 0; i < size; i++)
        assert_true(body.data[i] == 'm');
    free(map);
    client_close(&client);
}

static void a_client_that_takes_nothing_is_dropped_at_the_bound(void **state)
{
    static char part[256 * 1024];
    struct client client = client_open();
    const struct fields none = {0};

    (void)state;
    client_say_text(&client, "GET /later HTTP/1.1\r\n" HOST "\r\n");
    idle(&client);
    connection_answer(handling.later, 200, &none, HTTP_BODY_CHUNKED);
    for (int i = 0; i < 100 && handling.later != NULL; i++) { /* whatever connection_is_full says */
        connection_answer_body(handling.later, bytes_of(part, sizeof(part)));
        connection_settle(handling.later);
    }
    assert_int_equal(handling.closed, 1);
    assert_int_equal(handling.completed, 0);
    client_close(&client);
}

/* --- refusals --- */

static void what_never_became_a_request_is_refused_and_closed(void **state)
{
    static const struct {
        const char *stream;
        unsigned status;
    } rows[] = {
        {"GET / HTTP/1.1\r\n\r\n", 400},
        {"BREW / HTTP/1.1\r\n" HOST "\r\n", 501},
        {"GET / HTTP/3.0\r\n" HOST "\r\n", 505},
        {"POST / HTTP/1.1\r\n" HOST "Content-Length: 1\r\nExpect: x\r\n\r\n", 417},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        struct client client = client_open();

        client_say_text(&client, "GET /status/200 HTTP/1.1\r\n" HOST "\r\n"); /* a good one first */
        client_say_text(&client, rows[i].stream);
        client_say_text(&client,
                        "GET /status/204 HTTP/1.1\r\n" HOST "\r\n"); /* not read any more */
        client_await_end(&client);
        assert_int_equal(handling.refused_status, rows[i].status);
        assert_true(heard_has(&client, "\r\n\r\nbodyHTTP/1.1 "));
        assert_true(heard_has(&client, "\r\nX-Request-Id: refused-1\r\n"));
        assert_true(heard_has(&client, "Connection: close"));
        assert_false(heard_has(&client, " 204 "));
        client_close(&client);
    }
    assert_int_equal(handling.refused, ARRAY_LENGTH(rows));
}

static void bytes_are_counted_in_both_directions(void **state)
{
    const char *request = "POST /later HTTP/1.1\r\n" HOST "Content-Length: 3\r\n\r\nabc";
    struct client client = client_open();
    const struct fields none = {0};

    (void)state;
    client_say_text(&client, request);
    idle(&client);
    struct connection *later = handling.later;
    assert_int_equal(connection_bytes_in(later), strlen(request) - 3);
    connection_read_body(later);
    connection_settle(later);
    assert_int_equal(connection_bytes_in(later), strlen(request));
    connection_answer(later, 200, &none, 4);
    connection_answer_body(later, BYTES("body"));
    const uint64_t out = connection_bytes_out(later);
    connection_answer_end(later);
    connection_settle(later);
    client_await(&client, "\r\n\r\nbody");
    assert_int_equal(client.heard.length, out);
    client_close(&client);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_HANDLING(one_connection_serves_many_requests),
        WITH_HANDLING(pipelined_requests_are_answered_in_order),
        WITH_HANDLING(a_request_waits_for_the_answer_before_it),
        WITH_HANDLING(requests_cut_anywhere_are_answered_alike),
        WITH_HANDLING(answers_without_a_body_have_none),
        WITH_HANDLING(http_1_0_is_answered_without_chunks),
        WITH_HANDLING(http_1_0_keeps_the_connection_where_it_asks_and_the_length_is_known),
        WITH_HANDLING(an_aborted_answer_is_seen_to_be_cut),
        WITH_HANDLING(a_hundred_continue_is_sent_when_the_body_is_wanted),
        WITH_HANDLING(an_answer_in_place_of_a_hundred_continue_closes),
        WITH_HANDLING(a_paused_body_comes_on_when_it_is_resumed),
        WITH_HANDLING(a_body_that_nobody_asked_for_is_dropped_and_the_next_request_served),
        WITH_HANDLING(a_long_body_that_nobody_asked_for_ends_the_connection_gently),
        WITH_HANDLING(a_body_that_breaks_its_framing_is_answered_400),
        WITH_HANDLING(a_client_that_goes_in_mid_upload_ends_the_exchange),
        WITH_HANDLING(a_half_closed_client_still_gets_its_answer),
        WITH_HANDLING(a_slow_client_holds_the_answer_back),
        WITH_HANDLING(what_is_held_does_not_leave),
        WITH_HANDLING(what_was_held_leaves_when_the_answer_is_aborted),
        WITH_HANDLING(borrowed_bytes_are_kept_when_the_socket_takes_no_more),
        WITH_HANDLING(a_client_that_takes_nothing_is_dropped_at_the_bound),
        WITH_HANDLING(what_never_became_a_request_is_refused_and_closed),
        WITH_HANDLING(bytes_are_counted_in_both_directions),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
