/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* The explorer: runs a small program of a few threads over the real sources of runtime/sync in every order that matters.
 *
 * Threads are coroutines on one OS thread. Before each atomic operation the explorer may switch to another thread; each
 * load may return any value that the C11 memory model allows. An execution is a list of such choices.
 *     exhaustive   every list of choices with at most so many preemptions (switches away from a thread that could go on),
 *                  so many stale reads (of values that are not the newest) and so many early ones (of values stored later),
 *                  depth first
 *     random       unbounded choices from a seeded generator
 * Failures: EXPLORE_CHECK, a data race on memory accessed by gri_plain_read/write, a deadlock (every thread waits in
 * explore_wait and nothing will change: a lost wake-up), an execution that does not end. A failure prints the choices, a
 * trace of all operations, and how to repeat it, and ends the process with status 1.
 *
 * The model: each atomic object has the history of its stores; each thread a vector clock of what happens before it.
 * Release sequences, release and acquire fences, seq_cst fences and operations as in C++20 (S is the order of execution).
 * Not modelled: stores that enter an object's modification order before stores already executed (no structure here has
 * two threads storing blindly to one object); compare-and-swaps, and loads that acquire, do not read values stored later.
 *
 *     program [--program NAME] [--exhaustive | --random] [--preemptions N] [--stale N] [--early N] [--executions N]
 *             [--seed N] [--replay CHOICES] [--quick]        without options: both modes with each program's own bounds
 */
#ifndef GR_TESTS_EXPLORE_EXPLORER_H
#define GR_TESTS_EXPLORE_EXPLORER_H

#include "base/atomic.h"
#include "sync/plain.h"

#define EXPLORE_THREADS_MAX 6

typedef struct explore_program {
    const char *name;
    void (*setup)(void);                        /* before each execution: initialise everything, plain memory too */
    void (*threads[EXPLORE_THREADS_MAX])(void); /* ended by NULL */
    void (*check)(void);                        /* after each execution, sees everything; may be NULL */
    void (*finish)(void);                       /* after all executions of a mode; may be NULL */
    unsigned preemptions, stale, early;         /* bounds of the exhaustive mode; early 0: none in random mode either */
} explore_program;

/* `programs` ends with one without a name. Returns the exit status. */
int explore_main(int argc, char **argv, const explore_program *programs);

/* A choice of the program's own, among 0 … count-1: explored like the others. */
unsigned explore_choose(unsigned count);

/* In setup: whether this is the first execution of a mode. */
bool explore_is_first(void);

/* Which of the program's threads runs: 0, 1, …; meaningless in setup and check. */
unsigned explore_self(void);

void explore_fail(const char *file, int line, const char *text);
#define EXPLORE_CHECK(condition) \
    do { \
        if (!(condition)) explore_fail(__FILE__, __LINE__, #condition); \
    } while (0)

#endif
