/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* URLs, those of actors, and socket addresses: what is taken can be printed and read again, and a URL leads to one host whoever
 * reads it. */
#include "actor/remote_allow.h"
#include "base/check.h"
#include "io/endpoint.h"
#include "io/fetch.h"
#include "io/remote_http.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static void check_address(const char *text)
{
    gri_endpoint e, again;
    gri_name name;
    gr_detail detail;
    char printed[GR_SOCKET_TEXT_BYTES], twice[GR_SOCKET_TEXT_BYTES];
    bool named = gri_name_parse(text, &name);
    if (gri_endpoint_parse(text, &e, &detail) != 0) {
        GRI_ASSERT(detail.text[0] && memchr(detail.text, 0, sizeof detail.text) && detail.byte <= strlen(text));
        return;
    }
    GRI_ASSERT(!named); /* one or the other */
    gri_endpoint_print(&e, printed);
    GRI_ASSERT(gri_endpoint_parse(printed, &again, NULL) == 0);
    gri_endpoint_print(&again, twice);
    GRI_ASSERT(strcmp(printed, twice) == 0);
}

static void check_url(const char *text)
{
    gri_url u, again;
    const char *why = NULL;
    char rebuilt[GRI_URL_BYTES_MAX + 2 * GRI_URL_HOST_BYTES];
    if (gri_url_parse(text, &u, &why) != 0) {
        GRI_ASSERT(why && *why);
        return;
    }
    GRI_ASSERT(u.host[0] && u.authority[0] && !strpbrk(u.authority, "/?#@ \r\n"));
    GRI_ASSERT(u.target >= text && u.target + u.target_bytes <= text + strlen(text));
    GRI_ASSERT(u.target_bytes == 0 || u.target[0] == '/' || u.target[0] == '?');
    snprintf(rebuilt, sizeof rebuilt, "%s://%s%.*s", u.tls ? "https" : "http", u.authority, (int)u.target_bytes,
             u.target);
    GRI_ASSERT(gri_url_parse(rebuilt, &again, &why) == 0);
    GRI_ASSERT(strcmp(u.host, again.host) == 0 && strcmp(u.authority, again.authority) == 0);
    GRI_ASSERT(u.tls == again.tls && u.target_bytes == again.target_bytes);
}

/* URLs of actors: the normal form is a URL of the same host, is its own normal form, and is what its origin allows. */
static void check_actor_url(const char *text)
{
    char url[GR_REMOTE_URL_BYTES], again[GR_REMOTE_URL_BYTES], origin[GR_REMOTE_URL_BYTES], name[GR_NAME_BYTES_MAX + 1];
    const char *why = NULL;
    gri_url before, after;
    if (gri_remote_url_normal(text, strlen(text), false, url, &why) != 0) {
        GRI_ASSERT(why && *why);
        return;
    }
    GRI_ASSERT(gri_url_parse(text, &before, &why) == 0 && gri_url_parse(url, &after, &why) == 0);
    GRI_ASSERT(strcasecmp(before.address, after.address) == 0 && before.tls == after.tls);
    GRI_ASSERT(after.target_bytes > 1 && after.target[after.target_bytes] == '\0' && !strpbrk(after.target, "?#"));
    GRI_ASSERT(gri_remote_url_normal(url, strlen(url), false, again, &why) == 0 && strcmp(url, again) == 0);
    snprintf(origin, sizeof origin, "%.*s", (int)gri_remote_origin_bytes(url), url);
    if (gri_allow_is_list(origin)) GRI_ASSERT(gri_allow_permits(origin, url));
    GRI_ASSERT(!gri_allow_permits("", url) && !gri_allow_permits("http://somebody.else", url));
    if (gri_remote_url_name(url, origin, name)) GRI_ASSERT(name[0] && !strstr(name, "//"));
}

static void check_list(const char *text)
{
    if (gri_allow_is_list(text)) (void)gri_allow_permits(text, "http://a.example:1/x");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    char *text = malloc(bytes + 1);
    if (!text) abort();
    memcpy(text, data, bytes);
    text[bytes] = '\0';
    check_address(text);
    check_url(text);
    check_actor_url(text);
    check_list(text);
    free(text);
    return 0;
}
