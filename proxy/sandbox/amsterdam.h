/*
 * Times as the simulated API prints them: "YYYY-MM-DD hh:mm:ss" without a zone, meant in
 * Europe/Amsterdam (CET, and CEST from the last Sunday of March to the last of October, 01:00 UTC).
 */
#ifndef POSTERN_SANDBOX_AMSTERDAM_H
#define POSTERN_SANDBOX_AMSTERDAM_H

#include <stdint.h>

enum { AMSTERDAM_TIME_ROOM = 20 };

/* The text and a NUL into `text`, which has AMSTERDAM_TIME_ROOM bytes, for seconds since 1970 in
 * UTC. */
void amsterdam_time(int64_t wall_s, char *text);

#endif
