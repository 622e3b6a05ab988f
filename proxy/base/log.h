/*
 * The process's log on standard error: one line an event. error: act now; warn: refused or
 * degraded; info: start, stop, reload; debug: each exchange. Safe from any thread. Control bytes
 * are escaped, so that no peer forges a line. Nothing secret comes here.
 */
#ifndef POSTERN_BASE_LOG_H
#define POSTERN_BASE_LOG_H

#include "base/bytes.h"
#include "base/result.h"

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG };
enum log_format { LOG_TEXT, LOG_JSON };

/* Set once by main and at each reload. Before it: info, text. */
void log_configure(enum log_level level, enum log_format format);

bool log_wants(enum log_level level);

void log_write(enum log_level level, const char *format, ...) PRINTF_LIKE(2, 3);

#define log_error(...) log_write(LOG_ERROR, __VA_ARGS__)
#define log_warn(...) log_write(LOG_WARN, __VA_ARGS__)
#define log_info(...) log_write(LOG_INFO, __VA_ARGS__)
#define log_debug(...) (log_wants(LOG_DEBUG) ? log_write(LOG_DEBUG, __VA_ARGS__) : (void)0)

#endif
