/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Links and monitors: the table of greenroom/link.h, row by row and column by column, and what stands below it. */
#include "support/harness.h"

#include "base/atomic.h"

enum column { LINK, TRAP, PROPAGATE, MONITOR, COLUMNS };
static const unsigned link_flags[] = {GR_LINK, GR_LINK | GR_LINK_TRAP_EXIT, GR_LINK_PROPAGATE};

/* ---- one that ends as it is told ---- */

static int overflow(int depth)
{
    volatile char room[512];
    room[0] = (char)depth;
    return depth < 0 ? 0 : overflow(depth + 1) + room[0];
}

static void victim(gr_self *self, gr_value args)
{
    (void)args;
    for (gr_message *m = NULL; gr_receive(self, &m, GR_FOREVER) == 0; FREE(m)) {
        const char *how = gr_string(gr_body(m), "?");
        if (strcmp(how, "return") == 0) {
            CHECK_OK(gr_return(self, "{s:i}", "result", 7));
            return;
        }
        if (strcmp(how, "raise") == 0) gr_raise(self, "told_to", "raise");
        if (strcmp(how, "overflow") == 0) CHECK_OK(gr_return(self, "i", overflow(0)));
    }
}

/* ---- one that watches and tells what it hears ---- */

static void watch(gr_self *self, gr_address whom, int64_t column)
{
    gr_monitor_ref ref;
    if (column == MONITOR)
        CHECK_OK(gr_monitor(self, whom, &ref));
    else
        CHECK_OK(gr_link(self, whom, link_flags[column]));
}

static void witness(gr_self *self, gr_value args)
{
    gr_address to = gr_address_in(gr_get(args, "to"));
    watch(self, gr_address_in(gr_get(args, "of")), gr_int(gr_get(args, "column"), 0));
    CHECK_OK(gr_cast(self, to, "s", "ready"));
    for (gr_message *m = NULL; gr_receive(self, &m, GR_FOREVER) == 0; FREE(m)) {
        CHECK_OK(gr_cast(self, to, "{s:V}", "heard", gr_body(m)));
    }
}

static gr_address witness_new(gr_self *self, gr_address of, int column)
{
    gr_address address;
    CHECK_OK(gr_spawn_with(self, &address, witness, OPTIONS(.retain = true), "{s:A,s:A,s:i}", "to",
                           gr_self_address(self), "of", of, "column", column));
    EXPECT(self, "s", "ready");
    return address;
}

static void check_heard_exception(gr_self *self, gr_address of, bool monitored, const char *error)
{
    gr_message *m = RECEIVE(self);
    gr_value heard = gr_get(gr_body(m), "heard");
    CHECK_EQ(gr_count(heard), monitored ? 3 : 2);
    CHECK(!monitored || gr_type_of(gr_get(heard, "down")) == GR_INT);
    CHECK(gr_address_equal(gr_address_in(gr_get(heard, "address")), of));
    CHECK_STR(harness_error(gr_get(heard, "exception")), error);
    CHECK_EQ(gr_type_of(gr_get(gr_get(heard, "exception"), "stack-trace")), GR_ARRAY);
    CHECK_EQ(gr_type_of(gr_get(gr_get(heard, "exception"), "text-exception")), GR_STRING);
    FREE(m);
}

static void check_heard_exit(gr_self *self, gr_address of, bool monitored)
{
    gr_message *m = RECEIVE(self);
    gr_value heard = gr_get(gr_body(m), "heard");
    CHECK_EQ(gr_count(heard), monitored ? 3 : 2);
    CHECK(gr_address_equal(gr_address_in(gr_get(heard, "address")), of));
    CHECK_VALUE(gr_get(heard, "exit"), "{s:i}", "result", 7);
    FREE(m);
}

/* The witness has heard nothing and is as it was. */
static void check_undisturbed(gr_self *self, gr_address address)
{
    CHECK_OK(gr_cast(self, address, "s", "are you there"));
    EXPECT(self, "{s:s}", "heard", "are you there");
    CHECK(gr_alive(address));
}

static void check_killed(gr_self *self, gr_address address)
{
    CHECK_EQ(gr_wait(self, address, NULL, SOON), GR_EKILLED);
}

static void row(const char *how, const char *error)
{
    gr_self *self = BEGIN();
    for (int column = 0; column < COLUMNS; column++) {
        gr_address one;
        CHECK_OK(gr_spawn(self, &one, victim, "n"));
        gr_address other = witness_new(self, one, column);
        if (strcmp(how, "kill") == 0)
            CHECK_OK(gr_kill(one));
        else
            CHECK_OK(gr_cast(self, one, "s", how));
        WAIT_GONE(self, one);
        if (error && column == PROPAGATE)
            check_killed(self, other);
        else if (error)
            check_heard_exception(self, one, column == MONITOR, error);
        else if (column == TRAP || column == MONITOR)
            check_heard_exit(self, one, column == MONITOR);
        if (column != PROPAGATE || !error) check_undisturbed(self, other); /* never more than one message */
        EXPECT_NOTHING(self);
    }
    END(self);
}

TEST(link, one_that_returned)
{
    row("return", NULL);
}

TEST(link, one_that_raised)
{
    row("raise", "told_to");
}

TEST(link, one_whose_stack_overflowed)
{
    row("overflow", "stack_overflow");
}

TEST(link, one_that_was_killed)
{
    row("kill", "killed");
}

/* ---- the runtime stops ---- */

static gri_atomic_u32 heard[COLUMNS];

static void cleanup_when_told(gr_self *self, void *arg)
{
    (void)arg;
    gr_message *m = NULL;
    CHECK_OK(gr_receive(self, &m, SOON)); /* kills are held */
    FREE(m);
}

static void stopped(gr_self *self, gr_value args)
{
    CHECK_OK(gr_defer(self, cleanup_when_told, NULL));
    CHECK_OK(gr_cast(self, gr_address_in(args), "s", "ready"));
    gr_message *m = NULL;
    CHECK_EQ(gr_receive(self, &m, GR_FOREVER), GR_EKILLED);
}

typedef struct testimony {
    gr_address of;
    int64_t column;
} testimony;

/* In a cleanup, where no further kill comes in between: gr_stop kills again 10 ms later, and for good after 2 s. */
static void hear_of_the_end(gr_self *self, void *arg)
{
    const testimony *t = arg;
    gr_message *m = NULL;
    CHECK_OK(gr_cast(self, t->of, "s", "end now"));
    if (t->column == PROPAGATE) { /* a kill, which is held; no message */
        while (gr_alive(t->of)) CHECK_OK(gr_cooperate(self));
        CHECK_EQ(gr_receive(self, &m, GR_NOW), GR_ETIMEOUT);
    } else {
        CHECK_OK(gr_receive(self, &m, SOON));
        CHECK_STR(harness_error(gr_get(gr_body(m), "exception")), "killed");
        FREE(m);
    }
    gri_store_relaxed(&heard[t->column], 1); /* relaxed: gr_stop orders it */
}

static void witness_of_the_stop(gr_self *self, gr_value args)
{
    testimony *t = gr_alloc(self, sizeof *t);
    CHECK(t != NULL);
    *t = (testimony){gr_address_in(gr_get(args, "of")), gr_int(gr_get(args, "column"), 0)};
    CHECK_OK(gr_defer(self, hear_of_the_end, t));
    watch(self, t->of, t->column);
    CHECK_OK(gr_cast(self, gr_address_in(gr_get(args, "to")), "s", "ready"));
    gr_message *m = NULL;
    CHECK_EQ(gr_receive(self, &m, GR_FOREVER), GR_EKILLED);
}

TEST(link, the_runtime_stops)
{
    gr_self *self = BEGIN();
    for (int column = 0; column < COLUMNS; column++) {
        gr_address one, other;
        CHECK_OK(gr_spawn(self, &one, stopped, "A", gr_self_address(self)));
        EXPECT(self, "s", "ready");
        CHECK_OK(gr_spawn(self, &other, witness_of_the_stop, "{s:A,s:A,s:i}", "to", gr_self_address(self), "of", one,
                          "column", column));
        EXPECT(self, "s", "ready");
        WAIT_FOR(self, harness_waits(one) && harness_waits(other));
    }
    END(self);
    for (int column = 0; column < COLUMNS; column++)
        CHECK_EQ(gri_load_relaxed(&heard[column]), 1); /* relaxed: as above */
}

/* ---- the dead ---- */

TEST(link, to_the_dead_is_edead)
{
    gr_self *self = BEGIN();
    gr_address one;
    CHECK_OK(gr_spawn(self, &one, victim, "n"));
    CHECK_OK(gr_kill(one));
    WAIT_GONE(self, one);
    for (int column = 0; column < MONITOR; column++) CHECK_EQ(gr_link(self, one, link_flags[column]), GR_EDEAD);
    CHECK_EQ(gr_link(self, GR_DEAD_ADDRESS, GR_LINK), GR_EDEAD);
    CHECK_EQ(gr_link(self, GR_NO_ADDRESS, GR_LINK), GR_EDEAD);
    EXPECT_NOTHING(self);
    CHECK(!gr_killed(self));
    END(self);
}

TEST(monitor, of_the_dead_tells_at_once)
{
    gr_self *self = BEGIN();
    gr_address one;
    gr_monitor_ref ref;
    CHECK_OK(gr_spawn(self, &one, victim, "n"));
    CHECK_OK(gr_cast(self, one, "s", "return"));
    WAIT_GONE(self, one);
    CHECK_OK(gr_monitor(self, one, &ref));
    gr_message *m = RECEIVE(self);
    CHECK_EQ(gr_count(gr_body(m)), 3);
    CHECK_EQ(gr_int(gr_get(gr_body(m), "down"), 0), ref.id);
    CHECK(gr_address_equal(gr_address_in(gr_get(gr_body(m), "address")), one));
    CHECK_STR(harness_error(gr_get(gr_body(m), "exception")), "dead");
    FREE(m);
    EXPECT_NOTHING(self);
    CHECK_EQ(gr_demonitor(self, ref, true), GR_ENOTFOUND);
    END(self);
}

/* ---- what returned means ---- */

static void returns_while_killed(gr_self *self, gr_value args)
{
    (void)args;
    CHECK_OK(gr_return(self, "s", "unheard"));
    gr_message *m = NULL;
    CHECK_EQ(gr_receive(self, &m, GR_FOREVER), GR_EKILLED);
}

static void takes_the_kill_back(gr_self *self, gr_value args)
{
    returns_while_killed(self, args);
    gr_kill_clear(self);
}

static void kills_itself_and_returns(gr_self *self, gr_value args)
{
    (void)args;
    CHECK_OK(gr_kill(gr_self_address(self))); /* nothing has looked at it when the entry returns */
}

TEST(link, one_that_returns_while_a_kill_is_pending_was_killed)
{
    gr_self *self = BEGIN();
    gr_address one;
    CHECK_OK(gr_spawn_link(self, &one, returns_while_killed, "n"));
    CHECK_OK(gr_kill(one));
    EXPECT_EXCEPTION(self, one, "killed");
    CHECK_OK(gr_spawn_link(self, &one, kills_itself_and_returns, "n"));
    EXPECT_EXCEPTION(self, one, "killed");
    EXPECT_NOTHING(self);
    END(self);
}

TEST(link, one_that_took_the_kill_back_returned)
{
    gr_self *self = BEGIN();
    gr_address one;
    CHECK_OK(gr_spawn_link(self, &one, takes_the_kill_back, "n"));
    CHECK_OK(gr_kill(one));
    EXPECT(self, "{s:A,s:s}", "address", one, "exit", "unheard");
    EXPECT_NOTHING(self);
    END(self);
}

static void lives_through_propagation(gr_self *self, gr_value args)
{
    gr_address of = gr_address_in(gr_get(args, "of")), to = gr_address_in(gr_get(args, "to"));
    gr_message *m = NULL;
    CHECK_OK(gr_link(self, of, GR_LINK_PROPAGATE | GR_LINK_TRAP_EXIT));
    CHECK_OK(gr_cast(self, to, "s", "ready"));
    CHECK_EQ(gr_receive(self, &m, GR_FOREVER), GR_EKILLED);
    gr_kill_clear(self);
    CHECK_OK(gr_cast(self, gr_self_address(self), "s", "own"));
    CHECK_OK(gr_receive(self, &m, SOON));
    CHECK_OK(gr_send(self, to, &m));
}

TEST(link, that_propagates_kills_and_sends_no_message)
{
    gr_self *self = BEGIN();
    gr_address one, other;
    CHECK_OK(gr_spawn(self, &one, victim, "n"));
    CHECK_OK(gr_spawn(self, &other, lives_through_propagation, "{s:A,s:A}", "of", one, "to", gr_self_address(self)));
    EXPECT(self, "s", "ready");
    CHECK_OK(gr_cast(self, one, "s", "raise"));
    EXPECT(self, "s", "own");
    CHECK_OK(gr_spawn(self, &one, victim, "n"));
    CHECK_OK(gr_link(self, one, GR_LINK_PROPAGATE));
    CHECK_OK(gr_cast(self, one, "s", "return")); /* a normal end: no kill, and no message either */
    WAIT_GONE(self, one);
    EXPECT_NOTHING(self);
    CHECK(!gr_killed(self));
    END(self);
}

/* ---- one way, one message ---- */

TEST(link, is_one_way)
{
    gr_self *self = BEGIN();
    gr_address one;
    CHECK_OK(gr_spawn(self, &one, victim, "n"));
    for (int column = 0; column < COLUMNS; column++) {
        gr_address other = witness_new(self, one, column);
        CHECK_OK(gr_kill(other));
        check_killed(self, other);
        CHECK(gr_alive(one));
    }
    CHECK_OK(gr_link(self, one, GR_LINK_TRAP_EXIT));
    CHECK_OK(gr_cast(self, one, "s", "return"));
    EXPECT(self, "{s:A,s:{s:i}}", "address", one, "exit", "result", 7);
    END(self);
}

TEST(link, spawn_link_traps_exits)
{
    gr_self *self = BEGIN();
    gr_address one;
    CHECK_OK(gr_spawn_link(self, &one, victim, "n"));
    CHECK_OK(gr_cast(self, one, "s", "return"));
    EXPECT(self, "{s:A,s:{s:i}}", "address", one, "exit", "result", 7);
    CHECK_OK(gr_spawn_link(self, &one, victim, "n"));
    CHECK_OK(gr_cast(self, one, "s", "raise"));
    EXPECT_EXCEPTION(self, one, "told_to");
    EXPECT_NOTHING(self); /* no exit after the exception */
    END(self);
}

static void end_at_once(gr_self *self, gr_value args)
{
    CHECK_OK(gr_return_value(self, args));
}

TEST(link, spawn_options_watch_before_the_actor_runs)
{
    gr_self *self = BEGIN();
    for (int i = 0; i < 50; i++) {
        gr_address one;
        gr_monitor_ref ref = {0};
        CHECK_OK(gr_spawn_with(self, &one, end_at_once, OPTIONS(.link = GR_LINK_TRAP_EXIT, .monitor = &ref), "i", i));
        CHECK(ref.id != 0);
        gr_message *both[] = {RECEIVE(self), RECEIVE(self)};
        int down = gr_count(gr_body(both[0])) == 3 ? 0 : 1;
        CHECK_VALUE(gr_body(both[down]), "{s:I,s:A,s:i}", "down", (int64_t)ref.id, "address", one, "exit", i);
        CHECK_VALUE(gr_body(both[!down]), "{s:A,s:i}", "address", one, "exit", i);
        FREE(both[0]);
        FREE(both[1]);
    }
    EXPECT_NOTHING(self);
    END(self);
}

TEST(link, again_replaces_the_flags)
{
    gr_self *self = BEGIN();
    gr_address one;
    CHECK_OK(gr_spawn(self, &one, victim, "n"));
    CHECK_OK(gr_link(self, one, GR_LINK_PROPAGATE));
    CHECK_OK(gr_link(self, one, GR_LINK));
    CHECK_OK(gr_link(self, one, GR_LINK_TRAP_EXIT));
    CHECK_OK(gr_cast(self, one, "s", "return"));
    EXPECT(self, "{s:A,s:{s:i}}", "address", one, "exit", "result", 7);
    WAIT_GONE(self, one);
    EXPECT_NOTHING(self);
    CHECK_OK(gr_spawn(self, &one, victim, "n"));
    CHECK_OK(gr_link(self, one, GR_LINK_TRAP_EXIT));
    CHECK_OK(gr_link(self, one, GR_LINK));
    CHECK_OK(gr_cast(self, one, "s", "return"));
    WAIT_GONE(self, one);
    EXPECT_NOTHING(self);
    END(self);
}

TEST(link, bad_ones_are_refused)
{
    gr_self *self = BEGIN();
    gr_address one;
    CHECK_OK(gr_spawn(self, &one, victim, "n"));
    CHECK_EQ(gr_link(self, one, 0), GR_EINVAL);
    CHECK_EQ(gr_link(self, one, 8), GR_EINVAL);
    CHECK(strstr(gr_error_detail(self)->text, "0x8"));
    CHECK_EQ(gr_link(self, gr_self_address(self), GR_LINK), GR_EDEADLK);
    END(self);
}

TEST(unlink, takes_the_link_back)
{
    gr_self *self = BEGIN();
    gr_address one;
    CHECK_OK(gr_spawn_link(self, &one, victim, "n"));
    CHECK_OK(gr_unlink(self, one));
    CHECK_EQ(gr_unlink(self, one), GR_ENOTFOUND);
    CHECK_OK(gr_kill(one));
    WAIT_GONE(self, one);
    EXPECT_NOTHING(self);
    END(self);
}

TEST(unlink, leaves_the_message_that_was_sent)
{
    gr_self *self = BEGIN();
    gr_address one;
    CHECK_OK(gr_spawn_link(self, &one, victim, "n"));
    CHECK_OK(gr_kill(one));
    WAIT_GONE(self, one);
    (void)gr_unlink(self, one); /* 0 or GR_ENOTFOUND: has the mailbox been looked at since? */
    EXPECT_EXCEPTION(self, one, "killed");
    EXPECT_NOTHING(self);
    END(self);
}

/* ---- order, bounds ---- */

static void cast_and_raise(gr_self *self, gr_value args)
{
    for (int i = 0; i < 3; i++) CHECK_OK(gr_cast(self, gr_address_in(args), "i", i));
    gr_raise(self, "last", "words");
}

TEST(link, exit_messages_keep_their_place_among_the_casts_of_the_same_sender)
{
    gr_self *self = BEGIN();
    for (int round = 0; round < 20; round++) {
        gr_address one;
        CHECK_OK(gr_spawn_link(self, &one, cast_and_raise, "A", gr_self_address(self)));
        if (round % 2) WAIT_GONE(self, one);
        for (int i = 0; i < 3; i++) EXPECT(self, "i", i);
        EXPECT_EXCEPTION(self, one, "last");
    }
    END(self);
}

static void link_and_sleep(gr_self *self, gr_value args)
{
    gr_address host = gr_address_in(gr_get(args, "to"));
    gr_value all = gr_get(args, "all");
    gr_monitor_ref ref;
    for (size_t i = 0; i < gr_count(all); i++) {
        CHECK_OK(gr_link(self, gr_address_in(gr_at(all, i)), GR_LINK_TRAP_EXIT));
        CHECK_OK(gr_monitor(self, gr_address_in(gr_at(all, i)), &ref));
    }
    CHECK_OK(gr_cast(self, host, "s", "ready"));
    gr_message *m = NULL;
    gr_shape *go = harness_shape("\"go\"");
    CHECK_EQ(gr_select(self, &(gr_pattern){.shape = go}, 1, &m, SOON), 0); /* leaves all exits in the mailbox */
    gr_shape_free(&go);
    FREE(m);
    int exits = 0;
    while (exits < 6 && gr_receive(self, &m, SOON) == 0) {
        exits += gr_type_of(gr_get(gr_body(m), "exception")) == GR_OBJECT;
        FREE(m);
    }
    CHECK_OK(gr_cast(self, host, "{s:i}", "exits", exits));
}

TEST(link, exit_messages_are_never_dropped_by_a_bound)
{
    gr_self *self = BEGIN();
    gr_address all[3], other;
    for (int i = 0; i < 3; i++) CHECK_OK(gr_spawn(self, &all[i], victim, "n"));
    CHECK_OK(gr_spawn_with(self, &other, link_and_sleep, OPTIONS(.mailbox_max = 1), "{s:A,s:[A,A,A]}", "to",
                           gr_self_address(self), "all", all[0], all[1], all[2]));
    EXPECT(self, "s", "ready");
    for (int i = 0; i < 3; i++) CHECK_OK(gr_cast(self, all[i], "s", "raise"));
    for (int i = 0; i < 3; i++) WAIT_GONE(self, all[i]);
    CHECK_OK(gr_cast(self, other, "s", "go"));
    EXPECT(self, "{s:i}", "exits", 6);
    END(self);
}

static gri_atomic_bool dry; /* relaxed: a request; the system has no memory */

static void *take_memory(void *arg, size_t bytes, size_t alignment)
{
    (void)arg;
    return gri_load_relaxed(&dry) ? NULL : aligned_alloc(alignment, bytes);
}

static void give_memory(void *arg, void *memory, size_t bytes)
{
    (void)arg, (void)bytes;
    free(memory);
}

/* Takes all the memory there is with messages to oneself, down to the smallest. */
static int64_t fill_up(gr_self *self, int full)
{
    static char text[100001];
    int64_t sent = 0;
    memset(text, 'x', sizeof text - 1);
    for (size_t bytes = sizeof text - 1; bytes > 0; bytes /= 10) {
        const char *part = text + sizeof text - 1 - bytes;
        int code = 0;
        while ((code = gr_cast(self, gr_self_address(self), "s", part)) == 0) sent++;
        CHECK_EQ(code, full);
    }
    return sent;
}

/* Who ended, and how, is told: at the limit in full, without any memory in what the link and the monitor have kept for it. */
static void deaths_without_memory(gr_self *self, int full, const char *told)
{
    enum { VICTIMS = 1000 };
    static gr_address all[VICTIMS];
    gr_monitor_ref ref;
    const gr_spawn_options options = {.link = GR_LINK | GR_LINK_TRAP_EXIT, .monitor = &ref};
    for (int i = 0; i < VICTIMS; i++) {
        CHECK_OK(gr_spawn_with(self, &all[i], victim, &options, "n"));
        WAIT_FOR(self, harness_waits(all[i]));
    }
    gr_shape *shape = harness_shape(told);
    gr_message *m = NULL;
    CHECK_EQ(gr_select(self, &(gr_pattern){.shape = shape}, 1, &m, GR_NOW),
             GR_ETIMEOUT);                      /* what it remembers is allocated */
    gri_store_relaxed(&dry, full == GR_ENOMEM); /* relaxed: as above */
    int64_t filled = fill_up(self, full);
    for (int i = 0; i < VICTIMS; i++) CHECK_OK(gr_kill(all[i]));
    int downs = 0;
    for (int i = 0; i < 2 * VICTIMS; i++) {
        CHECK_EQ(gr_select(self, &(gr_pattern){.shape = shape}, 1, &m, SOON), 0);
        downs += gr_type_of(gr_get(gr_body(m), "down")) == GR_INT;
        FREE(m);
    }
    CHECK_EQ(downs, VICTIMS);
    gr_shape_free(&shape);
    for (int64_t i = 0; i < filled; i++) {
        m = RECEIVE(self);
        FREE(m);
    }
    EXPECT_NOTHING(self);
}

TEST(link, deaths_need_no_memory)
{
    const gr_memory_source source = {take_memory, give_memory, NULL, NULL};
    gr_self *self = BEGIN_WITH(.message_mb = 24, .fixed = GR_FIXED(message_mb));
    deaths_without_memory(self, GR_EFULL, "{\"address\":address,\"exception\":{\"error\":\"killed\"}}");
    END(self);
    CHECK_OK(gr_memory_source_set(&source));
    self = BEGIN();
    deaths_without_memory(self, GR_ENOMEM, "{\"address\":address,\"exception\":any}");
    gri_store_relaxed(&dry, false);
    END(self);
    CHECK_OK(gr_memory_source_set(NULL));
}

/* ---- monitors ---- */

TEST(monitor, is_one_shot_and_independent_of_others)
{
    gr_self *self = BEGIN();
    gr_address one;
    gr_monitor_ref refs[3];
    CHECK_OK(gr_spawn(self, &one, victim, "n"));
    for (int i = 0; i < 3; i++) CHECK_OK(gr_monitor(self, one, &refs[i]));
    CHECK(refs[0].id != refs[1].id && refs[1].id != refs[2].id);
    CHECK_OK(gr_demonitor(self, refs[1], false));
    CHECK_OK(gr_cast(self, one, "s", "return"));
    EXPECT(self, "{s:I,s:A,s:{s:i}}", "down", (int64_t)refs[0].id, "address", one, "exit", "result", 7);
    EXPECT(self, "{s:I,s:A,s:{s:i}}", "down", (int64_t)refs[2].id, "address", one, "exit", "result", 7);
    WAIT_GONE(self, one);
    EXPECT_NOTHING(self);
    for (int i = 0; i < 3; i++) CHECK_EQ(gr_demonitor(self, refs[i], true), GR_ENOTFOUND);
    END(self);
}

TEST(monitor, demonitor_without_flush_leaves_the_message)
{
    gr_self *self = BEGIN();
    gr_address one;
    gr_monitor_ref ref;
    CHECK_OK(gr_spawn(self, &one, victim, "n"));
    CHECK_OK(gr_monitor(self, one, &ref));
    CHECK_OK(gr_kill(one));
    WAIT_GONE(self, one);
    (void)gr_demonitor(self, ref, false); /* 0 or GR_ENOTFOUND: as with gr_unlink */
    gr_message *m = RECEIVE(self);
    CHECK_EQ(gr_int(gr_get(gr_body(m), "down"), 0), ref.id);
    FREE(m);
    EXPECT_NOTHING(self);
    END(self);
}

TEST(monitor, demonitor_with_flush_removes_it_wherever_it_is)
{
    gr_self *self = BEGIN();
    for (int looked = 0; looked < 2; looked++) {
        gr_address one;
        gr_monitor_ref ref, kept;
        CHECK_OK(gr_spawn(self, &one, victim, "n"));
        CHECK_OK(gr_monitor(self, one, &ref));
        CHECK_OK(gr_monitor(self, one, &kept));
        CHECK_OK(gr_cast(self, gr_self_address(self), "s", "before"));
        CHECK_OK(gr_kill(one));
        WAIT_GONE(self, one);
        CHECK_OK(gr_cast(self, gr_self_address(self), "s", "after"));
        if (looked) EXPECT(self, "s", "before"); /* now everything has been taken out of the mailbox's word */
        CHECK_OK(gr_demonitor(self, ref, true));
        if (!looked) EXPECT(self, "s", "before");
        gr_message *m = RECEIVE(self);
        CHECK_EQ(gr_int(gr_get(gr_body(m), "down"), 0), kept.id);
        FREE(m);
        EXPECT(self, "s", "after");
        EXPECT_NOTHING(self);
    }
    END(self);
}

TEST(monitor, needs_a_place_for_the_reference)
{
    gr_self *self = BEGIN();
    CHECK_EQ(gr_monitor(self, GR_DEAD_ADDRESS, NULL), GR_EINVAL);
    CHECK_EQ(gr_demonitor(self, (gr_monitor_ref){12345}, true), GR_ENOTFOUND);
    END(self);
}
