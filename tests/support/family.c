/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* The family of the header. */
#include "support/family.h"

#include <stdarg.h>

/* ---- children ---- */

void family_tell(gr_self *self, const char *what, const char *id)
{
    gr_address tester;
    if (gr_lookup("tester", &tester) == 0) (void)gr_cast(self, tester, "{s:s}", what, id);
}

/* In which order they stopped: the first letters of their ids. */
char family_stopped[8];
gri_atomic_u32 family_stopped_count;

void family_tell_stop(gr_self *self, void *arg)
{
    family_stopped[gri_add_relaxed(&family_stopped_count, 1u) % sizeof family_stopped] = *(const char *)arg;
    family_tell(self, "stop", arg);
}

/* Goes down until the stack ends. */
static __attribute__((noinline)) int overflow(int depth)
{
    volatile char room[1024];
    room[0] = (char)depth;
    return depth > 1000000 ? 0 : overflow(depth + 1) + room[0];
}

/* Ends as it is told to. args: its id. */
void family_child(gr_self *self, gr_value args)
{
    const char *id = gr_string(args, "?");
    CHECK_OK(gr_defer(self, family_tell_stop, (void *)(uintptr_t)id));
    family_tell(self, "start", id);
    gr_ready(self);
    gr_message *m = NULL;
    if (gr_receive(self, &m, GR_FOREVER) != 0) return;
    const char *how = gr_string(gr_body(m), "");
    if (strcmp(how, "raise") == 0) gr_raise(self, "on_purpose", "told to");
    if (strcmp(how, "overflow") == 0) overflow(0);
    gr_message_free(&m);
}

typedef struct servant {
    gr_value id;
} servant;

/* args: its id, or {"id", "refuse": true}. */
static int servant_start(gr_self *self, void *state, gr_value args)
{
    servant *s = state;
    s->id = gr_type_of(args) == GR_STRING ? args : gr_get(args, "id");
    family_tell(self, "start", gr_string(s->id, "?"));
    return gr_bool(gr_get(args, "refuse"), false);
}

static void servant_stop(gr_self *self, void *state)
{
    family_tell(self, "stop", gr_string(((servant *)state)->id, "?"));
}

static void servant_message(gr_self *self, void *state, gr_message *m)
{
    (void)state;
    const char *how = gr_string(gr_body(m), "");
    gr_server_end(self);
    if (strcmp(how, "raise") == 0) gr_raise(self, "on_purpose", "told to");
}

const gr_server family_servant = {
    .state_bytes = sizeof(servant), .start = servant_start, .stop = servant_stop, .on_message = servant_message};

/* ---- asking ---- */

static gr_message *ask(gr_self *self, gr_address to, const char *method, gr_value argument)
{
    gr_message *reply = NULL;
    CHECK_OK(gr_call_value(self, &reply, to, method, argument, SOON));
    return reply;
}

static gr_message *ask_about(gr_self *self, gr_address to, const char *method, const char *id)
{
    gr_message *argument = NULL;
    CHECK_OK(gr_pack(&argument, "{s:s}", "id", id));
    gr_message *reply = ask(self, to, method, gr_body(argument));
    gr_message_free(&argument);
    return reply;
}

void family_order(gr_self *self, gr_address to, const char *method, const char *id)
{
    gr_message *reply = ask_about(self, to, method, id);
    gr_message_free(&reply);
}

void family_ask(gr_self *self, gr_address to, const char *method)
{
    gr_message *reply = NULL;
    CHECK_OK(gr_call(self, &reply, to, method, SOON, "n"));
    gr_message_free(&reply);
}

/* The call is answered with this exception. */
void family_refuses(gr_self *self, gr_address to, const char *method, const char *error, const char *json)
{
    gr_message *argument = NULL, *report = NULL;
    CHECK_OK(gr_parse(json, strlen(json), NULL, &argument, NULL));
    CHECK_EQ(gr_call_value(self, &report, to, method, gr_body(argument), SOON), GR_EEXCEPTION);
    CHECK_STR(harness_error(gr_body(report)), error);
    gr_message_free(&argument);
    gr_message_free(&report);
}

int64_t family_count(gr_self *self, gr_address to, const char *what)
{
    gr_message *reply = NULL;
    CHECK_OK(gr_call(self, &reply, to, "count", SOON, "n"));
    int64_t count = gr_int(gr_get(gr_body(reply), what), -1);
    gr_message_free(&reply);
    return count;
}

/* The entry of one child in which_children: its state, "" if it is not there, and its address. */
const char *family_look(gr_self *self, gr_address to, const char *id, gr_address *ret_address)
{
    static char state[16];
    gr_message *reply = NULL;
    CHECK_OK(gr_call(self, &reply, to, "which_children", SOON, "n"));
    *state = '\0';
    if (ret_address) *ret_address = GR_NO_ADDRESS;
    for (gr_iter it = gr_iterate(gr_body(reply)); gr_next(&it);) {
        if (strcmp(gr_string(gr_get(it.value, "id"), ""), id) != 0) continue;
        snprintf(state, sizeof state, "%s", gr_string(gr_get(it.value, "state"), "?"));
        if (ret_address) *ret_address = gr_address_in(gr_get(it.value, "address"));
    }
    gr_message_free(&reply);
    return state;
}

gr_address family_address(gr_self *self, gr_address to, const char *id)
{
    gr_address address;
    (void)family_look(self, to, id, &address);
    return address;
}

gr_address family_start(gr_self *self, const gr_supervisor *table)
{
    gr_address tree;
    CHECK_OK(gr_register(gr_self_address(self), "tester"));
    CHECK_OK(gr_spawn_supervisor(self, &tree, table, NULL));
    family_ask(self, tree, "ready");
    return tree;
}

/* The next things that the children tell: "+a" is {"start": "a"}, "-a" {"stop": "a"}. */
void family_expect(gr_self *self, const char *first, ...)
{
    va_list rest;
    va_start(rest, first);
    for (const char *what = first; what; what = va_arg(rest, const char *))
        EXPECT(self, "{s:s}", *what == '+' ? "start" : "stop", what + 1);
    va_end(rest);
}
