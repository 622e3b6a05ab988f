/*
 * libcurl's multi interface on libevent: which sockets it waits for, when it wants to be woken,
 * which calls have ended. Nothing of libcurl is removed while one of its functions is on the stack:
 * that is what "inside" counts.
 */
#include <assert.h>
#include <event2/event.h>
#include <malloc.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/memory.h"
#include "base/secret.h"
#include "upstream/fetch_state.h"

enum {
    LOOP_SWEEP_US = 50 * 1000,
    LOOP_IDLE_CONNECTIONS = 64,
};

struct fetcher {
    struct event_base *base;
    struct mailbox *mailbox;
    CURLM *multi;
    struct event *timer; /* libcurl's */
    struct event *sweep; /* of our deadlines; runs only while there are calls */
    struct event *round; /* active when there are ends to be told */
    struct fetch_list noted;
    struct fetch_list doomed, soon;
    size_t count;
    unsigned inside;
};

/* A socket that libcurl waits for. */
struct loop_socket {
    struct event *event;
    struct fetcher *fetcher;
};

static void wiping_free(void *memory)
{
    if (memory != NULL)
        secret_wipe(memory, malloc_usable_size(memory));
    free(memory);
}

/* realloc() that wipes what it leaves behind. */
static void *wiping_resize(void *memory, size_t size)
{
    const size_t old_size = memory == NULL ? 0 : malloc_usable_size(memory);

    if (old_size >= size && memory != NULL)
        return memory;
    void *moved = malloc(size);
    if (moved != NULL && memory != NULL) {
        memcpy(moved, memory, old_size);
        wiping_free(memory);
    }
    return moved;
}

enum result fetch_prepare(void)
{
    (void)unsetenv("SSLKEYLOGFILE"); /* libcurl would write its connections' keys there */
    const CURLcode code = curl_global_init_mem(CURL_GLOBAL_DEFAULT, malloc, wiping_free,
                                               wiping_resize, strdup, calloc);

    return code == CURLE_OK ? RESULT_OK : RESULT_SYSTEM;
}

static void fetcher_collect(struct fetcher *fetcher)
{
    CURLMsg *message;
    int left;

    assert(fetcher->inside == 0);
    while ((message = curl_multi_info_read(fetcher->multi, &left)) != NULL) {
        struct fetch *fetch = NULL;
        const CURLcode code = message->data.result;

        if (message->msg != CURLMSG_DONE)
            continue;
        (void)curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE,
                                (char **)&fetch); /* set by us */
        fetch_finish(fetch, code);
    }
    struct fetch *fetch;
    while ((fetch = TAILQ_FIRST(&fetcher->doomed)) != NULL) {
        TAILQ_REMOVE(&fetcher->doomed, fetch, put_off);
        fetch->is_doomed = false;
        fetch_reap(fetch);
    }
}

static void fetcher_act(struct fetcher *fetcher, curl_socket_t socket, int what)
{
    int running;

    fetcher->inside++;
    (void)curl_multi_socket_action(fetcher->multi, socket, what,
                                   &running); /* each call tells its own end */
    fetcher->inside--;
    if (fetcher->inside == 0)
        fetcher_collect(fetcher);
}

/* libevent: a socket of libcurl's is ready. */
static void loop_on_socket(evutil_socket_t fd, short what, void *context)
{
    const struct loop_socket *socket = context;

    fetcher_act(socket->fetcher, fd,
                ((what & EV_READ) ? CURL_CSELECT_IN : 0) |
                    ((what & EV_WRITE) ? CURL_CSELECT_OUT : 0));
}

/* libevent: the time that libcurl asked for has come. */
static void loop_on_timer(evutil_socket_t fd, short what, void *context)
{
    (void)fd;
    (void)what;
    fetcher_act(context, CURL_SOCKET_TIMEOUT, 0);
}

/* libcurl: what to wait for on a socket. */
static int loop_on_watch(CURL *easy, curl_socket_t fd, int what, void *context,
                         void *socket_context)
{
    struct fetcher *fetcher = context;
    struct loop_socket *socket = socket_context;

    (void)easy;
    if (what == CURL_POLL_REMOVE) {
        if (socket != NULL) {
            event_free(socket->event);
            free(socket);
        }
        return 0;
    }
    if (socket == NULL) {
        socket = memory_take(1, sizeof(*socket));
        socket->fetcher = fetcher;
        (void)curl_multi_assign(fetcher->multi, fd,
                                socket); /* the socket is known: libcurl just named it */
    } else {
        event_free(socket->event);
    }
    socket->event = event_new(fetcher->base, fd,
                              (short)(EV_PERSIST | ((what & CURL_POLL_IN) ? EV_READ : 0) |
                                      ((what & CURL_POLL_OUT) ? EV_WRITE : 0)),
                              loop_on_socket, socket);
    if (socket->event == NULL || event_add(socket->event, NULL) == -1)
        memory_exhausted();
    return 0;
}

/* libcurl: when to be woken; -1: no more. */
static int loop_on_wish(CURLM *multi, long wait_ms, void *context)
{
    struct fetcher *fetcher = context;
    const struct timeval wait = {.tv_sec = wait_ms / 1000, .tv_usec = wait_ms % 1000 * 1000};

    (void)multi;
    (void)(wait_ms < 0 ? evtimer_del(fetcher->timer) : evtimer_add(fetcher->timer, &wait));
    return 0;
}

/* libevent: looks for calls whose time is over. */
static void loop_on_sweep(evutil_socket_t fd, short what, void *context)
{
    struct fetcher *fetcher = context;
    const int64_t now_us = clock_now_us();

    (void)fd;
    (void)what;
    for (struct fetch *fetch = TAILQ_FIRST(&fetcher->noted), *next; fetch != NULL; fetch = next) {
        if (fetch->step == FETCH_RUNNING && (fetch->paused || fetch->upload_paused))
            fetch->deadline_us =
                now_us + fetch->upstream.config->total_timeout_us; /* its client's
                                                          time, not the upstream's */
        if (fetch->step == FETCH_RESTING && fetch->resume_us <= now_us && !fetch->cancelled)
            fetch_retry(fetch);
        const bool timed_out = fetch->deadline_us <= now_us && !fetch->cancelled && !fetch->is_soon;
        if (timed_out)
            fetch_finish(fetch, CURLE_OPERATION_TIMEDOUT);
        next = timed_out ? TAILQ_FIRST(&fetcher->noted) /* a handler may have ended others */
                         : TAILQ_NEXT(fetch, noted);
    }
}

/* libevent: ends that were put off are told. */
static void loop_on_round(evutil_socket_t fd, short what, void *context)
{
    struct fetcher *fetcher = context;
    struct fetch *fetch;

    (void)fd;
    (void)what;
    while ((fetch = TAILQ_FIRST(&fetcher->soon)) != NULL) {
        TAILQ_REMOVE(&fetcher->soon, fetch, put_off);
        fetch->is_soon = false;
        fetch_conclude(fetch);
    }
}

enum result fetcher_create(struct event_base *base, struct mailbox *mailbox,
                           struct fetcher **created)
{
    struct fetcher *fetcher = memory_take(1, sizeof(*fetcher));

    fetcher->base = base;
    fetcher->mailbox = mailbox;
    TAILQ_INIT(&fetcher->noted);
    TAILQ_INIT(&fetcher->doomed);
    TAILQ_INIT(&fetcher->soon);
    fetcher->multi = curl_multi_init();
    fetcher->timer = evtimer_new(base, loop_on_timer, fetcher);
    fetcher->sweep = event_new(base, -1, EV_PERSIST, loop_on_sweep, fetcher);
    fetcher->round = event_new(base, -1, 0, loop_on_round, fetcher);
    if (fetcher->multi == NULL || fetcher->timer == NULL || fetcher->sweep == NULL ||
        fetcher->round == NULL)
        memory_exhausted();
    (void)curl_multi_setopt(fetcher->multi, CURLMOPT_SOCKETFUNCTION,
                            loop_on_watch); /* known options: can't fail */
    (void)curl_multi_setopt(fetcher->multi, CURLMOPT_SOCKETDATA, fetcher);
    (void)curl_multi_setopt(fetcher->multi, CURLMOPT_TIMERFUNCTION, loop_on_wish);
    (void)curl_multi_setopt(fetcher->multi, CURLMOPT_TIMERDATA, fetcher);
    (void)curl_multi_setopt(fetcher->multi, CURLMOPT_MAXCONNECTS, (long)LOOP_IDLE_CONNECTIONS);
    *created = fetcher;
    return RESULT_OK;
}

void fetcher_destroy(struct fetcher *fetcher)
{
    struct fetch *fetch;

    if (fetcher == NULL)
        return;
    while ((fetch = TAILQ_FIRST(&fetcher->noted)) != NULL)
        fetch_discard(fetch);
    (void)curl_multi_cleanup(fetcher->multi); /* closes idle connections */
    event_free(fetcher->timer);
    event_free(fetcher->sweep);
    event_free(fetcher->round);
    free(fetcher);
}

struct mailbox *fetch_loop_mailbox(const struct fetcher *fetcher)
{
    return fetcher->mailbox;
}

void fetch_loop_note(struct fetch *fetch)
{
    struct fetcher *fetcher = fetch->fetcher;
    const struct timeval sweep = {.tv_usec = LOOP_SWEEP_US};

    TAILQ_INSERT_TAIL(&fetcher->noted, fetch, noted);
    if (fetcher->count++ == 0)
        (void)event_add(fetcher->sweep, &sweep); /* memory is the only thing it could lack */
}

void fetch_loop_forget(struct fetch *fetch)
{
    struct fetcher *fetcher = fetch->fetcher;

    if (fetch->is_doomed)
        TAILQ_REMOVE(&fetcher->doomed, fetch, put_off);
    TAILQ_REMOVE(&fetcher->noted, fetch, noted);
    if (--fetcher->count == 0)
        (void)event_del(fetcher->sweep);
}

void fetch_loop_add(struct fetch *fetch)
{
    fetch->added = true;
    fetch->fetcher->inside++;
    if (curl_multi_add_handle(fetch->fetcher->multi, fetch->easy) == CURLM_OUT_OF_MEMORY)
        memory_exhausted();
    fetch->fetcher->inside--;
}

void fetch_loop_remove(struct fetch *fetch)
{
    assert(fetch->fetcher->inside == 0);
    if (!fetch->added)
        return;
    fetch->added = false;
    fetch->fetcher->inside++;
    (void)curl_multi_remove_handle(fetch->fetcher->multi, fetch->easy); /* it is there */
    fetch->fetcher->inside--;
}

void fetch_loop_go_on(struct fetch *fetch)
{
    struct fetcher *fetcher = fetch->fetcher;

    if (!fetch->added)
        return;
    fetcher->inside++;
    (void)curl_easy_pause(fetch->easy,
                          fetch->upload_paused ? CURLPAUSE_SEND : CURLPAUSE_CONT); /* ends tell */
    fetcher->inside--; /* what else there is to do, libcurl asks for by its timer */
}

bool fetch_loop_is_inside(const struct fetcher *fetcher)
{
    return fetcher->inside > 0;
}

void fetch_loop_soon(struct fetch *fetch)
{
    fetch->is_soon = true;
    TAILQ_INSERT_TAIL(&fetch->fetcher->soon, fetch, put_off);
    event_active(fetch->fetcher->round, EV_TIMEOUT, 0);
}

void fetch_loop_doom(struct fetch *fetch)
{
    if (fetch->is_soon)
        TAILQ_REMOVE(&fetch->fetcher->soon, fetch, put_off);
    fetch->is_soon = false;
    fetch->is_doomed = true;
    TAILQ_INSERT_TAIL(&fetch->fetcher->doomed, fetch, put_off);
}

size_t fetcher_count(const struct fetcher *fetcher)
{
    return fetcher->count;
}
