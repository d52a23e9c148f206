/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
#include "rest/routes.h"

#include "support/test.h"

static enum gri_pattern pattern_of(const char *path)
{
    return gri_route_find("GET", path).pattern;
}

TEST(routes, paths)
{
    CHECK_EQ(pattern_of("/"), GRI_PATH_ROOT);
    CHECK_EQ(pattern_of("/-/livez"), GRI_PATH_LIVEZ);
    CHECK_EQ(pattern_of("/-/readyz"), GRI_PATH_READYZ);
    CHECK_EQ(pattern_of("/a"), GRI_PATH_ACTOR);
    CHECK_EQ(pattern_of("/a/b"), GRI_PATH_ACTOR);
    CHECK_EQ(pattern_of("/a-b/-c"), GRI_PATH_ACTOR);
    CHECK_EQ(pattern_of("/a/-/call/m"), GRI_PATH_CALL);
    CHECK_EQ(pattern_of("/a/b/-/call/m"), GRI_PATH_CALL);
    CHECK_EQ(pattern_of("/-"), GRI_PATH_UNKNOWN);
    CHECK_EQ(pattern_of("/-/"), GRI_PATH_UNKNOWN);
    CHECK_EQ(pattern_of("/-/other"), GRI_PATH_UNKNOWN);
    CHECK_EQ(pattern_of("/-/livez/"), GRI_PATH_UNKNOWN);
    CHECK_EQ(pattern_of("/a/-"), GRI_PATH_UNKNOWN);
    CHECK_EQ(pattern_of("/a/-/"), GRI_PATH_UNKNOWN);
    CHECK_EQ(pattern_of("/a/-/call"), GRI_PATH_UNKNOWN);
    CHECK_EQ(pattern_of("/a/-/call/"), GRI_PATH_UNKNOWN);
    CHECK_EQ(pattern_of("/a/-/call/m/n"), GRI_PATH_UNKNOWN);
    CHECK_EQ(pattern_of("/a/-/x/-/call/m"), GRI_PATH_UNKNOWN);
    CHECK_EQ(pattern_of("/a/-/wait"), GRI_PATH_WAIT);
    CHECK_EQ(pattern_of("/a/b/-/events"), GRI_PATH_EVENTS);
    CHECK_EQ(pattern_of("/a/-/events/"), GRI_PATH_UNKNOWN);
    CHECK_EQ(pattern_of("/a/-/event"), GRI_PATH_UNKNOWN);
    CHECK_EQ(pattern_of("/a/-/livez"), GRI_PATH_UNKNOWN);
    CHECK_EQ(pattern_of("/-/call/m"), GRI_PATH_UNKNOWN);
    CHECK_EQ(pattern_of("/-/wait"), GRI_PATH_UNKNOWN);
    CHECK_EQ(pattern_of("//-/wait"), GRI_PATH_WAIT); /* of the name "", which nobody has */
    CHECK_EQ(pattern_of("/-/openapi.json"), GRI_PATH_OPENAPI);
    CHECK_EQ(pattern_of("/-/openapi_json"), GRI_PATH_UNKNOWN);
    CHECK_EQ(pattern_of("a"), GRI_PATH_UNKNOWN);
    CHECK_EQ(pattern_of("*"), GRI_PATH_UNKNOWN);
    CHECK_EQ(pattern_of(""), GRI_PATH_UNKNOWN);
}

/* Every pattern leads back to itself, whatever stands in its braces. */
TEST(routes, patterns_match_their_own_paths)
{
    for (size_t p = 0; p < GRI_PATH_UNKNOWN; p++) {
        const char *text = gri_route_path((enum gri_pattern)p);
        char path[128];
        size_t used = 0;
        for (; *text; text++) {
            path[used++] = *text == '{' ? 'x' : *text;
            if (*text == '{') text = strchr(text, '}');
        }
        path[used] = '\0';
        CHECK_EQ(pattern_of(path), p);
        gri_match match = gri_route_find("GET", path);
        CHECK_EQ(match.name_bytes, strstr(gri_route_path((enum gri_pattern)p), "{name}") ? 1 : 0);
    }
}

TEST(routes, names_and_methods_in_the_path)
{
    gri_match match = gri_route_find("POST", "/a/b/-/call/add");
    CHECK_EQ(match.name_at, 1);
    CHECK_EQ(match.name_bytes, 3);
    CHECK_STR(match.parameter, "add");
    match = gri_route_find("GET", "/counter");
    CHECK_EQ(match.name_bytes, 7);
    CHECK(match.parameter == NULL);
    match = gri_route_find("GET", "/a/-/wait");
    CHECK_EQ(match.name_bytes, 1);
    CHECK(match.parameter == NULL);
}

/* No route without a scope that fits its method: what changes something is never free. */
TEST(routes, scopes)
{
    for (size_t i = 0; i < gri_route_count; i++) {
        const gri_route *route = &gri_routes[i];
        CHECK(route->run && route->method && route->text[0]);
        CHECK_EQ(route->scope == GRI_SCOPE_CHANGE, gri_scope_of_method(route->method) == GRI_SCOPE_CHANGE);
        if (route->scope == GRI_SCOPE_OPEN)
            CHECK(route->pattern == GRI_PATH_LIVEZ || route->pattern == GRI_PATH_READYZ);
        for (size_t j = 0; j < i; j++)
            CHECK(gri_routes[j].pattern != route->pattern || strcmp(gri_routes[j].method, route->method) != 0);
    }
    CHECK_EQ(gri_route_find("BREW", "/a").scope, GRI_SCOPE_CHANGE);
    CHECK(gri_route_find("BREW", "/a").route == NULL);
    CHECK_EQ(gri_route_find("get", "/").scope, GRI_SCOPE_CHANGE);
    CHECK_EQ(gri_route_find("DELETE", "/-/livez").scope, GRI_SCOPE_CHANGE);
    CHECK_EQ(gri_route_find("GET", "/-/nothing").scope, GRI_SCOPE_READ);
    CHECK_EQ(gri_route_find("OPTIONS", "/a").scope, GRI_SCOPE_READ);
    CHECK(gri_route_find("OPTIONS", "/a").route == NULL);
    CHECK(gri_route_find("HEAD", "/a").route == gri_route_find("GET", "/a").route);
    CHECK_EQ(gri_route_find("HEAD", "/-/livez").scope, GRI_SCOPE_OPEN);
}

TEST(routes, allow)
{
    char text[96];
    CHECK_EQ(gri_route_allow(GRI_PATH_ACTOR, text, sizeof text), 6);
    CHECK_STR(text, "PUT, POST, GET, HEAD, DELETE, OPTIONS");
    CHECK_EQ(gri_route_allow(GRI_PATH_ROOT, text, sizeof text), 3);
    CHECK_STR(text, "GET, HEAD, OPTIONS");
    CHECK_EQ(gri_route_allow(GRI_PATH_CALL, text, sizeof text), 2);
    CHECK_STR(text, "POST, OPTIONS");
    CHECK_EQ(gri_route_allow(GRI_PATH_UNKNOWN, text, sizeof text), 6);
    CHECK_STR(text, "PUT, POST, GET, HEAD, DELETE, OPTIONS");
    (void)gri_route_allow(GRI_PATH_ACTOR, text, 12);
    CHECK_STR(text, "PUT, POST");
}
