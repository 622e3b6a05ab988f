/*
 * `postern top`: asks the gate again and again and shows what top_table.c makes of it. On a
 * terminal it has the alternate screen for itself and gives it back whenever it stops; elsewhere it
 * writes one block after the other. Signals come through a descriptor, so that nothing is
 * interrupted halfway.
 */
#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <termios.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/memory.h"
#include "cli/admin_call.h"
#include "cli/cli.h"
#include "cli/configured.h"
#include "cli/told.h"
#include "cli/top_table.h"
#include "config/read.h"

static const char usage[] =
    "usage: postern top [--interval TIME] [--sort calls|requests|hits] [--once] [--config FILE]\n"
    "\n"
    "Who spends the upstream's calls: clients of the running gate, with rates a minute. On a\n"
    "terminal the table is refreshed until q or ^C; elsewhere a block is written each time.\n"
    "\n"
    "  --interval TIME  how often, from 100ms on (1s)\n"
    "  --sort WHAT      what comes first: most calls (the default), most requests, or the\n"
    "                   highest share of hits\n"
    "  --once           one block, of the time since the gate's start; fails without a gate\n";

enum {
    TOP_TIMEOUT_S = 2, /* a gate that is slower is said to be gone */
    TOP_INTERVAL_LEAST_US = 100 * 1000,
    TOP_INTERVAL_MOST_S = 3600,
    TOP_ROWS = 24, /* of a terminal that does not say */
    TOP_COLUMNS = 80,
    TOP_PAGE_LIMIT_BYTES = 4 * 1024 * 1024,
};

struct top {
    const struct configuration *configuration;
    enum top_sort sort;
    int64_t interval_us;
    bool once;

    bool has_screen; /* standard output is a terminal */
    bool has_keys;   /* standard input is one, and only then keys are read */
    struct termios before;
    int signals;

    cJSON *now, *earlier; /* answers; NULL: none yet */
    int64_t now_us;       /* when `now` came, and how long after `earlier` */
    double elapsed_s;
};

/* --- the terminal --- */

/* Whole, or as much as whoever reads it takes. */
static void put_out(struct bytes text)
{
    while (text.length > 0) {
        const ssize_t written = write(STDOUT_FILENO, text.data, text.length);

        if (written == -1 && errno != EINTR)
            return; /* a terminal that has gone sends HUP */
        if (written > 0)
            text = bytes_from(text, (size_t)written);
    }
}

/* The alternate screen, no cursor, no line wrap; keys one at a time and unseen. */
static void terminal_enter(const struct top *top)
{
    struct termios raw = top->before;

    if (top->has_keys) {
        raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
        raw.c_cc[VMIN] = 0;
        raw.c_cc[VTIME] = 0;
        (void)tcsetattr(STDIN_FILENO, TCSADRAIN, &raw); /* else keys need a return */
    }
    if (top->has_screen)
        put_out(BYTES("\033[?1049h\033[?25l\033[?7l\033[2J"));
}

static void terminal_leave(const struct top *top)
{
    if (top->has_screen)
        put_out(BYTES("\033[?7h\033[?25h\033[?1049l"));
    if (top->has_keys)
        (void)tcsetattr(STDIN_FILENO, TCSADRAIN, &top->before); /* it was a terminal before */
}

static bool terminal_understands(void)
{
    const char *kind = getenv("TERM");

    return isatty(STDOUT_FILENO) == 1 && kind != NULL && kind[0] != '\0' &&
           strcmp(kind, "dumb") != 0;
}

static struct winsize terminal_size(void)
{
    struct winsize size = {0};

    (void)ioctl(STDOUT_FILENO, TIOCGWINSZ, &size); /* all 0 where it can't say */
    if (size.ws_row == 0)
        size.ws_row = TOP_ROWS;
    if (size.ws_col == 0)
        size.ws_col = TOP_COLUMNS;
    return size;
}

/* --- a page --- */

static void page_write(const struct top *top, const struct error *error, struct winsize size,
                       struct buffer *page)
{
    const struct top_view view = {
        .now = top->now,
        .before = top->earlier,
        .elapsed_s = top->elapsed_s,
        .sort = top->sort,
        .rows = error->text[0] == '\0' || size.ws_row == 0 ? size.ws_row : size.ws_row - 1U,
        .columns = size.ws_col,
    };

    if (error->text[0] != '\0') {
        buffer_add(page, bytes_slice(bytes_of_string(error->text), 0,
                                     size.ws_col == 0 ? sizeof(error->text) : size.ws_col));
        buffer_add_byte(page, '\n');
    }
    if (top->now != NULL && (size.ws_row != 1 || error->text[0] == '\0'))
        top_write(&view, page);
}

/* Over what is there: each line wipes its rest, the last one what is below it. */
static void page_show(const struct top *top, const struct error *error)
{
    struct buffer page, out;

    buffer_init(&page, TOP_PAGE_LIMIT_BYTES);
    buffer_init(&out, 2 * TOP_PAGE_LIMIT_BYTES);
    page_write(top, error, top->has_screen ? terminal_size() : (struct winsize){0}, &page);
    struct bytes rest = buffer_bytes(&page);
    if (!top->has_screen) {
        buffer_add(&out, rest);
        if (!top->once)
            buffer_add_byte(&out, '\n'); /* an empty line between two blocks */
        rest.length = 0;
    } else {
        buffer_add(&out, BYTES("\033[H"));
    }
    while (rest.length > 0) {
        buffer_add(&out, bytes_cut(&rest, '\n'));
        buffer_add(&out, BYTES("\033[K"));
        if (rest.length > 0)
            buffer_add(&out, BYTES("\r\n"));
    }
    if (top->has_screen)
        buffer_add(&out, BYTES("\033[J"));
    put_out(buffer_bytes(&out));
    buffer_finish(&page);
    buffer_finish(&out);
}

/* --- asking --- */

static void top_take(struct top *top, cJSON *answer)
{
    const int64_t now_us = clock_now_us();
    const bool continues = top->now != NULL && !top_restarted(answer, top->now);

    cJSON_Delete(top->earlier);
    if (!continues)
        cJSON_Delete(top->now);
    top->earlier = continues ? top->now : NULL;
    top->elapsed_s = (double)(now_us - top->now_us) / CLOCK_SECOND_US;
    top->now = answer;
    top->now_us = now_us;
}

/* Asks the gate. RESULT_OK: `now` is new; else the error says why it is not. */
static enum result top_ask(struct top *top, struct error *error)
{
    const struct admin_request request = {.path = "/api/status", .timeout_s = TOP_TIMEOUT_S};
    struct buffer text;

    buffer_init(&text, ADMIN_ANSWER_LIMIT_BYTES);
    enum result result = admin_ask(top->configuration, &request, &text, error);
    if (result == RESULT_OK) {
        cJSON *answer = cJSON_ParseWithLength(text.data, text.length);

        if (cJSON_IsObject(answer)) {
            top_take(top, answer);
        } else {
            cJSON_Delete(answer);
            result =
                error_set(error, RESULT_INVALID, "what answers on the admin address is no gate");
        }
    }
    buffer_finish(&text);
    return result;
}

/* --- waiting --- */

enum happening { HAPPENED_NOTHING, HAPPENED_RESIZE, HAPPENED_END };

/* Gives the terminal back, stops like any other program, and takes it again. */
static void top_suspend(const struct top *top)
{
    terminal_leave(top);
    (void)raise(SIGSTOP); /* can't be refused */
    terminal_enter(top);
}

static enum happening top_on_signal(const struct top *top)
{
    struct signalfd_siginfo came;
    const ssize_t length = read(top->signals, &came, sizeof(came));

    if (length == -1 && (errno == EAGAIN || errno == EINTR))
        return HAPPENED_NOTHING;
    if (length != (ssize_t)sizeof(came))
        return HAPPENED_END; /* signals are blocked: who could not hear them could not be ended */
    switch (came.ssi_signo) {
    case SIGTSTP:
        top_suspend(top);
        return HAPPENED_RESIZE;
    case SIGCONT: /* stopped by another, and the terminal may have been used meanwhile */
        terminal_enter(top);
        return HAPPENED_RESIZE;
    case SIGWINCH:
        return HAPPENED_RESIZE;
    default:
        return HAPPENED_END;
    }
}

static enum happening top_on_key(struct top *top)
{
    char key;
    const ssize_t length = read(STDIN_FILENO, &key, 1);

    if (length == 1)
        return key == 'q' || key == 'Q' ? HAPPENED_END : HAPPENED_NOTHING;
    if (length == -1 && errno != EIO)
        return HAPPENED_NOTHING;
    top->has_keys = false; /* hung up: a signal says so, too */
    return HAPPENED_NOTHING;
}

/* Waits for the next time to ask, or for what comes before it. Where that time is over, because the
 * gate was slow, it looks for what came all the same. */
static enum happening top_wait(struct top *top, int64_t until_us)
{
    for (;;) {
        const int64_t left_us = until_us - clock_now_us();
        const int wait_ms = left_us <= 0 ? 0 : (int)(left_us / CLOCK_MILLISECOND_US) + 1;
        struct pollfd files[] = {{.fd = top->signals, .events = POLLIN},
                                 {.fd = top->has_keys ? STDIN_FILENO : -1, .events = POLLIN}};
        enum happening happened = HAPPENED_NOTHING;

        if (poll(files, ARRAY_LENGTH(files), wait_ms) <= 0) {
            if (wait_ms == 0)
                return HAPPENED_NOTHING;
            continue; /* in time, or a signal that is not ours */
        }
        if (files[0].revents != 0)
            happened = top_on_signal(top);
        if (files[1].revents != 0 && happened == HAPPENED_NOTHING)
            happened = top_on_key(top);
        if (happened != HAPPENED_NOTHING)
            return happened;
    }
}

static int open_signals(void)
{
    static const int numbers[] = {SIGTERM, SIGINT, SIGQUIT, SIGHUP, SIGTSTP, SIGCONT, SIGWINCH};
    sigset_t set;

    (void)sigemptyset(&set);
    for (size_t i = 0; i < ARRAY_LENGTH(numbers); i++)
        (void)sigaddset(&set, numbers[i]);
    (void)sigprocmask(SIG_BLOCK, &set, NULL);
    const int fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    if (fd == -1)
        memory_exhausted(); /* or descriptors: a command has few */
    return fd;
}

static void top_watch(struct top *top)
{
    enum happening happened = HAPPENED_NOTHING;
    struct error error = {0};

    top->signals = open_signals();
    top->has_screen = terminal_understands();
    top->has_keys = top->has_screen && tcgetattr(STDIN_FILENO, &top->before) == 0;
    terminal_enter(top);
    while (happened != HAPPENED_END) {
        const int64_t next_us = clock_now_us() + top->interval_us;

        if (top_ask(top, &error) == RESULT_OK)
            error.text[0] = '\0';
        told_clean(error.text); /* it may quote what was answered */
        do {
            page_show(top, &error);
            happened = top_wait(top, next_us);
        } while (happened == HAPPENED_RESIZE);
    }
    terminal_leave(top);
    (void)close(top->signals);
}

static int top_once(struct top *top)
{
    struct error error = {0};

    if (top_ask(top, &error) != RESULT_OK) {
        (void)fprintf(stderr, "postern: %s\n", error.text);
        return CLI_FAILED;
    }
    page_show(top, &error);
    return CLI_DONE;
}

/* --- options --- */

static bool read_interval(const char *text, int64_t *interval_us)
{
    if (duration_read(bytes_of_string(text), interval_us) == RESULT_OK &&
        *interval_us >= TOP_INTERVAL_LEAST_US &&
        *interval_us <= TOP_INTERVAL_MOST_S * CLOCK_SECOND_US)
        return true;
    (void)fprintf(stderr, "postern top: --interval %s: expects 100ms to 1h, such as 2s\n", text);
    return false;
}

static bool read_sort(const char *text, enum top_sort *sort)
{
    static const char *const names[] = {
        [TOP_CALLS] = "calls", [TOP_REQUESTS] = "requests", [TOP_HITS] = "hits"};

    for (size_t i = 0; i < ARRAY_LENGTH(names); i++)
        if (strcmp(text, names[i]) == 0) {
            *sort = (enum top_sort)i;
            return true;
        }
    (void)fprintf(stderr, "postern top: --sort %s: expects calls, requests or hits\n", text);
    return false;
}

/* CLI_DONE: go on; *helped: all is said. */
static int top_options(int argc, char **argv, struct top *top, const char **config, bool *helped)
{
    static const struct option options[] = {
        {"help", no_argument, NULL, 'h'},           {"config", required_argument, NULL, 'c'},
        {"interval", required_argument, NULL, 'i'}, {"sort", required_argument, NULL, 's'},
        {"once", no_argument, NULL, 'o'},           {0}};
    int option;

    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (option == 'h') {
            (void)fputs(usage, stdout);
            *helped = true;
            return CLI_DONE;
        }
        if (option == 'c')
            *config = optarg;
        else if (option == 'o')
            top->once = true;
        else if (option == '?' || (option == 'i' && !read_interval(optarg, &top->interval_us)) ||
                 (option == 's' && !read_sort(optarg, &top->sort)))
            return CLI_WRONG;
    }
    if (optind == argc)
        return CLI_DONE;
    (void)fprintf(stderr, "postern top: \"%s\" is too much: see --help\n", argv[optind]);
    return CLI_WRONG;
}

int cli_top(int argc, char **argv)
{
    struct top top = {.interval_us = CLOCK_SECOND_US};
    struct configuration *configuration;
    const char *config = NULL;
    bool helped = false;

    int code = top_options(argc, argv, &top, &config, &helped);
    if (code != CLI_DONE || helped)
        return code;
    code = configured_read(config, &configuration);
    if (code != CLI_DONE)
        return code;
    top.configuration = configuration;
    if (configuration->admin == NULL) {
        (void)fputs("postern: the configuration has no admin address\n", stderr);
        code = CLI_WRONG;
    } else if (top.once) {
        code = top_once(&top);
    } else {
        top_watch(&top);
    }
    cJSON_Delete(top.now);
    cJSON_Delete(top.earlier);
    configuration_release(configuration);
    return code;
}
