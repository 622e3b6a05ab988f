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
