/* Statuses speak for themselves; a preset's symptoms say of which the body decides. */
#include "upstream/verdict.h"

#include "config/symptom.h"

static enum verdict verdict_of_status(unsigned status)
{
    switch (status) {
    case 429:
    case 503:
        return VERDICT_OVERLOADED;
    case 401:
        return VERDICT_BAD_TOKEN;
    case 502:
    case 504:
        return VERDICT_FAILED;
    default:
        return VERDICT_FINE;
    }
}

static bool has_text(const struct symptom *list, size_t count, unsigned status)
{
    for (size_t i = 0; i < count; i++)
        if (list[i].status == status && list[i].body.length > 0)
            return true;
    return false;
}

bool verdict_needs_body(const struct preset *preset, unsigned status)
{
    const enum verdict without = verdict_of(preset, status, BYTES(""));

    if (preset == NULL ||
        symptoms_show(preset->overloads, preset->overload_count, status, BYTES("")))
        return false;
    /* A text that only says what the status says anyway is not waited for. */
    return (without != VERDICT_OVERLOADED &&
            has_text(preset->overloads, preset->overload_count, status)) ||
           (without != VERDICT_BAD_TOKEN &&
            has_text(preset->invalid_tokens, preset->invalid_token_count, status));
}

enum verdict verdict_of(const struct preset *preset, unsigned status, struct bytes body)
{
    if (preset == NULL)
        return verdict_of_status(status);
    if (symptoms_show(preset->overloads, preset->overload_count, status, body))
        return VERDICT_OVERLOADED;
    if (symptoms_show(preset->invalid_tokens, preset->invalid_token_count, status, body))
        return VERDICT_BAD_TOKEN;
    return verdict_of_status(status);
}
