/*
 * Where the tokens of upstreams come from, how they are renewed, and how they go up. Tokens
 * themselves are not read here: upstream/ does at start and at each reload, and `postern check`
 * tries.
 */
#include "base/clock.h"
#include "config/address.h"
#include "config/blocks.h"
#include "http/message.h"

enum { EXCHANGE_LIFETIME_S = 24 * 60 * 60 };

static void token_env(struct reader *reader, const cJSON *item, const struct member *member,
                      void *into)
{
    struct token_source *token = into;

    (void)member;
    token->env = reader_string(reader, item, "the name of an environment variable");
    if (token->env != NULL && (!address_is_word(bytes_of_string(token->env), "_", 255) ||
                               (token->env[0] >= '0' && token->env[0] <= '9')))
        reader_fault(reader, item,
                     "is not the name of an environment variable: letters, digits "
                     "and _ only (the token itself does not belong here)");
}

static void token_credential(struct reader *reader, const cJSON *item, const struct member *member,
                             void *into)
{
    struct token_source *token = into;

    (void)member;
    token->credential = reader_string(reader, item, "the name of a systemd credential");
    if (token->credential != NULL &&
        (!address_is_word(bytes_of_string(token->credential), "._@-", 255) ||
         token->credential[0] == '.'))
        reader_fault(reader, item,
                     "is not the name of a systemd credential: letters, digits and "
                     ". _ @ - only, the first no dot");
}

static void secret_source(struct reader *reader, const cJSON *item, struct token_source *source)
{
    static const struct member members[] = {
        {.name = "file", .read = reader_path, .offset = offsetof(struct token_source, file)},
        {.name = "insecure",
         .read = reader_flag,
         .offset = offsetof(struct token_source, insecure)},
        {.name = "env", .read = token_env},
        {.name = "credential", .read = token_credential},
    };

    if (!reader_members(reader, item, members, ARRAY_LENGTH(members), source))
        return;
    const int sources = (reader_member(item, "file") != NULL) +
                        (reader_member(item, "env") != NULL) +
                        (reader_member(item, "credential") != NULL);
    if (sources != 1)
        reader_fault(reader, item, "expects one of \"file\", \"env\" and \"credential\"");
    if (reader_member(item, "insecure") != NULL && reader_member(item, "file") == NULL)
        reader_fault(reader, item, "\"insecure\" belongs to \"file\": take it out");
}

/* A token's source as a member of a larger struct. */
static void secret_source_member(struct reader *reader, const cJSON *item,
                                 const struct member *member, void *into)
{
    secret_source(reader, item, (struct token_source *)(void *)((char *)into + member->offset));
}

/* An address that secrets go to, into a const char *. */
static void secret_address(struct reader *reader, const cJSON *item, const struct member *member,
                           void *into)
{
    const char *text = reader_string(reader, item, "an address such as \"https://…\"");
    struct address address;

    *(const char **)(void *)((char *)into + member->offset) = text;
    if (text == NULL)
        return;
    if (!address_split(bytes_of_string(text), &address))
        reader_fault(reader, item,
                     "is no address: expects https://, a host, maybe a port and a path; no user, "
                     "query or fragment");
    else if (bytes_equal(address.scheme, BYTES("http")) && !address_is_loopback(address.authority))
        reader_fault(reader, item, "a secret would go over the network unencrypted: use https://");
}

/* A parameter's name, which is sent as it stands, into a const char *. */
static void parameter_name(struct reader *reader, const cJSON *item, const struct member *member,
                           void *into)
{
    const char *name = reader_string(reader, item, "the name of a parameter");

    *(const char **)(void *)((char *)into + member->offset) = name;
    if (name != NULL && !address_is_word(bytes_of_string(name), "-._~", 255))
        reader_fault(reader, item,
                     "is not the name of a parameter: letters, digits and - . _ ~ only");
}

struct exchange_draft {
    struct exchange_config exchange;
    struct token_source source; /* the upstream's in the end */
};

static void token_exchange(struct reader *reader, const cJSON *item, const struct member *member,
                           void *into)
{
    static const struct member members[] = {
        {.name = "url",
         .read = secret_address,
         .offset = offsetof(struct exchange_draft, exchange.url),
         .required = true},
        {.name = "token",
         .read = secret_source_member,
         .offset = offsetof(struct exchange_draft, source),
         .required = true},
        {.name = "parameter",
         .read = parameter_name,
         .offset = offsetof(struct exchange_draft, exchange.parameter)},
        {.name = "lifetime",
         .read = reader_duration,
         .offset = offsetof(struct exchange_draft, exchange.lifetime_us),
         .minimum = 1},
    };
    struct upstream_config *upstream = into;
    struct exchange_draft *draft = arena_take_zeroed(&reader->configuration->arena, sizeof(*draft));

    (void)member;
    draft->exchange.parameter = "access_token";
    draft->exchange.lifetime_us = EXCHANGE_LIFETIME_S * CLOCK_SECOND_US;
    if (!reader_members(reader, item, members, ARRAY_LENGTH(members), draft))
        return;
    upstream->exchange = &draft->exchange;
    upstream->token = draft->source;
}

void block_token(struct reader *reader, const cJSON *item, const struct member *member, void *into)
{
    static const struct member exchanged[] = {{.name = "exchange", .read = token_exchange}};
    struct upstream_config *upstream = into;

    (void)member;
    upstream->has_token = true;
    if (reader_member(item, "exchange") == NULL)
        secret_source(reader, item, &upstream->token);
    else if (cJSON_GetArraySize(item) == 1)
        (void)reader_members(reader, item, exchanged, 1, upstream); /* said its fault */
    else
        reader_fault(reader, item,
                     "\"exchange\" stands alone: where the token comes from belongs to its "
                     "\"token\"");
}

/* Where the code comes back: to this machine, which listens there. */
static void login_redirect(struct reader *reader, const cJSON *item, const struct member *member,
                           void *into)
{
    struct login_config *login = into;
    const char *text = reader_string(reader, item, "an address such as \"http://127.0.0.1:8089/\"");
    struct address address;

    (void)member;
    login->redirect = text;
    if (text == NULL)
        return;
    if (!address_split(bytes_of_string(text), &address) ||
        !bytes_equal(address.scheme, BYTES("http")) || !address_is_loopback(address.authority) ||
        bytes_ends_with(address.authority, BYTES("]")) ||
        bytes_index(address.authority, ':') == address.authority.length)
        reader_fault(reader, item,
                     "is not where this machine can be asked: expects http://127.0.0.1:PORT/, "
                     "the same as was given when the app was registered");
}

void block_login(struct reader *reader, const cJSON *item, const struct member *member, void *into)
{
    static const struct member members[] = {
        {.name = "authorize",
         .read = secret_address,
         .offset = offsetof(struct login_config, authorize)},
        {.name = "token", .read = secret_address, .offset = offsetof(struct login_config, token)},
        {.name = "client_id",
         .read = reader_text,
         .offset = offsetof(struct login_config, client_id),
         .required = true},
        {.name = "client_secret",
         .read = secret_source_member,
         .offset = offsetof(struct login_config, client_secret),
         .required = true},
        {.name = "redirect", .read = login_redirect, .required = true},
    };
    struct upstream_config *upstream = into;
    struct login_config *login = arena_take_zeroed(&reader->configuration->arena, sizeof(*login));

    (void)member;
    upstream->login = login;
    if (upstream->preset != NULL) {
        login->authorize = upstream->preset->login_authorize;
        login->token = upstream->preset->login_token;
    }
    if (!reader_members(reader, item, members, ARRAY_LENGTH(members), login))
        return;
    if (login->authorize == NULL && reader_member(item, "authorize") == NULL)
        reader_fault(reader, item, "\"authorize\" is missing, and the preset does not say it");
    if (login->token == NULL && reader_member(item, "token") == NULL)
        reader_fault(reader, item, "\"token\" is missing, and the preset does not say it");
    if (upstream->token.file == NULL)
        reader_fault(reader, item,
                     "has nowhere to put the token: say \"file\" where the upstream's token "
                     "comes from");
}

void block_preset_login(struct reader *reader, const cJSON *item, const struct member *member,
                        void *into)
{
    static const struct member members[] = {
        {.name = "authorize",
         .read = secret_address,
         .offset = offsetof(struct preset, login_authorize),
         .required = true},
        {.name = "token",
         .read = secret_address,
         .offset = offsetof(struct preset, login_token),
         .required = true},
    };

    (void)member;
    (void)reader_members(reader, item, members, ARRAY_LENGTH(members), into); /* said its fault */
}

static void injection_header(struct reader *reader, const cJSON *item, const struct member *member,
                             void *into)
{
    struct injection *injection = into;

    (void)member;
    injection->header = reader_string(reader, item, "the name of a field");
    if (injection->header != NULL && !http_is_token(bytes_of_string(injection->header)))
        reader_fault(reader, item, "is not the name of a field: try \"Authorization\"");
}

static void injection_format(struct reader *reader, const cJSON *item, const struct member *member,
                             void *into)
{
    struct injection *injection = into;
    const char *format = reader_string(reader, item, "a field's value with %s for the token");

    (void)member;
    injection->format = format;
    if (format == NULL)
        return;
    const struct bytes text = bytes_of_string(format);
    const size_t percent = bytes_index(text, '%');
    bool printable = true;
    for (size_t i = 0; i < text.length; i++)
        printable = printable && text.data[i] >= ' ' && text.data[i] <= '~';
    if (!printable || bytes_find(text, BYTES("%s")) != percent || percent == text.length ||
        bytes_index(bytes_from(text, percent + 1), '%') < text.length - percent - 1)
        reader_fault(reader, item,
                     "expects printable ASCII with one %%s where the token goes, such "
                     "as \"Bearer %%s\"");
}

void block_injection(struct reader *reader, const cJSON *item, const struct member *member,
                     void *into)
{
    static const struct member members[] = {
        {.name = "query", .read = parameter_name, .offset = offsetof(struct injection, query)},
        {.name = "header", .read = injection_header},
        {.name = "format", .read = injection_format},
    };
    struct injection *injection = (struct injection *)(void *)((char *)into + member->offset);

    if (!reader_members(reader, item, members, ARRAY_LENGTH(members), injection))
        return;
    const bool query = reader_member(item, "query") != NULL;
    const bool header = reader_member(item, "header") != NULL;
    if (query == header)
        reader_fault(reader, item, "expects one of \"query\" and \"header\"");
    if (reader_member(item, "format") != NULL && !header)
        reader_fault(reader, item, "\"format\" belongs to \"header\": take it out");
    if (header && injection->format == NULL)
        injection->format = "%s";
}
