/* Dictionaries of structured fields (RFC 9651 §4.2.2), read one member at a time. */
#ifndef POSTERN_HTTP_STRUCTURED_H
#define POSTERN_HTTP_STRUCTURED_H

#include <stdint.h>

#include "base/bytes.h"
#include "base/result.h"

enum structured_kind {
    STRUCTURED_BOOLEAN,
    STRUCTURED_INTEGER,
    STRUCTURED_OTHER, /* decimal, string, token, bytes, date, display string, inner list */
};

/* A member; its parameters are checked and left out. */
struct structured_member {
    struct bytes key;
    enum structured_kind kind;
    int64_t integer; /* a boolean's 0 or 1, an integer's value; else 0 */
};

/*
 * Takes the next member off a dictionary. RESULT_MISSING: the dictionary is at its end.
 * RESULT_INVALID: the field does not parse and is to be ignored whole. A key may come again; the
 * last one counts (the caller's care).
 */
MUST_USE enum result structured_next(struct bytes *dictionary, struct structured_member *member);

#endif
