/*
 * What comes back of a call: libcurl's callbacks. A head is checked and cleaned before anybody sees
 * it, a body decoded and cleaned; an answer that may say something of the upstream itself is kept
 * until its end, as far as that is near.
 */
#include <assert.h>
#include <stdio.h>

#include "base/clock.h"
#include "upstream/fetch_state.h"

void fetch_progress(struct fetch *fetch)
{
    if (fetch->streams)
        fetch->deadline_us = clock_now_us() + fetch->upstream.config->total_timeout_us;
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
    fetch->end.calls++;
    if (fetch->sent) {
        budget_spend(fetch->upstream.budget); /* libcurl repeats it */
        return CURL_PREREQFUNC_OK;
    }
    fetch->sent = true;
    if (fetch->first_sent_us == 0)
        fetch->first_sent_us = clock_now_us();
    if (fetch->handler->on_begun != NULL)
        fetch->handler->on_begun(fetch->context);
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

        line->name =
            token_clean_field(fetch->token, &fetch->arena, &rewrite, BYTES(""), line->name);
        line->value =
            token_clean_field(fetch->token, &fetch->arena, &rewrite, line->name, line->value);
    }
}

/* For a callback of libcurl's: ends the call, and says why. */
static size_t fetch_fail(struct fetch *fetch, const char *why)
{
    (void)snprintf(fetch->end.detail, sizeof(fetch->end.detail), "%s", why);
    return CURL_WRITEFUNC_ERROR;
}

/* Range never goes up (in parts of an answer the token could not be found), conditions not always.
 */
static bool response_is_unasked(const struct fetch *fetch)
{
    return fetch->response.status == 206 || (fetch->response.status == 304 && !fetch->conditional);
}

/* Whether the answer may say something of the upstream, and not only to the client. */
static bool fetch_should_hold(const struct fetch *fetch)
{
    const struct preset *preset = fetch->upstream.config->preset;

    return verdict_needs_body(preset, fetch->response.status) ||
           verdict_of(preset, fetch->response.status, BYTES("")) != VERDICT_FINE;
}

static void fetch_tell_head(struct fetch *fetch)
{
    fetch->told_head = true;
    fetch->handler->on_head(fetch->context, &fetch->response);
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
        (void)snprintf(fetch->end.detail, sizeof(fetch->end.detail),
                       "the upstream's response head is %s", result_text(result));
        return CURL_WRITEFUNC_ERROR;
    }
    if (response_is_unasked(fetch))
        return fetch_fail(fetch,
                          "the upstream answered with a part, or 304, and was asked for neither");
    fetch_clean_fields(fetch, &fetch->response.fields);
    if (fetch->token != NULL)
        decode_begin(&fetch->decode, &fetch->arena, &fetch->response);
    fetch_progress(fetch);
    fetch->holds = fetch_should_hold(fetch);
    if (!fetch->holds)
        fetch_tell_head(fetch);
    return fetch->cancelled ? CURL_WRITEFUNC_ERROR : length;
}

void fetch_give_kept(struct fetch *fetch)
{
    fetch->holds = false;
    if (!fetch->cancelled)
        fetch_tell_head(fetch);
    if (fetch->kept.length > 0 && !fetch->cancelled)
        fetch->handler->on_body(fetch->context, buffer_bytes(&fetch->kept));
    buffer_reset(&fetch->kept);
}

/* Gives what is clean to the handler, or keeps it; what is too long to be kept, nobody waits for.
 */
static void fetch_give(struct fetch *fetch)
{
    assert(!fetch->scrubbed.failed); /* a piece and what scrub may hold back are smaller */
    const struct bytes part = buffer_bytes(&fetch->scrubbed);

    if (fetch->holds && fetch->kept.length + part.length > VERDICT_BODY_LIMIT_BYTES)
        fetch_give_kept(fetch);
    if (fetch->holds)
        buffer_add(&fetch->kept, part);
    else if (part.length > 0 && !fetch->cancelled)
        fetch->handler->on_body(fetch->context, part);
    buffer_reset(&fetch->scrubbed);
}

void fetch_give_rest(struct fetch *fetch)
{
    scrub_end(&fetch->scrub, &fetch->scrubbed);
    fetch_give(fetch);
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
size_t fetch_on_upload(char *room, size_t size, size_t count, void *context)
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

/* libcurl takes these options: they are known to it, and copied or borrowed as they are. */
void fetch_listen(struct fetch *fetch)
{
    CURL *easy = fetch->easy;

    (void)curl_easy_setopt(easy, CURLOPT_PRIVATE, fetch);
    (void)curl_easy_setopt(easy, CURLOPT_PREREQFUNCTION, fetch_on_prereq);
    (void)curl_easy_setopt(easy, CURLOPT_PREREQDATA, fetch);
    (void)curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, fetch_on_header);
    (void)curl_easy_setopt(easy, CURLOPT_HEADERDATA, fetch);
    (void)curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, fetch_on_body);
    (void)curl_easy_setopt(easy, CURLOPT_WRITEDATA, fetch);
}
