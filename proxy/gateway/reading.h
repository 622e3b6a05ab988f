/*
 * A call to the upstream for a read: for one client or, as a flight's leader, for many; collected
 * whole to be stored and shared, or streamed through where it can't be.
 */
#ifndef POSTERN_GATEWAY_READING_H
#define POSTERN_GATEWAY_READING_H

#include "gateway/exchange.h"

struct reading_options {
    struct flight *flight;     /* led by this reading; NULL: alone */
    bool stores;               /* the answer may be kept */
    const struct entry *stale; /* to be validated with the upstream; NULL: fetch anew */
};

/* Begins the call. The exchange's `reading` is set until the answer is given. */
void reading_start(struct exchange *exchange, const struct reading_options *options);

/* The client takes bytes again. */
void reading_on_drained(struct reading *reading);

/* The client has gone. The call goes on for those who wait, else it ends. */
void reading_leave(struct reading *reading);

#endif
