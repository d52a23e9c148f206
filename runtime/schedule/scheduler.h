/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* The pool of workers of the process: start, stop, and what its parts share. One at a time.
 *
 *   worker.c     the loop, parking and resuming tasks, local queues
 *   steal.c      looking for work elsewhere, going to sleep, being woken
 *   monitor.c    the slice flag, stuck workers and spare ones, lost wake-ups
 *   simulate.c   the same choices made by a seed on one thread with virtual time
 *
 * What a message between two tasks of one worker touches: that worker's slot and the two tasks. Nothing shared.
 *
 * What a worker holds may be drained by other threads at any time: the slot by the monitor, deque, overflow and nursery by stealing,
 * the wheel by firing (its lock); only the queue of pinned tasks by nobody but its worker, which is what pinned means. A worker
 * that is stuck in a task therefore needs no protocol of its own: others, or a spare worker that the monitor puts in, take
 * what it holds, and it goes on as an ordinary worker when the task lets go. */
#ifndef GRI_SCHEDULE_SCHEDULER_H
#define GRI_SCHEDULE_SCHEDULER_H

#include "base/atomic.h"
#include "base/rng.h"
#include "memory/heap.h"
#include "memory/table.h"
#include "os/park.h"
#include "os/poller.h"
#include "os/thread.h"
#include "os/topology.h"
#include "schedule/nursery.h"
#include "schedule/task.h"
#include "schedule/wheel.h"
#include "sync/deque.h"
#include "sync/eventcount.h"
#include "sync/slot.h"

enum gri_steal_policy { GRI_STEAL_DISTANCE, GRI_STEAL_RANDOM, GRI_STEAL_NONE };

typedef struct gri_schedule_config {
    unsigned workers;
    enum gri_steal_policy steal;
    int64_t spin_ns, slice_ns, stuck_ns;
    const gri_topology *topology; /* borrowed until stop; NULL: one flat machine, nothing is bound */
    gri_table *slots;             /* the upper layer's table: workers keep caches of its free slots */
    unsigned stack_class;         /* of worker loops, and so of every task that does not ask for its own */
    uint8_t send_specially;       /* see gri_worker */
    ptrdiff_t task_of_word; /* from a mailbox word to its task, the same for all; 0: parks are published at once */
    bool simulate;
    uint64_t seed;
    /* How many workers may run now: asked by the monitor twice a second; the highest ones beyond that wait. NULL: all. */
    unsigned (*usable)(void);
    /* Called by the monitor about the task that holds its worker too long. NULL: nobody wants to know. */
    void (*stuck)(unsigned worker, uint32_t task_id, int64_t held_ns);
    /* What a worker's thread needs of the layer above, made before it starts, given to it first of all, and released when it has
     * ended; a start fails with what the first two return. NULL, all: nothing. */
    int (*thread_prepare)(void **ret_room);
    int (*thread_begin)(void *room);
    void (*thread_end)(void); /* on the thread, last */
    void (*thread_release)(void *room);
    bool (*deadlock)(void); /* simulation: nothing can ever run; true if somebody was made ready */
    /* Simulation with faults: this task is about to run (NULL: nothing can before time passes). May make tasks ready. */
    void (*about_to_run)(gri_task *task);
    void (*log)(int level, const char *text);
    void (*poll_report)(void *arg, uint64_t cookie, bool readable, bool writable, bool hangup);
} gri_schedule_config;

/* Counters that the owner writes and anybody reads. */
typedef struct gri_worker_counters {
    gri_atomic_u64 switches, runs, steals, stolen, wakes, parks, polls, timers, deque_pushes, spills;
    gri_atomic_u64 kept; /* a task gave way and nobody else wanted to run */
} gri_worker_counters;

#define GRI_UPPER_COUNTERS 4
#define ANSWERED_MAX 3 /* guess */

struct gri_worker {
    /* Owner only: the thread that runs this worker. */
    gri_stack *stack; /* the one it stands on */
    uintptr_t
        leaving; /* the leaving task's: the word to park, in its last bits the state and UNPUBLISHED; 0: it goes on */
    uint8_t answered; /* of late, who was spoken to has answered at once: 0 to ANSWERED_MAX, see gri_worker_publish */
    gri_task *leaving_task;   /* it, if what comes next is a fresh loop; other stacks are told by the switch */
    gri_stack *leaving_stack; /* or: to be cached after the switch away from it */
    gri_task *resume;         /* a task without stack that the fresh loop runs first */
    uint32_t ticks;
    uint16_t index;
    bool searching, spare, simulated;
    bool overflowed;    /* something may be in `overflow` */
    uint8_t loop_class; /* of its loops' stacks */
    gri_rng rng;
    gri_stack_cache stacks;
    gri_table_cache slots; /* of the layer above: free slots of its table */
    gri_heap *heap;
    uint32_t *victims;  /* all other base workers, nearest first */
    gri_context thread; /* the pthread's own stack */
    gri_thread handle;
    struct gri_scheduler *scheduler;
    void *room;             /* of config.thread_prepare */
    gri_table_cache timers; /* of the layer above, too; never flushed: its table ends before the next start */

    /* Written by the owner, read by the monitor and by thieves. */
    GRI_ALIGNED(GRI_CACHE_LINE) gri_atomic_ptr current; /* the task it runs; NULL: none. For reports only */
    gri_atomic_u32 phase;                               /* enum gri_worker_phase */
    gri_atomic_u32 thread_id;                           /* the kernel's; 0: not running yet */
    gri_atomic_bool stuck;                              /* written by the monitor, when it changes; for reports */
    gri_worker_counters counters;
    gri_atomic_u64 upper[GRI_UPPER_COUNTERS]; /* what the layer above counts per worker */

    /* Written by the monitor (set) and the owner (cleared); says nothing else, so everything about it is relaxed. */
    GRI_ALIGNED(GRI_CACHE_LINE) gri_atomic_bool yield;
    /* Give everything up and wait outside the idle protocol: a spare that is not needed, a worker the CPU quota has no room
     * for. Set by the monitor, by a spare itself when it is idle; cleared by the monitor, for a spare with a
     * release (put_in). A request. */
    gri_atomic_bool retire;
    /* What the layer above has asked to be reminded of when it sends: bit 0 is set once a tick, the others are
     * config.send_specially; it takes bit 0 off. */
    gri_atomic_u8 send_specially;
    gri_atomic_u32 tick_ms; /* the scheduler's, at hand */

    /* Shared: each has its own rules. */
    gri_slot slot;
    gri_slot unpublished; /* the word of who waits for anything and is not published yet: see gri_worker_publish */
    gri_parker parker;
    gri_atomic_bool in_poller; /* seq_cst with the parker's token: who wakes it looks here */
    gri_inject pinned;
    gri_inject overflow; /* what the deque had no room for, and all that came after it */
    gri_nursery nursery; /* thereof, what has never run */
    gri_wheel wheel;
    gri_deque deque;
};

enum gri_worker_phase { GRI_WORKER_ABSENT, GRI_WORKER_BUSY, GRI_WORKER_SEARCHING, GRI_WORKER_ASLEEP };

#define GRI_SPARE_WORKERS_MAX 64

typedef struct gri_scheduler {
    gri_schedule_config config;
    gri_worker *workers;         /* base workers, then room for spares */
    unsigned workers_max;        /* of them all */
    gri_atomic_u32 worker_count; /* slots in use; grows only, by the monitor (release), read by thieves (acquire) */
    gri_inject inject;           /* tasks made ready by other threads, or given up */
    gri_idle idle;               /* who sleeps, how many search */
    gri_poller poller;
    gri_spinlock poller_lock;     /* one polls at a time */
    gri_atomic_i64 poll_deadline; /* until when the poller's holder sleeps; GRI_INSTANT_PAST: nobody does */
    gri_atomic_u32 watched;       /* descriptors in the poller: 0 means that looking there is no use */
    gri_atomic_bool stopping;
    gri_atomic_u32 begun;    /* base workers whose thread runs; the start waits for them */
    gri_atomic_i64 refusal;  /* why one of them cannot go on; 0 */
    gri_parker begin_parker; /* of who starts */
    gri_thread monitor;
    gri_parker monitor_parker;
    gri_atomic_bool monitor_asleep;
    gri_atomic_u64 rescues, stuck, timers; /* timers that the monitor has fired */
    gri_atomic_u32 tick_ms;                /* written by the monitor, or by whoever simulates */
    gri_atomic_u32 next_home;
    struct gri_simulation *simulation;
} gri_scheduler;

/* NULL while no runtime is up. Set before the first worker starts, cleared after the last has ended. */
extern gri_scheduler *gri_scheduler_now;

/* Returns when every worker's thread runs, or why one cannot, which ret_why says in words (NULL: nobody wants to know). */
GRI_MUST_CHECK int gri_scheduler_start(const gri_schedule_config *config, char *ret_why, size_t why_bytes);
/* The caller has seen to it that no task is queued, running or parked. */
void gri_scheduler_stop(void);

/* The worker whose thread this is, or NULL; read anew each time: right after a switch, too, where a compiler that knows the
 * thread-local would use the address it has computed before. */
extern GRI_THREAD_LOCAL gri_worker *gri_worker_of_thread;
gri_worker *gri_worker_read(void);
GRI_INLINE gri_worker *gri_worker_here(void)
{
#if defined(__x86_64__)
    gri_worker *worker;
    __asm__ volatile("movq gri_worker_of_thread@gottpoff(%%rip), %0\n\tmovq %%fs:(%0), %0" : "=r"(worker));
    return worker;
#else
    return gri_worker_read();
#endif
}

/* 1 + index of a worker for a task that is to be pinned: this one, or by turns. */
uint16_t gri_scheduler_home(void);
/* Coarse time in milliseconds, wrapping, renewed by the monitor; virtual in simulation. */
GRI_INLINE uint32_t gri_scheduler_tick(void)
{
    return gri_load_relaxed(&gri_scheduler_now->tick_ms); /* relaxed: coarse time */
}
/* Sets it, for all workers too. */
void gri_scheduler_tick_set(gri_scheduler *scheduler, gri_instant now);
/* Sums of the workers' counters, by offset in gri_worker. */
uint64_t gri_scheduler_sum(size_t offset);

/* Timers: on the calling worker's wheel, elsewhere on the first one's. */
void gri_scheduler_arm(gri_wheel_entry *entry, gri_instant when);

/* Wakes one sleeper if there is one and nobody searches; called after work was published. */
void gri_scheduler_wake_one(void);
/* The poller has something new to watch: makes sure that somebody looks. */
GRI_MUST_CHECK int gri_scheduler_watch(int fd, uint64_t cookie);
void gri_scheduler_unwatch(int fd);

/* Simulation only. One attached thread is what everything runs in: its stack takes part in the switching. */
bool gri_simulation_may_attach(void);
gri_task *gri_simulation_thread(void);
void gri_simulation_thread_enter(gri_task *task, gri_stack *stack);
void gri_simulation_thread_leave(gri_task *task);
uint64_t gri_simulation_hash(void);
void gri_simulation_note(uint64_t what);
gri_instant gri_simulation_clock(void *arg);
bool gri_simulation_one_in(unsigned n);
uint64_t gri_simulation_below(uint64_t n);
/* Something else that happens in time, a network say: when the first of it is due (GRI_INSTANT_NEVER: never), and to be called when
 * that has come. Until the simulation stops. */
void gri_simulation_events(gri_instant (*earliest)(void), void (*happen)(gri_instant now));
/* How far virtual time has come. */
int64_t gri_simulation_ns(void);

/* For worker.c, steal.c, monitor.c and simulate.c. */
gri_task *gri_worker_next_local(gri_worker *worker);
gri_task *gri_worker_pop(gri_worker *worker);
gri_task *gri_worker_next(gri_worker *worker);
void gri_worker_housekeeping(gri_worker *worker);
void gri_worker_push(gri_worker *worker, gri_task *task);
/* gri_task_ready for the caller's own worker and a task that may run on any; what it displaces is the caller's to push. */
GRI_INLINE gri_task *gri_worker_ready_first(gri_worker *worker, gri_task *task)
{
    if (task->stack) { /* the frames from park to receive, and the next: 34.6 ns a hop of 1,000 parked actors, four 35.9 */
        const char *sp = task->stack->context.sp;
        for (int i = 0; i < 3; i++) GRI_PREFETCH_READ(sp + i * GRI_CACHE_LINE);
    }
    return gri_slot_put(&worker->slot, task);
}
GRI_INLINE void gri_worker_ready(gri_worker *worker, gri_task *task)
{
    gri_task *displaced = gri_worker_ready_first(worker, task);
    if (GRI_UNLIKELY(displaced != NULL)) gri_worker_push(worker, displaced);
}
/* Whoever waits for any message, and lets the one run that it has just spoken to, will most likely be answered by that one at once.
 * So its park is not published yet: its word goes on saying RUNNING, and stays with the worker. Who speaks to it there next takes
 * it over without an atomic operation, where park and wake are a quarter of a message between two actors. It is published when
 * something else is to run: before the worker takes a task that was not spoken to, looks elsewhere, or is given way on; when the
 * next one parks in the same way; and by the monitor when one task has run for a slice. Until then a message from another thread
 * is queued and wakes nobody, as if the task were still running: what waits in the slot waits as long. Where three in a row were
 * answered by nobody (a ring), parks are published at once again until the worker's next turn for other things. In simulation
 * each park is. */
#define GRI_UNPUBLISHED 4u /* in gri_worker.leaving */
_Static_assert((GRI_MAIL_STATE_MASK & GRI_UNPUBLISHED) == 0 && GRI_CACHE_LINE > 2 * GRI_UNPUBLISHED, "words are lines");

void gri_park_publish(gri_scheduler *scheduler, gri_mailword *word);
void gri_worker_publish_slow(gri_worker *worker);
/* Owner. */
GRI_INLINE void gri_worker_publish(gri_worker *worker)
{
    if (GRI_UNLIKELY(!gri_slot_is_empty(&worker->unpublished))) gri_worker_publish_slow(worker);
}
/* Owner. Puts a park aside, for a while: see above. The one that was there before is published; this one, if the monitor is just
 * at it. */
GRI_INLINE void gri_worker_park_unpublished(gri_worker *worker, gri_mailword *word)
{
    gri_mailword *before = gri_slot_put(&worker->unpublished, word);
    if (GRI_LIKELY(!before)) return;
    worker->answered--;
    gri_park_publish(worker->scheduler, before);
}
/* Owner, for a task without a stack that waits for anything: gri_mailword_park, now or, if it has spoken to who runs next, later. */
GRI_INLINE bool gri_worker_park_idle(gri_worker *worker, gri_mailword *word)
{
    if (!worker->answered || gri_slot_is_empty(&worker->slot) || gri_mailword_peek(word))
        return gri_mailword_park(word, GRI_MAIL_WAIT_ANY);
    gri_worker_park_unpublished(worker, word);
    return true;
}
/* Any thread: for who wants to see that somebody waits who has parked here. */
GRI_INLINE void gri_worker_publish_here(void)
{
    gri_worker *worker = gri_worker_here();
    if (worker) gri_worker_publish(worker);
}
/* Owner. Takes over who waits for this word, if that is the one that is not published: true, and the caller makes it ready with what
 * it has for it. */
GRI_INLINE bool gri_worker_take_unpublished(gri_worker *worker, gri_mailword *word, uint32_t generation)
{
    void *const wanted = word;
    bool done;
    /* relaxed, both: what the owner has put there itself, or nothing any more; and what was sent by who runs here is in the word,
     * what others send meanwhile is not older than this */
    if (gri_load_relaxed(&worker->unpublished.item) != wanted ||
        gri_load_relaxed(&word->word) != (gri_mailword_tag(generation) | GRI_MAIL_RUNNING) ||
        gri_slot_swap_owner(&worker->unpublished, NULL, &done) != wanted)
        return false;
    worker->answered = ANSWERED_MAX;
    return true;
}
/* Has the running task used up its worker's slice while others wait? One load; only a hint. */
static inline bool gri_worker_slice_is_over(gri_worker *worker)
{
    return gri_load_relaxed(&worker->yield); /* relaxed: a hint, see its declaration */
}
/* Is there anything for thieves? */
static inline bool gri_worker_has_backlog(gri_worker *worker)
{
    return gri_deque_count(&worker->deque) > 0 || !gri_inject_is_empty(&worker->overflow) ||
           !gri_nursery_is_empty(&worker->nursery);
}
/* Grows whenever the worker goes from one task to another, or could have. */
static inline uint64_t gri_worker_epoch(gri_worker *worker)
{
    /* relaxed: a moment's picture */
    return gri_load_relaxed(&worker->counters.switches) + gri_load_relaxed(&worker->counters.runs) +
           gri_load_relaxed(&worker->counters.kept);
}
void gri_worker_main(void *arg);
void gri_worker_here_set(gri_worker *worker);
int gri_worker_init(gri_worker *worker, gri_scheduler *scheduler, unsigned index);
void gri_worker_fini(gri_worker *worker);
void gri_worker_loop(void *arg) __attribute__((noreturn));
void gri_worker_give_up(gri_worker *worker);
void gri_worker_unpark(gri_worker *worker);
bool gri_worker_poll(gri_worker *worker);
void gri_monitor_main(void *arg);
int gri_simulation_start(gri_scheduler *scheduler);
void gri_simulation_stop(gri_scheduler *scheduler);
/* The next task by the seed's choice; may move to another worker (*worker). NULL: nothing can run without time passing, and
 * `advance` is false. */
gri_task *gri_simulation_next(gri_worker **worker, bool advance);

#endif
