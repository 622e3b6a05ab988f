/*
 * The ways in which one byte may be spelled in an answer's text: as itself, percent-encoded once or
 * twice (RFC 3986), escaped in JSON (RFC 8259 §7), or as an HTML character reference.
 */
#ifndef POSTERN_UPSTREAM_SPELLING_H
#define POSTERN_UPSTREAM_SPELLING_H

#include "base/bytes.h"

enum {
    SPELLING_LIMIT_BYTES = 10, /* the longest: "&#0000065;" */
    SPELLING_READINGS = 2,     /* most escapes that begin in one place: "%25" in "%2541" */
};

/* One way to read a text's beginning. */
struct reading {
    size_t length; /* how many bytes of the text */
    char byte;     /* what they stand for */
};

/* Whether an escape may begin with it: '%', '\' or '&'. */
bool spelling_is_start(char byte);

/*
 * The escapes that stand at the beginning of `text`: %XX, %25XX, \uXXXX up to \u00ff, \/ \" \\,
 * &#N; up to seven digits, &#xH; up to six, &amp; &lt; &gt; &quot; &apos;. Returns how many were
 * written. *cut: the text ends before one can be told, so there may be more.
 */
size_t spelling_read(struct bytes text, struct reading readings[SPELLING_READINGS], bool *cut);

#endif
