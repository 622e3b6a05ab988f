/* Empty but in the build that breaks rules. */
#include "base/breakage.h"

#ifdef POSTERN_BREAKABLE
#include <stdlib.h>
#include <string.h>

bool is_broken(const char *rule)
{
    const size_t length = strlen(rule);
    const char *list = getenv("POSTERN_BREAK");

    while (list != NULL && *list != '\0') {
        if (strncmp(list, rule, length) == 0 && (list[length] == ',' || list[length] == '\0'))
            return true;
        list = strchr(list, ',');
        list = list == NULL ? NULL : list + 1;
    }
    return false;
}
#endif
