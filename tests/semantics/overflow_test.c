/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Stack overflows end one actor and nobody else, whatever code they happen in. */
#include "support/test.h"

#include "base/atomic.h"
#include "memory/heap.h"
#include "os/vmem.h"
#include "schedule/scheduler.h"

#include <greenroom.h>

/* guard: NULL is what the setting says. */
static gr_self *start_guarded(unsigned workers, const char *guard)
{
    gr_detail detail;
    gr_self *self = NULL;
    gr_options options = {.workers = workers, .log = "off", .guard = guard, .fixed = GR_FIXED(workers)};
    if (guard) options.fixed |= GR_FIXED(guard);
    CHECK_OK(gr_start(&options, &detail));
    CHECK_OK(gr_attach(&self));
    return self;
}

static gr_self *start(unsigned workers)
{
    return start_guarded(workers, NULL);
}

static volatile int sink;

/* Its own code only. */
static int recurse(int depth)
{
    volatile char room[200];
    room[0] = (char)depth;
    return depth < 0 ? 0 : recurse(depth + 1) + room[0];
}

/* Nothing contains an overflow where the kernel had no memory for a guard. */
static bool is_guarded(void)
{
    return gri_stack_guard(gri_worker_here()->stack) != GRI_GUARDED_CANARY;
}

static void in_own_code(gr_self *self, gr_value args)
{
    (void)self, (void)args;
    CHECK(is_guarded());
    sink = recurse(0);
}

/* Where the C library's code can be told from the actor's by stepping: see actor/overflow.c. */
#if defined(__x86_64__) && !GRI_ASAN && !GRI_TSAN
#define STEPS 1
#else
#define STEPS 0
#endif
#if STEPS
/* The deepest bytes are always the C library's. */
static int print_deeper(int depth)
{
    char text[100];
    sink = snprintf(text, sizeof text, "%d %f %s", depth, 1.5 * depth, "deeper and deeper");
    return depth < 0 ? 0 : print_deeper(depth + 1) + text[0];
}

static void in_the_c_library(gr_self *self, gr_value args)
{
    (void)self, (void)args;
    sink = print_deeper(0);
}

static int cast_deeper(gr_self *self, gr_address to, int depth)
{
    volatile char room[100];
    room[0] = (char)depth;
    sink = gr_cast(self, to, "{s:i, s:[i,i,i]}", "depth", depth, "more", 1, 2, 3);
    return depth < 0 ? 0 : cast_deeper(self, to, depth + 1) + room[0];
}

/* The runtime's. */
static void in_the_runtime(gr_self *self, gr_value args)
{
    sink = cast_deeper(self, gr_address_in(args), 0);
}
#endif

static void swallow(gr_self *self, gr_value args)
{
    (void)args;
    for (gr_message *m = NULL; gr_receive(self, &m, GR_FOREVER) == 0; gr_message_free(&m)) {}
}

static void echo(gr_self *self, gr_value args)
{
    (void)args;
    for (gr_message *m = NULL; gr_receive(self, &m, GR_FOREVER) == 0; gr_message_free(&m))
        CHECK_OK(gr_cast(self, gr_sender(m), "V", gr_body(m)));
}

static void overflow_many(gr_entry entry, int times, const char *guard)
{
    gr_self *self = start_guarded(2, guard);
    gr_address neighbour, victim, drain;
    CHECK_OK(gr_spawn(self, &neighbour, echo, "n"));
    CHECK_OK(gr_spawn(self, &drain, swallow, "n"));
    for (int i = 0; i < times; i++) {
        gr_message *report = NULL;
        gr_spawn_options options = {.retain = true};
        CHECK_OK(gr_spawn_with(self, &victim, entry, &options, "A", drain));
        CHECK_EQ(gr_wait(self, victim, &report, gr_after_s(60)), GR_EEXCEPTION);
        CHECK_STR(gr_string(gr_get(gr_body(report), "error"), "?"), "stack_overflow");
        gr_message_free(&report);
        CHECK_OK(gr_cast(self, neighbour, "i", i));
        CHECK_OK(gr_receive(self, &report, gr_after_s(60)));
        CHECK_EQ(gr_int(gr_body(report), -1), i);
        gr_message_free(&report);
    }
    gr_counters counters;
    CHECK_OK(gr_counters_read(&counters));
    CHECK_EQ(counters.overflows, (uint64_t)times);
    CHECK_EQ(gr_stop(GR_NOW), GR_ETIMEOUT);
}

TEST(overflow, in_own_code)
{
    overflow_many(in_own_code, 200, NULL);
}

#if STEPS
TEST(overflow, in_the_c_library)
{
    overflow_many(in_the_c_library, 10, NULL);
}

TEST(overflow, in_the_runtime)
{
    overflow_many(in_the_runtime, 10, NULL);
}
#endif

static int64_t live_blocks(void)
{
    gri_heap_counts heaps;
    gri_heap_count_all(&heaps, NULL);
    return (int64_t)(heaps.blocks_allocated - heaps.blocks_freed);
}

#if STEPS
static gr_message *copied; /* the victim's, then of whoever waits for its end */

/* Calls gr_message_copy(value, &copied) with so many bytes of stack left. */
GRI_NOINLINE static void copy_with_room(gr_value value, uintptr_t room)
{
    uintptr_t sp = (uintptr_t)gri_worker_here()->stack->low + room;
    register const void *first __asm__("rdi") = value.at;
    register gr_message **second __asm__("rsi") = &copied;
    __asm__ volatile("movq %%rsp, %%rbx\n\tmovq %[sp], %%rsp\n\tcall *%[copy]\n\tmovq %%rbx, %%rsp"
                     : "+r"(first), "+r"(second)
                     : [sp] "r"(sp), [copy] "r"(&gr_message_copy)
                     : "rax", "rbx", "rcx", "rdx", "r8", "r9", "r10", "r11", "memory", "cc", "xmm0", "xmm1", "xmm2",
                       "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13",
                       "xmm14", "xmm15");
}

static void copies(gr_self *self, gr_value args)
{
    (void)self;
    copy_with_room(args, (uintptr_t)gr_int(gr_at(args, 0), 0));
    sink = recurse(0); /* it had room enough */
}

/* A call of the runtime's that overflows is finished before the actor is ended, and what it calls in the C library too: by stubs
 * that are not its own, in an archive. */
TEST(overflow, a_call_is_finished_that_calls_on)
{
    int64_t before = live_blocks();
    gr_self *self = start(1);
    gr_address victim;
    int finished = 0;
    for (int64_t room = 16; room <= 128; room += 16) {
        CHECK_OK(gr_spawn_with(
            self, &victim, copies, (&(gr_spawn_options){.retain = true}), "[I,s]", room,
            "long enough for memcpy to be called and not put in its place: 0123456789012345678901234567890123456789"));
        CHECK_EQ(gr_wait(self, victim, NULL, gr_after_s(60)), GR_EEXCEPTION);
        finished += copied != NULL;
        gr_message_free(&copied);
    }
    CHECK_EQ(finished, 8);
    CHECK_OK(gr_stop(gr_after_s(60)));
    CHECK_EQ(live_blocks() - before, 0);
}
#endif

static gri_atomic_ptr low_end; /* relaxed: whoever waits for the actor's end comes after */

static void tells_its_stack(gr_self *self, gr_value args)
{
    gri_store_relaxed(&low_end, gri_worker_here()->stack->low); /* relaxed: see above */
    in_own_code(self, args);
}

/* The worker goes on with the stack: without what the overflow has touched. */
TEST(overflow, the_memory_goes_back)
{
    gr_self *self = start_guarded(1, "protect");
    gr_address victim;
    size_t resident = 0;
    CHECK_OK(gr_spawn_with(self, &victim, tells_its_stack, (&(gr_spawn_options){.retain = true}), "n"));
    CHECK_EQ(gr_wait(self, victim, NULL, gr_after_s(60)), GR_EEXCEPTION);
    CHECK_OK(gri_vmem_resident(gri_load_relaxed(&low_end), 16384, &resident)); /* relaxed: see above */
    CHECK_EQ(resident, 0);
    gr_stop(GR_NOW);
}

/* What the kernel can do about a stack's end: both ways it knows, and "install" where it knows only one. */
TEST(overflow, whatever_guards_the_stack)
{
    overflow_many(in_own_code, 10, "protect");
    overflow_many(in_own_code, 10, "install");
}

/* The next stack's holder has all of it again. */
static void use_all_of_it(gr_self *self, gr_value args)
{
    volatile char room[30000];
    (void)args;
    for (size_t i = 0; i < sizeof room; i += 512) room[i] = 1;
    CHECK_OK(gr_return(self, "i", room[0]));
}

TEST(overflow, stacks_are_whole_again)
{
    gr_self *self = start(1);
    gr_address a;
    for (int i = 0; i < 20; i++) {
        CHECK_OK(gr_spawn(self, &a, in_own_code, "n"));
        CHECK_OK(gr_spawn_with(self, &a, use_all_of_it, &(gr_spawn_options){.retain = true}, "n"));
        CHECK_OK(gr_wait(self, a, NULL, gr_after_s(60)));
    }
    CHECK_OK(gr_stop(gr_after_s(60)));
}

/* ---- in a function of the actor's that the runtime has called, and owns something meanwhile ---- */

/* How it is to end, and where it overflows. */
typedef struct shaky {
    char how, where;
    bool was_asked;
} shaky;

static gri_atomic_u32 cleanups_run; /* relaxed, all of it: read when the actor has ended */

static void cleans_up(gr_self *self, void *arg)
{
    (void)self, (void)arg;
    gri_add_relaxed(&cleanups_run, 1u);
}

static void overflows(gr_self *self, void *arg)
{
    cleans_up(self, arg);
    sink = recurse(0);
}

static int shaky_start(gr_self *self, void *state, gr_value args)
{
    shaky *s = state;
    s->how = gr_string(gr_get(args, "how"), "?")[0];
    s->where = gr_string(gr_get(args, "where"), "?")[0];
    CHECK_OK(gr_defer(self, cleans_up, NULL));
    CHECK_OK(gr_defer(self, s->where == 'c' ? overflows : cleans_up, NULL));
    CHECK_OK(gr_defer(self, cleans_up, NULL));
    return 0;
}

static void shaky_end(gr_self *self, void *state, gr_value argument)
{
    shaky *s = state;
    (void)argument;
    s->was_asked = true;
    CHECK_OK(gr_reply(self, "s", "a text that is not empty"));
    switch (s->how) {
    case 'k': CHECK_OK(gr_kill(gr_self_address(self))); break;
    case 'r': gr_server_end(self); gr_raise(self, "ends", "like that");
    case 'e': gr_server_end(self); break;
    default: break;
    }
    if (s->where == 'm') sink = recurse(0);
}

static void shaky_describe(gr_self *self, void *state, gr_builder *b)
{
    shaky *s = state;
    (void)self;
    gr_put_array(b);
    for (int i = 0; i < 100; i++) gr_put_string(b, "more than a builder has room for on the stack");
    if (s->where == 'd' && s->was_asked) sink = recurse(0);
    gr_put_end(b);
}

static void shaky_stop(gr_self *self, void *state)
{
    shaky *s = state;
    CHECK_OK(gr_defer(self, cleans_up, NULL));
    if (s->where == 's') sink = recurse(0);
}

static const gr_method shaky_methods[] = {{"end", shaky_end}};
static const gr_server shaky_server = {.state_bytes = sizeof(shaky),
                                       .start = shaky_start,
                                       .methods = shaky_methods,
                                       .method_count = 1,
                                       .describe = shaky_describe,
                                       .stop = shaky_stop};

static void end_shakily(gr_self *self, const char *how, const char *where)
{
    gr_address a;
    gr_message *report = NULL;
    gr_spawn_options options = {.retain = true};
    gri_store_relaxed(&cleanups_run, 0);
    CHECK_OK(gr_spawn_server(self, &a, &shaky_server, &options, "{s:s, s:s}", "how", how, "where", where));
    (void)!gr_call(self, NULL, a, "end", gr_after_s(60), "n"); /* whatever becomes of it */
    CHECK_EQ(gr_wait(self, a, &report, gr_after_s(60)), GR_EEXCEPTION);
    CHECK_STR(gr_string(gr_get(gr_body(report), "error"), "?"), "stack_overflow");
    gr_message_free(&report);
    CHECK_EQ(gri_load_relaxed(&cleanups_run), 4); /* three of start, one of stop */
}

/* However it ends otherwise: in the method, in describe, in a cleanup, in stop. Nothing is lost, nothing runs twice. */
TEST(overflow, leaves_no_memory_behind_wherever_it_comes)
{
    static const char *const hows[] = {"killed", "raises", "ends"}, *const wheres[] = {"method", "describe", "cleanup",
                                                                                       "stop"};
    int64_t before = live_blocks();
    gr_self *self = start(2);
    for (size_t how = 0; how < 3; how++)
        for (size_t where = 0; where < 4; where++) {
            if (*hows[how] == 'r' && where < 2) continue; /* it never gets there */
            end_shakily(self, hows[how], wheres[where]);
        }
    CHECK_OK(gr_stop(gr_after_s(60)));
    CHECK_EQ(live_blocks() - before, 0);
}
