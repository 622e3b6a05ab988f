/*
 * Who presents a key: an index of a configuration's clients by the SHA-256 of their keys, the
 * present and the previous one. Immutable, so any thread may ask.
 */
#ifndef POSTERN_ACCESS_CLIENTS_H
#define POSTERN_ACCESS_CLIENTS_H

#include "config/configuration.h"

struct clients;

/* Whose key it is, and which of the client's; borrowed from the configuration. */
struct identified {
    const struct client_config *client;
    const struct client_key *key;
};

/*
 * Indexes the clients of a configuration, which must outlive the index. RESULT_SYSTEM: OpenSSL has
 * no SHA-256.
 */
MUST_USE enum result clients_create(const struct configuration *configuration,
                                    struct clients **clients);

/* NULL is fine. */
void clients_destroy(struct clients *clients);

/*
 * The client whose key this is at `wall_us`. RESULT_REFUSED:
 * nobody's (always, where the configuration has no clients), one whose end has come, or one of a
 * client that is disabled; nothing tells which. RESULT_SYSTEM: OpenSSL failed. Its time does not
 * depend on how many clients there are, nor on how near the key comes to one of theirs.
 */
MUST_USE enum result clients_identify(const struct clients *clients, struct bytes key,
                                      int64_t wall_us, struct identified *identified);

/* SHA-256 of a key as it is stored in the configuration, into CLIENT_KEY_HASH_BYTES bytes.
 * RESULT_SYSTEM: OpenSSL failed. */
MUST_USE enum result client_key_hash(struct bytes key, uint8_t *key_hash);

#endif
