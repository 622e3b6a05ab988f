/*
 * One exchange: a client's request and its answer. exchange.c tells its story; the parts that take
 * long live in reading.c (fetching what may be stored, alone or for many) and writing.c (what
 * changes the upstream).
 *
 * An exchange lives in its connection's arena, from on_request to on_finished. Readings and
 * writings live on the heap, for they may outlast the client; they know their exchange only while
 * it is there.
 */
#ifndef POSTERN_GATEWAY_EXCHANGE_H
#define POSTERN_GATEWAY_EXCHANGE_H

#include "cache/freshness.h"
#include "gateway/worker.h"
#include "http/uri.h"

struct reading;
struct writing;

/* How far the validation of a stored answer came. */
enum validation {
    VALIDATION_NONE,
    VALIDATION_DONE,   /* the upstream said 304: the stored one may be used this once, whatever its
                          age */
    VALIDATION_FAILED, /* overtaken: fetch without conditions */
};

struct exchange {
    struct worker *worker;
    struct connection *connection;
    struct settings *settings; /* one reference */
    struct arena *arena;       /* the connection's */
    const struct request *request;

    struct bytes id; /* X-Request-Id */
    int64_t start_us, start_wall_us;
    const struct client_config *client; /* NULL: not identified */
    int64_t key_until_wall_us;          /* when the key that it came with ends; INT64_MAX: never */
    const struct allotment *allotment;  /* NULL: not identified */
    uint32_t client_slot;
    struct settings_upstream *upstream;
    struct account *account; /* NULL: not known yet */
    struct target at_gate;   /* as the client sees it */
    struct bytes prefix;     /* of the upstream, cut off; empty: none */
    struct target target;    /* as the upstream sees it */
    struct bytes plain_path; /* target.path without version prefix */
    struct scope scope;      /* its path template */
    struct fields sent;      /* request fields as they go up */
    struct cache_rule rule;
    struct freshness_wishes wishes;
    struct cache_query query;
    enum validation validation;
    bool has_conditions; /* If-* or Range: judged on the whole */

    /* at most one of the three is there */
    struct flight_waiter *waiter;
    struct reading *reading;
    struct writing *writing;
    struct deferred *deferred; /* the record that waits for the ring */

    /* for the record */
    enum outcome outcome;
    enum refusal refusal;
    uint32_t calls;        /* sent to the upstream for it */
    int64_t queue_us;      /* that they waited */
    const char *forwarded; /* RFC 9211 §2.2: why the cache did not answer; NULL: it did */
    unsigned status;       /* 0: no answer yet */
    int64_t upstream_us;   /* -1: no call */
    const uint8_t *body_hmac;
    bool recorded;
};

/* Who asks, for the upstream's budget. */
struct caller exchange_caller(const struct exchange *exchange);

extern const struct connection_handler exchange_handler;

/* Looks again: in the cache, then for a flight. For a waiter whose flight could not be shared.
 * `alone`: fetch for itself. */
void exchange_read(struct exchange *exchange, bool alone);

#endif
