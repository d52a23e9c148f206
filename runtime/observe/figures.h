/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Figures that the JSON and the metrics have in common. Any thread; a runtime is up. */
#ifndef GRI_OBSERVE_FIGURES_H
#define GRI_OBSERVE_FIGURES_H

#include "base/histogram.h"

/* Seconds since gr_start. */
double gri_figures_uptime(void);

/* Of a sample of messages, since gr_start: microseconds between being sent and being taken out. */
gri_histogram *gri_figures_mailbox_times(void);
/* How many messages waited where they were taken out. */
gri_histogram *gri_figures_mailbox_depths(void);

/* How many messages wait at this moment, one value an actor: of at most GRI_FIGURES_ACTORS, the next ones at the next look. */
#define GRI_FIGURES_ACTORS 16384u
void gri_figures_depths(gri_histogram *ret_depths);

/* Bytes. */
typedef struct gri_memory_figures {
    uint64_t messages;      /* chunks and blocks that heaps hold */
    uint64_t messages_warm; /* free, in memory still */
    uint64_t stacks_live, stacks_cached;
    uint64_t tables;   /* control blocks of actors: up to the highest that was ever used */
    uint64_t resident; /* of the process */
} gri_memory_figures;
void gri_figures_memory(gri_memory_figures *ret_memory);

#endif
