/*
 * A stored response as one record of bytes: head, tags and body. Records are read back as untrusted
 * bytes. Times are wall clock, for they outlive the process.
 */
#ifndef POSTERN_CACHE_ENTRY_H
#define POSTERN_CACHE_ENTRY_H

#include "base/arena.h"
#include "cache/tags.h"
#include "http/message.h"

enum entry_flag {
    ENTRY_OWN_ETAG = 1,        /* the ETag was made by the gate: it never goes up */
    ENTRY_MUST_REVALIDATE = 2, /* never served stale */
    ENTRY_NO_CACHE = 4,        /* validated at each use (RFC 9111 §5.2.2.4) */
    ENTRY_VARIANTS = 8,        /* not a response: only says which fields select one (vary) */
    ENTRY_FLAGS_END = 16,
};

struct entry {
    uint64_t serial; /* given by the writer; unique and growing within a data_dir */
    unsigned status;
    unsigned flags;
    int64_t begun_wall_us;    /* when it was asked for */
    int64_t received_wall_us; /* when the answer came */
    int64_t initial_age_us;   /* its age then (RFC 9111 §4.2.3) */
    int64_t expires_wall_us;  /* fresh before this moment */
    struct bytes key;         /* cache_key.text */
    struct bytes vary;        /* the field names that select this variant; empty: none said */
    struct tags tags;
    struct fields fields;
    struct bytes body;
};

/* Room that the record takes. */
size_t entry_encoded_bytes(const struct entry *entry);

/* Writes the record into `room` of entry_encoded_bytes. */
void entry_encode(const struct entry *entry, char *room);

/* Whether every byte of a record is as it was written. Reads all of it: not for each hit. */
bool entry_is_intact(struct bytes record);

/*
 * Reads a record. Fields and tags are copied to the arena, all bytes stay borrowed from the record.
 * RESULT_DAMAGED: it does not make sense.
 */
MUST_USE enum result entry_decode(struct bytes record, struct arena *arena, struct entry *entry);

/* The head of a record alone: serial, status, flags, times. */
MUST_USE enum result entry_decode_head(struct bytes record, struct entry *entry);

/* As entry_decode_head, and the tags, which are copied to the arena. */
MUST_USE enum result entry_decode_tags(struct bytes record, struct arena *arena,
                                       struct entry *entry);

static inline bool entry_is_fresh(const struct entry *entry, int64_t wall_us)
{
    /* a clock that was set back makes nothing fresh again */
    return wall_us < entry->expires_wall_us && wall_us >= entry->received_wall_us - 1000000;
}

/* Seconds since the response was made or validated at its origin server. */
uint64_t entry_age_s(const struct entry *entry, int64_t wall_us);

#endif
