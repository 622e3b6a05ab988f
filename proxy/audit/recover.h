/*
 * Rings that a process before this one left in data_dir/ring, because it was killed or could not
 * append: brought into the log, synced, then removed. Called once, at open, by one thread.
 */
#ifndef POSTERN_AUDIT_RECOVER_H
#define POSTERN_AUDIT_RECOVER_H

#include "audit/transfer.h"

enum { RING_NAME_ROOM = 32 };

/* The name of a worker's ring file. `name` has RING_NAME_ROOM bytes. */
void ring_name_of(uint32_t worker, char *name);

/*
 * Settles the rings in `rings_directory` with the files in `log->directory`, opens the log, appends
 * what the rings still hold, syncs, and removes them. A file that is no ring any more is set aside
 * as damaged-<name>-<time>, and the log says so. Adds to `count`.
 */
MUST_USE enum result recover_rings(int rings_directory, struct audit_log *log, struct buffer *batch,
                                   struct transfer_count *count, struct error *error);

#endif
