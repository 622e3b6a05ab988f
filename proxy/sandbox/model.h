/*
 * The data of the simulated API, in memory: databases with fields, interests, profiles, views and
 * collections; collections with fields, subprofiles and miniviews. What two kinds share is one
 * struct: a table is a database or a collection, a profile is one of either, a selection is a view
 * or a miniview, with its rules and conditions.
 *
 * Invariants: ids count up per kind and are never used again; a profile has one value for each
 * field of its table, in the order of the fields; table->profiles are sorted by id and hold no
 * removed ones. Everything belongs to the model and goes with it. One thread.
 */
#ifndef POSTERN_SANDBOX_MODEL_H
#define POSTERN_SANDBOX_MODEL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "sandbox/pointers.h"

enum kind {
    KIND_DATABASE,
    KIND_COLLECTION,
    KIND_FIELD, /* of databases and collections */
    KIND_INTEREST,
    KIND_PROFILE,
    KIND_SUBPROFILE,
    KIND_VIEW,
    KIND_MINIVIEW,
    KIND_RULE,
    KIND_MINIRULE,
    KIND_CONDITION,
    KIND_MINICONDITION,
    KIND_COUNT,
};

enum {
    PROFILE_SECRET_ROOM = 29,       /* 28 hexadecimal digits, as the API's secrets, and a NUL */
    MODEL_PROFILES_LIMIT = 2000000, /* with the removed; more would fill the memory */
    TABLE_FIELDS_LIMIT = 1000,      /* as many as an embedded list shows */
    SELECTION_DEPTH_LIMIT = 32,     /* views below views */
};

/* Every entity begins with its id, so that one registry holds them all. */
struct field_definition {
    uint32_t id;
    struct table *table;
    char *name;
    char *type;          /* "text", "email", "integer", "float", "date", … */
    char *initial_value; /* what a new profile gets */
    char *length, *textlines;
    bool displayed, ordered, hidden, indexed;
};

struct interest {
    uint32_t id;
    struct table *database;
    char *name;
    char *group;
};

struct intentions {
    bool email, sms, fax, pdf;
};

enum unsubscribe_behavior { UNSUBSCRIBE_NOTHING, UNSUBSCRIBE_UPDATE, UNSUBSCRIBE_REMOVE };

struct table {
    uint32_t id;
    enum kind kind;         /* KIND_DATABASE or KIND_COLLECTION */
    struct table *database; /* of a collection; NULL for a database */
    char *name;
    char *description;
    bool archived;
    int64_t created_s; /* wall */
    struct intentions intentions;
    enum unsubscribe_behavior behavior;
    struct pointers behavior_fields; /* names and values by turns, heap strings */
    struct pointers fields;          /* struct field_definition */
    struct pointers interests;       /* struct interest; a database only */
    struct pointers collections;     /* struct table; a database only */
    struct pointers profiles;        /* struct profile, by id, without removed ones */
    struct pointers changed;         /* profiles that selections have not followed yet */
    struct pointers selections;      /* struct selection of this table, children included */
};

struct profile {
    uint32_t id;
    struct table *table;
    struct profile *owner;       /* of a subprofile: its profile; else NULL */
    struct pointers subprofiles; /* not removed */
    char **values;               /* one a field; NULL is the empty value */
    struct pointers interests;
    int64_t created_s, modified_s, removed_s; /* wall; removed_s 0: not removed */
    int64_t changed_us;                       /* monotonic; valid while is_changed */
    bool is_changed;                          /* stands in table->changed */
    char secret[PROFILE_SECRET_ROOM];
    char *shapes[2]; /* as JSON, made when first asked for: whole, and with dataonly; else NULL */
    size_t shape_lengths[2];
};

struct selection {
    uint32_t id;
    enum kind kind; /* KIND_VIEW or KIND_MINIVIEW */
    struct table *table;
    struct selection *parent; /* NULL: the table itself */
    char *name;
    char *description;
    struct intentions intentions;
    struct pointers rules;
    struct pointers members; /* profiles, by id, as of the last build and what it followed since */
    int64_t build_due_us;    /* monotonic: when the build that was asked for is done; 0: none is */
    int64_t build_wall_s;    /* the same moment as last-built will tell it */
    int64_t last_built_s;
};

struct rule {
    uint32_t id;
    struct selection *selection;
    char *name;
    struct pointers conditions;
    bool inversed, disabled;
};

enum comparison {
    COMPARISON_EQUALS,
    COMPARISON_NOT_EQUALS,
    COMPARISON_CONTAINS,
    COMPARISON_NOT_CONTAINS,
    COMPARISON_LESS,
    COMPARISON_MORE,
    COMPARISON_IS_EMAIL,
    COMPARISON_IS_NUMERIC,
    COMPARISON_COUNT,
};

/* The Field condition, the one type that is simulated. */
struct condition {
    uint32_t id;
    struct rule *rule;
    enum comparison comparison;
    uint32_t field_id;       /* a field that is gone matches nothing */
    uint32_t other_field_id; /* 0: compare with `value` */
    char *value;
    bool is_numeric;
};

struct registry {
    void **items; /* [id - first_id]; NULL where it was deleted */
    size_t count, capacity;
    uint32_t first_id;
};

struct model {
    uint32_t account_id; /* whose data it is */
    char *account_name;  /* heap */
    struct registry registries[KIND_COUNT];
    struct pointers databases;
    uint64_t random;     /* state of the generator: the same calls give the same secrets */
    int64_t view_lag_us; /* selections follow changes only that much later */
    int64_t now_us;      /* monotonic, as of model_set_time */
    int64_t wall_s;
};

enum { FIRST_ACCOUNT_ID = 41 };

/* Empty, of the first account, with the first ids of the seed. */
struct model *model_create(void);
void model_destroy(struct model *model); /* NULL is fine */

/* The moment at which all that follows happens. Selections that lag have followed all that was due
 * by then: a change that comes later does not keep an earlier one from being seen. */
void model_set_time(struct model *model, int64_t now_us, int64_t wall_us);

/* The next number of the model's own generator: not for secrets that matter. */
uint64_t model_random(struct model *model);

/* Gives `entity` the next id of its kind. It must begin with a uint32_t id. */
void model_register(struct model *model, enum kind kind, void *entity);
void model_forget(struct model *model, enum kind kind, uint32_t id);

/* The entity of that id, removed profiles included, or NULL. */
void *model_find(const struct model *model, enum kind kind, uint64_t id);

/* The API's word for it: "database", "profile", … Static storage. */
const char *kind_name(enum kind kind);

/* A heap copy of borrowed bytes as a string; what follows a NUL inside is lost. */
char *string_of(struct bytes bytes);

/* Frees what *string holds and puts a copy of `bytes` there. */
void string_set(char **string, struct bytes bytes);

/* The words of the API for a comparison, or RESULT_INVALID. */
MUST_USE enum result comparison_read(struct bytes text, enum comparison *comparison);
const char *comparison_name(enum comparison comparison);

#endif
