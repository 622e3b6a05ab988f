#include "cache/widening.h"

#include <assert.h>

const char *widening_name(enum widening widening)
{
    static const char *const names[WIDENINGS] = {
        [WIDENED_READ_UNMATCHED] = "read_unmatched",
        [WIDENED_BODY_UNREADABLE] = "body_unreadable",
        [WIDENED_BODY_TOO_LARGE] = "body_too_large",
        [WIDENED_TOO_MANY_TAGS] = "too_many_tags",
        [WIDENED_WRITE_UNMATCHED] = "write_unmatched",
        [WIDENED_NAME] = "name",
        [WIDENED_RELATION] = "relation_unknown",
        [WIDENED_REQUEST_BODY] = "request_body",
    };

    assert(widening < WIDENINGS);
    return names[widening];
}
