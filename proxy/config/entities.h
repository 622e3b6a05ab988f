// What a preset says of an API's entities: which paths there are, which entities an answer shows,
// which of them belong to which, and what a write changes. In the notation of docs/presets.md:
//
//   path     /database/{database}/profiles       a placeholder that bears the name of a kind stands
//                                                for one of its ids; any other, for any one segment
//   shown    data[].ID=>profile                  the answer shows that entity
//            data[].database~>database           … or only refers to it
//            data[].parent-id~>{parent-type}     the kind is named by the member beside it
//   changed  database/{database@profile}/profiles, =profile/{profile}, ~profile/*, account,
//            view/*/profiles@database/{database}, profile/{body.profiles[]},
//            database/{header.X-Created}
//
// A path's canonical form has no version prefix, no slash at either end, and each prefix of
// `equivalents` replaced; a star in one is any segment, the same on both sides. Everything is
// compiled, borrows from the configuration's arena, and does not change. (Line comments, for the
// patterns would end a block.)
#ifndef POSTERN_CONFIG_ENTITIES_H
#define POSTERN_CONFIG_ENTITIES_H

#include "base/arena.h"
#include "base/bytes.h"

enum {
    KIND_NONE = -1,         /* no kind */
    KIND_PARENTS_LIMIT = 4, /* of one kind */
    KIND_DEPTH_LIMIT = 8,   /* of a kind below another, over its parents */
    TEMPLATE_SEGMENTS_LIMIT = 12,
    TEMPLATE_IDS_LIMIT = 3, /* placeholders of kinds in one path template */
};

/* A sort of entity. Its entities are named `name/id`. */
struct kind {
    struct bytes name; /* "profile", "publisher/emailing" */
    bool opaque;       /* ids are any text; else decimal numbers: what is none is a name, of which
                          nobody knows whose */
    int parents[KIND_PARENTS_LIMIT]; /* indexes of the kinds that it belongs to */
    size_t parent_count;
};

/* A literal segment, or a placeholder. */
struct segment {
    struct bytes text; /* the literal, or the placeholder's name */
    bool placeholder;
    int kind; /* of a placeholder; KIND_NONE: any value */
};

/* A path template, canonical: "database/{database}/profiles". */
struct path_template {
    struct bytes text; /* as written, for people */
    const struct segment *segments;
    size_t count;
};

/* Where something stands in a JSON document: "data[].fields.data[].ID", "[]", "profiles[]". */
struct member_step {
    struct bytes name; /* empty: the value itself */
    bool items;        /* [] follows: each item of the array */
};
struct member_path {
    const struct member_step *steps;
    size_t count;
};

/* One identity or reference in an answer. */
struct shown_rule {
    struct member_path path;
    bool identity;            /* =>; else ~> */
    int kind;                 /* KIND_NONE: named by kind_member */
    struct bytes kind_member; /* "{parent-type}": beside the path's last member */
};

/* A list whose filters and order say which fields it looks at. */
struct list_rule {
    struct bytes filters; /* "fields": parameter whose values are "field OP value"; empty: none */
    struct bytes order;   /* "orderby": parameter whose value is a field's name; empty: none */
    const struct bytes *neutral; /* parameters that look at no field: "start", "limit" */
    size_t neutral_count;
    /* members of the answer by which it is complete (all ids that match are in it): start 0 and
       count = total; empty: never known to be */
    struct bytes start, shown_count, total;
};

/* What a read of a path template answers. */
struct read_rule {
    struct path_template path;
    const struct shown_rule *shown;
    size_t shown_count;
    const struct path_template *also; /* the same answer's other paths: "rule/{rule}" */
    size_t also_count;
    const struct list_rule *list; /* NULL: none */
};

/* Where a value in a change comes from. */
enum value_source {
    VALUE_LITERAL, /* the segment itself */
    VALUE_ANY,     /* * */
    VALUE_PATH,    /* {profile}: of the path */
    VALUE_RELATED, /* {database@profile}: what the path's profile belongs to */
    VALUE_BODY,    /* {body.target}, {body.profiles[]}: of the request's body; each, where many */
    VALUE_HEADER,  /* {header.X-Created}: of the answer's field; nothing before there is one */
};
struct change_segment {
    enum value_source source;
    struct bytes text; /* literal; field name */
    int kind;          /* of the value; KIND_NONE for literals and values without kind */
    size_t position;   /* VALUE_PATH, VALUE_RELATED: index of the segment in the rule's template */
    int of_kind;       /* VALUE_RELATED: the kind at that position */
    struct member_path member; /* VALUE_BODY */
};

/* One token of what a write changes. */
struct change {
    struct bytes text; /* as written, for people */
    bool account;      /* everything */
    bool exact;        /* = : that path or identity alone */
    bool reference;    /* ~ */
    bool narrowed;     /* a list that field changes and removals narrow (read_rule.list) */
    const struct change_segment *segments;
    size_t count;
    int at_kind;              /* @database/…; KIND_NONE: none */
    struct change_segment at; /* its id */
};

/* What one write changes. */
struct write_rule {
    struct bytes
        text; /* "PUT /profile/{profile}/fields", for people, metrics and audit; NUL after it */
    const struct bytes *methods;
    size_t method_count;
    struct path_template path;
    const struct bytes *only; /* holds only where the body has no other member; NULL: any body */
    size_t only_count;
    const struct change *changes;
    size_t change_count;
    const struct member_path *fields; /* object of the body whose members are the changed fields,
                                         nothing else being changed if it is all that the body
                                         has; NULL: unknown */
    bool removes; /* the path's last entity goes: a list that is complete loses it only if it holds
                     it */
    int creates;  /* kind of X-Created; KIND_NONE: none */
    bool moves;   /* the path's last entity may belong elsewhere after it: relations are not
                     believed, and forgotten */
    int64_t settle_us; /* -1: not said here */
};

/* A set of at-changes that some write names: entries carry a tag for each that fits. */
struct at_pattern {
    struct bytes text; // "view/*/profiles": without = ~ and @
    bool reference;
    int kind; /* of the first star */
    int ancestor;
};

struct path_equivalent {
    struct bytes from, to; /* "html" is "publisher": canonical, replaced at the path's start */
};

struct entities {
    const struct kind *kinds;
    size_t kind_count;
    const struct path_equivalent *equivalents; /* tried in order, each at most once */
    size_t equivalent_count;
    const struct read_rule *reads;
    size_t read_count;
    const struct write_rule *writes;
    size_t write_count;
    const struct at_pattern *ats; /* each once */
    size_t at_count;
    const struct bytes *touched; /* fields that any change of fields changes too: "modified" */
    size_t touched_count;
    struct bytes created_field; /* "X-Created": response field with the id of what was created;
                                   empty: none */
    bool superfluous_segments;  /* "/database/5/profiles/more" is "/database/5/profiles" */
};

enum { PATH_SEGMENTS_LIMIT = 64, EQUIVALENT_STARS_LIMIT = 4 };

/* A canonical path, cut at its slashes. Segments are as in the normalised path (percent-encoded).
 */
struct path_segments {
    struct bytes list[PATH_SEGMENTS_LIMIT];
    size_t count;
    bool is_odd; /* more segments than fit, or one with an encoded slash: no rule fits it */
};

/* The canonical form of a path without version prefix, in the arena. `entities` may be NULL. */
void path_canonical(const struct entities *entities, struct arena *arena, struct bytes plain_path,
                    struct path_segments *path);

/*
 * The rule of a read: of all whose template fits the whole path the one with most literals first,
 * else, where the API takes superfluous segments after a list, the longest that fits a prefix of it
 * and ends in a literal. NULL: none.
 */
const struct read_rule *entities_read_rule(const struct entities *entities,
                                           const struct path_segments *path);

/*
 * The rules of a write, at most `room`, best first as above: all of the best template's that hold
 * the method, those with `only` among them. 0: none matches.
 */
size_t entities_write_rules(const struct entities *entities, struct bytes method,
                            const struct path_segments *path, const struct write_rule **rules,
                            size_t room);

/* Whether the rule is of that method; case counts (RFC 9110 §9.1). */
bool write_has_method(const struct write_rule *rule, struct bytes method);

/* The kind of that name, or KIND_NONE. */
int entities_kind(const struct entities *entities, struct bytes name);

/* Whether a kind belongs to another, over however many steps. */
bool kind_is_below(const struct entities *entities, int kind, int ancestor);

/* Whether the text may be an id of the kind: a decimal number without sign or leading zero, or,
 * where ids are opaque, any text. At most KIND_ID_LIMIT bytes. */
enum { KIND_ID_LIMIT = 64 };
bool kind_is_id(const struct kind *kind, struct bytes text);

#endif
