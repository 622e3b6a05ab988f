/*
 * The configuration as typed, checked, immutable structs. One is read at start and one at each HUP;
 * exchanges hold on to the one they began with. Everything in it lives in its arena and goes with
 * it.
 */
#ifndef POSTERN_CONFIG_CONFIGURATION_H
#define POSTERN_CONFIG_CONFIGURATION_H

#include <stdatomic.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/hash.h"
#include "base/log.h"
#include "config/pattern.h"

enum {
    CLIENT_KEY_HASH_BYTES = 32, /* SHA-256 */
    CLIENT_KEYS_LIMIT = 2,      /* of one client, during a rotation */
};

/* Where a secret comes from: exactly one of the three is set (none: there is none). */
struct token_source {
    const char *file;
    bool insecure;          /* a file that others may read is accepted */
    const char *env;        /* name of an environment variable */
    const char *credential; /* name below $CREDENTIALS_DIRECTORY (systemd) */
};

/*
 * A long-lived token is exchanged for a short-lived one: a POST of a form to `url` with it in
 * `parameter`, answered with the other as plain text, as a JSON string, or as "access_token" or
 * "token" of a JSON object. The long-lived one is upstream_config.token.
 */
struct exchange_config {
    const char *url;
    const char *parameter; /* "access_token" */
    int64_t lifetime_us;   /* where the answer does not say it (exp of a JWT, expires_in) */
};

/* How `postern login` gets a token: OAuth 2 with a code (RFC 6749 §4.1), by a loopback redirect. */
struct login_config {
    const char *authorize; /* where the browser is sent */
    const char *token;     /* where the code becomes a token: GET with all in the query */
    const char *client_id;
    struct token_source client_secret;
    const char *redirect; /* "http://127.0.0.1:8089/": where the code comes back */
};

/* How the token goes up. Exactly one of the two is set (none where nothing says it). */
struct injection {
    const char *query;  /* parameter name */
    const char *header; /* field name … */
    const char *format; /* … and its value with one %s for the token */
};

/*
 * A condition on the query: it holds when any parameter that sets the name (parameter_sets of
 * http/uri.h) is there, and, where a value is given, has that value. Both compare without regard to
 * ASCII case: most rules with a condition forbid storing, and forbidding too much is never wrong.
 */
struct parameter_condition {
    struct bytes name; /* empty: no condition, always holds */
    struct bytes value;
    bool any_value; /* the name alone is enough */
};

/*
 * One line of cache.rules, of the operator or of a preset. The first that matches and says a thing
 * decides that thing; what it leaves unsaid, the next that matches may say (rules_apply of
 * config/rules.h does this).
 * Freshness: RFC 9111; ttl where the answer says nothing, or always with `override`.
 */
struct cache_rule {
    struct pattern match; /* of the normalised path, without version prefix */
    struct bytes match_text;
    int64_t ttl_us;          /* -1: not said here */
    int64_t negative_ttl_us; /* 404 and 410; -1: not said here */
    int64_t settle_us;       /* writes: how long they go on after their answer; -1: not said here */
    bool override;           /* ttl even where the answer says otherwise, no-store included */
    bool store;              /* false: never stored, never collapsed */
    bool store_said;         /* whether the rule says `store` at all; unsaid is true */
    struct parameter_condition parameter;
};

/*
 * A query parameter that does not change the answer: ignorable whatever it says, or when it says a
 * default. To be dropped only where the query has the name once: of `total=false&total=true` the
 * last one counts, so neither may go. The name is the whole decoded name, brackets included.
 */
struct parameter_rule {
    struct pattern match; /* paths it holds for */
    struct bytes name;
    const struct bytes
        *values; /* spelled-out defaults that may be dropped; value_count 0: any value */
    size_t value_count;
};

/* What an answer looks like by which an API says a certain thing. */
struct symptom {
    uint32_t status;
    struct bytes body; /* text that it holds somewhere; empty: any body */
};

struct entities; /* config/entities.h */

/* What a preset says of one API. NULL in an upstream without one. */
struct preset {
    const char *name;
    struct hash128 fingerprint;           /* of its text */
    const struct bytes *version_prefixes; /* "v1" … : a first path segment that tags leave out */
    size_t version_prefix_count;
    const struct bytes *ignorable_parameters; /* names dropped on any path */
    size_t ignorable_parameter_count;
    const struct parameter_rule *defaults;
    size_t default_count;
    const struct cache_rule *rules; /* after the operator's */
    size_t rule_count;
    const struct bytes
        *error_members; /* top-level JSON members that make an answer an error: never stored */
    size_t error_member_count;
    const struct bytes *secret_parameters; /* query parameters never logged */
    size_t secret_parameter_count;
    const struct bytes *forward; /* request fields forwarded besides the allow-list */
    size_t forward_count;
    const char *identity_path;       /* "/identity"; NULL: none */
    const char *identity_field_path; /* where the token goes up in a field; NULL: the same */
    const char *identity_member;     /* "id" */
    struct injection inject;         /* used when the upstream says none */
    const struct symptom *overloads; /* it has too much to do; besides 429 and 503 */
    size_t overload_count;
    const struct symptom *invalid_tokens; /* the token is none (any more); besides 401 */
    size_t invalid_token_count;
    const char *login_authorize, *login_token; /* struct login_config's, where it says none */
    const struct entities *entities; /* NULL: it says nothing of kinds, reads and writes */
};

/* How many calls an upstream may get; 0: no limit. */
struct budget_limits {
    uint32_t concurrency;
    double per_second;
    uint32_t burst; /* calls that may come at once where per_second limits; 0 is as 1 */
    uint32_t per_day;
    double write_share;    /* 0 to 1, of each of them: kept for writes */
    const char *time_zone; /* whose midnight begins a day: "Europe/Amsterdam" */
};

struct upstream_config {
    const char *name;
    const char *url;        /* as configured, without trailing slash */
    struct bytes scheme;    /* "http" or "https" */
    struct bytes authority; /* host[:port] */
    struct bytes base_path; /* "" or "/base" */
    const struct preset *preset;
    struct pattern match; /* paths at the gate that lead here; set where has_match */
    bool has_match;
    struct bytes prefix; /* the literal beginning of match, cut off before the path goes up:
                            "/github" of "/github/" and two stars; empty: none */
    struct token_source token;
    bool has_token;
    const struct exchange_config *exchange; /* NULL: the token itself goes up */
    const struct login_config *login;       /* NULL: none */
    struct injection inject;
    struct budget_limits limits;
    int64_t connect_timeout_us, total_timeout_us, queue_timeout_us;
    int64_t pause_max_us; /* 0: an overloaded upstream makes no pause */
    uint32_t retries;
    bool breaker;
    const struct bytes *forward;
    size_t forward_count;
    bool forward_all; /* "forward": ["*"] */
    const char *tls_ca_file;
    bool tls_verify;
};

/* Of a client's "allow" or "deny". */
/* The path of the call that tells whose its token is; NULL: there is none. */
static inline const char *upstream_identity_path(const struct upstream_config *upstream)
{
    const struct preset *preset = upstream->preset;

    if (preset == NULL || upstream->inject.header == NULL || preset->identity_field_path == NULL)
        return preset == NULL ? NULL : preset->identity_path;
    return preset->identity_field_path;
}

struct allow_rule {
    struct bytes method; /* "*": any */
    struct pattern path;
    struct bytes text; /* as it was written: */
};

struct client_key {
    uint8_t hash[CLIENT_KEY_HASH_BYTES];
    int64_t until_wall_us; /* not accepted from then on; INT64_MAX: no end */
};

/* How much a client may ask of the gate; 0: no limit. */
struct quota_config {
    double per_second;
    uint32_t burst; /* requests that may come at once where per_second limits; 0 is as 1 */
    uint32_t per_day;
};

/* Whose calls go first when calls wait. */
enum priority { PRIORITY_INTERACTIVE, PRIORITY_BATCH, PRIORITIES };
const char *priority_name(enum priority priority); /* "interactive"; static storage */

struct client_config {
    const char *name;
    struct client_key keys[CLIENT_KEYS_LIMIT]; /* the present one, the previous one */
    size_t key_count;
    bool disabled;                  /* its keys are as unknown */
    uint32_t upstream;              /* index into configuration.upstreams; where has_upstream */
    bool has_upstream;              /* false: its paths tell */
    const struct allow_rule *allow; /* NULL: everything; not NULL and count 0: nothing */
    size_t allow_count;
    const struct allow_rule *deny; /* counts more than allow */
    size_t deny_count;
    struct quota_config quota;
    enum priority priority;
    uint32_t weight; /* its share beside other clients that wait; at least 1 */
};

enum unmatched_writes { UNMATCHED_ACCOUNT, UNMATCHED_PATH };

struct configuration {
    atomic_uint references; /* configuration_acquire, configuration_release */
    struct arena arena;
    const char *path; /* the file, absolute; NULL: made from options */

    const char *const *listen;
    size_t listen_count;
    const char *admin; /* NULL: none */
    const char *data_dir;
    uint32_t workers; /* at least 1 */
    enum log_level log_level;
    enum log_format log_format;
    int64_t head_timeout_us, idle_timeout_us, body_timeout_us;
    uint32_t connections;

    const struct upstream_config *upstreams;
    size_t upstream_count;
    const struct client_config *clients; /* count 0: everybody on loopback is "local" */
    size_t client_count;

    uint64_t cache_max_bytes, cache_max_object_bytes;
    int64_t ttl_us, negative_ttl_us, stale_while_revalidate_us, stale_if_error_us;
    const struct cache_rule *cache_rules;
    size_t cache_rule_count;
    enum unmatched_writes unmatched_writes;

    bool audit; /* "audit": false switches it off; absent: on */
    bool audit_hash_bodies;
    const struct bytes *audit_mask;
    size_t audit_mask_count;
    uint64_t audit_rotate_bytes;
    int64_t audit_keep_us;

    const char *const
        *warnings; /* what is accepted and does nothing yet: one line each, said at start */
    size_t warning_count;
};

/* One more reference, from any thread that holds one already. Returns its argument. */
struct configuration *configuration_acquire(struct configuration *configuration);

/* Gives one reference back; the last one frees everything. NULL is fine. */
void configuration_release(struct configuration *configuration);

#endif
