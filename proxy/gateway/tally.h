/* How often each rule invalidated, and how many stored answers went by it: for operators. */
#ifndef POSTERN_GATEWAY_TALLY_H
#define POSTERN_GATEWAY_TALLY_H

#include <stdint.h>

#include "base/bytes.h"

struct tally;

/* Any thread for all but these two. NULL is fine. */
struct tally *tally_create(void);
void tally_destroy(struct tally *tally);

/* One invalidation by the rule of that name. Beyond a bounded number of names: "other". */
void tally_add(struct tally *tally, struct bytes rule, uint64_t gone);

/* The line at a position; false behind the last. `rule` stays valid as long as the tally. */
bool tally_read(struct tally *tally, size_t position, const char **rule, uint64_t *invalidations,
                uint64_t *gone);

#endif
