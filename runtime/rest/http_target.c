/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
#include "rest/http_target.h"

#include <stdint.h>
#include <string.h>

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

static bool is_alnum(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* RFC 3986 pchar without pct-encoded, and '/': letters, digits and /-._~!$&'()*+,;=:@ */
static bool is_path_char(char c)
{
    static const uint64_t set[4] = {UINT64_C(0x2fffffd200000000), UINT64_C(0x47fffffe87ffffff)};
    unsigned char byte = (unsigned char)c;
    return set[byte / 64] >> byte % 64 & 1;
}

/* The byte at `at`, decoded; *ret_bytes is what it takes in the text; -1 if malformed. */
static int decoded_at(const char *text, size_t bytes, size_t at, size_t *ret_bytes)
{
    if (text[at] != '%') {
        *ret_bytes = 1;
        return (unsigned char)text[at];
    }
    if (bytes - at < 3) return -1;
    int high = hex_digit(text[at + 1]), low = hex_digit(text[at + 2]);
    if (high < 0 || low < 0) return -1;
    *ret_bytes = 3;
    return high * 16 + low;
}

const char *gri_http_path_check(const char *path, size_t bytes, size_t *ret_where)
{
    *ret_where = 0;
    if (bytes == 0 || path[0] != '/') return "the path does not begin with a slash";
    size_t dots = 0, others = 0, step = 0;
    for (size_t at = 0; at < bytes; at += step) {
        *ret_where = at;
        if (path[at] != '%' && !is_path_char(path[at])) return "a character that is not allowed in a path";
        int byte = decoded_at(path, bytes, at, &step);
        if (byte < 0) return "a malformed percent-encoding";
        if (byte == 0) return "%00 in the path";
        if (byte == '/' && step == 3) return "%2F in the path";
        if (byte == '/') {
            if (others == 0 && (dots == 1 || dots == 2)) return "a dot segment in the path";
            dots = others = 0;
        } else if (byte == '.') {
            dots++;
        } else {
            others++;
        }
    }
    if (others == 0 && (dots == 1 || dots == 2)) return "a dot segment in the path";
    return NULL;
}

const char *gri_http_query_check(const char *query, size_t bytes, size_t *ret_where)
{
    size_t step = 0;
    for (size_t at = 0; at < bytes; at += step) {
        *ret_where = at;
        if (query[at] != '%' && query[at] != '?' && !is_path_char(query[at]))
            return "a character that is not allowed in a query";
        if (decoded_at(query, bytes, at, &step) < 0) return "a malformed percent-encoding";
    }
    return NULL;
}

static bool port_valid(const char *text, size_t bytes)
{
    uint32_t port = 0;
    if (bytes == 0 || bytes > 5) return false;
    for (size_t i = 0; i < bytes; i++) {
        if (text[i] < '0' || text[i] > '9') return false;
        port = port * 10 + (uint32_t)(text[i] - '0');
    }
    return port <= 65535;
}

bool gri_http_authority_valid(const char *text, size_t bytes)
{
    size_t at = 0;
    if (bytes == 0 || bytes > 255 + 6) return false;
    if (text[0] == '[') {
        for (at = 1; at < bytes && text[at] != ']'; at++)
            if (hex_digit(text[at]) < 0 && text[at] != ':' && text[at] != '.') return false;
        if (at == bytes || at < 3) return false;
        at++;
    } else {
        while (at < bytes && (is_alnum(text[at]) || text[at] == '-' || text[at] == '.' || text[at] == '_')) at++;
        if (at == 0) return false;
    }
    return at == bytes || (text[at] == ':' && port_valid(text + at + 1, bytes - at - 1));
}

size_t gri_http_percent_decode(const char *in, size_t bytes, char *out)
{
    size_t used = 0, step = 0;
    for (size_t at = 0; at < bytes; at += step) {
        int byte = decoded_at(in, bytes, at, &step);
        if (byte < 0) {
            byte = (unsigned char)in[at];
            step = 1;
        }
        out[used++] = (char)byte;
    }
    return used;
}

size_t gri_http_percent_encode(const char *in, size_t bytes, char *out)
{
    static const char digits[] = "0123456789ABCDEF";
    size_t used = 0;
    for (size_t i = 0; i < bytes; i++) {
        unsigned char c = (unsigned char)in[i];
        if (is_path_char(in[i])) {
            out[used++] = in[i];
        } else {
            out[used++] = '%';
            out[used++] = digits[c >> 4];
            out[used++] = digits[c & 15];
        }
    }
    return used;
}
