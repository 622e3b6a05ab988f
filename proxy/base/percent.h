/* Percent-encoding (RFC 3986 §2.1) of whatever is to stand as one value in a query or form. */
#ifndef POSTERN_BASE_PERCENT_H
#define POSTERN_BASE_PERCENT_H

#include "base/bytes.h"

/* Writes `text` with all but unreserved characters encoded into `room`, of 3 × its length, and
 * returns how many bytes that are. */
size_t percent_encode(struct bytes text, char *room);

#endif
