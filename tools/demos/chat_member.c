/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* A member of a chat room: keeps what it heard last and publishes it. method say {"text": …}; state {"name", "heard": [{"from",
 * "text"}], "missed": how much it has forgotten again}. */
#include "demos/chat.h"

#include <string.h>

enum { HEARD_MAX = 20 };

typedef struct listener {
    gr_address room;
    gr_value name;                /* in the arguments, which live as long as the actor */
    gr_message *heard[HEARD_MAX]; /* a ring; the oldest at `first` */
    size_t first, count;
    int64_t missed;
} listener;

static int start(gr_self *self, void *state, gr_value args)
{
    listener *l = state;
    l->room = gr_address_in(gr_get(args, "room"));
    l->name = gr_get(args, "name");
    return gr_link(self, l->room, GR_LINK | GR_LINK_PROPAGATE); /* GR_EDEAD: the room closed meanwhile */
}

static void stop(gr_self *self, void *state)
{
    listener *l = state;
    (void)self;
    for (size_t i = 0; i < HEARD_MAX; i++) gr_message_free(&l->heard[i]);
}

static void say(gr_self *self, void *state, gr_value argument)
{
    listener *l = state;
    gr_value text = gr_get(argument, "text");
    if (!chat_text_fits(text))
        gr_raise(self, "bad_argument", "\"text\" must be a string of at most %d bytes", CHAT_TEXT_BYTES_MAX);
    int code = gr_cast(self, l->room, "{s:V, s:V}", "from", l->name, "text", text);
    if (code != 0) gr_raise(self, "not_said", "%s", gr_error_text(code));
}

static void on_message(gr_self *self, void *state, gr_message *message)
{
    listener *l = state;
    gr_message *kept = NULL;
    (void)self;
    if (!gr_address_equal(gr_sender(message), l->room)) return; /* hearsay */
    if (gr_message_copy(gr_body(message), &kept) != 0) {
        l->missed++;
        return;
    }
    if (l->count == HEARD_MAX) {
        gr_message_free(&l->heard[l->first]);
        l->first = (l->first + 1) % HEARD_MAX;
        l->count--;
        l->missed++;
    }
    l->heard[(l->first + l->count++) % HEARD_MAX] = kept;
}

static void describe(gr_self *self, void *state, gr_builder *builder)
{
    listener *l = state;
    (void)self;
    gr_put_object(builder);
    gr_put_key(builder, "name"), gr_put_value(builder, l->name);
    gr_put_key(builder, "heard"), gr_put_array(builder);
    for (size_t i = 0; i < l->count; i++) gr_put_value(builder, gr_body(l->heard[(l->first + i) % HEARD_MAX]));
    gr_put_end(builder);
    gr_put_key(builder, "missed"), gr_put_int(builder, l->missed);
    gr_put_end(builder);
}

static const gr_method methods[] = {{"say", say}};

const gr_server chat_member = {
    .state_bytes = sizeof(listener),
    .start = start,
    .methods = methods,
    .method_count = sizeof methods / sizeof *methods,
    .on_message = on_message,
    .describe = describe,
    .stop = stop,
};
