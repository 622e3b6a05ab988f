// Tags: names of what an answer shows. An entry carries some, a write names some, and all entries
// of a named tag go. A tag is kept as the 64-bit hash of its text within its account. Two texts
// with one hash make the gate more careful, never less.
//
// The texts, of which shown.c makes those of an answer and changed.c those of a write ("?" stands
// for an id that is not known, "*" for any):
//   /profile/7/fields    lies at that path or below; also with ? or * in place of an id
//   =profile/7           lies at exactly that path, or shows that entity; also =profile/?,
//   =profile/* ~database/31         refers to it; also ~database/?, ~database/*
//   @view/*/profiles@database/31     lies at such a path of a view of that database, or below;
//                        @database/?: of one whose database is not known; @~profile/*@… refers to
//                        one
//   /database/31/profiles#country    is such a list, and looks at that field; #!: nobody knows at
//                        which; #-: is not known to be complete
//   !                    is not understood: every write of the account names it
// (Line comments, for the texts would end a block.)
#ifndef POSTERN_CACHE_TAGS_H
#define POSTERN_CACHE_TAGS_H

#include <stdint.h>

#include "base/arena.h"

enum { TAGS_LIMIT = 4096 }; /* an entry's or a write's; shown.c and changed.c widen beyond it */

struct tags {
    const uint64_t *hashes; /* borrowed */
    size_t count;
};

/* The tag that every entry of the account carries. */
uint64_t tag_of_account(struct bytes account);

/* The tag of such a text within its account. */
uint64_t tag_of_text(uint64_t account_tag, struct bytes text);

/* Whether the tag is among them, in whatever order they are. */
bool tags_have(struct tags tags, uint64_t tag);

/* For qsort and bsearch over hashes. */
int tag_compare(const void *a, const void *b);

#endif
