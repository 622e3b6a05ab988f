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

/* The first moment of a date in the zone: the earlier one where clocks are put back over midnight,
 * the first after it where they are put forward. */
static int64_t first_us(const struct day_zone *zone, const GDate *date)
{
    static const GTimeType types[] = {G_TIME_TYPE_STANDARD, G_TIME_TYPE_DAYLIGHT};
    GDateTime *midnight = g_date_time_new_utc(g_date_get_year(date), (gint)g_date_get_month(date),
                                              g_date_get_day(date), 0, 0, 0);
    int64_t first_s = INT64_MAX;

    assert(midnight != NULL); /* the date is a real one */
    for (size_t i = 0; i < ARRAY_LENGTH(types); i++) {
        gint64 local_s = g_date_time_to_unix(midnight);
        const gint interval = g_time_zone_adjust_time(zone->zone, types[i], &local_s);
        const int64_t wall_s = local_s - g_time_zone_get_offset(zone->zone, interval);

        if (wall_s < first_s)
            first_s = wall_s;
    }
    g_date_time_unref(midnight);
    return first_s * CLOCK_SECOND_US;
}

struct day day_of(const struct day_zone *zone, int64_t wall_us)
{
    GDateTime *utc = g_date_time_new_from_unix_utc(wall_us / CLOCK_SECOND_US);

    assert(utc != NULL); /* years 1 to 9999: a clock is in them */
    GDateTime *moment = g_date_time_to_timezone(utc, zone->zone);
    GDate today, tomorrow;

    g_date_clear(&today, 1);
    g_date_set_dmy(&today, (GDateDay)g_date_time_get_day_of_month(moment),
                   (GDateMonth)g_date_time_get_month(moment),
                   (GDateYear)g_date_time_get_year(moment));
    tomorrow = today;
    g_date_add_days(&tomorrow, 1);
    g_date_time_unref(moment);
    g_date_time_unref(utc);
    return (struct day){first_us(zone, &today), first_us(zone, &tomorrow)};
}
