/*
 * Overwrites the token wherever an upstream's answer repeats it, each byte of the occurrence with
 * '*', so that lengths stay. Each byte of the token may be spelled on its own: plain, %XX, %25XX,
 * \uXXXX, \/ \" \\, &#NN; &#xHH; or &amp; &lt; &gt; &quot; &apos;, hexadecimal digits in either
 * case. It does not matter how the bytes are cut into parts; overlapping occurrences are all
 * overwritten.
 *
 * Time is linear: bytes that cannot begin an occurrence are skipped sixteen at a time; elsewhere
 * each costs as much as there are partial matches alive, which is one or two unless the token
 * repeats itself ("aaaa"), and never more than the token has bytes.
 */
#ifndef POSTERN_UPSTREAM_SCRUB_H
#define POSTERN_UPSTREAM_SCRUB_H

#include <stdint.h>

#include "base/arena.h"
#include "base/buffer.h"
#include "base/bytes.h"

enum {
    SCRUB_TOKEN_LIMIT_BYTES = 16 * 1024,
    SCRUB_NODES = 16, /* a power of two above SPELLING_LIMIT_BYTES */
};

/* The partial matches that end at one place of the stream: scrub's own. */
struct scrub_node {
    uint32_t *lengths; /* [n]: how long the spelling of the token's first n bytes is; 0: none */
    size_t low, high;  /* which n may be set; low > high: none */
};

/*
 * One stream being scrubbed. All but found_count is scrub's own. Invariants between calls:
 * bytes of `held` before `position` are understood; nodes of places beyond position + ahead are
 * empty.
 */
struct scrub {
    struct bytes token;
    uint64_t found_count; /* places at which an occurrence has ended so far */
    struct buffer held;   /* what was not given out yet */
    size_t position;
    size_t ahead;
    struct scrub_node nodes[SCRUB_NODES]; /* of position and the places after it, in a ring */
    size_t ring;                          /* the index of position's node */
    uint32_t *memory;                     /* of all lengths; NULL until a match may have begun */
};

/* The token is borrowed until scrub_finish, read in place and never copied. An empty one: nothing
 * is overwritten. At most SCRUB_TOKEN_LIMIT_BYTES. */
void scrub_begin(struct scrub *scrub, struct bytes token);

/*
 * Appends to `out` what is known not to be part of an occurrence still under way, of this part and
 * of those before. Holds back at most SPELLING_LIMIT_BYTES for each byte of the token, and nothing
 * where no occurrence may have begun.
 */
void scrub_feed(struct scrub *scrub, struct bytes in, struct buffer *out);

/* The stream is at its end: appends what was held back. */
void scrub_end(struct scrub *scrub, struct buffer *out);

/* Frees, after scrub_end or instead of it. One that was never begun must be zeroed. */
void scrub_finish(struct scrub *scrub);

/* A whole text at once: the text itself where the token is not in it, else a copy in the arena. */
struct bytes scrub_whole(struct arena *arena, struct bytes token, struct bytes text);

#endif
