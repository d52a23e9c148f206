/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
#include "support/test.h"

#include "base/bits.h"
#include "base/rng.h"
#include "memory/stack.h"
#include "os/vmem.h"

#include <greenroom/error.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#if defined(__has_include)
#if __has_include(<valgrind/valgrind.h>)
#include <valgrind/valgrind.h>
#endif
#endif
#ifndef RUNNING_ON_VALGRIND
#define RUNNING_ON_VALGRIND 0
#endif

static gri_stack_counts counts(void)
{
    gri_stack_counts now;
    gri_stacks_count(&now);
    return now;
}

static void start(gri_guard_mode mode)
{
    gri_stack_options options = {.guard = mode};
    CHECK_OK(gri_stacks_start(&options));
}

static unsigned default_class(void)
{
    int size_class = gri_stack_class(GRI_STACK_BYTES_DEFAULT);
    CHECK(size_class >= 0);
    return (unsigned)size_class;
}

TEST(stack, classes)
{
    CHECK(gri_stack_class(1) >= 0);
    CHECK_EQ(gri_stack_class(1), gri_stack_class(GRI_STACK_BYTES_MIN));
    CHECK_EQ(gri_stack_class(GRI_STACK_BYTES_MAX), GRI_STACK_CLASSES - 1);
    CHECK_EQ(gri_stack_class(GRI_STACK_BYTES_MAX + 1), GR_ETOOBIG);
    CHECK_EQ(gri_stack_class(GRI_STACK_BYTES_MAX / 2 + 1), GRI_STACK_CLASSES - 1);
}

TEST(stack, every_class_has_its_zones)
{
    start(GRI_GUARD_AUTO);
    gri_stack_cache cache;
    gri_stack_cache_init(&cache, 16);
    gri_stack *kept[10 * GRI_STACK_CLASSES];
    int count = 0;
    for (unsigned size_class = (unsigned)gri_stack_class(1); size_class < GRI_STACK_CLASSES; size_class++) {
        for (int i = 0; i < 20; i++) {
            gri_stack *stack = gri_stack_take(&cache, size_class), *found = NULL;
            CHECK(stack != NULL);
            CHECK(stack->low < (char *)stack);
            size_t page = gri_vmem_page_bytes(), bytes = GRI_STACK_BYTES_MIN << size_class;
            size_t yellow = (size_t)(stack->low - stack->yellow_low);
            CHECK(bytes < 65536 || yellow >= 16384);
            CHECK((size_t)((char *)stack - stack->low) >= bytes / 2 - page);
            CHECK((size_t)((char *)stack - (stack->yellow_low - page)) + 960 + 192 + sizeof(gri_context) >= bytes);
            CHECK_EQ(gri_stack_find(stack->low, &found), GRI_ZONE_USABLE);
            CHECK(found == stack);
            CHECK_EQ(gri_stack_find((char *)stack - 1, &found), GRI_ZONE_USABLE);
            CHECK_EQ(gri_stack_find(stack, &found), GRI_ZONE_TOP);
            CHECK_EQ(gri_stack_find(stack->low - 1, &found), GRI_ZONE_YELLOW);
            CHECK_EQ(gri_stack_find(stack->yellow_low, &found), GRI_ZONE_YELLOW);
            CHECK_EQ(gri_stack_find(stack->yellow_low - 1, &found), GRI_ZONE_RED);
            CHECK_EQ(gri_stack_find(stack->yellow_low - page, &found), GRI_ZONE_RED);
            stack->low[0] = 1;
            if (i % 2) {
                gri_stack_give(&cache, stack);
            } else {
                kept[count++] = stack;
            }
        }
    }
    gri_stack *found;
    char *arena = (char *)gri_align_down((uintptr_t)kept[0]->low, (uintptr_t)64 << 20);
    for (size_t at = 0; at < 32768; at += 256) CHECK_EQ(gri_stack_find(arena + at, &found), GRI_ZONE_NONE);
    CHECK_EQ(gri_stack_find(&found, &found), GRI_ZONE_NONE);
    CHECK_EQ(gri_stack_find(NULL, &found), GRI_ZONE_NONE);
    CHECK_EQ(gri_stack_find((void *)UINTPTR_MAX, &found), GRI_ZONE_NONE);
    CHECK_EQ(gri_stacks_stop(), GR_EINUSE);
    while (count > 0) gri_stack_give(&cache, kept[--count]);
    gri_stack_cache_fini(&cache);
    CHECK_OK(gri_stacks_stop());
}

TEST(stack, an_arena_with_live_stacks_outlives_stop)
{
    start(GRI_GUARD_AUTO);
    gri_stack_cache cache;
    gri_stack_cache_init(&cache, 16);
    gri_stack *stack = gri_stack_take(&cache, default_class()), *found = NULL;
    gri_stack_cache_fini(&cache);
    CHECK_EQ(gri_stacks_stop(), GR_EINUSE);
    CHECK_EQ(gri_stack_find(stack->low, &found), GRI_ZONE_USABLE);
    start(GRI_GUARD_AUTO);
    CHECK_EQ(counts().live, 1);
    gri_stack_cache_init(&cache, 16);
    gri_stack_give(&cache, stack);
    gri_stack_cache_fini(&cache);
    CHECK_OK(gri_stacks_stop());
}

TEST(stack, last_given_is_first_taken)
{
    start(GRI_GUARD_AUTO);
    gri_stack_cache cache;
    gri_stack_cache_init(&cache, 16);
    unsigned size_class = default_class();
    gri_stack *a = gri_stack_take(&cache, size_class), *b = gri_stack_take(&cache, size_class);
    CHECK(a != b);
    CHECK_EQ(counts().live, 2);
    gri_stack_give(&cache, a);
    gri_stack_give(&cache, b);
    CHECK(gri_stack_take(&cache, size_class) == b);
    CHECK(gri_stack_take(&cache, size_class) == a);
    gri_stack *found;
    CHECK_EQ(gri_stack_find(a->low, &found), GRI_ZONE_USABLE);
    gri_stack_give(&cache, a);
    CHECK_EQ(gri_stack_find(a->low, &found), GRI_ZONE_NONE);
    gri_stack_give(&cache, b);
    gri_stack_cache_fini(&cache);
    CHECK_OK(gri_stacks_stop());
}

TEST(stack, tops_are_coloured)
{
    start(GRI_GUARD_AUTO);
    gri_stack_cache cache;
    gri_stack_cache_init(&cache, 16);
    gri_stack *stacks[16];
    uint64_t seen = 0;
    for (int i = 0; i < 16; i++) {
        stacks[i] = gri_stack_take(&cache, default_class());
        CHECK(stacks[i] != NULL);
        seen |= UINT64_C(1) << ((uintptr_t)stacks[i] / 64 % 64);
        CHECK_EQ((uintptr_t)stacks[i] % 64, 0);
    }
    CHECK_EQ(__builtin_popcountll(seen), 16);
    for (int i = 0; i < 16; i++) gri_stack_give(&cache, stacks[i]);
    gri_stack_cache_fini(&cache);
    CHECK_OK(gri_stacks_stop());
}

typedef struct guest {
    gri_context here;
    gri_stack *stack;
    char text[32];
} guest;

static void print_and_leave(void *arg)
{
    guest *g = arg;
    snprintf(g->text, sizeof g->text, "%g on a stack", 0.5);
    gri_context_switch(&g->stack->context, &g->here);
    abort();
}

TEST(stack, code_runs_on_it)
{
    start(GRI_GUARD_AUTO);
    gri_stack_cache cache;
    gri_stack_cache_init(&cache, 4);
    guest g = {.stack = NULL};
    gri_context_from_thread(&g.here);
    for (int i = 0; i < 300; i++) {
        g.stack = gri_stack_take(&cache, (unsigned)i % 3 + default_class());
        CHECK(g.stack != NULL);
        gri_stack_prepare(g.stack, print_and_leave, &g);
        g.text[0] = 0;
        gri_context_switch(&g.here, &g.stack->context);
        CHECK_STR(g.text, "0.5 on a stack");
        CHECK_EQ(gri_stack_check(g.stack), GRI_STACK_FINE);
        size_t used = gri_stack_high_water(g.stack);
        CHECK(used > 100);
        CHECK(used < 40000);
        gri_stack_give(&cache, g.stack);
    }
    gri_stack_cache_fini(&cache);
    CHECK_OK(gri_stacks_stop());
    CHECK_EQ(counts().bytes_reserved, 0);
}

TEST(stack, resident_memory_is_a_page_and_goes_back_in_bulk)
{
    enum { COUNT = 2000 };
    static gri_stack *stacks[COUNT];
    start(GRI_GUARD_AUTO);
    gri_stack_cache cache;
    gri_stack_cache_init(&cache, 64);
    size_t page = gri_vmem_page_bytes(), resident = 0;
    for (int i = 0; i < COUNT; i++) {
        stacks[i] = gri_stack_take(&cache, default_class());
        CHECK(stacks[i] != NULL);
        ((char *)stacks[i])[-600] = 1;
    }
    CHECK_EQ(counts().live, COUNT);
    CHECK_EQ(counts().bytes_resident, COUNT * page);
    for (int i = 0; i < COUNT; i++) {
        uintptr_t end = gri_align_up((uintptr_t)stacks[i], page);
        CHECK_OK(gri_vmem_resident(stacks[i]->low, end - (uintptr_t)stacks[i]->low, &resident));
        CHECK_EQ(resident, page);
    }
    char *low = stacks[0]->low;
    for (int i = 0; i < COUNT; i++) {
        low = GRI_MIN(low, stacks[i]->low);
        gri_stack_give(&cache, stacks[i]);
    }
    CHECK_EQ(counts().live, 0);
    CHECK_EQ(counts().cached, COUNT);
    CHECK_EQ(gri_stack_trim(false), 0); /* since the last look: nothing yet */
    CHECK(gri_stack_trim(false) >= COUNT - 64);
    CHECK(counts().cached <= 64);
    gri_stack_cache_spill(&cache);
    CHECK(counts().cached <= 64);
    CHECK(gri_stack_trim(true) <= 64);
    CHECK_EQ(counts().cached, 0);
    CHECK_OK(gri_vmem_resident(low, COUNT * GRI_STACK_BYTES_DEFAULT, &resident));
    CHECK(resident <= COUNT * 8 + 2 * page); /* what the arena keeps of each slot */
    gri_stack *again = gri_stack_take(&cache, default_class());
    CHECK_EQ(((char *)again)[-600], 0);
    gri_stack_give(&cache, again);
    gri_stack_cache_fini(&cache);
    CHECK_OK(gri_stacks_stop());
}

/* --- guards --- */

static volatile sig_atomic_t fault_zone, faults;
static char signal_stack[65536];

/* As the runtime's handler will: yellow is opened and the code goes on. */
static void on_fault(int number, siginfo_t *info, void *context)
{
    gri_stack *stack = NULL;
    (void)context;
    fault_zone = (sig_atomic_t)gri_stack_find(info->si_addr, &stack);
    faults++;
    if (fault_zone == GRI_ZONE_YELLOW && gri_stack_open_yellow(stack) == 0) return;
    if (fault_zone == GRI_ZONE_RED) _exit(33);
    signal(number, SIG_DFL);
}

static void catch_faults(void)
{
    stack_t alternate = {.ss_sp = signal_stack, .ss_size = sizeof signal_stack};
    struct sigaction action = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_ONSTACK};
    CHECK_EQ(sigaltstack(&alternate, NULL), 0);
    CHECK_EQ(sigaction(SIGSEGV, &action, NULL), 0);
    CHECK_EQ(sigaction(SIGBUS, &action, NULL), 0);
}

static void poke(char *at)
{
    *(volatile char *)at = 1;
}

static void yellow_opens_and_closes(gri_guard_mode mode, gri_guard_kind kind)
{
    start(mode);
    gri_stack_cache cache;
    gri_stack_cache_init(&cache, 4);
    catch_faults();
    for (int round = 0; round < 50; round++) {
        gri_stack *stack = gri_stack_take(&cache, default_class());
        CHECK(stack != NULL);
        CHECK_EQ(gri_stack_guard(stack), kind);
        CHECK(!gri_stack_is_yellow_open(stack));
        CHECK_EQ(gri_stack_check(stack), GRI_STACK_FINE);
        int before = faults;
        poke(stack->low);
        CHECK_EQ(faults, before);
        poke(stack->low - 8);
        CHECK_EQ(faults, before + 1);
        CHECK_EQ(fault_zone, GRI_ZONE_YELLOW);
        poke(stack->yellow_low);
        CHECK_EQ(faults, before + 1);
        CHECK(gri_stack_is_yellow_open(stack));
        CHECK_EQ(gri_stack_check(stack), GRI_STACK_OVERFLOWN);
        CHECK_EQ(gri_stack_high_water(stack), (size_t)((char *)stack - stack->yellow_low));
        gri_stack_give(&cache, stack);
        size_t resident = 1;
        CHECK_OK(gri_vmem_resident(stack->yellow_low, (size_t)(stack->low - stack->yellow_low), &resident));
        CHECK_EQ(resident, 0);
    }
    CHECK_EQ(counts().yellow_opened, 50);
    CHECK_EQ(counts().guards[kind], 1);
    /* red faults, open yellow or not */
    gri_stack *stack = gri_stack_take(&cache, default_class());
    for (int open = 0; open < 2; open++) {
        fflush(NULL);
        pid_t child = fork();
        CHECK(child >= 0);
        if (child == 0) {
            if (open) poke(stack->yellow_low);
            poke(stack->yellow_low - 8);
            _exit(0);
        }
        int status = 0;
        CHECK(waitpid(child, &status, 0) == child);
        CHECK(WIFEXITED(status));
        CHECK_EQ(WEXITSTATUS(status), 33);
    }
    gri_stack_give(&cache, stack);
    gri_stack_cache_fini(&cache);
    CHECK_OK(gri_stacks_stop());
    signal(SIGSEGV, SIG_DFL);
    signal(SIGBUS, SIG_DFL);
}

static bool kernel_installs_guards(void)
{
    void *page = NULL;
    CHECK_OK(gri_vmem_reserve(gri_vmem_page_bytes(), 0, &page));
    bool works = gri_vmem_guard_install(page, gri_vmem_page_bytes()) == 0;
    gri_vmem_release(page, gri_vmem_page_bytes());
    return works;
}

TEST(stack, yellow_with_installed_guards)
{
    if (!kernel_installs_guards()) return;
    yellow_opens_and_closes(GRI_GUARD_INSTALL, GRI_GUARDED_INSTALL);
    yellow_opens_and_closes(GRI_GUARD_REQUIRE, GRI_GUARDED_INSTALL);
}

TEST(stack, yellow_with_protected_guards)
{
    yellow_opens_and_closes(GRI_GUARD_PROTECT, GRI_GUARDED_PROTECT);
}

/* The bytes of the stack that are in memory below its top page. */
static size_t touched(const gri_stack *stack)
{
    size_t resident = 0, page = gri_vmem_page_bytes();
    CHECK_OK(gri_vmem_resident(stack->low, ((size_t)((const char *)stack - stack->low)) & ~(page - 1), &resident));
    return resident;
}

TEST(stack, what_an_overflow_has_touched_goes_back)
{
    gri_stack_cache cache;
    start(GRI_GUARD_PROTECT);
    gri_stack_cache_init(&cache, 16);
    gri_stack *stack = gri_stack_take(&cache, default_class());
    CHECK(stack != NULL);
    const size_t page = gri_vmem_page_bytes(), bytes = (size_t)((char *)stack - stack->low) & ~(page - 1);
    /* given back: all of it, if it had overflown; else it stays warm */
    memset(stack->low, 1, bytes);
    gri_stack_give(&cache, stack);
    CHECK_EQ(touched(stack), bytes);
    CHECK(gri_stack_take(&cache, default_class()) == stack);
    CHECK_OK(gri_stack_open_yellow(stack));
    gri_stack_give(&cache, stack);
    CHECK_EQ(touched(stack), 0);
    /* gone on with: what lies more than a page below the frame */
    CHECK(gri_stack_take(&cache, default_class()) == stack);
    memset(stack->low, 1, bytes);
    CHECK_OK(gri_stack_open_yellow(stack));
    gri_stack_overflown(stack, stack->low + bytes - 1);
    CHECK(!gri_stack_is_yellow_open(stack));
    CHECK_EQ(touched(stack), 2 * page);
    gri_stack_overflown(stack, stack->low); /* no room below: nothing */
    CHECK_EQ(touched(stack), 2 * page);
    gri_stack_give(&cache, stack);
    gri_stack_cache_fini(&cache);
    CHECK_OK(gri_stacks_stop());
}

TEST(stack, canaries_notice_overflows)
{
    start(GRI_GUARD_CANARY);
    gri_stack_cache cache;
    gri_stack_cache_init(&cache, 4);
    for (int round = 0; round < 20; round++) {
        gri_stack *stack = gri_stack_take(&cache, default_class());
        CHECK(stack != NULL);
        CHECK_EQ(gri_stack_guard(stack), GRI_GUARDED_CANARY);
        memset(stack->low, 1, 512);
        CHECK_EQ(gri_stack_check(stack), GRI_STACK_FINE);
        if (round % 3 == 1) {
            memset(stack->low - 900, 1, 900);
            CHECK_EQ(gri_stack_check(stack), GRI_STACK_OVERFLOWN);
            CHECK_EQ(gri_stack_high_water(stack), (size_t)((char *)stack - stack->low) + 904);
        } else if (round % 3 == 2) {
            memset(stack->yellow_low - 64, 1, 64);
            CHECK_EQ(gri_stack_check(stack), GRI_STACK_BROKEN);
        }
        gri_stack_give(&cache, stack);
    }
    CHECK_EQ(counts().map_entries, 0);
    gri_stack_cache_fini(&cache);
    CHECK_OK(gri_stacks_stop());
}

TEST(stack, protection_stops_at_its_budget)
{
    enum { MANY = 40000 };
    size_t limit = 0, used = 0;
    if (RUNNING_ON_VALGRIND) return; /* which has room for fewer map entries than the kernel */
    if (gri_vmem_map_budget(&limit, &used) != 0 || limit > 2 * MANY) return;
    static gri_stack *stacks[MANY];
    start(GRI_GUARD_PROTECT);
    gri_stack_cache cache;
    gri_stack_cache_init(&cache, 64);
    for (int i = 0; i < MANY; i++) {
        stacks[i] = gri_stack_take(&cache, default_class());
        CHECK(stacks[i] != NULL);
    }
    CHECK(counts().guards[GRI_GUARDED_PROTECT] > limit / 4);
    CHECK(counts().guards[GRI_GUARDED_CANARY] > 0);
    size_t now = 0;
    CHECK_OK(gri_vmem_map_budget(&limit, &now));
#if !GRI_TSAN /* whose shadow takes entries, too */
    CHECK(now <= used + counts().map_entries + 8);
#endif
    CHECK(now + 4096 <= limit);
    for (int i = 0; i < MANY; i++) gri_stack_give(&cache, stacks[i]);
    gri_stack_cache_fini(&cache);
    CHECK_OK(gri_stacks_stop());
    /* required: refused beyond the budget, unless the kernel has the cheap kind */
    start(GRI_GUARD_REQUIRE);
    gri_stack_cache_init(&cache, 64);
    int got = 0;
    while (got < MANY && (stacks[got] = gri_stack_take(&cache, default_class()))) got++;
    CHECK(got == MANY || !kernel_installs_guards());
    CHECK_EQ(counts().guards[GRI_GUARDED_CANARY], 0);
    for (int i = 0; i < got; i++) gri_stack_give(&cache, stacks[i]);
    gri_stack_cache_fini(&cache);
    CHECK_OK(gri_stacks_stop());
}

TEST(stack, an_arena_that_is_full_says_so)
{
    gri_stack_options options = {.arena_bytes = 1};
    CHECK_OK(gri_stacks_start(&options));
    CHECK_EQ(gri_stacks_start(&options), GR_EINUSE);
    CHECK_EQ(counts().bytes_reserved, (uint64_t)64 << 20);
    gri_stack_cache cache;
    gri_stack_cache_init(&cache, 64);
    gri_stack *stacks[4];
    for (int i = 0; i < 3; i++) {
        stacks[i] = gri_stack_take(&cache, GRI_STACK_CLASSES - 1);
        CHECK(stacks[i] != NULL);
    }
    CHECK(gri_stack_take(&cache, GRI_STACK_CLASSES - 1) == NULL);
    CHECK(gri_stack_take(&cache, default_class()) == NULL);
    gri_stack_give(&cache, stacks[0]);
    stacks[0] = gri_stack_take(&cache, GRI_STACK_CLASSES - 1);
    CHECK(stacks[0] != NULL);
    for (int i = 0; i < 3; i++) gri_stack_give(&cache, stacks[i]);
    gri_stack_cache_fini(&cache);
    CHECK_OK(gri_stacks_stop());
}

TEST(stack, bad_options_are_refused)
{
    gri_stack_options options = {.guard = (gri_guard_mode)17};
    CHECK_EQ(gri_stacks_start(&options), GR_EINVAL);
    CHECK_OK(gri_stacks_stop());
}

/* --- caches and threads --- */

enum { MOVERS = 3, MOVES = 20000, SHELF = 200 };
static gri_atomic_ptr shelf[SHELF]; /* publishes the stack */

static void *move_stacks(void *arg)
{
    gri_rng rng;
    gri_stack_cache cache;
    gri_rng_seed(&rng, 1 + (uint64_t)(uintptr_t)arg);
    gri_stack_cache_init(&cache, 8);
    for (int i = 0; i < MOVES; i++) {
        gri_stack *stack = gri_stack_take(&cache, default_class() + (unsigned)gri_rng_below(&rng, 2));
        if (!stack || gri_load_relaxed(&stack->waiting)) abort(); /* relaxed, both: ours */
        gri_store_relaxed(&stack->waiting, arg);
        ((char *)stack)[-100] = 1;
        /* mo:shelf.put acq_rel <-> shelf.put acq_rel: the stack */
        gri_stack *old = gri_exchange_acq_rel(&shelf[gri_rng_below(&rng, SHELF)], stack);
        if (old) gri_stack_give(&cache, old);
        if (i % 1000 == 0) gri_stack_trim(i % 2000 == 0);
    }
    gri_stack_cache_fini(&cache);
    return NULL;
}

TEST(stack, stacks_wander_between_threads)
{
    start(GRI_GUARD_AUTO);
    pthread_t threads[MOVERS];
    for (intptr_t i = 0; i < MOVERS; i++) CHECK_EQ(pthread_create(&threads[i], NULL, move_stacks, (void *)(i + 1)), 0);
    for (int i = 0; i < MOVERS; i++) pthread_join(threads[i], NULL);
    gri_stack_cache cache;
    gri_stack_cache_init(&cache, 4);
    uint64_t left = 0;
    for (int i = 0; i < SHELF; i++) left += gri_load_relaxed(&shelf[i]) != NULL; /* relaxed: the threads are joined */
    CHECK_EQ(counts().live, left);
    for (int i = 0; i < SHELF; i++)
        if (gri_load_relaxed(&shelf[i])) gri_stack_give(&cache, gri_load_relaxed(&shelf[i])); /* relaxed: the same */
    CHECK_EQ(counts().live, 0);
    gri_stack_cache_spill(&cache);
    gri_stack_trim(true);
    CHECK_EQ(counts().cached, 0);
    gri_stack_cache_fini(&cache);
    CHECK_OK(gri_stacks_stop());
}
