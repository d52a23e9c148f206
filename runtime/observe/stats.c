/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* gr_observe_stats. */
#include "actor/look.h"
#include "actor/runtime.h"
#include "observe/figures.h"
#include "observe/workers.h"
#include "os/clock.h"

#include <greenroom/build.h>
#include <greenroom/observe.h>
#include <greenroom/runtime.h>

static void put_number(gr_builder *b, const char *key, uint64_t value)
{
    gr_put_key(b, key);
    gr_put_int(b, value > INT64_MAX ? INT64_MAX : (int64_t)value);
}

static void put_worker(gr_builder *b, const gri_worker_look *w)
{
    gr_put_object(b);
    put_number(b, "id", w->id);
    gr_put_key(b, "cpu");
    if (w->cpu < 0)
        gr_put_null(b);
    else
        gr_put_int(b, w->cpu);
    gr_put_key(b, "load"), gr_put_double(b, w->load);
    put_number(b, "queue", w->queue);
    put_number(b, "messages", w->messages);
    put_number(b, "switches", w->switches);
    put_number(b, "steals", w->steals);
    put_number(b, "stolen", w->stolen);
    put_number(b, "parks", w->parks);
    gr_put_key(b, "state"), gr_put_string(b, w->state);
    gr_put_end(b);
}

static void put_workers(gr_builder *b, uint64_t *ret_running)
{
    gri_worker_look look;
    gr_put_key(b, "workers"), gr_put_array(b);
    for (unsigned id = 0; gri_worker_look_at(id, &look); id++) {
        *ret_running += look.is_running;
        put_worker(b, &look);
    }
    gr_put_end(b);
}

static void put_actors(gr_builder *b, const gr_counters *c, uint64_t running)
{
    gr_put_key(b, "actors"), gr_put_object(b);
    put_number(b, "live", c->actors);
    put_number(b, "running", GRI_MIN(running, c->actors));
    put_number(b, "waiting", c->actors - GRI_MIN(running, c->actors));
    put_number(b, "spawned", c->spawned);
    put_number(b, "ended", c->ended);
    gr_put_end(b);
}

/* [[up to, how many], …] of those that are not empty: from two looks follows what was between them. */
static void put_buckets(gr_builder *b, gri_histogram *histogram)
{
    gr_put_key(b, "buckets"), gr_put_array(b);
    for (unsigned i = 0; i < GRI_HISTOGRAM_BUCKETS; i++) {
        uint64_t count = gri_load_relaxed(&histogram->counts[i]); /* relaxed: a moment's picture */
        if (count == 0) continue;
        gr_put_array(b);
        gr_put_int(b, gri_histogram_limit(i)), gr_put_int(b, (int64_t)count);
        gr_put_end(b);
    }
    gr_put_end(b);
}

static void put_mailbox(gr_builder *b)
{
    gri_histogram *times = gri_figures_mailbox_times(), depths;
    gri_figures_depths(&depths);
    gr_put_key(b, "mailbox"), gr_put_object(b);
    gr_put_key(b, "time_us"), gr_put_object(b);
    put_number(b, "p50", gri_histogram_quantile(times, 0.5));
    put_number(b, "p90", gri_histogram_quantile(times, 0.9));
    put_number(b, "p99", gri_histogram_quantile(times, 0.99));
    put_number(b, "max", gri_histogram_quantile(times, 1.0));
    put_buckets(b, times);
    gr_put_end(b);
    gr_put_key(b, "depth"), gr_put_object(b);
    put_number(b, "p50", gri_histogram_quantile(&depths, 0.5));
    put_number(b, "p99", gri_histogram_quantile(&depths, 0.99));
    put_number(b, "max", gri_histogram_quantile(&depths, 1.0));
    gr_put_end(b);
    gr_put_end(b);
}

int gr_observe_stats(gr_message **ret_stats)
{
    gr_counters c;
    if (gri_runtime_forked()) return GR_EFORKED;
    int code = gr_counters_read(&c);
    if (code != 0) return code;
    uint64_t running = gri_tasks_waiting();
    gr_builder b;
    gr_build(&b);
    gr_put_object(&b);
    gr_put_key(&b, "time"), gr_put_double(&b, (double)gri_clock_real_ns() / 1e9);
    gr_put_key(&b, "uptime"), gr_put_double(&b, gri_figures_uptime());
    gr_put_key(&b, "version"), gr_put_string(&b, gr_version());
    put_workers(&b, &running);
    put_actors(&b, &c, running);
    gr_put_key(&b, "messages"), gr_put_object(&b);
    put_number(&b, "sent", c.messages);
    put_number(&b, "dead_letters", c.dead_letters);
    put_number(&b, "dropped", c.dropped + c.discarded + c.displaced);
    put_number(&b, "rejected", c.rejected);
    gr_put_end(&b);
    put_mailbox(&b);
    gri_memory_figures memory;
    gri_figures_memory(&memory);
    gr_put_key(&b, "memory"), gr_put_object(&b);
    put_number(&b, "messages", memory.messages);
    put_number(&b, "stacks", memory.stacks_live + memory.stacks_cached);
    put_number(&b, "resident", memory.resident);
    gr_put_end(&b);
    gr_put_end(&b);
    return gr_build_message(&b, ret_stats);
}
