/*
 * What an answer shows and what a write changes, from hostile paths, queries, bodies and fields:
 * both stay within their bounds, and a write always names what is stored at its own path. The
 * input's lines are a method, a target, a Content-Type, an X-Created and Location; the rest is the
 * body.
 */
#include <stdlib.h>

#include "cache/changed.h"
#include "cache/shown.h"
#include "config/read.h"

static void require(bool holds)
{
    if (!holds)
        abort();
}

static const struct preset *copernica(void)
{
    static const char text[] = "{\"upstreams\": {\"u\": {\"url\": \"http://127.0.0.1:1\", "
                               "\"preset\": \"copernica\"}}}";
    static struct configuration *configuration; /* read once: the fuzzer calls often */
    struct faults faults = {0};

    if (configuration == NULL)
        require(configuration_read_text(bytes_of_string(text), "/nowhere", &configuration,
                                        &faults) == RESULT_OK);
    return configuration->upstreams[0].preset;
}

static bool tags_meet(struct tags a, struct tags b)
{
    for (size_t i = 0; i < a.count; i++)
        for (size_t k = 0; k < b.count; k++)
            if (a.hashes[i] == b.hashes[k])
                return true;
    return false;
}

static void check(struct arena *arena, const struct shown_question *read,
                  struct changed_question *write, const struct fields *answer)
{
    struct shown shown;
    struct changed changed;

    shown_by_answer(read, arena, &shown);
    require(shown.tags.count > 0 && shown.tags.count <= TAGS_LIMIT);
    require(shown.tags.hashes[0] == read->relations.account_tag);
    for (size_t i = 0; i < shown.relation_count; i++)
        require(shown.relations[i].child.length > 0 && shown.relations[i].parent_id.length > 0);

    changed_by_request(write, arena, &changed);
    require(changed.tags.count > 0 && changed.tags.count <= TAGS_LIMIT);
    const size_t before = changed.tags.count;
    changed_by_answer(write, answer, arena, &changed);
    require(changed.tags.count >= before || changed.tags.count == 1);
    require(changed.rule != NULL || tags_meet(shown.tags, changed.tags));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes rest = bytes_of(data, size);
    struct fields request = {0}, answer = {0};
    struct arena arena;

    arena_init(&arena, 16 * 1024);
    const struct bytes method = bytes_cut(&rest, '\n');
    struct bytes query = bytes_cut(&rest, '\n');
    const struct bytes path = bytes_cut(&query, '?');
    fields_add(&request, &arena, BYTES("Content-Type"), bytes_cut(&rest, '\n'));
    const struct bytes told = bytes_cut(&rest, '\n');
    fields_add(&answer, &arena, BYTES("X-Created"), told);
    fields_add(&answer, &arena, BYTES("Location"), told);
    const struct relations none = {.account_tag = 7};
    const struct shown_question read = {
        .preset = copernica(), .relations = none, .path = path, .query = query, .body = rest};
    struct changed_question write = {.preset = copernica(),
                                     .relations = none,
                                     .method = method,
                                     .path = path,
                                     .request = &request,
                                     .body = rest};
    check(&arena, &read, &write, &answer);
    write.unmatched_by_path = true;
    check(&arena, &read, &write, NULL);
    arena_finish(&arena);
    return 0;
}
