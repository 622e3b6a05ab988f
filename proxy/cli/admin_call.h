/* A call to a running gate's admin address. */
#ifndef POSTERN_CLI_ADMIN_CALL_H
#define POSTERN_CLI_ADMIN_CALL_H

#include "base/buffer.h"
#include "config/configuration.h"

/*
 * GET, or POST where `body` is not NULL, on the configuration's admin address. CLI_DONE: it
 * answered 200, and the answer is appended; else the exit code, with why on standard error.
 */
int admin_call(const struct configuration *configuration, const char *path, const char *body,
               struct buffer *answer);

#endif
