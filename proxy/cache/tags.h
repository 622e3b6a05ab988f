/*
 * Tags: names of what an answer shows. An entry carries some, a write names some, and all entries
 * of a named tag go. A tag is kept as the 64-bit hash of its text within its account. Two texts
 * with one hash make the gate more careful, never less.
 *
 * What entries carry for now: the account, and the path without its version prefix with all its
 * ancestors.
 */
#ifndef POSTERN_CACHE_TAGS_H
#define POSTERN_CACHE_TAGS_H

#include <stdint.h>

#include "base/arena.h"

enum { TAGS_LIMIT = 64 }; /* an entry's: a deeper path keeps its highest ancestors */

struct tags {
    const uint64_t *hashes; /* borrowed */
    size_t count;
};

/* The tag that every entry of the account carries. */
uint64_t tag_of_account(struct bytes account);

/* The tag of a path (without version prefix; slashes at its end don't count). */
uint64_t tag_of_path(struct bytes account, struct bytes path);

/* All tags of an answer at that path, in the arena; the account's stands first. */
struct tags tags_of_answer(struct arena *arena, struct bytes account, struct bytes path);

#endif
