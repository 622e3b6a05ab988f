/*
 * Changing the text of a configuration, with the rest left as its author wrote it, comments and
 * all. Each function reads `text`, from which `source` was read, and writes the changed text into
 * `out`; whether that is a configuration is for the caller to check. RESULT_LIMIT: it does not fit.
 */
#ifndef POSTERN_CONFIG_EDIT_H
#define POSTERN_CONFIG_EDIT_H

#include "base/buffer.h"
#include "config/source.h"

/*
 * `element`, which is JSON on one line, becomes the last of the array "clients" of the outermost
 * object; the member is made where there is none. RESULT_INVALID: the outermost value is no object,
 * or "clients" no array.
 */
MUST_USE enum result edit_add_client(const struct source *source, struct bytes text,
                                     struct bytes element, struct buffer *out);

/* A member of an object, as it shall be. */
struct edit_member {
    const char *name;   /* a plain word */
    struct bytes value; /* JSON on one line */
};

/* The member of an object of the source: its value takes the place of the one that the object has,
 * or it becomes the last. */
MUST_USE enum result edit_set(const struct source *source, struct bytes text, const cJSON *object,
                              const struct edit_member *member, struct buffer *out);

/* The value, with its name if it is a member, goes, and one comma with it; comments stay, and of
 * lines that become empty nothing. Not the outermost value. */
MUST_USE enum result edit_remove(const struct source *source, struct bytes text, const cJSON *item,
                                 struct buffer *out);

#endif
