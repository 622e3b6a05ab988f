/* See told.h. */
#include "cli/told.h"

#include <stdio.h>

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
