/*
 * Opens listening sockets for TCP (IPv4, IPv6) and Unix addresses. Host names are not looked up,
 * but for "localhost": a gate that waits for DNS at start is a gate that does not start.
 */
#include "http/listener.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { LISTENER_BACKLOG = 1024, LISTENER_HOST_ROOM = 64 };

struct listener_address {
    union {
        struct sockaddr any;
        struct sockaddr_in in;
        struct sockaddr_in6 in6;
        struct sockaddr_un un;
    } socket;
    socklen_t length;
    bool is_loopback;
};

static bool address_read_unix(struct bytes path, struct listener_address *to)
{
    if (path.length == 0 || path.length >= sizeof(to->socket.un.sun_path))
        return false;
    to->socket.un.sun_family = AF_UNIX;
    memcpy(to->socket.un.sun_path, path.data, path.length);
    to->length = sizeof(to->socket.un);
    to->is_loopback = true;
    return true;
}

static bool address_read_host(struct bytes host, uint16_t port, struct listener_address *to)
{
    char text[LISTENER_HOST_ROOM];

    if (host.length == 0)
        host = BYTES("0.0.0.0");
    else if (bytes_equal(host, BYTES("localhost")))
        host = BYTES("127.0.0.1");
    if (host.length >= sizeof(text))
        return false;
    const bool bracketed =
        host.length > 2 && host.data[0] == '[' && host.data[host.length - 1] == ']';
    if (bracketed)
        host = bytes_slice(host, 1, host.length - 2);
    memcpy(text, host.data, host.length);
    text[host.length] = '\0';
    if (!bracketed && inet_pton(AF_INET, text, &to->socket.in.sin_addr) == 1) {
        to->socket.in.sin_family = AF_INET;
        to->socket.in.sin_port = htons(port);
        to->length = sizeof(to->socket.in);
        to->is_loopback = (ntohl(to->socket.in.sin_addr.s_addr) >> 24) == 127;
        return true;
    }
    if (!bracketed || inet_pton(AF_INET6, text, &to->socket.in6.sin6_addr) != 1)
        return false;
    to->socket.in6.sin6_family = AF_INET6;
    to->socket.in6.sin6_port = htons(port);
    to->length = sizeof(to->socket.in6);
    to->is_loopback = IN6_IS_ADDR_LOOPBACK(&to->socket.in6.sin6_addr);
    return true;
}

static enum result address_read(const char *text, struct listener_address *to, struct error *error)
{
    struct bytes all = bytes_of_string(text);
    uint64_t port;

    *to = (struct listener_address){0};
    const struct bytes unix_prefix = BYTES("unix:");
    if (bytes_starts_with(all, unix_prefix)) {
        if (address_read_unix(bytes_from(all, unix_prefix.length), to))
            return RESULT_OK;
        return error_set(error, RESULT_INVALID, "%s: the path of a Unix socket has 1 to 107 bytes",
                         text);
    }
    const char *colon = strrchr(text, ':');
    if (colon == NULL ||
        bytes_to_number(bytes_of_string(colon + 1), UINT16_MAX, &port) != RESULT_OK ||
        !address_read_host(bytes_of(text, (size_t)(colon - text)), (uint16_t)port, to))
        return error_set(
            error, RESULT_INVALID,
            "%s is no address: write 127.0.0.1:8080, [::1]:8080 or unix:/run/postern.sock", text);
    return RESULT_OK;
}

enum result listener_check(const char *address, bool *is_loopback, struct error *error)
{
    struct listener_address to;
    const enum result result = address_read(address, &to, error);

    if (result == RESULT_OK)
        *is_loopback = to.is_loopback;
    return result;
}

/* A Unix socket that nobody answers on was left behind: it goes. */
static enum result unix_replace(const struct listener_address *to, const char *address,
                                struct error *error)
{
    struct stat status;
    const int probe = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (probe == -1)
        return error_set(error, RESULT_SYSTEM, "%s: %s", address, strerror(errno));
    const bool answered = connect(probe, &to->socket.any, to->length) == 0;
    (void)close(probe); /* only asked whether somebody is there */
    if (answered)
        return error_set(error, RESULT_BUSY,
                         "%s is in use: stop who listens there or change \"listen\"", address);
    if (stat(to->socket.un.sun_path, &status) == 0 && S_ISSOCK(status.st_mode))
        (void)unlink(to->socket.un.sun_path); /* bind says so when it could not go */
    return RESULT_OK;
}

static enum result listener_bind(int fd, const struct listener_address *to, const char *address,
                                 bool reuse_port, struct error *error)
{
    const int on = 1;

    if (to->socket.any.sa_family != AF_UNIX) {
        (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)); /* bind tells */
        if (reuse_port && setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)) == -1)
            return error_set(error, RESULT_SYSTEM, "%s: SO_REUSEPORT: %s", address,
                             strerror(errno));
    }
    if (to->socket.any.sa_family == AF_INET6)
        (void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on,
                         sizeof(on)); /* as its text says: no IPv4 */
    if (bind(fd, &to->socket.any, to->length) == -1 || listen(fd, LISTENER_BACKLOG) == -1) {
        if (errno == EADDRINUSE)
            return error_set(error, RESULT_BUSY,
                             "%s is in use: stop who listens there or change the address", address);
        return error_set(error, RESULT_SYSTEM, "cannot listen on %s: %s", address, strerror(errno));
    }
    return RESULT_OK;
}

static void listener_name(struct listener *listener, const char *address)
{
    struct listener_address bound = {.length = sizeof(bound.socket)};
    char host[INET6_ADDRSTRLEN] = "";

    (void)snprintf(listener->address, sizeof(listener->address), "%s", address);
    if (getsockname(listener->fd, &bound.socket.any, &bound.length) == -1)
        return;
    if (bound.socket.any.sa_family == AF_INET) {
        (void)inet_ntop(AF_INET, &bound.socket.in.sin_addr, host, sizeof(host)); /* the room fits */
        (void)snprintf(listener->address, sizeof(listener->address), "%s:%u", host,
                       ntohs(bound.socket.in.sin_port));
    } else if (bound.socket.any.sa_family == AF_INET6) {
        (void)inet_ntop(AF_INET6, &bound.socket.in6.sin6_addr, host,
                        sizeof(host)); /* the room fits */
        (void)snprintf(listener->address, sizeof(listener->address), "[%s]:%u", host,
                       ntohs(bound.socket.in6.sin6_port));
    }
}

enum result listener_open(struct listener *listener, const char *address, bool reuse_port,
                          struct error *error)
{
    struct listener_address to;
    enum result result = address_read(address, &to, error);

    if (result != RESULT_OK)
        return result;
    const bool is_unix = to.socket.any.sa_family == AF_UNIX;
    if (is_unix && (result = unix_replace(&to, address, error)) != RESULT_OK)
        return result;
    const int fd = socket(to.socket.any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd == -1)
        return error_set(error, RESULT_SYSTEM, "cannot listen on %s: %s", address, strerror(errno));
    result = listener_bind(fd, &to, address, reuse_port, error);
    if (result != RESULT_OK) {
        (void)close(fd); /* nothing was sent over it */
        return result;
    }
    *listener = (struct listener){.fd = fd, .is_loopback = to.is_loopback};
    if (is_unix)
        memcpy(listener->path, to.socket.un.sun_path, sizeof(listener->path));
    listener_name(listener, address);
    return RESULT_OK;
}

void listener_close(struct listener *listener)
{
    if (listener->fd == -1)
        return;
    (void)close(listener->fd); /* connections accepted from it live on */
    if (listener->path[0] != '\0')
        (void)unlink(listener->path); /* the next start replaces it otherwise */
    listener->fd = -1;
}
