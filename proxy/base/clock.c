/* The two clocks, and RFC 3339 text. */
#include "base/clock.h"

#include <time.h>

#include "base/bytes.h"

static int64_t clock_read_us(clockid_t id)
{
    struct timespec now = {0};

    (void)clock_gettime(id, &now); /* cannot fail for these two clocks */
    return (int64_t)now.tv_sec * CLOCK_SECOND_US + now.tv_nsec / 1000;
}

int64_t clock_now_us(void)
{
    return clock_read_us(CLOCK_MONOTONIC);
}

int64_t clock_wall_us(void)
{
    return clock_read_us(CLOCK_REALTIME);
}

void clock_format_rfc3339(int64_t wall_us, char *text)
{
    const time_t seconds = (time_t)(wall_us / CLOCK_SECOND_US);
    const unsigned micro = (unsigned)(wall_us % CLOCK_SECOND_US);
    struct tm utc = {0};

    (void)gmtime_r(&seconds, &utc); /* only years beyond 2^31 fail */
    const struct {
        unsigned value, modulus;
        size_t digits;
        char after;
    } parts[] = {{(unsigned)(utc.tm_year + 1900), 10000, 4, '-'},
                 {(unsigned)(utc.tm_mon + 1), 100, 2, '-'},
                 {(unsigned)utc.tm_mday, 100, 2, 'T'},
                 {(unsigned)utc.tm_hour, 100, 2, ':'},
                 {(unsigned)utc.tm_min, 100, 2, ':'},
                 {(unsigned)utc.tm_sec, 100, 2, '.'},
                 {micro, 1000000, 6, 'Z'}};
    for (size_t i = 0; i < ARRAY_LENGTH(parts); i++) {
        text += number_write(parts[i].value % parts[i].modulus, parts[i].digits, text);
        *text++ = parts[i].after;
    }
    *text = '\0';
}

void clock_format_seconds(int64_t wall_us, char *text)
{
    enum { WHOLE_LENGTH = 19 };

    clock_format_rfc3339(wall_us, text);
    memcpy(text + WHOLE_LENGTH, "Z", 2);
}

/* Takes `digits` digits and the byte behind them (one of `after`, in capitals; "": none) off the
 * front. */
static bool take_number(struct bytes *text, size_t digits, const char *after, int *number)
{
    uint64_t value;

    if (bytes_to_number(bytes_slice(*text, 0, digits), 9999, &value) != RESULT_OK ||
        text->length < digits)
        return false;
    *number = (int)value;
    *text = bytes_from(*text, digits);
    if (after[0] == '\0')
        return true;
    if (text->length == 0 || bytes_lower(text->data[0]) != bytes_lower(after[0]))
        return false;
    *text = bytes_from(*text, 1);
    return true;
}

/* ".123": what there is of it, in microseconds. */
static bool take_fraction(struct bytes *text, int64_t *us)
{
    int64_t unit_us = CLOCK_SECOND_US;

    *us = 0;
    if (!bytes_starts_with(*text, BYTES(".")))
        return true;
    size_t at = 1;
    for (; at < text->length && text->data[at] >= '0' && text->data[at] <= '9'; at++) {
        unit_us /= 10;
        *us += unit_us * (text->data[at] - '0');
    }
    *text = bytes_from(*text, at);
    return at > 1;
}

/* "Z", "+01:00", to the end of the text: seconds east of UTC. */
static bool read_offset(struct bytes text, int64_t *east_s)
{
    const bool is_west = bytes_starts_with(text, BYTES("-"));
    int hours, minutes;

    *east_s = 0;
    if (bytes_equal_nocase(text, BYTES("Z")))
        return true;
    if (!is_west && !bytes_starts_with(text, BYTES("+")))
        return false;
    text = bytes_from(text, 1);
    if (!take_number(&text, 2, ":", &hours) || !take_number(&text, 2, "", &minutes) ||
        text.length != 0 || hours > 23 || minutes > 59)
        return false;
    *east_s = (is_west ? -1 : 1) * (hours * 3600 + minutes * 60);
    return true;
}

enum result clock_parse_rfc3339(struct bytes text, int64_t *wall_us)
{
    int year, month, day, hour, minute, second;
    int64_t us, east_s;

    if (!take_number(&text, 4, "-", &year) || !take_number(&text, 2, "-", &month) ||
        !take_number(&text, 2, "T", &day) || !take_number(&text, 2, ":", &hour) ||
        !take_number(&text, 2, ":", &minute) || !take_number(&text, 2, "", &second) ||
        !take_fraction(&text, &us) || !read_offset(text, &east_s))
        return RESULT_INVALID;
    if (hour > 23 || minute > 59 || second > 60)
        return RESULT_INVALID;
    struct tm date = {.tm_year = year - 1900, .tm_mon = month - 1, .tm_mday = day};
    const int64_t midnight_s = timegm(&date); /* takes an impossible day for one of another month */
    if (date.tm_mon != month - 1 || date.tm_mday != day)
        return RESULT_INVALID;
    const int64_t seconds = midnight_s + hour * 3600 + minute * 60 + second - east_s;
    if (seconds < 0)
        return RESULT_INVALID;
    *wall_us = seconds * CLOCK_SECOND_US + us;
    return RESULT_OK;
}
