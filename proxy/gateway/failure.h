/* What a call without a whole answer means to the one who asked. */
#ifndef POSTERN_GATEWAY_FAILURE_H
#define POSTERN_GATEWAY_FAILURE_H

#include "gateway/exchange.h"

struct failure {
    unsigned status;
    const char *detail;     /* static */
    unsigned retry_after_s; /* 0: none */
    enum refusal refusal;
};

struct failure failure_of(const struct fetch_end *end);

/* Answers with the problem. */
void failure_respond(struct exchange *exchange, const struct failure *failure);

/* What a call cost, for the record and the counters. */
void failure_note_call(struct exchange *exchange, const struct fetch_end *end);

#endif
