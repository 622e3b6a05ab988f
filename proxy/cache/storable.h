/*
 * What of an answer is kept: its fields made fit to be told again later, the gate's own validator,
 * and errors that are no answers although their status says so. Whether and how long is
 * cache/freshness's.
 */
#ifndef POSTERN_CACHE_STORABLE_H
#define POSTERN_CACHE_STORABLE_H

#include "config/configuration.h"
#include "http/message.h"

/* How the ETags begin that the gate makes of bodies. They never go up. */
#define ETAG_PREFIX "\"pst-"

/*
 * An error that the API sends with a status that would be stored: a JSON object with one of the
 * preset's error members, or what the preset knows as an overload answer. `preset` may be NULL:
 * then nothing is.
 */
bool storable_is_error(const struct preset *preset, unsigned status, struct bytes body);

/* Takes out what must not be told again later: rate-limit fields, Retry-After, Set-Cookie; and
 * Content-Length. */
void storable_strip(struct fields *fields);

/* RFC 9110 §6.6.1: an answer without Date gets the time of its receipt. */
void storable_add_date(struct fields *fields, struct arena *arena, int64_t received_wall_us);

/* A strong ETag of the body for a 200 without a validator of its own. True: it was added. */
bool storable_add_etag(struct response *response, struct arena *arena, struct bytes body);

/* The stored fields, updated with what a 304 says (RFC 9111 §3.2). Borrows both's bytes. */
struct fields storable_update(struct arena *arena, const struct fields *stored,
                              const struct fields *news);

#endif
