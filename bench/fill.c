/*
 * Fills the cache of a data_dir, in which no gate is running, with entries that no request asks
 * for: what an invalidation takes among very many is measured on it.
 *
 *   fill DIRECTORY MAX_BYTES ACCOUNT COUNT [TAG=ENTRIES …]
 *
 * Each entry has a body of 700 bytes, ten tags that are its own or shared with up to 999 others,
 * and each TAG (its text, as of cache/tags.h) that is named, if it is among the first so many.
 */
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "cache/cache.h"

enum { FILL_AT_ONCE = 256, FILL_TAGS = 32, FILL_BODY_BYTES = 700, FILL_DAY_S = 24 * 3600 };

struct filler {
    struct cache_job job; /* first: the letter is the job's */
    bool done;
};

struct fill {
    struct cache *cache;
    struct account *account;
    struct mailbox *mailbox;
    struct arena arena;
    char **named; /* "TAG=ENTRIES" */
    size_t named_count;
};

static void filler_deliver(struct letter *letter)
{
    struct filler *filler = (struct filler *)letter;

    filler->done = true;
    if (filler->job.result != RESULT_OK)
        (void)fprintf(stderr, "fill: %s\n", result_text(filler->job.result));
}

static void add_tag(struct tags *tags, uint64_t *hashes, struct bytes text)
{
    if (tags->count < FILL_TAGS)
        hashes[tags->count++] = tag_of_text(hashes[0], text);
}

/* A text may hold "=" itself: the last one counts. */
static void add_named(struct tags *tags, uint64_t *hashes, struct bytes named, unsigned number)
{
    size_t at = named.length;
    uint64_t entries;

    while (at > 0 && named.data[at - 1] != '=')
        at--;
    if (at > 0 && bytes_to_number(bytes_from(named, at), UINT32_MAX, &entries) == RESULT_OK &&
        number < entries)
        add_tag(tags, hashes, bytes_slice(named, 0, at - 1));
}

static struct tags tags_of(struct fill *fill, unsigned number)
{
    static const unsigned shared_by[] = {1, 1, 1, 1, 2, 5, 10, 50, 100, 1000};
    uint64_t *hashes = arena_take(&fill->arena, FILL_TAGS * sizeof(*hashes));
    struct tags tags = {.hashes = hashes, .count = 1};

    hashes[0] = fill->account->tag;
    for (unsigned i = 0; i < ARRAY_LENGTH(shared_by); i++)
        add_tag(&tags, hashes,
                arena_format(&fill->arena, "filler/%u/%u", i, number / shared_by[i]));
    for (size_t i = 0; i < fill->named_count; i++)
        add_named(&tags, hashes, bytes_of_string(fill->named[i]), number);
    return tags;
}

static void fill_one(struct fill *fill, struct filler *filler, unsigned number)
{
    static const struct fields none;
    static char body[FILL_BODY_BYTES];
    const int64_t wall_us = clock_wall_us();
    const struct cache_key url =
        key_of_url(&fill->arena, bytes_of_string(fill->account->name), BYTES("fill"),
                   arena_format(&fill->arena, "/filler/%u", number));

    *filler =
        (struct filler){.job = {.kind = CACHE_STORE,
                                .letter = {.deliver = filler_deliver},
                                .mailbox = fill->mailbox,
                                .account = fill->account,
                                .key = key_of_variant(&fill->arena, &url, BYTES(""), &none),
                                .url = url,
                                .begun = cache_now(fill->cache),
                                .begun_wall_us = wall_us,
                                .entry = {.status = 200,
                                          .begun_wall_us = wall_us,
                                          .received_wall_us = wall_us,
                                          .expires_wall_us = wall_us + FILL_DAY_S * CLOCK_SECOND_US,
                                          .tags = tags_of(fill, number),
                                          .body = bytes_of(body, sizeof(body))}}};
    cache_post(fill->cache, &filler->job);
}

static void fill_all(struct fill *fill, struct event_base *base, unsigned count)
{
    static struct filler fillers[FILL_AT_ONCE];

    for (unsigned begin = 0; begin < count; begin += FILL_AT_ONCE) {
        const unsigned some = count - begin < FILL_AT_ONCE ? count - begin : FILL_AT_ONCE;

        arena_reset(&fill->arena);
        for (unsigned i = 0; i < some; i++)
            fill_one(fill, &fillers[i], begin + i);
        for (unsigned i = 0; i < some; i++)
            while (!fillers[i].done && event_base_loop(base, EVLOOP_ONCE) == 0)
                ;
    }
}

int main(int count, char **words)
{
    struct fill fill = {.named = words + 5, .named_count = count > 5 ? (size_t)count - 5 : 0};
    struct cache_options options = {0};
    struct error error = {0};
    uint64_t entries;

    if (count < 5 ||
        bytes_to_number(bytes_of_string(words[2]), UINT64_MAX / 4, &options.max_bytes) !=
            RESULT_OK ||
        bytes_to_number(bytes_of_string(words[4]), UINT32_MAX, &entries) != RESULT_OK) {
        (void)fprintf(stderr, "fill DIRECTORY MAX_BYTES ACCOUNT COUNT [TAG=ENTRIES ...]\n");
        return 2;
    }
    struct event_base *base = event_base_new();
    options.directory = words[1];
    if (base == NULL || mailbox_open(base, &fill.mailbox) != RESULT_OK)
        return 1;
    if (cache_open(&options, &fill.cache, &error) != RESULT_OK) {
        (void)fprintf(stderr, "fill: %s\n", error.text);
        return 1;
    }
    arena_init(&fill.arena, 1024 * 1024);
    fill.account = cache_account(fill.cache, bytes_of_string(words[3]));
    fill_all(&fill, base, (unsigned)entries);
    cache_close(fill.cache);
    arena_finish(&fill.arena);
    mailbox_close(fill.mailbox);
    event_base_free(base);
    return 0;
}
