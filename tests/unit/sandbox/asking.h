/* Asks the simulated API without sockets: a model, and calls made of a method, a target and a body.
 * Not a test itself. */
#ifndef POSTERN_TESTS_SANDBOX_ASKING_H
#define POSTERN_TESTS_SANDBOX_ASKING_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "sandbox/endpoint.h"
#include "sandbox/seed.h"

struct asking {
    struct model *model;
    struct arena arena;
    struct reply reply; /* of the last call */
};

static inline int asking_begin(void **state)
{
    static struct asking asking;

    arena_init(&asking.arena, 64 * 1024);
    asking.model = model_create();
    model_set_time(asking.model, INT64_C(5000000), INT64_C(1700000000000000));
    seed_fill(asking.model, 0);
    *state = &asking;
    return 0;
}

static inline int asking_end(void **state)
{
    struct asking *asking = *state;

    model_destroy(asking->model);
    arena_finish(&asking->arena);
    return 0;
}

/* The status of the answer; the rest stands in asking->reply until the next call. */
static inline unsigned ask(struct asking *asking, enum http_method method, const char *target,
                           const char *body)
{
    struct request request = {.method = method, .target = bytes_of_string(target), .minor = 1};
    struct call call;

    arena_reset(&asking->arena);
    fields_add(&request.fields, &asking->arena, BYTES("Host"), BYTES("api.example"));
    assert_int_equal(call_read(&call, &request, &asking->arena), RESULT_OK);
    reply_init(&asking->reply, &asking->arena);
    const char *message = endpoint_find(&call);
    if (message != NULL) {
        reply_error(&asking->reply, message);
        return asking->reply.status;
    }
    call_read_body(&call, bytes_of_string(body));
    call.endpoint->handle(asking->model, &call, &asking->reply);
    call_finish(&call);
    return asking->reply.status;
}

static inline bool answer_has(const struct asking *asking, const char *text)
{
    return bytes_find(asking->reply.body, bytes_of_string(text)) < asking->reply.body.length;
}

/* The value of an answer's field, or "". */
static inline const char *answer_field(struct asking *asking, const char *name)
{
    const struct field *field = fields_find(&asking->reply.fields, bytes_of_string(name));

    return field == NULL ? "" : arena_copy(&asking->arena, field->value).data;
}

/* A GET's body. */
static inline const char *read_text(struct asking *asking, const char *target)
{
    assert_int_equal(ask(asking, METHOD_GET, target, ""), 200);
    return arena_copy(&asking->arena, asking->reply.body).data;
}

#endif
