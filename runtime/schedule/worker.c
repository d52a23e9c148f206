/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
#include "schedule/scheduler.h"

#include "base/check.h"
#include "base/fault.h"
#include "os/clock.h"
#include "os/thread.h"

#include <greenroom/error.h>

/* Every so many tasks a worker looks at the common queue, its timers and the poller, on the hand-over path too: 64 makes the
 * poller's 164 ns 2.6 ns a task (measured in the prototypes). */
#define HOUSEKEEPING_TICKS 64
#define PINNED_TICKS 16 /* guess: pinned tasks get at least every sixteenth turn */
/* Timers fired at a look. Less when enough wait already, so that more of what waits stays in the wheel: in the run queue it would be
 * touched twice, and be far away again when it runs (timers, green, 100,000 actors on one worker: 2.0 s CPU with 64 always, 1.15). */
#define FIRE_LIMIT 64
#define FIRE_LIMIT_BUSY 32
#define INJECT_BATCH 32
#define REFILL_BATCH 64    /* guess: four times what runs between two looks */
#define GRI_STACKS_KEPT 64 /* warm stacks a worker: guess */

GRI_THREAD_LOCAL gri_worker *gri_worker_of_thread;

GRI_NOINLINE gri_worker *gri_worker_read(void)
{
    /* The empty statement keeps the compiler from treating this as a pure function whose result may be reused. */
    __asm__ volatile("" ::: "memory");
    return gri_worker_of_thread;
}

GRI_NOINLINE void gri_worker_here_set(gri_worker *worker)
{
    gri_worker_of_thread = worker;
}

/* Behind everything that waits here: where the ring is full, and as long as anything older does, in the overflow. What has never run
 * goes to the nursery instead. */
void gri_worker_push(gri_worker *worker, gri_task *task)
{
    gri_count_owner(&worker->counters.deque_pushes, 1u); /* relaxed: a counter */
    const bool fresh = !task->worker;
    if (GRI_UNLIKELY(worker->overflowed && !fresh) || !gri_deque_push_owner(&worker->deque, task)) {
        if (fresh && !worker->simulated) {
            gri_nursery_push(&worker->nursery, task);
        } else {
            worker->overflowed = true;
            gri_inject_push(&worker->overflow, &task->link);
        }
        gri_count_owner(&worker->counters.spills, 1u); /* relaxed: a counter */
    }
    /* Backlog is what this worker will not run next. The hint costs two loads; a sleeper it misses is found by the monitor. */
    if (gri_deque_count(&worker->deque) < 2 && gri_slot_is_empty(&worker->slot)) return;
    int sleeper = gri_idle_wake_hint(&worker->scheduler->idle);
    if (GRI_UNLIKELY(sleeper >= 0)) {
        gri_count_owner(&worker->counters.wakes, 1u); /* relaxed: a counter */
        gri_worker_unpark(&worker->scheduler->workers[sleeper]);
    }
}

static void push_back(gri_worker *worker, gri_task *task)
{
    if (!gri_deque_push_owner(&worker->deque, task)) gri_panic("a run queue is full that had room");
}

/* What has overflowed goes into the ring, as far as there is room; a quarter of it is for what has never run. */
static void refill(gri_worker *worker)
{
    gri_inject_node *nodes[REFILL_BATCH];
    gri_task *fresh[REFILL_BATCH];
    size_t room = GRI_DEQUE_CAPACITY - gri_deque_count(&worker->deque);
    size_t share = worker->overflowed ? (room + 3) / 4 : room;
    size_t count = gri_nursery_pop_batch(&worker->nursery, fresh, GRI_MIN(share, (size_t)REFILL_BATCH), false);
    for (size_t i = 0; i < count; i++) push_back(worker, fresh[i]);
    if (!worker->overflowed) return;
    room -= count;
    count = gri_inject_pop_batch(&worker->overflow, nodes, GRI_MIN(room, (size_t)REFILL_BATCH));
    for (size_t i = 0; i < count; i++) push_back(worker, GRI_CONTAINER_OF(nodes[i], gri_task, link));
    if (gri_inject_is_empty(&worker->overflow)) worker->overflowed = false;
}

/* The oldest task of the ring, or of what had no room in it. */
gri_task *gri_worker_pop(gri_worker *worker)
{
    gri_task *task = gri_deque_pop_owner(&worker->deque);
    /* Its neighbour's lines, which are another core's when it was stolen: 2 workers, spawn 8 to 9 % sooner, skynet up to 12 %, timers
     * 6 %; on one, where they are warm, spawn 5 % later. */
    char *after = gri_deque_look_owner(&worker->deque);
    for (size_t line = 0; after && line < 3; line++) GRI_PREFETCH_WRITE(after + line * GRI_CACHE_LINE);
    if (GRI_LIKELY(task || (!worker->overflowed && gri_nursery_is_empty(&worker->nursery)))) return task;
    refill(worker);
    return gri_deque_pop_owner(&worker->deque);
}

static void ready_elsewhere(gri_scheduler *scheduler, gri_task *task)
{
    if (task->home) {
        gri_worker *worker = &scheduler->workers[task->home - 1];
        gri_inject_push(&worker->pinned, &task->link);
        int sleeper = gri_idle_wake_worker(&scheduler->idle, worker->index);
        if (sleeper >= 0) gri_worker_unpark(&scheduler->workers[sleeper]);
        /* relaxed: gri_idle_wake_worker has fenced; be_absent fences between saying that it waits and looking */
        if (gri_load_relaxed(&worker->phase) == GRI_WORKER_ABSENT) gri_parker_notify(&worker->parker);
        return;
    }
    gri_inject_push(&scheduler->inject, &task->link);
    gri_scheduler_wake_one();
}

void gri_task_ready(gri_task *task)
{
    gri_worker *worker = gri_worker_here();
    if (GRI_UNLIKELY(!worker || task->home))
        ready_elsewhere(gri_scheduler_now, task);
    else
        gri_worker_ready(worker, task);
}

void gri_task_ready_last(gri_task *task)
{
    gri_worker *worker = gri_worker_here();
    if (!worker || task->home)
        ready_elsewhere(gri_scheduler_now, task);
    else if (GRI_LIKELY(gri_nursery_is_empty(&worker->nursery)) || !gri_nursery_give_way(&worker->nursery, task))
        gri_worker_push(worker, task);
}

bool gri_worker_poll(gri_worker *worker)
{
    gri_scheduler *scheduler = worker->scheduler;
    /* relaxed: a hint; a descriptor added a moment ago is seen at the next look */
    /* relaxed: a counter */
    if (gri_load_relaxed(&scheduler->watched) == 0 || !gri_spinlock_try(&scheduler->poller_lock)) return false;
    gri_count_owner(&worker->counters.polls, 1u);
    int reports = gri_poller_wait(&scheduler->poller, 0, scheduler->config.poll_report, scheduler);
    gri_spinlock_unlock(&scheduler->poller_lock);
    return reports > 0;
}

void gri_worker_housekeeping(gri_worker *worker)
{
    gri_scheduler *scheduler = worker->scheduler;
    const bool leaves = gri_load_relaxed(&worker->retire); /* relaxed: a request */
    if (GRI_UNLIKELY(leaves)) gri_worker_give_up(worker);
    if (gri_wheel_earliest(&worker->wheel) != GRI_INSTANT_NEVER) {
        unsigned fired = gri_wheel_fire(&worker->wheel, gri_clock_now(),
                                        gri_deque_count(&worker->deque) < FIRE_LIMIT ? FIRE_LIMIT : FIRE_LIMIT_BUSY);
        gri_count_owner(&worker->counters.timers, fired); /* relaxed: a counter */
    }
    gri_worker_poll(worker);
    if (!leaves && !gri_inject_is_empty(&scheduler->inject)) {
        gri_inject_node *nodes[INJECT_BATCH];
        size_t count = gri_inject_pop_batch(&scheduler->inject, nodes, INJECT_BATCH);
        for (size_t i = 0; i < count; i++) gri_worker_push(worker, GRI_CONTAINER_OF(nodes[i], gri_task, link));
    }
    gri_heap_flush();
}

/* Any thread, with what it has taken out of a worker. */
void gri_park_publish(gri_scheduler *scheduler, gri_mailword *word)
{
    if (!gri_mailword_park(word, GRI_MAIL_WAIT_ANY))
        gri_task_ready_last((gri_task *)(void *)((char *)word + scheduler->config.task_of_word));
}

GRI_NOINLINE void gri_worker_publish_slow(gri_worker *worker)
{
    gri_mailword *word;
    while (!(word = gri_slot_take_owner(&worker->unpublished))) {
        if (gri_slot_is_empty(&worker->unpublished)) return;
        gri_thread_yield(); /* the monitor is at it, and may give up */
    }
    gri_park_publish(worker->scheduler, word);
}

/* The oldest task that only this worker may run. Never put into the deque, where it could be stolen. */
static gri_task *pinned(gri_worker *worker)
{
    if (GRI_LIKELY(gri_inject_is_empty(&worker->pinned))) return NULL;
    gri_inject_node *node = gri_inject_pop(&worker->pinned);
    return node ? GRI_CONTAINER_OF(node, gri_task, link) : NULL;
}

/* What is not done for every task: a turn for the pinned, housekeeping (once a slice, besides: sixty-four tasks that each take a
 * slice are long for a timer), and, when the slice is over, what was spoken to last goes behind the others. */
GRI_NOINLINE static gri_task *now_and_then(gri_worker *worker)
{
    bool slice_is_over = gri_worker_slice_is_over(worker);
    gri_worker_publish(worker);
    if (worker->answered == 0) worker->answered = !worker->simulated && worker->scheduler->config.task_of_word;
    if (slice_is_over) {
        gri_store_relaxed(&worker->yield, false); /* relaxed: a hint, see its declaration */
        gri_task *last = gri_deque_count(&worker->deque) > 0 ? gri_slot_take_owner(&worker->slot) : NULL;
        if (last) gri_worker_push(worker, last);
    }
    /* After it, so that a timer's actor does not wait for one more slice. */
    if (slice_is_over || worker->ticks % HOUSEKEEPING_TICKS == 0) gri_worker_housekeeping(worker);
    if (worker->overflowed || (slice_is_over && !gri_nursery_is_empty(&worker->nursery))) refill(worker);
    return worker->ticks % PINNED_TICKS == 0 ? pinned(worker) : NULL;
}

/* The oldest task of the deque, else of the pinned ones. */
GRI_NOINLINE static gri_task *next_waiting(gri_worker *worker)
{
    gri_worker_publish(worker);
    gri_task *task = gri_worker_pop(worker);
    return task ? task : pinned(worker);
}

/* Is this the turn of anything but the slot and the deque? */
GRI_INLINE bool is_special_turn(gri_worker *worker)
{
    return ++worker->ticks % PINNED_TICKS == 0 || gri_worker_slice_is_over(worker);
}

/* The next task without waiting. */
GRI_INLINE gri_task *next_local(gri_worker *worker)
{
    gri_task *task;
    if (GRI_UNLIKELY(is_special_turn(worker))) {
        task = now_and_then(worker);
        if (task) return task;
    }
    task = gri_slot_take_owner(&worker->slot);
    return GRI_LIKELY(task != NULL) ? task : next_waiting(worker);
}

gri_task *gri_worker_next_local(gri_worker *worker)
{
    return next_local(worker);
}

/* First thing on the new stack after every switch: now the one we came from is saved. It was a task's: parks its word, or it goes on;
 * or a loop's, which `leaving_stack` says. */
GRI_INLINE void commit(gri_worker *worker, gri_task *left, uintptr_t leaving)
{
    if (leaving & GRI_UNPUBLISHED) {
        gri_worker_park_unpublished(worker, (gri_mailword *)(leaving & ~(GRI_MAIL_STATE_MASK | GRI_UNPUBLISHED)));
        return;
    }
    /* The usual: nothing of it comes from memory (see gri_task_park). */
    if (GRI_LIKELY(leaving != 0) &&
        GRI_LIKELY(gri_mailword_park((gri_mailword *)(leaving & ~GRI_MAIL_STATE_MASK), leaving & GRI_MAIL_STATE_MASK)))
        return;
    if (left) {
        gri_task_ready_last(left);
        return;
    }
    gri_stack *stack = worker->leaving_stack;
    if (stack != NULL) {
        worker->leaving_stack = NULL;
        gri_stack_give(&worker->stacks, stack);
    }
}

/* The same where a loop begins, or the thread's own stack is come back to. */
static void after_switch(gri_worker *worker)
{
    gri_task *left = worker->leaving_task;
    worker->leaving_task = NULL;
    commit(worker, left, left ? worker->leaving : 0);
}

GRI_INLINE void begin_task(gri_worker *worker, gri_task *task)
{
    task->worker = worker;
    gri_store_relaxed(&worker->current, task); /* relaxed: the monitor only compares and reports it */
    if (GRI_UNLIKELY(worker->simulated)) gri_simulation_note(gri_load_relaxed(&task->id)); /* relaxed: constant */
}

/* A stack whose first act is a worker loop, or NULL. */
static gri_stack *fresh_loop(gri_worker *worker)
{
    gri_stack *stack = gri_stack_take(&worker->stacks, worker->scheduler->config.stack_class);
    if (stack) gri_stack_prepare(stack, gri_worker_loop, worker);
    return stack;
}

/* Where the next task has no stack, or there is none: a loop's stack, for the worker to go on with. NULL: no memory; the task that
 * wanted to park goes on. */
GRI_NOINLINE static gri_stack *loop_instead(gri_task *task, gri_task *next)
{
    gri_worker *worker = task->worker;
    gri_stack *stack = !task->foreign && gri_fault(GRI_FAULT_ALLOCATE) ? NULL : fresh_loop(worker);
    if (GRI_UNLIKELY(!stack)) {
        if (next) gri_task_ready_last(next);
        /* relaxed: for reports; in simulation the task may have come from another worker */
        gri_store_relaxed(&worker->current, task);
        return NULL;
    }
    worker->resume = next;
    gri_store_relaxed(&worker->current, NULL); /* relaxed: for reports */
    return stack;
}

/* The next task where that is not simply the slot's or the deque's. In simulation it may be another worker's, which then is the
 * one that task->worker says. */
GRI_NOINLINE static gri_task *next_specially(gri_task *task)
{
    gri_worker *worker = task->worker, *from = worker;
    if (GRI_LIKELY(!worker->simulated)) {
        gri_task *next = now_and_then(worker);
        if (!next) next = gri_slot_take_owner(&worker->slot);
        return next ? next : next_waiting(worker);
    }
    gri_task *next = gri_simulation_next(&worker, false);
    worker->leaving = from->leaving;
    task->worker = worker;
    /* relaxed: constant */
    if (next && next->stack) gri_simulation_note(gri_load_relaxed(&next->id));
    return next;
}

/* The one place where a task leaves its stack to come back to it. Not inlined: a single return address for the return
 * predictor, which measured 7-9 ns a message against 18 with several. Whatever is not usual is elsewhere, so that this frame is
 * small: a parked task's lines come from far away. */
GRI_NOINLINE int gri_task_park(gri_task *task, gri_mailword *word, uint64_t state)
{
    gri_worker *worker = task->worker;
    worker->leaving = (uintptr_t)word | state;
    gri_task *next;
    if (GRI_LIKELY(!worker->simulated && !is_special_turn(worker))) {
        next = gri_slot_take_owner(&worker->slot);
        if (!next)
            next = next_waiting(worker);
        else if (worker->answered && state == GRI_MAIL_WAIT_ANY)
            worker->leaving |= GRI_UNPUBLISHED;
    } else {
        next = next_specially(task);
    }
    worker = task->worker;
    gri_stack *target = next ? next->stack : NULL;
    if (GRI_LIKELY(target != NULL)) {
        next->stack = NULL;
        next->worker = worker;
        gri_store_relaxed(&worker->current, next); /* relaxed: the monitor only compares and reports it */
    } else {
        target = loop_instead(task, next);
        if (GRI_UNLIKELY(!target)) return GR_ENOMEM;
        worker = task->worker;
        worker->leaving_task = task;
    }
    gri_stack *stack = worker->stack;
    task->stack = stack;
    worker->stack = target;
    const uint64_t number = gri_load_relaxed(&worker->counters.switches) + 1; /* relaxed, both: a counter */
    gri_store_relaxed(&worker->counters.switches, number);
    /* Names this park for who looks at it. relaxed, all: the commit publishes them; coarse time */
    gri_store_relaxed(&stack->parked_ms, gri_load_relaxed(&worker->tick_ms));
    gri_store_relaxed(&stack->parked_number, (uint32_t)number);
    const gri_passed passed = gri_context_switch_passing(&stack->context, &target->context, task, worker->leaving);
    commit(task->worker, passed.first, passed.second);
    return 0;
}

static bool is_alone(gri_worker *worker)
{
    return gri_slot_is_empty(&worker->slot) && gri_deque_count(&worker->deque) == 0 && !worker->overflowed &&
           gri_nursery_is_empty(&worker->nursery) && gri_inject_is_empty(&worker->pinned);
}

void gri_task_yield(gri_task *task)
{
    gri_worker *worker = task->worker;
    const bool over = gri_load_relaxed(&worker->yield); /* relaxed: a hint, see its declaration */
    gri_store_relaxed(&worker->yield, false);           /* relaxed: as above */
    gri_worker_publish(worker);
    if (!worker->scheduler->simulation) {
        if (over || is_alone(worker)) gri_worker_housekeeping(worker);
        if (is_alone(worker) && (task->home || !gri_load_relaxed(&worker->retire))) { /* relaxed: a request */
            gri_count_owner(&worker->counters.kept, 1u);                              /* relaxed: a counter */
            return;
        }
    }
    /* GR_ENOMEM: no stack to give way on; going on is as good. */
    (void)gri_task_park(task, NULL, 0);
}

/* The loop's stack is left for good: it is cached as soon as we stand on the next one. */
GRI_NORETURN static void leave_stack_for(gri_worker *worker, gri_stack *next)
{
    gri_stack *stack = worker->stack;
    worker->leaving_stack = stack;
    worker->stack = next;
    gri_count_owner(&worker->counters.switches, 1u); /* relaxed: a counter */
    gri_context_doom(&stack->context);
    gri_context_abandon(&next->context);
}

static void run_task(gri_worker *worker, gri_task *task)
{
    begin_task(worker, task);
    if (task->stack) {
        gri_stack *stack = task->stack;
        task->stack = NULL;
        leave_stack_for(worker, stack);
    }
    if (GRI_UNLIKELY(task->own_stack_class && worker->stack->size_class != task->own_stack_class - 1)) {
        const bool refused = gri_fault(GRI_FAULT_ALLOCATE);
        gri_stack *stack = refused ? NULL : gri_stack_take(&worker->stacks, (unsigned)task->own_stack_class - 1);
        if (stack) {
            /* It begins with a loop of its own that runs the task first. */
            worker->resume = task;
            gri_stack_prepare(stack, gri_worker_loop, worker);
            leave_stack_for(worker, stack);
        }
        /* No memory for it: an ordinary stack is better than none. */
    }
    gri_count_owner(&worker->counters.runs, 1u); /* relaxed: a counter */
    task->run(task);
}

gri_task *gri_task_next_like(void (*run)(gri_task *task))
{
    gri_worker *worker = gri_worker_here();
    if (GRI_UNLIKELY(worker->simulated) || (worker->ticks + 1) % PINNED_TICKS == 0 ||
        gri_worker_slice_is_over(worker) || GRI_UNLIKELY(worker->stack->size_class != worker->loop_class))
        return NULL;
    gri_task *next = gri_slot_take_owner(&worker->slot);
    if (!next) {
        gri_worker_publish(worker);
        next = gri_worker_pop(worker);
    }
    if (!next) return NULL;
    worker->ticks++;
    if (GRI_UNLIKELY(next->stack || next->run != run || next->own_stack_class)) {
        worker->resume = next; /* the loop's first */
        return NULL;
    }
    next->worker = worker;
    gri_store_relaxed(&worker->current, next);   /* relaxed: the monitor only compares and reports it */
    gri_count_owner(&worker->counters.runs, 1u); /* relaxed: a counter */
    return next;
}

/* Has it come from a task, not from searching, and is it to stay? */
GRI_INLINE bool is_busy(gri_worker *worker)
{
    /* relaxed: a request, and its own writes */
    return !gri_load_relaxed(&worker->retire) && !worker->searching &&
           gri_load_relaxed(&worker->phase) == GRI_WORKER_BUSY;
}

/* Every stack but a thread's own begins here. The frame keeps nothing across a task: it may come back on another thread. */
void gri_worker_loop(void *arg)
{
    gri_worker *worker = arg;
    after_switch(worker);
    for (;;) {
        gri_task *task = worker->resume;
        worker->resume = NULL;
        if (!task) {
            gri_store_relaxed(&worker->current, NULL); /* relaxed: for reports */
            if (worker->simulated)
                task = gri_simulation_next(&worker, true);
            else if (GRI_LIKELY(is_busy(worker)))
                task = next_local(worker);
            if (!task) task = gri_worker_next(worker);
        }
        if (!task) break;
        run_task(worker, task);
        worker = gri_worker_here();
        if (GRI_UNLIKELY(worker->stack->size_class != worker->loop_class)) { /* a task's own size: not for a loop */
            gri_stack *stack = fresh_loop(worker);
            if (stack) leave_stack_for(worker, stack);
        }
    }
    gri_stack *stack = worker->stack;
    worker->leaving_stack = stack;
    worker->stack = NULL;
    gri_context_doom(&stack->context);
    gri_context_abandon(&worker->thread);
}

/* Tells who starts the workers. A spare one is started while others work, who could not do without it: it goes on. */
static bool begin_thread(gri_worker *worker)
{
    gri_scheduler *scheduler = worker->scheduler;
    const int code = scheduler->config.thread_begin ? scheduler->config.thread_begin(worker->room) : 0;
    if (worker->spare) {
        if (code != 0 && scheduler->config.log)
            scheduler->config.log(1, "a spare worker has no signal stack: an overflow on it ends the process");
        return true;
    }
    if (code != 0) gri_store_relaxed(&scheduler->refusal, code); /* relaxed: published by the next line */
    /* mo:workers.begin release -> workers.begun acquire: the refusal */
    if (gri_add_release(&scheduler->begun, 1u) + 1 == scheduler->config.workers)
        gri_parker_notify(&scheduler->begin_parker);
    return code == 0;
}

static void run_loops(gri_worker *worker)
{
    gri_context_from_thread(&worker->thread);
    gri_stack *stack = fresh_loop(worker);
    if (!stack) gri_panic("worker %u: its first stack is gone", worker->index); /* see gri_worker_init */
    worker->stack = stack;
    gri_context_switch(&worker->thread, &stack->context);
    after_switch(worker);
    gri_context_fini(&worker->thread);
}

void gri_worker_main(void *arg)
{
    gri_worker *worker = arg;
    gri_scheduler *scheduler = worker->scheduler;
    gri_worker_here_set(worker);
    gri_store_relaxed(&worker->thread_id, gri_thread_id_self()); /* relaxed: a number */
    if (scheduler->config.topology) {
        char why[256];
        int code = gri_topology_bind(scheduler->config.topology, worker->index, why, sizeof why);
        if (code != 0 && scheduler->config.log) scheduler->config.log(1, why);
    }
    gri_heap_bind(worker->heap);
    if (begin_thread(worker)) run_loops(worker);
    if (scheduler->config.thread_end) scheduler->config.thread_end();
    gri_heap_flush();
    gri_heap_bind(NULL);
    gri_worker_here_set(NULL);
}

static unsigned node_of(const gri_scheduler *scheduler, unsigned index)
{
    const gri_topology *topology = scheduler->config.topology;
    if (!topology || index >= topology->workers || topology->places[index].node_os_index == GRI_TOPOLOGY_UNKNOWN)
        return 0;
    return topology->places[index].node_os_index;
}

/* A stack for the first loop, in the worker's cache: once its thread runs there is nobody to be told that there is none. */
static bool provide(gri_worker *worker)
{
    gri_stack *stack = gri_stack_take(&worker->stacks, worker->loop_class);
    if (stack) gri_stack_give(&worker->stacks, stack);
    return stack != NULL;
}

int gri_worker_init(gri_worker *worker, gri_scheduler *scheduler, unsigned index)
{
    worker->heap = gri_heap_new(node_of(scheduler, index));
    if (!worker->heap) return GR_ENOMEM; /* and nothing else has begun that gri_worker_fini would have to end */
    worker->index = (uint16_t)index;
    worker->scheduler = scheduler;
    worker->simulated = scheduler->config.simulate;
    worker->loop_class = (uint8_t)scheduler->config.stack_class;
    gri_rng_seed(&worker->rng, scheduler->config.seed + index);
    gri_slot_init(&worker->slot);
    gri_slot_init(&worker->unpublished);
    gri_parker_init(&worker->parker);
    gri_inject_init(&worker->pinned);
    gri_inject_init(&worker->overflow);
    gri_nursery_init(&worker->nursery);
    gri_wheel_init(&worker->wheel, gri_clock_now());
    gri_deque_init(&worker->deque);
    gri_stack_cache_init(&worker->stacks, GRI_STACKS_KEPT);
    gri_atomic_init(&worker->send_specially, scheduler->config.send_specially);
    gri_atomic_init(&worker->tick_ms, gri_load_relaxed(&scheduler->tick_ms)); /* relaxed: coarse time */
    gri_atomic_init(&worker->current, NULL);
    gri_atomic_init(&worker->phase, GRI_WORKER_SEARCHING);
    int code = worker->simulated || provide(worker) ? 0 : GR_ENOMEM;
    if (code == 0 && !worker->simulated && scheduler->config.thread_prepare)
        code = scheduler->config.thread_prepare(&worker->room);
    if (code != 0) gri_worker_fini(worker);
    return code;
}

void gri_worker_fini(gri_worker *worker)
{
    if (!worker->heap) return;
    if (worker->room) worker->scheduler->config.thread_release(worker->room);
    worker->room = NULL;
    gri_stack_cache_fini(&worker->stacks);
    if (worker->scheduler->config.slots) gri_table_cache_flush(worker->scheduler->config.slots, &worker->slots);
    gri_heap_retire(worker->heap);
    worker->heap = NULL;
    gri_inject_fini(&worker->pinned);
    gri_inject_fini(&worker->overflow);
}
