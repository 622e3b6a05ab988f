/* Reading bodies: cJSON, with what it takes too lightly looked at first. */
#include "cache/document.h"

#include <stdlib.h>

#include "base/hash.h"
#include "base/memory.h"
#include "http/uri.h"

enum {
    DOCUMENT_FORM_MEMBERS = 1000,
    DOCUMENT_VALUES_LIMIT = 256 * 1024,
    DOCUMENT_DOUBLES_LIMIT = 64, /* of one object's members: those that come again */
};

/* Beyond it a double does not hold every whole number. */
#define DOCUMENT_WHOLE_LIMIT (INT64_C(1) << 53)

/* cJSON takes some 64 bytes for each value, and most have a comma behind them. */
static bool has_few_values(struct bytes text)
{
    size_t commas = 0;

    for (size_t i = 0; i < text.length; i++)
        commas += text.data[i] == ',';
    return commas <= DOCUMENT_VALUES_LIMIT;
}

/* How many members of an object, of at most `room`, have the name of an earlier one. */
static size_t count_doubles(const cJSON *object, uint64_t *slots, size_t room)
{
    const cJSON *member;
    size_t doubles = 0;

    memset(slots, 0, room * sizeof(slots[0]));
    cJSON_ArrayForEach(member, object)
    {
        const struct bytes name = bytes_of_string(member->string);
        const uint64_t hash = hash_of(name).low | 1;
        size_t at = (size_t)(hash >> 1) & (room - 1);

        while (slots[at] != 0 && slots[at] != hash)
            at = (at + 1) & (room - 1);
        doubles += slots[at] == hash;
        slots[at] = hash;
    }
    return doubles;
}

/* Members that come again and again would be looked for again and again. */
static bool object_is_tame(const cJSON *object)
{
    const size_t count = (size_t)cJSON_GetArraySize(object);
    size_t room = 2;

    if (count <= DOCUMENT_DOUBLES_LIMIT)
        return true;
    while (room < 2 * count)
        room *= 2;
    uint64_t *slots = memory_take(room, sizeof(slots[0]));
    const bool is_tame = count_doubles(object, slots, room) <= DOCUMENT_DOUBLES_LIMIT;
    free(slots);
    return is_tame;
}

/* The value after this one in the document, NULL: it was the last. cJSON keeps no way up: `above`
 * is the way down to it, of CJSON_NESTING_LIMIT. */
static const cJSON *value_next(const cJSON *value, const cJSON **above, size_t *depth)
{
    if (value->child != NULL) {
        above[(*depth)++] = value;
        return value->child;
    }
    while (value != NULL && value->next == NULL)
        value = *depth > 0 ? above[--*depth] : NULL;
    return value == NULL ? NULL : value->next;
}

static bool document_is_tame(const cJSON *document)
{
    const cJSON *above[CJSON_NESTING_LIMIT + 1];
    size_t depth = 0;

    for (const cJSON *value = document; value != NULL; value = value_next(value, above, &depth))
        if (cJSON_IsObject(value) && !object_is_tame(value))
            return false;
    return true;
}

cJSON *document_read(struct bytes text)
{
    const char *end = NULL;

    /* cJSON cuts a string at an escaped NUL */
    if (text.data == NULL || text.length > DOCUMENT_LIMIT_BYTES || !has_few_values(text) ||
        bytes_find(text, BYTES("\\u0000")) < text.length)
        return NULL;
    cJSON *document = cJSON_ParseWithLengthOpts(text.data, text.length, &end, false);
    if (document == NULL)
        return NULL;
    for (size_t i = (size_t)(end - text.data); i < text.length; i++)
        if (memchr(" \t\r\n", text.data[i], 4) == NULL) {
            cJSON_Delete(document);
            return NULL;
        }
    if (document_is_tame(document))
        return document;
    cJSON_Delete(document);
    return NULL;
}

static bool is_plain_name(struct bytes name)
{
    for (size_t i = 0; i < name.length; i++) {
        const char byte = bytes_lower(name.data[i]);

        if ((byte < 'a' || byte > 'z') && (byte < '0' || byte > '9') && byte != '_' && byte != '-')
            return false;
    }
    return name.length > 0;
}

static cJSON *form_object(cJSON *in, const char *name)
{
    cJSON *object = cJSON_GetObjectItemCaseSensitive(in, name);

    return object == NULL ? cJSON_AddObjectToObject(in, name) : object;
}

/* "a=1", "a[b]=1", "a[]=1". Names that PHP would change, and deeper ones, are not read. */
static bool form_add(cJSON *form, struct bytes name, struct bytes value, struct arena *arena)
{
    struct bytes index = name;
    const struct bytes top = bytes_cut(&index, '[');
    const char *const text = arena_copy(arena, value).data;
    const char *const key = arena_copy(arena, top).data;

    if (!is_plain_name(top) || memchr(value.data == NULL ? "" : value.data, 0, value.length))
        return false;
    if (top.length == name.length)
        return cJSON_AddStringToObject(form, key, text) != NULL;
    if (!bytes_ends_with(index, BYTES("]")))
        return false;
    index.length--;
    cJSON *object = form_object(form, key);
    if (!cJSON_IsObject(object) || (index.length > 0 && !is_plain_name(index)))
        return false;
    return cJSON_AddStringToObject(object, arena_copy(arena, index).data, text) != NULL;
}

static cJSON *form_read(struct bytes body, struct arena *arena)
{
    cJSON *form = cJSON_CreateObject();
    struct parameter parameter;
    size_t count = 0;

    while (parameter_next(&body, &parameter))
        if (++count > DOCUMENT_FORM_MEMBERS ||
            !form_add(form, uri_decode_query(arena, parameter.name),
                      uri_decode_query(arena, parameter.value), arena)) {
            cJSON_Delete(form);
            return NULL;
        }
    return form;
}

static bool is_media_type(struct bytes value, struct bytes wanted)
{
    return bytes_equal_nocase(bytes_trim(bytes_cut(&value, ';')), wanted);
}

/* The one Content-Type; NULL: none, or several, of which nobody knows which one counts. */
static const struct field *only_type(const struct fields *fields)
{
    const struct field *type = NULL;

    for (size_t i = 0; i < fields->count; i++) {
        if (!bytes_equal_nocase(fields->lines[i].name, BYTES("Content-Type")))
            continue;
        if (type != NULL)
            return NULL;
        type = &fields->lines[i];
    }
    return type;
}

cJSON *document_of_request(const struct fields *fields, struct bytes body, struct arena *arena)
{
    const struct field *type = only_type(fields);

    if (body.data == NULL || fields_find(fields, BYTES("Content-Encoding")) != NULL)
        return NULL;
    if (body.length == 0)
        return cJSON_CreateObject();
    if (type == NULL)
        return NULL;
    if (is_media_type(type->value, BYTES("application/json")))
        return document_read(body);
    if (is_media_type(type->value, BYTES("application/x-www-form-urlencoded")))
        return form_read(body, arena);
    return NULL;
}

static void walk_from(const struct document_place *at, const struct member_path *rest,
                      document_visitor *visit, void *context);

static void walk_items(const struct document_place *at, const struct member_path *rest,
                       document_visitor *visit, void *context)
{
    const cJSON *item;

    if (!cJSON_IsArray(at->value) && !cJSON_IsObject(at->value)) {
        const struct document_place nothing = {.container = at->container};

        visit(context, cJSON_IsNull(at->value) ? at : &nothing);
        return;
    }
    cJSON_ArrayForEach(item, at->value)
    {
        const struct document_place place = {
            .value = item, .container = cJSON_IsObject(item) ? item : at->container};

        walk_from(&place, rest, visit, context);
    }
}

static void walk_step(const struct document_place *at, const struct member_path *path,
                      document_visitor *visit, void *context)
{
    const struct member_path rest = {.steps = path->steps + 1, .count = path->count - 1};

    if (path->steps[0].items)
        walk_items(at, &rest, visit, context);
    else
        walk_from(at, &rest, visit, context);
}

/* As deep as the path is long: a rule's, not the document's. */
static void walk_from(const struct document_place *at, const struct member_path *rest,
                      document_visitor *visit, void *context)
{
    const cJSON *member;
    bool found = false;

    if (rest->count == 0) {
        visit(context, at);
        return;
    }
    if (rest->steps[0].name.length == 0) {
        walk_step(at, rest, visit, context);
        return;
    }
    if (cJSON_IsNull(at->value))
        return;
    if (cJSON_IsObject(at->value))
        cJSON_ArrayForEach(member, at->value)
        {
            const struct document_place place = {.value = member, .container = at->value};

            if (!bytes_equal(bytes_of_string(member->string), rest->steps[0].name))
                continue;
            found = true;
            walk_step(&place, rest, visit, context);
        }
    if (!found)
        visit(context,
              &(struct document_place){.container = cJSON_IsObject(at->value) ? at->value : NULL});
}

void document_walk(const cJSON *document, const struct member_path *path, document_visitor *visit,
                   void *context)
{
    const struct document_place root = {.value = document};

    walk_from(&root, path, visit, context);
}

struct bytes document_id(const cJSON *value, struct arena *arena, bool *is_odd)
{
    *is_odd = false;
    if (cJSON_IsObject(value)) {
        const cJSON *id = cJSON_GetObjectItemCaseSensitive(value, "ID");

        value = id != NULL ? id : cJSON_GetObjectItemCaseSensitive(value, "id");
    }
    if (value == NULL || cJSON_IsNull(value) || cJSON_IsFalse(value))
        return (struct bytes){0};
    if (cJSON_IsString(value) && value->valuestring[0] != '\0')
        return arena_copy(arena, bytes_of_string(value->valuestring));
    if (cJSON_IsNumber(value) && value->valuedouble >= 0 &&
        value->valuedouble < DOCUMENT_WHOLE_LIMIT && value->valuedouble == (double)value->valueint)
        return arena_number(arena, value->valueint);
    *is_odd = true;
    return (struct bytes){0};
}
