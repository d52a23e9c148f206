/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
#include "rest/routes.h"

#include <string.h>

#define ROUTE(pattern, method, scope, handler, text) {pattern, method, scope, handler, text},
const gri_route gri_routes[] = {GRI_ROUTES(ROUTE)};
#undef ROUTE
const size_t gri_route_count = sizeof gri_routes / sizeof *gri_routes;

enum gri_scope gri_scope_of_method(const char *method)
{
    return strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0 ? GRI_SCOPE_READ : GRI_SCOPE_CHANGE;
}

/* No name has a "-" segment, so the first one parts the name from what is asked of it. */
static gri_match match_path(const char *path)
{
    gri_match match = {.pattern = GRI_PATH_UNKNOWN};
    if (strcmp(path, "/") == 0) {
        match.pattern = GRI_PATH_ROOT;
    } else if (strcmp(path, "/-/livez") == 0) {
        match.pattern = GRI_PATH_LIVEZ;
    } else if (strcmp(path, "/-/readyz") == 0) {
        match.pattern = GRI_PATH_READYZ;
    } else if (path[0] == '/' && strncmp(path, "/-/", 3) != 0 && strcmp(path, "/-") != 0) {
        const char *mark = strstr(path, "/-/");
        size_t bytes = strlen(path);
        match.name_at = 1;
        match.name_bytes = (mark ? (size_t)(mark - path) : bytes) - 1;
        if (!mark && !(bytes > 2 && strcmp(path + bytes - 2, "/-") == 0)) match.pattern = GRI_PATH_ACTOR;
        if (mark && strncmp(mark, "/-/call/", 8) == 0 && mark[8] && !strchr(mark + 8, '/')) {
            match.pattern = GRI_PATH_CALL;
            match.method = mark + 8;
        }
    }
    return match;
}

gri_match gri_route_find(const char *method, const char *path)
{
    gri_match match = match_path(path);
    match.scope = gri_scope_of_method(method);
    for (size_t i = 0; i < gri_route_count; i++) {
        if (gri_routes[i].pattern != match.pattern || strcmp(gri_routes[i].method, method) != 0) continue;
        match.route = &gri_routes[i];
        match.scope = gri_routes[i].scope;
        break;
    }
    return match;
}

void gri_route_allow(enum gri_pattern pattern, char *text, size_t bytes)
{
    size_t used = 0;
    text[0] = '\0';
    for (size_t i = 0; i < gri_route_count; i++) {
        size_t length = strlen(gri_routes[i].method);
        if (gri_routes[i].pattern != pattern || used + length + 3 > bytes) continue;
        if (used) memcpy(text + used, ", ", 2), used += 2;
        memcpy(text + used, gri_routes[i].method, length + 1);
        used += length;
    }
}
