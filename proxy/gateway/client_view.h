/* A client of a configuration as JSON: for its own eyes, and for the operator's. */
#ifndef POSTERN_GATEWAY_CLIENT_VIEW_H
#define POSTERN_GATEWAY_CLIENT_VIEW_H

#include <cJSON.h>

#include "config/configuration.h"

/*
 * A new object of its name, upstream (null: its paths tell), allow (null: everything), deny,
 * priority and weight. cJSON's printing tells, by NULL, where memory was short.
 */
cJSON *client_view_create(const struct configuration *configuration,
                          const struct client_config *client);

/* Adds a time in whole seconds; null for INT64_MAX, which is none. */
void client_view_add_time(cJSON *object, const char *name, int64_t wall_us);

#endif
