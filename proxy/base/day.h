/*
 * Days of a time zone: from one midnight of its to the next, 23 to 25 hours, by the system's time
 * zone database (tzdata), through GLib.
 */
#ifndef POSTERN_BASE_DAY_H
#define POSTERN_BASE_DAY_H

#include <stdint.h>

#include "base/result.h"

struct day_zone; /* immutable; any thread may ask */

/* "Europe/Amsterdam", "UTC". RESULT_MISSING: the database has no such zone. */
MUST_USE enum result day_zone_open(const char *name, struct day_zone **zone);
void day_zone_close(struct day_zone *zone); /* NULL is fine */

struct day {
    int64_t begins_wall_us, ends_wall_us;
};

/* The day in which `wall_us` lies: begins <= wall_us < ends. */
struct day day_of(const struct day_zone *zone, int64_t wall_us);

#endif
