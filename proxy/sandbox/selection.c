/* Membership is kept, not computed at reading, because the API's selections are built: reading must
 * be able to see the state of before. */
#include "sandbox/selection.h"

#include <assert.h>
#include <stdlib.h>

#include "base/memory.h"
#include "sandbox/criteria.h"
#include "sandbox/profile.h"
#include "sandbox/table.h"

static size_t selection_depth(const struct selection *selection)
{
    size_t depth = 0;

    for (; selection != NULL; selection = selection->parent)
        depth++;
    return depth;
}

static bool selection_is_below(const struct selection *selection, const struct selection *above)
{
    while (selection != NULL && selection != above)
        selection = selection->parent;
    return selection != NULL;
}

enum result selection_create(struct model *model, struct table *table, struct selection *parent,
                             struct bytes name, struct selection **selection)
{
    if (selection_depth(parent) >= SELECTION_DEPTH_LIMIT)
        return RESULT_LIMIT;

    struct selection *created = memory_take(1, sizeof(*created));
    created->kind = table->kind == KIND_DATABASE ? KIND_VIEW : KIND_MINIVIEW;
    created->table = table;
    created->parent = parent;
    created->name = string_of(name);
    created->description = string_of(BYTES(""));
    created->intentions = table->intentions;
    created->last_built_s = model->wall_s;
    model_register(model, created->kind, created);
    pointers_add(&table->selections, created);
    selection_rebuild(model, created);
    *selection = created;
    return RESULT_OK;
}

static void selection_free(struct model *model, struct selection *selection)
{
    while (selection->rules.count > 0)
        rule_destroy(model, selection->rules.items[selection->rules.count - 1]);
    pointers_remove(&selection->table->selections, selection);
    model_forget(model, selection->kind, selection->id);
    pointers_finish(&selection->rules);
    pointers_finish(&selection->members);
    free(selection->name);
    free(selection->description);
    free(selection);
}

/* Appends what is right below it. */
static void selection_add_children(const struct selection *selection, struct pointers *found)
{
    const struct pointers *all = &selection->table->selections;

    for (size_t i = 0; i < all->count; i++) {
        struct selection *child = all->items[i];

        if (child->parent == selection)
            pointers_add(found, child);
    }
}

/* Parents stand before their children in the list, so from its end nothing points at what is gone.
 */
void selection_destroy(struct model *model, struct selection *selection)
{
    struct pointers doomed = {0};

    pointers_add(&doomed, selection);
    for (size_t i = 0; i < doomed.count; i++)
        selection_add_children(doomed.items[i], &doomed);
    for (size_t i = doomed.count; i > 0; i--)
        selection_free(model, doomed.items[i - 1]);
    pointers_finish(&doomed);
}

enum result selection_move(struct model *model, struct selection *selection,
                           struct selection *parent)
{
    assert(parent == NULL || parent->table == selection->table);
    if (selection_is_below(parent, selection) || selection_depth(parent) >= SELECTION_DEPTH_LIMIT)
        return RESULT_REFUSED;
    selection->parent = parent;
    selection_rebuild(model, selection);
    return RESULT_OK;
}

void selection_rebuild(struct model *model, struct selection *selection)
{
    const struct pointers *all = &selection->table->selections;

    for (size_t i = 0; i < all->count; i++) {
        struct selection *below = all->items[i];

        if (!selection_is_below(below, selection))
            continue;
        below->build_due_us = model->now_us + model->view_lag_us;
        below->build_wall_s = model->wall_s + model->view_lag_us / INT64_C(1000000);
    }
}

void selection_rebuild_all(struct model *model, struct table *table)
{
    for (size_t i = 0; i < table->selections.count; i++) {
        struct selection *selection = table->selections.items[i];

        if (selection->parent == NULL)
            selection_rebuild(model, selection);
    }
}

static struct bytes condition_field_value(const struct profile *profile, uint32_t field_id)
{
    const size_t index = table_field_index_of_id(profile->table, field_id);

    return index < profile->table->fields.count ? profile_value(profile, index) : BYTES("");
}

/* An address: something, one "@", something with a dot inside. */
static bool looks_like_email(struct bytes text)
{
    const size_t at = bytes_index(text, '@');
    const struct bytes host = bytes_from(text, at + 1);
    const size_t dot = bytes_index(host, '.');

    return at > 0 && at < text.length && dot > 0 && dot + 1 < host.length &&
           bytes_index(host, '@') == host.length;
}

static bool condition_holds(const struct condition *condition, const struct profile *profile)
{
    if (table_field_index_of_id(profile->table, condition->field_id) ==
        profile->table->fields.count)
        return false;

    const struct bytes value = condition_field_value(profile, condition->field_id);
    const struct bytes other = condition->other_field_id != 0
                                   ? condition_field_value(profile, condition->other_field_id)
                                   : bytes_of_string(condition->value);
    switch (condition->comparison) {
    case COMPARISON_EQUALS:
        return criteria_compare(value, other, condition->is_numeric) == 0;
    case COMPARISON_NOT_EQUALS:
        return criteria_compare(value, other, condition->is_numeric) != 0;
    case COMPARISON_CONTAINS:
        return criteria_contains(value, other);
    case COMPARISON_NOT_CONTAINS:
        return !criteria_contains(value, other);
    case COMPARISON_LESS:
        return criteria_compare(value, other, condition->is_numeric) < 0;
    case COMPARISON_MORE:
        return criteria_compare(value, other, condition->is_numeric) > 0;
    case COMPARISON_IS_EMAIL:
        return looks_like_email(value);
    case COMPARISON_IS_NUMERIC:
        return criteria_is_numeric(value);
    case COMPARISON_COUNT:
        break;
    }
    assert(false);
    return false;
}

static bool rule_holds(const struct rule *rule, const struct profile *profile)
{
    bool holds = true;

    for (size_t i = 0; i < rule->conditions.count && holds; i++)
        holds = condition_holds(rule->conditions.items[i], profile);
    return holds != rule->inversed;
}

static bool one_rule_holds(const struct selection *selection, const struct profile *profile)
{
    bool has_rules = false;

    for (size_t i = 0; i < selection->rules.count; i++) {
        const struct rule *rule = selection->rules.items[i];

        if (rule->disabled)
            continue;
        if (rule_holds(rule, profile))
            return true;
        has_rules = true;
    }
    return !has_rules;
}

static bool selection_should_hold(const struct selection *selection, const struct profile *profile)
{
    for (; selection != NULL; selection = selection->parent)
        if (!one_rule_holds(selection, profile))
            return false;
    return true;
}

static void selection_follow(struct selection *selection, struct profile *profile)
{
    const size_t at = profile_position(&selection->members, profile->id);
    const bool is_member = at < selection->members.count && selection->members.items[at] == profile;

    if (is_member == selection_should_hold(selection, profile))
        return;
    if (is_member)
        pointers_remove_at(&selection->members, at);
    else
        pointers_insert(&selection->members, at, profile);
}

/* Profiles whose lag runs keep the place they have: a build must not show a change too early. */
static void selection_build(struct selection *selection)
{
    const struct pointers *profiles = &selection->table->profiles;

    for (size_t i = 0; i < profiles->count; i++) {
        struct profile *profile = profiles->items[i];

        if (!profile->is_changed)
            selection_follow(selection, profile);
    }
    selection->last_built_s = selection->build_wall_s;
    selection->build_due_us = 0;
}

/* A selection whose build is still to come has rules that must not be seen yet: its build will look
 * at the profile. */
static void selections_follow(const struct model *model, struct table *table,
                              struct profile *profile)
{
    for (size_t i = 0; i < table->selections.count; i++) {
        struct selection *selection = table->selections.items[i];

        if (selection->build_due_us == 0 || selection->build_due_us <= model->now_us)
            selection_follow(selection, profile);
    }
}

static void selections_follow_changed(struct model *model, struct table *table)
{
    size_t kept = 0;

    for (size_t i = 0; i < table->changed.count; i++) {
        struct profile *profile = table->changed.items[i];

        if (profile->changed_us + model->view_lag_us > model->now_us) {
            table->changed.items[kept++] = profile;
            continue;
        }
        profile->is_changed = false;
        selections_follow(model, table, profile);
    }
    table->changed.count = kept;
}

void selection_settle(struct model *model, struct table *table)
{
    selections_follow_changed(model, table);
    for (size_t i = 0; i < table->selections.count; i++) {
        struct selection *selection = table->selections.items[i];

        if (selection->build_due_us != 0 && selection->build_due_us <= model->now_us)
            selection_build(selection);
    }
}

void selection_settle_database(struct model *model, struct table *database)
{
    selection_settle(model, database);
    for (size_t i = 0; i < database->collections.count; i++)
        selection_settle(model, database->collections.items[i]);
}

struct rule *rule_create(struct model *model, struct selection *selection, struct bytes name)
{
    struct rule *rule = memory_take(1, sizeof(*rule));

    rule->selection = selection;
    rule->name = string_of(name);
    model_register(model, selection->kind == KIND_VIEW ? KIND_RULE : KIND_MINIRULE, rule);
    pointers_add(&selection->rules, rule);
    selection_rebuild(model, selection);
    return rule;
}

void rule_destroy(struct model *model, struct rule *rule)
{
    struct selection *selection = rule->selection;

    while (rule->conditions.count > 0)
        condition_destroy(model, rule->conditions.items[rule->conditions.count - 1]);
    pointers_remove(&selection->rules, rule);
    model_forget(model, selection->kind == KIND_VIEW ? KIND_RULE : KIND_MINIRULE, rule->id);
    pointers_finish(&rule->conditions);
    free(rule->name);
    free(rule);
    selection_rebuild(model, selection);
}

struct condition *condition_create(struct model *model, struct rule *rule)
{
    struct condition *condition = memory_take(1, sizeof(*condition));

    condition->rule = rule;
    condition->value = string_of(BYTES(""));
    model_register(model, rule->selection->kind == KIND_VIEW ? KIND_CONDITION : KIND_MINICONDITION,
                   condition);
    pointers_add(&rule->conditions, condition);
    selection_rebuild(model, rule->selection);
    return condition;
}

void condition_destroy(struct model *model, struct condition *condition)
{
    struct rule *rule = condition->rule;

    pointers_remove(&rule->conditions, condition);
    model_forget(model, rule->selection->kind == KIND_VIEW ? KIND_CONDITION : KIND_MINICONDITION,
                 condition->id);
    free(condition->value);
    free(condition);
    selection_rebuild(model, rule->selection);
}
