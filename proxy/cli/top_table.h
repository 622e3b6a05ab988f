/*
 * What `postern top` shows: a few head lines, one for each upstream, and a table of clients with
 * rates that come from the difference of two statuses (GET /api/status). Nothing here knows of
 * terminals.
 */
#ifndef POSTERN_CLI_TOP_TABLE_H
#define POSTERN_CLI_TOP_TABLE_H

#include <cJSON.h>

#include "base/buffer.h"

enum top_sort { TOP_CALLS, TOP_REQUESTS, TOP_HITS };

struct top_view {
    const cJSON *now;
    const cJSON *before; /* NULL: the rates are those since the gate's start */
    double elapsed_s;    /* between the two */
    enum top_sort sort;  /* what comes first: most calls, most requests, the highest hit share */
    size_t rows;         /* lines at most; 0: as many as there are */
    size_t columns;      /* bytes of a line at most; 0: as long as they are */
};

/* Appends the lines, each with a '\n'. Where there is no room for all clients, the last line says
 * how many are left out. Texts have no control characters. */
void top_write(const struct top_view *view, struct buffer *text);

/* Whether `now` is of a later start of the gate than `before`: its counts began anew. */
bool top_restarted(const cJSON *now, const cJSON *before);

#endif
