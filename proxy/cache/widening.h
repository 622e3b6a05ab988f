/* Why more goes than had to: what an operator counts to see which rule is missing. */
#ifndef POSTERN_CACHE_WIDENING_H
#define POSTERN_CACHE_WIDENING_H

enum widening {
    WIDENED_READ_UNMATCHED,  /* no rule for that read: every write of the account drops it */
    WIDENED_BODY_UNREADABLE, /* an answer that is no JSON, or not of the promised shape */
    WIDENED_BODY_TOO_LARGE,
    WIDENED_TOO_MANY_TAGS,
    WIDENED_WRITE_UNMATCHED, /* no rule for that write: the account is emptied */
    WIDENED_NAME,            /* a name stands in place of an id */
    WIDENED_RELATION,        /* what the entity belongs to is not known */
    WIDENED_REQUEST_BODY,    /* a write's body was needed and can't be read */
    WIDENINGS,
};

/* "read_unmatched", for metrics. */
const char *widening_name(enum widening widening);

#endif
