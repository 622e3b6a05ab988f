/*
 * Fills the cache of a gate that is not running with profiles of Copernica's: what an invalidation
 * takes among very many is measured on it.
 *
 *   fill CONFIGURATION ACCOUNT DATABASESxPROFILES ...
 *
 * "50x100" makes 50 databases of 100 profiles each. Databases are numbered from 1 and profiles from
 * 1 on, in the order of the words, so whoever knows the words knows where each profile is. Each is
 * stored as the gate would have stored GET /v4/profile/N, with the tags and relations that its
 * preset makes of such an answer. The gate has run on the data_dir before, and so has learned the
 * account that its token belongs to.
 */
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "cache/cache.h"
#include "cache/shown.h"
#include "cache/storable.h"
#include "config/read.h"

enum { FILL_AT_ONCE = 256, FILL_DAY_S = 24 * 3600, FILL_SCHEME_ROOM = 64 };

struct filler {
    struct cache_job job; /* first: the letter is the job's */
    bool done;
};

struct fill {
    const struct upstream_config *upstream;
    struct cache *cache;
    struct account *account;
    struct event_base *base;
    struct mailbox *mailbox;
    struct arena arena;
    struct filler fillers[FILL_AT_ONCE];
    size_t filler_count; /* under way */
    unsigned database, profile, refused;
};

static void filler_deliver(struct letter *letter)
{
    ((struct filler *)letter)->done = true;
}

/* Waits for all that is under way. */
static void fill_await(struct fill *fill)
{
    for (size_t i = 0; i < fill->filler_count; i++) {
        while (!fill->fillers[i].done && event_base_loop(fill->base, EVLOOP_ONCE) == 0)
            ;
        fill->refused += fill->fillers[i].job.result != RESULT_OK;
    }
    fill->filler_count = 0;
    arena_reset(&fill->arena);
}

/* As api.md shows one, of some 300 bytes. */
static struct bytes body_of(struct fill *fill)
{
    static const char *const countries[] = {"NL", "BE", "DE", "FR"};
    const unsigned id = fill->profile;

    return arena_format(
        &fill->arena,
        "{\"ID\":\"%u\",\"fields\":{\"email\":\"customer%u@example.org\",\"firstname\":\"Ann\","
        "\"lastname\":\"Jansen\",\"country\":\"%s\",\"age\":\"%u\"},\"interests\":[\"cycling\"],"
        "\"database\":\"%u\",\"secret\":\"%030u\",\"created\":\"2022-01-05 08:00:00\","
        "\"modified\":\"2024-03-09 17:45:12\",\"removed\":false}",
        id, id, countries[id % ARRAY_LENGTH(countries)], 18 + id % 60, fill->database, id);
}

static void note_answer(struct fill *fill, struct cache_job *job)
{
    struct response response = {.status = 200};
    const struct shown_question question = {
        .preset = fill->upstream->preset,
        .relations = {.account_tag = fill->account->tag},
        .path = arena_format(&fill->arena, "/profile/%u", fill->profile),
        .query = BYTES(""),
        .body = body_of(fill),
    };
    struct shown shown;

    fields_add(&response.fields, &fill->arena, BYTES("Content-Type"), BYTES("application/json"));
    storable_add_date(&response.fields, &fill->arena, job->begun_wall_us);
    (void)storable_add_etag(&response, &fill->arena, question.body); /* there is none before */
    shown_by_answer(&question, &fill->arena, &shown);
    job->relations = shown.relations;
    job->relation_count = shown.relation_count;
    job->entry = (struct entry){
        .status = response.status,
        .flags = ENTRY_OWN_ETAG,
        .begun_wall_us = job->begun_wall_us,
        .received_wall_us = job->begun_wall_us,
        .expires_wall_us = job->begun_wall_us + FILL_DAY_S * CLOCK_SECOND_US,
        .tags = shown.tags,
        .fields = response.fields,
        .body = question.body,
    };
}

static void fill_profile(struct fill *fill)
{
    static const struct fields none;
    struct filler *filler = &fill->fillers[fill->filler_count++];
    const struct cache_key url = key_of_url(
        &fill->arena, bytes_of_string(fill->account->name), bytes_of_string(fill->upstream->name),
        arena_format(&fill->arena, "/v4/profile/%u", fill->profile));

    *filler = (struct filler){.job = {.kind = CACHE_STORE,
                                      .letter = {.deliver = filler_deliver},
                                      .mailbox = fill->mailbox,
                                      .account = fill->account,
                                      .key = key_of_variant(&fill->arena, &url, BYTES(""), &none),
                                      .url = url,
                                      .begun = cache_now(fill->cache),
                                      .begun_wall_us = clock_wall_us()}};
    note_answer(fill, &filler->job);
    cache_post(fill->cache, &filler->job);
    if (fill->filler_count == FILL_AT_ONCE)
        fill_await(fill);
}

static bool fill_group(struct fill *fill, struct bytes word)
{
    const struct bytes databases = bytes_cut(&word, 'x');
    uint64_t database_count, profile_count;

    if (bytes_to_number(databases, UINT16_MAX, &database_count) != RESULT_OK ||
        bytes_to_number(word, INT32_MAX, &profile_count) != RESULT_OK)
        return false;
    for (unsigned i = 0; i < database_count; i++) {
        fill->database++;
        for (unsigned k = 0; k < profile_count; k++) {
            fill->profile++;
            fill_profile(fill);
        }
    }
    return true;
}

/* How the gate's tags are made (cache_options): what is stored by another scheme, it forgets. */
static struct bytes scheme_of(const struct configuration *configuration, char *room)
{
    struct store store;
    struct error error;
    struct bytes text = {0};
    bool moved;
    MDB_txn *txn;

    if (store_open(&store, configuration->data_dir, configuration->cache_max_bytes, &moved,
                   &error) != RESULT_OK)
        return text;
    if (mdb_txn_begin(store.env, NULL, MDB_RDONLY, &txn) == 0) {
        if (store_get_text(&store, txn, "identity/" CACHE_SCHEME_NAME, &text) == RESULT_OK &&
            text.length < FILL_SCHEME_ROOM) {
            memcpy(room, text.data, text.length);
            text.data = room;
        } else {
            text = BYTES("");
        }
        mdb_txn_abort(txn);
    }
    store_close(&store);
    return text;
}

static int fill_all(struct fill *fill, const struct configuration *configuration, char **words,
                    int count)
{
    char scheme[FILL_SCHEME_ROOM];
    const struct cache_options options = {.directory = configuration->data_dir,
                                          .max_bytes = configuration->cache_max_bytes,
                                          .scheme = scheme_of(configuration, scheme)};
    struct error error = {0};
    bool is_understood = true;

    if (cache_open(&options, &fill->cache, &error) != RESULT_OK) {
        (void)fprintf(stderr, "fill: %s\n", error.text);
        return 1;
    }
    fill->upstream = &configuration->upstreams[0];
    fill->account = cache_account(fill->cache, bytes_of_string(words[0]));
    for (int i = 1; i < count && is_understood; i++)
        is_understood = fill_group(fill, bytes_of_string(words[i]));
    fill_await(fill);
    cache_close(fill->cache);
    if (!is_understood)
        (void)fprintf(stderr, "fill: groups are said as 50x100\n");
    else if (fill->refused > 0)
        (void)fprintf(stderr, "fill: %u were not stored\n", fill->refused);
    return is_understood && fill->refused == 0 ? 0 : 1;
}

int main(int count, char **words)
{
    static struct fill fill;
    struct configuration *configuration;
    struct faults faults = {0};

    if (count < 4) {
        (void)fprintf(stderr, "fill CONFIGURATION ACCOUNT DATABASESxPROFILES ...\n");
        return 2;
    }
    if (configuration_read_file(words[1], &configuration, &faults) != RESULT_OK) {
        (void)fprintf(stderr, "fill: %s: %s\n", words[1], faults.list[0].text);
        faults_finish(&faults);
        return 2;
    }
    fill.base = event_base_new();
    if (fill.base == NULL || mailbox_open(fill.base, &fill.mailbox) != RESULT_OK)
        return 1;
    arena_init(&fill.arena, 1024 * 1024);
    const int code = fill_all(&fill, configuration, words + 2, count - 2);
    arena_finish(&fill.arena);
    mailbox_close(fill.mailbox);
    event_base_free(fill.base);
    configuration_release(configuration);
    return code;
}
