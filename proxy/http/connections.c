/*
 * The connections of one thread: accepting, the queues of deadlines, pausing and draining.
 * Deadlines are swept ten times a second while there are connections: no timer system calls on the
 * way of a request.
 */
#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/un.h>

#include "base/clock.h"
#include "base/memory.h"
#include "http/connection_state.h"
#include "http/date.h"

enum {
    ACCEPTS_PER_WAKE = 64,
    SWEEP_US = 100 * 1000,
    ACCEPT_PAUSE_US = 100 * 1000, /* out of descriptors: do not spin */
};

struct connections_listener {
    struct connections_listener *next;
    struct connections *owner;
    int fd;
    struct event *acceptable;
    struct event *resume;
};

static int64_t timer_length_us(const struct connections *connections, enum connection_timer timer)
{
    switch (timer) {
    case TIMER_HEAD:
        return connections->limits.head_timeout_us;
    case TIMER_IDLE:
        return connections->limits.idle_timeout_us;
    case TIMER_BODY:
        return connections->limits.body_timeout_us;
    default:
        return CONNECTION_LINGER_US;
    }
}

void connection_set_timer(struct connection *connection, enum connection_timer timer)
{
    struct connections *owner = connection->owner;

    if (connection->timer != TIMER_NONE)
        TAILQ_REMOVE(&owner->timers[connection->timer], connection, timed);
    connection->timer = timer;
    if (timer == TIMER_NONE)
        return;
    connection->deadline_us = connection->now_us + timer_length_us(owner, timer);
    TAILQ_INSERT_TAIL(&owner->timers[timer], connection, timed);
}

/* libevent: ten times a second. */
static void connections_on_sweep(evutil_socket_t fd, short what, void *context)
{
    struct connections *connections = context;
    const int64_t now_us = clock_now_us();

    (void)fd;
    (void)what;
    for (size_t timer = 0; timer < TIMER_COUNT; timer++) {
        struct connection *connection;

        while ((connection = TAILQ_FIRST(&connections->timers[timer])) != NULL &&
               connection->deadline_us <= now_us) {
            connection_set_timer(connection, TIMER_NONE);
            connection_time_out(connection);
        }
    }
}

static void connections_set_accepting(struct connections *connections, bool accepting)
{
    connections->accepting = accepting;
    for (struct connections_listener *listener = connections->listeners; listener != NULL;
         listener = listener->next)
        (void)(accepting ? event_add(listener->acceptable, NULL) : event_del(listener->acceptable));
}

void connections_on_count(struct connections *connections)
{
    const bool accepting = connections->count < connections->limits.connections &&
                           !connections->draining && !connections->paused;

    if (accepting != connections->accepting)
        connections_set_accepting(connections, accepting);
}

/* libevent: a pause for want of descriptors is over. */
static void listener_on_resume(evutil_socket_t fd, short what, void *context)
{
    const struct connections_listener *listener = context;

    (void)fd;
    (void)what;
    if (listener->owner->accepting)
        (void)event_add(listener->acceptable, NULL);
}

static void listener_pause(struct connections_listener *listener)
{
    const struct timeval pause = {.tv_usec = ACCEPT_PAUSE_US};

    (void)event_del(listener->acceptable);
    (void)event_add(listener->resume, &pause);
}

/* libevent: clients wait to be accepted. */
static void listener_on_acceptable(evutil_socket_t fd, short what, void *context)
{
    struct connections_listener *listener = context;
    struct connections *owner = listener->owner;

    (void)what;
    for (int i = 0; i < ACCEPTS_PER_WAKE && owner->accepting; i++) {
        struct sockaddr_storage peer = {0};
        socklen_t length = sizeof(peer);
        const int accepted =
            accept4(fd, (struct sockaddr *)&peer, &length, SOCK_NONBLOCK | SOCK_CLOEXEC);

        if (accepted == -1) {
            if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
                listener_pause(listener);
            return; /* nobody waits, or who waited has gone */
        }
        if (peer.ss_family != AF_UNIX) {
            const int on = 1;

            (void)setsockopt(accepted, IPPROTO_TCP, TCP_NODELAY, &on,
                             sizeof(on)); /* only slower without */
        }
        connection_create(owner, accepted, &peer);
        connections_on_count(owner);
    }
}

void connection_name_peer(struct connection *connection, const struct sockaddr_storage *peer)
{
    char text[INET6_ADDRSTRLEN] = "";

    if (peer->ss_family == AF_INET) {
        const struct sockaddr_in *in = (const struct sockaddr_in *)peer;

        (void)inet_ntop(AF_INET, &in->sin_addr, text, sizeof(text)); /* the room fits */
        (void)snprintf(connection->peer, sizeof(connection->peer), "%s:%u", text,
                       ntohs(in->sin_port));
    } else if (peer->ss_family == AF_INET6) {
        const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)peer;

        (void)inet_ntop(AF_INET6, &in6->sin6_addr, text, sizeof(text)); /* the room fits */
        (void)snprintf(connection->peer, sizeof(connection->peer), "[%s]:%u", text,
                       ntohs(in6->sin6_port));
    } else {
        (void)snprintf(connection->peer, sizeof(connection->peer), "unix");
    }
}

struct connections *connections_create(struct event_base *base,
                                       const struct connection_handler *handler, void *server,
                                       const struct connection_limits *limits)
{
    struct connections *connections = memory_take(1, sizeof(*connections));
    const struct timeval sweep = {.tv_usec = SWEEP_US};

    connections->base = base;
    connections->handler = handler;
    connections->server = server;
    connections->limits = *limits;
    connections->accepting = true;
    TAILQ_INIT(&connections->all);
    for (size_t i = 0; i < TIMER_COUNT; i++)
        TAILQ_INIT(&connections->timers[i]);
    connections->sweep = event_new(base, -1, EV_PERSIST, connections_on_sweep, connections);
    if (connections->sweep == NULL || event_add(connections->sweep, &sweep) == -1)
        memory_exhausted(); /* libevent fails here for nothing else */
    return connections;
}

void connections_destroy(struct connections *connections)
{
    struct connection *connection;

    if (connections == NULL)
        return;
    connections->draining = true;
    connections_on_count(connections);
    while ((connection = TAILQ_FIRST(&connections->all)) != NULL)
        connection_destroy(connection);
    for (struct connections_listener *listener = connections->listeners, *next; listener != NULL;
         listener = next) {
        next = listener->next;
        event_free(listener->acceptable);
        event_free(listener->resume);
        free(listener);
    }
    event_free(connections->sweep);
    free(connections);
}

enum result connections_listen(struct connections *connections, int fd)
{
    struct connections_listener *listener = memory_take(1, sizeof(*listener));

    listener->owner = connections;
    listener->fd = fd;
    listener->acceptable =
        event_new(connections->base, fd, EV_READ | EV_PERSIST, listener_on_acceptable, listener);
    listener->resume = evtimer_new(connections->base, listener_on_resume, listener);
    if (listener->acceptable == NULL || listener->resume == NULL)
        memory_exhausted();
    listener->next = connections->listeners;
    connections->listeners = listener;
    return event_add(listener->acceptable, NULL) == -1 ? RESULT_SYSTEM : RESULT_OK;
}

void connections_set_limits(struct connections *connections, const struct connection_limits *limits)
{
    connections->limits = *limits;
    connections_on_count(connections);
}

/* Lets every connection look at what it waits for again. Settling may free the one at hand, never
 * another. */
static void connections_settle_all(struct connections *connections)
{
    for (struct connection *connection = TAILQ_FIRST(&connections->all), *next; connection != NULL;
         connection = next) {
        next = TAILQ_NEXT(connection, all);
        if (connections->draining && connection->state == CONNECTION_READING &&
            connection->input.length == 0)
            connection->state = CONNECTION_FLUSHING;
        connection_settle(connection);
    }
}

void connections_drain(struct connections *connections)
{
    connections->draining = true;
    connections_on_count(connections);
    connections_settle_all(connections);
}

void connections_pause(struct connections *connections, bool paused)
{
    if (connections->paused == paused)
        return;
    connections->paused = paused;
    connections_on_count(connections);
    connections_settle_all(connections);
}

size_t connections_count(const struct connections *connections)
{
    return connections->count;
}

struct bytes connections_date(struct connections *connections)
{
    const int64_t now_s = clock_wall_us() / CLOCK_SECOND_US;

    if (now_s != connections->date_s) {
        connections->date_s = now_s;
        date_format(now_s, connections->date);
    }
    return bytes_of_string(connections->date);
}
