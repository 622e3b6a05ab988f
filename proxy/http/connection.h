/*
 * A client's connection: one HTTP/1.1 socket on libevent, served to a handler one exchange at a
 * time.
 *
 * Pipelined requests wait in the input and are handed over in order, the next only when the answer
 * before it is finished: that is the barrier of RFC 9112 §9.3.2, and answers gather into one
 * writev. Framing that RFC 9112 §6.1-6.3 calls ambiguous is answered 400 by the connection itself
 * and closed, as are targets and heads beyond the limits of http/message.h and requests that come
 * too slowly.
 *
 * Life: listener accepts → connection_create → on_request … → connection_answer_… → on_finished,
 * over and over → freed by its own settle. One thread: the one that runs the event_base.
 *
 * A handler's callbacks may call every connection_answer_* function. From any other place (a timer,
 * a letter, an upstream callback) the caller ends with connection_settle(), after which it must not
 * touch the connection.
 */
#ifndef POSTERN_HTTP_CONNECTION_H
#define POSTERN_HTTP_CONNECTION_H

#include <sys/socket.h>

#include "base/arena.h"
#include "http/message.h"

struct connection;
struct event_base;

/* What a server does with requests. `server` is the pointer given to connections_create. */
struct connection_handler {
    /*
     * A request's head is whole. Either answer, or remember the connection and answer later. The
     * body is not read (nor "100 Continue" sent) until connection_read_body.
     */
    void (*on_request)(struct connection *connection, void *server);
    /* Some bytes of the body, borrowed for the call. To get no more for a while:
     * connection_pause_body. */
    void (*on_body)(struct connection *connection, struct bytes part);
    /* The body is whole. Called once, also for a request without one, after connection_read_body.
     */
    void (*on_body_end)(struct connection *connection);
    /* Fewer than CONNECTION_LOW_BYTES of the answer wait for the socket, after there had been more.
     */
    void (*on_drained)(struct connection *connection);
    /*
     * The exchange is over: its answer is whole and on its way (`complete`), or the
     * client has gone, sent a broken body, or the answer was aborted. Nothing of the exchange is
     * called after it; drop what you hold.
     */
    void (*on_finished)(struct connection *connection, bool complete);
    /*
     * The connection answers this status itself for a request that never became one. Adds field
     * lines to that answer and returns the request_id for its body; all in the connection's arena.
     * May be NULL.
     */
    struct bytes (*on_refused)(struct connection *connection, unsigned status, const char *detail,
                               struct fields *fields);
    /* Last look before the connection is freed. May be NULL. */
    void (*on_closed)(struct connection *connection, void *server);
};

enum {
    CONNECTION_HIGH_BYTES =
        256 * 1024, /* more than this unsent: stop giving (connection_is_full) */
    CONNECTION_LOW_BYTES = 64 * 1024,
};

struct connection_limits {
    int64_t
        head_timeout_us; /* from the first byte of a request (or accept) to the end of its head */
    int64_t idle_timeout_us; /* between requests */
    int64_t body_timeout_us; /* without progress: reading a body, or a client that takes no bytes */
    size_t connections;  /* most that are open at once on these listeners; accepting pauses at it */
    size_t output_bytes; /* most that may wait for one slow client; beyond it the connection is
                            closed */
};

/*
 * The connections of one thread: their listeners, limits and time-outs.
 * Borrowed: handler and server, until connections_destroy.
 */
struct connections;

struct connections *connections_create(struct event_base *base,
                                       const struct connection_handler *handler, void *server,
                                       const struct connection_limits *limits);

/* Closes listeners and connections at once, without answers. NULL is fine. */
void connections_destroy(struct connections *connections);

/*
 * Serves on a listening socket that the caller opened (listener_open) and keeps owning; several may
 * be added.
 */
MUST_USE enum result connections_listen(struct connections *connections, int fd);

/* New limits for what happens from now on. */
void connections_set_limits(struct connections *connections,
                            const struct connection_limits *limits);

/* Stops accepting; each connection closes after the answer it is at (with "Connection: close"),
 * idle ones now. */
void connections_drain(struct connections *connections);

/* Stops reading new requests and accepting (true), or goes on (false): back-pressure for a full
 * audit ring. */
void connections_pause(struct connections *connections, bool paused);

size_t connections_count(const struct connections *connections);

/* --- one connection, from its handler --- */

/* The request being served; valid until on_finished. */
const struct request *connection_request(const struct connection *connection);

/* Memory that lives until the exchange is over. */
struct arena *connection_arena(struct connection *connection);

/* Whatever the handler hangs on the exchange; NULL at each on_request. */
void *connection_exchange(const struct connection *connection);
void connection_set_exchange(struct connection *connection, void *exchange);

/* The server pointer given to connections_create. */
void *connection_server(const struct connection *connection);

/* The peer as text ("127.0.0.1:40312", "unix"), valid as long as the connection. */
struct bytes connection_peer(const struct connection *connection);

/* The time-stamp of the event that is being handled: one clock reading a wake. */
int64_t connection_now_us(const struct connection *connection);

/* Bytes of this exchange's request read so far, head and body; bytes of answer given so far, head
 * and body. */
uint64_t connection_bytes_in(const struct connection *connection);
uint64_t connection_bytes_out(const struct connection *connection);

/* Begins to hand the body over (sends "100 Continue" where it is expected); resumes after
 * connection_pause_body. */
void connection_read_body(struct connection *connection);
void connection_pause_body(struct connection *connection);

/*
 * Begins the final answer. The connection adds Connection, Transfer-Encoding or Content-Length
 * (from `body_bytes`; HTTP_BODY_CHUNKED: not known before its end) and Date when `fields` has none;
 * any of the first three in `fields` is left out. For HEAD, 204 and 304 body bytes are swallowed;
 * HEAD's Content-Length is still `body_bytes`, and for 304 none is sent.
 */
void connection_answer(struct connection *connection, unsigned status, const struct fields *fields,
                       int64_t body_bytes);

/* A part of the answer's body: copied, or borrowed until the event being handled has ended (map
 * bytes). */
void connection_answer_body(struct connection *connection, struct bytes part);
void connection_answer_body_borrowed(struct connection *connection, struct bytes part);

/* Copies what is still borrowed: before the map bytes behind it go away in the middle of an event.
 */
void connection_keep_borrowed(struct connection *connection);

/* The answer is whole. */
void connection_answer_end(struct connection *connection);

/* An answer without streaming: all of the above in one. The body is copied. */
void connection_answer_whole(struct connection *connection, unsigned status,
                             const struct fields *fields, struct bytes body);

/* The answer can't be finished: the connection is closed so that the client sees it is cut short.
 */
void connection_answer_abort(struct connection *connection);

/*
 * Keeps back what is queued (true), lets it go (false): for an answer that must not leave before
 * something else is done. Meanwhile no clock runs.
 */
void connection_hold(struct connection *connection, bool held);

/* The answer has a known length, and all of it was given. */
bool connection_answer_is_complete(const struct connection *connection);

/* An answer was begun. */
bool connection_is_answered(const struct connection *connection);

/* More than CONNECTION_HIGH_BYTES wait for the socket: give no more until on_drained. */
bool connection_is_full(const struct connection *connection);

/* Sends what waits, serves the next pipelined request, or closes and frees. Ends every outside
 * caller's function. */
void connection_settle(struct connection *connection);

#endif
