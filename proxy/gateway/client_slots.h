/* Which counters belong to a client's name, over reloads. Slot 0: nobody was identified. */
#ifndef POSTERN_GATEWAY_CLIENT_SLOTS_H
#define POSTERN_GATEWAY_CLIENT_SLOTS_H

#include <stdint.h>

struct client_slots;

/* Main. NULL is fine. */
struct client_slots *client_slots_create(void);
void client_slots_destroy(struct client_slots *slots);

/* Main: the name's slot, given at its first mention. Where all COUNTERS_CLIENTS are given, the
 * last. */
uint32_t client_slots_find(struct client_slots *slots, const char *name);

/* Any thread. NULL beyond the last slot in use. Valid as long as the slots. */
const char *client_slots_name(struct client_slots *slots, uint32_t slot);

#endif
