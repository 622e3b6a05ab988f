/* The registries: entities by id and kind. What the entities do stands in table.c, profile.c and
 * selection.c. */
#include "sandbox/model.h"

#include <assert.h>
#include <stdlib.h>

#include "base/memory.h"
#include "sandbox/selection.h"
#include "sandbox/table.h"

static const uint32_t first_ids[KIND_COUNT] = {
    [KIND_DATABASE] = 31,  [KIND_COLLECTION] = 71,   [KIND_FIELD] = 801,   [KIND_INTEREST] = 61,
    [KIND_PROFILE] = 9001, [KIND_SUBPROFILE] = 5501, [KIND_VIEW] = 410,    [KIND_MINIVIEW] = 510,
    [KIND_RULE] = 12,      [KIND_MINIRULE] = 21,     [KIND_CONDITION] = 3, [KIND_MINICONDITION] = 3,
};

static const char *const kind_names[KIND_COUNT] = {
    [KIND_DATABASE] = "database",   [KIND_COLLECTION] = "collection",
    [KIND_FIELD] = "field",         [KIND_INTEREST] = "interest",
    [KIND_PROFILE] = "profile",     [KIND_SUBPROFILE] = "subprofile",
    [KIND_VIEW] = "view",           [KIND_MINIVIEW] = "miniview",
    [KIND_RULE] = "rule",           [KIND_MINIRULE] = "minirule",
    [KIND_CONDITION] = "condition", [KIND_MINICONDITION] = "minicondition",
};

static const char *const comparison_names[COMPARISON_COUNT] = {
    [COMPARISON_EQUALS] = "equals",     [COMPARISON_NOT_EQUALS] = "not equals",
    [COMPARISON_CONTAINS] = "contains", [COMPARISON_NOT_CONTAINS] = "not contains",
    [COMPARISON_LESS] = "less",         [COMPARISON_MORE] = "more",
    [COMPARISON_IS_EMAIL] = "is_email", [COMPARISON_IS_NUMERIC] = "is-numeric",
};

enum { RANDOM_SEED = 20240309, REGISTRY_FIRST = 16 };

struct model *model_create(void)
{
    struct model *model = memory_take(1, sizeof(*model));

    model->account_id = FIRST_ACCOUNT_ID;
    string_set(&model->account_name, BYTES("Webshop"));
    model->random = RANDOM_SEED;
    for (size_t i = 0; i < KIND_COUNT; i++)
        model->registries[i].first_id = first_ids[i];
    return model;
}

void model_destroy(struct model *model)
{
    if (model == NULL)
        return;
    while (model->databases.count > 0)
        table_destroy(model, model->databases.items[model->databases.count - 1]);
    pointers_finish(&model->databases);
    for (size_t i = 0; i < KIND_COUNT; i++)
        free(model->registries[i].items);
    free(model->account_name);
    free(model);
}

void model_set_time(struct model *model, int64_t now_us, int64_t wall_us)
{
    model->now_us = now_us;
    model->wall_s = wall_us / INT64_C(1000000);
    if (model->view_lag_us == 0)
        return; /* whoever reads a selection makes it follow first */
    for (size_t i = 0; i < model->databases.count; i++)
        selection_settle_database(model, model->databases.items[i]);
}

/* SplitMix64 (Steele, Lea, Flood 2014): short, and the same on every machine. */
uint64_t model_random(struct model *model)
{
    uint64_t mixed = model->random += UINT64_C(0x9e3779b97f4a7c15);

    mixed = (mixed ^ (mixed >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    mixed = (mixed ^ (mixed >> 27)) * UINT64_C(0x94d049bb133111eb);
    return mixed ^ (mixed >> 31);
}

void model_register(struct model *model, enum kind kind, void *entity)
{
    struct registry *registry = &model->registries[kind];

    if (registry->count == registry->capacity) {
        registry->capacity = registry->capacity == 0 ? REGISTRY_FIRST : registry->capacity * 2;
        registry->items =
            memory_resize(registry->items, registry->capacity * sizeof(registry->items[0]));
    }
    *(uint32_t *)entity = registry->first_id + (uint32_t)registry->count;
    registry->items[registry->count++] = entity;
}

void model_forget(struct model *model, enum kind kind, uint32_t id)
{
    struct registry *registry = &model->registries[kind];

    assert(id >= registry->first_id && id - registry->first_id < registry->count);
    registry->items[id - registry->first_id] = NULL;
}

void *model_find(const struct model *model, enum kind kind, uint64_t id)
{
    const struct registry *registry = &model->registries[kind];

    if (id < registry->first_id || id - registry->first_id >= registry->count)
        return NULL;
    return registry->items[id - registry->first_id];
}

const char *kind_name(enum kind kind)
{
    assert(kind < KIND_COUNT);
    return kind_names[kind];
}

char *string_of(struct bytes bytes)
{
    char *string = memory_take(1, bytes.length + 1);

    if (bytes.length > 0)
        memcpy(string, bytes.data, bytes.length);
    return string;
}

void string_set(char **string, struct bytes bytes)
{
    char *copy = string_of(bytes);

    free(*string);
    *string = copy;
}

enum result comparison_read(struct bytes text, enum comparison *comparison)
{
    for (size_t i = 0; i < COMPARISON_COUNT; i++)
        if (bytes_equal(text, bytes_of_string(comparison_names[i]))) {
            *comparison = (enum comparison)i;
            return RESULT_OK;
        }
    return RESULT_INVALID;
}

const char *comparison_name(enum comparison comparison)
{
    assert(comparison < COMPARISON_COUNT);
    return comparison_names[comparison];
}
