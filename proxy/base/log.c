/* One write(2) a line, so that lines of several threads never mix. Control bytes are escaped: a
 * peer cannot forge a line. */
#include "base/log.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"

enum { LOG_LINE_BYTES = 1024 };

/* main's, by way of log_configure; atomics because a reload changes them under running threads. */
static atomic_int level_now = LOG_INFO;
static atomic_int format_now = LOG_TEXT;

static const char *const level_names[] = {
    [LOG_ERROR] = "error", [LOG_WARN] = "warn", [LOG_INFO] = "info", [LOG_DEBUG] = "debug"};

void log_configure(enum log_level level, enum log_format format)
{
    atomic_store(&level_now, (int)level);
    atomic_store(&format_now, (int)format);
}

bool log_wants(enum log_level level)
{
    return (int)level <= atomic_load_explicit(&level_now, memory_order_relaxed);
}

static size_t escape_text(const char *text, bool json, char *line, size_t room)
{
    size_t length = 0;

    for (; *text != '\0' && length + 7 < room; text++) {
        const unsigned char byte = (unsigned char)*text;

        if (byte < 0x20 || byte == 0x7f)
            length += (size_t)snprintf(line + length, room - length, "\\u%04x", byte);
        else if (json && (byte == '"' || byte == '\\'))
            length += (size_t)snprintf(line + length, room - length, "\\%c", byte);
        else
            line[length++] = (char)byte;
    }
    return length;
}

void log_write(enum log_level level, const char *format, ...)
{
    char text[LOG_LINE_BYTES], line[LOG_LINE_BYTES * 2], time[CLOCK_RFC3339_ROOM];
    const bool json = atomic_load(&format_now) == LOG_JSON;
    va_list arguments;

    if (!log_wants(level))
        return;
    va_start(arguments, format);
    (void)vsnprintf(text, sizeof(text), format, arguments); /* cut is fine */
    va_end(arguments);
    clock_format_rfc3339(clock_wall_us(), time);
    int length = snprintf(
        line, sizeof(line),
        json ? "{\"time\":\"%s\",\"level\":\"%s\",\"message\":\"" : "%s postern: %s: ", time,
        level_names[level]);
    size_t end =
        (size_t)length + escape_text(text, json, line + length, sizeof(line) - (size_t)length - 4);
    if (json) {
        line[end++] = '"';
        line[end++] = '}';
    }
    line[end++] = '\n';
    (void)!write(STDERR_FILENO, line, end); /* nowhere left to complain to */
}
