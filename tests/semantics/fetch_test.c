/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* The HTTP client: what it asks, which answers it takes, how connections are kept. The server is a script. */
#include "support/authority.h"
#include "support/harness.h"

#include "io/fetch.h"
#include "io/socket.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <strings.h>
#include <sys/wait.h>
#include <unistd.h>

/* Accepts connections one after the other and reads requests; each is told to the host ({"head", "body"}), who sends what to
 * answer: a string; {"close"} before or after it. */
static void scripted(gr_self *self, gr_value args)
{
    gr_address host = gr_address_in(gr_get(args, "host"));
    gr_tls *tls = (gr_tls *)(uintptr_t)gr_int(gr_get(args, "tls"), 0);
    gr_socket listener, socket;
    char text[GR_SOCKET_TEXT_BYTES];
    static char buffer[65536];
    CHECK_OK(gr_listen(self, &listener, "127.0.0.1:0", NULL));
    CHECK_OK(gr_socket_local(self, listener, text));
    CHECK_OK(gr_cast(self, host, "s", text));
    while (gr_accept(self, listener, &socket, GR_FOREVER) == 0) {
        if (tls && gr_tls_accept(self, socket, tls, SOON) != 0) {
            CHECK_OK(gr_close(self, socket));
            continue;
        }
        bool open = true;
        for (size_t used = 0, n; open; used = 0) {
            char *end = NULL, *length;
            size_t body = 0, head = 0;
            buffer[0] = '\0';
            while (!end || used < head + body) {
                int code = gr_read(self, socket, buffer + used, sizeof buffer - 1 - used, &n, GR_FOREVER);
                if (code == GR_EKILLED) return;
                if (code != 0 || n == 0) break;
                used += n;
                buffer[used] = '\0';
                end = strstr(buffer, "\r\n\r\n");
                if (!end) continue;
                head = (size_t)(end + 4 - buffer);
                length = strcasestr(buffer, "\r\nContent-Length: ");
                if (length && length < end) body = (size_t)atoi(length + 18);
            }
            if (!end || used < head + body) break;
            CHECK_OK(gr_cast(self, host, "{s:s%, s:s%}", "head", buffer, head, "body", buffer + head, body));
            gr_message *m = RECEIVE(self);
            gr_value answer = gr_get(gr_body(m), "answer");
            open = !gr_bool(gr_get(gr_body(m), "close"), false);
            if (gr_write(self, socket, gr_string(answer, ""), gr_string_bytes(answer), SOON) != 0) open = false;
            FREE(m);
        }
        CHECK_OK(gr_close(self, socket));
    }
}

typedef struct site {
    gr_self *self;
    gr_address server;
    char url[64];
    const char *scheme;
} site;

static site site_open(gr_self *self, gr_tls *tls)
{
    site s = {.self = self, .scheme = tls ? "https" : "http"};
    CHECK_OK(gr_spawn(self, &s.server, scripted, "{s:A, s:I}", "host", gr_self_address(self), "tls",
                      (int64_t)(uintptr_t)tls));
    gr_message *m = RECEIVE(self);
    snprintf(s.url, sizeof s.url, "%s://%s", s.scheme, gr_string(gr_body(m), ""));
    FREE(m);
    return s;
}

static void answer(site *s, const char *text, bool then_close)
{
    CHECK_OK(gr_cast(s->self, s->server, "{s:s, s:b}", "answer", text, "close", then_close));
}

static gr_response *fetch_ok(site *s, const gr_fetch_request *request)
{
    gr_response *response = NULL;
    int code = gr_fetch(s->self, &response, request, SOON);
    if (code != 0) TEST_FAIL("gr_fetch: %s: %s", gr_error_name(code), gr_error_detail(s->self)->text);
    return response;
}

/* What the server has heard. */
static void expect_asked(site *s, const char *head, const char *body)
{
    EXPECT(s->self, "{s:s, s:s}", "head", head, "body", body);
}

static void expect_response(site *s, gr_response *r, int status, const char *body)
{
    size_t bytes = 0;
    CHECK_EQ(gr_response_status(r), status);
    CHECK_STR(gr_response_body(r, &bytes), body);
    CHECK_EQ(bytes, strlen(body));
    gr_response_free(s->self, &r);
    CHECK(r == NULL);
}

static const char *authority(const site *s)
{
    return strstr(s->url, "://") + 3;
}

TEST(fetch, asks_and_reads_the_answer)
{
    gr_self *self = BEGIN();
    site s = site_open(self, NULL);
    char url[128], head[300];
    answer(&s, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-Test:  one  \r\nx-test: two\r\nEmpty:\r\n\r\nhello", false);
    snprintf(url, sizeof url, "%s/a/b%%20c?d=e#fragment", s.url);
    gr_response *r = fetch_ok(&s, &(gr_fetch_request){.url = url});
    snprintf(head, sizeof head, "GET /a/b%%20c?d=e HTTP/1.1\r\nHost: %s\r\n\r\n", authority(&s));
    expect_asked(&s, head, "");
    CHECK_STR(gr_response_header(r, "X-TEST"), "one");
    CHECK_STR(gr_response_header(r, "empty"), "");
    CHECK(gr_response_header(r, "absent") == NULL);
    expect_response(&s, r, 200, "hello");

    answer(&s, "HTTP/1.1 201 \r\nContent-Length: 0\r\n\r\n", false);
    const gr_fetch_header headers[] = {{"Content-Type", "application/json"}, {"X-Empty", ""}};
    r = fetch_ok(&s, &(gr_fetch_request){
                         .url = s.url, .body = "{\"x\":1}", .body_bytes = 7, .headers = headers, .header_count = 2});
    snprintf(head, sizeof head,
             "POST / HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\nX-Empty: \r\nContent-Length: 7\r\n\r\n",
             authority(&s));
    expect_asked(&s, head, "{\"x\":1}");
    expect_response(&s, r, 201, "");

    gr_fetch_forget(); /* the server has one connection at a time */
    answer(&s, "HTTP/1.1 404 Not Found\r\nContent-Length: 1000\r\n\r\n", true);
    snprintf(url, sizeof url, "%s?query", s.url);
    r = fetch_ok(&s, &(gr_fetch_request){.url = url, .method = "HEAD", .own_connection = true});
    snprintf(head, sizeof head, "HEAD /?query HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n", authority(&s));
    expect_asked(&s, head, "");
    expect_response(&s, r, 404, "");
    END(self);
    CHECK_EQ(gri_sockets_open(), 0);
}

/* ---- answers ---- */

static const struct {
    const char *answer;
    bool close;
    int status;
    const char *body;
} good[] = {
    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6 ; x=y\r\n world\r\n0\r\n\r\n", false, 200,
     "hello world"},
    {"HTTP/1.1 200 OK\r\ntransfer-encoding: Chunked\r\n\r\nA\r\n0123456789\r\n000\r\nTrailer: x\r\n\r\n", false, 200,
     "0123456789"},
    {"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: "
     "2\r\n\r\nok",
     false, 200, "ok"},
    {"HTTP/1.1 204 No Content\r\n\r\n", false, 204, ""},
    {"HTTP/1.1 304 Not Modified\r\nContent-Length: 77\r\n\r\n", false, 304, ""},
    {"HTTP/1.1 302 Found\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n", false, 302, ""},
    {"HTTP/1.1 200 OK\r\n\r\nuntil the end", true, 200, "until the end"},
    {"HTTP/1.0 200 OK\r\nContent-Length: 3\r\n\r\nold", true, 200, "old"},
    {"HTTP/1.1 500 x\r\nConnection: foo, Close\r\nContent-Length: 1\r\n\r\n!", true, 500, "!"},
    {"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokEXTRA", true, 200, "ok"},
};

TEST(fetch, answers_in_every_form)
{
    if (harness_simulated()) return; /* there EXTRA may come later than the rest */
    gr_self *self = BEGIN();
    site s = site_open(self, NULL);
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        answer(&s, good[i].answer, good[i].close);
        gr_response *r = fetch_ok(&s, &(gr_fetch_request){.url = s.url});
        gr_message *asked = RECEIVE(self);
        FREE(asked);
        expect_response(&s, r, good[i].status, good[i].body);
        CHECK_EQ(gri_fetch_pool_count(), !good[i].close);
    }
    END(self);
}

static const struct {
    const char *answer;
    int code;
    const char *why;
} bad[] = {
    {"HTTP/2 200 OK\r\n\r\n", GR_ESYNTAX, "begin with HTTP/1.1"},
    {"ICY 200 OK\r\n\r\n", GR_ESYNTAX, "begin with HTTP/1.1"},
    {"HTTP/1.1 20 OK\r\n\r\n", GR_ESYNTAX, "three digits"},
    {"HTTP/1.1 2000 OK\r\n\r\n", GR_ESYNTAX, "three digits"},
    {"HTTP/1.1 200 OK\nContent-Length: 0\n\n", GR_ESYNTAX, "CR LF"},
    {"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx", GR_ESYNTAX, "twice"},
    {"HTTP/1.1 200 OK\r\nContent-Length: 1, 1\r\n\r\nx", GR_ESYNTAX, "no number"},
    {"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\nx", GR_ESYNTAX, "no number"},
    {"HTTP/1.1 200 OK\r\nContent-Length:\r\n\r\nx", GR_ESYNTAX, "not at all"},
    {"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\nx", GR_ESYNTAX, "no number"},
    {"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", GR_ESYNTAX, "two ways"},
    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", GR_ESYNTAX, "other than chunked"},
    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0x1\r\nx\r\n0\r\n\r\n", GR_ESYNTAX, "size of a chunk"},
    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\r\nx\r\n0\r\n\r\n", GR_ESYNTAX, "size of a chunk"},
    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nxy\r\n0\r\n\r\n", GR_ESYNTAX, "longer than it says"},
    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffff\r\n", GR_ETOOBIG, "more than"},
    {"HTTP/1.1 200 OK\r\nNo colon\r\n\r\n", GR_ESYNTAX, "no name"},
    {"HTTP/1.1 200 OK\r\n: empty\r\n\r\n", GR_ESYNTAX, "no name"},
    {"HTTP/1.1 200 OK\r\nA : b\r\n\r\n", GR_ESYNTAX, "no name has"},
    {"HTTP/1.1 200 OK\r\nA: b\001c\r\n\r\n", GR_ESYNTAX, "control character"},
    {"HTTP/1.1 101 Switching Protocols\r\n\r\n", GR_ESYNTAX, "another protocol"},
    {"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n", GR_ETOOBIG, "more than the 40 bytes"},
    {"HTTP/1.1 200 OK\r\n\r\n0123456789012345678901234567890123456789x", GR_ETOOBIG, "more than the 40 bytes"},
    {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell", GR_ECLOSED, "before it had answered"},
    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", GR_ECLOSED, "before it had answered"},
    {"HTTP/1.1 200 OK\r\nContent-", GR_ECLOSED, "before it had answered"},
    {"", GR_ECLOSED, "before it had answered"},
};

/* What comes behind the body cannot pass for a field of the head (RFC 9110, 6.5.1). */
TEST(fetch, trailers_are_no_fields)
{
    gr_self *self = BEGIN();
    site s = site_open(self, NULL);
    answer(&s, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nOne: 1\r\n\r\n2\r\nok\r\n0\r\nTwo: 2\r\n\r\n", false);
    gr_response *r = fetch_ok(&s, &(gr_fetch_request){.url = s.url});
    CHECK_STR(gr_response_header(r, "one"), "1");
    CHECK(gr_response_header(r, "two") == NULL);
    gr_message *asked = RECEIVE(self);
    FREE(asked);
    expect_response(&s, r, 200, "ok");
    END(self);
}

TEST(fetch, answers_that_are_none)
{
    gr_self *self = BEGIN();
    site s = site_open(self, NULL);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        gr_response *r = NULL;
        answer(&s, bad[i].answer, true);
        int code = gr_fetch(self, &r, &(gr_fetch_request){.url = s.url, .body_max = 40}, SOON);
        gr_message *asked = RECEIVE(self);
        FREE(asked);
        if (code != bad[i].code || !strstr(gr_error_detail(self)->text, bad[i].why))
            TEST_FAIL("answer %zu: %s, \"%s\"", i, gr_error_name(code), gr_error_detail(self)->text);
        CHECK(r == NULL);
        CHECK_EQ(gri_fetch_pool_count(), 0);
    }
    END(self);
}

TEST(fetch, a_head_of_any_size_is_no_answer)
{
    gr_self *self = BEGIN();
    site s = site_open(self, NULL);
    static char long_line[40000], many[40000];
    gr_response *r = NULL;
    snprintf(long_line, sizeof long_line, "HTTP/1.1 200 OK\r\nA: %09000d\r\n\r\n", 0);
    snprintf(many, sizeof many, "HTTP/1.1 200 OK\r\n");
    for (int i = 0; i < 300; i++) strcat(many, "A: b\r\n");
    strcat(many, "\r\n");
    const char *answers[] = {long_line, many};
    for (int i = 0; i < 2; i++) {
        answer(&s, answers[i], true);
        CHECK_EQ(gr_fetch(self, &r, &(gr_fetch_request){.url = s.url}, SOON), GR_ETOOBIG);
        gr_message *asked = RECEIVE(self);
        FREE(asked);
    }
    END(self);
}

/* ---- connections ---- */

static const char ok[] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

static void fetch_and_tell(gr_self *self, gr_value args)
{
    gr_response *r = NULL;
    CHECK_OK(gr_fetch(self, &r, &(gr_fetch_request){.url = gr_string(gr_get(args, "url"), "")}, SOON));
    CHECK_OK(gr_cast(self, gr_address_in(gr_get(args, "host")), "{s:i}", "status", gr_response_status(r)));
}

TEST(fetch, connections_are_kept_for_whoever_asks_next)
{
    gr_self *self = BEGIN();
    site s = site_open(self, NULL); /* accepts one connection: what follows goes over it */
    for (int i = 0; i < 10; i++) {
        answer(&s, ok, false);
        if (i % 2) {
            expect_response(&s, fetch_ok(&s, &(gr_fetch_request){.url = s.url}), 200, "ok");
            gr_message *asked = RECEIVE(self);
            FREE(asked);
            CHECK_EQ(gri_fetch_pool_count(), 1);
        } else {
            gr_address other;
            CHECK_OK(gr_spawn(self, &other, fetch_and_tell, "{s:s, s:A}", "url", s.url, "host", gr_self_address(self)));
            gr_message *asked = RECEIVE(self);
            FREE(asked);
            EXPECT(self, "{s:i}", "status", 200);
            WAIT_GONE(self, other); /* its sockets are closed: not this one */
        }
    }
    gr_fetch_forget();
    CHECK_EQ(gri_fetch_pool_count(), 0);
    END(self);
    CHECK_EQ(gri_sockets_open(), 0);
}

static int option_of(gr_socket socket, int level, int option)
{
    int value = 0;
    socklen_t bytes = sizeof value;
    CHECK_OK(getsockopt(gri_socket_descriptor(socket), level, option, &value, &bytes));
    return value;
}

/* A machine that has gone answers no probe; nobody waits two hours for that. */
TEST(fetch, a_machine_that_has_gone_is_noticed)
{
    if (harness_simulated()) return;
    gr_self *self = BEGIN();
    site s = site_open(self, NULL);
    gri_url url;
    const char *why;
    gr_socket socket;
    answer(&s, ok, false);
    expect_response(&s, fetch_ok(&s, &(gr_fetch_request){.url = s.url}), 200, "ok");
    CHECK_OK(gri_url_parse(s.url, &url, &why));
    CHECK(gri_fetch_pool_take(self, &url, NULL, &socket));
    CHECK_EQ(option_of(socket, SOL_SOCKET, SO_KEEPALIVE), 1);
    CHECK(option_of(socket, IPPROTO_TCP, TCP_KEEPIDLE) +
              option_of(socket, IPPROTO_TCP, TCP_KEEPINTVL) * option_of(socket, IPPROTO_TCP, TCP_KEEPCNT) <=
          60);
    CHECK_OK(gr_close(self, socket));
    END(self);
}

/* The server closes a connection that was kept: seen when it is taken, or when the request finds nobody. */
TEST(fetch, a_kept_connection_that_has_ended_is_no_error)
{
    gr_self *self = BEGIN();
    site s = site_open(self, NULL);
    for (int i = 0; i < 20; i++) {
        answer(&s, ok, true); /* closes though it has not said so */
        expect_response(&s, fetch_ok(&s, &(gr_fetch_request){.url = s.url}), 200, "ok");
        gr_message *asked = RECEIVE(self);
        FREE(asked);
        if (i % 2) sched_yield();
    }
    END(self);
    CHECK_EQ(gri_sockets_open(), 0);
}

/* A child has the parent's descriptors, and its epoll: what it forgets must not be the parent's. */
TEST(fetch, a_forked_child_forgets_nothing)
{
    gr_self *self = BEGIN();
    site s = site_open(self, NULL); /* accepts one connection: what follows goes over it */
    for (int i = 0; i < 3; i++) {
        answer(&s, ok, false);
        expect_response(&s, fetch_ok(&s, &(gr_fetch_request){.url = s.url}), 200, "ok");
        gr_message *asked = RECEIVE(self);
        FREE(asked);
        pid_t child = fork();
        if (child == 0) {
            gr_fetch_forget();
            _exit(0);
        }
        int status;
        CHECK(child > 0);
        CHECK_EQ(waitpid(child, &status, 0), child);
        CHECK_EQ(status, 0);
    }
    END(self);
}

TEST(fetch, the_deadline_ends_it)
{
    gr_self *self = BEGIN();
    gr_socket listener;
    gr_response *r = NULL;
    char text[GR_SOCKET_TEXT_BYTES], url[160];
    CHECK_OK(gr_listen(self, &listener, "127.0.0.1:0", NULL)); /* connects, and nobody answers */
    CHECK_OK(gr_socket_local(self, listener, text));
    snprintf(url, sizeof url, "http://%s/", text);
    CHECK_EQ(gr_fetch(self, &r, &(gr_fetch_request){.url = url}, gr_after_ms(10)), GR_ETIMEOUT);
    CHECK_EQ(gri_sockets_open(), 1);
    CHECK_OK(gr_close(self, listener));
    CHECK_EQ(gr_fetch(self, &r, &(gr_fetch_request){.url = url}, SOON), GR_ESYSTEM);
    CHECK(strstr(gr_error_detail(self)->text, "Connection refused"));
    END(self);
}

#if GRI_TLS
TEST(fetch, over_tls)
{
    if (harness_simulated()) return;
    authority_open();
    gr_tls *server = NULL, *client = NULL;
    CHECK_OK(
        gr_tls_new(&server, &(gr_tls_options){.server = true, .certificate = authority_issue("127.0.0.1", 0)}, NULL));
    CHECK_OK(gr_tls_new(&client, &(gr_tls_options){.trust = authority_trust()}, NULL));
    gr_self *self = BEGIN();
    site s = site_open(self, server);
    for (int i = 0; i < 5; i++) {
        answer(&s, ok, false);
        expect_response(&s, fetch_ok(&s, &(gr_fetch_request){.url = s.url, .tls = client}), 200, "ok");
        gr_message *asked = RECEIVE(self);
        FREE(asked);
        CHECK_EQ(gri_fetch_pool_count(), 1);
    }
    gr_fetch_forget();
    gr_response *r = NULL;
    CHECK_EQ(gr_fetch(self, &r, &(gr_fetch_request){.url = s.url}, SOON), GR_ETLS); /* the system knows it not */
    gr_tls_free(&client);
    END(self);
    gr_tls_free(&server);
    authority_close();
    CHECK_EQ(gri_sockets_open(), 0);
}
#endif

/* ---- requests that cannot be ---- */

static void refused(gr_self *self, const gr_fetch_request *request, const char *why)
{
    gr_response *r = NULL;
    CHECK_EQ(gr_fetch(self, &r, request, SOON), GR_EINVAL);
    if (!strstr(gr_error_detail(self)->text, why))
        TEST_FAIL("expected \"%s\", got \"%s\"", why, gr_error_detail(self)->text);
}

#define REFUSED(why, ...) refused(self, &(gr_fetch_request){__VA_ARGS__}, why)

TEST(fetch, requests_that_cannot_be)
{
    gr_self *self = BEGIN();
    REFUSED("url: there is none", .url = NULL);
    REFUSED("url: it must begin with", .url = "ftp://host/");
    REFUSED("url: it must begin with", .url = "/path");
    REFUSED("url: a host is missing", .url = "http:///path");
    REFUSED("url: users and passwords", .url = "http://user:password@host/");
    REFUSED("url: it has a byte", .url = "http://host/a b");
    REFUSED("url: it has a byte", .url = "http://host/a\r\nX: y");
    REFUSED("url: it has a byte", .url = "http://host/\xc3\xa4");
    REFUSED("url: the host is neither", .url = "http://host:99999/");
    REFUSED("url: the host is neither", .url = "http://*:80/");
    REFUSED("url: the host is neither", .url = "http://1.2.3/");
    REFUSED("url: the host is neither", .url = "http://[::1/");
    REFUSED("url: nobody is at port 0", .url = "http://host:0/");
    REFUSED("method: this is no word", .url = "http://host/", .method = "GET /");
    REFUSED("method: this is no word", .url = "http://host/", .method = "");
    REFUSED("method: CONNECT", .url = "http://host/", .method = "CONNECT");
    REFUSED("body: it has bytes", .url = "http://host/", .body_bytes = 1);
    REFUSED("headers: there are some", .url = "http://host/", .header_count = 1);
    gr_fetch_header header = {"Host", "x"};
    REFUSED("header 0: Host is the client's own", .url = "http://host/", .headers = &header, .header_count = 1);
    header = (gr_fetch_header){"A:", "x"};
    REFUSED("header 0 has no name", .url = "http://host/", .headers = &header, .header_count = 1);
    header = (gr_fetch_header){NULL, "x"};
    REFUSED("header 0 has no name", .url = "http://host/", .headers = &header, .header_count = 1);
    header = (gr_fetch_header){"A", "x\r\nB: y"};
    REFUSED("header 0: a value with a control character", .url = "http://host/", .headers = &header, .header_count = 1);
    header = (gr_fetch_header){"A", NULL};
    REFUSED("header 0: a value with a control character", .url = "http://host/", .headers = &header, .header_count = 1);
    gr_response *r = NULL;
    CHECK_EQ(gr_fetch(self, &r, NULL, SOON), GR_EINVAL);
    CHECK_EQ(gr_fetch(self, NULL, &(gr_fetch_request){.url = "http://host/"}, SOON), GR_EINVAL);
    gr_response_free(self, &r);
    gr_response_free(self, NULL);
    END(self);
}
