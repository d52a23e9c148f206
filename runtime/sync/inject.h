/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* The inject queue: where foreign threads leave work for whichever worker looks first, and a run queue what it has no room for.
 *
 * Any thread pushes, at any time, without waiting (liburcu's wait-free concurrent queue). Any thread pops; consumers
 * exclude each other by a try-lock, so that a pop never waits: it returns nothing while another consumer is inside, or
 * while the oldest push is not finished. is_empty is true only if every finished push has been popped; a caller that got
 * nothing from a queue that is not empty looks again instead of going to sleep.
 * First in, first out. Everything before a push is visible to whoever pops the node.
 *
 * liburcu's functions are called, not inlined (no _LGPL_SOURCE): a nanosecond on a path that is not hot, no LGPL code in
 * our objects, and ThreadSanitizer needs it so; its hand-over is announced by hand. */
#ifndef GRI_SYNC_INJECT_H
#define GRI_SYNC_INJECT_H

#include "base/compiler.h"
#include "sync/spinlock.h"

#include <stdbool.h>
#include <urcu/wfcqueue.h>

/* One pointer: the link word of whatever is queued. Reusable as soon as the node has been popped. */
typedef struct cds_wfcq_node gri_inject_node;
_Static_assert(sizeof(gri_inject_node) == sizeof(void *), "shares the link word of a task");

typedef struct gri_inject {
    GRI_ALIGNED(GRI_CACHE_LINE) struct cds_wfcq_tail tail;   /* producers */
    GRI_ALIGNED(GRI_CACHE_LINE) struct __cds_wfcq_head head; /* the consumer that holds the lock */
    gri_spinlock consumer;
} gri_inject;

void gri_inject_init(gri_inject *queue);

/* Nothing to release; asserts that the queue is empty. No concurrent calls. */
void gri_inject_fini(gri_inject *queue);

/* Any thread. */
void gri_inject_push(gri_inject *queue, gri_inject_node *node);

/* Any thread. The oldest node, or NULL: empty, another consumer is inside, or the oldest push is not finished. */
gri_inject_node *gri_inject_pop(gri_inject *queue);

/* Any thread. At most max of the oldest nodes, in order; returns how many. 0 as for pop. */
size_t gri_inject_pop_batch(gri_inject *queue, gri_inject_node **ret_nodes, size_t max);

/* Any thread, a look without a lock. */
bool gri_inject_is_empty(gri_inject *queue);

#endif
