/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* dice: a plugin to begin yours with. Copy this folder, rename what is called dice, and
 *
 *     make && install -D -m 644 dice.so ~/.local/share/greenroom/plugins/dice.so       (or cmake -B build && cmake --build build)
 *     greenroom serve --plugin dice
 *
 *     PUT /table {"behaviour": "dice", "args": {"seed": 7}}
 *     POST /table/-/call/roll {"dice": 2, "sides": 6}        [4, 1]
 *     GET /table                                             {"rolled": 2} */
#include <greenroom.h>
#include <greenroom/plugin.h>

enum { DICE_MAX = 100, SIDES_MAX = 1000 };

typedef struct table {
    uint64_t random;
    int64_t rolled;
} table;

static int start(gr_self *self, void *state, gr_value args)
{
    table *t = state;
    (void)self;
    t->random = (uint64_t)gr_int(gr_get(args, "seed"), 0);
    return 0;
}

/* splitmix64: the same seed rolls the same dice. */
static uint64_t next_random(table *t)
{
    uint64_t x = t->random += 0x9e3779b97f4a7c15U;
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9U;
    x = (x ^ x >> 27) * 0x94d049bb133111ebU;
    return x ^ x >> 31;
}

static void roll(gr_self *self, void *state, gr_value argument)
{
    table *t = state;
    int64_t dice = gr_int(gr_get(argument, "dice"), 1), sides = gr_int(gr_get(argument, "sides"), 6);
    gr_builder b;
    gr_message *rolled = NULL;
    if (dice < 1 || dice > DICE_MAX || sides < 2 || sides > SIDES_MAX)
        gr_raise(self, "bad_argument", "roll takes {\"dice\": 1 to %d, \"sides\": 2 to %d}", DICE_MAX, SIDES_MAX);
    gr_build(&b);
    gr_put_array(&b);
    for (int64_t i = 0; i < dice; i++) gr_put_int(&b, (int64_t)(next_random(t) % (uint64_t)sides) + 1);
    gr_put_end(&b);
    int code = gr_build_message(&b, &rolled);
    if (code == 0) code = gr_reply_value(self, gr_body(rolled));
    gr_message_free(&rolled);
    if (code != 0) gr_raise(self, "not_rolled", "%s", gr_error_text(code));
    t->rolled += dice;
}

static void describe(gr_self *self, void *state, gr_builder *builder)
{
    table *t = state;
    (void)self;
    gr_put_object(builder);
    gr_put_key(builder, "rolled"), gr_put_int(builder, t->rolled);
    gr_put_end(builder);
}

static const gr_method methods[] = {{"roll", roll}};

static const gr_server server = {
    .state_bytes = sizeof(table), .start = start, .methods = methods, .method_count = 1, .describe = describe};

static const gr_behaviour dice = {.name = "dice",
                                  .server = &server,
                                  .arguments = "{\"seed\": int}",
                                  .text = "rolls: call roll {\"dice\", \"sides\"}"};

static const gr_behaviour *const behaviours[] = {&dice, NULL};

GR_PLUGIN(behaviours, NULL, NULL)
