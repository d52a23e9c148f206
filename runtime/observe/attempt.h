/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* The kit's runs (<greenroom/test.h>): one simulation of a body in a process of its own, several of them at a time.
 *
 *   attempt.c   a run: forked, limited, judged
 *   kit.c     the public calls: many seeds, every chance, one again
 *   shrink.c  of a run that failed: which faults are enough
 *
 * A run writes into memory that it shares with who waits for it (gri_attempt_note), so a crash keeps nothing back. One thread. */
#ifndef GRI_OBSERVE_ATTEMPT_H
#define GRI_OBSERVE_ATTEMPT_H

#include "base/fault.h"

#include <greenroom/test.h>
#include <sys/types.h>

#define GRI_ATTEMPT_WHY_BYTES 256
#define GRI_ATTEMPT_PLAN_BYTES 4096 /* what GREENROOM_FAULTS takes */

/* Written by the run. */
typedef struct gri_attempt_note {
    gri_fault_record faults;
    uint64_t hash;
    int64_t virtual_ns;
    bool judged;                     /* it came to its end */
    char why[GRI_ATTEMPT_WHY_BYTES]; /* empty: it held */
} gri_attempt_note;

typedef struct gri_attempt {
    uint64_t seed;
    char plan[GRI_ATTEMPT_PLAN_BYTES];
    gri_attempt_note *note; /* in shared memory */
    pid_t process;          /* 0: it does not run */
    int end;                /* of a pipe: hung up when the process has ended */
    int64_t until;          /* when it has taken too long; the system's monotonic clock */
    bool replays;           /* the run has been made before, and gave: */
    uint64_t hash;
    int64_t virtual_ns;
} gri_attempt;

typedef struct gri_attempt_setting {
    const gr_test_options *options;
    gr_test_body *body;
    void *arg;
    bool shown; /* its output */
} gri_attempt_setting;

/* Memory for its note; GR_ENOMEM. */
GR_MUST_CHECK int gri_attempt_init(gri_attempt *attempt);
/* A run that is under way is killed. */
void gri_attempt_fini(gri_attempt *attempt);

/* Begins a run with attempt->seed and attempt->plan. GR_ESYSTEM, GR_ENOMEM. */
GR_MUST_CHECK int gri_attempt_begin(gri_attempt *attempt, const gri_attempt_setting *setting);
/* Waits until one of them has ended, and judges: then note->why is empty or not. NULL entries and those that do not run are passed
 * over; -1: none runs. */
int gri_attempts_wait(gri_attempt *attempts, size_t count);
/* Both. True: it held. */
GR_MUST_CHECK int gri_attempt_run(gri_attempt *attempt, const gri_attempt_setting *setting, bool *ret_held);

/* In this process, with nothing between it and a debugger; what fails aborts or is in *note. */
void gri_attempt_here(const gri_attempt_setting *setting, uint64_t seed, const char *plan, gri_attempt_note *note);

/* attempt is one that failed: leaves in it a plan that is enough for a failure, and in its note what came of that. */
GR_MUST_CHECK int gri_attempt_shrink(gri_attempt *attempt, const gri_attempt_setting *setting, bool *ret_steady);

#endif
