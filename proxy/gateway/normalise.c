/* From a configuration's words to http/uri.h's rules. */
#include "gateway/normalise.h"

struct bytes normalise_plain_path(const struct upstream_config *upstream, struct bytes path)
{
    const struct preset *preset = upstream->preset;

    return preset == NULL ? path
                          : target_without_prefix(path, preset->version_prefixes,
                                                  preset->version_prefix_count);
}

static bool rule_names(const struct parameter_rule *rule, struct bytes name, struct bytes value)
{
    if (!bytes_equal(rule->name, name))
        return false;
    for (size_t i = 0; i < rule->value_count; i++)
        if (bytes_equal(rule->values[i], value))
            return true;
    return rule->value_count == 0;
}

static bool parameter_is_default(const void *context, struct bytes path, struct bytes name,
                                 struct bytes value)
{
    const struct upstream_config *upstream = context;
    const struct preset *preset = upstream->preset;
    const struct bytes plain_path = normalise_plain_path(upstream, path);

    for (size_t i = 0; i < preset->default_count; i++)
        if (rule_names(&preset->defaults[i], name, value) &&
            pattern_matches(&preset->defaults[i].match, plain_path))
            return true;
    return false;
}

enum result normalise_target(struct arena *arena, const struct upstream_config *upstream,
                             const struct request *request, struct target *target)
{
    const struct preset *preset = upstream->preset;
    const bool is_read = request->method == METHOD_GET || request->method == METHOD_HEAD;
    const struct bytes credentials[] = {BYTES("access_token"),
                                        upstream->inject.query == NULL
                                            ? BYTES("access_token")
                                            : bytes_of_string(upstream->inject.query)};
    struct target_rules rules = {.credentials = credentials,
                                 .credential_count = ARRAY_LENGTH(credentials)};

    if (preset != NULL &&
        is_read) { /* what means nothing to a read may mean something to a write */
        rules.ignorable = preset->ignorable_parameters;
        rules.ignorable_count = preset->ignorable_parameter_count;
        rules.is_default = parameter_is_default;
        rules.context = upstream;
    }
    return target_normalise(arena, request->target, &rules, target);
}

struct path_readings normalise_readings(struct arena *arena, const struct upstream_config *upstream,
                                        struct bytes path)
{
    struct path_readings readings = {
        .as_is = {.path = path, .plain = normalise_plain_path(upstream, path)}};

    readings.differ = permissions_decode(arena, path, &readings.decoded.path);
    if (readings.differ)
        readings.decoded.plain = normalise_plain_path(upstream, readings.decoded.path);
    return readings;
}
