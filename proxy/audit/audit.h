/*
 * The audit trail: JSON lines in data_dir/audit/, one a finished exchange (`done`) and one before
 * each write leaves
 * (`intent`), with the members of design.md's "Audit files".
 *
 * Each worker has a ring: a shared file mapping into which it writes whole records without a system
 * call; what was written there survives kill -9 and is appended at the next start. One audit thread
 * takes records out of the rings, appends them to the open file, syncs intents in groups, and tells
 * who waits for them.
 *
 * Threads: audit_open, audit_close: main. audit_write, audit_flush_intent: the worker that owns the
 * ring.
 */
#ifndef POSTERN_AUDIT_AUDIT_H
#define POSTERN_AUDIT_AUDIT_H

#include <stdint.h>

#include "base/bytes.h"
#include "base/mailbox.h"
#include "base/result.h"

struct audit;
struct audit_ring; /* one a worker */

enum audit_kind { AUDIT_INTENT, AUDIT_DONE };

/* One record. All bytes are borrowed for the call; empty ones are left out or null. */
struct audit_record {
    enum audit_kind kind;
    int64_t wall_us;
    struct bytes id;     /* X-Request-Id */
    struct bytes client; /* the client's name; empty: not identified */
    struct bytes peer;
    struct bytes method;
    struct bytes url; /* normalised, no token, already masked (audit_mask) */
    const struct bytes *entities;
    size_t entity_count;
    unsigned status;     /* 0: none was sent */
    struct bytes cache;  /* "hit", "miss", "stale" … */
    int64_t upstream_us; /* -1: no call was made */
    int64_t total_us;
    uint64_t in_bytes, out_bytes;
    const uint8_t *body_hmac; /* 32 bytes; NULL: none */
};

struct audit_options {
    const char *directory; /* data_dir: audit/, audit.key and the rings live below it */
    uint32_t workers;
    uint64_t rotate_bytes; /* 0: by day only */
    int64_t keep_us;       /* of a closed file since its last record; 0: for ever */
};

/* Numbers for metrics; each a snapshot. */
struct audit_status {
    uint64_t records, bytes, failures; /* appended since start; failed appends */
    uint64_t syncs;                    /* fdatasync calls */
    uint64_t damaged_bytes;            /* of rings left behind, lost */
    bool failing;                      /* the last append failed: writes must be refused */
};

/*
 * Opens or makes everything, appends what rings still hold, starts the thread. One process a
 * directory: RESULT_BUSY where another has it. The error is one line saying what to do.
 */
MUST_USE enum result audit_open(const struct audit_options *options, struct audit **audit,
                                struct error *error);

/* Appends and syncs all that is left, stops the thread, removes the empty rings. NULL is fine. */
void audit_close(struct audit *audit);

struct audit_ring *audit_ring(struct audit *audit, uint32_t worker);

/*
 * Puts a record into the ring. RESULT_LIMIT: it does not fit now (the caller pauses its sockets and
 * tries again later; audit_ring_fill tells when). A record larger than AUDIT_RECORD_LIMIT_BYTES has
 * its url cut, and says so.
 */
MUST_USE enum result audit_write(struct audit_ring *ring, const struct audit_record *record);

enum { AUDIT_RECORD_LIMIT_BYTES = 64 * 1024, AUDIT_RING_BYTES = 4 * 1024 * 1024 };

/* 0 to 1: how full the ring is. Any thread. */
double audit_ring_fill(const struct audit_ring *ring);

/*
 * Asks that everything this worker wrote so far be on disk (appended, fdatasync). The letter is
 * posted to `mailbox` then, with `result` saying whether it is: RESULT_FULL and RESULT_SYSTEM come
 * at once while the audit is failing. Flush and mailbox outlive the letter's delivery.
 */
struct audit_flush {
    struct letter letter; /* first: the letter's deliver gets this struct's address */
    struct mailbox *mailbox;
    struct audit_flush *next;
    uint64_t position;       /* audit's own */
    struct audit_ring *ring; /* audit's own */
    enum result result;
};
void audit_flush(struct audit_ring *ring, struct audit_flush *flush);

void audit_read_status(const struct audit *audit, struct audit_status *status);

/* The key of body HMACs (data_dir/audit.key, made at first start, mode 0600): 32 bytes, borrowed.
 */
struct bytes audit_key(const struct audit *audit);

/*
 * The URL with the values of masked names replaced by "***": parameters of that name (what stands
 * before its first
 * '['), and conditions such as fields[]=email==x whose left side is that name. Names compare
 * without case, decoded.
 */
struct arena;
struct bytes audit_mask(struct arena *arena, struct bytes url, const struct bytes *names,
                        size_t name_count);

#endif
