/*
 * The path template of a request, "/profile/{profile}/fields": what metrics count by, and what an
 * overloaded upstream is spared. There are at most SCOPES_LIMIT in a process, whatever clients ask
 * for; what comes later is "other".
 */
#ifndef POSTERN_GATEWAY_SCOPE_H
#define POSTERN_GATEWAY_SCOPE_H

#include "base/arena.h"
#include "base/hash.h"
#include "config/configuration.h"

enum {
    SCOPES_LIMIT = 512,        /* "other" included */
    SCOPE_OTHER = 0,           /* the id of "other": no template, or one too many */
    SCOPE_MEMORY_SLOTS = 4096, /* a power of two */
};

struct scope {
    uint32_t id;       /* below SCOPES_LIMIT */
    struct bytes text; /* begins with the upstream's prefix; valid as long as the scopes */
    uint64_t hash;     /* of the template without the prefix: alike for upstreams of one API */
};

/* All templates of the process, numbered as they come. Any thread. */
struct scopes;
struct scopes *scopes_create(void);
void scopes_destroy(struct scopes *scopes); /* NULL is fine */

/* The scope of an id; false beyond the last one in use. */
bool scopes_read(struct scopes *scopes, uint32_t id, struct scope *scope);

/* What a worker has looked up lately. Zeroed: nothing. */
struct scope_memory {
    struct {
        struct hash128 path;
        uint64_t generation;
        uint32_t upstream, id;
        bool is_used;
    } slots[SCOPE_MEMORY_SLOTS];
};

struct scope_question {
    const struct configuration *configuration;
    uint64_t generation;     /* of the settings that the configuration is part of */
    uint32_t upstream;       /* index */
    struct bytes plain_path; /* as the upstream sees it, without version prefix */
};

/* The scope of a request, remembered in `memory`, which only the calling thread uses. */
struct scope scope_of(struct scopes *scopes, struct scope_memory *memory,
                      const struct scope_question *question);

/* The scope of what is not routed. */
struct scope scope_other(void);

/*
 * The template without the upstream's prefix, in the arena: the text of the preset's read or write
 * that fits, else a made one: "*" for each segment that looks like an id (decimal, hexadecimal of 8
 * digits or more, a UUID, with '@', longer than 32 bytes), and "**" for what follows the fourth.
 */
struct bytes scope_template(struct arena *arena, const struct upstream_config *upstream,
                            struct bytes plain_path);

#endif
