/*
 * Addresses of other servers as a configuration writes them: an absolute http or https URL without
 * user, query and fragment, in characters that need no percent-encoding.
 */
#ifndef POSTERN_CONFIG_ADDRESS_H
#define POSTERN_CONFIG_ADDRESS_H

#include "base/bytes.h"

struct address {
    struct bytes scheme;    /* "http" or "https" */
    struct bytes authority; /* host, host:port, [v6], [v6]:port */
    struct bytes path;      /* "" or "/segment/…", without a slash at its end */
};

/* Splits a URL, whose slash at the end may be there or not. False where it is none. Borrows it. */
bool address_split(struct bytes url, struct address *address);

/* Whether the authority's host is this machine by a loopback address or "localhost": nobody else
 * hears what is said to it. */
bool address_is_loopback(struct bytes authority);

/* Whether the text is 1 to `limit` letters, digits and signs out of `signs`. */
bool address_is_word(struct bytes text, const char *signs, size_t limit);

#endif
