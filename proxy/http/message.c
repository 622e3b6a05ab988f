/*
 * Methods, reason phrases, field lines and the list syntax of RFC 9110. What a field means is left
 * to the module that owns the field; how lines come off the wire is left to the connection.
 */
#include "http/message.h"

#include <assert.h>

enum { FIELDS_FIRST_COUNT = 16 };

static const char *const method_names[METHOD_COUNT] = {
    [METHOD_GET] = "GET",         [METHOD_HEAD] = "HEAD",     [METHOD_POST] = "POST",
    [METHOD_PUT] = "PUT",         [METHOD_DELETE] = "DELETE", [METHOD_PATCH] = "PATCH",
    [METHOD_OPTIONS] = "OPTIONS", [METHOD_OTHER] = "OTHER",
};

/* RFC 9110 §15, and the registered ones of RFC 4918, 5842, 6585, 7725, 8297 and 8470. */
static const struct {
    unsigned status;
    const char *reason;
} reasons[] = {
    {100, "Continue"},
    {101, "Switching Protocols"},
    {103, "Early Hints"},
    {200, "OK"},
    {201, "Created"},
    {202, "Accepted"},
    {203, "Non-Authoritative Information"},
    {204, "No Content"},
    {205, "Reset Content"},
    {206, "Partial Content"},
    {207, "Multi-Status"},
    {300, "Multiple Choices"},
    {301, "Moved Permanently"},
    {302, "Found"},
    {303, "See Other"},
    {304, "Not Modified"},
    {305, "Use Proxy"},
    {307, "Temporary Redirect"},
    {308, "Permanent Redirect"},
    {400, "Bad Request"},
    {401, "Unauthorized"},
    {402, "Payment Required"},
    {403, "Forbidden"},
    {404, "Not Found"},
    {405, "Method Not Allowed"},
    {406, "Not Acceptable"},
    {407, "Proxy Authentication Required"},
    {408, "Request Timeout"},
    {409, "Conflict"},
    {410, "Gone"},
    {411, "Length Required"},
    {412, "Precondition Failed"},
    {413, "Content Too Large"},
    {414, "URI Too Long"},
    {415, "Unsupported Media Type"},
    {416, "Range Not Satisfiable"},
    {417, "Expectation Failed"},
    {421, "Misdirected Request"},
    {422, "Unprocessable Content"},
    {423, "Locked"},
    {424, "Failed Dependency"},
    {425, "Too Early"},
    {426, "Upgrade Required"},
    {428, "Precondition Required"},
    {429, "Too Many Requests"},
    {431, "Request Header Fields Too Large"},
    {451, "Unavailable For Legal Reasons"},
    {500, "Internal Server Error"},
    {501, "Not Implemented"},
    {502, "Bad Gateway"},
    {503, "Service Unavailable"},
    {504, "Gateway Timeout"},
    {505, "HTTP Version Not Supported"},
    {507, "Insufficient Storage"},
    {511, "Network Authentication Required"},
};

enum http_method http_method_of(struct bytes text)
{
    for (enum http_method method = METHOD_GET; method < METHOD_OTHER; method++)
        if (bytes_equal(text, bytes_of_string(method_names[method])))
            return method;
    return METHOD_OTHER;
}

const char *http_method_name(enum http_method method)
{
    assert(method < METHOD_COUNT);
    return method_names[method];
}

bool http_method_is_safe(enum http_method method)
{
    return method == METHOD_GET || method == METHOD_HEAD || method == METHOD_OPTIONS;
}

const char *http_reason(unsigned status)
{
    for (size_t i = 0; i < ARRAY_LENGTH(reasons); i++)
        if (reasons[i].status == status)
            return reasons[i].reason;
    return "Unknown";
}

bool http_status_has_no_body(unsigned status)
{
    return (status >= 100 && status < 200) || status == 204 || status == 304;
}

static void fields_grow(struct fields *fields, struct arena *arena)
{
    const size_t capacity = fields->capacity == 0 ? FIELDS_FIRST_COUNT : fields->capacity * 2;
    size_t size;

    if (!size_multiply(capacity, sizeof(struct field), &size))
        size = SIZE_MAX; /* the arena ends the process over it */
    struct field *lines = arena_take(arena, size);
    if (fields->count > 0)
        memcpy(lines, fields->lines, fields->count * sizeof(*lines));
    fields->lines = lines;
    fields->capacity = capacity;
}

void fields_add(struct fields *fields, struct arena *arena, struct bytes name, struct bytes value)
{
    assert(fields->count <= fields->capacity);
    if (fields->count == fields->capacity)
        fields_grow(fields, arena);
    fields->lines[fields->count++] = (struct field){.name = name, .value = value};
}

struct fields fields_copy(struct arena *arena, const struct fields *from)
{
    struct fields copy = {0};

    for (size_t i = 0; i < from->count; i++)
        fields_add(&copy, arena, arena_copy(arena, from->lines[i].name),
                   arena_copy(arena, from->lines[i].value));
    return copy;
}

const struct field *fields_find(const struct fields *fields, struct bytes name)
{
    for (size_t i = 0; i < fields->count; i++)
        if (bytes_equal_nocase(fields->lines[i].name, name))
            return &fields->lines[i];
    return NULL;
}

size_t fields_count(const struct fields *fields, struct bytes name)
{
    size_t count = 0;

    for (size_t i = 0; i < fields->count; i++)
        count += bytes_equal_nocase(fields->lines[i].name, name);
    return count;
}

void fields_remove(struct fields *fields, struct bytes name)
{
    size_t kept = 0;

    for (size_t i = 0; i < fields->count; i++)
        if (!bytes_equal_nocase(fields->lines[i].name, name))
            fields->lines[kept++] = fields->lines[i];
    fields->count = kept;
}

/* How long the values of that name are together, each with two bytes for a ", ". */
static size_t joined_room(const struct fields *fields, struct bytes name)
{
    size_t room = 0;

    for (size_t i = 0; i < fields->count; i++)
        if (bytes_equal_nocase(fields->lines[i].name, name))
            room += fields->lines[i].value.length + 2; /* of memory that exists: cannot wrap */
    return room;
}

struct bytes fields_joined(const struct fields *fields, struct arena *arena, struct bytes name)
{
    const size_t count = fields_count(fields, name);

    if (count == 0)
        return BYTES("");
    if (count == 1)
        return fields_find(fields, name)->value;

    char *const text = arena_take(arena, joined_room(fields, name));
    size_t length = 0;
    for (size_t i = 0; i < fields->count; i++) {
        const struct bytes value = fields->lines[i].value;

        if (!bytes_equal_nocase(fields->lines[i].name, name))
            continue;
        if (length > 0) {
            memcpy(text + length, ", ", 2);
            length += 2;
        }
        if (value.length > 0)
            memcpy(text + length, value.data, value.length);
        length += value.length;
    }
    return bytes_of(text, length);
}

static bool list_has(struct bytes list, struct bytes token)
{
    struct bytes member;

    while (list_next(&list, &member))
        if (bytes_equal_nocase(member, token))
            return true;
    return false;
}

bool fields_list_has(const struct fields *fields, struct bytes name, struct bytes token)
{
    for (size_t i = 0; i < fields->count; i++)
        if (bytes_equal_nocase(fields->lines[i].name, name) &&
            list_has(fields->lines[i].value, token))
            return true;
    return false;
}

/* Where the member that starts at 0 ends: at a comma outside quotes, or with the list. */
static size_t member_length(struct bytes list)
{
    bool quoted = false;

    for (size_t i = 0; i < list.length; i++) {
        const char byte = list.data[i];

        if (byte == '"')
            quoted = !quoted;
        else if (quoted && byte == '\\')
            i++; /* a quoted pair (RFC 9110 §5.6.4); one byte too far at the end is harmless */
        else if (!quoted && byte == ',')
            return i;
    }
    return list.length;
}

bool list_next(struct bytes *list, struct bytes *member)
{
    while (list->length > 0) {
        const size_t length = member_length(*list);
        const struct bytes found = bytes_trim(bytes_slice(*list, 0, length));

        *list = bytes_from(*list, length + 1);
        if (found.length > 0) { /* empty members count for nothing (RFC 9110 §5.6.1.2) */
            *member = found;
            return true;
        }
    }
    return false;
}

static bool is_token_byte(char byte)
{
    const char lower = bytes_lower(byte);

    return (lower >= 'a' && lower <= 'z') || (byte >= '0' && byte <= '9') ||
           (byte != '\0' && strchr("!#$%&'*+-.^_`|~", byte) != NULL);
}

bool http_is_token(struct bytes text)
{
    for (size_t i = 0; i < text.length; i++)
        if (!is_token_byte(text.data[i]))
            return false;
    return text.length > 0;
}

bool http_is_field_value(struct bytes text)
{
    for (size_t i = 0; i < text.length; i++) {
        const unsigned char byte = (unsigned char)text.data[i];

        if ((byte < 0x20 && byte != '\t') || byte == 0x7f)
            return false;
    }
    return true;
}
