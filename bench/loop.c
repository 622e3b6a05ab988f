/*
 * The floor of what a server on libevent can cost: it reads, looks for the end of a head, and
 * writes the same answer each time. No parsing, no key, no cache, no record. Only for `make bench`.
 *
 *   loop PORT BYTES WORKERS   listens on 127.0.0.1 in WORKERS processes; answers with BYTES
 */
#include <arpa/inet.h>
#include <event2/event.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/bytes.h"

enum {
    BACKLOG = 1024,
    READ_BYTES = 4096,
    ANSWER_LEAST_BYTES = 100,
    ANSWER_LIMIT_BYTES = 64 * 1024,
    WORKERS_LIMIT = 64,
};

struct loop {
    struct event_base *base;
    char *answer;
    size_t answer_bytes;
};

struct client {
    struct loop *loop;
    struct event *readable;
    size_t input_bytes;
    char input[READ_BYTES];
};

static void client_close(struct client *client, evutil_socket_t fd)
{
    event_free(client->readable);
    free(client);
    (void)close(fd); /* nothing is left to be sent */
}

static bool input_has_head(const struct client *client)
{
    return memmem(client->input, client->input_bytes, "\r\n\r\n", 4) != NULL;
}

/* libevent: bytes came. A client of this benchmark sends one head and waits. */
static void client_on_readable(evutil_socket_t fd, short what, void *context)
{
    struct client *client = context;
    const struct loop *loop = client->loop;
    const ssize_t got =
        read(fd, client->input + client->input_bytes, READ_BYTES - client->input_bytes);

    (void)what;
    if (got <= 0) {
        client_close(client, fd);
        return;
    }
    client->input_bytes += (size_t)got;
    if (!input_has_head(client))
        return;
    client->input_bytes = 0;
    if (write(fd, loop->answer, loop->answer_bytes) != (ssize_t)loop->answer_bytes)
        client_close(client, fd);
}

/* libevent: a client connects. */
static void loop_on_connect(evutil_socket_t fd, short what, void *context)
{
    struct loop *loop = context;
    const int on = 1;
    const int accepted = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

    (void)what;
    if (accepted == -1)
        return;
    (void)setsockopt(accepted, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)); /* only speed is lost */
    struct client *client = calloc(1, sizeof(*client));
    if (client == NULL)
        abort();
    client->loop = loop;
    client->readable =
        event_new(loop->base, accepted, EV_READ | EV_PERSIST, client_on_readable, client);
    (void)event_add(client->readable, NULL); /* memory is the only thing it could lack */
}

static int listen_on(uint16_t port)
{
    const struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), on = 1;

    if (fd == -1 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == -1 ||
        setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)) == -1 ||
        bind(fd, (const struct sockaddr *)&address, sizeof(address)) == -1 ||
        listen(fd, BACKLOG) == -1) {
        perror("loop");
        exit(1);
    }
    return fd;
}

static void loop_run(uint16_t port, size_t answer_bytes)
{
    struct event_config *config = event_config_new();
    struct loop loop = {.answer = malloc(ANSWER_LIMIT_BYTES)};

    if (config == NULL || loop.answer == NULL ||
        event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK))
        abort();
    loop.base = event_base_new_with_config(config);
    const int head = snprintf(loop.answer, ANSWER_LIMIT_BYTES,
                              "HTTP/1.1 200 OK\r\nContent-Length: %06zu\r\n\r\n", answer_bytes);
    /* the whole answer has answer_bytes, its head included */
    (void)snprintf(loop.answer, ANSWER_LIMIT_BYTES,
                   "HTTP/1.1 200 OK\r\nContent-Length: %06zu\r\n\r\n", answer_bytes - (size_t)head);
    memset(loop.answer + head, 'x', answer_bytes - (size_t)head);
    loop.answer_bytes = answer_bytes;
    struct event *listener =
        event_new(loop.base, listen_on(port), EV_READ | EV_PERSIST, loop_on_connect, &loop);
    (void)event_add(listener, NULL); /* memory is the only thing it could lack */
    (void)event_base_dispatch(loop.base);
}

/* 0 where it is none. */
static size_t number_of(const char *text)
{
    uint64_t number = 0;

    return bytes_to_number(bytes_of_string(text), ANSWER_LIMIT_BYTES, &number) == RESULT_OK
               ? (size_t)number
               : 0;
}

int main(int argc, char **argv)
{
    const size_t port = argc == 4 ? number_of(argv[1]) : 0;
    const size_t answer_bytes = argc == 4 ? number_of(argv[2]) : 0;
    const size_t workers = argc == 4 ? number_of(argv[3]) : 0;

    if (port < 1 || port > UINT16_MAX || answer_bytes < ANSWER_LEAST_BYTES ||
        answer_bytes > ANSWER_LIMIT_BYTES || workers < 1 || workers > WORKERS_LIMIT) {
        (void)fputs("usage: loop PORT BYTES WORKERS\n", stderr);
        return 2;
    }
    (void)signal(SIGPIPE, SIG_IGN);
    for (size_t i = 1; i < workers; i++)
        if (fork() == 0) {
            (void)prctl(PR_SET_PDEATHSIG, SIGTERM); /* ends with its parent */
            break;
        }
    loop_run((uint16_t)port, answer_bytes);
    return 0;
}
