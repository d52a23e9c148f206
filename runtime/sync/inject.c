/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* The inject queue on liburcu's wfcqueue. */
#include "sync/inject.h"

#include "base/check.h"

/* ThreadSanitizer and the explorer do not see liburcu's atomics (they live in an uninstrumented library). */
#ifdef GRI_EXPLORE
#define HAND_OVER(node) explore_hand_over(node)
#define TAKE_OVER(node) explore_take_over(node)
#elif GRI_TSAN
void __tsan_acquire(void *address);
void __tsan_release(void *address);
#define HAND_OVER(node) __tsan_release(node)
#define TAKE_OVER(node) __tsan_acquire(node)
#else
#define HAND_OVER(node) ((void)(node))
#define TAKE_OVER(node) ((void)(node))
#endif

void gri_inject_init(gri_inject *queue)
{
    __cds_wfcq_init(&queue->head, &queue->tail);
    gri_spinlock_init(&queue->consumer);
}

void gri_inject_fini(gri_inject *queue)
{
    GRI_ASSERT(gri_inject_is_empty(queue));
}

void gri_inject_push(gri_inject *queue, gri_inject_node *node)
{
    cds_wfcq_node_init(node);
    HAND_OVER(node);
    cds_wfcq_enqueue(&queue->head, &queue->tail, node);
}

size_t gri_inject_pop_batch(gri_inject *queue, gri_inject_node **ret_nodes, size_t max)
{
    if (gri_inject_is_empty(queue) || !gri_spinlock_try(&queue->consumer)) return 0;
    size_t count = 0;
    while (count < max) {
        gri_inject_node *node = __cds_wfcq_dequeue_nonblocking(&queue->head, &queue->tail);
        if (node == NULL || node == CDS_WFCQ_WOULDBLOCK) break;
        TAKE_OVER(node);
        ret_nodes[count++] = node;
    }
    gri_spinlock_unlock(&queue->consumer);
    return count;
}

gri_inject_node *gri_inject_pop(gri_inject *queue)
{
    gri_inject_node *node = NULL;
    return gri_inject_pop_batch(queue, &node, 1) == 1 ? node : NULL;
}

bool gri_inject_is_empty(gri_inject *queue)
{
    return cds_wfcq_empty(&queue->head, &queue->tail);
}
