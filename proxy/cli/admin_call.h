/* Calls to a running gate's admin address. */
#ifndef POSTERN_CLI_ADMIN_CALL_H
#define POSTERN_CLI_ADMIN_CALL_H

#include <cJSON.h>

#include "base/buffer.h"
#include "config/configuration.h"

enum { ADMIN_TIMEOUT_S = 10, ADMIN_ANSWER_LIMIT_BYTES = 64 * 1024 * 1024 };

struct admin_request {
    const char *path;
    const char *body; /* NULL: GET; else POST */
    long timeout_s;
};

/*
 * Asks the configuration's admin address, which it has. RESULT_OK: the answer was 200, and is
 * appended; else the error says in one line why there is none.
 */
MUST_USE enum result admin_ask(const struct configuration *configuration,
                               const struct admin_request *request, struct buffer *answer,
                               struct error *error);

/* The same for a command: CLI_DONE, or the exit code with why on standard error. */
int admin_call(const struct configuration *configuration, const char *path, const char *body,
               struct buffer *answer);

/* GETs a JSON object and prints it as it came, or as `say` does. Returns the exit code. */
int admin_show(const struct configuration *configuration, const char *path, bool as_json,
               void (*say)(const cJSON *answer));

#endif
