/*
 * Entities as the API's JSON. Trees are the caller's, to be deleted by cJSON_Delete or handed to
 * reply_json. Ids are decimal strings.
 */
#ifndef POSTERN_SANDBOX_SHAPE_H
#define POSTERN_SANDBOX_SHAPE_H

#include <cJSON.h>

#include "sandbox/model.h"

/* Makes the tree of one entity of a list. */
typedef cJSON *shape_function(const void *entity);

cJSON *shape_table(const void *table);
cJSON *shape_field(const void *field);
cJSON *shape_interest(const void *interest);
cJSON *shape_selection(const void *selection);
cJSON *shape_rule(const void *rule);
cJSON *shape_unsubscribe(const struct table *table);
cJSON *shape_values(const struct profile *profile);
cJSON *shape_interest_names(const struct profile *profile);

/* The text of a profile or subprofile, kept in it until it changes. */
struct bytes shape_profile(struct profile *profile, bool data_only);

/* An id as the API writes it. */
void shape_add_id(cJSON *object, const char *name, uint32_t id);

/* start, limit, count, data, total. `data` is handed over. */
cJSON *shape_envelope(cJSON *data, size_t limit, size_t total);

#endif
