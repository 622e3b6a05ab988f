/*
 * A ring of records in a shared file mapping: one thread puts (the worker), one takes (the audit
 * thread), and neither makes a system call. What was put is in the file the moment ring_put
 * returns, so it outlives kill -9 of the process; the next process opens the file and takes it.
 *
 * Positions count bytes since the ring was made and never wrap: head is where the next record goes,
 * tail where the oldest one not yet released starts, and head - tail never exceeds the capacity.
 *
 * What a ring says is not trusted when it is read: a record counts only if its checksum, which
 * covers its position too, is right. What does not is skipped and counted as damaged.
 */
#ifndef POSTERN_AUDIT_RING_H
#define POSTERN_AUDIT_RING_H

#include <stdint.h>

#include "base/buffer.h"
#include "base/bytes.h"
#include "base/result.h"

enum {
    RING_HEADER_BYTES = 4096, /* one page before the records */
    RING_RECORD_LIMIT_BYTES = 1024 * 1024,
};

struct ring_header;

struct ring {
    struct ring_header *header; /* the mapping; NULL: closed */
    char *records;              /* behind the header */
    uint64_t capacity;          /* multiple of 8; checked against the file's size, then trusted */
};

/*
 * Where the taker is about to append: file `sequence` at `offset` gets the records from the tail up
 * to `end`. Kept in the ring, so that after a crash the file can be compared with it. Nothing is
 * announced where `end` is not beyond the tail.
 */
struct ring_announcement {
    uint64_t sequence, offset, end;
};

/*
 * Makes the file `name` in the directory with room for `capacity` bytes of records, all allocated
 * on disk so that no later store can meet a full one (SIGBUS), and maps it. A file of that name is
 * RESULT_BUSY; no room RESULT_FULL; else RESULT_SYSTEM. `path` is the directory's, for the error.
 */
MUST_USE enum result ring_create(int directory, const char *name, uint64_t capacity,
                                 struct ring *ring, struct error *error);

/* Maps a file that ring_create made. RESULT_DAMAGED where its header makes no sense. */
MUST_USE enum result ring_open(int directory, const char *name, struct ring *ring,
                               struct error *error);

/* Unmaps. The file stays. A closed or zeroed ring is fine. */
void ring_close(struct ring *ring);

/* A ring over memory that holds a ring file's bytes, 8-byte aligned: what ring_open does once it
 * has mapped. */
MUST_USE enum result ring_attach(void *memory, size_t size, struct ring *ring);

/* An empty ring over `size` bytes of zeroed memory, header included. */
void ring_format(void *memory, size_t size, struct ring *ring);

/* The putter: copies a record in. RESULT_LIMIT: no room until some are released. */
MUST_USE enum result ring_put(struct ring *ring, struct bytes record);

/* Where the taker stands, and what it has met so far. */
struct ring_taken {
    uint64_t position;
    uint64_t records;
    uint64_t damaged_bytes; /* what stood between records and was none */
};

/*
 * The taker: adds records from taken->position up to `until` (a head, or an announced end) to
 * `batch`, as they stand, while they fit in its limit, and moves the position behind the last one
 * looked at. RESULT_MISSING: nothing stands there; RESULT_DAMAGED: head, tail and `until`
 * contradict each other, so nothing can be read.
 */
MUST_USE enum result ring_take(const struct ring *ring, uint64_t until, struct ring_taken *taken,
                               struct buffer *batch);

/* The taker: everything before `position` may be overwritten. */
void ring_release(struct ring *ring, uint64_t position);

/* Any thread. */
uint64_t ring_head(const struct ring *ring);
uint64_t ring_tail(const struct ring *ring);

/* Any thread: 0 to 1. */
double ring_fill(const struct ring *ring);

/* The taker: says where an append is about to go, before it is made. */
void ring_announce(struct ring *ring, const struct ring_announcement *announcement);

/* What was announced and not released yet: RESULT_MISSING where nothing was. */
MUST_USE enum result ring_announced(const struct ring *ring,
                                    struct ring_announcement *announcement);

#endif
