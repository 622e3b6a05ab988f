/*
 * Head fields of an upstream's answer made fit for the gate's clients: URLs that point at the
 * upstream become references on the gate, and neither the credential parameter nor the token
 * passes.
 */
#ifndef POSTERN_UPSTREAM_REWRITE_H
#define POSTERN_UPSTREAM_REWRITE_H

#include "base/arena.h"
#include "base/bytes.h"

/* What belongs to the upstream. All borrowed. */
struct rewrite {
    struct bytes scheme;       /* "https" */
    struct bytes authority;    /* host[:port] */
    struct bytes base_path;    /* "" or "/base" */
    const struct bytes *hosts; /* more names of it, host[:port], by http or https */
    size_t host_count;
    struct bytes credential; /* the parameter that carries the token; empty: none */
    struct bytes token;      /* empty: none */
};

/*
 * A URI reference (RFC 3986 §4.1) as a client of the gate may follow it. One that points at the
 * upstream below its base path becomes path-absolute, and a path-absolute one below the base path
 * loses that; these, other relative references and other URLs of the upstream's hosts lose the
 * credential parameter in every spelling; references elsewhere stay as they are. Scheme and host
 * compare without case, a default port equals none. The result is never longer, and never turns
 * into a reference to another host. The token is not looked for.
 */
struct bytes rewrite_reference(struct arena *arena, const struct rewrite *rewrite,
                               struct bytes reference);

/*
 * A field's value as clients may see it: Location, Content-Location, X-location and the targets in
 * Link rewritten, and the token overwritten in any field. Borrows the value where nothing changes.
 */
struct bytes rewrite_field(struct arena *arena, const struct rewrite *rewrite, struct bytes name,
                           struct bytes value);

/* Where the upstream stands on the gate, and for whose answer. All borrowed. */
struct rewrite_place {
    struct bytes prefix; /* "/github": cut off the path of each request before it goes up */
    struct bytes path; /* the request's, as the upstream sees it: relative references start there */
};

/*
 * A field's value, of rewrite_field, as clients may follow it who reach the upstream below a
 * prefix: in the same fields, references on the gate become path-absolute ones that begin with the
 * prefix, whatever dot segments they have (RFC 3986 §5.2). Borrows the value where nothing changes.
 */
struct bytes rewrite_field_below(struct arena *arena, const struct rewrite_place *place,
                                 struct bytes name, struct bytes value);

#endif
