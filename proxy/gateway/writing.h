/*
 * A write: announced (intents in the cache and the audit trail, both on disk), forwarded,
 * invalidated for, answered; in this order, whatever happens to the client meanwhile.
 */
#ifndef POSTERN_GATEWAY_WRITING_H
#define POSTERN_GATEWAY_WRITING_H

#include "gateway/exchange.h"

/* Begins it. The exchange's `writing` is set until the answer is given. */
void writing_start(struct exchange *exchange);

/* A part of the request's body, and its end. */
void writing_on_body(struct writing *writing, struct bytes part);
void writing_on_body_end(struct writing *writing);

/* The client takes bytes again. */
void writing_on_drained(struct writing *writing);

/* The client has gone. What may have been sent is carried to its end and invalidated for. */
void writing_leave(struct writing *writing);

#endif
