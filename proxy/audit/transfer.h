/*
 * Records on their way from a ring to the log, each exactly once over any kill: a batch is
 * announced in its ring, appended, and only then released. What a kill left between those steps is
 * settled by comparing the file with the batch. (A power cut may lose what was not synced, and
 * bring a batch twice where the ring's page is older than the file's.)
 */
#ifndef POSTERN_AUDIT_TRANSFER_H
#define POSTERN_AUDIT_TRANSFER_H

#include "audit/log.h"
#include "audit/ring.h"

enum { TRANSFER_BATCH_BYTES = 256 * 1024 };

struct transfer_count {
    uint64_t records, bytes;
    uint64_t damaged_bytes;
};

/*
 * Appends what the ring holds now, in batches of at most `batch`'s limit, and releases each.
 * RESULT_OK: all of it. Otherwise as audit_log_append; what is not appended stays in the ring.
 */
MUST_USE enum result transfer_drain(struct ring *ring, struct audit_log *log, struct buffer *batch,
                                    struct transfer_count *count);

/*
 * For a ring left behind, before its log is opened: releases the announced batch where the file
 * holds it, and cuts off the file's end where it holds a part of it. RESULT_SYSTEM: errno tells.
 */
MUST_USE enum result transfer_settle(struct ring *ring, int directory, struct buffer *batch);

#endif
