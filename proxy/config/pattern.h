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
    uint64_t marks; /* of its segments without a star: a path must have them all */
};

/* Compiles into the arena. Text that does not start with '/' or has an empty inner segment:
 * RESULT_INVALID. */
MUST_USE enum result pattern_compile(struct pattern *pattern, struct arena *arena,
                                     struct bytes text);

/* Whether it matches the whole path. A path that does not start with '/' matches nothing. */
bool pattern_matches(const struct pattern *pattern, struct bytes path);

/* A bit for each segment of a path, by its hash: for a path that is held against many patterns. */
uint64_t pattern_marks(struct bytes path);

/* The same as pattern_matches; `marks` are the path's. Most patterns that do not match are told by
 * one comparison. */
static inline bool pattern_matches_marked(const struct pattern *pattern, struct bytes path,
                                          uint64_t marks)
{
    return (pattern->marks & ~marks) == 0 && pattern_matches(pattern, path);
}

#endif
