/*
 * The calls of the API: which method on which path, in which versions, done by whom. Path templates
 * are written as in the API's own documentation.
 */
#ifndef POSTERN_SANDBOX_ENDPOINT_H
#define POSTERN_SANDBOX_ENDPOINT_H

#include "sandbox/call.h"
#include "sandbox/reply.h"

enum {
    IN_V1 = 1,
    IN_V2 = 2,
    IN_V3 = 4,
    IN_V4 = 8,
    SINCE_V3 = IN_V3 | IN_V4,
    SINCE_V2 = IN_V2 | SINCE_V3,
    IN_ALL = IN_V1 | SINCE_V2,
};

/* How the path may go on, and what the body is. */
enum endpoint_kind {
    ENDPOINT_ENTITY, /* segments behind it are an error */
    ENDPOINT_LIST,   /* segments behind it are ignored */
    ENDPOINT_OPEN,   /* an entity that needs no token */
    ENDPOINT_UPLOAD, /* an entity whose body may be of any size and is thrown away */
};

struct endpoint {
    enum http_method method;
    const char *template; /* "/database/{database}/profiles" */
    unsigned versions;
    enum endpoint_kind kind;
    void (*handle)(struct model *model, const struct call *call, struct reply *reply);
};

struct endpoint_table {
    const struct endpoint *endpoints;
    size_t count;
};

extern const struct endpoint_table table_endpoints;     /* api_table.c */
extern const struct endpoint_table structure_endpoints; /* api_structure.c */
extern const struct endpoint_table profile_endpoints;   /* api_profile.c */
extern const struct endpoint_table profiles_endpoints;  /* api_profiles.c */
extern const struct endpoint_table selection_endpoints; /* api_selection.c */
extern const struct endpoint_table rule_endpoints;      /* api_rule.c */
extern const struct endpoint_table oauth_endpoints;     /* oauth.c */

enum { ENDPOINTS_LIMIT = 192 }; /* over all tables; numbers below it are endpoint_number's */

/*
 * Finds what the call asks for and sets its endpoint and arguments: the longest template that its
 * path begins with; POST for a PUT where there is only that (in v1 the reverse too). Returns NULL,
 * or the message of the error.
 */
const char *endpoint_find(struct call *call);

/* Each endpoint's own small number, and back (NULL beyond the last). */
size_t endpoint_number(const struct endpoint *endpoint);
const struct endpoint *endpoint_at(size_t number);

#endif
