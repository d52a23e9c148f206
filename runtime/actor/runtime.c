/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Starting and stopping.
 *
 *   down --gr_start--> up --last gr_stop--> stopping: actors end by themselves, then are killed, then killed now --> down
 *
 * Starting builds from the bottom (settings, topology, stacks, tables, names, workers), stopping takes down in reverse, and
 * a start that fails half way takes down what it has built. Both hold one lock, which no actor ever takes. */
#include "actor/runtime.h"

#include "actor/attach.h"
#include "actor/bound.h"
#include "actor/call.h"
#include "actor/casualty.h"
#include "actor/exits.h"
#include "actor/letters.h"
#include "actor/log.h"
#include "actor/overflow.h"
#include "actor/registry.h"
#include "actor/remote.h"
#include "actor/symbol.h"
#include "actor/timer.h"
#include "actor/trace.h"
#include "base/fault.h"
#include "message/address.h"
#include "message/hold.h"
#include "message/jansson.h"
#include "os/clock.h"
#include "os/random.h"

#include <greenroom/supervisor.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ACTORS_MAX (1u << 24)
#define STOP_LOOK_NS \
    (10 * GRI_NS_PER_MS)               /* guess: how often, where the kernel refuses the fence that spares the looks */
#define KILL_NS (2 * GRI_NS_PER_S)     /* after the drain: how long kills may take before they are not asked any more */
#define KILL_NOW_NS (3 * GRI_NS_PER_S) /* and how long that may take before whoever is left is reported */
#define SIMULATED_REFUSALS 3           /* stacks refused one after the other: there is no memory for any */

gri_runtime gri_runtime_now;

static pthread_mutex_t start_lock = PTHREAD_MUTEX_INITIALIZER;
static unsigned starts;
static uint32_t generation_base; /* of the next run */
static bool fork_hooked;
gri_atomic_bool gri_runtime_in_child;

/* ---- small answers ---- */

const char *gr_version(void)
{
#define TEXT_OF(x) #x
#define TEXT(x) TEXT_OF(x)
    return TEXT(GR_VERSION_MAJOR) "." TEXT(GR_VERSION_MINOR) "." TEXT(GR_VERSION_PATCH);
}

bool gri_runtime_is_up(void)
{
    /* mo:runtime.state acquire <- runtime.change release: everything that was built */
    return gri_load_acquire(&gri_runtime_now.state) == GRI_RUNTIME_UP;
}

bool gri_runtime_is_down(void)
{
    /* mo:runtime.state acquire <- runtime.change release: everything that was built */
    return gri_load_acquire(&gri_runtime_now.state) == GRI_RUNTIME_DOWN;
}

static void mark_child(void)
{
    if (starts == 0) return;
    gri_store_relaxed(&gri_runtime_in_child, true); /* relaxed: there is one thread */
    gri_worker_here_set(NULL);                      /* whatever actor forked, it does not run here */
}

void gri_runtime_end_child(void)
{
    static const char text[] =
        "greenroom: the child of a fork returned from its actor instead of exec or _exit: it ends\n";
    ssize_t written = write(STDERR_FILENO, text, sizeof text - 1);
    (void)written; /* nothing is left to be done about it */
    _exit(EXIT_FAILURE);
}

static unsigned char null_storage[32];
static gr_value null_value;

gr_value gri_runtime_null(void)
{
    return null_value;
}

/* ---- counting ---- */

static void count(enum gri_upper what, gri_atomic_u64 *elsewhere)
{
    gri_worker *worker = gri_worker_here();
    /* relaxed, both: counters */
    if (GRI_LIKELY(worker != NULL))
        gri_count_owner(&worker->upper[what], 1u);
    else
        gri_add_relaxed(elsewhere, 1u);
}

void gri_runtime_count_dead_letter(void)
{
    count(GRI_UPPER_DEAD_LETTERS, &gri_runtime_now.dead_letters);
}

void gri_runtime_count_dropped(void)
{
    gri_add_relaxed(&gri_runtime_now.dropped, 1u); /* relaxed: a counter; not a path anybody wants to be fast */
}

void gri_runtime_count_rejected(void)
{
    gri_add_relaxed(&gri_runtime_now.rejected, 1u); /* relaxed: a counter; the sender has met with an error */
}

void gri_runtime_count_displaced(void)
{
    gri_add_relaxed(&gri_runtime_now.displaced, 1u); /* relaxed: a counter */
}

void gri_runtime_count_expired(void)
{
    gri_add_relaxed(&gri_runtime_now.expired, 1u); /* relaxed: a counter */
}

void gri_runtime_count_deadlock(void)
{
    gri_add_relaxed(&gri_runtime_now.deadlocks, 1u); /* relaxed: a counter, for what should never be */
}

void gri_runtime_count_discarded(uint64_t messages)
{
    gri_add_relaxed(&gri_runtime_now.discarded, messages); /* relaxed: a counter, once per actor */
}

void gri_runtime_count_spawned(void)
{
    count(GRI_UPPER_SPAWNED, &gri_runtime_now.spawned);
}

void gri_runtime_count_ended(void)
{
    gri_worker *worker = gri_worker_here();
    gri_atomic_u64 *counter = worker ? &worker->upper[GRI_UPPER_ENDED] : NULL;
    if (GRI_LIKELY(counter != NULL))
        /* mo:runtime.count_ended release -> scheduler.sum acquire: who sees this end sees the spawns before it, its own and
         * its children's: that nobody is left is not said too early. relaxed: the owner's */
        gri_store_release(counter, gri_load_relaxed(counter) + 1);
    else
        /* mo:runtime.count_ended release -> scheduler.sum acquire: as above */
        gri_add_acq_rel(&gri_runtime_now.ended, 1u);
    /* mo:runtime.ended seq_cst <-> runtime.wait seq_cst: count, then look whether somebody waits; he says that he waits, then
     * looks at the count */
    gri_fence_light();
    /* relaxed: the fence orders it */
    if (GRI_UNLIKELY(gri_load_relaxed(&gri_runtime_now.stop_waits))) gri_parker_notify(&gri_runtime_now.stopper);
}

static uint64_t upper_sum(enum gri_upper what, gri_atomic_u64 *elsewhere)
{
    return gri_scheduler_sum(offsetof(gri_worker, upper) + (size_t)what * sizeof(gri_atomic_u64)) +
           gri_load_acquire(elsewhere); /* mo:scheduler.sum acquire <- runtime.count_ended release */
}

static uint64_t alive(void)
{
    uint64_t ended = upper_sum(GRI_UPPER_ENDED, &gri_runtime_now.ended);
    return upper_sum(GRI_UPPER_SPAWNED, &gri_runtime_now.spawned) - ended;
}

int gr_counters_read(gr_counters *ret)
{
    gri_scheduler *scheduler = gri_scheduler_now;
    if (!scheduler || !ret) return GR_ENOTRUNNING;
    gri_stack_counts stacks;
    gri_stacks_count(&stacks);
    gri_heap_counts heaps;
    gri_chunk_counts chunks;
    gri_heap_count_all(&heaps, &chunks);
    gri_runtime *r = &gri_runtime_now;
#define SUM(field) gri_scheduler_sum(offsetof(gri_worker, counters.field))
    *ret = (gr_counters){
        .workers = scheduler->config.workers,
        .actors = alive(),
        .spawned = upper_sum(GRI_UPPER_SPAWNED, &r->spawned),
        .ended = upper_sum(GRI_UPPER_ENDED, &r->ended),
        .messages = upper_sum(GRI_UPPER_MESSAGES, &r->messages),
        .dead_letters = upper_sum(GRI_UPPER_DEAD_LETTERS, &r->dead_letters),
        .discarded = gri_load_relaxed(&r->discarded), /* relaxed, here and below: counters */
        .dropped = gri_load_relaxed(&r->dropped),
        .switches = SUM(switches),
        .runs = SUM(runs),
        .queued = SUM(deque_pushes),
        .spills = SUM(spills),
        .steals = SUM(steals),
        .stolen = SUM(stolen),
        .wakes = SUM(wakes),
        .parks = SUM(parks),
        .polls = SUM(polls),
        .timers_fired = SUM(timers) + gri_load_relaxed(&scheduler->timers),
        .stuck = gri_load_relaxed(&scheduler->stuck),
        .rescues = gri_load_relaxed(&scheduler->rescues),
        .overflows = gri_load_relaxed(&r->overflows),
        .deadlocks = gri_load_relaxed(&r->deadlocks),
        .rejected = gri_load_relaxed(&r->rejected),
        .displaced = gri_load_relaxed(&r->displaced),
        .expired = gri_load_relaxed(&r->expired),
        .stacks_live = stacks.live,
        .stacks_cached = stacks.cached,
        .message_bytes = chunks.bytes,
        .system_allocations = chunks.system_calls,
    };
    return 0;
}

uint64_t gr_trace_hash(void)
{
    return gri_simulation_hash();
}

/* ---- starting ---- */

/* io/ is above this layer and sets it before anything is watched. */
gri_poller_report *gri_poll_reporter;

static void poll_report(void *arg, uint64_t cookie, bool readable, bool writable, bool hangup)
{
    if (gri_poll_reporter) gri_poll_reporter(arg, cookie, readable, writable, hangup);
}

static pthread_mutex_t at_stop_lock = PTHREAD_MUTEX_INITIALIZER; /* guards the two below */
static void (*at_stop[GRI_AT_STOP_MAX])(void);
static size_t at_stop_count;

void gri_runtime_at_stop(void (*fn)(void))
{
    pthread_mutex_lock(&at_stop_lock);
    GRI_ASSERT(at_stop_count < GRI_AT_STOP_MAX);
    at_stop[at_stop_count++] = fn;
    pthread_mutex_unlock(&at_stop_lock);
}

static void run_at_stop(void)
{
    pthread_mutex_lock(&at_stop_lock);
    size_t count = at_stop_count; /* no actor is left to register another one */
    pthread_mutex_unlock(&at_stop_lock);
    while (count-- > 0) at_stop[count]();
}

static void log_text(int level, const char *text)
{
    gri_log((enum gr_log_level)level, GR_NO_ADDRESS, "%s", text);
}

static void report_stuck(unsigned worker, uint32_t task_id, int64_t held_ns)
{
    gr_self *self = gri_table_at(&gri_runtime_now.actors, task_id);
    char name[GR_NAME_BYTES_MAX + 1];
    const gr_behaviour *behaviour;
    gri_registry_about(gri_actor_address(self), name, &behaviour);
    gri_log(GR_LOG_WARN, gri_actor_address(self), "actor %s%s%u has held worker %u for %lld ms", name,
            name[0] ? " #" : "#", task_id, worker, (long long)(held_ns / GRI_NS_PER_MS));
}

static int thread_prepare(void **ret_room)
{
    if (gri_runtime_now.settings.no_signal_handler) return 0;
    void *stack = gri_overflow_stack_map();
    if (!stack) return GR_ENOMEM;
    *ret_room = stack;
    return 0;
}

static int thread_begin(void *room)
{
    return room ? gri_overflow_thread_begin(room) : 0;
}

static void thread_end(void)
{
    gri_overflow_thread_end();
}

/* Simulation: the workers are the thread that starts and stops the runtime. */
static void *room_here;

static void end_here(void)
{
    thread_end();
    gri_overflow_stack_unmap(room_here);
    room_here = NULL;
}

static int begin_here(void)
{
    int code = thread_prepare(&room_here);
    if (code == 0) code = thread_begin(room_here);
    if (code != 0) end_here();
    return code;
}

/* What the process may use at this moment; when the number of workers was not asked for. */
static unsigned usable_now(void)
{
    gri_usable usable;
    return gri_topology_usable(gri_runtime_now.topology, NULL, &usable) == 0 ? usable.cpus : UINT32_MAX;
}

/* Simulation: nothing can ever run. The attached thread that waits gives up. */
static bool wake_simulated(void)
{
    gri_task *task = gri_simulation_thread();
    if (!task) return false;
    gr_self *self = gri_actor_of_task(task);
    self->flags |= GRI_ABORTED;
    return gri_actor_notify(gri_actor_address(self));
}

/* What is left of the stack that the calling actor stands on; on other threads plenty. */
static size_t stack_left(void)
{
    gri_worker *worker = gri_worker_here();
    char *here = __builtin_frame_address(0);
    if (!worker || !worker->stack || here < worker->stack->low || here > (char *)worker->stack) return SIZE_MAX;
    return (size_t)(here - worker->stack->low);
}

static int start_tables(gri_runtime *r, gr_detail *detail)
{
    int code = gri_table_start(&r->actors, sizeof(gr_self), ACTORS_MAX);
    if (code != 0) {
        snprintf(detail->text, sizeof detail->text, "no address space for the table of actors");
        return code;
    }
    code = gri_table_keep(&r->actors, gri_actor_save, gri_actor_restore);
    if (code == 0) code = gri_bounds_start();
    if (code == 0) {
        code = gri_timers_start();
        if (code != 0) gri_bounds_stop();
    }
    if (code == 0) {
        code = gri_registry_start();
        if (code == 0) {
            code = gri_remote_start();
            if (code != 0) gri_registry_stop();
        }
        if (code != 0) {
            gri_timers_stop();
            gri_bounds_stop();
        }
    }
    if (code != 0) {
        snprintf(detail->text, sizeof detail->text, "no memory for the tables of timers and names");
        gri_table_stop(&r->actors);
    }
    return code;
}

/* Afterwards no address leads anywhere, and none of this run will lead anywhere in the next one. Exit records that nobody
 * has waited for go. */
static void end_addresses(gri_runtime *r)
{
    /* relaxed, all: no actor is left */
    uint32_t limit = gri_load_relaxed(&r->actor_limit), highest = GRI_MAX(r->generation_base, r->generation_saved);
    for (uint32_t index = 0; index < limit; index++) {
        gr_self *self = gri_table_at(&r->actors, index);
        uint32_t generation = gri_load_relaxed(&self->generation);
        if (generation > highest) highest = generation;
        if (generation & 1) gr_message_free(&self->result);
    }
    generation_base = (highest + 1) & ~1u;
    gri_store_relaxed(&r->actor_limit, 0);
}

static void stop_tables(gri_runtime *r)
{
    end_addresses(r);
    gri_symbols_stop();
    gri_remote_stop();
    gri_registry_stop();
    gri_timers_stop();
    gri_bounds_stop();
    gri_letters_stop();
    gri_table_stop(&r->actors);
}

static int start_workers(gri_runtime *r, gr_detail *detail)
{
    const gri_settings *s = &r->settings;
    gri_schedule_config config = {
        .workers = s->workers    ? (unsigned)s->workers
                   : s->simulate ? 2
                                 : r->topology->workers,
        .steal = (enum gri_steal_policy)s->steal,
        .spin_ns = s->spin_us * GRI_NS_PER_US,
        .slice_ns = s->slice_us * GRI_NS_PER_US,
        .stuck_ns = s->stuck_ms * GRI_NS_PER_MS,
        .topology = r->topology,
        .slots = &r->actors,
        .task_of_word = (ptrdiff_t)offsetof(gr_self, task) - (ptrdiff_t)offsetof(gr_self, mailbox),
        .stack_class = (unsigned)gri_stack_class((size_t)s->stack_kb * 1024),
        .send_specially = s->copy == GRI_COPY_PACKED ? 0 : GRI_SEND_COPIED,
        .simulate = s->simulate != 0,
        .seed = s->seed,
        .stuck = report_stuck,
        .usable = s->workers || r->topology->synthetic ? NULL : usable_now,
        .log = log_text,
        .thread_prepare = thread_prepare,
        .thread_begin = thread_begin,
        .thread_end = thread_end,
        .thread_release = gri_overflow_stack_unmap,
        .deadlock = wake_simulated,
        .about_to_run = gri_casualty_between,
        .poll_report = poll_report,
    };
    char why[128] = "";
    int code = gri_scheduler_start(&config, why, sizeof why);
    if (code == 0 && s->simulate) {
        code = begin_here(); /* the workers are this thread */
        if (code != 0) gri_scheduler_stop();
    }
    if (code == 0) return 0;
    snprintf(detail->text, sizeof detail->text, "the worker threads could not be started: %s%s%s%s",
             gr_error_text(code), why[0] ? ": " : "", why,
             strstr(why, "refuses") ? " (ulimit -u, pids.max; GREENROOM_WORKERS asks for fewer)" : "");
    return code;
}

static int set_keys(const gri_settings *s, gr_detail *detail)
{
    unsigned char key[16];
    uint64_t trace_seed = s->seed;
    if (s->simulate) {
        gri_address_key_seed(s->seed);
        gri_trace_start(trace_seed);
        return 0;
    }
    if (gri_random_bytes(key, sizeof key) != 0 || gri_random_bytes(&trace_seed, sizeof trace_seed) != 0) {
        snprintf(detail->text, sizeof detail->text, "the system gives no random bytes");
        return GR_ESYSTEM;
    }
    gri_address_key_set(key);
    gri_trace_start(trace_seed);
    return 0;
}

static void begin_faults(const gri_settings *s)
{
    gri_fault_plan plan;
    if (!gri_fault_plan_parse(s->faults_text, &plan, NULL)) gri_panic("a plan of faults that was checked is none");
    gri_casualty_begin();
    gri_faults_begin(&plan, s->seed);
}

static void make_null(void)
{
    gr_builder b;
    gr_build_into(&b, null_storage, sizeof null_storage);
    gr_put_null(&b);
    GRI_ASSERT(gr_build_value(&b, &null_value) == 0);
}

static int start_everything(const gr_options *options, gr_detail *detail)
{
    gri_runtime *r = &gri_runtime_now;
    memset(r, 0, sizeof *r);
    r->generation_base = generation_base;
    r->started = gri_clock_monotonic();
    gri_exits_forget();
    int code = gri_settings_load(options, &r->settings, detail);
    if (code != 0) return code;
    gri_settings_enforce(&r->settings);
    gri_log_levels_set((int)r->settings.log);
    gri_settings_warn();
    make_null();
    gri_message_held_free = gri_held_free;
    gri_jansson_headroom_set(stack_left);
    gri_parker_init(&r->stopper);
    code = set_keys(&r->settings, detail);
    if (code != 0) goto no_topology;
    if (r->settings.simulate) begin_faults(&r->settings);
    gri_heap_limit((size_t)r->settings.message_mb << 20);
    /* A seed gives the same run on every machine. */
    const gri_topology_options flat = {.flat = r->settings.simulate && !getenv("HWLOC_SYNTHETIC")};
    code = gri_topology_read(&flat, &r->topology);
    if (code == 0) code = gri_topology_place(r->topology, r->settings.bind_text, (uint32_t)r->settings.workers);
    if (code != 0) {
        snprintf(detail->text, sizeof detail->text, "GREENROOM_BIND=%.64s cannot be placed on this machine: %s",
                 r->settings.bind_text, gr_error_text(code));
        goto no_topology;
    }
    if (getenv("HWLOC_SYNTHETIC") && !r->topology->synthetic)
        gri_log(GR_LOG_WARN, GR_NO_ADDRESS,
                "HWLOC_SYNTHETIC=%.64s is no topology that hwloc takes: the real machine is used",
                getenv("HWLOC_SYNTHETIC"));
    gri_log(r->topology->list_missing ? GR_LOG_WARN : GR_LOG_INFO, GR_NO_ADDRESS, "%u worker%s: %s",
            r->topology->workers, r->topology->workers == 1 ? "" : "s", r->topology->reason);
    code = gri_stacks_start(&(gri_stack_options){.guard = (gri_guard_mode)r->settings.guard});
    if (code != 0) {
        snprintf(detail->text, sizeof detail->text, "stacks could not be set up: %s", gr_error_text(code));
        goto no_topology;
    }
    code = start_tables(r, detail);
    if (code != 0) goto no_tables;
    if (!r->settings.no_signal_handler) code = gri_overflow_install();
    if (code != 0) goto no_handler;
    code = gri_observe_begin(detail);
    if (code != 0) goto no_observers;
    code = start_workers(r, detail);
    if (code != 0) goto no_workers;
    /* mo:runtime.change release -> runtime.state acquire: everything that was built */
    gri_store_release(&r->state, GRI_RUNTIME_UP);
    return 0;
no_workers:
    gri_observe_end();
no_observers:
    if (!r->settings.no_signal_handler) gri_overflow_uninstall();
no_handler:
    stop_tables(r);
no_tables:
    gri_stacks_stop();
    gri_heap_trim(true);
no_topology:
    gri_faults_end();
    gri_topology_free(r->topology);
    r->topology = NULL;
    gri_settings_enforce(NULL);
    return code;
}

int gr_start(const gr_options *options, gr_detail *ret_detail)
{
    gr_detail scratch, *detail = ret_detail ? ret_detail : &scratch;
    if (gri_runtime_forked()) {
        *detail = (gr_detail){.text = "this process is a fork of the one that started the runtime: exec first"};
        return GR_EFORKED;
    }
    pthread_mutex_lock(&start_lock);
    if (!fork_hooked) fork_hooked = pthread_atfork(NULL, NULL, mark_child) == 0;
    int code;
    memset(detail, 0, sizeof *detail);
    if (starts > 0)
        code = gri_settings_conflict(&gri_runtime_now.settings, options, detail);
    else
        code = start_everything(options, detail);
    if (code == 0) starts++;
    pthread_mutex_unlock(&start_lock);
    return code;
}

/* ---- the source of memory ---- */

static gr_memory_source memory_source; /* guarded by start_lock */

int gr_memory_source_set(const gr_memory_source *source)
{
    if (source && (!source->take || !source->give)) return GR_EINVAL;
    gri_chunk_source chunks = {NULL, NULL, NULL};
    if (source) chunks = (gri_chunk_source){source->take, source->give, source->arg};
    pthread_mutex_lock(&start_lock);
    gr_memory_source before = memory_source;
    bool idle = starts == 0;
    if (idle) gri_heap_trim(true);
    int code = idle && gri_heap_hook(source ? &chunks : NULL) ? 0 : GR_EINUSE;
    if (code == 0) memory_source = source ? *source : (gr_memory_source){NULL, NULL, NULL, NULL};
    pthread_mutex_unlock(&start_lock);
    if (code == 0 && before.drop) before.drop(before.arg);
    return code;
}

/* ---- stopping ---- */

/* Waits until no actor is left. */
static bool drained(gri_instant deadline)
{
    gri_runtime *r = &gri_runtime_now;
    for (;;) {
        gri_store_relaxed(&r->stop_waits, true); /* relaxed: the fence orders it */
        /* mo:runtime.wait seq_cst <-> runtime.ended seq_cst: see gri_runtime_count_ended */
        gri_instant until = gri_fence_heavy() ? deadline : gri_instant_add(gri_clock_monotonic(), STOP_LOOK_NS);
        if (alive() == 0) break;
        if (!gri_parker_wait(&r->stopper, GRI_MIN(until, deadline)) && gri_clock_monotonic() >= deadline) return false;
    }
    return true;
}

/* What is supervised is left to its supervisor, which takes it down in order, as long as nobody is in a hurry. */
static int visit_kill(void *arg, gr_address address)
{
    bool now = *(bool *)arg;
    if (!now && gr_alive(gr_supervisor_of(address))) return 0;
    (void)(now ? gr_kill_now(address) : gr_kill(address)); /* GR_EDEAD: it has gone by itself */
    return 0;
}

/* Kills until nobody is left: what is being spawned meanwhile is found in the next round. */
static bool kill_all(bool now, int64_t patience_ns)
{
    gri_instant end = gri_instant_add(gri_clock_monotonic(), patience_ns);
    int64_t pause = 10 * GRI_NS_PER_MS;
    do {
        gr_each(visit_kill, &now);
        if (drained(gri_instant_add(gri_clock_monotonic(), pause))) return true;
        pause *= 2;
    } while (gri_clock_monotonic() < end);
    return false;
}

/* The same on virtual time: the caller is an attached thread that lets the others run. Where there is no memory for the stack that
 * they would run on, no time passes either: nobody will drain. */
static bool drained_simulated(gr_self *self, gri_instant deadline)
{
    for (int refused = 0; alive() > 1;) {
        gr_deadline next = {gri_instant_add(gri_clock_now(), GRI_NS_PER_MS)};
        if (gri_clock_now() >= deadline || refused == SIMULATED_REFUSALS) return false;
        int code = gr_sleep(self, next); /* a kill of the host thread does not end the stop */
        refused = code == GR_ENOMEM ? refused + 1 : 0;
        self->flags &= (uint16_t) ~(GRI_KILLED | GRI_KILLED_NOW);
    }
    return true;
}

static int drain(gr_deadline deadline)
{
    gri_runtime *r = &gri_runtime_now;
    gr_self *host = gri_attached_here();
    bool simulated = r->settings.simulate;
    if (simulated && !host && gr_attach(&host) != 0) return 0;
    bool clean = simulated ? drained_simulated(host, deadline.ns) : drained(deadline.ns);
    if (clean) return 0;
    /* relaxed: spawns that do not see it yet are killed with the others */
    gri_store_relaxed(&r->state, GRI_RUNTIME_STOPPING);
    for (int round = 0; round < 2 && !clean; round++) {
        bool now = round == 1;
        if (simulated) {
            gr_each(visit_kill, &now);
            clean = drained_simulated(host, gri_instant_add(gri_clock_now(), now ? KILL_NOW_NS : KILL_NS));
        } else {
            clean = kill_all(now, now ? KILL_NOW_NS : KILL_NS);
        }
    }
    while (!clean) {
        gri_log(GR_LOG_ERROR, GR_NO_ADDRESS, "gr_stop waits for %llu actors that do not reach a suspending call",
                (unsigned long long)alive());
        clean = simulated || kill_all(true, 10 * GRI_NS_PER_S);
    }
    return GR_ETIMEOUT;
}

int gr_stop(gr_deadline deadline)
{
    if (gri_runtime_forked()) return GR_EFORKED;
    gr_self *host = gri_attached_here();
    gr_self *caller = gri_self_here();
    if (caller && !(caller->flags & GRI_ATTACHED)) return GR_ECONTEXT;
    pthread_mutex_lock(&start_lock);
    int code = starts == 0 ? GR_ENOTRUNNING : 0;
    if (code == 0 && --starts == 0) {
        gri_runtime *r = &gri_runtime_now;
        bool simulated = r->settings.simulate;
        if (!simulated) gr_detach(&host);
        code = drain(deadline);
        host = gri_attached_here();
        gr_detach(&host);
        run_at_stop();
        gri_store_relaxed(&r->state, GRI_RUNTIME_STOPPING); /* relaxed: nobody is left to read it */
        gri_faults_end();
        gri_scheduler_stop();
        gri_observe_end();
        if (simulated) end_here();
        if (!r->settings.no_signal_handler) gri_overflow_uninstall();
        stop_tables(r);
        gri_stacks_stop();
        gri_heap_trim(true);
        gri_topology_free(r->topology);
        r->topology = NULL;
        gri_settings_enforce(NULL);
        /* mo:runtime.change release -> runtime.state acquire: down */
        gri_store_release(&r->state, GRI_RUNTIME_DOWN);
    } else if (code == 0 && host) {
        gr_detach(&host);
    }
    pthread_mutex_unlock(&start_lock);
    return code;
}
