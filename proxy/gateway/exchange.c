/*
 * The story of a request. Each step either goes on to the next or answers; what takes long is begun
 * here and told on in reading.c and writing.c. This is the only place where the cache and the
 * upstream meet.
 */
#include "gateway/exchange.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "access/permissions.h"
#include "base/breakage.h"
#include "base/clock.h"
#include "base/memory.h"
#include "cache/storable.h"
#include "config/rules.h"
#include "gateway/failure.h"
#include "gateway/forward.h"
#include "gateway/normalise.h"
#include "gateway/own.h"
#include "gateway/reading.h"
#include "gateway/record.h"
#include "gateway/respond.h"
#include "gateway/writing.h"
#include "http/conditional.h"

enum { EXCHANGE_NOTE_ROOM = 64, EXCHANGE_ID_LIMIT = 64, EXCHANGE_WAIT_LIMIT_S = 3600 };

/* In the order of a request's life. False: it is answered. */
static void exchange_receive(struct connection *connection, void *server);
static void exchange_identify(struct exchange *exchange);
static bool exchange_check_form(struct exchange *exchange);
static bool exchange_check_client(struct exchange *exchange);
static bool exchange_normalise(struct exchange *exchange);
static bool exchange_permit(struct exchange *exchange);
static bool exchange_admit(struct exchange *exchange);
static void exchange_go(struct exchange *exchange);
static bool exchange_look_up(struct exchange *exchange, struct entry *stale, bool *has_stale);
static void exchange_fetch(struct exchange *exchange, const struct entry *stale, bool alone);
static bool exchange_judge_own_etag(struct exchange *exchange);

/* --- receive --- */

/* 1 to 64 of A-Za-z0-9._- */
static bool request_id_is_acceptable(struct bytes id)
{
    if (id.length == 0 || id.length > EXCHANGE_ID_LIMIT)
        return false;
    for (size_t i = 0; i < id.length; i++) {
        const char byte = id.data[i];

        if (!((bytes_lower(byte) >= 'a' && bytes_lower(byte) <= 'z') ||
              (byte >= '0' && byte <= '9') || byte == '.' || byte == '_' || byte == '-'))
            return false;
    }
    return true;
}

static void exchange_receive(struct connection *connection, void *server)
{
    struct worker *worker = server;
    struct exchange *exchange = arena_take_zeroed(connection_arena(connection), sizeof(*exchange));

    exchange->worker = worker;
    exchange->connection = connection;
    exchange->settings = settings_acquire(worker->settings);
    exchange->arena = connection_arena(connection);
    exchange->request = connection_request(connection);
    exchange->start_us = connection_now_us(connection);
    exchange->start_wall_us = clock_wall_us();
    exchange->outcome = OUTCOME_NONE;
    exchange->upstream_us = -1;
    exchange->scope = scope_other();
    exchange->upstream = &exchange->settings->upstreams[0];
    connection_set_exchange(connection, exchange);
    record_check_ring(worker);

    const struct field *id = fields_find(&exchange->request->fields, BYTES("X-Request-Id"));
    exchange->id = id != NULL && request_id_is_acceptable(id->value)
                       ? id->value
                       : worker_new_id(worker, exchange->arena);
    exchange_identify(exchange);
    if (exchange_check_form(exchange) && exchange_check_client(exchange) &&
        exchange_normalise(exchange) && exchange_permit(exchange) && exchange_admit(exchange))
        exchange_go(exchange);
}

/* What would be one thing for us and another for the upstream. */
static bool exchange_check_form(struct exchange *exchange)
{
    const struct request *request = exchange->request;

    if (request->target.data[0] != '/')
        respond_refusal(exchange, REFUSAL_FORM, 501, "OPTIONS * is not served here");
    else if (http_method_is_safe(request->method) && request->body_bytes != 0)
        respond_refusal(exchange, REFUSAL_FORM, 400, "GET, HEAD and OPTIONS take no body here");
    else if (forward_overrides_method(&request->fields))
        respond_refusal(exchange, REFUSAL_FORM, 400,
                        "method overrides are not taken: send the method itself");
    else
        return true;
    return false;
}

/* --- identify --- */

/* The first access_token of the query, decoded, or empty. */
static struct bytes query_credential(struct exchange *exchange)
{
    struct bytes query = exchange->request->target;
    struct parameter parameter;

    (void)bytes_cut(&query, '?'); /* what is left is the query */
    while (parameter_next(&query, &parameter))
        if (parameter_sets(exchange->arena, parameter.name, BYTES("access_token")))
            return uri_decode_query(exchange->arena, parameter.value);
    return BYTES("");
}

/* The key, from the first present of Authorization: Bearer, X-Api-Key, access_token. */
static struct bytes request_key(struct exchange *exchange)
{
    const struct field *authorization =
        fields_find(&exchange->request->fields, BYTES("Authorization"));
    const struct field *api_key = fields_find(&exchange->request->fields, BYTES("X-Api-Key"));
    const struct bytes bearer = BYTES("Bearer ");

    if (authorization != NULL &&
        bytes_equal_nocase(bytes_slice(authorization->value, 0, bearer.length), bearer))
        return bytes_trim(bytes_from(authorization->value, bearer.length));
    if (api_key != NULL)
        return api_key->value;
    return query_credential(exchange);
}

/* Where it can't: the client stays NULL. */
static void exchange_identify(struct exchange *exchange)
{
    const struct settings *settings = exchange->settings;
    const size_t count = settings->configuration->client_count;
    struct identified who;

    exchange->key_until_wall_us = INT64_MAX;
    if (count == 0) {
        exchange->client = &settings->local;
        exchange->client_slot = settings->local_slot;
        exchange->allotment = &settings->allotments[count];
    } else if (clients_identify(settings->clients, request_key(exchange), exchange->start_wall_us,
                                &who) == RESULT_OK) {
        const size_t index = (size_t)(who.client - settings->configuration->clients);

        exchange->client = who.client;
        exchange->key_until_wall_us = who.key->until_wall_us;
        exchange->client_slot = settings->client_slots[index];
        exchange->allotment = &settings->allotments[index];
    }
}

static bool exchange_check_client(struct exchange *exchange)
{
    if (exchange->client != NULL)
        return true;
    respond_refusal(exchange, REFUSAL_KEY, 401,
                    "no key, or not a valid one: send it as Authorization: Bearer, X-Api-Key "
                    "or access_token");
    return false;
}

/* The gate's own paths go to no upstream. */
static bool exchange_check_own(struct exchange *exchange, struct bytes path)
{
    if (!own_path(path))
        return true;
    own_answer(exchange, path);
    return false;
}

/* --- normalise --- */

static bool query_overrides_method(struct exchange *exchange)
{
    struct bytes query = exchange->target.query;
    struct parameter parameter;

    while (parameter_next(&query, &parameter))
        if (parameter_sets(exchange->arena, parameter.name, BYTES("_method")))
            return true;
    return false;
}

static struct scope exchange_scope(const struct exchange *exchange)
{
    const struct settings *settings = exchange->settings;
    const struct scope_question question = {
        .configuration = settings->configuration,
        .generation = settings->generation,
        .upstream = (uint32_t)(exchange->upstream - settings->upstreams),
        .plain_path = exchange->plain_path,
    };

    return scope_of(exchange->worker->gate->scopes, &exchange->worker->scope_memory, &question);
}

/* Normalises, and routes on what came of it. False: it is refused. */
static bool exchange_route(struct exchange *exchange)
{
    struct settings *settings = exchange->settings;
    struct normalised normalised = {.plain_path = BYTES("/")};
    const enum result result = normalise_request(exchange->arena, settings->configuration,
                                                 exchange->client, exchange->request, &normalised);

    exchange->at_gate = normalised.at_gate;
    exchange->prefix = normalised.route.prefix;
    exchange->target = normalised.target;
    exchange->plain_path = normalised.plain_path;
    exchange->upstream = &settings->upstreams[normalised.route.upstream];
    if (result == RESULT_MISSING)
        respond_refusal(exchange, REFUSAL_PATH, 404, "no upstream serves that path");
    else if (result != RESULT_OK)
        respond_refusal(exchange, REFUSAL_FORM, 400,
                        "the request target can't be read in one way only");
    return result == RESULT_OK;
}

static bool exchange_normalise(struct exchange *exchange)
{
    struct bytes target = exchange->request->target;

    /* as it stands, for no upstream may serve it, and in other spellings */
    if (!exchange_check_own(exchange, bytes_cut(&target, '?')) || !exchange_route(exchange) ||
        !exchange_check_own(exchange, exchange->at_gate.path))
        return false;
    exchange->account = settings_account(exchange->upstream);
    exchange->scope = exchange_scope(exchange);
    if (query_overrides_method(exchange)) {
        respond_refusal(exchange, REFUSAL_FORM, 400,
                        "method overrides are not taken: send the method itself");
        return false;
    }
    return true;
}

/* --- permit --- */

static bool exchange_permit(struct exchange *exchange)
{
    const struct path_readings readings =
        normalise_readings(exchange->arena, exchange->upstream->upstream.config,
                           exchange->at_gate.path, exchange->prefix, exchange->plain_path);

    if (permissions_allow(exchange->client, exchange->request->method_text, &readings))
        return true;
    respond_refusal(exchange, REFUSAL_RULE, 403,
                    "this client may not do that: GET /_postern/me shows its rules");
    return false;
}

/* --- admit: the client's quota; what the upstream is asked, its budget admits later --- */

static bool exchange_admit(struct exchange *exchange)
{
    int64_t wait_us = 0;
    const enum quota_answer answer = quota_take(exchange->allotment->quota, exchange->start_us,
                                                exchange->start_wall_us, &wait_us);

    if (answer == QUOTA_FINE)
        return true;
    exchange->refusal = REFUSAL_QUOTA;
    respond_problem(exchange, 429,
                    answer == QUOTA_DAY ? "this client has used up what it may ask in a day"
                                        : "this client asks more often than it may",
                    (unsigned)((wait_us + CLOCK_SECOND_US - 1) / CLOCK_SECOND_US));
    return false;
}

/* --- go: a read, a write, or what the cache takes no part in --- */

static bool request_has_conditions(const struct fields *fields)
{
    static const char *const names[] = {"If-None-Match", "If-Modified-Since",   "Range",
                                        "If-Match",      "If-Unmodified-Since", "If-Range"};

    for (size_t i = 0; i < ARRAY_LENGTH(names); i++)
        if (fields_find(fields, bytes_of_string(names[i])) != NULL)
            return true;
    return false;
}

static void exchange_prepare_query(struct exchange *exchange)
{
    const char *upstream = exchange->upstream->upstream.config->name;

    exchange->query.account = exchange->account;
    exchange->query.sent = &exchange->sent;
    if (exchange->account != NULL)
        exchange->query.url = key_of_url(exchange->arena, bytes_of_string(exchange->account->name),
                                         bytes_of_string(upstream), exchange->target.url);
}

static void exchange_go(struct exchange *exchange)
{
    const struct request *request = exchange->request;
    const struct upstream_config *config = exchange->upstream->upstream.config;
    const bool is_get = request->method == METHOD_GET;

    exchange->rule = rules_apply(exchange->settings->configuration, config, exchange->plain_path,
                                 exchange->target.query, exchange->arena);
    const bool may_cache = (is_get || request->method == METHOD_HEAD) && exchange->rule.store;
    exchange->sent = forward_fields(exchange->arena, &request->fields, config, !may_cache);
    exchange_prepare_query(exchange);
    if (!http_method_is_safe(request->method)) {
        if (exchange_judge_own_etag(exchange))
            writing_start(exchange);
        return;
    }
    exchange->wishes = freshness_of_request(&request->fields);
    exchange->has_conditions = may_cache && request_has_conditions(&request->fields);
    if (may_cache && exchange->account != NULL) {
        exchange_read(exchange, false);
        return;
    }
    if (exchange_judge_own_etag(exchange)) {
        exchange->forwarded = "bypass";
        exchange_fetch(exchange, NULL, true);
    }
}

/* --- look up --- */

static void respond_hit(struct exchange *exchange, const struct entry *entry, int64_t wall_us)
{
    const int64_t ttl_s = (entry->expires_wall_us - wall_us) / CLOCK_SECOND_US;
    const char *note = "fwd=stale; fwd-status=304; stored";

    if (exchange->validation == VALIDATION_DONE) {
        exchange->outcome = OUTCOME_REVALIDATED;
    } else {
        exchange->forwarded = NULL;
        exchange->outcome = OUTCOME_HIT;
        note = arena_join(exchange->arena, BYTES("hit; ttl="), arena_number(exchange->arena, ttl_s))
                   .data;
    }
    respond_whole(exchange, &(struct representation){.status = entry->status,
                                                     .fields = &entry->fields,
                                                     .body = entry->body,
                                                     .borrowed = true,
                                                     .age_s = (int64_t)entry_age_s(entry, wall_us),
                                                     .note = note});
}

static bool entry_serves(const struct exchange *exchange, const struct entry *entry,
                         int64_t wall_us)
{
    const int64_t lifetime_us =
        entry->expires_wall_us - entry->received_wall_us + entry->initial_age_us;
    const int64_t age_us = wall_us - entry->received_wall_us + entry->initial_age_us;

    if (exchange->validation == VALIDATION_DONE)
        return true;
    if ((entry->flags & ENTRY_NO_CACHE) != 0 || exchange->wishes.wants_fresh)
        return false;
    if (!entry_is_fresh(entry, wall_us) && wall_us < entry->expires_wall_us)
        return false; /* the clock was set back */
    return wishes_are_served(&exchange->wishes, lifetime_us, age_us,
                             (entry->flags & ENTRY_MUST_REVALIDATE) == 0);
}

static bool entry_has_validator(const struct entry *entry)
{
    if (fields_find(&entry->fields, BYTES("ETag")) != NULL && (entry->flags & ENTRY_OWN_ETAG) == 0)
        return true;
    return fields_find(&entry->fields, BYTES("Last-Modified")) != NULL;
}

/* True: not answered. A stored answer that may be validated is in *stale then. */
static bool exchange_look_up(struct exchange *exchange, struct entry *stale, bool *has_stale)
{
    struct cache_reader *reader = exchange->worker->reader;
    const int64_t wall_us = clock_wall_us();
    struct entry entry;

    *has_stale = false;
    exchange->forwarded = exchange->wishes.wants_fresh ? "request" : "uri-miss";
    if (!cache_reader_keeps(reader))
        connection_keep_borrowed(exchange->connection); /* earlier answers of this pipeline */
    if (cache_lookup(reader, &exchange->query, exchange->arena, &entry) != RESULT_OK) {
        if (cache_reader_met_variants(reader) && !exchange->wishes.wants_fresh)
            exchange->forwarded = "vary-miss";
        return true;
    }
    if (entry_serves(exchange, &entry, wall_us)) {
        respond_hit(exchange, &entry, wall_us);
        return false;
    }
    if (!exchange->wishes.wants_fresh)
        exchange->forwarded = "stale";
    if (entry_has_validator(&entry) && exchange->validation == VALIDATION_NONE) {
        *stale = entry;
        *has_stale = true;
    }
    return true;
}

void exchange_read(struct exchange *exchange, bool alone)
{
    struct entry stale;
    bool has_stale;

    if (exchange->wishes.no_store) { /* nothing stored either: an app's way to a fresh read */
        exchange->forwarded = "request";
        has_stale = false;
    } else if (!exchange_look_up(exchange, &stale, &has_stale)) {
        return;
    }
    if (exchange->wishes.only_if_cached) {
        exchange->forwarded = NULL;
        respond_problem(exchange, 504, "only-if-cached was asked for, and nothing fresh is stored",
                        0);
        return;
    }
    exchange_fetch(exchange, has_stale ? &stale : NULL, alone);
}

/* --- join or fetch --- */

/* A flight's answer, or its failure, for one who waited. */
static void respond_collapsed(struct exchange *exchange, const struct flight_answer *answer)
{
    char *note = arena_take(exchange->arena, EXCHANGE_NOTE_ROOM);

    exchange->outcome = OUTCOME_COLLAPSED;
    if (answer->problem != NULL) {
        failure_respond(exchange, &(struct failure){.status = answer->status,
                                                    .detail = answer->problem,
                                                    .retry_after_s = answer->retry_after_s,
                                                    .refusal = answer->refusal});
        return;
    }
    (void)snprintf(note, EXCHANGE_NOTE_ROOM, "fwd=%s; collapsed",
                   exchange->forwarded == NULL ? "uri-miss" : exchange->forwarded);
    respond_whole(exchange, &(struct representation){.status = answer->status,
                                                     .fields = &answer->fields,
                                                     .body = buffer_bytes(&answer->spool),
                                                     .age_s = -1,
                                                     .note = note});
}

/* Whether what the leader's request selected is what this one would select (RFC 9111 §4.1). */
static bool answer_is_for(struct exchange *exchange, const struct flight_answer *answer)
{
    if (answer->problem != NULL || answer->vary.length == 0)
        return true;
    if (bytes_index(answer->vary, '*') < answer->vary.length)
        return false;
    return hash_equal(
        key_of_variant(exchange->arena, &exchange->query.url, answer->vary, &exchange->sent).hash,
        answer->variant);
}

static void exchange_on_landed(struct letter *letter)
{
    struct flight_waiter *waiter = (struct flight_waiter *)letter;
    struct exchange *exchange = waiter->exchange;
    struct flight_answer *answer = waiter->answer;

    free(waiter);
    if (exchange != NULL) {
        exchange->waiter = NULL;
        if (answer == NULL)
            exchange_read(exchange, false);
        else if (!answer_is_for(exchange, answer))
            exchange_read(exchange, true);
        else
            respond_collapsed(exchange, answer);
        connection_settle(exchange->connection);
    }
    flight_answer_release(answer);
}

/* True: another's call brings the answer. False: fetch, leading *flight where there is one. */
static bool exchange_join(struct exchange *exchange, struct flight **flight)
{
    struct flight_waiter *waiter = memory_take(1, sizeof(*waiter));
    const struct cache_key variant =
        key_of_variant(exchange->arena, &exchange->query.url, BYTES(""), &exchange->sent);

    waiter->letter.deliver = exchange_on_landed;
    waiter->mailbox = exchange->worker->mailbox;
    waiter->exchange = exchange;
    waiter->is_urgent = exchange->client->priority == PRIORITY_INTERACTIVE;
    const enum flight_role role = flight_join(exchange->worker->gate->flights, &exchange->query,
                                              variant.hash, waiter, flight);
    if (role == FLIGHT_WAIT) {
        exchange->waiter = waiter;
        return true;
    }
    struct flight_answer *answer = waiter->answer;
    free(waiter);
    const bool landed = role == FLIGHT_LANDED && answer_is_for(exchange, answer);
    if (landed)
        respond_collapsed(exchange, answer);
    flight_answer_release(answer);
    return landed;
}

/* "Prefer: wait=10" (RFC 7240 §4.3), in microseconds; 0: not said. */
static int64_t preferred_wait_us(const struct fields *fields)
{
    const struct field *prefer = fields_find(fields, BYTES("Prefer"));
    struct bytes rest = prefer == NULL ? BYTES("") : prefer->value;
    uint64_t wait_s;

    while (rest.length > 0) {
        const struct bytes one = bytes_trim(bytes_cut(&rest, ','));
        const struct bytes name = BYTES("wait=");

        if (bytes_equal_nocase(bytes_slice(one, 0, name.length), name) &&
            bytes_to_number(bytes_from(one, name.length), EXCHANGE_WAIT_LIMIT_S, &wait_s) ==
                RESULT_OK &&
            wait_s > 0)
            return (int64_t)wait_s * CLOCK_SECOND_US;
    }
    return 0;
}

struct caller exchange_caller(const struct exchange *exchange)
{
    const int64_t limit_us = exchange->upstream->upstream.config->queue_timeout_us;
    const int64_t wait_us = preferred_wait_us(&exchange->request->fields);

    return (struct caller){
        .client = exchange->client_slot,
        .weight = exchange->client->weight,
        .priority = exchange->client->priority,
        .scope = exchange->scope.hash,
        .patience_us = wait_us > 0 && wait_us < limit_us ? wait_us : limit_us,
    };
}

static void exchange_fetch(struct exchange *exchange, const struct entry *stale, bool alone)
{
    const bool is_get = exchange->request->method == METHOD_GET;
    struct reading_options options = {
        .stores = is_get && exchange->rule.store && exchange->account != NULL &&
                  !exchange->wishes.no_store,
        .stale = is_get ? stale : NULL,
    };

    /* one who insists on a fresh answer gets a call of its own, begun after it asked */
    if (options.stores && !alone && !exchange->wishes.wants_fresh &&
        exchange_join(exchange, &options.flight))
        return;
    exchange->outcome = options.stores ? OUTCOME_MISS : OUTCOME_BYPASS;
    reading_start(exchange, &options);
}

/* --- If-Match against an ETag of the gate's own (rule 7) --- */

static bool names_own_etag(const struct fields *fields, struct bytes name)
{
    for (size_t i = 0; i < fields->count; i++)
        if (bytes_equal_nocase(fields->lines[i].name, name) &&
            bytes_find(fields->lines[i].value, BYTES(ETAG_PREFIX)) < fields->lines[i].value.length)
            return true;
    return false;
}

/* Whether the stored answer meets the request's conditions. What is not stored fresh meets none. */
static bool stored_meets_conditions(struct exchange *exchange)
{
    const int64_t wall_us = clock_wall_us();
    struct entry entry;

    if (!cache_reader_keeps(exchange->worker->reader))
        connection_keep_borrowed(exchange->connection);
    if (exchange->account == NULL ||
        cache_lookup(exchange->worker->reader, &exchange->query, exchange->arena, &entry) !=
            RESULT_OK ||
        !entry_is_fresh(&entry, wall_us))
        return false;
    const struct validators validators = validators_of(&entry.fields, wall_us / CLOCK_SECOND_US);
    return condition_judge(exchange->request->method, &exchange->request->fields, &validators,
                           wall_us / CLOCK_SECOND_US) == CONDITION_MET;
}

/*
 * True: go on. The upstream does not know the gate's ETags: conditions that name one are judged on
 * the stored answer and taken out; If-None-Match of a read only spares a body, so it is just taken
 * out.
 */
static bool exchange_judge_own_etag(struct exchange *exchange)
{
    const struct fields *asked = &exchange->request->fields;
    const bool in_match = names_own_etag(asked, BYTES("If-Match"));
    const bool in_none_match = names_own_etag(asked, BYTES("If-None-Match"));
    const bool is_read = http_method_is_safe(exchange->request->method);

    if (is_broken("7"))
        return true;
    if ((in_match || (in_none_match && !is_read)) && !stored_meets_conditions(exchange)) {
        respond_problem(exchange, 412,
                        "what the condition names is not what is stored now: read it again", 0);
        return false;
    }
    if (in_match)
        fields_remove(&exchange->sent, BYTES("If-Match"));
    if (in_none_match)
        fields_remove(&exchange->sent, BYTES("If-None-Match"));
    return true;
}

/* --- from the connection --- */

static void exchange_on_body(struct connection *connection, struct bytes part)
{
    const struct exchange *exchange = connection_exchange(connection);

    if (exchange->writing != NULL)
        writing_on_body(exchange->writing, part);
}

static void exchange_on_body_end(struct connection *connection)
{
    const struct exchange *exchange = connection_exchange(connection);

    if (exchange->writing != NULL)
        writing_on_body_end(exchange->writing);
}

static void exchange_on_drained(struct connection *connection)
{
    const struct exchange *exchange = connection_exchange(connection);

    if (exchange->reading != NULL)
        reading_on_drained(exchange->reading);
    else if (exchange->writing != NULL)
        writing_on_drained(exchange->writing);
}

static void exchange_on_finished(struct connection *connection, bool complete)
{
    struct exchange *exchange = connection_exchange(connection);

    (void)complete; /* a whole answer is recorded by now */
    if (exchange->waiter != NULL) {
        exchange->waiter->exchange = NULL;
        if (flight_leave(exchange->waiter))
            free(exchange->waiter);
    }
    if (exchange->reading != NULL)
        reading_leave(exchange->reading);
    if (exchange->writing != NULL)
        writing_leave(exchange->writing);
    record_aborted(exchange);
    settings_release(exchange->settings);
}

static struct bytes exchange_on_refused(struct connection *connection, unsigned status,
                                        const char *detail, struct fields *fields)
{
    struct worker *worker = connection_server(connection);
    const struct bytes id = worker_new_id(worker, connection_arena(connection));

    log_debug("a request was refused with %u: %s", status, detail);
    record_refused(worker, connection, id, status);
    fields_add(fields, connection_arena(connection), BYTES("Via"), BYTES("1.1 postern"));
    fields_add(fields, connection_arena(connection), BYTES("X-Request-Id"), id);
    return id;
}

const struct connection_handler exchange_handler = {
    .on_request = exchange_receive,
    .on_body = exchange_on_body,
    .on_body_end = exchange_on_body_end,
    .on_drained = exchange_on_drained,
    .on_finished = exchange_on_finished,
    .on_refused = exchange_on_refused,
};
