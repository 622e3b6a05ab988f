/*
 * Any bytes, cut in any way: the same requests, bodies and refusals come out as when they come at
 * once. The first byte chooses where the cuts fall.
 */
#include <stdlib.h>

#include "http/parsing.h"

static void require(bool holds)
{
    if (!holds)
        abort();
}

/* Where two rules are broken at once, the cuts decide which one is met first. */
static struct bytes without_status(const struct parsing *parsing)
{
    const struct bytes all = buffer_bytes(&parsing->transcript);
    const size_t error_line = sizeof("error 400\n") - 1;

    return parsing->failed ? bytes_slice(all, 0, all.length - error_line) : all;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct bytes all = size == 0 ? BYTES("") : bytes_of(data, size);
    struct bytes stream = bytes_from(all, 1);
    struct parsing whole, pieces;
    uint64_t random = size > 0 ? data[0] : 0;

    parsing_init(&whole);
    parsing_init(&pieces);
    parsing_feed(&whole, stream);
    while (stream.length > 0) {
        random = random * 6364136223846793005u + 1442695040888963407u;
        const size_t piece = 1 + (random >> 33) % 24;

        parsing_feed(&pieces, bytes_slice(stream, 0, piece));
        stream = bytes_from(stream, piece);
    }
    require(pieces.failed == whole.failed);
    require(bytes_equal(without_status(&pieces), without_status(&whole)));
    if (whole.failed)
        require(whole.parser.status >= 400 && whole.parser.status < 600);
    parsing_finish(&pieces);
    parsing_finish(&whole);
    return 0;
}
