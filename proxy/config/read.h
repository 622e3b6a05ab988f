/* Reading a configuration: JSON with // and block comments, checked whole, every fault with pointer
 * and line. */
#ifndef POSTERN_CONFIG_READ_H
#define POSTERN_CONFIG_READ_H

#include "config/configuration.h"

enum { CONFIGURATION_LIMIT_BYTES = 4 * 1024 * 1024 };

/* The faults found in one reading, in the order of the file. */
struct faults {
    struct error *list; /* heap */
    size_t count, capacity;
};

/* Frees the list and empties it. `faults` may be zeroed, so that a reading need not have happened.
 */
void faults_finish(struct faults *faults);

/*
 * Reads and checks the file. RESULT_OK: *configuration has one reference, to be released. Otherwise
 * `faults` says all that is wrong (at least one), each with a suggestion where a member's name is
 * unknown. Faults are to be finished.
 */
MUST_USE enum result configuration_read_file(const char *path, struct configuration **configuration,
                                             struct faults *faults);

/* The same from text; `directory` is where presets and relative paths are looked for besides the
 * usual places. */
MUST_USE enum result configuration_read_text(struct bytes text, const char *directory,
                                             struct configuration **configuration,
                                             struct faults *faults);

/* The first existing of --config's value (used even if missing), $POSTERN_CONFIG,
 * ./conf/postern.json and /etc/postern/postern.json into `path`. RESULT_MISSING when there is none.
 */
MUST_USE enum result configuration_find(const char *option, char *path, size_t path_room);

/*
 * Durations "250ms 10s 5m 1h 7d" (at most 8 digits before ms and s, 5 before the others, so that
 * sums of them cannot overflow), sizes "64KiB 1MiB 1GiB 1TiB" or plain bytes (at most 15 digits; 9
 * before KiB, 6 MiB, 5 GiB, 2 TiB): the whole text or RESULT_INVALID.
 */
MUST_USE enum result duration_read(struct bytes text, int64_t *duration_us);
MUST_USE enum result size_read(struct bytes text, uint64_t *size_bytes);

#endif
