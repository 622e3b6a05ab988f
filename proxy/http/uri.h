/*
 * Request targets in one form, so that one resource has one name in the cache, in permissions and
 * in the audit trail: RFC 3986 §6.2.2 for the path, the WHATWG URL standard's reading of
 * application/x-www-form-urlencoded for the query. Normalising what was normalised changes nothing.
 *
 * Parameter names are compared as PHP reads them, because the upstream may: leading spaces are
 * dropped, the name ends at a NUL, ' ' and '.' and an unclosed '[' mean '_', and what follows a
 * closed '[' is an index. Upstreams that read more narrowly lose nothing by it.
 */
#ifndef POSTERN_HTTP_URI_H
#define POSTERN_HTTP_URI_H

#include "base/arena.h"
#include "base/bytes.h"

/* What a target's normal form depends on. Everything is borrowed; zeroed it means "no rules". */
struct target_rules {
    const struct bytes
        *ignorable; /* decoded names of parameters that are dropped, compared whole */
    size_t ignorable_count;
    const struct bytes *credentials; /* names taken out in every spelling: "access_token" */
    size_t credential_count;
    bool collapse_slashes; /* "//" in the path means "/" */
    /*
     * Whether the parameter (name and value decoded) says on this normalised path only what its
     * absence says too. Not asked of a name that comes more than once. May be NULL.
     */
    bool (*is_default)(const void *context, struct bytes path, struct bytes name,
                       struct bytes value);
    const void *context;
};

/* A normalised target, in the arena. */
struct target {
    struct bytes path;       /* starts with '/' */
    struct bytes query;      /* without '?'; empty: none */
    struct bytes url;        /* path, or path?query */
    struct bytes credential; /* the first credential parameter's value, decoded; empty: none */
};

/*
 * Brings an origin-form target to its one form.
 *
 * Path: unreserved characters plain, reserved ones as they came, all others as upper-case %XX;
 * literal dot segments removed (§5.2.4). RESULT_INVALID: not starting with '/', a raw control
 * character, '\' or '#', a broken %XX, an encoded NUL, and dot segments that only a second reader
 * would see ("%2e%2e", "..%2f", "..;x").
 * Query: names and values decoded ('+' is a space, a broken %XX itself) and encoded again, all but
 * unreserved characters and "!$()*,/:@" as %XX; parameters sorted by name, those of one name in the
 * order they came; empty ones, ignorable ones, spelled-out defaults and credentials left out. "a"
 * and "a=" differ. RESULT_INVALID: a raw control character or '#'.
 */
MUST_USE enum result target_normalise(struct arena *arena, struct bytes origin_form,
                                      const struct target_rules *rules, struct target *target);

/*
 * The same in two steps, for those whose rules depend on the path: its path, then the whole of a
 * path that the first step made.
 */
MUST_USE enum result target_normalise_path(struct arena *arena, struct bytes origin_form,
                                           bool collapse_slashes, struct bytes *path);
MUST_USE enum result target_normalise_query(struct arena *arena, struct bytes origin_form,
                                            struct bytes path, const struct target_rules *rules,
                                            struct target *target);

/*
 * Brings a target in absolute-form ("http://host/path", RFC 9112 §3.2.2) to origin-form; one that
 * starts with '/' is returned as it is. *authority is what replaces the Host field, empty where the
 * target has none. RESULT_INVALID: any other form, another scheme than http and https, an empty
 * host, user information.
 */
MUST_USE enum result target_origin_form(struct arena *arena, struct bytes target,
                                        struct bytes *origin_form, struct bytes *authority);

/* The path without its first segment where that is one of the prefixes ("v2"): "/v2/a" is "/a",
 * "/v2" is "/". Borrows from the path. */
struct bytes target_without_prefix(struct bytes path, const struct bytes *prefixes, size_t count);

/* One parameter of a query, as it stands there. */
struct parameter {
    struct bytes text; /* all of it */
    struct bytes name, value;
    bool has_value; /* there was a '=' */
};

/* Cuts the next parameter that is not empty off a query. False at its end. */
bool parameter_next(struct bytes *query, struct parameter *parameter);

/* The name of the variable that a decoded parameter name sets, see above; may be empty. Borrows the
 * name where it can, else copies it into the arena. */
struct bytes parameter_variable(struct arena *arena, struct bytes decoded_name);

/* Whether an encoded parameter name sets the variable `wanted`, letters in either case. */
bool parameter_sets(struct arena *arena, struct bytes encoded_name, struct bytes wanted);

/* Percent-decoding (RFC 3986 §2.1). RESULT_INVALID: a '%' without two hexadecimal digits. Borrows
 * the text where nothing is to be decoded. */
MUST_USE enum result uri_decode(struct arena *arena, struct bytes text, struct bytes *decoded);

/* Decoding of a query's name or value: '+' is a space, a broken %XX stands for itself. Borrows the
 * text where nothing is to be decoded. */
struct bytes uri_decode_query(struct arena *arena, struct bytes text);

/* Percent-encodes all but unreserved characters (RFC 3986 §2.3). */
struct bytes uri_encode(struct arena *arena, struct bytes text);

#endif
