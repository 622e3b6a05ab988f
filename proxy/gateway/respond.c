/* What a client sees: field lines of its own (Cache-Status, Age, Via, X-Request-Id, RateLimit)
 * beside the upstream's. */
#include "gateway/respond.h"

#include <stdio.h>

#include "base/clock.h"
#include "gateway/record.h"
#include "http/conditional.h"
#include "http/problem.h"
#include "upstream/rewrite.h"

/* Whether the name starts so. */
static bool begins(struct bytes name, struct bytes with)
{
    return bytes_equal_nocase(bytes_slice(name, 0, with.length), with);
}

/*
 * Field lines of the upstream that are not passed on: the gate says its own id, and what the
 * upstream says of its limits is said to the gate, not to one of its clients. An answer that was
 * accepted and goes on (202) may say when to look again, one that was refused when to come again.
 */
static bool is_kept_back(struct bytes name, unsigned status)
{
    switch (bytes_lower(name.length > 0 ? name.data[0] : '\0')) {
    case 'x':
        return bytes_equal_nocase(name, BYTES("X-Request-Id")) ||
               begins(name, BYTES("X-RateLimit")) || begins(name, BYTES("X-Rate-Limit"));
    case 'r':
        return begins(name, BYTES("RateLimit")) ||
               (bytes_equal_nocase(name, BYTES("Retry-After")) && status / 100 == 2 &&
                status != 202);
    default:
        return false;
    }
}

/* Stored answers know no prefix: clients reach one upstream with it and without. */
static struct bytes client_value(const struct exchange *exchange, const struct field *line)
{
    const struct rewrite_place place = {.prefix = exchange->prefix, .path = exchange->target.path};

    return place.prefix.length == 0
               ? line->value
               : rewrite_field_below(exchange->arena, &place, line->name, line->value);
}

/* The upstream's field lines and the gate's. With `age_s` the stored Age gives way. */
static struct fields client_fields(struct exchange *exchange, const struct fields *from,
                                   unsigned status, int64_t age_s, const char *note)
{
    struct arena *arena = exchange->arena;
    struct fields fields = {.capacity = from->count + 10};

    fields.lines = arena_take(arena, fields.capacity * sizeof(struct field));
    for (size_t i = 0; i < from->count; i++) {
        const struct field *line = &from->lines[i];

        if (is_kept_back(line->name, status) ||
            (age_s >= 0 && bytes_equal_nocase(line->name, BYTES("Age"))))
            continue;
        fields_add(&fields, arena, line->name, client_value(exchange, line));
    }
    if (age_s >= 0)
        fields_add(&fields, arena, BYTES("Age"), arena_number(arena, age_s));
    if (note != NULL)
        fields_add(&fields, arena, BYTES("Cache-Status"),
                   arena_join(arena, BYTES("postern; "), bytes_of_string(note)));
    fields_add(&fields, arena, BYTES("Via"), BYTES("1.1 postern"));
    fields_add(&fields, arena, BYTES("X-Request-Id"), exchange->id);
    if (exchange->allotment != NULL && exchange->allotment->policy.length > 0) {
        const int64_t now_us = clock_now_us();

        allotment_add_fields(exchange->allotment, arena, &fields, now_us,
                             exchange->start_wall_us + now_us - exchange->start_us);
    }
    return fields;
}

/* RFC 9110 §15.4.5: what a 304 repeats, and nothing that describes a body it does not have. */
static void fields_to_not_modified(struct fields *fields)
{
    fields_remove(fields, BYTES("Content-Type"));
    fields_remove(fields, BYTES("Content-Encoding"));
    fields_remove(fields, BYTES("Content-Language"));
    fields_remove(fields, BYTES("Content-Range"));
}

static void respond_part(struct exchange *exchange, struct fields *fields,
                         const struct representation *whole, const struct range_part *part)
{
    const size_t length = (size_t)(part->last - part->first + 1);
    const struct bytes body = bytes_slice(whole->body, (size_t)part->first, length);

    fields_add(fields, exchange->arena, BYTES("Content-Range"),
               arena_format(exchange->arena, "bytes %llu-%llu/%zu", (unsigned long long)part->first,
                            (unsigned long long)part->last, whole->body.length));
    exchange->status = 206;
    connection_answer(exchange->connection, 206, fields, (int64_t)body.length);
    if (whole->borrowed)
        connection_answer_body_borrowed(exchange->connection, body);
    else
        connection_answer_body(exchange->connection, body);
}

static void respond_all(struct exchange *exchange, const struct fields *fields,
                        const struct representation *whole)
{
    exchange->status = whole->status;
    connection_answer(exchange->connection, whole->status, fields, (int64_t)whole->body.length);
    if (whole->borrowed)
        connection_answer_body_borrowed(exchange->connection, whole->body);
    else
        connection_answer_body(exchange->connection, whole->body);
}

static void respond_unsatisfiable(struct exchange *exchange, const struct representation *whole)
{
    struct fields none = {0};
    struct fields fields = client_fields(exchange, &none, 416, whole->age_s, whole->note);

    fields_add(&fields, exchange->arena, BYTES("Content-Range"),
               arena_format(exchange->arena, "bytes */%zu", whole->body.length));
    exchange->status = 416;
    connection_answer(exchange->connection, 416, &fields, 0);
}

void respond_whole(struct exchange *exchange, const struct representation *whole)
{
    const struct fields *asked = &exchange->request->fields;
    struct fields fields =
        client_fields(exchange, whole->fields, whole->status, whole->age_s, whole->note);
    enum condition condition = CONDITION_MET;
    enum range range = RANGE_WHOLE;
    struct range_part part;

    if (exchange->has_conditions && whole->status == 200) {
        const int64_t now_s = clock_wall_us() / CLOCK_SECOND_US;
        const struct validators validators = validators_of(whole->fields, now_s);

        condition = condition_judge(exchange->request->method, asked, &validators, now_s);
        if (exchange->request->method == METHOD_GET && condition == CONDITION_MET)
            range = range_judge(asked, &validators, whole->body.length, now_s, &part);
    }
    if (condition == CONDITION_FAILED) {
        respond_problem(exchange, 412,
                        "the representation is not the one that the request's condition names", 0);
        return;
    }
    if (condition == CONDITION_NOT_MODIFIED) {
        fields_to_not_modified(&fields);
        exchange->status = 304;
        connection_answer(exchange->connection, 304, &fields, 0);
    } else if (range == RANGE_PART) {
        respond_part(exchange, &fields, whole, &part);
    } else if (range == RANGE_UNSATISFIABLE) {
        respond_unsatisfiable(exchange, whole);
    } else {
        respond_all(exchange, &fields, whole);
    }
    record_and_end(exchange);
}

void respond_head(struct exchange *exchange, const struct response *response, const char *note)
{
    const struct fields fields =
        client_fields(exchange, &response->fields, response->status, -1, note);

    exchange->status = response->status;
    connection_answer(exchange->connection, response->status, &fields, response->body_bytes);
}

struct bytes respond_problem_body(struct arena *arena, unsigned status, const char *detail,
                                  struct bytes id)
{
    return problem_body(arena, status, bytes_of_string(http_reason(status)),
                        bytes_of_string(detail), id);
}

void respond_own(struct exchange *exchange, unsigned status, const struct fields *own,
                 struct bytes body)
{
    char note[64] = "";

    if (exchange->forwarded != NULL)
        (void)snprintf(note, sizeof(note), "fwd=%s", exchange->forwarded);
    const struct fields none = {0};
    struct fields fields =
        client_fields(exchange, &none, status, -1, note[0] == '\0' ? NULL : note);
    for (size_t i = 0; i < own->count; i++)
        fields_add(&fields, exchange->arena, own->lines[i].name, own->lines[i].value);
    exchange->status = status;
    connection_answer(exchange->connection, status, &fields, (int64_t)body.length);
    connection_answer_body(exchange->connection, body);
    record_and_end(exchange);
}

void respond_problem(struct exchange *exchange, unsigned status, const char *detail,
                     unsigned retry_after_s)
{
    struct arena *arena = exchange->arena;
    struct fields fields = {0};

    fields_add(&fields, arena, BYTES("Content-Type"), BYTES(PROBLEM_CONTENT_TYPE));
    if (retry_after_s > 0)
        fields_add(&fields, arena, BYTES("Retry-After"), arena_format(arena, "%u", retry_after_s));
    if (status == 401)
        fields_add(&fields, arena, BYTES("WWW-Authenticate"), BYTES("Bearer realm=\"postern\""));
    respond_own(exchange, status, &fields,
                respond_problem_body(arena, status, detail, exchange->id));
}

void respond_refusal(struct exchange *exchange, enum refusal refusal, unsigned status,
                     const char *detail)
{
    exchange->refusal = refusal;
    respond_problem(exchange, status, detail, 0);
}
