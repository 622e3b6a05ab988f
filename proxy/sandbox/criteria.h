/*
 * The parameters of the API's lists: which profiles (`fields[]`), in which order (`orderby`,
 * `order`), and how values compare: as text without regard to case, or as numbers where the field
 * is one.
 */
#ifndef POSTERN_SANDBOX_CRITERIA_H
#define POSTERN_SANDBOX_CRITERIA_H

#include "base/arena.h"
#include "sandbox/model.h"

enum criterion_subject {
    SUBJECT_FIELD,
    SUBJECT_ID,
    SUBJECT_CODE,
    SUBJECT_MODIFIED,
    SUBJECT_RANDOM
};

enum criterion_operator {
    OPERATOR_EQUAL,
    OPERATOR_NOT_EQUAL,
    OPERATOR_LESS,
    OPERATOR_MORE,
    OPERATOR_AT_MOST,
    OPERATOR_AT_LEAST,
    OPERATOR_LIKE,
    OPERATOR_NOT_LIKE,
};

struct criterion {
    enum criterion_subject subject;
    size_t field_index; /* SUBJECT_FIELD */
    bool is_numeric;
    enum criterion_operator operator;
    struct bytes value;
};

/* All must hold. */
struct criteria {
    struct criterion *items; /* in the arena that was given; borrows the texts */
    size_t count;
};

struct ordering {
    enum criterion_subject subject;
    size_t field_index;
    bool is_numeric;
    bool is_descending;
};

/*
 * Adds what a "field OP value" says, blanks around the whole trimmed. False, and nothing added,
 * where it has no operator or its field is unknown: the API ignores such. There must be room.
 */
bool criteria_add(struct criteria *criteria, const struct table *table, struct bytes text);

bool criteria_match(const struct criteria *criteria, const struct profile *profile);

/* Unknown names mean by id. `order` is descending when "desc" or "descending". */
void ordering_read(struct ordering *ordering, const struct table *table, struct bytes orderby,
                   struct bytes order);

/* Sorts profiles that are in the order of their ids. */
void ordering_sort(const struct ordering *ordering, struct model *model, struct pointers *profiles);

/* <0, 0, >0, as text without regard to case or by the numbers at their beginnings (0 for none). */
int criteria_compare(struct bytes a, struct bytes b, bool is_numeric);

bool criteria_contains(struct bytes text, struct bytes part);
bool criteria_is_numeric(struct bytes text);

/* SQL's LIKE without regard to case: % any run, _ any one byte. Linear in text × pattern. */
bool criteria_like(struct bytes text, struct bytes pattern);

#endif
