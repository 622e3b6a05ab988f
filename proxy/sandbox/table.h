/* Databases and collections: their fields, interests and unsubscribe behaviour. */
#ifndef POSTERN_SANDBOX_TABLE_H
#define POSTERN_SANDBOX_TABLE_H

#include "sandbox/model.h"

/* A new, empty database, or a collection where `database` is not NULL. */
struct table *table_create(struct model *model, struct table *database, struct bytes name);

/* With all that is in it. */
void table_destroy(struct model *model, struct table *table);

/* The database of that name without regard to case, or NULL. */
struct table *table_find_database(const struct model *model, struct bytes name);

/* The collection of that name in `database`, without regard to case, or NULL. */
struct table *table_find_collection(const struct table *database, struct bytes name);

/* Every profile gets its initial value. */
struct field_definition *table_add_field(struct model *model, struct table *table,
                                         struct bytes name, struct bytes type,
                                         struct bytes initial_value);

/* Takes it, with its values, from every profile. */
void table_remove_field(struct model *model, struct field_definition *field);

/* Where the field of that name, without regard to case, stands; fields.count when nowhere. */
size_t table_field_index(const struct table *table, struct bytes name);

/* Where the field of that id stands; fields.count when nowhere. */
size_t table_field_index_of_id(const struct table *table, uint32_t id);

static inline struct field_definition *table_field(const struct table *table, size_t index)
{
    return table->fields.items[index];
}

struct interest *table_add_interest(struct model *model, struct table *database, struct bytes name,
                                    struct bytes group);

/* Takes it from every profile. */
void table_remove_interest(struct model *model, struct interest *interest);

/* By name, without regard to case, or NULL. */
struct interest *table_find_interest(const struct table *database, struct bytes name);

/* Forgets the JSON kept of every profile: something in its shape, such as a name, has changed. */
void table_forget_shapes(struct table *table);

/* Empties the fields of the unsubscribe behaviour. */
void table_clear_behavior(struct table *table);

#endif
