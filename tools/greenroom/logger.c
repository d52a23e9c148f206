/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
#include "greenroom/logger.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { LINE_BYTES = 4096 }; /* longer ones are cut */

static bool as_json, to_journal; /* written before there are threads */

typedef struct line {
    char text[LINE_BYTES];
    size_t bytes;
} line;

/* Keeps room for the end of the line. */
static void put(line *l, const char *text, size_t bytes)
{
    size_t room = sizeof l->text - 3 - l->bytes;
    if (bytes > room) return;
    memcpy(l->text + l->bytes, text, bytes);
    l->bytes += bytes;
}

static void put_text(line *l, const char *text)
{
    put(l, text, strlen(text));
}

/* How many bytes of well-formed UTF-8 there are at `text`; 0: none. */
static size_t utf8_bytes(const unsigned char *text)
{
    unsigned char first = text[0], low = 0x80, high = 0xbf;
    size_t bytes = first < 0x80                     ? 1
                   : first >= 0xc2 && first <= 0xdf ? 2
                   : first >= 0xe0 && first <= 0xef ? 3
                   : first >= 0xf0 && first <= 0xf4 ? 4
                                                    : 0;
    if (first == 0xe0) low = 0xa0;
    if (first == 0xed) high = 0x9f; /* surrogates */
    if (first == 0xf0) low = 0x90;
    if (first == 0xf4) high = 0x8f;
    for (size_t i = 1; i < bytes; i++, low = 0x80, high = 0xbf)
        if (text[i] < low || text[i] > high) return 0;
    return bytes;
}

/* What the sink gets may come from outside: nothing in it may end the line, the string, or a reader's terminal. */
static void put_escaped(line *l, const char *text)
{
    for (const unsigned char *at = (const unsigned char *)text; *at;) {
        char escape[8];
        size_t bytes = utf8_bytes(at);
        if (bytes == 0) {
            put_text(l, as_json ? "\\ufffd" : "?");
            at++;
            continue;
        }
        if (*at < ' ' || *at == 0x7f) {
            snprintf(escape, sizeof escape, "\\u%04x", *at);
            put_text(l, as_json ? escape : " ");
        } else {
            if (as_json && (*at == '"' || *at == '\\')) put(l, "\\", 1);
            put(l, (const char *)at, bytes);
        }
        at += bytes;
    }
}

static void put_time(line *l)
{
    struct timespec now;
    struct tm parts;
    char text[64];
    size_t bytes = 0;
    if (clock_gettime(CLOCK_REALTIME, &now) == 0 && gmtime_r(&now.tv_sec, &parts))
        bytes = strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &parts);
    snprintf(text + bytes, sizeof text - bytes, ".%03ldZ", bytes ? now.tv_nsec / 1000000 : 0);
    put_text(l, text);
}

static const char *level_name(enum gr_log_level level)
{
    switch (level) {
    case GR_LOG_ERROR: return "error";
    case GR_LOG_WARN: return "warn";
    case GR_LOG_INFO: return "info";
    default: return "debug";
    }
}

/* systemd's journal reads "<N>" in front of a line as its priority, and has a time of its own. */
static const char *journal_prefix(enum gr_log_level level)
{
    switch (level) {
    case GR_LOG_ERROR: return "<3>";
    case GR_LOG_WARN: return "<4>";
    case GR_LOG_INFO: return "<6>";
    default: return "<7>";
    }
}

/* Whether stderr is the stream to the journal that a service was started with: JOURNAL_STREAM names its device and inode. */
static bool is_journal(void)
{
    struct stat status;
    char text[48];
    const char *stream = getenv("JOURNAL_STREAM");
    if (!stream || fstat(STDERR_FILENO, &status) != 0) return false;
    snprintf(text, sizeof text, "%ju:%ju", (uintmax_t)status.st_dev, (uintmax_t)status.st_ino);
    return strcmp(stream, text) == 0;
}

bool logger_is_journal(void)
{
    return to_journal;
}

static void put_head(line *l, enum gr_log_level level)
{
    if (to_journal) put_text(l, journal_prefix(level));
    if (to_journal && !as_json) return;
    if (as_json) put_text(l, "{\"time\":\"");
    put_time(l);
    put_text(l, as_json ? "\",\"level\":\"" : " ");
    put_text(l, level_name(level));
    if (!as_json) put_text(l, strlen(level_name(level)) == 4 ? "  " : " ");
}

void logger_write(void *arg, enum gr_log_level level, gr_address subject, const char *text)
{
    char address[GR_ADDRESS_TEXT_BYTES];
    line l;
    bool about = !gr_address_equal(subject, GR_NO_ADDRESS);
    (void)arg;
    l.bytes = 0;
    put_head(&l, level);
    if (as_json && about) {
        put_text(&l, "\",\"actor\":\"");
        put_text(&l, gr_address_print(subject, address));
    }
    if (as_json) put_text(&l, "\",\"message\":\"");
    put_escaped(&l, text);
    if (!as_json && about) {
        put_text(&l, " [actor ");
        put_text(&l, gr_address_print(subject, address));
        put_text(&l, "]");
    }
    if (as_json) memcpy(l.text + l.bytes, "\"}", 2), l.bytes += 2;
    l.text[l.bytes++] = '\n';
    ssize_t written = write(STDERR_FILENO, l.text, l.bytes);
    (void)written; /* there is nobody left to tell */
}

void logger_print(enum gr_log_level level, const char *format, ...)
{
    char text[LINE_BYTES];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    logger_write(NULL, level, GR_NO_ADDRESS, text);
}

void logger_start(bool json)
{
    as_json = json;
    to_journal = is_journal();
    gr_log_sink_set(logger_write, NULL, NULL);
}
