/*
 * The life of a call: from the budget's queue over one or more tries to its end. What libcurl is
 * told is fetch_request.c's, what comes back fetch_answer.c's, the loop fetch_loop.c's.
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
    FETCH_SCRUBBED_LIMIT_BYTES = 4 * 1024 * 1024, /* a part and what was held back before it */
};

static struct fetch *fetch_of_wish(struct letter *letter)
{
    return (struct fetch *)(void *)((char *)letter - offsetof(struct fetch, wish));
}

static void fetch_say(struct fetch *fetch, const char *detail)
{
    if (fetch->end.detail[0] == '\0')
        (void)snprintf(fetch->end.detail, sizeof(fetch->end.detail), "%s", detail);
}

/* Its end is told in the loop's next round: never from within a call of our caller's. */
static void fetch_end_soon(struct fetch *fetch, enum fetch_outcome outcome)
{
    fetch->step = FETCH_OVER;
    fetch->end.outcome = outcome;
    fetch_loop_soon(fetch);
}

/* --- one try --- */

static void fetch_run(struct fetch *fetch)
{
    fetch->step = FETCH_RUNNING;
    fetch->sent = fetch->holds = fetch->upload_paused = false;
    fetch->decoded_bytes = 0;
    fetch->response = (struct response){0};
    fetch->end.detail[0] = '\0';
    response_head_init(&fetch->head);
    token_scrub(fetch->token, &fetch->scrub);
    fetch_make(fetch);
    fetch->deadline_us = clock_now_us() + fetch->upstream.config->total_timeout_us;
    if (fetch->end.detail[0] != '\0')
        fetch->deadline_us = 0; /* an option was refused: ends at the next sweep, unsent */
    else
        fetch_loop_add(fetch);
}

/* What is left of a try. */
static void fetch_clear(struct fetch *fetch)
{
    if (fetch->easy == NULL)
        return;
    fetch_unmake(fetch);
    fetch->end.scrubbed += fetch->scrub.found_count;
    scrub_finish(&fetch->scrub);
    fetch->scrub = (struct scrub){0};
    decode_finish(&fetch->decode);
    fetch->decode = (struct decode){0};
    buffer_reset(&fetch->scrubbed);
    response_head_finish(&fetch->head);
    token_release(fetch->token);
    fetch->token = NULL;
}

/* The budget lets it begin. */
static void fetch_admitted(struct fetch *fetch)
{
    const struct upstream_config *config = fetch->upstream.config;
    const int64_t now_us = clock_now_us();

    fetch->end.queue_us += now_us - fetch->queued_us;
    fetch->tries++;
    fetch->token = fetch->renewed /* only what is safe comes here twice */
                       ? credential_replacement(fetch->upstream.credential)
                       : credential_token(fetch->upstream.credential);
    if (fetch->token == NULL && config->has_token &&
        credential_renew(fetch->upstream.credential, NULL, &fetch->wish) == RESULT_BUSY) {
        fetch->step = FETCH_LACKING;
        fetch->deadline_us = now_us + config->queue_timeout_us;
        return;
    }
    if (fetch->token == NULL)
        fetch->token = credential_token(fetch->upstream.credential); /* it came just now */
    fetch_run(fetch);
}

static void fetch_enter(struct fetch *fetch)
{
    fetch->step = FETCH_QUEUED;
    fetch->queued_us = clock_now_us();
    fetch->deadline_us = fetch->queued_us + fetch->ticket.caller.patience_us;
    switch (budget_enter(fetch->upstream.budget, &fetch->ticket)) {
    case RESULT_OK:
        fetch_admitted(fetch);
        break;
    case RESULT_BUSY:
        break;
    default:
        fetch_end_soon(fetch, FETCH_REFUSED);
    }
}

/* What the last try has brought is forgotten. */
static void fetch_try_again(struct fetch *fetch)
{
    buffer_reset(&fetch->kept);
    fetch_clear(fetch);
    fetch_enter(fetch);
}

/* Out of the budget, with what the try has shown. */
static void fetch_leave_budget(struct fetch *fetch, bool answered, enum verdict verdict)
{
    const struct budget_end end = {
        .sent = fetch->sent,
        .cancelled = fetch->cancelled,
        .answered = answered,
        .verdict = verdict,
        .allowance = allowance_read(&fetch->response.fields, clock_wall_us()),
    };

    budget_leave(fetch->upstream.budget, &fetch->ticket, &end);
}

/* --- letters --- */

/* The budget's: it may begin, or need not wait any more. */
static void fetch_on_decided(struct letter *letter)
{
    struct fetch *fetch = (struct fetch *)letter;
    const bool is_admitted = fetch->ticket.refusal == BUDGET_ADMITTED;

    if (!fetch->cancelled) {
        if (is_admitted)
            fetch_admitted(fetch);
        else
            fetch_end_soon(fetch, FETCH_REFUSED);
        return;
    }
    if (is_admitted)
        fetch_leave_budget(fetch, false, VERDICT_FINE);
    fetch_free(fetch);
}

/* The credential's: there is another token, or there is not. */
static void fetch_on_renewed(struct letter *letter)
{
    struct fetch *fetch = fetch_of_wish(letter);

    if (fetch->cancelled) {
        fetch_free(fetch);
        return;
    }
    if (fetch->step == FETCH_LACKING) {
        struct token *token = credential_token(fetch->upstream.credential);

        fetch->token = token;
        if (token != NULL) {
            fetch_run(fetch);
            return;
        }
        fetch_leave_budget(fetch, false, VERDICT_FINE);
        fetch_say(fetch, "there is no token");
        fetch_end_soon(fetch, FETCH_NOT_SENT);
        return;
    }
    assert(fetch->step == FETCH_RENEWING);
    struct token *token = credential_replacement(fetch->upstream.credential);
    const bool is_another = !token_equal(token, fetch->token);
    token_release(token);
    fetch->step = FETCH_OVER;
    if (is_another && fetch->safe)
        fetch_try_again(fetch);
    else
        fetch_conclude(fetch);
}

/* --- the end of a try --- */

/* A refused token: whether another one is waited for. Whoever sent something unsafe waits, too, so
 * that the next one does not fail. */
static bool fetch_renews(struct fetch *fetch, enum verdict verdict)
{
    if (verdict != VERDICT_BAD_TOKEN || fetch->renewed || fetch->token == NULL)
        return false;
    fetch->renewed = true;
    const enum result result =
        credential_renew(fetch->upstream.credential, fetch->token, &fetch->wish);
    if (result == RESULT_OK && fetch->safe) {
        fetch_try_again(fetch);
        return true;
    }
    if (result != RESULT_BUSY)
        return false;
    fetch->step = FETCH_RENEWING;
    fetch->deadline_us = clock_now_us() + fetch->upstream.config->queue_timeout_us;
    return true;
}

static bool fetch_is_worth_a_retry(const struct fetch *fetch, bool answered)
{
    const unsigned status = fetch->response.status;

    if (answered)
        return fetch->safe && fetch->holds && (status == 502 || status == 503 || status == 504);
    if (fetch->told_head || fetch->code == CURLE_OPERATION_TIMEDOUT)
        return !fetch->sent && !fetch->told_head;
    return !fetch->sent || fetch->safe;
}

static bool fetch_retries(struct fetch *fetch, bool answered)
{
    int64_t wait_us;

    if (fetch->tries > fetch->upstream.config->retries ||
        !fetch_is_worth_a_retry(fetch, answered) ||
        !budget_retry(fetch->upstream.budget, &fetch->ticket, fetch->tries - 1, &wait_us))
        return false;
    buffer_reset(&fetch->kept);
    fetch_clear(fetch);
    fetch->step = FETCH_RESTING;
    fetch->resume_us = clock_now_us() + wait_us;
    fetch->deadline_us = INT64_MAX;
    return true;
}

void fetch_retry(struct fetch *fetch)
{
    assert(fetch->step == FETCH_RESTING);
    fetch_enter(fetch);
}

static enum fetch_outcome outcome_of(const struct fetch *fetch, bool answered)
{
    if (answered)
        return FETCH_DONE;
    if (!fetch->sent)
        return FETCH_NOT_SENT;
    return fetch->code == CURLE_OPERATION_TIMEDOUT ? FETCH_TIMED_OUT : FETCH_BROKEN;
}

/* A try is over. */
static void fetch_try_ended(struct fetch *fetch)
{
    const bool answered =
        fetch->code == CURLE_OK && fetch->head.whole && decode_end(&fetch->decode) == RESULT_OK;
    enum verdict verdict = VERDICT_FINE;

    fetch_loop_remove(fetch);
    if (answered) {
        fetch_give_rest(fetch);
        verdict = verdict_of(fetch->upstream.config->preset, fetch->response.status,
                             buffer_bytes(&fetch->kept));
    }
    fetch_leave_budget(fetch, answered, verdict);
    fetch->step = FETCH_OVER;
    fetch_say(fetch, curl_easy_strerror(fetch->code));
    fetch->end.outcome = outcome_of(fetch, answered);
    if (!fetch->cancelled && ((fetch->holds && answered && fetch_renews(fetch, verdict)) ||
                              fetch_retries(fetch, answered)))
        fetch->finishing = false;
    else
        fetch_conclude(fetch);
}

void fetch_finish(struct fetch *fetch, CURLcode code)
{
    fetch->code = code;
    switch (fetch->step) {
    case FETCH_RUNNING:
        fetch->finishing = true;
        fetch_try_ended(fetch);
        break;
    case FETCH_RENEWING: /* in vain: the answer stands */
        fetch_conclude(fetch);
        break;
    case FETCH_QUEUED:
        fetch->ticket.refusal = BUDGET_LATE;
        fetch->ticket.retry_after_us = 0;
        fetch->end.outcome = FETCH_REFUSED;
        fetch_conclude(fetch);
        break;
    default: /* FETCH_LACKING */
        fetch_say(fetch, "there was no token in time");
        fetch->end.outcome = FETCH_NOT_SENT;
        fetch_conclude(fetch);
    }
}

void fetch_conclude(struct fetch *fetch)
{
    struct fetch_end *end = &fetch->end;

    fetch->finishing = true;
    if (end->outcome == FETCH_DONE && fetch->holds)
        fetch_give_kept(fetch);
    end->sent = fetch->sent;
    end->timed_out = fetch->code == CURLE_OPERATION_TIMEDOUT;
    end->refusal = fetch->ticket.refusal;
    end->retry_after_us = fetch->ticket.retry_after_us;
    end->elapsed_us = fetch->first_sent_us == 0 ? 0 : clock_now_us() - fetch->first_sent_us;
    if (fetch->easy != NULL)
        end->scrubbed += fetch->scrub.found_count;
    if (!fetch->cancelled)
        fetch->handler->on_end(fetch->context, end);
    fetch->cancelled = true;
    fetch_reap(fetch);
}

/* --- life --- */

struct fetch *fetch_start(struct fetcher *fetcher, const struct upstream *upstream,
                          const struct fetch_request *request, const struct fetch_handler *handler,
                          void *context)
{
    struct fetch *fetch = memory_take(1, sizeof(*fetch));
    struct arena *arena = &fetch->arena;

    arena_init(arena, FETCH_ARENA_BYTES);
    fetch->ticket.letter.deliver = fetch_on_decided;
    fetch->ticket.mailbox = fetch->wish.mailbox = fetch_loop_mailbox(fetcher);
    fetch->ticket.caller = request->caller;
    fetch->ticket.is_write = !request->safe;
    if (request->caller.patience_us == 0)
        fetch->ticket.caller.patience_us = upstream->config->queue_timeout_us;
    fetch->wish.letter.deliver = fetch_on_renewed;
    fetch->fetcher = fetcher;
    fetch->upstream = *upstream;
    fetch->upstream.credential = credential_acquire(upstream->credential);
    fetch->upstream.budget = budget_acquire(upstream->budget);
    fetch->handler = handler;
    fetch->context = context;
    fetch->method = arena_copy(arena, request->method);
    fetch->url = arena_copy(arena, request->url);
    fetch->fields = fields_copy(arena, request->fields);
    fetch->body_bytes = request->body_bytes;
    fetch->safe = request->safe;
    fetch->head_only = request->head;
    fetch->streams = request->streams;
    fetch->conditional = fields_find(request->fields, BYTES("If-None-Match")) != NULL ||
                         fields_find(request->fields, BYTES("If-Modified-Since")) != NULL;
    buffer_init(&fetch->scrubbed, FETCH_SCRUBBED_LIMIT_BYTES);
    buffer_init(&fetch->kept, VERDICT_BODY_LIMIT_BYTES);
    fetch_loop_note(fetch);
    fetch_enter(fetch);
    return fetch;
}

void fetch_free(struct fetch *fetch)
{
    if (fetch->fetcher != NULL)
        fetch_loop_forget(fetch);
    fetch_clear(fetch);
    token_release(fetch->token);
    buffer_finish(&fetch->scrubbed);
    buffer_finish(&fetch->kept);
    arena_finish(&fetch->arena);
    credential_release(fetch->upstream.credential);
    budget_release(fetch->upstream.budget);
    free(fetch);
}

/* Out of everybody's hands. False: a letter is on its way, and frees. */
static bool fetch_withdraw(struct fetch *fetch)
{
    switch (fetch->step) {
    case FETCH_QUEUED:
        return budget_give_up(fetch->upstream.budget, &fetch->ticket);
    case FETCH_LACKING:
        fetch_leave_budget(fetch, false, VERDICT_FINE);
        return credential_leave(fetch->upstream.credential, &fetch->wish);
    case FETCH_RENEWING:
        return credential_leave(fetch->upstream.credential, &fetch->wish);
    case FETCH_RUNNING:
        fetch_loop_remove(fetch);
        fetch_leave_budget(fetch, false, VERDICT_FINE);
        return true;
    default:
        return true;
    }
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
    if (is_free) /* else its letter is on its way, and frees */
        fetch_free(fetch);
}

bool fetch_is_waiting(const struct fetch *fetch)
{
    return fetch->end.calls == 0 && (fetch->step == FETCH_QUEUED || fetch->step == FETCH_LACKING ||
                                     fetch->step == FETCH_RESTING);
}

uint32_t fetch_calls(const struct fetch *fetch)
{
    return fetch->end.calls;
}

void fetch_raise(struct fetch *fetch)
{
    fetch->ticket.caller.priority = PRIORITY_INTERACTIVE;
    if (fetch->step == FETCH_QUEUED)
        budget_raise(fetch->upstream.budget, &fetch->ticket);
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
