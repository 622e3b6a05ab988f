/* Bearers: JWTs (RFC 7519) signed with HMAC-SHA-256 by a key that no other sandbox has. */
#include <cJSON.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "base/base64.h"
#include "base/clock.h"
#include "base/memory.h"
#include "base/secret.h"
#include "sandbox/accounts.h"

enum { SIGNATURE_BYTES = 32 };

static void bearer_sign(const struct accounts *accounts, struct bytes text,
                        unsigned char signature[SIGNATURE_BYTES])
{
    unsigned length = 0;

    if (HMAC(EVP_sha256(), accounts->bearer_key, (int)sizeof(accounts->bearer_key),
             (const unsigned char *)text.data, text.length, signature, &length) == NULL)
        memory_exhausted(); /* OpenSSL fails here for nothing else */
}

void accounts_write_bearer(struct accounts *accounts, const struct api_token *token,
                           int64_t wall_us, struct buffer *buffer)
{
    unsigned char signature[SIGNATURE_BYTES];
    struct buffer claims;
    const size_t start = buffer->length;

    buffer_init(&claims, BEARER_LIMIT_BYTES);
    buffer_format(&claims, "{\"sub\":\"%u\",\"jti\":%llu,\"token\":%zu,\"iat\":%lld,\"exp\":%lld}",
                  token->account->account_id, (unsigned long long)accounts->bearer_count++,
                  (size_t)(token - accounts->tokens), (long long)(wall_us / CLOCK_SECOND_US),
                  (long long)((wall_us + accounts->bearer_lifetime_us) / CLOCK_SECOND_US));
    base64url_write(buffer, BYTES("{\"typ\":\"JWT\",\"alg\":\"HS256\"}"));
    buffer_add_byte(buffer, '.');
    base64url_write(buffer, buffer_bytes(&claims));
    bearer_sign(accounts, bytes_from(buffer_bytes(buffer), start), signature);
    buffer_add_byte(buffer, '.');
    base64url_write(buffer, bytes_of(signature, sizeof(signature)));
    buffer_finish(&claims);
}

void accounts_revoke_bearers(struct accounts *accounts)
{
    accounts->bearers_since = accounts->bearer_count;
}

/* Whether it ends in the signature of what stands before; *claims is the part with the claims. */
static bool bearer_is_signed(const struct accounts *accounts, struct bytes bearer,
                             struct bytes *claims)
{
    unsigned char wanted[SIGNATURE_BYTES];
    struct buffer signature;
    struct bytes rest = bearer;
    const struct bytes head = bytes_cut(&rest, '.');

    *claims = bytes_cut(&rest, '.');
    bearer_sign(accounts, bytes_slice(bearer, 0, head.length + 1 + claims->length), wanted);
    buffer_init(&signature, SIGNATURE_BYTES);
    const bool is_signed = base64url_read(rest, &signature) == RESULT_OK &&
                           secret_equal(buffer_bytes(&signature), bytes_of(wanted, sizeof(wanted)));
    buffer_finish(&signature);
    return is_signed;
}

static double claim(const cJSON *claims, const char *name)
{
    return cJSON_GetObjectItemCaseSensitive(claims, name)->valuedouble; /* we wrote them */
}

struct model *accounts_of_bearer(struct accounts *accounts, struct bytes bearer, int64_t wall_us)
{
    struct buffer text;
    struct bytes part;
    struct model *account = NULL;

    if (!bearer_is_signed(accounts, bearer, &part))
        return NULL;
    buffer_init(&text, BEARER_LIMIT_BYTES);
    if (base64url_read(part, &text) == RESULT_OK) {
        cJSON *claims = cJSON_ParseWithLength(text.data, text.length);
        const size_t number = (size_t)claim(claims, "token");

        if (claim(claims, "exp") * (double)CLOCK_SECOND_US > (double)wall_us &&
            claim(claims, "jti") >= (double)accounts->bearers_since &&
            number < accounts->token_count && !accounts->tokens[number].is_revoked)
            account = accounts->tokens[number].account;
        cJSON_Delete(claims);
    }
    buffer_finish(&text);
    return account;
}
