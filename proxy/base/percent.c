/* Byte by byte: RFC 3986 §2.3 names what is unreserved. */
#include "base/percent.h"

static bool is_unreserved(char byte)
{
    return (byte >= '0' && byte <= '9') || (bytes_lower(byte) >= 'a' && bytes_lower(byte) <= 'z') ||
           (byte != '\0' && strchr("-._~", byte) != NULL);
}

size_t percent_encode(struct bytes text, char *room)
{
    static const char digits[] = "0123456789ABCDEF";
    size_t length = 0;

    for (size_t i = 0; i < text.length; i++) {
        const unsigned char byte = (unsigned char)text.data[i];

        if (is_unreserved(text.data[i])) {
            room[length++] = text.data[i];
            continue;
        }
        room[length++] = '%';
        room[length++] = digits[byte >> 4];
        room[length++] = digits[byte & 15];
    }
    return length;
}
