/*
 * The sandbox: a simulated Copernica REST API on a listening socket, with data of its own in
 * memory, and a control port to misbehave on demand and to see what came.
 *
 * Control port: knobs, counts, the log, a fresh start, accounts, apps and tokens under /_sandbox/
 * (docs/sandbox.md). It shows tokens: it is for tests, on loopback.
 */
#ifndef POSTERN_SANDBOX_SANDBOX_H
#define POSTERN_SANDBOX_SANDBOX_H

#include <stdint.h>

#include "base/bytes.h"
#include "base/result.h"

struct event_base;
struct sandbox; /* owned by the thread that runs its event_base */

struct sandbox_knobs {
    int64_t latency_us;         /* before a call is carried out */
    int64_t latency_after_us;   /* after that, before the answer */
    int64_t jitter_us;          /* up to so much more latency, by chance */
    int64_t jitter_after_us;    /* the same for the latency after */
    int64_t view_lag_us;        /* selections follow changes only that much later */
    uint32_t per_second;        /* more calls in a second are refused; 0: no limit */
    bool limits_with_page;      /* … by the load balancer's 503 page instead of 429 */
    uint64_t file_bytes;        /* size of every file's content */
    int64_t bearer_lifetime_us; /* of bearers made from now on */
    uint64_t profiles; /* so many in each database from the next reset on; 0: as they come */
};

enum { SANDBOX_FILE_BYTES = 1024 * 1024, SANDBOX_BEARER_LIFETIME_S = 24 * 60 * 60 };

struct sandbox_options {
    const char *listen;  /* "127.0.0.1:8082"; port 0 is any */
    const char *control; /* NULL: no control port */
    struct bytes token;  /* what calls must come with; copied */
    struct sandbox_knobs knobs;
};

/* Seeds the data and serves both addresses on `base`, whose loop the caller runs. */
MUST_USE enum result sandbox_open(const struct sandbox_options *options, struct event_base *base,
                                  struct sandbox **sandbox, struct error *error);

/* Closes all sockets at once. NULL is fine. */
void sandbox_close(struct sandbox *sandbox);

/* As bound: "127.0.0.1:8082". The control address is "" where there is none. Valid until close. */
const char *sandbox_address(const struct sandbox *sandbox);
const char *sandbox_control_address(const struct sandbox *sandbox);

#endif
