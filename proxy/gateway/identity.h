/*
 * Whose account a token is: what the preset's identity call says, remembered by the token's HMAC so
 * that a restart asks nothing; without such a call, the HMAC itself names it. Until it is known
 * nothing is stored, and a write names every account.
 */
#ifndef POSTERN_GATEWAY_IDENTITY_H
#define POSTERN_GATEWAY_IDENTITY_H

#include "gateway/worker.h"

struct identities;

/* Main's. Borrows all three until destroyed. */
struct identities *identities_create(struct event_base *base, struct mailbox *mailbox,
                                     struct gate *gate);
void identities_destroy(struct identities *identities);

/*
 * Finds the account of every upstream of the settings that has none yet, by letter and call, again
 * every few seconds until it is known. Takes a reference of the settings while it asks; earlier
 * settings are asked for no more.
 */
void identities_find(struct identities *identities, struct settings *settings);

/* Upstreams whose account is not known yet. */
size_t identities_due(const struct identities *identities);

#endif
