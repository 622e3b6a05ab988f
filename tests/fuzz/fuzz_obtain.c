/* Answers of a token's exchange: whatever they hold, a token is one and lives for a while. */
#include <stdlib.h>

#include "base/clock.h"
#include "upstream/obtain.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const int64_t longest_us = INT64_C(366) * 24 * 3600 * CLOCK_SECOND_US;
    struct obtained obtained = {0};
    struct error error = {0};

    if (obtain_read(bytes_of(data, size), INT64_C(1700000000) * CLOCK_SECOND_US, CLOCK_SECOND_US,
                    &obtained, &error) == RESULT_OK) {
        if (obtained.token == NULL || obtained.lifetime_us < CLOCK_SECOND_US ||
            obtained.lifetime_us > longest_us)
            abort();
        token_release(obtained.token);
    } else if (error.text[0] == '\0') {
        abort();
    }
    return 0;
}
