/* Tags from tokens. */
#include "cache/naming.h"

#include "cache/document.h"
#include "http/uri.h"

enum {
    CHANGED_VALUES_LIMIT = 1024, /* for one token: beyond it the account is named */
    CHANGED_FIELDS_LIMIT = 64,
};

static struct values no_values(void)
{
    return (struct values){0};
}

static void values_add(struct changing *changing, struct values *values, struct bytes text)
{
    if (values->count == CHANGED_VALUES_LIMIT) {
        changing->is_too_much = true;
        return;
    }
    if (values->count == values->capacity) {
        struct bytes *longer =
            arena_take(changing->arena, (2 * values->capacity + 2) * sizeof(*longer));

        if (values->count > 0)
            memcpy(longer, values->list, values->count * sizeof(*longer));
        values->list = longer;
        values->capacity = 2 * values->capacity + 2;
    }
    values->list[values->count++] = text;
}

static struct values values_any(struct changing *changing)
{
    struct values values = no_values();

    values_add(changing, &values, BYTES("*"));
    return values;
}

static struct values values_unknown(struct changing *changing, enum widening why)
{
    changing->widened |= 1U << why;
    return values_any(changing);
}

/* An id, and an answer of which nobody knows whether it shows that id. */
static struct values values_of_id(struct changing *changing, struct bytes id)
{
    struct values values = no_values();

    values_add(changing, &values, id);
    values_add(changing, &values, BYTES("?"));
    return values;
}

/* --- where values come from --- */

static struct values value_of_path(struct changing *changing, const struct change_segment *segment)
{
    const struct bytes id = changing->path.segments[segment->position];
    struct values values = no_values();

    if (segment->kind == KIND_NONE) {
        values_add(changing, &values, id);
        return values;
    }
    return id_is_known(id) ? values_of_id(changing, id) : values_unknown(changing, WIDENED_NAME);
}

static struct values value_related(struct changing *changing, const struct change_segment *segment)
{
    const struct bytes id = changing->path.segments[segment->position];

    if (!id_is_known(id))
        return values_unknown(changing, WIDENED_NAME);
    if (changing->rule->moves)
        return values_any(changing); /* it may belong elsewhere by now */
    const struct ancestry ancestry = {.relations = &changing->question->relations,
                                      .entities = changing->entities,
                                      .arena = changing->arena};
    const struct bytes ancestor = relation_ancestor(&ancestry, segment->of_kind, id, segment->kind);
    return ancestor.length > 0 ? values_of_id(changing, ancestor)
                               : values_unknown(changing, WIDENED_RELATION);
}

struct reading_ids {
    struct changing *changing;
    struct values values;
    int kind;
    bool is_odd;
};

static void read_id(void *context, const struct document_place *place)
{
    struct reading_ids *reading = context;
    struct changing *changing = reading->changing;
    bool is_odd;
    const struct bytes raw = document_id(place->value, changing->arena, &is_odd);
    struct bytes id = raw;

    if (raw.length > 0 && reading->kind != KIND_NONE)
        id = id_text(&changing->entities->kinds[reading->kind], changing->arena,
                     uri_encode(changing->arena, raw));
    if (id.length == 0 || !id_is_known(id))
        reading->is_odd = true;
    else
        values_add(changing, &reading->values, id);
}

static struct values value_of_body(struct changing *changing, const struct change_segment *segment)
{
    struct reading_ids reading = {.changing = changing, .kind = segment->kind};

    if (changing->body != NULL)
        document_walk(changing->body, &segment->member, read_id, &reading);
    if (changing->body == NULL || reading.is_odd)
        return values_unknown(changing, WIDENED_REQUEST_BODY);
    if (reading.values.count > 0)
        values_add(changing, &reading.values, BYTES("?"));
    return reading.values; /* none: an empty list changes nothing */
}

/* Of an answer that did not say, or never came, it may be any. */
static struct values value_of_header(struct changing *changing,
                                     const struct change_segment *segment)
{
    const struct field *field =
        changing->answer == NULL ? NULL : fields_find(changing->answer, segment->text);
    struct bytes id = BYTES("?");

    if (field != NULL && segment->kind != KIND_NONE)
        id = id_text(&changing->entities->kinds[segment->kind], changing->arena,
                     uri_encode(changing->arena, field->value));
    return id_is_known(id) ? values_of_id(changing, id) : values_any(changing);
}

static struct values values_of(struct changing *changing, const struct change_segment *segment)
{
    struct values values = no_values();

    switch (segment->source) {
    case VALUE_LITERAL:
        values_add(changing, &values, segment->text);
        return values;
    case VALUE_ANY:
        return values_any(changing);
    case VALUE_PATH:
        return value_of_path(changing, segment);
    case VALUE_RELATED:
        return value_related(changing, segment);
    case VALUE_BODY:
        return value_of_body(changing, segment);
    case VALUE_HEADER:
        return value_of_header(changing, segment);
    }
    return values_any(changing); /* no other source */
}

/* --- tokens --- */

static bool change_asks_answer(const struct change *change)
{
    for (size_t i = 0; i < change->count; i++)
        if (change->segments[i].source == VALUE_HEADER)
            return true;
    return change->at_kind != KIND_NONE && change->at.source == VALUE_HEADER;
}

bool change_asks_body(const struct change *change)
{
    for (size_t i = 0; i < change->count; i++)
        if (change->segments[i].source == VALUE_BODY)
            return true;
    return change->at_kind != KIND_NONE && change->at.source == VALUE_BODY;
}

/* "profile/{profile}": the name of a kind, and one id. */
static bool change_is_entity(const struct changing *changing, const struct change *change)
{
    struct bytes parts[2 * TEMPLATE_SEGMENTS_LIMIT];
    size_t used = 0;

    if (change->count < 2 || change->count > TEMPLATE_SEGMENTS_LIMIT ||
        change->segments[change->count - 1].source == VALUE_LITERAL)
        return false;
    for (size_t i = 0; i + 1 < change->count; i++) {
        if (change->segments[i].source != VALUE_LITERAL)
            return false;
        if (i > 0)
            parts[used++] = BYTES("/");
        parts[used++] = change->segments[i].text;
    }
    return entities_kind(changing->entities, arena_join_all(changing->arena, parts, used)) !=
           KIND_NONE;
}

/* Each text with each value behind it. */
static struct values values_joined(struct changing *changing, const struct values *texts,
                                   const struct values *values)
{
    struct values longer = no_values();

    for (size_t i = 0; i < texts->count; i++)
        for (size_t k = 0; k < values->count; k++) {
            const struct bytes parts[] = {texts->list[i],
                                          texts->list[i].length > 0 ? BYTES("/") : BYTES(""),
                                          values->list[k]};

            values_add(changing, &longer,
                       arena_join_all(changing->arena, parts, ARRAY_LENGTH(parts)));
        }
    return longer;
}

/* All texts of the token's path, one for each choice of its values; in `texts`. */
static struct values change_paths(struct changing *changing, const struct change *change)
{
    struct values texts = no_values();

    values_add(changing, &texts, BYTES(""));
    for (size_t i = 0; i < change->count; i++) {
        const struct values values = values_of(changing, &change->segments[i]);

        texts = values_joined(changing, &texts, &values);
    }
    return texts;
}

static void name_paths(struct changing *changing, struct bytes mark, const struct values *paths)
{
    for (size_t i = 0; i < paths->count; i++) {
        const struct bytes parts[] = {mark, paths->list[i]};

        tag_set_add(changing->tags, parts, ARRAY_LENGTH(parts));
    }
}

/* A list, of which not every filter is touched. */
static void name_facets(struct changing *changing, const struct values *paths)
{
    for (size_t i = 0; i < paths->count; i++)
        for (size_t k = 0; k < changing->facets.count; k++) {
            const struct bytes parts[] = {BYTES("/"), paths->list[i], BYTES("#"),
                                          changing->facets.list[k]};

            tag_set_add(changing->tags, parts, ARRAY_LENGTH(parts));
        }
}

static void name_at(struct changing *changing, const struct change *change,
                    const struct values *paths, const struct values *ids)
{
    for (size_t i = 0; i < paths->count; i++)
        for (size_t k = 0; k < ids->count; k++) {
            const struct bytes parts[] = {
                BYTES("@"),  change->reference ? BYTES("~") : BYTES(""),      paths->list[i],
                BYTES("@"),  changing->entities->kinds[change->at_kind].name, BYTES("/"),
                ids->list[k]};

            tag_set_add(changing->tags, parts, ARRAY_LENGTH(parts));
        }
}

static void name_change(struct changing *changing, const struct change *change)
{
    if (change->account) {
        tag_set_add_account(changing->tags);
        return;
    }
    const struct values paths = change_paths(changing, change);
    if (change->at_kind != KIND_NONE) {
        const struct values ids = values_of(changing, &change->at);

        if (ids.count > 0 && !bytes_equal(ids.list[0], BYTES("*"))) {
            name_at(changing, change, &paths, &ids);
            return;
        }
        if (ids.count == 0)
            return;
    }
    if (change->reference) {
        name_paths(changing, BYTES("~"), &paths);
    } else if (change->exact) {
        name_paths(changing, BYTES("="), &paths);
    } else if (change->narrowed && changing->facets.count > 0) {
        name_facets(changing, &paths);
    } else {
        name_paths(changing, BYTES("/"), &paths);
        if (change_is_entity(changing, change))
            name_paths(changing, BYTES("="), &paths);
    }
}

/* --- which fields change --- */

struct naming_fields {
    struct changing *changing;
    struct values values;
    bool failed;
};

static void name_fields(void *context, const struct document_place *place)
{
    struct naming_fields *naming = context;
    const cJSON *member;

    if (!cJSON_IsObject(place->value)) {
        naming->failed = true;
        return;
    }
    cJSON_ArrayForEach(member, place->value)
    {
        const size_t length = strlen(member->string);
        char *lower = arena_take(naming->changing->arena, length + 1);

        for (size_t i = 0; i < length; i++) {
            const unsigned char byte = (unsigned char)member->string[i];

            /* what shown.c reads as an operator, or not at all */
            naming->failed |= byte < ' ' || byte >= 0x7f || memchr("=!<>~", byte, 5) != NULL;
            lower[i] = bytes_lower(member->string[i]);
        }
        naming->failed |= naming->values.count >= CHANGED_FIELDS_LIMIT;
        if (naming->failed)
            return;
        values_add(naming->changing, &naming->values, bytes_trim(bytes_of(lower, length)));
    }
}

/* The body has no member but those on the way to the fields. */
static bool body_is_all_fields(const cJSON *body, const struct member_path *fields)
{
    const cJSON *member;

    if (!cJSON_IsObject(body) || fields->count > 1)
        return false;
    if (fields->count == 0)
        return true;
    cJSON_ArrayForEach(member, body) if (!bytes_equal(bytes_of_string(member->string),
                                                      fields->steps[0].name)) return false;
    return true;
}

/* The facets of lists that the rule's write touches; none: not known, all lists are. */
static struct values facets_of(struct changing *changing)
{
    const struct write_rule *rule = changing->rule;
    struct naming_fields naming = {.changing = changing};

    if (rule->removes) {
        values_add(changing, &naming.values, BYTES("-"));
        return naming.values;
    }
    if (rule->fields == NULL)
        return no_values();
    if (changing->body == NULL || !body_is_all_fields(changing->body, rule->fields)) {
        changing->widened |= 1U << WIDENED_REQUEST_BODY;
        return no_values();
    }
    document_walk(changing->body, rule->fields, name_fields, &naming);
    if (naming.failed)
        return no_values();
    for (size_t i = 0; i < changing->entities->touched_count; i++)
        values_add(changing, &naming.values, changing->entities->touched[i]);
    values_add(changing, &naming.values, BYTES("!"));
    return naming.values;
}

/* --- all of it --- */

void name_own_path(struct changing *changing, struct bytes mark)
{
    const struct placed_path *path = &changing->path;
    struct values texts = no_values();

    values_add(changing, &texts, BYTES(""));
    for (size_t i = 0; i < path->count; i++) {
        const struct bytes segment = path->segments[i];
        struct values values = no_values();

        if (path->kinds[i] == KIND_NONE)
            values_add(changing, &values, segment);
        else
            values = id_is_known(segment) ? values_of_id(changing, segment) : values_any(changing);
        texts = values_joined(changing, &texts, &values);
    }
    name_paths(changing, mark, &texts);
}

void name_rule(struct changing *changing, const struct write_rule *rule,
               const struct path_segments *segments)
{
    changing->rule = rule;
    place_path(changing->entities, changing->arena, &rule->path, segments, &changing->path);
    changing->facets = facets_of(changing);
    for (size_t k = 0; k < rule->change_count; k++)
        if (change_asks_answer(&rule->changes[k]) == changing->is_answered)
            name_change(changing, &rule->changes[k]);
}
