/*
 * A real cache in a directory of its own, with the mailbox that its letters come to: what the tests
 * of cache/ stand on. Jobs are done one at a time unless a test posts them itself.
 */
#ifndef POSTERN_TESTS_CACHE_STORING_H
#define POSTERN_TESTS_CACHE_STORING_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include <event2/event.h>

#include "base/clock.h"
#include "cache/cache.h"

#define KEEPER_HOUR_US (INT64_C(3600) * CLOCK_SECOND_US)

struct keeper {
    char directory[64];
    struct event_base *base;
    struct mailbox *mailbox;
    struct cache *cache;
    struct cache_reader *reader;
    struct account *account;
    struct arena arena;
    uint64_t max_bytes;
    struct fields sent;
};

/* A job and whether its letter came. */
struct errand {
    struct cache_job job; /* first: the letter's address is the job's */
    bool done;
};

static inline void errand_deliver(struct letter *letter)
{
    ((struct errand *)letter)->done = true;
}

static inline void keeper_open_cache(struct keeper *keeper, bool discard)
{
    const struct cache_options options = {
        .directory = keeper->directory, .max_bytes = keeper->max_bytes, .discard = discard};
    struct error error = {0};

    assert_int_equal(cache_open(&options, &keeper->cache, &error), RESULT_OK);
    assert_int_equal(cache_reader_open(keeper->cache, &keeper->reader), RESULT_OK);
    keeper->account = cache_account(keeper->cache, BYTES("acme"));
}

static inline void keeper_open(struct keeper *keeper, uint64_t max_bytes)
{
    *keeper = (struct keeper){.directory = "/tmp/postern-cache-XXXXXX", .max_bytes = max_bytes};
    assert_non_null(mkdtemp(keeper->directory));
    arena_init(&keeper->arena, 64 * 1024);
    keeper->base = event_base_new();
    assert_int_equal(mailbox_open(keeper->base, &keeper->mailbox), RESULT_OK);
    keeper_open_cache(keeper, false);
}

static inline void keeper_close_cache(struct keeper *keeper)
{
    cache_reader_close(keeper->reader);
    cache_close(keeper->cache);
    keeper->cache = NULL;
}

static inline void keeper_reopen(struct keeper *keeper)
{
    keeper_close_cache(keeper);
    keeper_open_cache(keeper, false);
}

static inline void keeper_close(struct keeper *keeper)
{
    static const char *const names[] = {"cache.mdb", "cache.mdb-lock", "cache.mdb.damaged"};
    char path[128];

    keeper_close_cache(keeper);
    mailbox_close(keeper->mailbox);
    event_base_free(keeper->base);
    arena_finish(&keeper->arena);
    for (size_t i = 0; i < ARRAY_LENGTH(names); i++) {
        (void)snprintf(path, sizeof(path), "%s/%s", keeper->directory, names[i]);
        (void)unlink(path); /* the last one is mostly not there */
    }
    assert_int_equal(rmdir(keeper->directory), 0);
}

static inline void keeper_post(struct keeper *keeper, struct errand *errand)
{
    errand->done = false;
    errand->job.letter.deliver = errand_deliver;
    errand->job.mailbox = keeper->mailbox;
    cache_post(keeper->cache, &errand->job);
}

static inline enum result keeper_await(struct keeper *keeper, const struct errand *errand)
{
    while (!errand->done)
        assert_int_equal(event_base_loop(keeper->base, EVLOOP_ONCE), 0);
    return errand->job.result;
}

static inline enum result keeper_do(struct keeper *keeper, struct errand *errand)
{
    keeper_post(keeper, errand);
    return keeper_await(keeper, errand);
}

static inline struct cache_query keeper_query(struct keeper *keeper, const char *path)
{
    return (struct cache_query){
        .account = keeper->account,
        .url = key_of_url(&keeper->arena, bytes_of_string(keeper->account->name), BYTES("up"),
                          bytes_of_string(path)),
        .sent = &keeper->sent,
    };
}

/* The account's tag, then those of the path and of all above it. */
static inline struct tags keeper_tags(struct keeper *keeper, const char *path)
{
    uint64_t *hashes = arena_take(&keeper->arena, (strlen(path) + 1) * sizeof(*hashes));
    struct tags tags = {.hashes = hashes, .count = 1};

    hashes[0] = keeper->account->tag;
    for (size_t end = 1; path[end - 1] != '\0'; end++)
        if (path[end] == '/' || path[end] == '\0')
            hashes[tags.count++] = tag_of_text(hashes[0], bytes_of(path, end));
    return tags;
}

/* A store of `body` at `path` by a fetch that was sent at `begun`; fresh for an hour. */
static inline struct errand keeper_store_job(struct keeper *keeper, const char *path,
                                             const char *body, uint64_t begun)
{
    const struct cache_query query = keeper_query(keeper, path);
    const int64_t wall_us = clock_wall_us();

    return (struct errand){
        .job =
            {
                .kind = CACHE_STORE,
                .account = keeper->account,
                .key = key_of_variant(&keeper->arena, &query.url, BYTES(""), &keeper->sent),
                .url = query.url,
                .begun = begun,
                .begun_wall_us = wall_us,
                .entry =
                    {
                        .status = 200,
                        .received_wall_us = wall_us,
                        .expires_wall_us = wall_us + KEEPER_HOUR_US,
                        .tags = keeper_tags(keeper, path),
                        .body = bytes_of_string(body),
                    },
            },
    };
}

static inline enum result keeper_store(struct keeper *keeper, const char *path, const char *body)
{
    struct errand errand = keeper_store_job(keeper, path, body, cache_now(keeper->cache));

    return keeper_do(keeper, &errand);
}

/* What is stored at `path`, as a string in the arena, or NULL. */
static inline const char *keeper_find(struct keeper *keeper, const char *path)
{
    const struct cache_query query = keeper_query(keeper, path);
    struct entry entry;

    if (cache_lookup(keeper->reader, &query, &keeper->arena, &entry) != RESULT_OK)
        return NULL;
    return arena_copy(&keeper->arena, entry.body).data;
}

/* The account's tag names all of it, as the gate's writes do. */
static inline struct errand keeper_invalidation(struct keeper *keeper)
{
    return (struct errand){.job = {.kind = CACHE_INVALIDATE,
                                   .account = keeper->account,
                                   .tags = {.hashes = &keeper->account->tag, .count = 1}}};
}

/* One tag of the account, by its text in the keeper's arena. */
static inline struct errand keeper_naming(struct keeper *keeper, const char *text)
{
    struct errand errand = keeper_invalidation(keeper);
    uint64_t *tag = arena_take(&keeper->arena, sizeof(*tag));

    *tag = tag_of_text(keeper->account->tag, bytes_of_string(text));
    errand.job.tags.hashes = tag;
    return errand;
}

static inline enum result keeper_invalidate(struct keeper *keeper)
{
    struct errand errand = keeper_invalidation(keeper);

    return keeper_do(keeper, &errand);
}

static inline struct cache_status keeper_status(struct keeper *keeper)
{
    struct cache_status status;

    cache_read_status(keeper->cache, &status);
    return status;
}

/* The writer counts after its letters have gone: waits until it says so many entries. */
static inline void keeper_await_entries(struct keeper *keeper, uint64_t entries)
{
    for (unsigned i = 0; i < 20000 && keeper_status(keeper).entries != entries; i++)
        assert_int_equal(usleep(1000), 0);
    assert_int_equal(keeper_status(keeper).entries, entries);
}

#endif
