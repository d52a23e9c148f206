/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Faults on purpose: what simulation breaks, and where. A plan says it, in a text that one line holds:
 *
 *     kill=100,drop@3+17     one in 100 chances to kill; the 3rd and the 17th chance to drop, no other
 *
 *   kind        a chance is                                              what happens there
 *   kill        every run of an actor and every call it makes in it,     gr_kill
 *   kill_now    and every time that somebody else runs while it waits    gr_kill_now
 *   delay       every time that an actor is to run                       it runs 0.1 to 10 ms later
 *   drop        every datagram, every piece of a stream                  lost; the connection is reset
 *   allocate    every block, stack and slot that an actor asks for       no memory
 *   system      every call of a simulated socket                         it fails, with an errno that it may have
 *
 * Whether chance number n of a kind fails depends on seed, kind and n alone, so that a plan can be replayed, and with single faults
 * left out. What happened is written into a record: the kit (observe/attempt.h) keeps it in memory that outlives the process.
 *
 * Owner: the thread that simulates. Nobody else may ask gri_fault_due. Where nothing is simulated all this costs one load of a
 * constant, and that only where a system call or a switch is near. */
#ifndef GRI_BASE_FAULT_H
#define GRI_BASE_FAULT_H

#include "base/compiler.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* X(enumerator, name) */
#define GRI_FAULTS(X) \
    X(KILL, "kill") \
    X(KILL_NOW, "kill_now") X(DELAY, "delay") X(DROP, "drop") X(ALLOCATE, "allocate") X(SYSTEM, "system")

#define GRI_FAULT_ENUMERATOR(enumerator, name) GRI_FAULT_##enumerator,
enum gri_fault { GRI_FAULTS(GRI_FAULT_ENUMERATOR) GRI_FAULT_KINDS };
#undef GRI_FAULT_ENUMERATOR

#define GRI_FAULTS_LISTED 64u    /* of a kind in one plan */
#define GRI_FAULTS_RECORDED 512u /* what a record remembers; beyond that it only counts */

typedef struct gri_fault_rule {
    uint32_t one_in; /* 0: only those listed */
    uint32_t count;
    uint64_t at[GRI_FAULTS_LISTED]; /* ascending, from 1 */
} gri_fault_rule;

typedef struct gri_fault_plan {
    gri_fault_rule rules[GRI_FAULT_KINDS];
} gri_fault_plan;

typedef struct gri_fault_record {
    uint64_t chances[GRI_FAULT_KINDS]; /* so far, of kinds that the plan has */
    uint32_t happened;                 /* faults; the first GRI_FAULTS_RECORDED of them: */
    struct {
        uint8_t kind;
        uint64_t at;
    } faults[GRI_FAULTS_RECORDED];
} gri_fault_record;

/* Reads a plan; false: it is none (nothing is written), *ret_wrong, which may be NULL, is where. "" is the empty plan. */
GRI_MUST_CHECK bool gri_fault_plan_parse(const char *text, gri_fault_plan *ret_plan, const char **ret_wrong);
bool gri_fault_plan_is_empty(const gri_fault_plan *plan);
/* As the text of a plan: what happened, leaving out fault `but` (-1: none). Returns its length, which may be more than fits. */
size_t gri_fault_record_print(const gri_fault_record *record, int but, char *text, size_t bytes);
const char *gri_fault_name(enum gri_fault kind);

/* From now on this plan, with this seed; what happens goes into *record (NULL: one of our own), which is emptied. */
void gri_faults_begin(const gri_fault_plan *plan, uint64_t seed);
void gri_faults_end(void);
void gri_faults_record_in(gri_fault_record *record);
const gri_fault_record *gri_faults_recorded(void);

/* Between: is there a plan with anything in it? */
extern bool gri_faults_on;
/* While it is set there are no chances: the thread of the host runs, which is the judge and no victim. */
extern bool gri_faults_quiet;
/* Does the plan have this kind? */
bool gri_faults_have(enum gri_fault kind);
/* A chance: is it to fail? */
bool gri_fault_due(enum gri_fault kind);
/* A number for the fault that is just happening, below n; the same whenever it happens again. */
uint64_t gri_fault_choice(enum gri_fault kind, uint64_t n);

GRI_INLINE bool gri_fault(enum gri_fault kind)
{
    return GRI_UNLIKELY(gri_faults_on) && gri_fault_due(kind);
}

#endif
