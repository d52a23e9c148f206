/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* See casualty.h. */
#include "actor/casualty.h"

#include "actor/runtime.h"
#include "base/fault.h"

#include <greenroom/test.h>

static gr_address last, before_last; /* who ran */
static bool looks;                   /* in this run every call looks */

void gri_casualty_begin(void)
{
    last = before_last = GR_NO_ADDRESS;
    looks = false;
}

/* Gives fate a chance to kill it. */
static void chance(gr_address address)
{
    gr_self *self = gri_actor_find(address);
    if (!self || (self->flags & GRI_ATTACHED) || (self->more && self->more->spared)) return;
    if (gri_fault_due(GRI_FAULT_KILL)) (void)gr_kill(address);         /* GR_EDEAD: its end has begun */
    if (gri_fault_due(GRI_FAULT_KILL_NOW)) (void)gr_kill_now(address); /* likewise */
}

void gri_casualty_between(gri_task *task)
{
    gr_self *self = task && !task->foreign ? gri_actor_of_task(task) : NULL;
    gr_address next = self ? gri_actor_address(self) : GR_NO_ADDRESS;
    if (!gr_address_equal(before_last, last)) chance(before_last);
    if (!gr_address_equal(last, next)) chance(last);
    if (!self) return;
    chance(next);
    looks = !looks;
    /* relaxed: one thread */
    if (looks && (gri_faults_have(GRI_FAULT_KILL) || gri_faults_have(GRI_FAULT_KILL_NOW)))
        gri_store_relaxed(&self->attention, 1u);
    before_last = last;
    last = next;
}

void gri_casualty_in_call(gr_self *self)
{
    if (self->flags & GRI_ATTACHED) return;
    chance(gri_actor_address(self));
    if (looks) gri_store_relaxed(&self->attention, 1u); /* relaxed: one thread */
}

void gr_test_spare(gr_address address)
{
    gr_self *self = gri_scheduler_now && gri_scheduler_now->simulation ? gri_actor_find(address) : NULL;
    gri_more *more = self ? gri_actor_more(self) : NULL;
    if (more) more->spared = true;
}
