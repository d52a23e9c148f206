/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* URLs of the client (RFC 3986, the part that http and https use): strict, so that no two readers differ about the host. */
#include "io/endpoint.h"
#include "io/fetch.h"

#include <stdio.h>
#include <string.h>

static int refuse(const char **ret_why, const char *why)
{
    *ret_why = why;
    return GR_EINVAL;
}

static bool is_url_byte(char c)
{
    return c > ' ' && c < 0x7f && !strchr("\"<>\\^`{|}", c);
}

/* "host", "host:port", "[v6]:port" to its parts. */
static int parse_authority(const char *at, size_t bytes, gri_url *u, const char **ret_why)
{
    char text[GRI_URL_HOST_BYTES];
    if (bytes == 0) return refuse(ret_why, "a host is missing");
    if (bytes >= GRI_URL_HOST_BYTES) return refuse(ret_why, "the host is too long");
    if (memchr(at, '@', bytes)) return refuse(ret_why, "users and passwords do not belong into it");
    memcpy(text, at, bytes);
    text[bytes] = '\0';
    char *bracket = text[0] == '[' ? strchr(text, ']') : NULL;
    char *colon = strchr(bracket ? bracket : text, ':');
    const uint16_t usual = u->tls ? 443 : 80;
    if (colon && colon[1] == '\0') *colon = '\0', colon = NULL; /* "host:" is "host" */
    int needed = colon ? snprintf(u->address, sizeof u->address, "%s", text)
                       : snprintf(u->address, sizeof u->address, "%s:%u", text, usual);
    if (needed < 0 || (size_t)needed >= sizeof u->address) return refuse(ret_why, "the host is too long");
    gri_name name;
    gri_endpoint endpoint;
    memset(&endpoint, 0, sizeof endpoint);
    bool named = gri_name_parse(u->address, &name);
    if (!named && (gri_endpoint_parse(u->address, &endpoint, NULL) != 0 || endpoint.wildcard ||
                   endpoint.address.header.sa_family == AF_UNIX))
        return refuse(ret_why, "the host is neither a name nor an address, or its port is wrong");
    const uint16_t port = named ? name.port : (uint16_t)gri_endpoint_port(&endpoint);
    if (port == 0) return refuse(ret_why, "nobody is at port 0");
    if (colon) *colon = '\0';
    snprintf(u->address, sizeof u->address, "%s:%u", text, port); /* no noughts before the port: it is compared, too */
    if (port == usual)
        snprintf(u->authority, sizeof u->authority, "%s", text);
    else
        snprintf(u->authority, sizeof u->authority, "%s:%u", text, port);
    if (bracket) *bracket = '\0';
    snprintf(u->host, sizeof u->host, "%s", bracket ? text + 1 : text);
    return 0;
}

int gri_url_parse(const char *text, gri_url *ret_url, const char **ret_why)
{
    gri_url u;
    memset(&u, 0, sizeof u);
    if (!text) return refuse(ret_why, "there is none");
    size_t bytes = strlen(text);
    if (bytes > GRI_URL_BYTES_MAX) return refuse(ret_why, "it is too long");
    for (size_t i = 0; i < bytes; i++)
        if (!is_url_byte(text[i])) return refuse(ret_why, "it has a byte that must be %-encoded");
    const char *at;
    if (strncasecmp(text, "http://", 7) == 0)
        at = text + 7;
    else if (strncasecmp(text, "https://", 8) == 0)
        at = text + 8, u.tls = true;
    else
        return refuse(ret_why, "it must begin with http:// or https://");
    size_t authority = strcspn(at, "/?#");
    int code = parse_authority(at, authority, &u, ret_why);
    if (code != 0) return code;
    u.target = at + authority;
    u.target_bytes = strcspn(u.target, "#");
    *ret_url = u;
    return 0;
}
