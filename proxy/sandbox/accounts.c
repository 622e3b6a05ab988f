/* Small tables, searched from their beginning. */
#include "sandbox/accounts.h"

#include <assert.h>
#include <stdlib.h>

#include "base/secret.h"

static void random_hex(char text[SECRET_HEX_ROOM])
{
    unsigned char bytes[SECRET_HEX_ROOM / 2];

    secret_random(bytes, sizeof(bytes));
    bytes_to_hex(bytes_of(bytes, sizeof(bytes)), text);
}

static struct api_token *tokens_add(struct accounts *accounts, struct bytes text,
                                    struct model *account, const struct app *app)
{
    struct api_token *token = &accounts->tokens[accounts->token_count];

    *token = (struct api_token){.account = account, .app = app};
    if (secret_create(text, &token->text) != RESULT_OK)
        return NULL;
    accounts->token_count++;
    return token;
}

void accounts_finish(struct accounts *accounts)
{
    for (size_t i = 0; i < accounts->token_count; i++)
        secret_destroy(accounts->tokens[i].text);
    for (size_t i = 0; i < accounts->app_count; i++) {
        free(accounts->apps[i].name);
        free(accounts->apps[i].redirect_uri);
    }
    for (size_t i = 0; i < accounts->count; i++)
        model_destroy(accounts->list[i]);
    accounts->token_count = accounts->app_count = accounts->count = 0;
}

enum result accounts_reset(struct accounts *accounts, struct bytes token)
{
    struct secret *text;
    const enum result result = secret_create(token, &text); /* it may be one of ours */

    if (result != RESULT_OK)
        return result;
    accounts_finish(accounts);
    memset(accounts->codes, 0, sizeof(accounts->codes));
    if (accounts->bearer_count == 0)
        secret_random(accounts->bearer_key, sizeof(accounts->bearer_key));
    struct model *first = accounts_add(accounts, BYTES("Webshop"));
    accounts->tokens[accounts->token_count++] = (struct api_token){.text = text, .account = first};
    return RESULT_OK;
}

struct model *accounts_add(struct accounts *accounts, struct bytes name)
{
    if (accounts->count == ACCOUNTS_LIMIT)
        return NULL;
    struct model *account = model_create();
    account->account_id = FIRST_ACCOUNT_ID + (uint32_t)accounts->count;
    string_set(&account->account_name, name);
    accounts->list[accounts->count++] = account;
    return account;
}

struct model *accounts_find(const struct accounts *accounts, struct bytes id)
{
    uint64_t number;

    if (bytes_to_number(id, UINT32_MAX, &number) != RESULT_OK)
        return NULL;
    for (size_t i = 0; i < accounts->count; i++)
        if (accounts->list[i]->account_id == number)
            return accounts->list[i];
    return NULL;
}

const struct app *accounts_add_app(struct accounts *accounts, struct bytes name,
                                   struct bytes redirect_uri)
{
    if (accounts->app_count == APPS_LIMIT)
        return NULL;
    struct app *app = &accounts->apps[accounts->app_count++];
    app->name = string_of(name);
    app->redirect_uri = string_of(redirect_uri);
    random_hex(app->client_id);
    random_hex(app->client_secret);
    return app;
}

const struct app *accounts_find_app(const struct accounts *accounts, struct bytes client_id)
{
    for (size_t i = 0; i < accounts->app_count; i++)
        if (bytes_equal(bytes_of_string(accounts->apps[i].client_id), client_id))
            return &accounts->apps[i];
    return NULL;
}

const struct api_token *accounts_link(struct accounts *accounts, struct model *account,
                                      const struct app *app)
{
    char text[SECRET_HEX_ROOM];

    if (accounts->token_count == API_TOKENS_LIMIT)
        return NULL;
    random_hex(text);
    const struct api_token *token = tokens_add(accounts, bytes_of_string(text), account, app);
    secret_wipe(text, sizeof(text));
    return token;
}

struct api_token *accounts_token(struct accounts *accounts, struct bytes text)
{
    for (size_t i = 0; i < accounts->token_count; i++)
        if (!accounts->tokens[i].is_revoked &&
            secret_equal(secret_bytes(accounts->tokens[i].text), text))
            return &accounts->tokens[i];
    return NULL;
}

const char *accounts_new_code(struct accounts *accounts, const struct app *app,
                              struct model *account, int64_t until_us)
{
    struct code *code = &accounts->codes[accounts->next_code];

    accounts->next_code = (accounts->next_code + 1) % CODES_LIMIT;
    *code = (struct code){.app = app, .account = account, .until_us = until_us};
    random_hex(code->text);
    return code->text;
}

const struct api_token *accounts_redeem(struct accounts *accounts, const struct app *app,
                                        struct bytes text, int64_t now_us)
{
    for (size_t i = 0; i < CODES_LIMIT; i++) {
        struct code *code = &accounts->codes[i];

        if (code->text[0] == '\0' || code->app != app ||
            !secret_equal(bytes_of_string(code->text), text))
            continue;
        code->text[0] = '\0';
        return now_us < code->until_us ? accounts_link(accounts, code->account, app) : NULL;
    }
    return NULL;
}
