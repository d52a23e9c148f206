/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Every combination of scope, exposure, token, Host and Origin, against the rules written down a second time. */
#include "rest/guard.h"

#include "rest/fake_request.h"
#include "support/test.h"

#define TOKEN "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define OTHER "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdee"

typedef struct credential {
    const char *first, *second;
    bool right;
} credential;

static const credential credentials[] = {
    {NULL, NULL, false},
    {"Bearer " TOKEN, NULL, true},
    {"bearer " TOKEN, NULL, true},
    {"Bearer " OTHER, NULL, false},
    {"Bearer  " TOKEN, NULL, false},
    {"Bearer " TOKEN " ", NULL, false},
    {"Bearer " TOKEN "0", NULL, false},
    {"Bearer", NULL, false},
    {"Bearer ", NULL, false},
    {"", NULL, false},
    {"Basic " TOKEN, NULL, false},
    {TOKEN, NULL, false},
    {"Bearer " TOKEN, "Bearer " TOKEN, false},
    {"Bearer " TOKEN, "Bearer " OTHER, false},
};

static const struct {
    const char *host;
    bool right;
} hosts[] = {
    {"localhost", true},
    {"LocalHost:7580", true},
    {"127.0.0.1:7580", true},
    {"[::1]:7580", true},
    {"localhost:9", true},
    {"allowed.example", true},
    {"allowed.example:99", true},
    {"exact.example:7", true},
    {"exact.example:8", false},
    {"exact.example", false},
    {"evil.example", false},
    {"localhost.evil.example", false},
    {"", false},
    {"127.0.0.2:7580", false},
    {"[::2]", false},
    {"127.0.0.1.evil.example", false},
    {"192.0.2.1:7580", false},
};

static const struct {
    const char *origin, *site;
    bool right, right_over_tls;
} origins[] = {
    {NULL, NULL, true, true},
    {"http://HOST", NULL, true, false}, /* HOST stands for the request's */
    {"http://HOST", "same-origin", true, false},
    {NULL, "none", true, true},
    {"http://elsewhere.example", NULL, false, false},
    {"https://elsewhere.example", NULL, false, false},
    {"null", NULL, false, false},
    {"https://HOST", NULL, true, true}, /* a proxy may speak TLS for us */
    {"http://HOST/", NULL, false, false},
    {"https://HOST/", NULL, false, false},
    {"httpsx://HOST", NULL, false, false},
    {"", NULL, false, false},
    {NULL, "cross-site", false, false},
    {NULL, "same-site", false, false},
    {"http://HOST", "cross-site", false, false},
    {NULL, "", false, false},
};

static int expected(enum gri_scope scope, bool exposed, bool open, bool token, bool host, bool origin)
{
    bool wants_token = !open && (scope == GRI_SCOPE_CHANGE || (scope == GRI_SCOPE_READ && exposed));
    if (wants_token && !token) return 401;
    if (scope != GRI_SCOPE_OPEN && !host) return 421;
    return origin ? 0 : 403;
}

static void check_one(const gri_guard *guard, enum gri_scope scope, size_t c, size_t h, size_t o, bool tls)
{
    char origin[128] = "";
    fake_request request;
    static fake_answer answer;
    fake_answer_init(&answer);
    fake_request_init(&request, NULL, "GET", "/", NULL);
    request.env.host = hosts[h].host;
    request.env.scheme = tls ? "https" : "http";
    if (credentials[c].first) fake_request_header(&request, "Authorization", credentials[c].first);
    if (credentials[c].second) fake_request_header(&request, "authorization", credentials[c].second);
    if (origins[o].origin) {
        const char *mark = strstr(origins[o].origin, "HOST");
        if (mark)
            snprintf(origin, sizeof origin, "%.*s%s%s", (int)(mark - origins[o].origin), origins[o].origin,
                     hosts[h].host, mark + 4);
        fake_request_header(&request, "Origin", mark ? origin : origins[o].origin);
    }
    if (origins[o].site) fake_request_header(&request, "Sec-Fetch-Site", origins[o].site);
    bool origin_right =
        (tls ? origins[o].right_over_tls : origins[o].right) && !(origins[o].origin && !hosts[h].host[0]);
    int status = expected(scope, guard->exposed, guard->open, credentials[c].right, hosts[h].right, origin_right);
    int code = gri_guard_check(guard, &request.env, &answer.respond, scope);
    if (code != (status != 0) || answer.status != status)
        TEST_FAIL("scope %d exposed %d open %d credential %zu host \"%s\" origin %zu: %d, expected %d", (int)scope,
                  guard->exposed, guard->open, c, hosts[h].host, o, answer.status, status);
    if (status == 401) CHECK_STR(fake_answer_header(&answer, "WWW-Authenticate"), "Bearer realm=\"greenroom\"");
    if (status) CHECK_STR(fake_answer_header(&answer, "Content-Type"), "application/problem+json");
}

TEST(guard, every_combination)
{
    char *allowed[] = {(char *)"allowed.example", (char *)"exact.example:7"};
    gri_guard guard = {.token = TOKEN, .hosts = allowed, .host_count = 2};
    for (int kind = 0; kind < 3; kind++) {
        guard.open = kind == 1;
        guard.exposed = kind == 2;
        for (int scope = GRI_SCOPE_OPEN; scope <= GRI_SCOPE_CHANGE; scope++)
            for (size_t c = 0; c < sizeof credentials / sizeof *credentials; c++)
                for (size_t h = 0; h < sizeof hosts / sizeof *hosts; h++)
                    for (size_t o = 0; o < sizeof origins / sizeof *origins; o++)
                        for (int tls = 0; tls < 2; tls++) check_one(&guard, (enum gri_scope)scope, c, h, o, tls);
    }
}

TEST(guard, two_origins_are_refused)
{
    gri_guard guard = {.token = TOKEN};
    fake_request request;
    static fake_answer answer;
    fake_answer_init(&answer);
    fake_request_init(&request, NULL, "GET", "/", NULL);
    fake_request_header(&request, "Origin", "http://localhost:7580");
    fake_request_header(&request, "Origin", "http://localhost:7580");
    CHECK_EQ(gri_guard_check(&guard, &request.env, &answer.respond, GRI_SCOPE_READ), 1);
    CHECK_EQ(answer.status, 403);
}

static int check_host(const char *host, const char *local)
{
    gri_guard guard = {.token = TOKEN, .exposed = true};
    fake_request request;
    static fake_answer answer;
    fake_answer_init(&answer);
    fake_request_init(&request, NULL, "GET", "/", NULL);
    request.env.host = host;
    request.env.local = local;
    fake_request_header(&request, "Authorization", "Bearer " TOKEN);
    CHECK(gri_guard_check(&guard, &request.env, &answer.respond, GRI_SCOPE_READ) >= 0);
    return answer.status;
}

TEST(guard, an_exposed_server_answers_for_its_own_address)
{
    CHECK_EQ(check_host("192.0.2.1:7580", "192.0.2.1:7580"), 0);
    CHECK_EQ(check_host("192.0.2.1", "192.0.2.1:7580"), 0);
    CHECK_EQ(check_host("192.0.2.2", "192.0.2.1:7580"), 421);
    CHECK_EQ(check_host("[2001:db8::1]:7580", "[2001:db8::1]:7580"), 0);
    CHECK_EQ(check_host("203.0.113.9:1", "0.0.0.0:7580"), 0);
    CHECK_EQ(check_host("[2001:db8::2]", "[::]:7580"), 0);
    CHECK_EQ(check_host("evil.example", "0.0.0.0:7580"), 421);
    CHECK_EQ(check_host("", "0.0.0.0:7580"), 421); /* HTTP/1.0 may name none */
    CHECK_EQ(check_host(":7580", "0.0.0.0:7580"), 421);
    CHECK_EQ(check_host("1.2.3.4.evil.example", "0.0.0.0:7580"), 421);
}

/* A guard without a token (not open) lets nobody change anything, whatever they present. */
TEST(guard, an_empty_token_matches_nothing)
{
    gri_guard guard = {.token = ""};
    fake_request request;
    static fake_answer answer;
    fake_answer_init(&answer);
    fake_request_init(&request, NULL, "PUT", "/a", NULL);
    fake_request_header(&request, "Authorization", "Bearer ");
    CHECK_EQ(gri_guard_check(&guard, &request.env, &answer.respond, GRI_SCOPE_CHANGE), 1);
    CHECK_EQ(answer.status, 401);
}

TEST(guard, answers_carry_the_security_fields)
{
    static fake_answer answer;
    gri_guarded guarded;
    fake_answer_init(&answer);
    gri_guarded_init(&guarded, &answer.respond);
    CHECK_OK(gr_response_send(&guarded.respond, 200, "text/plain", "x", 1));
    CHECK_STR(fake_answer_header(&answer, "X-Content-Type-Options"), "nosniff");
    CHECK_STR(fake_answer_header(&answer, "Cache-Control"), "no-store");
    CHECK_STR(answer.body, "x");
    CHECK(!gr_response_gone(&guarded.respond));

    gr_header cached = {"cache-control", "max-age=5"};
    fake_answer_init(&answer);
    CHECK_OK(gr_response_start(&guarded.respond, 200, &cached, 1, 0));
    CHECK_STR(fake_answer_header(&answer, "Cache-Control"), "max-age=5");
    CHECK_STR(fake_answer_header(&answer, "X-Content-Type-Options"), "nosniff");
}

TEST(guard, local_addresses_and_tokens)
{
    CHECK(gri_is_local("127.0.0.1:7580"));
    CHECK(gri_is_local("127.9.9.9:1"));
    CHECK(gri_is_local("[::1]:0"));
    CHECK(gri_is_local("unix:/tmp/x"));
    CHECK(!gri_is_local("0.0.0.0:7580"));
    CHECK(!gri_is_local("*:7580"));
    CHECK(!gri_is_local("[::]:7580"));
    CHECK(!gri_is_local("192.0.2.1:80"));
    CHECK(gri_is_token(TOKEN));
    CHECK(!gri_is_token(NULL));
    CHECK(!gri_is_token(TOKEN "0"));
    CHECK(!gri_is_token("g123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"));
}
