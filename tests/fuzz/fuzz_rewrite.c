/*
 * References rewritten: never longer, never one to another host than before, without the credential
 * where they lead to the upstream, and no field lets the token through. The first byte chooses the
 * base path and the field.
 */
#include <stdlib.h>

#include "http/uri.h"
#include "upstream/rewrite.h"
#include "upstream/scrub.h"

static void require(bool holds)
{
    if (!holds)
        abort();
}

static void check_reference(struct arena *arena, const struct rewrite *rewrite,
                            struct bytes reference)
{
    const struct bytes got = rewrite_reference(arena, rewrite, reference);
    struct bytes query = bytes_slice(got, 0, bytes_index(got, '#'));
    struct parameter parameter;

    require(got.length <= reference.length);
    if (bytes_equal(got, reference))
        return;
    if (bytes_starts_with(got, BYTES("//"))) { /* one of the upstream's, outside its base path */
        const size_t host = bytes_starts_with(got, BYTES("//i")) ? 6 : 3;

        require(bytes_equal(bytes_slice(got, 0, host), bytes_slice(reference, 0, host)));
    }
    require(!bytes_starts_with(got, BYTES("/\\")));
    (void)bytes_cut(&query, '?');
    while (parameter_next(&query, &parameter))
        require(!parameter_sets(arena, parameter.name, rewrite->credential));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct bytes hosts[] = {BYTES("i:81")};
    static const struct bytes names[] = {BYTES("Link"), BYTES("Location"), BYTES("X")};
    const uint8_t choice = size > 0 ? data[0] : 0;
    const struct bytes value = bytes_from(bytes_of(data, size), 1);
    const struct rewrite rewrite = {
        .scheme = BYTES("http"),
        .authority = BYTES("h"),
        .base_path = (choice & 1) != 0 ? BYTES("/b") : BYTES(""),
        .hosts = hosts,
        .host_count = ARRAY_LENGTH(hosts),
        .credential = BYTES("k"),
        .token = BYTES("tk"),
    };
    struct arena arena;

    arena_init(&arena, 4096);
    check_reference(&arena, &rewrite, value);
    const struct bytes field =
        rewrite_field(&arena, &rewrite, names[(choice >> 1) % ARRAY_LENGTH(names)], value);
    require(field.length <= value.length);
    require(bytes_find(field, rewrite.token) == field.length);
    require(bytes_equal(scrub_whole(&arena, rewrite.token, field), field));
    arena_finish(&arena);
    return 0;
}
