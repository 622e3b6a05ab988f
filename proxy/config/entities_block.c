/*
 * How a preset's "kinds", "equivalents", "reads" and "writes" become struct entities. Single texts
 * are read by notation.c; here is what objects they stand in, and what follows from all together:
 * which changes are of narrowed lists, which at-patterns entries carry tags for.
 */
#include <assert.h>

#include "config/blocks.h"
#include "config/notation.h"

enum { VARIANTS_LIMIT = 16 }; /* of one path, by equivalents */

static struct notation notation_of(struct reader *reader, const struct preset_draft *draft)
{
    return (struct notation){.entities = &draft->entities, .arena = &reader->configuration->arena};
}

static void *take(struct reader *reader, size_t count, size_t size)
{
    return arena_take_zeroed(&reader->configuration->arena, (count + 1) * size);
}

/* --- kinds --- */

static bool kind_name_is_fine(struct bytes name)
{
    char last = '/';

    for (size_t i = 0; i < name.length; i++) {
        const char byte = name.data[i], lower = bytes_lower(byte);

        if (byte == '/' ? last == '/'
                        : !(lower >= 'a' && lower <= 'z') && !(byte >= '0' && byte <= '9') &&
                              byte != '-' && byte != '_')
            return false;
        last = byte;
    }
    return last != '/';
}

/* What a kind's object is read into. */
struct kind_draft {
    const struct notation *notation;
    struct kind *kind;
};

static void kind_ids(struct reader *reader, const cJSON *item, const struct member *member,
                     void *into)
{
    static const char *const words[] = {"decimal", "opaque", NULL};
    const struct member choice = {.words = words};
    const struct kind_draft *draft = into;
    unsigned word = 0;

    (void)member;
    reader_choice(reader, item, &choice, &word);
    draft->kind->opaque = word == 1;
}

static void kind_parents(struct reader *reader, const cJSON *item, const struct member *member,
                         void *into)
{
    const struct kind_draft *draft = into;
    const cJSON *element;

    (void)member;
    if (reader_array(reader, item, "names of kinds") > KIND_PARENTS_LIMIT) {
        reader_fault(reader, item, "has more than %d parents", KIND_PARENTS_LIMIT);
        return;
    }
    cJSON_ArrayForEach(element, item)
    {
        const char *name = reader_string(reader, element, "the name of a kind");
        struct error error;
        int parent;

        if (name == NULL)
            continue;
        if (notation_kind(draft->notation, bytes_of_string(name), &parent, &error) != RESULT_OK)
            reader_fault(reader, element, "%s", error.text);
        else
            draft->kind->parents[draft->kind->parent_count++] = parent;
    }
}

static bool kind_is_deeper(const struct entities *entities, int kind, size_t steps)
{
    const struct kind *of = &entities->kinds[kind];

    for (size_t i = 0; i < of->parent_count; i++)
        if (steps == 0 || kind_is_deeper(entities, of->parents[i], steps - 1))
            return true;
    return false;
}

static void kinds_check_depth(struct reader *reader, const cJSON *item,
                              const struct entities *entities)
{
    const cJSON *element;
    int kind = 0;

    cJSON_ArrayForEach(element, item)
    {
        if (kind_is_deeper(entities, kind, KIND_DEPTH_LIMIT))
            reader_fault(reader, element,
                         "its \"parents\" go round in a circle, or up more than %d steps",
                         KIND_DEPTH_LIMIT);
        kind++;
    }
}

void block_kinds(struct reader *reader, const cJSON *item, const struct member *member, void *into)
{
    static const struct member members[] = {
        {.name = "ids", .read = kind_ids},
        {.name = "parents", .read = kind_parents},
    };
    struct preset_draft *draft = into;
    const struct notation notation = notation_of(reader, draft);
    struct kind *kinds = take(reader, (size_t)cJSON_GetArraySize(item), sizeof(*kinds));
    const cJSON *element;
    size_t i = 0;

    (void)member;
    if (!cJSON_IsObject(item)) {
        reader_fault(reader, item, "expects an object: {\"kind\": {…}}");
        return;
    }
    draft->entities.kinds = kinds;
    cJSON_ArrayForEach(element, item)
    {
        const struct bytes name =
            arena_copy(&reader->configuration->arena, bytes_of_string(element->string));

        if (!kind_name_is_fine(name))
            reader_fault(reader, element,
                         "is no name of a kind: letters, digits, - and _, and / "
                         "between them");
        if (entities_kind(&draft->entities, name) != KIND_NONE)
            reader_fault(reader, element, "stands twice in this object: keep one");
        kinds[draft->entities.kind_count++].name = name;
    }
    cJSON_ArrayForEach(element, item)
    {
        struct kind_draft one = {.notation = &notation, .kind = &kinds[i++]};

        (void)reader_members(reader, element, members, ARRAY_LENGTH(members), &one);
    }
    kinds_check_depth(reader, item, &draft->entities);
}

/* --- equivalents --- */

static size_t stars_in(struct bytes path)
{
    size_t count = 0;

    while (path.length > 0)
        count += bytes_equal(bytes_cut(&path, '/'), BYTES("*")) ? 1 : 0;
    return count;
}

static void equivalent_side(struct reader *reader, const cJSON *item, const struct member *member,
                            void *into)
{
    const char *text = reader_string(reader, item, "a path such as \"/html\"");

    if (text == NULL)
        return;
    const struct bytes path = bytes_from(bytes_of_string(text), 1);
    if (text[0] != '/' || path.length == 0 || bytes_ends_with(path, BYTES("/")) ||
        bytes_index(path, '{') < path.length || stars_in(path) > EQUIVALENT_STARS_LIMIT)
        reader_fault(reader, item,
                     "expects a path such as \"/html\", or with * for a segment, %d at most",
                     EQUIVALENT_STARS_LIMIT);
    else
        memcpy((char *)into + member->offset, &path, sizeof(path));
}

void block_equivalents(struct reader *reader, const cJSON *item, const struct member *member,
                       void *into)
{
    static const struct member members[] = {
        {.name = "path",
         .read = equivalent_side,
         .offset = offsetof(struct path_equivalent, from),
         .required = true},
        {.name = "as",
         .read = equivalent_side,
         .offset = offsetof(struct path_equivalent, to),
         .required = true},
    };
    struct preset_draft *draft = into;
    const size_t count = reader_array(reader, item, "equivalents");
    struct path_equivalent *list = take(reader, count, sizeof(*list));
    const cJSON *element;

    (void)member;
    draft->entities.equivalents = list;
    cJSON_ArrayForEach(element, item)
    {
        struct path_equivalent *one = &list[draft->entities.equivalent_count];

        if (count == 0 || !reader_members(reader, element, members, ARRAY_LENGTH(members), one))
            continue;
        if (stars_in(one->from) != stars_in(one->to))
            reader_fault(reader, element, "has more stars on one side than on the other");
        if (one->from.length > 0 && bytes_equal(one->from, one->to))
            reader_fault(reader, element, "says that a path is itself");
        draft->entities.equivalent_count++;
    }
}

/* --- reads --- */

/* What a read's or write's object is read into; faults said, the rest is read all the same. */
struct rule_draft {
    const struct notation *notation;
    struct read_rule read;
    struct list_rule list;
    struct write_rule write;
    int64_t ttl_us;
    bool store;
};

/* A template at `item`, or a fault and one without segments. */
static void path_read(struct reader *reader, const struct notation *notation, const cJSON *item,
                      struct path_template *template)
{
    const char *text = reader_string(reader, item, "a path such as \"/profile/{profile}\"");
    struct error error;

    if (text != NULL &&
        notation_template(notation, bytes_of_string(text), template, &error) == RESULT_OK)
        return;
    template->count = 0;
    if (text != NULL)
        reader_fault(reader, item, "%s", error.text);
}

static void read_path(struct reader *reader, const cJSON *item, const struct member *member,
                      void *into)
{
    struct rule_draft *draft = into;

    (void)member;
    path_read(reader, draft->notation, item, &draft->read.path);
}

static void read_shows(struct reader *reader, const cJSON *item, const struct member *member,
                       void *into)
{
    struct rule_draft *draft = into;
    const size_t count = reader_array(reader, item, "tokens such as \"data[].ID=>profile\"");
    struct shown_rule *shown = take(reader, count, sizeof(*shown));
    const cJSON *element = count > 0 ? item->child : NULL;

    (void)member;
    draft->read.shown = shown;
    for (; element != NULL; element = element->next) {
        const char *text = reader_string(reader, element, "\"data[].ID=>profile\"");
        struct error error;

        if (text == NULL)
            continue;
        if (notation_shown(draft->notation, bytes_of_string(text), &shown[draft->read.shown_count],
                           &error) != RESULT_OK)
            reader_fault(reader, element, "\"%.100s\": %s", text, error.text);
        else
            draft->read.shown_count++;
    }
}

/* Its placeholders are to be found in the read's own path. */
static void also_check(struct reader *reader, const cJSON *item, const struct path_template *path,
                       const struct path_template *also)
{
    for (size_t i = 0; i < also->count && path->count > 0; i++) {
        const struct segment *segment = &also->segments[i];

        if (segment->placeholder && template_placeholder(path, segment->text) == path->count)
            reader_fault(reader, item, "{%.*s} is no placeholder of %.*s",
                         (int)segment->text.length, segment->text.data, (int)path->text.length,
                         path->text.data);
    }
}

static void read_also(struct reader *reader, const cJSON *item, const struct member *member,
                      void *into)
{
    struct rule_draft *draft = into;
    const size_t count = reader_array(reader, item, "paths");
    struct path_template *also = take(reader, count, sizeof(*also));
    const cJSON *element = count > 0 ? item->child : NULL;

    (void)member;
    draft->read.also = also;
    for (; element != NULL; element = element->next) {
        struct path_template *one = &also[draft->read.also_count];

        path_read(reader, draft->notation, element, one);
        also_check(reader, element, &draft->read.path, one);
        draft->read.also_count += one->count > 0 ? 1 : 0;
    }
}

/* A string into a struct bytes. */
static void read_name(struct reader *reader, const cJSON *item, const struct member *member,
                      void *into)
{
    const char *text = reader_string(reader, item, "a name");
    const struct bytes name = text != NULL ? bytes_of_string(text) : BYTES("");

    memcpy((char *)into + member->offset, &name, sizeof(name));
}

static void list_complete(struct reader *reader, const cJSON *item, const struct member *member,
                          void *into)
{
    static const struct member members[] = {
        {.name = "start",
         .read = read_name,
         .offset = offsetof(struct list_rule, start),
         .required = true},
        {.name = "count",
         .read = read_name,
         .offset = offsetof(struct list_rule, shown_count),
         .required = true},
        {.name = "total",
         .read = read_name,
         .offset = offsetof(struct list_rule, total),
         .required = true},
    };

    (void)member;
    (void)reader_members(reader, item, members, ARRAY_LENGTH(members), into); /* said its fault */
}

static void read_list(struct reader *reader, const cJSON *item, const struct member *member,
                      void *into)
{
    static const struct member members[] = {
        {.name = "filters", .read = read_name, .offset = offsetof(struct list_rule, filters)},
        {.name = "order", .read = read_name, .offset = offsetof(struct list_rule, order)},
        {.name = "neutral",
         .read = reader_list,
         .offset = offsetof(struct list_rule, neutral),
         .count_offset = offsetof(struct list_rule, neutral_count)},
        {.name = "complete", .read = list_complete},
    };
    struct rule_draft *draft = into;

    (void)member;
    if (reader_members(reader, item, members, ARRAY_LENGTH(members), &draft->list))
        draft->read.list = &draft->list;
}

static const struct member read_members[] = {
    {.name = "path", .read = read_path, .required = true},
    {.name = "shows", .read = read_shows},
    {.name = "also", .read = read_also},
    {.name = "list", .read = read_list},
    {.name = "ttl", .read = reader_duration, .offset = offsetof(struct rule_draft, ttl_us)},
    {.name = "store", .read = reader_flag, .offset = offsetof(struct rule_draft, store)},
};

/* A path that the cache's rules understand: its placeholders are stars. In the arena. */
static struct bytes pattern_text(struct arena *arena, const struct path_template *path,
                                 bool superfluous)
{
    struct bytes text = BYTES("");

    for (size_t i = 0; i < path->count; i++) {
        const struct segment *segment = &path->segments[i];
        const struct bytes parts[] = {text, BYTES("/"),
                                      segment->placeholder ? BYTES("*") : segment->text};

        text = arena_join_all(arena, parts, ARRAY_LENGTH(parts));
    }
    return path->segments[path->count - 1].placeholder || !superfluous
               ? text
               : arena_join(arena, text, BYTES("/**"));
}

/* The other spelling of a pattern; empty: the equivalent has nothing to do with it. */
static struct bytes pattern_variant(struct arena *arena, struct bytes pattern,
                                    const struct path_equivalent *equivalent)
{
    struct bytes rest = bytes_from(pattern, 1), to = equivalent->to;

    while (to.length > 0)
        if (!bytes_equal(bytes_cut(&rest, '/'), bytes_cut(&to, '/')))
            return BYTES("");
    const struct bytes parts[] = {BYTES("/"), equivalent->from,
                                  rest.length > 0 ? BYTES("/") : BYTES(""), rest};
    return arena_join_all(arena, parts, ARRAY_LENGTH(parts));
}

/* What a read says of its ttl and of storing, as rules of the cache: one for each spelling. */
static void read_add_cache_rules(struct reader *reader, struct preset_draft *draft,
                                 const struct rule_draft *read)
{
    struct arena *arena = &reader->configuration->arena;
    struct bytes texts[VARIANTS_LIMIT] = {
        pattern_text(arena, &read->read.path, draft->entities.superfluous_segments)};
    struct cache_rule rule = {.ttl_us = read->ttl_us,
                              .negative_ttl_us = -1,
                              .settle_us = -1,
                              .store = read->store,
                              .store_said = !read->store};
    size_t count = 1;

    for (size_t i = draft->entities.equivalent_count; i > 0; i--)
        for (size_t k = count; k > 0 && count < VARIANTS_LIMIT; k--) {
            texts[count] =
                pattern_variant(arena, texts[k - 1], &draft->entities.equivalents[i - 1]);
            count += texts[count].length > 0 ? 1 : 0;
        }
    for (size_t i = 0; i < count; i++) {
        struct cache_rule *grown = take(reader, draft->preset.rule_count + 1, sizeof(*grown));

        rule.match_text = texts[i];
        if (pattern_compile(&rule.match, arena, texts[i]) != RESULT_OK)
            continue; /* it has a fault already */
        if (draft->preset.rule_count > 0)
            memcpy(grown, draft->preset.rules, draft->preset.rule_count * sizeof(*grown));
        grown[draft->preset.rule_count++] = rule;
        draft->preset.rules = grown;
    }
}

static bool same_template(const struct path_template *a, const struct path_template *b)
{
    bool same = a->count == b->count;

    for (size_t i = 0; same && i < a->count; i++)
        same =
            a->segments[i].placeholder == b->segments[i].placeholder &&
            (a->segments[i].placeholder || bytes_equal(a->segments[i].text, b->segments[i].text));
    return same;
}

static void reads_check_twice(struct reader *reader, const cJSON *item,
                              const struct entities *entities, const struct path_template *path)
{
    for (size_t i = 0; i < entities->read_count; i++)
        if (path->count > 0 && same_template(&entities->reads[i].path, path))
            reader_fault(reader, item, "is the same path as %.*s: keep one",
                         (int)entities->reads[i].path.text.length,
                         entities->reads[i].path.text.data);
}

/* An identity of that kind, or of any (KIND_NONE). */
static bool list_shows(const struct read_rule *read, int kind)
{
    for (size_t i = 0; i < read->shown_count; i++)
        if (read->shown[i].identity && (kind == KIND_NONE || read->shown[i].kind == kind))
            return true;
    return false;
}

void block_reads(struct reader *reader, const cJSON *item, const struct member *member, void *into)
{
    struct preset_draft *draft = into;
    const struct notation notation = notation_of(reader, draft);
    const size_t count = reader_array(reader, item, "reads");
    struct read_rule *rules = take(reader, count, sizeof(*rules));
    struct rule_draft *drafts = take(reader, count, sizeof(*drafts));
    const cJSON *element = count > 0 ? item->child : NULL;

    (void)member;
    draft->entities.reads = rules;
    for (; element != NULL; element = element->next, drafts++) {
        *drafts = (struct rule_draft){.notation = &notation, .ttl_us = -1, .store = true};
        if (!reader_members(reader, element, read_members, ARRAY_LENGTH(read_members), drafts))
            continue;
        reads_check_twice(reader, reader_member(element, "path"), &draft->entities,
                          &drafts->read.path);
        if (drafts->read.list != NULL && !list_shows(&drafts->read, KIND_NONE))
            reader_fault(reader, reader_member(element, "list"),
                         "is of no use without an identity in \"shows\", such as "
                         "\"data[].ID=>profile\": a list goes by what it holds");
        if (drafts->read.path.count > 0 && (drafts->ttl_us != -1 || !drafts->store))
            read_add_cache_rules(reader, draft, drafts);
        rules[draft->entities.read_count++] = drafts->read;
    }
}

/* --- writes --- */

static bool method_is_fine(struct bytes method)
{
    for (size_t i = 0; i < method.length; i++)
        if ((method.data[i] < 'A' || method.data[i] > 'Z') && method.data[i] != '-')
            return false;
    return !bytes_equal(method, BYTES("GET")) && !bytes_equal(method, BYTES("HEAD")) &&
           method.length > 0;
}

static void write_methods(struct reader *reader, const cJSON *item, const struct member *member,
                          void *into)
{
    struct rule_draft *draft = into;
    struct write_rule *write = &draft->write;

    (void)member;
    if (!reader_strings(reader, item, "methods", &write->methods, &write->method_count))
        return;
    if (write->method_count == 0)
        reader_fault(reader, item, "is empty: say which methods, such as \"PUT\"");
    for (size_t i = 0; i < write->method_count; i++)
        if (!method_is_fine(write->methods[i]))
            reader_fault(reader, item, "\"%.40s\" is no method that changes anything",
                         write->methods[i].data);
}

static void write_path(struct reader *reader, const cJSON *item, const struct member *member,
                       void *into)
{
    struct rule_draft *draft = into;

    (void)member;
    path_read(reader, draft->notation, item, &draft->write.path);
}

static bool change_is_of_list(const struct change *change, const struct read_rule *read)
{
    if (read->list == NULL || change->count != read->path.count || change->reference)
        return false;
    for (size_t i = 0; i < change->count; i++) {
        const struct change_segment *value = &change->segments[i];
        const struct segment *segment = &read->path.segments[i];

        if (segment->placeholder != (value->source != VALUE_LITERAL) ||
            (!segment->placeholder && !bytes_equal(segment->text, value->text)) ||
            (segment->placeholder && segment->kind != value->kind))
            return false;
    }
    return true;
}

/* Where the path's last entity stands; the count of segments: it has none. */
static size_t last_entity(const struct path_template *path)
{
    size_t last = path->count;

    for (size_t i = 0; i < path->count; i++)
        if (path->segments[i].kind != KIND_NONE)
            last = i;
    return last;
}

/* A list is narrowed by writes of the entities that it shows. */
static bool change_is_narrowed(const struct entities *entities, const struct change *change,
                               const struct path_template *path)
{
    const size_t last = last_entity(path);
    bool narrowed = false;

    for (size_t i = 0; i < entities->read_count && !change->account && last < path->count; i++)
        narrowed |= change_is_of_list(change, &entities->reads[i]) &&
                    list_shows(&entities->reads[i], path->segments[last].kind);
    return narrowed;
}

static void write_changes(struct reader *reader, const cJSON *item, const struct member *member,
                          void *into)
{
    struct rule_draft *draft = into;
    const size_t count = reader_array(reader, item, "tokens such as \"profile/{profile}\"");
    struct change *changes = take(reader, count, sizeof(*changes));
    const cJSON *element = count > 0 ? item->child : NULL;

    (void)member;
    draft->write.changes = changes;
    for (; element != NULL && draft->write.path.count > 0; element = element->next) {
        const char *text = reader_string(reader, element, "\"profile/{profile}\"");
        struct change *change = &changes[draft->write.change_count];
        struct error error;

        if (text == NULL)
            continue;
        if (notation_change(draft->notation, &draft->write.path, bytes_of_string(text), change,
                            &error) != RESULT_OK) {
            reader_fault(reader, element, "\"%.100s\": %s", text, error.text);
            continue;
        }
        change->narrowed =
            change_is_narrowed(draft->notation->entities, change, &draft->write.path);
        draft->write.change_count++;
    }
}

/* "body", or "body.fields". */
static void write_fields(struct reader *reader, const cJSON *item, const struct member *member,
                         void *into)
{
    struct rule_draft *draft = into;
    struct arena *arena = &reader->configuration->arena;
    const char *text = reader_string(reader, item, "\"body\" or \"body.fields\"");
    struct member_path *fields = take(reader, 1, sizeof(*fields));
    struct error error;

    (void)member;
    if (text == NULL)
        return;
    const struct bytes name = bytes_from(bytes_of_string(text), strlen("body."));
    draft->write.fields = fields;
    if (strcmp(text, "body") == 0)
        return;
    if (!bytes_starts_with(bytes_of_string(text), BYTES("body.")) ||
        notation_member_path(arena, name, fields, &error) != RESULT_OK || fields->count != 1 ||
        fields->steps[0].items)
        reader_fault(reader, item, "expects \"body\", or \"body.\" and one member's name");
}

static void write_creates(struct reader *reader, const cJSON *item, const struct member *member,
                          void *into)
{
    struct rule_draft *draft = into;
    const char *name = reader_string(reader, item, "the name of a kind");
    struct error error;

    (void)member;
    if (name != NULL && notation_kind(draft->notation, bytes_of_string(name), &draft->write.creates,
                                      &error) != RESULT_OK)
        reader_fault(reader, item, "%s", error.text);
}

/* "removes" and "moves" speak of the path's last entity: there is to be one. */
static void write_flag(struct reader *reader, const cJSON *item, const struct member *member,
                       void *into)
{
    struct rule_draft *draft = into;
    const struct path_template *path = &draft->write.path;

    reader_flag(reader, item, member, into);
    if (last_entity(path) == path->count && path->count > 0)
        reader_fault(reader, item,
                     "speaks of the path's last entity, but the path has no "
                     "placeholder that bears the name of a kind");
}

static const struct member write_members[] = {
    {.name = "methods", .read = write_methods, .required = true},
    {.name = "path", .read = write_path, .required = true},
    {.name = "only",
     .read = reader_list,
     .offset = offsetof(struct rule_draft, write.only),
     .count_offset = offsetof(struct rule_draft, write.only_count)},
    {.name = "changes", .read = write_changes, .required = true},
    {.name = "fields", .read = write_fields},
    {.name = "removes", .read = write_flag, .offset = offsetof(struct rule_draft, write.removes)},
    {.name = "creates", .read = write_creates},
    {.name = "moves", .read = write_flag, .offset = offsetof(struct rule_draft, write.moves)},
    {.name = "settle",
     .read = reader_duration,
     .offset = offsetof(struct rule_draft, write.settle_us)},
};

static struct bytes joined(struct arena *arena, const struct bytes *words, size_t count)
{
    struct bytes text = BYTES("");

    for (size_t i = 0; words != NULL && i < count; i++) {
        const struct bytes parts[] = {text, i > 0 ? BYTES(",") : BYTES(""), words[i]};

        text = arena_join_all(arena, parts, ARRAY_LENGTH(parts));
    }
    return text;
}

/* "PUT,POST /profile/{profile}", and of what bodies it holds. */
static struct bytes write_text(struct arena *arena, const struct write_rule *write)
{
    const struct bytes parts[] = {joined(arena, write->methods, write->method_count), BYTES(" "),
                                  write->path.text, write->only != NULL ? BYTES(" of ") : BYTES(""),
                                  joined(arena, write->only, write->only_count)};

    return arena_join_all(arena, parts, ARRAY_LENGTH(parts));
}

/* Of two rules for one write without "only", nobody could say which holds. */
static void writes_check_twice(struct reader *reader, const cJSON *item,
                               const struct entities *entities, const struct write_rule *write)
{
    for (size_t i = 0; i < entities->write_count; i++) {
        const struct write_rule *other = &entities->writes[i];
        bool shared = false;

        for (size_t k = 0; k < write->method_count; k++)
            shared |= write_has_method(other, write->methods[k]);
        if (shared && write->only == NULL && other->only == NULL && write->path.count > 0 &&
            same_template(&other->path, &write->path))
            reader_fault(reader, item, "is the same write as %.*s: put all into one",
                         (int)other->text.length, other->text.data);
    }
}

/* Whether a change names the path's last entity by itself: "=profile/{profile}" or without "=". */
static bool change_names_entity(const struct change *change, const struct path_template *path)
{
    const size_t last = last_entity(path);

    if (change->account)
        return true;
    return !change->reference && change->at_kind == KIND_NONE && change->count > 0 &&
           last < path->count && change->segments[change->count - 1].source == VALUE_PATH &&
           change->segments[change->count - 1].position == last;
}

/* A list that is narrowed is dropped by the entity that it holds: that must be named. */
static void write_check_narrowed(struct reader *reader, const cJSON *item,
                                 const struct write_rule *write)
{
    bool is_narrowed = false, is_named = false;

    for (size_t i = 0; i < write->change_count; i++) {
        is_narrowed |= write->changes[i].narrowed;
        is_named |= change_names_entity(&write->changes[i], &write->path);
    }
    if ((write->fields != NULL || write->removes) && is_narrowed && !is_named)
        reader_fault(
            reader, item,
            "leaves out the path's last entity, by which lists go that hold it: add it, as "
            "in \"=profile/{profile}\"");
}

void block_writes(struct reader *reader, const cJSON *item, const struct member *member, void *into)
{
    struct preset_draft *draft = into;
    const struct notation notation = notation_of(reader, draft);
    const size_t count = reader_array(reader, item, "writes");
    struct write_rule *rules = take(reader, count, sizeof(*rules));
    const cJSON *element = count > 0 ? item->child : NULL;

    (void)member;
    draft->entities.writes = rules;
    for (; element != NULL; element = element->next) {
        struct rule_draft one = {.notation = &notation,
                                 .write = {.creates = KIND_NONE, .settle_us = -1}};

        if (!reader_members(reader, element, write_members, ARRAY_LENGTH(write_members), &one))
            continue;
        one.write.text = write_text(&reader->configuration->arena, &one.write);
        writes_check_twice(reader, reader_member(element, "path"), &draft->entities, &one.write);
        write_check_narrowed(reader, reader_member(element, "changes"), &one.write);
        rules[draft->entities.write_count++] = one.write;
    }
}

/* --- all together --- */

/* What stands before the @, which has one star and no other value. */
static struct at_pattern at_pattern_of(const struct change *change)
{
    struct at_pattern at = {
        .text = change->text, .reference = change->reference, .ancestor = change->at_kind};

    if (change->reference)
        at.text = bytes_from(at.text, 1);
    at.text = bytes_slice(at.text, 0, bytes_index(at.text, '@'));
    for (size_t i = 0; i < change->count; i++)
        if (change->segments[i].source == VALUE_ANY)
            at.kind = change->segments[i].kind;
    return at;
}

static void ats_add(struct at_pattern *ats, size_t *count, const struct change *change)
{
    const struct at_pattern at = at_pattern_of(change);

    for (size_t i = 0; i < *count; i++)
        if (bytes_equal(ats[i].text, at.text) && ats[i].reference == at.reference &&
            ats[i].ancestor == at.ancestor)
            return;
    ats[(*count)++] = at;
}

void entities_settle(struct reader *reader, struct preset_draft *draft)
{
    struct entities *entities = &draft->entities;
    size_t changes = 0;

    for (size_t i = 0; i < entities->write_count; i++)
        changes += entities->writes[i].change_count;
    struct at_pattern *ats = take(reader, changes, sizeof(*ats));
    entities->ats = ats;
    for (size_t i = 0; i < entities->write_count; i++)
        for (size_t k = 0; k < entities->writes[i].change_count; k++) {
            const struct change *change = &entities->writes[i].changes[k];

            if (change->at_kind != KIND_NONE)
                ats_add(ats, &entities->at_count, change);
        }
    if (entities->kind_count + entities->read_count + entities->write_count > 0)
        draft->preset.entities = entities;
}
