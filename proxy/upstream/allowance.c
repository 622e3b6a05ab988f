/* Numbers out of fields that peers write in many ways. What does not parse says nothing. */
#include "upstream/allowance.h"

#include "base/clock.h"
#include "http/date.h"
#include "http/structured.h"

enum { ALLOWANCE_LONGEST_S = 366 * 24 * 3600 };

/* A Reset beyond this many is no number of seconds from now but a time: seconds since 1970, or,
 * where it is beyond the second, milliseconds. */
static const uint64_t reset_is_time = UINT64_C(1000000000);
static const uint64_t reset_is_milliseconds = UINT64_C(100000000000);
static const uint64_t number_limit = UINT64_C(1000000000000000);

/* What was said of one limit. */
struct limit {
    bool has_left, has_reset;
    uint64_t left;
    int64_t reset_us;
};

static int64_t bounded_us(int64_t s)
{
    return (s < 0 ? 0 : s > ALLOWANCE_LONGEST_S ? ALLOWANCE_LONGEST_S : s) * CLOCK_SECOND_US;
}

/* A number of seconds, maybe with a fraction, which is rounded up. */
static bool seconds_read(struct bytes text, uint64_t *seconds)
{
    struct bytes fraction = text;
    const struct bytes whole = bytes_cut(&fraction, '.');
    uint64_t part = 0;

    if (bytes_to_number(whole, number_limit, seconds) != RESULT_OK)
        return false;
    if (bytes_index(text, '.') == text.length)
        return true;
    if (fraction.length > 9 || bytes_to_number(fraction, number_limit, &part) != RESULT_OK)
        return false;
    *seconds += part > 0;
    return true;
}

static int64_t retry_after_us(const struct fields *fields, int64_t now_wall_us)
{
    const struct field *field = fields_find(fields, BYTES("Retry-After"));
    const int64_t now_s = now_wall_us / CLOCK_SECOND_US;
    uint64_t seconds;
    int64_t date_s;

    if (field == NULL)
        return -1;
    if (seconds_read(field->value, &seconds))
        return bounded_us((int64_t)seconds);
    if (date_parse(field->value, now_s, &date_s) == RESULT_OK)
        return bounded_us(date_s - now_s);
    return -1;
}

/* A parameter of an item, `r=50`, in a limit. */
static void limit_add_parameter(struct limit *limit, struct bytes parameter)
{
    const struct bytes name = bytes_trim(bytes_cut(&parameter, '='));
    uint64_t number;

    if (bytes_to_number(parameter, number_limit, &number) != RESULT_OK)
        return;
    if (bytes_equal(name, BYTES("r"))) {
        limit->left = number;
        limit->has_left = true;
    } else if (bytes_equal(name, BYTES("t"))) {
        limit->reset_us = bounded_us((int64_t)number);
        limit->has_reset = true;
    }
}

static void allowance_add(struct allowance *allowance, const struct limit *limit)
{
    if (!limit->has_left || !limit->has_reset)
        return;
    if (allowance->has_left && allowance->left <= limit->left)
        return;
    allowance->has_left = true;
    allowance->left = limit->left;
    allowance->reset_us = limit->reset_us;
}

/* How much of a text lies before the byte, quoted strings (RFC 9651 §3.3.3) passed over. */
static size_t unquoted_index(struct bytes text, char byte)
{
    bool is_quoted = false;

    for (size_t i = 0; i < text.length; i++) {
        if (is_quoted && text.data[i] == '\\')
            i++;
        else if (text.data[i] == '"')
            is_quoted = !is_quoted;
        else if (!is_quoted && text.data[i] == byte)
            return i;
    }
    return text.length;
}

static struct bytes unquoted_cut(struct bytes *rest, char byte)
{
    const size_t at = unquoted_index(*rest, byte);
    const struct bytes part = bytes_slice(*rest, 0, at);

    *rest = bytes_from(*rest, at + 1);
    return part;
}

/* `"default";r=50;t=30, "day";r=7;t=3600` */
static void add_items(struct allowance *allowance, struct bytes items)
{
    while (items.length > 0) {
        struct bytes item = unquoted_cut(&items, ',');
        struct limit limit = {0};

        (void)unquoted_cut(&item, ';'); /* the policy's name */
        while (item.length > 0)
            limit_add_parameter(&limit, bytes_trim(unquoted_cut(&item, ';')));
        allowance_add(allowance, &limit);
    }
}

/* `limit=100, remaining=50, reset=30` */
static void add_dictionary(struct allowance *allowance, struct bytes dictionary)
{
    struct structured_member member;
    struct limit limit = {0};
    enum result result;

    while ((result = structured_next(&dictionary, &member)) == RESULT_OK) {
        if (member.kind != STRUCTURED_INTEGER || member.integer < 0)
            continue;
        if (bytes_equal(member.key, BYTES("remaining"))) {
            limit.left = (uint64_t)member.integer;
            limit.has_left = true;
        } else if (bytes_equal(member.key, BYTES("reset"))) {
            limit.reset_us = bounded_us(member.integer);
            limit.has_reset = true;
        }
    }
    if (result == RESULT_MISSING)
        allowance_add(allowance, &limit);
}

static int64_t reset_us(uint64_t number, int64_t now_wall_us)
{
    if (number >= reset_is_milliseconds)
        number /= 1000;
    if (number >= reset_is_time)
        return bounded_us((int64_t)number - now_wall_us / CLOCK_SECOND_US);
    return bounded_us((int64_t)number);
}

/* Two fields of one number each. */
static void add_pair(struct allowance *allowance, const struct fields *fields,
                     const char *const names[2], int64_t now_wall_us)
{
    const struct field *left = fields_find(fields, bytes_of_string(names[0]));
    const struct field *reset = fields_find(fields, bytes_of_string(names[1]));
    struct limit limit = {.has_left = true, .has_reset = true};
    uint64_t number;

    if (left == NULL || reset == NULL ||
        bytes_to_number(left->value, number_limit, &limit.left) != RESULT_OK ||
        !seconds_read(reset->value, &number))
        return;
    limit.reset_us = reset_us(number, now_wall_us);
    allowance_add(allowance, &limit);
}

struct allowance allowance_read(const struct fields *fields, int64_t now_wall_us)
{
    static const char *const pairs[][2] = {
        {"RateLimit-Remaining", "RateLimit-Reset"},
        {"X-RateLimit-Remaining", "X-RateLimit-Reset"},
        {"X-Rate-Limit-Remaining", "X-Rate-Limit-Reset"},
    };
    struct allowance allowance = {.retry_after_us = retry_after_us(fields, now_wall_us)};

    for (size_t i = 0; i < fields->count; i++) {
        const struct field *line = &fields->lines[i];

        if (!bytes_equal_nocase(line->name, BYTES("RateLimit")))
            continue;
        if (bytes_starts_with(line->value, BYTES("\"")))
            add_items(&allowance, line->value);
        else
            add_dictionary(&allowance, line->value);
    }
    for (size_t i = 0; i < ARRAY_LENGTH(pairs); i++)
        add_pair(&allowance, fields, pairs[i], now_wall_us);
    return allowance;
}
