/* What a client may do: its allow and deny rules, "METHOD /pattern". */
#ifndef POSTERN_ACCESS_PERMISSIONS_H
#define POSTERN_ACCESS_PERMISSIONS_H

#include "config/configuration.h"

/* A path in the two ways in which rules may be written. */
struct path_form {
    struct bytes path;
    struct bytes plain; /* without its version prefix */
};

/* What a path may mean to an upstream. */
struct path_readings {
    struct path_form as_is; /* normalised */
    struct path_form decoded;
    bool
        differ; /* an upstream that decodes separators sees another path; else decoded is not set */
};

/*
 * The path as an upstream sees it that decodes encoded slashes and backslashes (RFC 3986 §2.2 lets
 * it) and takes several slashes for one, in the arena. False: no other than `path`.
 */
bool permissions_decode(struct arena *arena, struct bytes path, struct bytes *decoded);

/*
 * Whether the client may use this method (case-sensitive, RFC 9110 §9.1) on this path. "*" is any
 * method; a rule for GET goes for HEAD too, which shows less. A client without "allow" may
 * everything, one with an empty list nothing; what a rule of "deny" matches it may not, whatever
 * "allow" says. Upstreams differ in how they read a path: it must be allowed in both readings, and
 * is denied where one is denied.
 */
bool permissions_allow(const struct client_config *client, struct bytes method,
                       const struct path_readings *readings);

#endif
