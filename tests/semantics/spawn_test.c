/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Spawning, results, waiting for the end, and exit records. */
#include "support/harness.h"

static void echo_arguments(gr_self *self, gr_value args)
{
    CHECK_OK(gr_cast(self, gr_address_in(gr_get(args, "to")), "{s:V,s:A}", "got", gr_get(args, "value"), "me",
                     gr_self_address(self)));
}

static void return_arguments(gr_self *self, gr_value args)
{
    CHECK_OK(gr_return_value(self, args));
}

static void return_nothing(gr_self *self, gr_value args)
{
    (void)self, (void)args;
}

static void return_when_told(gr_self *self, gr_value args)
{
    (void)args;
    gr_message *m = NULL;
    if (gr_receive(self, &m, GR_FOREVER) != 0) return;
    CHECK_OK(gr_return_value(self, gr_body(m)));
    FREE(m);
}

static void raise_arguments(gr_self *self, gr_value args)
{
    gr_raise(self, "wrong", "%s", gr_string(args, "?"));
}

TEST(spawn, runs_entry_with_its_arguments_and_returns_its_address)
{
    gr_self *self = BEGIN();
    gr_address child;
    CHECK_OK(gr_spawn(self, &child, echo_arguments, "{s:A,s:[i,s,n]}", "to", gr_self_address(self), "value", 1, "x"));
    EXPECT(self, "{s:[i,s,n],s:A}", "got", 1, "x", "me", child);
    WAIT_GONE(self, child);
    CHECK(!gr_alive(child));
    END(self);
}

TEST(spawn, arguments_are_copied)
{
    gr_self *self = BEGIN();
    gr_address child;
    char text[] = "before";
    CHECK_OK(gr_spawn(self, &child, echo_arguments, "{s:A,s:s}", "to", gr_self_address(self), "value", (char *)text));
    memset(text, 'x', sizeof text - 1);
    EXPECT(self, "{s:s,s:A}", "got", "before", "me", child);
    END(self);
}

static void say_type_of_arguments(gr_self *self, gr_value args)
{
    CHECK_OK(gr_return(self, "s", gr_type_name(gr_type_of(args))));
}

TEST(spawn, missing_arguments_are_null)
{
    gr_self *self = BEGIN();
    gr_address child;
    gr_message *result = NULL;
    CHECK_OK(gr_spawn_value(self, &child, say_type_of_arguments, OPTIONS(.retain = true), (gr_value){NULL}));
    CHECK_OK(gr_wait(self, child, &result, SOON));
    CHECK_VALUE(gr_body(result), "s", "null");
    FREE(result);
    END(self);
}

TEST(spawn, bad_arguments_spawn_nobody)
{
    gr_self *self = BEGIN();
    gr_address child = GR_NO_ADDRESS;
    uint64_t before = harness_counters().spawned;
    CHECK_EQ(gr_spawn(self, &child, harness_idle, "{s:I}", "n", 5), GR_EFORMAT);
    CHECK(strstr(gr_error_detail(self)->text, "argument 2"));
    CHECK_EQ(gr_spawn(self, &child, NULL, "n"), GR_EINVAL);
    CHECK_EQ(gr_spawn_with(self, &child, harness_idle, OPTIONS(.link = 64), "n"), GR_EINVAL);
    CHECK_EQ(gr_spawn_with(self, &child, harness_idle, OPTIONS(.stack_bytes = 5), "n"), GR_EINVAL);
    CHECK_EQ(gr_spawn_with(self, &child, harness_idle, OPTIONS(.name = "a//b"), "n"), GR_EINVAL);
    CHECK(gr_address_equal(child, GR_NO_ADDRESS));
    CHECK_EQ(harness_counters().spawned, before);
    END(self);
}

TEST(spawn, a_name_is_registered_before_the_first_message_and_taken_once)
{
    gr_self *self = BEGIN();
    gr_address child, other = GR_NO_ADDRESS, found;
    CHECK_OK(gr_spawn_with(self, &child, harness_idle, OPTIONS(.name = "one"), "n"));
    CHECK_OK(gr_lookup("one", &found));
    CHECK(gr_address_equal(found, child));
    CHECK_EQ(gr_spawn_with(self, &other, harness_idle, OPTIONS(.name = "one"), "n"), GR_EEXISTS);
    CHECK(gr_address_equal(other, GR_NO_ADDRESS));
    CHECK_OK(gr_lookup("one", &found));
    CHECK(gr_address_equal(found, child));
    END(self);
}

static void measure_stack(gr_self *self, gr_value args)
{
    volatile char room[1 << 20];
    for (size_t i = 0; i < sizeof room; i += 512) room[i] = (char)i;
    CHECK_OK(gr_return(self, "i", room[512] + (int)gr_int(args, 0)));
}

TEST(spawn, a_stack_may_be_as_large_as_asked_for)
{
    gr_self *self = BEGIN();
    gr_address child;
    gr_message *result = NULL;
    CHECK_OK(gr_spawn_with(self, &child, measure_stack, OPTIONS(.stack_bytes = 4 << 20, .retain = true), "i", 7));
    CHECK_OK(gr_wait(self, child, &result, SOON));
    CHECK_VALUE(gr_body(result), "i", 7);
    FREE(result);
    END(self);
}

TEST(result, is_what_return_has_set_last)
{
    gr_self *self = BEGIN();
    gr_address child;
    gr_message *result = NULL;
    CHECK_OK(gr_spawn_with(self, &child, return_arguments, OPTIONS(.retain = true), "{s:i}", "x", 1));
    CHECK_OK(gr_wait(self, child, &result, SOON));
    CHECK_VALUE(gr_body(result), "{s:i}", "x", 1);
    FREE(result);
    END(self);
}

static void return_twice(gr_self *self, gr_value args)
{
    CHECK_OK(gr_return(self, "s", "first"));
    CHECK_OK(gr_return(self, "s", "last"));
    CHECK_EQ(gr_return(self, "I", 1), GR_EFORMAT); /* and changes nothing */
    CHECK_OK(gr_cast(self, gr_address_in(args), "s", "still here"));
}

TEST(result, gr_return_does_not_end_the_actor_and_the_last_one_counts)
{
    gr_self *self = BEGIN();
    gr_address child;
    gr_message *result = NULL;
    CHECK_OK(gr_spawn_with(self, &child, return_twice, OPTIONS(.retain = true), "A", gr_self_address(self)));
    EXPECT(self, "s", "still here");
    CHECK_OK(gr_wait(self, child, &result, SOON));
    CHECK_VALUE(gr_body(result), "s", "last");
    FREE(result);
    END(self);
}

TEST(result, is_null_if_never_set)
{
    gr_self *self = BEGIN();
    gr_address child;
    gr_message *result = NULL;
    CHECK_OK(gr_spawn_with(self, &child, return_nothing, OPTIONS(.retain = true), "n"));
    CHECK_OK(gr_wait(self, child, &result, SOON));
    CHECK_VALUE(gr_body(result), "n");
    FREE(result);
    END(self);
}

TEST(wait, gives_the_result_of_one_that_still_runs)
{
    gr_self *self = BEGIN();
    gr_address child;
    gr_message *result = NULL;
    CHECK_OK(gr_spawn_with(self, &child, return_when_told, OPTIONS(.retain = true), "n"));
    CHECK_OK(gr_cast_after(self, NULL, child, gr_after_ms(5), "s", "done"));
    CHECK_OK(gr_wait(self, child, &result, SOON));
    CHECK_VALUE(gr_body(result), "s", "done");
    FREE(result);
    END(self);
}

TEST(wait, gives_the_exception_of_one_that_raised)
{
    gr_self *self = BEGIN();
    gr_address child;
    gr_message *report = NULL;
    CHECK_OK(gr_spawn_with(self, &child, raise_arguments, OPTIONS(.retain = true), "s", "badly"));
    CHECK_EQ(gr_wait(self, child, &report, SOON), GR_EEXCEPTION);
    CHECK_STR(harness_error(gr_body(report)), "wrong");
    CHECK_STR(gr_string(gr_get(gr_body(report), "description"), ""), "badly");
    FREE(report);
    END(self);
}

TEST(wait, says_killed_of_one_that_was_killed)
{
    gr_self *self = BEGIN();
    gr_address child;
    gr_message *report = NULL;
    CHECK_OK(gr_spawn_with(self, &child, harness_idle, OPTIONS(.retain = true), "n"));
    CHECK_OK(gr_kill(child));
    CHECK_EQ(gr_wait(self, child, &report, SOON), GR_EKILLED);
    CHECK_STR(harness_error(gr_body(report)), "killed");
    CHECK(!gr_killed(self));
    FREE(report);
    END(self);
}

TEST(wait, times_out_and_may_be_repeated)
{
    gr_self *self = BEGIN();
    gr_address child;
    gr_message *result = NULL;
    CHECK_OK(gr_spawn_with(self, &child, return_when_told, OPTIONS(.retain = true), "n"));
    CHECK_EQ(gr_wait(self, child, &result, gr_after_ms(2)), GR_ETIMEOUT);
    CHECK_EQ(gr_wait(self, child, &result, GR_NOW), GR_ETIMEOUT);
    CHECK(result == NULL);
    CHECK_OK(gr_cast(self, child, "i", 3));
    CHECK_OK(gr_wait(self, child, &result, SOON));
    CHECK_VALUE(gr_body(result), "i", 3);
    FREE(result);
    EXPECT_NOTHING(self);
    END(self);
}

TEST(wait, leaves_the_mailbox_alone)
{
    gr_self *self = BEGIN();
    gr_address child;
    CHECK_OK(gr_spawn_with(self, &child, return_when_told, OPTIONS(.retain = true), "n"));
    CHECK_OK(gr_cast(self, gr_self_address(self), "i", 1));
    CHECK_OK(gr_cast(self, child, "n"));
    CHECK_OK(gr_wait(self, child, NULL, SOON));
    EXPECT(self, "i", 1);
    EXPECT_NOTHING(self);
    END(self);
}

TEST(wait, on_the_dead_is_edead_unless_it_was_retained)
{
    gr_self *self = BEGIN();
    gr_address child;
    CHECK_OK(gr_spawn(self, &child, return_nothing, "n"));
    WAIT_GONE(self, child);
    CHECK_EQ(gr_wait(self, child, NULL, SOON), GR_EDEAD);
    CHECK_EQ(gr_wait(self, GR_DEAD_ADDRESS, NULL, SOON), GR_EDEAD);
    CHECK_EQ(gr_wait(self, GR_NO_ADDRESS, NULL, SOON), GR_EDEAD);
    END(self);
}

TEST(wait, on_oneself_is_edeadlk)
{
    gr_self *self = BEGIN();
    CHECK_EQ(gr_wait(self, gr_self_address(self), NULL, GR_FOREVER), GR_EDEADLK);
    END(self);
}

static void wait_for_address(gr_self *self, gr_value args)
{
    gr_message *result = NULL;
    int code = gr_wait(self, gr_address_in(gr_get(args, "of")), &result, SOON);
    CHECK_OK(gr_cast(self, gr_address_in(gr_get(args, "to")), "{s:i,s:V}", "code", code, "result", gr_body(result)));
    FREE(result);
}

TEST(wait, by_several_tells_each_of_them)
{
    gr_self *self = BEGIN();
    gr_address child, waiters[3];
    CHECK_OK(gr_spawn(self, &child, return_when_told, "n"));
    for (int i = 0; i < 3; i++)
        CHECK_OK(gr_spawn(self, &waiters[i], wait_for_address, "{s:A,s:A}", "of", child, "to", gr_self_address(self)));
    for (int i = 0; i < 3; i++) WAIT_FOR(self, harness_waits(waiters[i]));
    CHECK_OK(gr_cast(self, child, "s", "for all"));
    for (int i = 0; i < 3; i++) EXPECT(self, "{s:i,s:s}", "code", 0, "result", "for all");
    END(self);
}

TEST(retain, keeps_the_record_until_one_wait)
{
    gr_self *self = BEGIN();
    gr_address child;
    gr_message *result = NULL;
    CHECK_OK(gr_spawn_with(self, &child, return_arguments, OPTIONS(.retain = true), "i", 9));
    WAIT_FOR(self, !gr_alive(child));
    CHECK_OK(gr_wait(self, child, &result, SOON));
    CHECK_VALUE(gr_body(result), "i", 9);
    FREE(result);
    CHECK_EQ(gr_wait(self, child, &result, SOON), GR_EDEAD);
    CHECK_EQ(gr_forget(child), GR_EDEAD);
    END(self);
}

TEST(retain, keeps_the_record_until_forgotten)
{
    gr_self *self = BEGIN();
    gr_address child;
    CHECK_OK(gr_spawn_with(self, &child, return_arguments, OPTIONS(.retain = true), "i", 9));
    WAIT_FOR(self, gr_forget(child) == 0);
    CHECK_EQ(gr_forget(child), GR_EDEAD);
    CHECK_EQ(gr_wait(self, child, NULL, SOON), GR_EDEAD);
    END(self);
}

TEST(retain, the_retained_dead_are_dead_to_everything_else)
{
    gr_self *self = BEGIN();
    gr_address child;
    CHECK_OK(gr_spawn_with(self, &child, return_arguments, OPTIONS(.retain = true, .name = "kept"), "i", 9));
    WAIT_FOR(self, !gr_alive(child));
    CHECK_EQ(gr_cast(self, child, "n"), GR_EDEAD);
    CHECK_EQ(gr_kill(child), GR_EDEAD);
    CHECK_EQ(gr_call(self, NULL, child, "m", SOON, "n"), GR_EDEAD);
    WAIT_FOR(self, gr_link(self, child, GR_LINK) == GR_EDEAD);
    gr_address found;
    CHECK_EQ(gr_lookup("kept", &found), GR_ENOTFOUND);
    CHECK_OK(gr_wait(self, child, NULL, SOON));
    END(self);
}

TEST(retain, forgetting_the_living_does_nothing)
{
    gr_self *self = BEGIN();
    gr_address child;
    gr_message *result = NULL;
    CHECK_OK(gr_spawn_with(self, &child, return_when_told, OPTIONS(.retain = true), "n"));
    CHECK_EQ(gr_forget(child), GR_EDEAD);
    CHECK_OK(gr_cast(self, child, "i", 4));
    CHECK_OK(gr_wait(self, child, &result, SOON));
    CHECK_VALUE(gr_body(result), "i", 4);
    FREE(result);
    END(self);
}

TEST(wait_all, gives_the_link_messages_in_spawn_order)
{
    gr_self *self = BEGIN();
    gr_address children[4];
    gr_message *all = NULL;
    const gr_spawn_options retained = {.retain = true};
    CHECK_OK(gr_spawn_with(self, &children[0], return_when_told, &retained, "n"));
    CHECK_OK(gr_spawn_with(self, &children[1], raise_arguments, &retained, "s", "no"));
    CHECK_OK(gr_spawn_with(self, &children[2], return_arguments, &retained, "i", 2));
    CHECK_OK(gr_spawn_with(self, &children[3], harness_idle, &retained, "n"));
    CHECK_OK(gr_kill(children[3]));
    WAIT_FOR(self, !gr_alive(children[1]) && !gr_alive(children[2]) && !gr_alive(children[3]));
    CHECK_OK(gr_cast(self, children[0], "s", "first, though it ends last"));
    CHECK_OK(gr_wait_all(self, children, 4, &all, SOON));
    gr_value list = gr_body(all);
    CHECK_EQ(gr_count(list), 4);
    CHECK_VALUE(gr_at(list, 0), "{s:A,s:s}", "address", children[0], "exit", "first, though it ends last");
    CHECK(gr_address_equal(gr_address_in(gr_get(gr_at(list, 1), "address")), children[1]));
    CHECK_STR(harness_error(gr_get(gr_at(list, 1), "exception")), "wrong");
    CHECK_VALUE(gr_at(list, 2), "{s:A,s:i}", "address", children[2], "exit", 2);
    CHECK_STR(harness_error(gr_get(gr_at(list, 3), "exception")), "killed");
    FREE(all);
    for (int i = 0; i < 4; i++) CHECK_EQ(gr_forget(children[i]), GR_EDEAD); /* this was their one wait */
    CHECK_OK(gr_wait_all(self, NULL, 0, &all, SOON));
    CHECK_EQ(gr_count(gr_body(all)), 0);
    FREE(all);
    END(self);
}

TEST(wait_all, that_times_out_loses_no_record)
{
    gr_self *self = BEGIN();
    gr_address children[3];
    gr_message *all = NULL;
    const gr_spawn_options retained = {.retain = true};
    CHECK_OK(gr_spawn_with(self, &children[0], return_arguments, &retained, "i", 0));
    CHECK_OK(gr_spawn_with(self, &children[1], return_when_told, &retained, "n"));
    CHECK_OK(gr_spawn_with(self, &children[2], return_arguments, &retained, "i", 2));
    WAIT_FOR(self, !gr_alive(children[0]) && !gr_alive(children[2]));
    CHECK_EQ(gr_wait_all(self, children, 3, &all, gr_after_ms(2)), GR_ETIMEOUT);
    CHECK(all == NULL);
    CHECK_OK(gr_cast(self, children[1], "i", 1));
    CHECK_OK(gr_wait_all(self, children, 3, &all, SOON));
    CHECK_VALUE(gr_body(all), "[{s:A,s:i},{s:A,s:i},{s:A,s:i}]", "address", children[0], "exit", 0, "address",
                children[1], "exit", 1, "address", children[2], "exit", 2);
    FREE(all);
    END(self);
}

TEST(wait_all, with_a_dead_one_is_edead)
{
    gr_self *self = BEGIN();
    gr_address children[2];
    gr_message *all = NULL, *result = NULL;
    CHECK_OK(gr_spawn_with(self, &children[0], return_arguments, OPTIONS(.retain = true), "i", 5));
    CHECK_OK(gr_spawn(self, &children[1], return_nothing, "n"));
    WAIT_GONE(self, children[1]);
    CHECK_EQ(gr_wait_all(self, children, 2, &all, SOON), GR_EDEAD);
    CHECK_OK(gr_wait(self, children[0], &result, SOON));
    CHECK_VALUE(gr_body(result), "i", 5);
    FREE(result);
    END(self);
}
