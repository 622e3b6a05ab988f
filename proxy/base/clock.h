/* Time as int64_t microseconds: monotonic unless the name says wall. Policy code takes it as a
 * parameter. */
#ifndef POSTERN_BASE_CLOCK_H
#define POSTERN_BASE_CLOCK_H

#include <stdint.h>

#include "base/bytes.h"

#define CLOCK_SECOND_US INT64_C(1000000)
#define CLOCK_MILLISECOND_US INT64_C(1000)

/* Since an arbitrary start; never runs backwards. */
int64_t clock_now_us(void);

/* Since 1970-01-01T00:00:00Z, as the machine believes. */
int64_t clock_wall_us(void);

enum { CLOCK_RFC3339_ROOM = 28 };

/* "2026-11-24T21:17:04.123456Z" and a NUL into `text`, which has CLOCK_RFC3339_ROOM bytes. */
void clock_format_rfc3339(int64_t wall_us, char *text);

/* The same without what is less than a second: "2026-11-24T21:17:04Z". */
void clock_format_seconds(int64_t wall_us, char *text);

/*
 * A time as RFC 3339 §5.6 writes it: "2026-11-24T21:17:04Z", "2026-11-24T22:17:04.5+01:00". A leap
 * second counts as the next one; of a fraction what is less than a microsecond is dropped.
 * RESULT_INVALID: anything else, impossible days and years before 1970 included.
 */
MUST_USE enum result clock_parse_rfc3339(struct bytes text, int64_t *wall_us);

#endif
