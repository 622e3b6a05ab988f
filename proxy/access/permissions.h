/* What a client may do: its allow rules, "METHOD /pattern". */
#ifndef POSTERN_ACCESS_PERMISSIONS_H
#define POSTERN_ACCESS_PERMISSIONS_H

#include "config/configuration.h"

/*
 * Whether a rule of the client allows this method (case-sensitive, RFC 9110 §9.1) on this path,
 * which is normalised. "*" is any method; GET allows HEAD too, which shows less. A client without
 * "allow" may everything, one with an empty list nothing. A path with an encoded slash must be
 * allowed with it decoded, too: upstreams differ in how they read it. Rules are written with or
 * without a version prefix: the caller asks for both forms of the path.
 */
bool permissions_allow(const struct client_config *client, struct bytes method, struct bytes path);

#endif
