/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* What a supervisor is asked, and what it publishes; see supervisor.h. Calls are taken over and answered by gr_respond, at once
 * or when what they ask for has happened, so that a kill meanwhile does not leave them unanswered. */
#include "actor/supervisor.h"

#include "actor/runtime.h"
#include "os/clock.h"

#include <greenroom/call.h>
#include <stdio.h>
#include <string.h>

#define SHOWN_MAX 100
#define LIMIT_MAX 10000
#define PUBLISH_NS (100 * GRI_NS_PER_MS) /* guess: at the latest, while messages keep coming */
#define ID_BYTES_MAX 255

static const char *const state_names[] = {"down", "waiting", "starting", "up", "stopping"};
static const char *const restart_names[] = {"permanent", "transient", "temporary"};
static const char *const strategy_names[] = {"one_for_one", "one_for_all", "rest_for_one"};
static const char *const phase_names[] = {"starting", "running", "ending"};

/* ---- answering ---- */

/* Who has the answer reads a state at least as new. */
void gri_supervisor_publish_now(gr_self *self, gri_supervisor *s)
{
    s->published = GRI_INSTANT_PAST;
    gri_supervisor_publish(self, s);
}

static void answer(gr_self *self, gr_message **call, gr_message **value)
{
    gri_supervisor_publish_now(self, self->state);
    if (*call && *value) (void)gr_respond_value(self, *call, gr_body(*value)); /* GR_EDEAD: the caller has gone */
    gr_message_free(value);
    gr_message_free(call);
}

void gri_answer_null(gr_self *self, gr_message **call)
{
    if (!*call) return;
    gri_supervisor_publish_now(self, self->state);
    (void)gr_respond_value(self, *call, gri_runtime_null()); /* GR_EDEAD: the caller has gone */
    gr_message_free(call);
}

void gri_answer_child(gr_self *self, gr_message **call, const gri_child *c)
{
    if (!*call) return;
    gr_message *m = NULL;
    if (gr_pack(&m, "{s:s,s:A}", "id", c->spec.id, "address", c->address) != 0) m = NULL; /* freed: "unanswered" */
    answer(self, call, &m);
}

void gri_answer_error(gr_self *self, gr_message **call, const char *error, gr_value description, const char *text)
{
    if (!*call) return;
    gri_supervisor_publish_now(self, self->state);
    gr_message *report = gri_report_new(NULL, error, description, text, false);
    if (report) (void)gr_respond_exception(self, *call, gr_body(report)); /* GR_EDEAD: the caller has gone */
    gr_message_free(&report);
    gr_message_free(call);
}

static void refuse(gr_self *self, const char *error, const char *text)
{
    gr_message *call = gr_call_take(self);
    gri_answer_error(self, &call, error, (gr_value){NULL}, text);
}

static void answer_now(gr_self *self, gr_message **value)
{
    gr_message *call = gr_call_take(self);
    answer(self, &call, value);
}

/* The calls of ready, or of shutdown, that wait. */
void gri_answer_waiters(gr_self *self, gri_supervisor *s, bool shutdown)
{
    gri_waiter **at = &s->waiters;
    while (*at) {
        gri_waiter *w = *at;
        if (w->shutdown != shutdown) {
            at = &w->next;
            continue;
        }
        *at = w->next;
        if (!shutdown && s->phase == GRI_SUPERVISOR_ENDING)
            gri_answer_error(self, &w->call, "ending", (gr_value){NULL}, "the supervisor is ending");
        else
            gri_answer_null(self, &w->call);
        gr_free(self, w);
    }
}

static void wait_for(gr_self *self, gri_supervisor *s, bool shutdown)
{
    gri_waiter *w = gr_alloc(self, sizeof *w);
    if (!w) {
        refuse(self, "no_memory", "no memory to remember the call");
        return;
    }
    *w = (gri_waiter){.next = s->waiters, .call = gr_call_take(self), .shutdown = shutdown};
    s->waiters = w;
}

/* ---- looking ---- */

static void put_child(gr_builder *b, const gri_child *c)
{
    gr_put_object(b);
    gr_put_key(b, "id"), gr_put_string(b, c->spec.id);
    gr_put_key(b, "address");
    if (c->address.id)
        gr_put_address(b, c->address);
    else
        gr_put_null(b);
    gr_put_key(b, "state"), gr_put_string(b, state_names[c->state]);
    gr_put_key(b, "kind"), gr_put_string(b, gri_child_kind(c));
    gr_put_key(b, "restart"), gr_put_string(b, restart_names[c->spec.restart]);
    gr_put_key(b, "restarts"), gr_put_int(b, (int64_t)c->restarts);
    gr_put_end(b);
}

/* Children number `offset` and so on, `limit` at most: the ordered ones first. */
static void put_children(gr_builder *b, gri_supervisor *s, int64_t offset, int64_t limit)
{
    gri_list *lists[] = {&s->ordered, &s->loose};
    gr_put_array(b);
    for (int i = 0; i < 2; i++) {
        GRI_LIST_EACH(link, lists[i])
        {
            if (limit == 0) break;
            if (offset > 0) {
                offset--;
                continue;
            }
            limit--;
            put_child(b, GRI_LIST_ENTRY(link, gri_child, link));
        }
    }
    gr_put_end(b);
}

static void which_children(gr_self *self, void *state, gr_value argument)
{
    int64_t offset = gr_int(gr_get(argument, "offset"), 0), limit = gr_int(gr_get(argument, "limit"), LIMIT_MAX);
    if (offset < 0 || limit < 0) {
        refuse(self, "bad_argument", "offset and limit must not be negative");
        return;
    }
    gr_builder b;
    gr_build(&b);
    put_children(&b, state, offset, limit < LIMIT_MAX ? limit : LIMIT_MAX);
    gr_message *m = NULL;
    if (gr_build_message(&b, &m) != 0) m = NULL;
    answer_now(self, &m);
}

static void count(gr_self *self, void *state, gr_value argument)
{
    gri_supervisor *s = state;
    gri_list *lists[] = {&s->ordered, &s->loose};
    int64_t in[5] = {0}, supervisors = 0;
    (void)argument;
    for (int i = 0; i < 2; i++) {
        GRI_LIST_EACH(link, lists[i])
        {
            const gri_child *c = GRI_LIST_ENTRY(link, gri_child, link);
            in[c->state]++;
            supervisors += c->spec.supervisor != NULL;
        }
    }
    gr_message *m = NULL;
    if (gr_pack(&m, "{s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I}", "children", (int64_t)s->count, "up", in[GRI_CHILD_UP],
                "starting", in[GRI_CHILD_STARTING], "waiting", in[GRI_CHILD_WAITING], "stopping",
                in[GRI_CHILD_STOPPING], "down", in[GRI_CHILD_DOWN], "supervisors", supervisors, "restarts",
                (int64_t)s->restarts) != 0)
        m = NULL;
    answer_now(self, &m);
}

void gri_supervisor_publish(gr_self *self, gri_supervisor *s)
{
    if (!s->dirty || (self->flags & GRI_ENDING)) return;
    gri_instant now = gri_clock_now();
    /* While more is to be done the next one publishes: a storm costs what it costs, not a list of the children each time. */
    if ((self->inbox || gri_mailword_peek(&self->mailbox)) && now < gri_instant_add(s->published, PUBLISH_NS)) return;
    s->dirty = false;
    s->published = now;
    gr_builder b;
    gr_build(&b);
    gr_put_object(&b);
    gr_put_key(&b, "supervisor"), gr_put_bool(&b, true);
    gr_put_key(&b, "strategy"), gr_put_string(&b, strategy_names[s->table->strategy]);
    gr_put_key(&b, "phase"), gr_put_string(&b, phase_names[s->phase]);
    gr_put_key(&b, "restarts"), gr_put_int(&b, (int64_t)s->restarts);
    gr_put_key(&b, "count"), gr_put_int(&b, (int64_t)s->count);
    gr_put_key(&b, "up"), gr_put_int(&b, (int64_t)s->up);
    gr_put_key(&b, "children"), put_children(&b, s, 0, SHOWN_MAX);
    gr_put_end(&b);
    gr_message *m = NULL;
    int code = gr_build_message(&b, &m);
    if (code == 0) code = gr_publish_value(self, gr_body(m));
    if (code != 0) gr_log(GR_LOG_WARN, "supervisor: its state could not be published: %s", gr_error_text(code));
    gr_message_free(&m);
}

/* ---- changing ---- */

/* The child that {"id"} names; answers if there is none. */
static gri_child *named(gr_self *self, gri_supervisor *s, gr_value argument)
{
    const char *id = gr_string(gr_get(argument, "id"), NULL);
    gri_child *c = id ? gri_child_find(s, id) : NULL;
    if (!c)
        refuse(self, id ? "no_such_child" : "bad_argument", id ? "there is no child of that id" : "no id was given");
    return c;
}

static char *kept(gr_self *self, const char *text)
{
    size_t bytes = strlen(text) + 1;
    char *copy = gr_alloc(self, bytes);
    if (copy) memcpy(copy, text, bytes);
    return copy;
}

static bool is_text_or_missing(gr_value v)
{
    return gr_type_of(v) == GR_STRING || gr_type_of(v) == GR_MISSING;
}

/* What {"behaviour", ...} asks for; NULL, or what is wrong with it. */
static const char *read_spec(gr_value argument, gr_child *ret_spec)
{
    gr_value restart = gr_get(argument, "restart"), shutdown = gr_get(argument, "shutdown_ms");
    if (!is_text_or_missing(restart) || !is_text_or_missing(gr_get(argument, "name")) ||
        !is_text_or_missing(gr_get(argument, "id")))
        return "id, restart and name are strings";
    ret_spec->behaviour = gr_string(gr_get(argument, "behaviour"), NULL);
    if (!ret_spec->behaviour) return "behaviour is a string";
    const char *wanted = gr_string(restart, restart_names[GR_PERMANENT]);
    int which = GR_PERMANENT;
    while (which <= GR_TEMPORARY && strcmp(restart_names[which], wanted) != 0) which++;
    if (which > GR_TEMPORARY) return "restart is \"permanent\", \"transient\" or \"temporary\"";
    ret_spec->restart = (enum gr_restart)which;
    ret_spec->shutdown_ms = gr_int(shutdown, 0);
    if (ret_spec->shutdown_ms < GR_SHUTDOWN_FOREVER) return "shutdown_ms is -2, -1 or a time";
    return NULL;
}

/* An id that nobody has: the next number. */
static void next_id(gri_supervisor *s, char *id)
{
    do {
        snprintf(id, ID_BYTES_MAX + 1, "%llu", (unsigned long long)++s->next_id);
    } while (gri_child_find(s, id));
}

/* Adds it, with what is its own. False: no memory, nothing was added. */
static gri_child *add(gr_self *self, gri_supervisor *s, const gr_child *spec, gr_value argument, const char *id)
{
    const char *name = gr_string(gr_get(argument, "name"), NULL);
    gr_value args = gr_get(argument, "args");
    const bool loose = s->table->dynamic == spec;
    gri_child *c = gri_child_add(self, s, spec, id, loose);
    if (!c) return NULL;
    c->on_trial = true;
    if (!loose) {
        c->owned = true;
        c->spec.behaviour = kept(self, spec->behaviour);
    }
    if (name) c->name = kept(self, name);
    if (args.at) c->args = gr_value_keep(self, args);
    if ((!loose && !c->spec.behaviour) || (name && !c->name) || (args.at && !c->args.at)) {
        gri_child_forget(self, s, c);
        return NULL;
    }
    return c;
}

static void start_child(gr_self *self, void *state, gr_value argument)
{
    gri_supervisor *s = state;
    gr_child spec = {0};
    char id[ID_BYTES_MAX + 1];
    const bool by_behaviour = gr_get(argument, "behaviour").at != NULL;
    const gr_value given = gr_get(argument, "id");
    const char *wrong = by_behaviour         ? read_spec(argument, &spec)
                        : !s->table->dynamic ? "behaviour is missing, and there is no dynamic child in the table"
                        : !is_text_or_missing(given) ? "id is a string"
                                                     : NULL;
    if (!wrong && given.at &&
        (gr_string_bytes(given) == 0 || gr_string_bytes(given) > ID_BYTES_MAX ||
         strlen(gr_string(given, "")) != gr_string_bytes(given)))
        wrong = "an id has 1 to 255 bytes";
    if (wrong) {
        refuse(self, "bad_argument", wrong);
        return;
    }
    if (s->phase == GRI_SUPERVISOR_ENDING) {
        refuse(self, "ending", "the supervisor is ending");
        return;
    }
    if (given.at)
        strcpy(id, gr_string(given, ""));
    else
        next_id(s, id);
    if (gri_child_find(s, id)) {
        refuse(self, "exists", "there is a child of that id already");
        return;
    }
    gri_child *c = add(self, s, by_behaviour ? &spec : s->table->dynamic, argument, id);
    if (!c) {
        refuse(self, "no_memory", "no memory for another child");
        return;
    }
    c->starter = gr_call_take(self);
    if (c->loose)
        gri_supervisor_settle_loose(self, s, c);
    else
        gri_supervisor_settle(self, s);
    gri_supervisor_publish(self, s);
}

static void terminate_child(gr_self *self, void *state, gr_value argument)
{
    gri_supervisor *s = state;
    gri_child *c = named(self, s, argument);
    if (!c) return;
    c->wanted = false;
    c->late = false;
    gri_answer_error(self, &c->starter, "ending", (gr_value){NULL}, "the child is stopped before it was up");
    if (gri_child_is_alive(c)) {
        if (c->stopper)
            refuse(self, "ending", "the child is being stopped already");
        else
            c->stopper = gr_call_take(self);
        if (c->state != GRI_CHILD_STOPPING) gri_child_stop(self, s, c);
    } else {
        if (c->state == GRI_CHILD_WAITING) gri_child_gone(self, s, c);
        if (c->loose) gri_child_forget(self, s, c);
        gr_message *call = gr_call_take(self);
        gri_answer_null(self, &call);
        gri_supervisor_settle(self, s); /* others may have waited for it to come up */
    }
    gri_supervisor_publish(self, s);
}

static void restart_child(gr_self *self, void *state, gr_value argument)
{
    gri_supervisor *s = state;
    gri_child *c = named(self, s, argument);
    if (!c) return;
    if (s->phase == GRI_SUPERVISOR_ENDING) {
        refuse(self, "ending", "the supervisor is ending");
    } else if (c->state != GRI_CHILD_DOWN || c->wanted) {
        refuse(self, "running", "only a child that is down, and not about to be started, can be restarted");
    } else {
        c->wanted = true;
        c->failures = 0;
        c->not_before = GRI_INSTANT_PAST;
        c->starter = gr_call_take(self);
        gri_supervisor_settle(self, s);
        gri_supervisor_publish(self, s);
    }
}

static void delete_child(gr_self *self, void *state, gr_value argument)
{
    gri_supervisor *s = state;
    gri_child *c = named(self, s, argument);
    if (!c) return;
    if (c->state != GRI_CHILD_DOWN || c->wanted) {
        refuse(self, "running", "only a child that is down, and not about to be started, can be deleted");
        return;
    }
    gri_child_forget(self, s, c);
    gr_message *call = gr_call_take(self);
    gri_answer_null(self, &call);
    gri_supervisor_publish(self, s);
}

static void ready(gr_self *self, void *state, gr_value argument)
{
    gri_supervisor *s = state;
    (void)argument;
    wait_for(self, s, false);
    if (s->phase != GRI_SUPERVISOR_STARTING) gri_answer_waiters(self, s, false);
}

static void shut_down(gr_self *self, void *state, gr_value argument)
{
    gri_supervisor *s = state;
    (void)argument;
    wait_for(self, s, true);
    gri_supervisor_shut_down(self, s);
    gri_supervisor_settle(self, s);
    gri_supervisor_publish(self, s);
}

const gr_method gri_supervisor_methods[GRI_SUPERVISOR_METHODS] = {
    {"which_children", which_children},
    {"count", count},
    {"start_child", start_child},
    {"terminate_child", terminate_child},
    {"restart_child", restart_child},
    {"delete_child", delete_child},
    {"ready", ready},
    {"shutdown", shut_down},
};
