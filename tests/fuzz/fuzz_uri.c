/*
 * A target's normal form: it is its own normal form, names no dot segment, holds nothing but the
 * characters it may, and no credential in any spelling. The first byte chooses the rules.
 */
#include <stdlib.h>

#include "http/uri.h"

static const struct bytes names[] = {BYTES("access_token"), BYTES("a.b")};

static void require(bool holds)
{
    if (!holds)
        abort();
}

static bool says_nothing(const void *context, struct bytes path, struct bytes name,
                         struct bytes value)
{
    (void)context;
    return path.length > 2 && bytes_equal(name, BYTES("l")) && bytes_equal(value, BYTES("1"));
}

static void check_path(struct bytes path)
{
    require(path.length > 0 && path.data[0] == '/');
    while (path.length > 0) {
        const struct bytes segment = bytes_cut(&path, '/');

        require(!bytes_equal(segment, BYTES(".")) && !bytes_equal(segment, BYTES("..")));
    }
}

static void check_characters(struct bytes url)
{
    for (size_t i = 0; i < url.length; i++)
        require(url.data[i] > 0x20 && url.data[i] < 0x7f &&
                strchr("\\#<>\"{}|^`[]", url.data[i]) == NULL);
}

static void check_query(struct arena *arena, struct bytes query, const struct target_rules *rules)
{
    struct parameter parameter;

    while (parameter_next(&query, &parameter)) {
        for (size_t i = 0; i < rules->credential_count; i++)
            require(!parameter_sets(arena, parameter.name, rules->credentials[i]));
        for (size_t i = 0; i < rules->ignorable_count; i++)
            require(!bytes_equal(uri_decode_query(arena, parameter.name), rules->ignorable[i]));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct bytes ignorable[] = {BYTES("_")};
    struct arena arena;
    struct target target, again;
    struct bytes origin, authority, decoded;
    const uint8_t choice = size > 0 ? data[0] : 0;
    const struct bytes text = bytes_from(bytes_of(data, size), 1);
    const struct target_rules rules = {
        .ignorable = ignorable,
        .ignorable_count = choice & 1,
        .credentials = names,
        .credential_count = ARRAY_LENGTH(names),
        .collapse_slashes = (choice & 2) != 0,
        .is_default = (choice & 4) != 0 ? says_nothing : NULL,
    };

    arena_init(&arena, 4096);
    if (target_origin_form(&arena, text, &origin, &authority) == RESULT_OK &&
        target_normalise(&arena, origin, &rules, &target) == RESULT_OK) {
        check_path(target.path);
        check_characters(target.url);
        check_query(&arena, target.query, &rules);
        require(bytes_starts_with(target.url, target.path));
        require(target_normalise(&arena, target.url, &rules, &again) == RESULT_OK);
        require(bytes_equal(again.url, target.url) && again.credential.length == 0);
    }
    require(uri_decode(&arena, uri_encode(&arena, text), &decoded) == RESULT_OK);
    require(bytes_equal(decoded, text));
    arena_finish(&arena);
    return 0;
}
