/* From a path to its endpoint. Some hundred templates are tried one after the other: most fail at
 * their first segment. */
#include "sandbox/endpoint.h"

#include <assert.h>

static const struct endpoint_table *const tables[] = {
    &profile_endpoints,   &profiles_endpoints, &table_endpoints, &structure_endpoints,
    &selection_endpoints, &rule_endpoints,     &oauth_endpoints,
};

const struct endpoint *endpoint_at(size_t number)
{
    for (size_t i = 0; i < ARRAY_LENGTH(tables); i++) {
        if (number < tables[i]->count)
            return &tables[i]->endpoints[number];
        number -= tables[i]->count;
    }
    return NULL;
}

size_t endpoint_number(const struct endpoint *endpoint)
{
    size_t before = 0;

    for (size_t i = 0; i < ARRAY_LENGTH(tables); i++) {
        const struct endpoint *first = tables[i]->endpoints;

        if (endpoint >= first && endpoint < first + tables[i]->count) {
            assert(before + (size_t)(endpoint - first) < ENDPOINTS_LIMIT);
            return before + (size_t)(endpoint - first);
        }
        before += tables[i]->count;
    }
    assert(false);
    return 0;
}

struct template_match {
    size_t segments;
    size_t argument_count;
    struct bytes arguments[CALL_ARGUMENTS_LIMIT];
};

/* Whether the path begins with the template. */
static bool template_matches(const char *template, const struct call *call,
                             struct template_match *match)
{
    struct bytes rest = bytes_of_string(template + 1);

    match->segments = match->argument_count = 0;
    while (rest.length > 0) {
        const struct bytes wanted = bytes_cut(&rest, '/');

        if (match->segments == call->segment_count)
            return false;
        const struct bytes segment = call->segments[match->segments++];
        if (wanted.data[0] != '{') {
            if (!bytes_equal(wanted, segment))
                return false;
            continue;
        }
        assert(match->argument_count < CALL_ARGUMENTS_LIMIT);
        match->arguments[match->argument_count++] = segment;
    }
    return true;
}

/* 2: the very method; 1: the other of POST and PUT may stand for it; 0: no. */
static int method_fits(enum http_method asked, unsigned version, const struct endpoint *endpoint)
{
    if (asked == METHOD_HEAD)
        asked = METHOD_GET;
    if (asked == endpoint->method)
        return 2;
    if (asked == METHOD_POST && endpoint->method == METHOD_PUT)
        return 1;
    return asked == METHOD_PUT && endpoint->method == METHOD_POST && version == 1;
}

static void endpoint_consider(struct call *call, const struct endpoint *endpoint,
                              struct template_match *best, int *best_fit)
{
    struct template_match match;
    const int fit = method_fits(call->request->method, call->version, endpoint);

    if (fit == 0 || (endpoint->versions & 1u << (call->version - 1)) == 0 ||
        !template_matches(endpoint->template, call, &match))
        return;
    if (match.segments < call->segment_count && endpoint->kind != ENDPOINT_LIST)
        return;
    if (match.segments < best->segments || (match.segments == best->segments && fit <= *best_fit))
        return;
    *best = match;
    *best_fit = fit;
    call->endpoint = endpoint;
}

/* "/database" and "/database//1" lack the id that belongs there. */
static const char *call_lacks_segment(struct call *call)
{
    for (size_t i = 0; i < call->segment_count; i++)
        if (call->segments[i].length == 0)
            return arena_format(call->arena,
                                "Invalid request, element %zu is missing in 'directory' path", i)
                .data;
    if (call->segment_count != 1)
        return NULL;
    for (size_t i = 0; endpoint_at(i) != NULL; i++) {
        struct bytes rest = bytes_of_string(endpoint_at(i)->template + 1);

        if (bytes_equal(bytes_cut(&rest, '/'), call->segments[0]) && rest.length > 0)
            return "Invalid request, element 1 is missing in 'directory' path";
    }
    return NULL;
}

const char *endpoint_find(struct call *call)
{
    struct template_match best = {0};
    int best_fit = 0;

    for (size_t i = 0; i < ARRAY_LENGTH(tables); i++)
        for (size_t j = 0; j < tables[i]->count; j++)
            endpoint_consider(call, &tables[i]->endpoints[j], &best, &best_fit);
    if (call->endpoint == NULL) {
        const char *message = call_lacks_segment(call);

        return message == NULL ? "Invalid method" : message;
    }
    memcpy(call->arguments, best.arguments, sizeof(best.arguments));
    for (size_t i = 0; i < best.argument_count; i++)
        if (call->arguments[i].length == 0)
            return call_lacks_segment(call);
    return NULL;
}
