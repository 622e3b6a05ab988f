/* The members and their types are those of the published samples, in their order. */
#include "sandbox/shape.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/memory.h"
#include "sandbox/amsterdam.h"
#include "sandbox/profile.h"
#include "sandbox/table.h"

enum { ID_ROOM = 12, EMBEDDED_LIMIT = 1000, COLLECTION_FIELDS_LIMIT = 100 };

void shape_add_id(cJSON *object, const char *name, uint32_t id)
{
    char text[ID_ROOM];

    (void)snprintf(text, sizeof(text), "%u", id);
    (void)cJSON_AddStringToObject(object, name, text);
}

static void add_text(cJSON *object, const char *name, const char *text)
{
    (void)cJSON_AddStringToObject(object, name, text);
}

static void add_flag(cJSON *object, const char *name, bool flag)
{
    (void)cJSON_AddBoolToObject(object, name, flag);
}

static void add_time(cJSON *object, const char *name, int64_t wall_s)
{
    char text[AMSTERDAM_TIME_ROOM];

    amsterdam_time(wall_s, text);
    add_text(object, name, text);
}

cJSON *shape_envelope(cJSON *data, size_t limit, size_t total)
{
    cJSON *envelope = cJSON_CreateObject();

    (void)cJSON_AddNumberToObject(envelope, "start", 0);
    (void)cJSON_AddNumberToObject(envelope, "limit", (double)limit);
    (void)cJSON_AddNumberToObject(envelope, "count", cJSON_GetArraySize(data));
    (void)cJSON_AddItemToObject(envelope, "data", data);
    (void)cJSON_AddNumberToObject(envelope, "total", (double)total);
    return envelope;
}

/* A list inside an entity. */
static void add_embedded(cJSON *object, const char *name, const struct pointers *entities,
                         shape_function *shape, size_t limit)
{
    cJSON *data = cJSON_CreateArray();

    for (size_t i = 0; i < entities->count && i < limit; i++)
        (void)cJSON_AddItemToArray(data, shape(entities->items[i]));
    (void)cJSON_AddItemToObject(object, name, shape_envelope(data, limit, entities->count));
}

static void add_intentions(cJSON *object, const struct intentions *intentions)
{
    cJSON *member = cJSON_AddObjectToObject(object, "intentions");

    add_flag(member, "email", intentions->email);
    add_flag(member, "sms", intentions->sms);
    add_flag(member, "fax", intentions->fax);
    add_flag(member, "pdf", intentions->pdf);
}

cJSON *shape_field(const void *entity)
{
    const struct field_definition *field = entity;
    cJSON *object = cJSON_CreateObject();

    shape_add_id(object, "ID", field->id);
    add_text(object, "name", field->name);
    add_text(object, "type", field->type);
    add_text(object, "value", field->initial_value);
    add_flag(object, "displayed", field->displayed);
    add_flag(object, "ordered", field->ordered);
    add_text(object, "length", field->length);
    add_text(object, "textlines", field->textlines);
    add_flag(object, "hidden", field->hidden);
    add_flag(object, "index", field->indexed);
    return object;
}

cJSON *shape_interest(const void *entity)
{
    const struct interest *interest = entity;
    cJSON *object = cJSON_CreateObject();

    shape_add_id(object, "ID", interest->id);
    add_text(object, "name", interest->name);
    add_text(object, "group", interest->group);
    return object;
}

cJSON *shape_table(const void *entity)
{
    const struct table *table = entity;
    cJSON *object = cJSON_CreateObject();

    shape_add_id(object, "ID", table->id);
    add_text(object, "name", table->name);
    if (table->kind == KIND_COLLECTION) {
        shape_add_id(object, "database", table->database->id);
        add_embedded(object, "fields", &table->fields, shape_field, COLLECTION_FIELDS_LIMIT);
        add_intentions(object, &table->intentions);
        return object;
    }
    add_text(object, "description", table->description);
    add_flag(object, "archived", table->archived);
    add_time(object, "created", table->created_s);
    add_embedded(object, "fields", &table->fields, shape_field, EMBEDDED_LIMIT);
    add_embedded(object, "interests", &table->interests, shape_interest, EMBEDDED_LIMIT);
    add_embedded(object, "collections", &table->collections, shape_table, EMBEDDED_LIMIT);
    add_intentions(object, &table->intentions);
    return object;
}

static bool selection_has_children(const struct selection *selection)
{
    for (size_t i = 0; i < selection->table->selections.count; i++) {
        const struct selection *other = selection->table->selections.items[i];

        if (other->parent == selection)
            return true;
    }
    return false;
}

cJSON *shape_selection(const void *entity)
{
    const struct selection *selection = entity;
    const struct selection *parent = selection->parent;
    const struct table *table = selection->table;
    cJSON *object = cJSON_CreateObject();

    shape_add_id(object, "ID", selection->id);
    add_text(object, "name", selection->name);
    add_text(object, "description", selection->description);
    add_text(object, "parent-type", kind_name(parent == NULL ? table->kind : parent->kind));
    shape_add_id(object, "parent-id", parent == NULL ? table->id : parent->id);
    if (selection->kind == KIND_VIEW) {
        add_flag(object, "has-children", selection_has_children(selection));
        add_flag(object, "has-referred", false);
        add_flag(object, "has-rules", selection->rules.count > 0);
    }
    shape_add_id(object, kind_name(table->kind), table->id);
    add_time(object, "last-built", selection->last_built_s);
    add_intentions(object, &selection->intentions);
    return object;
}

/* A field as conditions show it: id, name and type; false where there is none. */
static void add_field_reference(cJSON *object, const char *name, const struct table *table,
                                uint32_t field_id)
{
    const size_t index = table_field_index_of_id(table, field_id);

    if (index == table->fields.count) {
        add_flag(object, name, false);
        return;
    }
    const struct field_definition *field = table_field(table, index);
    cJSON *reference = cJSON_AddObjectToObject(object, name);
    shape_add_id(reference, "ID", field->id);
    add_text(reference, "name", field->name);
    add_text(reference, "type", field->type);
}

static cJSON *shape_condition(const void *entity)
{
    const struct condition *condition = entity;
    const struct table *table = condition->rule->selection->table;
    cJSON *object = cJSON_CreateObject();

    shape_add_id(object, "ID", condition->id);
    add_text(object, "type", "Field");
    shape_add_id(object, "rule", condition->rule->id);
    add_text(object, "comparison", comparison_name(condition->comparison));
    add_field_reference(object, "field", table, condition->field_id);
    add_text(object, "value", condition->value);
    add_field_reference(object, "other-field", table, condition->other_field_id);
    add_flag(object, "numeric-comparison", condition->is_numeric);
    return object;
}

cJSON *shape_rule(const void *entity)
{
    const struct rule *rule = entity;
    cJSON *object = cJSON_CreateObject();

    shape_add_id(object, "ID", rule->id);
    add_text(object, "name", rule->name);
    shape_add_id(object, "view", rule->selection->id);
    add_embedded(object, "conditions", &rule->conditions, shape_condition, COLLECTION_FIELDS_LIMIT);
    add_flag(object, "inversed", rule->inversed);
    add_flag(object, "disabled", rule->disabled);
    return object;
}

/* PHP writes an empty map as an empty list. */
cJSON *shape_unsubscribe(const struct table *table)
{
    static const char *const names[] = {
        [UNSUBSCRIBE_NOTHING] = "nothing",
        [UNSUBSCRIBE_UPDATE] = "update",
        [UNSUBSCRIBE_REMOVE] = "remove",
    };
    cJSON *object = cJSON_CreateObject();

    add_text(object, "behavior", names[table->behavior]);
    if (table->behavior_fields.count == 0) {
        (void)cJSON_AddArrayToObject(object, "fields");
        return object;
    }
    cJSON *fields = cJSON_AddObjectToObject(object, "fields");
    for (size_t i = 0; i + 1 < table->behavior_fields.count; i += 2)
        add_text(fields, table->behavior_fields.items[i], table->behavior_fields.items[i + 1]);
    return object;
}

cJSON *shape_values(const struct profile *profile)
{
    const struct table *table = profile->table;
    cJSON *fields = cJSON_CreateObject();

    for (size_t i = 0; i < table->fields.count; i++)
        add_text(fields, table_field(table, i)->name,
                 profile->values[i] == NULL ? "" : profile->values[i]);
    return fields;
}

cJSON *shape_interest_names(const struct profile *profile)
{
    cJSON *names = cJSON_CreateArray();

    for (size_t i = 0; i < profile->interests.count; i++) {
        const struct interest *interest = profile->interests.items[i];

        (void)cJSON_AddItemToArray(names, cJSON_CreateString(interest->name));
    }
    return names;
}

static void add_times(cJSON *object, const struct profile *profile)
{
    add_time(object, "created", profile->created_s);
    add_time(object, "modified", profile->modified_s);
    if (profile->removed_s == 0)
        add_flag(object, "removed", false);
    else
        add_time(object, "removed", profile->removed_s);
}

static cJSON *shape_profile_tree(const struct profile *profile, bool data_only)
{
    cJSON *object = cJSON_CreateObject();

    shape_add_id(object, "ID", profile->id);
    (void)cJSON_AddItemToObject(object, "fields", shape_values(profile));
    (void)cJSON_AddItemToObject(object, "interests", shape_interest_names(profile));
    if (data_only)
        return object;
    shape_add_id(object, "database", profile->table->id);
    add_text(object, "secret", profile->secret);
    add_times(object, profile);
    return object;
}

static cJSON *shape_subprofile_tree(const struct profile *profile, bool data_only)
{
    cJSON *object = cJSON_CreateObject();

    shape_add_id(object, "ID", profile->id);
    if (!data_only)
        add_text(object, "secret", profile->secret);
    (void)cJSON_AddItemToObject(object, "fields", shape_values(profile));
    shape_add_id(object, "profile", profile->owner->id);
    shape_add_id(object, "collection", profile->table->id);
    if (!data_only)
        add_times(object, profile);
    return object;
}

struct bytes shape_profile(struct profile *profile, bool data_only)
{
    if (profile->shapes[data_only] == NULL) {
        cJSON *tree = profile->owner == NULL ? shape_profile_tree(profile, data_only)
                                             : shape_subprofile_tree(profile, data_only);

        profile->shapes[data_only] = cJSON_PrintUnformatted(tree);
        if (profile->shapes[data_only] == NULL)
            memory_exhausted();
        profile->shape_lengths[data_only] = strlen(profile->shapes[data_only]);
        cJSON_Delete(tree);
    }
    return bytes_of(profile->shapes[data_only], profile->shape_lengths[data_only]);
}
