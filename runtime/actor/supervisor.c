/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* What follows from what: deaths, restarts and their order, intensity, the end. See supervisor.h. */
#include "actor/supervisor.h"

#include "actor/runtime.h"
#include "actor/serve.h"
#include "os/clock.h"
#include "os/random.h"

#include <greenroom/link.h>
#include <string.h>

#define INTENSITY 3
#define INTENSITY_MAX 1000000
#define PERIOD_MS 5000
#define BACKOFF_MS 10
#define BACKOFF_MAX_MS 1000
#define ID_BYTES_MAX 255

/* ---- how often ---- */

/* Notes a restart; false if it is one too many. */
static bool may_restart(gri_supervisor *s, gri_instant now)
{
    if (s->intensity == 0) return false;
    if (s->times_count == s->intensity && now - s->times[s->times_next] <= s->period_ns) return false;
    s->times[s->times_next] = now;
    s->times_next = (s->times_next + 1) % s->intensity;
    if (s->times_count < s->intensity) s->times_count++;
    return true;
}

/* How long this child's next start has to wait, and one failure more. */
static int64_t pause_ns(gri_supervisor *s, gri_child *c, bool lasted)
{
    if (lasted) c->failures = 0;
    uint32_t failures = c->failures++;
    if (failures == 0 || s->backoff_ns <= 0) return 0;
    int64_t pause = s->backoff_ns;
    for (uint32_t i = 1; i < failures && pause < s->backoff_max_ns; i++) pause *= 2;
    if (pause > s->backoff_max_ns) pause = s->backoff_max_ns;
    return pause / 2 + (int64_t)gri_rng_below(&s->rng, (uint64_t)(pause / 2) + 1);
}

/* ---- the end ---- */

static void drop_wish(gr_self *self, gri_supervisor *s, gri_child *c)
{
    c->wanted = false;
    gri_answer_error(self, &c->starter, "ending", (gr_value){NULL}, "the supervisor is ending");
    if (c->state == GRI_CHILD_WAITING) gri_child_gone(self, s, c);
}

void gri_supervisor_shut_down(gr_self *self, gri_supervisor *s)
{
    if (s->phase == GRI_SUPERVISOR_ENDING) return;
    s->phase = GRI_SUPERVISOR_ENDING;
    s->dirty = true;
    gri_answer_waiters(self, s, false);
    GRI_LIST_EACH(link, &s->ordered)
    {
        gri_child *c = GRI_LIST_ENTRY(link, gri_child, link);
        drop_wish(self, s, c);
        c->marked = gri_child_is_alive(c);
    }
    for (gri_list *link = s->loose.prev; link != &s->loose; link = link->prev) {
        gri_child *c = GRI_LIST_ENTRY(link, gri_child, link);
        drop_wish(self, s, c);
        if (gri_child_is_alive(c) && c->state != GRI_CHILD_STOPPING) gri_child_stop(self, s, c);
    }
}

/* No child is left: the supervisor ends, as it has to. */
static void end(gr_self *self, gri_supervisor *s)
{
    gri_answer_waiters(self, s, true);
    gr_server_end(self);
    if (s->ending.at) gr_raise_value(self, "restart_intensity", s->ending);
}

/* One restart too many. Without memory for the description it ends without one. */
static void give_up(gr_self *self, gri_supervisor *s, const gri_child *c, gr_value report)
{
    gr_message *m = NULL;
    if (gr_pack(&m, "{s:s,s:I,s:I,s:s,s:s}", "child", c->spec.id, "restarts", (int64_t)s->intensity, "period_ms",
                s->period_ns / GRI_NS_PER_MS, "error", gr_string(gr_get(report, "error"), "returned"), "text",
                gr_string(gr_get(report, "description"), "")) == 0)
        s->ending = gr_value_keep(self, gr_body(m));
    gr_message_free(&m);
    if (!s->ending.at) s->ending = gri_runtime_null();
    gr_log(GR_LOG_WARN, "supervisor: child %s died again, which is more than %u restarts in %lld ms: giving up",
           c->spec.id, s->intensity, (long long)(s->period_ns / GRI_NS_PER_MS));
    gri_supervisor_shut_down(self, s);
}

/* ---- a death ---- */

static void mark_siblings(gri_supervisor *s, const gri_child *dead)
{
    bool behind = s->table->strategy == GR_ONE_FOR_ALL;
    GRI_LIST_EACH(link, &s->ordered)
    {
        gri_child *c = GRI_LIST_ENTRY(link, gri_child, link);
        if (c == dead)
            behind = true;
        else if (behind && (gri_child_is_alive(c) || c->state == GRI_CHILD_WAITING))
            c->marked = true;
    }
}

/* It was alive and is no more, or could not be spawned. Whatever follows but what settling does. */
static void child_died(gr_self *self, gri_supervisor *s, gri_child *c, bool failed, gr_value report)
{
    const bool late = c->late, stopped = c->state == GRI_CHILD_STOPPING && !late;
    const bool starting = c->state == GRI_CHILD_STARTING || c->state == GRI_CHILD_DOWN || late;
    const bool lasted = c->state == GRI_CHILD_UP && gri_clock_now() - c->up_since > s->period_ns;
    c->late = c->marked = false;
    gri_child_gone(self, s, c);
    if (c->starter) {
        gri_answer_error(self, &c->starter, "start_failed", report, "the child ended before it was up");
        c->wanted = false;
        if (c->on_trial) {
            gri_child_forget(self, s, c);
            return;
        }
    }
    gri_answer_null(self, &c->stopper);
    const bool forgotten = c->spec.restart == GR_TEMPORARY || (c->loose && !c->wanted);
    if (stopped || !c->wanted || s->phase == GRI_SUPERVISOR_ENDING) {
        if (forgotten) gri_child_forget(self, s, c);
        return;
    }
    if (c->spec.restart == GR_TEMPORARY || (c->spec.restart == GR_TRANSIENT && !failed && !starting)) {
        c->wanted = false;
        if (c->loose || forgotten) gri_child_forget(self, s, c);
        return;
    }
    if (!may_restart(s, c->died)) {
        give_up(self, s, c, report);
        return;
    }
    c->restarts++;
    s->restarts++;
    c->not_before = gri_instant_add(c->died, pause_ns(s, c, lasted));
    if (c->loose || s->table->strategy == GR_ONE_FOR_ONE) return;
    if (c->not_before > s->not_before) s->not_before = c->not_before;
    mark_siblings(s, c);
}

/* ---- settling ---- */

/* Does the start of the others wait for this one? */
static bool blocks(const gri_supervisor *s, const gri_child *c)
{
    return s->table->strategy != GR_ONE_FOR_ONE || !c->was_up;
}

static void start_failed(gr_self *self, gri_supervisor *s, gri_child *c, int code)
{
    gr_message *report =
        gri_report_new(NULL, gr_error_name(code), (gr_value){NULL}, gr_error_detail(self)->text, false);
    gr_log(GR_LOG_WARN, "supervisor: child %s could not be started: %s", c->spec.id, gr_error_detail(self)->text);
    child_died(self, s, c, true, report ? gr_body(report) : gri_runtime_null());
    gr_message_free(&report);
}

/* One that is down and wanted: starts it, or sees to it that it will be. False if it failed at once: c may be gone. */
static bool try_start(gr_self *self, gri_supervisor *s, gri_child *c)
{
    gri_instant at = c->loose ? c->not_before : GRI_MAX(c->not_before, s->not_before);
    if (gri_clock_now() < at) {
        c->state = GRI_CHILD_WAITING;
        s->dirty = true;
        gri_child_arm(self, c, at);
        return true;
    }
    int code = gri_child_start(self, s, c);
    if (code == 0) return true;
    if (code == GR_ENOTRUNNING) { /* the runtime stops: so will we */
        drop_wish(self, s, c);
        return true;
    }
    start_failed(self, s, c, code);
    return false;
}

void gri_supervisor_settle_loose(gr_self *self, gri_supervisor *s, gri_child *c)
{
    char id[ID_BYTES_MAX + 1];
    strcpy(id, c->spec.id);
    while (c && c->wanted && c->state == GRI_CHILD_DOWN && s->phase != GRI_SUPERVISOR_ENDING) {
        if (try_start(self, s, c)) return;
        c = gri_child_find(s, id); /* it may have been forgotten */
    }
    if (s->phase == GRI_SUPERVISOR_ENDING) gri_supervisor_settle(self, s);
}

/* True: the last one that is marked is on its way down, and the rest waits for that. */
static bool stop_marked(gr_self *self, gri_supervisor *s)
{
    for (gri_list *link = s->ordered.prev; link != &s->ordered; link = link->prev) {
        gri_child *c = GRI_LIST_ENTRY(link, gri_child, link);
        if (!c->marked) continue;
        if (c->state == GRI_CHILD_WAITING) gri_child_gone(self, s, c);
        if (gri_child_is_alive(c)) {
            if (c->state != GRI_CHILD_STOPPING) gri_child_stop(self, s, c);
            return true;
        }
        c->marked = false;
    }
    return false;
}

/* 0: all that are wanted are up; 1: something is under way; -1: one failed at once, look again. */
static int start_wanted(gr_self *self, gri_supervisor *s)
{
    GRI_LIST_EACH_SAFE(link, &s->ordered)
    {
        gri_child *c = GRI_LIST_ENTRY(link, gri_child, link);
        if (!c->wanted || c->state == GRI_CHILD_UP) continue;
        if (c->state == GRI_CHILD_DOWN && !try_start(self, s, c)) return -1;
        if (c->wanted && c->state != GRI_CHILD_UP && blocks(s, c)) return 1;
    }
    return 0;
}

void gri_supervisor_settle(gr_self *self, gri_supervisor *s)
{
    for (;;) {
        if (stop_marked(self, s)) return;
        if (s->phase == GRI_SUPERVISOR_ENDING) {
            if (s->alive == 0) end(self, s);
            return;
        }
        int under_way = start_wanted(self, s);
        if (under_way == 0 && s->phase == GRI_SUPERVISOR_STARTING) {
            s->phase = GRI_SUPERVISOR_RUNNING;
            s->dirty = true;
            gri_supervisor_publish_now(self, s);
            gr_ready(self);
            gri_answer_waiters(self, s, false);
        }
        if (under_way >= 0) return;
    }
}

/* ---- what arrives ---- */

static void on_down(gr_self *self, gri_supervisor *s, const gr_message *m)
{
    gri_child *c = gri_child_of_monitor(s, m->reference);
    if (!c) return;
    gr_value report = gr_get(gr_body(m), "exception");
    const bool loose = c->loose;
    char id[ID_BYTES_MAX + 1];
    strcpy(id, c->spec.id);
    child_died(self, s, c, report.at != NULL, report);
    if (!loose || s->phase == GRI_SUPERVISOR_ENDING) {
        gri_supervisor_settle(self, s);
    } else {
        c = gri_child_find(s, id);
        if (c) gri_supervisor_settle_loose(self, s, c);
    }
}

static void on_ready(gr_self *self, gri_supervisor *s, const gr_message *m)
{
    gri_child *c = gri_child_of_monitor(s, m->reference);
    if (!c || c->state != GRI_CHILD_STARTING || !gr_address_equal(c->address, m->sender)) return;
    gri_child_up(self, s, c);
    if (!c->loose) gri_supervisor_settle(self, s);
}

static void on_timer(gr_self *self, gri_supervisor *s, gr_value body)
{
    gri_child *c = gri_child_find(s, gr_string(gr_get(body, "id"), ""));
    if (!c || gr_int(gr_get(body, "serial"), -1) != (int64_t)c->timer_serial) return; /* of an earlier state */
    c->timer.id = 0;
    switch (c->state) {
    case GRI_CHILD_WAITING:
        c->state = GRI_CHILD_DOWN;
        if (c->loose)
            gri_supervisor_settle_loose(self, s, c);
        else
            gri_supervisor_settle(self, s);
        break;
    case GRI_CHILD_STARTING:
        gr_log(GR_LOG_WARN, "supervisor: child %s was not up after %lld ms", c->spec.id, (long long)c->spec.start_ms);
        c->late = true;
        gri_child_stop(self, s, c);
        break;
    case GRI_CHILD_STOPPING:
        gr_log(GR_LOG_WARN, "supervisor: child %s did not end in time and is killed now", c->spec.id);
        gri_child_kill_now(self, c);
        break;
    default: break;
    }
}

static void on_message(gr_self *self, void *state, gr_message *m)
{
    gri_supervisor *s = state;
    if (m->kind == GRI_MESSAGE_DOWN)
        on_down(self, s, m);
    else if (m->kind == GRI_MESSAGE_TIMER && gr_address_equal(m->sender, gri_actor_address(self)))
        on_timer(self, s, gr_body(m));
    else if (m->kind == GRI_MESSAGE_TIMER && m->reference != 0)
        on_ready(self, s, m);
    else
        gri_runtime_count_dropped();
    gri_supervisor_publish(self, s);
}

/* ---- its own life ---- */

static void on_kill(gr_self *self, void *state)
{
    gri_supervisor *s = state;
    s->ending = (gr_value){NULL}; /* however it was about to end: it was killed */
    gri_supervisor_shut_down(self, s);
    gri_supervisor_settle(self, s);
    gri_supervisor_publish(self, s);
}

static int64_t ns_or(int64_t ms, int64_t fallback_ms)
{
    return gri_ns_from_ms(ms == 0 ? fallback_ms : ms);
}

static int start(gr_self *self, void *state, gr_value args)
{
    gri_supervisor *s = state;
    const gr_supervisor *table = s->table;
    (void)args;
    gri_more *more = gri_actor_more(self);
    if (!more) return GR_ENOMEM;
    gri_list_init(&s->ordered);
    gri_list_init(&s->loose);
    s->intensity = table->intensity == GR_INTENSITY_NONE ? 0 : table->intensity == 0 ? INTENSITY : table->intensity;
    s->period_ns = ns_or(table->period_ms, PERIOD_MS);
    s->backoff_ns = table->backoff_ms < 0 ? 0 : ns_or(table->backoff_ms, BACKOFF_MS);
    s->backoff_max_ns = ns_or(table->backoff_max_ms, BACKOFF_MAX_MS);
    const gri_settings *settings = &gri_runtime_now.settings;
    /* relaxed: ours, and constant */
    gri_rng_seed(&s->rng, settings->simulate ? settings->seed ^ gri_load_relaxed(&self->task.id) : gri_random_seed());
    if (s->intensity) s->times = gr_alloc(self, s->intensity * sizeof *s->times);
    if (s->intensity && !s->times) return GR_ENOMEM;
    for (size_t i = 0; i < table->child_count; i++)
        if (!gri_child_add(self, s, &table->children[i], table->children[i].id, false)) return GR_ENOMEM;
    more->on_kill = on_kill;
    s->dirty = true;
    gri_supervisor_settle(self, s);
    gri_supervisor_publish(self, s);
    return 0;
}

/* Only after gr_kill_now, or when its own stack overflowed, are there any left: they end now, and nobody waits for it. */
static void stop(gr_self *self, void *state)
{
    gri_supervisor *s = state;
    gri_list *lists[] = {&s->loose, &s->ordered};
    for (int i = 0; i < 2; i++) {
        for (gri_list *link = lists[i]->prev; link != lists[i]; link = link->prev) {
            gri_child *c = GRI_LIST_ENTRY(link, gri_child, link);
            if (gri_child_is_alive(c)) gri_child_kill_now(self, c);
        }
    }
}

const gr_server gri_supervisor_server = {.state_bytes = sizeof(gri_supervisor),
                                         .start = start,
                                         .methods = gri_supervisor_methods,
                                         .method_count = GRI_SUPERVISOR_METHODS,
                                         .on_message = on_message,
                                         .stop = stop};

/* ---- spawning ---- */

static int check_child(gr_self *self, const gr_child *c, const char *id)
{
    if (!!c->entry + !!c->server + !!c->supervisor + !!c->behaviour != 1)
        return gri_fail(self, GR_EINVAL, "child %s: exactly one of entry, server, supervisor and behaviour must be set",
                        id);
    if (c->options && (c->options->link || c->options->monitor))
        return gri_fail(self, GR_EINVAL, "child %s: options.link and monitor must be zero", id);
    if ((unsigned)c->restart > GR_TEMPORARY)
        return gri_fail(self, GR_EINVAL, "child %s: restart = %d: allowed are permanent, transient and temporary", id,
                        (int)c->restart);
    if (c->shutdown_ms < GR_SHUTDOWN_FOREVER || c->start_ms < 0)
        return gri_fail(self, GR_EINVAL, "child %s: a time is negative", id);
    return 0;
}

static int check_table(gr_self *self, const gr_supervisor *t)
{
    if (!t) return gri_fail(self, GR_EINVAL, "gr_spawn_supervisor needs a table");
    if ((unsigned)t->strategy > GR_REST_FOR_ONE)
        return gri_fail(self, GR_EINVAL, "strategy = %d: allowed are one_for_one, one_for_all and rest_for_one",
                        (int)t->strategy);
    if (t->intensity > INTENSITY_MAX && t->intensity != GR_INTENSITY_NONE)
        return gri_fail(self, GR_EINVAL, "intensity = %u: at most %d, or GR_INTENSITY_NONE", t->intensity,
                        INTENSITY_MAX);
    if (t->period_ms < 0 || t->backoff_ms < GR_BACKOFF_NONE || t->backoff_max_ms < 0)
        return gri_fail(self, GR_EINVAL, "a supervisor's times must not be negative");
    if (t->child_count > 0 && !t->children) return gri_fail(self, GR_EINVAL, "child_count without children");
    for (size_t i = 0; i < t->child_count; i++) {
        const char *id = t->children[i].id;
        size_t bytes = id ? strnlen(id, ID_BYTES_MAX + 1) : 0;
        if (bytes == 0 || bytes > ID_BYTES_MAX)
            return gri_fail(self, GR_EINVAL, "child %zu: an id has 1 to %d bytes", i, ID_BYTES_MAX);
        for (size_t j = 0; j < i; j++)
            if (strcmp(id, t->children[j].id) == 0)
                return gri_fail(self, GR_EINVAL, "two children have the id %.200s", id);
        int code = check_child(self, &t->children[i], id);
        if (code != 0) return code;
    }
    return t->dynamic ? check_child(self, t->dynamic, "dynamic") : 0;
}

int gri_supervisor_spawn(gr_self *self, gr_address *ret_address, const gr_supervisor *table, const gri_spawn *how)
{
    int code = gri_acting(self);
    if (code == 0) code = check_table(self, table);
    if (code != 0) return code;
    gri_spawn what = *how;
    what.server = &gri_supervisor_server;
    what.given = table;
    return gri_actor_spawn(self, ret_address, &what);
}

int gr_spawn_supervisor(gr_self *self, gr_address *ret_address, const gr_supervisor *table,
                        const gr_spawn_options *options)
{
    return gri_supervisor_spawn(self, ret_address, table, &(gri_spawn){.options = options});
}

void gr_ready(gr_self *self)
{
    if (gri_acting(self) != 0 || !self->more || !self->more->ready) return;
    gr_message *m = self->more->ready;
    self->more->ready = NULL;
    m->kind = GRI_MESSAGE_TIMER; /* no bound holds it up */
    m->sender = gri_actor_address(self);
    m->tick = gri_runtime_tick();
    if (gri_push(self->more->supervisor, m, false) != 0) gr_message_free(&m);
}
