/* Keys as text: parts behind lengths, so that no two lists of parts read the same. */
#include "cache/key.h"

static struct cache_key key_finish(struct bytes text)
{
    return (struct cache_key){.text = text, .hash = hash_of(text)};
}

struct cache_key key_of_url(struct arena *arena, struct bytes account, struct bytes upstream,
                            struct bytes url)
{
    return key_finish(arena_format(arena, "%zu:%.*s%zu:%.*s%.*s", account.length,
                                   (int)account.length, account.data, upstream.length,
                                   (int)upstream.length, upstream.data, (int)url.length, url.data));
}

struct cache_key key_of_variant(struct arena *arena, const struct cache_key *url, struct bytes vary,
                                const struct fields *sent)
{
    struct bytes list = vary.length > 0 ? vary : BYTES("Accept, Accept-Language");
    struct bytes name, text = url->text;

    while (list_next(&list, &name)) {
        const struct bytes value = fields_joined(sent, arena, name);

        text = arena_join(arena, text,
                          arena_format(arena, "\n%.*s %zu:%.*s", (int)name.length, name.data,
                                       value.length, (int)value.length, value.data));
    }
    return key_finish(text);
}
