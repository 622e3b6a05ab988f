/*
 * How apps get tokens: a person consents on a page, which sends the browser back with a code; the
 * app makes a token of the code; v4 wants a bearer that the token is exchanged for. Where the
 * original asks for a log-in, this page asks which account it is.
 */
#include "base/clock.h"
#include "base/percent.h"
#include "base/secret.h"
#include "sandbox/accounts.h"
#include "sandbox/endpoint.h"

enum {
    STATE_LEAST_BYTES = 32, /* an MD5 as text */
    CODE_LIFETIME_S = 60,
};

static void reply_page(struct reply *reply, unsigned status, struct bytes html)
{
    reply->status = status;
    reply->body = html;
    reply_field(reply, BYTES("Content-Type"), BYTES("text/html; charset=utf-8"));
}

static struct bytes encoded(struct arena *arena, struct bytes text)
{
    char *room = arena_take(arena, 3 * text.length + 1);

    return bytes_of(room, percent_encode(text, room));
}

/* Back to the app with one more parameter, and its state. */
static void reply_redirect(struct reply *reply, const struct call *call, const struct app *app,
                           struct bytes parameter)
{
    const struct bytes uri = bytes_of_string(app->redirect_uri);
    const struct bytes parts[] = {
        uri,
        bytes_index(uri, '?') < uri.length ? BYTES("&") : BYTES("?"),
        parameter,
        parameter.length > 0 ? BYTES("&state=") : BYTES("state="),
        encoded(call->arena, call_parameter(call, BYTES("state"))),
    };

    reply->status = 302;
    reply_field(reply, BYTES("Location"), arena_join_all(call->arena, parts, ARRAY_LENGTH(parts)));
}

/* The page: a link for each account, and one to refuse. What was sent stands in it encoded. */
static void reply_consent(struct reply *reply, const struct call *call, const struct app *app)
{
    struct arena *arena = call->arena;
    const struct bytes state = encoded(arena, call_parameter(call, BYTES("state")));
    const struct bytes uri = encoded(arena, bytes_of_string(app->redirect_uri));
    const struct bytes link = arena_format(
        arena,
        "<li><a href=\"?client_id=%s&amp;response_type=code&amp;redirect_uri=%.*s&amp;state=%.*s"
        "&amp;approve=",
        app->client_id, (int)uri.length, uri.data, (int)state.length, state.data);
    struct bytes page = BYTES("<!DOCTYPE html><title>Consent</title><h1>Which account may this app "
                              "use?</h1><ul>");

    for (size_t i = 0; i <= call->accounts->count; i++) {
        const bool is_last = i == call->accounts->count;
        const unsigned id = is_last ? 0 : call->accounts->list[i]->account_id;
        const struct bytes parts[] = {
            page, link,
            is_last ? BYTES("no\">none</a></li></ul>\n")
                    : arena_format(arena, "%u\">account %u</a></li>", id, id)};

        page = arena_join_all(arena, parts, ARRAY_LENGTH(parts));
    }
    reply_page(reply, 200, page);
}

/* The person has chosen. */
static void reply_chosen(struct reply *reply, const struct call *call, const struct app *app,
                         int64_t now_us)
{
    const struct bytes choice = call_parameter(call, BYTES("approve"));
    struct model *account = accounts_find(call->accounts, choice);

    if (bytes_equal(choice, BYTES("no")))
        reply_redirect(reply, call, app, BYTES("error=access_denied"));
    else if (account == NULL)
        reply_page(reply, 400, BYTES("There is no such account.\n"));
    else
        reply_redirect(reply, call, app,
                       arena_format(call->arena, "code=%s",
                                    accounts_new_code(call->accounts, app, account,
                                                      now_us + CODE_LIFETIME_S * CLOCK_SECOND_US)));
}

static void get_authorize(struct model *model, const struct call *call, struct reply *reply)
{
    const struct app *app =
        accounts_find_app(call->accounts, call_parameter(call, BYTES("client_id")));

    if (app == NULL)
        reply_page(reply, 400, BYTES("There is no such app.\n"));
    else if (!bytes_equal(call_parameter(call, BYTES("redirect_uri")),
                          bytes_of_string(app->redirect_uri)))
        reply_page(reply, 400, BYTES("The app was registered with another redirect_uri.\n"));
    else if (!bytes_equal(call_parameter(call, BYTES("response_type")), BYTES("code")))
        reply_redirect(reply, call, app, BYTES("error=unsupported_response_type"));
    else if (call_parameter(call, BYTES("state")).length < STATE_LEAST_BYTES)
        reply_redirect(reply, call, app, BYTES("")); /* as the original: without a code */
    else if (call_has_parameter(call, BYTES("approve")))
        reply_chosen(reply, call, app, model->now_us);
    else
        reply_consent(reply, call, app);
}

static void get_token(struct model *model, const struct call *call, struct reply *reply)
{
    const struct app *app =
        accounts_find_app(call->accounts, call_parameter(call, BYTES("client_id")));

    if (app == NULL || !secret_equal(bytes_of_string(app->client_secret),
                                     call_parameter(call, BYTES("client_secret")))) {
        reply_error(reply, "Invalid client");
        return;
    }
    if (!bytes_equal(call_parameter(call, BYTES("redirect_uri")),
                     bytes_of_string(app->redirect_uri))) {
        reply_error(reply, "Invalid redirect_uri");
        return;
    }
    const struct api_token *token =
        accounts_redeem(call->accounts, app, call_parameter(call, BYTES("code")), model->now_us);
    if (token == NULL) {
        reply_error(reply, "Invalid code");
        return;
    }
    cJSON *tree = cJSON_CreateObject();
    (void)cJSON_AddStringToObject(tree, "access_token",
                                  arena_copy(call->arena, secret_bytes(token->text)).data);
    reply_json(reply, tree);
}

static void post_authenticate(struct model *model, const struct call *call, struct reply *reply)
{
    struct bytes text = BYTES("");
    struct buffer bearer;

    (void)model;
    (void)call_text(call, call_member(call, "access_token"), &text); /* none: refused below */
    const struct api_token *token = accounts_token(call->accounts, text);
    if (token == NULL) {
        reply_error(reply, "Invalid access token");
        return;
    }
    buffer_init(&bearer, BEARER_LIMIT_BYTES);
    accounts_write_bearer(call->accounts, token, clock_wall_us(), &bearer);
    reply->status = 200;
    reply->body = arena_copy(call->arena, buffer_bytes(&bearer));
    reply_field(reply, BYTES("Content-Type"), BYTES("text/plain"));
    buffer_finish(&bearer);
}

/* Each host of the original has its own; here they are one. */
static const struct endpoint endpoints[] = {
    {METHOD_GET, "/en/authorize", IN_ALL, ENDPOINT_OPEN, get_authorize},
    {METHOD_GET, "/nl/authorize", IN_ALL, ENDPOINT_OPEN, get_authorize},
    {METHOD_GET, "/token", IN_ALL, ENDPOINT_OPEN, get_token},
    {METHOD_POST, "/authenticate", IN_ALL, ENDPOINT_OPEN, post_authenticate},
    {METHOD_POST, "/", IN_ALL, ENDPOINT_OPEN, post_authenticate},
};

const struct endpoint_table oauth_endpoints = {endpoints, ARRAY_LENGTH(endpoints)};
