/*
 * The blocks of a configuration, one file each: functions for the table of the whole, whose `into`
 * is the struct configuration. They are called in the order in which they stand here, since clients
 * name upstreams, and listeners ask whether there are clients.
 */
#ifndef POSTERN_CONFIG_BLOCKS_H
#define POSTERN_CONFIG_BLOCKS_H

#include "config/entities.h"
#include "config/reader.h"

member_reader block_log;       /* server.c */
member_reader block_limits;    /* server.c */
member_reader block_upstreams; /* upstreams.c */
member_reader block_clients;   /* clients.c */
member_reader block_listen;    /* server.c */
member_reader block_admin;     /* server.c */
member_reader block_cache;     /* cache.c */
member_reader block_audit;     /* audit.c */

/* Upstreams that take every path: more than one needs clients that say which is theirs. */
size_t block_unmatched_upstreams(const struct configuration *configuration); /* upstreams.c */

/* {"query": NAME} or {"header": NAME, "format": "…%s…"} into a struct injection. */
member_reader block_injection; /* tokens.c */

/* Of an upstream, into its struct upstream_config, in this order, behind its preset: tokens.c. */
member_reader block_token;
member_reader block_login;

/* {"authorize": URL, "token": URL} into a struct preset: tokens.c. */
member_reader block_preset_login;

/* A preset while it is read. */
struct preset_draft {
    struct preset preset;
    struct entities entities; /* what preset.entities points at in the end, if anything */
};

/* A preset's blocks, whose `into` is the draft, to be read in this order: entities_block.c. What
 * reads say of ttl and storing goes behind the preset's rules, so these are read before. */
member_reader block_kinds;
member_reader block_equivalents;
member_reader block_reads;
member_reader block_writes;

/* Decides what follows from all of them together; the last step. */
void entities_settle(struct reader *reader, struct preset_draft *draft);

/* An array of cache rules into the arena; *rules and *count are set in any case. */
void cache_rules_read(struct reader *reader, const cJSON *item, const struct cache_rule **rules,
                      size_t *count);

/* "/profile/STAR/fields" at `item`, compiled, or a fault and false. */
bool block_pattern(struct reader *reader, const cJSON *item, struct pattern *pattern);

/* An array of names of fields (RFC 9110 §5.1), or faults; *list and *count are set in any case. */
void block_field_names(struct reader *reader, const cJSON *item, const struct bytes **list,
                       size_t *count);

/* A name of an upstream or client: 1 to 64 of A-Z a-z 0-9 . _ -, the first no sign. */
bool block_name_is_fine(struct bytes name);

/*
 * The preset that the string at `item` names: a path where it has a slash or ends in .json, else
 * NAME.json in presets/ beside the configuration, in the checkout, in the installed share folder.
 * NULL, and faults, where it cannot be read.
 */
const struct preset *preset_load(struct reader *reader, const cJSON *item);

#endif
