/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* See endpoint.h. */
#include "io/endpoint.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define UNIX_PREFIX "unix:"

typedef struct parser {
    const char *text;
    gr_detail *detail;
} parser;

/* at is the part that is wrong. */
static GR_PRINTF(3, 4) int refuse(parser *p, const char *at, const char *format, ...)
{
    if (!p->detail) return GR_EINVAL;
    memset(p->detail, 0, sizeof *p->detail);
    p->detail->byte = (uint64_t)(at - p->text);
    char why[160];
    va_list args;
    va_start(args, format);
    vsnprintf(why, sizeof why, format, args);
    va_end(args);
    char shown[61];
    size_t n = 0;
    for (; p->text[n] && n < sizeof shown - 1; n++)
        shown[n] = p->text[n] >= ' ' && p->text[n] <= '~' ? p->text[n] : '?';
    shown[n] = '\0';
    snprintf(p->detail->text, sizeof p->detail->text, "address \"%s\": %s", shown, why);
    return GR_EINVAL;
}

static int parse_port(parser *p, const char *at, uint16_t *ret_port)
{
    unsigned port = 0;
    const char *digit = at;
    for (; *digit >= '0' && *digit <= '9' && port <= 65535; digit++) port = port * 10 + (unsigned)(*digit - '0');
    if (digit == at) return refuse(p, at, "a port is missing: digits after the last ':'");
    if (port > 65535 || digit - at > 5) return refuse(p, at, "the port must be 0 to 65535");
    if (*digit) return refuse(p, digit, "the port must be digits only");
    *ret_port = (uint16_t)port;
    return 0;
}

static int parse_unix(parser *p, const char *path, gri_endpoint *e)
{
    size_t bytes = strlen(path), most = sizeof e->address.local.sun_path - 1;
    bool abstract = path[0] == '@'; /* stands for the NUL of names that are no files */
    if (path[0] != '/' && !abstract)
        return refuse(p, path, "the path of a Unix socket must begin with '/', or '@' for one without a file");
    if (abstract && bytes == 1) return refuse(p, path + 1, "a name is missing after '@'");
    if (bytes > most)
        return refuse(p, path, "the path of a Unix socket has at most %zu bytes, this one %zu", most, bytes);
    e->address.local.sun_family = AF_UNIX;
    memcpy(e->address.local.sun_path, path, bytes + 1);
    if (abstract) e->address.local.sun_path[0] = '\0';
    e->bytes = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + bytes + !abstract);
    return 0;
}

bool gri_endpoint_is_abstract(const gri_endpoint *e)
{
    return e->address.header.sa_family == AF_UNIX && e->address.local.sun_path[0] == '\0';
}

/* ---- names ---- */

static bool is_name_byte(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
}

static bool is_name(const char *host, size_t bytes)
{
    if (bytes > 0 && host[bytes - 1] == '.') bytes--; /* the root's dot */
    if (bytes == 0 || bytes > GRI_NAME_BYTES_MAX - 1) return false;
    size_t label = 0, digits = 0;
    for (size_t i = 0; i < bytes; i++) {
        if (host[i] == '.') {
            if (label == 0) return false;
            label = digits = 0;
            continue;
        }
        if (!is_name_byte(host[i]) || (label == 0 && host[i] == '-') || ++label > 63) return false;
        digits += host[i] >= '0' && host[i] <= '9';
    }
    return label > 0 && digits < label;
}

bool gri_name_parse(const char *text, gri_name *ret_name)
{
    const char *colon = text ? strrchr(text, ':') : NULL;
    parser p = {text, NULL};
    uint16_t port;
    if (!colon || !is_name(text, (size_t)(colon - text)) || parse_port(&p, colon + 1, &port) != 0) return false;
    memcpy(ret_name->host, text, (size_t)(colon - text));
    ret_name->host[colon - text] = '\0';
    ret_name->port = port;
    return true;
}

/* "[address%interface]:port" */
static int parse_ipv6(parser *p, gri_endpoint *e)
{
    struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&e->address;
    const char *inner = p->text + 1, *close = strchr(inner, ']');
    if (!close) return refuse(p, p->text, "the '[' is not closed");
    if (close[1] != ':') return refuse(p, close + 1, "after ']' there must be ':' and a port");
    uint16_t port;
    int code = parse_port(p, close + 2, &port);
    if (code != 0) return code;
    char host[INET6_ADDRSTRLEN + IF_NAMESIZE + 2];
    size_t bytes = (size_t)(close - inner);
    if (bytes >= sizeof host) return refuse(p, inner, "this is no IPv6 address");
    memcpy(host, inner, bytes);
    host[bytes] = '\0';
    char *zone = strchr(host, '%');
    if (zone) {
        *zone++ = '\0';
        in6->sin6_scope_id = if_nametoindex(zone);
        if (in6->sin6_scope_id == 0) return refuse(p, inner + (zone - host), "there is no interface of that name");
    }
    if (inet_pton(AF_INET6, host, &in6->sin6_addr) != 1) return refuse(p, inner, "this is no IPv6 address");
    in6->sin6_family = AF_INET6;
    in6->sin6_port = htons(port);
    e->bytes = sizeof *in6;
    return 0;
}

/* "1.2.3.4:port", "*:port" */
static int parse_ipv4(parser *p, gri_endpoint *e)
{
    const char *colon = strrchr(p->text, ':');
    if (!colon) return refuse(p, p->text, "allowed are IPv4:port, [IPv6]:port, name:port, *:port and unix:/path");
    uint16_t port;
    int code = parse_port(p, colon + 1, &port);
    if (code != 0) return code;
    size_t bytes = (size_t)(colon - p->text);
    if (bytes == 1 && p->text[0] == '*') {
        struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&e->address;
        in6->sin6_family = AF_INET6;
        in6->sin6_port = htons(port);
        e->bytes = sizeof *in6;
        e->wildcard = true;
        return 0;
    }
    struct sockaddr_in *in = (struct sockaddr_in *)&e->address;
    char host[INET_ADDRSTRLEN] = "";
    if (bytes < sizeof host) memcpy(host, p->text, bytes), host[bytes] = '\0';
    if (memchr(p->text, ':', bytes)) return refuse(p, p->text, "an IPv6 address stands in brackets: [::1]:80");
    if (bytes >= sizeof host || inet_pton(AF_INET, host, &in->sin_addr) != 1)
        return refuse(p, p->text,
                      is_name(p->text, bytes) ? "this is a name; here it must be an address"
                                              : "this is no IPv4 address, and no name either");
    in->sin_family = AF_INET;
    in->sin_port = htons(port);
    e->bytes = sizeof *in;
    return 0;
}

int gri_endpoint_parse(const char *text, gri_endpoint *ret_endpoint, gr_detail *ret_detail)
{
    parser p = {text ? text : "", ret_detail};
    gri_endpoint e;
    memset(&e, 0, sizeof e);
    int code;
    if (strncmp(p.text, UNIX_PREFIX, strlen(UNIX_PREFIX)) == 0)
        code = parse_unix(&p, p.text + strlen(UNIX_PREFIX), &e);
    else if (p.text[0] == '[')
        code = parse_ipv6(&p, &e);
    else
        code = parse_ipv4(&p, &e);
    if (code == 0) *ret_endpoint = e;
    return code;
}

void gri_endpoint_to_ipv4(gri_endpoint *e)
{
    uint16_t port = ((struct sockaddr_in6 *)&e->address)->sin6_port;
    memset(&e->address, 0, sizeof e->address);
    struct sockaddr_in *in = (struct sockaddr_in *)&e->address;
    in->sin_family = AF_INET;
    in->sin_port = port;
    e->bytes = sizeof *in;
}

void gri_endpoint_port_set(gri_endpoint *e, uint16_t port)
{
    switch (e->address.header.sa_family) {
    case AF_INET: ((struct sockaddr_in *)&e->address)->sin_port = htons(port); return;
    case AF_INET6: ((struct sockaddr_in6 *)&e->address)->sin6_port = htons(port); return;
    default: return;
    }
}

unsigned gri_endpoint_port(const gri_endpoint *e)
{
    switch (e->address.header.sa_family) {
    case AF_INET: return ntohs(((const struct sockaddr_in *)&e->address)->sin_port);
    case AF_INET6: return ntohs(((const struct sockaddr_in6 *)&e->address)->sin6_port);
    default: return 0;
    }
}

static void print_ipv6(const struct sockaddr_in6 *in6, char *ret_text)
{
    char host[INET6_ADDRSTRLEN] = "?", zone[IF_NAMESIZE + 1] = "";
    unsigned port = ntohs(in6->sin6_port);
    if (IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr)) {
        inet_ntop(AF_INET, &in6->sin6_addr.s6_addr[12], host, sizeof host);
        snprintf(ret_text, GR_SOCKET_TEXT_BYTES, "%s:%u", host, port);
        return;
    }
    inet_ntop(AF_INET6, &in6->sin6_addr, host, sizeof host);
    if (in6->sin6_scope_id && if_indextoname(in6->sin6_scope_id, zone + 1)) zone[0] = '%';
    snprintf(ret_text, GR_SOCKET_TEXT_BYTES, "[%s%s]:%u", host, zone, port);
}

void gri_endpoint_print(const gri_endpoint *e, char *ret_text)
{
    switch (e->address.header.sa_family) {
    case AF_INET: {
        const struct sockaddr_in *in = (const struct sockaddr_in *)&e->address;
        char host[INET_ADDRSTRLEN] = "?";
        inet_ntop(AF_INET, &in->sin_addr, host, sizeof host);
        snprintf(ret_text, GR_SOCKET_TEXT_BYTES, "%s:%u", host, (unsigned)ntohs(in->sin_port));
        return;
    }
    case AF_INET6: print_ipv6((const struct sockaddr_in6 *)&e->address, ret_text); return;
    case AF_UNIX: {
        size_t header = offsetof(struct sockaddr_un, sun_path);
        size_t bytes = e->bytes > header ? e->bytes - header : 0; /* none: the peer has no name */
        const char *path = e->address.local.sun_path;
        if (bytes > 0 && path[0] == '\0')
            snprintf(ret_text, GR_SOCKET_TEXT_BYTES, UNIX_PREFIX "@%.*s", (int)bytes - 1, path + 1);
        else
            snprintf(ret_text, GR_SOCKET_TEXT_BYTES, UNIX_PREFIX "%.*s", (int)bytes, path);
        return;
    }
    default: snprintf(ret_text, GR_SOCKET_TEXT_BYTES, "?");
    }
}
