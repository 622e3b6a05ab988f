/* For tests of sub-commands: each call runs in a child, with its output caught. */
#ifndef TESTS_UNIT_CLI_CALLING_H
#define TESTS_UNIT_CLI_CALLING_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

enum { CALL_ROOM = 8192, CALL_ARGUMENTS = 16 };

/* What a call came to. */
struct call {
    int code;
    char out[CALL_ROOM], err[CALL_ROOM];
};

static inline void file_write(const char *path, const char *text, mode_t mode)
{
    FILE *file = fopen(path, "w");

    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(chmod(path, mode), 0);
}

static inline void file_text(const char *path, char *text)
{
    FILE *file = fopen(path, "r");

    assert_non_null(file);
    text[fread(text, 1, CALL_ROOM - 1, file)] = '\0';
    assert_int_equal(fclose(file), 0);
}

/* Calls with the arguments up to NULL, argv[0] included. */
static inline void call_make(struct call *call, int (*command)(int, char **),
                             const char *const *arguments)
{
    char out[] = "/tmp/postern-out-XXXXXX", err[] = "/tmp/postern-err-XXXXXX";
    const int out_fd = mkstemp(out), err_fd = mkstemp(err);
    char *argv[CALL_ARGUMENTS] = {NULL};
    int argc = 0, status;

    for (; arguments[argc] != NULL; argc++) {
        assert_true(argc + 1 < CALL_ARGUMENTS);
        argv[argc] = strdup(arguments[argc]);
    }
    (void)fflush(NULL); /* lest the child print what we did */
    const pid_t child = fork();
    if (child == 0) {
        (void)dup2(out_fd, STDOUT_FILENO);
        (void)dup2(err_fd, STDERR_FILENO);
        const int code = command(argc, argv);
        (void)fflush(NULL);
        _exit(code);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    call->code = WEXITSTATUS(status);
    for (int i = 0; i < argc; i++)
        free(argv[i]);
    (void)close(out_fd);
    (void)close(err_fd);
    file_text(out, call->out);
    file_text(err, call->err);
    (void)unlink(out);
    (void)unlink(err);
}

static inline void assert_says(const char *text, const char *words)
{
    if (strstr(text, words) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", text, words);
}

#endif
