/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* URLs of actors in normal form, so that equal ones are equal texts, and a list of what is allowed sees what is asked. */
#include "io/fetch.h"
#include "io/remote_http.h"
#include "message/utf8.h"

#include <string.h>

typedef struct writer {
    char *at, *end; /* the end keeps room for a NUL */
    bool full;
} writer;

static void put(writer *w, char c)
{
    if (w->at == w->end)
        w->full = true;
    else
        *w->at++ = c;
}

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
}

/* Needs no escape in a path; without '*' and ',', which mean something in lists. */
static bool is_plain(char c)
{
    char small = lower(c);
    return (c >= '0' && c <= '9') || (small >= 'a' && small <= 'z') || (c && strchr("-._~@:!$&'()+;=", c));
}

static void put_path_byte(writer *w, unsigned char c)
{
    static const char digits[] = "0123456789ABCDEF";
    if (is_plain((char)c)) {
        put(w, (char)c);
        return;
    }
    put(w, '%');
    put(w, digits[c >> 4]);
    put(w, digits[c & 15]);
}

static int digit(char c)
{
    if (c >= '0' && c <= '9') return c - '0';
    c = lower(c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* One byte of a path, perhaps escaped; goes behind it. -1: that is no escape. */
static int take(const char **at, const char *end)
{
    if (**at != '%') return (unsigned char)*(*at)++;
    int high = end - *at >= 3 ? digit((*at)[1]) : -1, low = high >= 0 ? digit((*at)[2]) : -1;
    if (low < 0) return -1;
    *at += 3;
    return high << 4 | low;
}

/* The decoded bytes between two slashes. */
static const char *check_segment(const char *text, size_t bytes)
{
    if (bytes == 0) return "its path has an empty segment";
    if (text[0] == '-' && bytes == 1) return "its path has a segment \"-\"";
    if (text[0] == '.' && (bytes == 1 || (bytes == 2 && text[1] == '.')))
        return "its path has a segment \".\" or \"..\"";
    for (size_t i = 0; i < bytes; i++)
        if ((unsigned char)text[i] < ' ' || text[i] == 0x7f || text[i] == '/')
            return "its path has an escape for what no name has";
    return gri_utf8_valid(text, bytes) ? NULL : "its path is no UTF-8";
}

static const char *put_path(writer *w, const char *at, const char *end)
{
    char segment[GR_REMOTE_URL_BYTES];
    while (at < end) {
        size_t bytes = 0;
        at++; /* the slash */
        while (at < end && *at != '/') {
            int c = take(&at, end);
            if (c < 0) return "its path has a '%' that begins no escape";
            if (bytes == sizeof segment) return "it is too long";
            segment[bytes++] = (char)c;
        }
        const char *why = check_segment(segment, bytes);
        if (why) return why;
        put(w, '/');
        for (size_t i = 0; i < bytes; i++) put_path_byte(w, (unsigned char)segment[i]);
    }
    return NULL;
}

static const char *normal(const char *text, bool is_base, char *url)
{
    gri_url u;
    const char *why = NULL;
    if (gri_url_parse(text, &u, &why) != 0) return why;
    const char *path = u.target, *end = path + u.target_bytes;
    if (path[strcspn(path, "?#")] != '\0') return "it has a query or a fragment";
    if (is_base && end > path && end[-1] == '/') end--;
    if (!is_base && end - path < 2) return "it names no actor: a path is missing";
    writer w = {url, url + GR_REMOTE_URL_BYTES - 1, false};
    for (const char *s = u.tls ? "https://" : "http://"; *s; s++) put(&w, *s);
    for (const char *s = u.authority; *s; s++) put(&w, lower(*s));
    why = put_path(&w, path, end);
    *w.at = '\0';
    return why ? why : w.full ? "it is too long" : NULL;
}

int gri_remote_url_normal(const char *text, size_t bytes, bool is_base, char url[GR_REMOTE_URL_BYTES],
                          const char **ret_why)
{
    char copy[4 * GR_REMOTE_URL_BYTES], made[GR_REMOTE_URL_BYTES];
    const char *why = "it is too long";
    if (bytes < sizeof copy) {
        memcpy(copy, text, bytes);
        copy[bytes] = '\0';
        why = strlen(copy) == bytes ? normal(copy, is_base, made) : "it has a NUL in it";
    }
    if (why) {
        *ret_why = why;
        return GR_EINVAL;
    }
    memcpy(url, made, strlen(made) + 1);
    return 0;
}

size_t gri_remote_origin_bytes(const char *url)
{
    const char *host = strstr(url, "://");
    return host ? (size_t)(host + 3 - url) + strcspn(host + 3, "/") : strlen(url);
}

bool gri_remote_url_name(const char *url, const char *base, char name[GR_NAME_BYTES_MAX + 1])
{
    const size_t bytes = strlen(base);
    if (strncmp(url, base, bytes) != 0 || url[bytes] != '/' || url[bytes + 1] == '\0') return false;
    const char *at = url + bytes + 1, *end = url + strlen(url);
    size_t used = 0;
    while (at < end) {
        if (used == GR_NAME_BYTES_MAX) return false;
        name[used++] = (char)take(&at, end);
    }
    name[used] = '\0';
    return true;
}
