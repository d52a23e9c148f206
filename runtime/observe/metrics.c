/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* gr_metrics: the text format of Prometheus. A family is its HELP and TYPE, then its samples, all in one place; numbers are
 * written without the locale. */
#include "actor/runtime.h"
#include "observe/figures.h"
#include "observe/growing.h"
#include "observe/spans.h"
#include "observe/workers.h"
#include "os/clock.h"

#include <greenroom/observe.h>
#include <greenroom/runtime.h>
#include <stdlib.h>

static void family(gri_text *t, const char *name, const char *type, const char *help)
{
    gri_text_add(t, "# HELP greenroom_%s %s\n# TYPE greenroom_%s %s\n", name, help, name, type);
}

static void single(gri_text *t, const char *name, const char *type, const char *help, uint64_t value)
{
    family(t, name, type, help);
    gri_text_add(t, "greenroom_%s %llu\n", name, (unsigned long long)value);
}

static void add_seconds(gri_text *t, uint64_t ns)
{
    gri_text_add(t, "%llu.%09llu\n", (unsigned long long)(ns / 1000000000), (unsigned long long)(ns % 1000000000));
}

/* ---- workers ---- */

typedef struct worker_metric {
    const char *name, *type, *help;
    size_t at; /* in gri_worker_look, a uint64_t */
} worker_metric;

static const worker_metric worker_metrics[] = {
    {"worker_queue_length", "gauge", "Actors that wait for the worker.", offsetof(gri_worker_look, queue)},
    {"worker_messages_total", "counter", "Messages sent by what ran on the worker.",
     offsetof(gri_worker_look, messages)},
    {"worker_switches_total", "counter", "Switches between stacks.", offsetof(gri_worker_look, switches)},
    {"worker_runs_total", "counter", "Actors run as plain calls.", offsetof(gri_worker_look, runs)},
    {"worker_steals_total", "counter", "Times the worker found work in another's queue.",
     offsetof(gri_worker_look, steals)},
    {"worker_stolen_total", "counter", "Actors that the worker took from others' queues.",
     offsetof(gri_worker_look, stolen)},
    {"worker_parks_total", "counter", "Times the worker went to sleep.", offsetof(gri_worker_look, parks)},
    {"worker_wakes_total", "counter", "Sleeping workers that this one woke.", offsetof(gri_worker_look, wakes)},
};

static void add_worker_states(gri_text *t, const gri_worker_look *looks, unsigned count)
{
    static const char *const states[] = {"running", "idle", "stuck", "spare"};
    family(t, "workers", "gauge", "Worker threads by what they do at this moment.");
    for (size_t s = 0; s < GRI_ARRAY_COUNT(states); s++) {
        unsigned so = 0;
        for (unsigned i = 0; i < count; i++)
            so += looks[i].state[0] == states[s][0] && looks[i].state[1] == states[s][1];
        gri_text_add(t, "greenroom_workers{state=\"%s\"} %u\n", states[s], so);
    }
}

static void add_workers(gri_text *t, const gri_worker_look *looks, unsigned count)
{
    add_worker_states(t, looks, count);
    for (size_t m = 0; m < GRI_ARRAY_COUNT(worker_metrics); m++) {
        const worker_metric *metric = &worker_metrics[m];
        family(t, metric->name, metric->type, metric->help);
        for (unsigned i = 0; i < count; i++) {
            const uint64_t *value = (const uint64_t *)(const void *)((const char *)&looks[i] + metric->at);
            gri_text_add(t, "greenroom_%s{worker=\"%u\"} %llu\n", metric->name, looks[i].id,
                         (unsigned long long)*value);
        }
    }
    family(t, "worker_cpu_seconds_total", "counter", "CPU time of the worker's thread.");
    for (unsigned i = 0; i < count; i++) {
        gri_text_add(t, "greenroom_worker_cpu_seconds_total{worker=\"%u\"} ", looks[i].id);
        add_seconds(t, looks[i].cpu_ns);
    }
}

/* ---- the rest ---- */

static void add_counters(gri_text *t, const gr_counters *c, uint64_t running)
{
    running = GRI_MIN(running, c->actors);
    family(t, "actors", "gauge", "Actors alive by state; running ones run, or could.");
    gri_text_add(t, "greenroom_actors{state=\"running\"} %llu\n", (unsigned long long)running);
    gri_text_add(t, "greenroom_actors{state=\"waiting\"} %llu\n", (unsigned long long)(c->actors - running));
    single(t, "actors_spawned_total", "counter", "Actors spawned.", c->spawned);
    single(t, "actors_ended_total", "counter", "Actors ended, in whatever way.", c->ended);
    single(t, "messages_sent_total", "counter", "Messages sent.", c->messages);
    single(t, "dead_letters_total", "counter", "Messages and replies whose receiver was dead.", c->dead_letters);
    single(t, "messages_discarded_total", "counter", "Messages that were waiting when their receiver ended.",
           c->discarded);
    single(t, "messages_dropped_total", "counter", "Messages that were no call to a server that takes nothing else.",
           c->dropped);
    single(t, "messages_rejected_total", "counter", "Messages that a full mailbox refused.", c->rejected);
    single(t, "messages_displaced_total", "counter", "Messages that a full mailbox dropped.", c->displaced);
    single(t, "calls_expired_total", "counter", "Calls that were not run because nobody waited for them any more.",
           c->expired);
    single(t, "deadlocks_total", "counter", "Calls refused because they would have closed a cycle.", c->deadlocks);
    single(t, "timers_fired_total", "counter", "Timers fired.", c->timers_fired);
    single(t, "polls_total", "counter", "Looks at the poller.", c->polls);
    single(t, "queue_spills_total", "counter", "Actors that a full run queue had no room for.", c->spills);
    single(t, "stuck_total", "counter", "Times an actor held its worker too long.", c->stuck);
    single(t, "rescues_total", "counter", "Times a spare worker was put in.", c->rescues);
    single(t, "stack_overflows_total", "counter", "Stack overflows contained.", c->overflows);
    single(t, "stacks", "gauge", "Stacks that hold a green thread or a worker's loop.", c->stacks_live);
}

static void add_histogram(gri_text *t, const char *name, const char *help, gri_histogram *histogram, bool is_us)
{
    static const uint32_t limits[] = {1,   3,    7,    15,    31,    63,     127,     255,
                                      511, 1023, 4095, 16383, 65535, 262143, 1048575, 16777215};
    family(t, name, "histogram", help);
    for (size_t i = 0; i < GRI_ARRAY_COUNT(limits); i++) {
        unsigned long long below = gri_histogram_below(histogram, limits[i]);
        if (is_us)
            gri_text_add(t, "greenroom_%s_bucket{le=\"%u.%06u\"} %llu\n", name, limits[i] / 1000000,
                         limits[i] % 1000000, below);
        else
            gri_text_add(t, "greenroom_%s_bucket{le=\"%u\"} %llu\n", name, limits[i], below);
    }
    unsigned long long count = gri_histogram_count(histogram);
    unsigned long long sum = gri_load_relaxed(&histogram->sum); /* relaxed: a moment's picture */
    gri_text_add(t, "greenroom_%s_bucket{le=\"+Inf\"} %llu\n", name, count);
    if (is_us)
        gri_text_add(t, "greenroom_%s_sum %llu.%06llu\n", name, sum / 1000000, sum % 1000000);
    else
        gri_text_add(t, "greenroom_%s_sum %llu\n", name, sum);
    gri_text_add(t, "greenroom_%s_count %llu\n", name, count);
}

static void add_memory(gri_text *t)
{
    gri_memory_figures m;
    gri_figures_memory(&m);
    family(t, "memory_bytes", "gauge", "Memory by what it is for; free ones are kept warm.");
    gri_text_add(t, "greenroom_memory_bytes{class=\"messages\"} %llu\n", (unsigned long long)m.messages);
    gri_text_add(t, "greenroom_memory_bytes{class=\"messages_free\"} %llu\n", (unsigned long long)m.messages_warm);
    gri_text_add(t, "greenroom_memory_bytes{class=\"stacks\"} %llu\n", (unsigned long long)m.stacks_live);
    gri_text_add(t, "greenroom_memory_bytes{class=\"stacks_free\"} %llu\n", (unsigned long long)m.stacks_cached);
    gri_text_add(t, "greenroom_memory_bytes{class=\"actors\"} %llu\n", (unsigned long long)m.tables);
    single(t, "resident_memory_bytes", "gauge", "Memory of the whole process that is in memory.", m.resident);
}

static void add_all(gri_text *t, const gr_counters *c, const gri_worker_look *looks, unsigned count)
{
    uint64_t running = gri_tasks_waiting();
    for (unsigned i = 0; i < count; i++) running += looks[i].is_running;
    family(t, "info", "gauge", "The library's version.");
    gri_text_add(t, "greenroom_info{version=\"%s\"} 1\n", gr_version());
    family(t, "start_time_seconds", "gauge", "When the runtime was started, since 1970.");
    gri_text_add(t, "greenroom_start_time_seconds ");
    int64_t age = gri_clock_monotonic() - gri_runtime_now.started, now = gri_clock_real_ns();
    add_seconds(t, now > age ? (uint64_t)(now - age) : 0);
    add_workers(t, looks, count);
    add_counters(t, c, running);
    add_histogram(t, "mailbox_time_seconds", "Time that a sample of the messages waited in mailboxes.",
                  gri_figures_mailbox_times(), true);
    add_histogram(t, "mailbox_depth", "Messages that waited where one of the sample was taken out.",
                  gri_figures_mailbox_depths(), false);
    add_memory(t);
    uint64_t written, lost;
    gri_spans_count(&written, &lost);
    single(t, "trace_spans_total", "counter", "Spans written to the file of GREENROOM_TRACE.", written);
    single(t, "trace_spans_lost_total", "counter", "Spans that were not: the buffers or the file were full.", lost);
}

int gr_metrics(char **ret_text, size_t *ret_bytes)
{
    gr_counters c;
    if (gri_runtime_forked()) return GR_EFORKED;
    int code = gr_counters_read(&c);
    if (code != 0) return code;
    unsigned count = gri_workers_now();
    gri_worker_look *looks = calloc(count, sizeof *looks);
    if (!looks) return GR_ENOMEM;
    for (unsigned i = 0; i < count; i++)
        if (!gri_worker_look_at(i, &looks[i])) count = i;
    gri_text text;
    gri_text_begin(&text);
    add_all(&text, &c, looks, count);
    free(looks);
    return gri_text_end(&text, ret_text, ret_bytes);
}
