/* What commands that need a configuration share. */
#ifndef POSTERN_CLI_CONFIGURED_H
#define POSTERN_CLI_CONFIGURED_H

#include "config/read.h"

/*
 * Reads the configuration that --config names (NULL: the usual places), or says on standard error
 * what is wrong, one line a fault. CLI_DONE: *configuration has one reference; else the exit code.
 */
int configured_read(const char *option, struct configuration **configuration);

/* The same for a configuration made of options; paths in it are relative to the working directory.
 */
int configured_read_text(struct bytes text, struct configuration **configuration);

/* Says one fault of `path` on standard error, in one line. */
void configured_say_fault(const char *path, const struct error *fault);

/* Says all faults of `path`, one line each, and frees them. Returns CLI_WRONG. */
int configured_say_faults(const char *path, struct faults *faults);

/* The upstream of that name, or the only one when `name` is NULL; NULL, and a line of why, if there
 * is none. */
const struct upstream_config *configured_upstream(const struct configuration *configuration,
                                                  const char *name);

#endif
