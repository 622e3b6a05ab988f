/*
 * The sub-commands. Each gets its own part of the command line, argv[0] being its name, and returns
 * the process's exit code: 0 done, 1 failed, 2 wrong usage or configuration. Errors go to standard
 * error, one line each.
 */
#ifndef POSTERN_CLI_CLI_H
#define POSTERN_CLI_CLI_H

enum { CLI_DONE = 0, CLI_FAILED = 1, CLI_WRONG = 2 };

/* postern check: says every fault of a configuration, its token and TLS files included. */
int cli_check(int argc, char **argv);

/* postern client add, list, disable, enable, rotate, remove: the configuration's clients. */
int cli_client(int argc, char **argv);

/* postern sandbox: serves a simulated API until TERM or INT. */
int cli_sandbox(int argc, char **argv);

/* postern run: serves until a signal ends it. */
int cli_run(int argc, char **argv);

/* postern explain METHOD URL: how the gate sees a request, without sending anything. */
int cli_explain(int argc, char **argv);

/* postern identity [UPSTREAM]: what the API says whose token this is. */
int cli_identity(int argc, char **argv);

/* postern login UPSTREAM: gets a token by OAuth and puts it into the token's file. */
int cli_login(int argc, char **argv);

/* postern status, purge, why URL: talk to a running gate through its admin address. */
int cli_status(int argc, char **argv);
int cli_why(int argc, char **argv);
int cli_purge(int argc, char **argv);

/* postern top: a running gate's clients and upstreams, again and again. */
int cli_top(int argc, char **argv);

#endif
