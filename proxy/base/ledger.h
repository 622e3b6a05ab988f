/*
 * What was spent today, by name, in LMDB (data_dir/ledger.mdb): it survives the process at once,
 * and the machine but for what was noted since the last ledger_flush. Names are up to
 * LEDGER_NAME_LIMIT_BYTES; a longer one is told by its hash. Any thread.
 */
#ifndef POSTERN_BASE_LEDGER_H
#define POSTERN_BASE_LEDGER_H

#include <stdint.h>

#include "base/bytes.h"
#include "base/result.h"

enum { LEDGER_NAME_LIMIT_BYTES = 255, LEDGER_COUNTS = 4 };

struct ledger;

struct ledger_line {
    int64_t day_begins_wall_us;
    uint64_t counts[LEDGER_COUNTS]; /* what each is, is the writer's matter */
};

/* Opens, and makes, the file. One that can't be read is moved aside to ledger.mdb.damaged. */
MUST_USE enum result ledger_open(const char *directory, struct ledger **ledger,
                                 struct error *error);
void ledger_close(struct ledger *ledger); /* flushes; NULL is fine */

/* RESULT_MISSING: nothing is noted. RESULT_DAMAGED: what is there is no line. */
MUST_USE enum result ledger_read(const struct ledger *ledger, struct bytes name,
                                 struct ledger_line *line);

struct ledger_entry {
    struct bytes name;
    struct ledger_line line;
};

/* Notes all in one transaction. RESULT_FULL: no room; nothing is noted. */
MUST_USE enum result ledger_write(struct ledger *ledger, const struct ledger_entry *entries,
                                  size_t count);

/* To the disk. */
MUST_USE enum result ledger_flush(struct ledger *ledger);

#endif
