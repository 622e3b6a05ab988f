/* Limits in an answer's fields, a line each: what is told is bounded, whatever stands there. */
#include <stdlib.h>

#include "base/clock.h"
#include "upstream/allowance.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const int64_t longest_us = INT64_C(366) * 24 * 3600 * CLOCK_SECOND_US;
    struct bytes rest = bytes_of(data, size);
    struct fields fields = {0};
    struct arena arena;

    arena_init(&arena, 4096);
    while (rest.length > 0) {
        struct bytes line = bytes_cut(&rest, '\n');
        const struct bytes name = bytes_cut(&line, ':');

        fields_add(&fields, &arena, name, line);
    }
    const struct allowance allowance =
        allowance_read(&fields, INT64_C(1795564800) * CLOCK_SECOND_US);
    if (allowance.retry_after_us < -1 || allowance.retry_after_us > longest_us)
        abort();
    if (allowance.has_left && (allowance.reset_us < 0 || allowance.reset_us > longest_us))
        abort();
    arena_finish(&arena);
    return 0;
}
