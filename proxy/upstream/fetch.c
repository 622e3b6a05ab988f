/*
 * One call: its options for libcurl, its callbacks, its time-outs and its end. The loop that drives
 * libcurl is fetch_loop.c's.
 *
 * libcurl repeats any method on a reused connection that dies before an answer, and takes proxies
 * and credentials from the environment: both are switched off here, in one place.
 */
#include "upstream/fetch.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/memory.h"
#include "upstream/fetch_state.h"

enum {
    FETCH_ARENA_BYTES = 4096,
    FETCH_BUFFER_BYTES = 64 * 1024,
    FETCH_SCRUBBED_LIMIT_BYTES = 4 * 1024 * 1024, /* a part and what was held back before it */
    FETCH_CONNECTION_AGE_S = 300,
    FETCH_DNS_AGE_S = 60,
};

static int64_t total_timeout_us(const struct fetch *fetch)
{
    return fetch->upstream.config->total_timeout_us;
}

static void fetch_progress(struct fetch *fetch)
{
    if (fetch->streams)
        fetch->deadline_us = clock_now_us() + total_timeout_us(fetch);
}

/* libcurl: the connection stands, the request goes out next. */
static int fetch_on_prereq(void *context, char *primary, char *local, int primary_port,
                           int local_port)
{
    struct fetch *fetch = context;

    (void)primary;
    (void)local;
    (void)primary_port;
    (void)local_port;
    if (fetch->cancelled)
        return CURL_PREREQFUNC_ABORT;
    if (fetch->sent && !fetch->safe)
        return CURL_PREREQFUNC_ABORT; /* an unsafe request goes out once */
    if (!fetch->sent) {
        fetch->sent = true;
        fetch->sent_us = clock_now_us();
        if (fetch->handler->on_begun != NULL)
            fetch->handler->on_begun(fetch->context);
    }
    return CURL_PREREQFUNC_OK;
}

static void fetch_clean_fields(struct fetch *fetch, struct fields *fields)
{
    const struct upstream_config *config = fetch->upstream.config;
    const struct rewrite rewrite = {
        .scheme = config->scheme,
        .authority = config->authority,
        .base_path = config->base_path,
        .credential =
            config->inject.query == NULL ? BYTES("") : bytes_of_string(config->inject.query),
    };

    response_head_strip(fields);
    for (size_t i = 0; i < fields->count; i++) {
        struct field *line = &fields->lines[i];

        line->name = token_clean_field(fetch->upstream.token, &fetch->arena, &rewrite, BYTES(""),
                                       line->name);
        line->value = token_clean_field(fetch->upstream.token, &fetch->arena, &rewrite, line->name,
                                        line->value);
    }
}

/* For a callback of libcurl's: ends the call, and says why. */
static size_t fetch_fail(struct fetch *fetch, const char *why)
{
    (void)snprintf(fetch->detail, sizeof(fetch->detail), "%s", why);
    return CURL_WRITEFUNC_ERROR;
}

/* Range never goes up (in parts of an answer the token could not be found), conditions not always.
 */
static bool response_is_unasked(const struct fetch *fetch)
{
    return fetch->response.status == 206 || (fetch->response.status == 304 && !fetch->conditional);
}

/* libcurl: a line of a head, or of trailers. */
static size_t fetch_on_header(char *data, size_t size, size_t count, void *context)
{
    struct fetch *fetch = context;
    const size_t length = size * count; /* size is 1 */
    const enum result result =
        response_head_add(&fetch->head, bytes_of(data, length), &fetch->arena, &fetch->response);

    if (fetch->cancelled)
        return CURL_WRITEFUNC_ERROR;
    if (result == RESULT_BUSY)
        return length;
    if (result != RESULT_OK) {
        (void)snprintf(fetch->detail, sizeof(fetch->detail), "the upstream's response head is %s",
                       result_text(result));
        return CURL_WRITEFUNC_ERROR;
    }
    if (response_is_unasked(fetch))
        return fetch_fail(fetch,
                          "the upstream answered with a part, or 304, and was asked for neither");
    fetch_clean_fields(fetch, &fetch->response.fields);
    if (fetch->upstream.token != NULL)
        decode_begin(&fetch->decode, &fetch->arena, &fetch->response);
    fetch_progress(fetch);
    fetch->handler->on_head(fetch->context, &fetch->response);
    return fetch->cancelled ? CURL_WRITEFUNC_ERROR : length;
}

static void fetch_give(struct fetch *fetch)
{
    assert(!fetch->scrubbed.failed); /* a piece and what scrub may hold back are smaller */
    if (fetch->scrubbed.length > 0 && !fetch->cancelled)
        fetch->handler->on_body(fetch->context, buffer_bytes(&fetch->scrubbed));
    buffer_reset(&fetch->scrubbed);
}

/* A piece of the body, in the clear. False: nobody wants another one now. */
static bool fetch_on_decoded(void *context, struct bytes piece)
{
    struct fetch *fetch = context;

    scrub_feed(&fetch->scrub, piece, &fetch->scrubbed);
    fetch_give(fetch);
    return !fetch->paused && !fetch->cancelled;
}

/* A coded part, as far as it is wanted: libcurl hands it over again after a pause, in pieces of its
 * choice. */
static size_t fetch_decode(struct fetch *fetch, struct bytes part)
{
    const size_t known = fetch->decoded_bytes < part.length ? fetch->decoded_bytes : part.length;
    struct bytes rest = bytes_from(part, known);
    enum result result = RESULT_OK;

    fetch->decoded_bytes -= known;
    if (fetch->decoded_bytes == 0)
        result = decode_feed(&fetch->decode, &rest, fetch_on_decoded, fetch);
    if (result == RESULT_INVALID)
        return fetch_fail(fetch,
                          "the upstream's body is not in the content coding that its head names");
    if (fetch->cancelled)
        return CURL_WRITEFUNC_ERROR;
    if (result == RESULT_OK)
        return part.length;
    fetch->decoded_bytes = part.length - rest.length;
    return CURL_WRITEFUNC_PAUSE;
}

/* libcurl: a part of the body. */
static size_t fetch_on_body(char *data, size_t size, size_t count, void *context)
{
    struct fetch *fetch = context;
    const size_t length = size * count; /* size is 1 */

    if (fetch->cancelled)
        return CURL_WRITEFUNC_ERROR;
    if (fetch->paused)
        return CURL_WRITEFUNC_PAUSE;
    fetch_progress(fetch);
    if (fetch->decode.active)
        return fetch_decode(fetch, bytes_of(data, length));
    (void)fetch_on_decoded(fetch, bytes_of(data, length)); /* a pause holds for the next part */
    return fetch->cancelled ? CURL_WRITEFUNC_ERROR : length;
}

/* libcurl: room for a part of the request's body. */
static size_t fetch_on_upload(char *room, size_t size, size_t count, void *context)
{
    struct fetch *fetch = context;

    if (fetch->cancelled)
        return CURL_READFUNC_ABORT;
    const size_t given = fetch->handler->on_upload(fetch->context, room, size * count);
    if (given == FETCH_UPLOAD_ABORT)
        return CURL_READFUNC_ABORT;
    fetch_progress(fetch);
    if (given != FETCH_UPLOAD_PAUSE)
        return given;
    fetch->upload_paused = true;
    return CURL_READFUNC_PAUSE;
}

static void fetch_add_field(struct fetch *fetch, const char *line)
{
    struct curl_slist *longer = curl_slist_append(fetch->lines, line);

    if (longer == NULL)
        memory_exhausted();
    fetch->lines = longer;
}

/* "Name: value", or "Name;" which is libcurl's way of sending an empty value. */
static void fetch_add_fields(struct fetch *fetch, const struct fields *fields)
{
    for (size_t i = 0; i < fields->count; i++) {
        const struct field *line = &fields->lines[i];
        const bool empty = line->value.length == 0;
        const struct bytes text =
            arena_format(&fetch->arena, empty ? "%.*s;" : "%.*s: %.*s", (int)line->name.length,
                         line->name.data, (int)line->value.length, line->value.data);

        fetch_add_field(fetch, text.data);
    }
}

/* What libcurl would add by itself is taken out, unless the request says it. */
static void fetch_add_own_fields(struct fetch *fetch, const struct fields *fields)
{
    static const char *const unless_said[][2] = {
        {"Accept", "Accept:"},
        {"User-Agent", "User-Agent: postern/" POSTERN_VERSION},
        {"Accept-Encoding",
         "Accept-Encoding: identity"}, /* what is coded can't be searched for the token */
        {"Content-Type", "Content-Type:"},
    };

    for (size_t i = 0; i < ARRAY_LENGTH(unless_said); i++)
        if (fields_find(fields, bytes_of_string(unless_said[i][0])) == NULL)
            fetch_add_field(fetch, unless_said[i][1]);
    fetch_add_field(fetch, "Expect:");
}

static void fetch_set(struct fetch *fetch, CURLcode code)
{
    if (code == CURLE_OUT_OF_MEMORY)
        memory_exhausted();
    if (code != CURLE_OK && fetch->detail[0] == '\0')
        (void)snprintf(fetch->detail, sizeof(fetch->detail), "libcurl: %s",
                       curl_easy_strerror(code));
}

static void fetch_set_request(struct fetch *fetch, const struct fetch_request *request)
{
    CURL *easy = fetch->easy;
    const struct bytes method = arena_copy(&fetch->arena, request->method);
    const bool wants_length = bytes_equal(request->method, BYTES("POST")) ||
                              bytes_equal(request->method, BYTES("PUT")) ||
                              bytes_equal(request->method, BYTES("PATCH"));

    if (request->head) {
        fetch_set(fetch, curl_easy_setopt(easy, CURLOPT_NOBODY, 1L));
    } else if (request->body_bytes != 0) {
        fetch_set(fetch, curl_easy_setopt(easy, CURLOPT_UPLOAD, 1L));
        fetch_set(fetch, curl_easy_setopt(easy, CURLOPT_INFILESIZE_LARGE,
                                          (curl_off_t)request->body_bytes));
        fetch_set(fetch, curl_easy_setopt(easy, CURLOPT_READFUNCTION, fetch_on_upload));
        fetch_set(fetch, curl_easy_setopt(easy, CURLOPT_READDATA, fetch));
        fetch_set(fetch,
                  curl_easy_setopt(easy, CURLOPT_UPLOAD_BUFFERSIZE, (long)FETCH_BUFFER_BYTES));
    } else if (wants_length) {
        fetch_set(fetch, curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE, 0L)); /* Content-Length: 0 */
        fetch_set(fetch, curl_easy_setopt(easy, CURLOPT_POSTFIELDS, ""));
    }
    if (!request->head)
        fetch_set(fetch, curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, method.data));
}

static void fetch_set_safety(struct fetch *fetch)
{
    CURL *easy = fetch->easy;
    const struct upstream_config *config = fetch->upstream.config;

    fetch_set(fetch, curl_easy_setopt(easy, CURLOPT_PROXY, ""));
    fetch_set(fetch, curl_easy_setopt(easy, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED));
    fetch_set(fetch, curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L));
    fetch_set(fetch, curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https"));
    fetch_set(fetch, curl_easy_setopt(easy, CURLOPT_PATH_AS_IS, 1L));
    fetch_set(fetch, curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L));
    fetch_set(fetch, curl_easy_setopt(easy, CURLOPT_HTTP_CONTENT_DECODING, 0L));
    fetch_set(fetch, curl_easy_setopt(easy, CURLOPT_DNS_CACHE_TIMEOUT, (long)FETCH_DNS_AGE_S));
    fetch_set(fetch,
              curl_easy_setopt(easy, CURLOPT_MAXLIFETIME_CONN, (long)FETCH_CONNECTION_AGE_S));
    fetch_set(fetch, curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L));
    fetch_set(fetch, curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, (long)FETCH_BUFFER_BYTES));
    fetch_set(fetch, curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS,
                                      (long)(config->connect_timeout_us / CLOCK_MILLISECOND_US)));
    fetch_set(fetch, curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, config->tls_verify ? 1L : 0L));
    fetch_set(fetch, curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, config->tls_verify ? 2L : 0L));
    if (config->tls_ca_file != NULL)
        fetch_set(fetch, curl_easy_setopt(easy, CURLOPT_CAINFO, config->tls_ca_file));
}

static void fetch_set_callbacks(struct fetch *fetch)
{
    CURL *easy = fetch->easy;

    fetch_set(fetch, curl_easy_setopt(easy, CURLOPT_PRIVATE, fetch));
    fetch_set(fetch, curl_easy_setopt(easy, CURLOPT_PREREQFUNCTION, fetch_on_prereq));
    fetch_set(fetch, curl_easy_setopt(easy, CURLOPT_PREREQDATA, fetch));
    fetch_set(fetch, curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, fetch_on_header));
    fetch_set(fetch, curl_easy_setopt(easy, CURLOPT_HEADERDATA, fetch));
    fetch_set(fetch, curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, fetch_on_body));
    fetch_set(fetch, curl_easy_setopt(easy, CURLOPT_WRITEDATA, fetch));
}

static void fetch_inject(struct fetch *fetch, struct bytes path_and_query)
{
    const struct upstream_config *config = fetch->upstream.config;
    const struct bytes url =
        arena_join(&fetch->arena, bytes_of_string(config->url), path_and_query);
    struct injected injected;

    token_inject(fetch->upstream.token, &config->inject, url, &injected);
    fetch_set(fetch, curl_easy_setopt(fetch->easy, CURLOPT_URL, injected.url));
    if (injected.field != NULL)
        fetch_add_field(fetch, injected.field);
    injected_finish(&injected);
    fetch_set(fetch, curl_easy_setopt(fetch->easy, CURLOPT_HTTPHEADER, fetch->lines));
}

/* The budget lets the call begin. */
static void fetch_run(struct fetch *fetch)
{
    fetch->admitted = true;
    fetch->deadline_us = clock_now_us() + total_timeout_us(fetch);
    if (fetch->detail[0] != '\0')
        fetch->deadline_us =
            0; /* an option was refused: ends at the next sweep, without having been sent */
    else
        fetch_loop_add(fetch);
}

/* The budget's letter. */
static void fetch_on_admitted(struct letter *letter)
{
    struct fetch *fetch = (struct fetch *)letter;

    if (fetch->cancelled) {
        budget_leave(fetch->upstream.budget);
        fetch_free(fetch);
        return;
    }
    fetch_run(fetch);
}

struct fetch *fetch_start(struct fetcher *fetcher, const struct upstream *upstream,
                          const struct fetch_request *request, const struct fetch_handler *handler,
                          void *context)
{
    struct fetch *fetch = memory_take(1, sizeof(*fetch));

    fetch->ticket.letter.deliver = fetch_on_admitted;
    fetch->ticket.mailbox = fetch_loop_mailbox(fetcher);
    fetch->fetcher = fetcher;
    fetch->upstream = *upstream;
    fetch->upstream.token = token_acquire(upstream->token);
    fetch->upstream.budget = budget_acquire(upstream->budget);
    fetch->handler = handler;
    fetch->context = context;
    fetch->safe = request->safe;
    fetch->streams = request->streams;
    fetch->conditional = fields_find(request->fields, BYTES("If-None-Match")) != NULL ||
                         fields_find(request->fields, BYTES("If-Modified-Since")) != NULL;
    arena_init(&fetch->arena, FETCH_ARENA_BYTES);
    response_head_init(&fetch->head);
    buffer_init(&fetch->scrubbed, FETCH_SCRUBBED_LIMIT_BYTES);
    token_scrub(fetch->upstream.token, &fetch->scrub);
    fetch->easy = curl_easy_init();
    if (fetch->easy == NULL)
        memory_exhausted();
    fetch_set_safety(fetch);
    fetch_set_callbacks(fetch);
    fetch_set_request(fetch, request);
    fetch_add_fields(fetch, request->fields);
    fetch_add_own_fields(fetch, request->fields);
    fetch_inject(fetch, request->url);
    fetch->deadline_us = clock_now_us() + upstream->config->queue_timeout_us;
    fetch_loop_note(fetch);
    const enum result result = budget_enter(fetch->upstream.budget, &fetch->ticket);
    if (result == RESULT_OK)
        fetch_run(fetch);
    else if (result == RESULT_LIMIT)
        fetch->deadline_us = 0; /* ends at the next sweep: never from here */
    else
        fetch->queued = true;
    return fetch;
}

void fetch_free(struct fetch *fetch)
{
    if (fetch->fetcher != NULL)
        fetch_loop_forget(fetch);
    curl_easy_cleanup(fetch->easy);
    curl_slist_free_all(fetch->lines);
    scrub_finish(&fetch->scrub);
    decode_finish(&fetch->decode);
    buffer_finish(&fetch->scrubbed);
    response_head_finish(&fetch->head);
    arena_finish(&fetch->arena);
    token_release(fetch->upstream.token);
    budget_release(fetch->upstream.budget);
    free(fetch);
}

/* Out of libcurl's hands and out of the budget. False: the budget's letter is on its way, and
 * frees. */
static bool fetch_withdraw(struct fetch *fetch)
{
    if (fetch->admitted) {
        fetch_loop_remove(fetch);
        budget_leave(fetch->upstream.budget);
        return true;
    }
    return !fetch->queued || budget_give_up(fetch->upstream.budget, &fetch->ticket);
}

void fetch_cancel(struct fetch *fetch)
{
    if (fetch->cancelled)
        return;
    fetch->cancelled = true;
    if (fetch->finishing)
        return; /* fetch_finish stands above us on the stack, and frees */
    if (fetch_loop_is_inside(fetch->fetcher))
        fetch_loop_doom(fetch); /* libcurl stands above us on the stack */
    else if (fetch_withdraw(fetch))
        fetch_free(fetch);
}

void fetch_reap(struct fetch *fetch)
{
    assert(fetch->cancelled);
    if (fetch_withdraw(fetch))
        fetch_free(fetch);
}

void fetch_discard(struct fetch *fetch)
{
    fetch->cancelled = true;
    const bool is_free = fetch_withdraw(fetch);
    fetch_loop_forget(fetch);
    fetch->fetcher = NULL;
    if (is_free) /* else the letter that admits it is on its way, and frees */
        fetch_free(fetch);
}

static enum fetch_outcome outcome_of(const struct fetch *fetch, CURLcode code)
{
    if (code == CURLE_OK && fetch->head.whole && decode_end(&fetch->decode) == RESULT_OK)
        return FETCH_DONE;
    if (!fetch->sent)
        return fetch->admitted ? FETCH_NOT_SENT : FETCH_REFUSED;
    return code == CURLE_OPERATION_TIMEDOUT ? FETCH_TIMED_OUT : FETCH_BROKEN;
}

void fetch_finish(struct fetch *fetch, CURLcode code)
{
    struct fetch_end end = {
        .outcome = outcome_of(fetch, code),
        .sent = fetch->sent,
        .timed_out = code == CURLE_OPERATION_TIMEDOUT,
        .elapsed_us = fetch->sent ? clock_now_us() - fetch->sent_us : 0,
    };

    fetch->finishing = true;
    if (end.outcome == FETCH_DONE && !fetch->cancelled) {
        scrub_end(&fetch->scrub, &fetch->scrubbed);
        fetch_give(fetch);
    }
    end.scrubbed = fetch->scrub.found_count;
    (void)snprintf(end.detail, sizeof(end.detail), "%s",
                   fetch->detail[0] != '\0' ? fetch->detail : curl_easy_strerror(code));
    if (!fetch->cancelled)
        fetch->handler->on_end(fetch->context, &end);
    fetch->cancelled = true;
    fetch_reap(fetch);
}

void fetch_pause(struct fetch *fetch)
{
    fetch->paused = true;
}

void fetch_resume(struct fetch *fetch)
{
    if (!fetch->paused)
        return;
    fetch->paused = false;
    fetch_progress(fetch);
    fetch_loop_go_on(fetch);
}

void fetch_resume_upload(struct fetch *fetch)
{
    if (!fetch->upload_paused)
        return;
    fetch->upload_paused = false;
    fetch_progress(fetch);
    fetch_loop_go_on(fetch);
}

void fetch_set_streams(struct fetch *fetch)
{
    fetch->streams = true;
    fetch_progress(fetch);
}
