/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* What the server has to do with the dashboard: who gets the page, with which headers, and the files. What the page does in a
 * browser is tested in tests/dashboard. */
#include "rest/dashboard.h"

#include <greenroom/rest.h>
#include <string.h>

#include "rest/fake_request.h"
#include "support/test.h"

#define TOKEN "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
#define BROWSER "text/html,application/xhtml+xml,application/xml;q=0.9,image/webp,*/*;q=0.8"

/* As fake_run, but nothing here is an actor: the dashboard needs none. */
static void run(gr_rest *rest, const fake_request *request, fake_answer *ret_answer)
{
    gr_application application = gr_rest_application(rest);
    fake_answer_init(ret_answer);
    CHECK_OK(application.run(application.state, &request->env, &ret_answer->respond));
}

/* One request to an application that other machines can reach: everything that holds data wants the token. Headers in pairs,
 * ended by NULL. */
static fake_answer ask(const char *method, const char *path, const char *const *headers)
{
    static fake_answer answer; /* big */
    gr_rest *rest = NULL;
    gr_rest_options options = {.http.listen = "0.0.0.0:7580", .insecure = true, .token = TOKEN};
    fake_request request;
    CHECK_OK(gr_rest_new(&options, &rest, NULL));
    fake_request_init(&request, NULL, method, path, NULL);
    for (; headers && *headers; headers += 2) fake_request_header(&request, headers[0], headers[1]);
    run(rest, &request, &answer);
    gr_rest_free(&rest);
    return answer;
}

#define ASK(method, path, ...) ask(method, path, (const char *const[]){__VA_ARGS__ __VA_OPT__(, ) NULL})

TEST(dashboard, a_browser_gets_the_page_without_a_token)
{
    static const char *const paths[] = {"/", "/an/actor", "/a0000"};
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        fake_answer a = ASK("GET", paths[i], "Accept", BROWSER);
        CHECK_EQ(a.status, 200);
        CHECK_STR(fake_answer_header(&a, "Content-Type"), "text/html; charset=utf-8");
        CHECK(strstr(fake_answer_header(&a, "Vary"), "Accept"));
        CHECK(strstr(fake_answer_header(&a, "Content-Security-Policy"), "default-src 'none'"));
        CHECK(!strstr(fake_answer_header(&a, "Content-Security-Policy"), "unsafe"));
        CHECK_STR(fake_answer_header(&a, "X-Frame-Options"), "DENY");
        CHECK_STR(fake_answer_header(&a, "Referrer-Policy"), "no-referrer");
        CHECK_STR(fake_answer_header(&a, "X-Content-Type-Options"), "nosniff");
        CHECK_STR(fake_answer_header(&a, "Cache-Control"), "no-cache");
        CHECK(strstr(a.body, "<base href=\"/\">"));
        CHECK(!strstr(a.body, "@CHARTS@"));
    }
}

TEST(dashboard, others_get_what_they_got)
{
    CHECK_EQ(ASK("GET", "/").status, 401);
    CHECK_EQ(ASK("GET", "/", "Accept", "application/json").status, 401);
    CHECK_EQ(ASK("GET", "/", "Accept", "*/*").status, 401);
    CHECK_EQ(ASK("GET", "/a", "Accept", "text/html;q=0.5,application/json").status, 401);
    CHECK_EQ(ASK("GET", "/a/-/wait", "Accept", BROWSER).status, 401);
    CHECK_EQ(ASK("POST", "/a", "Accept", BROWSER).status, 401);
    CHECK_EQ(ASK("DELETE", "/", "Accept", BROWSER).status, 401);
}

/* No name of ours, no page: the page of a rebound name would be in an origin of somebody else's. */
TEST(dashboard, only_for_hosts_of_ours)
{
    gr_rest *rest = NULL;
    gr_rest_options options = {.token = TOKEN};
    fake_request request;
    static fake_answer answer;
    CHECK_OK(gr_rest_new(&options, &rest, NULL));
    fake_request_init(&request, NULL, "GET", "/", NULL);
    fake_request_header(&request, "Accept", BROWSER);
    request.env.host = "rebound.example";
    run(rest, &request, &answer);
    CHECK_EQ(answer.status, 421);
    fake_request_init(&request, NULL, "GET", "/-/dashboard/main.js", NULL);
    request.env.host = "rebound.example";
    run(rest, &request, &answer);
    CHECK_EQ(answer.status, 421);
    gr_rest_free(&rest);
}

TEST(dashboard, a_link_elsewhere_leads_to_it_and_to_nothing_else)
{
    CHECK_EQ(ASK("GET", "/", "Accept", BROWSER, "Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "navigate",
                 "Sec-Fetch-Dest", "document")
                 .status,
             200);
    CHECK_EQ(ASK("GET", "/", "Accept", BROWSER, "Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "navigate",
                 "Sec-Fetch-Dest", "iframe")
                 .status,
             403);
    CHECK_EQ(ASK("GET", "/", "Accept", BROWSER, "Sec-Fetch-Site", "cross-site").status, 403);
    CHECK_EQ(ASK("GET", "/-/dashboard/main.js", "Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "cors").status, 403);
    CHECK_EQ(ASK("GET", "/a", "Authorization", "Bearer " TOKEN, "Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode",
                 "navigate", "Sec-Fetch-Dest", "document")
                 .status,
             403);
}

TEST(dashboard, every_file_plain_and_packed)
{
    CHECK(gri_dashboard_assets_count >= 10);
    for (size_t i = 0; i < gri_dashboard_assets_count; i++) {
        const gri_asset *asset = &gri_dashboard_assets[i];
        char path[128], tag[64];
        snprintf(path, sizeof path, "/-/dashboard/%s", asset->name);
        fake_answer a = ASK("GET", path, "Accept-Encoding", "br, gzip;q=1.0");
        CHECK_EQ(a.status, 200);
        CHECK_STR(fake_answer_header(&a, "Content-Type"), asset->content_type);
        CHECK_STR(fake_answer_header(&a, "Content-Encoding"), "gzip");
        CHECK_STR(fake_answer_header(&a, "Cache-Control"), "no-cache");
        CHECK_EQ(a.body_bytes, (size_t)(asset->packed_end - asset->packed));
        CHECK(memcmp(a.body, "\x1f\x8b", 2) == 0);
        snprintf(tag, sizeof tag, "%s", fake_answer_header(&a, "ETag"));
        a = ASK("GET", path, "If-None-Match", tag);
        CHECK_EQ(a.status, 304);
        CHECK_EQ(a.body_bytes, 0);
        if ((size_t)(asset->end - asset->bytes) >= sizeof a.body) continue;
        a = ASK("GET", path, "Accept-Encoding", "gzip;q=0, identity");
        CHECK_EQ(a.status, 200);
        CHECK(!fake_answer_header(&a, "Content-Encoding"));
        CHECK_EQ(a.body_bytes, (size_t)(asset->end - asset->bytes));
        CHECK(memcmp(a.body, asset->bytes, a.body_bytes) == 0);
    }
    CHECK_EQ(ASK("GET", "/-/dashboard/nothing.js").status, 404);
    CHECK_EQ(ASK("GET", "/-/dashboard/").status, 401); /* no route at all: not to be told apart without the token */
    CHECK_EQ(ASK("GET", "/-/dashboard/a/main.js").status, 401);
    CHECK_EQ(ASK("POST", "/-/dashboard/main.js", "Authorization", "Bearer " TOKEN).status, 405);
}

static bool is_there(const char *name, size_t bytes)
{
    for (size_t i = 0; i < gri_dashboard_assets_count; i++)
        if (strlen(gri_dashboard_assets[i].name) == bytes && memcmp(gri_dashboard_assets[i].name, name, bytes) == 0)
            return true;
    return false;
}

/* What a file asks for, behind `mark` and up to a quote, is there; returns how many that were. */
static size_t references(const gri_asset *asset, const char *mark)
{
    size_t count = 0;
    const char *at = (const char *)asset->bytes;
    while ((at = strstr(at, mark)) != NULL) {
        at += strlen(mark);
        size_t bytes = strcspn(at, "\"");
        CHECK(is_there(at, bytes));
        count++;
    }
    return count;
}

TEST(dashboard, nothing_is_asked_for_that_is_not_there)
{
    size_t files = 0, modules = 0;
    for (size_t i = 0; i < gri_dashboard_assets_count; i++) {
        const gri_asset *asset = &gri_dashboard_assets[i];
        if (strcmp(asset->name, "index.html") == 0) files = references(asset, "\"-/dashboard/");
        if (strncmp(asset->content_type, "text/javascript", 15) == 0) modules += references(asset, "from \"./");
    }
    CHECK(files >= 5);
    CHECK(modules >= 10);
}

TEST(dashboard, the_token_can_be_tried)
{
    CHECK_EQ(ASK("POST", "/-/token").status, 401);
    CHECK_EQ(ASK("POST", "/-/token", "Authorization",
                 "Bearer ff112233445566778899aabbccddeeff00112233445566778899aabbccddeeff")
                 .status,
             401);
    CHECK_EQ(ASK("POST", "/-/token", "Authorization", "Bearer " TOKEN).status, 204);
    CHECK_EQ(ASK("GET", "/-/token", "Authorization", "Bearer " TOKEN).status, 405);
}

TEST(dashboard, below_a_prefix_its_addresses_are_relative_to_that)
{
    gr_rest *rest = NULL;
    gr_rest_options options = {.token = TOKEN};
    fake_request request;
    static fake_answer answer;
    CHECK_OK(gr_rest_new(&options, &rest, NULL));
    fake_request_init(&request, NULL, "GET", "/a", NULL);
    fake_request_header(&request, "Accept", BROWSER);
    request.env.script_name = "/ops\"><b>";
    run(rest, &request, &answer);
    CHECK_EQ(answer.status, 200);
    CHECK(strstr(answer.body, "<base href=\"/ops&#34;&#62;&#60;b&#62;/\">"));
    CHECK(strstr(answer.body, "</html>"));
    CHECK_EQ((size_t)answer.announced, answer.body_bytes);
    CHECK(strstr(fake_answer_header(&answer, "Content-Security-Policy"), "default-src 'none'"));
    gr_rest_free(&rest);
}
