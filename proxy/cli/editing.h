/*
 * The configuration file while a command changes it: locked from reading to replacing, so that two
 * commands at once lose nothing; checked before it is replaced; replaced whole or not at all, with
 * its mode and owner. What goes wrong is said on standard error; what returns int returns CLI_DONE
 * or the exit code.
 */
#ifndef POSTERN_CLI_EDITING_H
#define POSTERN_CLI_EDITING_H

#include <limits.h>
#include <sys/stat.h>

#include "base/buffer.h"
#include "config/source.h"

struct editing {
    char path[PATH_MAX]; /* no symbolic link: the file itself is replaced */
    int fd;              /* locked; -1: none */
    struct stat status;
    struct buffer text; /* as it is, and with each edit as it shall be */
    struct source source;
    struct buffer next; /* where an edit writes: editing_step makes it the text */
};

/* Finds, locks and reads it. `config`: --config's value, or NULL. To be finished in any case. */
int editing_open(struct editing *editing, const char *config);
void editing_finish(struct editing *editing);

/* What an edit has written to `next` is the text from now on, and `source` is read from it. */
int editing_step(struct editing *editing, enum result result);

/* Checks the text as a configuration and puts it in the file's place. */
int editing_replace(struct editing *editing);

/* Says a line of `postern client` on standard error, and returns the code. */
int editing_say(int code, const char *format, ...) PRINTF_LIKE(2, 3);

#endif
