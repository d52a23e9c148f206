/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* A task: what workers run. It is embedded in what it runs (an actor), and the scheduler knows nothing else of it.
 *
 *   states:   new --ready--> queued --picked--> running --returns from run--> finished or set aside by its owner
 *             running --gri_task_park--> parked, on a stack of its own --ready--> queued --picked--> running
 *
 * A worker runs a task that has no stack as a plain call of `run` on the stack its loop stands on. If the task parks in
 * there, that stack becomes the task's and the worker goes on on another one; whoever picks the task later resumes it on its
 * stack, and when `run` returns, what it returns into is a worker loop again, perhaps of another worker.
 *
 * A task has one owner at a time: who readies it, then the queue, then the worker that picked it. Whoever makes a parked task
 * ready must be the only one to do so (sync/mailword.h decides). */
#ifndef GRI_SCHEDULE_TASK_H
#define GRI_SCHEDULE_TASK_H

#include "base/atomic.h"
#include "memory/stack.h"
#include "sync/inject.h"
#include "sync/mailword.h"

#include <stdbool.h>
#include <stdint.h>

typedef struct gri_worker gri_worker;
typedef struct gri_task gri_task;

struct gri_task {
    gri_inject_node link; /* in an injection queue */
    gri_stack *stack;     /* where to resume it; NULL: call run */
    void (*run)(gri_task *task);
    gri_worker *worker;      /* who runs it, set before it runs: how a task finds its worker after a switch */
    gri_atomic_u32 id;       /* for traces; relaxed: a number, set once, and others may look while it is */
    uint16_t home;           /* 1 + index of the only worker that may run it; 0: any */
    uint8_t own_stack_class; /* 0: run on a loop's stack; else 1 + size class of a stack of its own */
    bool foreign;            /* an attached thread's: blocks its thread instead of switching (simulation: switches) */
};

/* Makes a new or parked task ready. From a worker: it runs there soon, before older ones (it is what the current task just
 * spoke to), unless a thief takes it. From any other thread: through the common queue. */
void gri_task_ready(gri_task *task);

/* The same, but behind everything that waits: for tasks that gave way. Worker threads only. */
void gri_task_ready_last(gri_task *task);

/* Suspends the running task. After its registers are saved, on another stack, its mailbox word is parked in `state`: from then on
 * it belongs to whoever moves the word to RUNNING and makes it ready. If something has arrived meanwhile, or word is NULL, it goes
 * on, behind everything that waits. Returns 0 after it was resumed, perhaps by another worker: task->worker says which. GR_ENOMEM:
 * no stack for the worker to go on with, the task is still running. Nothing thread-local survives it. */
int gri_task_park(gri_task *task, gri_mailword *word, uint64_t state);

/* For the `run` of tasks without a stack, when it is done with one (which has parked or ended, and is not to be touched): the next
 * task, begun, if it is one that starts with the same function on this stack; else NULL, and run has to return. */
gri_task *gri_task_next_like(void (*run)(gri_task *task));

/* Lets the others run first; returns at once when there are none. */
void gri_task_yield(gri_task *task);

#endif
