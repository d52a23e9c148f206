/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* URLs and socket addresses: what is taken can be printed and read again, and a URL leads to one host whoever reads it. */
#include "base/check.h"
#include "io/endpoint.h"
#include "io/fetch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    char *text = malloc(bytes + 1);
    if (!text) abort();
    memcpy(text, data, bytes);
    text[bytes] = '\0';
    check_address(text);
    check_url(text);
    free(text);
    return 0;
}
