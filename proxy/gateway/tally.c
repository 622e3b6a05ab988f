/* A short list under a lock: a write costs a call to the upstream, this a look through a few names.
 */
#include "gateway/tally.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/memory.h"

enum { TALLY_LINES = 512, TALLY_NAME_BYTES = 160 };

struct line {
    char rule[TALLY_NAME_BYTES];
    uint64_t invalidations, gone;
};

struct tally {
    pthread_mutex_t lock;
    struct line lines[TALLY_LINES]; /* the last is "other" */
    size_t count;
};

struct tally *tally_create(void)
{
    struct tally *tally = memory_take(1, sizeof(*tally));

    (void)pthread_mutex_init(&tally->lock, NULL); /* default attributes: cannot fail on Linux */
    return tally;
}

void tally_destroy(struct tally *tally)
{
    if (tally == NULL)
        return;
    (void)pthread_mutex_destroy(&tally->lock);
    free(tally);
}

static struct line *tally_line(struct tally *tally, struct bytes rule)
{
    rule = bytes_slice(rule, 0, TALLY_NAME_BYTES - 1);
    for (size_t i = 0; i < tally->count; i++)
        if (bytes_equal(bytes_of_string(tally->lines[i].rule), rule))
            return &tally->lines[i];
    if (tally->count == TALLY_LINES)
        return &tally->lines[TALLY_LINES - 1];
    struct line *line = &tally->lines[tally->count++];
    if (tally->count == TALLY_LINES)
        rule = BYTES("other");
    if (rule.length > 0)
        memcpy(line->rule, rule.data, rule.length);
    return line;
}

void tally_add(struct tally *tally, struct bytes rule, uint64_t gone)
{
    (void)pthread_mutex_lock(&tally->lock);
    struct line *line = tally_line(tally, rule);
    line->invalidations++;
    line->gone += gone;
    (void)pthread_mutex_unlock(&tally->lock);
}

bool tally_read(struct tally *tally, size_t position, const char **rule, uint64_t *invalidations,
                uint64_t *gone)
{
    (void)pthread_mutex_lock(&tally->lock);
    const bool there = position < tally->count;
    if (there) {
        *rule = tally->lines[position].rule;
        *invalidations = tally->lines[position].invalidations;
        *gone = tally->lines[position].gone;
    }
    (void)pthread_mutex_unlock(&tally->lock);
    return there;
}
