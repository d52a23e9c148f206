/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* See letters.h and <greenroom/dead_letter.h>. */
#include "actor/letters.h"

#include "actor/runtime.h"

#include <pthread.h>

gri_atomic_bool gri_letters_wanted;

static pthread_mutex_t set_lock = PTHREAD_MUTEX_INITIALIZER;
/* Constant while the runtime is up. */
static gr_letter_hook hook;
static void *hook_arg;
static void (*hook_drop)(void *arg);
static gri_atomic_u64
    reader; /* the address of who reads them; 0: nobody. Says nothing else, so everything about it is relaxed */

const char *gr_letter_reason_name(enum gr_letter_reason reason)
{
    static const char *const names[] = {"dead", "late", "discarded", "dropped", "expired", "unwanted", "lost"};
    return (unsigned)reason < sizeof names / sizeof *names ? names[reason] : "?";
}

static void decide_wanted(void)
{
    /* relaxed, both: a letter that is found meanwhile may be missed */
    gri_store_relaxed(&gri_letters_wanted, hook != NULL || gri_load_relaxed(&reader) != 0);
}

int gr_letter_hook_set(gr_letter_hook new_hook, void *arg, void (*drop)(void *arg))
{
    if (gri_runtime_forked()) return GR_EFORKED;
    pthread_mutex_lock(&set_lock);
    if (!gri_runtime_is_down()) {
        pthread_mutex_unlock(&set_lock);
        return GR_EINUSE;
    }
    void (*old_drop)(void *) = hook_drop;
    void *old_arg = hook_arg;
    hook = new_hook;
    hook_arg = arg;
    hook_drop = drop;
    decide_wanted();
    pthread_mutex_unlock(&set_lock);
    if (old_drop) old_drop(old_arg);
    return 0;
}

int gr_letters_to(gr_address actor)
{
    if (gri_runtime_forked()) return GR_EFORKED;
    if (actor.id != 0 && !gr_alive(actor)) return GR_EDEAD;
    pthread_mutex_lock(&set_lock);
    gri_store_relaxed(&reader, actor.id); /* relaxed: see its declaration */
    decide_wanted();
    pthread_mutex_unlock(&set_lock);
    return 0;
}

void gri_letters_stop(void)
{
    gri_store_relaxed(&reader, 0); /* relaxed: no actor is left */
    decide_wanted();
}

static void forget(gr_address dead)
{
    pthread_mutex_lock(&set_lock);
    uint64_t id = dead.id;
    gri_cas_strong_relaxed(&reader, &id, 0); /* relaxed: somebody else may have been set meanwhile, who stays */
    decide_wanted();
    pthread_mutex_unlock(&set_lock);
}

static void report_to(gr_address actor, enum gr_letter_reason reason, gr_address to, const gr_message *m)
{
    gr_builder b;
    gr_message *report = NULL;
    gr_build(&b);
    gr_put_object(&b);
    gr_put_key(&b, "dead_letter"), gr_put_string(&b, gr_letter_reason_name(reason));
    gr_put_key(&b, "to"), gr_put_address(&b, to);
    gr_put_key(&b, "from");
    if (m->sender.id)
        gr_put_address(&b, m->sender);
    else
        gr_put_null(&b);
    gr_put_key(&b, "message");
    if (gr_body(m).at)
        gr_put_value(&b, gr_body(m));
    else
        gr_put_null(&b);
    gr_put_end(&b);
    if (gr_build_message(&b, &report) == 0 && gri_deliver_report(actor, &report) == GR_EDEAD) forget(actor);
    gr_message_free(&report);
}

void gri_letter_report(enum gr_letter_reason reason, gr_address to, const gr_message *m)
{
    if (hook) hook(hook_arg, reason, to, m);
    gr_address actor = {gri_load_relaxed(&reader)}; /* relaxed: see its declaration */
    if (actor.id == 0 || gr_address_equal(to, actor)) return;
    report_to(actor, reason, to, m);
}
