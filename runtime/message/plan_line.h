/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* The shortest way from arguments to a message, inlined where most messages are made: the plan is there already, all that varies is
 * one integer or address, and the value fits an envelope ("I", "A", "{s:I}"): a line of memory, three words of template, the
 * argument into its place.
 *
 * Any thread; not in functions that suspend (memory/heap.h). */
#ifndef GRI_MESSAGE_PLAN_LINE_H
#define GRI_MESSAGE_PLAN_LINE_H

#include "memory/heap.h"
#include "message/arguments.h"
#include "message/message.h"
#include "message/plan.h"

/* The plan of a place, if it is such a one; NULL: go the general way. */
GRI_INLINE const gri_plan *gri_line_plan(const gr_site *site)
{
    if (!GRI_ARGUMENTS_IN_PLACE || GRI_UNLIKELY(!site)) return NULL;
    /* mo:plan.find acquire <- plan.publish release: the plan */
    const gri_plan *plan = gri_load_acquire((gri_atomic_ptr *)(void *)&site->plan);
    return GRI_LIKELY(plan != NULL) && GRI_LIKELY(plan->is_line) ? plan : NULL;
}

/* Makes the block a cast. list: GRI_ARGUMENTS_AT of a va_list that nobody has read from yet; named: how many words the function
 * takes before the variable ones. link and generation are left to whoever sends it. */
GRI_INLINE void gri_line_write(gr_message *m, const gri_plan *plan, const void *list, unsigned named, gr_address sender,
                               uint32_t tick)
{
    unsigned char *to = gri_message_room(m);
    m->sender = sender;
    m->reference = 0;
    memcpy((char *)m + offsetof(struct gr_message, kind), &plan->line_head, sizeof plan->line_head);
    m->tick = tick;
    memcpy(to, plan->line, sizeof plan->line);
    if (plan->line_bytes == 0) return;
    gri_argument_places places;
    gri_arguments_find_words(list, named, &places);
    uint64_t word = gri_argument_word(&places, plan->line_word.place);
    if (GRI_UNLIKELY(plan->line_bytes == 4)) word = (uint64_t)(int64_t)(int32_t)word;
    gri_store64(to + plan->line_word.at, word);
}

#endif
