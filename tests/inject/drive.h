/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* The two halves of the driver: drive.c plans and judges, child.c runs one body under a plan and says how that ended. */
#ifndef GR_TESTS_INJECT_DRIVE_H
#define GR_TESTS_INJECT_DRIVE_H

#include "inject/injected.h"
#include "support/test.h"

/* From good to bad; beyond DRIVE_LEAKED always a finding, of strict bodies everything but DRIVE_PASSED is. */
enum drive_verdict {
    DRIVE_PASSED,
    DRIVE_BODY_FAILED, /* a check of the body failed; the runtime could be stopped */
    DRIVE_BODY_LEFT,   /* the same, by an actor or another thread: the process ended there */
    DRIVE_STALLED,     /* the body waited for what did not come; when all actors were killed, it ended */
    DRIVE_LEAKED,      /* it passed, and memory is left that is not left otherwise */
    DRIVE_FD_LEAKED,   /* the same for descriptors */
    DRIVE_CRASHED,     /* a signal; panics and sanitizers among them */
    DRIVE_HUNG,        /* killing all actors did not end it either */
    DRIVE_DIED,        /* it exited without a verdict */
    DRIVE_VERDICTS
};

/* Times after which a body is taken to wait in vain, so that all its actors are killed (strict bodies do not wait in vain,
 * however slow the machine); after which it hangs; after which it is killed from outside. */
#define DRIVE_STALL_MS 5000
#define DRIVE_STALL_STRICT_MS 90000
#define DRIVE_HANG_MS 120000
#define DRIVE_END_MS 180000
#define DRIVE_NO_BASELINE INT64_MIN

typedef struct drive_shared {
    fault_plan plan;
    bool strict;
    int64_t baseline; /* blocks that a run without a failure leaves */
    int64_t blocks;   /* that this one leaves */
    int fds_baseline; /* and descriptors */
    int fds;          /* what this one leaves */
    int verdict;      /* written at its end */
} drive_shared;

/* In the child: never returns. */
_Noreturn void drive_child(drive_shared *shared, const gr_test *test);

/* A return address in this program as an offset into it, the same in every run of one build; and back. */
uintptr_t drive_offset(uintptr_t site);
uintptr_t drive_address(uintptr_t offset);

#endif
