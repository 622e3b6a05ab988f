/*
 * Undoing the content codings that hide a token from scrub: gzip and deflate (RFC 9110 §8.4.1),
 * which an upstream may send although it was asked for identity. Other codings are passed on as
 * they are: nobody here can read them.
 */
#ifndef POSTERN_UPSTREAM_DECODE_H
#define POSTERN_UPSTREAM_DECODE_H

#include <zlib.h>

#include "http/message.h"

/* One body being decoded. Zeroed: nothing is to be decoded. */
struct decode {
    z_stream stream;
    bool active;
    bool begun; /* some of the coded stream came */
    bool ended; /* it is whole as far as it came */
};

/*
 * Looks at a response's head: where its body is coded in a way that can be undone, begins, and
 * makes the head fit what comes out: no Content-Encoding, no length, a weak ETag (RFC 9110 §8.8.1),
 * no Content-Digest of the coded form.
 */
void decode_begin(struct decode *decode, struct arena *arena, struct response *response);

/*
 * Decodes a part and hands what comes out to `give`, piece by piece, until that says false
 * (RESULT_BUSY): then it is to be called again with what it left of `part`, even where that is
 * nothing, for more may come of what it took. RESULT_INVALID: not what its coding says.
 */
MUST_USE enum result decode_feed(struct decode *decode, struct bytes *part,
                                 bool (*give)(void *context, struct bytes piece), void *context);

/* The body is at its end: RESULT_INVALID where the coded stream is not. */
MUST_USE enum result decode_end(const struct decode *decode);

void decode_finish(struct decode *decode);

#endif
