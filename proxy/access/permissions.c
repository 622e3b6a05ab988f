/*
 * Two lists of rules, any rule of which is enough, so their order means nothing. How many ways
 * there are to read a path, whoever knows the upstream says; what an upstream may make of its bytes
 * is said here.
 */
#include "access/permissions.h"

/* A list of rules. */
struct rules {
    const struct allow_rule *list;
    size_t count;
};

static bool method_matches(struct bytes rule, struct bytes method)
{
    if (bytes_equal(rule, BYTES("*")) || bytes_equal(rule, method))
        return true;
    return bytes_equal(rule, BYTES("GET")) && bytes_equal(method, BYTES("HEAD"));
}

static bool rules_match(const struct rules *rules, struct bytes method, struct bytes path)
{
    for (size_t i = 0; i < rules->count; i++)
        if (method_matches(rules->list[i].method, method) &&
            pattern_matches(&rules->list[i].path, path))
            return true;
    return false;
}

/* The byte of a separator that is encoded there ("%2F", "%5C"), as a slash; else the plain byte. */
static char decoded_separator(struct bytes path, size_t *at)
{
    const struct bytes triplet = bytes_slice(path, *at, 3);

    if (!bytes_equal_nocase(triplet, BYTES("%2F")) && !bytes_equal_nocase(triplet, BYTES("%5C")))
        return path.data[*at];
    *at += 2;
    return '/';
}

bool permissions_decode(struct arena *arena, struct bytes path, struct bytes *decoded)
{
    if (bytes_index(path, '%') == path.length && bytes_find(path, BYTES("//")) == path.length)
        return false;
    char *made = arena_take(arena, path.length);
    size_t length = 0;
    for (size_t i = 0; i < path.length; i++) {
        const char byte = decoded_separator(path, &i);

        if (byte != '/' || length == 0 || made[length - 1] != '/')
            made[length++] = byte;
    }
    *decoded = bytes_of(made, length);
    return length != path.length;
}

static bool form_matches(const struct rules *rules, struct bytes method,
                         const struct path_form *form)
{
    return rules_match(rules, method, form->path) || rules_match(rules, method, form->plain);
}

bool permissions_allow(const struct client_config *client, struct bytes method,
                       const struct path_readings *readings)
{
    const struct rules allow = {client->allow, client->allow_count};
    const struct rules deny = {client->deny, client->deny_count};

    if (form_matches(&deny, method, &readings->as_is) ||
        (readings->differ && form_matches(&deny, method, &readings->decoded)))
        return false;
    return allow.list == NULL ||
           (form_matches(&allow, method, &readings->as_is) &&
            (!readings->differ || form_matches(&allow, method, &readings->decoded)));
}
