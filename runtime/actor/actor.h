/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* The control block of an actor: three cache lines in a type-stable table. Its address is table index + generation.
 *
 * Owner: the actor itself, on whatever thread runs it; while it is parked nobody, and whoever wakes it (sync/mailword.h) owns
 * it until it is queued. Other threads touch the first line, `attention`, `queued`, and what `lock` guards, nothing else.
 * Blocks are never unmapped, so following a stale address is safe: generation and mailbox tag refuse it.
 *
 *   life:  free --spawn--> alive --finish--> (retained: gone, until waited for or forgotten) --> free, generation + 1
 *
 *   alive, as the mailbox word and the scheduler see it:
 *     RUNNING  queued, running, or between being woken and being queued
 *     WAIT_ANY parked in a receive, or an idle server
 *     WAIT_URGENT parked in a call, wait, sleep or socket operation: casts pile up without waking it
 *     CLOSED   finish has begun to tell the others
 *
 * A generation is odd while the slot is in use and even while it is free, so that address 0 and anything a free slot could
 * produce is dead. */
#ifndef GRI_ACTOR_ACTOR_H
#define GRI_ACTOR_ACTOR_H

#include "base/atomic.h"
#include "base/check.h"
#include "base/list.h"
#include "context/jump.h"
#include "memory/table.h"
#include "message/message.h"
#include "schedule/scheduler.h"
#include "sync/mailword.h"
#include "sync/spinlock.h"

#include <greenroom/actor.h>
#include <greenroom/registry.h>
#include <greenroom/server.h>
#include <stdarg.h>

typedef struct gri_more gri_more;
typedef struct gri_frame gri_frame;
typedef struct gri_serving gri_serving;

enum gri_actor_flag {
    GRI_SERVER = 1,
    GRI_ATTACHED = 2, /* a host thread: blocks instead of switching */
    GRI_KILLED = 4,   /* a kill has been seen and not taken back */
    GRI_KILLED_NOW = 8,
    GRI_KILL_HELD = 16,    /* cleanups are running: kills wait, all of them */
    GRI_KILL_WAITS = 8192, /* gr_kill_hold: kills wait, but not gr_kill_now */
    GRI_KILL_RAISING = 32, /* spawn option kill = GR_KILL_RAISES */
    GRI_RETAIN = 64,
    GRI_OVERFLOWED = 128,   /* the stack's yellow zone was opened: dies at its next runtime call */
    GRI_STARTED = 256,      /* server: start has succeeded */
    GRI_ENDING = 512,       /* server: gr_server_end; any: finish has begun */
    GRI_TRACED = 1024,      /* acts within a trace: more->tracing */
    GRI_FINISHING = 4096,   /* past its cleanups: watches are gone */
    GRI_NO_SUSPEND = 16384, /* between gr_no_suspend_begin and _end: see more->no_suspend */
    GRI_BOUNDED = 32768,    /* mailbox_max is not 0: asked here by the owner, whose senders write that line */
    GRI_ABORTED = 2048,     /* simulation: nothing can run, the host's wait gives up */
};

/* How an actor ended. */
enum gri_outcome { GRI_RETURNED, GRI_RAISED, GRI_WAS_KILLED, GRI_STACK_OVERFLOW };

/* Where to go when something is raised: on the stack of the function that protects. */
struct gri_frame {
    gri_jump jump;
    gri_frame *outer;
    enum gri_outcome outcome; /* why it was jumped to */
    uint16_t no_suspend,
        kill_holds; /* as they were when it was entered: whoever is jumped out of does not end its own */
};

struct gr_self {
    /* Everybody: senders swap the word, read generation and bound, and schedule the task they woke. */
    GRI_ALIGNED(GRI_CACHE_LINE) gri_mailword mailbox;
    union {
        struct {
            gri_atomic_u32 generation; /* written by spawn and at the end of a life; read by everyone with an address */
            gri_atomic_u32 mailbox_max; /* constant while alive; 0: unbounded; or see bound.h */
        };
        gri_atomic_u64 generation_and_max; /* both in one load, for who sends; little-endian processors only */
    };
    gri_task task;
    gr_message *handed; /* newest first: left by whoever woke the actor, before it was queued */

    /* The owner. */
    GRI_ALIGNED(GRI_CACHE_LINE) gr_message *inbox; /* oldest first; what receive looks at */
    gr_message *inbox_last;
    gr_message *held;  /* received and not freed, newest first: freed at the end */
    gr_message *reply; /* the answer to `awaited`, arrived */
    uint64_t awaited;  /* reference of the call, wait or blocking operation under way; 0: none */
    union {
        gri_serving *serving; /* server: the message being served, on the stack that serves it */
        struct {
            uint32_t number, ms;
        } idle; /* a server without a stack: what a stack has of its park */
    };
    gri_atomic_u64 published; /* state.c: the snapshot that gr_state reads; readers pin it here */
    gri_atomic_u32 attention; /* set by others after a flag went into the word; cleared by the owner */
    uint16_t flags;           /* enum gri_actor_flag */
    uint16_t kill_returns;    /* how often GR_EKILLED was returned for this kill */

    /* The owner, rarely. */
    GRI_ALIGNED(GRI_CACHE_LINE) union {
        gr_entry entry;
        const gr_server *server;
    };
    gr_message *args;           /* NULL: null */
    void *state;                /* server: its state */
    struct gri_watch *watchers; /* who wants to know of the end; guarded by gri_watch_lock, see watch.h */
    gri_frame *frame;           /* innermost protect */
    gri_more *more;             /* what few actors have; NULL until needed */
    gr_message *result;         /* gr_return's value, then the exit record */
    uint32_t received;          /* messages delivered; wraps */
    gri_atomic_u32
        queued; /* bounded: ordinary messages waiting; senders add, the owner subtracts. Else the inbox's length: owner */
};
#ifndef GRI_EXPLORE /* whose atomics are larger */
_Static_assert(sizeof(struct gr_self) == 3 * GRI_CACHE_LINE, "three lines: the target for an idle server is 192 bytes");
#endif

/* What the last different searches of gr_select have seen in vain, so that an actor that waits for several things by turns looks
 * at each message once for each. Owner only. */
#define GRI_SCANS 7 /* two cache lines in all */
typedef struct gri_scans {
    struct {
        gr_message *last; /* it and all before it were looked at; NULL: none */
        uint64_t wanted;  /* fingerprint of what was looked for; 0: unused */
    } at[GRI_SCANS];
    uint32_t newest, next; /* used last; to be replaced next */
} gri_scans;

/* What is allocated when an actor first needs any of it. Owner only, but for what `lock` in watch.h guards. */
struct gri_more {
    uint64_t references;      /* last reference given to a call, monitor or wait */
    gri_list watching;        /* gri_watch.own: links and monitors this actor holds on others; owner only */
    struct gri_defer *defers; /* newest first */
    gri_list memory;          /* gr_alloc */
    uint64_t memory_bytes;    /* thereof, as asked for */
    struct gri_deadline *deadline;
    gr_message *report;          /* what was raised, on its way to a protect */
    gr_detail *detail;           /* of the last failure */
    struct gri_scans *scans;     /* what gr_select remembers; NULL before the first one */
    struct gri_tracing *tracing; /* the trace it acts within, or did; NULL before the first one */
    uint16_t no_suspend, kill_holds;
    /* Server: as they were when the message under way began that first changed them; a raise goes back to that. */
    uint16_t no_suspend_before, kill_holds_before;
    uint32_t sections_message; /* which: 1 + received; 0: none */
    const gr_behaviour *behaviour;
    gri_list sockets; /* io: what to close at the end */
    void (*sockets_close)(gr_self *self);
    /* Supervised: what tells the supervisor that it is up, until it has; see supervisor.h. */
    gr_address supervisor;
    size_t memory_max;      /* of memory_bytes; 0: any */
    gr_deadline send_until; /* of the gr_send_wait under way; 0: none */
    gr_message *ready;
    bool ready_when_started; /* a server: as soon as start has succeeded */
    /* A server that goes on when it is killed: called once, and what it does ends with gr_server_end. Must not raise. */
    void (*on_kill)(gr_self *self, void *state);
    bool kill_taken; /* it was called */
    bool spared;     /* faults leave it alone: casualty.h */
};

/* ---- finding actors ---- */

/* What the table keeps of a free slot whose memory it gives back: zeros are a dead actor to all who look. */
uint32_t gri_actor_save(const void *slot);
void gri_actor_restore(void *slot, uint32_t generation);

GRI_INLINE gr_address gri_actor_address(const gr_self *self)
{
    /* relaxed: constant while the actor lives, and the caller knows it lives */
    gr_self *actor = (gr_self *)(uintptr_t)self;
    uint32_t generation = gri_load_relaxed(&actor->generation);
    return (gr_address){((uint64_t)generation << 32) | gri_load_relaxed(&actor->task.id)}; /* relaxed: constant */
}
static inline gr_self *gri_actor_of_task(gri_task *task)
{
    return GRI_CONTAINER_OF(task, gr_self, task);
}

/* Allocates `more` if it is not there: NULL when out of memory. */
gri_more *gri_actor_more(gr_self *self);
uint64_t gri_actor_reference(gr_self *self); /* a new one; 0 when out of memory */

/* ---- spawning and ending ---- */

enum gri_ready { GRI_READY_AT_ONCE, GRI_READY_STARTED, GRI_READY_SAYS };

typedef struct gri_spawn {
    gr_entry entry; /* or */
    const gr_server *server;
    const gr_spawn_options *options;
    const gr_behaviour *behaviour;
    gr_message *args;      /* moved in on success */
    const void *given;     /* the first pointer of the server's state; NULL: zero */
    gr_address supervisor; /* options.monitor is set */
    enum gri_ready ready;  /* when a supervised one is up */
} gri_spawn;
GR_MUST_CHECK int gri_actor_spawn(gr_self *self, gr_address *ret_address, const gri_spawn *what);
/* The behaviour of this name, with how->args, options, supervisor; how->ready is set by what it turns out to be. */
GR_MUST_CHECK int gri_behaviour_spawn(gr_self *self, gr_address *ret_address, const char *name, gri_spawn *how);
/* The same on behalf of nobody, from any thread: no link, no monitor. */
GR_MUST_CHECK int gri_actor_spawn_alone(const gri_spawn *what);

/* A block for an attached thread, alive and not queued. */
GR_MUST_CHECK int gri_actor_new_attached(gr_self **ret_self);
/* The exit record of a retained actor: a copy of it (keep), or itself, which ends its slot's life. GR_EDEAD if there is none,
 * GR_ENOMEM. Any thread. */
GR_MUST_CHECK int gri_actor_read_record(gr_address address, bool keep, gr_message **ret_exit);
/* Runs cleanups, tells the others, frees everything. The caller is the actor, on a stack that outlives this call; afterwards
 * the block is somebody else's. */
void gri_actor_finish(gr_self *self, enum gri_outcome outcome);
/* The last step: gives the slot away, or keeps it with the exit record. */
void gri_actor_end(gr_self *self);
/* gr_alloc's memory, all of it. */
void gri_own_release(gr_self *self);

/* ---- suspending (suspend.c) ---- */

/* gri_suspend_enter when there is anything to say: see below. */
GR_MUST_CHECK int gri_suspend_enter_slow(gr_self *self);
/* Parks until woken or the deadline has passed. wait is GRI_MAIL_WAIT_ANY or _URGENT. 0: woken, perhaps for nothing: look and
 * come again. GR_ETIMEOUT, GR_ENOMEM. Afterwards gri_inbox_collect. */
GR_MUST_CHECK int gri_suspend(gr_self *self, uint64_t wait, gr_deadline deadline);
/* The usual gri_suspend, without another frame: returns that follow a switch are not predicted, 5 ns each. */
GRI_INLINE int gri_suspend_here(gr_self *self, uint64_t wait, gr_deadline deadline)
{
    if (GRI_UNLIKELY(deadline.ns != INT64_MAX || (self->flags & (GRI_ABORTED | GRI_ATTACHED))))
        return gri_suspend(self, wait, deadline);
    int code = gri_task_park(&self->task, &self->mailbox, wait);
    return GRI_LIKELY(code == 0) ? 0 : gri_suspend(self, wait, deadline); /* tries again, and says what is wrong */
}
/* Is self the actor that runs here? Inline but for the thread-local, because every call asks. */
bool gri_self_is_attached_here(const gr_self *self);
GRI_INLINE bool gri_self_is_here(const gr_self *self)
{
    if (GRI_UNLIKELY(!self || (self->flags & GRI_ATTACHED))) return gri_self_is_attached_here(self);
    gri_worker *worker = gri_worker_here();
    return worker && gri_load_relaxed(&worker->current) == &self->task; /* relaxed: this thread's own write */
}
/* Its task, also of NULL, for a comparison: an address that is nobody's. */
GRI_INLINE gri_task *gri_task_of(const gr_self *self)
{
    return (gri_task *)((uintptr_t)self + offsetof(gr_self, task));
}

/* The worker that runs self, if that is an actor which runs here; NULL: no, or it is a thread of the host: ask the long way. One
 * comparison tells of NULL too, which is nobody's task. */
GRI_INLINE gri_worker *gri_worker_running(const gr_self *self)
{
    gri_worker *worker = gri_worker_here();
    /* relaxed: this thread's own write */
    return GRI_LIKELY(worker != NULL) && GRI_LIKELY(gri_load_relaxed(&worker->current) == gri_task_of(self)) ? worker
                                                                                                             : NULL;
}
/* The context checks and the kill that every suspending call begins with: 0, GR_ECONTEXT, GR_ESUSPEND, GR_EKILLED, GR_EFORKED;
 * does not return if the kill unwinds. */
GR_MUST_CHECK GRI_INLINE int gri_suspend_enter(gr_self *self)
{
    const uint16_t unusual = GRI_KILLED | GRI_KILLED_NOW | GRI_OVERFLOWED | GRI_NO_SUSPEND;
    /* relaxed: a flag that comes later is seen at the next call, or makes the park fail */
    if (GRI_LIKELY(gri_self_is_here(self) && !(self->flags & unusual) && !gri_load_relaxed(&self->attention))) return 0;
    return gri_suspend_enter_slow(self);
}
/* What a seen kill does to a suspending call: counts and returns GR_EKILLED, or unwinds. 0 if there is none (or it is held). */
int gri_kill_act(gr_self *self);
GRI_INLINE int gri_kill_check(gr_self *self)
{
    return GRI_LIKELY(!(self->flags & (GRI_KILLED | GRI_KILLED_NOW | GRI_OVERFLOWED))) ? 0 : gri_kill_act(self);
}
/* The same without counting or unwinding: for callers that have to put something in order first. */
int gri_kill_check_keeping(const gr_self *self);

/* Lets the others run if the slice is over: for calls that return without having waited. */
static inline void gri_give_way(gr_self *self)
{
    /* Not by way of self->task: that line belongs to whoever sends to us. */
    gri_worker *worker = gri_worker_here();
    if (worker && GRI_UNLIKELY(gri_worker_slice_is_over(worker)) && !(self->flags & GRI_ATTACHED))
        gri_task_yield(&self->task);
}
/* Looks at the mailbox word if somebody has put a flag there that a busy actor has to notice. */
void gri_attention_take(gr_self *self);
static inline void gri_attention(gr_self *self)
{
    /* relaxed: a flag that comes later is seen at the next call, or makes the park fail */
    if (GRI_UNLIKELY(gri_load_relaxed(&self->attention))) gri_attention_take(self);
}

/* Makes ready an actor that the caller has woken, handing over the chain. Any thread. */
void gri_actor_woken(gr_self *self, gri_mailnode *chain);
/* Hands the chain over that a waker holds; part of gri_actor_woken. Plain: from the moment the word moved to RUNNING the waker
 * alone owns this, until the task is queued. Nothing can be there already: the owner parks only after it has collected. */
GRI_INLINE void gri_actor_take_chain(gr_self *self, gri_mailnode *chain)
{
    GRI_DEBUG_ASSERT(!self->handed);
    self->handed = chain ? gri_message_of_node(chain) : NULL;
}
/* Wakes the actor if it lives: for timers, poller, blocking calls. False if it was dead. Any thread. */
bool gri_actor_notify(gr_address address);

/* Makes the frame the innermost one; gri_jump_mark follows. */
static inline void gri_frame_enter(gr_self *self, gri_frame *frame)
{
    const gri_more *more = self->more;
    frame->outer = self->frame;
    frame->outcome = GRI_RETURNED;
    frame->no_suspend = more ? more->no_suspend : 0;
    frame->kill_holds = more ? more->kill_holds : 0;
    self->frame = frame;
}
/* Leaves for the innermost protect. */
void gri_unwind(gr_self *self, enum gri_outcome outcome) __attribute__((noreturn));

/* ---- mailbox (inbox.c) ---- */

/* Moves everything that has arrived into the inbox; acts on kills and replies at once. May let others run between pieces of a
 * long chain. */
void gri_inbox_collect(gr_self *self);
/* Marks a message as received by user code / takes the mark off again. The list of what is held is linked by node.link towards the
 * older ones and by held_prev towards the newer ones; held_prev of the newest one is never looked at. */
GRI_INLINE void gri_hold(gr_self *self, gr_message *m)
{
    gr_message *before = self->held;
    m->flags |= GRI_MESSAGE_HELD;
    m->node.link = NULL;
    self->held = m;
    if (GRI_LIKELY(!before)) return;
    m->node.link = &before->node;
    before->held_prev = m;
}
/* Takes it out of the list, and leaves it marked: for what is about to be freed. */
GRI_INLINE void gri_unlist(gr_self *self, gr_message *m)
{
    gr_message *next = m->node.link ? gri_message_of_node(m->node.link) : NULL;
    if (GRI_LIKELY(self->held == m)) {
        self->held = next;
        return;
    }
    m->held_prev->node.link = m->node.link;
    if (next) next->held_prev = m->held_prev;
}
GRI_INLINE void gri_unhold(gr_self *self, gr_message *m)
{
    gri_unlist(self, m);
    m->flags &= (uint8_t)~GRI_MESSAGE_HELD;
    m->node.link = NULL;
}
/* Puts m behind what is in the inbox. The owner, while it collects; gri_push is for everybody. */
void gri_inbox_append(gr_self *self, gr_message *m);
/* What becomes of a GRI_MESSAGE_CONTROL that arrives; owns it. Set by io/ before it sends the first one. */
extern void (*gri_control_arrived)(gr_self *self, gr_message *m);
/* Takes m out of the inbox; before is the one in front of it, or NULL. */
gr_message *gri_inbox_take_out(gr_self *self, gr_message *before, gr_message *m);
/* Takes the oldest message out, or NULL. */
gr_message *gri_inbox_pop(gr_self *self);
/* A message that counts has left a bounded mailbox (bound.h). */
void gri_bound_taken(gr_self *self, const gr_message *m);
/* The usual case of collect and pop in one: a waker has handed over one plain message or call, and nothing else is there, no
 * kill either. NULL if it is not so. */
GRI_INLINE gr_message *gri_inbox_take_handed(gr_self *self)
{
    gr_message *m = self->handed;
    if (!m || self->inbox || m->node.link || !gri_message_is_usual(m) || gri_mailword_peek(&self->mailbox)) return NULL;
    self->handed = NULL;
    self->received++;
    if (GRI_UNLIKELY(self->flags & GRI_BOUNDED)) gri_bound_taken(self, m);
    return m;
}

/* What the actor has to do with a message that is about to leave: has received it, serves it; and is to have again if it does
 * not leave. */
typedef struct gri_custody {
    bool held, served;
} gri_custody;
gri_custody gri_custody_of(gr_self *self, const gr_message *m);
void gri_custody_return(gr_self *self, gri_custody custody, gr_message *m);

/* Pushes a message; on failure it is still the caller's. */
GR_MUST_CHECK int gri_push(gr_address to, gr_message *m, bool urgent);
/* Makes a message ready to leave: no longer held, copied as GREENROOM_COPY asks. */
GR_MUST_CHECK int gri_message_prepare(gr_self *from, gr_message **message);
/* A report of the runtime's own, from nobody: as gr_send, but it neither waits nor becomes a dead letter. Any thread. */
GR_MUST_CHECK int gri_deliver_report(gr_address to, gr_message **message);
/* As gr_send with all its checks: copy mode, bound, counters. from may be NULL. GRI_MAY_DEADLOCK: it is
 * there, from awaits an answer, and the receiver waits itself. */
GR_MUST_CHECK int gri_deliver(gr_self *from, gr_address to, gr_message **message);

/* ---- errors ---- */

/* Notes why: printf into the actor's detail; returns code. self may be NULL. */
int gri_fail(gr_self *self, int code, const char *format, ...) GR_PRINTF(3, 4);
int gri_fail_detail(gr_self *self, int code, const gr_detail *detail);
/* gri_pack_message with the detail kept by the actor. */
int gri_pack_for(gr_self *self, gr_message **ret_message, gr_site *site, const char *format, va_list args);

/* A report object {"error","description","text-exception","stack-trace"}; NULL when out of memory. */
gr_message *gri_report_new(gr_self *self, const char *error, gr_value description, const char *text, bool with_trace);

#endif
