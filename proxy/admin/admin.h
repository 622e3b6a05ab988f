/*
 * The admin address: health, metrics, status and purges, served on main's loop. It answers only to
 * a Host that is its own address or a loopback name, and takes no POST from another Origin: a web
 * page must not reach it by way of a browser.
 */
#ifndef POSTERN_ADMIN_ADMIN_H
#define POSTERN_ADMIN_ADMIN_H

#include "gateway/server.h"

struct admin;

/* Listens and serves on the server's loop. Errors as listener_open. */
MUST_USE enum result admin_open(struct server *server, const char *address, struct admin **admin,
                                struct error *error);

/* Before server_close. NULL is fine. */
void admin_close(struct admin *admin);

/* The address as bound. */
const char *admin_address(const struct admin *admin);

#endif
