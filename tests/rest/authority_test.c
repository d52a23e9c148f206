/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Nothing happens without the right to it: every path of the table of routes (and mounts, and paths that are nobody's) by
 * every method by credential by Host by Origin, in three kinds of server. What must be refused is refused with the right
 * status, and the world afterwards is the one before: nobody spawned, killed, called, sent to. What is allowed has its
 * effect, so a test that cannot see effects fails; and its status is one that the table says it may have. */
#include "rest/fake_request.h"
#include "rest/openapi.h"
#include "rest/scene.h"

#define WRONG "00112233445566778899aabbccddeeff00112233445566778899aabbccddeefe"
#define COUNT_OF(array) (sizeof(array) / sizeof *(array))

static const char *const methods[] = {"GET",    "HEAD",  "OPTIONS", "PUT",  "POST",
                                      "DELETE", "PATCH", "TRACE",   "BREW", "get"};

static const struct {
    const char *first, *second, *cookie, *query;
    bool right;
} credentials[] = {
    {NULL, NULL, NULL, NULL, false},
    {"Bearer " SCENE_TOKEN, NULL, NULL, NULL, true},
    {"bearer " SCENE_TOKEN, NULL, NULL, NULL, true},
    {"Bearer " WRONG, NULL, NULL, NULL, false},
    {"Basic " SCENE_TOKEN, NULL, NULL, NULL, false},
    {"Bearer " SCENE_TOKEN "," WRONG, NULL, NULL, NULL, false},
    {"Bearer " WRONG, "Bearer " SCENE_TOKEN, NULL, NULL, false},
    {NULL, NULL, "token=" SCENE_TOKEN, "token=" SCENE_TOKEN, false},
};

static const struct {
    const char *host;
    bool right, exposed_right; /* exposed_right: where other machines can connect */
} hosts[] = {
    {"localhost:7580", true, true},      {"allowed.example", true, true},          {"203.0.113.9:7580", false, true},
    {"evil.example:7580", false, false}, {"localhost.evil.example", false, false}, {"", false, false},
};

static const struct {
    const char *origin, *site;
    bool right; /* HOST is the request's, which must not be empty then */
} origins[] = {
    {NULL, NULL, true},    {"http://HOST", "same-origin", true}, {"http://evil.example", NULL, false},
    {"null", NULL, false}, {NULL, "cross-site", false},          {NULL, "same-site", false},
};

enum kind { LOCAL, OPEN, EXPOSED, KINDS };

/* One path that requests are made for: of a pattern, or one beside the table. */
typedef struct destination {
    enum gri_pattern pattern;
    bool mount, free_mount;
    const char *path, *query;
} destination;

static size_t make_targets(destination targets[32])
{
    static char paths[GRI_PATH_UNKNOWN][96];
    size_t count = 0;
    for (size_t p = 0; p < GRI_PATH_UNKNOWN; p++) {
        const char *text = gri_route_path((enum gri_pattern)p), *brace;
        char *path = paths[p];
        for (path[0] = '\0'; (brace = strchr(text, '{')) != NULL; text = strchr(brace, '}') + 1) {
            strncat(path, text, (size_t)(brace - text));
            strcat(path, strncmp(brace, "{name}", 6) == 0 ? "victim" : "bump");
        }
        strcat(path, text);
        targets[count++] = (destination){
            .pattern = (enum gri_pattern)p, .path = path, .query = p == GRI_PATH_WAIT ? "timeout=0" : NULL};
    }
    targets[count++] = (destination){.pattern = GRI_PATH_ACTOR, .path = "/new"};
    targets[count++] = (destination){.pattern = GRI_PATH_UNKNOWN, .path = "/-/nothing"};
    targets[count++] = (destination){.pattern = GRI_PATH_UNKNOWN, .path = "/victim/-/nothing"};
    targets[count++] = (destination){.pattern = GRI_PATH_UNKNOWN, .path = "*"};
    targets[count++] = (destination){.pattern = GRI_PATH_UNKNOWN, .mount = true, .path = "/app/x"};
    targets[count++] = (destination){.pattern = GRI_PATH_UNKNOWN, .mount = true, .free_mount = true, .path = "/free"};
    return count;
}

/* The world ---------------------------------------------------------------------------------------------------------- */

typedef struct world {
    scene s;
    gr_application application;
    enum kind kind;
    gr_address victim;
    int mounted; /* how often an application of ours was run */
    uint64_t spawned;
    unsigned long refused, allowed, effects;
} world;

static int mounted_run(void *state, const gr_environ *env, gr_responder *respond)
{
    (void)env;
    ++*(int *)state;
    return gr_response_send(respond, 200, "text/plain", "x", 1);
}

/* The number in the box: one it was sent, and how often it was called since. -1: dead. */
static int64_t look(world *w)
{
    gr_message *reply = NULL;
    int code = gr_call(w->s.self, &reply, w->victim, "get", gr_after_s(60), "n");
    int64_t number = code == 0 ? gr_int(gr_body(reply), -2) : -1;
    gr_message_free(&reply);
    return number;
}

static void revive(world *w)
{
    if (look(w) >= 0) return;
    w->victim = scene_spawn(&w->s, "box", "victim", 100);
    CHECK_EQ(look(w), 100);
}

static uint64_t spawned(void)
{
    gr_counters counters;
    CHECK_OK(gr_counters_read(&counters));
    return counters.spawned;
}

static void begin_world(world *w, enum kind kind)
{
    static const char *const allowed_hosts[] = {"allowed.example"};
    const gr_mount mounts[] = {{"/app", {mounted_run, &w->mounted}, false},
                               {"/free", {mounted_run, &w->mounted}, true}};
    gr_detail detail = {0};
    gr_rest_options options = {.http.listen = kind == EXPOSED ? "0.0.0.0:7580" : "127.0.0.1:7580",
                               .insecure = kind == EXPOSED,
                               .open = kind == OPEN,
                               .token = SCENE_TOKEN,
                               .hosts = allowed_hosts,
                               .host_count = 1,
                               .mounts = mounts,
                               .mount_count = 2};
    *w = (world){.s.self = scene_runtime(), .kind = kind};
    if (gr_rest_new(&options, &w->s.rest, &detail) != 0) TEST_FAIL("%s", detail.text);
    w->application = gr_rest_application(w->s.rest);
    w->victim = scene_spawn(&w->s, "box", "victim", 100);
}

static void end_world(world *w)
{
    gr_rest_free(&w->s.rest);
    scene_end(&w->s);
}

/* One request ---------------------------------------------------------------------------------------------------------- */

/* Streams would not end: their client goes when it has seen the head and one piece. */
typedef struct witness {
    gr_responder respond; /* first */
    int status, writes;
    bool streams;
} witness;

static int witness_start(gr_responder *respond, int status, const gr_header *headers, size_t count, int64_t body_bytes)
{
    witness *w = (witness *)respond;
    CHECK_EQ(w->status, 0);
    for (size_t i = 0; i < count; i++) CHECK(headers[i].name[0] && headers[i].value);
    w->status = status;
    w->streams = body_bytes == GR_BODY_UNKNOWN;
    return 0;
}

static int witness_write(gr_responder *respond, const void *data, size_t bytes)
{
    witness *w = (witness *)respond;
    (void)data, (void)bytes;
    CHECK(w->status);
    return w->streams && ++w->writes > 1 ? GR_ECLOSED : 0;
}

static bool witness_gone(gr_responder *respond)
{
    return ((witness *)respond)->writes > 1;
}

typedef struct trial {
    const destination *target;
    const char *method;
    size_t credential, host, origin;
} trial;

static enum gri_scope scope_of(const trial *t)
{
    bool reads = strcmp(t->method, "GET") == 0 || strcmp(t->method, "HEAD") == 0 || strcmp(t->method, "OPTIONS") == 0;
    bool free_for_all = t->target->pattern == GRI_PATH_LIVEZ || t->target->pattern == GRI_PATH_READYZ;
    if (t->target->pattern == GRI_PATH_ASSET && reads && strcmp(t->method, "OPTIONS") != 0) return GRI_SCOPE_PAGE;
    if (free_for_all && reads && strcmp(t->method, "OPTIONS") != 0) return GRI_SCOPE_OPEN;
    return reads || t->target->free_mount ? GRI_SCOPE_READ : GRI_SCOPE_CHANGE;
}

/* 401, 421, 403, or 0: allowed. The rules once more, in other words than guard.c's. */
static int refusal(const world *w, const trial *t)
{
    enum gri_scope scope = scope_of(t);
    bool secret = scope == GRI_SCOPE_CHANGE ? w->kind != OPEN : scope == GRI_SCOPE_READ && w->kind == EXPOSED;
    bool host = w->kind == EXPOSED ? hosts[t->host].exposed_right : hosts[t->host].right;
    bool same = origins[t->origin].right && !(origins[t->origin].origin && !hosts[t->host].host[0]);
    if (secret && !t->target->free_mount && !credentials[t->credential].right) return 401;
    if (scope != GRI_SCOPE_OPEN && !host) return 421;
    return same ? 0 : 403;
}

static int request(world *w, const trial *t)
{
    const char *body = NULL;
    char origin[128], path[512];
    fake_request r;
    witness seen = {.respond = {witness_start, witness_write, witness_gone}};
    if (strcmp(t->method, "PUT") == 0) body = "{\"behaviour\":\"box\",\"args\":1}";
    if (strcmp(t->method, "POST") == 0) body = "7";
    const char *queries[] = {t->target->query, credentials[t->credential].query};
    snprintf(path, sizeof path, "%s?%s&%s", t->target->path, queries[0] ? queries[0] : "",
             queries[1] ? queries[1] : "");
    fake_request_init(&r, w->s.self, t->method, path, body);
    r.env.host = hosts[t->host].host;
    r.env.local = w->kind == EXPOSED ? "0.0.0.0:7580" : "127.0.0.1:7580";
    if (credentials[t->credential].first) fake_request_header(&r, "Authorization", credentials[t->credential].first);
    if (credentials[t->credential].second) fake_request_header(&r, "Authorization", credentials[t->credential].second);
    if (credentials[t->credential].cookie) fake_request_header(&r, "Cookie", credentials[t->credential].cookie);
    if (origins[t->origin].origin) {
        bool same = strcmp(origins[t->origin].origin, "http://HOST") == 0;
        snprintf(origin, sizeof origin, "%s%s", same ? "http://" : origins[t->origin].origin,
                 same ? hosts[t->host].host : "");
        fake_request_header(&r, "Origin", origin);
    }
    if (origins[t->origin].site) fake_request_header(&r, "Sec-Fetch-Site", origins[t->origin].site);
    gr_kill_hold(w->s.self);
    int code = w->application.run(w->application.state, &r.env, &seen.respond);
    gr_kill_release(w->s.self);
    CHECK(code == 0 || (seen.streams && code == GR_ECLOSED));
    return seen.status;
}

static void fail(const trial *t, enum kind kind, int status, int wanted)
{
    TEST_FAIL("%s %s, server %d, credential %zu, host \"%s\", origin %zu: %d, expected %d", t->method, t->target->path,
              (int)kind, t->credential, hosts[t->host].host, t->origin, status, wanted);
}

/* Everything that is refused, and whether that left the world alone --------------------------------------------------- */

static void refuse_all(world *w, const destination *target, const char *method)
{
    gr_address nobody;
    int64_t before = look(w);
    int mounted = w->mounted;
    uint64_t born = spawned();
    CHECK_EQ(before, 100);
    for (size_t c = 0; c < COUNT_OF(credentials); c++)
        for (size_t h = 0; h < COUNT_OF(hosts); h++)
            for (size_t o = 0; o < COUNT_OF(origins); o++) {
                trial t = {target, method, c, h, o};
                int wanted = refusal(w, &t);
                if (!wanted) continue;
                int status = request(w, &t);
                if (status != wanted) fail(&t, w->kind, status, wanted);
                w->refused++;
            }
    CHECK_EQ(look(w), before); /* alive, sent nothing, called by nobody: what was sent before is served before */
    CHECK_EQ(w->mounted, mounted);
    CHECK_EQ(spawned(), born);
    CHECK_EQ(gr_lookup("new", &nobody), GR_ENOTFOUND);
}

/* What is allowed ------------------------------------------------------------------------------------------------------ */

/* What the request should have done has been done, and is undone. */
static void check_effect(world *w, const trial *t, int status, int mounted)
{
    gr_address born;
    int64_t now = look(w), wanted = 100;
    const destination *target = t->target;
    bool is_new = strcmp(target->path, "/new") == 0;
    CHECK_EQ(w->mounted, mounted + target->mount);
    if (target->pattern == GRI_PATH_ACTOR && !is_new && strcmp(t->method, "POST") == 0) wanted = 7;
    if (target->pattern == GRI_PATH_ACTOR && !is_new && strcmp(t->method, "DELETE") == 0) wanted = -1;
    if (target->pattern == GRI_PATH_CALL && strcmp(t->method, "POST") == 0) wanted = 101;
    if (now != wanted) fail(t, w->kind, (int)now, (int)wanted);
    w->effects += wanted != 100 || target->mount;
    bool makes = is_new && strcmp(t->method, "PUT") == 0;
    CHECK_EQ(gr_lookup("new", &born) == 0, makes);
    if (makes) {
        CHECK_EQ(status, 202);
        CHECK_OK(gr_unregister("new"));
        CHECK_OK(gr_kill(born));
        w->effects++;
    }
    if (now >= 0 && now != 100) CHECK_OK(gr_cast(w->s.self, w->victim, "i", 100));
    revive(w);
}

static void allow_all(world *w, const destination *target, const char *method)
{
    for (size_t c = 0; c < COUNT_OF(credentials); c++)
        for (size_t h = 0; h < COUNT_OF(hosts); h++)
            for (size_t o = 0; o < COUNT_OF(origins); o++) {
                trial t = {target, method, c, h, o};
                if (refusal(w, &t)) continue;
                int mounted = w->mounted, status = request(w, &t);
                gri_match match = gri_route_find(method, target->path);
                bool said = target->mount                    ? status == 200
                            : match.route                    ? gri_route_answers(match.route, status)
                            : strcmp(method, "OPTIONS") == 0 ? status == 204 || status == 404
                                                             : status == 404 || status == 405;
                if (!said || status == 401 || status == 421 || status == 403) fail(&t, w->kind, status, 0);
                check_effect(w, &t, status, mounted);
                w->allowed++;
            }
}

static void try_kind(enum kind kind)
{
    static world w;
    destination targets[32];
    size_t count = make_targets(targets);
    begin_world(&w, kind);
    for (size_t i = 0; i < count; i++)
        for (size_t m = 0; m < COUNT_OF(methods); m++) {
            refuse_all(&w, &targets[i], methods[m]);
            allow_all(&w, &targets[i], methods[m]);
        }
    static const char *const names[] = {"local", "open", "exposed"};
    printf("authority: %s server: %lu requests refused, 0 effects; %lu allowed, %lu of them had an effect\n",
           names[kind], w.refused, w.allowed, w.effects);
    CHECK(w.refused > 10000 && w.allowed > 100 && w.effects > 20);
    end_world(&w);
}

TEST(authority, of_a_local_server)
{
    try_kind(LOCAL);
}

TEST(authority, of_an_open_server)
{
    try_kind(OPEN);
}

TEST(authority, of_an_exposed_server)
{
    try_kind(EXPOSED);
}

/* Over the wire -------------------------------------------------------------------------------------------------------- */

/* The same through sockets and the parser, with what must be refused: the connection lives on, the world stays. */
TEST(authority, over_the_wire)
{
    scene s = scene_begin((gr_rest_options){.http.requests_per_connection = 1000000});
    static world w;
    destination targets[32];
    size_t count = make_targets(targets);
    w = (world){.s = s, .kind = LOCAL, .victim = scene_spawn(&s, "box", "victim", 100)};
    client c = client_open(s.address);
    for (size_t i = 0; i < count; i++) {
        for (size_t m = 0; m < COUNT_OF(methods); m++) {
            for (size_t k = 0; k < COUNT_OF(credentials); k++) {
                trial t = {&targets[i], methods[m], k, k % 4, k % 2 ? 0 : 2};
                if (targets[i].mount || hosts[t.host].exposed_right != hosts[t.host].right || t.host == 1) continue;
                int wanted = refusal(&w, &t);
                if (!wanted || (strcmp(targets[i].path, "*") == 0 && strcmp(methods[m], "OPTIONS") != 0)) continue;
                char text[1024];
                snprintf(text, sizeof text, "%s %s HTTP/1.1\r\nHost: %s\r\n%s%s%s%sContent-Length: 1\r\n\r\n7",
                         methods[m], targets[i].path, hosts[t.host].host, credentials[k].first ? "Authorization: " : "",
                         credentials[k].first ? credentials[k].first : "", credentials[k].first ? "\r\n" : "",
                         origins[t.origin].origin ? "Origin: http://evil.example\r\n" : "");
                answer a;
                client_say(&c, text);
                CHECK(client_answer(&c, strcmp(methods[m], "HEAD") == 0, &a));
                bool two = credentials[k].second != NULL; /* one of them was sent */
                if (a.status != wanted && !two) fail(&t, LOCAL, a.status, wanted);
                answer_free(&a);
                w.refused++;
            }
            CHECK_EQ(look(&w), 100);
        }
    }
    printf("authority: over the wire: %lu requests refused, 0 effects\n", w.refused);
    CHECK(w.refused > 500);
    client_close(&c);
    scene_end(&s);
}
