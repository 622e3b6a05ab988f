/*
 * One pass over the rules in order, each thing taken from the first that says it. Parameters are
 * read as http/uri.h reads them, so that no spelling slips by a rule that forbids storing.
 */
#include "config/rules.h"

#include "http/uri.h"

bool parameter_holds(const struct parameter_condition *condition, struct bytes query,
                     struct arena *arena)
{
    struct parameter parameter;

    if (condition->name.length == 0)
        return true;
    while (parameter_next(&query, &parameter)) {
        if (!parameter_sets(arena, parameter.name, condition->name))
            continue;
        if (condition->any_value ||
            bytes_equal_nocase(uri_decode_query(arena, parameter.value), condition->value))
            return true;
    }
    return false;
}

static void rule_join(struct cache_rule *whole, const struct cache_rule *rule)
{
    const bool says_ttl = rule->ttl_us >= 0 && whole->ttl_us < 0;

    if (whole->match_text.length == 0 || says_ttl) {
        whole->match = rule->match;
        whole->match_text = rule->match_text;
    }
    if (says_ttl) {
        whole->ttl_us = rule->ttl_us;
        whole->override = rule->override;
    }
    if (rule->store_said && !whole->store_said) {
        whole->store = rule->store;
        whole->store_said = true;
    }
    if (whole->negative_ttl_us < 0)
        whole->negative_ttl_us = rule->negative_ttl_us;
    if (whole->settle_us < 0)
        whole->settle_us = rule->settle_us;
}

struct cache_rule rules_apply(const struct configuration *configuration,
                              const struct upstream_config *upstream, struct bytes path,
                              struct bytes query, struct arena *arena)
{
    const struct preset *preset = upstream->preset;
    const size_t own = configuration->cache_rule_count;
    const size_t count = own + (preset != NULL ? preset->rule_count : 0);
    const uint64_t marks = pattern_marks(path);
    struct cache_rule whole = {.ttl_us = -1, .negative_ttl_us = -1, .settle_us = -1, .store = true};

    for (size_t i = 0; i < count; i++) {
        const struct cache_rule *rule =
            i < own ? &configuration->cache_rules[i] : &preset->rules[i - own];

        if (rule->parameter.name.length > 0 && query.length == 0)
            continue;
        if (pattern_matches_marked(&rule->match, path, marks) &&
            parameter_holds(&rule->parameter, query, arena))
            rule_join(&whole, rule);
    }
    return whole;
}
