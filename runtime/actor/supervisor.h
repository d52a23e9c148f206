/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Supervisors, inside: a server whose state is a list of children, and which never suspends.
 *
 *   supervisor_children.c   the children: finding, adding, starting, stopping one
 *   supervisor.c            what follows from what: deaths, order, intensity, the end
 *   supervisor_calls.c      the methods, and what is published
 *
 * A child:
 *
 *            start                 ready                      death
 *     DOWN ---------> STARTING -----------> UP ----------------------------> DOWN (forgotten, or `wanted` again)
 *      ^ |                |                  |
 *      | | back-off       | stop             | stop
 *      | v                v                  v
 *     WAITING          STOPPING <------------+ ----- deadline: gr_kill_now
 *                         |
 *                         +---- death ----> DOWN
 *
 * Children of the table, and those started by behaviour, stand in `ordered`; which of them has to be stopped next, and which
 * started, is decided anew after each event by a walk over it (gri_supervisor_settle): no plan is kept that an event could
 * overtake. Children of `dynamic` stand in `loose` and are looked at one by one.
 *
 * What arrives: DOWN of a child's monitor; the child's READY message, made when it was spawned (actor.c), with the monitor's
 * number; the supervisor's own timers, {"id", "serial"}; calls. Memory is gr_alloc's, so whatever ends the supervisor frees it.
 * A kill does not end it (gri_more.on_kill): it begins the shutdown. */
#ifndef GRI_ACTOR_SUPERVISOR_H
#define GRI_ACTOR_SUPERVISOR_H

#include "actor/actor.h"
#include "base/instant.h"
#include "base/rng.h"

#include <greenroom/supervisor.h>

enum gri_child_state { GRI_CHILD_DOWN, GRI_CHILD_WAITING, GRI_CHILD_STARTING, GRI_CHILD_UP, GRI_CHILD_STOPPING };

typedef struct gri_child gri_child;
struct gri_child {
    gri_list link;           /* in ordered or loose */
    gri_child *next_id;      /* in the table by id */
    gri_child *next_monitor; /* in the table by monitor, while it lives */
    gr_child spec;           /* what it is: the table's, or made by start_child */
    gr_value args;           /* of start_child; missing: spec.arguments */
    const char *name;        /* of start_child; NULL: as the options say */
    gr_address address;      /* none while down */
    gr_monitor_ref monitor;
    gr_timer timer; /* of the state it is in */
    uint64_t timer_serial;
    gri_instant not_before, up_since, died;
    uint64_t restarts;
    uint32_t failures; /* in a row, each within the period after it was started */
    uint8_t state;     /* enum gri_child_state */
    bool loose;
    bool wanted; /* is to run */
    bool marked; /* is to be stopped, with its siblings */
    bool was_up;
    bool owned;          /* of start_child: its strings are its own */
    bool on_trial;       /* of start_child: forgotten unless it comes up */
    bool late;           /* it is stopped because it took too long to start */
    gr_message *starter; /* the call that is answered when it is up */
    gr_message *stopper; /* the call that is answered when it is down */
};

enum gri_supervisor_phase { GRI_SUPERVISOR_STARTING, GRI_SUPERVISOR_RUNNING, GRI_SUPERVISOR_ENDING };

typedef struct gri_supervisor {
    const gr_supervisor *table; /* first: see gri_spawn.given */
    gri_list ordered, loose;
    gri_child **by_id, **by_monitor; /* buckets: a power of two */
    size_t buckets, count, alive, up;
    uint64_t next_id, restarts;
    gri_instant *times; /* of the last restarts: a ring of `intensity` */
    uint32_t intensity, times_count, times_next;
    int64_t period_ns, backoff_ns, backoff_max_ns;
    gri_instant not_before; /* a group's start */
    gri_rng rng;
    uint8_t phase;
    bool dirty; /* what is published is old */
    gri_instant published;
    gr_value ending;            /* why it ends, a report's description; missing: it was killed, or told to */
    struct gri_waiter *waiters; /* calls of ready and shutdown */
} gri_supervisor;

/* A call that is answered later. */
typedef struct gri_waiter {
    struct gri_waiter *next;
    gr_message *call;
    bool shutdown; /* else ready */
} gri_waiter;

/* ---- children ---- */

gri_child *gri_child_find(gri_supervisor *s, const char *id);
gri_child *gri_child_of_monitor(gri_supervisor *s, uint64_t reference);
/* A new one, down and wanted. NULL: no memory. */
gri_child *gri_child_add(gr_self *self, gri_supervisor *s, const gr_child *spec, const char *id, bool loose);
void gri_child_forget(gr_self *self, gri_supervisor *s, gri_child *c);
/* Spawns it: afterwards it is STARTING or UP, or a code why not (the detail says more). */
GR_MUST_CHECK int gri_child_start(gr_self *self, gri_supervisor *s, gri_child *c);
/* Asks it to end; it is STOPPING until its DOWN comes. */
void gri_child_stop(gr_self *self, gri_supervisor *s, gri_child *c);
void gri_child_kill_now(gr_self *self, gri_child *c);
/* It has ended, or was not spawned: what is to be undone. */
void gri_child_gone(gr_self *self, gri_supervisor *s, gri_child *c);
void gri_child_up(gr_self *self, gri_supervisor *s, gri_child *c);
/* A timer of the state it is in; the earlier one is taken back. */
void gri_child_arm(gr_self *self, gri_child *c, gri_instant when);
void gri_child_disarm(gr_self *self, gri_child *c);
static inline bool gri_child_is_alive(const gri_child *c)
{
    return c->state >= GRI_CHILD_STARTING;
}
const char *gri_child_kind(const gri_child *c);

/* ---- what follows ---- */

/* Does what can be done now: stops who is marked, starts who is wanted, ends the supervisor. */
void gri_supervisor_settle(gr_self *self, gri_supervisor *s);
/* The same for one loose child, which may be gone afterwards; another one's call may follow. */
void gri_supervisor_settle_loose(gr_self *self, gri_supervisor *s, gri_child *c);
/* Begins to end. */
void gri_supervisor_shut_down(gr_self *self, gri_supervisor *s);

/* ---- calls ---- */

#define GRI_SUPERVISOR_METHODS 8
extern const gr_method gri_supervisor_methods[GRI_SUPERVISOR_METHODS];
void gri_supervisor_publish(gr_self *self, gri_supervisor *s);     /* now, or, in a storm, a little later */
void gri_supervisor_publish_now(gr_self *self, gri_supervisor *s); /* before somebody is told of what has changed */
/* Answer and free a call that was taken; call may be NULL. */
void gri_answer_child(gr_self *self, gr_message **call, const gri_child *c);
void gri_answer_null(gr_self *self, gr_message **call);
void gri_answer_error(gr_self *self, gr_message **call, const char *error, gr_value description, const char *text);
void gri_answer_waiters(gr_self *self, gri_supervisor *s, bool shutdown);

/* ---- for the rest of the layer ---- */

extern const gr_server gri_supervisor_server;
/* Spawns one, perhaps as a child of another. */
GR_MUST_CHECK int gri_supervisor_spawn(gr_self *self, gr_address *ret_address, const gr_supervisor *table,
                                       const gri_spawn *how);

#endif
