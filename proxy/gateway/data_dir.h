/*
 * The directory of a running gate: made when missing, one gate at a time, and marked while in use,
 * so that the next start knows whether what is in it survived (cache/store.h: it need not survive
 * the machine).
 */
#ifndef POSTERN_GATEWAY_DATA_DIR_H
#define POSTERN_GATEWAY_DATA_DIR_H

#include <stdbool.h>

#include "base/result.h"

struct data_dir {
    const char *path; /* borrowed */
    int lock;         /* the descriptor that holds the lock; -1: closed */
    bool was_dirty;   /* another boot left it without a clean stop */
    bool is_dirty;    /* and what it left is still there */
};

/* RESULT_BUSY: another gate has it. */
MUST_USE enum result data_dir_open(struct data_dir *dir, const char *path, struct error *error);

/* What a dirty directory held is gone. Until then a stop of any kind leaves it dirty. */
MUST_USE enum result data_dir_cleaned(struct data_dir *dir, struct error *error);

/* A clean stop, all files closed before it. */
void data_dir_close(struct data_dir *dir);

#endif
