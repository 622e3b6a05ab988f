/* Loading, injecting and cleaning. The only file of upstream/ that reads secret_bytes. */
#include "upstream/token.h"

#include <assert.h>
#include <errno.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/memory.h"
#include "base/percent.h"
#include "base/secret.h"

enum { TOKEN_PATH_ROOM = 4096 };

struct token {
    atomic_uint references;
    struct secret *text;
};

/* RFC 6749, A.12: printable ASCII. JSON escapes anything else by code point and not by byte, in
 * which scrub would not find it. */
static bool token_is_acceptable(struct bytes text)
{
    for (size_t i = 0; i < text.length; i++)
        if (text.data[i] <= 0x20 || text.data[i] > 0x7e)
            return false;
    return text.length >= TOKEN_LEAST_BYTES;
}

static enum result token_wrap(struct secret *text, const char *source, struct token **token,
                              struct error *error)
{
    if (!token_is_acceptable(secret_bytes(text))) {
        secret_destroy(text);
        return error_set(
            error, RESULT_INVALID,
            "the token in %s is shorter than %d bytes or not printable ASCII without spaces",
            source, TOKEN_LEAST_BYTES);
    }
    *token = memory_take(1, sizeof(**token));
    atomic_init(&(*token)->references, 1);
    (*token)->text = text;
    return RESULT_OK;
}

static enum result token_load_file(const char *path, bool insecure, struct token **token,
                                   struct error *error)
{
    struct secret *text;
    const enum result result = secret_read_file(path, insecure, &text, error);

    return result == RESULT_OK ? token_wrap(text, path, token, error) : result;
}

static enum result token_load_env(const char *name, struct token **token, struct error *error)
{
    char *value = getenv(name);
    struct secret *text;

    if (value == NULL || value[0] == '\0')
        return error_set(error, RESULT_MISSING,
                         "the environment variable %s is not set: put the token in it", name);
    const enum result result = secret_create(bytes_of_string(value), &text);
    secret_wipe(value, strlen(value));
    if (result != RESULT_OK)
        return error_set(error, result, "cannot lock memory for the token: %s (raise ulimit -l)",
                         strerror(errno));
    return token_wrap(text, name, token, error);
}

static enum result token_load_credential(const char *name, struct token **token,
                                         struct error *error)
{
    char path[TOKEN_PATH_ROOM];
    const char *directory = getenv("CREDENTIALS_DIRECTORY");

    if (directory == NULL)
        return error_set(error, RESULT_MISSING,
                         "credential %s: CREDENTIALS_DIRECTORY is not set; run under systemd with "
                         "LoadCredential=%s",
                         name, name);
    const int length = snprintf(path, sizeof(path), "%s/%s", directory, name);
    if (length < 0 || (size_t)length >= sizeof(path))
        return error_set(error, RESULT_LIMIT, "credential %s: the path is too long", name);
    return token_load_file(path, true, token, error); /* systemd guards that directory */
}

enum result token_load(const struct token_source *source, struct token **token, struct error *error)
{
    if (source->file != NULL)
        return token_load_file(source->file, source->insecure, token, error);
    if (source->env != NULL)
        return token_load_env(source->env, token, error);
    assert(source->credential != NULL);
    return token_load_credential(source->credential, token, error);
}

enum result token_create(struct bytes text, struct token **token, struct error *error)
{
    struct secret *secret;
    const enum result result = secret_create(text, &secret);

    if (result != RESULT_OK)
        return error_set(error, result, "cannot lock memory for the token: %s (raise ulimit -l)",
                         strerror(errno));
    return token_wrap(secret, "this process", token, error);
}

enum result token_save(const struct token *token, const char *path, struct error *error)
{
    return secret_write_file(path, secret_bytes(token->text), error);
}

struct token *token_acquire(struct token *token)
{
    if (token != NULL)
        (void)atomic_fetch_add_explicit(&token->references, 1,
                                        memory_order_relaxed); /* who calls has one */
    return token;
}

void token_release(struct token *token)
{
    if (token == NULL ||
        atomic_fetch_sub_explicit(&token->references, 1, memory_order_acq_rel) != 1)
        return;
    secret_destroy(token->text);
    free(token);
}

static char *heap_join(struct bytes a, struct bytes b, struct bytes c, struct bytes d)
{
    const struct bytes parts[] = {a, b, c, d};
    char *text = memory_take(1, a.length + b.length + c.length + d.length + 1);
    char *to = text;

    for (size_t i = 0; i < ARRAY_LENGTH(parts); i++) {
        if (parts[i].length > 0)
            memcpy(to, parts[i].data, parts[i].length);
        to += parts[i].length;
    }
    return text;
}

/* Percent-encoded, in memory of its own that the caller wipes. */
static struct bytes token_encode(struct bytes text)
{
    char *encoded = memory_take(text.length, 3);

    return bytes_of(encoded, percent_encode(text, encoded));
}

static void inject_query(struct bytes token, const char *parameter, struct bytes url,
                         struct injected *injected)
{
    const struct bytes encoded = token_encode(token);
    const bool has_query = bytes_index(url, '?') < url.length;
    const struct bytes joint = has_query ? BYTES("&") : BYTES("?");
    char *name = heap_join(joint, bytes_of_string(parameter), BYTES("="), BYTES(""));

    injected->url = heap_join(url, bytes_of_string(name), encoded, BYTES(""));
    free(name);
    secret_wipe((char *)encoded.data, encoded.length);
    free((char *)encoded.data);
}

static void inject_field(struct bytes token, const struct injection *injection,
                         struct injected *injected)
{
    const struct bytes format =
        bytes_of_string(injection->format == NULL ? "%s" : injection->format);
    const size_t at = bytes_find(format, BYTES("%s"));
    char *name = heap_join(bytes_of_string(injection->header), BYTES(": "),
                           bytes_slice(format, 0, at), BYTES(""));

    injected->field =
        heap_join(bytes_of_string(name), token, bytes_from(format, at + 2), BYTES(""));
    free(name);
}

void token_inject(const struct token *token, const struct injection *injection, struct bytes url,
                  struct injected *injected)
{
    *injected = (struct injected){0};
    if (token != NULL && injection->query != NULL)
        inject_query(secret_bytes(token->text), injection->query, url, injected);
    else
        injected->url = heap_join(url, BYTES(""), BYTES(""), BYTES(""));
    if (token != NULL && injection->header != NULL)
        inject_field(secret_bytes(token->text), injection, injected);
}

static void wipe_text(char *text)
{
    if (text != NULL)
        secret_wipe(text, strlen(text));
    free(text);
}

void injected_finish(struct injected *injected)
{
    wipe_text(injected->url);
    wipe_text(injected->field);
    *injected = (struct injected){0};
}

void token_scrub(const struct token *token, struct scrub *scrub)
{
    scrub_begin(scrub, token == NULL ? BYTES("") : secret_bytes(token->text));
}

struct bytes token_clean_field(const struct token *token, struct arena *arena,
                               const struct rewrite *rewrite, struct bytes name, struct bytes value)
{
    struct rewrite with_token = *rewrite;

    if (token != NULL)
        with_token.token = secret_bytes(token->text);
    return rewrite_field(arena, &with_token, name, value);
}

void token_hmac(const struct token *token, struct bytes key, char text[TOKEN_HMAC_ROOM])
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned length = 0;
    const struct bytes secret = token == NULL ? BYTES("") : secret_bytes(token->text);

    if (HMAC(EVP_sha256(), key.data, (int)key.length, (const unsigned char *)secret.data,
             secret.length, digest, &length) == NULL)
        memory_exhausted(); /* OpenSSL fails here for nothing else */
    bytes_to_hex(bytes_of(digest, length), text);
}

bool token_equal(const struct token *a, const struct token *b)
{
    if (a == NULL || b == NULL)
        return a == b;
    return secret_equal(secret_bytes(a->text), secret_bytes(b->text));
}
