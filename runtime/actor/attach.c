/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Attached host threads: an actor whose waiting blocks the thread on a parker.
 *
 * The thread waits like any actor: it parks its mailbox word, and whoever moves the word back wakes the parker. When a
 * deadline ends the wait first, the thread moves the word back itself; if somebody else was faster, their token is on its way
 * and is waited for, so that it cannot end a later wait.
 *
 * Under simulation the thread's own stack is one more stack among the green ones, and waiting switches away from it. */
#include "actor/attach.h"

#include "actor/finish.h"
#include "actor/runtime.h"
#include "os/clock.h"

#include <greenroom/runtime.h>
#include <pthread.h>
#include <stdlib.h>

typedef struct attached {
    gri_attached_mark mark; /* first */
    uint32_t waits;         /* how often it has waited; wraps */
    gri_parker parker;
    gr_self *self;
    gri_heap *heap;
    gri_stack stack; /* simulation: stands for the thread's own stack */
} attached;

static GRI_THREAD_LOCAL attached *here;
static pthread_key_t key;
static bool key_made; /* guarded by key_lock, as the making of the key is */
static pthread_mutex_t key_lock = PTHREAD_MUTEX_INITIALIZER;

GRI_NOINLINE static attached *attached_now(void)
{
    __asm__ volatile("" ::: "memory"); /* read anew, whatever thread this was called on before */
    return here;
}

gr_self *gri_attached_here(void)
{
    attached *a = attached_now();
    return a ? a->self : NULL;
}

static void detach(attached *a)
{
    if (!a || !a->self) return;
    gr_self *self = a->self;
    gri_simulation_thread_leave(&self->task);
    gri_actor_finish(self, self->flags & (GRI_KILLED | GRI_KILLED_NOW) ? GRI_WAS_KILLED : GRI_RETURNED);
    a->self = NULL;
    here = NULL;
    if (a->heap) gri_heap_retire(a->heap); /* flushes and unbinds it */
    if (gri_scheduler_now && gri_scheduler_now->simulation) gri_context_fini(&a->stack.context);
    free(a);
}

/* The thread ends without having detached. */
static void thread_ends(void *arg)
{
    attached *a = arg;
    if (gri_runtime_forked()) return; /* the actor is the parent's; a lock here may be held by a thread that is not */
    if (gri_runtime_is_down())
        free(a);
    else
        detach(a);
}

/* Hears of the thread's end from here on. False: the process has no more keys, or no memory. */
static bool watch_end(attached *a)
{
    pthread_mutex_lock(&key_lock);
    if (!key_made) key_made = pthread_key_create(&key, thread_ends) == 0;
    bool made = key_made;
    pthread_mutex_unlock(&key_lock);
    return made && pthread_setspecific(key, a) == 0;
}

int gr_attach(gr_self **ret_self)
{
    if (gri_runtime_forked()) return GR_EFORKED;
    if (!gri_runtime_is_up()) return GR_ENOTRUNNING;
    attached *a = attached_now();
    if (a) {
        *ret_self = a->self;
        return 0;
    }
    bool simulated = gri_scheduler_now->simulation != NULL;
    if (gri_worker_here() && !simulated) return GR_ECONTEXT; /* a green thread */
    if (simulated && !gri_simulation_may_attach()) return GR_ECONTEXT;
    a = calloc(1, sizeof *a);
    if (!a) return GR_ENOMEM;
    if (!watch_end(a)) {
        free(a);
        return GR_ENOMEM;
    }
    gri_parker_init(&a->parker);
    a->heap = simulated ? NULL : gri_heap_new(0);
    int code = a->heap || simulated ? gri_actor_new_attached(&a->self) : GR_ENOMEM;
    if (code != 0) {
        if (a->heap) gri_heap_retire(a->heap);
        pthread_setspecific(key, NULL);
        free(a);
        return code;
    }
    if (a->heap) gri_heap_bind(a->heap);
    a->self->state = a; /* how a waker finds the parker */
    if (simulated) {
        gri_context_from_thread(&a->stack.context);
        gri_simulation_thread_enter(&a->self->task, &a->stack);
    }
    here = a;
    *ret_self = a->self;
    return 0;
}

void gr_detach(gr_self **self)
{
    if (!self || !*self) return;
    attached *a = attached_now();
    if (!a || a->self != *self) return;
    *self = NULL;
    if (gri_runtime_forked()) return; /* as in thread_ends */
    pthread_setspecific(key, NULL);
    detach(a);
}

void gri_attached_wake(gr_self *self)
{
    gri_parker_notify(&((attached *)self->state)->parker);
}

static void wait_in_park(attached *a, gr_self *self, uint64_t wait, gri_instant deadline)
{
    /* relaxed, both: the park publishes them */
    gri_store_relaxed(&a->mark.parked_ms, (uint32_t)(gri_clock_monotonic() / GRI_NS_PER_MS));
    gri_store_relaxed(&a->mark.parked_number, ++a->waits);
    if (!gri_mailword_park(&self->mailbox, wait)) return;
    if (gri_parker_wait(&a->parker, deadline)) return;
    gri_mailnode *chain = NULL;
    gr_address address = gri_actor_address(self);
    if (gri_mailword_signal(&self->mailbox, (uint32_t)(address.id >> 32), GRI_MAIL_NOTIFY, &chain) == GRI_MAIL_WOKE) {
        gri_actor_take_chain(self, chain);
    } else {
        gri_parker_wait(&a->parker, GRI_INSTANT_NEVER); /* somebody woke us just now: theirs is on its way */
    }
}

void gri_attached_wait(gr_self *self, uint64_t wait, gri_instant deadline)
{
    attached *a = self->state;
    gri_heap_bind(NULL); /* flushes, and lets others trim it while we wait */
    wait_in_park(a, self, wait, deadline);
    gri_heap_bind(a->heap);
}
