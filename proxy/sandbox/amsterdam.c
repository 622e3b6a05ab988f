/* Summer time by the rule of directive 2000/84/EC, so that no TZ of the process is needed. */
#include "sandbox/amsterdam.h"

#include <stdbool.h>
#include <stdio.h>
#include <time.h>

enum { HOUR_S = 3600, MARCH = 2, OCTOBER = 9, CHANGE_HOUR_UTC = 1, DAYS_OF_BOTH = 31 };

/* Whether the change on the last Sunday of this month (of 31 days) lies behind the moment. */
static bool last_sunday_passed(const struct tm *utc)
{
    const int weekday_of_last = (utc->tm_wday + DAYS_OF_BOTH - utc->tm_mday) % 7;
    const int sunday = DAYS_OF_BOTH - weekday_of_last;

    return utc->tm_mday > sunday || (utc->tm_mday == sunday && utc->tm_hour >= CHANGE_HOUR_UTC);
}

static bool is_summer(const struct tm *utc)
{
    if (utc->tm_mon == MARCH)
        return last_sunday_passed(utc);
    if (utc->tm_mon == OCTOBER)
        return !last_sunday_passed(utc);
    return utc->tm_mon > MARCH && utc->tm_mon < OCTOBER;
}

void amsterdam_time(int64_t wall_s, char *text)
{
    time_t moment = (time_t)wall_s;
    struct tm utc = {0};

    (void)gmtime_r(&moment, &utc); /* only years beyond 2^31 fail */
    moment += is_summer(&utc) ? 2 * HOUR_S : HOUR_S;
    (void)gmtime_r(&moment, &utc);
    (void)snprintf(text, AMSTERDAM_TIME_ROOM, "%04u-%02u-%02u %02u:%02u:%02u",
                   (unsigned)(utc.tm_year + 1900) % 10000, (unsigned)(utc.tm_mon + 1) % 100,
                   (unsigned)utc.tm_mday % 100, (unsigned)utc.tm_hour % 100,
                   (unsigned)utc.tm_min % 100, (unsigned)utc.tm_sec % 100);
}
