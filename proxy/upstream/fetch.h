/*
 * Calls to the upstream: libcurl on a worker's event loop. The token goes in here and nowhere
 * earlier, and what comes back is checked, cleaned of it, and rewritten before anybody sees it.
 *
 * A fetch waits for its turn in the upstream's budget, then runs. What failed before anything was
 * sent, and safe requests whose connection broke or that were answered 502, 503 or 504, are tried
 * again as often as the upstream's `retries` and the retry budget allow; a safe request whose token
 * was refused is sent once more with another one. None of that once the handler has a head.
 *
 * One thread: the one that owns the fetcher.
 */
#ifndef POSTERN_UPSTREAM_FETCH_H
#define POSTERN_UPSTREAM_FETCH_H

#include "base/mailbox.h"
#include "http/message.h"
#include "upstream/budget.h"
#include "upstream/credential.h"

struct event_base;
struct fetcher; /* a thread's: its connections, its loop */
struct fetch;   /* one call */

/* What a call needs to know of its upstream; borrowed until the fetch has ended. */
struct upstream {
    const struct upstream_config *config;
    struct credential *credential;
    struct budget *budget;
};

enum fetch_outcome {
    FETCH_DONE,      /* the answer is whole */
    FETCH_REFUSED,   /* by the budget: nothing was sent; `refusal` says why */
    FETCH_NOT_SENT,  /* no connection, or no token: nothing was sent */
    FETCH_TIMED_OUT, /* the request was sent, or may have been; no whole answer in time */
    FETCH_BROKEN,    /* the same, for another reason */
};

struct fetch_end {
    enum fetch_outcome outcome;
    bool sent; /* the request may have reached the upstream (PREREQ fired) */
    bool timed_out;
    enum budget_refusal refusal;
    int64_t retry_after_us; /* of a refusal; 0: not known */
    uint32_t calls;         /* that were sent, repetitions included */
    int64_t queue_us;       /* how long they waited for their turn */
    int64_t elapsed_us;     /* from the first sending to the end; 0 where nothing was sent */
    uint64_t scrubbed;      /* occurrences of the token that were cut out */
    char detail[128];       /* for logs: what went wrong; no URL in it */
};

/* From on_upload. */
#define FETCH_UPLOAD_PAUSE ((size_t)-1) /* nothing yet: fetch_resume_upload when there is */
#define FETCH_UPLOAD_ABORT ((size_t)-2) /* the body will never be whole */

struct fetch_handler {
    /* The request is about to be sent, now (CURLOPT_PREREQFUNCTION); again for each try. May be
     * NULL. */
    void (*on_begun)(void *context);
    /* The final head, without hop-by-hop fields, token and cookies; valid until on_end has
     * returned. */
    void (*on_head)(void *context, const struct response *head);
    /* A part of the body, cleaned. Borrowed for the call. Take it; for no more for now,
     * fetch_pause. */
    void (*on_body)(void *context, struct bytes part);
    /* Wants up to `size` bytes of the request's body: their number, 0 at its end, or one of the
     * above. */
    size_t (*on_upload)(void *context, char *room, size_t size);
    /* Over. The fetch is freed after it. Not called for a cancelled fetch. */
    void (*on_end)(void *context, const struct fetch_end *end);
};

struct fetch_request {
    struct caller caller; /* patience_us 0: the upstream's timeouts.queue */
    struct bytes method;
    bool safe;                   /* may be sent more than once */
    bool head;                   /* HEAD: no body comes */
    struct bytes url;            /* normalised path?query, below the upstream's base path */
    const struct fields *fields; /* what goes up besides the token; copied */
    int64_t body_bytes;          /* 0: none; HTTP_BODY_CHUNKED: not known */
    bool streams; /* total_timeout counts from the last progress, not from the start */
};

MUST_USE enum result fetcher_create(struct event_base *base, struct mailbox *mailbox,
                                    struct fetcher **fetcher);

/* Cancels what is under way. Letters that are on their way still come to the mailbox. NULL is fine.
 */
void fetcher_destroy(struct fetcher *fetcher);

/* Once a process, before any thread: libcurl, set to wipe what it frees. */
MUST_USE enum result fetch_prepare(void);

/* Begins a call. All that the request points at is copied. The handler is called from the loop,
 * never from here. */
struct fetch *fetch_start(struct fetcher *fetcher, const struct upstream *upstream,
                          const struct fetch_request *request, const struct fetch_handler *handler,
                          void *context);

/* It waits for its turn, or for a token, and was never sent. */
bool fetch_is_waiting(const struct fetch *fetch);

/* How often it was sent so far. */
uint32_t fetch_calls(const struct fetch *fetch);

/* Ends it without on_end; the connection is closed where the request was sent. */
void fetch_cancel(struct fetch *fetch);

/* Somebody interactive waits for it, too: it goes before what is not. */
void fetch_raise(struct fetch *fetch);

/* Holds the answer's body back (from on_body), lets it go on; the time-out stands still meanwhile.
 */
void fetch_pause(struct fetch *fetch);
void fetch_resume(struct fetch *fetch);

/* There is more of the request's body now. */
void fetch_resume_upload(struct fetch *fetch);

/* From now on the time-out counts from the last progress: a flight that turned out to be a stream.
 */
void fetch_set_streams(struct fetch *fetch);

/* Calls that were begun and are not over. */
size_t fetcher_count(const struct fetcher *fetcher);

#endif
