/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* The children of a supervisor, one by one; see supervisor.h. */
#include "actor/supervisor.h"

#include "actor/registry.h"
#include "actor/runtime.h"
#include "actor/serve.h"
#include "os/clock.h"

#include <greenroom/link.h>
#include <greenroom/text.h>
#include <stdio.h>
#include <string.h>

#define BUCKETS_FIRST 16
#define SHUTDOWN_MS 5000

/* ---- finding ---- */

/* FNV-1a: ids are the program's, or numbers; only who may start children could make them collide. */
static size_t hash_text(const char *text)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    for (; *text; text++) hash = (hash ^ (unsigned char)*text) * UINT64_C(0x100000001b3);
    return (size_t)(hash ^ (hash >> 32));
}

static size_t hash_number(uint64_t number)
{
    return (size_t)gri_splitmix64(&number);
}

gri_child *gri_child_find(gri_supervisor *s, const char *id)
{
    gri_child *c = s->buckets ? s->by_id[hash_text(id) & (s->buckets - 1)] : NULL;
    while (c && strcmp(c->spec.id, id) != 0) c = c->next_id;
    return c;
}

gri_child *gri_child_of_monitor(gri_supervisor *s, uint64_t reference)
{
    gri_child *c = s->buckets ? s->by_monitor[hash_number(reference) & (s->buckets - 1)] : NULL;
    while (c && c->monitor.id != reference) c = c->next_monitor;
    return c;
}

static void enlist_id(gri_supervisor *s, gri_child *c)
{
    gri_child **bucket = &s->by_id[hash_text(c->spec.id) & (s->buckets - 1)];
    c->next_id = *bucket;
    *bucket = c;
}

static void enlist_monitor(gri_supervisor *s, gri_child *c)
{
    gri_child **bucket = &s->by_monitor[hash_number(c->monitor.id) & (s->buckets - 1)];
    c->next_monitor = *bucket;
    *bucket = c;
}

static void delist_monitor(gri_supervisor *s, gri_child *c)
{
    gri_child **at = &s->by_monitor[hash_number(c->monitor.id) & (s->buckets - 1)];
    while (*at && *at != c) at = &(*at)->next_monitor;
    if (*at) *at = c->next_monitor;
}

static void enlist_all(gri_supervisor *s, gri_list *children)
{
    GRI_LIST_EACH(link, children)
    {
        gri_child *c = GRI_LIST_ENTRY(link, gri_child, link);
        enlist_id(s, c);
        if (gri_child_is_alive(c)) enlist_monitor(s, c);
    }
}

static bool grow(gr_self *self, gri_supervisor *s)
{
    if (s->count < s->buckets) return true;
    size_t buckets = s->buckets ? 4 * s->buckets : BUCKETS_FIRST;
    gri_child **by_id = gr_alloc(self, buckets * sizeof *by_id);
    gri_child **by_monitor = by_id ? gr_alloc(self, buckets * sizeof *by_monitor) : NULL;
    if (!by_monitor) {
        gr_free(self, by_id);
        return s->buckets != 0; /* longer chains */
    }
    gr_free(self, s->by_id);
    gr_free(self, s->by_monitor);
    s->by_id = by_id;
    s->by_monitor = by_monitor;
    s->buckets = buckets;
    enlist_all(s, &s->ordered);
    enlist_all(s, &s->loose);
    return true;
}

/* ---- adding and forgetting ---- */

gri_child *gri_child_add(gr_self *self, gri_supervisor *s, const gr_child *spec, const char *id, bool loose)
{
    if (!grow(self, s)) return NULL;
    size_t bytes = strlen(id) + 1;
    gri_child *c = gr_alloc(self, sizeof *c + bytes);
    if (!c) return NULL;
    char *copy = (char *)(c + 1);
    memcpy(copy, id, bytes);
    c->spec = *spec;
    c->spec.id = copy;
    c->loose = loose;
    c->wanted = true;
    gri_list_push_back(loose ? &s->loose : &s->ordered, &c->link);
    enlist_id(s, c);
    s->count++;
    s->dirty = true;
    return c;
}

void gri_child_forget(gr_self *self, gri_supervisor *s, gri_child *c)
{
    GRI_DEBUG_ASSERT(!gri_child_is_alive(c));
    gri_child_disarm(self, c);
    gri_answer_error(self, &c->starter, "ending", (gr_value){NULL}, "the child was forgotten");
    gri_answer_null(self, &c->stopper);
    gri_child **at = &s->by_id[hash_text(c->spec.id) & (s->buckets - 1)];
    while (*at != c) at = &(*at)->next_id;
    *at = c->next_id;
    gri_list_remove(&c->link);
    s->count--;
    s->dirty = true;
    gr_free(self, (void *)(uintptr_t)c->args.at);
    gr_free(self, (void *)(uintptr_t)c->name);
    gr_free(self, (void *)(uintptr_t)(c->owned ? c->spec.behaviour : NULL));
    gr_free(self, c);
}

/* ---- timers ---- */

void gri_child_disarm(gr_self *self, gri_child *c)
{
    if (c->timer.id) (void)gr_cancel(self, c->timer); /* GR_ENOTFOUND: on its way, with an old serial */
    c->timer.id = 0;
    c->timer_serial++;
}

void gri_child_arm(gr_self *self, gri_child *c, gri_instant when)
{
    gri_child_disarm(self, c);
    int code = gr_cast_after(self, &c->timer, gri_actor_address(self), ((gr_deadline){when}), "{s:s,s:I}", "id",
                             c->spec.id, "serial", (int64_t)c->timer_serial);
    if (code != 0) gr_log(GR_LOG_ERROR, "supervisor: no timer for child %s: %s", c->spec.id, gr_error_text(code));
}

/* ---- starting ---- */

const char *gri_child_kind(const gri_child *c)
{
    return c->spec.supervisor ? "supervisor" : c->spec.server ? "server" : c->spec.entry ? "thread" : "behaviour";
}

static int arguments_of(gr_self *self, const gri_child *c, gr_message **ret_args)
{
    if (c->args.at) {
        int code = gr_message_copy(c->args, ret_args);
        return code == 0 ? 0 : gri_fail(self, code, "no memory for the arguments");
    }
    const char *text = c->spec.arguments ? c->spec.arguments : "null";
    gr_detail detail;
    int code = gr_parse(text, strlen(text), NULL, ret_args, &detail);
    return code == 0 ? 0 : gri_fail(self, code, "its arguments are not JSON: %.180s", detail.text);
}

int gri_child_start(gr_self *self, gri_supervisor *s, gri_child *c)
{
    gri_child_disarm(self, c);
    gr_spawn_options options = {0};
    if (c->spec.options) options = *c->spec.options;
    if (c->name) options.name = c->name;
    options.monitor = &c->monitor;
    gri_spawn what = {.entry = c->spec.entry,
                      .server = c->spec.server,
                      .options = &options,
                      .supervisor = gri_actor_address(self),
                      .ready = c->spec.says_ready || c->spec.supervisor ? GRI_READY_SAYS
                               : c->spec.server                         ? GRI_READY_STARTED
                                                                        : GRI_READY_AT_ONCE};
    int code = arguments_of(self, c, &what.args);
    if (code == 0) {
        if (c->spec.supervisor)
            code = gri_supervisor_spawn(self, &c->address, c->spec.supervisor, &what);
        else if (c->spec.behaviour)
            code = gri_behaviour_spawn(self, &c->address, c->spec.behaviour, &what);
        else
            code = gri_actor_spawn(self, &c->address, &what);
    }
    if (code != 0) {
        gr_message_free(&what.args);
        return code;
    }
    enlist_monitor(s, c);
    s->alive++;
    s->dirty = true;
    if (what.ready != GRI_READY_AT_ONCE) {
        c->state = GRI_CHILD_STARTING;
        if (c->spec.start_ms > 0) gri_child_arm(self, c, gr_after_ms(c->spec.start_ms).ns);
    } else {
        gri_child_up(self, s, c);
    }
    return 0;
}

void gri_child_up(gr_self *self, gri_supervisor *s, gri_child *c)
{
    gri_child_disarm(self, c);
    c->state = GRI_CHILD_UP;
    c->was_up = true;
    c->on_trial = false;
    c->up_since = gri_clock_now();
    s->up++;
    s->dirty = true;
    gri_answer_child(self, &c->starter, c);
}

/* ---- stopping ---- */

void gri_child_kill_now(gr_self *self, gri_child *c)
{
    (void)self;
    (void)gr_kill_now(c->address); /* GR_EDEAD: its DOWN is on its way */
}

void gri_child_stop(gr_self *self, gri_supervisor *s, gri_child *c)
{
    if (c->state == GRI_CHILD_UP) s->up--;
    c->state = GRI_CHILD_STOPPING;
    s->dirty = true;
    gri_child_disarm(self, c);
    int64_t ms = c->spec.shutdown_ms;
    if (ms == 0) ms = c->spec.supervisor ? GR_SHUTDOWN_FOREVER : SHUTDOWN_MS;
    if (ms == GR_SHUTDOWN_NOW) {
        gri_child_kill_now(self, c);
        return;
    }
    (void)gr_kill(c->address); /* GR_EDEAD: its DOWN is on its way */
    if (ms > 0) gri_child_arm(self, c, gr_after_ms(ms).ns);
}

void gri_child_gone(gr_self *self, gri_supervisor *s, gri_child *c)
{
    gri_child_disarm(self, c);
    if (gri_child_is_alive(c)) {
        delist_monitor(s, c);
        s->alive--;
    }
    if (c->state == GRI_CHILD_UP) s->up--;
    c->state = GRI_CHILD_DOWN;
    c->address = GR_NO_ADDRESS;
    c->monitor.id = 0;
    c->died = gri_clock_now();
    s->dirty = true;
}
