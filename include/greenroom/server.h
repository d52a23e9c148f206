/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Servers: actors made of methods. A server holds no stack while it is idle; a method runs as a plain call and gets a stack
 * of its own only if it suspends. */
#ifndef GR_SERVER_H
#define GR_SERVER_H

#include <greenroom/actor.h>
#include <greenroom/build.h>
#include <greenroom/call.h>

GR_BEGIN_DECLS

/* Answers the call that is being served with gr_reply; without one the answer is null. A raise is answered as exception and
 * the server goes on; a kill ends the server and its caller gets GR_EDEAD. argument lives until the method returns. */
typedef void (*gr_method_run)(gr_self *self, void *state, gr_value argument);

typedef struct gr_method {
    const char *name;
    gr_method_run run;
} gr_method;

/* A constant description; one serves any number of servers. Functions may be NULL. */
typedef struct gr_server {
    size_t state_bytes; /* zeroed, 16-byte aligned, given to every function as state */
    /* Runs first. Not 0: the server ends with the exception "start_failed", and stop does not run. */
    int (*start)(gr_self *self, void *state, gr_value args);
    const gr_method *methods;
    size_t method_count;
    /* What is no call. Without it such messages are counted and dropped. The message is freed afterwards, unless
     * it was freed or sent on in here. */
    void (*on_message)(gr_self *self, void *state, gr_message *message);
    /* The state to publish; built after start and after every message or call that was served, before its answer is sent:
     * who has the answer reads a state at least as new. */
    void (*describe)(gr_self *self, void *state, gr_builder *builder);
    /* Runs on every exit after a successful start. */
    void (*stop)(gr_self *self, void *state);
} gr_server;

/* As gr_spawn_with:  int gr_spawn_server(gr_self *self, gr_address *ret_address, const gr_server *server,
 *                                        const gr_spawn_options *options, const char *format, ...)
 * server must outlive the actor. */
#define gr_spawn_server(self, ret_address, server, options, ...) \
    gr_spawn_server_site((self), (ret_address), (server), (options), GR_SITE(__VA_ARGS__), __VA_ARGS__)
GR_IN_ACTOR GR_MUST_CHECK int gr_spawn_server_site(gr_self *self, gr_address *ret_address, const gr_server *server,
                                                   const gr_spawn_options *options, gr_site *site, const char *format,
                                                   ...);
GR_IN_ACTOR GR_MUST_CHECK int gr_spawn_server_value(gr_self *self, gr_address *ret_address, const gr_server *server,
                                                    const gr_spawn_options *options, gr_value args);

/* In a method: the answer of the call that is being served; the last one counts, sent when the method returns.
 *     int gr_reply(gr_self *self, const char *format, ...)         GR_ENOTCALL outside a method. */
#define gr_reply(self, ...) gr_reply_site((self), GR_SITE(__VA_ARGS__), __VA_ARGS__)
GR_IN_ACTOR int gr_reply_site(gr_self *self, gr_site *site, const char *format, ...);
GR_IN_ACTOR GR_MUST_CHECK int gr_reply_value(gr_self *self, gr_value value);

/* In a method: takes the call over, to be answered later with gr_respond and freed. NULL outside a method or if taken. */
GR_IN_ACTOR gr_message *gr_call_take(gr_self *self);

/* Ends the server normally when the method or on_message that is running returns; if it raises instead, with that exception. */
GR_IN_ACTOR void gr_server_end(gr_self *self);

GR_END_DECLS

#endif
