/* What happens to one profile, and that selections hear of it (table->changed). */
#include "sandbox/profile.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/memory.h"
#include "sandbox/table.h"

static enum kind profile_kind(const struct table *table)
{
    return table->kind == KIND_DATABASE ? KIND_PROFILE : KIND_SUBPROFILE;
}

static void profile_mark_changed(struct model *model, struct profile *profile)
{
    profile_forget_shapes(profile);
    if (profile->removed_s != 0)
        return;
    profile->changed_us = model->now_us;
    if (!profile->is_changed)
        pointers_add(&profile->table->changed, profile);
    profile->is_changed = true;
}

enum result profile_create(struct model *model, struct table *table, struct profile *owner,
                           struct profile **profile)
{
    assert((owner != NULL) == (table->kind == KIND_COLLECTION));
    if (model->registries[profile_kind(table)].count >= MODEL_PROFILES_LIMIT)
        return RESULT_LIMIT;

    struct profile *created = memory_take(1, sizeof(*created));
    created->table = table;
    created->owner = owner;
    created->created_s = created->modified_s = model->wall_s;
    (void)snprintf(created->secret, sizeof(created->secret), "%016llx%012llx",
                   (unsigned long long)model_random(model),
                   (unsigned long long)model_random(model) & 0xffffffffffffULL);
    created->values = memory_take(table->fields.count, sizeof(created->values[0]));
    for (size_t i = 0; i < table->fields.count; i++)
        if (table_field(table, i)->initial_value[0] != '\0')
            created->values[i] = memory_string(table_field(table, i)->initial_value);
    model_register(model, profile_kind(table), created);
    pointers_add(&table->profiles, created);
    if (owner != NULL)
        pointers_add(&owner->subprofiles, created);
    profile_mark_changed(model, created);
    *profile = created;
    return RESULT_OK;
}

size_t profile_position(const struct pointers *profiles, uint32_t id)
{
    size_t low = 0, high = profiles->count;

    while (low < high) {
        const size_t middle = low + (high - low) / 2;

        if (((const struct profile *)profiles->items[middle])->id < id)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static void pointers_remove_profile(struct pointers *profiles, const struct profile *profile)
{
    const size_t at = profile_position(profiles, profile->id);

    if (at < profiles->count && profiles->items[at] == profile)
        pointers_remove_at(profiles, at);
}

/* Out of its table's lists, its owner's and every selection. */
static void profile_unlist(struct profile *profile)
{
    struct table *table = profile->table;

    pointers_remove_profile(&table->profiles, profile);
    if (profile->owner != NULL)
        pointers_remove(&profile->owner->subprofiles, profile);
    if (profile->is_changed)
        pointers_remove(&table->changed, profile);
    profile->is_changed = false;
    for (size_t i = 0; i < table->selections.count; i++) {
        struct selection *selection = table->selections.items[i];

        pointers_remove_profile(&selection->members, profile);
    }
}

static void profile_free_values(struct profile *profile)
{
    for (size_t i = 0; i < profile->table->fields.count; i++) {
        free(profile->values[i]);
        profile->values[i] = NULL;
    }
}

void profile_remove(struct model *model, struct profile *profile)
{
    assert(profile->removed_s == 0);
    while (profile->subprofiles.count > 0)
        profile_remove(model, profile->subprofiles.items[profile->subprofiles.count - 1]);
    profile_unlist(profile);
    profile_free_values(profile);
    profile->interests.count = 0;
    profile->removed_s = model->wall_s;
    profile_forget_shapes(profile);
}

/* Removed subprofiles are in no list any more; they must not outlive the profile they point at. */
static void profile_destroy_subprofiles(struct model *model, const struct profile *profile)
{
    const struct registry *registry = &model->registries[KIND_SUBPROFILE];

    for (size_t i = registry->count; i > 0; i--) {
        struct profile *subprofile = registry->items[i - 1];

        if (subprofile != NULL && subprofile->owner == profile)
            profile_destroy(model, subprofile);
    }
}

void profile_destroy(struct model *model, struct profile *profile)
{
    if (profile->table->kind == KIND_DATABASE)
        profile_destroy_subprofiles(model, profile);
    if (profile->removed_s == 0)
        profile_unlist(profile);
    model_forget(model, profile_kind(profile->table), profile->id);
    profile_free_values(profile);
    profile_forget_shapes(profile);
    pointers_finish(&profile->subprofiles);
    pointers_finish(&profile->interests);
    free(profile->values);
    free(profile);
}

void profile_set_value(struct model *model, struct profile *profile, size_t field_index,
                       struct bytes value)
{
    assert(field_index < profile->table->fields.count);
    if (profile->removed_s != 0) {
        profile->modified_s = model->wall_s;
        return;
    }
    if (bytes_equal(profile_value(profile, field_index), value))
        return;
    free(profile->values[field_index]);
    profile->values[field_index] = value.length == 0 ? NULL : string_of(value);
    profile->modified_s = model->wall_s;
    profile_mark_changed(model, profile);
}

struct bytes profile_value(const struct profile *profile, size_t field_index)
{
    assert(field_index < profile->table->fields.count);
    const char *value = profile->values[field_index];

    return value == NULL ? BYTES("") : bytes_of_string(value);
}

void profile_switch_interest(struct model *model, struct profile *profile,
                             struct interest *interest, bool is_on)
{
    if (profile->removed_s != 0 || pointers_hold(&profile->interests, interest) == is_on)
        return;
    if (is_on)
        pointers_add(&profile->interests, interest);
    else
        pointers_remove(&profile->interests, interest);
    profile_mark_changed(model, profile);
}

void profile_clear_interests(struct model *model, struct profile *profile)
{
    if (profile->interests.count == 0)
        return;
    profile->interests.count = 0;
    profile_mark_changed(model, profile);
}

void profile_set_secret(struct profile *profile, struct bytes secret)
{
    const struct bytes kept = bytes_slice(secret, 0, sizeof(profile->secret) - 1);

    memset(profile->secret, 0, sizeof(profile->secret));
    if (kept.length > 0)
        memcpy(profile->secret, kept.data, kept.length);
    profile_forget_shapes(profile);
}

void profile_unsubscribe(struct model *model, struct profile *profile)
{
    const struct table *table = profile->table;

    if (profile->removed_s != 0)
        return;
    if (table->behavior == UNSUBSCRIBE_REMOVE)
        profile_remove(model, profile);
    if (table->behavior != UNSUBSCRIBE_UPDATE)
        return;
    for (size_t i = 0; i + 1 < table->behavior_fields.count; i += 2) {
        const size_t index =
            table_field_index(table, bytes_of_string(table->behavior_fields.items[i]));

        if (index < table->fields.count)
            profile_set_value(model, profile, index,
                              bytes_of_string(table->behavior_fields.items[i + 1]));
    }
}

void profile_forget_shapes(struct profile *profile)
{
    for (size_t i = 0; i < ARRAY_LENGTH(profile->shapes); i++) {
        free(profile->shapes[i]);
        profile->shapes[i] = NULL;
    }
}
