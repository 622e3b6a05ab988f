// Path patterns: "/live/**", "/profile/*/fields". A "*" segment matches one segment that is not
// empty, "**" any number of them (none included), anything else itself, byte for byte; "*" inside a
// segment matches any run of bytes within it. One slash at the end of a path or pattern counts for
// nothing. Matching takes time linear in path times pattern at most: no recursion on hostile input.
// (Line comments, for the patterns would end a block.)
#ifndef POSTERN_CONFIG_PATTERN_H
#define POSTERN_CONFIG_PATTERN_H

#include "base/arena.h"
#include "base/bytes.h"

struct pattern {
    const struct bytes *segments;
    size_t count;
};

/* Compiles into the arena. Text that does not start with '/' or has an empty inner segment:
 * RESULT_INVALID. */
MUST_USE enum result pattern_compile(struct pattern *pattern, struct arena *arena,
                                     struct bytes text);

/* Whether it matches the whole path. A path that does not start with '/' matches nothing. */
bool pattern_matches(const struct pattern *pattern, struct bytes path);

#endif
