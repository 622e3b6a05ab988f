/*
 * What workers count. Each counter has one writer, its worker; admin reads them at any time:
 * relaxed atomics, for a number that is a moment old is as good.
 */
#ifndef POSTERN_GATEWAY_COUNTERS_H
#define POSTERN_GATEWAY_COUNTERS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "cache/widening.h"
#include "http/message.h"

/* How the cache took part in an answer (RFC 9211's words where it has them). */
enum outcome {
    OUTCOME_HIT,
    OUTCOME_MISS,        /* fwd=uri-miss, vary-miss or stale, and fetched */
    OUTCOME_REVALIDATED, /* the upstream's 304 made a stored answer fresh */
    OUTCOME_COLLAPSED,   /* another request's call brought it */
    OUTCOME_BYPASS,      /* not looked up, or not to be stored */
    OUTCOME_WRITE,       /* fwd=method */
    OUTCOME_NONE,        /* the gate's own answer: refused, failed */
    OUTCOME_COUNT,
};

/* The word of the audit trail and of metrics. Static storage. */
const char *outcome_name(enum outcome outcome);

/* Why a request was refused without an answer of the upstream or the cache. */
enum refusal {
    REFUSAL_NONE,
    REFUSAL_FORM,   /* malformed, or what can't be read in one way */
    REFUSAL_KEY,    /* no key, or not a valid one */
    REFUSAL_PATH,   /* no upstream serves it */
    REFUSAL_RULE,   /* the client may not do that */
    REFUSAL_QUOTA,  /* over the client's own quota */
    REFUSAL_QUEUE,  /* too many wait for the upstream, or for too long */
    REFUSAL_SPENT,  /* the upstream's calls of the day are spent */
    REFUSAL_PAUSED, /* the upstream said that it is too much */
    REFUSAL_BROKEN, /* the circuit breaker is open */
    REFUSALS,
};
const char *refusal_name(enum refusal refusal); /* static storage */

enum {
    COUNTERS_CLIENTS = 4096,   /* slots; later clients share the last */
    COUNTERS_CLASSES = 6,      /* 0: none was sent; 1xx to 5xx */
    COUNTERS_BUCKETS = 24,     /* of latency: up to 2^n microseconds; the last: more */
    COUNTERS_QUEUED_US = 1000, /* a shorter wait is none: the way to the budget and back */
};

struct counter {
    _Atomic uint64_t value;
};

/*
 * Which place belongs to a client and a path template (gateway/scope.h): the process's, so that all
 * workers count a pair alike. Places are given for good, by whichever thread sees a pair first;
 * when PAIRS_LIMIT are given, what is new is counted as its client's "other".
 */
enum {
    PAIRS_LIMIT = 4096,
    PAIRS_PLACES = 2 * PAIRS_LIMIT, /* half of them stay free, so that looking is short */
    PAIRS_NONE = PAIRS_PLACES,
};

struct pairs {
    _Atomic uint32_t keys[PAIRS_PLACES]; /* 0: free */
    _Atomic uint32_t count;
};

/* The pair's place, given now if there is one left; PAIRS_NONE: there is not, or the scope is
 * SCOPE_OTHER. Any thread. */
uint32_t pairs_place(struct pairs *pairs, uint32_t slot, uint32_t scope);

/* Whose a place is. False: nobody's. Any thread. */
bool pairs_read(const struct pairs *pairs, uint32_t place, uint32_t *slot, uint32_t *scope);

/* Of a client and a path template. */
struct pair_counters {
    struct counter requests, hits;
    struct counter calls;    /* sent to the upstream */
    struct counter saved;    /* requests that were answered without one of their own */
    struct counter queued;   /* requests whose call waited … */
    struct counter queue_us; /* … and for how long */
};

struct client_counters {
    struct counter requests[METHOD_COUNT][COUNTERS_CLASSES][OUTCOME_COUNT];
    struct counter refusals[REFUSALS];
    struct pair_counters other; /* what has no place */
};

struct counters {
    struct pairs *pairs; /* borrowed */
    struct pair_counters by_pair[PAIRS_PLACES];
    struct client_counters
        *_Atomic clients[COUNTERS_CLIENTS]; /* made at a client's first request */
    struct counter latency[COUNTERS_BUCKETS];
    struct counter latency_us, latency_count;
    struct counter in_bytes, out_bytes;
    struct counter upstream_calls, upstream_us, upstream_failures;
    struct counter widened[WIDENINGS];  /* more went, or will go, than had to */
    struct counter scrubbed;            /* occurrences of the token cut out of answers */
    struct counter refused_connections; /* requests that were none */
};

static inline void counter_add(struct counter *counter, uint64_t amount)
{
    const uint64_t value = atomic_load_explicit(&counter->value, memory_order_relaxed);

    atomic_store_explicit(&counter->value, value + amount,
                          memory_order_relaxed); /* one writer: no lost update */
}

/* Bits of enum widening, each once. */
void counters_add_widened(struct counters *counters, unsigned widened);

void counters_finish(struct counters *counters);

/* One answered request of the client in `slot`. */
struct counted {
    uint32_t slot;
    uint32_t scope; /* struct scope's id */
    enum http_method method;
    unsigned status;
    enum outcome outcome;
    enum refusal refusal;
    uint32_t calls;   /* that were sent to the upstream for it, retries included */
    int64_t queue_us; /* that its call waited for its turn */
    int64_t total_us;
    uint64_t in_bytes, out_bytes;
};
void counters_add_request(struct counters *counters, const struct counted *counted);

/* One that was refused before it was a request. */
void counters_add_malformed(struct counters *counters);

#endif
