/* HTTP-date (RFC 9110 §5.6.7): seconds since 1970-01-01T00:00:00Z, negative before it. Independent
 * of locale and time zone. */
#ifndef POSTERN_HTTP_DATE_H
#define POSTERN_HTTP_DATE_H

#include <stdint.h>

#include "base/bytes.h"
#include "base/result.h"

enum { DATE_ROOM = 30 }; /* "Sun, 06 Nov 1994 08:49:37 GMT" and a NUL */

/*
 * Reads any of the three forms: IMF-fixdate, RFC 850, asctime. Case matters, as the RFC says; the
 * day's name must be one, but need not be the right one. A two-digit year more than 50 years after
 * `now_s` is one of the century before. RESULT_INVALID: anything else, impossible days included.
 */
MUST_USE enum result date_parse(struct bytes text, int64_t now_s, int64_t *date_s);

/* Writes an IMF-fixdate and a NUL into `text`, which has DATE_ROOM bytes. Times outside the years 0
 * to 9999 are brought to the nearest that is inside. */
void date_format(int64_t date_s, char *text);

#endif
