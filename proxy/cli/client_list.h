/* `postern client list`. */
#ifndef POSTERN_CLI_CLIENT_LIST_H
#define POSTERN_CLI_CLIENT_LIST_H

#include <stdbool.h>

/*
 * Prints the clients of the configuration that --config names (NULL: the usual places), without
 * their keys: as a table, or as an array of JSON objects. Returns the exit code.
 */
int client_list_print(const char *config, bool json);

#endif
