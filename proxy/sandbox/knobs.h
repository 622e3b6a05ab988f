/*
 * How the sandbox misbehaves: latency, limits, lag, and faults. Set by options at start and as JSON
 * at run time.
 */
#ifndef POSTERN_SANDBOX_KNOBS_H
#define POSTERN_SANDBOX_KNOBS_H

#include <cJSON.h>

#include "http/message.h"
#include "sandbox/sandbox.h"

enum fault_kind {
    FAULT_CLOSE,    /* the connection is closed without an answer */
    FAULT_TRUNCATE, /* half of the body comes, under the length of the whole; then it is closed */
    FAULT_SLOW,     /* the body trickles */
    FAULT_STATUS,   /* another status and body */
    FAULT_HOLD,     /* no answer ever comes */
    FAULT_COUNT,
};

struct fault {
    enum fault_kind kind;
    char *path;        /* shell glob over the path without version and query; `*` crosses slashes */
    char *method;      /* "*": any */
    bool is_unlimited; /* no count was given */
    uint64_t left;     /* how often it still happens */
    bool is_applied;   /* close, status, hold: the call is carried out all the same */
    unsigned status;   /* FAULT_STATUS */
    char *body;        /* FAULT_STATUS */
    char *content_type; /* FAULT_STATUS */
    size_t step_bytes;  /* FAULT_SLOW: so many bytes … */
    int64_t step_us;    /* … each so long */
};

struct knobs {
    struct sandbox_knobs numbers;
    struct fault *faults; /* heap */
    size_t fault_count;
};

enum { KNOBS_FAULTS_LIMIT = 1000, KNOBS_PROFILES_LIMIT = 100000 };

void knobs_finish(struct knobs *knobs);

/*
 * Takes the members of a JSON object: "latency_ms", "latency_after_ms", "jitter_ms",
 * "jitter_after_ms", "view_lag_ms", "bearer_lifetime_ms", "per_second", "limit_with" ("429",
 * "page"), "file_bytes", "profiles", and "faults", which replaces all that there were. Anything
 * else, or a wrong type: RESULT_INVALID, and nothing is changed.
 */
MUST_USE enum result knobs_read(struct knobs *knobs, const cJSON *object, struct error *error);

/* As knobs_read takes them. The tree is the caller's. */
cJSON *knobs_shape(const struct knobs *knobs);

/* The first fault that is for this call and has some left; one is used up. NULL: none. Borrowed
 * until the next knobs_read. */
const struct fault *knobs_take_fault(struct knobs *knobs, struct bytes method, const char *path);

#endif
