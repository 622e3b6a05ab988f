/* What the cache rules say of one request: the operator's, then the preset's. */
#ifndef POSTERN_CONFIG_RULES_H
#define POSTERN_CONFIG_RULES_H

#include "config/configuration.h"

/*
 * All matching rules as one: goes through configuration.cache_rules, then through the rules of the
 * upstream's preset, and takes each thing from the first that matches and says it (override
 * together with ttl). What none says stays unsaid: ttl_us and negative_ttl_us -1 (the cache block
 * decides), settle_us -1 (as 0), store true. match and match_text are those of the rule that said
 * the ttl, else those of the first that matched; empty where none did.
 *
 * `path` is normalised and without version prefix; `query` is normalised, without '?'. `arena` is
 * for scratch. The result borrows from the configuration.
 */
struct cache_rule rules_apply(const struct configuration *configuration,
                              const struct upstream_config *upstream, struct bytes path,
                              struct bytes query, struct arena *arena);

/* Whether a condition holds for a query. */
bool parameter_holds(const struct parameter_condition *condition, struct bytes query,
                     struct arena *arena);

#endif
