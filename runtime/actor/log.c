/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* See log.h. */
#include "actor/log.h"

#include "base/atomic.h"
#include "base/check.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static gri_atomic_u32 levels = GR_LOG_WARN + 1; /* written at start; everything about it is relaxed: a threshold */

/* Readers are lines, the writer is gr_log_sink_set. */
static pthread_rwlock_t sink_lock = PTHREAD_RWLOCK_INITIALIZER;
static struct {
    gr_log_sink call;
    void *arg;
    void (*drop)(void *arg);
} sink;

static const char *level_name(enum gr_log_level level)
{
    static const char *const names[] = {"error", "warn", "info", "debug"};
    return (unsigned)level < GRI_ARRAY_COUNT(names) ? names[level] : "debug";
}

static void write_stderr(enum gr_log_level level, gr_address subject, const char *line)
{
    char text[GRI_LOG_LINE_BYTES + GR_ADDRESS_TEXT_BYTES + 64];
    int bytes;
    if (gr_address_equal(subject, GR_NO_ADDRESS)) {
        bytes = snprintf(text, sizeof text, "greenroom: %s: %s\n", level_name(level), line);
    } else {
        char address[GR_ADDRESS_TEXT_BYTES];
        bytes = snprintf(text, sizeof text, "greenroom: %s: %s [actor %s]\n", level_name(level), line,
                         gr_address_print(subject, address));
    }
    if (bytes < 0) return;
    ssize_t written = write(STDERR_FILENO, text, GRI_MIN((size_t)bytes, sizeof text - 1));
    (void)written; /* there is nobody left to tell */
}

bool gri_log_wants(enum gr_log_level level)
{
    return (unsigned)level < gri_load_relaxed(&levels); /* relaxed: a threshold */
}

void gri_log_levels_set(int count)
{
    gri_store_relaxed(&levels, (uint32_t)count); /* relaxed: a threshold */
}

static void log_line(enum gr_log_level level, gr_address subject, const char *format, va_list args)
{
    char line[GRI_LOG_LINE_BYTES];
    int bytes = vsnprintf(line, sizeof line, format, args);
    if (bytes < 0) return;
    for (char *at = line; *at; at++)
        if ((unsigned char)*at < ' ' || *at == 0x7f) *at = ' ';
    pthread_rwlock_rdlock(&sink_lock);
    if (sink.call)
        sink.call(sink.arg, level, subject, line);
    else
        write_stderr(level, subject, line);
    pthread_rwlock_unlock(&sink_lock);
}

void gri_log(enum gr_log_level level, gr_address subject, const char *format, ...)
{
    if (!gri_log_wants(level)) return;
    va_list args;
    va_start(args, format);
    log_line(level, subject, format, args);
    va_end(args);
}

void gr_log(enum gr_log_level level, const char *format, ...)
{
    if (!gri_log_wants(level)) return;
    va_list args;
    va_start(args, format);
    log_line(level, GR_NO_ADDRESS, format, args);
    va_end(args);
}

void gr_log_sink_set(gr_log_sink call, void *arg, void (*drop)(void *arg))
{
    pthread_rwlock_wrlock(&sink_lock);
    void (*old_drop)(void *) = sink.drop;
    void *old_arg = sink.arg;
    sink.call = call;
    sink.arg = arg;
    sink.drop = drop;
    pthread_rwlock_unlock(&sink_lock);
    if (old_drop) old_drop(old_arg);
}

/* ---- panics ---- */

static void call_hook(void *arg, const char *text)
{
    ((void (*)(const char *))arg)(text);
}

void gr_panic_hook_set(void (*hook)(const char *text))
{
    gri_panic_hook_set(hook ? call_hook : NULL, (void *)hook);
}
