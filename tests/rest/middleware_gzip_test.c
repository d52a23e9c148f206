/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* gr_middleware_gzip: which answers are compressed, what their fields say, and that they come out as they went in. */
#include <greenroom/middleware.h>

#include "rest/client.h"
#include "rest/fake_request.h"
#include "rest/gzip_choice.h"
#include "support/harness.h"

/* ---- choices, pure ---- */

TEST(gzip, what_clients_take)
{
    static const struct {
        const char *accepts;
        bool wanted;
    } cases[] = {{"gzip", true},
                 {"GZIP", true},
                 {"x-gzip", true},
                 {"deflate, gzip;q=1.0, *;q=0.5", true},
                 {"*", true},
                 {"gzip;q=0.001", true},
                 {"br;q=1.0, gzip ; q=0.8 , *;q=0.1", true},
                 {" , gzip,", true},
                 {"gzip; x=1; q=0.5", true},
                 {"", false},
                 {"br", false},
                 {"gzipped", false},
                 {"gzip;q=0", false},
                 {"gzip;q=0.000", false},
                 {"*;q=0", false},
                 {"*, gzip;q=0", false},
                 {"identity, gzip;q=0.5", false},
                 {"identity;q=0.5, gzip;q=0.5", true},
                 {"identity;q=0, gzip", true},
                 {"gzip;q=1.001", false},
                 {"gzip;q=2", false},
                 {"gzip;q=-1", false},
                 {"gzip;q=", false},
                 {"gzip;q=0.0001", false}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        fake_request r;
        fake_request_init(&r, NULL, "GET", "/", NULL);
        fake_request_header(&r, "Accept-Encoding", cases[i].accepts);
        if (gri_gzip_wanted(&r.env) != cases[i].wanted) TEST_FAIL("\"%s\"", cases[i].accepts);
        r.env.protocol = "HTTP/1.0";
        CHECK(!gri_gzip_wanted(&r.env));
    }
    fake_request none;
    fake_request_init(&none, NULL, "GET", "/", NULL);
    CHECK(!gri_gzip_wanted(&none.env));
    fake_request_header(&none, "Accept-Encoding", "br"); /* two fields are one list */
    fake_request_header(&none, "accept-encoding", "gzip");
    CHECK(gri_gzip_wanted(&none.env));
}

static bool fits(int status, int64_t bytes, const char *type, const char *name, const char *value)
{
    static char *const types[] = {"text/", "application/json", "+json", NULL};
    const gr_header headers[] = {{"Content-Type", type}, {name, value}};
    const gri_gzip_answer facts = {status, type ? headers : headers + 1, (type != NULL) + (name != NULL), bytes};
    return gri_gzip_fits(&facts, types, 100);
}

TEST(gzip, what_is_compressed)
{
    CHECK(fits(200, 100, "text/plain", NULL, NULL));
    CHECK(fits(200, GR_BODY_UNKNOWN, "TEXT/html; charset=utf-8", NULL, NULL));
    CHECK(fits(404, 1000, "application/problem+json", NULL, NULL));
    CHECK(fits(200, 1000, "application/json ;x=y", "Cache-Control", "no-store"));
    CHECK(!fits(200, 99, "text/plain", NULL, NULL));
    CHECK(!fits(200, 1000, "image/png", NULL, NULL));
    CHECK(!fits(200, 1000, "application/jsonl", NULL, NULL));
    CHECK(!fits(200, 1000, "application/json+x", NULL, NULL));
    CHECK(!fits(200, 1000, "text", NULL, NULL));
    CHECK(!fits(200, 1000, "", NULL, NULL));
    CHECK(!fits(200, 1000, NULL, "X", "y"));
    CHECK(!fits(200, GR_BODY_UNKNOWN, "text/event-stream", NULL, NULL));
    CHECK(!fits(200, GR_BODY_UNKNOWN, "Text/Event-Stream;charset=utf-8", NULL, NULL));
    CHECK(!fits(200, 1000, "text/plain", "Content-Encoding", "br"));
    CHECK(!fits(200, 1000, "text/plain", "cache-control", "private, No-Transform"));
    CHECK(!fits(206, 1000, "text/plain", NULL, NULL));
    CHECK(!fits(416, 1000, "text/plain", "Content-Range", "bytes */5"));
    CHECK(!fits(204, GR_BODY_UNKNOWN, "text/plain", NULL, NULL));
    CHECK(!fits(200, 0, "text/plain", NULL, NULL));
    CHECK(!fits(304, 0, NULL, "ETag", "\"x\""));
}

TEST(gzip, what_varies)
{
    const gr_header tag = {"ETag", "\"x\""}, kept[] = {tag, {"Cache-Control", "no-transform"}};
    CHECK(gri_gzip_varies(&(gri_gzip_answer){304, &tag, 1, 0}, false));
    CHECK(gri_gzip_varies(&(gri_gzip_answer){200, &tag, 1, 5}, false));
    CHECK(gri_gzip_varies(&(gri_gzip_answer){200, NULL, 0, 5000}, true));
    CHECK(!gri_gzip_varies(&(gri_gzip_answer){304, NULL, 0, 0}, false));
    CHECK(!gri_gzip_varies(&(gri_gzip_answer){304, kept, 2, 0}, false));
}

TEST(gzip, who_refuses_what_is_not_encoded)
{
    static const struct {
        const char *accepts;
        bool refused;
    } cases[] = {{"identity;q=0", true},     {"gzip, identity;q=0", true},       {"*;q=0", true}, {"gzip, *;q=0", true},
                 {"identity, *;q=0", false}, {"identity;q=0.001, *;q=0", false}, {"gzip", false}, {"", false},
                 {"gzip;q=0", false},        {"IDENTITY ; Q=0.000", true},       {"*", false}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        fake_request r;
        fake_request_init(&r, NULL, "GET", "/", NULL);
        fake_request_header(&r, "Accept-Encoding", cases[i].accepts);
        if (gri_identity_refused(&r.env) != cases[i].refused) TEST_FAIL("\"%s\"", cases[i].accepts);
        r.env.protocol = "HTTP/1.0";
        CHECK(!gri_identity_refused(&r.env));
    }
}

TEST(gzip, tags_that_were_given)
{
    fake_request r;
    fake_request_init(&r, NULL, "GET", "/", NULL);
    CHECK(!gri_tag_given(&r.env, "\"a\""));
    fake_request_header(&r, "If-None-Match", "\"x,y\" , W/\"a\",\"b\"");
    fake_request_header(&r, "if-none-match", "\"c\", \"open");
    CHECK(gri_tag_given(&r.env, "\"x,y\"") && gri_tag_given(&r.env, "W/\"a\"") && gri_tag_given(&r.env, "\"b\""));
    CHECK(gri_tag_given(&r.env, "\"c\"") && !gri_tag_given(&r.env, "\"a\"") && !gri_tag_given(&r.env, "W/\"b\""));
    CHECK(!gri_tag_given(&r.env, "\"open"));
}

TEST(gzip, weak_tags)
{
    char text[8];
    CHECK(gri_tag_weaken("\"abc\"", text, sizeof text));
    CHECK_STR(text, "W/\"abc\"");
    CHECK(gri_tag_weaken("W/\"abc\"", text, sizeof text));
    CHECK_STR(text, "W/\"abc\"");
    CHECK(!gri_tag_weaken("\"abcd\"", text, sizeof text));
}

TEST(gzip, options_that_make_no_sense)
{
    gr_application application = {NULL, NULL};
    gr_middleware *layers = NULL;
    gr_detail detail;
    gr_gzip_options options = {.level = 10};
    int code = gr_middleware_gzip(&layers, &application, &options, &detail);
#ifdef GR_REST_GZIP
    CHECK_EQ(code, GR_EINVAL);
    CHECK(strstr(detail.text, "level is 10") != NULL);
#else
    CHECK_EQ(code, GR_EUNSUPPORTED);
    CHECK(strstr(detail.text, "without zlib") != NULL);
#endif
    CHECK(layers == NULL);
}

#ifdef GR_REST_GZIP
#include <zlib.h>

/* ---- the layer ---- */

enum { BIG_BYTES = 200000 };

static char big[BIG_BYTES + 1];

static void fill_big(void)
{
    static const char words[][8] = {"green ", "room ", "actor ", "stage\n"};
    uint64_t random = 7;
    for (size_t at = 0; at + 8 < BIG_BYTES;) {
        random = random * 6364136223846793005U + 1442695040888963407U;
        at += (size_t)snprintf(big + at, 8, "%s", words[random >> 62]);
    }
}

/* Inflates what must be one whole gzip member. The caller frees. */
static char *inflate_all(const char *data, size_t bytes, size_t *ret_bytes)
{
    char *text = malloc(BIG_BYTES * 2);
    z_stream z = {.next_in = (z_const Bytef *)(uintptr_t)data, .avail_in = (uInt)bytes, .next_out = (Bytef *)text};
    z.avail_out = BIG_BYTES * 2;
    CHECK_EQ(inflateInit2(&z, 31), Z_OK);
    CHECK_EQ(inflate(&z, Z_FINISH), Z_STREAM_END);
    CHECK_EQ(z.avail_in, 0);
    *ret_bytes = z.total_out;
    inflateEnd(&z);
    return text;
}

static bool failed;

static int writes(gr_responder *respond, const char *data, size_t bytes, size_t piece)
{
    int code = 0;
    for (size_t at = 0; code == 0 && at < bytes; at += piece)
        code = gr_response_write(respond, data + at, bytes - at < piece ? bytes - at : piece);
    return code;
}

static int application_run(void *state, const gr_environ *env, gr_responder *respond)
{
    static const gr_header headers[] = {
        {"Content-Type", "text/plain"}, {"ETag", "\"v1\""}, {"Accept-Ranges", "bytes"}, {"X-Other", "stays"}};
    (void)state;
    if (strcmp(env->path, "/small") == 0) return gr_response_send(respond, 200, "text/plain", "hello\n", 6);
    if (strcmp(env->path, "/tagged") == 0) {
        int started = gr_response_start(respond, 200, headers, 2, 6);
        return started != 0 ? started : gr_response_write(respond, "hello\n", 6);
    }
    if (strcmp(env->path, "/raise") == 0) gr_raise(env->self, "oops", "on purpose");
    if (strcmp(env->path, "/304") == 0) return gr_response_start(respond, 304, headers, 2, 0);
    int64_t announced = strcmp(env->path, "/stream") == 0 ? GR_BODY_UNKNOWN : BIG_BYTES;
    int code = gr_response_start(respond, 200, headers, 4, announced);
    CHECK(code != 0 || gr_response_start(respond, 200, headers, 4, 5) == GR_EEXISTS);
    if (strcmp(env->path, "/short") == 0) return code != 0 ? code : gr_response_write(respond, big, 5000);
    if (strcmp(env->path, "/late") == 0) gr_raise(env->self, "oops", "behind the head");
    if (code == 0) code = writes(respond, big, BIG_BYTES, strcmp(env->path, "/whole") == 0 ? BIG_BYTES : 777);
    if (strcmp(env->path, "/long") == 0) {
        CHECK_EQ(gr_response_write(respond, "x", 1), GR_ERANGE);
        failed = true;
    }
    return code;
}

static gr_application wrapped(gr_middleware **layers)
{
    gr_application application = {application_run, NULL};
    fill_big();
    CHECK_OK(gr_middleware_gzip(layers, &application, NULL, NULL));
    return application;
}

static fake_answer got;

static int request(gr_self *self, gr_application application, const char *method, const char *path, const char *accepts)
{
    fake_request r;
    fake_request_init(&r, self, method, path, NULL);
    if (accepts) fake_request_header(&r, "Accept-Encoding", accepts);
    return fake_run(application, &r, &got);
}

static int request_again(gr_self *self, gr_application application, const char *path, const char *accepts,
                         const char *tag)
{
    fake_request r;
    fake_request_init(&r, self, "GET", path, NULL);
    fake_request_header(&r, "Accept-Encoding", accepts);
    fake_request_header(&r, "If-None-Match", tag);
    return fake_run(application, &r, &got);
}

/* The answer is compressed, says so, and holds what went in. */
static void check_packed(void)
{
    size_t bytes;
    CHECK_EQ(got.status, 200);
    CHECK_EQ(got.announced, GR_BODY_UNKNOWN);
    CHECK_STR(fake_answer_header(&got, "Content-Encoding"), "gzip");
    CHECK_STR(fake_answer_header(&got, "Vary"), "Accept-Encoding");
    CHECK_STR(fake_answer_header(&got, "ETag"), "W/\"v1\"");
    CHECK_STR(fake_answer_header(&got, "X-Other"), "stays");
    CHECK(fake_answer_header(&got, "Accept-Ranges") == NULL);
    char *text = inflate_all(got.body, got.body_bytes, &bytes);
    CHECK_EQ(bytes, BIG_BYTES);
    CHECK_EQ(memcmp(text, big, BIG_BYTES), 0);
    free(text);
}

TEST(gzip, comes_out_as_it_went_in)
{
    gr_self *self = BEGIN();
    gr_middleware *layers = NULL;
    gr_application application = wrapped(&layers);
    CHECK_OK(request(self, application, "GET", "/whole", "gzip"));
    check_packed();
    CHECK(got.body_bytes < BIG_BYTES / 3);
    CHECK_OK(request(self, application, "GET", "/pieces", "gzip"));
    check_packed();
    CHECK_OK(request(self, application, "GET", "/stream", "gzip"));
    check_packed();
    CHECK_OK(request(self, application, "GET", "/long", "gzip"));
    CHECK(failed);
    check_packed();
    gr_middleware_free(&layers);
    END(self);
}

TEST(gzip, others_get_it_as_it_is)
{
    gr_self *self = BEGIN();
    gr_middleware *layers = NULL;
    gr_application application = wrapped(&layers);
    CHECK_EQ(request(self, application, "GET", "/whole", NULL),
             GR_ETOOBIG); /* too big for the fake answer: not packed */
    CHECK_EQ(got.announced, BIG_BYTES);
    CHECK_STR(fake_answer_header(&got, "Vary"), "Accept-Encoding"); /* caches must know */
    CHECK_STR(fake_answer_header(&got, "ETag"), "\"v1\"");
    CHECK_STR(fake_answer_header(&got, "Accept-Ranges"), "bytes");
    CHECK(fake_answer_header(&got, "Content-Encoding") == NULL);
    CHECK_OK(request(self, application, "GET", "/small", "gzip"));
    CHECK_STR(got.body, "hello\n");
    CHECK_EQ(got.announced, 6);
    CHECK(fake_answer_header(&got, "Vary") == NULL);
    gr_middleware_free(&layers);
    END(self);
}

/* However small it is: the 304 for it does not know. */
TEST(gzip, a_304_varies_as_its_200)
{
    gr_self *self = BEGIN();
    gr_middleware *layers = NULL;
    gr_application application = wrapped(&layers);
    CHECK_OK(request(self, application, "GET", "/tagged", "gzip"));
    CHECK_STR(got.body, "hello\n");
    CHECK_STR(fake_answer_header(&got, "Vary"), "Accept-Encoding");
    CHECK_STR(fake_answer_header(&got, "ETag"), "\"v1\"");
    CHECK_OK(request_again(self, application, "/304", "gzip", "\"v1\""));
    CHECK_EQ(got.status, 304);
    CHECK_STR(fake_answer_header(&got, "Vary"), "Accept-Encoding");
    CHECK_STR(fake_answer_header(&got, "ETag"), "\"v1\"");
    CHECK_OK(request_again(self, application, "/304", "gzip", "W/\"v1\"")); /* of one that was compressed */
    CHECK_STR(fake_answer_header(&got, "Vary"), "Accept-Encoding");
    CHECK_STR(fake_answer_header(&got, "ETag"), "W/\"v1\"");
    gr_middleware_free(&layers);
    END(self);
}

TEST(gzip, who_takes_nothing_else_gets_nothing_else)
{
    gr_self *self = BEGIN();
    gr_middleware *layers = NULL;
    gr_application application = wrapped(&layers);
    size_t bytes;
    CHECK_OK(request(self, application, "GET", "/small", "gzip, identity;q=0"));
    CHECK_EQ(got.status, 200);
    CHECK_STR(fake_answer_header(&got, "Content-Encoding"), "gzip");
    CHECK_STR(fake_answer_header(&got, "Vary"), "Accept-Encoding");
    char *text = inflate_all(got.body, got.body_bytes, &bytes);
    CHECK_EQ(bytes, 6);
    CHECK_EQ(memcmp(text, "hello\n", 6), 0);
    free(text);
    CHECK_OK(request(self, application, "GET", "/whole", "identity;q=0"));
    CHECK_EQ(got.status, 406);
    CHECK_STR(fake_answer_header(&got, "Vary"), "Accept-Encoding");
    CHECK_OK(request(self, application, "HEAD", "/whole", "*;q=0"));
    CHECK_EQ(got.status, 406);
    CHECK_OK(request(self, application, "POST", "/small", "identity;q=0")); /* it is done: it gets its answer */
    CHECK_EQ(got.status, 200);
    CHECK_STR(got.body, "hello\n");
    gr_middleware_free(&layers);
    END(self);
}

TEST(gzip, answers_without_a_body)
{
    gr_self *self = BEGIN();
    gr_middleware *layers = NULL;
    gr_application application = wrapped(&layers);
    CHECK_OK(request(self, application, "HEAD", "/whole", "gzip"));
    CHECK_STR(fake_answer_header(&got, "Content-Encoding"), "gzip");
    CHECK_STR(fake_answer_header(&got, "ETag"), "W/\"v1\"");
    CHECK_EQ(got.announced, GR_BODY_UNKNOWN);
    CHECK_EQ(got.body_bytes, 0);
    CHECK_OK(request(self, application, "GET", "/304", "gzip"));
    CHECK_EQ(got.status, 304);
    CHECK_STR(fake_answer_header(&got, "ETag"), "\"v1\"");
    CHECK_STR(fake_answer_header(&got, "Vary"), "Accept-Encoding");
    CHECK(fake_answer_header(&got, "Content-Encoding") == NULL);
    CHECK_OK(request(self, application, "GET", "/304", NULL));
    CHECK_STR(fake_answer_header(&got, "ETag"), "\"v1\"");
    CHECK_STR(fake_answer_header(&got, "Vary"), "Accept-Encoding");
    gr_middleware_free(&layers);
    END(self);
}

/* An answer that was cut off must not look whole. */
TEST(gzip, what_is_cut_has_no_end)
{
    gr_self *self = BEGIN();
    gr_middleware *layers = NULL;
    gr_application application = wrapped(&layers);
    CHECK_EQ(request(self, application, "GET", "/short", "gzip"), GR_EINVAL);
    CHECK_EQ(request(self, application, "GET", "/late", "gzip"), GR_ECLOSED);
    CHECK_OK(request(self, application, "GET", "/raise", "gzip"));
    CHECK_EQ(got.status, 500);
    gr_middleware_free(&layers);
    END(self);
}

/* Over the wire, kept alive, in HTTP's chunks. */
TEST(gzip, over_a_connection)
{
    gr_self *self = BEGIN();
    gr_middleware *layers = NULL;
    gr_http_options http = {.listen = "127.0.0.1:0", .application = wrapped(&layers)};
    gr_http_server *server = NULL;
    CHECK_OK(gr_http_start(self, &http, &server));
    client c = client_open(gr_http_address(server));
    static const char *const paths[] = {"/whole", "/stream", "/pieces"};
    for (int i = 0; i < 3; i++) {
        char text[128];
        answer a;
        size_t bytes;
        snprintf(text, sizeof text, "GET %s HTTP/1.1\r\nHost: localhost\r\nAccept-Encoding: gzip\r\n\r\n", paths[i]);
        client_say(&c, text);
        CHECK(client_answer(&c, false, &a));
        CHECK(a.chunked);
        CHECK_STR(answer_header(&a, "Content-Encoding"), "gzip");
        char *plain = inflate_all(a.body, a.body_bytes, &bytes);
        CHECK(bytes == BIG_BYTES && memcmp(plain, big, BIG_BYTES) == 0);
        free(plain);
        answer_free(&a);
    }
    client_close(&c);
    CHECK_OK(gr_http_stop(self, &server, SOON));
    gr_middleware_free(&layers);
    END(self);
}

/* A streamed piece can be read before the next one is written. */
static int one_by_one(void *state, const gr_environ *env, gr_responder *respond)
{
    const gr_header type = {"Content-Type", "text/plain"};
    z_stream *z = state;
    (void)env;
    int code = gr_response_start(respond, 200, &type, 1, GR_BODY_UNKNOWN);
    for (int i = 0; code == 0 && i < 10; i++) {
        char piece[16], plain[64];
        int bytes = snprintf(piece, sizeof piece, "piece %d\n", i);
        code = gr_response_write(respond, piece, (size_t)bytes);
        z->avail_in = (uInt)(got.body_bytes - z->total_in);
        z->next_out = (Bytef *)plain;
        z->avail_out = sizeof plain;
        CHECK_EQ(inflate(z, Z_SYNC_FLUSH), Z_OK);
        CHECK_EQ(sizeof plain - z->avail_out, bytes);
        CHECK_EQ(memcmp(plain, piece, (size_t)bytes), 0);
    }
    return code;
}

TEST(gzip, streams_are_flushed)
{
    gr_self *self = BEGIN();
    gr_middleware *layers = NULL;
    z_stream z = {.next_in = (z_const Bytef *)got.body};
    CHECK_EQ(inflateInit2(&z, 31), Z_OK);
    gr_application application = {one_by_one, &z};
    gr_gzip_options options = {0};
    CHECK_OK(gr_middleware_gzip(&layers, &application, &options, NULL));
    CHECK_OK(request(self, application, "GET", "/", "gzip"));
    inflateEnd(&z);
    gr_middleware_free(&layers);
    END(self);
}

#endif
