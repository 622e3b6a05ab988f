/* base64url without padding (RFC 4648 §5, RFC 7515 §2): the parts of a JWT. */
#ifndef POSTERN_BASE_BASE64_H
#define POSTERN_BASE_BASE64_H

#include "base/buffer.h"

/* Appends the text of `bytes`. */
void base64url_write(struct buffer *buffer, struct bytes bytes);

/* Appends the bytes of `text`. RESULT_INVALID where it is none; the buffer may have got a part. */
MUST_USE enum result base64url_read(struct bytes text, struct buffer *buffer);

#endif
