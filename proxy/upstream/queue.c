/*
 * Start-time fair queueing over the clients' flows, in two classes. Virtual time advances by
 * turn_length / weight a call. A flow is told by the virtual time at which its first place starts;
 * the flow that starts first is taken from, and then starts so much later. Ties are broken by what
 * stands in the flows alone, so that queue_ahead can tell without trying.
 *
 * Flows are few and in an array that is searched through: a flow that waits for nothing is dropped
 * as soon as it owes no time, and all are when their class is empty.
 */
#include "upstream/queue.h"

#include <assert.h>
#include <stdlib.h>

#include "base/memory.h"

/* Virtual time of one call of weight 1: fine enough for weights to 1,000 to be true to 0.1 %, and
 * 2^44 turns fit. */
static const uint64_t turn_length = 1 << 20;

/* `arrival` of a flow whose first place is not its first since it had none. */
static const uint64_t not_new = UINT64_MAX;

TAILQ_HEAD(place_list, queue_place);

/* The places of one client in one class. */
struct queue_flow {
    uint32_t client;
    uint32_t weight;
    uint64_t start;   /* virtual time of its first place, or of its next where it has none */
    uint64_t arrival; /* order of flows that begin to wait at one virtual time */
    struct place_list places;
    size_t count, write_count;
};

struct queue_class {
    struct queue_flow **flows;
    size_t flow_count, flow_room, waiting_flow_count;
    size_t count, write_count; /* places */
    uint64_t now;              /* virtual time: the start of what was taken last */
};

struct queue {
    struct queue_class classes[PRIORITIES];
    struct place_list all, writes;
    size_t count, write_count;
    uint64_t next_arrival;
    unsigned since_batch; /* interactive turns in a row, at most QUEUE_BATCH_EVERY - 1 */
};

struct queue *queue_create(void)
{
    struct queue *queue = memory_take(1, sizeof(*queue));

    TAILQ_INIT(&queue->all);
    TAILQ_INIT(&queue->writes);
    return queue;
}

void queue_destroy(struct queue *queue)
{
    if (queue == NULL)
        return;
    assert(queue->count == 0);
    for (size_t i = 0; i < PRIORITIES; i++) {
        assert(queue->classes[i].flow_count == 0);
        free(queue->classes[i].flows);
    }
    free(queue);
}

static uint64_t cost_of(uint32_t weight)
{
    assert(weight >= 1);
    return weight >= turn_length ? 1 : turn_length / weight;
}

static uint64_t later_of(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

static void class_drop_flow(struct queue_class *class, size_t index)
{
    assert(class->flows[index]->count == 0);
    free(class->flows[index]);
    class->flows[index] = class->flows[--class->flow_count];
}

/* Nobody waits: nobody was kept waiting, so nobody owes time. */
static void class_forget(struct queue_class *class)
{
    while (class->flow_count > 0)
        class_drop_flow(class, class->flow_count - 1);
    class->now = 0;
}

static struct queue_flow *class_find(const struct queue_class *class, uint32_t client)
{
    for (size_t i = 0; i < class->flow_count; i++)
        if (class->flows[i]->client == client)
            return class->flows[i];
    return NULL;
}

static struct queue_flow *class_add_flow(struct queue_class *class, uint32_t client)
{
    struct queue_flow *flow;

    for (size_t i = class->flow_count; i-- > 0;)
        if (class->flows[i]->count == 0 && class->flows[i]->start <= class->now)
            class_drop_flow(class, i);
    if (class->flow_count == class->flow_room) {
        class->flow_room = class->flow_room == 0 ? 16 : 2 * class->flow_room;
        class->flows = memory_resize(class->flows, class->flow_room * sizeof(struct queue_flow *));
    }
    flow = memory_take(1, sizeof(*flow));
    flow->client = client;
    TAILQ_INIT(&flow->places);
    class->flows[class->flow_count++] = flow;
    return flow;
}

/* Beyond QUEUE_LIMIT a client may have as many as if all that wait shared the places evenly. */
static bool queue_has_room(const struct queue *queue, const struct queue_flow *flow)
{
    const size_t own = flow == NULL ? 0 : flow->count;
    size_t flows = 0;

    if (own == 0 || queue->count < QUEUE_LIMIT)
        return own < QUEUE_FLOW_LIMIT;
    for (size_t i = 0; i < PRIORITIES; i++)
        flows += queue->classes[i].waiting_flow_count;
    return own < QUEUE_LIMIT / flows && own < QUEUE_FLOW_LIMIT;
}

/* Where a flow that begins to wait stands. */
static void flow_begin(struct queue *queue, const struct queue_class *class,
                       struct queue_flow *flow)
{
    flow->arrival = flow->start > class->now ? not_new : queue->next_arrival++;
    flow->start = later_of(flow->start, class->now);
}

static void class_append(struct queue *queue, struct queue_place *place)
{
    struct queue_class *class = &queue->classes[place->priority];
    struct queue_flow *flow = class_find(class, place->client);

    if (flow == NULL)
        flow = class_add_flow(class, place->client);
    if (flow->count == 0) {
        flow_begin(queue, class, flow);
        class->waiting_flow_count++;
    }
    flow->weight = place->weight;
    TAILQ_INSERT_TAIL(&flow->places, place, in_flow);
    place->flow = flow;
    flow->count++;
    flow->write_count += place->is_write;
    class->count++;
    class->write_count += place->is_write;
}

/* Leaves the class as it is without the place; its flow's time stays. */
static void class_unlink(struct queue *queue, struct queue_place *place)
{
    struct queue_class *class = &queue->classes[place->priority];
    struct queue_flow *flow = place->flow;

    assert(flow->count > 0);
    assert(flow->client == place->client);
    TAILQ_REMOVE(&flow->places, place, in_flow);
    place->flow = NULL;
    flow->count--;
    flow->write_count -= place->is_write;
    class->count--;
    class->write_count -= place->is_write;
    if (flow->count == 0)
        class->waiting_flow_count--;
    if (class->count == 0)
        class_forget(class);
}

bool queue_put(struct queue *queue, struct queue_place *place)
{
    assert(place->flow == NULL);
    assert(place->weight >= 1);
    if (!queue_has_room(queue, class_find(&queue->classes[place->priority], place->client)))
        return false;
    class_append(queue, place);
    TAILQ_INSERT_TAIL(&queue->all, place, in_all);
    queue->count++;
    if (place->is_write) {
        TAILQ_INSERT_TAIL(&queue->writes, place, in_writes);
        queue->write_count++;
    }
    return true;
}

void queue_remove(struct queue *queue, struct queue_place *place)
{
    assert(place->flow != NULL);
    class_unlink(queue, place);
    TAILQ_REMOVE(&queue->all, place, in_all); /* leaves it the pointer that queue_each follows */
    queue->count--;
    if (place->is_write) {
        TAILQ_REMOVE(&queue->writes, place, in_writes);
        queue->write_count--;
    }
}

/* When a place is taken: least start first; of one start those that just began to wait, in their
 * order, then by client, which is as good as any. */
struct turn {
    uint64_t start, arrival;
    uint32_t client;
};

static bool turn_is_before(struct turn a, struct turn b)
{
    if (a.start != b.start)
        return a.start < b.start;
    if (a.arrival != b.arrival)
        return a.arrival < b.arrival;
    return a.client < b.client;
}

static struct turn flow_turn(const struct queue_flow *flow)
{
    return (struct turn){flow->start, flow->arrival, flow->client};
}

/* The flow whose turn it is of those that wait, or of those that have a write; NULL: none. */
static struct queue_flow *class_next_flow(const struct queue_class *class, bool reads_too)
{
    struct queue_flow *next = NULL;

    for (size_t i = 0; i < class->flow_count; i++) {
        struct queue_flow *flow = class->flows[i];

        if ((reads_too ? flow->count : flow->write_count) > 0 &&
            (next == NULL || turn_is_before(flow_turn(flow), flow_turn(next))))
            next = flow;
    }
    return next;
}

/*
 * Takes it out, and its client pays. Virtual time is that of the flow whose turn it is, even where
 * a write of another goes first; so a flow may owe more than one turn, but not without bound: reads
 * of a client that long wrote more than its share would wait as long again.
 */
static void queue_charge(struct queue *queue, struct queue_place *place)
{
    struct queue_class *class = &queue->classes[place->priority];
    struct queue_flow *flow = place->flow;
    const uint64_t cost = cost_of(flow->weight);

    class->now = later_of(class->now, class_next_flow(class, true)->start);
    if (flow->start + cost <= class->now + QUEUE_DEBT_TURNS * cost)
        flow->start += cost;
    flow->arrival = not_new;
    queue_remove(queue, place);
}

/* The class whose turn it is; NULL: nothing that may be taken waits. */
static struct queue_class *queue_next_class(struct queue *queue, bool reads_too)
{
    struct queue_class *interactive = &queue->classes[PRIORITY_INTERACTIVE];
    struct queue_class *batch = &queue->classes[PRIORITY_BATCH];
    const bool interactive_waits = (reads_too ? interactive->count : interactive->write_count) > 0;
    const bool batch_waits = (reads_too ? batch->count : batch->write_count) > 0;

    if (batch_waits && (!interactive_waits || queue->since_batch == QUEUE_BATCH_EVERY - 1)) {
        queue->since_batch = 0;
        return batch;
    }
    if (!interactive_waits)
        return NULL;
    if (queue->since_batch < QUEUE_BATCH_EVERY - 1)
        queue->since_batch++;
    return interactive;
}

struct queue_place *queue_take(struct queue *queue, bool reads_too)
{
    const struct queue_class *class = queue_next_class(queue, reads_too);
    struct queue_place *place;

    if (class == NULL)
        return NULL;
    place = TAILQ_FIRST(&class_next_flow(class, reads_too)->places);
    while (!reads_too && !place->is_write)
        place = TAILQ_NEXT(place, in_flow);
    queue_charge(queue, place);
    return place;
}

struct queue_place *queue_take_write(struct queue *queue)
{
    struct queue_place *place = TAILQ_FIRST(&queue->writes);

    if (place != NULL)
        queue_charge(queue, place);
    return place;
}

void queue_raise(struct queue *queue, struct queue_place *place)
{
    assert(place->flow != NULL);
    if (place->priority == PRIORITY_INTERACTIVE)
        return;
    class_unlink(queue, place);
    place->priority = PRIORITY_INTERACTIVE;
    class_append(queue, place);
}

/* How many places of a flow are taken before a turn. All but the first are at equal distances and
 * not new. */
static size_t flow_count_before(const struct queue_flow *flow, struct turn turn)
{
    const uint64_t cost = cost_of(flow->weight);
    size_t count = 0;

    if (flow->count == 0 || !turn_is_before(flow_turn(flow), turn))
        return 0;
    if (turn.start > flow->start)
        count = (size_t)((turn.start - flow->start - 1) / cost); /* all before `turn.start` */
    const struct turn next = {flow->start + (count + 1) * cost, not_new, flow->client};
    count += 1 + turn_is_before(next, turn);
    return count < flow->count ? count : flow->count;
}

/* How many of its own class are taken before it. */
static size_t class_ahead(const struct queue *queue, const struct queue_place *place)
{
    const struct queue_class *class = &queue->classes[place->priority];
    const struct queue_flow *own = class_find(class, place->client);
    struct turn turn = {class->now, queue->next_arrival, place->client};
    size_t ahead = 0;

    if (own != NULL && own->count > 0) {
        turn.start = own->start + own->count * cost_of(place->weight);
        turn.arrival = not_new;
        ahead = own->count;
    } else if (own != NULL && own->start > class->now) {
        turn.start = own->start;
        turn.arrival = not_new;
    }
    for (size_t i = 0; i < class->flow_count; i++)
        if (class->flows[i] != own)
            ahead += flow_count_before(class->flows[i], turn);
    return ahead;
}

static size_t least_of(size_t a, size_t b)
{
    return a < b ? a : b;
}

size_t queue_ahead(const struct queue *queue, const struct queue_place *place)
{
    const size_t own = class_ahead(queue, place);
    const size_t run = QUEUE_BATCH_EVERY - 1;          /* interactive turns for one of batch */
    const size_t first_run = run - queue->since_batch; /* before the next of batch */

    if (place->priority == PRIORITY_BATCH)
        return own + least_of(queue->classes[PRIORITY_INTERACTIVE].count, first_run + own * run);
    if (own < first_run)
        return own;
    return own + least_of(queue->classes[PRIORITY_BATCH].count, (own - first_run) / run + 1);
}

size_t queue_count(const struct queue *queue)
{
    return queue->count;
}

size_t queue_write_count(const struct queue *queue)
{
    return queue->write_count;
}

struct queue_place *queue_each(const struct queue *queue, const struct queue_place *before)
{
    return before == NULL ? TAILQ_FIRST(&queue->all) : TAILQ_NEXT(before, in_all);
}
