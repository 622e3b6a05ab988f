/*
 * What belongs to what: profile 456 to database 31. Learned from answers that passed rule 4, and
 * from writes that created something; kept in LMDB, per account. Relations are open-world: none may
 * be forgotten at any time, and then is just not known.
 */
#ifndef POSTERN_CACHE_RELATIONS_H
#define POSTERN_CACHE_RELATIONS_H

#include "cache/store.h"
#include "config/entities.h"

/* One fact: the child belongs to the entity `parent_id` of that kind. Borrowed. */
struct relation {
    struct bytes child;       /* "profile/456" */
    struct bytes parent_kind; /* "database" */
    struct bytes parent_id;   /* "31"; empty in a list of what is to be forgotten */
};

/* What relations are looked up in: a snapshot. store NULL: none is known. */
struct relations {
    const struct store *store;
    MDB_txn *txn;
    uint64_t account_tag;
};

/* The parent's id, borrowed until the transaction ends; empty: not known. */
struct bytes relation_find(const struct relations *relations, struct bytes child,
                           struct bytes parent_kind);

/* What ancestors are looked for in. Borrowed. */
struct ancestry {
    const struct relations *relations;
    const struct entities *entities;
    const struct relation *taught; /* facts that are newer than the snapshot: they come first */
    size_t taught_count;
    struct arena *arena; /* of the result */
};

/* The id of the entity of kind `ancestor` that `kind/id` belongs to, over however many steps;
 * empty: not known. */
struct bytes relation_ancestor(const struct ancestry *ancestry, int kind, struct bytes id,
                               int ancestor);

/* Writer: forgets all relations of all accounts where they have become too many for their share of
 * the map. */
MUST_USE enum result relations_bound(const struct relations *relations, bool *dropped);

/* Writer: notes a fact. *changed: another parent was known before; the caller then empties the
 * account. */
MUST_USE enum result relation_learn(const struct relations *relations,
                                    const struct relation *relation, bool *changed);

/* Writer: forgets one; one that is not known is fine. */
MUST_USE enum result relation_forget(const struct relations *relations,
                                     const struct relation *relation);

/* Writer: forgets all of the account's at once. */
MUST_USE enum result relation_forget_all(const struct relations *relations);

#endif
