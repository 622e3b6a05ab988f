/* Listening sockets: "127.0.0.1:8080", "[::1]:8080", "localhost:8080", ":8080",
 * "unix:/run/postern.sock". */
#ifndef POSTERN_HTTP_LISTENER_H
#define POSTERN_HTTP_LISTENER_H

#include "base/bytes.h"
#include "base/result.h"

struct listener {
    int fd;
    char address[128]; /* as bound: port 0 is replaced by the port that the kernel gave */
    bool is_loopback;  /* a loopback address or a Unix socket */
    char path[108];    /* Unix: what to unlink at close; else empty */
};

/*
 * Opens a non-blocking listening socket. `reuse_port` for one of several on one TCP address
 * (SO_REUSEPORT); before the first of them the caller opens one without it to learn whether the
 * port is in use. A Unix socket left behind by a process that is gone is replaced; one that answers
 * is RESULT_BUSY. Errors: RESULT_INVALID (the address), RESULT_BUSY (in use), RESULT_SYSTEM.
 */
MUST_USE enum result listener_open(struct listener *listener, const char *address, bool reuse_port,
                                   struct error *error);

/* Closes, and unlinks a Unix socket. */
void listener_close(struct listener *listener);

/* Whether the text is an address of the forms above, without opening it. */
MUST_USE enum result listener_check(const char *address, bool *is_loopback, struct error *error);

#endif
