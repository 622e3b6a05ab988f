/*
 * Answers to a client: a whole representation judged against the request's conditions and ranges, a
 * stream's head, and the gate's own problems. Each ends in record_and_end, or leaves that to who
 * gives the stream its body.
 */
#ifndef POSTERN_GATEWAY_RESPOND_H
#define POSTERN_GATEWAY_RESPOND_H

#include "gateway/exchange.h"

/* A stored or fetched response in one piece. */
struct representation {
    unsigned status;
    const struct fields *fields;
    struct bytes body;
    bool borrowed; /* the body lives until the end of this event only, and is not copied */
    int64_t age_s; /* for Age; -1: leave what the fields say */
    const char
        *note; /* what Cache-Status adds after postern: "hit; ttl=42", "fwd=uri-miss; stored" */
};

/* Answers with it: 200 as 304, 412, 206 or 416 where the request's conditions and Range say so (RFC
 * 9110 §13, §14). */
void respond_whole(struct exchange *exchange, const struct representation *representation);

/* Begins an answer that is streamed: status and fields; body and end are the caller's. */
void respond_head(struct exchange *exchange, const struct response *response, const char *note);

/* An answer of the gate's own: these field lines beside those of every answer, and this body. */
void respond_own(struct exchange *exchange, unsigned status, const struct fields *fields,
                 struct bytes body);

/* A problem of the gate's own (RFC 9457). `retry_after_s` 0: none. Detail names no key and no
 * token. */
void respond_problem(struct exchange *exchange, unsigned status, const char *detail,
                     unsigned retry_after_s);

/* The same for what the gate does not let through: counted by its reason. */
void respond_refusal(struct exchange *exchange, enum refusal refusal, unsigned status,
                     const char *detail);

/* The body of such a problem, to be shared by those who wait. */
struct bytes respond_problem_body(struct arena *arena, unsigned status, const char *detail,
                                  struct bytes id);

#endif
