/* What clients asked for and what that cost, summed over workers while they count. */
#ifndef POSTERN_ADMIN_USAGE_H
#define POSTERN_ADMIN_USAGE_H

#include "gateway/server.h"

struct usage {
    uint64_t requests, hits;
    uint64_t calls;            /* sent to upstreams */
    uint64_t saved;            /* requests answered without a call of their own */
    uint64_t queued, queue_us; /* requests whose call waited for its turn, and for how long */
};

/* Of a client's requests of one path template. */
struct usage_line {
    uint32_t slot;  /* client_slots_name */
    uint32_t scope; /* scopes_read */
    struct usage usage;
};

/* Every pair that was seen, by client. */
struct usage_table {
    struct usage_line *lines;
    size_t count;
};

void usage_read(struct server *server, struct usage_table *table);
void usage_finish(struct usage_table *table);

/* Adds `more` to a sum. */
void usage_add(struct usage *sum, const struct usage *more);

/* How often the client in `slot` was refused for a reason. */
uint64_t usage_refusals(struct server *server, uint32_t slot, enum refusal refusal);

/* How many calls of each client wait for their turn now, by slot: COUNTERS_CLIENTS numbers. Heap.
 */
uint32_t *usage_waiting(struct server *server);

#endif
