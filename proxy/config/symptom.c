/* Answers that a preset knows by status and text. */
#include "config/symptom.h"

bool symptoms_show(const struct symptom *list, size_t count, unsigned status, struct bytes body)
{
    for (size_t i = 0; i < count; i++)
        if (list[i].status == status &&
            (list[i].body.length == 0 || bytes_find(body, list[i].body) < body.length))
            return true;
    return false;
}
