/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* relay: does to another actor, of this process or of another one, what it is asked to, and tells how it went.
 *
 *     call cast    {"to": ADDRESS, "message": any}
 *     call call    {"to": ADDRESS, "method": name, "message": any, "ms": 1000}
 *     call kill    {"to": ADDRESS}
 *     call lookup  {"to": ADDRESS}
 *     call spawn   {"to": ADDRESS, "behaviour": name, "args": any}       at the URL that is its address afterwards
 *     call wait    {"to": ADDRESS, "ms": 1000}
 *
 * ADDRESS is {"_pyact_address": "http://host:port/name"}; GREENROOM_REMOTE_ALLOW says which are let in. The answer is
 * {"code": "GR_OK"}, with a "value" where there is one; a failure has "why", too. One thing at a time: relays are cheap. */
#include "demos/demos.h"

enum { MS_DEFAULT = 1000, MS_MAX = 60 * 60 * 1000 };

static gr_address target(gr_self *self, gr_value argument)
{
    gr_value to = gr_get(argument, "to");
    if (gr_type_of(to) != GR_ADDRESS)
        gr_raise(self, "bad_argument", "\"to\" must be an address: {\"_pyact_address\": URL}");
    return gr_address_in(to);
}

static gr_deadline patience(gr_self *self, gr_value argument)
{
    int64_t ms = gr_int(gr_get(argument, "ms"), MS_DEFAULT);
    if (ms < 0 || ms > MS_MAX) gr_raise(self, "bad_argument", "\"ms\" must be 0 to %d", MS_MAX);
    return gr_after_ms(ms);
}

static const char *url_of(gr_self *self, gr_value argument, char url[GR_REMOTE_URL_BYTES])
{
    gr_address to = target(self, argument);
    if (!gr_is_remote(to) || gr_remote_url(to, url, GR_REMOTE_URL_BYTES) != 0)
        gr_raise(self, "bad_argument", "\"to\" is here: only what is elsewhere is looked up and spawned");
    return url;
}

/* Answers; frees the value. */
static void tell(gr_self *self, int code, gr_message **value)
{
    const char *name = code == 0 ? "GR_OK" : gr_error_name(code);
    int told;
    if (code == GR_EKILLED && gr_killed(self)) {
        gr_message_free(value);
        return; /* this one was killed: whoever called learns that */
    }
    if (*value) {
        told = gr_reply(self, "{s:s, s:V}", "code", name, "value", gr_body(*value));
    } else if (code == 0) {
        told = gr_reply(self, "{s:s}", "code", name);
    } else {
        const char *why = gr_error_detail(self)->text;
        told = gr_reply(self, "{s:s, s:s}", "code", name, "why", why);
    }
    gr_message_free(value);
    if (told != 0) gr_raise(self, "no_answer", "%s", gr_error_text(told));
}

static void cast(gr_self *self, void *state, gr_value argument)
{
    gr_message *none = NULL;
    gr_value message = gr_get(argument, "message");
    (void)state;
    int code = gr_cast(self, target(self, argument), "V", message);
    tell(self, code, &none);
}

static void call(gr_self *self, void *state, gr_value argument)
{
    gr_message *value = NULL;
    const char *method = gr_string(gr_get(argument, "method"), "");
    (void)state;
    gr_address to = target(self, argument);
    int code = gr_call_value(self, &value, to, method, gr_get(argument, "message"), patience(self, argument));
    tell(self, code, &value);
}

static void kill_it(gr_self *self, void *state, gr_value argument)
{
    gr_message *none = NULL;
    (void)state;
    gr_address to = target(self, argument);
    int code = gr_is_remote(to) ? gr_remote_kill(self, to, patience(self, argument)) : gr_kill(to);
    tell(self, code, &none);
}

static void lookup(gr_self *self, void *state, gr_value argument)
{
    char url[GR_REMOTE_URL_BYTES];
    gr_address found;
    gr_message *none = NULL;
    (void)state;
    int code = gr_remote_lookup(self, url_of(self, argument, url), &found, patience(self, argument));
    tell(self, code, &none);
}

static void spawn(gr_self *self, void *state, gr_value argument)
{
    char url[GR_REMOTE_URL_BYTES];
    gr_address spawned;
    gr_message *none = NULL;
    const char *behaviour = gr_string(gr_get(argument, "behaviour"), "");
    (void)state;
    int code = gr_spawn_remote_value(self, &spawned, url_of(self, argument, url), behaviour, gr_get(argument, "args"),
                                     patience(self, argument));
    tell(self, code, &none);
}

static void wait_for(gr_self *self, void *state, gr_value argument)
{
    gr_message *value = NULL;
    (void)state;
    gr_address to = target(self, argument);
    int code = gr_wait(self, to, &value, patience(self, argument));
    tell(self, code, &value);
}

static const gr_method methods[] = {{"cast", cast},     {"call", call},   {"kill", kill_it},
                                    {"lookup", lookup}, {"spawn", spawn}, {"wait", wait_for}};

static const gr_server server = {.methods = methods, .method_count = sizeof methods / sizeof *methods};

const gr_behaviour demo_relay = {
    .name = "relay",
    .server = &server,
    .text = "does what it is asked to another actor, perhaps of another process: call cast, call, kill, lookup, spawn, "
            "wait",
};
