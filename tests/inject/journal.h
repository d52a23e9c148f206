/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Which points have been run, and how that ended: each is counted once, whatever how often it was run. Kept in a file if it has
 * one, a line each, so that a long run may be done in slices: the same command goes on where the last one stopped. The places are
 * addresses in one build and stand for nothing in another: a journal of another build is refused. */
#ifndef GR_TESTS_INJECT_JOURNAL_H
#define GR_TESTS_INJECT_JOURNAL_H

#include "inject/drive.h"

#define JOURNAL_TEXT_BYTES 400

typedef struct journal_sum {
    uint64_t points, once, onwards; /* distinct ones that came by: all, failed once, failed from then on */
    uint64_t missed;                /* that did not come by: nothing failed in that run */
    uint64_t places;                /* distinct places in the program that failed */
    uint64_t bodies;                /* of which every point has been run */
    uint64_t verdicts[DRIVE_VERDICTS];
    uint64_t earlier[DRIVE_VERDICTS]; /* those of them that the file had when it was opened */
} journal_sum;

extern journal_sum journal_total;

/* path may be NULL: nothing is kept. about names what else must be the same: program and kind. Ends the process (2) if the
 * journal is of something else or cannot be written. */
void journal_open(const char *path, const char *about);

/* point as a finding prints it: SUITE/NAME --at SITE:OCCURRENCE:ERROR[:onwards] (CALL). */
bool journal_has(const char *point);
void journal_add(const char *point, enum drive_verdict verdict, bool came_by);

/* A number that depends on nothing but the text. */
uint32_t journal_number(const char *text);

/* Of a whole body under the same choice of points. */
bool journal_has_body(const char *body);
void journal_add_body(const char *body);

#endif
