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
    CHECK_EQ(pattern_of("*"), GRI_PATH_UNKNOWN);
    CHECK_EQ(pattern_of(""), GRI_PATH_UNKNOWN);
}

TEST(routes, names_and_methods_in_the_path)
{
    gri_match match = gri_route_find("POST", "/a/b/-/call/add");
    CHECK_EQ(match.name_at, 1);
    CHECK_EQ(match.name_bytes, 3);
    CHECK_STR(match.method, "add");
    match = gri_route_find("GET", "/counter");
    CHECK_EQ(match.name_bytes, 7);
}

/* No route without a scope that fits its method: what changes something is never free. */
TEST(routes, scopes)
{
    for (size_t i = 0; i < gri_route_count; i++) {
        const gri_route *route = &gri_routes[i];
        CHECK(route->run && route->method && route->text[0]);
        if (gri_scope_of_method(route->method) == GRI_SCOPE_CHANGE) CHECK_EQ(route->scope, GRI_SCOPE_CHANGE);
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
}

TEST(routes, allow)
{
    char text[96];
    gri_route_allow(GRI_PATH_ACTOR, text, sizeof text);
    CHECK_STR(text, "PUT, POST, GET, HEAD, DELETE");
    gri_route_allow(GRI_PATH_ROOT, text, sizeof text);
    CHECK_STR(text, "GET, HEAD");
    gri_route_allow(GRI_PATH_CALL, text, sizeof text);
    CHECK_STR(text, "POST");
    gri_route_allow(GRI_PATH_ACTOR, text, 12);
    CHECK_STR(text, "PUT, POST");
}
