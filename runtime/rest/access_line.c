/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
#include "rest/access_line.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { TRACE_ID_BYTES = 32, ESCAPE_BYTES_MAX = 6 };

typedef struct out {
    char *at, *end; /* end: a byte is kept for the newline */
    bool json;
} out;

GR_PRINTF(2, 3) static void print(out *o, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int bytes = vsnprintf(o->at, (size_t)(o->end - o->at), format, args);
    va_end(args);
    if (bytes < 0) return;
    o->at += bytes < o->end - o->at ? bytes : o->end - o->at;
}

/* The length of the UTF-8 character there, 0 if there is none. Controls of Latin-1 (U+0080 to U+009F) are none here. */
static size_t character(const unsigned char *at)
{
    static const unsigned least[] = {0, 0, 0x80, 0x800, 0x10000};
    size_t bytes = at[0] < 0xc2 ? 0 : at[0] < 0xe0 ? 2 : at[0] < 0xf0 ? 3 : at[0] < 0xf5 ? 4 : 0;
    unsigned point = bytes ? at[0] & (0xffU >> (bytes + 1)) : 0;
    for (size_t i = 1; i < bytes; i++) {
        if ((at[i] & 0xc0) != 0x80) return 0;
        point = point << 6 | (at[i] & 0x3fU);
    }
    bool wrong = point < least[bytes] || point < 0xa0 || point > 0x10ffff || (point >= 0xd800 && point < 0xe000);
    return wrong ? 0 : bytes;
}

/* Escapes one byte: \" and \\ in both formats, else \xHH, which JSON knows as \u00HH (there it stands for the byte). */
static size_t escape(const out *o, unsigned char byte, char text[ESCAPE_BYTES_MAX + 1])
{
    if (byte == '"' || byte == '\\') return (size_t)snprintf(text, ESCAPE_BYTES_MAX + 1, "\\%c", byte);
    return (size_t)snprintf(text, ESCAPE_BYTES_MAX + 1, o->json ? "\\u%04x" : "\\x%02x", byte);
}

/* The text, escaped, in at most `most` bytes. */
static void put(out *o, const char *text, size_t most)
{
    const unsigned char *at = (const unsigned char *)text;
    char *limit = o->end - o->at < (ptrdiff_t)most ? o->end : o->at + most;
    while (*at) {
        char escaped[ESCAPE_BYTES_MAX + 1];
        const char *piece = (const char *)at;
        size_t taken = *at >= 0x80 ? character(at) : (*at >= 0x20 && *at != 0x7f && *at != '"' && *at != '\\');
        size_t bytes = taken;
        if (taken == 0) {
            bytes = escape(o, *at, escaped);
            piece = escaped;
            taken = 1;
        }
        if (limit - o->at < (ptrdiff_t)bytes + 3) {
            if (limit - o->at >= 3) memcpy(o->at, "...", 3), o->at += 3;
            return;
        }
        memcpy(o->at, piece, bytes);
        o->at += bytes;
        at += taken;
    }
}

const char *gri_trace_id(const char *traceparent)
{
    /* 00-<32 digits>-<16 digits>-<2 digits>; a later version may go on behind another '-'. */
    static const size_t dashes[] = {2, 35, 52};
    size_t length = traceparent ? strlen(traceparent) : 0;
    if (length < 55 || strncmp(traceparent, "ff", 2) == 0) return NULL;
    if (length > 55 && (strncmp(traceparent, "00", 2) == 0 || traceparent[55] != '-')) return NULL;
    for (size_t i = 0, dash = 0; i < 55; i++) {
        if (dash < 3 && i == dashes[dash]) {
            if (traceparent[i] != '-') return NULL;
            dash++;
        } else if (!strchr("0123456789abcdef", traceparent[i])) {
            return NULL;
        }
    }
    return strspn(traceparent + 3, "0") >= TRACE_ID_BYTES ? NULL : traceparent + 3;
}

/* Combined and common ------------------------------------------------------------------------------------------------- */

static void put_or_dash(out *o, const char *text, size_t most)
{
    put(o, text && *text ? text : "-", most);
}

static void put_quoted(out *o, const char *text)
{
    print(o, " \"");
    put_or_dash(o, text, GRI_ACCESS_FIELD_BYTES);
    print(o, "\"");
}

/* A word: the blank, too, is escaped, so that what follows stays where it is. */
static void put_word(out *o, const char *text)
{
    char *from = o->at;
    put_or_dash(o, text, GRI_ACCESS_SHORT_BYTES);
    for (; from < o->at; from++)
        if (*from == ' ') *from = '_';
}

static void print_text(out *o, const gri_access_line *l)
{
    const gr_environ *env = l->env;
    const char *trace = gri_trace_id(gr_environ_header(env, "traceparent"));
    char when[64];
    struct tm utc;
    gmtime_r(&l->when.tv_sec, &utc);
    strftime(when, sizeof when, "%d/%b/%Y:%H:%M:%S +0000", &utc);
    print(o, "%s - - [%s] \"", l->remote, when);
    put_or_dash(o, env->method, GRI_ACCESS_SHORT_BYTES);
    if (*env->target) print(o, " ");
    put(o, env->target, GRI_ACCESS_TARGET_BYTES);
    print(o, "%s%s\" %d ", *env->protocol ? " " : "", env->protocol, l->status);
    if (l->bytes) {
        print(o, "%lld", (long long)l->bytes);
    } else {
        print(o, "-");
    }
    if (l->format == GR_ACCESS_COMMON) return;
    put_quoted(o, gr_environ_header(env, "referer"));
    put_quoted(o, gr_environ_header(env, "user-agent"));
    print(o, " %lld.%06lld ", (long long)(l->duration_ns / 1000000000), (long long)(l->duration_ns / 1000 % 1000000));
    put_word(o, gr_environ_header(env, "x-request-id"));
    print(o, " %.*s", trace ? TRACE_ID_BYTES : 1, trace ? trace : "-");
}

/* JSON ---------------------------------------------------------------------------------------------------------------- */

static void put_member(out *o, const char *key, const char *text, size_t most)
{
    if (!text || !*text) return;
    print(o, ",\"%s\":\"", key);
    put(o, text, most);
    print(o, "\"");
}

static void print_json(out *o, const gri_access_line *l)
{
    const gr_environ *env = l->env;
    const char *trace = gri_trace_id(gr_environ_header(env, "traceparent"));
    char when[64];
    struct tm utc;
    gmtime_r(&l->when.tv_sec, &utc);
    strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%S", &utc);
    print(o, "{\"time\":\"%s.%03ldZ\",\"remote\":\"%s\"", when, l->when.tv_nsec / 1000000, l->remote);
    put_member(o, "method", env->method, GRI_ACCESS_SHORT_BYTES);
    put_member(o, "target", env->target, GRI_ACCESS_TARGET_BYTES);
    put_member(o, "protocol", env->protocol, GRI_ACCESS_SHORT_BYTES);
    print(o, ",\"status\":%d,\"bytes\":%lld,\"duration_us\":%lld", l->status, (long long)l->bytes,
          (long long)(l->duration_ns / 1000));
    if (l->aborted) print(o, ",\"aborted\":true");
    put_member(o, "refused", l->refusal, GRI_ACCESS_FIELD_BYTES);
    put_member(o, "host", env->host, GRI_ACCESS_FIELD_BYTES);
    put_member(o, "referer", gr_environ_header(env, "referer"), GRI_ACCESS_FIELD_BYTES);
    put_member(o, "agent", gr_environ_header(env, "user-agent"), GRI_ACCESS_FIELD_BYTES);
    put_member(o, "request_id", gr_environ_header(env, "x-request-id"), GRI_ACCESS_SHORT_BYTES);
    if (trace) print(o, ",\"trace_id\":\"%.*s\"", TRACE_ID_BYTES, trace);
    print(o, "}");
}

size_t gri_access_line_print(const gri_access_line *line, char *buffer, size_t room)
{
    out o = {buffer, buffer + room - 1, line->format == GR_ACCESS_JSON};
    if (o.json) {
        print_json(&o, line);
    } else {
        print_text(&o, line);
    }
    *o.at++ = '\n';
    return (size_t)(o.at - buffer);
}
