/* Dates: what is read lies within ten thousand years, and is read again as it was written. */
#include <stdlib.h>

#include "http/date.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char text[DATE_ROOM];
    int64_t date_s, again_s, now_s = 0;

    if (size >= sizeof(now_s))
        memcpy(&now_s, data, sizeof(now_s));
    if (date_parse(bytes_from(bytes_of(data, size), sizeof(now_s)), now_s, &date_s) == RESULT_OK) {
        date_format(date_s, text);
        if (date_s <= INT64_C(253402300799) &&
            (date_parse(bytes_of_string(text), now_s, &again_s) != RESULT_OK || again_s != date_s))
            abort();
    }
    date_format(now_s, text);
    if (date_parse(bytes_of_string(text), now_s, &again_s) != RESULT_OK)
        abort();
    return 0;
}
