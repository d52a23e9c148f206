/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Stack overflows at a chosen place inside the C library or Greenroom: x86-64, without sanitizers.
 *
 *     inside_learn   steps once through each call of a table, and notes at which instruction it reaches which depth
 *     inside_call    leaves a green thread exactly so much of its stack that the call overflows at one of these places
 *     inside_watch   looks at each fault before the runtime does: which instruction, in whose code
 *
 * A place is a call and how much stack is left to it, in steps of 16 bytes: others touch the guard at other instructions. Places
 * with more than INSIDE_STEPS_MAX instructions to go are left out: the runtime steps through those, a trap each.
 *
 * One overflow at a time: inside_call on any actor, everything else on the thread that waits for its end. */
#ifndef GR_TESTS_STRESS_INSIDE_H
#define GR_TESTS_STRESS_INSIDE_H

#include "base/compiler.h"

#include <greenroom.h>
#include <stddef.h>
#include <stdint.h>

#if defined(__x86_64__) && !GRI_ASAN && !GRI_TSAN
#define INSIDE 1
#else
#define INSIDE 0
#endif
#define INSIDE_STEPS_MAX 500

/* Where the last fault of an inside_call was. */
typedef enum inside_where {
    INSIDE_NOWHERE,
    INSIDE_LIBC,
    INSIDE_GREENROOM,
    INSIDE_ELSEWHERE,
    INSIDE_WHERES
} inside_where;

/* Suspends: an actor does it. How many places there are; the same at each call. `to` takes the messages of the calls. */
size_t inside_learn(gr_self *self, gr_address to);
/* In an actor on a stack of its own; the number, a random one, picks the place: the fewer instructions there are to go the more
 * often, both libraries as often. Returns only if the call came back, without an overflow. */
void inside_call(gr_self *self, uint32_t number);
/* After gr_start, and before gr_stop. */
void inside_watch(bool on);
/* Where the overflow of the actor was that has ended just now; frees what its call has left. Adds it to the counts. */
inside_where inside_ended(void);
/* How many faults were seen there, and at how many different instructions. */
typedef struct inside_counts {
    uint64_t faults, instructions;
} inside_counts;
inside_counts inside_counted(inside_where where);

#endif
