/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* tree: a supervisor whose workers may be crashed, to see what happens.
 *
 *     PUT  /tree                              {"behaviour": "tree"}
 *     GET  /tree                              which children there are, and how often they were restarted
 *     POST /tree/worker                       {"crash": true}: it dies, comes back, and so does "log", which is after it
 *     POST /tree/-/call/start_child           null: one more, on demand
 *     POST /tree/-/call/terminate_child       {"id": "worker"}
 *
 * Four crashes within five seconds are more than the table allows: then the whole tree ends. */
#include "demos/demos.h"

typedef struct worker {
    int64_t handled;
} worker;

static void on_message(gr_self *self, void *state, gr_message *message)
{
    worker *w = state;
    if (gr_bool(gr_get(gr_body(message), "crash"), false)) {
        gr_server_end(self); /* else it would go on after the exception */
        gr_raise(self, "crash", "somebody said so");
    }
    w->handled++;
}

static void describe(gr_self *self, void *state, gr_builder *builder)
{
    (void)self;
    gr_put_object(builder);
    gr_put_key(builder, "handled"), gr_put_int(builder, ((worker *)state)->handled);
    gr_put_end(builder);
}

static const gr_server server = {.state_bytes = sizeof(worker), .on_message = on_message, .describe = describe};

static const gr_spawn_options store_name = {.name = "tree/store"}, worker_name = {.name = "tree/worker"},
                              log_name = {.name = "tree/log"};
static const gr_child children[] = {
    {.id = "store", .server = &server, .options = &store_name},
    {.id = "worker", .server = &server, .options = &worker_name},
    {.id = "log", .server = &server, .options = &log_name, .restart = GR_TRANSIENT},
};
static const gr_child extra = {.server = &server, .restart = GR_TRANSIENT};
static const gr_supervisor tree = {
    .strategy = GR_REST_FOR_ONE, .children = children, .child_count = 3, .dynamic = &extra};

const gr_behaviour demo_tree = {
    .name = "tree",
    .supervisor = &tree,
    .text = "a supervisor; POST {\"crash\": true} to tree/worker, call which_children",
};
