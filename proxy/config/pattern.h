/*
 * Path patterns: "/live/**", "/profile/<star>/fields", where <star> is one "*". A "*" segment
 * matches one segment,
 * "**" any number of them (none included), anything else itself, byte for byte; "*" inside a
 * segment matches any run of bytes within it. Matching takes time linear in path × pattern at most:
 * no recursion on hostile input.
 */
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

bool pattern_matches(const struct pattern *pattern, struct bytes path);

#endif
