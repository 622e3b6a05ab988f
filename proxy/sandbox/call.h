/*
 * A call of the API, taken apart: version, path, parameters, body. Everything is borrowed from the
 * request or stands in the arena that was given, but the body's tree, which call_finish frees.
 */
#ifndef POSTERN_SANDBOX_CALL_H
#define POSTERN_SANDBOX_CALL_H

#include <cJSON.h>

#include "http/message.h"
#include "sandbox/model.h"

struct endpoint;
struct accounts;

enum {
    CALL_SEGMENTS_LIMIT = 32,
    CALL_ARGUMENTS_LIMIT = 4,
    CALL_FORM_LIMIT = 1000, /* pairs of a form: PHP's max_input_vars; the rest is ignored */
    CALL_FORM_DEPTH = 8,
};

struct parameter {
    struct bytes name;  /* decoded */
    struct bytes value; /* decoded */
};

struct call {
    struct arena *arena;
    const struct request *request;
    unsigned version;   /* 1 to 4; without a prefix it is 2 */
    struct bytes path;  /* as sent, without version prefix and query; starts with '/' */
    struct bytes query; /* as sent, without '?' */
    struct bytes segments[CALL_SEGMENTS_LIMIT]; /* decoded; trailing slashes are left out */
    size_t segment_count;
    struct parameter *parameters;
    size_t parameter_count;
    struct accounts *accounts;       /* for calls that ask who may call; the sandbox's */
    const struct endpoint *endpoint; /* set by endpoint_find */
    struct bytes arguments[CALL_ARGUMENTS_LIMIT]; /* the segments that stand for {…} */
    cJSON *body;                                  /* NULL: none, or not readable */
    bool is_body_bad;                             /* there was one, and it was not readable */
};

/* Takes the target apart. More than CALL_SEGMENTS_LIMIT segments: RESULT_LIMIT. */
MUST_USE enum result call_read(struct call *call, const struct request *request,
                               struct arena *arena);

/* Reads the body as its Content-Type says: JSON, or a form with PHP's nested names. */
void call_read_body(struct call *call, struct bytes body);

/* Frees the body's tree. */
void call_finish(struct call *call);

/* The last value of that parameter, or empty. */
struct bytes call_parameter(const struct call *call, struct bytes name);
bool call_has_parameter(const struct call *call, struct bytes name);

/* The next value of a repeated or indexed parameter (`name[]`, `name[0]`); *at begins with 0. */
bool call_next_of(const struct call *call, struct bytes name, size_t *at, struct bytes *value);

/* True for yes and true in any case, and for numbers of at least 1; `absent` where it is not
 * there. */
bool call_flag(const struct call *call, struct bytes name, bool absent);

/* The token the call came with: Authorization: Bearer (v4 only), else access_token. */
struct bytes call_token(const struct call *call);

/* Whether that is a bearer. */
bool call_has_bearer(const struct call *call);

/* The member of a body that is an object, or NULL. Names are case-sensitive. */
const cJSON *call_member(const struct call *call, const char *name);

/* A JSON value as the text the API makes of it: numbers and booleans too, null is empty. False for
 * arrays and objects. Into the arena, where it has to be made. */
bool call_text(const struct call *call, const cJSON *item, struct bytes *text);

/* A JSON value read as a boolean, by the rule of call_flag. */
bool call_truth(const struct call *call, const cJSON *item);

/* The text of %-encoded bytes, '+' read as a blank where `is_query`. Broken escapes stay. */
struct bytes call_decode(struct arena *arena, struct bytes text, bool is_query);

#endif
