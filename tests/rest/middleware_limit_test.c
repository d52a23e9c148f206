/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* gr_middleware_limit: buckets under a clock of our own, and what the layer makes of them. */
#include <greenroom/middleware.h>

#include "rest/buckets.h"
#include "rest/fake_request.h"
#include "support/harness.h"

enum { SECOND = 1000000000 };

/* ---- buckets, pure ---- */

static gri_client_key key_of(unsigned number)
{
    return (gri_client_key){1, number};
}

static enum gri_bucket_answer try_enter(gri_buckets *b, unsigned client, int64_t now_ns, int64_t *ret_wait_ns)
{
    gri_bucket_ref ref = {0};
    enum gri_bucket_answer answer = gri_bucket_enter(b, key_of(client), now_ns, &ref, ret_wait_ns);
    if (answer == GRI_BUCKET_ENTERED) gri_bucket_leave(b, ref);
    return answer;
}

TEST(limit, a_bucket_empties_and_fills)
{
    const gri_buckets_options o = {.emission_ns = SECOND / 2, .burst = 3, .addresses = 1};
    gri_buckets *b = gri_buckets_new(&o);
    int64_t wait = 0;
    for (int i = 0; i < 3; i++) CHECK_EQ(try_enter(b, 1, 100, &wait), GRI_BUCKET_ENTERED);
    CHECK_EQ(try_enter(b, 1, 100, &wait), GRI_BUCKET_EMPTY);
    CHECK_EQ(wait, SECOND / 2);
    CHECK_EQ(try_enter(b, 1, 100 + wait - 1, &wait), GRI_BUCKET_EMPTY);
    CHECK_EQ(wait, 1);
    CHECK_EQ(try_enter(b, 1, 100 + SECOND / 2, &wait), GRI_BUCKET_ENTERED);
    CHECK_EQ(try_enter(b, 1, 100 + SECOND / 2, &wait), GRI_BUCKET_EMPTY);
    CHECK_EQ(try_enter(b, 2, 100 + SECOND / 2, &wait), GRI_BUCKET_ENTERED); /* another address, another bucket */
    for (int i = 0; i < 3; i++) CHECK_EQ(try_enter(b, 1, 60LL * SECOND, &wait), GRI_BUCKET_ENTERED);
    CHECK_EQ(try_enter(b, 1, 60LL * SECOND, &wait), GRI_BUCKET_EMPTY); /* it saves up a burst, no more */
    gri_buckets_free(b);
}

/* However requests come, in any window no more get in than the burst and what the window gives. */
TEST(limit, no_window_gives_more)
{
    const gri_buckets_options o = {.emission_ns = 1000, .burst = 5, .addresses = 1};
    gri_buckets *b = gri_buckets_new(&o);
    int64_t entered[4096], now = 0, wait;
    int count = 0;
    uint64_t random = 42;
    for (int i = 0; i < 4096; i++) {
        random = random * 6364136223846793005U + 1442695040888963407U;
        now += (int64_t)(random >> 54) * ((random >> 40 & 7) == 0);
        if (try_enter(b, 1, now, &wait) == GRI_BUCKET_ENTERED) entered[count++] = now;
    }
    CHECK(count > 50);
    for (int first = 0; first < count; first++)
        for (int last = first; last < count; last++)
            CHECK(last - first + 1 <= 5 + (entered[last] - entered[first]) / 1000);
    gri_buckets_free(b);
}

TEST(limit, in_progress)
{
    const gri_buckets_options o = {.burst = 1, .concurrent = 2, .addresses = 1};
    gri_buckets *b = gri_buckets_new(&o);
    gri_bucket_ref first, second, third;
    int64_t wait = 7;
    CHECK_EQ(gri_bucket_enter(b, key_of(1), 1, &first, &wait), GRI_BUCKET_ENTERED);
    CHECK_EQ(gri_bucket_enter(b, key_of(1), 1, &second, &wait), GRI_BUCKET_ENTERED);
    CHECK_EQ(gri_bucket_enter(b, key_of(1), 1, &third, &wait), GRI_BUCKET_BUSY);
    gri_bucket_leave(b, first);
    CHECK_EQ(gri_bucket_enter(b, key_of(1), 1, &third, &wait), GRI_BUCKET_ENTERED);
    gri_bucket_leave(b, second);
    gri_bucket_leave(b, third);
    gri_buckets_free(b);
}

/* One set of eight: who asked most is remembered while others come and go; with all in use a ninth goes uncounted. */
TEST(limit, who_asks_most_is_remembered)
{
    const gri_buckets_options o = {.emission_ns = SECOND, .burst = 4, .addresses = 8};
    gri_buckets *b = gri_buckets_new(&o);
    int64_t wait;
    for (int i = 0; i < 4; i++) CHECK_EQ(try_enter(b, 0, 1, &wait), GRI_BUCKET_ENTERED);
    for (unsigned i = 1; i < 1000; i++) CHECK_EQ(try_enter(b, i, 1, &wait), GRI_BUCKET_ENTERED);
    CHECK_EQ(try_enter(b, 0, 1, &wait), GRI_BUCKET_EMPTY);
    gri_bucket_ref refs[9];
    for (unsigned i = 0; i < 9; i++)
        CHECK_EQ(gri_bucket_enter(b, key_of(2000 + i), 100LL * SECOND, &refs[i], &wait), GRI_BUCKET_ENTERED);
    CHECK_EQ(refs[8].entry_plus_one, 0);
    for (int i = 0; i < 9; i++) gri_bucket_leave(b, refs[i]);
    gri_buckets_free(b);
}

TEST(limit, what_counts_as_one_address)
{
    static const char *const same[][2] = {
        {"192.0.2.1", "::ffff:192.0.2.1"}, {"2001:db8::1", "2001:db8::ffff"}, {"unix", "whatever"}};
    static const char *const other[][2] = {{"192.0.2.1", "192.0.2.2"},
                                           {"2001:db8::1", "2001:db8:0:1::1"},
                                           {"::ffff:192.0.2.1", "::ffff:192.0.2.2"},
                                           {"unix", "0.0.0.0"}};
    for (size_t i = 0; i < 3; i++) {
        gri_client_key a = gri_client_key_of(same[i][0]), b = gri_client_key_of(same[i][1]);
        CHECK(a.high == b.high && a.low == b.low);
    }
    for (size_t i = 0; i < 4; i++) {
        gri_client_key a = gri_client_key_of(other[i][0]), b = gri_client_key_of(other[i][1]);
        CHECK(a.high != b.high || a.low != b.low);
    }
}

/* ---- the layer ---- */

static int moody(void *state, const gr_environ *env, gr_responder *respond)
{
    const gr_application *outer = state;
    if (strcmp(env->path, "/raise") == 0) gr_raise(env->self, "oops", "on purpose");
    if (strcmp(env->path, "/again") == 0) { /* a request inside a request */
        fake_request request;
        fake_request_init(&request, env->self, "GET", "/", NULL);
        request.env.remote = gr_environ_header(env, "x-inner");
        return outer->run(outer->state, &request.env, respond);
    }
    return gr_response_send(respond, 200, "text/plain", "hello\n", 6);
}

static fake_answer got;

static int status_of(gr_self *self, gr_application application, const char *path, const char *remote, const char *inner)
{
    fake_request request;
    fake_request_init(&request, self, "GET", path, NULL);
    request.env.remote = remote;
    if (inner) fake_request_header(&request, "X-Inner", inner);
    CHECK_OK(fake_run(application, &request, &got));
    return got.status;
}

TEST(limit, a_rate_per_address)
{
    static const char *const open[] = {"/livez", NULL};
    gr_self *self = BEGIN();
    gr_application application = {moody, NULL};
    gr_middleware *layers = NULL;
    /* A token in 500 s: the test is faster. */
    gr_limit_options options = {.per_second = 0.002, .burst = 2, .paths_open = open};
    CHECK_OK(gr_middleware_limit(&layers, &application, &options, NULL));
    CHECK_EQ(status_of(self, application, "/", "192.0.2.1:1", NULL), 200);
    CHECK_EQ(status_of(self, application, "/", "192.0.2.1:2", NULL), 200);
    CHECK_EQ(status_of(self, application, "/", "192.0.2.1:3", NULL), 429);
    int seconds = atoi(fake_answer_header(&got, "Retry-After"));
    CHECK(seconds > 300 && seconds <= 500);
    CHECK_STR(fake_answer_header(&got, "Content-Type"), "application/problem+json");
    CHECK(strstr(got.body, "\"status\":429,\"detail\":\"too many requests from this address\"") != NULL);
    CHECK_EQ(got.announced, got.body_bytes);
    CHECK_EQ(status_of(self, application, "/livez", "192.0.2.1:4", NULL), 200);
    CHECK_EQ(status_of(self, application, "/", "192.0.2.2:1", NULL), 200);
    gr_middleware_free(&layers);
    END(self);
}

TEST(limit, behind_a_proxy)
{
    gr_self *self = BEGIN();
    gr_application application = {moody, NULL};
    gr_middleware *layers = NULL;
    gr_limit_options options = {.per_second = 0.002, .proxies = 1};
    CHECK_OK(gr_middleware_limit(&layers, &application, &options, NULL));
    static const char *const clients[] = {"192.0.2.1", "6.6.6.6, 192.0.2.1", "192.0.2.2"};
    static const int statuses[] = {200, 429, 200};
    for (int i = 0; i < 3; i++) {
        fake_request request;
        fake_request_init(&request, self, "GET", "/", NULL);
        fake_request_header(&request, "X-Forwarded-For", clients[i]);
        CHECK_OK(fake_run(application, &request, &got));
        CHECK_EQ(got.status, statuses[i]);
    }
    gr_middleware_free(&layers);
    END(self);
}

/* What is in progress is counted out again, whatever becomes of it. */
TEST(limit, in_progress_at_once)
{
    gr_self *self = BEGIN();
    gr_application application = {moody, &application};
    gr_middleware *layers = NULL;
    gr_limit_options options = {.concurrent_per_address = 1, .concurrent = 2};
    CHECK_OK(gr_middleware_limit(&layers, &application, &options, NULL));
    for (int i = 0; i < 5; i++) {
        CHECK_EQ(status_of(self, application, "/again", "192.0.2.1:1", "192.0.2.1:2"), 429);
        CHECK(atoi(fake_answer_header(&got, "Retry-After")) >= 1);
        CHECK_EQ(status_of(self, application, "/again", "192.0.2.1:1", "192.0.2.2:2"), 200);
        CHECK_EQ(status_of(self, application, "/raise", "192.0.2.1:1", NULL), 500);
    }
    gr_middleware_free(&layers);
    application = (gr_application){moody, &application};
    options = (gr_limit_options){.concurrent = 1};
    CHECK_OK(gr_middleware_limit(&layers, &application, &options, NULL));
    for (int i = 0; i < 5; i++) {
        CHECK_EQ(status_of(self, application, "/again", "192.0.2.1:1", "192.0.2.2:2"), 503);
        CHECK_STR(fake_answer_header(&got, "Retry-After"), "1");
        CHECK_EQ(status_of(self, application, "/raise", "192.0.2.1:1", NULL), 500);
        CHECK_EQ(status_of(self, application, "/", "192.0.2.1:1", NULL), 200);
    }
    gr_middleware_free(&layers);
    END(self);
}

/* An actor that is ended inside of its request gives its place back. */
static int forever(void *state, const gr_environ *env, gr_responder *respond)
{
    const gr_address *watcher = state;
    (void)respond;
    CHECK_OK(gr_cast(env->self, *watcher, "s", "inside"));
    return gr_sleep(env->self, GR_FOREVER);
}

static gr_application limited;

static void one_request(gr_self *self, gr_value args)
{
    static fake_answer answers[2];
    fake_request request;
    int64_t number = gr_int(gr_get(args, "number"), 0);
    fake_request_init(&request, self, "GET", "/", NULL);
    (void)fake_run(limited, &request, &answers[number]);
    CHECK_OK(gr_return(self, "i", answers[number].status));
}

TEST(limit, an_ended_actor_gives_its_place_back)
{
    gr_self *self = BEGIN();
    gr_address watcher = gr_self_address(self), actor;
    gr_middleware *layers = NULL;
    gr_limit_options options = {.concurrent = 1, .concurrent_per_address = 1};
    limited = (gr_application){forever, &watcher};
    CHECK_OK(gr_middleware_limit(&layers, &limited, &options, NULL));
    for (int i = 0; i < 3; i++) {
        CHECK_OK(gr_spawn(self, &actor, one_request, "{s:i}", "number", 0));
        EXPECT(self, "s", "inside");
        gr_kill_now(actor);
        WAIT_GONE(self, actor);
    }
    gr_middleware_free(&layers);
    END(self);
}

TEST(limit, options_that_make_no_sense)
{
    const struct {
        gr_limit_options options;
        const char *why;
    } cases[] = {{{0}, "must be set"},
                 {{.per_second = -1}, "per_second is -1"},
                 {{.per_second = 1e-9}, "per_second is 1e-09"},
                 {{.per_second = __builtin_nan("")}, "per_second is"},
                 {{.burst = 3, .concurrent = 1}, "burst needs per_second"},
                 {{.concurrent = 1, .addresses = 1U << 30}, "addresses is 1073741824"},
                 {{.concurrent = 1, .proxies = 99}, "proxies is 99"},
                 {{.concurrent = 1, .paths_open = (const char *const[]){"x", NULL}}, "paths_open"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        gr_application application = {moody, NULL};
        gr_middleware *layers = NULL;
        gr_detail detail = {0};
        CHECK_EQ(gr_middleware_limit(&layers, &application, &cases[i].options, &detail), GR_EINVAL);
        CHECK(strstr(detail.text, cases[i].why) != NULL);
        CHECK(layers == NULL && application.run == moody);
    }
}
