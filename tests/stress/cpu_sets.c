/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
#include "stress/cpu_sets.h"

#include "base/atomic.h"
#include "os/cpus.h"
#include "os/thread.h"

#include <dirent.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#define THREADS_MAX 1024

typedef struct place {
    pid_t thread; /* 0: it has ended */
    gri_cpus cpus;
} place;

static place places[THREADS_MAX], now[THREADS_MAX];
static size_t place_count;
static gri_cpus cpus_before;

static pthread_t flipper;
static gri_atomic_bool flipping; /* relaxed: seen late is fine */
static uint64_t flips;           /* the flipper's, until it has ended */
static uint64_t flip_seed;

static int set_cpus(pid_t thread, gri_cpus *cpus)
{
    return (int)syscall(SYS_sched_setaffinity, thread, sizeof cpus->words, cpus->words);
}

static size_t list_threads(place *ret_places)
{
    DIR *dir = opendir("/proc/self/task");
    size_t count = 0;
    for (struct dirent *e; dir && count < THREADS_MAX && (e = readdir(dir)) != NULL;)
        if (e->d_name[0] != '.') ret_places[count++].thread = (pid_t)strtol(e->d_name, NULL, 10);
    if (dir) closedir(dir);
    return count;
}

int cpu_sets_begin(void)
{
    return gri_thread_affinity_get(&cpus_before);
}

void cpu_sets_crowd(gri_rng *rng)
{
    uint32_t skip = (uint32_t)gri_rng_below(rng, gri_cpus_count(&cpus_before)), cpu = gri_cpus_next(&cpus_before, 0);
    while (skip-- > 0) cpu = gri_cpus_next(&cpus_before, cpu + 1);
    gri_cpus one;
    gri_cpus_clear(&one);
    gri_cpus_add(&one, cpu);
    place_count = list_threads(places);
    for (size_t i = 0; i < place_count; i++) {
        place *p = &places[i];
        gri_cpus_clear(&p->cpus);
        if (syscall(SYS_sched_getaffinity, p->thread, sizeof p->cpus.words, p->cpus.words) < 0 ||
            set_cpus(p->thread, &one) != 0)
            p->thread = 0;
    }
}

void cpu_sets_spread(void)
{
    const size_t threads = list_threads(now);
    for (size_t i = 0; i < threads; i++) {
        gri_cpus *cpus = &cpus_before; /* of who has begun meanwhile, crowded like who began it */
        for (size_t k = 0; k < place_count; k++)
            if (places[k].thread == now[i].thread) cpus = &places[k].cpus;
        (void)set_cpus(now[i].thread, cpus);
    }
}

static void *flip(void *arg)
{
    gri_rng rng;
    (void)arg;
    gri_rng_seed(&rng, flip_seed);
    while (gri_load_relaxed(&flipping)) {
        cpu_sets_crowd(&rng);
        (void)poll(NULL, 0, 1 + (int)gri_rng_below(&rng, 4));
        cpu_sets_spread();
        (void)poll(NULL, 0, 5 + (int)gri_rng_below(&rng, 10));
        flips++;
    }
    return NULL;
}

void cpu_sets_flip_begin(uint64_t seed)
{
    flip_seed = seed;
    flips = 0;
    gri_store_relaxed(&flipping, true);
    if (cpu_sets_begin() != 0 || pthread_create(&flipper, NULL, flip, NULL) != 0) gri_store_relaxed(&flipping, false);
}

uint64_t cpu_sets_flip_end(void)
{
    if (!gri_load_relaxed(&flipping)) return 0;
    gri_store_relaxed(&flipping, false);
    pthread_join(flipper, NULL);
    return flips;
}
