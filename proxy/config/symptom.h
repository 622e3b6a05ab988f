/* Answers that a preset knows by status and text. */
#ifndef POSTERN_CONFIG_SYMPTOM_H
#define POSTERN_CONFIG_SYMPTOM_H

#include "config/configuration.h"

/* Whether one of them has this status, and text that `body` holds. */
bool symptoms_show(const struct symptom *list, size_t count, unsigned status, struct bytes body);

#endif
