/* libcurl for one call (RFC 6749 §4.1.3, §5.1; RFC 7519 §4.1), and the forms that answers have. */
#include "upstream/obtain.h"

#include <cJSON.h>
#include <curl/curl.h>
#include <stdlib.h>

#include "base/base64.h"
#include "base/clock.h"
#include "base/memory.h"
#include "base/secret.h"

enum {
    OBTAIN_ANSWER_LIMIT_BYTES = 32 * 1024, /* twice what a token may have */
    OBTAIN_CONNECT_S = 10,
    OBTAIN_TOTAL_S = 30,
    OBTAIN_MESSAGE_LIMIT = 80, /* of an error's text that is repeated */
    OBTAIN_WORD_LIMIT = 20,    /* … longer words may be secrets */
    OBTAIN_LIFETIME_LIMIT_S = 366 * 24 * 60 * 60,
};

/* --- the answer --- */

/* A JSON tree whose texts are secrets. */
static void wipe_tree(cJSON *item)
{
    for (; item != NULL; item = item->next) {
        if (item->valuestring != NULL)
            secret_wipe(item->valuestring, strlen(item->valuestring));
        wipe_tree(item->child); /* cJSON reads no tree deeper than 1000 */
    }
}

static void drop_tree(cJSON *tree)
{
    wipe_tree(tree);
    cJSON_Delete(tree);
}

/* token68 of RFC 9110 §11.2: anything else is a page, not a token. */
static bool is_token_text(struct bytes text)
{
    for (size_t i = 0; i < text.length; i++) {
        const char byte = text.data[i];

        if (!((byte >= '0' && byte <= '9') ||
              (bytes_lower(byte) >= 'a' && bytes_lower(byte) <= 'z') ||
              (byte != '\0' && strchr("-._~+/=", byte) != NULL)))
            return false;
    }
    return text.length > 0;
}

/* Seconds that a JWT says it is valid for, or 0: it is none, or does not say. */
static double jwt_lifetime_s(struct bytes token, double wall_s)
{
    struct bytes rest = token;
    struct buffer text;
    double lifetime_s = 0;

    (void)bytes_cut(&rest, '.'); /* its head */
    const struct bytes claims = bytes_cut(&rest, '.');
    if (claims.length == 0 || rest.length == 0)
        return 0;
    buffer_init(&text, OBTAIN_ANSWER_LIMIT_BYTES);
    if (base64url_read(claims, &text) == RESULT_OK) {
        cJSON *tree = cJSON_ParseWithLength(text.data, text.length);
        const cJSON *until = cJSON_GetObjectItemCaseSensitive(tree, "exp");
        const cJSON *since = cJSON_GetObjectItemCaseSensitive(tree, "iat");

        if (cJSON_IsNumber(until)) /* the other's clock may be another: it has both */
            lifetime_s = until->valuedouble - (cJSON_IsNumber(since) ? since->valuedouble : wall_s);
        if (cJSON_IsNumber(until) && lifetime_s <= 0)
            lifetime_s = -1;
        drop_tree(tree);
    }
    buffer_finish(&text);
    return lifetime_s;
}

static enum result obtained_make(struct bytes text, double lifetime_s, int64_t lifetime_us,
                                 struct obtained *obtained, struct error *error)
{
    if (!is_token_text(text))
        return error_set(error, RESULT_INVALID, "the answer holds no token");
    if (lifetime_s < 0)
        return error_set(error, RESULT_INVALID, "the token that came has expired already");
    if (lifetime_s > OBTAIN_LIFETIME_LIMIT_S)
        lifetime_s = OBTAIN_LIFETIME_LIMIT_S;
    obtained->lifetime_us = lifetime_us;
    if (lifetime_s > 0) /* it is said: whole seconds, a part of one being one */
        obtained->lifetime_us =
            lifetime_s < 1 ? CLOCK_SECOND_US : (int64_t)lifetime_s * CLOCK_SECOND_US;
    return token_create(text, &obtained->token, error);
}

static enum result obtained_read_tree(const cJSON *tree, double wall_s, int64_t lifetime_us,
                                      struct obtained *obtained, struct error *error)
{
    const cJSON *token = tree;
    const cJSON *expires_in = cJSON_GetObjectItemCaseSensitive(tree, "expires_in");

    if (cJSON_IsObject(tree))
        token = cJSON_GetObjectItemCaseSensitive(tree, "access_token");
    if (token == NULL)
        token = cJSON_GetObjectItemCaseSensitive(tree, "token");
    const struct bytes text =
        cJSON_IsString(token) ? bytes_of_string(token->valuestring) : BYTES("");
    double lifetime_s = jwt_lifetime_s(text, wall_s);
    if (cJSON_IsNumber(expires_in))
        lifetime_s = expires_in->valuedouble > 0 ? expires_in->valuedouble : -1;
    return obtained_make(text, lifetime_s, lifetime_us, obtained, error);
}

enum result obtain_read(struct bytes body, int64_t wall_us, int64_t lifetime_us,
                        struct obtained *obtained, struct error *error)
{
    const double wall_s = (double)wall_us / (double)CLOCK_SECOND_US;
    struct bytes text = body;

    while (text.length > 0 && (unsigned char)text.data[text.length - 1] <= ' ')
        text.length--;
    while (text.length > 0 && (unsigned char)text.data[0] <= ' ')
        text = bytes_from(text, 1);
    if (is_token_text(text))
        return obtained_make(text, jwt_lifetime_s(text, wall_s), lifetime_us, obtained, error);
    cJSON *tree = cJSON_ParseWithLength(text.data == NULL ? "" : text.data, text.length);
    const enum result result = obtained_read_tree(tree, wall_s, lifetime_us, obtained, error);
    drop_tree(tree);
    return result;
}

/* --- the call --- */

struct obtaining {
    const struct obtain_options *options;
    struct buffer body; /* reserved whole, so that no copy of it is left behind */
};

static size_t obtaining_on_body(char *data, size_t size, size_t count, void *context)
{
    struct obtaining *obtaining = context;

    if (size * count > obtaining->body.capacity - obtaining->body.length)
        return 0; /* aborts: too long for a token */
    buffer_add(&obtaining->body, bytes_of(data, size * count));
    return size * count;
}

static int obtaining_on_progress(void *context, curl_off_t a, curl_off_t b, curl_off_t c,
                                 curl_off_t d)
{
    const struct obtaining *obtaining = context;
    const atomic_bool *cancelled = obtaining->options->cancelled;

    (void)a, (void)b, (void)c, (void)d;
    return cancelled != NULL && atomic_load(cancelled);
}

static void set(CURLcode code)
{
    if (code != CURLE_OK)
        memory_exhausted(); /* our libcurl knows the option: it lacks nothing else */
}

static void obtaining_set(struct obtaining *obtaining, CURL *easy)
{
    set(curl_easy_setopt(easy, CURLOPT_PROXY, ""));
    set(curl_easy_setopt(easy, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED));
    set(curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L));
    set(curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https"));
    set(curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L));
    set(curl_easy_setopt(easy, CURLOPT_FORBID_REUSE, 1L));
    set(curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT, (long)OBTAIN_CONNECT_S));
    set(curl_easy_setopt(easy, CURLOPT_TIMEOUT, (long)OBTAIN_TOTAL_S));
    set(curl_easy_setopt(easy, CURLOPT_USERAGENT, "postern/" POSTERN_VERSION));
    set(curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, obtaining_on_body));
    set(curl_easy_setopt(easy, CURLOPT_WRITEDATA, obtaining));
    set(curl_easy_setopt(easy, CURLOPT_NOPROGRESS, 0L));
    set(curl_easy_setopt(easy, CURLOPT_XFERINFOFUNCTION, obtaining_on_progress));
    set(curl_easy_setopt(easy, CURLOPT_XFERINFODATA, obtaining));
    if (obtaining->options->ca_file != NULL)
        set(curl_easy_setopt(easy, CURLOPT_CAINFO, obtaining->options->ca_file));
}

/* Whether a text of the other side can be shown: words only, for a secret may be repeated in it. */
static bool is_harmless(const char *text)
{
    size_t word = 0, length = 0;

    for (; text[length] != '\0'; length++) {
        const char byte = bytes_lower(text[length]);

        word = byte >= 'a' && byte <= 'z' ? word + 1 : 0;
        if (word > OBTAIN_WORD_LIMIT || (word == 0 && strchr(" _.,'", byte) == NULL))
            return false;
    }
    return length > 0 && length <= OBTAIN_MESSAGE_LIMIT;
}

/* {"error": "invalid_grant"} (RFC 6749 §5.2), {"error": {"message": "…"}} (Copernica). */
static enum result obtaining_refused(const struct obtaining *obtaining, long status,
                                     struct error *error)
{
    const struct bytes body = buffer_bytes(&obtaining->body);
    cJSON *tree = cJSON_ParseWithLength(body.data == NULL ? "" : body.data, body.length);
    const cJSON *said = cJSON_GetObjectItemCaseSensitive(tree, "error");

    if (cJSON_IsObject(said))
        said = cJSON_GetObjectItemCaseSensitive(said, "message");
    if (cJSON_IsString(said) && is_harmless(said->valuestring))
        (void)error_set(error, RESULT_INVALID, "%s answered %ld: %s", obtaining->options->url,
                        status, said->valuestring);
    else
        (void)error_set(error, RESULT_INVALID, "%s answered %ld", obtaining->options->url, status);
    drop_tree(tree);
    return RESULT_INVALID;
}

/* `target`: url?query with the secret, or only ?secret, which is the form. */
static enum result obtaining_perform(struct obtaining *obtaining, CURL *easy, const char *target,
                                     struct error *error)
{
    const struct obtain_options *options = obtaining->options;
    long status = 0;

    obtaining_set(obtaining, easy);
    if (options->query == NULL) {
        set(curl_easy_setopt(easy, CURLOPT_URL, options->url));
        set(curl_easy_setopt(easy, CURLOPT_POSTFIELDS, target + 1)); /* not copied */
    } else {
        set(curl_easy_setopt(easy, CURLOPT_URL, target));
    }
    const CURLcode code = curl_easy_perform(easy);
    if (code != CURLE_OK)
        return error_set(error, RESULT_SYSTEM, "%s gave no answer: %s", options->url,
                         curl_easy_strerror(code));
    (void)curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status); /* 0 stays, and is none */
    if (status != 200 && status != 201)
        return obtaining_refused(obtaining, status, error);
    return RESULT_OK;
}

struct obtain_options obtain_exchange(const struct upstream_config *config,
                                      const struct token *token)
{
    return (struct obtain_options){.url = config->exchange->url,
                                   .parameter = config->exchange->parameter,
                                   .secret = token,
                                   .ca_file = config->tls_ca_file,
                                   .lifetime_us = config->exchange->lifetime_us};
}

enum result obtain_token(const struct obtain_options *options, struct obtained *obtained,
                         struct error *error)
{
    const struct injection injection = {.query = options->parameter};
    struct obtaining obtaining = {.options = options};
    struct injected injected;
    struct arena arena;
    struct error why;
    CURL *easy = curl_easy_init();

    if (easy == NULL)
        memory_exhausted();
    arena_init(&arena, 1024);
    buffer_init(&obtaining.body, OBTAIN_ANSWER_LIMIT_BYTES);
    (void)buffer_reserve(&obtaining.body, OBTAIN_ANSWER_LIMIT_BYTES); /* within its limit */
    const struct bytes before = options->query == NULL
                                    ? BYTES("")
                                    : arena_format(&arena, "%s?%s", options->url, options->query);
    token_inject(options->secret, &injection, before, &injected);
    enum result result = obtaining_perform(&obtaining, easy, injected.url, error);
    if (result == RESULT_OK) {
        result = obtain_read(buffer_bytes(&obtaining.body), clock_wall_us(), options->lifetime_us,
                             obtained, &why);
        if (result != RESULT_OK)
            (void)error_set(error, result, "%s: %.300s", options->url, why.text);
    }
    curl_easy_cleanup(easy);
    injected_finish(&injected);
    secret_wipe((char *)before.data, before.length);
    arena_finish(&arena);
    secret_wipe(obtaining.body.data, obtaining.body.capacity);
    buffer_finish(&obtaining.body);
    return result;
}
