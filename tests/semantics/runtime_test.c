/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* The runtime as a citizen of its process: starting, stopping, host threads, forks, and calls from the wrong place. */
#include "support/harness.h"

#include "base/atomic.h"
#include "os/thread.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

static void end_at_once(gr_self *self, gr_value args)
{
    (void)self, (void)args;
}

/* ---- starting and stopping ---- */

TEST(start, is_counted)
{
    gr_self *self = NULL;
    CHECK_EQ(gr_stop(GR_NOW), GR_ENOTRUNNING);
    CHECK_OK(gr_start(NULL, NULL));
    CHECK_OK(gr_start(NULL, NULL));
    CHECK_OK(gr_attach(&self));
    gr_address one;
    CHECK_OK(gr_spawn(self, &one, harness_idle, "n"));
    CHECK_OK(gr_stop(GR_NOW)); /* one reference is left */
    CHECK(gr_alive(one));
    CHECK_OK(gr_attach(&self));
    CHECK_OK(gr_spawn(self, &one, end_at_once, "n"));
    CHECK_EQ(gr_stop(GR_NOW), GR_ETIMEOUT);
    CHECK_EQ(gr_stop(GR_NOW), GR_ENOTRUNNING);
}

TEST(start, again_works)
{
    for (int i = 0; i < 5; i++) {
        gr_self *self = BEGIN();
        gr_address one;
        CHECK_EQ(harness_counters().spawned, 1); /* this thread */
        CHECK_OK(gr_spawn_link(self, &one, end_at_once, "n"));
        EXPECT(self, "{s:A,s:n}", "address", one, "exit");
        END(self);
        CHECK(!gr_alive(one));
        gr_counters counters;
        CHECK_EQ(gr_counters_read(&counters), GR_ENOTRUNNING);
    }
}

TEST(start, with_other_options_is_a_conflict)
{
    gr_detail detail;
    gr_self *self = BEGIN_WITH(.workers = 2, .slice_us = 500, .fixed = GR_FIXED(workers) | GR_FIXED(slice_us));
    CHECK_EQ(gr_start(&(gr_options){.workers = 3, .fixed = GR_FIXED(workers)}, &detail), GR_ECONFLICT);
    CHECK(strstr(detail.text, "GREENROOM_WORKERS") || strstr(detail.text, "workers"));
    CHECK_OK(gr_start(&(gr_options){.workers = 2, .fixed = GR_FIXED(workers)}, &detail));
    CHECK_OK(gr_stop(GR_NOW));
    CHECK_OK(gr_attach(&self));
    END(self);
}

TEST(start, refuses_bad_options_and_names_them)
{
    gr_detail detail;
    CHECK_EQ(gr_start(&(gr_options){.workers = -4, .fixed = GR_FIXED(workers)}, &detail), GR_EINVAL);
    CHECK(strstr(detail.text, "-4"));
    CHECK_EQ(gr_start(&(gr_options){.guard = "strong", .fixed = GR_FIXED(guard)}, &detail), GR_EINVAL);
    CHECK(strstr(detail.text, "strong") && strstr(detail.text, "canary"));
    gr_self *self = BEGIN();
    END(self);
}

static void end_when_told(gr_self *self, gr_value args)
{
    (void)args;
    gr_message *m = NULL;
    CHECK_OK(gr_receive(self, &m, SOON));
    FREE(m);
    CHECK_OK(gr_sleep(self, gr_after_ms(2)));
}

TEST(stop, waits_for_actors_that_end_by_themselves)
{
    gr_self *self = BEGIN();
    for (int i = 0; i < 10; i++) {
        gr_address one;
        CHECK_OK(gr_spawn(self, &one, end_when_told, "n"));
        CHECK_OK(gr_cast(self, one, "n"));
    }
    CHECK_OK(gr_stop(SOON));
}

static gri_atomic_u32 killed_by_stop;

static void count_the_kill(gr_self *self, gr_value args)
{
    gr_message *m = NULL;
    CHECK_OK(gr_cast(self, gr_address_in(args), "s", "up"));
    CHECK_EQ(gr_receive(self, &m, GR_FOREVER), GR_EKILLED);
    gri_add_relaxed(&killed_by_stop, 1u); /* relaxed: gr_stop orders it */
}

TEST(stop, kills_what_is_left_at_the_deadline)
{
    gr_self *self = BEGIN();
    for (int i = 0; i < 10; i++) {
        gr_address one;
        CHECK_OK(gr_spawn(self, &one, count_the_kill, "A", gr_self_address(self)));
        EXPECT(self, "s", "up");
    }
    CHECK_EQ(gr_stop(gr_after_ms(2)), GR_ETIMEOUT);
    CHECK_EQ(gri_load_relaxed(&killed_by_stop), 10); /* relaxed: as above */
}

static void ignores_kills(gr_self *self, gr_value args)
{
    CHECK_OK(gr_cast(self, gr_address_in(args), "s", "up"));
    for (;;) {
        (void)gr_sleep(self, GR_FOREVER);
        gr_kill_clear(self);
    }
}

static void spawn_another(gr_self *self, void *arg)
{
    (void)arg;
    gr_address other;
    CHECK_EQ(gr_spawn(self, &other, end_at_once, "n"), GR_ENOTRUNNING);
    gri_add_relaxed(&killed_by_stop, 1u); /* relaxed: gr_stop orders it */
}

static void spawns_in_cleanup(gr_self *self, gr_value args)
{
    CHECK_OK(gr_defer(self, spawn_another, NULL));
    harness_idle(self, args);
}

TEST(stop, ends_those_that_take_kills_back_and_lets_nobody_be_spawned)
{
    gr_self *self = BEGIN();
    gr_address one;
    CHECK_OK(gr_spawn(self, &one, ignores_kills, "A", gr_self_address(self)));
    EXPECT(self, "s", "up");
    CHECK_OK(gr_spawn(self, &one, spawns_in_cleanup, "n"));
    WAIT_FOR(self, harness_waits(one));
    CHECK_EQ(gr_stop(GR_NOW), GR_ETIMEOUT);
    CHECK_EQ(gri_load_relaxed(&killed_by_stop), 1); /* relaxed: as above */
}

static void stops_the_runtime(gr_self *self, gr_value args)
{
    CHECK_OK(gr_cast(self, gr_address_in(args), "i", gr_stop(GR_NOW)));
}

TEST(stop, by_an_actor_is_econtext)
{
    if (harness_simulated()) return; /* there the actor is on the thread that may */
    gr_self *self = BEGIN();
    gr_address one;
    CHECK_OK(gr_spawn(self, &one, stops_the_runtime, "A", gr_self_address(self)));
    EXPECT(self, "i", GR_ECONTEXT);
    END(self);
}

TEST(stop, detaches_the_caller_and_everything_is_dead_afterwards)
{
    gr_self *self = BEGIN();
    gr_address me = gr_self_address(self), one;
    gr_message *m = NULL;
    CHECK_OK(gr_spawn(self, &one, harness_idle, "n"));
    END(self);
    CHECK(!gr_alive(me) && !gr_alive(one));
    CHECK_EQ(gr_kill(one), GR_EDEAD);
    CHECK_EQ(gr_attach(&self), GR_ENOTRUNNING);
    CHECK_EQ(gr_state(one, &m, NULL), GR_EDEAD);
    CHECK_EQ(gr_trace_hash(), 0);
}

/* ---- host threads ---- */

TEST(attach, twice_gives_the_same_self)
{
    gr_self *self = BEGIN(), *again = NULL;
    CHECK_OK(gr_attach(&again));
    CHECK(again == self);
    gr_address me = gr_self_address(self);
    CHECK(gr_alive(me));
    gr_detach(&again);
    CHECK(again == NULL);
    CHECK(!gr_alive(me));
    gr_detach(&again); /* harmless */
    gr_detach(NULL);
    CHECK_OK(gr_attach(&self));
    CHECK(!gr_address_equal(gr_self_address(self), me));
    END(self);
}

typedef struct host {
    gr_address to, me;
    bool detach;
} host;

static void be_an_actor(void *arg)
{
    host *h = arg;
    gr_self *self = NULL;
    CHECK_OK(gr_attach(&self));
    h->me = gr_self_address(self);
    CHECK_OK(gr_cast(self, h->to, "A", h->me));
    gr_message *m = RECEIVE(self), *reply = NULL;
    CHECK_VALUE(gr_body(m), "s", "hello");
    FREE(m);
    CHECK_OK(gr_call(self, &reply, h->to, "who", SOON, "n"));
    CHECK_VALUE(gr_body(reply), "s", "you");
    FREE(reply);
    CHECK_EQ(gr_receive(self, &m, gr_after_ms(1)), GR_ETIMEOUT);
    CHECK_OK(gr_sleep(self, gr_after_ms(1)));
    gr_address child;
    CHECK_OK(gr_spawn_link(self, &child, end_at_once, "n"));
    EXPECT(self, "{s:A,s:n}", "address", child, "exit");
    CHECK_OK(gr_return(self, "s", "result of a thread"));
    if (h->detach) gr_detach(&self);
}

TEST(attach, makes_a_thread_an_actor_until_it_detaches_or_ends)
{
    if (harness_simulated()) return; /* one thread is all there is */
    gr_self *self = BEGIN();
    for (int detach = 0; detach < 2; detach++) {
        host h = {.to = gr_self_address(self), .detach = detach};
        gri_thread thread;
        CHECK_OK(gri_thread_start(&thread, "host", 0, be_an_actor, &h));
        gr_message *m = RECEIVE(self);
        gr_address other = gr_address_in(gr_body(m));
        FREE(m);
        CHECK_OK(gr_link(self, other, GR_LINK_TRAP_EXIT));
        CHECK_OK(gr_cast(self, other, "s", "hello"));
        m = RECEIVE(self);
        CHECK_STR(gr_call_method(m), "who");
        CHECK_OK(gr_respond(self, m, "s", "you"));
        FREE(m);
        EXPECT(self, "{s:A,s:s}", "address", other, "exit", "result of a thread");
        gri_thread_join(thread);
        CHECK(!gr_alive(other));
    }
    END(self);
}

static void attaches(gr_self *self, gr_value args)
{
    gr_self *other = NULL;
    CHECK_OK(gr_cast(self, gr_address_in(args), "i", gr_attach(&other)));
}

TEST(attach, by_a_green_thread_is_econtext)
{
    if (harness_simulated()) return; /* there it is on the attached thread */
    gr_self *self = BEGIN();
    gr_address one;
    CHECK_OK(gr_spawn(self, &one, attaches, "A", gr_self_address(self)));
    EXPECT(self, "i", GR_ECONTEXT);
    END(self);
}

static void many_hosts(void *arg)
{
    gr_address to = *(gr_address *)arg;
    for (int i = 0; i < 20; i++) {
        gr_self *self = NULL;
        CHECK_OK(gr_attach(&self));
        for (int k = 0; k < 20; k++) CHECK_OK(gr_cast(self, to, "n"));
        gr_detach(&self);
    }
}

TEST(attach, many_threads_come_and_go)
{
    if (harness_simulated()) return;
    gr_self *self = BEGIN();
    gr_address me = gr_self_address(self);
    gri_thread threads[4];
    for (int i = 0; i < 4; i++) CHECK_OK(gri_thread_start(&threads[i], "host", 0, many_hosts, &me));
    for (int i = 0; i < 4 * 20 * 20; i++) EXPECT(self, "n");
    for (int i = 0; i < 4; i++) gri_thread_join(threads[i]);
    EXPECT_NOTHING(self);
    END(self);
}

/* ---- the wrong place ---- */

static gri_atomic_ptr somebody; /* the self of an actor that waits */

static void give_self_away(gr_self *self, gr_value args)
{
    gri_store_relaxed(&somebody, self); /* relaxed: the cast publishes it */
    CHECK_OK(gr_cast(self, gr_address_in(args), "s", "up"));
    harness_idle(self, args);
}

static void do_nothing(gr_self *self, void *arg)
{
    (void)self, (void)arg;
}

static void check_in_actor_calls(gr_self *other, gr_address to)
{
    gr_address address;
    gr_monitor_ref ref;
    gr_message *m = NULL;
    CHECK_EQ(gr_spawn(other, &address, end_at_once, "n"), GR_ECONTEXT);
    CHECK_EQ(gr_cast(other, to, "n"), GR_ECONTEXT);
    CHECK_EQ(gr_cast_after(other, NULL, to, GR_NOW, "n"), GR_ECONTEXT);
    CHECK_EQ(gr_cancel(other, (gr_timer){0}), GR_ECONTEXT);
    CHECK_OK(gr_pack(&m, "n"));
    CHECK_EQ(gr_send(other, to, &m), GR_ECONTEXT);
    CHECK_EQ(gr_multicast(other, &to, 1, &m), GR_ECONTEXT);
    FREE(m);
    CHECK_EQ(gr_link(other, to, GR_LINK), GR_ECONTEXT);
    CHECK_EQ(gr_unlink(other, to), GR_ECONTEXT);
    CHECK_EQ(gr_monitor(other, to, &ref), GR_ECONTEXT);
    CHECK_EQ(gr_demonitor(other, (gr_monitor_ref){1}, true), GR_ECONTEXT);
    CHECK_EQ(gr_return(other, "n"), GR_ECONTEXT);
    CHECK_EQ(gr_publish(other, "n"), GR_ECONTEXT);
    CHECK_EQ(gr_defer(other, do_nothing, NULL), GR_ECONTEXT);
    CHECK_EQ(gr_defer_cancel(other, do_nothing, NULL), GR_ECONTEXT);
    CHECK_EQ(gr_protect(other, do_nothing, NULL, NULL), GR_ECONTEXT);
    CHECK_EQ(gr_rename(other, "x"), GR_ECONTEXT);
    CHECK(gr_alloc(other, 8) == NULL);
}

TEST(context, what_acts_for_an_actor_may_only_be_called_by_it)
{
    gr_self *self = BEGIN();
    gr_address one;
    CHECK_OK(gr_spawn(self, &one, give_self_away, "A", gr_self_address(self)));
    EXPECT(self, "s", "up");
    WAIT_FOR(self, harness_waits(one));
    check_in_actor_calls(gri_load_relaxed(&somebody), gr_self_address(self)); /* relaxed: the message published it */
    check_in_actor_calls(NULL, gr_self_address(self));
    EXPECT_NOTHING(self);
    END(self);
}

static void any_thread(void *arg)
{
    const gr_address *addresses = arg;
    gr_message *m = NULL;
    gr_address found;
    gr_actor_info info;
    CHECK(gr_alive(addresses[0]));
    CHECK_OK(gr_register(addresses[0], "found"));
    CHECK_OK(gr_lookup("found", &found));
    CHECK_OK(gr_inspect(found, &info));
    CHECK_EQ(gr_state(found, &m, NULL), GR_ENOTFOUND);
    CHECK_OK(gr_unregister("found"));
    CHECK_OK(gr_pack(&m, "{s:i}", "x", 1));
    FREE(m);
    CHECK_EQ(gr_forget(found), GR_EDEAD);
    CHECK_OK(gr_kill(found));
}

TEST(context, any_thread_means_any)
{
    if (harness_simulated()) return;
    gr_self *self = BEGIN();
    gr_address one;
    gri_thread thread;
    CHECK_OK(gr_spawn_link(self, &one, harness_idle, "n"));
    CHECK_OK(gri_thread_start(&thread, "any", 0, any_thread, &one));
    gri_thread_join(thread);
    EXPECT_EXCEPTION(self, one, "killed");
    END(self);
}

/* ---- no suspending ---- */

static void forbids_itself(gr_self *self, gr_value args)
{
    gr_message *m = NULL;
    gr_no_suspend_begin(self);
    gr_no_suspend_begin(self);
    CHECK_EQ(gr_receive(self, &m, GR_FOREVER), GR_ESUSPEND);
    gr_no_suspend_end(self);
    CHECK_EQ(gr_cooperate(self), GR_ESUSPEND);
    CHECK_OK(gr_cast(self, gr_address_in(args), "s", "casting is no suspending"));
    gr_no_suspend_end(self);
    CHECK_EQ(gr_receive(self, &m, GR_NOW), GR_ETIMEOUT);
}

TEST(no_suspend, nests)
{
    gr_self *self = BEGIN();
    gr_address one;
    CHECK_OK(gr_spawn_link(self, &one, forbids_itself, "A", gr_self_address(self)));
    EXPECT(self, "s", "casting is no suspending");
    EXPECT(self, "{s:A,s:n}", "address", one, "exit");
    gr_no_suspend_begin(self);
    CHECK_EQ(gr_sleep(self, GR_FOREVER), GR_ESUSPEND);
    gr_no_suspend_end(self);
    END(self);
}

/* ---- forks ---- */

#define CHILD_CHECK(condition) \
    if (!(condition)) _exit(__LINE__ % 200 + 10)

static void in_the_child(gr_self *self, gr_address one, gr_address far)
{
    gr_message *m = NULL;
    gr_address address;
    gr_self *again = NULL;
    gr_actor_info info;
    CHILD_CHECK(gr_start(NULL, NULL) == GR_EFORKED);
    CHILD_CHECK(gr_stop(GR_NOW) == GR_EFORKED);
    CHILD_CHECK(gr_attach(&again) == GR_EFORKED);
    CHILD_CHECK(gr_receive(self, &m, GR_NOW) == GR_EFORKED);
    CHILD_CHECK(gr_sleep(self, GR_FOREVER) == GR_EFORKED);
    CHILD_CHECK(gr_cooperate(self) == GR_EFORKED);
    CHILD_CHECK(gr_call(self, NULL, one, "m", GR_FOREVER, "n") == GR_EFORKED);
    CHILD_CHECK(gr_wait(self, one, NULL, GR_FOREVER) == GR_EFORKED);
    CHILD_CHECK(gr_spawn(self, &address, end_at_once, "n") == GR_EFORKED);
    CHILD_CHECK(gr_cast(self, one, "n") == GR_EFORKED);
    CHILD_CHECK(gr_kill(one) == GR_EFORKED);
    CHILD_CHECK(gr_kill_now(one) == GR_EFORKED);
    CHILD_CHECK(gr_forget(one) == GR_EFORKED);
    CHILD_CHECK(gr_register(one, "x") == GR_EFORKED);
    CHILD_CHECK(gr_lookup("x", &address) == GR_EFORKED);
    CHILD_CHECK(gr_inspect(one, &info) == GR_EFORKED);
    CHILD_CHECK(gr_link(self, one, GR_LINK) == GR_EFORKED);
    char url[64];
    CHILD_CHECK(gr_cast(self, far, "n") == GR_EFORKED);
    CHILD_CHECK(gr_kill(far) == GR_EFORKED);
    CHILD_CHECK(gr_call(self, NULL, far, "m", GR_FOREVER, "n") == GR_EFORKED);
    CHILD_CHECK(gr_remote_url(far, url, sizeof url) == GR_EFORKED);
    CHILD_CHECK(gr_remote_address("http://a.example/x", &address, NULL) == GR_EFORKED);
    CHILD_CHECK(gr_remote_configure(NULL, NULL) == GR_EFORKED);
    CHILD_CHECK(gr_remote_lookup(self, "http://a.example/x", &address, GR_FOREVER) == GR_EFORKED);
    CHILD_CHECK(!gr_alive(far));
    _exit(0);
}

TEST(fork, in_the_child_every_call_is_eforked)
{
    gr_self *self = BEGIN();
    gr_address one, far;
    CHECK_OK(gr_spawn(self, &one, harness_idle, "n"));
    CHECK_OK(gr_remote_address("http://a.example/x", &far, NULL));
    WAIT_FOR(self, harness_waits(one));
    fflush(NULL);
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) in_the_child(self, one, far);
    int status = 0;
    CHECK_EQ(waitpid(child, &status, 0), child);
    CHECK(WIFEXITED(status));
    CHECK_EQ(WEXITSTATUS(status), 0);
    CHECK(gr_alive(one)); /* the parent is as it was */
    CHECK_OK(gr_cast(self, one, "n"));
    child = fork();
    if (child == 0) {
        execl("/bin/true", "true", (char *)NULL);
        _exit(1);
    }
    CHECK_EQ(waitpid(child, &status, 0), child);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0); /* exec is fine */
    END(self);
}

static void forks_with_a_message(gr_self *self, gr_value args)
{
    gr_message *m = NULL;
    CHECK_OK(gr_receive(self, &m, GR_FOREVER));
    fflush(NULL);
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        gr_message_free(&m);
        _exit(m ? 1 : 0);
    }
    int status = 0;
    CHECK_EQ(waitpid(child, &status, 0), child);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    GRI_IGNORE(gr_send(self, gr_address_in(args), &m));
}

TEST(fork, what_an_actor_has_received_may_be_freed_in_the_child)
{
    gr_self *self = BEGIN();
    gr_address one;
    CHECK_OK(gr_spawn(self, &one, forks_with_a_message, "A", gr_self_address(self)));
    CHECK_OK(gr_cast(self, one, "i", 7));
    gr_message *m = NULL;
    CHECK_OK(gr_receive(self, &m, SOON));
    CHECK_EQ(gr_int(gr_body(m), 0), 7);
    gr_message_free(&m);
    END(self);
}

TEST(fork, before_the_start_is_fine)
{
    fflush(NULL);
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        gr_self *self = NULL;
        CHILD_CHECK(gr_start(NULL, NULL) == 0);
        CHILD_CHECK(gr_attach(&self) == 0);
        CHILD_CHECK(gr_stop(GR_NOW) == 0);
        _exit(0);
    }
    int status = 0;
    CHECK_EQ(waitpid(child, &status, 0), child);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

/* ---- citizenship ---- */

static volatile sig_atomic_t faults;

static void on_fault(int signal)
{
    (void)signal;
    faults = faults + 1;
    _exit(17);
}

static int fault_in_child(bool greenroom_handles)
{
    fflush(NULL);
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        struct sigaction mine = {.sa_handler = on_fault};
        sigaction(SIGSEGV, &mine, NULL);
        gr_self *self = NULL;
        CHILD_CHECK(gr_start(&(gr_options){.no_signal_handler = !greenroom_handles}, NULL) == 0);
        CHILD_CHECK(gr_attach(&self) == 0);
        struct sigaction now;
        sigaction(SIGSEGV, NULL, &now);
        CHILD_CHECK((now.sa_handler == on_fault) == !greenroom_handles);
        raise(SIGSEGV); /* none of ours: the previous handler's */
        _exit(1);
    }
    int status = 0;
    CHECK_EQ(waitpid(child, &status, 0), child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

TEST(citizen, the_fault_handler_chains_and_can_be_switched_off)
{
    CHECK_EQ(fault_in_child(true), 17);
    CHECK_EQ(fault_in_child(false), 17);
}

TEST(citizen, handlers_are_put_back_and_sigpipe_is_untouched)
{
    struct sigaction before[3], after;
    const int signals[] = {SIGSEGV, SIGBUS, SIGPIPE};
    for (int i = 0; i < 3; i++) sigaction(signals[i], NULL, &before[i]);
    gr_self *self = BEGIN();
    sigaction(SIGPIPE, NULL, &after);
    CHECK(after.sa_handler == before[2].sa_handler);
    END(self);
    for (int i = 0; i < 3; i++) {
        sigaction(signals[i], NULL, &after);
        CHECK(after.sa_handler == before[i].sa_handler);
    }
}

static void raise_something(gr_self *self, gr_value args)
{
    (void)args;
    gr_raise(self, "something", "to talk about");
}

/* ---- memory from elsewhere ---- */

static struct {
    gri_atomic_u64 taken, given, refused; /* bytes; relaxed: read when nobody else runs */
    gri_atomic_bool dry;                  /* relaxed: a request */
    int dropped;
} sourced;

static void *source_take(void *arg, size_t bytes, size_t alignment)
{
    CHECK(arg == &sourced);
    if (gri_load_relaxed(&sourced.dry)) {
        gri_add_relaxed(&sourced.refused, bytes);
        return NULL;
    }
    gri_add_relaxed(&sourced.taken, bytes);
    return aligned_alloc(alignment, bytes);
}

static void source_give(void *arg, void *memory, size_t bytes)
{
    CHECK(arg == &sourced);
    gri_add_relaxed(&sourced.given, bytes);
    free(memory);
}

static void source_drop(void *arg)
{
    CHECK(arg == &sourced);
    sourced.dropped++;
}

TEST(memory_source, gives_messages_their_memory_and_may_refuse)
{
    static char text[100000];
    const gr_memory_source source = {source_take, source_give, &sourced, source_drop};
    memset(text, 'x', sizeof text - 1);
    CHECK_EQ(gr_memory_source_set(&(gr_memory_source){.take = source_take}), GR_EINVAL);
    CHECK_OK(gr_memory_source_set(&source));
    gr_self *self = BEGIN();
    CHECK_EQ(gr_memory_source_set(NULL), GR_EINUSE);
    for (int i = 0; i < 10; i++) CHECK_OK(gr_cast(self, gr_self_address(self), "s", (const char *)text));
    CHECK(gri_load_relaxed(&sourced.taken) >= 10 * sizeof text);
    gri_store_relaxed(&sourced.dry, true);
    int code = 0;
    for (int i = 0; i < 1000 && code == 0; i++) code = gr_cast(self, gr_self_address(self), "s", (const char *)text);
    CHECK_EQ(code, GR_ENOMEM);
    CHECK(gri_load_relaxed(&sourced.refused) > 0);
    gri_store_relaxed(&sourced.dry, false);
    EXPECT(self, "s", (const char *)text); /* nothing was lost */
    CHECK_OK(gr_cast(self, gr_self_address(self), "i", 1));
    END(self);
    CHECK_OK(gr_memory_source_set(NULL));
    CHECK_EQ(sourced.dropped, 1);
    CHECK_EQ(gri_load_relaxed(&sourced.taken), gri_load_relaxed(&sourced.given));
}

/* Everything that could be said, with standard output going to a file. */
static void chatter_in_child(int file)
{
    if (dup2(file, STDOUT_FILENO) < 0) _exit(2);
    gr_self *self = NULL;
    gr_address one;
    gr_message *m = NULL;
    setenv("GREENROOM_NO_SUCH_SETTING", "1", 1);
    CHILD_CHECK(gr_start(&(gr_options){.log = "debug", .fixed = GR_FIXED(log)}, NULL) == 0);
    CHILD_CHECK(gr_attach(&self) == 0);
    CHILD_CHECK(gr_spawn_link(self, &one, raise_something, "n") == 0);
    CHILD_CHECK(gr_receive(self, &m, SOON) == 0);
    gr_message_free(&m);
    CHILD_CHECK(gr_spawn_link(self, &one, harness_idle, "n") == 0);
    CHILD_CHECK(gr_stop(GR_NOW) == GR_ETIMEOUT);
    fflush(NULL);
    _exit(0);
}

TEST(citizen, nothing_is_written_to_stdout)
{
    FILE *file = tmpfile();
    CHECK(file);
    fflush(NULL);
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) chatter_in_child(fileno(file));
    int status = 0;
    CHECK_EQ(waitpid(child, &status, 0), child);
    CHECK(WIFEXITED(status));
    CHECK_EQ(WEXITSTATUS(status), 0);
    CHECK_EQ(lseek(fileno(file), 0, SEEK_END), 0);
    fclose(file);
}

/* ---- errors ---- */

TEST(error, detail_says_why_the_last_call_failed)
{
    gr_self *self = BEGIN();
    CHECK(gr_error_detail(self) != NULL);
    CHECK_EQ(gr_cast(self, gr_self_address(self), "{s:I}", "n", 5), GR_EFORMAT);
    CHECK(strstr(gr_error_detail(self)->text, "argument 2"));
    CHECK_EQ(gr_cast(self, GR_DEAD_ADDRESS, "n"), GR_EDEAD);
    CHECK(strstr(gr_error_detail(self)->text, "dead"));
    CHECK_STR(gr_error_name(GR_EDEAD), "GR_EDEAD");
    CHECK_STR(gr_error_name(12345), "GR_E?");
    CHECK(strlen(gr_error_text(GR_EFORKED)) > 0);
    CHECK(gr_errno() == gr_errno());
    CHECK_STR(gr_version(), "0.1.0");
    END(self);
}

/* The child comes back from the actor, which has nobody here to go back to. */
static void forks_and_returns(gr_self *self, gr_value args)
{
    fflush(NULL);
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        CHECK(freopen("/dev/null", "w", stderr) != NULL); /* what it says there is meant for people */
        return;
    }
    int status = 0;
    CHECK_EQ(waitpid(child, &status, 0), child);
    CHECK_OK(gr_cast(self, gr_address_in(args), "i", WIFEXITED(status) ? WEXITSTATUS(status) : -1));
}

static void forks_in_a_method(gr_self *self, void *state, gr_value argument)
{
    (void)state;
    forks_and_returns(self, argument);
}

TEST(fork, a_child_that_returns_from_its_actor_ends)
{
    static const gr_method methods[] = {{"fork", forks_in_a_method}};
    static const gr_server server = {.methods = methods, .method_count = 1};
    gr_self *self = BEGIN();
    gr_address one;
    CHECK_OK(gr_spawn(self, &one, forks_and_returns, "A", gr_self_address(self)));
    EXPECT(self, "i", EXIT_FAILURE);
    CHECK_OK(gr_spawn_server(self, &one, &server, NULL, "n"));
    CHECK_OK(gr_call(self, NULL, one, "fork", SOON, "A", gr_self_address(self)));
    EXPECT(self, "i", EXIT_FAILURE);
    END(self);
}
