/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* The one table of what the actors application does: path pattern, method, scope, handler. Pure. */
#ifndef GRI_REST_ROUTES_H
#define GRI_REST_ROUTES_H

#include <stdbool.h>
#include <stddef.h>

#include "rest/actors_app.h"

enum gri_scope {
    GRI_SCOPE_OPEN,  /* anybody: no token, any Host */
    GRI_SCOPE_READ,  /* a token only where other machines can connect */
    GRI_SCOPE_CHANGE /* a token */
};

/* X(pattern, text of its paths) */
#define GRI_PATTERNS(X) \
    X(GRI_PATH_ROOT, "/") \
    X(GRI_PATH_LIVEZ, "/-/livez") \
    X(GRI_PATH_READYZ, "/-/readyz") \
    X(GRI_PATH_ACTOR, "/{name}") \
    X(GRI_PATH_CALL, "/{name}/-/call/{method}")

#define GRI_PATTERN_ENUMERATOR(pattern, text) pattern,
enum gri_pattern { GRI_PATTERNS(GRI_PATTERN_ENUMERATOR) GRI_PATH_UNKNOWN };
#undef GRI_PATTERN_ENUMERATOR

/* X(pattern, method, scope, handler, what it does) */
#define GRI_ROUTES(X) \
    X(GRI_PATH_ROOT, "GET", GRI_SCOPE_READ, gri_list_actors, "Lists the actors") \
    X(GRI_PATH_ROOT, "HEAD", GRI_SCOPE_READ, gri_list_actors, "As GET, without the body") \
    X(GRI_PATH_LIVEZ, "GET", GRI_SCOPE_OPEN, gri_livez, "Is the process alive?") \
    X(GRI_PATH_LIVEZ, "HEAD", GRI_SCOPE_OPEN, gri_livez, "As GET, without the body") \
    X(GRI_PATH_READYZ, "GET", GRI_SCOPE_OPEN, gri_readyz, "May requests be sent here?") \
    X(GRI_PATH_READYZ, "HEAD", GRI_SCOPE_OPEN, gri_readyz, "As GET, without the body") \
    X(GRI_PATH_ACTOR, "PUT", GRI_SCOPE_CHANGE, gri_put_actor, "Spawns a behaviour under the name") \
    X(GRI_PATH_ACTOR, "POST", GRI_SCOPE_CHANGE, gri_post_actor, "Casts the body, or calls if it is a remotecall") \
    X(GRI_PATH_ACTOR, "GET", GRI_SCOPE_READ, gri_get_actor, "Reads the published state") \
    X(GRI_PATH_ACTOR, "HEAD", GRI_SCOPE_READ, gri_get_actor, "Does it exist?") \
    X(GRI_PATH_ACTOR, "DELETE", GRI_SCOPE_CHANGE, gri_delete_actor, "Kills") \
    X(GRI_PATH_CALL, "POST", GRI_SCOPE_CHANGE, gri_call_actor, "Calls the method with the body")

typedef struct gri_route {
    enum gri_pattern pattern;
    const char *method;
    enum gri_scope scope;
    int (*run)(const gri_request *request);
    const char *text;
} gri_route;

typedef struct gri_match {
    enum gri_pattern pattern;
    const gri_route *route; /* NULL: unknown path, or method not allowed */
    enum gri_scope scope; /* of the route; without one by the method alone: what is not GET or HEAD changes something */
    size_t name_at, name_bytes; /* in the path */
    const char *method;         /* what is called, in the path */
} gri_match;

gri_match gri_route_find(const char *method, const char *path);

/* The methods of a pattern as Allow wants them: "PUT, POST, GET". */
void gri_route_allow(enum gri_pattern pattern, char *text, size_t bytes);

/* The table, for tests and descriptions. */
extern const gri_route gri_routes[];
extern const size_t gri_route_count;

enum gri_scope gri_scope_of_method(const char *method);

#endif
