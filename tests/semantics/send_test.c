/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Sending: casts, moves, copies, many receivers, later, and where it stops. */
#include "support/harness.h"

#include <float.h>

static gr_address echo_new(gr_self *self);

/* Sends every message on to the address it was spawned with. */
static void forward(gr_self *self, gr_value args)
{
    for (gr_message *m = NULL; gr_receive(self, &m, GR_FOREVER) == 0;) {
        int code = gr_send(self, gr_address_in(args), &m);
        CHECK(code == 0 || code == GR_EDEAD);
        FREE(m);
    }
}

static gr_address echo_new(gr_self *self)
{
    gr_address address;
    CHECK_OK(gr_spawn(self, &address, forward, "A", gr_self_address(self)));
    return address;
}

static gr_address dead_one(gr_self *self)
{
    gr_address address = echo_new(self);
    CHECK_OK(gr_kill(address));
    WAIT_FOR(self, !gr_alive(address));
    return address;
}

/* ---- casts ---- */

TEST(cast, arrives_and_says_who_sent_it)
{
    gr_self *self = BEGIN();
    gr_address one = echo_new(self);
    CHECK_OK(gr_cast(self, one, "{s:i,s:s}", "n", 1, "text", "x"));
    gr_message *m = RECEIVE(self);
    CHECK_VALUE(gr_body(m), "{s:i,s:s}", "n", 1, "text", "x");
    CHECK(gr_address_equal(gr_sender(m), one)); /* who sent it last */
    CHECK_OK(gr_cast_value(self, one, gr_body(m)));
    FREE(m);
    EXPECT(self, "{s:i,s:s}", "n", 1, "text", "x");
    END(self);
}

TEST(cast, to_the_dead_is_edead)
{
    gr_self *self = BEGIN();
    const gr_address dead[] = {dead_one(self), GR_DEAD_ADDRESS, GR_NO_ADDRESS, {12345678}};
    uint64_t before = harness_counters().dead_letters;
    for (int i = 0; i < 4; i++) {
        CHECK_EQ(gr_cast(self, dead[i], "n"), GR_EDEAD);
        CHECK(!gr_alive(dead[i]));
    }
    CHECK_EQ(harness_counters().dead_letters, before + 4);
    END(self);
}

/* A slot that is used again is another actor: the old address does not reach it. */
TEST(cast, a_stale_address_reaches_nobody)
{
    gr_self *self = BEGIN();
    gr_address old[64];
    for (int i = 0; i < 64; i++) old[i] = dead_one(self);
    for (int i = 0; i < 64; i++) (void)echo_new(self);
    for (int i = 0; i < 64; i++) {
        CHECK_EQ(gr_cast(self, old[i], "i", i), GR_EDEAD);
        CHECK_EQ(gr_kill(old[i]), GR_EDEAD);
        CHECK(!gr_alive(old[i]));
    }
    EXPECT_NOTHING(self);
    END(self);
}

TEST(cast, what_does_not_fit_the_format_is_refused_and_named)
{
    gr_self *self = BEGIN();
    gr_address me = gr_self_address(self);
    CHECK_EQ(gr_cast(self, me, "{s:I}", "n", 5), GR_EFORMAT);
    CHECK(strstr(gr_error_detail(self)->text, "argument 2"));
    CHECK_EQ(gr_cast(self, me, "{s:s}", "n", 5), GR_EFORMAT);
    CHECK_EQ(gr_cast(self, me, "{s:i", "n", 5), GR_EFORMAT);
    CHECK_EQ(gr_cast(self, me, "f", 0.0 / 0.0), GR_EINVAL);
    CHECK_EQ(gr_cast(self, me, "f", DBL_MAX * 2), GR_EINVAL);
    CHECK_EQ(gr_cast(self, me, "s", "\xff\xfe"), GR_EINVAL);
    CHECK_EQ(gr_cast(self, me, "{s:i,s:i}", "k", 1, "k", 2), GR_EINVAL);
    CHECK_EQ(gr_cast(self, me, "{s:s}", "_pyact_binary", "AAAA"), GR_EINVAL);
    CHECK_EQ(gr_cast(self, me, "{s:s}", "_pyact_address", "x"), GR_EINVAL);
    CHECK_EQ(gr_cast_value(self, me, (gr_value){NULL}), GR_EINVAL);
    EXPECT_NOTHING(self);
    END(self);
}

/* ---- what can be said ---- */

#define TRAVELS(self, to, ...) \
    do { \
        CHECK_OK(gr_cast((self), (to), __VA_ARGS__)); \
        EXPECT((self), __VA_ARGS__); \
    } while (0)

TEST(message, carries_every_value_exactly)
{
    gr_self *self = BEGIN();
    gr_address one = echo_new(self);
    TRAVELS(self, one, "n");
    TRAVELS(self, one, "[b,b]", true, false);
    TRAVELS(self, one, "[I,I]", INT64_MAX, INT64_MIN);
    TRAVELS(self, one, "[f,f,f,f]", 0.1, DBL_MAX, 5e-324, -1.5e-7);
    TRAVELS(self, one, "f", 3.0); /* stays a double */
    TRAVELS(self, one, "s", "");
    TRAVELS(self, one, "s", "\xc3\xa9\xf0\x9f\x98\x80\n\"\\\x7f");
    TRAVELS(self, one, "s#", "a\0b", 3);
    TRAVELS(self, one, "B", "\0\xff\x80", (size_t)3);
    TRAVELS(self, one, "B", "", (size_t)0);
    TRAVELS(self, one, "[A,A,A,A]", one, gr_self_address(self), GR_DEAD_ADDRESS, GR_NO_ADDRESS);
    TRAVELS(self, one, "[[],{}]");
    TRAVELS(self, one, "{s:{s:[{s:i}]}}", "a", "b", "c", 1);
    END(self);
}

TEST(message, may_be_deep_and_large)
{
    gr_self *self = BEGIN();
    gr_address one = echo_new(self);
    gr_builder b;
    gr_build(&b);
    for (int i = 0; i < 512; i++) gr_put_array(&b);
    for (int i = 0; i < 512; i++) gr_put_end(&b);
    gr_message *m = NULL, *back, *copy = NULL;
    CHECK_OK(gr_build_message(&b, &m));
    CHECK_OK(gr_message_copy(gr_body(m), &copy));
    CHECK_OK(gr_send(self, one, &m));
    back = RECEIVE(self);
    CHECK(gr_equal(gr_body(back), gr_body(copy)));
    FREE(back);
    FREE(copy);
    gr_build(&b);
    gr_put_object(&b);
    for (int i = 0; i < 3000; i++) {
        char key[16], text[600];
        snprintf(key, sizeof key, "key%d", i);
        memset(text, 'a' + i % 26, sizeof text);
        gr_put_key(&b, key), gr_put_string_n(&b, text, (size_t)i % sizeof text);
    }
    gr_put_end(&b);
    CHECK_OK(gr_build_message(&b, &m));
    CHECK_OK(gr_message_copy(gr_body(m), &copy));
    CHECK_OK(gr_send(self, one, &m));
    back = RECEIVE(self);
    CHECK(gr_equal(gr_body(back), gr_body(copy)));
    FREE(back);
    FREE(copy);
    END(self);
}

TEST(message, binaries_and_addresses_have_the_json_text_of_old)
{
    gr_self *self = BEGIN();
    char text[GR_ADDRESS_TEXT_BYTES], expected[128], printed[256];
    CHECK_OK(gr_cast(self, gr_self_address(self), "[B,A]", "\1\2\3", (size_t)3, gr_self_address(self)));
    gr_message *m = RECEIVE(self), *again = NULL;
    CHECK_OK(gr_print(gr_body(m), NULL, printed, sizeof printed, NULL));
    snprintf(expected, sizeof expected, "[{\"_pyact_binary\":\"AQID\"},{\"_pyact_address\":\"%s\"}]",
             gr_address_print(gr_self_address(self), text));
    CHECK_STR(printed, expected);
    CHECK_OK(gr_parse(printed, strlen(printed), NULL, &again, NULL));
    CHECK(gr_equal(gr_body(again), gr_body(m)));
    FREE(m);
    FREE(again);
    END(self);
}

TEST(address, of_the_dead_can_be_compared_and_printed_and_forgeries_are_dead)
{
    gr_self *self = BEGIN();
    gr_address dead = dead_one(self);
    char text[GR_ADDRESS_TEXT_BYTES];
    CHECK_EQ(strlen(gr_address_print(dead, text)), GR_ADDRESS_TEXT_BYTES - 1);
    CHECK(gr_address_equal(gr_address_parse(text, strlen(text)), dead));
    CHECK(!gr_address_equal(dead, gr_self_address(self)));
    CHECK_OK(gr_address_equal(gr_address_parse("x", 1), GR_DEAD_ADDRESS) ? 0 : 1);
    for (size_t i = 0; text[i]; i++) {
        char forged[GR_ADDRESS_TEXT_BYTES];
        memcpy(forged, text, sizeof forged);
        forged[i] = forged[i] == 'a' ? 'b' : 'a';
        CHECK(gr_address_equal(gr_address_parse(forged, strlen(forged)), GR_DEAD_ADDRESS));
    }
    gr_message *m = NULL;
    char json[128];
    snprintf(json, sizeof json, "{\"_pyact_address\":\"%s\"}", "made up");
    CHECK_OK(gr_parse(json, strlen(json), NULL, &m, NULL));
    CHECK_EQ(gr_cast(self, gr_address_in(gr_body(m)), "n"), GR_EDEAD);
    FREE(m);
    END(self);
}

static void print_address(gr_address address, char *text)
{
    gr_address_print(address, text);
}

/* What another life of the process has printed is dead in this one. */
TEST(address, of_an_earlier_life_of_the_runtime_is_dead)
{
    char text[GR_ADDRESS_TEXT_BYTES];
    if (harness_simulated()) return; /* there the key is the seed's, so that runs are the same */
    gr_self *self = BEGIN();
    print_address(gr_self_address(self), text);
    END(self);
    self = BEGIN();
    CHECK(gr_address_equal(gr_address_parse(text, strlen(text)), GR_DEAD_ADDRESS));
    END(self);
}

/* ---- jansson ---- */

TEST(cast, takes_a_json_tree_and_copies_it)
{
    gr_self *self = BEGIN();
    json_t *tree = json_pack("{s:i,s:[s]}", "a", 1, "b", "x");
    CHECK_OK(gr_cast(self, echo_new(self), "{s:O}", "tree", tree));
    json_object_set_new(tree, "a", json_integer(2)); /* after the send */
    EXPECT(self, "{s:{s:i,s:[s]}}", "tree", "a", 1, "b", "x");
    json_decref(tree);
    END(self);
}

/* ---- nothing is shared ---- */

static void keep_body(gr_self *self, gr_value args)
{
    gr_address to = gr_address_in(args);
    gr_message *kept = RECEIVE(self);
    CHECK_OK(gr_cast(self, to, "s", "has it"));
    gr_message *go = RECEIVE(self);
    CHECK_OK(gr_cast(self, to, "V", gr_body(kept)));
    FREE(go);
    FREE(kept);
}

/* Whatever the sender does to what it made the message of, after the send, the receiver does not see it. */
TEST(isolation, the_senders_memory_is_not_the_receivers)
{
    gr_self *self = BEGIN();
    for (int way = 0; way < 5; way++) {
        gr_address one;
        char text[300];
        unsigned char storage[400];
        gr_value value;
        gr_message *m = NULL;
        memset(text, 'a', sizeof text - 1);
        text[sizeof text - 1] = '\0';
        CHECK_OK(gr_spawn(self, &one, keep_body, "A", gr_self_address(self)));
        CHECK_OK(gr_pack_into(storage, sizeof storage, &value, "s", (const char *)text));
        switch (way) {
        case 0: CHECK_OK(gr_cast(self, one, "s", (const char *)text)); break;
        case 1: CHECK_OK(gr_cast_value(self, one, value)); break;
        case 2: CHECK_OK(gr_cast(self, one, "V", value)); break;
        case 3:
            CHECK_OK(gr_message_copy(value, &m));
            CHECK_OK(gr_send(self, one, &m));
            break;
        default: CHECK_OK(gr_message_copy(value, &m)); CHECK_EQ(gr_multicast(self, &one, 1, &m), 1);
        }
        CHECK(m == NULL);
        EXPECT(self, "s", "has it");
        memset(storage + 10, 'z', sizeof storage - 10);
        memset(text, 'z', sizeof text - 1);
        CHECK_OK(gr_cast(self, one, "n"));
        memset(text, 'a', sizeof text - 1);
        EXPECT(self, "s", (const char *)text);
    }
    END(self);
}

static void own_the_arguments(gr_self *self, gr_value args)
{
    gr_message *go = RECEIVE(self);
    FREE(go);
    CHECK_OK(gr_return_value(self, gr_get(args, "text")));
}

static void publish_and_return(gr_self *self, gr_value args)
{
    char text[] = "before";
    gr_message *m = NULL;
    CHECK_OK(gr_publish(self, "s", (const char *)text));
    memset(text, 'z', sizeof text - 1);
    CHECK_OK(gr_state(gr_self_address(self), &m, NULL));
    CHECK_VALUE(gr_body(m), "s", "before");
    FREE(m);
    memcpy(text, "before", sizeof text);
    CHECK_OK(gr_return(self, "s", (const char *)text));
    memset(text, 'z', sizeof text - 1);
    (void)args;
}

TEST(isolation, arguments_results_and_states_are_copies_too)
{
    gr_self *self = BEGIN();
    gr_address one;
    gr_message *result = NULL, *args = NULL;
    CHECK_OK(gr_pack(&args, "{s:s}", "text", "a text that is long enough to need some room"));
    CHECK_OK(gr_spawn_value(self, &one, own_the_arguments, OPTIONS(.retain = true), gr_body(args)));
    FREE(args); /* the spawner's own is gone before the actor looks */
    CHECK_OK(gr_cast(self, one, "n"));
    CHECK_OK(gr_wait(self, one, &result, SOON));
    CHECK_VALUE(gr_body(result), "s", "a text that is long enough to need some room");
    FREE(result);
    CHECK_OK(gr_spawn_with(self, &one, publish_and_return, OPTIONS(.retain = true), "n"));
    CHECK_OK(gr_wait(self, one, &result, SOON));
    CHECK_VALUE(gr_body(result), "s", "before");
    FREE(result);
    END(self);
}

/* ---- sending moves ---- */

TEST(send, moves_the_message)
{
    gr_self *self = BEGIN();
    gr_address dead = dead_one(self), one = echo_new(self);
    gr_message *m = NULL;
    CHECK_EQ(gr_send(self, one, NULL), GR_EINVAL);
    CHECK_EQ(gr_send(self, one, &m), GR_EINVAL);
    CHECK_OK(gr_pack(&m, "{s:i}", "x", 1));
    CHECK(gr_address_equal(gr_sender(m), GR_NO_ADDRESS));
    CHECK_EQ(gr_send(self, dead, &m), GR_EDEAD);
    CHECK_VALUE(gr_body(m), "{s:i}", "x", 1); /* a failure leaves it */
    CHECK_OK(gr_send(self, one, &m));
    CHECK(m == NULL);
    gr_message_free(&m);
    gr_message_free(NULL);
    EXPECT(self, "{s:i}", "x", 1);
    END(self);
}

TEST(send, forwards_what_was_received)
{
    gr_self *self = BEGIN();
    gr_address dead = dead_one(self);
    CHECK_OK(gr_cast(self, gr_self_address(self), "i", 1));
    gr_message *m = RECEIVE(self);
    CHECK_EQ(gr_send(self, dead, &m), GR_EDEAD);
    CHECK_VALUE(gr_body(m), "i", 1);
    for (int i = 0; i < 3; i++) {
        CHECK_OK(gr_send(self, gr_self_address(self), &m));
        m = RECEIVE(self);
    }
    CHECK_VALUE(gr_body(m), "i", 1);
    FREE(m);
    END(self);
}

/* ---- multicast ---- */

TEST(multicast, gives_each_its_own)
{
    gr_self *self = BEGIN();
    for (int large = 0; large < 2; large++) {
        gr_address all[5];
        char text[500];
        gr_message *m = NULL, *received[4];
        memset(text, 'x', sizeof text);
        text[large ? sizeof text - 1 : 3] = '\0';
        for (int i = 0; i < 5; i++) all[i] = i == 2 ? dead_one(self) : echo_new(self);
        CHECK_OK(gr_pack(&m, "s", (const char *)text));
        CHECK_EQ(gr_multicast(self, all, 5, &m), 4);
        CHECK(m == NULL);
        for (int i = 0; i < 4; i++) received[i] = RECEIVE(self);
        for (int i = 0; i < 4; i++) {
            for (int k = 0; k < i; k++) CHECK(!gr_address_equal(gr_sender(received[i]), gr_sender(received[k])));
            CHECK_VALUE(gr_body(received[i]), "s", (const char *)text);
            FREE(received[i]);
        }
        EXPECT_NOTHING(self);
    }
    END(self);
}

TEST(multicast, counts_who_took_it)
{
    gr_self *self = BEGIN();
    gr_address dead = dead_one(self);
    gr_message *m = NULL;
    CHECK_EQ(gr_multicast(self, &dead, 1, &m), GR_EINVAL);
    CHECK_OK(gr_pack(&m, "i", 1));
    CHECK_EQ(gr_multicast(self, NULL, 3, &m), GR_EINVAL);
    CHECK_VALUE(gr_body(m), "i", 1); /* negative: it is the caller's still */
    CHECK_EQ(gr_multicast(self, NULL, 0, &m), 0);
    CHECK(m == NULL);
    CHECK_OK(gr_pack(&m, "i", 1));
    CHECK_EQ(gr_multicast(self, &dead, 1, &m), 0);
    CHECK(m == NULL);
    CHECK_OK(gr_cast(self, gr_self_address(self), "i", 2));
    m = RECEIVE(self); /* a received one can be sent on to many, too */
    const gr_address twice[] = {gr_self_address(self), gr_self_address(self)};
    CHECK_EQ(gr_multicast(self, twice, 2, &m), 2);
    EXPECT(self, "i", 2);
    EXPECT(self, "i", 2);
    END(self);
}

/* ---- later ---- */

TEST(send_after, arrives_when_the_deadline_has_come)
{
    gr_self *self = BEGIN();
    gr_address me = gr_self_address(self);
    gr_timer timer = {0};
    gr_message *m = NULL;
    gr_deadline when = gr_after_ms(4);
    CHECK_OK(gr_pack(&m, "s", "later"));
    CHECK_OK(gr_send_after(self, &timer, me, &m, when));
    CHECK(m == NULL && timer.id != 0);
    m = RECEIVE(self);
    CHECK(gr_now_ns() >= when.ns);
    CHECK_VALUE(gr_body(m), "s", "later");
    CHECK(gr_address_equal(gr_sender(m), me));
    FREE(m);
    CHECK_EQ(gr_cancel(self, timer), GR_ENOTFOUND);
    CHECK_OK(gr_cast_after(self, NULL, me, gr_after_ms(-1), "s", "has passed"));
    EXPECT(self, "s", "has passed");
    CHECK_OK(gr_cast_after(self, NULL, me, GR_NOW, "s", "now"));
    EXPECT(self, "s", "now");
    END(self);
}

TEST(send_after, arrives_in_the_order_of_deadlines)
{
    gr_self *self = BEGIN();
    bool in_time = false;
    for (int64_t ms = 20; !in_time; ms *= 2) { /* once more if the first was due before the last was sent */
        gr_deadline first = gr_after_ms(ms);
        for (int i = 4; i >= 0; i--) {
            gr_deadline when = {first.ns + i * INT64_C(4000000)};
            CHECK_OK(gr_cast_after(self, NULL, gr_self_address(self), when, "i", i));
        }
        in_time = gr_now_ns() < first.ns;
        for (int i = 0; i < 5; i++) {
            gr_message *m = RECEIVE(self);
            if (in_time) CHECK_VALUE(gr_body(m), "i", i);
            FREE(m);
        }
    }
    EXPECT_NOTHING(self);
    END(self);
}

TEST(send_after, can_be_cancelled_until_it_fires)
{
    gr_self *self = BEGIN();
    gr_address me = gr_self_address(self);
    gr_timer timers[50];
    for (int i = 0; i < 50; i++) CHECK_OK(gr_cast_after(self, &timers[i], me, gr_after_s(3600), "i", i));
    CHECK_OK(gr_cast_after(self, NULL, me, gr_after_ms(1), "s", "other"));
    for (int i = 0; i < 50; i++) CHECK_OK(gr_cancel(self, timers[i]));
    for (int i = 0; i < 50; i++) CHECK_EQ(gr_cancel(self, timers[i]), GR_ENOTFOUND);
    CHECK_EQ(gr_cancel(self, (gr_timer){0}), GR_ENOTFOUND);
    CHECK_EQ(gr_cancel(self, (gr_timer){UINT64_MAX}), GR_ENOTFOUND);
    EXPECT(self, "s", "other");
    EXPECT_NOTHING(self);
    END(self);
}

TEST(send_after, to_one_that_is_dead_by_then_is_freed)
{
    gr_self *self = BEGIN();
    bool in_time = false;
    for (int64_t ms = 5; !in_time; ms *= 2) { /* once more if it was due before the receiver was dead */
        gr_address one = echo_new(self);
        uint64_t before = harness_counters().dead_letters;
        gr_deadline when = gr_after_ms(ms);
        CHECK_OK(gr_cast_after(self, NULL, one, when, "n"));
        CHECK_OK(gr_kill(one));
        WAIT_FOR(self, !gr_alive(one));
        in_time = gr_now_ns() < when.ns;
        if (in_time) WAIT_FOR(self, harness_counters().dead_letters > before);
    }
    gr_message *m = NULL;
    CHECK_EQ(gr_send_after(self, NULL, gr_self_address(self), &m, GR_NOW), GR_EINVAL);
    CHECK_EQ(gr_cast_after(self, NULL, gr_self_address(self), GR_NOW, "I", 1), GR_EFORMAT);
    CHECK_EQ(gr_cast_after(self, NULL, gr_self_address(self), GR_FOREVER, "n"), GR_EINVAL);
    END(self);
}

static void cast_later_and_end(gr_self *self, gr_value args)
{
    gr_deadline when = gr_after_ms(gr_int(gr_at(args, 1), 0));
    CHECK_OK(gr_cast_after(self, NULL, gr_address_in(gr_at(args, 0)), when, "s", "posthumous"));
}

TEST(send_after, outlives_its_sender)
{
    gr_self *self = BEGIN();
    bool outlived = false;
    for (int64_t ms = 3; !outlived; ms *= 2) { /* once more if it came before its sender got to its end */
        gr_address one;
        CHECK_OK(gr_spawn(self, &one, cast_later_and_end, "[A,I]", gr_self_address(self), ms));
        gr_message *m = RECEIVE(self);
        CHECK(gr_address_equal(gr_sender(m), one));
        outlived = !gr_alive(one);
        FREE(m);
    }
    END(self);
}

/* ---- bounds ---- */

static void reads_when_told(gr_self *self, gr_value args)
{
    gr_shape *go = harness_shape("\"go\"");
    gr_message *m = NULL;
    CHECK_OK(gr_cast(self, gr_address_in(args), "s", "up"));
    while (gr_select(self, &(gr_pattern){.shape = go}, 1, &m, GR_FOREVER) == 0) {
        int64_t count = 0;
        FREE(m);
        for (; gr_receive(self, &m, GR_NOW) == 0; count++) FREE(m);
        CHECK_OK(gr_cast(self, gr_address_in(args), "{s:I}", "read", count));
    }
    gr_shape_free(&go);
}

static void fill_and_empty(gr_self *self, gr_address one, int bound)
{
    EXPECT(self, "s", "up");
    WAIT_FOR(self, harness_waits(one));
    for (int round = 0; round < 3; round++) {
        gr_message *m = NULL;
        for (int i = 0; i < bound - 1; i++) CHECK_OK(gr_cast(self, one, "i", i));
        WAIT_FOR(self, harness_waits(one)); /* it has looked at them in vain; they still count */
        CHECK_OK(gr_cast(self, one, "s", "go"));
        if (round == 0) EXPECT(self, "{s:i}", "read", bound - 1);
        if (round == 0) continue;
        EXPECT(self, "{s:i}", "read", bound - 1);
        WAIT_FOR(self, harness_waits(one));
        for (int i = 0; i < bound; i++) CHECK_OK(gr_cast(self, one, "i", i));
        CHECK_EQ(gr_cast(self, one, "s", "one too many"), GR_EFULL);
        CHECK_EQ(gr_call(self, NULL, one, "m", SOON, "n"), GR_EFULL);
        CHECK_OK(gr_pack(&m, "s", "another"));
        CHECK_EQ(gr_send(self, one, &m), GR_EFULL);
        CHECK_VALUE(gr_body(m), "s", "another"); /* not lost */
        FREE(m);
        CHECK_OK(gr_kill(one));
        WAIT_FOR(self, !gr_alive(one)); /* a kill is never refused */
        break;
    }
}

TEST(bound, refuses_more_than_may_wait)
{
    gr_self *self = BEGIN();
    for (int bound = 1; bound <= 5; bound += 2) {
        gr_address one;
        CHECK_OK(gr_spawn_with(self, &one, reads_when_told, OPTIONS(.mailbox_max = (uint32_t)bound), "A",
                               gr_self_address(self)));
        fill_and_empty(self, one, bound);
    }
    END(self);
}

TEST(bound, may_be_a_setting)
{
    gr_self *self = BEGIN_WITH(.mailbox_max = 3, .fixed = GR_FIXED(mailbox_max));
    gr_address one;
    CHECK_OK(gr_spawn(self, &one, reads_when_told, "A", gr_self_address(self)));
    fill_and_empty(self, one, 3);
    CHECK_OK(gr_spawn_with(self, &one, reads_when_told, OPTIONS(.mailbox_max = 7), "A", gr_self_address(self)));
    fill_and_empty(self, one, 7);
    END(self);
}

static void bounded_caller(gr_self *self, gr_value args)
{
    gr_address to = gr_address_in(gr_get(args, "to")), of = gr_address_in(gr_get(args, "of"));
    CHECK_OK(gr_cast(self, gr_self_address(self), "n"));
    CHECK_EQ(gr_cast(self, gr_self_address(self), "n"), GR_EFULL); /* the mailbox is full */
    CHECK_EQ(gr_call(self, NULL, of, "m", SOON, "n"), GR_EMETHOD); /* a reply is never refused */
    CHECK_OK(gr_cast_after(self, NULL, gr_self_address(self), GR_NOW, "s", "timer"));
    gr_shape *timer = harness_shape("\"timer\"");
    gr_message *m = NULL;
    CHECK_EQ(gr_select(self, &(gr_pattern){.shape = timer}, 1, &m, SOON), 0);
    FREE(m);
    gr_shape_free(&timer);
    CHECK_OK(gr_cast(self, to, "s", "answered"));
}

TEST(bound, replies_pass)
{
    gr_self *self = BEGIN();
    static const gr_server nothing;
    gr_address server, one;
    CHECK_OK(gr_spawn_server(self, &server, &nothing, NULL, "n"));
    CHECK_OK(gr_spawn_with(self, &one, bounded_caller, OPTIONS(.mailbox_max = 1), "{s:A,s:A}", "to",
                           gr_self_address(self), "of", server));
    EXPECT(self, "s", "answered");
    END(self);
}

/* ---- the limit on the memory of all messages ---- */

TEST(message_limit, refuses_what_is_beyond_and_recovers)
{
    gr_self *self = BEGIN_WITH(.message_mb = 16, .fixed = GR_FIXED(message_mb));
    static char large[100000];
    gr_address me = gr_self_address(self);
    memset(large, 'x', sizeof large - 1);
    for (int round = 0; round < 3; round++) {
        int code, sent = 0;
        while ((code = gr_cast(self, me, "s", (const char *)large)) == 0) {
            sent++;
            CHECK(sent < 200); /* 20 MB */
        }
        CHECK_EQ(code, GR_EFULL);
        CHECK(sent >= 50); /* 5 MB: the rest is actors, and blocks that are not full */
        CHECK_OK(gr_cooperate(self));
        for (int i = 0; i < sent; i++) {
            gr_message *m = RECEIVE(self);
            CHECK_EQ(gr_string_bytes(gr_body(m)), sizeof large - 1);
            FREE(m);
        }
        EXPECT_NOTHING(self);
    }
    CHECK_OK(gr_cast(self, me, "i", 1));
    EXPECT(self, "i", 1);
    END(self);
}
