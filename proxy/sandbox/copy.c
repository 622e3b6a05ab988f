/* Fields keep their order, so that the values of a copied profile stand at the same places. */
#include "sandbox/copy.h"

#include "sandbox/profile.h"
#include "sandbox/selection.h"
#include "sandbox/table.h"

static void copy_fields(struct model *model, const struct table *from, struct table *to)
{
    for (size_t i = 0; i < from->fields.count; i++) {
        const struct field_definition *field = table_field(from, i);
        struct field_definition *copy =
            table_add_field(model, to, bytes_of_string(field->name), bytes_of_string(field->type),
                            bytes_of_string(field->initial_value));

        string_set(&copy->length, bytes_of_string(field->length));
        string_set(&copy->textlines, bytes_of_string(field->textlines));
        copy->displayed = field->displayed;
        copy->ordered = field->ordered;
        copy->hidden = field->hidden;
        copy->indexed = field->indexed;
    }
}

/* A field of `from` as the one at the same place of `to`; 0 stays 0. */
static uint32_t copied_field_id(const struct table *from, const struct table *to, uint32_t id)
{
    const size_t index = table_field_index_of_id(from, id);

    return index < from->fields.count && index < to->fields.count ? table_field(to, index)->id : 0;
}

static void copy_rules(struct model *model, const struct selection *from, struct selection *to)
{
    for (size_t i = 0; i < from->rules.count; i++) {
        const struct rule *rule = from->rules.items[i];
        struct rule *copy = rule_create(model, to, bytes_of_string(rule->name));

        copy->inversed = rule->inversed;
        copy->disabled = rule->disabled;
        for (size_t j = 0; j < rule->conditions.count; j++) {
            const struct condition *condition = rule->conditions.items[j];
            struct condition *same = condition_create(model, copy);

            string_set(&same->value, bytes_of_string(condition->value));
            same->comparison = condition->comparison;
            same->is_numeric = condition->is_numeric;
            same->field_id = copied_field_id(from->table, to->table, condition->field_id);
            same->other_field_id =
                copied_field_id(from->table, to->table, condition->other_field_id);
        }
    }
}

enum result copy_selection(struct model *model, const struct selection *from, struct bytes name,
                           struct selection **copy)
{
    struct selection *created;
    const enum result result = selection_create(model, from->table, from->parent, name, &created);

    if (result != RESULT_OK)
        return result;
    string_set(&created->description, bytes_of_string(from->description));
    created->intentions = from->intentions;
    copy_rules(model, from, created);
    *copy = created;
    return RESULT_OK;
}

/* Those at the top, each with those below it: parents before children. */
static void copy_selections(struct model *model, const struct table *from,
                            const struct selection *from_parent, struct table *to,
                            struct selection *to_parent)
{
    for (size_t i = 0; i < from->selections.count; i++) {
        const struct selection *selection = from->selections.items[i];
        struct selection *copy;

        if (selection->parent != from_parent ||
            selection_create(model, to, to_parent, bytes_of_string(selection->name), &copy) !=
                RESULT_OK)
            continue;
        string_set(&copy->description, bytes_of_string(selection->description));
        copy->intentions = selection->intentions;
        copy_rules(model, selection, copy);
        copy_selections(model, from, selection, to, copy);
    }
}

static void copy_values(struct model *model, const struct profile *from, struct profile *to)
{
    for (size_t i = 0; i < from->table->fields.count; i++)
        profile_set_value(model, to, i, profile_value(from, i));
    for (size_t i = 0; i < from->interests.count; i++) {
        const struct interest *interest = from->interests.items[i];

        profile_switch_interest(
            model, to, table_find_interest(to->table, bytes_of_string(interest->name)), true);
    }
}

static void copy_subprofiles(struct model *model, const struct profile *from, struct profile *to)
{
    for (size_t i = 0; i < from->subprofiles.count; i++) {
        const struct profile *subprofile = from->subprofiles.items[i];
        struct table *collection =
            table_find_collection(to->table, bytes_of_string(subprofile->table->name));
        struct profile *copy;

        if (collection != NULL && profile_create(model, collection, to, &copy) == RESULT_OK)
            copy_values(model, subprofile, copy);
    }
}

static void copy_profiles(struct model *model, const struct table *from, struct table *to,
                          bool with_subprofiles)
{
    for (size_t i = 0; i < from->profiles.count; i++) {
        struct profile *copy;

        if (profile_create(model, to, NULL, &copy) != RESULT_OK)
            return;
        copy_values(model, from->profiles.items[i], copy);
        if (with_subprofiles)
            copy_subprofiles(model, from->profiles.items[i], copy);
    }
}

static void copy_collections(struct model *model, const struct table *from, struct table *to,
                             bool with_miniviews)
{
    for (size_t i = 0; i < from->collections.count; i++) {
        const struct table *collection = from->collections.items[i];
        struct table *copy = table_create(model, to, bytes_of_string(collection->name));

        copy_fields(model, collection, copy);
        copy->intentions = collection->intentions;
        if (with_miniviews)
            copy_selections(model, collection, NULL, copy, NULL);
    }
}

struct table *copy_database(struct model *model, const struct table *from, struct bytes name,
                            const struct copy_options *options)
{
    struct table *copy = table_create(model, NULL, name);

    string_set(&copy->description, bytes_of_string(from->description));
    copy->intentions = from->intentions;
    copy_fields(model, from, copy);
    for (size_t i = 0; i < from->interests.count; i++) {
        const struct interest *interest = from->interests.items[i];

        (void)table_add_interest(model, copy, bytes_of_string(interest->name),
                                 bytes_of_string(interest->group)); /* its id is not needed */
    }
    if (options->collections)
        copy_collections(model, from, copy, options->miniviews);
    if (options->views)
        copy_selections(model, from, NULL, copy, NULL);
    if (options->profiles)
        copy_profiles(model, from, copy, options->collections && options->subprofiles);
    return copy;
}
