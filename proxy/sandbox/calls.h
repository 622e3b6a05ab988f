/* What came to the sandbox: counts by method and path template, and the last heads. */
#ifndef POSTERN_SANDBOX_CALLS_H
#define POSTERN_SANDBOX_CALLS_H

#include <cJSON.h>

#include "base/buffer.h"
#include "http/message.h"
#include "sandbox/endpoint.h"

enum { CALLS_LOG_LENGTH = 1000 };

struct calls {
    uint64_t total, reads, writes;
    uint64_t body_bytes; /* of requests */
    uint64_t limited;    /* refused by the rate limit */
    uint64_t faulted;
    uint64_t unauthorized; /* came without the right token */
    uint64_t counts[ENDPOINTS_LIMIT][METHOD_COUNT];
    uint64_t unknown[METHOD_COUNT]; /* no endpoint */
    char *log[CALLS_LOG_LENGTH];    /* heap; each is a JSON object */
    size_t log_next;                /* where the next goes: the oldest */
};

void calls_finish(struct calls *calls);

/* Forgets everything, the log too. */
void calls_reset(struct calls *calls);

/* One call more; `endpoint` NULL: nothing the API knows. */
void calls_count(struct calls *calls, enum http_method method, const struct endpoint *endpoint);

/* Keeps the head of a request in place of the oldest. */
void calls_keep_head(struct calls *calls, const struct request *request);

/* {"total":…,"calls":{"GET /profile/{profile}":…}}. The tree is the caller's. */
cJSON *calls_shape(const struct calls *calls);

/* The kept heads as a JSON list, oldest first: {"method","target","fields":[["Name","value"]…]}. */
void calls_write_log(const struct calls *calls, struct buffer *buffer);

#endif
