/*
 * The generic half of reading: faults, warnings, tables of members, plain values. What the members
 * mean is decided by the files of the blocks.
 */
#include "config/reader.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/memory.h"
#include "config/suggest.h"

static_assert(sizeof(enum log_level) == sizeof(unsigned), "reader_choice stores an unsigned");

void faults_add(struct faults *faults, const struct error *error)
{
    if (faults->count == FAULTS_LIMIT)
        return;
    if (faults->count == faults->capacity) {
        faults->capacity = faults->capacity == 0 ? 8 : faults->capacity * 2;
        faults->list = memory_resize(faults->list, faults->capacity * sizeof(*faults->list));
    }
    faults->list[faults->count++] = *error;
    if (faults->count == FAULTS_LIMIT) {
        struct error *last = &faults->list[FAULTS_LIMIT - 1];

        (void)error_set(last, RESULT_INVALID, "and more: mend what is said, then check again");
        last->line = error->line;
    }
}

/* The fault of a preset, told where the configuration names it. */
static void reader_pass_on(struct reader *reader, const struct error *inner)
{
    reader_fault(reader->outer, reader->outer_item, "%s:%u: %s: %s", reader->file, inner->line,
                 inner->pointer, inner->text);
}

void reader_fault(struct reader *reader, const cJSON *item, const char *format, ...)
{
    struct error error = {0};
    va_list arguments;

    if (reader->faults->count == FAULTS_LIMIT)
        return;
    va_start(arguments, format);
    (void)vsnprintf(error.text, sizeof(error.text), format, arguments); /* cut is fine */
    va_end(arguments);
    source_locate(reader->source, item, &error);
    if (reader->outer != NULL)
        reader_pass_on(reader, &error);
    else
        faults_add(reader->faults, &error);
}

void reader_warn(struct reader *reader, const cJSON *item, const char *format, ...)
{
    struct error error = {0};
    va_list arguments;

    if (reader->warning_count == WARNINGS_LIMIT)
        return;
    va_start(arguments, format);
    (void)vsnprintf(error.text, sizeof(error.text), format, arguments); /* cut is fine */
    va_end(arguments);
    source_locate(reader->source, item, &error);
    if (reader->outer != NULL) {
        reader_warn(reader->outer, reader->outer_item, "%s:%u: %s: %s", reader->file, error.line,
                    error.pointer, error.text);
        return;
    }
    reader->warnings =
        memory_resize(reader->warnings, (reader->warning_count + 1) * sizeof(*reader->warnings));
    reader->warnings[reader->warning_count++] =
        arena_format(&reader->configuration->arena, "line %u: %s: %s", error.line, error.pointer,
                     error.text)
            .data;
}

const cJSON *reader_member(const cJSON *object, const char *name)
{
    return cJSON_GetObjectItemCaseSensitive(object, name);
}

static size_t member_index(const struct member *members, size_t count, const char *name)
{
    size_t index = 0;

    while (index < count && strcmp(members[index].name, name) != 0)
        index++;
    return index;
}

/* Members that the table does not know, and those that come again. */
static void members_check(struct reader *reader, const cJSON *object, const struct member *members,
                          size_t count)
{
    uint64_t seen = 0;
    const cJSON *item;

    assert(count <= 64);
    cJSON_ArrayForEach(item, object)
    {
        const size_t index = member_index(members, count, item->string);
        const uint64_t bit = index < count ? UINT64_C(1) << index : 0;

        if (index == count) {
            const char *meant = suggest_word(bytes_of_string(item->string), &members[0].name, count,
                                             sizeof(*members));

            reader_fault(reader, item, "unknown member \"%.60s\"%s%s%s", item->string,
                         meant != NULL ? ": did you mean \"" : "", meant != NULL ? meant : "",
                         meant != NULL ? "\"?" : "");
        } else if ((seen & bit) != 0) {
            reader_fault(reader, item, "\"%s\" stands twice in this object: keep one",
                         item->string);
        }
        seen |= bit;
    }
}

bool reader_members(struct reader *reader, const cJSON *item, const struct member *members,
                    size_t count, void *into)
{
    if (!cJSON_IsObject(item)) {
        reader_fault(reader, item, "expects an object: {\"%s\": …}", members[0].name);
        return false;
    }
    members_check(reader, item, members, count);
    for (size_t i = 0; i < count; i++) {
        const cJSON *value = reader_member(item, members[i].name);

        if (value != NULL)
            members[i].read(reader, value, &members[i], into);
        else if (members[i].required)
            reader_fault(reader, item, "needs a member \"%s\"", members[i].name);
    }
    return true;
}

size_t reader_array(struct reader *reader, const cJSON *item, const char *what)
{
    if (cJSON_IsArray(item))
        return (size_t)cJSON_GetArraySize(item);
    reader_fault(reader, item, "expects an array of %s: […]", what);
    return 0;
}

const char *reader_string(struct reader *reader, const cJSON *item, const char *what)
{
    if (!cJSON_IsString(item)) {
        reader_fault(reader, item, "expects a string: %s", what);
        return NULL;
    }
    if (item->valuestring[0] == '\0') {
        reader_fault(reader, item, "is empty: expects %s", what);
        return NULL;
    }
    return arena_copy(&reader->configuration->arena, bytes_of_string(item->valuestring)).data;
}

bool reader_strings(struct reader *reader, const cJSON *item, const char *what,
                    const struct bytes **list, size_t *count)
{
    const size_t size = reader_array(reader, item, what);
    struct bytes *strings =
        arena_take_zeroed(&reader->configuration->arena, (size + 1) * sizeof(*strings));
    size_t used = 0;
    const cJSON *element;

    if (!cJSON_IsArray(item))
        return false;
    cJSON_ArrayForEach(element, item)
    {
        const char *text = reader_string(reader, element, what);

        if (text != NULL)
            strings[used++] = bytes_of_string(text);
    }
    *list = strings;
    *count = used;
    return used == size;
}

const char *reader_locate(struct reader *reader, const char *path)
{
    if (path[0] == '/')
        return path;
    return arena_format(&reader->configuration->arena, "%s/%s", reader->directory, path).data;
}

bool reader_whole(struct reader *reader, const cJSON *item, uint64_t minimum, uint64_t maximum,
                  uint64_t *number)
{
    assert(maximum <= UINT64_C(1) << 53); /* what a double holds exactly */
    if (!cJSON_IsNumber(item) || item->valuedouble < (double)minimum ||
        item->valuedouble > (double)maximum ||
        (double)(uint64_t)item->valuedouble < item->valuedouble) {
        reader_fault(reader, item, "expects a whole number from %lu to %lu", (unsigned long)minimum,
                     (unsigned long)maximum);
        return false;
    }
    *number = (uint64_t)item->valuedouble;
    return true;
}

static void member_store(const struct member *member, void *into, const void *value, size_t size)
{
    memcpy((char *)into + member->offset, value, size);
}

void reader_ignore(struct reader *reader, const cJSON *item, const struct member *member,
                   void *into)
{
    (void)member, (void)into;
    if (!cJSON_IsString(item))
        reader_fault(reader, item, "expects a string");
}

void reader_refuse(struct reader *reader, const cJSON *item, const struct member *member,
                   void *into)
{
    (void)into;
    reader_fault(reader, item, "\"%s\" is not available yet: take it out", member->name);
}

void reader_number(struct reader *reader, const cJSON *item, const struct member *member,
                   void *into)
{
    uint64_t number;

    assert(member->maximum <= UINT32_MAX);
    if (!reader_whole(reader, item, member->minimum, member->maximum, &number))
        return;
    const uint32_t value = (uint32_t)number;
    member_store(member, into, &value, sizeof(value));
}

void reader_real(struct reader *reader, const cJSON *item, const struct member *member, void *into)
{
    if (!cJSON_IsNumber(item) || item->valuedouble < (double)member->minimum ||
        item->valuedouble > (double)member->maximum)
        reader_fault(reader, item, "expects a number from %lu to %lu",
                     (unsigned long)member->minimum, (unsigned long)member->maximum);
    else
        member_store(member, into, &item->valuedouble, sizeof(item->valuedouble));
}

void reader_duration(struct reader *reader, const cJSON *item, const struct member *member,
                     void *into)
{
    int64_t duration_us;

    if (!cJSON_IsString(item) ||
        duration_read(bytes_of_string(item->valuestring), &duration_us) != RESULT_OK)
        reader_fault(reader, item,
                     "expects a duration such as \"250ms\", \"10s\", \"5m\", \"1h\" or \"7d\"");
    else if ((uint64_t)duration_us < member->minimum)
        reader_fault(reader, item, "is too short: expects more than none");
    else
        member_store(member, into, &duration_us, sizeof(duration_us));
}

void reader_size(struct reader *reader, const cJSON *item, const struct member *member, void *into)
{
    uint64_t size;

    if (!cJSON_IsString(item) || size_read(bytes_of_string(item->valuestring), &size) != RESULT_OK)
        reader_fault(reader, item,
                     "expects a size such as \"64KiB\", \"1MiB\" or \"1GiB\", in quotes");
    else if (size < member->minimum)
        reader_fault(reader, item, "is too small: expects at least %lu KiB",
                     (unsigned long)(member->minimum / 1024));
    else
        member_store(member, into, &size, sizeof(size));
}

void reader_flag(struct reader *reader, const cJSON *item, const struct member *member, void *into)
{
    const bool flag = cJSON_IsTrue(item);

    if (!cJSON_IsBool(item))
        reader_fault(reader, item, "expects true or false");
    else
        member_store(member, into, &flag, sizeof(flag));
}

void reader_text(struct reader *reader, const cJSON *item, const struct member *member, void *into)
{
    const char *text = reader_string(reader, item, member->name);

    if (text != NULL)
        member_store(member, into, &text, sizeof(text));
}

void reader_path(struct reader *reader, const cJSON *item, const struct member *member, void *into)
{
    const char *path = reader_string(reader, item, "a path");

    if (path == NULL)
        return;
    path = reader_locate(reader, path);
    member_store(member, into, &path, sizeof(path));
}

void reader_list(struct reader *reader, const cJSON *item, const struct member *member, void *into)
{
    const struct bytes *list;
    size_t count;

    if (!reader_strings(reader, item, "names", &list, &count))
        return;
    memcpy((char *)into + member->offset, &list, sizeof(list));
    memcpy((char *)into + member->count_offset, &count, sizeof(count));
}

void reader_choice(struct reader *reader, const cJSON *item, const struct member *member,
                   void *into)
{
    unsigned count = 0;

    while (member->words[count] != NULL)
        count++;
    for (unsigned i = 0; i < count && cJSON_IsString(item); i++)
        if (strcmp(item->valuestring, member->words[i]) == 0) {
            member_store(member, into, &i, sizeof(i));
            return;
        }
    struct bytes list = BYTES("");
    for (unsigned i = 0; i < count; i++)
        list = arena_format(&reader->configuration->arena, "%s%s\"%s\"", list.data,
                            i > 0 ? " or " : "", member->words[i]);
    reader_fault(reader, item, "expects %s", list.data);
}
