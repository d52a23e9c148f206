/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* The server over TLS: with OpenSSL on a plain blocking socket as the client, and with the library's own. */
#include <greenroom/fetch.h>
#include <greenroom/rest.h>
#include <greenroom/runtime.h>

#include <sys/socket.h>

#include "rest/client.h"
#include "support/authority.h"
#include "support/test.h"

#if GRI_TLS

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <signal.h>

typedef struct fixture {
    gr_self *self;
    gr_tls *tls;
    gr_http_server *server;
    const char *address;
    SSL_CTX *context; /* of the clients */
} fixture;

static int application(void *state, const gr_environ *env, gr_responder *respond)
{
    static const char big[1000000] = {'x'};
    const char *body;
    size_t bytes;
    char text[256];
    (void)state;
    int code = gr_input_all(env, &body, &bytes);
    if (code != 0) return code;
    if (strcmp(env->path, "/big") == 0) return gr_response_send(respond, 200, "text/plain", big, sizeof big);
    if (strcmp(env->path, "/gone") == 0) {
        while (!gr_response_gone(respond))
            if ((code = gr_sleep(env->self, gr_after_ms(1))) != 0) return code;
        return GR_ECLOSED;
    }
    int used = snprintf(text, sizeof text, "%s %s %s %.*s", env->scheme, env->method, env->path, (int)bytes, body);
    return gr_response_send(respond, 200, "text/plain", text, (size_t)used);
}

static fixture start(gr_http_options options)
{
    fixture f = {0};
    gr_detail detail = {0};
    authority_open();
    CHECK(signal(SIGPIPE, SIG_IGN) != SIG_ERR); /* the client's OpenSSL writes to whoever may have closed */
    if (gr_start(NULL, &detail) != 0) TEST_FAIL("gr_start: %s", detail.text);
    CHECK_OK(gr_attach(&f.self));
    gr_tls_options identity = {.server = true, .certificate = authority_issue("127.0.0.1", 0), .alpn = "http/1.1"};
    CHECK_OK(gr_tls_new(&f.tls, &identity, &detail));
    options.listen = "127.0.0.1:0";
    options.application = (gr_application){application, NULL};
    options.tls = f.tls;
    CHECK_OK(gr_http_start(f.self, &options, &f.server));
    f.address = gr_http_address(f.server);
    f.context = SSL_CTX_new(TLS_client_method());
    CHECK(f.context != NULL);
    CHECK_EQ(SSL_CTX_load_verify_file(f.context, authority_trust()), 1);
    SSL_CTX_set_verify(f.context, SSL_VERIFY_PEER, NULL);
    return f;
}

static void stop(fixture *f)
{
    CHECK_OK(gr_http_stop(f->self, &f->server, gr_after_s(60)));
    gr_tls_free(&f->tls);
    SSL_CTX_free(f->context);
    authority_close();
    gr_detach(&f->self);
    CHECK_OK(gr_stop(gr_after_s(60)));
}

static SSL *shake_hands(const fixture *f, const client *c)
{
    SSL *ssl = SSL_new(f->context);
    CHECK(ssl != NULL);
    CHECK_EQ(SSL_set_fd(ssl, c->fd), 1);
    CHECK_EQ(SSL_connect(ssl), 1);
    return ssl;
}

/* Sends; reads up to the end of the answer's head and `body` bytes more. */
static void ask(SSL *ssl, const char *request, char *text, size_t room, size_t body)
{
    size_t used = 0, whole = room;
    CHECK_EQ(SSL_write(ssl, request, (int)strlen(request)), (int)strlen(request));
    while (used < whole) {
        int n = SSL_read(ssl, text + used, (int)(room - 1 - used));
        if (n <= 0) TEST_FAIL("the answer ends after %zu bytes", used);
        used += (size_t)n;
        text[used] = '\0';
        const char *end = strstr(text, "\r\n\r\n");
        if (end) whole = (size_t)(end + 4 - text) + body;
    }
    CHECK_EQ(used, whole);
}

static gr_http_counters counters_of(const fixture *f)
{
    gr_http_counters counters;
    gr_http_counters_read(f->server, &counters);
    return counters;
}

#define GET(path) "GET " path " HTTP/1.1\r\nHost: h\r\n\r\n"

TEST(http_tls, requests_over_it)
{
    fixture f = start((gr_http_options){0});
    client c = client_open(f.address);
    SSL *ssl = shake_hands(&f, &c);
    char text[1024];
    ask(ssl, GET("/a"), text, sizeof text, strlen("https GET /a "));
    CHECK(strstr(text, "https GET /a ") != NULL);
    ask(ssl, "POST /b HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", text,
        sizeof text, strlen("https POST /b abc"));
    CHECK(strstr(text, "https POST /b abc") != NULL);
    static char big[1100000];
    ask(ssl, "GET /big HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n", big, sizeof big, 1000000);
    CHECK_EQ(SSL_read(ssl, text, sizeof text), 0); /* the end is TLS's own, not just the connection's */
    CHECK_EQ(SSL_get_error(ssl, 0), SSL_ERROR_ZERO_RETURN);
    SSL_free(ssl);
    client_close(&c);
    stop(&f);
}

/* An absolute target names what it is asked over; the other scheme is another server's. */
TEST(http_tls, absolute_targets)
{
    fixture f = start((gr_http_options){0});
    client c = client_open(f.address);
    SSL *ssl = shake_hands(&f, &c);
    char text[1024];
    ask(ssl, GET("https://h/a"), text, sizeof text, strlen("https GET /a "));
    CHECK(strstr(text, "https GET /a ") != NULL);
    ask(ssl, GET("HTTPS://h"), text, sizeof text, strlen("https GET / "));
    CHECK(strstr(text, "https GET / ") != NULL);
    static const char http[] = GET("http://h/a");
    CHECK_EQ(SSL_write(ssl, http, sizeof http - 1), sizeof http - 1);
    int n = SSL_read(ssl, text, sizeof text - 1);
    CHECK(n > 12);
    CHECK(strncmp(text, "HTTP/1.1 400", 12) == 0);
    SSL_free(ssl);
    client_close(&c);
    stop(&f);
}

/* A refusal arrives whole, then the end. */
TEST(http_tls, a_refused_request)
{
    fixture f = start((gr_http_options){0});
    client c = client_open(f.address);
    SSL *ssl = shake_hands(&f, &c);
    char text[2048];
    CHECK(SSL_write(ssl, "GET / HTTP/9.9\r\n\r\nmore", 22) == 22);
    size_t used = 0;
    for (int n; (n = SSL_read(ssl, text + used, (int)(sizeof text - 1 - used))) > 0;) used += (size_t)n;
    text[used] = '\0';
    CHECK(strncmp(text, "HTTP/1.1 505 ", 13) == 0);
    SSL_free(ssl);
    client_close(&c);
    stop(&f);
}

TEST(http_tls, the_librarys_own_client)
{
    fixture f = start((gr_http_options){0});
    char url[128];
    gr_tls *trust = NULL;
    gr_response *response = NULL;
    CHECK_OK(gr_tls_new(&trust, &(gr_tls_options){.trust = authority_trust()}, NULL));
    for (int i = 0; i < 3; i++) {
        size_t bytes;
        snprintf(url, sizeof url, "https://%s/%d", f.address, i);
        gr_fetch_request request = {.url = url, .tls = trust};
        CHECK_OK(gr_fetch(f.self, &response, &request, gr_after_s(60)));
        CHECK_EQ(gr_response_status(response), 200);
        snprintf(url, sizeof url, "https GET /%d ", i);
        CHECK_STR((const char *)gr_response_body(response, &bytes), url);
        gr_response_free(f.self, &response);
    }
    CHECK_EQ(counters_of(&f).accepted, 1); /* the connection was kept */
    gr_tls_free(&trust);
    stop(&f);
}

/* Who does not finish the handshake is left when the first head should have been there; who does not speak TLS, at once. */
TEST(http_tls, handshakes_that_do_not_end)
{
    fixture f = start((gr_http_options){.head_ms = 60});
    client silent = client_open(f.address), half = client_open(f.address), plain = client_open(f.address);
    CHECK(client_send(&half, "\x16\x03\x01\x02\x00\x01", 6));
    (void)client_send(&plain, GET("/"), strlen(GET("/")));
    char text[64];
    while (client_recv(plain.fd, text, sizeof text, 0) > 0) CHECK(strncmp(text, "HTTP", 4) != 0); /* an alert at most */
    CHECK(client_closed(&silent));
    CHECK(client_closed(&half));
    while (counters_of(&f).handshakes_failed < 3) CHECK_OK(gr_sleep(f.self, gr_after_ms(1)));
    CHECK_EQ(counters_of(&f).accepted, 3);
    CHECK_EQ(counters_of(&f).answers[1] + counters_of(&f).answers[3], 0);
    client_close(&silent), client_close(&half), client_close(&plain);
    stop(&f);
}

/* The handshake's time is part of the head's: shaking hands and then saying nothing buys no time. */
TEST(http_tls, silence_after_the_handshake)
{
    for (uint32_t ms = 100;; ms *= 4) { /* once more if the handshake took that long */
        fixture f = start((gr_http_options){.head_ms = ms, .idle_ms = 600000, .body_ms = 600000});
        client c = client_open(f.address);
        SSL *ssl = SSL_new(f.context);
        char text[16];
        CHECK(ssl != NULL && SSL_set_fd(ssl, c.fd) == 1);
        bool shaken = SSL_connect(ssl) == 1;
        if (shaken) CHECK(SSL_read(ssl, text, sizeof text) <= 0);
        ERR_clear_error();
        SSL_free(ssl);
        client_close(&c);
        stop(&f);
        if (shaken) break;
    }
}

TEST(http_tls, stopping_ends_handshakes_and_idle_connections)
{
    fixture f = start((gr_http_options){.head_ms = 600000, .idle_ms = 600000});
    client shaking = client_open(f.address), idle = client_open(f.address);
    SSL *ssl = shake_hands(&f, &idle);
    char text[256];
    ask(ssl, GET("/"), text, sizeof text, strlen("https GET / "));
    while (counters_of(&f).connections < 2) CHECK_OK(gr_sleep(f.self, gr_after_ms(1)));
    CHECK_OK(gr_http_stop(f.self, &f.server, gr_after_s(60)));
    CHECK(client_closed(&shaking));
    CHECK_EQ(SSL_read(ssl, text, sizeof text), 0);
    SSL_free(ssl);
    client_close(&shaking), client_close(&idle);
    stop(&f);
}

TEST(http_tls, applications_learn_that_the_client_has_gone)
{
    fixture f = start((gr_http_options){0});
    client c = client_open(f.address);
    SSL *ssl = shake_hands(&f, &c);
    CHECK(SSL_write(ssl, GET("/gone"), (int)strlen(GET("/gone"))) > 0);
    CHECK_EQ(SSL_shutdown(ssl), 0);
    SSL_free(ssl);
    client_close(&c);
    while (counters_of(&f).unanswered < 1) CHECK_OK(gr_sleep(f.self, gr_after_ms(1)));
    stop(&f);
}

/* Where others can connect the REST module wants TLS, or to be told that plain text is meant. */
TEST(http_tls, rest_on_an_interface_others_can_reach)
{
    fixture f = start((gr_http_options){0});
    char token[GR_REST_TOKEN_BYTES];
    gr_rest *rest = NULL;
    gr_detail detail = {0};
    CHECK_OK(gr_rest_token_new(token));
    gr_rest_options options = {.token = token, .http = {.listen = "0.0.0.0:0"}};
    CHECK_EQ(gr_rest_start(f.self, &options, &rest, &detail), GR_EINVAL);
    CHECK(strstr(detail.text, ".http.tls") != NULL);
    options.http.tls = f.tls;
    CHECK_OK(gr_rest_start(f.self, &options, &rest, &detail));
    char address[64];
    snprintf(address, sizeof address, "127.0.0.1%s", strrchr(gr_rest_address(rest), ':'));
    client c = client_open(address);
    SSL *ssl = shake_hands(&f, &c);
    char text[2048];
    static const char request[] = "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n";
    CHECK_EQ(SSL_write(ssl, request, sizeof request - 1), (int)sizeof request - 1);
    CHECK(SSL_read(ssl, text, sizeof text) > 12);
    CHECK(strncmp(text, "HTTP/1.1 401", 12) == 0); /* reading wants the token, too */
    SSL_free(ssl);
    client_close(&c);
    CHECK_OK(gr_rest_stop(f.self, &rest, gr_after_s(60)));
    stop(&f);
}

#else

TEST(http_tls, this_build_has_none)
{
    gr_tls *tls = NULL;
    CHECK_EQ(gr_tls_new(&tls, &(gr_tls_options){.server = true, .certificate = "x"}, NULL), GR_EUNSUPPORTED);
}

#endif
