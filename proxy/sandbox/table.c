/* What a database or a collection consists of. Adding or removing a field keeps the invariant that
 * every profile, removed ones that can still be read included, has one value a field. */
#include "sandbox/table.h"

#include <assert.h>
#include <stdlib.h>

#include "base/memory.h"
#include "sandbox/profile.h"
#include "sandbox/selection.h"

struct table *table_create(struct model *model, struct table *database, struct bytes name)
{
    struct table *table = memory_take(1, sizeof(*table));

    table->kind = database == NULL ? KIND_DATABASE : KIND_COLLECTION;
    table->database = database;
    table->name = string_of(name);
    table->description = string_of(BYTES(""));
    table->created_s = model->wall_s;
    table->intentions = (struct intentions){.email = database == NULL};
    model_register(model, table->kind, table);
    pointers_add(database == NULL ? &model->databases : &database->collections, table);
    return table;
}

/* Profiles are in the registry even when removed from the lists: only it knows them all. */
static void table_destroy_profiles(struct model *model, const struct table *table)
{
    const enum kind kind = table->kind == KIND_DATABASE ? KIND_PROFILE : KIND_SUBPROFILE;
    const struct registry *registry = &model->registries[kind];

    for (size_t i = registry->count; i > 0; i--) {
        struct profile *profile = registry->items[i - 1];

        if (profile != NULL && profile->table == table)
            profile_destroy(model, profile);
    }
}

static void field_destroy(struct model *model, struct field_definition *field)
{
    model_forget(model, KIND_FIELD, field->id);
    free(field->name);
    free(field->type);
    free(field->initial_value);
    free(field->length);
    free(field->textlines);
    free(field);
}

static void interest_destroy(struct model *model, struct interest *interest)
{
    model_forget(model, KIND_INTEREST, interest->id);
    free(interest->name);
    free(interest->group);
    free(interest);
}

void table_destroy(struct model *model, struct table *table)
{
    while (table->selections.count > 0)
        selection_destroy(model, table->selections.items[0]);
    while (table->collections.count > 0)
        table_destroy(model, table->collections.items[table->collections.count - 1]);
    table_destroy_profiles(model, table);
    for (size_t i = 0; i < table->fields.count; i++)
        field_destroy(model, table->fields.items[i]);
    for (size_t i = 0; i < table->interests.count; i++)
        interest_destroy(model, table->interests.items[i]);
    pointers_remove(table->database == NULL ? &model->databases : &table->database->collections,
                    table);
    model_forget(model, table->kind, table->id);
    table_clear_behavior(table);
    pointers_finish(&table->behavior_fields);
    pointers_finish(&table->fields);
    pointers_finish(&table->interests);
    pointers_finish(&table->collections);
    pointers_finish(&table->profiles);
    pointers_finish(&table->changed);
    pointers_finish(&table->selections);
    free(table->name);
    free(table->description);
    free(table);
}

static struct table *table_named(const struct pointers *tables, struct bytes name)
{
    for (size_t i = 0; i < tables->count; i++) {
        struct table *table = tables->items[i];

        if (bytes_equal_nocase(bytes_of_string(table->name), name))
            return table;
    }
    return NULL;
}

struct table *table_find_database(const struct model *model, struct bytes name)
{
    return table_named(&model->databases, name);
}

struct table *table_find_collection(const struct table *database, struct bytes name)
{
    return table_named(&database->collections, name);
}

/* Calls for each profile of the table, removed ones included. */
static void table_each_profile(struct model *model, const struct table *table,
                               void (*change)(struct profile *, size_t), size_t argument)
{
    const enum kind kind = table->kind == KIND_DATABASE ? KIND_PROFILE : KIND_SUBPROFILE;
    const struct registry *registry = &model->registries[kind];

    for (size_t i = 0; i < registry->count; i++) {
        struct profile *profile = registry->items[i];

        if (profile != NULL && profile->table == table)
            change(profile, argument);
    }
}

/* The field at the end is new. */
static void profile_gain_value(struct profile *profile, size_t index)
{
    const struct field_definition *field = table_field(profile->table, index);
    const bool is_empty = profile->removed_s != 0 || field->initial_value[0] == '\0';

    profile->values = memory_resize(profile->values, (index + 1) * sizeof(profile->values[0]));
    profile->values[index] = is_empty ? NULL : memory_string(field->initial_value);
    profile_forget_shapes(profile);
}

static void profile_lose_value(struct profile *profile, size_t index)
{
    const size_t behind = profile->table->fields.count - index - 1;

    free(profile->values[index]);
    memmove(profile->values + index, profile->values + index + 1,
            behind * sizeof(profile->values[0]));
    profile_forget_shapes(profile);
}

struct field_definition *table_add_field(struct model *model, struct table *table,
                                         struct bytes name, struct bytes type,
                                         struct bytes initial_value)
{
    struct field_definition *field = memory_take(1, sizeof(*field));

    field->table = table;
    field->name = string_of(name);
    field->type = string_of(type);
    field->initial_value = string_of(initial_value);
    field->length = string_of(BYTES("50"));
    field->textlines = string_of(BYTES("1"));
    field->displayed = true;
    model_register(model, KIND_FIELD, field);
    pointers_add(&table->fields, field);
    table_each_profile(model, table, profile_gain_value, table->fields.count - 1);
    return field;
}

void table_remove_field(struct model *model, struct field_definition *field)
{
    struct table *table = field->table;
    const size_t index = table_field_index_of_id(table, field->id);

    assert(index < table->fields.count);
    table_each_profile(model, table, profile_lose_value, index);
    pointers_remove_at(&table->fields, index);
    field_destroy(model, field);
    selection_rebuild_all(model, table);
}

size_t table_field_index(const struct table *table, struct bytes name)
{
    size_t i = 0;

    while (i < table->fields.count &&
           !bytes_equal_nocase(bytes_of_string(table_field(table, i)->name), name))
        i++;
    return i;
}

size_t table_field_index_of_id(const struct table *table, uint32_t id)
{
    size_t i = 0;

    while (i < table->fields.count && table_field(table, i)->id != id)
        i++;
    return i;
}

struct interest *table_add_interest(struct model *model, struct table *database, struct bytes name,
                                    struct bytes group)
{
    struct interest *interest = memory_take(1, sizeof(*interest));

    assert(database->kind == KIND_DATABASE);
    interest->database = database;
    interest->name = string_of(name);
    interest->group = string_of(group);
    model_register(model, KIND_INTEREST, interest);
    pointers_add(&database->interests, interest);
    return interest;
}

void table_remove_interest(struct model *model, struct interest *interest)
{
    struct table *database = interest->database;

    for (size_t i = 0; i < database->profiles.count; i++) {
        struct profile *profile = database->profiles.items[i];

        pointers_remove(&profile->interests, interest);
    }
    table_forget_shapes(database);
    pointers_remove(&database->interests, interest);
    interest_destroy(model, interest);
}

struct interest *table_find_interest(const struct table *database, struct bytes name)
{
    for (size_t i = 0; i < database->interests.count; i++) {
        struct interest *interest = database->interests.items[i];

        if (bytes_equal_nocase(bytes_of_string(interest->name), name))
            return interest;
    }
    return NULL;
}

void table_forget_shapes(struct table *table)
{
    for (size_t i = 0; i < table->profiles.count; i++)
        profile_forget_shapes(table->profiles.items[i]);
}

void table_clear_behavior(struct table *table)
{
    for (size_t i = 0; i < table->behavior_fields.count; i++)
        free(table->behavior_fields.items[i]);
    table->behavior_fields.count = 0;
}
