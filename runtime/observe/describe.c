/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* gr_observe_actor, gr_observe_exits and gr_observe_exits_after. */
#include "actor/exits.h"
#include "actor/look.h"
#include "actor/registry.h"
#include "actor/runtime.h"
#include "actor/state.h"
#include "actor/watch.h"
#include "observe/waits.h"

#include <greenroom/build.h>
#include <greenroom/observe.h>
#include <greenroom/supervisor.h>
#include <stdlib.h>

#define LINKS_SHOWN 100

static void put_text(gr_builder *b, const char *key, const char *text)
{
    gr_put_key(b, key);
    if (text && *text)
        gr_put_string(b, text);
    else
        gr_put_null(b);
}

static void put_number(gr_builder *b, const char *key, uint64_t value)
{
    gr_put_key(b, key);
    gr_put_int(b, (int64_t)value);
}

static void put_address(gr_builder *b, gr_address address)
{
    char text[GR_ADDRESS_TEXT_BYTES];
    gr_put_string(b, gr_address_print(address, text));
}

static void put_name(void *arg, const char *name)
{
    gr_put_string(arg, name);
}

static void put_watchers(gr_builder *b, gr_address address)
{
    gr_address linkers[LINKS_SHOWN];
    size_t others, links = gri_watch_linkers(address, linkers, LINKS_SHOWN, &others);
    gr_put_key(b, "links"), gr_put_array(b);
    for (size_t i = 0; i < links; i++) put_address(b, linkers[i]);
    gr_put_end(b);
    put_number(b, "monitors", others);
}

static void put_waiting(gr_builder *b, gr_address address)
{
    gri_look_waiting waiting;
    gri_text text;
    char *words = NULL;
    bool is_parked = gri_look_waiting_of(address, &waiting);
    gri_text_begin(&text);
    if (is_parked) gri_waits_print(&text, &waiting);
    if (gri_text_end(&text, &words, NULL) != 0) words = NULL;
    put_text(b, "waits_for", words);
    gr_put_key(b, "waits_since_ms");
    if (is_parked)
        gr_put_int(b, waiting.since_ms);
    else
        gr_put_null(b);
    free(words);
}

int gr_observe_actor(gr_address address, gr_message **ret_info)
{
    if (gri_runtime_forked()) return GR_EFORKED;
    if (gri_runtime_is_down()) return GR_ENOTRUNNING;
    gri_look look;
    int code = gri_look_at(address, &look);
    if (code != 0) return code;
    char name[GR_NAME_BYTES_MAX + 1];
    const gr_behaviour *behaviour;
    gri_registry_about(address, name, &behaviour);
    gr_builder b;
    gr_build(&b);
    gr_put_object(&b);
    gr_put_key(&b, "address"), put_address(&b, address);
    gr_put_key(&b, "names"), gr_put_array(&b);
    gri_registry_each_name(address, put_name, &b);
    gr_put_end(&b);
    put_text(&b, "behaviour", behaviour ? behaviour->name : NULL);
    put_text(&b, "kind", look.is_attached ? "attached" : look.is_server ? "server" : "thread");
    put_text(&b, "state", look.state);
    put_waiting(&b, address);
    put_number(&b, "mailbox", look.mailbox);
    put_number(&b, "mailbox_max", look.mailbox_max);
    put_number(&b, "messages", look.received);
    put_number(&b, "publications", gri_state_version(address));
    put_number(&b, "memory", look.memory);
    put_number(&b, "stack", look.stack);
    put_watchers(&b, address);
    gr_address supervisor = gr_supervisor_of(address);
    gr_put_key(&b, "supervisor");
    if (gr_address_equal(supervisor, GR_NO_ADDRESS))
        gr_put_null(&b);
    else
        put_address(&b, supervisor);
    gr_put_key(&b, "worker");
    if (look.worker < 0)
        gr_put_null(&b);
    else
        gr_put_int(&b, look.worker);
    gr_put_end(&b);
    return gr_build_message(&b, ret_info);
}

/* ---- ends ---- */

static const char *how(enum gri_outcome outcome)
{
    return outcome == GRI_RAISED ? "exception" : outcome == GRI_STACK_OVERFLOW ? "overflow" : "killed";
}

static void put_exit(gr_builder *b, const gri_exit *exit)
{
    gr_put_object(b);
    gr_put_key(b, "number"), gr_put_int(b, (int64_t)exit->number);
    gr_put_key(b, "time"), gr_put_double(b, (double)exit->time_ns / 1e9);
    gr_put_key(b, "address"), put_address(b, exit->address);
    put_text(b, "name", exit->name);
    put_text(b, "behaviour", exit->behaviour);
    put_text(b, "how", how(exit->outcome));
    gr_put_key(b, "report");
    if (exit->error[0]) {
        gr_put_object(b);
        put_text(b, "error", exit->error);
        put_text(b, "description", exit->description);
        put_text(b, "text-exception", exit->text);
        gr_put_end(b);
    } else {
        gr_put_null(b);
    }
    gr_put_end(b);
}

int gr_observe_exits(size_t max, gr_message **ret_exits)
{
    return gr_observe_exits_after(0, max, ret_exits);
}

int gr_observe_exits_after(uint64_t after, size_t max, gr_message **ret_exits)
{
    if (gri_runtime_forked()) return GR_EFORKED;
    gri_exit *exit = malloc(sizeof *exit); /* too large for a small stack */
    if (!exit) return GR_ENOMEM;
    exit->number = 0;
    gr_builder b;
    gr_build(&b);
    gr_put_array(&b);
    for (size_t i = 0; i < max && gri_exits_read(exit->number, exit) && exit->number > after; i++) put_exit(&b, exit);
    gr_put_end(&b);
    free(exit);
    return gr_build_message(&b, ret_exits);
}
