/* The two clocks, and RFC 3339 text. */
#include "base/clock.h"

#include <stdio.h>
#include <time.h>

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
    (void)snprintf(text, CLOCK_RFC3339_ROOM, "%04u-%02u-%02uT%02u:%02u:%02u.%06uZ",
                   (unsigned)(utc.tm_year + 1900) % 10000, (unsigned)(utc.tm_mon + 1) % 100,
                   (unsigned)utc.tm_mday % 100, (unsigned)utc.tm_hour % 100,
                   (unsigned)utc.tm_min % 100, (unsigned)utc.tm_sec % 100, micro % 1000000);
}
