/* Putting a client into the text of a configuration, with the rest left as its author wrote it. */
#ifndef POSTERN_CONFIG_INSERT_H
#define POSTERN_CONFIG_INSERT_H

#include "base/buffer.h"
#include "config/source.h"

/*
 * Writes `text` with `element`, which is JSON on one line, as the last of the array "clients" of
 * the outermost object into `out`; the member is made where there is none. `source` was read from
 * this very text. RESULT_INVALID: the outermost value is no object, or "clients" no array.
 * RESULT_LIMIT: it does not fit into `out`.
 */
MUST_USE enum result insert_client(const struct source *source, struct bytes text,
                                   struct bytes element, struct buffer *out);

#endif
