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

/* Whose rules hold for a query. */
struct query_rules {
    const struct upstream_config *upstream;
    struct bytes prefix;
};

static bool parameter_is_default(const void *context, struct bytes path, struct bytes name,
                                 struct bytes value)
{
    const struct query_rules *rules = context;
    const struct preset *preset = rules->upstream->preset;
    const struct bytes plain_path =
        normalise_plain_path(rules->upstream, route_rest(path, rules->prefix));

    for (size_t i = 0; i < preset->default_count; i++)
        if (rule_names(&preset->defaults[i], name, value) &&
            pattern_matches(&preset->defaults[i].match, plain_path))
            return true;
    return false;
}

static enum result normalise_query(struct arena *arena, const struct query_rules *whose,
                                   const struct request *request, struct bytes path,
                                   struct target *target)
{
    const struct upstream_config *upstream = whose->upstream;
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
        rules.context = whose;
    }
    return target_normalise_query(arena, request->target, path, &rules, target);
}

/* The same target below the prefix. */
static struct target target_rest(struct arena *arena, const struct target *target,
                                 struct bytes prefix)
{
    struct target rest = *target;

    if (prefix.length == 0)
        return rest;
    rest.path = route_rest(target->path, prefix);
    rest.url = bytes_from(target->url, prefix.length);
    if (target->path.length == prefix.length)
        rest.url = arena_join(arena, BYTES("/"), rest.url);
    return rest;
}

enum result normalise_request(struct arena *arena, const struct configuration *configuration,
                              const struct client_config *client, const struct request *request,
                              struct normalised *normalised)
{
    struct normalised made = {.plain_path = BYTES("/")};
    struct bytes path;

    if (target_normalise_path(arena, request->target, false, &path) != RESULT_OK)
        return RESULT_INVALID;
    if (route_find(configuration, client, path, &made.route) != RESULT_OK) {
        made.at_gate = (struct target){.path = path, .url = path};
        *normalised = made;
        return RESULT_MISSING;
    }
    const struct query_rules rules = {.upstream = &configuration->upstreams[made.route.upstream],
                                      .prefix = made.route.prefix};
    if (normalise_query(arena, &rules, request, path, &made.at_gate) != RESULT_OK)
        return RESULT_INVALID;
    made.target = target_rest(arena, &made.at_gate, made.route.prefix);
    made.plain_path = normalise_plain_path(rules.upstream, made.target.path);
    *normalised = made;
    return RESULT_OK;
}

/* The path's plain form, `plain_path` being that of what stands behind the prefix. */
static struct bytes plain_at_gate(struct arena *arena, struct bytes path, struct bytes prefix,
                                  struct bytes plain_path)
{
    if (prefix.length == 0)
        return plain_path;
    return prefix.length + plain_path.length == path.length ? path
                                                            : arena_join(arena, prefix, plain_path);
}

struct path_readings normalise_readings(struct arena *arena, const struct upstream_config *upstream,
                                        struct bytes path, struct bytes prefix,
                                        struct bytes plain_path)
{
    struct path_readings readings = {
        .as_is = {.path = path, .plain = plain_at_gate(arena, path, prefix, plain_path)}};
    struct bytes decoded;

    readings.differ = permissions_decode(arena, path, &decoded);
    if (!readings.differ)
        return readings;
    if (!route_is_below(decoded, prefix)) /* "/up%2Fa" is not below "/up" either way */
        prefix = BYTES("");
    readings.decoded.path = decoded;
    readings.decoded.plain = plain_at_gate(
        arena, decoded, prefix, normalise_plain_path(upstream, bytes_from(decoded, prefix.length)));
    return readings;
}
