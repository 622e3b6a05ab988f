/*
 * An upstream's response head, gathered line by line as libcurl hands it over and checked as
 * strictly as a client's: libcurl itself takes two different Content-Length fields, and ends at a
 * 101 that nobody asked for.
 */
#ifndef POSTERN_UPSTREAM_RESPONSE_HEAD_H
#define POSTERN_UPSTREAM_RESPONSE_HEAD_H

#include "base/buffer.h"
#include "http/message.h"

struct response_head {
    struct buffer lines; /* the head so far, status line included */
    bool whole;          /* the final head has come: later lines are trailers */
};

void response_head_init(struct response_head *head);
void response_head_finish(struct response_head *head);

/*
 * Takes one line, its end included. RESULT_OK: the final head is whole, and is in *response, in the
 * arena. RESULT_BUSY: more lines are due (an interim response counts as nothing). Otherwise it
 * breaks a rule.
 */
MUST_USE enum result response_head_add(struct response_head *head, struct bytes line,
                                       struct arena *arena, struct response *response);

/* Hop-by-hop fields (RFC 9110 §7.6.1), those that Connection names, cookies and Alt-Svc: they end
 * at the gate. */
void response_head_strip(struct fields *fields);

#endif
