/*
 * Conditional requests and ranges judged on a whole representation (RFC 9110 §13 and §14). The
 * caller judges only where the answer without conditions would be 200 (or, for If-Match on a write,
 * knows the current representation).
 */
#ifndef POSTERN_HTTP_CONDITIONAL_H
#define POSTERN_HTTP_CONDITIONAL_H

#include <stdint.h>

#include "http/message.h"

#define VALIDATOR_NONE INT64_MIN

/* What the representation is known by. */
struct validators {
    struct bytes etag;       /* as in the ETag field, quotes and W/ included; empty: none */
    int64_t last_modified_s; /* VALIDATOR_NONE: none */
    int64_t date_s;          /* of the response that had them (its Date); VALIDATOR_NONE: none */
};

/* Validators from a stored response's fields; what does not parse is none. The ETag is borrowed. */
struct validators validators_of(const struct fields *fields, int64_t now_s);

enum condition {
    CONDITION_MET,          /* answer as if there were none */
    CONDITION_NOT_MODIFIED, /* 304 */
    CONDITION_FAILED,       /* 412 */
};

/*
 * If-Match, else If-Unmodified-Since; then If-None-Match, else If-Modified-Since (§13.2.2). Dates
 * that do not parse or come twice are ignored. A representation without Last-Modified is never "not
 * modified since": RFC 9111 §4.3.2 would let its Date stand in, but a write in the same second
 * would go unseen. `now_s`: wall clock, to read two-digit years.
 */
enum condition condition_judge(enum http_method method, const struct fields *request_fields,
                               const struct validators *validators, int64_t now_s);

/* The entity-tags are the same, neither being weak (§8.8.3.2). Text that is no entity-tag equals
 * nothing. */
bool etag_equal_strong(struct bytes a, struct bytes b);

/* The same, weak or not. */
bool etag_equal_weak(struct bytes a, struct bytes b);

enum range {
    RANGE_WHOLE,         /* none asked for, or one we need not serve: answer 200 */
    RANGE_PART,          /* answer 206 with bytes first to last */
    RANGE_UNSATISFIABLE, /* answer 416 with "Content-Range: bytes <star>/length" */
};

struct range_part {
    uint64_t first, last; /* both included, below the length */
};

/*
 * The range that a GET asks for of `length` bytes, If-Range considered (§13.1.5, §14.2). Several
 * ranges, other units and what does not parse are answered whole. *part is written for RANGE_PART
 * only. Conditions are judged before it.
 */
enum range range_judge(const struct fields *request_fields, const struct validators *validators,
                       uint64_t length, int64_t now_s, struct range_part *part);

#endif
