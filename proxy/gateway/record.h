/*
 * The end of an exchange: its audit record, its counts. A record is in the worker's ring before the
 * answer's last byte goes to the kernel; one that finds the ring full holds its answer back, and
 * the worker's sockets pause.
 */
#ifndef POSTERN_GATEWAY_RECORD_H
#define POSTERN_GATEWAY_RECORD_H

#include "gateway/exchange.h"

/* The answer is queued whole: records it, counts it, and ends it (connection_answer_end), now or
 * when the ring has room. */
void record_and_end(struct exchange *exchange);

/* The client went before its answer was whole: records that. */
void record_aborted(struct exchange *exchange);

/*
 * The client of a write goes while the write goes on: its record waits for the outcome. Handed over
 * by record_detached, which writes, counts and frees it; `status` is the upstream's answer, 0 where
 * there was none.
 */
struct deferred *record_detach(struct exchange *exchange);
void record_detached(struct worker *worker, struct deferred *detached, unsigned status,
                     const struct fetch_end *end);

/* The record of a write that is about to be sent. RESULT_LIMIT: the ring is full; do not send. */
MUST_USE enum result record_intent(struct exchange *exchange);

/* A request that never became one. */
void record_refused(struct worker *worker, struct connection *connection, struct bytes id,
                    unsigned status);

/* Pauses the sockets where the ring is nearly full. */
void record_check_ring(struct worker *worker);

/* libevent, every few milliseconds while records wait: tries again. `context` is the worker. */
void record_on_retry(int fd, short what, void *context);

/* The worker ends: records that still wait are given up on, loudly. */
void record_finish(struct worker *worker);

#endif
