/* The data that a sandbox begins with: made up, and the same every time. */
#ifndef POSTERN_SANDBOX_SEED_H
#define POSTERN_SANDBOX_SEED_H

#include "sandbox/model.h"

/*
 * Fills an empty model: databases 31 Customers (profiles 9001-9300), 32 Newsletter (9301-9550) and
 * 33 Events (9551-9750), each with interests, two collections with subprofiles and a miniview, and
 * three views, the third below the first. With `profiles` other than 0 each database has only so
 * many, their ids running on from 9001.
 */
void seed_fill(struct model *model, size_t profiles);

#endif
