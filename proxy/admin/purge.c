/* Jobs for the cache's writer, on the heap, for the client may leave before they are done. */
#include "admin/purge.h"

#include <stdlib.h>

#include "base/memory.h"
#include "cache/changed.h"

struct purging {
    struct connection *connection; /* NULL: gone */
    void (*done)(struct connection *connection);
    struct tally *tally;
    struct arena arena; /* of the tags */
    size_t due;
    struct purging_job {
        struct cache_job job; /* first */
        struct purging *owner;
    } jobs[API_PURGE_ACCOUNTS];
};

static void purging_on_done(struct letter *letter)
{
    struct purging_job *job = (struct purging_job *)letter;
    struct purging *purging = job->owner;
    struct connection *connection = purging->connection;
    void (*done)(struct connection *) = purging->done;

    tally_add(purging->tally, job->job.cause.rule, job->job.gone);
    if (--purging->due > 0)
        return;
    arena_finish(&purging->arena);
    free(purging);
    if (connection != NULL)
        done(connection);
}

/* What goes of one upstream's account; none: nothing of it is meant. */
static struct tags purge_tags(struct purging *purging, const struct settings *settings,
                              uint32_t upstream, const struct relations *relations,
                              const struct api_purge *wanted)
{
    const struct account *account = settings_account(&settings->upstreams[upstream]);
    struct changed_question question = {
        .preset = settings->configuration->upstreams[upstream].preset, .relations = *relations};
    struct changed changed = {0};

    if (wanted->entity.length > 0) {
        if (changed_by_entity(&question, wanted->entity, &purging->arena, &changed) != RESULT_OK)
            return (struct tags){0}; /* not a kind of this upstream */
        return changed.tags;
    }
    switch (api_purge_reach(settings->configuration, upstream, wanted->path, &question.path)) {
    case PURGE_NOTHING:
        return (struct tags){0};
    case PURGE_ACCOUNT:
        return (struct tags){.hashes = &account->tag, .count = 1};
    case PURGE_PATH:
        break;
    }
    changed_by_path(&question, &purging->arena, &changed);
    return changed.tags;
}

/* `account` NULL: every account. */
static struct purging_job *purging_add(struct purging *purging, struct server *server,
                                       struct account *account)
{
    struct purging_job *job = &purging->jobs[purging->due++];

    job->owner = purging;
    job->job.letter.deliver = purging_on_done;
    job->job.mailbox = server_mailbox(server);
    job->job.kind = CACHE_INVALIDATE;
    job->job.account = account;
    job->job.cause.rule = BYTES("purge");
    return job;
}

/* All goes where all is meant, and where it is not known in which accounts a path is to go. */
static bool purge_is_of_all(const struct settings *settings, const struct api_purge *wanted)
{
    if (wanted->all || settings->configuration->upstream_count > API_PURGE_ACCOUNTS)
        return true;
    for (size_t i = 0; i < settings->configuration->upstream_count; i++)
        if (settings_account(&settings->upstreams[i]) == NULL)
            return true;
    return false;
}

struct purging *purge_begin(const struct purge_asker *asker, const struct api_purge *wanted)
{
    const struct settings *settings = server_settings(asker->server);
    struct gate *gate = server_gate(asker->server);
    struct purging *purging = memory_take(1, sizeof(*purging));
    const bool all = purge_is_of_all(settings, wanted);

    purging->connection = asker->connection;
    purging->done = asker->done;
    purging->tally = gate->tally;
    arena_init(&purging->arena, 1024);
    if (all)
        (void)purging_add(purging, asker->server, NULL);
    for (uint32_t i = 0; !all && i < settings->configuration->upstream_count; i++) {
        struct account *account = settings_account(&settings->upstreams[i]);
        const uint64_t begun = cache_now(gate->cache);
        const struct relations relations = cache_reader_relations(asker->reader, account);
        struct purging_job *job = purging_add(purging, asker->server, account);
        job->job.begun = begun;
        job->job.tags = purge_tags(purging, settings, i, &relations, wanted);
    }
    cache_reader_reset(asker->reader);
    const size_t due =
        purging->due; /* the first letter can't come before this function has returned */
    for (size_t i = 0; i < due; i++)
        cache_post(gate->cache, &purging->jobs[i].job);
    return purging;
}

void purge_leave(struct purging *purging)
{
    purging->connection = NULL;
}
