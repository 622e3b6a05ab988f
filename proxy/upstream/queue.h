/*
 * Who goes next of those who wait for a call: two classes, in each the clients' turns by their
 * weight (start-time fair queueing: Goyal, Vin and Cheng, 1996), in each turn first come, first
 * served. Between clients it makes no difference how many calls one has waiting.
 *
 *   classes  interactive calls go before batch calls, but QUEUE_BATCH_EVERY-th turn is a batch
 *            call's if one waits
 *   clients  the one with the least virtual time; one that had nothing waiting starts at the
 *            present virtual time and goes before others of the same, so a polite one waits for
 *            one turn, not for a round
 *   writes   stand in the same turns; queue_take_write takes the next write before all reads
 *
 * Not safe for threads: the budget's lock guards it. No time, no memory but a flow a client.
 */
#ifndef POSTERN_UPSTREAM_QUEUE_H
#define POSTERN_UPSTREAM_QUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "base/result.h"
#include "config/configuration.h"

enum {
    QUEUE_BATCH_EVERY = 10,
    QUEUE_LIMIT = 10000,     /* places; beyond, only clients with less than their share get one */
    QUEUE_FLOW_LIMIT = 1024, /* of one client in one class */
    QUEUE_DEBT_TURNS = 4,    /* the most that writes out of turn cost a client afterwards */
};

struct queue;
struct queue_flow;

/* One place: a member of the caller's struct, the queue's from queue_put until it is taken or
 * removed. */
struct queue_place {
    TAILQ_ENTRY(queue_place) in_flow, in_writes, in_all;
    struct queue_flow *flow; /* NULL: not in the queue */
    uint32_t client;         /* any number that tells clients apart */
    uint32_t weight;         /* at least 1; the last one put counts for the client */
    enum priority priority;
    bool is_write;
};

struct queue *queue_create(void);
void queue_destroy(struct queue *queue); /* empty; NULL is fine */

/* False: there is no room for one more of this client, and nothing was put. */
MUST_USE bool queue_put(struct queue *queue, struct queue_place *place);

/* Takes the next out; NULL: it is empty. queue_take_write: the write that waits longest, of any
 * client; NULL: none waits. A client is charged for it either way. `reads_too` false: writes only,
 * in their turn. */
struct queue_place *queue_take(struct queue *queue, bool reads_too);
struct queue_place *queue_take_write(struct queue *queue);

void queue_remove(struct queue *queue, struct queue_place *place);

/* Moves it to the interactive class, behind what the client has there; QUEUE_FLOW_LIMIT does not
 * count. Nothing where it stands there already. */
void queue_raise(struct queue *queue, struct queue_place *place);

/* How many queue_take would take before this one if it were put now and nothing after it. It need
 * not be in the queue, and isn't put. */
size_t queue_ahead(const struct queue *queue, const struct queue_place *place);

size_t queue_count(const struct queue *queue);
size_t queue_write_count(const struct queue *queue);

/* All that wait, one after the other, the first put first. `before` NULL: the first; else the one
 * after it, which it tells even where it was itself removed since. NULL: no more. */
struct queue_place *queue_each(const struct queue *queue, const struct queue_place *before);

#endif
