/*
 * What the files of a fetch share: fetch.c (its life, from the budget's queue to its end),
 * fetch_request.c (what libcurl is told), fetch_answer.c (what comes back), fetch_loop.c (the loop
 * that drives libcurl). Private to upstream/.
 */
#ifndef POSTERN_UPSTREAM_FETCH_STATE_H
#define POSTERN_UPSTREAM_FETCH_STATE_H

#include <curl/curl.h>
#include <sys/queue.h>

#include "upstream/decode.h"
#include "upstream/fetch.h"
#include "upstream/response_head.h"

enum fetch_step {
    FETCH_QUEUED,   /* waits for the budget: its letter, or the deadline */
    FETCH_LACKING,  /* admitted, waits for a token: the credential's letter */
    FETCH_RUNNING,  /* libcurl drives it */
    FETCH_RENEWING, /* its token was refused: waits for another; not admitted any more */
    FETCH_RESTING,  /* will be tried again at resume_us; not admitted */
    FETCH_OVER,     /* its end is told, now or soon */
};

struct fetch {
    struct budget_ticket ticket; /* first: the budget's letter gets this struct's address */
    struct credential_wish wish;
    TAILQ_ENTRY(fetch) noted;
    TAILQ_ENTRY(fetch) put_off; /* in one of the loop's lists */
    struct fetcher *fetcher;    /* NULL: gone */
    struct upstream upstream;   /* credential and budget: one reference each */
    const struct fetch_handler *handler;
    void *context;

    /* the request, in the arena */
    struct arena arena;
    struct bytes method, url;
    struct fields fields;
    int64_t body_bytes;
    bool safe, head_only;
    bool conditional; /* it asks for 304 where nothing has changed */

    /* one try of it */
    CURL *easy; /* NULL: none yet */
    struct curl_slist *lines;
    struct token *token; /* one reference: the one that went up */
    struct response_head head;
    struct response response;
    struct decode decode;
    size_t decoded_bytes; /* of the part that libcurl will hand over again after a pause */
    struct scrub scrub;
    struct buffer scrubbed;
    bool added; /* to libcurl */
    bool sent;  /* PREREQ fired */
    bool holds; /* the answer is kept back until it is known what it says of the upstream */
    struct buffer kept;

    enum fetch_step step;
    CURLcode code; /* how the last try ended */
    uint32_t tries;
    bool renewed;   /* its token was refused once already */
    bool streams;   /* see fetch_request */
    bool told_head; /* the handler has the head: no other try */
    bool paused, upload_paused;
    bool cancelled; /* no handler is called any more */
    bool is_doomed, is_soon;
    bool finishing; /* fetch_finish is at work */
    int64_t queued_us, first_sent_us, deadline_us, resume_us;
    struct fetch_end end;
};

TAILQ_HEAD(fetch_list, fetch);

/* fetch_loop.c */
struct mailbox *fetch_loop_mailbox(const struct fetcher *fetcher);
void fetch_loop_note(struct fetch *fetch); /* counts it, watches its deadline */
void fetch_loop_forget(struct fetch *fetch);
void fetch_loop_add(struct fetch *fetch);    /* to libcurl */
void fetch_loop_remove(struct fetch *fetch); /* from libcurl; fine where it is not there */
void fetch_loop_go_on(struct fetch *fetch);  /* after a pause of either direction */
bool fetch_loop_is_inside(const struct fetcher *fetcher);
void fetch_loop_doom(struct fetch *fetch); /* fetch_reap it as soon as libcurl has returned */
void fetch_loop_soon(struct fetch *fetch); /* fetch_conclude it in the loop's next round */

/* fetch_request.c: makes the easy handle of one try, with the present token. */
void fetch_make(struct fetch *fetch);
void fetch_unmake(struct fetch *fetch);

/* fetch_answer.c */
void fetch_listen(struct fetch *fetch); /* sets the callbacks of a new handle */
void fetch_progress(struct fetch *fetch);
size_t fetch_on_upload(char *room, size_t size, size_t count, void *context); /* libcurl */
void fetch_give_rest(struct fetch *fetch); /* what scrub held back, at a whole answer's end */
void fetch_give_kept(struct fetch *fetch); /* a kept answer's head and body */

/* fetch.c */
void fetch_finish(struct fetch *fetch, CURLcode code); /* libcurl, or a deadline, has ended it */
void fetch_conclude(struct fetch *fetch); /* tells the end as it stands in the struct, frees */
void fetch_retry(struct fetch *fetch);    /* it has rested */
void fetch_reap(struct fetch *fetch);
void fetch_free(struct fetch *fetch);
void fetch_discard(struct fetch *fetch); /* the fetcher goes */

#endif
