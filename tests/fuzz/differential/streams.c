/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
#include "streams.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rest/http_cases.h"

enum { CASES_MAX = 1024, CASE_BYTES_MAX = 2000 };

static struct {
    char *bytes;
    size_t count;
} cases[CASES_MAX];
static size_t case_count;

static void keep_case(const http_case *item, void *arg)
{
    (void)arg;
    if (case_count == CASES_MAX || item->byte_count > CASE_BYTES_MAX || item->byte_count == 0) return;
    char *copy = malloc(item->byte_count);
    if (!copy) abort();
    memcpy(copy, item->bytes, item->byte_count);
    cases[case_count].bytes = copy;
    cases[case_count++].count = item->byte_count;
}

size_t streams_load(const char *folder)
{
    http_cases_run(folder, keep_case, NULL);
    return case_count;
}

/* ---- chance ---- */

typedef struct maker {
    uint64_t state;
    stream *out;
    unsigned targets; /* so many have been named */
    size_t calm;      /* how much rarer than written the odd choices are */
} maker;

static uint64_t next(maker *m)
{
    uint64_t z = (m->state += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static size_t below(maker *m, size_t n)
{
    return (size_t)(next(m) % n);
}

static bool one_in(maker *m, size_t n)
{
    return below(m, n) == 0;
}

/* Shall something odd come? */
static bool odd(maker *m, size_t n)
{
    return below(m, n * m->calm) == 0;
}

#define PICK(m, list) ((list)[below((m), sizeof(list) / sizeof *(list))])

static void put(maker *m, const char *bytes, size_t count)
{
    stream *s = m->out;
    if (count > STREAM_BYTES - s->count) count = STREAM_BYTES - s->count;
    memcpy(s->bytes + s->count, bytes, count);
    s->count += count;
}

static void print(maker *m, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void print(maker *m, const char *format, ...)
{
    char text[1024];
    va_list args;
    va_start(args, format);
    int bytes = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    put(m, text, (size_t)bytes);
}

/* ---- the grammar ---- */

static const char *line_end(maker *m)
{
    static const char *const list[] = {"\n", "\r", "\r\r\n", "\n\r\n", " \r\n", "\r\n ", "\r\n\t", "\x0b\r\n", ""};
    return odd(m, 150) ? PICK(m, list) : "\r\n";
}

static void put_request_line(maker *m)
{
    static const char *const usual[] = {"GET", "POST", "GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH"};
    static const char *const odd_methods[] = {"get", "G\tET",    "GET ",    " GET", "G(T",
                                              "",    "POST\x0b", "\r\nGET", "\nGET"};
    static const char *const versions[] = {"HTTP/1.1", "HTTP/1.0",  "HTTP/1.2",  "HTTP/2.0",  "HTTP/1",    "HTTP/1.1 ",
                                           "http/1.1", "HTTP/01.1", "HTTP/1.10", "HTTP /1.1", "HTTP/1.1x", "HTTP/0.9"};
    static const char *const shapes[] = {"/%u",      "/%u?a=b&c", "/%u?x=%%20",  "http://h/%u", "/%u/../x",
                                         "/%u%%2fx", "/%u%%00",   "/%u#frag",    "/%u x",       "//%u",
                                         "/%u;a=b",  "%u",        "/%u\\x",      "/%u\x80",     "/a/./%u",
                                         "*",        "/%u%%zz",   "HTTP://H/%u", "http://h?%u", "/%u?\"<>"};
    const char *method = odd(m, 60) ? PICK(m, odd_methods) : PICK(m, usual);
    const char *version = odd(m, 40) ? PICK(m, versions) : one_in(m, 12) ? "HTTP/1.0" : "HTTP/1.1";
    const char *blank = odd(m, 120) ? PICK(m, ((const char *const[]){"  ", "\t", "\x0b", "\x0c", ""})) : " ";
    unsigned target = m->targets++;
    print(m, "%s%s", method, blank);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    print(m, odd(m, 12) ? PICK(m, shapes) : "/%u", target);
#pragma GCC diagnostic pop
    print(m, "%s%s%s", odd(m, 150) ? "  " : " ", version, line_end(m));
}

/* A field's name and colon, as it should be or nearly. */
static void put_name(maker *m, const char *name)
{
    char text[64];
    snprintf(text, sizeof text, "%s", name);
    size_t bytes = strlen(text);
    switch (below(m, 80 * m->calm)) {
    case 0: print(m, "%s :", text); break;
    case 1: print(m, " %s:", text); break;
    case 2: print(m, "%s\t:", text); break;
    case 3: print(m, "%s", text); break;
    case 4: text[bytes ? below(m, bytes) : 0] = (char)next(m), print(m, "%s:", text); break;
    case 5: print(m, "\t%s:", text); break;
    case 6:
        for (size_t i = 0; i < bytes; i++)
            if (text[i] == '-') text[i] = '_';
        print(m, "%s:", text);
        break;
    case 7: put(m, text, bytes), put(m, "\0:", 2); break;
    default:
        for (size_t i = 0; one_in(m, 6) && i < bytes; i++)
            if (text[i] >= 'a' && text[i] <= 'z' && one_in(m, 2)) text[i] = (char)(text[i] - 32);
        print(m, "%s:", text);
    }
    print(m, "%s", odd(m, 20) ? PICK(m, ((const char *const[]){"", "\t", "  ", " \t ", "\x0b", "\r\n ", "\n"})) : " ");
}

static void put_length(maker *m, size_t length)
{
    put_name(m, "Content-Length");
    switch (below(m, 40 * m->calm)) {
    case 0: print(m, "+%zu", length); break;
    case 1: print(m, "-%zu", length); break;
    case 2: print(m, "%zu, %zu", length, length); break;
    case 3: print(m, "%zu,%zu", length, length + 1); break;
    case 4: print(m, "0x%zx", length); break;
    case 5: print(m, "%zu.0", length); break;
    case 6: print(m, "0%zu", length); break;
    case 7: print(m, "%zu ", length); break;
    case 8: print(m, "%zu\t", length); break;
    case 9: print(m, "\"%zu\"", length); break;
    case 10: print(m, "%zu %zu", length, length); break;
    case 11: break;
    case 12: print(m, "18446744073709551616"); break;
    case 13: print(m, "%zu", length + 1 + below(m, 5)); break;
    case 14: print(m, "%zu", length / 2); break;
    case 15: print(m, "%zu;", length); break;
    case 16: print(m, "%zu\x0b", length); break;
    case 17: print(m, "%zu_0", length); break;
    case 18: print(m, "%zu\xa0", length); break;
    case 19: print(m, "%zue0", length); break;
    default: print(m, "%zu", length);
    }
    print(m, "%s", line_end(m));
}

static void put_coding(maker *m)
{
    static const char *const list[] = {"xchunked",
                                       "chunked, chunked",
                                       "identity",
                                       "chunked, identity",
                                       "gzip, chunked",
                                       "chunked;q",
                                       "\"chunked\"",
                                       "chunk",
                                       "chunked\x0b",
                                       "\x0b"
                                       "chunked",
                                       "chunked ",
                                       "chunked\t",
                                       ",chunked",
                                       "chunked,",
                                       "identity, chunked",
                                       "CHUNKED",
                                       "chunked gzip",
                                       "",
                                       "chunked\x00"
                                       "x",
                                       "chu nked",
                                       "Chunked",
                                       "chunked\r\n x",
                                       "chunked\rx"};
    put_name(m, "Transfer-Encoding");
    print(m, "%s%s", odd(m, 5) ? PICK(m, list) : "chunked", line_end(m));
}

static void put_others(maker *m)
{
    static const char *const lines[] = {
        "Connection: close\r\n",
        "Connection: keep-alive\r\n",
        "Connection: Keep-Alive, x\r\n",
        "Connection: transfer-encoding\r\n",
        "Expect: 100-continue\r\n",
        "Expect: 200-ok\r\n",
        "Upgrade: h2c\r\n",
        "Connection: upgrade\r\nUpgrade: x\r\n",
        "Host: other\r\n",
        "Host: h:80\r\n",
        "Trailer: X\r\n",
        "TE: trailers\r\n",
        "X-Long: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n",
        "X: a\r\n folded\r\n",
        "X: a\nY: b\r\n",
        "X: \xff\x80\r\n",
        "X:\r\n",
        ": empty\r\n",
        "X\r\n",
        "X: a\rb\r\n",
        "Content-Type: application/json\r\n",
        "Keep-Alive: timeout=5\r\n",
        "Proxy-Connection: close\r\n",
        "X-Forwarded-For: 1.2.3.4\r\n",
        "Authorization: Bearer x\r\n"};
    for (size_t left = below(m, 4); left > 0; left--) print(m, "%s", PICK(m, lines));
}

static void put_host(maker *m)
{
    static const char *const list[] = {"",     "h:",    "h:x",   "a b", "h/x", "u@h",
                                       "h, g", "[::1]", "h\x0b", "h#",  "*",   "h:99999"};
    if (odd(m, 40)) return;
    put_name(m, "Host");
    print(m, "%s%s", odd(m, 30) ? PICK(m, list) : "h", line_end(m));
}

static void put_request(maker *m, int depth);

/* What a body holds: text, or a request that some reader might take for one. */
static size_t make_content(maker *m, stream *content, int depth)
{
    maker inner = *m;
    inner.out = content;
    content->count = 0;
    if (depth < 2 && one_in(m, 2)) {
        inner.state = next(m);
        put_request(&inner, depth + 1);
        m->targets = inner.targets;
    } else {
        for (size_t left = below(m, 24); left > 0; left--) put(&inner, &"abc\r\n0: "[below(m, 8)], 1);
    }
    if (content->count > 1500) content->count = 1500;
    return content->count;
}

static void put_chunks(maker *m, const stream *content)
{
    static const char *const tails[] = {"",    ";x",   ";x=y", " ",  "\t", ";x=\"\r\n\"", ";\n",
                                        " ;x", "\x0b", "\r",   "_0", "h",  ";a;b",        ";a=b c"};
    static const char *const heads[] = {"",   "0",        "0x",      "+", "-", " ", "00000000000000000",
                                        "\t", "f0000000", "ffffffff"};
    static const char *const ends[] = {"0\r\n\r\n",         "0\r\n",
                                       "0\r\nX: y\r\n\r\n", "0;x\r\n\r\n",
                                       "00\r\n\r\n",        "0\n\n",
                                       "0\r\n\r\r\n",       "0\r\nContent-Length: 5\r\n\r\n",
                                       "0\r\n\n",           "",
                                       "0\r\r\n\r\n",       "0 \r\n\r\n",
                                       "-0\r\n\r\n",        "0\r\n X: y\r\n\r\n"};
    for (size_t at = 0; at < content->count;) {
        size_t bytes = 1 + below(m, content->count - at), said = bytes;
        if (odd(m, 60)) said += one_in(m, 2) ? 1 : (size_t)-1;
        if (odd(m, 40)) print(m, "%s", PICK(m, heads));
        print(m, one_in(m, 3) ? "%zX" : "%zx", said);
        if (odd(m, 30)) print(m, "%s", PICK(m, tails));
        print(m, "%s", line_end(m));
        put(m, content->bytes + at, bytes);
        print(m, "%s", line_end(m));
        at += bytes;
    }
    print(m, "%s", odd(m, 10) ? PICK(m, ends) : "0\r\n\r\n");
}

static void put_request(maker *m, int depth)
{
    static __thread stream contents[4];
    stream *content = &contents[depth];
    enum { NONE, LENGTH, CHUNKS, BOTH, TWICE };
    unsigned framing = (unsigned)below(m, 100);
    framing = framing < 35                 ? NONE
              : framing < 60               ? LENGTH
              : framing < 85 || !odd(m, 1) ? CHUNKS
              : framing < 95               ? BOTH
                                           : TWICE;
    if (odd(m, 30)) print(m, "%s", PICK(m, ((const char *const[]){"\r\n", "\n", "\r\n\r\n", " ", "\r"})));
    put_request_line(m);
    put_host(m);
    if (odd(m, 3)) put_others(m);
    size_t length = framing == NONE ? 0 : make_content(m, content, depth);
    if (framing == LENGTH || framing == TWICE) put_length(m, length);
    if (framing == TWICE) put_length(m, one_in(m, 2) ? length : length / 2);
    if (framing == BOTH && one_in(m, 2)) put_length(m, length);
    if (framing == CHUNKS || framing == BOTH) put_coding(m);
    if (framing == BOTH && one_in(m, 2)) put_length(m, one_in(m, 2) ? length + 12 : 4);
    if (framing == CHUNKS && odd(m, 25)) put_coding(m);
    if (odd(m, 6)) put_others(m);
    print(m, "%s", line_end(m));
    if (framing == CHUNKS || framing == BOTH)
        put_chunks(m, content);
    else if (framing != NONE)
        put(m, content->bytes, length);
}

/* ---- changed cases ---- */

static void change(maker *m)
{
    static const char *const pieces[] = {"\r\n",
                                         "\n",
                                         "\r",
                                         " ",
                                         "\t",
                                         ":",
                                         ",",
                                         "\0",
                                         "0\r\n\r\n",
                                         "\r\n ",
                                         "chunked",
                                         "Transfer-Encoding: chunked\r\n",
                                         "Content-Length: 3\r\n",
                                         "Host: h\r\n",
                                         ";",
                                         "0",
                                         "1",
                                         "a",
                                         "%00",
                                         "\x0b",
                                         "HTTP/1.1",
                                         "GET /z HTTP/1.1\r\nHost: h\r\n\r\n"};
    stream *s = m->out;
    for (size_t edits = 1 + below(m, 3); edits > 0 && s->count > 0; edits--) {
        size_t at = below(m, s->count);
        const char *piece = PICK(m, pieces);
        size_t bytes = *piece ? strlen(piece) : 1;
        switch (below(m, 6)) {
        case 0: s->bytes[at] = (char)next(m); break;
        case 1: s->bytes[at] ^= (char)(1u << below(m, 8)); break;
        case 2:
            memmove(s->bytes + at, s->bytes + at + 1, s->count - at - 1);
            s->count--;
            break;
        case 3: /* a run twice */
            bytes = 1 + below(m, s->count - at);
            if (bytes > 200) bytes = 200;
            piece = s->bytes + at;
            /* fall through */
        default:
            if (s->count + bytes > STREAM_BYTES) break;
            memmove(s->bytes + at + bytes, s->bytes + at, s->count - at);
            if (piece < s->bytes || piece >= s->bytes + STREAM_BYTES) memcpy(s->bytes + at, piece, bytes);
            s->count += bytes;
        }
    }
}

static void make(stream *ret_stream, uint64_t seed, uint64_t number)
{
    maker m = {.state = seed ^ number * UINT64_C(0xd1342543de82ef95), .out = ret_stream, .calm = 1};
    ret_stream->count = 0;
    if (case_count > 0 && one_in(&m, 3)) {
        size_t which = below(&m, case_count);
        put(&m, cases[which].bytes, cases[which].count);
        if (one_in(&m, 2)) put(&m, "GET /after HTTP/1.1\r\nHost: h\r\n\r\n", 32);
        change(&m);
        return;
    }
    m.calm = PICK(&m, ((const size_t[]){1, 5, 30}));
    for (size_t left = 1 + below(&m, 4); left > 0; left--) put_request(&m, 0);
    if (odd(&m, 3)) change(&m);
    if (one_in(&m, 40) && ret_stream->count > 1) ret_stream->count = 1 + below(&m, ret_stream->count);
}

void stream_make(stream *ret_stream, uint64_t seed, uint64_t number)
{
    make(ret_stream, seed, number);
    if (ret_stream->count == 0) ret_stream->bytes[ret_stream->count++] = '\r'; /* there is always something to send */
}
