/*
 * Rules of "The order that keeps promise 1" that a test build (make mutants) breaks on purpose, one
 * at a time, to see that a test notices. In every other build nothing is broken, and nothing of
 * this is left.
 */
#ifndef POSTERN_BASE_BREAKAGE_H
#define POSTERN_BASE_BREAKAGE_H

#include <stdbool.h>

#ifdef POSTERN_BREAKABLE
#include <unistd.h>

/* Whether POSTERN_BREAK, a list of words with commas, has the word. */
bool is_broken(const char *rule);

/* Time for others to see what they should not. */
#define BREAK_PAUSE() ((void)usleep(100 * 1000))
#else
static inline bool is_broken(const char *rule)
{
    (void)rule;
    return false;
}

#define BREAK_PAUSE() ((void)0)
#endif

#endif
