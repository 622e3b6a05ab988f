/* Comparing, searching and reading numbers in borrowed bytes. */
#include "base/bytes.h"

#include <assert.h>

size_t bytes_index(struct bytes bytes, char byte)
{
    const char *found = bytes.length == 0 ? NULL : memchr(bytes.data, byte, bytes.length);

    return found == NULL ? bytes.length : (size_t)(found - bytes.data);
}

size_t bytes_find(struct bytes bytes, struct bytes part)
{
    if (part.length == 0)
        return 0;
    if (bytes.length == 0)
        return bytes.length;
    const char *found = memmem(bytes.data, bytes.length, part.data, part.length);
    return found == NULL ? bytes.length : (size_t)(found - bytes.data);
}

static bool is_blank(char byte)
{
    return byte == ' ' || byte == '\t';
}

struct bytes bytes_trim(struct bytes bytes)
{
    while (bytes.length > 0 && is_blank(bytes.data[0]))
        bytes = bytes_from(bytes, 1);
    while (bytes.length > 0 && is_blank(bytes.data[bytes.length - 1]))
        bytes.length--;
    return bytes;
}

struct bytes bytes_cut(struct bytes *rest, char separator)
{
    size_t at = bytes_index(*rest, separator);
    struct bytes before = bytes_slice(*rest, 0, at);

    *rest = bytes_from(*rest, at + 1);
    return before;
}

enum result bytes_to_number(struct bytes text, uint64_t maximum, uint64_t *number)
{
    uint64_t value = 0;

    if (text.length == 0)
        return RESULT_INVALID;
    for (size_t i = 0; i < text.length; i++)
        if (text.data[i] < '0' || text.data[i] > '9')
            return RESULT_INVALID;
    for (size_t i = 0; i < text.length; i++) {
        const uint64_t digit = (uint64_t)(text.data[i] - '0');

        if (value > (UINT64_MAX - digit) / 10)
            return RESULT_LIMIT;
        value = value * 10 + digit;
    }
    if (value > maximum)
        return RESULT_LIMIT;
    *number = value;
    return RESULT_OK;
}

size_t number_write(uint64_t number, size_t digits, char *text)
{
    size_t count = 1;

    assert(digits >= 1 && digits <= NUMBER_DIGITS);
    for (uint64_t rest = number; rest >= 10; rest /= 10)
        count++;
    if (count < digits)
        count = digits;
    for (size_t i = count; i > 0; i--, number /= 10)
        text[i - 1] = (char)('0' + number % 10);
    return count;
}

int bytes_hex_value(char digit)
{
    if (digit >= '0' && digit <= '9')
        return digit - '0';
    digit = bytes_lower(digit);
    return digit >= 'a' && digit <= 'f' ? digit - 'a' + 10 : -1;
}

void bytes_to_hex(struct bytes bytes, char *text)
{
    static const char digits[] = "0123456789abcdef";

    for (size_t i = 0; i < bytes.length; i++) {
        const unsigned char byte = (unsigned char)bytes.data[i];

        *text++ = digits[byte >> 4];
        *text++ = digits[byte & 15];
    }
    *text = '\0';
}

enum result bytes_from_hex(struct bytes text, void *data, size_t length)
{
    unsigned char *to = data;

    if (text.length != 2 * length)
        return RESULT_INVALID;
    for (size_t i = 0; i < text.length; i++)
        if (bytes_hex_value(text.data[i]) < 0)
            return RESULT_INVALID;
    for (size_t i = 0; i < length; i++) {
        const int high = bytes_hex_value(text.data[2 * i]);
        const int low = bytes_hex_value(text.data[2 * i + 1]);

        assert(high >= 0 && low >= 0);
        to[i] = (unsigned char)(high << 4 | low);
    }
    return RESULT_OK;
}

bool size_multiply(size_t a, size_t b, size_t *total)
{
    size_t product;

    if (__builtin_mul_overflow(a, b, &product))
        return false;
    *total = product;
    return true;
}
