/*
 * The gate as a whole: data_dir, cache, audit, workers, signals. Main's thread; it runs the loop
 * that the admin address is served on, too.
 */
#ifndef POSTERN_GATEWAY_SERVER_H
#define POSTERN_GATEWAY_SERVER_H

#include "gateway/identity.h"
#include "gateway/renewal.h"
#include "gateway/worker.h"

struct server;

struct server_options {
    struct configuration *configuration; /* a reference is taken */
    struct token *token; /* for upstreams whose configuration names no source; NULL: none */
};

/*
 * Opens everything but serves nothing yet: listening sockets, data_dir, cache, audit, workers. The
 * error is one line saying what to do.
 */
MUST_USE enum result server_open(const struct server_options *options, struct server **server,
                                 struct error *error);

/* Serves until a signal ends it: TERM and INT drain, HUP re-reads configuration and tokens. */
MUST_USE enum result server_run(struct server *server);

/* NULL is fine. */
void server_close(struct server *server);

/* --- for the admin address; main's thread --- */

struct event_base *server_base(const struct server *server);
struct mailbox *server_mailbox(const struct server *server);
struct gate *server_gate(struct server *server);
struct settings *server_settings(const struct server *server); /* borrowed until the next event */
const struct renewal *server_renewal(const struct server *server);
size_t server_worker_count(const struct server *server);
const struct worker *server_worker(const struct server *server, size_t index);
bool server_is_draining(const struct server *server);
int64_t server_started_wall_us(const struct server *server);
size_t server_listener_count(const struct server *server);
const char *server_listener(const struct server *server, size_t index); /* its address as bound */

#endif
