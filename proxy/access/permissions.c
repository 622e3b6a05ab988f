/*
 * A list of rules, any of which is enough: there is no rule that forbids, so their order means
 * nothing. A path with encoded slashes is one path here and another for an upstream that decodes
 * them (RFC 3986 §2.2 lets it): both must be allowed.
 */
#include "access/permissions.h"

#include <stdlib.h>

#include "base/memory.h"

static bool method_matches(struct bytes allowed, struct bytes method)
{
    if (bytes_equal(allowed, BYTES("*")) || bytes_equal(allowed, method))
        return true;
    return bytes_equal(allowed, BYTES("GET")) && bytes_equal(method, BYTES("HEAD"));
}

static bool rules_allow(const struct client_config *client, struct bytes method, struct bytes path)
{
    for (size_t i = 0; i < client->allow_count; i++)
        if (method_matches(client->allow[i].method, method) &&
            pattern_matches(&client->allow[i].path, path))
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

bool permissions_allow(const struct client_config *client, struct bytes method, struct bytes path)
{
    size_t length = 0;

    if (client->allow == NULL)
        return true;
    if (!rules_allow(client, method, path))
        return false;
    if (bytes_index(path, '%') == path.length)
        return true;
    char *decoded = memory_take(path.length, 1);
    for (size_t i = 0; i < path.length; i++)
        decoded[length++] = decoded_separator(path, &i);
    const bool allowed = rules_allow(client, method, bytes_of(decoded, length));
    free(decoded);
    return allowed;
}
