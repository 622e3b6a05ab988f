/* A list of rules, any of which is enough: there is no rule that forbids, so their order means
 * nothing. */
#include "access/permissions.h"

static bool method_matches(struct bytes allowed, struct bytes method)
{
    if (bytes_equal(allowed, BYTES("*")) || bytes_equal(allowed, method))
        return true;
    return bytes_equal(allowed, BYTES("GET")) && bytes_equal(method, BYTES("HEAD"));
}

bool permissions_allow(const struct client_config *client, struct bytes method, struct bytes path)
{
    if (client->allow == NULL)
        return true;
    for (size_t i = 0; i < client->allow_count; i++)
        if (method_matches(client->allow[i].method, method) &&
            pattern_matches(&client->allow[i].path, path))
            return true;
    return false;
}
