/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* The workers, as they are at this moment: what the figures, the metrics and the dump say of them. Any thread. */
#ifndef GRI_OBSERVE_WORKERS_H
#define GRI_OBSERVE_WORKERS_H

#include "schedule/scheduler.h"

typedef struct gri_worker_look {
    unsigned id;
    int64_t cpu;       /* where it is pinned; -1: nowhere */
    double load;       /* 0 to 1, since the last look */
    uint64_t cpu_ns;   /* its thread's CPU time so far */
    uint64_t queue;    /* tasks that wait for it */
    uint64_t messages; /* sent by what ran on it */
    uint64_t switches, runs, steals, stolen, parks, wakes;
    const char *state; /* static: running, idle, stuck or spare (which waits until it is needed) */
    bool is_running;   /* holds a task */
    uint32_t task;     /* its id then */
} gri_worker_look;

/* How many there are, spares included; none while no runtime is up. */
unsigned gri_workers_now(void);
/* False: there is no such worker. */
bool gri_worker_look_at(unsigned id, gri_worker_look *ret_look);

/* Tasks that wait in queues of no worker's own, and of all workers. */
uint64_t gri_tasks_waiting(void);

#endif
