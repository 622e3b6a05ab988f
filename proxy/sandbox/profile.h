/* Profiles of databases and subprofiles of collections: their values, and their life. */
#ifndef POSTERN_SANDBOX_PROFILE_H
#define POSTERN_SANDBOX_PROFILE_H

#include "sandbox/model.h"

/*
 * A new profile of a database (`owner` NULL) or subprofile of a collection, with the initial values
 * of its fields. Beyond MODEL_PROFILES_LIMIT: RESULT_LIMIT.
 */
MUST_USE enum result profile_create(struct model *model, struct table *table, struct profile *owner,
                                    struct profile **profile);

/*
 * Removes it and its subprofiles: out of every list and selection, its values gone; it can still be
 * found by its id. It must not be removed yet.
 */
void profile_remove(struct model *model, struct profile *profile);

/* Erases it and its subprofiles, so that not even its id is known. */
void profile_destroy(struct model *model, struct profile *profile);

/*
 * Sets one field. Moves `modified` where the value really changes; of a removed profile it only
 * moves `modified`, for nothing of it is shown any more.
 */
void profile_set_value(struct model *model, struct profile *profile, size_t field_index,
                       struct bytes value);

/* The value of a field; empty where there is none. Borrowed until it changes. */
struct bytes profile_value(const struct profile *profile, size_t field_index);

/* Adds (true) or takes away one interest. Does not move `modified`. */
void profile_switch_interest(struct model *model, struct profile *profile,
                             struct interest *interest, bool is_on);
void profile_clear_interests(struct model *model, struct profile *profile);

/* The secret becomes `secret`, cut to its room. Does not move `modified`. */
void profile_set_secret(struct profile *profile, struct bytes secret);

/* Carries out the unsubscribe behaviour of its table. */
void profile_unsubscribe(struct model *model, struct profile *profile);

/* Drops the JSON kept of it. */
void profile_forget_shapes(struct profile *profile);

/* Where the profile of that id stands in a list sorted by id, or should stand. */
size_t profile_position(const struct pointers *profiles, uint32_t id);

#endif
