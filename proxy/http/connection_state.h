/* What connection.c, connections.c and answer.c share: the structs behind http/connection.h.
 * Private to http/. */
#ifndef POSTERN_HTTP_CONNECTION_STATE_H
#define POSTERN_HTTP_CONNECTION_STATE_H

#include <event2/event.h>
#include <event2/event_struct.h>
#include <sys/queue.h>
#include <time.h>

#include "http/connection.h"
#include "http/output.h"
#include "http/request_parser.h"

enum {
    CONNECTION_READ_BYTES = 64 * 1024, /* one read */
    CONNECTION_INPUT_LIMIT_BYTES =
        HTTP_HEAD_LIMIT_BYTES + HTTP_LINE_LIMIT_BYTES + CONNECTION_READ_BYTES,
    CONNECTION_DRAIN_BYTES =
        1024 * 1024, /* read and dropped after an answer that did not wait for its body */
    CONNECTION_LINGER_US = 2 * 1000 * 1000, /* … for so long */
    CONNECTION_ROUNDS_PER_WAKE = 16,
    CONNECTION_ARENA_BYTES = 8 * 1024,
    CONNECTION_PEER_ROOM = 64,
    CONNECTION_DATE_ROOM = 32,
};

/* Which clock runs for a connection. Each class has one length, so that its queue is ordered by
 * deadline. */
enum connection_timer {
    TIMER_HEAD,
    TIMER_IDLE,
    TIMER_BODY,
    TIMER_LINGER,
    TIMER_COUNT,
    TIMER_NONE = TIMER_COUNT
};

enum connection_state {
    CONNECTION_READING,   /* waits for a head, or has part of one */
    CONNECTION_SERVING,   /* the handler has a request */
    CONNECTION_FLUSHING,  /* only output is left, then it lingers or closes */
    CONNECTION_LINGERING, /* all is sent and shut down: input is dropped until the peer closes */
    CONNECTION_CLOSING,   /* connection_settle frees it */
};

struct connection {
    struct connections *owner;
    TAILQ_ENTRY(connection) all;
    TAILQ_ENTRY(connection) timed;
    enum connection_timer timer;
    int64_t deadline_us;

    int fd;
    struct event readable, writable;
    bool reads, writes; /* the events are added */
    bool busy;          /* one of our callbacks is at work and will settle */

    enum connection_state state;
    struct buffer input;
    size_t parsed; /* bytes of input that the parser has seen; the head begins at 0 until it is
                      whole */
    struct request_parser parser;
    struct output output;
    struct arena arena;
    struct request request;
    void *exchange;

    bool served_before; /* at least one request came: silence is idleness now */
    bool input_ended;   /* the peer sends no more (half-closed or gone) */
    bool body_wanted, body_paused, body_ended;
    bool answered, answer_ended, answer_chunked, answer_bodiless;
    bool keep_alive;
    bool was_full;       /* on_drained is owed */
    bool held;           /* nothing is sent: connection_hold */
    bool linger;         /* the peer may still be sending: close gently */
    int64_t answer_left; /* bytes of a known length still to come */
    size_t drained_bytes;
    uint64_t bytes_in, bytes_out;
    int64_t now_us;
    char peer[CONNECTION_PEER_ROOM];
};

TAILQ_HEAD(connection_list, connection);

struct connections {
    struct event_base *base;
    const struct connection_handler *handler;
    void *server;
    struct connection_limits limits;
    struct connection_list all;
    struct connection_list timers[TIMER_COUNT];
    struct event *sweep;
    struct connections_listener *listeners;
    _Atomic size_t count; /* changed by one thread, shown by others */
    bool draining, paused, accepting;
    time_t date_s; /* the second that `date` tells */
    char date[CONNECTION_DATE_ROOM];
};

/* connection.c: a fresh socket, non-blocking; the connection owns it. */
void connection_create(struct connections *owner, int fd, const struct sockaddr_storage *peer);

/* connections.c: the peer's address as text. */
void connection_name_peer(struct connection *connection, const struct sockaddr_storage *peer);

/* connection.c: closes the socket and frees; an unfinished exchange is finished first. */
void connection_destroy(struct connection *connection);

/* connections.c: starts the clock of a class (again); TIMER_NONE stops it. */
void connection_set_timer(struct connection *connection, enum connection_timer timer);

/* connection.c: a clock ran out. */
void connection_time_out(struct connection *connection);

/* connections.c: one more or one less is open: accept again, or no more. */
void connections_on_count(struct connections *connections);

/* connections.c: the Date field's value for now. */
struct bytes connections_date(struct connections *connections);

/* answer.c: the connection's own answer to what never became a request; closes after it. */
void connection_refuse(struct connection *connection, unsigned status, const char *detail);

#endif
