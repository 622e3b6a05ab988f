/* The key of body HMACs, data_dir/audit.key: 32 random bytes, 0600, made once and then only read.
 */
#ifndef POSTERN_AUDIT_KEY_H
#define POSTERN_AUDIT_KEY_H

#include "base/secret.h"

enum { AUDIT_KEY_BYTES = 32 };

/*
 * Reads the key in the directory, or makes it where there is none; a half-made one cannot be seen.
 * One process at a time. The error names the file, never the content.
 */
MUST_USE enum result audit_key_open(int directory, struct secret **key, struct error *error);

#endif
