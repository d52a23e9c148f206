/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* counter: the smallest actor with state. Casts and calls come one after the other, so it needs no lock. */
#include "demos/demos.h"

typedef struct counter {
    int64_t count;
} counter;

static int start(gr_self *self, void *state, gr_value args)
{
    counter *c = state;
    (void)self;
    c->count = gr_int(gr_get(args, "start"), 0);
    return 0;
}

/* The number in n or {"add": n}; false if there is none. */
static bool addend(gr_value message, int64_t *ret_number)
{
    gr_value number = gr_type_of(message) == GR_OBJECT ? gr_get(message, "add") : message;
    if (gr_type_of(number) != GR_INT) return false;
    *ret_number = gr_int(number, 0);
    return true;
}

static void add(gr_self *self, void *state, gr_value argument)
{
    counter *c = state;
    int64_t number, sum;
    if (!addend(argument, &number)) gr_raise(self, "bad_argument", "add takes an integer, or {\"add\": integer}");
    if (__builtin_add_overflow(c->count, number, &sum)) gr_raise(self, "overflow", "the count would leave 64 bits");
    c->count = sum;
    (void)gr_reply(self, "I", c->count);
}

static void get(gr_self *self, void *state, gr_value argument)
{
    counter *c = state;
    (void)argument;
    (void)gr_reply(self, "I", c->count);
}

/* Nobody waits for an answer to a cast: what is no addition is logged and dropped. */
static void on_message(gr_self *self, void *state, gr_message *message)
{
    counter *c = state;
    int64_t number;
    (void)self;
    if (!addend(gr_body(message), &number)) {
        gr_log(GR_LOG_WARN, "counter: a message that is not {\"add\": integer} was dropped");
    } else if (__builtin_add_overflow(c->count, number, &number)) {
        gr_log(GR_LOG_WARN, "counter: an addition beyond 64 bits was dropped");
    } else {
        c->count = number;
    }
}

static void describe(gr_self *self, void *state, gr_builder *builder)
{
    counter *c = state;
    (void)self;
    gr_put_object(builder);
    gr_put_key(builder, "count"), gr_put_int(builder, c->count);
    gr_put_end(builder);
}

static const gr_method methods[] = {{"add", add}, {"get", get}};

static const gr_server server = {
    .state_bytes = sizeof(counter),
    .start = start,
    .methods = methods,
    .method_count = sizeof methods / sizeof *methods,
    .on_message = on_message,
    .describe = describe,
};

const gr_behaviour demo_counter = {
    .name = "counter",
    .server = &server,
    .arguments = "{\"start\": int}",
    .text = "counts: cast {\"add\": n}; call add, get",
};
