/*
 * Strings as RFC 8259 §7 wants them, from bytes that anybody may have chosen. The result is always
 * valid JSON and valid UTF-8: each byte that is not part of a well-formed UTF-8 sequence becomes
 * U+FFFD.
 */
#ifndef POSTERN_HTTP_JSON_H
#define POSTERN_HTTP_JSON_H

#include "base/arena.h"
#include "base/buffer.h"
#include "base/bytes.h"

enum { JSON_ESCAPE_FACTOR = 6 }; /* no byte takes more than this many when escaped ("\u001f") */

/*
 * Writes the inside of a JSON string, without the quotes around it, to `to`, which has room for
 * JSON_ESCAPE_FACTOR bytes for each byte of `text`. Returns how many were written; no NUL is.
 */
size_t json_escape_to(char *to, struct bytes text);

/* The same, appended to a buffer: nothing of it, and the buffer's failure, where it does not fit.
 */
void json_escape(struct buffer *buffer, struct bytes text);

/* A whole JSON string, quotes included, in the arena. */
struct bytes json_string(struct arena *arena, struct bytes text);

#endif
