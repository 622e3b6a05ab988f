/*
 * The one error convention of postern: what can fail returns `enum result`, RESULT_OK being 0, and
 * writes its out-parameters on RESULT_OK only. A person's cause (which file, which line) travels in
 * `struct error`.
 */
#ifndef POSTERN_BASE_RESULT_H
#define POSTERN_BASE_RESULT_H

#include <stddef.h>

#define MUST_USE __attribute__((warn_unused_result))
#define PRINTF_LIKE(format_index, first_index)                                                     \
    __attribute__((format(printf, format_index, first_index)))
#define ARRAY_LENGTH(array) (sizeof(array) / sizeof((array)[0]))

enum result {
    RESULT_OK = 0,
    RESULT_MISSING, /* what was asked for is not there */
    RESULT_INVALID, /* the bytes do not follow their grammar */
    RESULT_LIMIT,   /* a bound of ours was reached */
    RESULT_REFUSED, /* understood, and not done */
    RESULT_FULL,    /* no room left on the device or in the map */
    RESULT_BUSY,    /* somebody else holds it */
    RESULT_DAMAGED, /* a record or file of ours does not make sense any more */
    RESULT_SYSTEM,  /* the operating system said no; errno tells why */
};

/* The result in a person's words, for logs. Static storage. */
const char *result_text(enum result result);

/*
 * Why something failed, for the person who can mend it: one line saying what to do, and where
 * (a JSON pointer and a line, both optional) when the fault stands in a file.
 */
struct error {
    char text[512];
    char pointer[128]; /* RFC 6901, empty: none */
    unsigned line;     /* from 1; 0: none */
};

/* Writes the text, cut to its room. `error` may be NULL. Always returns `result`, so that it can
 * end a function. */
enum result error_set(struct error *error, enum result result, const char *format, ...)
    PRINTF_LIKE(3, 4);

#endif
