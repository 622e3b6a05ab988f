/* Members of what a gate's admin address tells, for people. */
#ifndef POSTERN_CLI_TOLD_H
#define POSTERN_CLI_TOLD_H

#include <cJSON.h>
#include <stddef.h>

enum { TOLD_TEXT_ROOM = 256 };

/* A number; 0 where there is none. */
double told_number(const cJSON *object, const char *name);

/* Makes a text fit for a terminal: bytes that are no printable ASCII become '?'. */
void told_clean(char *text);

/*
 * A text, clean, for names may come from elsewhere (an upstream tells its account's); what is too
 * long is cut. Empty where there is none. Returns `room`, of TOLD_TEXT_ROOM.
 */
const char *told_text(const cJSON *object, const char *name, char *room);

/*
 * Appends to a line in `room` bytes what stands against calls to an upstream and how many are left:
 * ", PAUSED for 3.0 s, breaker open, 12 of 50 left now, 9000 of 10000 left today". Nothing of what
 * has no limit, and nothing that does not fit.
 */
void told_add_budget(const cJSON *budget, char *line, size_t room);

#endif
