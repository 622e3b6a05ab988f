/* Takes requests apart as the API does, PHP's way of reading names with brackets included. What a
 * call means stands with its endpoint. */
#include "sandbox/call.h"

static int escape_value(struct bytes text, size_t at)
{
    if (text.data[at] != '%' || text.length - at < 3)
        return -1;
    const int high = bytes_hex_value(text.data[at + 1]), low = bytes_hex_value(text.data[at + 2]);
    return high < 0 || low < 0 ? -1 : high << 4 | low;
}

struct bytes call_decode(struct arena *arena, struct bytes text, bool is_query)
{
    if (bytes_index(text, '%') == text.length &&
        (!is_query || bytes_index(text, '+') == text.length))
        return text;

    char *decoded = arena_take(arena, text.length + 1);
    size_t length = 0;
    for (size_t i = 0; i < text.length; i++) {
        const int value = escape_value(text, i);

        if (value >= 0)
            i += 2;
        decoded[length++] = value >= 0                        ? (char)value
                            : is_query && text.data[i] == '+' ? ' '
                                                              : text.data[i];
    }
    decoded[length] = '\0';
    return bytes_of(decoded, length);
}

/* "/v3/profile" is version 3 of "/profile"; "/v3" of "/". */
static void call_read_version(struct call *call)
{
    const struct bytes path = call->path;

    call->version = 2;
    if (path.length < 3 || path.data[1] != 'v' || path.data[2] < '1' || path.data[2] > '4')
        return;
    if (path.length > 3 && path.data[3] != '/')
        return;
    call->version = (unsigned)(path.data[2] - '0');
    call->path = path.length == 3 ? BYTES("/") : bytes_from(path, 3);
}

static enum result call_read_segments(struct call *call)
{
    struct bytes rest = bytes_from(call->path, 1);

    while (rest.length > 0 && rest.data[rest.length - 1] == '/')
        rest.length--;
    while (rest.length > 0) {
        if (call->segment_count == CALL_SEGMENTS_LIMIT)
            return RESULT_LIMIT;
        call->segments[call->segment_count++] =
            call_decode(call->arena, bytes_cut(&rest, '/'), false);
    }
    return RESULT_OK;
}

static size_t count_byte(struct bytes text, char byte)
{
    size_t count = 0;

    for (size_t i = 0; i < text.length; i++)
        count += text.data[i] == byte;
    return count;
}

static void call_read_parameters(struct call *call)
{
    struct bytes rest = call->query;

    call->parameters =
        arena_take(call->arena, (count_byte(rest, '&') + 1) * sizeof(call->parameters[0]));
    while (rest.length > 0) {
        struct bytes value = bytes_cut(&rest, '&');
        const struct bytes name = bytes_cut(&value, '=');

        if (name.length > 0)
            call->parameters[call->parameter_count++] =
                (struct parameter){.name = call_decode(call->arena, name, true),
                                   .value = call_decode(call->arena, value, true)};
    }
}

enum result call_read(struct call *call, const struct request *request, struct arena *arena)
{
    struct bytes rest = request->target;

    *call = (struct call){.arena = arena, .request = request};
    call->path = bytes_cut(&rest, '?');
    call->query = rest;
    call_read_version(call);
    call_read_parameters(call);
    return call_read_segments(call);
}

/* The member `key` of an object, made where it is not there; an item more for an array. */
static cJSON *form_step(cJSON *parent, struct bytes key, cJSON *fresh)
{
    if (cJSON_IsArray(parent)) {
        (void)cJSON_AddItemToArray(parent, fresh); /* fails only on NULL */
        return fresh;
    }
    cJSON_DeleteItemFromObjectCaseSensitive(parent, key.data);
    (void)cJSON_AddItemToObject(parent, key.data, fresh); /* fails only on NULL */
    return fresh;
}

/* `[]` and `[3]` are places of a list. */
static bool key_is_of_list(struct bytes key)
{
    uint64_t ignored;

    return key.length == 0 || bytes_to_number(key, UINT32_MAX, &ignored) == RESULT_OK;
}

/* The part between the next brackets of a form name. False at its end. */
static bool form_next_key(struct bytes *rest, struct bytes *key)
{
    if (rest->length == 0 || rest->data[0] != '[')
        return false;
    *rest = bytes_from(*rest, 1);
    if (bytes_index(*rest, ']') == rest->length)
        return false;
    *key = bytes_cut(rest, ']');
    return true;
}

static cJSON *form_container(cJSON *parent, struct bytes key, bool is_list)
{
    if (cJSON_IsObject(parent)) {
        cJSON *there = cJSON_GetObjectItemCaseSensitive(parent, key.data);

        if (is_list ? cJSON_IsArray(there) : cJSON_IsObject(there))
            return there;
    }
    return form_step(parent, key, is_list ? cJSON_CreateArray() : cJSON_CreateObject());
}

/* One pair: "fields[email]=x" puts x into the object `fields`. */
static void form_add(struct call *call, struct bytes name, struct bytes value)
{
    struct bytes key = bytes_slice(name, 0, bytes_index(name, '['));
    struct bytes rest = bytes_from(name, key.length), next;
    cJSON *parent = call->body;

    if (key.length == 0)
        return;
    for (size_t depth = 0; depth < CALL_FORM_DEPTH && form_next_key(&rest, &next); depth++) {
        parent = form_container(parent, arena_copy(call->arena, key), key_is_of_list(next));
        key = next;
    }
    (void)form_step(parent, arena_copy(call->arena, key),
                    cJSON_CreateString(arena_copy(call->arena, value).data));
}

static void call_read_form(struct call *call, struct bytes body)
{
    call->body = cJSON_CreateObject();
    for (size_t pairs = 0; body.length > 0 && pairs < CALL_FORM_LIMIT; pairs++) {
        struct bytes value = bytes_cut(&body, '&');
        const struct bytes name = bytes_cut(&value, '=');

        form_add(call, call_decode(call->arena, name, true), call_decode(call->arena, value, true));
    }
}

static bool call_is_form(const struct call *call, struct bytes body)
{
    const struct field *type = fields_find(&call->request->fields, BYTES("Content-Type"));

    if (type == NULL)
        return body.data[0] != '{' && body.data[0] != '[';
    struct bytes rest = type->value;
    return bytes_equal_nocase(bytes_trim(bytes_cut(&rest, ';')),
                              BYTES("application/x-www-form-urlencoded"));
}

void call_read_body(struct call *call, struct bytes body)
{
    if (body.length == 0)
        return;
    if (call_is_form(call, body)) {
        call_read_form(call, body);
        return;
    }
    call->body = cJSON_ParseWithLength(body.data, body.length);
    call->is_body_bad = call->body == NULL;
}

void call_finish(struct call *call)
{
    cJSON_Delete(call->body);
    call->body = NULL;
}

static const struct parameter *parameter_find(const struct call *call, struct bytes name)
{
    for (size_t i = call->parameter_count; i > 0; i--)
        if (bytes_equal(call->parameters[i - 1].name, name))
            return &call->parameters[i - 1];
    return NULL;
}

struct bytes call_parameter(const struct call *call, struct bytes name)
{
    const struct parameter *found = parameter_find(call, name);

    return found == NULL ? BYTES("") : found->value;
}

bool call_has_parameter(const struct call *call, struct bytes name)
{
    return parameter_find(call, name) != NULL;
}

bool call_next_of(const struct call *call, struct bytes name, size_t *at, struct bytes *value)
{
    while (*at < call->parameter_count) {
        const struct parameter *parameter = &call->parameters[(*at)++];

        if (parameter->name.length > name.length && parameter->name.data[name.length] == '[' &&
            bytes_starts_with(parameter->name, name)) {
            *value = parameter->value;
            return true;
        }
    }
    return false;
}

static bool text_is_true(struct bytes text)
{
    uint64_t number;

    return bytes_equal_nocase(text, BYTES("yes")) || bytes_equal_nocase(text, BYTES("true")) ||
           (bytes_to_number(text, UINT64_MAX, &number) == RESULT_OK && number >= 1);
}

bool call_flag(const struct call *call, struct bytes name, bool absent)
{
    const struct parameter *found = parameter_find(call, name);

    return found == NULL ? absent : text_is_true(found->value);
}

/* What follows "Bearer " in v4; empty: nothing does. */
static struct bytes call_bearer(const struct call *call)
{
    const struct bytes scheme = BYTES("Bearer ");
    const struct field *field = fields_find(&call->request->fields, BYTES("Authorization"));

    if (call->version != 4 || field == NULL ||
        !bytes_equal_nocase(bytes_slice(field->value, 0, scheme.length), scheme))
        return BYTES("");
    return bytes_trim(bytes_from(field->value, scheme.length));
}

struct bytes call_token(const struct call *call)
{
    const struct bytes bearer = call_bearer(call);

    return bearer.length > 0 ? bearer : call_parameter(call, BYTES("access_token"));
}

bool call_has_bearer(const struct call *call)
{
    return call_bearer(call).length > 0;
}

const cJSON *call_member(const struct call *call, const char *name)
{
    return cJSON_IsObject(call->body) ? cJSON_GetObjectItemCaseSensitive(call->body, name) : NULL;
}

bool call_text(const struct call *call, const cJSON *item, struct bytes *text)
{
    if (cJSON_IsString(item))
        *text = bytes_of_string(item->valuestring);
    else if (cJSON_IsNumber(item))
        *text = arena_format(call->arena, "%.15g", item->valuedouble);
    else if (cJSON_IsBool(item))
        *text = cJSON_IsTrue(item) ? BYTES("1") : BYTES("");
    else if (cJSON_IsNull(item))
        *text = BYTES("");
    else
        return false;
    return true;
}

bool call_truth(const struct call *call, const cJSON *item)
{
    struct bytes text;

    if (cJSON_IsNumber(item))
        return item->valuedouble >= 1;
    return call_text(call, item, &text) && text_is_true(text);
}
