/*
 * What a write changes, as the gate comes to know it: first from the request, for the intent; then
 * from the answer. Lives in a writing, for it outlasts the client.
 */
#ifndef POSTERN_GATEWAY_EFFECTS_H
#define POSTERN_GATEWAY_EFFECTS_H

#include "cache/changed.h"
#include "gateway/exchange.h"

struct effects {
    struct arena *arena; /* the writing's */
    struct changed_question question;
    struct changed changed;
    struct cache_cause cause;
    uint64_t begun; /* the order's count before relations were looked at */
    bool is_answered;
};

/* Whether the body must be there before the write can be announced. */
bool effects_ask_body(const struct exchange *exchange);

/* From the request. `body`: all of it, borrowed for the call; data NULL: not read. Everything else
 * is copied from the exchange. */
void effects_begin(struct effects *effects, struct exchange *exchange, struct bytes body,
                   struct arena *arena);

/* From the answer; NULL: there was none, and what it would have told may be anything. */
void effects_add_answer(struct effects *effects, struct worker *worker,
                        const struct fields *answer);

/* Puts tags, relations and cause into an invalidation of the account. */
void effects_fill_job(const struct effects *effects, struct cache_job *job);

#endif
