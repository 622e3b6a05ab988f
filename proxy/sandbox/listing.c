/* Pages: start, limit, total, nextid, and profiles selected by fields[] and ordered. The profiles'
 * own texts are joined, not printed anew: lists of a thousand are common in benchmarks. */
#include <stdlib.h>

#include "sandbox/criteria.h"
#include "sandbox/profile.h"
#include "sandbox/reply.h"

enum { LIST_DEFAULT = 100, LIST_LIMIT = 1000 };

struct page {
    int64_t start, limit; /* as asked; limit at most LIST_LIMIT */
    size_t from, count;   /* what they come to */
};

/* The whole number at the beginning, as PHP reads one: text is 0. */
static int64_t page_number(const struct call *call, struct bytes name, int64_t absent)
{
    if (!call_has_parameter(call, name))
        return absent;

    const struct bytes text = call_parameter(call, name);
    const bool is_negative = text.length > 0 && text.data[0] == '-';
    const struct bytes digits = bytes_from(text, is_negative ? 1 : 0);
    uint64_t number = 0;
    const enum result result = bytes_to_number(digits, INT32_MAX, &number);
    if (result == RESULT_LIMIT)
        number = INT32_MAX;
    return is_negative ? -(int64_t)number : (int64_t)number;
}

static void page_read(struct page *page, const struct call *call, size_t total)
{
    page->start = page_number(call, BYTES("start"), 0);
    page->limit = page_number(call, BYTES("limit"), LIST_DEFAULT);
    if (page->limit > LIST_LIMIT)
        page->limit = LIST_LIMIT;
    page->from = page->count = 0;
    if (page->start < 0 || page->limit <= 0 || (uint64_t)page->start >= total)
        return;
    page->from = (size_t)page->start;
    page->count = total - page->from;
    if (page->count > (size_t)page->limit)
        page->count = (size_t)page->limit;
}

void reply_list(struct reply *reply, const struct call *call, const struct pointers *entities,
                shape_function *shape)
{
    struct page page;
    cJSON *envelope = cJSON_CreateObject();

    page_read(&page, call, entities->count);
    (void)cJSON_AddNumberToObject(envelope, "start", (double)page.start);
    (void)cJSON_AddNumberToObject(envelope, "limit", (double)page.limit);
    (void)cJSON_AddNumberToObject(envelope, "count", (double)page.count);
    cJSON *data = cJSON_AddArrayToObject(envelope, "data");
    for (size_t i = 0; i < page.count; i++)
        (void)cJSON_AddItemToArray(data, shape(entities->items[page.from + i]));
    if (call_flag(call, BYTES("total"), true))
        (void)cJSON_AddNumberToObject(envelope, "total", (double)entities->count);
    reply_json(reply, envelope);
}

/* What the call's fields[] say; the criteria's room is in its arena. */
static struct criteria call_criteria(const struct call *call, const struct table *table)
{
    struct criteria criteria = {
        .items = arena_take(call->arena, (call->parameter_count + 1) * sizeof(criteria.items[0])),
    };
    struct bytes text;

    for (size_t at = 0; call_next_of(call, BYTES("fields"), &at, &text);)
        (void)criteria_add(&criteria, table, text); /* unknown fields are ignored */
    return criteria;
}

void select_profiles(const struct call *call, const struct table *table,
                     const struct pointers *source, struct pointers *selected)
{
    const struct criteria criteria = call_criteria(call, table);

    for (size_t i = 0; i < source->count; i++)
        if (criteria_match(&criteria, source->items[i]))
            pointers_add(selected, source->items[i]);
}

static void reply_ids(struct reply *reply, const struct pointers *profiles, const struct page *page)
{
    enum { ID_ROOM = 14 };
    char *text = arena_take(reply->arena, page->count * ID_ROOM + 3);
    size_t length = 0;

    text[length++] = '[';
    for (size_t i = 0; i < page->count; i++) {
        const struct profile *profile = profiles->items[page->from + i];
        const struct bytes id =
            arena_format(reply->arena, "%s\"%u\"", i == 0 ? "" : ",", profile->id);

        memcpy(text + length, id.data, id.length);
        length += id.length;
    }
    text[length++] = ']';
    reply_text(reply, bytes_of(text, length));
}

static void buffer_of_page(struct reply *reply, const struct call *call,
                           const struct pointers *profiles, const struct page *page,
                           struct bytes tail)
{
    const bool data_only = call_flag(call, BYTES("dataonly"), false);
    const struct bytes head =
        arena_format(reply->arena, "{\"start\":%lld,\"limit\":%lld,\"count\":%zu,\"data\":[",
                     (long long)page->start, (long long)page->limit, page->count);
    size_t length = head.length + tail.length + page->count;

    for (size_t i = 0; i < page->count; i++)
        length += shape_profile(profiles->items[page->from + i], data_only).length;

    char *text = arena_take(reply->arena, length), *at = mempcpy(text, head.data, head.length);
    for (size_t i = 0; i < page->count; i++) {
        const struct bytes shape = shape_profile(profiles->items[page->from + i], data_only);

        if (i > 0)
            *at++ = ',';
        at = mempcpy(at, shape.data, shape.length);
    }
    at = mempcpy(at, tail.data, tail.length);
    reply_text(reply, bytes_of(text, (size_t)(at - text)));
}

/* "],"nextid":…,"total":…}": nextid where the list goes on by id, in the versions that have it. */
static struct bytes page_tail(const struct call *call, const struct pointers *profiles,
                              const struct page *page, bool by_id)
{
    const size_t next = page->from + page->count;
    struct bytes tail = BYTES("]");

    if (call->version >= 3 && by_id && page->count > 0 && next < profiles->count)
        tail = arena_format(call->arena, "],\"nextid\":%u",
                            ((const struct profile *)profiles->items[next])->id);
    if (call_flag(call, BYTES("total"), true))
        return arena_format(call->arena, "%s,\"total\":%zu}", tail.data, profiles->count);
    return arena_join(call->arena, tail, BYTES("}"));
}

static void reply_page(struct reply *reply, const struct call *call,
                       const struct profile_list *list, const struct pointers *profiles, bool by_id)
{
    struct page page;

    page_read(&page, call, profiles->count);
    if (list->only_ids && !call_has_parameter(call, BYTES("limit")))
        page = (struct page){.count = profiles->count};
    if (list->only_ids)
        reply_ids(reply, profiles, &page);
    else
        buffer_of_page(reply, call, profiles, &page, page_tail(call, profiles, &page, by_id));
}

void reply_profiles(struct reply *reply, const struct call *call, const struct profile_list *list)
{
    struct ordering ordering;
    size_t at = 0;
    struct bytes ignored;

    ordering_read(&ordering, list->table, call_parameter(call, BYTES("orderby")),
                  call_parameter(call, BYTES("order")));
    const bool by_id = ordering.subject == SUBJECT_ID && !ordering.is_descending;
    if (by_id && !call_next_of(call, BYTES("fields"), &at, &ignored)) {
        reply_page(reply, call, list, list->source, by_id);
        return;
    }
    struct pointers selected = {0};
    select_profiles(call, list->table, list->source, &selected);
    if (!by_id)
        ordering_sort(&ordering, list->model, &selected);
    reply_page(reply, call, list, &selected, by_id);
    pointers_finish(&selected);
}
