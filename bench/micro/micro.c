/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
#include "micro.h"

#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define REPEATS_MAX 1000
#define CASES_MAX 64
#define SMOKE_DIVISOR 200 /* enough left to go round every ring once */

static unsigned repeats = 15;
static bool smoke;
static const char *only;

static double times_ns[CASES_MAX][REPEATS_MAX];

/* ---- two threads that begin together ---- */

typedef struct side {
    const micro_case *what;
    uint64_t operations;
    unsigned thread;
    unsigned *ready; /* how many have come; all go when all have */
    int64_t began_ns, ended_ns;
} side;

void micro_wait(unsigned *turns)
{
    if (++*turns % 256 == 0) sched_yield();
}

static void run_side(side *s)
{
    unsigned turns = 0;
    __atomic_fetch_add(s->ready, 1, __ATOMIC_ACQ_REL);
    while (__atomic_load_n(s->ready, __ATOMIC_ACQUIRE) < s->what->threads) micro_wait(&turns);
    s->began_ns = gr_now_ns();
    s->what->run(s->thread, s->operations);
    s->ended_ns = gr_now_ns();
}

/* The CPUs of the process by turns. */
static void pin(unsigned thread)
{
    static cpu_set_t all;
    static bool known;
    if (!known) known = sched_getaffinity(0, sizeof all, &all) == 0;
    if (!known || CPU_COUNT(&all) < 2) return;
    for (int cpu = 0, seen = 0; cpu < CPU_SETSIZE; cpu++) {
        if (!CPU_ISSET(cpu, &all) || seen++ != (int)thread) continue;
        cpu_set_t one;
        CPU_ZERO(&one);
        CPU_SET(cpu, &one);
        (void)pthread_setaffinity_np(pthread_self(), sizeof one, &one); /* not pinned is a wider spread, no more */
    }
}

static void *other_thread(void *arg)
{
    side *s = arg;
    pin(s->thread);
    if (s->what->enter) s->what->enter(s->thread);
    run_side(s);
    if (s->what->leave) s->what->leave(s->thread);
    return NULL;
}

/* Nanoseconds an operation. */
static double run_once(const micro_case *what, uint64_t operations)
{
    unsigned ready = 0;
    side sides[2] = {{.what = what, .operations = operations, .thread = 0, .ready = &ready},
                     {.what = what, .operations = operations, .thread = 1, .ready = &ready}};
    pthread_t other;
    if (what->enter) what->enter(0);
    if (what->begin) what->begin(operations);
    if (what->threads == 2 && pthread_create(&other, NULL, other_thread, &sides[1]) != 0) bench_fail("no thread");
    run_side(&sides[0]);
    if (what->threads == 2) pthread_join(other, NULL);
    if (what->end) what->end(operations);
    if (what->leave) what->leave(0);
    int64_t began_ns = sides[0].began_ns, ended_ns = sides[0].ended_ns;
    if (what->threads == 2) {
        if (sides[1].began_ns < began_ns) began_ns = sides[1].began_ns;
        if (sides[1].ended_ns > ended_ns) ended_ns = sides[1].ended_ns;
    }
    return (double)(ended_ns - began_ns) / (double)operations;
}

void micro_pipe_put(micro_pipe *pipe, void *item)
{
    unsigned turns = 0;
    uint64_t tail = pipe->tail;
    while (tail - __atomic_load_n(&pipe->head, __ATOMIC_ACQUIRE) >= 1024) micro_wait(&turns);
    pipe->slots[tail % 1024] = item;
    __atomic_store_n(&pipe->tail, tail + 1, __ATOMIC_RELEASE);
}

void *micro_pipe_get(micro_pipe *pipe)
{
    unsigned turns = 0;
    uint64_t head = pipe->head;
    while (head == __atomic_load_n(&pipe->tail, __ATOMIC_ACQUIRE)) micro_wait(&turns);
    void *item = pipe->slots[head % 1024];
    __atomic_store_n(&pipe->head, head + 1, __ATOMIC_RELEASE);
    return item;
}

/* ---- options, and the lines ---- */

GR_NORETURN static void usage(const char *program, const micro_case *cases, size_t count, int code)
{
    FILE *to = code ? stderr : stdout;
    fprintf(to, "usage: %s [--smoke] [--repeats N] [--case NAME] [--no-probe]\ncases:\n", program);
    for (size_t i = 0; i < count; i++) fprintf(to, "    %s\n", cases[i].name);
    exit(code);
}

static bool is_case(const micro_case *cases, size_t count, const char *name)
{
    for (size_t i = 0; name && i < count; i++)
        if (strcmp(cases[i].name, name) == 0) return true;
    return false;
}

/* Returns whether the cores are to be probed. */
static bool read_options(const micro_case *cases, size_t count, int argc, char **argv)
{
    bool probe = true;
    for (int i = 1; i < argc; i++) {
        const char *option = argv[i], *value = i + 1 < argc ? argv[i + 1] : NULL;
        if (strcmp(option, "--help") == 0) usage(argv[0], cases, count, 0);
        if (strcmp(option, "--smoke") == 0) {
            smoke = true;
            repeats = 2;
        } else if (strcmp(option, "--no-probe") == 0) {
            probe = false;
        } else if (strcmp(option, "--repeats") == 0 && value && atoi(value) >= 1 && atoi(value) <= REPEATS_MAX) {
            repeats = (unsigned)atoi(argv[++i]);
        } else if (strcmp(option, "--case") == 0 && is_case(cases, count, value)) {
            only = argv[++i];
        } else {
            usage(argv[0], cases, count, 2);
        }
    }
    return probe;
}

static int compare_doubles(const void *left, const void *right)
{
    double l = *(const double *)left, r = *(const double *)right;
    return (l > r) - (l < r);
}

static void print_case(const char *structure, const micro_case *what, double *times, double cross_core_ns)
{
    qsort(times, repeats, sizeof *times, compare_doubles);
    printf("{\"peer\":\"greenroom\",\"version\":\"%s\",\"workload\":\"%s\",\"case\":\"%s\",\"law\":\"held\","
           "\"threads\":%u",
           gr_version(), structure, what->name, what->threads);
    if (cross_core_ns >= 0) printf(",\"cross_core_ns\":%.0f", cross_core_ns);
    printf(",\"unit\":\"ns\",\"value\":%.2f,\"low\":%.2f,\"high\":%.2f,\"repeats\":%u}\n", times[repeats / 2], times[0],
           times[repeats - 1], repeats);
}

int micro_main(const char *structure, const micro_case *cases, size_t count, int argc, char **argv)
{
    if (count > CASES_MAX) bench_fail("too many cases");
    double cross_core_ns = read_options(cases, count, argc, argv) ? bench_cross_core_ns() : -1;
    pin(0);
    for (unsigned round = 0; round <= repeats; round++) { /* the first one warms up */
        for (size_t i = 0; i < count; i++) {
            if (only && strcmp(only, cases[i].name) != 0) continue;
            uint64_t operations = smoke ? cases[i].operations / SMOKE_DIVISOR + 1 : cases[i].operations;
            double ns = run_once(&cases[i], operations);
            if (round > 0) times_ns[i][round - 1] = ns;
        }
    }
    for (size_t i = 0; i < count; i++)
        if (!only || strcmp(only, cases[i].name) == 0) print_case(structure, &cases[i], times_ns[i], cross_core_ns);
    return fflush(stdout) == 0 ? 0 : 1;
}
