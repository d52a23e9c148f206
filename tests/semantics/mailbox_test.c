/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Bounded mailboxes, whatever their policy; calls nobody waits for any more; dead letters; the limit on an actor's memory. */
#include "support/harness.h"

#include "base/atomic.h"

#include <stdarg.h>

#define SIZE(array) (sizeof(array) / sizeof *(array))

/* A receiver that looks into its mailbox only when it is told to, by the answer to its call, which no bound holds up: the answer
 * says how many messages to read. What it reads it casts to the test's thread; {"done": how many} at last. args: to whom. */
static void reader(gr_self *self, gr_value args)
{
    gr_address to = gr_address_in(args);
    for (;;) {
        gr_message *m = NULL;
        if (gr_call(self, &m, to, "next", GR_FOREVER, "n") != 0) return;
        int64_t wanted = gr_int(gr_body(m), 0), read = 0;
        gr_message_free(&m);
        for (; read < wanted && gr_receive(self, &m, GR_NOW) == 0; read++) {
            if (gr_is_call(m)) (void)gr_respond(self, m, "s", "served"); /* GR_EDEAD: its caller has gone */
            CHECK_OK(gr_cast(self, to, "V", gr_is_call(m) ? gr_call_argument(m) : gr_body(m)));
            gr_message_free(&m);
        }
        CHECK_OK(gr_cast(self, to, "{s:I}", "done", read));
    }
}

/* The reader's next call, which is answered later. */
static gr_message *its_call(gr_self *self)
{
    gr_shape *call = harness_shape("{\"call\":int}");
    gr_message *m = NULL;
    CHECK_EQ(gr_select(self, &(gr_pattern){.shape = call}, 1, &m, SOON), 0);
    gr_shape_free(&call);
    return m;
}

static gr_address spawn_reader(gr_self *self, const gr_spawn_options *options, gr_message **ret_call)
{
    gr_address one;
    CHECK_OK(gr_spawn_with(self, &one, reader, options, "A", gr_self_address(self)));
    *ret_call = its_call(self);
    WAIT_FOR(self, harness_waits(one));
    return one;
}

static void let_read(gr_self *self, gr_message **call, int64_t messages)
{
    CHECK_OK(gr_respond(self, *call, "I", messages));
    gr_message_free(call);
}

/* The ints that it has read, in order; -1 at the end. */
static void expect_read(gr_self *self, int first, ...)
{
    va_list rest;
    va_start(rest, first);
    int64_t count = 0;
    for (int i = first; i >= 0; i = va_arg(rest, int), count++) EXPECT(self, "i", i);
    va_end(rest);
    EXPECT(self, "{s:I}", "done", count);
}

static const char text_1000[1001] = {[0 ... 999] = 'x'};

/* ---- policies ---- */

TEST(mailbox, fail_refuses_and_keeps_what_is_there)
{
    gr_self *self = BEGIN();
    gr_message *call;
    gr_address one = spawn_reader(self, OPTIONS(.mailbox_max = 2, .mailbox_bytes_max = 1 << 20), &call);
    for (int i = 0; i < 4; i++) CHECK_EQ(gr_cast(self, one, "i", i), i < 2 ? 0 : GR_EFULL);
    CHECK_EQ(harness_counters().rejected, 2);
    let_read(self, &call, 10);
    expect_read(self, 0, 1, -1);
    call = its_call(self);
    CHECK_OK(gr_cast(self, one, "i", 7)); /* and there is room again */
    let_read(self, &call, 10);
    expect_read(self, 7, -1);
    END(self);
}

TEST(mailbox, bytes_are_bounded_too)
{
    gr_self *self = BEGIN();
    gr_message *call;
    gr_address one = spawn_reader(self, OPTIONS(.mailbox_bytes_max = 3000), &call);
    int sent = 0;
    while (gr_cast(self, one, "s", text_1000) == 0) sent++;
    CHECK_EQ(sent, 2); /* more than 1,000 each */
    CHECK_OK(gr_cast(self, one, "i", 1));
    let_read(self, &call, 10);
    for (int i = 0; i < 2; i++) EXPECT(self, "s", text_1000);
    EXPECT(self, "i", 1);
    EXPECT(self, "{s:i}", "done", 3);
    END(self);
}

/* What of a bound of 16 MiB waits: an eighth of it is left to slabs; of drop_oldest half, as as much again may wait. */
TEST(mailbox, a_large_bound_is_one_of_memory)
{
    enum { MIB = 1 << 20, BOUND = 16 * MIB, SENT = 20000 };
    for (int i = 0; i < 3; i++) {
        const bool drops = i == 2;
        const size_t bound = i == 1 ? BOUND - 1 : BOUND, room = i == 1 ? BOUND : drops ? 7 * MIB : 14 * MIB;
        gr_self *self = BEGIN_WITH(.workers = 1, .fixed = GR_FIXED(workers));
        gr_message *call;
        gr_address one = spawn_reader(
            self,
            OPTIONS(.mailbox_bytes_max = bound, .mailbox_policy = drops ? GR_MAILBOX_DROP_OLDEST : GR_MAILBOX_FAIL),
            &call);
        int64_t sent = 0;
        for (int k = 0; k < SENT; k++) sent += gr_cast(self, one, "s", text_1000) == 0;
        const int64_t waits = sent - (int64_t)harness_counters().displaced;
        CHECK(waits * 1000 <= (int64_t)room);
        CHECK(waits * 1200 >= (int64_t)room);
        CHECK(drops ? sent == SENT : waits == sent);
        CHECK_OK(gr_kill(one));
        FREE(call);
        END(self);
    }
}

TEST(mailbox, one_message_alone_always_has_room)
{
    gr_self *self = BEGIN();
    gr_message *call;
    gr_address one = spawn_reader(self, OPTIONS(.mailbox_bytes_max = 100), &call);
    CHECK_OK(gr_cast(self, one, "s", text_1000));
    CHECK_EQ(gr_cast(self, one, "i", 1), GR_EFULL);
    END(self);
}

TEST(mailbox, drop_newest_drops_without_a_word_but_answers_calls)
{
    gr_self *self = BEGIN();
    gr_message *call, *reply = NULL;
    gr_address one = spawn_reader(self, OPTIONS(.mailbox_max = 2, .mailbox_policy = GR_MAILBOX_DROP_NEWEST), &call);
    for (int i = 0; i < 5; i++) CHECK_OK(gr_cast(self, one, "i", i));
    CHECK_EQ(gr_call(self, &reply, one, "x", SOON, "n"), GR_EFULL);
    CHECK_EQ(harness_counters().displaced, 3);
    let_read(self, &call, 10);
    expect_read(self, 0, 1, -1);
    END(self);
}

TEST(mailbox, drop_oldest_keeps_the_newest)
{
    gr_self *self = BEGIN();
    gr_message *call;
    gr_address one = spawn_reader(self, OPTIONS(.mailbox_max = 3, .mailbox_policy = GR_MAILBOX_DROP_OLDEST), &call);
    for (int i = 0; i < 10; i++) CHECK_OK(gr_cast(self, one, "i", i));
    CHECK_EQ(harness_counters().displaced, 7);
    let_read(self, &call, 1);
    expect_read(self, 7, -1);
    call = its_call(self);
    for (int i = 10; i < 12; i++) CHECK_OK(gr_cast(self, one, "i", i)); /* two are in its inbox already */
    let_read(self, &call, 10);
    expect_read(self, 9, 10, 11, -1);
    CHECK_EQ(harness_counters().displaced, 8);
    END(self);
}

static void caller(gr_self *self, gr_value args)
{
    gr_address to = gr_address_in(gr_get(args, "to")), host = gr_address_in(gr_get(args, "host"));
    int code = gr_call(self, NULL, to, "x", GR_FOREVER, "i", 1000);
    CHECK_OK(gr_cast(self, host, "{s:s}", "called", gr_error_name(code)));
}

TEST(mailbox, drop_oldest_answers_the_calls_it_drops)
{
    gr_self *self = BEGIN();
    gr_message *call;
    gr_address one = spawn_reader(self, OPTIONS(.mailbox_max = 2, .mailbox_policy = GR_MAILBOX_DROP_OLDEST), &call), it;
    CHECK_OK(gr_spawn(self, &it, caller, "{s:A,s:A}", "to", one, "host", gr_self_address(self)));
    WAIT_FOR(self, harness_waits(it));
    for (int i = 0; i < 2; i++) CHECK_OK(gr_cast(self, one, "i", i));
    EXPECT(self, "{s:s}", "called", "GR_EFULL");
    let_read(self, &call, 10);
    expect_read(self, 0, 1, -1);
    END(self);
}

TEST(mailbox, drop_oldest_by_bytes)
{
    gr_self *self = BEGIN();
    gr_message *call;
    gr_address one =
        spawn_reader(self, OPTIONS(.mailbox_bytes_max = 3000, .mailbox_policy = GR_MAILBOX_DROP_OLDEST), &call);
    for (int i = 0; i < 4; i++) CHECK_OK(gr_cast(self, one, "[i,s]", i, text_1000));
    let_read(self, &call, 10);
    for (int i = 2; i < 4; i++) EXPECT(self, "[i,s]", i, text_1000);
    EXPECT(self, "{s:i}", "done", 2);
    END(self);
}

TEST(mailbox, kill_kills_the_receiver)
{
    gr_self *self = BEGIN_WITH(.log = "off");
    gr_message *call;
    gr_address one = spawn_reader(self, OPTIONS(.mailbox_max = 1, .mailbox_policy = GR_MAILBOX_KILL), &call);
    CHECK_OK(gr_link(self, one, GR_LINK));
    CHECK_OK(gr_cast(self, one, "i", 0));
    CHECK_EQ(gr_cast(self, one, "i", 1), GR_EFULL);
    EXPECT_EXCEPTION(self, one, "killed");
    FREE(call);
    END(self);
}

/* ---- suspending senders ---- */

/* Casts 0, 1, 2 … `count` and tells what it got. args: {"to", "host", "count", "from"}. */
static void pusher(gr_self *self, gr_value args)
{
    gr_address to = gr_address_in(gr_get(args, "to")), host = gr_address_in(gr_get(args, "host"));
    int64_t count = gr_int(gr_get(args, "count"), 0), from = gr_int(gr_get(args, "from"), 0), sent = 0;
    int code = 0;
    while (sent < count && (code = gr_cast(self, to, "I", from + sent)) == 0) sent++;
    (void)gr_cast(self, host, "{s:I,s:s}", "sent", sent, "code", gr_error_name(code));
}

static gr_address push(gr_self *self, gr_address to, int from, int count)
{
    gr_address one;
    CHECK_OK(gr_spawn(self, &one, pusher, "{s:A,s:A,s:i,s:i}", "to", to, "host", gr_self_address(self), "count", count,
                      "from", from));
    return one;
}

/* What the next pusher that is done has got. */
static void expect_sent(gr_self *self, int count, const char *code)
{
    gr_shape *sent = harness_shape("{\"sent\":int}");
    gr_message *m = NULL;
    CHECK_EQ(gr_select(self, &(gr_pattern){.shape = sent}, 1, &m, SOON), 0);
    CHECK_VALUE(gr_body(m), "{s:i,s:s}", "sent", count, "code", code);
    FREE(m);
    gr_shape_free(&sent);
}

static bool holds(gr_address address, uint64_t messages)
{
    gr_actor_info info;
    return gr_inspect(address, &info) == 0 && info.mailbox == messages;
}

/* Never looks into its mailbox. */
static void deaf(gr_self *self, gr_value args)
{
    (void)args;
    (void)gr_sleep(self, GR_FOREVER);
}

#define SUSPENDING(...) OPTIONS(.mailbox_policy = GR_MAILBOX_SUSPEND, .mailbox_wait_ms = 60000, __VA_ARGS__)

TEST(mailbox, suspend_lets_senders_wait_in_line)
{
    gr_self *self = BEGIN();
    gr_message *call;
    gr_address one = spawn_reader(self, SUSPENDING(.mailbox_max = 2), &call);
    gr_address first = push(self, one, 0, 4);
    WAIT_FOR(self, harness_waits(first));
    gr_address second = push(self, one, 10, 1);
    WAIT_FOR(self, harness_waits(second));
    let_read(self, &call, 1);
    EXPECT(self, "i", 0);
    EXPECT(self, "{s:i}", "done", 1);
    WAIT_FOR(self, holds(one, 2) && harness_waits(first)); /* it has put 2 in, and stands behind the other now */
    call = its_call(self);
    let_read(self, &call, 1);
    expect_sent(self, 1, "GR_OK"); /* maybe before the reader has told what it read: that is looked at next */
    EXPECT(self, "i", 1);
    EXPECT(self, "{s:i}", "done", 1);
    call = its_call(self);
    let_read(self, &call, 2);
    expect_sent(self, 4, "GR_OK");
    EXPECT(self, "i", 2);
    EXPECT(self, "i", 10);
    EXPECT(self, "{s:i}", "done", 2);
    END(self);
}

TEST(mailbox, suspend_ends_with_the_deadline_and_the_message_stays)
{
    gr_self *self = BEGIN();
    gr_message *m = NULL;
    gr_address one;
    CHECK_OK(gr_spawn_with(self, &one, deaf,
                           OPTIONS(.mailbox_max = 1, .mailbox_policy = GR_MAILBOX_SUSPEND, .mailbox_wait_ms = 5), "n"));
    CHECK_OK(gr_cast(self, one, "i", 0));
    CHECK_EQ(gr_cast(self, one, "i", 1), GR_EFULL);
    CHECK_OK(gr_pack(&m, "i", 2));
    CHECK_EQ(gr_send_wait(self, one, &m, gr_after_ms(2)), GR_EFULL);
    CHECK(m != NULL);
    CHECK_EQ(gr_send(self, one, &m), GR_EFULL);
    FREE(m);
    CHECK_EQ(gr_call(self, NULL, one, "x", gr_after_ms(2), "n"), GR_EFULL);
    gr_no_suspend_begin(self);
    CHECK_EQ(gr_cast(self, one, "i", 3), GR_EFULL);
    gr_no_suspend_end(self);
    CHECK_EQ(harness_counters().rejected, 5);
    END(self);
}

TEST(mailbox, suspend_ends_with_the_receiver)
{
    gr_self *self = BEGIN();
    gr_message *call;
    gr_address one = spawn_reader(self, SUSPENDING(.mailbox_max = 1), &call);
    gr_address it = push(self, one, 0, 3);
    WAIT_FOR(self, harness_waits(it));
    CHECK_OK(gr_kill(one));
    expect_sent(self, 1, "GR_EDEAD");
    FREE(call);
    END(self);
}

TEST(mailbox, suspend_ends_with_a_kill_and_gives_its_place_away)
{
    gr_self *self = BEGIN();
    gr_message *call;
    gr_address one = spawn_reader(self, SUSPENDING(.mailbox_max = 1), &call);
    gr_address first = push(self, one, 0, 3);
    WAIT_FOR(self, harness_waits(first));
    gr_address second = push(self, one, 10, 1);
    WAIT_FOR(self, harness_waits(second));
    CHECK_OK(gr_kill(first));
    expect_sent(self, 1, "GR_EKILLED");
    let_read(self, &call, 1);
    expect_sent(self, 1, "GR_OK");
    EXPECT(self, "i", 0);
    EXPECT(self, "{s:i}", "done", 1);
    call = its_call(self);
    let_read(self, &call, 1);
    expect_read(self, 10, -1);
    END(self);
}

static void to_itself(gr_self *self, gr_value args)
{
    CHECK_OK(gr_cast(self, gr_self_address(self), "i", 1));
    CHECK_EQ(gr_cast(self, gr_self_address(self), "i", 2), GR_EFULL);
    CHECK_OK(gr_cast(self, gr_address_in(args), "s", "refused"));
}

TEST(mailbox, a_full_mailbox_of_ones_own_does_not_wait)
{
    gr_self *self = BEGIN();
    CHECK_OK(
        gr_spawn_with(self, &(gr_address){0}, to_itself, SUSPENDING(.mailbox_max = 1), "A", gr_self_address(self)));
    EXPECT(self, "s", "refused");
    END(self);
}

/* Fills the other's mailbox: {"to", "host"}; the first one looks for the second. */
static void filler(gr_self *self, gr_value args)
{
    gr_address to = gr_address_in(gr_get(args, "to")), host = gr_address_in(gr_get(args, "host"));
    int code = 0;
    while (to.id == 0 && gr_lookup("the second", &to) != 0) CHECK_OK(gr_cooperate(self));
    for (int i = 0; code == 0; i++) code = gr_cast(self, to, "i", i);
    (void)gr_cast(self, host, "{s:s}", "filled", gr_error_name(code)); /* GR_EDEAD: at the end of the test */
    harness_idle(self, args);
}

TEST(mailbox, a_cycle_of_full_mailboxes_is_found)
{
    gr_self *self = BEGIN();
    gr_address a, b;
    CHECK_OK(gr_spawn_with(self, &b, filler, SUSPENDING(.mailbox_max = 2), "{s:A,s:A}", "to", GR_NO_ADDRESS, "host",
                           gr_self_address(self)));
    CHECK_OK(gr_spawn_with(self, &a, filler, SUSPENDING(.mailbox_max = 2, .name = "the second"), "{s:A,s:A}", "to", b,
                           "host", gr_self_address(self)));
    EXPECT(self, "{s:s}", "filled", "GR_EDEADLK"); /* one of them gives up, reads on, and lets the other in */
    CHECK_OK(gr_kill(a));
    END(self);
}

/* ---- what no bound holds up ---- */

static const enum gr_mailbox_policy policies[] = {GR_MAILBOX_FAIL, GR_MAILBOX_SUSPEND, GR_MAILBOX_DROP_NEWEST,
                                                  GR_MAILBOX_DROP_OLDEST, GR_MAILBOX_KILL};

static void dies(gr_self *self, gr_value args)
{
    CHECK_OK(gr_cast(self, gr_address_in(args), "s", "last words"));
}

/* Its mailbox is full: {"to"}. Then it is sent a timer's message, and somebody ends whom it monitors and is linked to. */
static void watcher(gr_self *self, gr_value args)
{
    gr_address to = gr_address_in(gr_get(args, "to")), one;
    gr_monitor_ref ref;
    CHECK_OK(gr_cast(self, gr_self_address(self), "s", "filler"));
    CHECK_OK(gr_spawn_with(self, &one, harness_idle, OPTIONS(.link = GR_LINK, .monitor = &ref), "n"));
    CHECK_OK(gr_cast_after(self, NULL, gr_self_address(self), GR_NOW, "s", "timer"));
    CHECK_OK(gr_kill(one));
    gr_message *m = NULL;
    gr_shape *shapes[] = {harness_shape("{\"down\":int}"), harness_shape("{\"exception\":any}"),
                          harness_shape("\"timer\"")};
    for (size_t i = 0; i < SIZE(shapes); i++) {
        CHECK_EQ(gr_select(self, &(gr_pattern){.shape = shapes[i]}, 1, &m, GR_FOREVER), 0);
        gr_message_free(&m);
        gr_shape_free(&shapes[i]);
    }
    CHECK_OK(gr_receive(self, &m, GR_NOW));
    CHECK_OK(gr_cast(self, to, "V", gr_body(m)));
    gr_message_free(&m);
}

TEST(mailbox, exits_downs_and_timers_pass_every_bound)
{
    gr_self *self = BEGIN_WITH(.log = "off");
    for (size_t i = 0; i < SIZE(policies); i++) {
        gr_address one;
        CHECK_OK(gr_spawn_with(self, &one, watcher,
                               OPTIONS(.mailbox_max = 1, .mailbox_bytes_max = 4096, .mailbox_policy = policies[i]),
                               "{s:A}", "to", gr_self_address(self)));
        EXPECT(self, "s", "filler");
    }
    END(self);
}

TEST(mailbox, exits_keep_their_place_behind_the_senders_casts)
{
    gr_self *self = BEGIN();
    for (int i = 0; i < 200; i++) {
        gr_address one, victim;
        gr_message *call;
        one = spawn_reader(self, OPTIONS(.mailbox_bytes_max = 1 << 20), &call);
        CHECK_OK(gr_spawn(self, &victim, dies, "A", one));
        WAIT_GONE(self, victim);
        let_read(self, &call, 5);
        EXPECT(self, "s", "last words");
        EXPECT(self, "{s:i}", "done", 1);
        call = its_call(self);
        CHECK_OK(gr_kill(one));
        FREE(call);
    }
    END(self);
}

/* ---- nothing is lost ---- */

#define SENDERS 4
#define EACH (GRI_ASAN || GRI_TSAN || GRI_INVARIANTS ? 500 : 5000)

/* Reads what comes, checks the order of each sender, and tells how much it was when the host asks. */
typedef struct tally {
    int64_t last[SENDERS], read;
} tally;

static void tally_message(gr_self *self, void *state, gr_message *m)
{
    tally *t = state;
    (void)self;
    int64_t from = gr_int(gr_at(gr_body(m), 0), 0), number = gr_int(gr_at(gr_body(m), 1), 0);
    CHECK(number > t->last[from]);
    t->last[from] = number;
    t->read++;
}

static void tally_read(gr_self *self, void *state, gr_value argument)
{
    (void)argument;
    (void)gr_reply(self, "I", ((tally *)state)->read);
}

static const gr_method tally_methods[] = {{"read", tally_read}};
static const gr_server tally_server = {
    .state_bytes = sizeof(tally), .methods = tally_methods, .method_count = 1, .on_message = tally_message};

static void flooder(gr_self *self, gr_value args)
{
    gr_address to = gr_address_in(gr_get(args, "to"));
    int64_t sent = 0, refused = 0;
    for (int64_t i = 1; i <= EACH; i++) {
        int code = gr_cast(self, to, "[V,I]", gr_get(args, "from"), i);
        CHECK(code == 0 || code == GR_EFULL);
        *(code == 0 ? &sent : &refused) += 1;
    }
    CHECK_OK(gr_cast(self, gr_address_in(gr_get(args, "host")), "[I,I]", sent, refused));
}

TEST(mailbox, sent_is_delivered_and_dropped_and_refused_is_refused)
{
    for (size_t policy = 0; policy < SIZE(policies); policy++) {
        if (policies[policy] == GR_MAILBOX_KILL) continue;
        gr_self *self = BEGIN_WITH(.workers = 4, .bind = "none", .fixed = GR_FIXED(workers) | GR_FIXED(bind));
        gr_address server;
        CHECK_OK(gr_spawn_server(self, &server, &tally_server,
                                 OPTIONS(.mailbox_max = 8, .mailbox_bytes_max = 8192,
                                         .mailbox_policy = policies[policy], .mailbox_wait_ms = 60000),
                                 "n"));
        for (int i = 0; i < SENDERS; i++)
            CHECK_OK(gr_spawn(self, &(gr_address){0}, flooder, "{s:A,s:A,s:i}", "to", server, "host",
                              gr_self_address(self), "from", i));
        int64_t sent = 0, refused = 0, read = 0;
        for (int i = 0; i < SENDERS; i++) {
            gr_message *m = RECEIVE(self);
            sent += gr_int(gr_at(gr_body(m), 0), 0);
            refused += gr_int(gr_at(gr_body(m), 1), 0);
            FREE(m);
        }
        CHECK_EQ(sent + refused, SENDERS * EACH);
        const gr_counters counters = harness_counters();
        CHECK_EQ(counters.rejected, refused);
        WAIT_FOR(self, harness_waits(server));
        gr_message *reply = NULL;
        CHECK_OK(gr_call(self, &reply, server, "read", SOON, "n"));
        read = gr_int(gr_body(reply), -1);
        FREE(reply);
        CHECK_EQ(read + (int64_t)harness_counters().displaced, sent);
        if (policies[policy] == GR_MAILBOX_SUSPEND) CHECK_EQ(refused, 0);
        END(self);
    }
}

/* ---- settings ---- */

TEST(mailbox, the_settings_hold_for_who_says_nothing)
{
    gr_self *self = BEGIN_WITH(.mailbox_max = 2, .mailbox_policy = "drop_oldest",
                               .fixed = GR_FIXED(mailbox_max) | GR_FIXED(mailbox_policy));
    gr_message *call;
    gr_address one = spawn_reader(self, NULL, &call);
    for (int i = 0; i < 5; i++) CHECK_OK(gr_cast(self, one, "i", i));
    let_read(self, &call, 10);
    expect_read(self, 3, 4, -1);
    call = its_call(self);
    one = spawn_reader(self, OPTIONS(.mailbox_policy = GR_MAILBOX_FAIL), &call);
    for (int i = 0; i < 4; i++) CHECK_EQ(gr_cast(self, one, "i", i), i < 2 ? 0 : GR_EFULL);
    CHECK_EQ(gr_spawn_with(self, &one, reader, OPTIONS(.mailbox_policy = (enum gr_mailbox_policy)99), "n"), GR_EINVAL);
    END(self);
}

/* ---- calls nobody waits for any more ---- */

static gri_atomic_u32 ran; /* relaxed: read after the answer of a later call */

static void run_it(gr_self *self, void *state, gr_value argument)
{
    (void)self, (void)state, (void)argument;
    gri_add_relaxed(&ran, 1u);
}

static void hold_up(gr_self *self, void *state, gr_value argument)
{
    (void)state;
    gr_message *m = NULL;
    CHECK_OK(gr_call(self, &m, gr_address_in(argument), "go", GR_FOREVER, "n"));
    gr_message_free(&m);
}

/* Answers the call that comes first when it is told to. args: who is told when it has come. */
static void gate(gr_self *self, gr_value args)
{
    gr_shape *shapes[] = {harness_shape("{\"call\":int}"), harness_shape("\"open\"")};
    gr_message *call = NULL, *m = NULL;
    CHECK_EQ(gr_select(self, &(gr_pattern){.shape = shapes[0]}, 1, &call, GR_FOREVER), 0);
    CHECK_OK(gr_cast(self, gr_address_in(args), "s", "held"));
    CHECK_EQ(gr_select(self, &(gr_pattern){.shape = shapes[1]}, 1, &m, GR_FOREVER), 0);
    (void)gr_respond(self, call, "n"); /* GR_EDEAD: its caller has gone */
    gr_message_free(&call);
    gr_message_free(&m);
    for (int i = 0; i < 2; i++) gr_shape_free(&shapes[i]);
}

static void holder(gr_self *self, gr_value args)
{
    int code =
        gr_call(self, NULL, gr_address_in(gr_get(args, "server")), "hold", GR_FOREVER, "V", gr_get(args, "gate"));
    CHECK(code == 0 || code == GR_EKILLED); /* at the end of the test */
}

/* Keeps the server from serving until "open" is cast to the gate. */
static gr_address hold(gr_self *self, gr_address server)
{
    gr_address it;
    CHECK_OK(gr_spawn(self, &it, gate, "A", gr_self_address(self)));
    CHECK_OK(gr_spawn(self, &(gr_address){0}, holder, "{s:A,s:A}", "server", server, "gate", it));
    EXPECT(self, "s", "held");
    return it;
}

static const gr_method busy_methods[] = {{"run", run_it}, {"hold", hold_up}};
static const gr_server busy_server = {.methods = busy_methods, .method_count = 2};

TEST(mailbox, calls_whose_deadline_has_passed_do_not_run)
{
    gr_self *self = BEGIN();
    gr_address server, it;
    gri_store_relaxed(&ran, 0);
    CHECK_OK(gr_spawn_server(self, &server, &busy_server, NULL, "n"));
    gr_address door = hold(self, server);
    for (int i = 0; i < 10; i++) CHECK_EQ(gr_call(self, NULL, server, "run", gr_after_us(100), "n"), GR_ETIMEOUT);
    CHECK_OK(gr_spawn(self, &it, caller, "{s:A,s:A}", "to", server, "host", gr_self_address(self)));
    WAIT_FOR(self, harness_waits(it));
    CHECK_OK(gr_kill(it)); /* one whose caller has gone altogether */
    WAIT_GONE(self, it);
    gr_message *m = RECEIVE(self);
    FREE(m);
    CHECK_OK(gr_cast(self, door, "s", "open"));
    CHECK_OK(gr_call(self, NULL, server, "run", SOON, "n"));
    CHECK_EQ(gri_load_relaxed(&ran), 1);
    CHECK_EQ(harness_counters().expired, 11);
    END(self);
}

TEST(mailbox, gr_call_waits_tells_whether_an_answer_is_wanted)
{
    gr_self *self = BEGIN();
    gr_address it;
    CHECK_OK(gr_spawn(self, &it, caller, "{s:A,s:A}", "to", gr_self_address(self), "host", gr_self_address(self)));
    gr_message *call = its_call(self);
    CHECK(gr_call_waits(call));
    CHECK_OK(gr_kill(it));
    WAIT_GONE(self, it);
    CHECK(!gr_call_waits(call));
    CHECK(!gr_call_waits(NULL));
    FREE(call);
    END(self);
}

/* ---- dead letters ---- */

static gri_atomic_u32 letters[8]; /* by reason; relaxed: counts */

static void count_letter(void *arg, enum gr_letter_reason reason, gr_address to, const gr_message *m)
{
    CHECK(arg == letters);
    CHECK(to.id != 0 || reason == GR_LETTER_DEAD);
    CHECK(m != NULL);
    gri_add_relaxed(&letters[reason], 1u);
}

static gri_atomic_u32 hooks_dropped;

static void hook_gone(void *arg)
{
    (void)arg;
    gri_add_relaxed(&hooks_dropped, 1u);
}

TEST(dead_letters, every_kind_is_shown_to_the_hook)
{
    CHECK_OK(gr_letter_hook_set(count_letter, letters, hook_gone));
    gr_self *self = BEGIN();
    CHECK_EQ(gr_letter_hook_set(NULL, NULL, NULL), GR_EINUSE);
    gr_address one;
    gr_message *call, *m = NULL;
    CHECK_EQ(gr_cast(self, GR_DEAD_ADDRESS, "s", "nobody"), GR_EDEAD);
    CHECK_OK(gr_pack(&m, "s", "nobody"));
    CHECK_EQ(gr_send(self, GR_DEAD_ADDRESS, &m), GR_EDEAD);
    FREE(m);
    CHECK_EQ(gri_load_relaxed(&letters[GR_LETTER_DEAD]), 2);
    one = spawn_reader(self, OPTIONS(.mailbox_max = 1, .mailbox_policy = GR_MAILBOX_DROP_NEWEST), &call);
    for (int i = 0; i < 3; i++) CHECK_OK(gr_cast(self, one, "i", i));
    CHECK_EQ(gri_load_relaxed(&letters[GR_LETTER_DROPPED]), 2);
    CHECK_OK(gr_kill(one));
    WAIT_GONE(self, one);
    CHECK_EQ(gri_load_relaxed(&letters[GR_LETTER_DISCARDED]), 1);
    FREE(call);
    CHECK_OK(gr_spawn_server(self, &one, &busy_server, NULL, "n"));
    CHECK_OK(gr_cast(self, one, "s", "no call"));
    WAIT_FOR(self, gri_load_relaxed(&letters[GR_LETTER_UNWANTED]) == 1);
    gr_address door = hold(self, one);
    CHECK_EQ(gr_call(self, NULL, one, "run", gr_after_us(100), "n"), GR_ETIMEOUT);
    CHECK_OK(gr_cast(self, door, "s", "open"));
    CHECK_OK(gr_call(self, NULL, one, "run", SOON, "n"));
    CHECK_EQ(gri_load_relaxed(&letters[GR_LETTER_EXPIRED]), 1);
    CHECK_OK(gr_spawn(self, &one, gate, "A", gr_self_address(self)));
    CHECK_EQ(gr_call(self, NULL, one, "x", gr_after_ms(1), "n"), GR_ETIMEOUT);
    EXPECT(self, "s", "held");
    CHECK_OK(gr_cast(self, one, "s", "open"));
    WAIT_FOR(self, gri_load_relaxed(&letters[GR_LETTER_LATE]) == 1);
    END(self);
    CHECK_EQ(gri_load_relaxed(&hooks_dropped), 0);
    CHECK_OK(gr_letter_hook_set(NULL, NULL, NULL));
    CHECK_EQ(gri_load_relaxed(&hooks_dropped), 1);
    CHECK_STR(gr_letter_reason_name(GR_LETTER_EXPIRED), "expired");
    CHECK_STR(gr_letter_reason_name((enum gr_letter_reason)77), "?");
}

TEST(dead_letters, an_actor_may_read_them)
{
    gr_self *self = BEGIN();
    CHECK_OK(gr_letters_to(gr_self_address(self)));
    gr_address one;
    CHECK_OK(gr_spawn(self, &one, harness_idle, "n"));
    CHECK_OK(gr_kill(one));
    WAIT_GONE(self, one);
    CHECK_EQ(gr_cast(self, one, "{s:i}", "x", 1), GR_EDEAD);
    EXPECT(self, "{s:s,s:A,s:A,s:{s:i}}", "dead_letter", "dead", "to", one, "from", gr_self_address(self), "message",
           "x", 1);
    CHECK_OK(gr_letters_to(GR_NO_ADDRESS));
    CHECK_EQ(gr_cast(self, one, "{s:i}", "x", 2), GR_EDEAD);
    EXPECT_NOTHING(self);
    CHECK_EQ(gr_letters_to(one), GR_EDEAD);
    END(self);
}

/* ---- memory ---- */

static void allocates(gr_self *self, gr_value args)
{
    void *first = gr_alloc(self, 600);
    CHECK(first != NULL);
    CHECK(gr_alloc(self, 600) == NULL);
    CHECK_STR(gr_error_detail(self)->text, "600 bytes more than the 600 it has are beyond its limit of 1000");
    CHECK(gr_type_of(gr_value_keep(self, gr_get(args, "text"))) == GR_MISSING);
    CHECK(gr_alloc(self, SIZE_MAX - 100) == NULL);
    void *second = gr_alloc(self, 400);
    CHECK(second != NULL);
    gr_free(self, first);
    CHECK(gr_alloc(self, 600) != NULL);
    (void)gr_return(self, "s", "ok");
}

TEST(memory, an_actor_may_be_limited)
{
    gr_self *self = BEGIN();
    gr_address one;
    gr_message *result = NULL;
    CHECK_OK(
        gr_spawn_with(self, &one, allocates, OPTIONS(.memory_max = 1000, .retain = true), "{s:s}", "text", text_1000));
    CHECK_OK(gr_wait(self, one, &result, SOON));
    CHECK_VALUE(gr_body(result), "s", "ok");
    FREE(result);
    END(self);
}
