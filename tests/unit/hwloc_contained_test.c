/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Whatever hwloc does, the machine is read: each function of it that we call crashes, aborts, leaves the process or answers
 * rubbish, and each allocation that it makes itself fails, once and from then on (every fifth; with GR_TEST_EVERY=1 all, a minute:
 * at some of them hwloc 2.9 goes round for ever). Then all that is known are the CPUs.
 *
 * wrapped: hwloc_bitmap_first hwloc_get_nbobjs_by_depth hwloc_get_obj_by_depth hwloc_get_type_depth
 * wrapped: hwloc_obj_type_is_dcache hwloc_topology_destroy hwloc_topology_init hwloc_topology_is_thissystem
 * wrapped: hwloc_topology_load hwloc_topology_set_flags hwloc_topology_set_icache_types_filter
 * wrapped: hwloc_topology_set_io_types_filter hwloc_topology_set_synthetic hwloc_topology_set_type_filter */
#include "os/topology.h"

#include "os/apart.h"
#include "support/test.h"

#include <greenroom.h>
#include <hwloc.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CALLS(X) \
    X(int, hwloc_bitmap_first, (hwloc_const_bitmap_t set), (set)) \
    X(unsigned, hwloc_get_nbobjs_by_depth, (hwloc_topology_t t, int depth), (t, depth)) \
    X(hwloc_obj_t, hwloc_get_obj_by_depth, (hwloc_topology_t t, int depth, unsigned i), (t, depth, i)) \
    X(int, hwloc_get_type_depth, (hwloc_topology_t t, hwloc_obj_type_t type), (t, type)) \
    X(int, hwloc_obj_type_is_dcache, (hwloc_obj_type_t type), (type)) \
    X(int, hwloc_topology_init, (hwloc_topology_t * ret), (ret)) \
    X(int, hwloc_topology_is_thissystem, (hwloc_topology_t t), (t)) \
    X(int, hwloc_topology_load, (hwloc_topology_t t), (t)) \
    X(int, hwloc_topology_set_flags, (hwloc_topology_t t, unsigned long flags), (t, flags)) \
    X(int, hwloc_topology_set_icache_types_filter, (hwloc_topology_t t, enum hwloc_type_filter_e f), (t, f)) \
    X(int, hwloc_topology_set_io_types_filter, (hwloc_topology_t t, enum hwloc_type_filter_e f), (t, f)) \
    X(int, hwloc_topology_set_synthetic, (hwloc_topology_t t, const char *text), (t, text)) \
    X(int, hwloc_topology_set_type_filter, (hwloc_topology_t t, hwloc_obj_type_t type, enum hwloc_type_filter_e f), \
      (t, type, f))

enum call {
#define NAME(type, name, parameters, arguments) CALL_##name,
    CALLS(NAME) CALL_hwloc_topology_destroy,
    CALL_COUNT
#undef NAME
};

enum way { NONE, CRASH, ABORT, LEAVE, RUBBISH, WAYS };

static enum call broken;
static enum way way;
static unsigned at_call; /* from 1 */
static bool here;        /* the function has no child to hide in */

/* What both processes see. */
typedef struct seen {
    unsigned calls[CALL_COUNT];
    unsigned allocations, refused;
} seen;
static seen *counts;

/* An address that nothing is at. */
static void *volatile nowhere = (void *)64;

/* Does this call do something else? Whatever is left to do is rubbish. */
static bool breaks(enum call call)
{
    if (!counts) return false; /* hwloc in the test's own hands */
    if (++counts->calls[call] != at_call || call != broken || way == NONE) return false;
    if (way == CRASH) *(volatile int *)nowhere = 1;
    if (way == ABORT) abort();
    if (way == LEAVE) _exit(0);
    return true;
}

#define WRAPPED(type, name, parameters, arguments) \
    type __real_##name parameters; \
    type __wrap_##name parameters; \
    type __wrap_##name parameters \
    { \
        return breaks(CALL_##name) ? (type)(intptr_t)0x55555550 : __real_##name arguments; \
    }
CALLS(WRAPPED)

void __real_hwloc_topology_destroy(hwloc_topology_t t);
void __wrap_hwloc_topology_destroy(hwloc_topology_t t);
void __wrap_hwloc_topology_destroy(hwloc_topology_t t)
{
    if (!breaks(CALL_hwloc_topology_destroy)) __real_hwloc_topology_destroy(t);
}

/* The machine can be read and placed upon, and is what hwloc says, or the CPUs and nothing else. Returns which. */
static bool read_it(const char *synthetic)
{
    gri_topology *t = NULL;
    CHECK_OK(gri_topology_read(&(gri_topology_options){.synthetic = synthetic, .here = here}, &t));
    CHECK(t->pus_count > 0 && t->pus_count <= t->machine_pus_count);
    CHECK(t->cores_count > 0 && t->cores_count <= t->pus_count);
    for (uint32_t i = 0; i < t->pus_count; i++) {
        CHECK(gri_cpus_has(&t->mask, t->pus[i].os_index));
        CHECK(t->pus[i].core < t->cores_count && t->pus[i].node < t->nodes_count);
        CHECK(t->pus[i].cache < t->caches_count && t->pus[i].package < t->packages_count);
    }
    CHECK_OK(gri_topology_place(t, "auto", 0));
    CHECK(t->workers > 0);
    const bool flat = t->flat;
    gri_topology_free(t);
    return flat;
}

static void begin(void)
{
    counts = gri_apart_map(sizeof *counts);
    CHECK(counts);
}

static void end(void)
{
    gri_apart_unmap(counts, sizeof *counts);
    counts = NULL;
}

TEST(hwloc_contained, each_function_that_fails)
{
    begin();
    way = NONE;
    const bool normally = read_it(NULL);
    const seen once = *counts;
    for (broken = 0; broken < CALL_COUNT; broken++) {
        if (broken == CALL_hwloc_topology_set_synthetic) continue; /* below */
        CHECK(normally || once.calls[broken] > 0);
        for (way = CRASH; way < WAYS; way++) {
            /* The first, the second and the last call of it. */
            const unsigned calls[] = {1, 2, once.calls[broken]};
            for (size_t i = 0; i < GRI_ARRAY_COUNT(calls); i++) {
                at_call = calls[i];
                memset(counts, 0, sizeof *counts);
                const bool flat = read_it(NULL);
                if (counts->calls[broken] >= at_call && way != RUBBISH) CHECK(flat);
            }
        }
    }
    end();
}

TEST(hwloc_contained, a_runtime_starts_all_the_same)
{
    begin();
    for (way = CRASH; way < WAYS; way++) {
        broken = CALL_hwloc_topology_load;
        at_call = 1;
        memset(counts, 0, sizeof *counts);
        gr_self *self = NULL;
        CHECK_OK(gr_start(NULL, NULL));
        CHECK_OK(gr_attach(&self));
        CHECK_OK(gr_stop(GR_NOW));
    }
    end();
}

/* A machine that somebody asked for by name is that one or an error. */
TEST(hwloc_contained, a_made_up_machine_is_refused)
{
    begin();
    for (broken = 0; broken < CALL_COUNT; broken++) {
        for (way = CRASH; way <= LEAVE; way++) {
            gri_topology *t = NULL;
            at_call = 1;
            memset(counts, 0, sizeof *counts);
            CHECK_EQ(gri_topology_read(&(gri_topology_options){.synthetic = "numa:2 core:2 pu:2"}, &t), GR_ESYSTEM);
            CHECK(!t);
        }
    }
    end();
}

/* ---- its allocations ---- */

/* A program's own malloc is every library's. Sanitizers have one of their own, and so has valgrind. */
#if !GRI_ASAN && !GRI_TSAN && defined(__GLIBC__)
#define ALLOCATIONS 1
#define SHOWN __attribute__((visibility("default")))
void *__libc_malloc(size_t bytes);
void *__libc_calloc(size_t count, size_t bytes);
void *__libc_realloc(void *memory, size_t bytes);

static bool armed, onwards;
static unsigned refused_at; /* from 1 */

static bool refuses(void)
{
    if (!armed || counts->calls[CALL_hwloc_topology_init] == 0) return false;
    const unsigned number = ++counts->allocations;
    if (number != refused_at && !(onwards && number > refused_at)) return false;
    counts->refused++;
    return true;
}

SHOWN void *malloc(size_t bytes)
{
    return refuses() ? NULL : __libc_malloc(bytes);
}

SHOWN void *calloc(size_t count, size_t bytes)
{
    return refuses() ? NULL : __libc_calloc(count, bytes);
}

SHOWN void *realloc(void *memory, size_t bytes)
{
    return refuses() ? NULL : __libc_realloc(memory, bytes);
}
#endif

#ifdef ALLOCATIONS
/* In the child only: there hwloc_topology_init is called first, and the parent forgets that after each run. */
static unsigned fail_from(unsigned number, bool from_then_on, bool *ret_flat)
{
    gri_topology *t = NULL;
    memset(counts, 0, sizeof *counts);
    refused_at = number;
    onwards = from_then_on;
    armed = true;
    int code = gri_topology_read(&(gri_topology_options){.patience_ms = 1000}, &t);
    armed = false;
    /* What this process allocates after the child has ended is counted and may be refused, too: no memory, then. */
    CHECK(code == 0 || code == GR_ENOMEM);
    *ret_flat = code != 0 || t->flat;
    if (code == 0) CHECK(t->pus_count > 0);
    gri_topology_free(t);
    return counts->refused;
}
#endif

TEST(hwloc_contained, each_allocation_that_fails)
{
#ifdef ALLOCATIONS
    bool flat;
    unsigned points = 0, contained = 0, answered = 0;
    begin();
    way = NONE;
    const unsigned step = getenv("GR_TEST_EVERY") ? 1 : 5;
    for (int from_then_on = 0; from_then_on < 2; from_then_on++) {
        unsigned number = 1 + (step > 1 && from_then_on ? 2 : 0);
        for (; fail_from(number, from_then_on, &flat) > 0; number += step) {
            points++;
            contained += flat;
            answered += !flat;
        }
    }
    printf("hwloc's allocations failed at %u points: %u times no answer, %u times one without it\n", points, contained,
           answered);
    CHECK(points > 0 && contained > 0);
    end();
#else
    fprintf(stderr, "a sanitizer's malloc cannot be replaced: release and debug show this\n");
#endif
}
