/*
 * Requests and responses as RFC 9110 names their parts: a method, a target, a status, field lines.
 * All bytes are borrowed from whoever made the message, mostly an exchange's arena. This layer
 * knows the syntax and the framing of HTTP/1.1 (RFC 9112); it knows nothing of caching policy.
 */
#ifndef POSTERN_HTTP_MESSAGE_H
#define POSTERN_HTTP_MESSAGE_H

#include <stdint.h>

#include "base/arena.h"
#include "base/bytes.h"

enum {
    HTTP_LINE_LIMIT_BYTES = 16 * 1024, /* request line: 414 beyond it */
    HTTP_HEAD_LIMIT_BYTES = 64 * 1024, /* whole head: 431 beyond it */
    HTTP_FIELDS_LIMIT = 100,           /* field lines: 431 beyond it */
};

enum http_method {
    METHOD_GET,
    METHOD_HEAD,
    METHOD_POST,
    METHOD_PUT,
    METHOD_DELETE,
    METHOD_PATCH,
    METHOD_OPTIONS,
    METHOD_OTHER, /* any other token; its text stands beside it */
    METHOD_COUNT,
};

/* The method of a token, case-sensitive (RFC 9110 §9.1); METHOD_OTHER for one not listed above. */
enum http_method http_method_of(struct bytes text);

/* "GET" … ; "OTHER" for METHOD_OTHER. Static storage. */
const char *http_method_name(enum http_method method);

/* GET, HEAD, OPTIONS (RFC 9110 §9.2.1). Every other, unknown ones included, counts as unsafe. */
bool http_method_is_safe(enum http_method method);

/* The reason phrase of RFC 9110 §15, or "Unknown". Static storage. */
const char *http_reason(unsigned status);

/* True where an answer of this status never has a body: 1xx, 204, 304 (RFC 9112 §6.3). */
bool http_status_has_no_body(unsigned status);

struct field {
    struct bytes name;  /* as sent; compare without regard to case */
    struct bytes value; /* without the white space around it */
};

/* Field lines in the order they came. `lines` grows inside the arena. */
struct fields {
    struct field *lines;
    size_t count;
    size_t capacity;
};

/* Appends a line; name and value are borrowed, not copied. */
void fields_add(struct fields *fields, struct arena *arena, struct bytes name, struct bytes value);

/* All lines with their bytes, in the arena. */
struct fields fields_copy(struct arena *arena, const struct fields *from);

/* The first line of that name, or NULL. */
const struct field *fields_find(const struct fields *fields, struct bytes name);

/* How many lines have that name. */
size_t fields_count(const struct fields *fields, struct bytes name);

/* Removes every line of that name. */
void fields_remove(struct fields *fields, struct bytes name);

/* All values of the lines of that name joined by ", " (RFC 9110 §5.3); empty where there is none.
 */
struct bytes fields_joined(const struct fields *fields, struct arena *arena, struct bytes name);

/* True where a comma-separated list field of that name has the member `token`, without regard to
 * case. */
bool fields_list_has(const struct fields *fields, struct bytes name, struct bytes token);

/* Cuts the next member, trimmed, off a comma-separated list; quoted strings are kept whole. False
 * at its end. */
bool list_next(struct bytes *list, struct bytes *member);

/* A token of RFC 9110 §5.6.2, not empty. */
bool http_is_token(struct bytes text);

/* A field value without CR, LF, NUL or other control bytes but HTAB (RFC 9110 §5.5). */
bool http_is_field_value(struct bytes text);

#define HTTP_BODY_CHUNKED INT64_C(-1) /* length not known before its end */

struct request {
    enum http_method method;
    struct bytes method_text;
    struct bytes target;  /* origin-form: starts with '/' (absolute-form is brought to it) */
    unsigned minor;       /* HTTP/1.minor: 0 or 1 */
    struct fields fields; /* without hop-by-hop bookkeeping removed: as sent */
    int64_t body_bytes;   /* 0: none; HTTP_BODY_CHUNKED: chunked */
    bool expects_continue;
};

struct response {
    unsigned status;
    struct fields fields;
    int64_t body_bytes; /* HTTP_BODY_CHUNKED: not known */
};

#endif
