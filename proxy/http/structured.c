/*
 * A reader for dictionaries of structured fields (RFC 9651 §4.2): strict where the RFC says "fail
 * parsing", for a field that fails is ignored whole. Values that no caller uses are checked and
 * passed over.
 */
#include "http/structured.h"

static bool is_digit(char byte)
{
    return byte >= '0' && byte <= '9';
}

static bool is_lower(char byte)
{
    return byte >= 'a' && byte <= 'z';
}

static bool is_in(char byte, const char *set)
{
    return byte != '\0' && strchr(set, byte) != NULL;
}

/* The first byte, or 0 at the end: no grammar here has a NUL. */
static char peek(const struct bytes *text)
{
    return text->length == 0 ? '\0' : text->data[0];
}

static bool take(struct bytes *text, char byte)
{
    if (byte == '\0' || peek(text) != byte)
        return false;
    *text = bytes_from(*text, 1);
    return true;
}

static void skip(struct bytes *text, const char *set)
{
    while (is_in(peek(text), set))
        *text = bytes_from(*text, 1);
}

static size_t digits_length(struct bytes text)
{
    size_t length = 0;

    while (length < text.length && is_digit(text.data[length]))
        length++;
    return length;
}

/* Integer or decimal (§4.2.4): at most 15 digits, or 12 and 1 to 3 behind the point. */
static bool take_number(struct bytes *text, struct structured_member *member)
{
    const bool negative = take(text, '-');
    const size_t length = digits_length(*text);
    uint64_t value;

    if (length > 15 ||
        bytes_to_number(bytes_slice(*text, 0, length), UINT64_MAX, &value) != RESULT_OK)
        return false;
    *text = bytes_from(*text, length);
    if (peek(text) != '.') {
        member->kind = STRUCTURED_INTEGER;
        member->integer = negative ? -(int64_t)value : (int64_t)value;
        return true;
    }
    *text = bytes_from(*text, 1);
    const size_t decimals = digits_length(*text);
    *text = bytes_from(*text, decimals);
    return length <= 12 && decimals >= 1 && decimals <= 3;
}

/* String (§4.2.5), after its first quote. */
static bool take_string(struct bytes *text)
{
    while (text->length > 0) {
        const char byte = peek(text);

        if (byte < 0x20 || byte == 0x7f)
            return false;
        *text = bytes_from(*text, 1);
        if (byte == '"')
            return true;
        if (byte == '\\' && !take(text, '"') && !take(text, '\\'))
            return false;
    }
    return false;
}

/* Display string (§4.2.10), after its "%\"": what it decodes to is not looked at. */
static bool take_display_string(struct bytes *text)
{
    while (text->length > 0) {
        const char byte = peek(text);

        if (byte < 0x20 || byte == 0x7f)
            return false;
        *text = bytes_from(*text, 1);
        if (byte == '"')
            return true;
        for (int i = 0; byte == '%' && i < 2; i++) {
            if (!is_digit(peek(text)) && !(peek(text) >= 'a' && peek(text) <= 'f'))
                return false;
            *text = bytes_from(*text, 1);
        }
    }
    return false;
}

/* Byte sequence (§4.2.7), after its first colon. */
static bool take_byte_sequence(struct bytes *text)
{
    while (is_lower(bytes_lower(peek(text))) || is_digit(peek(text)) || is_in(peek(text), "+/="))
        *text = bytes_from(*text, 1);
    return take(text, ':');
}

/* Token (§4.2.6), which has begun. */
static bool take_token(struct bytes *text)
{
    while (is_lower(bytes_lower(peek(text))) || is_digit(peek(text)) ||
           is_in(peek(text), "!#$%&'*+-.^_`|~:/"))
        *text = bytes_from(*text, 1);
    return true;
}

/* Date (§4.2.9), after its '@': an integer. */
static bool take_date(struct bytes *text)
{
    struct structured_member number = {.kind = STRUCTURED_OTHER};

    return take_number(text, &number) && number.kind == STRUCTURED_INTEGER;
}

/* Bare item (§4.2.3.1). */
static bool take_bare_item(struct bytes *text, struct structured_member *member)
{
    const char first = peek(text);

    member->kind = STRUCTURED_OTHER;
    member->integer = 0;
    if (first == '-' || is_digit(first))
        return take_number(text, member);
    if (first == '*' || is_lower(bytes_lower(first)))
        return take_token(text);
    if (take(text, '?')) {
        member->kind = STRUCTURED_BOOLEAN;
        member->integer = peek(text) == '1';
        return take(text, '0') || take(text, '1');
    }
    if (take(text, '"'))
        return take_string(text);
    if (take(text, ':'))
        return take_byte_sequence(text);
    if (take(text, '@'))
        return take_date(text);
    return take(text, '%') && take(text, '"') && take_display_string(text);
}

/* Key (§4.2.3.3). */
static bool take_key(struct bytes *text, struct bytes *key)
{
    size_t length = 0;

    if (!is_lower(peek(text)) && peek(text) != '*')
        return false;
    while (length < text->length && (is_lower(text->data[length]) || is_digit(text->data[length]) ||
                                     is_in(text->data[length], "_-.*")))
        length++;
    *key = bytes_slice(*text, 0, length);
    *text = bytes_from(*text, length);
    return true;
}

/* Parameters (§4.2.3.2). */
static bool take_parameters(struct bytes *text)
{
    struct structured_member ignored;
    struct bytes key;

    while (take(text, ';')) {
        skip(text, " ");
        if (!take_key(text, &key) || (take(text, '=') && !take_bare_item(text, &ignored)))
            return false;
    }
    return true;
}

/* Inner list (§4.2.1.2), after its parenthesis. */
static bool take_inner_list(struct bytes *text)
{
    struct structured_member ignored;

    while (true) {
        skip(text, " ");
        if (take(text, ')'))
            return true;
        if (!take_bare_item(text, &ignored) || !take_parameters(text))
            return false;
        if (peek(text) != ' ' && peek(text) != ')')
            return false;
    }
}

/* The value after a key: true where there is none. */
static bool take_value(struct bytes *text, struct structured_member *member)
{
    member->kind = STRUCTURED_BOOLEAN;
    member->integer = 1;
    if (!take(text, '='))
        return true;
    if (!take(text, '('))
        return take_bare_item(text, member);
    member->kind = STRUCTURED_OTHER;
    member->integer = 0;
    return take_inner_list(text);
}

enum result structured_next(struct bytes *dictionary, struct structured_member *member)
{
    struct structured_member found;
    struct bytes text = *dictionary;

    skip(&text, " ");
    if (text.length == 0)
        return RESULT_MISSING;
    if (!take_key(&text, &found.key) || !take_value(&text, &found) || !take_parameters(&text))
        return RESULT_INVALID;
    skip(&text, " \t");
    if (text.length > 0) {
        if (!take(&text, ','))
            return RESULT_INVALID;
        skip(&text, " \t");
        if (text.length == 0) /* a trailing comma (§4.2.2) */
            return RESULT_INVALID;
    }
    *dictionary = text;
    *member = found;
    return RESULT_OK;
}
