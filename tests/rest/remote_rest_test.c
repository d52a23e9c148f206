/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Remote addresses that lead to a server of this very process: what our own server makes of them. */
#include <greenroom/observe.h>
#include <greenroom/rest.h>

#include "support/harness.h"

typedef struct place {
    gr_self *self;
    gr_rest *rest;
    char url[96], token[GR_REST_TOKEN_BYTES];
} place;

static place place_open(gr_self *self, bool guarded)
{
    place p = {.self = self};
    gr_detail detail = {0};
    gr_rest_options options = {.http.listen = "127.0.0.1:0", .open = !guarded};
    if (guarded) {
        CHECK_OK(gr_rest_token_new(p.token));
        options.token = p.token;
    }
    if (gr_rest_start(self, &options, &p.rest, &detail) != 0) TEST_FAIL("%s", detail.text);
    snprintf(p.url, sizeof p.url, "http://%s", gr_rest_address(p.rest));
    return p;
}

static void place_close(place *p)
{
    CHECK_OK(gr_remote_configure(NULL, NULL));
    gr_fetch_forget();
    CHECK_OK(gr_rest_stop(p->self, &p->rest, SOON));
}

static gr_address at(const place *p, const char *name)
{
    char url[160];
    gr_address address = GR_NO_ADDRESS;
    snprintf(url, sizeof url, "%s/%s", p->url, name);
    CHECK_OK(gr_remote_address(url, &address, NULL));
    return address;
}

/* A server that adds, gives back, raises, dies, and sends what is no call to whom "to" names. */
static void twice(gr_self *self, void *state, gr_value argument)
{
    (void)state;
    CHECK_OK(gr_reply(self, "I", 2 * gr_int(argument, 0)));
}

static void same(gr_self *self, void *state, gr_value argument)
{
    (void)state;
    CHECK_OK(gr_reply_value(self, argument));
}

static void raise(gr_self *self, void *state, gr_value argument)
{
    (void)state;
    gr_raise_value(self, "raised", argument);
}

static void die(gr_self *self, void *state, gr_value argument)
{
    (void)state, (void)argument;
    CHECK_OK(gr_kill(gr_self_address(self)));
    CHECK_EQ(gr_sleep(self, GR_FOREVER), GR_EKILLED);
}

static void pass_on(gr_self *self, void *state, gr_message *m)
{
    (void)state;
    CHECK_OK(gr_cast_value(self, gr_address_in(gr_get(gr_body(m), "to")), gr_body(m)));
}

static const gr_method methods[] = {{"twice", twice}, {"same", same}, {"raise", raise}, {"die", die}};
static const gr_server server = {
    .methods = methods, .method_count = sizeof methods / sizeof *methods, .on_message = pass_on};

static gr_address server_new(gr_self *self, const char *name)
{
    gr_address address = GR_NO_ADDRESS;
    CHECK_OK(gr_spawn_server(self, &address, &server, OPTIONS(.name = name), "n"));
    return address;
}

/* Ends as the first message says. */
static void obeys(gr_self *self, gr_value args)
{
    gr_message *m = NULL;
    (void)args;
    if (gr_receive(self, &m, GR_FOREVER) != 0) return;
    if (strcmp(gr_string(gr_body(m), ""), "raise") == 0) gr_raise(self, "told", "to raise");
    CHECK_OK(gr_return_value(self, gr_body(m)));
    FREE(m);
}

static void sleeps(gr_self *self, gr_value args)
{
    (void)args;
    (void)gr_sleep(self, GR_FOREVER); /* until it is killed */
}

/* Waits for the URL in its arguments and tells its host how that went. */
static void waits(gr_self *self, gr_value args)
{
    gr_message *result = NULL;
    int code = gr_wait(self, gr_address_in(gr_get(args, "for")), &result, GR_FOREVER);
    gr_value value = code == GR_EEXCEPTION ? gr_get(gr_body(result), "error") : gr_body(result);
    if (code == GR_EKILLED) value = gr_get(gr_body(result), "error");
    CHECK_OK(gr_cast(self, gr_address_in(gr_get(args, "host")), "{s:i,s:V}", "code", code, "value", value));
    FREE(result);
}

static bool is_monitored(gr_address address)
{
    gr_message *info = NULL;
    CHECK_OK(gr_observe_actor(address, &info));
    bool monitored = gr_int(gr_get(gr_body(info), "monitors"), 0) > 0;
    FREE(info);
    return monitored;
}

TEST(remote_rest, a_wait_learns_every_end)
{
    gr_self *self = BEGIN();
    place p = place_open(self, false);
    for (int how = 0; how < 3; how++) {
        gr_address local;
        CHECK_OK(gr_spawn_with(self, &local, obeys, OPTIONS(.name = "obeys"), "n"));
        CHECK_OK(gr_spawn(self, NULL, waits, "{s:A,s:A}", "host", gr_self_address(self), "for", at(&p, "obeys")));
        WAIT_FOR(self, is_monitored(local));
        if (how == 0) {
            CHECK_OK(gr_cast(self, at(&p, "obeys"), "{s:i}", "n", 7));
            EXPECT(self, "{s:i,s:{s:i}}", "code", 0, "value", "n", 7);
        } else if (how == 1) {
            CHECK_OK(gr_cast(self, at(&p, "obeys"), "s", "raise"));
            EXPECT(self, "{s:i,s:s}", "code", GR_EEXCEPTION, "value", "told");
        } else {
            CHECK_OK(gr_kill(at(&p, "obeys")));
            EXPECT(self, "{s:i,s:s}", "code", GR_EKILLED, "value", "killed");
        }
        WAIT_GONE(self, local);
    }
    CHECK_EQ(gr_wait(self, at(&p, "obeys"), NULL, SOON), GR_EDEAD);
    place_close(&p);
    END(self);
}

TEST(remote_rest, calls_come_to_what_local_ones_do)
{
    gr_self *self = BEGIN();
    place p = place_open(self, false);
    static const char *const called[] = {"twice", "same", "raise", "no-such", "die"};
    for (size_t i = 0; i < sizeof called / sizeof *called; i++) {
        gr_message *far = NULL, *near = NULL;
        gr_address local = server_new(self, "far"), other = server_new(self, "near");
        int code = gr_call(self, &far, at(&p, "far"), called[i], SOON, "i", 21);
        int wanted = gr_call(self, &near, other, called[i], SOON, "i", 21);
        if (code != wanted) TEST_FAIL("%s: %s, but %s", called[i], gr_error_name(code), gr_error_name(wanted));
        CHECK((far == NULL) == (near == NULL));
        if (code == GR_EEXCEPTION) {
            CHECK_STR(harness_error(gr_body(far)), harness_error(gr_body(near)));
            CHECK(gr_equal(gr_get(gr_body(far), "description"), gr_get(gr_body(near), "description")));
        } else {
            CHECK(gr_equal(gr_body(far), gr_body(near)));
        }
        FREE(far);
        FREE(near);
        (void)gr_kill(local);
        (void)gr_kill(other);
        WAIT_GONE(self, local);
        WAIT_GONE(self, other);
    }
    CHECK_EQ(gr_call(self, NULL, at(&p, "nobody"), "twice", SOON, "i", 1), GR_EDEAD);
    place_close(&p);
    END(self);
}

TEST(remote_rest, a_full_mailbox_is_efull)
{
    gr_self *self = BEGIN();
    place p = place_open(self, false);
    gr_address local;
    /* It sleeps: what comes stays in its mailbox. */
    CHECK_OK(gr_spawn_with(self, &local, sleeps, OPTIONS(.name = "full", .mailbox_max = 1), "n"));
    CHECK_OK(gr_cast(self, local, "n"));
    CHECK_EQ(gr_call(self, NULL, at(&p, "full"), "m", SOON, "n"), GR_EFULL);
    CHECK_EQ(gr_call(self, NULL, local, "m", SOON, "n"), GR_EFULL);
    CHECK_OK(gr_kill(local));
    WAIT_GONE(self, local);
    place_close(&p);
    END(self);
}

TEST(remote_rest, without_the_token_it_is_denied)
{
    gr_self *self = BEGIN();
    place p = place_open(self, true);
    gr_address local = server_new(self, "guarded"), found;
    gr_address far = at(&p, "guarded");
    gr_message *reply = NULL;
    char url[160];
    snprintf(url, sizeof url, "%s/new", p.url);
    CHECK_EQ(gr_call(self, NULL, far, "twice", SOON, "i", 1), GR_EDENIED);
    CHECK_EQ(gr_remote_kill(self, far, SOON), GR_EDENIED);
    CHECK_EQ(gr_spawn_remote(self, &found, url, "no-such", SOON, "n"), GR_EDENIED);
    const gr_remote_token wrong = {p.url, "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"};
    CHECK_OK(gr_remote_configure(&(gr_remote_options){.tokens = &wrong, .token_count = 1}, NULL));
    CHECK_EQ(gr_call(self, NULL, far, "twice", SOON, "i", 1), GR_EDENIED);
    const gr_remote_token right = {p.url, p.token};
    CHECK_OK(gr_remote_configure(&(gr_remote_options){.tokens = &right, .token_count = 1}, NULL));
    CHECK_OK(gr_call(self, &reply, far, "twice", SOON, "i", 21));
    CHECK_VALUE(gr_body(reply), "i", 42);
    FREE(reply);
    CHECK_EQ(gr_spawn_remote(self, &found, url, "no-such", SOON, "n"), GR_ENOTFOUND);
    CHECK_OK(gr_remote_kill(self, far, SOON));
    WAIT_GONE(self, local);
    place_close(&p);
    END(self);
}

TEST(remote_rest, addresses_come_back_as_what_they_were)
{
    gr_self *self = BEGIN();
    place p = place_open(self, false);
    gr_address local = server_new(self, "echo"), me = gr_self_address(self);
    gr_address far = at(&p, "echo");
    gr_message *reply = NULL;
    for (int public = 0; public < 2; public ++) {
        /* Without a public URL it is the text of this process, which the other side happens to be. */
        if (public) CHECK_OK(gr_remote_configure(&(gr_remote_options){.public_url = p.url}, NULL));
        CHECK_OK(gr_cast(self, far, "{s:A}", "to", me));
        EXPECT(self, "{s:A}", "to", me);
        CHECK_OK(gr_call(self, &reply, far, "same", SOON, "[A]", me));
        CHECK_VALUE(gr_body(reply), "[A]", me);
        FREE(reply);
    }
    /* An address below the public URL is a local one, by whatever name; what was made before stays what it is. */
    CHECK(gr_address_equal(at(&p, "echo"), local));
    CHECK(gr_is_remote(far));
    CHECK_OK(gr_cast(self, far, "{s:A,s:A}", "to", me, "who", far));
    EXPECT(self, "{s:A,s:A}", "to", me, "who", local);
    place_close(&p);
    END(self);
}

/* ---- many at once ---- */

enum { SENDERS = 4, RECEIVERS = 4, EACH = 25 };

/* Hears EACH messages of each sender, in order. */
static void collects(gr_self *self, gr_value args)
{
    int64_t next[SENDERS] = {0};
    for (int i = 0; i < SENDERS * EACH; i++) {
        gr_message *m = RECEIVE(self);
        int64_t from = gr_int(gr_get(gr_body(m), "from"), -1);
        CHECK(from >= 0 && from < SENDERS);
        CHECK_EQ(gr_int(gr_get(gr_body(m), "n"), -1), next[from]);
        next[from]++;
        FREE(m);
    }
    CHECK_OK(gr_cast(self, gr_address_in(gr_get(args, "host")), "s", "all"));
}

/* In bursts, so that queues come and go. After its last message it may be killed. */
static void sends(gr_self *self, gr_value args)
{
    const int64_t me = gr_int(gr_get(args, "me"), 0);
    for (int64_t n = 0; n < EACH; n++) {
        for (int to = 0; to < RECEIVERS; to++) {
            int code;
            gr_address far = gr_address_in(gr_at(gr_get(args, "to"), (size_t)to));
            while ((code = gr_cast(self, far, "{s:I,s:I}", "from", me, "n", n)) == GR_EFULL)
                CHECK_OK(gr_sleep(self, gr_after_ms(1)));
            CHECK_OK(code);
        }
        if (n + 1 < EACH && n % (me + 2) == 0) CHECK_OK(gr_sleep(self, gr_after_us(200 * me)));
    }
}

TEST(remote_rest, nothing_is_lost_doubled_or_reordered)
{
    gr_self *self = BEGIN();
    place p = place_open(self, false);
    gr_address far[RECEIVERS], local;
    const uint64_t dead = harness_counters().dead_letters;
    for (int i = 0; i < RECEIVERS; i++) {
        char name[16];
        snprintf(name, sizeof name, "collects%d", i);
        CHECK_OK(gr_spawn_with(self, &local, collects, OPTIONS(.name = name), "{s:A}", "host", gr_self_address(self)));
        far[i] = at(&p, name);
    }
    for (int i = 0; i < SENDERS; i++)
        CHECK_OK(gr_spawn(self, NULL, sends, "{s:i,s:[A,A,A,A]}", "me", i, "to", far[0], far[1], far[2], far[3]));
    for (int i = 0; i < RECEIVERS; i++) EXPECT(self, "s", "all");
    EXPECT_NOTHING(self);
    CHECK_EQ(harness_counters().dead_letters, dead);
    place_close(&p);
    END(self);
}
