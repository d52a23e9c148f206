/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Cycles of calls and waits are found by whoever closes them, and nothing else is taken for one. Every call here waits for ever:
 * a cycle that is not found is a test that does not end. */
#include "support/harness.h"

#include "base/atomic.h"

/* ---- servers that call on ---- */

/* hop [A, B, ...]: calls A's hop with [B, ...]; none left: "end". Answers what it got, or the name of the error. */
static void hop(gr_self *self, void *state, gr_value path)
{
    (void)state;
    if (gr_count(path) == 0) {
        (void)gr_reply(self, "s", "end");
        return;
    }
    gr_builder b;
    gr_message *rest = NULL, *answer = NULL;
    gr_build(&b);
    gr_put_array(&b);
    gr_address next = GR_NO_ADDRESS;
    for (gr_iter it = gr_iterate(path); gr_next(&it);) {
        if (next.id)
            gr_put_value(&b, it.value);
        else
            next = gr_address_in(it.value);
    }
    gr_put_end(&b);
    CHECK_OK(gr_build_message(&b, &rest));
    int code = gr_call_value(self, &answer, next, "hop", gr_body(rest), GR_FOREVER);
    if (code == 0)
        (void)gr_reply(self, "V", gr_body(answer));
    else
        (void)gr_reply(self, "{s:s,s:s}", "code", gr_error_name(code), "detail", gr_error_detail(self)->text);
    gr_message_free(&answer);
    gr_message_free(&rest);
}

static gri_atomic_u32 waits_begun; /* relaxed: a count; that the wait has come follows from the actor's state */

/* wait A: for its end. */
static void wait_for_end(gr_self *self, void *state, gr_value whom)
{
    (void)state;
    (void)gri_add_relaxed(&waits_begun, 1u);
    (void)gr_reply(self, "s", gr_error_name(gr_wait(self, gr_address_in(whom), NULL, GR_FOREVER)));
}

static void take(gr_self *self, void *state, gr_value argument)
{
    (void)argument;
    *(gr_message **)state = gr_call_take(self);
}

static void release(gr_self *self, void *state, gr_value argument)
{
    (void)argument;
    gr_message **taken = state;
    CHECK_OK(gr_respond(self, *taken, "s", "released"));
    gr_message_free(taken);
}

static void nap(gr_self *self, void *state, gr_value ms)
{
    (void)state;
    (void)gr_sleep(self, gr_after_ms(gr_int(ms, 0)));
}

static void ignore(gr_self *self, void *state, gr_message *m)
{
    (void)self, (void)state, (void)m;
}

static void forget(gr_self *self, void *state)
{
    (void)self;
    gr_message_free(state);
}

static const gr_method methods[] = {
    {"hop", hop}, {"wait", wait_for_end}, {"take", take}, {"release", release}, {"nap", nap}};
static const gr_server hopper = {
    .state_bytes = sizeof(gr_message *), .methods = methods, .method_count = 5, .on_message = ignore, .stop = forget};

static gr_address spawn_named(gr_self *self, const char *name)
{
    gr_address address;
    CHECK_OK(gr_spawn_server(self, &address, &hopper, OPTIONS(.name = name), "n"));
    return address;
}

/* What the call of one that is parked in a call looks like from outside. */
static void wait_parked(gr_self *self, gr_address address)
{
    WAIT_FOR(self, harness_waits(address));
}

/* ---- cycles ---- */

TEST(deadlock, the_call_that_closes_a_cycle_of_two_names_it)
{
    gr_self *self = BEGIN();
    gr_address a = spawn_named(self, "a"), b = spawn_named(self, "b");
    gr_message *answer = NULL;
    CHECK_OK(gr_call(self, &answer, a, "hop", SOON, "[A,A]", b, a));
    CHECK_VALUE(gr_body(answer), "{s:s,s:s}", "code", "GR_EDEADLK", "detail", "a cycle of waiting: b -> a -> b");
    FREE(answer);
    CHECK_EQ(harness_counters().deadlocks, 1);
    CHECK_OK(gr_call(self, &answer, a, "hop", SOON, "[A]", b)); /* and everybody goes on */
    CHECK_VALUE(gr_body(answer), "s", "end");
    FREE(answer);
    END(self);
}

TEST(deadlock, the_call_that_closes_a_cycle_of_three_names_it)
{
    gr_self *self = BEGIN();
    gr_address a = spawn_named(self, "a"), b = spawn_named(self, "b"), c = spawn_named(self, "c");
    gr_message *answer = NULL;
    CHECK_OK(gr_call(self, &answer, a, "hop", SOON, "[A,A,A]", b, c, a));
    CHECK_VALUE(gr_body(answer), "{s:s,s:s}", "code", "GR_EDEADLK", "detail", "a cycle of waiting: c -> a -> b -> c");
    FREE(answer);
    END(self);
}

#define RING (GRI_ASAN || GRI_TSAN || GRI_INVARIANTS ? 100 : 1000)

TEST(deadlock, long_cycles_are_found_and_named_in_part)
{
    gr_self *self = BEGIN();
    gr_address *all = calloc((size_t)RING, sizeof *all);
    gr_builder b;
    gr_message *path = NULL, *answer = NULL;
    gr_build(&b);
    gr_put_array(&b);
    for (int i = 0; i < RING; i++) CHECK_OK(gr_spawn_server(self, &all[i], &hopper, NULL, "n"));
    for (int i = 1; i <= RING; i++) gr_put_address(&b, all[i % RING]);
    gr_put_end(&b);
    CHECK_OK(gr_build_message(&b, &path));
    CHECK_OK(gr_call_value(self, &answer, all[0], "hop", gr_body(path), SOON));
    CHECK_STR(gr_string(gr_get(gr_body(answer), "code"), "?"), "GR_EDEADLK");
    char more[32];
    snprintf(more, sizeof more, "(%d more)", RING - 1 - 8);
    CHECK(strstr(gr_string(gr_get(gr_body(answer), "detail"), ""), more) != NULL);
    FREE(answer);
    FREE(path);
    free(all);
    END(self);
}

TEST(deadlock, a_host_thread_may_be_on_it)
{
    gr_self *self = BEGIN();
    gr_address a = spawn_named(self, "a");
    CHECK_OK(gr_register(gr_self_address(self), "host"));
    gr_message *answer = NULL;
    int code = gr_call(self, &answer, a, "hop", SOON, "[A]", gr_self_address(self));
    if (code == GR_EDEADLK) { /* a was waiting before this thread did */
        CHECK_STR(gr_error_detail(self)->text, "a cycle of waiting: host -> a -> host");
    } else {
        CHECK_OK(code);
        CHECK_VALUE(gr_body(answer), "{s:s,s:s}", "code", "GR_EDEADLK", "detail", "a cycle of waiting: a -> host -> a");
    }
    FREE(answer);
    END(self);
}

/* Two that wait for each other's end, and one that calls who waits for its end. */
TEST(deadlock, waiting_for_an_end_counts)
{
    gr_self *self = BEGIN();
    gr_address a = spawn_named(self, "a"), b = spawn_named(self, "b");
    gr_message *answer = NULL;
    /* b waits for a's end; a calls b. A call whose time is over before b looks is dropped: then another. */
    while (gri_load_relaxed(&waits_begun) == 0)
        CHECK_EQ(gr_call(self, &answer, b, "wait", gr_after_ms(20), "A", a), GR_ETIMEOUT);
    wait_parked(self, b);
    CHECK_OK(gr_call(self, &answer, a, "hop", SOON, "[A]", b));
    CHECK_STR(gr_string(gr_get(gr_body(answer), "code"), "?"), "GR_EDEADLK");
    FREE(answer);
    CHECK_OK(gr_call(self, &answer, a, "wait", SOON, "A", b)); /* the wait itself may close it */
    CHECK_VALUE(gr_body(answer), "s", "GR_EDEADLK");
    FREE(answer);
    END(self);
}

/* ---- two who close it at once ---- */

#define ROUNDS (GRI_ASAN || GRI_TSAN || GRI_INVARIANTS ? 300 : 2000)

static gri_atomic_u32 at_the_line; /* relaxed: only how close they start depends on it */

/* Each round: both call the other, as nearly at once as can be; who is refused answers the other's call. Tells how often it was refused. args: {"to"}. */
static void closer(gr_self *self, gr_value args)
{
    gr_shape *go = harness_shape("{\"go\":address}"), *call = harness_shape("{\"call\":int}");
    gr_address to = gr_address_in(gr_get(args, "to"));
    int64_t refused = 0;
    for (int i = 0; i < ROUNDS; i++) {
        gr_message *m = NULL, *answer = NULL;
        CHECK_EQ(gr_select(self, &(gr_pattern){.shape = go}, 1, &m, GR_FOREVER), 0);
        gr_address other = gr_address_in(gr_get(gr_body(m), "go"));
        gr_message_free(&m);
        (void)gri_add_relaxed(&at_the_line, 1u);
        while (gri_load_relaxed(&at_the_line) < 2u * (unsigned)(i + 1)) CHECK_OK(gr_cooperate(self));
        int code = gr_call(self, &answer, other, "ping", GR_FOREVER, "n");
        gr_message_free(&answer);
        if (code == GR_EDEADLK) {
            refused++;
            CHECK_EQ(gr_select(self, &(gr_pattern){.shape = call}, 1, &m, GR_FOREVER), 0);
            CHECK_OK(gr_respond(self, m, "s", "pong"));
            gr_message_free(&m);
        } else {
            CHECK_OK(code);
            CHECK_EQ(gr_select(self, &(gr_pattern){.shape = call}, 1, &m, GR_FOREVER),
                     0); /* the refused one's request */
            (void)gr_respond(self, m, "s", "late");
            gr_message_free(&m);
        }
        CHECK_OK(gr_cast(self, to, "{s:I}", "refused", refused));
    }
    gr_shape_free(&go);
    gr_shape_free(&call);
}

TEST(deadlock, of_two_who_close_it_at_once_exactly_one_is_refused)
{
    gr_self *self = BEGIN_WITH(.workers = 2, .bind = "none", .fixed = GR_FIXED(workers) | GR_FIXED(bind));
    gr_address a, b;
    gri_store_relaxed(&at_the_line, 0);
    CHECK_OK(gr_spawn_with(self, &a, closer, OPTIONS(.pinned = true), "{s:A}", "to", gr_self_address(self)));
    CHECK_OK(gr_spawn_with(self, &b, closer, OPTIONS(.pinned = true), "{s:A}", "to", gr_self_address(self)));
    for (int i = 0; i < ROUNDS; i++) {
        CHECK_OK(gr_cast(self, i % 2 ? a : b, "{s:A}", "go", i % 2 ? b : a));
        CHECK_OK(gr_cast(self, i % 2 ? b : a, "{s:A}", "go", i % 2 ? a : b));
        int64_t refused = 0;
        for (int j = 0; j < 2; j++) {
            gr_message *m = RECEIVE(self);
            refused += gr_int(gr_get(gr_body(m), "refused"), -1);
            FREE(m);
        }
        CHECK_EQ(refused, i + 1);
    }
    END(self);
}

/* ---- whose call finds the other on its way into a wait ---- */

#define PILE 300000 /* messages; who collects them is on its way for milliseconds */

static gri_atomic_bool pile_is_there;

/* Calls b while its mailbox is full, which is collected before it parks. Tells what came of it. args: {"b", "to"}. */
static void older(gr_self *self, gr_value args)
{
    gr_address b = gr_address_in(gr_get(args, "b")), to = gr_address_in(gr_get(args, "to"));
    gr_message *answer = NULL;
    /* mo:pile acquire <- pile release: the casts came before */
    while (!gri_load_acquire(&pile_is_there)) continue; /* cooperating would collect them */
    int code = gr_call(self, &answer, b, "ask", SOON, "n");
    gr_message_free(&answer);
    CHECK_OK(gr_cast(self, to, "{s:i}", "older", code));
}

/* Calls back whoever calls it, then answers. args: {"to"}. */
static void newer(gr_self *self, gr_value args)
{
    gr_address to = gr_address_in(gr_get(args, "to"));
    gr_message *m = NULL, *answer = NULL;
    CHECK_OK(gr_receive(self, &m, SOON));
    int code = gr_call(self, &answer, gr_sender(m), "ask back", SOON, "n");
    gr_message_free(&answer);
    CHECK_OK(gr_respond(self, m, "n"));
    gr_message_free(&m);
    CHECK_OK(gr_cast(self, to, "{s:i}", "newer", code));
}

TEST(deadlock, the_newest_is_refused_though_the_older_one_has_not_parked)
{
    gr_self *self = BEGIN_WITH(.workers = 2, .fixed = GR_FIXED(workers));
    gr_shape *of_older = harness_shape("{\"older\":int}"), *of_newer = harness_shape("{\"newer\":int}");
    gr_address a, b;
    gri_store_relaxed(&pile_is_there, false); /* relaxed: nobody is there yet */
    CHECK_OK(gr_spawn(self, &b, newer, "{s:A}", "to", gr_self_address(self)));
    WAIT_FOR(self, harness_waits(b));
    CHECK_OK(gr_spawn(self, &a, older, "{s:A,s:A}", "b", b, "to", gr_self_address(self)));
    for (int i = 0; i < PILE; i++) CHECK_OK(gr_cast(self, a, "i", i));
    gri_store_release(&pile_is_there, true); /* mo:pile release -> pile acquire */
    gr_message *m = NULL;
    CHECK_EQ(gr_select(self, &(gr_pattern){.shape = of_newer}, 1, &m, SOON), 0);
    CHECK_EQ(gr_int(gr_get(gr_body(m), "newer"), 0), GR_EDEADLK);
    FREE(m);
    CHECK_EQ(gr_select(self, &(gr_pattern){.shape = of_older}, 1, &m, SOON), 0);
    CHECK_EQ(gr_int(gr_get(gr_body(m), "older"), 1), 0);
    FREE(m);
    gr_shape_free(&of_older);
    gr_shape_free(&of_newer);
    END(self);
}

/* ---- what is none ---- */

TEST(deadlock, a_server_that_answers_later_is_on_none)
{
    gr_self *self = BEGIN();
    gr_address a = spawn_named(self, "a"), b = spawn_named(self, "b"), c = spawn_named(self, "c");
    gr_message *answer = NULL;
    /* b has taken the host's call over; it is called all the same, and calls c. */
    CHECK_EQ(gr_call(self, &answer, b, "take", gr_after_ms(5), "n"), GR_ETIMEOUT);
    CHECK_OK(gr_call(self, &answer, a, "hop", SOON, "[A,A]", b, c));
    CHECK_VALUE(gr_body(answer), "s", "end");
    FREE(answer);
    CHECK_EQ(harness_counters().deadlocks, 0);
    END(self);
}

/* Calls b's take, which is answered by who calls b's release. */
static void taker(gr_self *self, gr_value args)
{
    gr_message *answer = NULL;
    gr_address b = gr_address_in(gr_get(args, "b")), to = gr_address_in(gr_get(args, "to"));
    CHECK_OK(gr_call(self, &answer, b, "take", GR_FOREVER, "n"));
    CHECK_OK(gr_cast(self, to, "V", gr_body(answer)));
    gr_message_free(&answer);
    gr_message *m = NULL;
    CHECK_OK(gr_receive(self, &m, GR_FOREVER)); /* the call that came meanwhile */
    CHECK_OK(gr_respond(self, m, "s", "served"));
    gr_message_free(&m);
}

/* a waits for b, who holds its call and is free; c waits for a. None of that is a cycle: b answers a, then a answers c. */
static void asker(gr_self *self, gr_value args)
{
    gr_message *answer = NULL;
    gr_address a = gr_address_in(gr_get(args, "a")), to = gr_address_in(gr_get(args, "to"));
    CHECK_OK(gr_call(self, &answer, a, "x", GR_FOREVER, "n"));
    CHECK_OK(gr_cast(self, to, "V", gr_body(answer)));
    gr_message_free(&answer);
}

TEST(deadlock, chains_and_messages_that_come_meanwhile_are_none)
{
    gr_self *self = BEGIN();
    gr_address a, b = spawn_named(self, "b"), c;
    CHECK_OK(gr_spawn(self, &a, taker, "{s:A,s:A}", "b", b, "to", gr_self_address(self)));
    wait_parked(self, a);
    for (int i = 0; i < 10; i++) CHECK_OK(gr_cast(self, b, "s", "noise"));
    CHECK_OK(gr_spawn(self, &c, asker, "{s:A,s:A}", "a", a, "to", gr_self_address(self)));
    wait_parked(self, c);
    gr_message *answer = NULL;
    CHECK_OK(gr_call(self, &answer, b, "release", SOON, "n"));
    FREE(answer);
    EXPECT(self, "s", "released");
    EXPECT(self, "s", "served");
    CHECK_EQ(harness_counters().deadlocks, 0);
    END(self);
}

TEST(deadlock, who_sleeps_in_a_method_is_on_none)
{
    gr_self *self = BEGIN();
    gr_address a = spawn_named(self, "a"), b = spawn_named(self, "b");
    gr_message *answer = NULL;
    int code = 0;
    for (int ms = 30; code == 0; ms *= 4) { /* once more, and longer, if the nap ended before this thread had a CPU */
        code = gr_call(self, &answer, b, "nap", gr_after_ms(1), "i", ms);
        FREE(answer);
    }
    CHECK_EQ(code, GR_ETIMEOUT);
    CHECK_OK(gr_call(self, &answer, a, "hop", SOON, "[A]", b));
    CHECK_VALUE(gr_body(answer), "s", "end");
    FREE(answer);
    CHECK_EQ(harness_counters().deadlocks, 0);
    END(self);
}

/* ---- many ---- */

#define MANY 40
#define DRIVERS 12
#define WALKS (GRI_ASAN || GRI_TSAN || GRI_INVARIANTS ? 30 : 150)

static gr_address crowd[MANY];
static gri_atomic_bool upwards; /* relaxed: before the drivers are spawned */

/* Random walks through the crowd: upwards there is no cycle, else there are many. Whatever comes, each walk ends. */
static void driver(gr_self *self, gr_value args)
{
    uint64_t random = (uint64_t)gr_int(gr_get(args, "seed"), 1);
    int64_t refused = 0;
    for (int i = 0; i < WALKS; i++) {
        gr_builder b;
        gr_message *path = NULL, *answer = NULL;
        gr_build(&b);
        gr_put_array(&b);
        unsigned at = 0;
        for (int hops = 0; hops < 6; hops++) {
            random = random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
            unsigned step = (unsigned)(random >> 33);
            at = gri_load_relaxed(&upwards) ? at + 1 + step % 6
                                            : (at + 1 + step % (MANY - 1)) % MANY; /* relaxed: as above */
            gr_put_address(&b, crowd[at]);
        }
        gr_put_end(&b);
        CHECK_OK(gr_build_message(&b, &path));
        CHECK_OK(gr_call_value(self, &answer, crowd[0], "hop", gr_body(path), GR_FOREVER));
        refused += gr_type_of(gr_body(answer)) == GR_OBJECT;
        gr_message_free(&answer);
        gr_message_free(&path);
    }
    CHECK_OK(gr_cast(self, gr_address_in(gr_get(args, "to")), "{s:I}", "refused", refused));
}

static int64_t crowd_walks(bool up)
{
    gr_self *self = BEGIN_WITH(.workers = 4, .bind = "none", .fixed = GR_FIXED(workers) | GR_FIXED(bind));
    int64_t refused = 0;
    gri_store_relaxed(&upwards, up); /* relaxed: as above */
    for (int i = 0; i < MANY; i++) CHECK_OK(gr_spawn_server(self, &crowd[i], &hopper, NULL, "n"));
    for (int i = 0; i < DRIVERS; i++)
        CHECK_OK(gr_spawn(self, &(gr_address){0}, driver, "{s:A,s:i}", "to", gr_self_address(self), "seed", i + 1));
    for (int i = 0; i < DRIVERS; i++) {
        gr_message *m = RECEIVE(self);
        refused += gr_int(gr_get(gr_body(m), "refused"), 0);
        FREE(m);
    }
    CHECK_EQ(refused > 0, harness_counters().deadlocks > 0);
    END(self);
    return refused;
}

TEST(deadlock, many_calls_without_a_cycle_are_all_answered)
{
    CHECK_EQ(crowd_walks(true), 0);
}

TEST(deadlock, many_calls_with_cycles_all_end)
{
    (void)crowd_walks(false); /* by construction every path through the first one may close one */
}
