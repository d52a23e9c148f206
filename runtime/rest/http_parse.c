/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
#include "rest/http_parse.h"

#include <string.h>

#include "rest/http_target.h"

/* What a byte may be part of. In values bytes from 0x80 up are opaque text; nowhere else are they allowed. */
enum { TOKEN = 1, LINE = 2, VALUE = 4 };

/* clang-format off */
#define V6 (LINE | VALUE)
#define T7 (TOKEN | LINE | VALUE)
#define X4 VALUE
static const unsigned char classes[256] = {
    0, 0, 0, 0, 0, 0, 0, 0, 0, X4, 0, 0, 0, 0, 0, 0, /* controls; HTAB */
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
    V6, T7, V6, T7, T7, T7, T7, T7, V6, V6, T7, T7, V6, T7, T7, V6, /*   ! " # $ % & ' ( ) * + , - . / */
    T7, T7, T7, T7, T7, T7, T7, T7, T7, T7, V6, V6, V6, V6, V6, V6, /* 0 to 9 : ; < = > ? */
    V6, T7, T7, T7, T7, T7, T7, T7, T7, T7, T7, T7, T7, T7, T7, T7, /* @ A to O */
    T7, T7, T7, T7, T7, T7, T7, T7, T7, T7, T7, V6, V6, V6, T7, T7, /* P to Z [ \ ] ^ _ */
    T7, T7, T7, T7, T7, T7, T7, T7, T7, T7, T7, T7, T7, T7, T7, T7, /* ` a to o */
    T7, T7, T7, T7, T7, T7, T7, T7, T7, T7, T7, V6, T7, V6, T7, 0,  /* p to z { | } ~ DEL */
    X4, X4, X4, X4, X4, X4, X4, X4, X4, X4, X4, X4, X4, X4, X4, X4, X4, X4, X4, X4, X4, X4, X4, X4, X4, X4, X4, X4, X4, X4, X4, X4,
    X4, X4, X4, X4, X4, X4, X4, X4, X4, X4, X4, X4, X4, X4, X4, X4, X4, X4, X4, X4, X4, X4, X4, X4, X4, X4, X4, X4, X4, X4, X4, X4,
    X4, X4, X4, X4, X4, X4, X4, X4, X4, X4, X4, X4, X4, X4, X4, X4, X4, X4, X4, X4, X4, X4, X4, X4, X4, X4, X4, X4, X4, X4, X4, X4,
    X4, X4, X4, X4, X4, X4, X4, X4, X4, X4, X4, X4, X4, X4, X4, X4, X4, X4, X4, X4, X4, X4, X4, X4, X4, X4, X4, X4, X4, X4, X4, X4,
};
#undef V6
#undef T7
#undef X4
/* clang-format on */

static enum gri_http_progress refuse(gri_http_head *head, int status, const char *why, size_t where)
{
    head->status = status;
    head->why = why;
    head->where = (uint32_t)where;
    return GRI_HTTP_REFUSED;
}

static gri_http_span span_of(size_t from, size_t to)
{
    return (gri_http_span){(uint16_t)from, (uint16_t)(to - from)};
}

static char lower(char c)
{
    return (char)(c >= 'A' && c <= 'Z' ? c + 32 : c);
}

bool gri_http_same(const char *a, size_t a_bytes, const char *b, size_t b_bytes)
{
    if (a_bytes != b_bytes) return false;
    for (size_t i = 0; i < a_bytes; i++)
        if (lower(a[i]) != lower(b[i])) return false;
    return true;
}

#define SAME(text, bytes, literal) gri_http_same((text), (bytes), (literal), sizeof(literal) - 1)

bool gri_http_is_token(const char *text, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++)
        if (!(classes[(unsigned char)text[i]] & TOKEN)) return false;
    return bytes > 0;
}

void gri_http_head_init(gri_http_head *head, const gri_http_limits *limits, gri_http_field *fields)
{
    *head = (gri_http_head){.limits = *limits, .fields = fields};
    if (head->limits.head_bytes > UINT16_MAX) head->limits.head_bytes = UINT16_MAX;
}

bool gri_http_head_started(const gri_http_head *head)
{
    return head->lines > 0 || head->scan > head->line;
}

/* http://authority[/path][?query]; https over TLS: the other scheme is another server's */
static enum gri_http_progress split_absolute(gri_http_head *head, const char *buffer, size_t from, size_t to,
                                             size_t *ret_path)
{
    size_t scheme = head->limits.secure ? 8 : 7, authority = from + scheme, at = authority;
    if (to - from < scheme ||
        !gri_http_same(buffer + from, scheme, head->limits.secure ? "https://" : "http://", scheme))
        return refuse(head, 400, "a target of unknown form", from);
    while (at < to && buffer[at] != '/' && buffer[at] != '?') at++;
    if (!gri_http_authority_valid(buffer + authority, at - authority))
        return refuse(head, 400, "a malformed authority in the target", authority);
    head->form = GRI_HTTP_ABSOLUTE;
    head->host = span_of(authority, at);
    *ret_path = at;
    return GRI_HTTP_MORE;
}

static enum gri_http_progress read_target(gri_http_head *head, const char *buffer, size_t from, size_t to)
{
    bool options = SAME(buffer + head->method.at, head->method.bytes, "OPTIONS");
    size_t path = from, where = 0;
    head->target = span_of(from, to);
    if (to - from == 1 && buffer[from] == '*') {
        head->form = GRI_HTTP_ASTERISK;
        head->path = head->target;
        return options ? GRI_HTTP_MORE : refuse(head, 400, "the target * is for OPTIONS only", from);
    }
    if (to == from) return refuse(head, 400, "an empty target", from);
    if (buffer[from] != '/' && split_absolute(head, buffer, from, to, &path) == GRI_HTTP_REFUSED)
        return GRI_HTTP_REFUSED;

    const char *mark = memchr(buffer + path, '?', to - path);
    size_t path_end = mark ? (size_t)(mark - buffer) : to;
    head->path = span_of(path, path_end);
    if (path_end > path) { /* only absolute-form may be without */
        const char *why = gri_http_path_check(buffer + path, path_end - path, &where);
        if (why) return refuse(head, 400, why, path + where);
    }
    if (mark) {
        head->has_query = true;
        head->query = span_of(path_end + 1, to);
        const char *why = gri_http_query_check(buffer + path_end + 1, to - path_end - 1, &where);
        if (why) return refuse(head, 400, why, path_end + 1 + where);
    }
    return GRI_HTTP_MORE;
}

/* method SP target SP HTTP/1.x: exactly two blanks */
static enum gri_http_progress read_request_line(gri_http_head *head, const char *buffer, size_t from, size_t to)
{
    const char *first = memchr(buffer + from, ' ', to - from);
    if (!first) return refuse(head, 400, "no request line", from);
    size_t method_end = (size_t)(first - buffer);
    if (!gri_http_is_token(buffer + from, method_end - from))
        return refuse(head, 400, "the method is not a token", from);
    head->method = span_of(from, method_end);
    const char *second = memchr(first + 1, ' ', to - method_end - 1);
    if (!second) return refuse(head, 400, "no version in the request line", method_end);
    size_t target_end = (size_t)(second - buffer);
    const char *version = second + 1;
    size_t version_bytes = to - target_end - 1;

    if (version_bytes != 8 || memcmp(version, "HTTP/", 5) != 0 || version[5] < '0' || version[5] > '9' ||
        version[6] != '.' || version[7] < '0' || version[7] > '9')
        return refuse(head, 400, "a malformed version", target_end + 1);
    if (version[5] != '1' || version[7] > '1')
        return refuse(head, 505, "a version other than 1.0 and 1.1", target_end + 1);
    head->minor = (uint8_t)(version[7] - '0');
    if (head->method.bytes == 7 && memcmp(buffer + from, "CONNECT", 7) == 0)
        return refuse(head, 400, "CONNECT to a server that is no proxy", from);
    return read_target(head, buffer, method_end + 1, target_end);
}

static enum gri_http_progress read_length(gri_http_head *head, const char *value, size_t bytes)
{
    if (head->has_length) return refuse(head, 400, "Content-Length given twice", head->line);
    uint64_t length = 0;
    for (size_t i = 0; i < bytes; i++) {
        if (value[i] < '0' || value[i] > '9')
            return refuse(head, 400, "Content-Length is not a plain number", head->line);
        length =
            length > UINT64_MAX / 10 - 1 ? UINT64_MAX : length * 10 + (uint64_t)(value[i] - '0'); /* sticks: too big */
    }
    if (bytes == 0) return refuse(head, 400, "an empty Content-Length", head->line);
    head->has_length = true;
    head->length = length;
    return GRI_HTTP_MORE;
}

/* Codings before a final `chunked` we know how to frame but not how to decode: 501; the rest leaves the length unknown. */
static enum gri_http_progress read_coding(gri_http_head *head, const char *value, size_t bytes)
{
    if (head->saw_coding) return refuse(head, 400, "Transfer-Encoding given twice", head->line);
    head->saw_coding = true;
    if (head->minor == 0) return refuse(head, 400, "Transfer-Encoding in HTTP/1.0", head->line);
    head->chunked = SAME(value, bytes, "chunked");
    if (head->chunked) return GRI_HTTP_MORE;
    const char *comma = memchr(value, ',', bytes);
    if (comma && gri_http_is_token(value, (size_t)(comma - value)) &&
        !SAME(value, (size_t)(comma - value), "chunked") &&
        (SAME(comma, bytes - (size_t)(comma - value), ", chunked") ||
         SAME(comma, bytes - (size_t)(comma - value), ",chunked")))
        return refuse(head, 501, "a transfer coding other than chunked", head->line);
    return refuse(head, 400, "a Transfer-Encoding that is not exactly chunked", head->line);
}

/* The fields that say where the message ends and whom it is for. */
static bool is_framing(const char *name, size_t bytes)
{
    return SAME(name, bytes, "host") || SAME(name, bytes, "content-length") || SAME(name, bytes, "transfer-encoding");
}

static enum gri_http_progress read_connection(gri_http_head *head, const char *value, size_t bytes)
{
    for (size_t from = 0; from <= bytes;) {
        const char *comma = from < bytes ? memchr(value + from, ',', bytes - from) : NULL;
        size_t next = comma ? (size_t)(comma - value) + 1 : bytes + 1, to = next - 1;
        while (from < to && (value[from] == ' ' || value[from] == '\t')) from++;
        while (to > from && (value[to - 1] == ' ' || value[to - 1] == '\t')) to--;
        if (to > from && !gri_http_is_token(value + from, to - from))
            return refuse(head, 400, "Connection is not a list of tokens", head->line);
        if (is_framing(value + from,
                       to - from)) /* whoever passes it on takes that field off, and reads another message */
            return refuse(head, 400, "Connection names a field that frames the message", head->line);
        if (SAME(value + from, to - from, "close")) head->saw_close = true;
        if (SAME(value + from, to - from, "keep-alive")) head->saw_keep_alive = true;
        from = next;
    }
    return GRI_HTTP_MORE;
}

static enum gri_http_progress read_host(gri_http_head *head, const char *buffer, gri_http_span value)
{
    if (head->has_host) return refuse(head, 400, "Host given twice", head->line);
    head->has_host = true;
    if (!gri_http_authority_valid(buffer + value.at, value.bytes))
        return refuse(head, 400, "a malformed Host", head->line);
    if (head->form != GRI_HTTP_ABSOLUTE) {
        head->host = value;
    } else if (!gri_http_same(buffer + value.at, value.bytes, buffer + head->host.at, head->host.bytes)) {
        return refuse(head, 400, "Host differs from the target's authority", head->line);
    }
    return GRI_HTTP_MORE;
}

/* To those who make variables of names, as CGI does, it is the same name. */
static const char underscore[] = "an underscore in the name of a field that frames the message";

/* The fields that frame the message or decide the connection's fate; all others are the application's. */
static enum gri_http_progress read_known(gri_http_head *head, const char *buffer, const gri_http_field *field)
{
    const char *name = buffer + field->name.at, *value = buffer + field->value.at;
    switch (field->name.bytes) {
    case 4: return SAME(name, 4, "host") ? read_host(head, buffer, field->value) : GRI_HTTP_MORE;
    case 6:
        if (!SAME(name, 6, "expect")) return GRI_HTTP_MORE;
        if (head->saw_expect || !SAME(value, field->value.bytes, "100-continue"))
            return refuse(head, 417, "an expectation other than 100-continue", head->line);
        head->saw_expect = true;
        return GRI_HTTP_MORE;
    case 10: return SAME(name, 10, "connection") ? read_connection(head, value, field->value.bytes) : GRI_HTTP_MORE;
    case 14:
        if (SAME(name, 14, "content_length")) return refuse(head, 400, underscore, head->line);
        return SAME(name, 14, "content-length") ? read_length(head, value, field->value.bytes) : GRI_HTTP_MORE;
    case 17:
        if (SAME(name, 17, "transfer_encoding")) return refuse(head, 400, underscore, head->line);
        return SAME(name, 17, "transfer-encoding") ? read_coding(head, value, field->value.bytes) : GRI_HTTP_MORE;
    default: return GRI_HTTP_MORE;
    }
}

static enum gri_http_progress read_field(gri_http_head *head, const char *buffer, size_t from, size_t to)
{
    if (buffer[from] == ' ' || buffer[from] == '\t') return refuse(head, 400, "a folded line", from);
    const char *colon = memchr(buffer + from, ':', to - from);
    if (!colon) return refuse(head, 400, "a field without a colon", from);
    size_t name_end = (size_t)(colon - buffer), value = name_end + 1;
    if (!gri_http_is_token(buffer + from, name_end - from))
        return refuse(head, 400, "a field name that is not a token", from);
    bool tab = false;
    for (; value < to && (buffer[value] == ' ' || buffer[value] == '\t'); value++) tab |= buffer[value] == '\t';
    for (; to > value && (buffer[to - 1] == ' ' || buffer[to - 1] == '\t'); to--) tab |= buffer[to - 1] == '\t';
    if (tab && is_framing(buffer + from, name_end - from)) /* some take it for a part of the value */
        return refuse(head, 400, "a tab around a value that frames the message", from);
    if (head->field_count == head->limits.fields) return refuse(head, 431, "too many fields", from);
    gri_http_field *field = &head->fields[head->field_count++];
    *field = (gri_http_field){span_of(from, name_end), span_of(value, to)};
    return read_known(head, buffer, field);
}

/* The rules that need the whole head. */
static enum gri_http_progress finish(gri_http_head *head)
{
    if (head->minor == 1 && !head->has_host) return refuse(head, 400, "no Host in HTTP/1.1", 0);
    if (head->chunked && head->has_length) return refuse(head, 400, "both Content-Length and Transfer-Encoding", 0);
    if (head->length > head->limits.body_bytes) return refuse(head, 413, "a body over the limit", 0);
    head->keep_alive = !head->saw_close && (head->minor == 1 || head->saw_keep_alive);
    head->expect_continue = head->saw_expect && head->minor == 1 && (head->chunked || head->length > 0);
    head->bytes = head->scan;
    return GRI_HTTP_DONE;
}

/* One complete line, its CRLF taken off. */
static enum gri_http_progress read_line(gri_http_head *head, const char *buffer, size_t from, size_t to)
{
    if (head->lines == 0 && from == to) {
        if (head->skipped_blank) return refuse(head, 400, "empty lines before the request line", from);
        head->skipped_blank = true;
        return GRI_HTTP_MORE;
    }
    if (head->lines++ == 0) return read_request_line(head, buffer, from, to);
    return from == to ? finish(head) : read_field(head, buffer, from, to);
}

/* Looks at each byte once, in order, so that the first offence decides however the bytes arrived. */
enum gri_http_progress gri_http_head_feed(gri_http_head *head, const char *buffer, size_t bytes)
{
    size_t at = head->scan;
    const size_t max = head->limits.head_bytes;
    while (at < bytes) {
        unsigned char allowed = head->lines == 0 ? LINE : VALUE;
        size_t line_max = head->lines == 0 ? head->line + head->limits.line_bytes : max;
        size_t stop = bytes < max ? bytes : max, end = stop < line_max ? stop : line_max;
        while (allowed == VALUE && at + 8 <= end && gri_http_eight_clean(buffer + at)) at += 8;
        while (at < end && (classes[(unsigned char)buffer[at]] & allowed)) at++;
        head->scan = (uint32_t)at;
        if (at >= stop) break;
        if (buffer[at] != '\r') {
            if (head->lines == 0 && at >= line_max && buffer[at] != '\n')
                return refuse(head, 414, "a request line over the limit", at);
            return refuse(head, 400, buffer[at] == '\n' ? "a line feed without carriage return" : "a control byte", at);
        }
        if (at + 1 >= stop) break;
        if (buffer[at + 1] != '\n') return refuse(head, 400, "a carriage return without line feed", at);
        size_t from = head->line;
        at += 2;
        head->scan = head->line = (uint32_t)at;
        enum gri_http_progress progress = read_line(head, buffer, from, at - 2);
        if (progress != GRI_HTTP_MORE) return progress;
    }
    if (bytes >= max) return refuse(head, 431, "a head over the limit", max);
    return GRI_HTTP_MORE;
}
