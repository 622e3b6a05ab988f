/*
 * Any bytes, in any pieces, to a real connection: each request is finished once, the connection
 * ends when its client does, and nothing waits for the socket without bound. The first byte chooses
 * the pieces and what the handler does.
 */
#include <signal.h>

#include "http/connecting.h"

enum { TURNS_LIMIT = 2000 };

static void require(bool holds)
{
    if (!holds)
        abort();
}

static void drink(int fd)
{
    static char room[256 * 1024];

    while (read(fd, room, sizeof(room)) > 0)
        ;
}

/* Answers what waits for the test; goes on with bodies that pause. */
static void help(struct handling *handling)
{
    const struct fields none = {0};
    struct connection *connection = handling->later;

    if (connection != NULL) {
        handling->later = NULL;
        connection_answer_whole(connection, 200, &none, BYTES("later"));
        connection_settle(connection);
    }
    connection = TAILQ_FIRST(&handling->connections->all);
    if (connection != NULL && connection->state == CONNECTION_SERVING && connection->body_paused) {
        connection_read_body(connection);
        connection_settle(connection);
    }
}

static void talk(struct handling *handling, int fd, struct bytes stream, uint64_t random)
{
    for (int turns = 0; stream.length > 0 && handling->closed == 0 && turns < TURNS_LIMIT;
         turns++) {
        random = random * 6364136223846793005u + 1442695040888963407u;
        const struct bytes piece = bytes_slice(stream, 0, 1 + (random >> 33) % 200);
        const ssize_t sent = write(fd, piece.data, piece.length);

        if (sent > 0)
            stream = bytes_from(stream, (size_t)sent);
        require(event_base_loop(handling->base, EVLOOP_NONBLOCK) != -1);
        help(handling);
        if (random >> 63 != 0)
            drink(fd);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t choice = size > 0 ? data[0] : 0;
    const struct bytes all = size == 0 ? BYTES("") : bytes_of(data, size);
    struct handling handling;

    (void)signal(SIGPIPE, SIG_IGN);
    handling_open(&handling);
    handling.pauses = (choice & 1) != 0;
    handling.streamed_bytes = (choice & 2) != 0 ? 600 * 1024 : 10;
    const int fd = handling_connect(&handling);
    require(fd != -1);
    talk(&handling, fd, bytes_from(all, 1), choice);
    (void)((choice & 4) != 0 ? close(fd) : shutdown(fd, SHUT_WR)); /* gone, or only done talking */
    for (int turns = 0; handling.closed == 0 && turns < TURNS_LIMIT; turns++) {
        require(event_base_loop(handling.base, EVLOOP_NONBLOCK) != -1);
        help(&handling);
        if ((choice & 4) == 0)
            drink(fd);
    }
    require(handling.closed == 1);
    require(handling.requests == handling.finished);
    require(handling.completed <= handling.finished);
    require(handling.most_unsent_bytes <= CONNECTION_HIGH_BYTES + STREAM_PIECE_BYTES + 64 * 1024);
    handling_close(&handling);
    if ((choice & 4) == 0)
        (void)close(fd);
    return 0;
}
