/* Words for results, and the text of an error. */
#include "base/result.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>

const char *result_text(enum result result)
{
    static const char *const texts[] = {
        [RESULT_OK] = "done",
        [RESULT_MISSING] = "not there",
        [RESULT_INVALID] = "not well-formed",
        [RESULT_LIMIT] = "over a limit",
        [RESULT_REFUSED] = "refused",
        [RESULT_FULL] = "no room left",
        [RESULT_BUSY] = "in use",
        [RESULT_DAMAGED] = "damaged",
        [RESULT_SYSTEM] = "system error",
    };
    static_assert(ARRAY_LENGTH(texts) == RESULT_SYSTEM + 1, "a text for each result");

    assert((size_t)result < ARRAY_LENGTH(texts));
    return texts[result];
}

enum result error_set(struct error *error, enum result result, const char *format, ...)
{
    va_list arguments;

    if (error == NULL)
        return result;
    error->pointer[0] = '\0';
    error->line = 0;
    va_start(arguments, format);
    (void)vsnprintf(error->text, sizeof(error->text), format, arguments); /* cut is fine */
    va_end(arguments);
    return result;
}
