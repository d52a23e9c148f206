/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
#include "rest/routes.h"

#include <string.h>

#define ROUTE(pattern, method, scope, handler, operation, text, parameters, body, answers) \
    {pattern, method, scope, handler, operation, text, parameters, body, answers},
const gri_route gri_routes[] = {GRI_ROUTES(ROUTE)};
#undef ROUTE
const size_t gri_route_count = sizeof gri_routes / sizeof *gri_routes;

#define PATTERN(pattern, text) text,
static const char *const patterns[] = {GRI_PATTERNS(PATTERN)};
#undef PATTERN

const char *gri_route_path(enum gri_pattern pattern)
{
    return patterns[pattern];
}

enum gri_scope gri_scope_of_method(const char *method)
{
    bool reads = strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0 || strcmp(method, "OPTIONS") == 0;
    return reads ? GRI_SCOPE_READ : GRI_SCOPE_CHANGE;
}

/* Is `rest`, of a path, what `pattern` has there? A parameter is one segment that is not empty. */
static bool fits(const char *pattern, const char *rest, const char **ret_parameter)
{
    for (; *pattern; pattern++, rest++) {
        if (*pattern == '{') {
            *ret_parameter = rest;
            return *rest && !strchr(rest, '/');
        }
        if (*pattern != *rest) return false;
    }
    return !*rest;
}

/* No name has a "-" segment, so the first one parts the name from what is asked of it. */
static gri_match match_path(const char *path)
{
    gri_match match = {.pattern = GRI_PATH_UNKNOWN};
    const char *mark = strstr(path, "/-/");
    size_t bytes = strlen(path);
    if (path[0] != '/') return match;
    match.name_at = 1;
    match.name_bytes = mark == path ? 0 : (mark ? (size_t)(mark - path) : bytes) - 1;
    if (!mark) {
        bool ends_in_mark = bytes >= 2 && strcmp(path + bytes - 2, "/-") == 0;
        match.pattern = bytes == 1 ? GRI_PATH_ROOT : ends_in_mark ? GRI_PATH_UNKNOWN : GRI_PATH_ACTOR;
        return match;
    }
    for (size_t i = 0; i < sizeof patterns / sizeof *patterns; i++) {
        const char *rest = strstr(patterns[i], "/-/");
        if (!rest || (rest == patterns[i]) != (mark == path)) continue;
        const char *parameter = NULL;
        if (!fits(rest, mark, &parameter)) continue;
        match.pattern = (enum gri_pattern)i;
        match.parameter = parameter;
        break;
    }
    return match;
}

static const gri_route *route_of(enum gri_pattern pattern, const char *method)
{
    if (strcmp(method, "HEAD") == 0) method = "GET";
    for (size_t i = 0; i < gri_route_count; i++)
        if (gri_routes[i].pattern == pattern && strcmp(gri_routes[i].method, method) == 0) return &gri_routes[i];
    return NULL;
}

gri_match gri_route_find(const char *method, const char *path)
{
    gri_match match = match_path(path);
    match.route = route_of(match.pattern, method);
    match.scope = match.route ? match.route->scope : gri_scope_of_method(method);
    return match;
}

static void add(char *text, size_t bytes, const char *method)
{
    size_t used = strlen(text), length = strlen(method);
    if (used + length + 3 > bytes) return;
    if (used) memcpy(text + used, ", ", 2), used += 2;
    memcpy(text + used, method, length + 1);
}

size_t gri_route_allow(enum gri_pattern pattern, char *text, size_t bytes)
{
    static const char *const methods[] = {"PUT", "POST", "GET", "HEAD", "DELETE"};
    size_t count = 0;
    text[0] = '\0';
    for (size_t i = 0; i < sizeof methods / sizeof *methods; i++) {
        bool known = false;
        for (size_t p = 0; p < GRI_PATH_UNKNOWN; p++)
            known |= (pattern == p || pattern == GRI_PATH_UNKNOWN) && route_of((enum gri_pattern)p, methods[i]);
        if (!known) continue;
        add(text, bytes, methods[i]);
        count++;
    }
    add(text, bytes, "OPTIONS");
    return count + 1;
}

const int *gri_route_common(const gri_route *route)
{
    static const int page[] = {403, 406, 421, 0};
    static const int open[] = {403, 406, 0}, read[] = {401, 403, 406, 421, 0}, change[] = {401, 403, 421, 0};
    if (route->scope == GRI_SCOPE_PAGE) return page;
    return route->scope == GRI_SCOPE_OPEN ? open : route->scope == GRI_SCOPE_READ ? read : change;
}
