/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
#include "rest/access_line.h"

#include <string.h>

enum { TRACE_ID_BYTES = 32, ESCAPE_BYTES_MAX = 6 };

typedef struct out {
    char *at, *end; /* end: a byte is kept for the newline */
    bool json;
} out;

/* No printf in here: a line would cost twice as much. */
static void put_n(out *o, const char *text, size_t bytes)
{
    size_t room = (size_t)(o->end - o->at);
    if (bytes > room) bytes = room;
    memcpy(o->at, text, bytes);
    o->at += bytes;
}

static void put_text(out *o, const char *text)
{
    put_n(o, text, strlen(text));
}

/* Decimal, with at least so many digits. */
static void put_number(out *o, int64_t number, int digits_min)
{
    char digits[24];
    size_t at = sizeof digits;
    uint64_t left = number < 0 ? 0 : (uint64_t)number;
    for (; left || digits_min > 0; left /= 10, digits_min--) digits[--at] = (char)('0' + left % 10);
    put_n(o, digits + at, sizeof digits - at);
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
    static const char digits[] = "0123456789abcdef";
    bool short_one = byte == '"' || byte == '\\';
    size_t used = 0;
    text[used++] = '\\';
    if (short_one) {
        text[used++] = (char)byte;
        return used;
    }
    text[used++] = o->json ? 'u' : 'x';
    if (o->json) text[used++] = '0', text[used++] = '0';
    text[used++] = digits[byte >> 4];
    text[used++] = digits[byte & 15];
    return used;
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
    put_text(o, " \"");
    put_or_dash(o, text, GRI_ACCESS_FIELD_BYTES);
    put_text(o, "\"");
}

/* A word: the blank, too, is escaped, so that what follows stays where it is. */
static void put_word(out *o, const char *text)
{
    char *from = o->at;
    put_or_dash(o, text, GRI_ACCESS_SHORT_BYTES);
    for (; from < o->at; from++)
        if (*from == ' ') *from = '_';
}

/* "23/Nov/2026:09:00:00 +0000" */
static void put_common_time(out *o, time_t seconds)
{
    static const char months[] = "/Jan//Feb//Mar//Apr//May//Jun//Jul//Aug//Sep//Oct//Nov//Dec/";
    struct tm utc = {0};
    gmtime_r(&seconds, &utc);
    put_number(o, utc.tm_mday, 2);
    put_n(o, months + utc.tm_mon * 5, 5);
    put_number(o, utc.tm_year + 1900, 4);
    put_text(o, ":");
    put_number(o, utc.tm_hour, 2);
    put_text(o, ":");
    put_number(o, utc.tm_min, 2);
    put_text(o, ":");
    put_number(o, utc.tm_sec, 2);
    put_text(o, " +0000");
}

static void put_request(out *o, const gr_environ *env)
{
    put_or_dash(o, env->method, GRI_ACCESS_SHORT_BYTES);
    if (*env->target) put_text(o, " ");
    put(o, env->target, GRI_ACCESS_TARGET_BYTES);
    if (*env->protocol) put_text(o, " ");
    put_text(o, env->protocol);
}

static void print_text(out *o, const gri_access_line *l)
{
    const gr_environ *env = l->env;
    const char *trace = NULL;
    put_text(o, l->remote);
    put_text(o, " - - [");
    put_common_time(o, l->when.tv_sec);
    put_text(o, "] \"");
    put_request(o, env);
    put_text(o, "\" ");
    put_number(o, l->status, 3);
    put_text(o, " ");
    if (l->bytes)
        put_number(o, l->bytes, 1);
    else
        put_text(o, "-");
    if (l->format == GR_ACCESS_COMMON) return;
    put_quoted(o, gr_environ_header(env, "referer"));
    put_quoted(o, gr_environ_header(env, "user-agent"));
    put_text(o, " ");
    put_number(o, l->duration_ns / 1000000000, 1);
    put_text(o, ".");
    put_number(o, l->duration_ns / 1000 % 1000000, 6);
    put_text(o, " ");
    put_word(o, gr_environ_header(env, "x-request-id"));
    put_text(o, " ");
    trace = gri_trace_id(gr_environ_header(env, "traceparent"));
    put_n(o, trace ? trace : "-", trace ? TRACE_ID_BYTES : 1);
}

/* JSON ---------------------------------------------------------------------------------------------------------------- */

/* `key` with its punctuation: ",\"method\":\"" */
static void put_member(out *o, const char *key, const char *text, size_t most)
{
    if (!text || !*text) return;
    put_text(o, key);
    put(o, text, most);
    put_text(o, "\"");
}

/* "2026-11-23T09:00:00.123Z" */
static void put_json_time(out *o, const struct timespec *when)
{
    struct tm utc = {0};
    gmtime_r(&when->tv_sec, &utc);
    const struct {
        int number, digits;
        const char *behind;
    } parts[] = {{utc.tm_year + 1900, 4, "-"},
                 {utc.tm_mon + 1, 2, "-"},
                 {utc.tm_mday, 2, "T"},
                 {utc.tm_hour, 2, ":"},
                 {utc.tm_min, 2, ":"},
                 {utc.tm_sec, 2, "."},
                 {(int)(when->tv_nsec / 1000000), 3, "Z"}};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        put_number(o, parts[i].number, parts[i].digits);
        put_text(o, parts[i].behind);
    }
}

static void print_json(out *o, const gri_access_line *l)
{
    const gr_environ *env = l->env;
    const char *trace = gri_trace_id(gr_environ_header(env, "traceparent"));
    put_text(o, "{\"time\":\"");
    put_json_time(o, &l->when);
    put_text(o, "\"");
    put_member(o, ",\"remote\":\"", l->remote, GRI_CLIENT_BYTES);
    put_member(o, ",\"method\":\"", env->method, GRI_ACCESS_SHORT_BYTES);
    put_member(o, ",\"target\":\"", env->target, GRI_ACCESS_TARGET_BYTES);
    put_member(o, ",\"protocol\":\"", env->protocol, GRI_ACCESS_SHORT_BYTES);
    put_text(o, ",\"status\":");
    put_number(o, l->status, 1);
    put_text(o, ",\"bytes\":");
    put_number(o, l->bytes, 1);
    put_text(o, ",\"duration_us\":");
    put_number(o, l->duration_ns / 1000, 1);
    if (l->aborted) put_text(o, ",\"aborted\":true");
    put_member(o, ",\"refused\":\"", l->refusal, GRI_ACCESS_FIELD_BYTES);
    put_member(o, ",\"host\":\"", env->host, GRI_ACCESS_FIELD_BYTES);
    put_member(o, ",\"referer\":\"", gr_environ_header(env, "referer"), GRI_ACCESS_FIELD_BYTES);
    put_member(o, ",\"agent\":\"", gr_environ_header(env, "user-agent"), GRI_ACCESS_FIELD_BYTES);
    put_member(o, ",\"request_id\":\"", gr_environ_header(env, "x-request-id"), GRI_ACCESS_SHORT_BYTES);
    if (trace) {
        put_text(o, ",\"trace_id\":\"");
        put_n(o, trace, TRACE_ID_BYTES);
        put_text(o, "\"");
    }
    put_text(o, "}");
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
