/* A list of a few prefixes, compared one by one. */
#include "gateway/route.h"

#include <assert.h>

bool route_is_below(struct bytes path, struct bytes prefix)
{
    return bytes_starts_with(path, prefix) &&
           (path.length == prefix.length || prefix.length == 0 || path.data[prefix.length] == '/');
}

struct bytes route_rest(struct bytes path, struct bytes prefix)
{
    assert(route_is_below(path, prefix));
    return path.length == prefix.length ? BYTES("/") : bytes_from(path, prefix.length);
}

enum result route_find(const struct configuration *configuration,
                       const struct client_config *client, struct bytes path, struct route *route)
{
    const struct upstream_config *best = NULL;

    if (client->has_upstream) {
        const struct bytes prefix = configuration->upstreams[client->upstream].prefix;

        *route = (struct route){.upstream = client->upstream,
                                .prefix = route_is_below(path, prefix) ? prefix : BYTES("")};
        return RESULT_OK;
    }
    for (size_t i = 0; i < configuration->upstream_count; i++) {
        const struct upstream_config *upstream = &configuration->upstreams[i];

        if (route_is_below(path, upstream->prefix) &&
            (best == NULL || upstream->prefix.length > best->prefix.length))
            best = upstream;
    }
    if (best == NULL)
        return RESULT_MISSING;
    *route = (struct route){.upstream = (uint32_t)(best - configuration->upstreams),
                            .prefix = best->prefix};
    return RESULT_OK;
}
