/* One audit record as one JSON line, with the members of design.md's "Audit files". */
#ifndef POSTERN_AUDIT_RECORD_H
#define POSTERN_AUDIT_RECORD_H

#include "audit/audit.h"
#include "base/buffer.h"

enum {
    RECORD_HMAC_BYTES = 32,
    RECORD_LINE_BYTES = 8 * AUDIT_RECORD_LIMIT_BYTES, /* escaping asks for room ahead */
};

/*
 * The record as JSON and a line end, AUDIT_RECORD_LIMIT_BYTES at most, into `line`, which was born
 * with a limit of RECORD_LINE_BYTES and is emptied first. What nothing is known of is null;
 * body_hmac is left out then. One that does not fit has its url, and whatever else is long, cut:
 * the cut text ends with "[cut]". Cannot fail.
 */
void record_write(struct buffer *line, const struct audit_record *record);

#endif
