/* See told.h. */
#include "cli/told.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/bytes.h"

double told_number(const cJSON *object, const char *name)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, name);

    return cJSON_IsNumber(item) ? item->valuedouble : 0;
}

void told_clean(char *text)
{
    for (; *text != '\0'; text++)
        if (*text < ' ' || *text > '~')
            *text = '?';
}

const char *told_text(const cJSON *object, const char *name, char *room)
{
    const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, name));

    (void)snprintf(room, TOLD_TEXT_ROOM, "%s", text == NULL ? "" : text); /* cut is fine */
    told_clean(room);
    return room;
}

static void add(char *line, size_t room, const char *format, ...) PRINTF_LIKE(3, 4);

static void add(char *line, size_t room, const char *format, ...)
{
    const size_t length = strlen(line);
    va_list arguments;

    va_start(arguments, format);
    (void)vsnprintf(line + length, room - length, format, arguments); /* cut is fine */
    va_end(arguments);
}

static void add_left(char *line, size_t room, const cJSON *budget, const char *left,
                     const char *limit)
{
    if (cJSON_HasObjectItem(budget, left))
        add(line, room, ", %.0f of %.0f left %s", told_number(budget, left),
            told_number(budget, limit), strcmp(limit, "burst") == 0 ? "now" : "today");
}

void told_add_budget(const cJSON *budget, char *line, size_t room)
{
    const double paused_s = told_number(budget, "paused_s");
    char breaker[TOLD_TEXT_ROOM];

    if (paused_s > 0)
        add(line, room, ", PAUSED for %.1f s", paused_s);
    else if (cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(budget, "template_paused")))
        add(line, room, ", some paths PAUSED");
    if (told_text(budget, "breaker", breaker)[0] != '\0' && strcmp(breaker, "closed") != 0)
        add(line, room, ", breaker %s", breaker);
    if (cJSON_HasObjectItem(budget, "told_left"))
        add(line, room, ", it says %.0f left", told_number(budget, "told_left"));
    add_left(line, room, budget, "second_left", "burst");
    add_left(line, room, budget, "day_left", "per_day");
}
