/*
 * What an upstream's answer says of the upstream: by its status, and by its body where a preset
 * names answers by text (config/configuration.h, struct symptom).
 */
#ifndef POSTERN_UPSTREAM_VERDICT_H
#define POSTERN_UPSTREAM_VERDICT_H

#include "config/configuration.h"

enum verdict {
    VERDICT_FINE,       /* it answered: whatever it says is the client's */
    VERDICT_OVERLOADED, /* 429, 503, or what the preset says: pause */
    VERDICT_BAD_TOKEN,  /* 401, or what the preset says: get another token */
    VERDICT_FAILED,     /* 502, 504: nobody answered behind it */
};

enum { VERDICT_BODY_LIMIT_BYTES = 64 * 1024 }; /* of a body that is looked at */

/* Whether the body decides, so that it must be gathered before anything of the answer goes on. */
bool verdict_needs_body(const struct preset *preset, unsigned status);

/* `body`: as much as there is, at most VERDICT_BODY_LIMIT_BYTES. The preset may be NULL. */
enum verdict verdict_of(const struct preset *preset, unsigned status, struct bytes body);

#endif
