/* Reads and applies list parameters. Leaves paging to listing.c. */
#include "sandbox/criteria.h"

#include <assert.h>
#include <stdlib.h>

#include "sandbox/amsterdam.h"
#include "sandbox/profile.h"
#include "sandbox/table.h"

enum { NUMBER_ROOM = 64 };

/* The first that fits decides: longer ones stand before their beginnings. */
static const struct {
    struct bytes text;
    enum criterion_operator operator;
} operators[] = {
    {{"==", 2}, OPERATOR_EQUAL},     {{"!=", 2}, OPERATOR_NOT_EQUAL},
    {{"<>", 2}, OPERATOR_NOT_EQUAL}, {{"<=", 2}, OPERATOR_AT_MOST},
    {{">=", 2}, OPERATOR_AT_LEAST},  {{"=~", 2}, OPERATOR_LIKE},
    {{"!~", 2}, OPERATOR_NOT_LIKE},  {{"<", 1}, OPERATOR_LESS},
    {{">", 1}, OPERATOR_MORE},
};

static bool field_is_numeric(const struct field_definition *field)
{
    return strcmp(field->type, "integer") == 0 || strcmp(field->type, "float") == 0;
}

/* Which subject a name is: a real field named modified wins, one named id or code does not. */
static bool subject_read(const struct table *table, struct bytes name, struct criterion *subject)
{
    *subject = (struct criterion){.subject = SUBJECT_FIELD};
    if (bytes_equal(name, BYTES("id"))) {
        subject->subject = SUBJECT_ID;
        subject->is_numeric = true;
        return true;
    }
    if (bytes_equal(name, BYTES("code"))) {
        subject->subject = SUBJECT_CODE;
        return true;
    }
    subject->field_index = table_field_index(table, name);
    if (subject->field_index < table->fields.count) {
        subject->is_numeric = field_is_numeric(table_field(table, subject->field_index));
        return true;
    }
    subject->subject = SUBJECT_MODIFIED;
    return bytes_equal(name, BYTES("modified"));
}

static bool operator_at(struct bytes text, enum criterion_operator *found, size_t *length)
{
    for (size_t i = 0; i < ARRAY_LENGTH(operators); i++)
        if (bytes_starts_with(text, operators[i].text)) {
            *found = operators[i].operator;
            *length = operators[i].text.length;
            return true;
        }
    return false;
}

bool criteria_add(struct criteria *criteria, const struct table *table, struct bytes text)
{
    enum criterion_operator operator;
    size_t at = 0, length;

    text = bytes_trim(text);
    while (at < text.length && !operator_at(bytes_from(text, at), &operator, & length))
        at++;
    if (at == text.length)
        return false;

    struct criterion criterion;
    if (!subject_read(table, bytes_slice(text, 0, at), &criterion))
        return false;
    criterion.operator= operator;
    criterion.value = bytes_from(text, at + length);
    criteria->items[criteria->count++] = criterion;
    return true;
}

static struct bytes id_text(uint32_t id, char *room)
{
    char *at = room + NUMBER_ROOM;

    do
        *--at = (char)('0' + id % 10);
    while ((id /= 10) != 0);
    return bytes_of(at, (size_t)(room + NUMBER_ROOM - at));
}

/* The subject of a profile as text, in `room` where it has to be made. */
static struct bytes subject_value(const struct criterion *criterion, const struct profile *profile,
                                  char *room)
{
    switch (criterion->subject) {
    case SUBJECT_FIELD:
        return profile_value(profile, criterion->field_index);
    case SUBJECT_ID:
        return id_text(profile->id, room);
    case SUBJECT_CODE:
        return bytes_of_string(profile->secret);
    case SUBJECT_MODIFIED:
        amsterdam_time(profile->modified_s, room);
        return bytes_of_string(room);
    case SUBJECT_RANDOM:
        break;
    }
    return BYTES("");
}

static bool criterion_holds(const struct criterion *criterion, const struct profile *profile)
{
    char room[NUMBER_ROOM];
    const struct bytes value = subject_value(criterion, profile, room);

    switch (criterion->operator) {
    case OPERATOR_LIKE:
        return criteria_like(value, criterion->value);
    case OPERATOR_NOT_LIKE:
        return !criteria_like(value, criterion->value);
    case OPERATOR_EQUAL:
        return criteria_compare(value, criterion->value, criterion->is_numeric) == 0;
    case OPERATOR_NOT_EQUAL:
        return criteria_compare(value, criterion->value, criterion->is_numeric) != 0;
    case OPERATOR_LESS:
        return criteria_compare(value, criterion->value, criterion->is_numeric) < 0;
    case OPERATOR_MORE:
        return criteria_compare(value, criterion->value, criterion->is_numeric) > 0;
    case OPERATOR_AT_MOST:
        return criteria_compare(value, criterion->value, criterion->is_numeric) <= 0;
    case OPERATOR_AT_LEAST:
        return criteria_compare(value, criterion->value, criterion->is_numeric) >= 0;
    }
    assert(false);
    return false;
}

bool criteria_match(const struct criteria *criteria, const struct profile *profile)
{
    for (size_t i = 0; i < criteria->count; i++)
        if (!criterion_holds(&criteria->items[i], profile))
            return false;
    return true;
}

void ordering_read(struct ordering *ordering, const struct table *table, struct bytes orderby,
                   struct bytes order)
{
    struct criterion subject;

    *ordering = (struct ordering){.subject = SUBJECT_ID};
    ordering->is_descending =
        bytes_equal(order, BYTES("desc")) || bytes_equal(order, BYTES("descending"));
    if (bytes_equal(orderby, BYTES("random"))) {
        ordering->subject = SUBJECT_RANDOM;
        return;
    }
    uint64_t field_id;
    if (bytes_to_number(orderby, UINT32_MAX, &field_id) == RESULT_OK) {
        const size_t index = table_field_index_of_id(table, (uint32_t)field_id);

        if (index == table->fields.count)
            return;
        orderby = bytes_of_string(table_field(table, index)->name);
    }
    if (!subject_read(table, orderby, &subject) || subject.subject == SUBJECT_CODE)
        return;
    ordering->subject = subject.subject;
    ordering->field_index = subject.field_index;
    ordering->is_numeric = subject.is_numeric;
}

static int ids_compare(const struct profile *a, const struct profile *b)
{
    return a->id < b->id ? -1 : a->id > b->id;
}

/* qsort_r: two items of a list of profiles. */
static int profiles_compare(const void *left, const void *right, void *context)
{
    const struct ordering *ordering = context;
    const struct profile *a = *(const struct profile *const *)left;
    const struct profile *b = *(const struct profile *const *)right;
    int difference = 0;

    if (ordering->subject == SUBJECT_FIELD)
        difference =
            criteria_compare(profile_value(a, ordering->field_index),
                             profile_value(b, ordering->field_index), ordering->is_numeric);
    else if (ordering->subject == SUBJECT_MODIFIED)
        difference = a->modified_s < b->modified_s ? -1 : a->modified_s > b->modified_s;
    if (difference == 0)
        difference = ids_compare(a, b);
    return ordering->is_descending ? -difference : difference;
}

static void profiles_shuffle(struct model *model, struct pointers *profiles)
{
    for (size_t i = profiles->count; i > 1; i--) {
        const size_t other = (size_t)(model_random(model) % i);
        void *swapped = profiles->items[i - 1];

        profiles->items[i - 1] = profiles->items[other];
        profiles->items[other] = swapped;
    }
}

void ordering_sort(const struct ordering *ordering, struct model *model, struct pointers *profiles)
{
    if (profiles->count < 2)
        return;
    if (ordering->subject == SUBJECT_RANDOM) {
        profiles_shuffle(model, profiles);
        return;
    }
    struct ordering copy = *ordering; /* qsort_r's context is not const */
    qsort_r(profiles->items, profiles->count, sizeof(profiles->items[0]), profiles_compare, &copy);
}

/* The number at the beginning, as MySQL reads one: 0 where there is none. */
static double number_of(struct bytes text, const char **end, char *room)
{
    const struct bytes kept = bytes_slice(text, 0, NUMBER_ROOM - 1);
    char *stop;

    if (kept.length > 0)
        memcpy(room, kept.data, kept.length);
    room[kept.length] = '\0';
    const double number = strtod(room, &stop);
    *end = stop;
    return number;
}

int criteria_compare(struct bytes a, struct bytes b, bool is_numeric)
{
    if (is_numeric) {
        char room[NUMBER_ROOM];
        const char *end;
        const double x = number_of(a, &end, room), y = number_of(b, &end, room);

        return x < y ? -1 : x > y;
    }
    const size_t common = a.length < b.length ? a.length : b.length;
    for (size_t i = 0; i < common; i++) {
        const unsigned char x = (unsigned char)bytes_lower(a.data[i]);
        const unsigned char y = (unsigned char)bytes_lower(b.data[i]);

        if (x != y)
            return x < y ? -1 : 1;
    }
    return a.length < b.length ? -1 : a.length > b.length;
}

bool criteria_contains(struct bytes text, struct bytes part)
{
    for (size_t i = 0; i + part.length <= text.length; i++)
        if (bytes_equal_nocase(bytes_slice(text, i, part.length), part))
            return true;
    return false;
}

bool criteria_is_numeric(struct bytes text)
{
    char room[NUMBER_ROOM];
    const char *end;

    (void)number_of(text, &end, room); /* only where it ends matters */
    return text.length > 0 && text.length < NUMBER_ROOM && end == room + text.length;
}

bool criteria_like(struct bytes text, struct bytes pattern)
{
    size_t at = 0, next = 0, star = SIZE_MAX, star_at = 0;

    while (at < text.length) {
        if (next < pattern.length && pattern.data[next] == '%') {
            star = next++;
            star_at = at;
        } else if (next < pattern.length &&
                   (pattern.data[next] == '_' ||
                    bytes_lower(pattern.data[next]) == bytes_lower(text.data[at]))) {
            at++;
            next++;
        } else if (star != SIZE_MAX) {
            next = star + 1; /* the last % takes one byte more */
            at = ++star_at;
        } else {
            return false;
        }
    }
    while (next < pattern.length && pattern.data[next] == '%')
        next++;
    return next == pattern.length;
}
