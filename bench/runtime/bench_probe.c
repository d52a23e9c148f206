/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* How far apart two CPUs are: half the time of a round trip of one line between them. */
#include "bench.h"

#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <time.h>

#define PROBE_ROUNDS 1000
#define PROBE_BATCHES 31

static int64_t clock_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

typedef struct ball {
    _Alignas(64) unsigned turn;
    int cpu;
} ball;

static void pin(int cpu)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    (void)pthread_setaffinity_np(pthread_self(), sizeof set, &set); /* not pinned is a worse probe, no more */
}

static void *throw_back(void *arg)
{
    ball *b = arg;
    pin(b->cpu);
    for (unsigned i = 0; i < PROBE_ROUNDS * PROBE_BATCHES; i++) {
        while (__atomic_load_n(&b->turn, __ATOMIC_ACQUIRE) != 2 * i + 1) continue;
        __atomic_store_n(&b->turn, 2 * i + 2, __ATOMIC_RELEASE);
    }
    return NULL;
}

static int compare_times(const void *left, const void *right)
{
    int64_t l = *(const int64_t *)left, r = *(const int64_t *)right;
    return (l > r) - (l < r);
}

/* The median of some batches; -1 where there is one CPU only. */
double bench_cross_core_ns(void)
{
    cpu_set_t mask;
    int cpus[2], found = 0;
    if (sched_getaffinity(0, sizeof mask, &mask) != 0) return -1;
    for (int i = 0; i < CPU_SETSIZE && found < 2; i++)
        if (CPU_ISSET(i, &mask)) cpus[found++] = i;
    if (found < 2) return -1;
    static ball b;
    b.turn = 0;
    b.cpu = cpus[1];
    pthread_t other;
    if (pthread_create(&other, NULL, throw_back, &b) != 0) return -1;
    pin(cpus[0]);
    int64_t times[PROBE_BATCHES], last = clock_ns();
    unsigned i = 0;
    for (unsigned batch = 0; batch < PROBE_BATCHES; batch++) {
        for (unsigned end = i + PROBE_ROUNDS; i < end; i++) {
            __atomic_store_n(&b.turn, 2 * i + 1, __ATOMIC_RELEASE);
            while (__atomic_load_n(&b.turn, __ATOMIC_ACQUIRE) != 2 * i + 2) continue;
        }
        int64_t now = clock_ns();
        times[batch] = now - last;
        last = now;
    }
    pthread_join(other, NULL);
    (void)pthread_setaffinity_np(pthread_self(), sizeof mask, &mask);
    qsort(times, PROBE_BATCHES, sizeof *times, compare_times);
    return (double)times[PROBE_BATCHES / 2] / (2.0 * PROBE_ROUNDS);
}
