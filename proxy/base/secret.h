/*
 * Memory for secrets: in pages of its own that are locked (not swapped), left out of core dumps and
 * children, and wiped before they go. What a secret says leaves it through secret_bytes only, whose
 * callers are few: grep for them.
 */
#ifndef POSTERN_BASE_SECRET_H
#define POSTERN_BASE_SECRET_H

#include "base/bytes.h"
#include "base/result.h"

enum { SECRET_LIMIT_BYTES = 16 * 1024 };

struct secret; /* owned by whoever created it; immutable, so readable from any thread */

/* Copies `content`. Content over SECRET_LIMIT_BYTES: RESULT_LIMIT. Could not be locked:
 * RESULT_SYSTEM. */
MUST_USE enum result secret_create(struct bytes content, struct secret **secret);

/*
 * Reads a secret from a regular file, without the line end and blanks around it, never by way of
 * stdio buffers. A file that group or others may read is refused unless `insecure`; an empty one is
 * RESULT_INVALID. The error names the file, never the content.
 */
MUST_USE enum result secret_read_file(const char *path, bool insecure, struct secret **secret,
                                      struct error *error);

/*
 * Writes a secret and a line end into a file that only its owner may read: whoever reads it sees
 * the old content or the new, whatever happens meanwhile. An existing file keeps its owner; a
 * symbolic link is followed. On an error nothing is changed.
 */
MUST_USE enum result secret_write_file(const char *path, struct bytes content, struct error *error);

/* Wipes and frees. NULL is fine. */
void secret_destroy(struct secret *secret);

/* Borrowed until secret_destroy. Do not copy it into ordinary memory that outlives the call. */
struct bytes secret_bytes(const struct secret *secret);

/* Overwrites memory in a way that the compiler keeps. */
void secret_wipe(void *memory, size_t size);

/* Equal without telling by its time where they differ (it does tell whether the lengths do). */
bool secret_equal(struct bytes a, struct bytes b);

/* Fills `memory` from the kernel's generator; ends the process where there is none. */
void secret_random(void *memory, size_t size);

#endif
