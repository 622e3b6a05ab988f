/* The control port: knobs, counts, the log and a fresh start, for tests and benchmarks. */
#include "sandbox/sandbox_state.h"

enum { LOG_LIMIT_BYTES = 60 * 1024 * 1024 };

/* A request to the control port; in the arena of its connection. */
struct control {
    struct buffer body;
};

static void control_answer(struct connection *connection, unsigned status, struct bytes json)
{
    struct fields fields = {0};

    fields_add(&fields, connection_arena(connection), BYTES("Content-Type"),
               BYTES("application/json"));
    connection_answer_whole(connection, status, &fields, json);
}

static void control_answer_tree(struct connection *connection, unsigned status, cJSON *tree)
{
    char *text = cJSON_PrintUnformatted(tree);

    control_answer(connection, status, text == NULL ? BYTES("") : bytes_of_string(text));
    cJSON_free(text);
    cJSON_Delete(tree);
}

static void control_refuse(struct connection *connection, unsigned status, const char *message)
{
    cJSON *tree = cJSON_CreateObject();
    cJSON *error = cJSON_AddObjectToObject(tree, "error");

    (void)cJSON_AddStringToObject(error, "message", message);
    control_answer_tree(connection, status, tree);
}

static void control_put_knobs(struct sandbox *sandbox, struct connection *connection,
                              struct bytes body)
{
    struct error error = {0};
    cJSON *object = cJSON_ParseWithLength(body.data, body.length);
    const enum result result = knobs_read(&sandbox->knobs, object, &error);

    cJSON_Delete(object);
    if (result != RESULT_OK) {
        control_refuse(connection, 400, error.text);
        return;
    }
    sandbox->model->view_lag_us = sandbox->knobs.numbers.view_lag_us;
    control_answer_tree(connection, 200, knobs_shape(&sandbox->knobs));
}

static void control_get_knobs(struct sandbox *sandbox, struct connection *connection,
                              struct bytes body)
{
    (void)body;
    control_answer_tree(connection, 200, knobs_shape(&sandbox->knobs));
}

static void control_get_calls(struct sandbox *sandbox, struct connection *connection,
                              struct bytes body)
{
    (void)body;
    control_answer_tree(connection, 200, calls_shape(&sandbox->calls));
}

static void control_delete_calls(struct sandbox *sandbox, struct connection *connection,
                                 struct bytes body)
{
    (void)body;
    calls_reset(&sandbox->calls);
    control_answer(connection, 200, BYTES("{}"));
}

static void control_get_log(struct sandbox *sandbox, struct connection *connection,
                            struct bytes body)
{
    struct buffer log;

    (void)body;
    buffer_init(&log, LOG_LIMIT_BYTES);
    calls_write_log(&sandbox->calls, &log);
    if (log.failed)
        control_refuse(connection, 500, "the log is too long to be shown: DELETE /_sandbox/calls");
    else
        control_answer(connection, 200, buffer_bytes(&log));
    buffer_finish(&log);
}

static void control_reset(struct sandbox *sandbox, struct connection *connection, struct bytes body)
{
    (void)body;
    sandbox_reseed(sandbox);
    control_answer(connection, 200, BYTES("{}"));
}

static const struct {
    enum http_method method;
    const char *path;
    void (*handle)(struct sandbox *sandbox, struct connection *connection, struct bytes body);
} commands[] = {
    {METHOD_GET, "/_sandbox/knobs", control_get_knobs},
    {METHOD_PUT, "/_sandbox/knobs", control_put_knobs},
    {METHOD_GET, "/_sandbox/calls", control_get_calls},
    {METHOD_DELETE, "/_sandbox/calls", control_delete_calls},
    {METHOD_GET, "/_sandbox/log", control_get_log},
    {METHOD_POST, "/_sandbox/reset", control_reset},
};

/* Connection: a head is whole. */
static void control_on_request(struct connection *connection, void *server)
{
    struct control *control = arena_take(connection_arena(connection), sizeof(*control));

    (void)server;
    buffer_init(&control->body, SANDBOX_BODY_LIMIT_BYTES);
    connection_set_exchange(connection, control);
    connection_read_body(connection);
}

static void control_on_body(struct connection *connection, struct bytes part)
{
    struct control *control = connection_exchange(connection);

    buffer_add(&control->body, part);
}

static void control_on_body_end(struct connection *connection)
{
    const struct control *control = connection_exchange(connection);
    const struct request *request = connection_request(connection);
    struct bytes rest = request->target;
    const struct bytes path = bytes_cut(&rest, '?');

    if (control->body.failed) {
        control_refuse(connection, 413, "the body is longer than 1 MiB");
        return;
    }
    for (size_t i = 0; i < ARRAY_LENGTH(commands); i++)
        if (request->method == commands[i].method &&
            bytes_equal(path, bytes_of_string(commands[i].path))) {
            commands[i].handle(connection_server(connection), connection,
                               buffer_bytes(&control->body));
            return;
        }
    control_refuse(connection, 404,
                   "there is GET and PUT /_sandbox/knobs, GET and DELETE /_sandbox/calls, GET "
                   "/_sandbox/log, POST /_sandbox/reset");
}

static void control_on_drained(struct connection *connection)
{
    (void)connection; /* answers are given whole */
}

static void control_on_finished(struct connection *connection, bool complete)
{
    struct control *control = connection_exchange(connection);

    (void)complete;
    if (control != NULL)
        buffer_finish(&control->body);
}

const struct connection_handler sandbox_control_handler = {
    .on_request = control_on_request,
    .on_body = control_on_body,
    .on_body_end = control_on_body_end,
    .on_drained = control_on_drained,
    .on_finished = control_on_finished,
};
