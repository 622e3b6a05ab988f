/*
 * A hash table over digests: they are as good as random, so their first bytes are the hash. A
 * digest is compared whole and in constant time (secret_equal); that an empty slot answers sooner
 * tells only what SHA-256 of a guess tells anyway. A key that counts no more is found like any
 * other, and only then judged. Whether a client may do what it asks for, permissions.c decides.
 */
#include "access/clients.h"

#include <assert.h>
#include <openssl/evp.h>
#include <stdlib.h>

#include "base/memory.h"
#include "base/secret.h"

struct clients {
    EVP_MD *sha256;           /* fetched once: fetching costs more than hashing a key */
    struct identified *slots; /* client NULL: empty; at least one is empty, so probing ends */
    size_t mask;              /* slots - 1, slots being a power of two */
};

static size_t slot_of(const struct clients *clients, const uint8_t *key_hash)
{
    uint64_t start;

    memcpy(&start, key_hash, sizeof(start));
    return (size_t)start & clients->mask;
}

static void clients_add(struct clients *clients, const struct client_config *client,
                        const struct client_key *key)
{
    size_t at = slot_of(clients, key->hash);

    while (clients->slots[at].client != NULL)
        at = (at + 1) & clients->mask;
    clients->slots[at] = (struct identified){.client = client, .key = key};
}

enum result clients_create(const struct configuration *configuration, struct clients **clients)
{
    struct clients *made = memory_take(1, sizeof(*made));
    size_t slots = 2;

    while (slots / 2 < configuration->client_count * CLIENT_KEYS_LIMIT)
        slots *= 2;
    made->mask = slots - 1;
    made->slots = memory_take(slots, sizeof(made->slots[0]));
    made->sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
    if (made->sha256 == NULL) {
        clients_destroy(made);
        return RESULT_SYSTEM;
    }
    for (size_t i = 0; i < configuration->client_count; i++)
        for (size_t k = 0; k < configuration->clients[i].key_count; k++)
            clients_add(made, &configuration->clients[i], &configuration->clients[i].keys[k]);
    *clients = made;
    return RESULT_OK;
}

void clients_destroy(struct clients *clients)
{
    if (clients == NULL)
        return;
    EVP_MD_free(clients->sha256);
    free(clients->slots);
    free(clients);
}

static enum result hash_key(const EVP_MD *sha256, struct bytes key, uint8_t *key_hash)
{
    unsigned size = 0;

    if (EVP_Digest(key.data, key.length, key_hash, &size, sha256, NULL) != 1)
        return RESULT_SYSTEM;
    assert(size == CLIENT_KEY_HASH_BYTES);
    return RESULT_OK;
}

enum result client_key_hash(struct bytes key, uint8_t *key_hash)
{
    return hash_key(EVP_sha256(), key, key_hash);
}

enum result clients_identify(const struct clients *clients, struct bytes key, int64_t wall_us,
                             struct identified *identified)
{
    uint8_t key_hash[CLIENT_KEY_HASH_BYTES];
    const struct identified *found = NULL;
    const enum result result = hash_key(clients->sha256, key, key_hash);

    if (result != RESULT_OK)
        return result;
    for (size_t at = slot_of(clients, key_hash); clients->slots[at].client != NULL;
         at = (at + 1) & clients->mask)
        if (secret_equal(bytes_of(clients->slots[at].key->hash, CLIENT_KEY_HASH_BYTES),
                         bytes_of(key_hash, sizeof(key_hash))))
            found = &clients->slots[at];
    secret_wipe(key_hash, sizeof(key_hash));
    if (found == NULL || found->client->disabled || wall_us >= found->key->until_wall_us)
        return RESULT_REFUSED;
    *identified = *found;
    return RESULT_OK;
}
