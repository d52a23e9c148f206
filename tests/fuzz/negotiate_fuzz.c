/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Any bytes as header fields that are lists (Accept, Content-Type, If-None-Match), as a query, as a method and a path. What
 * comes out keeps its promises: qualities up to 1000, values that fit, routes that match their own patterns. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "rest/negotiate.h"
#include "rest/query.h"
#include "rest/routes.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

#define HOLDS(condition) \
    do { \
        if (!(condition)) abort(); \
    } while (0)

/* Fields are NUL-terminated and in a block of their own size. */
static char *text_of(const uint8_t *data, size_t bytes)
{
    char *text = malloc(bytes + 1);
    HOLDS(text);
    for (size_t i = 0; i < bytes; i++) text[i] = data[i] ? (char)data[i] : ' ';
    text[bytes] = '\0';
    return text;
}

static void negotiate(const char *text)
{
    const gr_header headers[] = {{"Accept", text}, {"Content-Type", text}, {"If-None-Match", text}};
    gr_environ env = {.headers = headers, .header_count = 3, .content_length = -1};
    unsigned json = gri_accept_quality(&env, "application/json"), page = gri_accept_quality(&env, "text/html");
    HOLDS(json <= 1000 && page <= 1000);
    HOLDS(!gri_accept_page(&env) || page >= json);
    HOLDS(!strstr(text, "\"t-1\"") ? !gri_tag_known(&env, "\"t-1\"") || strchr(text, '*') : true);
    const char *why = gri_content_refusal(&env);
    HOLDS(!why || *why);
}

static void query(const char *text)
{
    char value[20];
    size_t number = 0;
    double seconds = 0;
    enum gri_found found = gri_query_text(text, "a", value, sizeof value);
    HOLDS(strlen(value) < sizeof value && (found == GRI_FOUND || !value[0]));
    if (gri_query_number(text, "a", 5, 2, 77, &number)) HOLDS(number >= 2 && number <= 77);
    if (gri_query_seconds(text, "a", 5, 77, &seconds)) HOLDS(seconds >= 0 && seconds <= 77);
}

static void route(const char *text)
{
    size_t method = strcspn(text, " ");
    char *verb = text_of((const uint8_t *)text, method), allow[96];
    const char *path = text[method] ? text + method + 1 : "";
    gri_match match = gri_route_find(verb, path);
    HOLDS(match.name_at + match.name_bytes <= strlen(path) + 1);
    HOLDS(!match.route || match.route->pattern == match.pattern);
    HOLDS(match.route || match.scope == gri_scope_of_method(verb));
    HOLDS(!match.parameter || (*match.parameter && !strchr(match.parameter, '/')));
    HOLDS(gri_route_allow(match.pattern, allow, sizeof allow) >= 2 && strlen(allow) < sizeof allow);
    free(verb);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    char *text = text_of(data, bytes);
    negotiate(text);
    query(text);
    route(text);
    free(text);
    return 0;
}
