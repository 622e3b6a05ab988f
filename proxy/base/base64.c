/* Three bytes are four letters; two or three letters at the end are one or two bytes. */
#include "base/base64.h"

static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

void base64url_write(struct buffer *buffer, struct bytes bytes)
{
    uint32_t bits = 0;
    unsigned count = 0;

    for (size_t i = 0; i < bytes.length; i++) {
        bits = bits << 8 | (unsigned char)bytes.data[i];
        for (count += 8; count >= 6; count -= 6)
            buffer_add_byte(buffer, letters[bits >> (count - 6) & 63]);
    }
    if (count > 0)
        buffer_add_byte(buffer, letters[bits << (6 - count) & 63]);
}

enum result base64url_read(struct bytes text, struct buffer *buffer)
{
    uint32_t bits = 0;
    unsigned count = 0;

    if (text.length % 4 == 1)
        return RESULT_INVALID;
    for (size_t i = 0; i < text.length; i++) {
        const char *letter = text.data[i] == '\0' ? NULL : strchr(letters, text.data[i]);

        if (letter == NULL)
            return RESULT_INVALID;
        bits = bits << 6 | (uint32_t)(letter - letters);
        count += 6;
        if (count >= 8) {
            count -= 8;
            buffer_add_byte(buffer, (char)(bits >> count & 255));
        }
    }
    if ((bits & ((1u << count) - 1)) != 0)
        return RESULT_INVALID; /* one text for one thing */
    return buffer->failed ? RESULT_LIMIT : RESULT_OK;
}
