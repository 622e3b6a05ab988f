/*
 * Tags of an answer: from its path, from what its query looks at, from its body.
 *
 * Everything here may only add: a tag too many costs a call, a tag too few shows a state that is
 * gone.
 */
#include "cache/shown.h"

#include <assert.h>

#include "cache/document.h"
#include "cache/tag_set.h"
#include "http/uri.h"

struct showing {
    const struct shown_question *question;
    const struct entities *entities;
    const struct read_rule *rule;
    struct arena *arena;
    struct tag_set tags;
    struct placed_path path;
    struct relation *relations;
    size_t relation_count, relation_capacity;
    const cJSON *container;            /* whose parents were found last … */
    const struct shown_rule *identity; /* … for that rule */
    struct bytes parents[KIND_PARENTS_LIMIT];
    size_t looks_back; /* at so many of the relations that were taught last */
    unsigned widened;
};

/* What is being read of a body. */
struct item {
    struct showing *showing;
    const struct shown_rule *rule;
};

static void widen(struct showing *showing, enum widening why)
{
    const struct bytes everything = BYTES("!");

    tag_set_add(&showing->tags, &everything, 1);
    showing->widened |= 1U << why;
}

/* --- relations --- */

static void teach(struct showing *showing, struct bytes child, int parent, struct bytes id)
{
    const struct relation relation = {
        .child = child, .parent_kind = showing->entities->kinds[parent].name, .parent_id = id};

    for (size_t i = showing->relation_count; i > 0 && i + 4 > showing->relation_count; i--)
        if (bytes_equal(showing->relations[i - 1].child, child) &&
            bytes_equal(showing->relations[i - 1].parent_kind, relation.parent_kind) &&
            bytes_equal(showing->relations[i - 1].parent_id, id))
            return; /* a body that says it twice */
    if (showing->relation_count == showing->relation_capacity) {
        const size_t capacity =
            showing->relation_capacity == 0 ? 16 : 2 * showing->relation_capacity;
        struct relation *grown = arena_take(showing->arena, capacity * sizeof(*grown));

        if (showing->relation_count > 0)
            memcpy(grown, showing->relations, showing->relation_count * sizeof(*grown));
        showing->relations = grown;
        showing->relation_capacity = capacity;
    }
    showing->relations[showing->relation_count++] = relation;
}

/* The tags by what an entity belongs to: for each "…@ancestor" that some write names. */
static void add_ats(struct showing *showing, struct bytes star_text, bool reference, int kind,
                    struct bytes id)
{
    const struct entities *entities = showing->entities;
    const size_t recent = showing->relation_count < showing->looks_back ? showing->relation_count
                                                                        : showing->looks_back;
    const struct ancestry ancestry = {
        .relations = &showing->question->relations,
        .entities = entities,
        .taught = recent == 0 ? NULL : showing->relations + showing->relation_count - recent,
        .taught_count = recent,
        .arena = showing->arena};

    for (size_t i = 0; i < entities->at_count; i++) {
        const struct at_pattern *at = &entities->ats[i];
        struct bytes ancestor = BYTES("");

        if (at->kind != kind || at->reference != reference || !bytes_equal(at->text, star_text))
            continue;
        /* the item's own facts were taught last: a few are looked at */
        if (id_is_known(id))
            ancestor = relation_ancestor(&ancestry, kind, id, at->ancestor);
        const struct bytes parts[] = {BYTES("@"),
                                      reference ? BYTES("~") : BYTES(""),
                                      star_text,
                                      BYTES("@"),
                                      entities->kinds[at->ancestor].name,
                                      BYTES("/"),
                                      ancestor.length > 0 ? ancestor : BYTES("?")};
        tag_set_add(&showing->tags, parts, ARRAY_LENGTH(parts));
    }
}

/* --- the path --- */

static void add_path_ats(struct showing *showing, const struct placed_path *placed, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (placed->kinds[i] != KIND_NONE) {
            add_ats(showing, path_star_text(showing->arena, placed, count), false, placed->kinds[i],
                    placed->segments[i]);
            return; /* of the first star */
        }
}

static void add_path(struct showing *showing, const struct placed_path *placed)
{
    for (size_t count = 1; count <= placed->count; count++) {
        tag_set_add_path(&showing->tags, placed, count, BYTES("/"), BYTES(""));
        add_path_ats(showing, placed, count);
    }
    tag_set_add_path(&showing->tags, placed, placed->count, BYTES("="), BYTES(""));
}

/* The other path of the same answer: its placeholders have the values of those of the first. */
static void add_also(struct showing *showing, const struct path_template *also)
{
    const struct path_template *own = &showing->rule->path;
    struct placed_path placed = {.count = also->count};

    for (size_t i = 0; i < also->count; i++) {
        placed.kinds[i] = also->segments[i].kind;
        placed.segments[i] = also->segments[i].text;
        for (size_t k = 0; also->segments[i].placeholder && k < own->count; k++)
            if (own->segments[k].placeholder &&
                bytes_equal(own->segments[k].text, also->segments[i].text))
                placed.segments[i] = showing->path.segments[k];
    }
    add_path(showing, &placed);
}

/* --- the query of a list --- */

static void add_facet(struct showing *showing, struct bytes name)
{
    const struct bytes parts[] = {BYTES("#"), name};

    tag_set_add_path(&showing->tags, &showing->path, showing->rule->path.count, BYTES("/"),
                     arena_join_all(showing->arena, parts, ARRAY_LENGTH(parts)));
}

/* "!": control characters may be trimmed, other alphabets folded, and a number may be a field's id.
 */
static struct bytes lower_field(struct arena *arena, struct bytes name)
{
    char *lower = arena_take(arena, name.length + 1);
    size_t digits = 0;

    for (size_t i = 0; i < name.length; i++) {
        const unsigned char byte = (unsigned char)name.data[i];

        if (byte < ' ' || byte >= 0x7f)
            return BYTES("!");
        digits += byte >= '0' && byte <= '9';
        lower[i] = bytes_lower(name.data[i]);
    }
    return digits == name.length ? BYTES("!") : bytes_of(lower, name.length);
}

/* "country==NL" looks at country. (A write to a field whose name holds such a byte names all
 * lists.) */
static struct bytes filtered_field(struct arena *arena, struct bytes filter)
{
    for (size_t i = 0; i < filter.length; i++)
        if (memchr("=!<>~", filter.data[i], 5) != NULL)
            return lower_field(arena, bytes_trim(bytes_slice(filter, 0, i)));
    return BYTES("!");
}

static bool is_neutral(const struct list_rule *list, struct bytes name)
{
    for (size_t i = 0; i < list->neutral_count; i++)
        if (bytes_equal(list->neutral[i], name))
            return true;
    return false;
}

static void add_facets(struct showing *showing)
{
    const struct list_rule *list = showing->rule->list;
    struct bytes query = showing->question->query;
    struct parameter parameter;

    while (parameter_next(&query, &parameter)) {
        const struct bytes name =
            parameter_variable(showing->arena, uri_decode_query(showing->arena, parameter.name));
        const struct bytes value = uri_decode_query(showing->arena, parameter.value);

        if (list->filters.length > 0 && bytes_equal(name, list->filters))
            add_facet(showing, filtered_field(showing->arena, value));
        else if (list->order.length > 0 && bytes_equal(name, list->order))
            add_facet(showing, lower_field(showing->arena, bytes_trim(value)));
        else if (!is_neutral(list, name))
            add_facet(showing, BYTES("!"));
    }
}

static bool member_number(const cJSON *document, struct bytes name, double *number)
{
    const cJSON *member =
        name.length == 0 ? NULL : cJSON_GetObjectItemCaseSensitive(document, name.data);

    if (member == NULL || !cJSON_IsNumber(member))
        return false;
    *number = member->valuedouble;
    return true;
}

/* Complete: it holds every id that it could hold. */
static bool is_complete(const struct list_rule *list, const cJSON *document)
{
    double start, count, total;

    return member_number(document, list->start, &start) &&
           member_number(document, list->shown_count, &count) &&
           member_number(document, list->total, &total) && start <= 0 && count >= total;
}

/* --- the body --- */

/* Where two rules look at members of the same object. */
static bool same_container(const struct member_path *a, const struct member_path *b)
{
    if (a->count != b->count)
        return false;
    for (size_t i = 0; i + 1 < a->count; i++)
        if (a->steps[i].items != b->steps[i].items ||
            !bytes_equal(a->steps[i].name, b->steps[i].name))
            return false;
    return true;
}

static struct bytes id_of_value(struct showing *showing, int kind, const cJSON *value)
{
    bool is_odd;
    const struct bytes raw = document_id(value, showing->arena, &is_odd);

    if (raw.length == 0)
        return is_odd || value == NULL ? BYTES("?") : raw;
    return id_text(&showing->entities->kinds[kind], showing->arena,
                   uri_encode(showing->arena, raw));
}

/* What the item itself says of a parent, else what its path does; empty: neither. */
static struct bytes parent_of_item(struct showing *showing, const struct shown_rule *identity,
                                   const cJSON *container, int parent)
{
    const struct read_rule *rule = showing->rule;
    struct bytes id = BYTES("");

    for (size_t i = 0; i < rule->shown_count && container != NULL; i++) {
        const struct shown_rule *other = &rule->shown[i];

        if (other->identity || other->kind != parent || identity->path.count == 0 ||
            !same_container(&identity->path, &other->path))
            continue;
        const struct bytes name = other->path.steps[other->path.count - 1].name;
        const cJSON *member = cJSON_GetObjectItemCaseSensitive(container, name.data);
        if (member != NULL && !cJSON_IsNull(member))
            return id_of_value(showing, parent, member);
    }
    for (size_t i = 0; i < showing->path.count; i++)
        if (showing->path.kinds[i] == parent)
            id = showing->path.segments[i];
    return id;
}

/* Once for an object, however often it says who it is. */
static void find_parents(struct showing *showing, const struct shown_rule *rule,
                         const cJSON *container)
{
    const struct kind *kind = &showing->entities->kinds[rule->kind];

    if (container != NULL && container == showing->container && rule == showing->identity)
        return;
    showing->container = container;
    showing->identity = rule;
    for (size_t i = 0; i < kind->parent_count; i++)
        showing->parents[i] = parent_of_item(showing, rule, container, kind->parents[i]);
}

static void show_identity(struct showing *showing, const struct shown_rule *rule,
                          const struct document_place *place)
{
    const struct kind *kind = &showing->entities->kinds[rule->kind];
    const struct bytes id = id_of_value(showing, rule->kind, place->value);
    const struct bytes parts[] = {BYTES("="), kind->name, BYTES("/"), id};
    const struct bytes any[] = {BYTES("="), kind->name, BYTES("/*")};

    if (id.length == 0)
        return; /* null: nothing is shown */
    tag_set_add(&showing->tags, parts, ARRAY_LENGTH(parts));
    tag_set_add(&showing->tags, any, ARRAY_LENGTH(any));
    const struct bytes child = arena_join_all(showing->arena, parts + 1, 3);
    find_parents(showing, rule, place->container);
    for (size_t i = 0; i < kind->parent_count && id_is_known(id); i++)
        if (showing->parents[i].length > 0 && id_is_known(showing->parents[i]))
            teach(showing, child, kind->parents[i], showing->parents[i]);
    add_ats(showing, arena_join_all(showing->arena, any + 1, 2), false, rule->kind, id);
}

static int kind_of_member(const struct showing *showing, const struct shown_rule *rule,
                          const cJSON *container)
{
    const cJSON *member = container == NULL
                              ? NULL
                              : cJSON_GetObjectItemCaseSensitive(container, rule->kind_member.data);

    return member != NULL && cJSON_IsString(member)
               ? entities_kind(showing->entities, bytes_of_string(member->valuestring))
               : KIND_NONE;
}

static void show_reference(struct showing *showing, const struct shown_rule *rule,
                           const struct document_place *place)
{
    const int kind =
        rule->kind != KIND_NONE ? rule->kind : kind_of_member(showing, rule, place->container);

    if (kind == KIND_NONE || place->value == NULL)
        return;
    const struct bytes id = id_of_value(showing, kind, place->value);
    if (id.length == 0)
        return; /* null: it refers to nothing */
    const struct bytes name = showing->entities->kinds[kind].name;
    const struct bytes parts[] = {BYTES("~"), name, BYTES("/"), id};
    const struct bytes any[] = {BYTES("~"), name, BYTES("/*")};
    tag_set_add(&showing->tags, parts, ARRAY_LENGTH(parts));
    tag_set_add(&showing->tags, any, ARRAY_LENGTH(any));
    add_ats(showing, arena_join_all(showing->arena, any + 1, 2), true, kind, id);
}

static void show_value(void *context, const struct document_place *place)
{
    const struct item *item = context;

    if (item->showing->tags.is_full)
        return; /* it is widened anyway */
    if (item->rule->identity && item->rule->kind != KIND_NONE)
        show_identity(item->showing, item->rule, place);
    else
        show_reference(item->showing, item->rule, place);
}

static void add_document(struct showing *showing, const cJSON *document)
{
    const struct read_rule *rule = showing->rule;

    showing->looks_back = KIND_PARENTS_LIMIT; /* an item's own: its body may teach thousands */
    for (unsigned pass = 0; pass < 2; pass++) /* identities teach what references ask */
        for (size_t i = 0; i < rule->shown_count; i++) {
            struct item item = {.showing = showing, .rule = &rule->shown[i]};

            if (rule->shown[i].identity == (pass == 0))
                document_walk(document, &rule->shown[i].path, show_value, &item);
        }
    if (rule->list != NULL && !is_complete(rule->list, document))
        add_facet(showing, BYTES("-"));
}

static void add_body(struct showing *showing)
{
    const struct read_rule *rule = showing->rule;

    if (rule->shown_count == 0 && rule->list == NULL)
        return;
    if (showing->question->body.length > DOCUMENT_LIMIT_BYTES) {
        widen(showing, WIDENED_BODY_TOO_LARGE);
        return;
    }
    cJSON *document = document_read(showing->question->body);
    if (document == NULL)
        widen(showing, WIDENED_BODY_UNREADABLE);
    else
        add_document(showing, document);
    cJSON_Delete(document);
}

/* --- all of it --- */

static void add_all(struct showing *showing, const struct path_segments *segments)
{
    const struct read_rule *rule = showing->rule;

    place_path(showing->entities, showing->arena, rule == NULL ? NULL : &rule->path, segments,
               &showing->path);
    if (rule != NULL)
        add_body(showing);
    showing->looks_back = SIZE_MAX;
    add_path(showing, &showing->path);
    if (segments->is_odd || (showing->entities != NULL && rule == NULL))
        widen(showing, WIDENED_READ_UNMATCHED);
    if (rule == NULL)
        return;
    if (showing->path.count > rule->path.count) /* superfluous segments */
        tag_set_add_path(&showing->tags, &showing->path, rule->path.count, BYTES("="), BYTES(""));
    for (size_t i = 0; i < rule->also_count; i++)
        add_also(showing, &rule->also[i]);
    if (rule->list != NULL)
        add_facets(showing);
}

void shown_by_answer(const struct shown_question *question, struct arena *arena,
                     struct shown *shown)
{
    struct showing showing = {.question = question,
                              .entities =
                                  question->preset == NULL ? NULL : question->preset->entities,
                              .arena = arena};
    struct path_segments *segments = arena_take(arena, sizeof(*segments));

    path_canonical(showing.entities, arena, question->path, segments);
    if (showing.entities != NULL)
        showing.rule = entities_read_rule(showing.entities, segments);
    tag_set_init(&showing.tags, arena, question->relations.account_tag);
    tag_set_add_account(&showing.tags);
    add_all(&showing, segments);
    if (showing.tags.is_full) { /* what every write names stands for all that found no room */
        const uint64_t tag = question->relations.account_tag;

        tag_set_init(&showing.tags, arena, tag);
        tag_set_add_account(&showing.tags);
        showing.relation_count = 0;
        add_path(&showing, &showing.path);
        widen(&showing, WIDENED_TOO_MANY_TAGS);
    }
    *shown = (struct shown){.tags = tag_set_tags(&showing.tags),
                            .texts = showing.tags.texts,
                            .relations = showing.relations,
                            .relation_count = showing.relation_count,
                            .widened = showing.widened};
    shown->entities = placed_entities(showing.entities, arena, &showing.path, &shown->entity_count);
}
