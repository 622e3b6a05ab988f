/* A GTimeZone, which is immutable and counted by GLib. */
#include "base/day.h"

#include <assert.h>
#include <glib.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/memory.h"

struct day_zone {
    GTimeZone *zone;
};

enum result day_zone_open(const char *name, struct day_zone **opened)
{
    GTimeZone *zone = g_time_zone_new_identifier(name);

    if (zone == NULL)
        return RESULT_MISSING;
    struct day_zone *made = memory_take(1, sizeof(*made));
    made->zone = zone;
    *opened = made;
    return RESULT_OK;
}

void day_zone_close(struct day_zone *zone)
{
    if (zone == NULL)
        return;
    g_time_zone_unref(zone->zone);
    free(zone);
}

/* The first moment of the day that `moment` is in. Where a zone skips midnight, GLib gives the hour
 * after it. */
static int64_t midnight_us(const struct day_zone *zone, GDateTime *moment)
{
    GDateTime *midnight =
        g_date_time_new(zone->zone, g_date_time_get_year(moment), g_date_time_get_month(moment),
                        g_date_time_get_day_of_month(moment), 0, 0, 0);

    assert(midnight != NULL); /* the date is a real one */
    const int64_t wall_us = g_date_time_to_unix(midnight) * CLOCK_SECOND_US;
    g_date_time_unref(midnight);
    return wall_us;
}

struct day day_of(const struct day_zone *zone, int64_t wall_us)
{
    GDateTime *utc = g_date_time_new_from_unix_utc(wall_us / CLOCK_SECOND_US);

    assert(utc != NULL); /* years 1 to 9999: a clock is in them */
    GDateTime *moment = g_date_time_to_timezone(utc, zone->zone);
    GDateTime *tomorrow = g_date_time_add_days(moment, 1);
    const struct day day = {.begins_wall_us = midnight_us(zone, moment),
                            .ends_wall_us = midnight_us(zone, tomorrow)};
    g_date_time_unref(tomorrow);
    g_date_time_unref(moment);
    g_date_time_unref(utc);
    return day;
}
