/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* gr_middleware_access: what a line says, that no client can forge one, and that every request has its own. */
#include <greenroom/middleware.h>
#include <greenroom/runtime.h>
#include <greenroom/text.h>

#include "rest/access_line.h"
#include "rest/client.h"
#include "rest/fake_request.h"
#include "support/harness.h"

/* ---- lines, pure ---- */

static const char *line_of(enum gr_access_format format, const fake_request *request)
{
    static char line[GR_ACCESS_LINE_BYTES + 1];
    gri_access_line facts = {.format = format,
                             .env = &request->env,
                             .when = {1795424400, 123456789},
                             .status = 200,
                             .bytes = 12,
                             .duration_ns = 1234567890};
    gri_client_text(&request->env, 0, facts.remote);
    size_t bytes = gri_access_line_print(&facts, line, GR_ACCESS_LINE_BYTES);
    CHECK(bytes > 0 && bytes <= GR_ACCESS_LINE_BYTES && line[bytes - 1] == '\n');
    CHECK(memchr(line, '\n', bytes) == line + bytes - 1);
    line[bytes - 1] = '\0';
    return line;
}

static fake_request a_request(void)
{
    fake_request r;
    fake_request_init(&r, NULL, "GET", "/hits?x=1", NULL);
    r.env.headers = r.headers; /* the caller's copy points at itself, see below */
    return r;
}

#define REQUEST(name) \
    fake_request name = a_request(); \
    name.env.headers = name.headers

TEST(access, combined)
{
    REQUEST(r);
    CHECK_STR(line_of(GR_ACCESS_COMBINED, &r),
              "127.0.0.1 - - [23/Nov/2026:09:00:00 +0000] \"GET /hits?x=1 HTTP/1.1\" 200 12 \"-\" \"-\" 1.234567 - -");
    fake_request_header(&r, "Referer", "http://example.com/");
    fake_request_header(&r, "User-Agent", "curl/7.88.1");
    fake_request_header(&r, "X-Request-Id", "a b");
    fake_request_header(&r, "Traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
    CHECK_STR(line_of(GR_ACCESS_COMBINED, &r),
              "127.0.0.1 - - [23/Nov/2026:09:00:00 +0000] \"GET /hits?x=1 HTTP/1.1\" 200 12 \"http://example.com/\" "
              "\"curl/7.88.1\" 1.234567 a_b 0af7651916cd43dd8448eb211c80319c");
    CHECK_STR(line_of(GR_ACCESS_COMMON, &r),
              "127.0.0.1 - - [23/Nov/2026:09:00:00 +0000] \"GET /hits?x=1 HTTP/1.1\" 200 12");
    CHECK_STR(
        line_of(GR_ACCESS_JSON, &r),
        "{\"time\":\"2026-11-23T09:00:00.123Z\",\"remote\":\"127.0.0.1\",\"method\":\"GET\",\"target\":\"/hits?x=1\","
        "\"protocol\":\"HTTP/1.1\",\"status\":200,\"bytes\":12,\"duration_us\":1234567,\"host\":\"localhost:7580\","
        "\"referer\":\"http://example.com/\",\"agent\":\"curl/7.88.1\",\"request_id\":\"a b\","
        "\"trace_id\":\"0af7651916cd43dd8448eb211c80319c\"}");
}

TEST(access, nothing_forges_a_line)
{
    REQUEST(r);
    fake_request_header(&r, "User-Agent",
                        "x\" 200 \r\n127.0.0.1 - - \\ \x1b[2J \x7f \xff \xc2\x9b \xc3\xa9 \xed\xa0\x80");
    CHECK(strstr(line_of(GR_ACCESS_COMBINED, &r), "\"x\\\" 200 \\x0d\\x0a127.0.0.1 - - \\\\ \\x1b[2J \\x7f \\xff "
                                                  "\\xc2\\x9b \xc3\xa9 \\xed\\xa0\\x80\" 1.2"));
    CHECK(strstr(line_of(GR_ACCESS_JSON, &r), "\"agent\":\"x\\\" 200 \\u000d\\u000a127.0.0.1 - - \\\\ \\u001b[2J "
                                              "\\u007f \\u00ff \\u00c2\\u009b \xc3\xa9 \\u00ed\\u00a0\\u0080\"}"));
}

/* Every byte in every field: JSON stays JSON with the keys it should have, a text line has its six quotes. */
TEST(access, every_byte)
{
    for (int byte = 1; byte < 256; byte++) {
        char value[] = "a?b";
        value[1] = (char)byte;
        REQUEST(r);
        r.env.target = value;
        r.env.host = value;
        fake_request_header(&r, "Referer", value);
        fake_request_header(&r, "User-Agent", value);
        fake_request_header(&r, "X-Request-Id", value);
        const char *line = line_of(GR_ACCESS_JSON, &r);
        gr_message *parsed = NULL;
        CHECK_OK(gr_parse(line, strlen(line), NULL, &parsed, NULL));
        CHECK_EQ(gr_count(gr_body(parsed)), 12);
        gr_message_free(&parsed);
        int quotes = 0;
        line = line_of(GR_ACCESS_COMBINED, &r);
        for (const char *at = line; *at; at++) {
            CHECK((unsigned char)*at >= 0x20 && *at != 0x7f);
            if (*at == '\\')
                at++;
            else
                quotes += *at == '"';
        }
        CHECK_EQ(quotes, 6);
    }
}

/* Fields as long as the server takes them: the line stays one piece, and whole characters. */
TEST(access, long_fields_are_cut)
{
    static char value[16384];
    static const char *const units[] = {"a", "\"", "\x01", "\xf0\x9f\x8c\xb1"};
    for (size_t unit = 0; unit < 4; unit++) {
        size_t bytes = strlen(units[unit]);
        for (size_t at = 0; at + bytes < sizeof value; at += bytes) memcpy(value + at, units[unit], bytes + 1);
        REQUEST(r);
        r.env.target = r.env.host = r.env.method = value;
        fake_request_header(&r, "Referer", value);
        fake_request_header(&r, "User-Agent", value);
        fake_request_header(&r, "X-Request-Id", value);
        const char *line = line_of(GR_ACCESS_JSON, &r);
        gr_message *parsed = NULL;
        CHECK_OK(gr_parse(line, strlen(line), NULL, &parsed, NULL));
        gr_message_free(&parsed);
        CHECK(strstr(line, "...\",\"protocol\"") != NULL);
        CHECK(strstr(line_of(GR_ACCESS_COMBINED, &r), "... HTTP/1.1\" 200") != NULL);
    }
}

TEST(access, trace_ids)
{
    static const char good[] = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    CHECK(gri_trace_id(good) == good + 3);
    CHECK(gri_trace_id("01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more") != NULL);
    static const char *const bad[] = {
        "",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more",
        "01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01more",
        "00-0AF7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "00_0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "00-00000000000000000000000000000000-b7ad6b7169203331-01",
        "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) CHECK(gri_trace_id(bad[i]) == NULL);
    CHECK(gri_trace_id(NULL) == NULL);
}

TEST(access, behind_proxies)
{
    char text[GRI_CLIENT_BYTES];
    REQUEST(r);
    r.env.remote = "[::1]:5000";
    gri_client_text(&r.env, 0, text);
    CHECK_STR(text, "::1");
    gri_client_text(&r.env, 1, text); /* nobody forwarded: the peer */
    CHECK_STR(text, "::1");
    fake_request_header(&r, "X-Forwarded-For", "6.6.6.6, 10.0.0.1");
    fake_request_header(&r, "x-forwarded-for", "[2001:db8::7]:443 ,192.0.2.1:80");
    static const char *const expected[] = {"::1", "192.0.2.1", "2001:db8::7", "10.0.0.1", "6.6.6.6", "::1"};
    for (unsigned proxies = 0; proxies < 6; proxies++) {
        gri_client_text(&r.env, proxies, text);
        CHECK_STR(text, expected[proxies]);
    }
    REQUEST(forged);
    fake_request_header(&forged, "X-Forwarded-For", "nonsense\"");
    gri_client_text(&forged.env, 1, text);
    CHECK_STR(text, "127.0.0.1");
    forged.env.remote = "unix:";
    gri_client_text(&forged.env, 1, text);
    CHECK_STR(text, "unix");
}

/* ---- the layer ---- */

enum { LINES = 16 };

typedef struct lines {
    char text[LINES][GR_ACCESS_LINE_BYTES + 1];
    _Atomic int count; /* lines come on any worker's thread, here one after the other */
    int drops;
} lines;

static void keep(void *arg, const char *line, size_t bytes)
{
    lines *l = arg;
    CHECK(l->count < LINES);
    memcpy(l->text[l->count], line, bytes);
    l->text[l->count][bytes - 1] = '\0';
    l->count++;
}

static void count_drop(void *arg)
{
    ((lines *)arg)->drops++;
}

static int moody(void *state, const gr_environ *env, gr_responder *respond)
{
    (void)state;
    if (strcmp(env->path, "/raise") == 0) gr_raise(env->self, "oops", "on purpose");
    if (strcmp(env->path, "/silent") == 0) return 0;
    if (strcmp(env->path, "/too-big") == 0) return GR_ETOOBIG;
    if (strcmp(env->path, "/gone") == 0) return GR_ECLOSED;
    if (strcmp(env->path, "/late") == 0) {
        int code = gr_response_start(respond, 200, NULL, 0, 10);
        if (code == 0) gr_raise(env->self, "oops", "after the head");
        return code;
    }
    return gr_response_send(respond, strcmp(env->path, "/missing") == 0 ? 404 : 200, "text/plain", "hello\n", 6);
}

static void check_line(gr_self *self, gr_application application, lines *l, const char *method, const char *path,
                       int code, const char *part)
{
    static fake_answer got;
    fake_request request;
    fake_request_init(&request, self, method, path, NULL);
    l->count = 0;
    CHECK_EQ(fake_run(application, &request, &got), code);
    CHECK_EQ(l->count, 1);
    if (!strstr(l->text[0], part)) TEST_FAIL("%s %s: \"%s\" lacks \"%s\"", method, path, l->text[0], part);
}

TEST(access, a_line_per_request)
{
    static lines l;
    static const char *const quiet[] = {"/livez", NULL};
    gr_self *self = BEGIN();
    gr_application application = {moody, NULL};
    gr_middleware *layers = NULL;
    gr_access_options options = {.sink = keep, .arg = &l, .drop = count_drop, .paths_quiet = quiet};
    CHECK_OK(gr_middleware_access(&layers, &application, &options, NULL));
    check_line(self, application, &l, "GET", "/", 0, "\"GET / HTTP/1.1\" 200 6 ");
    check_line(self, application, &l, "HEAD", "/", 0, "\"HEAD / HTTP/1.1\" 200 - ");
    check_line(self, application, &l, "GET", "/missing", 0, "\" 404 6 ");
    check_line(self, application, &l, "GET", "/raise", 0, "\" 500 ");
    check_line(self, application, &l, "GET", "/silent", 0, "\" 500 - ");
    check_line(self, application, &l, "POST", "/too-big", GR_ETOOBIG, "\" 413 - ");
    check_line(self, application, &l, "GET", "/gone", GR_ECLOSED, "\" 499 - ");
    check_line(self, application, &l, "GET", "/late", GR_ECLOSED, "\" 200 - ");
    static fake_answer got;
    fake_request request;
    fake_request_init(&request, self, "GET", "/livez", NULL);
    l.count = 0;
    CHECK_OK(fake_run(application, &request, &got));
    CHECK_EQ(l.count, 0);
    CHECK_EQ(got.status, 200);
    CHECK_EQ(l.drops, 0);
    gr_middleware_free(&layers);
    CHECK_EQ(l.drops, 1);
    END(self);
}

TEST(access, what_was_cut_off)
{
    static lines l;
    gr_self *self = BEGIN();
    gr_application application = {moody, NULL};
    gr_middleware *layers = NULL;
    gr_access_options options = {.format = GR_ACCESS_JSON, .sink = keep, .arg = &l};
    CHECK_OK(gr_middleware_access(&layers, &application, &options, NULL));
    check_line(self, application, &l, "GET", "/late", GR_ECLOSED, "\"aborted\":true");
    check_line(self, application, &l, "GET", "/", 0, "\"status\":200");
    CHECK(strstr(l.text[0], "aborted") == NULL);
    gr_middleware_free(&layers);
    END(self);
}

TEST(access, options_that_make_no_sense)
{
    static lines l;
    gr_application application = {moody, NULL};
    gr_middleware *layers = NULL;
    gr_detail detail;
    gr_access_options format = {.format = (enum gr_access_format)7, .arg = &l, .drop = count_drop};
    gr_access_options proxies = {.proxies = 17, .arg = &l, .drop = count_drop};
    CHECK_EQ(gr_middleware_access(&layers, &application, &format, &detail), GR_EINVAL);
    CHECK(strstr(detail.text, "format is 7") != NULL);
    CHECK_EQ(gr_middleware_access(&layers, &application, &proxies, &detail), GR_EINVAL);
    CHECK(strstr(detail.text, "proxies is 17") != NULL);
    CHECK(layers == NULL && l.drops == 0);
}

/* The server's observer sees also what never reached an application. */
TEST(access, by_the_server)
{
    static lines l;
    gr_self *self = BEGIN();
    gr_access_log *log = NULL;
    gr_access_options options = {.sink = keep, .arg = &l, .drop = count_drop};
    CHECK_OK(gr_access_log_new(&options, &log, NULL));
    gr_http_options http = {
        .listen = "127.0.0.1:0", .application = {moody, NULL}, .observe = gr_access_log_observe, .observe_state = log};
    gr_http_server *server = NULL;
    CHECK_OK(gr_http_start(self, &http, &server));
    answer a = client_request(gr_http_address(server), "GET", "/missing", "", NULL);
    CHECK_EQ(a.status, 404);
    answer_free(&a);
    WAIT_FOR(self,
             l.count == 1); /* a line is written when its answer has gone; the next connection is another worker's */
    a = client_request(gr_http_address(server), "GET", "/", "Bad Name: x\r\n", NULL);
    CHECK_EQ(a.status, 400);
    answer_free(&a);
    CHECK_OK(gr_http_stop(self, &server, SOON));
    CHECK_EQ(l.count, 2);
    CHECK(strstr(l.text[0], "\"GET /missing HTTP/1.1\" 404 6 ") != NULL);
    CHECK(strstr(l.text[1], "\"-\" 400 ") != NULL);
    CHECK_EQ(l.drops, 0);
    gr_access_log_free(&log);
    CHECK_EQ(l.drops, 1);
    CHECK(log == NULL);
    END(self);
}

/* Over the wire: what the application raised is answered, the connection goes on, and all have their lines. */
TEST(access, over_a_connection)
{
    static lines l;
    gr_self *self = BEGIN();
    gr_application application = {moody, NULL};
    gr_middleware *layers = NULL;
    gr_access_options options = {.format = GR_ACCESS_JSON, .sink = keep, .arg = &l};
    CHECK_OK(gr_middleware_access(&layers, &application, &options, NULL));
    gr_http_options http = {.listen = "127.0.0.1:0", .application = application};
    gr_http_server *server = NULL;
    CHECK_OK(gr_http_start(self, &http, &server));
    client c = client_open(gr_http_address(server));
    static const char *const paths[] = {"/", "/raise", "/silent", "/missing"};
    static const int statuses[] = {200, 500, 500, 404};
    for (int i = 0; i < 4; i++) {
        char text[128];
        answer a;
        snprintf(text, sizeof text, "GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n", paths[i]);
        client_say(&c, text);
        CHECK(client_answer(&c, false, &a));
        CHECK_EQ(a.status, statuses[i]);
        answer_free(&a);
    }
    client_close(&c);
    CHECK_OK(gr_http_stop(self, &server, SOON));
    CHECK_EQ(l.count, 4);
    for (int i = 0; i < 4; i++) {
        char part[64];
        snprintf(part, sizeof part, "\"target\":\"%s\",\"protocol\":\"HTTP/1.1\",\"status\":%d,", paths[i],
                 statuses[i]);
        CHECK(strstr(l.text[i], part) != NULL);
    }
    gr_middleware_free(&layers);
    END(self);
}
