/*
 * What the gate answers of itself on its clients' addresses: all paths below /_postern/, which go
 * to no upstream in any spelling. GET /_postern/me is the client's own view: its rules, its quota
 * and what is left of it, when its key ends, what it asked today. It costs none of its quota.
 */
#ifndef POSTERN_GATEWAY_OWN_H
#define POSTERN_GATEWAY_OWN_H

#include "gateway/exchange.h"

/* Whether a path, without query, is one of the gate's own. */
bool own_path(struct bytes path);

/* Answers a request of an identified client for such a path: 200, 404, or 405. */
void own_answer(struct exchange *exchange, struct bytes path);

#endif
