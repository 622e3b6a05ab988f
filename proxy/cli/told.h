/* Members of what a gate's admin address tells, for people. */
#ifndef POSTERN_CLI_TOLD_H
#define POSTERN_CLI_TOLD_H

#include <cJSON.h>

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

#endif
