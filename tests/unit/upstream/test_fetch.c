/* Calls to a real server over loopback: what goes up, and what comes back. */
#include "upstream/calls.h"

/* Answers that RFC 9112 calls malformed or ambiguous, then some that are fine. */
enum { RAW_BAD = 17 };
static const struct bytes raw[] = {
    BYTES("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nokk"), /* §6.3 */
    BYTES("HTTP/1.1 200 OK\r\nContent-Length: 2, 2\r\n\r\nok"),
    BYTES("HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\nok"),
    BYTES("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n"
          "2\r\nok\r\n0\r\n\r\n"),
    BYTES("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n"
          "2\r\nok\r\n0\r\n\r\n"),
    BYTES("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"),
    BYTES("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n"),
    BYTES("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nok"), /* cut short */
    BYTES("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nok"),
    BYTES("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n"),
    BYTES("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nok\r\n0\r\n\r\n"),
    BYTES("HTTP/1.1 200 OK\r\nBad Name: x\r\nContent-Length: 2\r\n\r\nok"), /* §5.1 */
    BYTES("HTTP/1.1 200 OK\r\nX : x\r\nContent-Length: 2\r\n\r\nok"),
    BYTES("HTTP/1.1 200 OK\r\nX: a\x01z\r\nContent-Length: 2\r\n\r\nok"),
    BYTES("HTTP/1.1 999999 OK\r\nContent-Length: 2\r\n\r\nok"),
    BYTES("nonsense\r\n\r\n"),
    BYTES(""),
    /* RAW_BAD: fine from here */
    BYTES("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 201 Created\r\n"
          "Content-Length: 2\r\nContent-Length: 2\r\n\r\nok"),
    BYTES("HTTP/1.1 204 No Content\r\n\r\n"),
    BYTES("HTTP/1.1 302 Found\r\nLocation: /ok\r\nContent-Length: 0\r\n\r\n"),
    BYTES("HTTP/1.1 200 OK\r\nConnection: close, X-Hop\r\nX-Hop: 1\r\nSet-Cookie: a=b\r\n"
          "Keep-Alive: x\r\nX-End: 2\r\n\r\nuntil the end"),
    BYTES("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX-Trailer: 1\r\n"
          "\r\n"),
};
enum { RAW_EARLY = RAW_BAD, RAW_NO_CONTENT, RAW_FOUND, RAW_HOPS, RAW_TRAILER };

static bool body_has(const struct call *call, const char *part)
{
    const struct bytes body = buffer_bytes(&call->body);

    return bytes_find(body, bytes_of_string(part)) < body.length;
}

/* --- what goes up, and what comes back --- */

static void a_call_brings_head_and_body(void **state)
{
    struct call call = get("GET", "/ok?a=b");

    (void)state;
    assert_int_equal(call.end.outcome, FETCH_DONE);
    assert_true(call.end.sent);
    assert_false(call.end.timed_out);
    assert_int_equal(call.begun, 1);
    assert_int_equal(call.heads, 1);
    assert_int_equal(call.ends, 1);
    assert_int_equal(call.status, 200);
    assert_int_equal(call.body_bytes, 2);
    assert_true(bytes_equal(buffer_bytes(&call.body), BYTES("ok")));
    assert_int_equal(origin_count(&origin, "GET /ok?a=b&access_token=s3cret%2Btoken%2Fvalue "), 1);
    call_finish(&call);
}

static void the_token_goes_up_and_does_not_come_back(void **state)
{
    struct call call = get("GET", "/echo");

    (void)state;
    assert_int_equal(call.end.outcome, FETCH_DONE);
    assert_int_equal(origin_count(&origin, "access_token=s3cret%2Btoken%2Fvalue"), 1);
    assert_true(body_has(&call, "GET /echo?access_token="));
    assert_false(body_has(&call, "s3cret"));
    assert_int_equal(call.end.scrubbed, 1);
    call_finish(&call);
    config.inject = (struct injection){.header = "Authorization", .format = "Bearer %s"};
    call = get("GET", "/echo");
    assert_int_equal(origin_count(&origin, "\r\nAuthorization: Bearer " TOKEN "\r\n"), 1);
    assert_false(body_has(&call, "s3cret"));
    assert_false(body_has(&call, "access_token"));
    call_finish(&call);
}

static void nothing_goes_up_that_nobody_said(void **state)
{
    struct call call = get("GET", "/echo");

    (void)state;
    assert_true(body_has(&call, "\r\nUser-Agent: postern/"));
    assert_true(body_has(&call, "\r\nAccept-Encoding: identity\r\n"));
    assert_false(body_has(&call, "\r\nAccept: "));
    assert_false(body_has(&call, "\r\nExpect: "));
    assert_false(body_has(&call, "\r\nContent-Type: "));
    call_finish(&call);
}

static void the_requests_fields_go_up_as_they_are(void **state)
{
    struct arena arena;
    struct fields fields = {0};
    struct call call = {0};
    struct fetch_request request = request_of("GET", "/echo");

    (void)state;
    arena_init(&arena, 1024);
    fields_add(&fields, &arena, BYTES("Accept"), BYTES("text/csv"));
    fields_add(&fields, &arena, BYTES("User-Agent"), BYTES("app/1"));
    fields_add(&fields, &arena, BYTES("X-Empty"), BYTES(""));
    request.fields = &fields;
    call_begin(&call, &request);
    arena_finish(&arena); /* all was copied */
    call_await(&call);
    assert_true(body_has(&call, "\r\nAccept: text/csv\r\n"));
    assert_true(body_has(&call, "\r\nUser-Agent: app/1\r\n"));
    assert_true(body_has(&call, "\r\nX-Empty:\r\n"));
    call_finish(&call);
}

static void proxies_of_the_environment_are_ignored(void **state)
{
    static const char *const names[] = {"http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"};
    struct origin proxy;
    char address[64];

    (void)state;
    origin_open(&proxy, raw);
    (void)snprintf(address, sizeof(address), "http://127.0.0.1:%u", proxy.port);
    for (size_t i = 0; i < ARRAY_LENGTH(names); i++)
        assert_int_equal(setenv(names[i], address, 1), 0);
    struct call call = get("GET", "/ok");
    for (size_t i = 0; i < ARRAY_LENGTH(names); i++)
        assert_int_equal(unsetenv(names[i]), 0);
    assert_int_equal(call.end.outcome, FETCH_DONE);
    assert_int_equal(origin_count(&origin, "GET /ok"), 1);
    assert_int_equal(origin_count(&proxy, "GET"), 0);
    call_finish(&call);
    origin_close(&proxy);
}

static void answers_that_can_be_read_in_two_ways_are_broken(void **state)
{
    char path[32];

    (void)state;
    for (unsigned i = 0; i < RAW_BAD; i++) {
        (void)snprintf(path, sizeof(path), "/raw/%u", i);
        struct call call = get("POST", path); /* no second try: the outcome is this answer's */

        if (call.end.outcome != FETCH_BROKEN)
            print_error("answer %u: outcome %d\n", i, (int)call.end.outcome);
        assert_int_equal(call.end.outcome, FETCH_BROKEN);
        assert_true(call.end.sent);
        assert_true(call.end.detail[0] != '\0');
        assert_null(strstr(call.end.detail, "s3cret"));
        assert_int_equal(call.ends, 1);
        call_finish(&call);
    }
}

static void answers_that_are_unusual_are_fine(void **state)
{
    (void)state;
    struct call call = get("GET", "/raw/17"); /* RAW_EARLY */
    assert_int_equal(call.end.outcome, FETCH_DONE);
    assert_int_equal(call.status, 201); /* the interim one is none */
    assert_int_equal(call.heads, 1);
    assert_int_equal(call.body_bytes, 2);
    call_finish(&call);
    call = get("GET", "/raw/18"); /* RAW_NO_CONTENT */
    assert_int_equal(call.end.outcome, FETCH_DONE);
    assert_int_equal(call.status, 204);
    assert_int_equal(call.body.length, 0);
    call_finish(&call);
    call = get("GET", "/raw/20"); /* RAW_HOPS */
    assert_int_equal(call.end.outcome, FETCH_DONE);
    assert_true(bytes_equal(buffer_bytes(&call.body), BYTES("until the end")));
    assert_false(call.has_hops);
    call_finish(&call);
    call = get("GET", "/raw/21"); /* RAW_TRAILER */
    assert_int_equal(call.end.outcome, FETCH_DONE);
    assert_int_equal(call.heads, 1);
    assert_true(bytes_equal(buffer_bytes(&call.body), BYTES("ok")));
    call_finish(&call);
}

static void a_redirect_is_an_answer(void **state)
{
    struct call call = get("GET", "/raw/19"); /* RAW_FOUND */

    (void)state;
    assert_int_equal(call.end.outcome, FETCH_DONE);
    assert_int_equal(call.status, 302);
    assert_string_equal(call.location, "/ok");
    assert_int_equal(origin_count(&origin, "GET "), 1);
    call_finish(&call);
}

static void a_head_has_no_body(void **state)
{
    struct call call = get("HEAD", "/ok");

    (void)state;
    /* the origin sends a body all the same: it is not read as one, and the connection goes */
    assert_int_equal(call.status, 200);
    assert_int_equal(call.body_bytes, 2);
    assert_int_equal(call.body.length, 0);
    call_finish(&call);
    call = get("GET", "/ok");
    assert_true(bytes_equal(buffer_bytes(&call.body), BYTES("ok")));
    call_finish(&call);
}

/* --- kept connections that die --- */

static void a_safe_request_is_repeated_on_a_dead_connection(void **state)
{
    struct call first = get("GET", "/dying"), second = get("GET", "/ok");

    (void)state;
    assert_int_equal(first.end.outcome, FETCH_DONE);
    assert_int_equal(second.end.outcome, FETCH_DONE);
    assert_int_equal(second.begun, 1); /* one call, however often it was tried */
    assert_int_equal(origin_count(&origin, "GET /ok"), 2);
    call_finish(&first);
    call_finish(&second);
}

static void an_unsafe_request_goes_out_once(void **state)
{
    static const char *const methods[] = {"POST", "PUT", "DELETE", "PATCH"};
    char line[32];

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(methods); i++) {
        struct call first = get("GET", "/dying");
        struct call second = get(methods[i], "/ok");

        (void)snprintf(line, sizeof(line), "%s /ok", methods[i]);
        assert_int_equal(second.end.outcome, FETCH_BROKEN); /* nobody knows */
        assert_true(second.end.sent);
        assert_int_equal(second.begun, 1);
        assert_int_equal(origin_count(&origin, line), 1);
        call_finish(&first);
        call_finish(&second);
    }
}

static void kept_connections_are_used_again(void **state)
{
    (void)state;
    for (int i = 0; i < 5; i++) {
        struct call call = get(i % 2 == 0 ? "GET" : "POST", "/ok");

        assert_int_equal(call.end.outcome, FETCH_DONE);
        call_finish(&call);
    }
    assert_int_equal(origin.accepted, 1);
}

/* --- uploads --- */

static void a_body_goes_up_whole(void **state)
{
    static char body[200000];
    struct call call = {.upload = bytes_of(body, sizeof(body))};
    struct fetch_request request = request_of("PUT", "/echo");

    (void)state;
    memset(body, 'u', sizeof(body));
    request.body_bytes = sizeof(body);
    call_begin(&call, &request);
    call_await(&call);
    assert_int_equal(call.end.outcome, FETCH_DONE);
    assert_true(body_has(&call, "\r\nContent-Length: 200000\r\n"));
    assert_true(bytes_ends_with(buffer_bytes(&call.body), bytes_of(body, sizeof(body))));
    call_finish(&call);
}

static void a_body_of_unknown_length_goes_up_in_chunks(void **state)
{
    static char body[5000];
    struct call call = {.upload = bytes_of(body, sizeof(body)), .upload_pauses = true};
    struct fetch_request request = request_of("POST", "/echo");
    const int64_t deadline_us = clock_now_us() + WAIT_US;

    (void)state;
    memset(body, 'u', sizeof(body));
    request.body_bytes = HTTP_BODY_CHUNKED;
    call_begin(&call, &request);
    while (call.fetch != NULL && clock_now_us() < deadline_us) {
        turn();
        call.upload_due = true; /* there is more to send now */
        if (call.fetch != NULL)
            fetch_resume_upload(call.fetch);
    }
    assert_int_equal(call.end.outcome, FETCH_DONE);
    assert_true(body_has(&call, "\r\nTransfer-Encoding: chunked\r\n"));
    assert_true(body_has(&call, "\r\n0\r\n\r\n"));
    call_finish(&call);
}

static void a_body_that_will_never_be_whole_breaks_the_call(void **state)
{
    struct call call = {.upload_aborts = true};
    struct fetch_request request = request_of("POST", "/ok");

    (void)state;
    request.body_bytes = 10;
    call_begin(&call, &request);
    call_await(&call);
    assert_int_equal(call.end.outcome, FETCH_BROKEN);
    assert_true(call.end.sent);
    assert_int_equal(call.heads, 0);
    call_finish(&call);
}

static void an_empty_post_says_that_it_is_empty(void **state)
{
    struct call call = get("POST", "/echo");

    (void)state;
    assert_true(body_has(&call, "\r\nContent-Length: 0\r\n"));
    call_finish(&call);
    call = get("DELETE", "/echo");
    assert_false(body_has(&call, "Content-Length"));
    call_finish(&call);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_WORLD(a_call_brings_head_and_body),
        WITH_WORLD(the_token_goes_up_and_does_not_come_back),
        WITH_WORLD(nothing_goes_up_that_nobody_said),
        WITH_WORLD(the_requests_fields_go_up_as_they_are),
        WITH_WORLD(proxies_of_the_environment_are_ignored),
        WITH_WORLD(answers_that_can_be_read_in_two_ways_are_broken),
        WITH_WORLD(answers_that_are_unusual_are_fine),
        WITH_WORLD(a_redirect_is_an_answer),
        WITH_WORLD(a_head_has_no_body),
        WITH_WORLD(a_safe_request_is_repeated_on_a_dead_connection),
        WITH_WORLD(an_unsafe_request_goes_out_once),
        WITH_WORLD(kept_connections_are_used_again),
        WITH_WORLD(a_body_goes_up_whole),
        WITH_WORLD(a_body_of_unknown_length_goes_up_in_chunks),
        WITH_WORLD(a_body_that_will_never_be_whole_breaks_the_call),
        WITH_WORLD(an_empty_post_says_that_it_is_empty),
    };

    world_raw = raw;
    if (fetch_prepare() != RESULT_OK)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
