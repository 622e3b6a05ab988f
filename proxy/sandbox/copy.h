/* Copies of databases and views, as the API's copy calls make them; done at once. */
#ifndef POSTERN_SANDBOX_COPY_H
#define POSTERN_SANDBOX_COPY_H

#include "sandbox/model.h"

struct copy_options {
    bool views, collections, miniviews, profiles, subprofiles;
};

/* A database of that name with the fields and interests of `from`, and what the options ask for. */
struct table *copy_database(struct model *model, const struct table *from, struct bytes name,
                            const struct copy_options *options);

/* A view of that name beside `from`, with its rules; the views below it are not copied. */
MUST_USE enum result copy_selection(struct model *model, const struct selection *from,
                                    struct bytes name, struct selection **copy);

#endif
