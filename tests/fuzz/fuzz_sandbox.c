/* Calls of the simulated API from untrusted bytes: one line each, "METHOD TARGET", then the body
 * up to the next NUL. The model lives on within an input, so that calls meet what earlier ones
 * did. */
#include <stdlib.h>

#include "sandbox/endpoint.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { CALLS_LIMIT = 32, SECOND_US = 1000000 };

/* A little of everything, under the first ids; the seed itself would take most of the time. */
static const char *const beginnings[] = {
    "POST /databases\n{\"name\":\"Customers\"}",
    "POST /database/31/fields\n{\"name\":\"city\",\"type\":\"text\",\"value\":\"Delft\"}",
    "POST /database/31/fields\n{\"name\":\"age\",\"type\":\"integer\"}",
    "POST /database/31/interests\n{\"name\":\"cooking\"}",
    "POST /database/31/collections\n{\"name\":\"Orders\"}",
    "POST /collection/71/fields\n{\"name\":\"amount\",\"type\":\"integer\"}",
    "POST /database/31/profiles\n{\"fields\":{\"age\":4},\"interests\":[\"cooking\"]}",
    "POST /database/31/profiles\n{\"fields\":{\"city\":\"Ede\"}}",
    "POST /profile/9001/subprofiles/71\n{\"amount\":7}",
    "POST /database/31/views\n{\"name\":\"view\"}",
    "POST /view/410/rules\n{}",
    "POST /rule/12/conditions\n{\"type\":\"Field\",\"field\":\"city\",\"value\":\"e\"}",
    "POST /view/410/views\n{\"name\":\"below\"}",
    "POST /collection/71/miniviews\n{\"name\":\"miniview\"}",
};

static void fuzz_call(struct model *model, struct arena *arena, struct bytes text)
{
    struct bytes target = bytes_cut(&text, '\n');
    const struct bytes method = bytes_cut(&target, ' ');
    struct request request = {.method = http_method_of(method), .target = target, .minor = 1};
    struct call call;
    struct reply reply;

    if (target.length == 0 || target.data[0] != '/' ||
        call_read(&call, &request, arena) != RESULT_OK)
        return;
    reply_init(&reply, arena);
    if (endpoint_find(&call) != NULL)
        return;
    call_read_body(&call, text);
    call.endpoint->handle(model, &call, &reply);
    call_finish(&call);
    if (reply.status < 200)
        abort(); /* every call is answered */
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes rest = bytes_of(data, size);
    struct model *model = model_create();
    struct arena arena;

    arena_init(&arena, 16 * 1024);
    model_set_time(model, SECOND_US, INT64_C(1700000000) * SECOND_US);
    for (size_t i = 0; i < ARRAY_LENGTH(beginnings); i++) {
        fuzz_call(model, &arena, bytes_of_string(beginnings[i]));
        arena_reset(&arena);
    }
    for (int i = 0; i < CALLS_LIMIT && rest.length > 0; i++) {
        model_set_time(model, (int64_t)(i + 2) * SECOND_US, INT64_C(1700000000) * SECOND_US);
        model->view_lag_us = (i % 3) * SECOND_US;
        fuzz_call(model, &arena, bytes_cut(&rest, '\0'));
        arena_reset(&arena);
    }
    model_destroy(model);
    arena_finish(&arena);
    return 0;
}
