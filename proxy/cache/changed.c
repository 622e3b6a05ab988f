/*
 * What a write changes: which of the preset's rules hold for it, and what its answer points at.
 * Everything here may only add: a tag too many costs a call, a tag too few shows a state that is
 * gone.
 */
#include "cache/changed.h"

#include "cache/document.h"
#include "cache/naming.h"
#include "http/uri.h"

/* --- rules --- */

static bool body_has_only(const cJSON *body, const struct write_rule *rule)
{
    const cJSON *member;

    if (!cJSON_IsObject(body))
        return false;
    cJSON_ArrayForEach(member, body)
    {
        bool listed = false;

        for (size_t i = 0; i < rule->only_count; i++)
            listed |= bytes_equal(bytes_of_string(member->string), rule->only[i]);
        if (!listed)
            return false;
    }
    return true;
}

/* Keeps the narrower rule where its condition holds, else those without conditions. */
static void choose_rules(struct changing *changing)
{
    size_t kept = 0;

    for (size_t i = 0; i < changing->rule_count; i++)
        if (changing->rules[i]->only != NULL && body_has_only(changing->body, changing->rules[i])) {
            changing->rules[0] = changing->rules[i];
            changing->rule_count = 1;
            return;
        }
    for (size_t i = 0; i < changing->rule_count; i++)
        if (changing->rules[i]->only == NULL)
            changing->rules[kept++] = changing->rules[i];
    changing->rule_count = kept;
}

/* Where ids stand, as an answer at that path sees it. */
static void place_by_read(struct changing *changing, const struct path_segments *segments)
{
    const struct read_rule *rule =
        changing->entities == NULL ? NULL : entities_read_rule(changing->entities, segments);

    place_path(changing->entities, changing->arena, rule == NULL ? NULL : &rule->path, segments,
               &changing->path);
}

/* A write that no rule matches: "unmatched_writes". */
static void name_unmatched(struct changing *changing, const struct path_segments *segments)
{
    changing->widened |= 1U << WIDENED_WRITE_UNMATCHED;
    if (!changing->question->unmatched_by_path) {
        tag_set_add_account(changing->tags);
        return;
    }
    place_by_read(changing, segments);
    name_own_path(changing, BYTES("/"));
    for (; changing->path.count > 0; changing->path.count--)
        name_own_path(changing, BYTES("=")); /* itself, and each list above */
}

static void name_rules(struct changing *changing, const struct path_segments *segments)
{
    for (size_t i = 0; i < changing->rule_count; i++)
        name_rule(changing, changing->rules[i], segments);
}

/* --- what the answer points at --- */

/* The path of "https://host/v2/profile/7?query" or "/profile/7", without version prefix; empty:
 * none that a stored answer could have. */
static struct bytes pointed_path(const struct changing *changing, struct bytes url)
{
    const struct preset *preset = changing->question->preset;
    const struct target_rules rules = {0};
    const size_t scheme = bytes_find(url, BYTES("://"));
    struct bytes base = changing->question->path;
    struct target target;

    if (scheme < bytes_index(url, '/'))
        url = bytes_from(url, scheme + 1);
    if (bytes_starts_with(url, BYTES("//"))) {
        url = bytes_from(url, 2);
        url = bytes_from(url, bytes_index(url, '/'));
    } else if (!bytes_starts_with(url, BYTES("/"))) { /* RFC 3986 §5.2: beside the request's path */
        if (url.length > 0 && url.data[0] != '?')
            while (base.length > 0 && base.data[base.length - 1] != '/')
                base.length--;
        url = arena_join(changing->arena, base, url);
    }
    url = bytes_slice(url, 0, bytes_index(url, '#'));
    if (target_normalise(changing->arena, url, &rules, &target) != RESULT_OK)
        return BYTES("");
    return preset == NULL ? target.path
                          : target_without_prefix(target.path, preset->version_prefixes,
                                                  preset->version_prefix_count);
}

/* RFC 9111 §4.4: exactly what Location and Content-Location point at. */
static void name_pointed(struct changing *changing, struct bytes field_name)
{
    const struct field *field = fields_find(changing->answer, field_name);
    struct path_segments *segments = arena_take(changing->arena, sizeof(*segments));

    if (field == NULL)
        return;
    const struct bytes path = pointed_path(changing, field->value);
    if (path.length == 0)
        return;
    path_canonical(changing->entities, changing->arena, path, segments);
    place_by_read(changing, segments);
    name_own_path(changing, BYTES("="));
}

/* What was created may have been asked for before; and it belongs to what the path names. */
static void name_created(struct changing *changing, struct changed *changed)
{
    const struct write_rule *rule = changing->rule_count == 0 ? NULL : changing->rules[0];
    const struct field *field =
        rule == NULL ? NULL : fields_find(changing->answer, changing->entities->created_field);

    if (field == NULL || rule->creates == KIND_NONE)
        return;
    const struct kind *kind = &changing->entities->kinds[rule->creates];
    const struct bytes id =
        id_text(kind, changing->arena, uri_encode(changing->arena, field->value));
    const struct bytes parts[] = {BYTES("="), kind->name, BYTES("/"),
                                  id_is_known(id) ? id : BYTES("*")};
    const struct bytes below[] = {BYTES("/"), parts[1], parts[2], parts[3]};
    tag_set_add(changing->tags, parts, ARRAY_LENGTH(parts));
    tag_set_add(changing->tags, below, ARRAY_LENGTH(below));
    if (!id_is_known(id))
        return;
    struct relation *learned = arena_take(changing->arena, KIND_PARENTS_LIMIT * sizeof(*learned));
    for (size_t i = 0; i < kind->parent_count; i++)
        for (size_t k = 0; k < changing->path.count; k++)
            if (changing->path.kinds[k] == kind->parents[i] &&
                id_is_known(changing->path.segments[k]))
                learned[changed->relation_count++] = (struct relation){
                    .child = arena_join_all(changing->arena, parts + 1, 3),
                    .parent_kind = changing->entities->kinds[kind->parents[i]].name,
                    .parent_id = changing->path.segments[k]};
    changed->relations = learned;
}

/* --- all of it --- */

/* What the last entity of the path belonged to. */
static void forget_moved(struct changing *changing, struct changed *changed)
{
    const struct placed_path *path = &changing->path;
    struct relation *forgets = arena_take(changing->arena, KIND_PARENTS_LIMIT * sizeof(*forgets));
    size_t last = path->count;

    while (last > 0 && path->kinds[last - 1] == KIND_NONE)
        last--;
    if (last == 0 || !id_is_known(path->segments[last - 1]))
        return;
    const struct kind *kind = &changing->entities->kinds[path->kinds[last - 1]];
    const struct bytes parts[] = {kind->name, BYTES("/"), path->segments[last - 1]};
    for (size_t i = 0; i < kind->parent_count; i++)
        forgets[changed->forget_count++] =
            (struct relation){.child = arena_join_all(changing->arena, parts, ARRAY_LENGTH(parts)),
                              .parent_kind = changing->entities->kinds[kind->parents[i]].name};
    changed->forgets = forgets;
}

static void tell(const struct changing *changing, struct changed *changed)
{
    struct tag_set *tags = changing->tags;

    changed->widened |= changing->widened;
    if (tags->is_full || changing->is_too_much) {
        tag_set_init(tags, changing->arena, tags->account_tag);
        tag_set_add_account(tags);
        changed->widened |= 1U << WIDENED_TOO_MANY_TAGS;
    }
    changed->tags = tag_set_tags(tags);
    changed->texts = tags->texts;
}

static void changing_begin(struct changing *changing, struct path_segments *segments)
{
    const struct changed_question *question = changing->question;
    const struct bytes everything = BYTES("!");

    path_canonical(changing->entities, changing->arena, question->path, segments);
    if (changing->entities != NULL)
        changing->rule_count = entities_write_rules(changing->entities, question->method, segments,
                                                    changing->rules, CHANGED_RULES_LIMIT);
    if (changing->rule_count == CHANGED_RULES_LIMIT)
        changing->rule_count = 0; /* perhaps not all of them */
    if (changing->rule_count > 0 && question->body.data != NULL)
        changing->body = document_of_request(question->request, question->body, changing->arena);
    choose_rules(changing);
    place_path(changing->entities, changing->arena,
               changing->rule_count == 0 ? NULL : &changing->rules[0]->path, segments,
               &changing->path);
    tag_set_init(changing->tags, changing->arena, question->relations.account_tag);
    tag_set_add(changing->tags, &everything, 1);
}

static const struct entities *entities_of(const struct preset *preset)
{
    return preset == NULL ? NULL : preset->entities;
}

static struct changing changing_of(const struct changed_question *question, struct arena *arena,
                                   struct tag_set *tags)
{
    return (struct changing){.question = question,
                             .entities = entities_of(question->preset),
                             .arena = arena,
                             .tags = tags};
}

void changed_by_request(const struct changed_question *question, struct arena *arena,
                        struct changed *changed)
{
    struct tag_set tags;
    struct path_segments *segments = arena_take(arena, sizeof(*segments));
    struct changing changing = changing_of(question, arena, &tags);

    *changed = (struct changed){.settle_us = -1};
    changing_begin(&changing, segments);
    changed->entities =
        placed_entities(changing.entities, arena, &changing.path, &changed->entity_count);
    if (changing.rule_count == 0) {
        name_unmatched(&changing, segments);
    } else {
        name_own_path(&changing, BYTES("="));
        name_rules(&changing, segments);
        changed->rule = changing.rules[0];
        for (size_t i = 0; i < changing.rule_count; i++)
            if (changing.rules[i]->settle_us > changed->settle_us)
                changed->settle_us = changing.rules[i]->settle_us;
        if (changed->rule->moves)
            forget_moved(&changing, changed);
    }
    tell(&changing, changed);
    cJSON_Delete(changing.body);
}

static void add_named(struct tag_set *tags, const struct changed *changed)
{
    for (size_t i = 0; i < changed->tags.count; i++)
        if (changed->tags.hashes[i] == tags->account_tag)
            tag_set_add_account(tags);
        else
            tag_set_add(tags, &changed->texts[i], 1);
}

void changed_by_answer(const struct changed_question *question, const struct fields *answer,
                       struct arena *arena, struct changed *changed)
{
    struct tag_set tags;
    struct path_segments *segments = arena_take(arena, sizeof(*segments));
    struct changing changing = changing_of(question, arena, &tags);

    changing.answer = answer;
    changing.is_answered = true;
    if (changed->rule == NULL && !question->unmatched_by_path)
        return; /* the account is named */
    changing_begin(&changing, segments);
    add_named(&tags, changed);
    name_rules(&changing, segments);
    if (answer != NULL) {
        name_created(&changing, changed);
        name_pointed(&changing, BYTES("Location"));
        name_pointed(&changing, BYTES("Content-Location"));
    }
    tell(&changing, changed);
    cJSON_Delete(changing.body);
}

bool changed_reads_body(const struct preset *preset, struct bytes method, struct bytes path)
{
    const struct entities *entities = entities_of(preset);
    const struct write_rule *rules[CHANGED_RULES_LIMIT];
    struct path_segments segments;
    struct arena arena;
    bool reads = false;

    if (entities == NULL)
        return false;
    arena_init(&arena, 4096);
    path_canonical(entities, &arena, path, &segments);
    const size_t count =
        entities_write_rules(entities, method, &segments, rules, CHANGED_RULES_LIMIT);
    for (size_t i = 0; i < count; i++) {
        reads |= rules[i]->only != NULL || rules[i]->fields != NULL;
        for (size_t k = 0; k < rules[i]->change_count; k++)
            reads |= change_asks_body(&rules[i]->changes[k]);
    }
    arena_finish(&arena);
    return reads;
}

void changed_by_path(const struct changed_question *question, struct arena *arena,
                     struct changed *changed)
{
    struct tag_set tags;
    struct path_segments *segments = arena_take(arena, sizeof(*segments));
    struct changing changing = changing_of(question, arena, &tags);

    path_canonical(changing.entities, arena, question->path, segments);
    place_by_read(&changing, segments);
    tag_set_init(&tags, arena, question->relations.account_tag);
    name_own_path(&changing, BYTES("/"));
    name_own_path(&changing, BYTES("="));
    *changed = (struct changed){.settle_us = -1};
    tell(&changing, changed);
}

/* The rule's path with the entity at its last id: where others stand, any may. RESULT_MISSING: that
 * is no id of this kind. */
static enum result path_of_entity(const struct write_rule *rule, int kind, struct bytes id,
                                  struct path_segments *segments)
{
    size_t last = rule->path.count;

    *segments = (struct path_segments){.count = rule->path.count};
    for (size_t i = 0; i < rule->path.count; i++) {
        const struct segment *segment = &rule->path.segments[i];

        /* an empty id is that of no kind: it is not known */
        segments->list[i] = segment->kind != KIND_NONE ? BYTES("") : segment->text;
        if (segment->kind != KIND_NONE)
            last = i;
    }
    if (last == rule->path.count || rule->path.segments[last].kind != kind)
        return RESULT_MISSING;
    segments->list[last] = id;
    return RESULT_OK;
}

/* All that writes do which are about the entity. */
static size_t name_writes_of(struct changing *changing, int kind, struct bytes id)
{
    size_t found = 0;

    for (size_t i = 0; i < changing->entities->write_count; i++) {
        const struct write_rule *rule = &changing->entities->writes[i];
        struct path_segments segments;

        if (path_of_entity(rule, kind, id, &segments) != RESULT_OK)
            continue;
        found++;
        changing->is_answered = false;
        name_rule(changing, rule, &segments);
        changing->is_answered = true;
        name_rule(changing, rule, &segments);
    }
    return found;
}

enum result changed_by_entity(const struct changed_question *question, struct bytes entity,
                              struct arena *arena, struct changed *changed)
{
    const struct bytes everything = BYTES("!");
    const struct bytes marks[] = {BYTES("/"), BYTES("="), BYTES("~")};
    struct tag_set tags;
    struct changing changing = changing_of(question, arena, &tags);
    size_t slash = entity.length;

    while (slash > 0 && entity.data[slash - 1] != '/')
        slash--;
    const int kind = changing.entities == NULL || slash == 0
                         ? KIND_NONE
                         : entities_kind(changing.entities, bytes_slice(entity, 0, slash - 1));
    if (kind == KIND_NONE)
        return RESULT_INVALID;
    const struct bytes id =
        id_text(&changing.entities->kinds[kind], arena, bytes_from(entity, slash));
    if (!id_is_known(id))
        return RESULT_INVALID;
    tag_set_init(&tags, arena, question->relations.account_tag);
    *changed = (struct changed){.settle_us = -1};
    tag_set_add(&tags, &everything, 1);
    if (name_writes_of(&changing, kind, id) == 0)
        tag_set_add_account(&tags); /* nobody knows what hangs on it */
    for (size_t i = 0; i < 2 * ARRAY_LENGTH(marks); i++) {
        const struct bytes parts[] = {marks[i / 2], changing.entities->kinds[kind].name, BYTES("/"),
                                      i % 2 == 0 ? id : BYTES("?")};

        tag_set_add(&tags, parts, ARRAY_LENGTH(parts));
    }
    tell(&changing, changed);
    return RESULT_OK;
}
