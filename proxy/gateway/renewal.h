/*
 * Keeps the tokens of upstreams fresh, on main's thread:
 * - a token's file (or systemd credential) is looked at each second. Another token there asks for
 *   new settings, as a reload would, so that account and name space follow; what is missing or
 * can't be read changes nothing;
 * - a token that is exchanged for another is exchanged again ahead of its end, by one call at a
 * time in a thread of its own;
 * - whoever is told by an upstream that its token is none any more (upstream/credential.h) makes
 *   either happen now.
 */
#ifndef POSTERN_GATEWAY_RENEWAL_H
#define POSTERN_GATEWAY_RENEWAL_H

#include "gateway/settings.h"

struct event_base;
struct renewal;

/* A token has changed where it comes from: new settings with tokens read again are to come by
 * renewal_use, now or later. False: they will not. */
struct renewal_hooks {
    bool (*changed)(void *context);
    void *context;
};

/* Borrows base and mailbox until destroyed; copies the hooks. */
struct renewal *renewal_create(struct event_base *base, struct mailbox *mailbox,
                               const struct renewal_hooks *hooks);

/* After the threads that use the settings, and after the mailbox's last delivery. NULL is fine. */
void renewal_destroy(struct renewal *renewal);

/* Renews what these settings need from now on, of which it takes a reference. Before any other
 * thread has them. */
void renewal_use(struct renewal *renewal, struct settings *settings);

/* How it stands with an upstream's token; zeroes: it has none. */
struct renewal_state {
    uint64_t renewals; /* tokens that came after the first */
    bool fails;        /* the last try brought none: an old one is used, if there is one */
};
struct renewal_state renewal_state(const struct renewal *renewal, const char *name);

#endif
