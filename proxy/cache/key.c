/* Keys as text: parts behind lengths, so that no two lists of parts read the same. */
#include "cache/key.h"

static struct cache_key key_finish(struct bytes text)
{
    return (struct cache_key){.text = text, .hash = hash_of(text)};
}

struct cache_key key_of_url(struct arena *arena, struct bytes account, struct bytes upstream,
                            struct bytes url)
{
    const struct bytes parts[] = {arena_number(arena, (int64_t)account.length),
                                  BYTES(":"),
                                  account,
                                  arena_number(arena, (int64_t)upstream.length),
                                  BYTES(":"),
                                  upstream,
                                  url};

    return key_finish(arena_join_all(arena, parts, ARRAY_LENGTH(parts)));
}

struct cache_key key_of_variant(struct arena *arena, const struct cache_key *url, struct bytes vary,
                                const struct fields *sent)
{
    struct bytes list = vary.length > 0 ? vary : BYTES("Accept, Accept-Language");
    struct bytes name, text = url->text;

    while (list_next(&list, &name)) {
        const struct bytes value = fields_joined(sent, arena, name);

        const struct bytes parts[] = {
            text,       BYTES("\n"), name, BYTES(" "), arena_number(arena, (int64_t)value.length),
            BYTES(":"), value};

        text = arena_join_all(arena, parts, ARRAY_LENGTH(parts));
    }
    return key_finish(text);
}

struct bytes key_account(struct bytes text)
{
    const struct bytes digits = bytes_cut(&text, ':');
    uint64_t length;

    if (bytes_to_number(digits, text.length, &length) != RESULT_OK)
        return BYTES("");
    return bytes_slice(text, 0, (size_t)length);
}
