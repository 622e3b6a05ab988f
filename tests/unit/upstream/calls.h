/* Calls to fetching.h's origin on a real loop: test_fetch and test_fetch_loop stand on it. */
#ifndef POSTERN_TESTS_UPSTREAM_CALLS_H
#define POSTERN_TESTS_UPSTREAM_CALLS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <event2/event.h>

#include "base/clock.h"
#include "config/configuration.h"
#include "upstream/budgeting.h"
#include "upstream/fetch.h"
#include "upstream/fetching.h"

#define TOKEN "s3cret+token/value"
#define WAIT_US (60 * CLOCK_SECOND_US)

static const struct bytes *world_raw; /* what /raw/N sends; set by main */
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

static inline void call_cancel_at(struct call *call, enum place place)
{
    if (call->cancels_at != place || call->cancels->fetch == NULL)
        return;
    struct fetch *fetch = call->cancels->fetch;

    call->cancels->fetch = NULL;
    fetch_cancel(fetch);
}

static inline void on_begun(void *context)
{
    struct call *call = context;

    call->begun++;
    call_cancel_at(call, PLACE_BEGUN);
}

static inline void on_head(void *context, const struct response *head)
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

static inline void on_body(void *context, struct bytes part)
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

static inline size_t on_upload(void *context, char *room, size_t size)
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

static inline void on_end(void *context, const struct fetch_end *end)
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

static inline int world_make(void **state)
{
    (void)state;
    origin_open(&origin, world_raw);
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
    upstream = (struct upstream){.config = &config, .budget = budget_of(0)};
    struct token *token;
    assert_int_equal(token_create(BYTES(TOKEN), &token, NULL), RESULT_OK);
    upstream.credential = credential_create(token);
    token_release(token);
    return 0;
}

static inline int world_drop(void **state)
{
    (void)state;
    const size_t left = fetcher_count(fetcher);
    fetcher_destroy(fetcher);
    mailbox_close(mailbox);
    event_base_free(base);
    credential_release(upstream.credential);
    budget_release(upstream.budget);
    origin_close(&origin);
    assert_int_equal(left, 0);
    return 0;
}

static inline struct fetch_request request_of(const char *method, const char *path)
{
    static const struct fields none;

    return (struct fetch_request){.caller = {.weight = 1},
                                  .method = bytes_of_string(method),
                                  .safe = strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0,
                                  .head = strcmp(method, "HEAD") == 0,
                                  .url = bytes_of_string(path),
                                  .fields = &none};
}

static inline void call_begin(struct call *call, const struct fetch_request *request)
{
    if (call->cancels == NULL)
        call->cancels = call;
    buffer_init(&call->body, 64 * 1024 * 1024);
    call->fetch = fetch_start(fetcher, &upstream, request, &handler, call);
}

static inline void turn(void)
{
    const struct timeval moment = {.tv_usec = 1000};

    assert_int_equal(event_base_loopexit(base, &moment), 0);
    assert_int_not_equal(event_base_dispatch(base), -1);
}

static inline void call_await(struct call *call)
{
    const int64_t deadline_us = clock_now_us() + WAIT_US;

    while (call->fetch != NULL && clock_now_us() < deadline_us)
        turn();
    assert_null(call->fetch);
}

static inline void call_finish(struct call *call)
{
    buffer_finish(&call->body);
}

/* A whole call. */
static inline struct call get(const char *method, const char *path)
{
    struct call call = {0};
    const struct fetch_request request = request_of(method, path);

    call_begin(&call, &request);
    call_await(&call);
    return call;
}

#define WITH_WORLD(test) cmocka_unit_test_setup_teardown(test, world_make, world_drop)

#endif
