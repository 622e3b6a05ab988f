/*
 * Borrowed bytes: a pointer and a length, passed by value, not terminated, never freed through.
 * Whoever keeps them longer than the call copies them (arena_copy). NULL data always comes with
 * length 0.
 */
#ifndef POSTERN_BASE_BYTES_H
#define POSTERN_BASE_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/result.h"

struct bytes {
    const char *data;
    size_t length;
};

#define BYTES(literal) ((struct bytes){.data = "" literal, .length = sizeof(literal) - 1})

static inline struct bytes bytes_of(const void *data, size_t length)
{
    return (struct bytes){.data = data, .length = length};
}

static inline struct bytes bytes_of_string(const char *string)
{
    return bytes_of(string, strlen(string));
}

static inline bool bytes_equal(struct bytes a, struct bytes b)
{
    return a.length == b.length && (a.length == 0 || memcmp(a.data, b.data, a.length) == 0);
}

/* The part from `start` (clamped to the end) of at most `length` bytes. */
static inline struct bytes bytes_slice(struct bytes bytes, size_t start, size_t length)
{
    if (start > bytes.length)
        start = bytes.length;
    if (length > bytes.length - start)
        length = bytes.length - start;
    return bytes.data == NULL ? bytes : bytes_of(bytes.data + start, length);
}

static inline struct bytes bytes_from(struct bytes bytes, size_t start)
{
    return bytes_slice(bytes, start, SIZE_MAX);
}

static inline bool bytes_starts_with(struct bytes bytes, struct bytes prefix)
{
    return bytes.length >= prefix.length &&
           bytes_equal(bytes_slice(bytes, 0, prefix.length), prefix);
}

static inline bool bytes_ends_with(struct bytes bytes, struct bytes suffix)
{
    return bytes.length >= suffix.length &&
           bytes_equal(bytes_from(bytes, bytes.length - suffix.length), suffix);
}

static inline char bytes_lower(char byte)
{
    return byte >= 'A' && byte <= 'Z' ? (char)(byte | 0x20) : byte;
}

/* ASCII letters are the same in either case; all other bytes as they are. Inline: most field names
 * that are compared differ in length. */
static inline bool bytes_equal_nocase(struct bytes a, struct bytes b)
{
    if (a.length != b.length)
        return false;
    for (size_t i = 0; i < a.length; i++)
        if (bytes_lower(a.data[i]) != bytes_lower(b.data[i]))
            return false;
    return true;
}

/* Where `byte` stands first, or bytes.length when it stands nowhere. */
size_t bytes_index(struct bytes bytes, char byte);

/* Where `part` starts first, or bytes.length when it stands nowhere. */
size_t bytes_find(struct bytes bytes, struct bytes part);

/* Without the spaces and tabs at both ends (OWS of RFC 9110 §5.6.3). */
struct bytes bytes_trim(struct bytes bytes);

/* Cuts off and returns what stands before the first `separator`; *rest keeps what follows it (empty
 * at the end). */
struct bytes bytes_cut(struct bytes *rest, char separator);

/*
 * The decimal number that fills `text` wholly, at most `maximum`. No sign, space or rest:
 * RESULT_INVALID. More than `maximum`: RESULT_LIMIT. The only reader of numbers in postern.
 */
MUST_USE enum result bytes_to_number(struct bytes text, uint64_t maximum, uint64_t *number);

/* A 64-bit number has at most so many. */
enum { NUMBER_DIGITS = 20 };

/*
 * Writes a number in decimal, with zeros in front up to `digits` (1 to NUMBER_DIGITS), without a
 * NUL. Returns how many bytes that are. For what is written in each exchange: vsnprintf takes some
 * twenty times as long.
 */
size_t number_write(uint64_t number, size_t digits, char *text);

/* The value of one hexadecimal digit in either case, or -1. */
int bytes_hex_value(char digit);

/* Writes 2 × length lower-case hexadecimal digits and a NUL. `text` has room for them. */
void bytes_to_hex(struct bytes bytes, char *text);

/* The other way. `text` must be exactly 2 × length digits: else RESULT_INVALID. */
MUST_USE enum result bytes_from_hex(struct bytes text, void *data, size_t length);

/* Sums and products of sizes that refuse to wrap: false, and *total untouched, where they would. */
MUST_USE static inline bool size_add(size_t a, size_t b, size_t *total)
{
    size_t sum;

    if (__builtin_add_overflow(a, b, &sum))
        return false;
    *total = sum;
    return true;
}

MUST_USE bool size_multiply(size_t a, size_t b, size_t *total);

#endif
