/* Routes and guards of the admin address. */
#include "admin/admin.h"

#include <assert.h>
#include <stdlib.h>

#include "admin/api.h"
#include "admin/metrics.h"
#include "admin/purge.h"
#include "admin/why.h"
#include "base/memory.h"
#include "http/listener.h"
#include "http/problem.h"

enum {
    ADMIN_BODY_LIMIT_BYTES = 64 * 1024,
    ADMIN_ANSWER_LIMIT_BYTES = 64 * 1024 * 1024,
    ADMIN_TIMEOUT_US = 10 * 1000 * 1000,
    ADMIN_CONNECTIONS = 100,
};

struct admin {
    struct server *server;
    struct listener listener;
    struct connections *connections;
    struct cache_reader *reader; /* of why */
};

/* What hangs on an exchange: the body so far, then the purge. */
struct admin_call {
    struct buffer body;
    struct purging *purging;
};

static void answer(struct connection *connection, unsigned status, const char *type,
                   struct bytes body)
{
    struct fields fields = {0};

    fields_add(&fields, connection_arena(connection), BYTES("Content-Type"), bytes_of_string(type));
    fields_add(&fields, connection_arena(connection), BYTES("Cache-Control"), BYTES("no-store"));
    fields_add(&fields, connection_arena(connection), BYTES("X-Content-Type-Options"),
               BYTES("nosniff"));
    connection_answer_whole(connection, status, &fields, body);
}

static void answer_problem(struct connection *connection, unsigned status, const char *detail)
{
    answer(connection, status, PROBLEM_CONTENT_TYPE,
           problem_body(connection_arena(connection), status, bytes_of_string(http_reason(status)),
                        bytes_of_string(detail), BYTES("")));
}

/* --- guards --- */

static struct bytes without_port(struct bytes authority)
{
    size_t colon = authority.length;

    while (colon > 0 && authority.data[colon - 1] != ':' && authority.data[colon - 1] != ']')
        colon--;
    return colon > 0 && authority.data[colon - 1] == ':' ? bytes_slice(authority, 0, colon - 1)
                                                         : authority;
}

/* A name that a browser resolves to elsewhere must not lead here (DNS rebinding). */
static bool is_own_authority(const struct admin *admin, struct bytes authority)
{
    const struct bytes host = without_port(authority);
    static const char *const loopback[] = {"localhost", "127.0.0.1", "[::1]"};

    for (size_t i = 0; i < ARRAY_LENGTH(loopback); i++)
        if (bytes_equal_nocase(host, bytes_of_string(loopback[i])))
            return true;
    return bytes_equal_nocase(authority, bytes_of_string(admin->listener.address));
}

static bool host_is_own(const struct admin *admin, const struct request *request)
{
    const struct field *host = fields_find(&request->fields, BYTES("Host"));

    return host == NULL || admin->listener.path[0] != '\0' || is_own_authority(admin, host->value);
}

/* A page of this very address, by any of its names: another port is another origin. */
static bool origin_is_own(const struct admin *admin, const struct request *request)
{
    const struct field *origin = fields_find(&request->fields, BYTES("Origin"));
    const struct bytes scheme = BYTES("http://");

    if (origin == NULL)
        return true;
    const struct bytes authority = bytes_from(origin->value, scheme.length);
    const struct bytes own = bytes_of_string(admin->listener.address);
    const struct bytes port = bytes_from(authority, without_port(authority).length);
    return bytes_starts_with(origin->value, scheme) && is_own_authority(admin, authority) &&
           bytes_equal(port, bytes_from(own, without_port(own).length));
}

/* --- answers --- */

static void answer_metrics(struct admin *admin, struct connection *connection)
{
    struct buffer text;

    buffer_init(&text, ADMIN_ANSWER_LIMIT_BYTES);
    metrics_write(admin->server, &text);
    answer(connection, 200, "text/plain; version=0.0.4", buffer_bytes(&text));
    buffer_finish(&text);
}

static void answer_status(struct admin *admin, struct connection *connection)
{
    struct buffer text;

    buffer_init(&text, ADMIN_ANSWER_LIMIT_BYTES);
    api_write_status(admin->server, &text);
    answer(connection, 200, "application/json", buffer_bytes(&text));
    buffer_finish(&text);
}

static void answer_why(struct admin *admin, struct connection *connection, struct bytes query)
{
    struct buffer text;
    struct why why;
    struct error error;

    if (why_read(query, connection_arena(connection), &why) != RESULT_OK) {
        answer_problem(connection, 400, "say of which URL: /api/why?url=/v2/profile/456");
        return;
    }
    buffer_init(&text, ADMIN_ANSWER_LIMIT_BYTES);
    if (why_write(admin->server, admin->reader, &why, &text, &error) == RESULT_OK)
        answer(connection, 200, "application/json", buffer_bytes(&text));
    else
        answer_problem(connection, 400, error.text);
    buffer_finish(&text);
}

/* Ready: takes writes as well as reads. */
static void answer_ready(struct admin *admin, struct connection *connection)
{
    const struct gate *gate = server_gate(admin->server);
    struct audit_status audit = {0};

    if (gate->audit != NULL)
        audit_read_status(gate->audit, &audit);
    if (server_is_draining(admin->server))
        answer(connection, 503, "text/plain", BYTES("draining\n"));
    else if (audit.failing)
        answer(connection, 503, "text/plain",
               BYTES("the audit trail can't be written: writes are refused\n"));
    else
        answer(connection, 200, "text/plain", BYTES("ready\n"));
}

/* --- purge --- */

/* The purge is done, and the client still there. */
static void on_purged(struct connection *connection)
{
    ((struct admin_call *)connection_exchange(connection))->purging = NULL;
    answer(connection, 200, "application/json", BYTES("{\"purged\":true}\n"));
    connection_settle(connection);
}

static void begin_purge(struct connection *connection)
{
    struct admin_call *call = arena_take_zeroed(connection_arena(connection), sizeof(*call));

    buffer_init(&call->body, ADMIN_BODY_LIMIT_BYTES);
    connection_set_exchange(connection, call);
    connection_read_body(connection);
}

/* --- from the connection --- */

static void admin_get(struct admin *admin, struct connection *connection, struct bytes path,
                      struct bytes query)
{
    if (bytes_equal(path, BYTES("/healthz")))
        answer(connection, 200, "text/plain", BYTES("ok\n"));
    else if (bytes_equal(path, BYTES("/readyz")))
        answer_ready(admin, connection);
    else if (bytes_equal(path, BYTES("/metrics")))
        answer_metrics(admin, connection);
    else if (bytes_equal(path, BYTES("/api/status")))
        answer_status(admin, connection);
    else if (bytes_equal(path, BYTES("/api/why")))
        answer_why(admin, connection, query);
    else
        answer_problem(connection, 404,
                       "there are /healthz, /readyz, /metrics, /api/status, /api/why?url= and POST "
                       "/api/purge");
}

static void admin_on_request(struct connection *connection, void *server)
{
    struct admin *admin = server;
    const struct request *request = connection_request(connection);
    struct bytes rest = request->target;
    const struct bytes path = bytes_cut(&rest, '?');

    if (!host_is_own(admin, request))
        answer_problem(connection, 421,
                       "this address answers to its own name and loopback names only");
    else if (request->method == METHOD_GET || request->method == METHOD_HEAD)
        admin_get(admin, connection, path, rest);
    else if (request->method != METHOD_POST || !bytes_equal(path, BYTES("/api/purge")))
        answer_problem(connection, 405, "only POST /api/purge changes anything here");
    else if (!origin_is_own(admin, request))
        answer_problem(connection, 403, "a page of another origin may not change anything here");
    else
        begin_purge(connection);
}

static void admin_on_body(struct connection *connection, struct bytes part)
{
    struct admin_call *call = connection_exchange(connection);

    if (call != NULL)
        buffer_add(&call->body, part);
}

static void admin_on_body_end(struct connection *connection)
{
    struct admin_call *call = connection_exchange(connection);
    struct admin *admin = connection_server(connection);
    struct api_purge wanted;
    struct error error;

    if (call == NULL)
        return;
    if (call->body.failed)
        answer_problem(connection, 413, "a purge is small");
    else if (api_read_purge(admin->server, buffer_bytes(&call->body), connection_arena(connection),
                            &wanted, &error) != RESULT_OK)
        answer_problem(connection, 400, error.text);
    else
        call->purging = purge_begin(&(struct purge_asker){.server = admin->server,
                                                          .reader = admin->reader,
                                                          .connection = connection,
                                                          .done = on_purged},
                                    &wanted);
}

static void admin_on_drained(struct connection *connection)
{
    (void)connection; /* answers are given whole */
}

static void admin_on_finished(struct connection *connection, bool complete)
{
    struct admin_call *call = connection_exchange(connection);

    (void)complete;
    if (call == NULL)
        return;
    buffer_finish(&call->body);
    if (call->purging != NULL)
        purge_leave(call->purging);
}

static const struct connection_handler admin_handler = {
    .on_request = admin_on_request,
    .on_body = admin_on_body,
    .on_body_end = admin_on_body_end,
    .on_drained = admin_on_drained,
    .on_finished = admin_on_finished,
};

enum result admin_open(struct server *server, const char *address, struct admin **opened,
                       struct error *error)
{
    const struct connection_limits limits = {.head_timeout_us = ADMIN_TIMEOUT_US,
                                             .idle_timeout_us = ADMIN_TIMEOUT_US,
                                             .body_timeout_us = ADMIN_TIMEOUT_US,
                                             .connections = ADMIN_CONNECTIONS,
                                             .output_bytes = ADMIN_ANSWER_LIMIT_BYTES * 2};
    struct admin *admin = memory_take(1, sizeof(*admin));
    enum result result = listener_open(&admin->listener, address, false, error);

    if (result == RESULT_OK) {
        result = cache_reader_open(server_gate(server)->cache, &admin->reader);
        if (result != RESULT_OK) {
            listener_close(&admin->listener);
            (void)error_set(error, result, "the cache has no reader left for the admin address");
        }
    }
    if (result != RESULT_OK) {
        free(admin);
        return result;
    }
    admin->server = server;
    admin->connections = connections_create(server_base(server), &admin_handler, admin, &limits);
    if (connections_listen(admin->connections, admin->listener.fd) != RESULT_OK)
        memory_exhausted(); /* libevent fails here for nothing else */
    *opened = admin;
    return RESULT_OK;
}

void admin_close(struct admin *admin)
{
    if (admin == NULL)
        return;
    connections_destroy(admin->connections);
    cache_reader_close(admin->reader);
    listener_close(&admin->listener);
    free(admin);
}

const char *admin_address(const struct admin *admin)
{
    return admin->listener.address;
}
