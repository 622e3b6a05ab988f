/* Counts to rates, rates to lines. */
#include "cli/top_table.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "cli/told.h"

enum { TOP_LINE_BYTES = 512, TOP_NAME_COLUMNS = 24 };

/* One client, what it did meanwhile. */
struct row {
    const cJSON *client;
    double requests, hits, calls, saved, refused, queued, queue_us;
};

/* The lines so far. */
struct page {
    const struct top_view *view;
    struct buffer *text;
    size_t rows;
};

static bool page_has_room(const struct page *page, size_t rows)
{
    return page->view->rows == 0 || page->rows + rows <= page->view->rows;
}

/* A line as far as there is room for it. */
static void page_add(struct page *page, const char *line)
{
    const size_t columns = page->view->columns;
    const struct bytes whole = bytes_of_string(line);

    if (!page_has_room(page, 1))
        return;
    buffer_add(page->text, bytes_slice(whole, 0, columns == 0 ? whole.length : columns));
    buffer_add_byte(page->text, '\n');
    page->rows++;
}

bool top_restarted(const cJSON *now, const cJSON *before)
{
    return told_number(now, "uptime_s") < told_number(before, "uptime_s") ||
           told_number(now, "requests") < told_number(before, "requests");
}

/* --- rates --- */

static double grown(const cJSON *now, const cJSON *before, const char *name)
{
    const double growth = told_number(now, name) - told_number(before, name);

    return growth > 0 ? growth : 0; /* a sum that is read while it is counted may lag */
}

static double share(double part, double whole)
{
    return whole > 0 ? 100 * part / whole : 0;
}

static double per_minute(const struct top_view *view, double count)
{
    const double up_s = told_number(view->now, "uptime_s");
    const double seconds = view->before != NULL ? view->elapsed_s : up_s;

    return count * 60 / (seconds > 0 ? seconds : 1);
}

/* "1234", "12.3", "0.05": enough of it to tell it from nothing. */
static const char *rate_text(double rate, char room[16])
{
    (void)snprintf(room, 16,
                   rate >= 99.95 || rate == 0 ? "%.0f"
                   : rate >= 0.95             ? "%.1f"
                                              : "%.2f",
                   rate);
    return room;
}

/* --- the head --- */

static void add_summary(struct page *page)
{
    const struct top_view *view = page->view;
    const double requests = grown(view->now, view->before, "requests");
    char line[TOP_LINE_BYTES], version[TOLD_TEXT_ROOM], rates[2][16];

    (void)snprintf(
        line, sizeof(line), "postern %s, up %.0f s; %s %s req/min, %s calls/min, %.0f%% hits%s",
        told_text(view->now, "version", version), told_number(view->now, "uptime_s"),
        view->before == NULL ? "since the start:" : "now:",
        rate_text(per_minute(view, requests), rates[0]),
        rate_text(per_minute(view, grown(view->now, view->before, "upstream_calls")), rates[1]),
        share(grown(view->now, view->before, "hits"), requests),
        cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(view->now, "draining")) ? "; DRAINING" : "");
    page_add(page, line);
}

static void add_upstream(struct page *page, const cJSON *upstream)
{
    const cJSON *budget = cJSON_GetObjectItemCaseSensitive(upstream, "budget");
    char line[TOP_LINE_BYTES], name[TOLD_TEXT_ROOM], most[16] = "";

    if (cJSON_HasObjectItem(budget, "concurrency"))
        (void)snprintf(most, sizeof(most), "/%.0f", told_number(budget, "concurrency"));
    (void)snprintf(line, sizeof(line), "%.64s: %.0f%s under way, %.0f queued",
                   told_text(upstream, "name", name), told_number(upstream, "under_way"), most,
                   told_number(upstream, "queued"));
    told_add_budget(budget, line, sizeof(line));
    page_add(page, line);
}

/* Most of a screen is the table's. */
static void add_upstreams(struct page *page)
{
    const cJSON *upstreams = cJSON_GetObjectItemCaseSensitive(page->view->now, "upstreams");
    const size_t count = (size_t)cJSON_GetArraySize(upstreams);
    const size_t room = page->view->rows == 0 ? count : page->view->rows / 3;
    const cJSON *upstream;
    char line[TOP_LINE_BYTES];
    size_t shown = 0;

    cJSON_ArrayForEach(upstream, upstreams)
    {
        if (shown + 1 >= room && count > room)
            break;
        add_upstream(page, upstream);
        shown++;
    }
    if (shown == count)
        return;
    (void)snprintf(line, sizeof(line), "... and %zu more upstreams", count - shown);
    page_add(page, line);
}

/* --- the table --- */

static double sort_value(const struct row *row, enum top_sort sort)
{
    switch (sort) {
    case TOP_CALLS:
        return row->calls;
    case TOP_REQUESTS:
        return row->requests;
    case TOP_HITS:
        break;
    }
    return share(row->hits, row->requests);
}

struct ranked {
    struct row row;
    double value;
    size_t position; /* in the status: keeps the order steady */
};

static int ranked_compare(const void *a, const void *b)
{
    const struct ranked *left = a, *right = b;

    if (left->value != right->value)
        return left->value > right->value ? -1 : 1;
    if (left->row.requests != right->row.requests)
        return left->row.requests > right->row.requests ? -1 : 1;
    return left->position < right->position ? -1 : left->position > right->position;
}

static bool same_name(const cJSON *a, const cJSON *b)
{
    const char *left = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(a, "name"));
    const char *right = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(b, "name"));

    return left != NULL && right != NULL && strcmp(left, right) == 0;
}

/* The client as it was told of before, at `list` or behind. NULL: it is new. */
static const cJSON *find_client(const cJSON *list, const cJSON *client)
{
    while (list != NULL && !same_name(list, client))
        list = list->next;
    return list;
}

static struct row row_of(const cJSON *now, const cJSON *before)
{
    return (struct row){
        .client = now,
        .requests = grown(now, before, "requests"),
        .hits = grown(now, before, "hits"),
        .calls = grown(now, before, "calls"),
        .saved = grown(now, before, "saved"),
        .refused = grown(now, before, "refused"),
        .queued = grown(now, before, "queued"),
        .queue_us = grown(now, before, "queue_us"),
    };
}

/* Both statuses tell clients in one order: what was found is where to look on from. Heap. */
static struct ranked *rank_clients(const struct top_view *view, size_t *count)
{
    const cJSON *clients = cJSON_GetObjectItemCaseSensitive(view->now, "clients");
    const cJSON *earlier = cJSON_GetObjectItemCaseSensitive(view->before, "clients");
    const cJSON *before = earlier == NULL ? NULL : earlier->child, *client;
    struct ranked *list = memory_take((size_t)cJSON_GetArraySize(clients) + 1, sizeof(*list));

    *count = 0;
    cJSON_ArrayForEach(client, clients)
    {
        const cJSON *known = find_client(before, client);

        list[*count].row = row_of(client, known);
        list[*count].value = sort_value(&list[*count].row, view->sort);
        list[*count].position = *count;
        (*count)++;
        before = known == NULL ? before : known->next;
    }
    qsort(list, *count, sizeof(*list), ranked_compare);
    return list;
}

static void add_row(struct page *page, const struct row *row)
{
    char line[TOP_LINE_BYTES], room[TOLD_TEXT_ROOM], rates[4][16], queue[32];
    const char *name = told_text(row->client, "name", room);
    const struct top_view *view = page->view;

    if (row->queued > 0)
        (void)snprintf(queue, sizeof(queue), "%.0f/%.0fms", told_number(row->client, "waiting"),
                       row->queue_us / row->queued / 1000);
    else
        (void)snprintf(queue, sizeof(queue), "%.0f/-", told_number(row->client, "waiting"));
    (void)snprintf(line, sizeof(line), "%-*.*s %8s %8s %5.0f%% %9s %10s %8s", TOP_NAME_COLUMNS,
                   TOP_NAME_COLUMNS, name[0] == '\0' ? "(not identified)" : name,
                   rate_text(per_minute(view, row->requests), rates[0]),
                   rate_text(per_minute(view, row->calls), rates[1]),
                   share(row->hits, row->requests),
                   rate_text(per_minute(view, row->saved), rates[2]), queue,
                   rate_text(per_minute(view, row->refused), rates[3]));
    page_add(page, line);
}

static void add_clients(struct page *page)
{
    char line[TOP_LINE_BYTES];
    size_t count, shown = 0;
    struct ranked *list = rank_clients(page->view, &count);

    (void)snprintf(line, sizeof(line), "%-*s %8s %8s %6s %9s %10s %8s", TOP_NAME_COLUMNS, "CLIENT",
                   "REQ/MIN", "CALL/MIN", "HITS", "SAVED/MIN", "QUEUE/WAIT", "REF/MIN");
    page_add(page, line);
    while (shown < count && (page_has_room(page, 2) || (shown + 1 == count)))
        add_row(page, &list[shown++].row);
    if (shown < count) {
        (void)snprintf(line, sizeof(line), "... and %zu more", count - shown);
        page_add(page, line);
    }
    free(list);
}

void top_write(const struct top_view *view, struct buffer *text)
{
    struct page page = {.view = view, .text = text};

    add_summary(&page);
    add_upstreams(&page);
    page_add(&page, "");
    add_clients(&page);
}
