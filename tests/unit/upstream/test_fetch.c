/* Calls to a real server over loopback: what goes up, what comes back, and how they end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <event2/event.h>

#include "base/clock.h"
#include "config/configuration.h"
#include "upstream/fetch.h"
#include "upstream/fetching.h"

#define TOKEN "s3cret+token/value"
#define WAIT_US (60 * CLOCK_SECOND_US)

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

static struct origin origin;
static struct event_base *base;
static struct mailbox *mailbox;
static struct fetcher *fetcher;
static struct upstream_config config;
static struct upstream upstream;
static char url[64];

/* Where a call is cancelled. */
enum place { PLACE_NONE, PLACE_BEGUN, PLACE_HEAD, PLACE_BODY, PLACE_UPLOAD, PLACE_END };

struct call {
    struct fetch *fetch; /* NULL: over */
    unsigned begun, heads, ends, uploads;
    unsigned status;
    int64_t body_bytes;
    char location[64];
    bool has_hops;
    struct buffer body;
    struct fetch_end end;
    struct bytes upload; /* what is still to go up */
    bool upload_aborts;
    bool pauses, paused, spoke_while_paused;
    bool upload_pauses, upload_due;
    enum place cancels_at;
    struct call *cancels; /* which call; itself or another */
};

static void call_cancel_at(struct call *call, enum place place)
{
    if (call->cancels_at != place || call->cancels->fetch == NULL)
        return;
    struct fetch *fetch = call->cancels->fetch;

    call->cancels->fetch = NULL;
    fetch_cancel(fetch);
}

static void on_begun(void *context)
{
    struct call *call = context;

    call->begun++;
    call_cancel_at(call, PLACE_BEGUN);
}

static void on_head(void *context, const struct response *head)
{
    struct call *call = context;
    const struct field *location = fields_find(&head->fields, BYTES("Location"));

    call->heads++;
    call->status = head->status;
    call->body_bytes = head->body_bytes;
    call->has_hops = fields_find(&head->fields, BYTES("X-Hop")) != NULL ||
                     fields_find(&head->fields, BYTES("Set-Cookie")) != NULL ||
                     fields_find(&head->fields, BYTES("Keep-Alive")) != NULL ||
                     fields_find(&head->fields, BYTES("Connection")) != NULL;
    if (location != NULL)
        (void)snprintf(call->location, sizeof(call->location), "%.*s", (int)location->value.length,
                       location->value.data);
    call_cancel_at(call, PLACE_HEAD);
}

static void on_body(void *context, struct bytes part)
{
    struct call *call = context;

    call->spoke_while_paused |= call->paused;
    buffer_add(&call->body, part);
    if (call->pauses) {
        call->paused = true;
        fetch_pause(call->fetch);
    }
    call_cancel_at(call, PLACE_BODY);
}

static size_t on_upload(void *context, char *room, size_t size)
{
    struct call *call = context;
    const struct bytes part = bytes_slice(call->upload, 0, size < 1000 ? size : 1000);

    call->uploads++;
    call_cancel_at(call, PLACE_UPLOAD);
    if (call->upload_aborts)
        return FETCH_UPLOAD_ABORT;
    if (call->upload_pauses && !call->upload_due) {
        return FETCH_UPLOAD_PAUSE;
    }
    call->upload_due = false;
    memcpy(room, part.data, part.length);
    call->upload = bytes_from(call->upload, part.length);
    return part.length;
}

static void on_end(void *context, const struct fetch_end *end)
{
    struct call *call = context;

    call->ends++;
    call->end = *end;
    call_cancel_at(call, PLACE_END); /* by then it does nothing */
    call->fetch = NULL;
}

static const struct fetch_handler handler = {.on_begun = on_begun,
                                             .on_head = on_head,
                                             .on_body = on_body,
                                             .on_upload = on_upload,
                                             .on_end = on_end};

/* --- setting up --- */

static int world_make(void **state)
{
    (void)state;
    origin_open(&origin, raw);
    (void)snprintf(url, sizeof(url), "http://127.0.0.1:%u", origin.port);
    base = event_base_new();
    assert_int_equal(mailbox_open(base, &mailbox), RESULT_OK);
    assert_int_equal(fetcher_create(base, mailbox, &fetcher), RESULT_OK);
    config = (struct upstream_config){
        .name = "up",
        .url = url,
        .scheme = BYTES("http"),
        .authority = bytes_of_string(url + 7),
        .base_path = BYTES(""),
        .inject = {.query = "access_token"},
        .connect_timeout_us = WAIT_US,
        .total_timeout_us = WAIT_US,
        .queue_timeout_us = WAIT_US,
        .tls_verify = true,
    };
    upstream = (struct upstream){.config = &config, .budget = budget_create(0)};
    assert_int_equal(token_create(BYTES(TOKEN), &upstream.token, NULL), RESULT_OK);
    return 0;
}

static int world_drop(void **state)
{
    (void)state;
    const size_t left = fetcher_count(fetcher);
    fetcher_destroy(fetcher);
    mailbox_close(mailbox);
    event_base_free(base);
    token_release(upstream.token);
    budget_release(upstream.budget);
    origin_close(&origin);
    assert_int_equal(left, 0);
    return 0;
}

static struct fetch_request request_of(const char *method, const char *path)
{
    static const struct fields none;

    return (struct fetch_request){.method = bytes_of_string(method),
                                  .safe = strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0,
                                  .head = strcmp(method, "HEAD") == 0,
                                  .url = bytes_of_string(path),
                                  .fields = &none};
}

static void call_begin(struct call *call, const struct fetch_request *request)
{
    if (call->cancels == NULL)
        call->cancels = call;
    buffer_init(&call->body, 64 * 1024 * 1024);
    call->fetch = fetch_start(fetcher, &upstream, request, &handler, call);
}

static void turn(void)
{
    const struct timeval moment = {.tv_usec = 1000};

    assert_int_equal(event_base_loopexit(base, &moment), 0);
    assert_int_not_equal(event_base_dispatch(base), -1);
}

static void call_await(struct call *call)
{
    const int64_t deadline_us = clock_now_us() + WAIT_US;

    while (call->fetch != NULL && clock_now_us() < deadline_us)
        turn();
    assert_null(call->fetch);
}

static void call_finish(struct call *call)
{
    buffer_finish(&call->body);
}

/* A whole call. */
static struct call get(const char *method, const char *path)
{
    struct call call = {0};
    const struct fetch_request request = request_of(method, path);

    call_begin(&call, &request);
    call_await(&call);
    return call;
}

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

/* --- pausing --- */

static void nothing_comes_while_it_is_paused(void **state)
{
    struct call call = {.pauses = true};
    const struct fetch_request request = request_of("GET", "/big");
    const int64_t deadline_us = clock_now_us() + WAIT_US;
    unsigned pauses = 0;

    (void)state;
    call_begin(&call, &request);
    while (call.fetch != NULL && clock_now_us() < deadline_us) {
        turn();
        if (!call.paused)
            continue;
        turn();
        call.paused = false;
        pauses++;
        if (call.fetch != NULL) /* the end may come after the last part, paused or not */
            fetch_resume(call.fetch);
    }
    assert_int_equal(call.end.outcome, FETCH_DONE);
    assert_false(call.spoke_while_paused);
    assert_int_equal(call.body.length, BIG_BYTES);
    assert_true(pauses > 10);
    call_finish(&call);
}

/* --- cancelling --- */

static void a_call_may_be_cancelled_anywhere(void **state)
{
    static char body[5000];

    (void)state;
    for (enum place place = PLACE_BEGUN; place <= PLACE_END; place++) {
        struct call call = {.cancels_at = place, .upload = bytes_of(body, sizeof(body))};
        struct fetch_request request = request_of(place == PLACE_UPLOAD ? "POST" : "GET",
                                                  place == PLACE_BODY ? "/big" : "/echo");

        if (place == PLACE_UPLOAD)
            request.body_bytes = sizeof(body);
        call_begin(&call, &request);
        call_await(&call);
        assert_int_equal(call.ends, place == PLACE_END);
        for (int i = 0; i < 5; i++)
            turn();
        assert_int_equal(fetcher_count(fetcher), 0);
        call_finish(&call);
    }
    struct call call = get("GET", "/ok"); /* the loop is whole */
    assert_int_equal(call.end.outcome, FETCH_DONE);
    call_finish(&call);
}

static void a_call_may_be_cancelled_from_outside(void **state)
{
    const struct fetch_request request = request_of("GET", "/hang");

    (void)state;
    for (int turns = 0; turns < 4; turns++) {
        struct call call = {0};

        call_begin(&call, &request);
        for (int i = 0; i < turns * 2; i++)
            turn();
        fetch_cancel(call.fetch);
        for (int i = 0; i < 5; i++)
            turn();
        assert_int_equal(call.ends, 0);
        call_finish(&call);
    }
}

static void one_call_may_cancel_another(void **state)
{
    (void)state;
    for (enum place place = PLACE_BEGUN; place <= PLACE_END; place++) {
        struct call victim = {0};
        struct call call = {.cancels_at = place, .cancels = &victim};
        const struct fetch_request hang = request_of("GET", "/hang"), ok = request_of("GET", "/ok");

        if (place == PLACE_UPLOAD)
            continue;
        call_begin(&victim, &hang);
        turn();
        call_begin(&call, &ok);
        call_await(&call);
        assert_int_equal(call.end.outcome, FETCH_DONE);
        for (int i = 0; i < 5; i++)
            turn();
        assert_null(victim.fetch);
        assert_int_equal(victim.ends, 0);
        call_finish(&victim);
        call_finish(&call);
    }
}

static void destroying_the_fetcher_ends_calls_without_a_word(void **state)
{
    struct call call = {0}, queued = {0};
    const struct fetch_request request = request_of("GET", "/hang");
    uint32_t under_way, waiting;

    (void)state;
    budget_set(upstream.budget, 1);
    call_begin(&call, &request);
    call_begin(&queued, &request);
    for (int i = 0; i < 5; i++)
        turn();
    fetcher_destroy(fetcher);
    turn(); /* the letter that let the second one in */
    assert_int_equal(call.ends + queued.ends, 0);
    budget_read(upstream.budget, &under_way, &waiting);
    assert_int_equal(under_way + waiting, 0);
    assert_int_equal(fetcher_create(base, mailbox, &fetcher), RESULT_OK);
    call_finish(&call);
    call_finish(&queued);
}

/* --- the budget --- */

static void a_call_waits_for_its_turn(void **state)
{
    struct call first = {0}, second = {0};
    const struct fetch_request hang = request_of("GET", "/hang"), ok = request_of("GET", "/ok");
    uint32_t under_way, queued;

    (void)state;
    budget_set(upstream.budget, 1);
    call_begin(&first, &hang);
    call_begin(&second, &ok);
    for (int i = 0; i < 10; i++)
        turn();
    assert_int_equal(second.begun, 0);
    budget_read(upstream.budget, &under_way, &queued);
    assert_int_equal(under_way, 1);
    assert_int_equal(queued, 1);
    fetch_cancel(first.fetch);
    call_await(&second);
    assert_int_equal(second.end.outcome, FETCH_DONE);
    budget_read(upstream.budget, &under_way, &queued);
    assert_int_equal(under_way + queued, 0);
    call_finish(&first);
    call_finish(&second);
}

static void a_call_that_waits_too_long_is_refused(void **state)
{
    struct call first = {0}, second = {0};
    const struct fetch_request hang = request_of("GET", "/hang"), ok = request_of("GET", "/ok");

    (void)state;
    budget_set(upstream.budget, 1);
    config.queue_timeout_us = 100 * 1000;
    call_begin(&first, &hang);
    call_begin(&second, &ok);
    call_await(&second);
    assert_int_equal(second.end.outcome, FETCH_REFUSED);
    assert_false(second.end.sent);
    assert_int_equal(second.begun, 0);
    assert_int_equal(origin_count(&origin, "GET /ok"), 0);
    fetch_cancel(first.fetch);
    call_finish(&first);
    call_finish(&second);
}

/* The letter that admits it is on its way. */
static void a_call_that_leaves_as_it_is_admitted_gives_its_place_back(void **state)
{
    struct call first = {0}, second = {0}, third = {0};
    const struct fetch_request hang = request_of("GET", "/hang"), ok = request_of("GET", "/ok");
    uint32_t under_way, queued;

    (void)state;
    budget_set(upstream.budget, 1);
    call_begin(&first, &hang);
    call_begin(&second, &hang);
    call_begin(&third, &ok);
    turn();
    fetch_cancel(first.fetch);  /* admits the second */
    fetch_cancel(second.fetch); /* before it hears of it */
    call_await(&third);
    assert_int_equal(third.end.outcome, FETCH_DONE);
    budget_read(upstream.budget, &under_way, &queued);
    assert_int_equal(under_way + queued, 0);
    call_finish(&first);
    call_finish(&second);
    call_finish(&third);
}

/* --- time --- */

static void an_answer_that_does_not_come_in_time_is_told(void **state)
{
    (void)state;
    config.total_timeout_us = 200 * 1000;
    struct call call = get("GET", "/hang");
    assert_int_equal(call.end.outcome, FETCH_TIMED_OUT);
    assert_true(call.end.sent);
    assert_true(call.end.timed_out);
    call_finish(&call);
}

/* 500 ms in all, never 300 ms without a byte. */
static void a_stream_has_as_long_as_it_makes_progress(void **state)
{
    struct call call = {0};
    struct fetch_request request = request_of("GET", "/drip");

    (void)state;
    config.total_timeout_us = 300 * 1000;
    struct call whole = get("GET", "/drip");
    assert_int_equal(whole.end.outcome, FETCH_TIMED_OUT);
    call_finish(&whole);
    config.total_timeout_us = 5 * CLOCK_SECOND_US; /* ten times the pause between two bytes */
    request.streams = true;
    call_begin(&call, &request);
    call_await(&call);
    assert_int_equal(call.end.outcome, FETCH_DONE);
    assert_int_equal(call.body.length, DRIPS);
    call_finish(&call);
}

static void the_clock_stands_still_while_the_client_pauses(void **state)
{
    struct call call = {.pauses = true};
    const struct fetch_request request = request_of("GET", "/big");

    (void)state;
    config.total_timeout_us = CLOCK_SECOND_US;
    call_begin(&call, &request);
    while (!call.paused)
        turn();
    const int64_t until_us = clock_now_us() + 3 * CLOCK_SECOND_US / 2;
    while (clock_now_us() < until_us)
        turn();
    assert_int_equal(call.ends, 0);
    fetch_cancel(call.fetch);
    call_finish(&call);
}

static void an_upstream_that_is_not_there_was_not_sent_anything(void **state)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof(at);
    const int fd = socket(AF_INET, SOCK_STREAM, 0); /* bound, and nobody listens */

    (void)state;
    assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &length), 0);
    (void)snprintf(url, sizeof(url), "http://127.0.0.1:%u", ntohs(at.sin_port));
    struct call call = get("POST", "/ok");
    assert_int_equal(call.end.outcome, FETCH_NOT_SENT);
    assert_false(call.end.sent);
    assert_int_equal(call.begun, 0);
    assert_int_equal(call.end.elapsed_us, 0);
    call_finish(&call);
    assert_int_equal(close(fd), 0);
}

#define WITH_WORLD(test) cmocka_unit_test_setup_teardown(test, world_make, world_drop)

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
        WITH_WORLD(nothing_comes_while_it_is_paused),
        WITH_WORLD(a_call_may_be_cancelled_anywhere),
        WITH_WORLD(a_call_may_be_cancelled_from_outside),
        WITH_WORLD(one_call_may_cancel_another),
        WITH_WORLD(destroying_the_fetcher_ends_calls_without_a_word),
        WITH_WORLD(a_call_waits_for_its_turn),
        WITH_WORLD(a_call_that_waits_too_long_is_refused),
        WITH_WORLD(a_call_that_leaves_as_it_is_admitted_gives_its_place_back),
        WITH_WORLD(an_answer_that_does_not_come_in_time_is_told),
        WITH_WORLD(a_stream_has_as_long_as_it_makes_progress),
        WITH_WORLD(the_clock_stands_still_while_the_client_pauses),
        WITH_WORLD(an_upstream_that_is_not_there_was_not_sent_anything),
    };

    if (fetch_prepare() != RESULT_OK)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
