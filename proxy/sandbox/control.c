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
    sandbox_use_knobs(sandbox);
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
    if (sandbox_reset(sandbox) != RESULT_OK)
        control_refuse(connection, 500, "no memory can be locked for the token");
    else
        control_answer(connection, 200, BYTES("{}"));
}

/* --- who may call --- */

/* Text of a secret in the connection's arena, for an answer. */
static void add_secret(cJSON *object, const char *name, struct connection *connection,
                       const struct secret *secret)
{
    (void)cJSON_AddStringToObject(
        object, name, arena_copy(connection_arena(connection), secret_bytes(secret)).data);
}

static cJSON *account_shape(const struct model *account)
{
    cJSON *object = cJSON_CreateObject();
    char id[NUMBER_DIGITS + 1];

    id[number_write(account->account_id, 1, id)] = '\0';
    (void)cJSON_AddStringToObject(object, "id", id);
    (void)cJSON_AddStringToObject(object, "name", account->account_name);
    return object;
}

static cJSON *app_shape(const struct app *app)
{
    cJSON *object = cJSON_CreateObject();

    (void)cJSON_AddStringToObject(object, "name", app->name);
    (void)cJSON_AddStringToObject(object, "redirect_uri", app->redirect_uri);
    (void)cJSON_AddStringToObject(object, "client_id", app->client_id);
    (void)cJSON_AddStringToObject(object, "client_secret", app->client_secret);
    return object;
}

static cJSON *token_shape(const struct api_token *token, struct connection *connection)
{
    cJSON *object = cJSON_CreateObject();

    add_secret(object, "access_token", connection, token->text);
    (void)cJSON_AddItemToObject(object, "account", account_shape(token->account));
    if (token->app != NULL)
        (void)cJSON_AddStringToObject(object, "client_id", token->app->client_id);
    (void)cJSON_AddBoolToObject(object, "revoked", token->is_revoked);
    return object;
}

static void control_get_accounts(struct sandbox *sandbox, struct connection *connection,
                                 struct bytes body)
{
    const struct accounts *accounts = &sandbox->accounts;
    cJSON *tree = cJSON_CreateObject();
    cJSON *list = cJSON_AddArrayToObject(tree, "accounts");

    (void)body;
    for (size_t i = 0; i < accounts->count; i++)
        (void)cJSON_AddItemToArray(list, account_shape(accounts->list[i]));
    list = cJSON_AddArrayToObject(tree, "apps");
    for (size_t i = 0; i < accounts->app_count; i++)
        (void)cJSON_AddItemToArray(list, app_shape(&accounts->apps[i]));
    list = cJSON_AddArrayToObject(tree, "tokens");
    for (size_t i = 0; i < accounts->token_count; i++)
        (void)cJSON_AddItemToArray(list, token_shape(&accounts->tokens[i], connection));
    control_answer_tree(connection, 200, tree);
}

/* The member of a body that is text; empty: there is none. */
static struct bytes member_text(const cJSON *object, const char *name)
{
    const cJSON *member = cJSON_GetObjectItemCaseSensitive(object, name);

    return cJSON_IsString(member) ? bytes_of_string(member->valuestring) : BYTES("");
}

static void control_post_accounts(struct sandbox *sandbox, struct connection *connection,
                                  struct bytes body)
{
    cJSON *object = cJSON_ParseWithLength(body.data, body.length);
    const struct bytes name = member_text(object, "name");
    struct model *account = name.length == 0 ? NULL : accounts_add(&sandbox->accounts, name);
    const struct api_token *token =
        account == NULL ? NULL : accounts_link(&sandbox->accounts, account, NULL);

    cJSON_Delete(object);
    if (account != NULL)
        sandbox_seed(sandbox, account);
    if (token == NULL)
        control_refuse(connection, 400, "wants {\"name\": \"…\"}; there may be 32 accounts");
    else
        control_answer_tree(connection, 200, token_shape(token, connection));
}

static void control_post_apps(struct sandbox *sandbox, struct connection *connection,
                              struct bytes body)
{
    cJSON *object = cJSON_ParseWithLength(body.data, body.length);
    const struct bytes name = member_text(object, "name"),
                       uri = member_text(object, "redirect_uri");
    const struct app *app = name.length == 0 || uri.length == 0
                                ? NULL
                                : accounts_add_app(&sandbox->accounts, name, uri);

    cJSON_Delete(object);
    if (app == NULL)
        control_refuse(
            connection, 400,
            "wants {\"name\": \"…\", \"redirect_uri\": \"http://…\"}; there may be 32 apps");
    else
        control_answer_tree(connection, 200, app_shape(app));
}

static void control_post_links(struct sandbox *sandbox, struct connection *connection,
                               struct bytes body)
{
    cJSON *object = cJSON_ParseWithLength(body.data, body.length);
    const struct bytes client_id = member_text(object, "client_id");
    struct model *account = accounts_find(&sandbox->accounts, member_text(object, "account"));
    const struct app *app = accounts_find_app(&sandbox->accounts, client_id);
    const struct api_token *token = account == NULL || (client_id.length > 0 && app == NULL)
                                        ? NULL
                                        : accounts_link(&sandbox->accounts, account, app);

    cJSON_Delete(object);
    if (token == NULL)
        control_refuse(connection, 400,
                       "wants {\"account\": \"41\", \"client_id\": \"…\"}, the second if it is an "
                       "app's token; there may be 256 tokens");
    else
        control_answer_tree(connection, 200, token_shape(token, connection));
}

static void control_post_revoke(struct sandbox *sandbox, struct connection *connection,
                                struct bytes body)
{
    cJSON *object = cJSON_ParseWithLength(body.data, body.length);
    struct api_token *token =
        accounts_token(&sandbox->accounts, member_text(object, "access_token"));
    const bool bearers = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(object, "bearers"));

    cJSON_Delete(object);
    if (token != NULL)
        token->is_revoked = true;
    if (bearers)
        accounts_revoke_bearers(&sandbox->accounts);
    if (token == NULL && !bearers)
        control_refuse(
            connection, 400,
            "wants {\"access_token\": \"…\"}, one that there is, or {\"bearers\": true}");
    else
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
    {METHOD_GET, "/_sandbox/accounts", control_get_accounts},
    {METHOD_POST, "/_sandbox/accounts", control_post_accounts},
    {METHOD_POST, "/_sandbox/apps", control_post_apps},
    {METHOD_POST, "/_sandbox/links", control_post_links},
    {METHOD_POST, "/_sandbox/revoke", control_post_revoke},
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
                   "/_sandbox/log, POST /_sandbox/reset, GET and POST /_sandbox/accounts, POST "
                   "/_sandbox/apps, /_sandbox/links, /_sandbox/revoke");
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
