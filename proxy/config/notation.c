/*
 * How the texts of presets are read. What is refused here is what could not be carried out exactly:
 * whoever looks rules up and names tags by them need not doubt them.
 */
#include "config/notation.h"

#include <assert.h>

#include "config/suggest.h"

enum { SEGMENT_LIMIT_BYTES = 200, STEPS_LIMIT = 16, WORDS_LIMIT = 256 };

#define TEXT(bytes) (int)(bytes).length, (bytes).data

/* Cuts off what stands before the first slash outside of braces; *rest keeps what follows it. */
static struct bytes segment_cut(struct bytes *rest)
{
    size_t depth = 0, at = 0;

    for (; at < rest->length; at++) {
        const char byte = rest->data[at];

        if (byte == '{')
            depth++;
        else if (byte == '}' && depth > 0)
            depth--;
        else if (byte == '/' && depth == 0)
            break;
    }
    const struct bytes segment = bytes_slice(*rest, 0, at);
    *rest = bytes_from(*rest, at + 1);
    return segment;
}

static bool is_in_braces(struct bytes text)
{
    return text.length > 2 && text.data[0] == '{' && text.data[text.length - 1] == '}';
}

static bool has_any(struct bytes text, const char *bytes)
{
    for (; *bytes != '\0'; bytes++)
        if (bytes_index(text, *bytes) < text.length)
            return true;
    return false;
}

enum result notation_kind(const struct notation *notation, struct bytes name, int *kind,
                          struct error *error)
{
    const struct entities *entities = notation->entities;
    const char *words[WORDS_LIMIT];
    size_t count = 0;

    *kind = entities_kind(entities, name);
    if (*kind != KIND_NONE)
        return RESULT_OK;
    for (size_t i = 0; i < entities->kind_count && count < WORDS_LIMIT; i++)
        words[count++] = entities->kinds[i].name.data;
    const char *meant = count > 0 ? suggest_word(name, words, count, sizeof(words[0])) : NULL;
    return error_set(error, RESULT_INVALID, "unknown kind \"%.*s\"%s%s%s", TEXT(name),
                     meant != NULL ? ": did you mean \"" : "", meant != NULL ? meant : "",
                     meant != NULL ? "\"?" : "");
}

/* --- path templates --- */

size_t template_placeholder(const struct path_template *template, struct bytes name)
{
    size_t i = 0;

    while (i < template->count &&
           !(template->segments[i].placeholder && bytes_equal(template->segments[i].text, name)))
        i++;
    return i;
}

static enum result segment_read(const struct notation *notation, struct bytes text,
                                struct segment *segment, struct error *error)
{
    *segment = (struct segment){.text = text, .kind = KIND_NONE};
    if (text.length == 0)
        return error_set(error, RESULT_INVALID,
                         "has an empty segment: one slash between two, none at the end");
    if (text.length > SEGMENT_LIMIT_BYTES)
        return error_set(error, RESULT_INVALID, "has a segment of more than %d bytes",
                         SEGMENT_LIMIT_BYTES);
    if (is_in_braces(text)) {
        segment->text = bytes_slice(text, 1, text.length - 2);
        segment->placeholder = true;
        segment->kind = entities_kind(notation->entities, segment->text);
    }
    if (has_any(segment->text, segment->placeholder ? "{}*@." : "{}*?#"))
        return error_set(error, RESULT_INVALID,
                         "can't have \"%.*s\" in it: a segment is a literal or a {placeholder}",
                         TEXT(text));
    return RESULT_OK;
}

/* A placeholder comes once, so does a kind; and there are not too many of them. */
static enum result template_check_ids(const struct path_template *template, struct error *error)
{
    size_t ids = 0;

    for (size_t i = 0; i < template->count; i++) {
        const struct segment *segment = &template->segments[i];

        if (segment->placeholder && template_placeholder(template, segment->text) < i)
            return error_set(error, RESULT_INVALID,
                             "has {%.*s} twice: give the second a name that is no kind's",
                             TEXT(segment->text));
        ids += segment->kind != KIND_NONE ? 1 : 0;
    }
    if (ids > TEMPLATE_IDS_LIMIT)
        return error_set(error, RESULT_INVALID, "has more than %d placeholders of kinds",
                         TEMPLATE_IDS_LIMIT);
    return RESULT_OK;
}

static bool template_starts_with(const struct path_template *template, struct bytes from)
{
    for (size_t i = 0; from.length > 0; i++) {
        const struct bytes wanted = bytes_cut(&from, '/');

        if (i == template->count)
            return false;
        if (bytes_equal(wanted, BYTES("*")))
            continue;
        if (template->segments[i].placeholder || !bytes_equal(template->segments[i].text, wanted))
            return false;
    }
    return true;
}

/* One that starts with the other side of an equivalent would never match. */
static enum result template_check_canonical(const struct notation *notation,
                                            const struct path_template *template,
                                            struct error *error)
{
    for (size_t i = 0; i < notation->entities->equivalent_count; i++) {
        const struct path_equivalent *equivalent = &notation->entities->equivalents[i];

        if (template_starts_with(template, equivalent->from))
            return error_set(error, RESULT_INVALID,
                             "starts with /%.*s, whose equivalent is /%.*s: write it as that",
                             TEXT(equivalent->from), TEXT(equivalent->to));
    }
    return RESULT_OK;
}

enum result notation_template(const struct notation *notation, struct bytes text,
                              struct path_template *template, struct error *error)
{
    struct segment *segments =
        arena_take_zeroed(notation->arena, TEMPLATE_SEGMENTS_LIMIT * sizeof(*segments));
    enum result result = RESULT_OK;

    if (text.length < 2 || text.data[0] != '/')
        return error_set(error, RESULT_INVALID, "is no path: it starts with a slash");
    *template =
        (struct path_template){.text = arena_copy(notation->arena, text), .segments = segments};
    struct bytes rest = bytes_from(template->text, 1);
    bool more = true;
    while (more && result == RESULT_OK) {
        if (template->count == TEMPLATE_SEGMENTS_LIMIT)
            return error_set(error, RESULT_INVALID, "has more than %d segments",
                             TEMPLATE_SEGMENTS_LIMIT);
        const size_t before = rest.length;
        const struct bytes segment = segment_cut(&rest);
        more = before > segment.length;
        result = segment_read(notation, segment, &segments[template->count++], error);
    }
    if (result == RESULT_OK)
        result = template_check_ids(template, error);
    return result == RESULT_OK ? template_check_canonical(notation, template, error) : result;
}

/* --- bodies --- */

static enum result step_read(struct arena *arena, struct bytes text, bool is_first,
                             struct member_step *step, struct error *error)
{
    const bool items = bytes_ends_with(text, BYTES("[]"));
    const struct bytes name = bytes_slice(text, 0, text.length - (items ? 2 : 0));

    if (name.length == 0 && !(items && is_first))
        return error_set(error, RESULT_INVALID, "a name is missing in a path of members");
    if (has_any(name, "[]{}=~> \t"))
        return error_set(error, RESULT_INVALID,
                         "\"%.*s\" is no member's name: \"name\", or \"name[]\" for each item",
                         TEXT(name));
    *step = (struct member_step){.name = arena_copy(arena, name), .items = items};
    return RESULT_OK;
}

enum result notation_member_path(struct arena *arena, struct bytes text, struct member_path *path,
                                 struct error *error)
{
    struct member_step *steps = arena_take_zeroed(arena, STEPS_LIMIT * sizeof(*steps));
    enum result result = RESULT_OK;
    bool more = true;

    *path = (struct member_path){.steps = steps};
    while (more && result == RESULT_OK) {
        const size_t dot = bytes_index(text, '.');

        more = dot < text.length;
        if (path->count == STEPS_LIMIT)
            return error_set(error, RESULT_INVALID, "is nested more than %d deep", STEPS_LIMIT);
        result = step_read(arena, bytes_slice(text, 0, dot), path->count == 0, &steps[path->count],
                           error);
        path->count++;
        text = bytes_from(text, dot + 1);
    }
    return result;
}

/* "{parent-type}" */
static enum result shown_kind_member(const struct notation *notation, struct bytes target,
                                     struct shown_rule *shown, struct error *error)
{
    const struct bytes name = bytes_slice(target, 1, target.length - 2);

    if (shown->identity)
        return error_set(error, RESULT_INVALID,
                         "=> needs a kind's name: only ~> can take it from a member");
    if (shown->path.steps[shown->path.count - 1].items)
        return error_set(error, RESULT_INVALID,
                         "{%.*s} stands beside a member, but the path ends in []", TEXT(name));
    if (has_any(name, "[]{}=~> .@"))
        return error_set(error, RESULT_INVALID, "{%.*s} is no member's name", TEXT(name));
    shown->kind_member = arena_copy(notation->arena, name);
    return RESULT_OK;
}

enum result notation_shown(const struct notation *notation, struct bytes text,
                           struct shown_rule *shown, struct error *error)
{
    const size_t identity = bytes_find(text, BYTES("=>")),
                 reference = bytes_find(text, BYTES("~>"));
    const size_t arrow = identity < reference ? identity : reference;
    const struct bytes target = bytes_from(text, arrow + 2);

    *shown = (struct shown_rule){.identity = identity < reference, .kind = KIND_NONE};
    if (arrow == text.length)
        return error_set(error, RESULT_INVALID,
                         "expects \"member=>kind\", or \"member~>kind\" for a reference");
    if (bytes_starts_with(text, BYTES("header:")))
        return error_set(error, RESULT_INVALID,
                         "says a header's field: write \"creates\" at the write instead");
    const enum result result =
        notation_member_path(notation->arena, bytes_slice(text, 0, arrow), &shown->path, error);
    if (result != RESULT_OK)
        return result;
    if (is_in_braces(target))
        return shown_kind_member(notation, target, shown, error);
    return notation_kind(notation, target, &shown->kind, error);
}

/* --- changes --- */

/* The kind whose name the literals before segment `at` spell, the longest one. */
static int place_kind(const struct notation *notation, const struct change *change, size_t at)
{
    struct bytes name = BYTES("");
    int kind = KIND_NONE;

    while (at > 0 && change->segments[at - 1].source == VALUE_LITERAL) {
        const struct bytes parts[] = {change->segments[at - 1].text,
                                      name.length > 0 ? BYTES("/") : BYTES(""), name};

        name = arena_join_all(notation->arena, parts, ARRAY_LENGTH(parts));
        const int longer = entities_kind(notation->entities, name);
        if (longer != KIND_NONE)
            kind = longer;
        at--;
    }
    return kind;
}

/* "{profile}" or "{database@profile}" */
static enum result value_of_path(const struct notation *notation, const struct path_template *path,
                                 struct bytes name, struct change_segment *value,
                                 struct error *error)
{
    const size_t at = bytes_index(name, '@');
    const struct bytes of = at < name.length ? bytes_from(name, at + 1) : name;

    value->position = template_placeholder(path, of);
    if (value->position == path->count)
        return error_set(error, RESULT_INVALID, "{%.*s} is no placeholder of %.*s", TEXT(of),
                         TEXT(path->text));
    value->source = VALUE_PATH;
    value->kind = path->segments[value->position].kind;
    if (at == name.length)
        return RESULT_OK;
    value->source = VALUE_RELATED;
    value->of_kind = value->kind;
    const enum result result =
        notation_kind(notation, bytes_slice(name, 0, at), &value->kind, error);
    if (result != RESULT_OK)
        return result;
    if (value->of_kind == KIND_NONE ||
        !kind_is_below(notation->entities, value->of_kind, value->kind))
        return error_set(error, RESULT_INVALID, "{%.*s}: no \"parents\" lead from %.*s to %.*s",
                         TEXT(name), TEXT(of), TEXT(bytes_slice(name, 0, at)));
    return RESULT_OK;
}

static enum result value_read(const struct notation *notation, const struct path_template *path,
                              struct bytes text, struct change_segment *value, struct error *error)
{
    const struct bytes name = bytes_slice(text, 1, text.length > 2 ? text.length - 2 : 0);

    *value = (struct change_segment){
        .source = VALUE_LITERAL, .text = text, .kind = KIND_NONE, .of_kind = KIND_NONE};
    if (bytes_equal(text, BYTES("*"))) {
        value->source = VALUE_ANY;
        return RESULT_OK;
    }
    if (text.length == 0)
        return error_set(error, RESULT_INVALID, "has an empty segment: no slash at either end");
    if (!is_in_braces(text) && has_any(text, "{}*=~@"))
        return error_set(error, RESULT_INVALID, "\"%.*s\" is no segment: a word, * or a {value}",
                         TEXT(text));
    if (!is_in_braces(text))
        return RESULT_OK;
    if (bytes_starts_with(name, BYTES("body."))) {
        value->source = VALUE_BODY;
        return notation_member_path(notation->arena, bytes_from(name, strlen("body.")),
                                    &value->member, error);
    }
    if (bytes_starts_with(name, BYTES("header."))) {
        value->source = VALUE_HEADER;
        value->text = arena_copy(notation->arena, bytes_from(name, strlen("header.")));
        return value->text.length > 0 ? RESULT_OK
                                      : error_set(error, RESULT_INVALID, "names no field");
    }
    return value_of_path(notation, path, name, value, error);
}

/* A value stands where an id of its kind stands; one of no kind, only as the path's own. */
static enum result value_settle_kind(const struct notation *notation, struct bytes text, int place,
                                     struct change_segment *value, struct error *error)
{
    const struct kind *kinds = notation->entities->kinds;

    if (value->source == VALUE_LITERAL)
        return RESULT_OK;
    if (value->source == VALUE_PATH && place == KIND_NONE)
        return RESULT_OK; /* "profile/{profile}/subprofiles/{collection}" */
    if (place == KIND_NONE)
        return error_set(error, RESULT_INVALID,
                         "%.*s stands where no kind's id stands: a kind's name comes before it",
                         TEXT(text));
    if (value->source == VALUE_ANY || value->source == VALUE_BODY || value->source == VALUE_HEADER)
        value->kind = place;
    if (value->kind != place)
        return error_set(error, RESULT_INVALID, "%.*s is no id of %.*s, which stands before it",
                         TEXT(text), TEXT(kinds[place].name));
    return RESULT_OK;
}

static enum result change_read_segments(const struct notation *notation,
                                        const struct path_template *path, struct bytes rest,
                                        struct change *change, struct error *error)
{
    struct change_segment *segments =
        arena_take_zeroed(notation->arena, TEMPLATE_SEGMENTS_LIMIT * sizeof(*segments));
    bool more = true;

    change->segments = segments;
    while (more) {
        if (change->count == TEMPLATE_SEGMENTS_LIMIT)
            return error_set(error, RESULT_INVALID, "has more than %d segments",
                             TEMPLATE_SEGMENTS_LIMIT);
        const size_t before = rest.length;
        const struct bytes text = segment_cut(&rest);
        struct change_segment *value = &segments[change->count];
        enum result result = value_read(notation, path, text, value, error);

        more = before > text.length;
        if (result == RESULT_OK)
            result = value_settle_kind(notation, text, place_kind(notation, change, change->count),
                                       value, error);
        if (result != RESULT_OK)
            return result;
        change->count++;
    }
    return RESULT_OK;
}

/* "~profile/{profile}": a kind's name and an id of it. */
static bool change_is_entity(const struct notation *notation, const struct change *change)
{
    const struct change_segment *last = &change->segments[change->count - 1];
    size_t slashes = 0;

    if (last->source == VALUE_LITERAL || last->kind == KIND_NONE)
        return false;
    const struct bytes name = notation->entities->kinds[last->kind].name;
    for (size_t i = 0; i < name.length; i++)
        slashes += name.data[i] == '/' ? 1 : 0;
    return change->count == slashes + 2;
}

/* "@database/{database}": of what the one star before it belongs to. */
static enum result change_read_at(const struct notation *notation, const struct path_template *path,
                                  struct bytes text, struct change *change, struct error *error)
{
    struct change at = {0};
    int star = KIND_NONE;
    size_t values = 0;
    const enum result result = change_read_segments(notation, path, text, &at, error);

    if (result != RESULT_OK)
        return result;
    if (!change_is_entity(notation, &at) || at.segments[at.count - 1].source == VALUE_ANY)
        return error_set(error, RESULT_INVALID, "expects \"@kind/{value}\" at its end");
    change->at = at.segments[at.count - 1];
    change->at_kind = change->at.kind;
    for (size_t i = 0; i < change->count; i++)
        if (change->segments[i].source != VALUE_LITERAL) {
            values++;
            star = change->segments[i].source == VALUE_ANY ? change->segments[i].kind : KIND_NONE;
        }
    if (values != 1 || star == KIND_NONE || change->exact)
        return error_set(error, RESULT_INVALID,
                         "@ says whose the one * before it is: \"kind/*@other/{value}\"");
    if (!kind_is_below(notation->entities, star, change->at_kind))
        return error_set(error, RESULT_INVALID, "no \"parents\" lead from %.*s to %.*s",
                         TEXT(notation->entities->kinds[star].name),
                         TEXT(notation->entities->kinds[change->at_kind].name));
    return RESULT_OK;
}

/* Where the @ stands that is in no braces, or the length. */
static size_t at_index(struct bytes text)
{
    size_t depth = 0;

    for (size_t i = 0; i < text.length; i++) {
        if (text.data[i] == '{')
            depth++;
        else if (text.data[i] == '}' && depth > 0)
            depth--;
        else if (text.data[i] == '@' && depth == 0)
            return i;
    }
    return text.length;
}

enum result notation_change(const struct notation *notation, const struct path_template *path,
                            struct bytes text, struct change *change, struct error *error)
{
    struct bytes rest = arena_copy(notation->arena, text);

    *change = (struct change){.text = rest, .at_kind = KIND_NONE};
    if (bytes_equal(rest, BYTES("account"))) {
        change->account = true;
        return RESULT_OK;
    }
    change->exact = bytes_starts_with(rest, BYTES("="));
    change->reference = bytes_starts_with(rest, BYTES("~"));
    if (change->exact || change->reference)
        rest = bytes_from(rest, 1);
    const size_t at = at_index(rest);
    enum result result =
        change_read_segments(notation, path, bytes_slice(rest, 0, at), change, error);
    if (result != RESULT_OK)
        return result;
    if (change->reference && !change_is_entity(notation, change))
        return error_set(error, RESULT_INVALID, "~ expects an entity: \"~kind/{value}\"");
    if (at < rest.length)
        result = change_read_at(notation, path, bytes_from(rest, at + 1), change, error);
    return result;
}
