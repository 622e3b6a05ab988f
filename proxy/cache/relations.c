/*
 * Relations by the hash of account, child and parent kind. Each row says in which generation of
 * its account it was learned: emptying an account begins a new one, for what emptied it may have
 * moved anything. Nothing is served by a relation, only looked for by it.
 */
#include "cache/relations.h"

#include <assert.h>

#include "base/hash.h"

enum {
    RELATION_TEXT_LIMIT = 512, /* child and kind; what is longer is not learned */
    RELATION_STEPS_LIMIT = 8,  /* from an entity to its ancestor */
};

/* A row's value: the generation, then the parent's id. */
struct relation_row {
    uint64_t generation;
    struct bytes id;
};

static bool key_of(uint64_t account_tag, struct bytes child, struct bytes parent_kind,
                   struct hash128 *key)
{
    char text[sizeof(account_tag) + RELATION_TEXT_LIMIT];
    size_t length = sizeof(account_tag);

    if (child.length + 1 + parent_kind.length > RELATION_TEXT_LIMIT)
        return false;
    memcpy(text, &account_tag, sizeof(account_tag));
    if (child.length > 0)
        memcpy(text + length, child.data, child.length);
    length += child.length;
    text[length++] = '\n'; /* in no id and no kind's name */
    if (parent_kind.length > 0)
        memcpy(text + length, parent_kind.data, parent_kind.length);
    length += parent_kind.length;
    *key = hash_of(bytes_of(text, length));
    return true;
}

static bool row_get(const struct relations *relations, struct bytes child, struct bytes parent_kind,
                    struct relation_row *row)
{
    struct hash128 key;
    struct bytes value = {0};

    if (!key_of(relations->account_tag, child, parent_kind, &key) ||
        store_get(relations->txn, relations->store->relations, bytes_of(&key, sizeof(key)),
                  &value) != RESULT_OK ||
        value.length < sizeof(row->generation))
        return false;
    memcpy(&row->generation, value.data, sizeof(row->generation));
    row->id = bytes_from(value, sizeof(row->generation));
    return true;
}

static enum result row_put(const struct relations *relations, struct bytes child,
                           struct bytes parent_kind, const struct relation_row *row)
{
    char value[sizeof(row->generation) + KIND_ID_LIMIT];
    struct hash128 key;

    assert(row->id.length <= KIND_ID_LIMIT);
    if (!key_of(relations->account_tag, child, parent_kind, &key))
        return RESULT_OK;
    memcpy(value, &row->generation, sizeof(row->generation));
    if (row->id.length > 0)
        memcpy(value + sizeof(row->generation), row->id.data, row->id.length);
    return store_put(relations->txn, relations->store->relations, bytes_of(&key, sizeof(key)),
                     bytes_of(value, sizeof(row->generation) + row->id.length));
}

/* The account's generation stands in a row of its own, without child. */
static uint64_t generation_of(const struct relations *relations)
{
    struct relation_row row = {0};

    return row_get(relations, BYTES(""), BYTES(""), &row) ? row.generation : 0;
}

struct bytes relation_find(const struct relations *relations, struct bytes child,
                           struct bytes parent_kind)
{
    struct relation_row row;

    if (relations->store == NULL || child.length == 0 ||
        !row_get(relations, child, parent_kind, &row) || row.generation != generation_of(relations))
        return (struct bytes){0};
    return row.id;
}

/* --- over several steps --- */

static struct bytes parent_of(const struct ancestry *ancestry, struct bytes child, int parent)
{
    const struct bytes kind = ancestry->entities->kinds[parent].name;

    for (size_t i = 0; i < ancestry->taught_count; i++)
        if (bytes_equal(ancestry->taught[i].child, child) &&
            bytes_equal(ancestry->taught[i].parent_kind, kind))
            return ancestry->taught[i].parent_id;
    return relation_find(ancestry->relations, child, kind);
}

/* What is asked for, and how many steps may be left. */
struct ascent {
    int ancestor;
    unsigned steps;
};

static struct bytes ancestor_of(const struct ancestry *ancestry, int kind, struct bytes id,
                                struct ascent ascent)
{
    const struct kind *of = &ancestry->entities->kinds[kind];
    const struct bytes parts[] = {of->name, BYTES("/"), id};

    if (kind == ascent.ancestor)
        return arena_copy(ancestry->arena, id);
    if (ascent.steps == 0)
        return (struct bytes){0};
    const struct bytes child = arena_join_all(ancestry->arena, parts, ARRAY_LENGTH(parts));
    for (size_t i = 0; i < of->parent_count; i++) {
        const struct bytes parent = parent_of(ancestry, child, of->parents[i]);
        struct bytes found = {0};

        if (parent.length > 0)
            found = ancestor_of(
                ancestry, of->parents[i], parent,
                (struct ascent){.ancestor = ascent.ancestor, .steps = ascent.steps - 1});
        if (found.length > 0)
            return found;
    }
    return (struct bytes){0};
}

struct bytes relation_ancestor(const struct ancestry *ancestry, int kind, struct bytes id,
                               int ancestor)
{
    assert(kind != KIND_NONE && ancestor != KIND_NONE);
    return ancestor_of(ancestry, kind, id,
                       (struct ascent){.ancestor = ancestor, .steps = RELATION_STEPS_LIMIT});
}

/* --- the writer's --- */

enum result relations_bound(const struct relations *relations, bool *dropped)
{
    MDB_stat stat;
    const int code = mdb_stat(relations->txn, relations->store->relations, &stat);

    *dropped = false;
    if (code != 0)
        return store_result(code);
    if ((stat.ms_branch_pages + stat.ms_leaf_pages) * (uint64_t)stat.ms_psize <=
        relations->store->relation_limit_bytes)
        return RESULT_OK;
    *dropped = true;
    return store_result(mdb_drop(relations->txn, relations->store->relations, 0));
}

enum result relation_learn(const struct relations *relations, const struct relation *relation,
                           bool *changed)
{
    const struct bytes known = relation_find(relations, relation->child, relation->parent_kind);

    *changed = false;
    if (known.length > 0 && bytes_equal(known, relation->parent_id))
        return RESULT_OK;
    *changed = known.length > 0;
    if (relation->child.length == 0 || relation->parent_id.length == 0 ||
        relation->parent_id.length > KIND_ID_LIMIT)
        return relation_forget(relations, relation);
    const struct relation_row row = {.generation = generation_of(relations),
                                     .id = relation->parent_id};
    return row_put(relations, relation->child, relation->parent_kind, &row);
}

enum result relation_forget(const struct relations *relations, const struct relation *relation)
{
    struct hash128 key;

    if (relation->child.length == 0 ||
        !key_of(relations->account_tag, relation->child, relation->parent_kind, &key))
        return RESULT_OK;
    return store_delete(relations->txn, relations->store->relations, bytes_of(&key, sizeof(key)));
}

enum result relation_forget_all(const struct relations *relations)
{
    const struct relation_row row = {.generation = generation_of(relations) + 1};

    if (store_count(relations->txn, relations->store->relations) == 0)
        return RESULT_OK;
    return row_put(relations, BYTES(""), BYTES(""), &row);
}
