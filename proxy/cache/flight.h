/*
 * Collapsed forwarding: one upstream call for all who ask for the same thing at the same time, over
 * all workers.
 *
 * A flight is led by the worker that fetches. Others join and wait; when the answer is whole (or it
 * turns out that it can't be shared) each waiter gets a letter. Rule 6: a request joins only if no
 * invalidation of the account was published since the flight's request was sent; a finished flight
 * stays joinable under the same rule until its store is committed. A flight that may not be joined
 * is replaced in the table by the next one and ends for those who are in it.
 *
 * Threads: all functions from any; the table is cut into shards with a lock each, held for a few
 * instructions.
 */
#ifndef POSTERN_CACHE_FLIGHT_H
#define POSTERN_CACHE_FLIGHT_H

#include "base/buffer.h"
#include "cache/cache.h"

enum { FLIGHT_WAITERS_LIMIT = 4096 };

struct flights;
struct flight;

/*
 * A whole answer, shared and immutable. Counted: flight_answer_release frees at the last.
 */
struct flight_answer {
    atomic_uint references;
    struct arena arena;  /* holds the fields and vary */
    struct buffer spool; /* holds the body */
    unsigned status;
    struct fields fields;
    const char
        *problem; /* not NULL: no answer of the upstream, but why there is none; static storage */
    unsigned retry_after_s, refusal; /* of a problem: the leader's to say, the waiters' to read */
    struct bytes vary;               /* names the fields that select it; empty: none */
    struct hash128 variant;          /* by `vary`, of the request that fetched it */
    int64_t upstream_us;             /* how long the call took; -1: it never began */
};

/* An empty answer with one reference; its spool takes up to `limit_bytes`. */
struct flight_answer *flight_answer_create(size_t limit_bytes);
void flight_answer_release(struct flight_answer *answer); /* NULL is fine */

/* Who waits: on the heap, for the letter may come when the request has gone. */
struct flight_waiter {
    struct letter letter; /* first */
    struct flight_waiter *next, *previous;
    struct mailbox *mailbox;
    struct flights *flights;
    struct hash128 variant;
    bool is_urgent;        /* the one who waits, or leads, goes before others */
    struct flight *flight; /* NULL: the letter is on its way; guarded by the shard's lock */
    void *exchange;        /* the waiter's own; NULL once it has gone */
    struct flight_answer
        *answer; /* with the letter: one reference; NULL: can't be shared, ask yourself */
};

/* Called on the leader's thread. */
struct flight_hooks {
    struct mailbox *mailbox;
    void (*on_abandoned)(void *context); /* the last of the waiters has gone after
                                            flight_leader_left */
    void (*on_raised)(void *context);    /* the first urgent one waits, and the leader is not */
    void *context;
};

enum flight_role {
    FLIGHT_LEAD,   /* *flight is new: fetch, after flight_set_hooks */
    FLIGHT_WAIT,   /* the waiter's letter will come */
    FLIGHT_LANDED, /* waiter->answer is there already: one reference */
    FLIGHT_ALONE,  /* fetch for yourself: not to be collapsed */
};

struct flights *flights_create(struct cache *cache);
void flights_destroy(struct flights *flights);

/* What somebody who found nothing in the cache does. `waiter` is kept only for FLIGHT_WAIT. */
enum flight_role flight_join(struct flights *flights, const struct cache_query *query,
                             struct hash128 variant, struct flight_waiter *waiter,
                             struct flight **flight);

/* The leader's, right after FLIGHT_LEAD. */
void flight_set_hooks(struct flight *flight, const struct flight_hooks *hooks);

/* Rule 1: the request is about to be sent, now. Returns the count noted. */
uint64_t flight_sent(struct flight *flight);

/* The answer is whole: waiters get it. The flight stays joinable until flight_end. Borrows the
 * answer. */
void flight_land(struct flight *flight, struct flight_answer *answer);

/*
 * The leader is done with the flight, and with `flight`. Waiters that have no answer yet are told
 * to ask for themselves; `remember` keeps requests for this key from queueing for a minute: its
 * answers can't be shared.
 */
void flight_end(struct flight *flight, bool remember);

/* The leader's own client has gone. True: nobody waits, so end it; false: go on for the others. */
bool flight_leader_left(struct flight *flight);

/*
 * A waiter goes before its letter came. True: it is free, no letter will come. False: the letter is
 * on its way, and whoever gets it frees the waiter and releases the answer.
 */
MUST_USE bool flight_leave(struct flight_waiter *waiter);

size_t flights_count(struct flights *flights);

#endif
