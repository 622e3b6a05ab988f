/* What fetch.c (one call) and fetch_loop.c (the loop that drives libcurl) share. Private to
 * upstream/. */
#ifndef POSTERN_UPSTREAM_FETCH_STATE_H
#define POSTERN_UPSTREAM_FETCH_STATE_H

#include <curl/curl.h>
#include <sys/queue.h>

#include "upstream/decode.h"
#include "upstream/fetch.h"
#include "upstream/response_head.h"

struct fetch {
    struct budget_ticket ticket; /* first: the budget's letter gets this struct's address */
    TAILQ_ENTRY(fetch) noted;
    TAILQ_ENTRY(fetch) doomed;
    struct fetcher *fetcher;  /* NULL: gone */
    struct upstream upstream; /* token and budget: one reference each */
    const struct fetch_handler *handler;
    void *context;

    CURL *easy;
    struct curl_slist *lines;
    struct arena arena;
    struct response_head head;
    struct response response;
    struct decode decode;
    size_t decoded_bytes; /* of the part that libcurl will hand over again after a pause */
    struct scrub scrub;
    struct buffer scrubbed;

    bool safe, streams;
    bool conditional; /* it asks for 304 where nothing has changed */
    bool queued;      /* waits, or waited, for the budget */
    bool admitted;    /* the budget counts it */
    bool added;       /* libcurl drives it */
    bool sent;        /* PREREQ fired */
    bool paused, upload_paused;
    bool cancelled; /* no handler is called any more */
    bool is_doomed;
    bool finishing; /* fetch_finish is at work */
    int64_t sent_us, deadline_us;
    char detail[128];
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

/* fetch.c: libcurl (or a deadline) has ended it: tells the handler, frees. */
void fetch_finish(struct fetch *fetch, CURLcode code);
void fetch_reap(struct fetch *fetch);
void fetch_free(struct fetch *fetch);
void fetch_discard(struct fetch *fetch); /* the fetcher goes */

#endif
