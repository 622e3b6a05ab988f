/* The bodies of the gate's own errors: application/problem+json (RFC 9457). */
#ifndef POSTERN_HTTP_PROBLEM_H
#define POSTERN_HTTP_PROBLEM_H

#include "base/arena.h"
#include "base/bytes.h"

#define PROBLEM_CONTENT_TYPE "application/problem+json"

/*
 * The body of an error answer: type (always "about:blank"), title (the status's reason phrase where
 * `title` is empty), status, detail (left out when empty) and request_id (left out when empty).
 * Any bytes will do; nothing secret may be among them. In the arena.
 */
struct bytes problem_body(struct arena *arena, unsigned status, struct bytes title,
                          struct bytes detail, struct bytes request_id);

#endif
