/*
 * Durations and sizes as a person writes them. The digits allowed before each unit are few enough
 * that no value overflows and that two of them can be added to a time without care; the JSON Schema
 * in conf/ says the same with patterns.
 */
#include "base/clock.h"
#include "config/read.h"

struct unit {
    struct bytes suffix;
    uint64_t factor;
    size_t digits; /* at most */
};

static const struct unit durations[] = {
    {{"ms", 2}, CLOCK_MILLISECOND_US, 8},   {{"s", 1}, CLOCK_SECOND_US, 8},
    {{"m", 1}, 60 * CLOCK_SECOND_US, 5},    {{"h", 1}, 3600 * CLOCK_SECOND_US, 5},
    {{"d", 1}, 86400 * CLOCK_SECOND_US, 5},
};

static const struct unit sizes[] = {
    {{"KiB", 3}, UINT64_C(1) << 10, 9},
    {{"MiB", 3}, UINT64_C(1) << 20, 6},
    {{"GiB", 3}, UINT64_C(1) << 30, 5},
    {{"TiB", 3}, UINT64_C(1) << 40, 2},
    {{"", 0}, 1, 15}, /* plain bytes: last, for every text ends with "" */
};

static enum result unit_read(struct bytes text, const struct unit *units, size_t count,
                             uint64_t *value)
{
    for (size_t i = 0; i < count; i++) {
        const struct unit *unit = &units[i];
        uint64_t number;

        if (!bytes_ends_with(text, unit->suffix))
            continue;
        const struct bytes digits = bytes_slice(text, 0, text.length - unit->suffix.length);
        if (digits.length > unit->digits || bytes_to_number(digits, UINT64_MAX, &number) != 0)
            continue; /* "ms" ends with "s" as well: the next unit tells */
        *value = number * unit->factor;
        return RESULT_OK;
    }
    return RESULT_INVALID;
}

enum result duration_read(struct bytes text, int64_t *duration_us)
{
    uint64_t value;
    const enum result result = unit_read(text, durations, ARRAY_LENGTH(durations), &value);

    if (result == RESULT_OK)
        *duration_us = (int64_t)value; /* 99999 days at most */
    return result;
}

enum result size_read(struct bytes text, uint64_t *size_bytes)
{
    return unit_read(text, sizes, ARRAY_LENGTH(sizes), size_bytes);
}
