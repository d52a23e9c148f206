/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
#include "actor/remote_allow.h"

#include <string.h>
#include <strings.h>

/* Pieces of an entry or a URL: each a place in the text and its length. */
typedef struct piece {
    const char *at;
    size_t bytes;
} piece;

typedef struct parts {
    bool all; /* "*" */
    piece scheme, host, port, path;
} parts;

static bool is_name_byte(char c)
{
    char lower = (char)(c | 0x20);
    return (c >= '0' && c <= '9') || (lower >= 'a' && lower <= 'z') || c == '-' || c == '_' || c == '.';
}

/* "example.org", "*.example.org", "[::1]" */
static bool is_host(piece host)
{
    if (host.bytes > 3 && host.at[0] == '[' && host.at[host.bytes - 1] == ']') {
        for (size_t i = 1; i + 1 < host.bytes; i++)
            if (!strchr("0123456789abcdefABCDEF:.", host.at[i])) return false;
        return true;
    }
    if (host.bytes > 2 && memcmp(host.at, "*.", 2) == 0) host.at += 2, host.bytes -= 2;
    for (size_t i = 0; i < host.bytes; i++)
        if (!is_name_byte(host.at[i])) return false;
    return host.bytes > 0;
}

static bool is_port(piece port)
{
    unsigned number = 0;
    if (port.bytes == 1 && *port.at == '*') return true;
    for (size_t i = 0; i < port.bytes; i++) {
        if (port.at[i] < '0' || port.at[i] > '9' || number > 65535) return false;
        number = number * 10 + (unsigned)(port.at[i] - '0');
    }
    return port.bytes > 0 && port.at[0] != '0' && number <= 65535;
}

static bool is_path(piece path)
{
    for (size_t i = 0; i < path.bytes; i++)
        if (path.at[i] <= ' ' || path.at[i] >= 0x7f || strchr("\"<>\\^`{|}?#*", path.at[i])) return false;
    return true;
}

/* Cuts it up; false: it is no entry. */
static bool cut(piece text, parts *ret)
{
    parts p = {.all = text.bytes == 1 && *text.at == '*'};
    if (!p.all) {
        const char *end = text.at + text.bytes, *colon = memchr(text.at, ':', text.bytes);
        if (!colon || end - colon < 4 || memcmp(colon, "://", 3) != 0) return false;
        p.scheme = (piece){text.at, (size_t)(colon - text.at)};
        const char *host = colon + 3, *path = memchr(host, '/', (size_t)(end - host));
        if (!path) path = end;
        const char *bracket = *host == '[' ? memchr(host, ']', (size_t)(path - host)) : host;
        const char *port = bracket ? memchr(bracket, ':', (size_t)(path - bracket)) : NULL;
        p.host = (piece){host, (size_t)((port ? port : path) - host)};
        p.port = port ? (piece){port + 1, (size_t)(path - port - 1)} : (piece){"", 0};
        while (end > path && end[-1] == '/') end--;
        p.path = (piece){path, (size_t)(end - path)};
        bool known = (p.scheme.bytes == 4 && strncasecmp(p.scheme.at, "http", 4) == 0) ||
                     (p.scheme.bytes == 5 && strncasecmp(p.scheme.at, "https", 5) == 0);
        if (!known || !is_host(p.host) || (port && !is_port(p.port)) || !is_path(p.path)) return false;
    }
    *ret = p;
    return true;
}

/* The next entry, blanks off; false at the end. */
static bool next(const char **list, piece *ret)
{
    const char *at = *list + strspn(*list, " \t");
    if (!*at) return false;
    const char *end = at + strcspn(at, ",");
    *list = *end ? end + 1 : end;
    while (end > at && (end[-1] == ' ' || end[-1] == '\t')) end--;
    *ret = (piece){at, (size_t)(end - at)};
    return true;
}

bool gri_allow_is_list(const char *list)
{
    parts p;
    piece entry;
    size_t bytes = strlen(list);
    while (bytes > 0 && (list[bytes - 1] == ' ' || list[bytes - 1] == '\t')) bytes--;
    if (bytes > 0 && list[bytes - 1] == ',') return false;
    while (next(&list, &entry))
        if (!cut(entry, &p)) return false;
    return true;
}

static bool same(piece a, piece b)
{
    return a.bytes == b.bytes && strncasecmp(a.at, b.at, a.bytes) == 0;
}

static bool same_host(piece wanted, piece host)
{
    if (wanted.bytes < 2 || memcmp(wanted.at, "*.", 2) != 0) return same(wanted, host);
    wanted.at++, wanted.bytes--; /* the dot stays, and something must be before it */
    return host.bytes > wanted.bytes && host.at[0] != '[' &&
           same(wanted, (piece){host.at + host.bytes - wanted.bytes, wanted.bytes});
}

static bool same_port(const parts *wanted, const parts *url)
{
    const bool tls = url->scheme.bytes == 5;
    const piece usual = tls ? (piece){"443", 3} : (piece){"80", 2};
    if (wanted->port.bytes == 1 && *wanted->port.at == '*') return true;
    return same(wanted->port.bytes ? wanted->port : usual, url->port.bytes ? url->port : usual);
}

static bool is_below(piece prefix, piece path)
{
    if (path.bytes < prefix.bytes || memcmp(path.at, prefix.at, prefix.bytes) != 0) return false;
    return path.bytes == prefix.bytes || path.at[prefix.bytes] == '/';
}

bool gri_allow_permits(const char *list, const char *url)
{
    parts wanted, has;
    piece entry;
    if (!cut((piece){url, strlen(url)}, &has) || has.all) return false;
    while (next(&list, &entry)) {
        if (!cut(entry, &wanted)) continue;
        if (wanted.all) return true;
        if (same(wanted.scheme, has.scheme) && same_host(wanted.host, has.host) && same_port(&wanted, &has) &&
            is_below(wanted.path, has.path))
            return true;
    }
    return false;
}
