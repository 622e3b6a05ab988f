/*
 * The cache as the gateway sees it: lookups by readers, changes by jobs for the one writer thread,
 * and the order between them that keeps promise 1 (design, "The order that keeps promise 1"; rule
 * numbers below are its).
 *
 * Threads: cache_open, cache_close: main, with no reader or job left. cache_reader_*: the worker
 * that opened the reader. cache_post and the questions: any thread.
 */
#ifndef POSTERN_CACHE_CACHE_H
#define POSTERN_CACHE_CACHE_H

#include <stdatomic.h>
#include <stdint.h>

#include "base/mailbox.h"
#include "cache/entry.h"
#include "cache/key.h"
#include "cache/order.h"
#include "cache/relations.h"

struct cache;

#define CACHE_SCHEME_NAME "scheme" /* in place of a token's HMAC */

struct cache_options {
    const char *directory; /* data_dir; exists */
    uint64_t max_bytes;
    bool discard;        /* what is there was left dirty by another boot: start empty */
    struct bytes scheme; /* how tags are made; what was stored by another scheme is forgotten */
};

/*
 * An upstream account: all that one token can see and change. Never freed before the cache. Its
 * members are the cache's own but for the name, the tag and the questions below.
 */
struct account {
    struct account *next;
    char name[129];
    uint64_t tag;
    _Atomic uint64_t
        invalidated; /* order count of its last published invalidation; see account_invalidated */
    atomic_bool unusable;             /* rule 11: an invalidation failed; nothing of it is served */
    uint64_t emptied_serial;          /* writer: entries up to it are gone */
    int64_t quarantine_until_wall_us; /* writer: rules 8 and 9 */
    uint64_t living_count;            /* writer: entries stored since it was emptied */
    uint64_t moved;                   /* writer: order count of the last change of a relation */
    bool owed;                        /* writer: an invalidation failed and is to be tried again */
};

/* Opens the store, carries out the intents left behind (rule 10), starts the writer thread. */
MUST_USE enum result cache_open(const struct cache_options *options, struct cache **cache,
                                struct error *error);

/* Finishes all posted jobs, stops the thread, closes the store. NULL is fine. */
void cache_close(struct cache *cache);

/* The account of that name (cut at 128 bytes), made at first. */
struct account *cache_account(struct cache *cache, struct bytes name);

/* Count of the account's last published invalidation: a flight begun before it takes no joiner
 * (rule 6). */
static inline uint64_t account_invalidated(const struct account *account)
{
    return atomic_load_explicit(&account->invalidated, memory_order_acquire);
}

/* The order's `now` (rule 1: a fetch notes it just before its request is sent). */
uint64_t cache_now(const struct cache *cache);

/* The account name that an identity call told for the token of this HMAC, or RESULT_MISSING. Any
 * thread. */
MUST_USE enum result cache_identity(struct cache *cache, const char *token_hmac, char *name,
                                    size_t room);

/* --- reading --- */

struct cache_reader;

MUST_USE enum result cache_reader_open(struct cache *cache, struct cache_reader **reader);
void cache_reader_close(struct cache_reader *reader);

/* The batch of events is over: entries found so far must not be used any more. */
void cache_reader_reset(struct cache_reader *reader);

#ifdef POSTERN_BREAKABLE
/* The next lookup is made in the snapshot that there is (base/breakage.h). */
void cache_reader_freeze(struct cache_reader *reader);
#endif

/*
 * True when the next lookup keeps the snapshot, so that entries found earlier stay valid over it
 * (rule 5). Ask before each lookup while bytes of an earlier entry are still borrowed.
 */
bool cache_reader_keeps(const struct cache_reader *reader);

/* What is known of relations in the reader's snapshot, renewed as a lookup does (rule 5). Valid as
 * entries are. */
struct relations cache_reader_relations(struct cache_reader *reader, const struct account *account);

/* What a lookup asks. Borrowed for the call. */
struct cache_query {
    struct account *account;
    struct cache_key url;
    const struct fields *sent; /* request fields as sent upstream: they select the variant */
};

/*
 * The stored response, fresh or stale; its bytes are borrowed until the reader is reset or a lookup
 * renews the snapshot. RESULT_MISSING: none that may be used.
 */
MUST_USE enum result cache_lookup(struct cache_reader *reader, const struct cache_query *query,
                                  struct arena *arena, struct entry *entry);

/* After a lookup that found nothing: the URL is stored, in variants for other requests (Vary). */
bool cache_reader_met_variants(const struct cache_reader *reader);

/* --- changing --- */

enum cache_job_kind {
    CACHE_STORE,   /* a fetched answer; RESULT_REFUSED: overtaken by an invalidation (rule 4) */
    CACHE_FRESHEN, /* a 304 for the very entry `entry.serial`, which keeps its tags;
                      RESULT_REFUSED as above, RESULT_MISSING: gone */
    CACHE_INTENT,  /* rule 2: fills intent_number; other results than RESULT_OK: the write must not
                      be sent */
    CACHE_CLEAR,   /* rule 3: the write surely had no effect; its intent goes */
    CACHE_INVALIDATE, /* rule 3: all entries of `tags` go, and the intent. Always safe to answer
                         after. */
    CACHE_IDENTITY,   /* remembers entry.key (account name) for the token HMAC in entry.vary; or the
                         scheme, with CACHE_SCHEME_NAME in entry.vary */
};

/* Who makes an invalidation, for `why` and for people. Borrowed while the job lasts. */
struct cache_cause {
    struct bytes rule;   /* write_rule.text, or what else names it: "purge" */
    struct bytes method; /* empty: no request */
    struct bytes url;    /* masked as audit records are */
    struct bytes client, id;
};

/*
 * One job for the writer. The poster owns the memory, all that it points at stays valid until the
 * letter comes.
 */
struct cache_job {
    struct letter letter; /* first: the letter's deliver gets this struct's address */
    struct cache_job *next;
    struct mailbox *mailbox; /* where the letter goes when the job is done */
    enum cache_job_kind kind;
    struct account *account; /* NULL with CACHE_INVALIDATE, CACHE_INTENT: every account */
    enum result result;

    /* STORE, FRESHEN */
    struct entry
        entry; /* all but the serial, which the writer gives (FRESHEN: of the entry meant) */
    struct cache_key key;        /* the variant */
    struct cache_key url;        /* STORE with Vary: where the list of fields is kept */
    struct hash128 default_hash; /* … and what stood there as long as there was no Vary: it goes */
    uint64_t begun;              /* rule 1. INVALIDATE: cache_now before the relations were read by
                                    which the tags were found; 0: by none. Where one has changed
                                    since, the account is emptied */
    int64_t begun_wall_us;       /* the same moment, for quarantines */

    /* STORE; INVALIDATE: what an answer taught. A parent that differs from the one known empties
     * the account. */
    const struct relation *relations;
    size_t relation_count;

    /* INTENT, CLEAR, INVALIDATE */
    struct tags tags;
    uint64_t intent_number; /* 0: none */
    bool keeps_intent;      /* INVALIDATE: another one follows */
    int64_t quarantine_us;  /* INVALIDATE: rules 8 and 9; 0: none */
    bool outdates_tags; /* INVALIDATE of every account: tags will be made otherwise, so quarantines
                           of tags become the accounts' */
    const struct relation *forgets; /* INVALIDATE: relations that may not hold any more */
    size_t forget_count;
    struct cache_cause cause; /* INVALIDATE */
    uint64_t gone; /* INVALIDATE: set: entries that it removed, about: of a tag that very many
                      carry, or of an account, all that did */
};

void cache_post(struct cache *cache, struct cache_job *job);

/* One invalidation that is remembered. Texts are cut where they are long. */
struct cache_memory {
    int64_t wall_us;
    char rule[128], method[16], url[256], client[65], id[65];
    uint64_t gone;
};

/*
 * The invalidation by which the entry of that key went, if it is among the last that are remembered
 * (a bounded number of both); RESULT_MISSING: none is. Any thread.
 */
MUST_USE enum result cache_recall(struct cache *cache, struct hash128 key,
                                  struct cache_memory *memory);

/* The newest remembered invalidation that named one of the tags; RESULT_MISSING as above. */
MUST_USE enum result cache_recall_tags(struct cache *cache, struct tags tags,
                                       struct cache_memory *memory);

/* Numbers for metrics and status; a snapshot. */
struct cache_status {
    uint64_t entries, held_bytes, max_bytes, evictions, stores, refused_stores, invalidations,
        failed_invalidations;
    uint64_t intents; /* open ones */
    uint64_t queued;  /* jobs waiting */
    bool unusable;    /* some account is */
};

void cache_read_status(struct cache *cache, struct cache_status *status);

#endif
