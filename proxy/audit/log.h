/*
 * The files of the audit trail, data_dir/audit/audit-<UTC time>-<sequence>.jsonl, as one log that
 * is only ever appended to. The sequence grows by one a file and is never used twice; the newest
 * file is the one appended to. Owned by one thread at a time (the audit thread, or whoever opens).
 *
 * An append is whole or not there: what a full disk cut short is taken back before the next one.
 */
#ifndef POSTERN_AUDIT_LOG_H
#define POSTERN_AUDIT_LOG_H

#include <stdint.h>

#include "base/bytes.h"
#include "base/result.h"

enum { AUDIT_FILE_NAME_ROOM = 64 };

struct audit_log {
    int directory; /* borrowed: data_dir/audit */
    int fd;        /* the newest file; -1: none could be opened yet */
    char name[AUDIT_FILE_NAME_ROOM];
    uint64_t sequence;      /* of the newest file */
    uint64_t length;        /* its bytes, all of whole appends */
    int64_t day;            /* UTC day it was begun on */
    uint64_t rotate_bytes;  /* 0: never by size */
    int64_t keep_us;        /* 0: for ever */
    bool is_torn;           /* a failed append left bytes behind `length` */
    bool is_unsynced;       /* bytes not known to be on disk */
    bool is_entry_unsynced; /* the directory does not hold the file's name for sure */
};

/*
 * Goes on with the newest file, or begins the first; the next append rotates where due. A last
 * line without its end (a crash) gets one, so that only this line is broken. Removes files past
 * their time. rotate_bytes and keep_us are set by the caller before.
 */
MUST_USE enum result audit_log_open(struct audit_log *log, int directory, int64_t wall_us,
                                    struct error *error);

/* Closes without syncing. */
void audit_log_close(struct audit_log *log);

/*
 * Makes ready for an append of `size` bytes: rotates where the day or the size asks for it, and
 * takes back a torn append. From RESULT_OK to the append, `sequence` and `length` say where it
 * goes. RESULT_FULL: no room on the device; RESULT_SYSTEM: errno tells.
 */
MUST_USE enum result audit_log_prepare(struct audit_log *log, size_t size, int64_t wall_us);

/* Appends whole lines, all or nothing. Errors as above. */
MUST_USE enum result audit_log_append(struct audit_log *log, struct bytes lines);

/*
 * RESULT_OK: all that was appended is on disk, and so is the file's name. Where the kernel could
 * not write, what it dropped is not known: the next append begins a new file.
 */
MUST_USE enum result audit_log_sync(struct audit_log *log);

/* The sequence of a file by its name, open or compressed; 0 where it is none of ours. */
uint64_t audit_log_sequence_of(const char *name);

/* The name of the uncompressed file of that sequence: RESULT_MISSING where there is none. */
MUST_USE enum result audit_log_find(int directory, uint64_t sequence, char *name, size_t room);

#endif
