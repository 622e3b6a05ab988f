/* Reading a whole small file that a person wrote. */
#ifndef POSTERN_CONFIG_FILE_H
#define POSTERN_CONFIG_FILE_H

#include "base/buffer.h"

/*
 * Adds the content of a regular file to `content`, whose limit bounds it. Errors, each with a text
 * that names the file: RESULT_MISSING (there is none), RESULT_SYSTEM, RESULT_INVALID (no regular
 * file), RESULT_LIMIT.
 */
MUST_USE enum result file_read(const char *path, struct buffer *content, struct error *error);

/* The same from an open descriptor, which stays open; `path` is for the errors. */
MUST_USE enum result file_read_fd(int fd, const char *path, struct buffer *content,
                                  struct error *error);

#endif
