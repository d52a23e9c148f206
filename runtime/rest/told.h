/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Which of the numbered ends (observe.h) one stream has told. An end gets its number before it can be read, so a lower number may
 * be there only at a later look, and times may be the same: neither is lost, and none is told twice. Pure. */
#ifndef GRI_REST_TOLD_H
#define GRI_REST_TOLD_H

#include <stdbool.h>

#include <greenroom/observe.h>

/* Zero: none has been told. */
typedef struct gri_told {
    uint64_t all;                   /* up to this number nothing is left to tell */
    uint64_t numbers[GR_EXITS_MAX]; /* at number % GR_EXITS_MAX; those beyond `all` count */
} gri_told;

/* Notes that this one has been told; false: it had been, or is so old that it is no longer known. */
bool gri_told_add(gri_told *told, uint64_t number);
/* After a look whose newest end was this one: what is missing below it and can still come is waited for. */
void gri_told_look_end(gri_told *told, uint64_t newest);

#endif
