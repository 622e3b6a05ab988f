/*
 * Preconditions in the order of RFC 9110 §13.2.2, entity-tag comparison (§8.8.3.2), and the one
 * range we serve (§14). Where a field is malformed the outcome is the harmless one: the whole
 * answer for a read, 412 for If-Match.
 */
#include "http/conditional.h"

#include "http/date.h"

/* RFC 9110 §8.8.2.2: a Last-Modified this much older than Date cannot have changed again in its
 * second. */
enum { STRONG_DATE_GAP_S = 60 };

static bool is_tag_byte(char byte)
{
    const unsigned char value = (unsigned char)byte;

    return value == 0x21 || (value >= 0x23 && value != 0x7f);
}

/* Takes an entity-tag off the front: its opaque part, quotes included. False: there is none. */
static bool take_tag(struct bytes *text, struct bytes *opaque, bool *weak)
{
    struct bytes rest = *text;
    size_t length = 1;

    *weak = bytes_starts_with(rest, BYTES("W/"));
    rest = bytes_from(rest, *weak ? 2 : 0);
    if (rest.length == 0 || rest.data[0] != '"')
        return false;
    while (length < rest.length && is_tag_byte(rest.data[length]))
        length++;
    if (length == rest.length || rest.data[length] != '"')
        return false;
    *opaque = bytes_slice(rest, 0, length + 1);
    *text = bytes_from(rest, length + 1);
    return true;
}

/* Both are entity-tags with the same opaque part. */
static bool tags_equal(struct bytes a, struct bytes b, bool *weak)
{
    struct bytes opaque_a, opaque_b;
    bool weak_a, weak_b;

    if (!take_tag(&a, &opaque_a, &weak_a) || !take_tag(&b, &opaque_b, &weak_b) || a.length > 0 ||
        b.length > 0)
        return false;
    *weak = weak_a || weak_b;
    return bytes_equal(opaque_a, opaque_b);
}

bool etag_equal_strong(struct bytes a, struct bytes b)
{
    bool weak;

    return tags_equal(a, b, &weak) && !weak;
}

bool etag_equal_weak(struct bytes a, struct bytes b)
{
    bool weak;

    return tags_equal(a, b, &weak);
}

/* The next member of a list of entity-tags, in which a comma may stand inside quotes and a
 * backslash means itself; what is none is cut at its comma. */
static bool tag_next(struct bytes *list, struct bytes *tag)
{
    struct bytes opaque, rest;
    bool weak;

    *list = bytes_trim(*list);
    while (list->length > 0 && list->data[0] == ',')
        *list = bytes_trim(bytes_from(*list, 1));
    rest = *list;
    if (!take_tag(&rest, &opaque, &weak)) {
        *tag = bytes_cut(list, ',');
        return tag->length > 0;
    }
    const size_t over = bytes_index(rest, ','); /* more than white space: no entity-tag after all */

    *tag = bytes_trim(bytes_slice(*list, 0, list->length - rest.length + over));
    *list = bytes_from(rest, over);
    return true;
}

static bool list_matches(struct bytes list, struct bytes etag,
                         bool (*equal)(struct bytes, struct bytes))
{
    struct bytes tag;

    while (tag_next(&list, &tag))
        if (equal(tag, etag))
            return true;
    return false;
}

/* Whether any line of that name is "*" or lists the entity-tag. */
static bool lines_match(const struct fields *fields, struct bytes name, struct bytes etag,
                        bool (*equal)(struct bytes, struct bytes))
{
    for (size_t i = 0; i < fields->count; i++) {
        const struct field *const line = &fields->lines[i];

        if (bytes_equal_nocase(line->name, name) &&
            (bytes_equal(bytes_trim(line->value), BYTES("*")) ||
             list_matches(line->value, etag, equal)))
            return true;
    }
    return false;
}

/* The date in the only line of that name; VALIDATOR_NONE where there is none such. */
static int64_t only_date(const struct fields *fields, struct bytes name, int64_t now_s)
{
    int64_t date_s;

    if (fields_count(fields, name) != 1 ||
        date_parse(fields_find(fields, name)->value, now_s, &date_s) != RESULT_OK)
        return VALIDATOR_NONE;
    return date_s;
}

struct validators validators_of(const struct fields *fields, int64_t now_s)
{
    const struct field *const field = fields_find(fields, BYTES("ETag"));
    struct bytes etag = BYTES("");

    if (field != NULL && etag_equal_weak(field->value, field->value))
        etag = field->value;
    return (struct validators){
        .etag = etag,
        .last_modified_s = only_date(fields, BYTES("Last-Modified"), now_s),
        .date_s = only_date(fields, BYTES("Date"), now_s),
    };
}

/* Steps 1 and 2 of §13.2.2. */
static bool may_act(const struct fields *fields, const struct validators *validators, int64_t now_s)
{
    if (fields_find(fields, BYTES("If-Match")) != NULL)
        return lines_match(fields, BYTES("If-Match"), validators->etag, etag_equal_strong);

    const int64_t since_s = only_date(fields, BYTES("If-Unmodified-Since"), now_s);
    return since_s == VALIDATOR_NONE || validators->last_modified_s == VALIDATOR_NONE ||
           validators->last_modified_s <= since_s;
}

enum condition condition_judge(enum http_method method, const struct fields *request_fields,
                               const struct validators *validators, int64_t now_s)
{
    const bool reads = method == METHOD_GET || method == METHOD_HEAD;

    if (!may_act(request_fields, validators, now_s))
        return CONDITION_FAILED;
    if (fields_find(request_fields, BYTES("If-None-Match")) != NULL) { /* step 3 */
        if (!lines_match(request_fields, BYTES("If-None-Match"), validators->etag, etag_equal_weak))
            return CONDITION_MET;
        return reads ? CONDITION_NOT_MODIFIED : CONDITION_FAILED;
    }
    const int64_t since_s = only_date(request_fields, BYTES("If-Modified-Since"), now_s);
    if (!reads || since_s == VALIDATOR_NONE || validators->last_modified_s == VALIDATOR_NONE)
        return CONDITION_MET;
    return validators->last_modified_s <= since_s ? CONDITION_NOT_MODIFIED : CONDITION_MET;
}

/* If-Range is absent, or names this very representation by a strong validator (§13.1.5). */
static bool range_is_of_this(const struct fields *fields, const struct validators *validators,
                             int64_t now_s)
{
    const struct field *const field = fields_find(fields, BYTES("If-Range"));

    if (field == NULL)
        return true;
    if (fields_count(fields, BYTES("If-Range")) > 1)
        return false;
    if (etag_equal_strong(field->value, validators->etag))
        return true;
    const int64_t date_s = only_date(fields, BYTES("If-Range"), now_s);
    return date_s != VALIDATOR_NONE && date_s == validators->last_modified_s &&
           validators->date_s != VALIDATOR_NONE && validators->date_s >= date_s + STRONG_DATE_GAP_S;
}

/* A position in digits; one that is beyond counting is beyond every length. */
static bool read_position(struct bytes text, uint64_t *position)
{
    const enum result result = bytes_to_number(text, UINT64_MAX, position);

    if (result == RESULT_LIMIT)
        *position = UINT64_MAX;
    return result == RESULT_OK || result == RESULT_LIMIT;
}

/* "-500": the last so many bytes. */
static enum range judge_suffix(struct bytes digits, uint64_t length, struct range_part *part)
{
    uint64_t count;

    if (!read_position(digits, &count))
        return RANGE_WHOLE;
    if (count == 0)
        return RANGE_UNSATISFIABLE;
    if (length == 0) /* satisfiable (§14.1.2), but Content-Range cannot say so */
        return RANGE_WHOLE;
    *part = (struct range_part){.first = count < length ? length - count : 0, .last = length - 1};
    return RANGE_PART;
}

/* "0-499" or "500-". */
static enum range judge_positions(struct bytes spec, uint64_t length, struct range_part *part)
{
    struct bytes last_text = spec;
    const struct bytes first_text = bytes_cut(&last_text, '-');
    uint64_t first, last = UINT64_MAX;

    if (bytes_index(spec, '-') == spec.length || !read_position(first_text, &first) ||
        (last_text.length > 0 && !read_position(last_text, &last)) || last < first)
        return RANGE_WHOLE;
    if (first >= length)
        return RANGE_UNSATISFIABLE;
    *part = (struct range_part){.first = first, .last = last < length ? last : length - 1};
    return RANGE_PART;
}

enum range range_judge(const struct fields *request_fields, const struct validators *validators,
                       uint64_t length, int64_t now_s, struct range_part *part)
{
    if (fields_count(request_fields, BYTES("Range")) != 1 ||
        !range_is_of_this(request_fields, validators, now_s))
        return RANGE_WHOLE;

    struct bytes spec = bytes_trim(fields_find(request_fields, BYTES("Range"))->value);
    const struct bytes unit = bytes_cut(&spec, '=');
    struct bytes only, second;
    if (!bytes_equal_nocase(unit, BYTES("bytes")) || !list_next(&spec, &only) ||
        list_next(&spec, &second))
        return RANGE_WHOLE;
    return only.data[0] == '-' ? judge_suffix(bytes_from(only, 1), length, part)
                               : judge_positions(only, length, part);
}
