/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* The one table of what the actors application does. From its rows come the routing, Allow, the scopes that guard.h asks for,
 * the description at /-/openapi.json (openapi.c), and the tests that try every row with every credential
 * (tests/rest/authority_test.c). Pure.
 *
 * HEAD is GET without the body wherever there is a GET; OPTIONS answers Allow everywhere. Neither has rows. */
#ifndef GRI_REST_ROUTES_H
#define GRI_REST_ROUTES_H

#include <stdbool.h>
#include <stddef.h>

#include "rest/actors_app.h"

enum gri_scope {
    GRI_SCOPE_OPEN,  /* anybody: no token, any Host */
    GRI_SCOPE_PAGE,  /* no token; a link on somebody else's page may lead here: the dashboard, which holds no data */
    GRI_SCOPE_READ,  /* a token only where other machines can connect */
    GRI_SCOPE_CHANGE /* a token */
};

/* X(pattern, text of its paths). {name} is an actor's name, which may contain slashes but no "-" segment, so the first "/-/"
 * ends it; what else is in braces is one segment. */
#define GRI_PATTERNS(X) \
    X(GRI_PATH_ROOT, "/") \
    X(GRI_PATH_ACTOR, "/{name}") \
    X(GRI_PATH_CALL, "/{name}/-/call/{method}") \
    X(GRI_PATH_WAIT, "/{name}/-/wait") \
    X(GRI_PATH_EVENTS, "/{name}/-/events") \
    X(GRI_PATH_INFO, "/{name}/-/info") \
    X(GRI_PATH_LIVEZ, "/-/livez") \
    X(GRI_PATH_READYZ, "/-/readyz") \
    X(GRI_PATH_BEHAVIOURS, "/-/behaviours") \
    X(GRI_PATH_STATS, "/-/stats") \
    X(GRI_PATH_EXITS, "/-/exits") \
    X(GRI_PATH_METRICS, "/-/metrics") \
    X(GRI_PATH_OUTLOOK, "/-/events") \
    X(GRI_PATH_OPENAPI, "/-/openapi.json") \
    X(GRI_PATH_TOKEN, "/-/token") \
    X(GRI_PATH_ASSET, "/-/dashboard/{file}")

#define GRI_PATTERN_ENUMERATOR(pattern, text) pattern,
enum gri_pattern { GRI_PATTERNS(GRI_PATTERN_ENUMERATOR) GRI_PATH_UNKNOWN };
#undef GRI_PATTERN_ENUMERATOR

/* X(pattern, method, scope, handler, operation, what it does, parameters, body, answers)
 *   operation   its name in the description
 *   parameters  names of openapi.c's parameters, beside those of the path; of the query but for those in capitals
 *   body        name of a schema of openapi.c, "" without a body
 *   answers     STATUS, or STATUS=SCHEMA where there is a body that is no problem report, the one of success first; besides
 *               them come those that gri_route_common names */
#define GRI_ROUTES(X) \
    X(GRI_PATH_ROOT, "GET", GRI_SCOPE_READ, gri_list_actors, "listActors", \
      "Lists the actors, sorted and in pages, or is a page for browsers", \
      "limit offset after sort search state behaviour kind", "", "200=Actors 400") \
    X(GRI_PATH_ACTOR, "PUT", GRI_SCOPE_CHANGE, gri_put_actor, "spawnActor", "Spawns a behaviour under the name", "", \
      "Spawn", "202=Spawned 400 404 409 413 415 422 503") \
    X(GRI_PATH_ACTOR, "POST", GRI_SCOPE_CHANGE, gri_post_actor, "castToActor", \
      "Casts the body, or calls if it is a remotecall", "", "Message", \
      "202=Taken 400 404=RemoteUnknown 406=RemoteException 408=RemoteTimeout 413 415 503") \
    X(GRI_PATH_ACTOR, "GET", GRI_SCOPE_READ, gri_get_actor, "readActor", "Reads the published state", "IfNoneMatch", \
      "", "200=Any 304 404 503") \
    X(GRI_PATH_ACTOR, "DELETE", GRI_SCOPE_CHANGE, gri_delete_actor, "killActor", \
      "Kills, and waits a second for the end", "", "", "200=Killed 202=Killed 404 503") \
    X(GRI_PATH_CALL, "POST", GRI_SCOPE_CHANGE, gri_call_actor, "callActor", "Calls the method with the body", \
      "Prefer", "Message", "200=Any 400 404 413 415 422 503 504") \
    X(GRI_PATH_WAIT, "GET", GRI_SCOPE_READ, gri_wait_actor, "waitForActor", "Waits until the actor has ended", \
      "timeout", "", "200=Exit 204 400 404 503") \
    X(GRI_PATH_EVENTS, "GET", GRI_SCOPE_READ, gri_actor_events, "watchActor", \
      "Server-sent events: each published state, and the end", "interval LastEventId", "", "200=Events 400 404 503") \
    X(GRI_PATH_INFO, "GET", GRI_SCOPE_READ, gri_actor_info, "inspectActor", \
      "What the runtime knows of one actor: what it waits for, its mailbox, memory, links", "", "", \
      "200=Info 404 503") \
    X(GRI_PATH_LIVEZ, "GET", GRI_SCOPE_OPEN, gri_livez, "isAlive", "Is the process alive?", "", "", "200=Status") \
    X(GRI_PATH_READYZ, "GET", GRI_SCOPE_OPEN, gri_readyz, "isReady", "May requests be sent here?", "", "", \
      "200=Status 503") \
    X(GRI_PATH_BEHAVIOURS, "GET", GRI_SCOPE_READ, gri_list_behaviours, "listBehaviours", "What PUT can spawn", "", "", \
      "200=Behaviours 503") \
    X(GRI_PATH_STATS, "GET", GRI_SCOPE_READ, gri_stats, "readStats", "The runtime in figures", "", "", \
      "200=Stats 503") \
    X(GRI_PATH_EXITS, "GET", GRI_SCOPE_READ, gri_exits, "listExits", \
      "The actors that ended last without having returned, newest first", "count", "", "200=Exits 400 503") \
    X(GRI_PATH_METRICS, "GET", GRI_SCOPE_READ, gri_metrics, "readMetrics", \
      "The same figures, and more, for Prometheus", "", "", "200=Metrics 503") \
    X(GRI_PATH_OUTLOOK, "GET", GRI_SCOPE_READ, gri_runtime_events, "watchRuntime", \
      "Server-sent events: figures, and the ends that come meanwhile", "period", "", "200=Outlook 400 503") \
    X(GRI_PATH_OPENAPI, "GET", GRI_SCOPE_READ, gri_describe, "describe", "This description", "IfNoneMatch", "", \
      "200=Description 304") \
    X(GRI_PATH_TOKEN, "POST", GRI_SCOPE_CHANGE, gri_check_token, "checkToken", "Is the token right?", "", "", "204") \
    X(GRI_PATH_ASSET, "GET", GRI_SCOPE_PAGE, gri_get_asset, "readAsset", "What the dashboard is made of", \
      "IfNoneMatch", "", "200=File 304 404")

typedef struct gri_route {
    enum gri_pattern pattern;
    const char *method;
    enum gri_scope scope;
    int (*run)(const gri_request *request);
    const char *operation, *text, *parameters, *body, *answers;
} gri_route;

typedef struct gri_match {
    enum gri_pattern pattern;
    const gri_route *route;     /* NULL: unknown path, or method not allowed, or OPTIONS */
    enum gri_scope scope;       /* of the route; without one by the method alone */
    size_t name_at, name_bytes; /* in the path */
    const char *parameter;      /* the other one of the path: what is called */
} gri_match;

gri_match gri_route_find(const char *method, const char *path);

/* The methods of a pattern as Allow wants them: "PUT, POST, GET, HEAD, OPTIONS". GRI_PATH_UNKNOWN: all there are. Returns how
 * many; those that `bytes` have no room for are missing in the text. */
size_t gri_route_allow(enum gri_pattern pattern, char *text, size_t bytes);

/* The text of the pattern: "/{name}". */
const char *gri_route_path(enum gri_pattern pattern);
/* Statuses that any route may answer besides its own: 401, 403, 406, 421, … ended by 0. */
const int *gri_route_common(const gri_route *route);

/* The table, for tests and descriptions. */
extern const gri_route gri_routes[];
extern const size_t gri_route_count;

/* GET, HEAD and OPTIONS read, everything else changes. */
enum gri_scope gri_scope_of_method(const char *method);

#endif
