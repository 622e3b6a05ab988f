/* Between an exchange and cache/changed.c. */
#include "gateway/effects.h"

bool effects_ask_body(const struct exchange *exchange)
{
    return exchange->request->body_bytes != 0 && exchange->account != NULL &&
           changed_reads_body(exchange->upstream->upstream.config->preset,
                              exchange->request->method_text, exchange->plain_path);
}

/* The fields that say what a body is. */
static struct fields body_fields(const struct fields *from, struct arena *arena)
{
    const struct bytes names[] = {BYTES("Content-Type"), BYTES("Content-Encoding")};
    struct fields fields = {0};

    for (size_t i = 0; i < from->count; i++)
        for (size_t k = 0; k < ARRAY_LENGTH(names); k++)
            if (bytes_equal_nocase(from->lines[i].name, names[k]))
                fields_add(&fields, arena, names[k], arena_copy(arena, from->lines[i].value));
    return fields;
}

void effects_begin(struct effects *effects, struct exchange *exchange, struct bytes body,
                   struct arena *arena)
{
    struct worker *worker = exchange->worker;
    struct fields *fields = arena_take(arena, sizeof(*fields));

    *fields = body_fields(&exchange->sent, arena);
    effects->arena = arena;
    effects->question = (struct changed_question){
        .preset = exchange->upstream->upstream.config->preset,
        .unmatched_by_path = exchange->settings->configuration->unmatched_writes == UNMATCHED_PATH,
        .method = arena_copy(arena, exchange->request->method_text),
        .path = arena_copy(arena, exchange->plain_path),
        .request = fields,
        .body = body.data == NULL ? body : arena_copy(arena, body),
    };
    effects->cause = (struct cache_cause){
        .rule = BYTES("unmatched"),
        .method = effects->question.method,
        .url = arena_copy(arena, exchange->at_gate.path),
        .client = arena_copy(
            arena, bytes_of_string(exchange->client == NULL ? "" : exchange->client->name)),
        .id = arena_copy(arena, exchange->id),
    };
    if (exchange->account == NULL)
        return; /* every account is emptied */
    if (!cache_reader_keeps(worker->reader))
        connection_keep_borrowed(exchange->connection);
    effects->begun = cache_now(worker->gate->cache);
    effects->question.relations = cache_reader_relations(worker->reader, exchange->account);
    changed_by_request(&effects->question, arena, &effects->changed);
    effects->question.relations.store = NULL; /* its snapshot goes with this batch of events */
    if (effects->changed.rule != NULL)
        effects->cause.rule = effects->changed.rule->text;
    counters_add_widened(&worker->counters, effects->changed.widened);
}

void effects_add_answer(struct effects *effects, struct worker *worker, const struct fields *answer)
{
    const unsigned before = effects->changed.widened;

    if (effects->is_answered || effects->changed.tags.count == 0)
        return;
    effects->is_answered = true;
    changed_by_answer(&effects->question, answer, effects->arena, &effects->changed);
    counters_add_widened(&worker->counters, effects->changed.widened & ~before);
}

void effects_fill_job(const struct effects *effects, struct cache_job *job)
{
    job->tags = effects->changed.tags;
    job->relations = effects->changed.relations;
    job->relation_count = effects->changed.relation_count;
    job->forgets = effects->changed.forgets;
    job->forget_count = effects->changed.forget_count;
    job->cause = effects->cause;
    job->begun = effects->begun;
}
