/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Savina's Chameneos: creatures of three colours come to a mall, which makes pairs of them in the order of their coming; both
 * leave with the colour that theirs give together, and come again. The mall closes after so many meetings. One operation is one
 * meeting. The mall is a server; the form is the creatures'.
 *
 * Verified: the creatures' counts add up to two a meeting; both of a pair leave with the same colour (the one who computes it
 * tells the other). */
#include "savina.h"

#include <stdlib.h>

enum colour { YELLOW, BLUE, RED, COLOURS };

/* The same for two of a kind, the third for two different ones. */
static int complement(int left, int right)
{
    return left == right ? left : COLOURS - left - right;
}

/* ---- the mall: gets colours; says [colour, address] of the other to the one who waited, or null when it has closed ---- */

typedef struct mall {
    int64_t meetings;
    gr_address waiting;
} mall;

static int mall_start(gr_self *self, void *state, gr_value args)
{
    (void)self;
    ((mall *)state)->meetings = gr_int(args, 0);
    return 0;
}

static void mall_message(gr_self *self, void *state, gr_message *m)
{
    mall *s = state;
    if (gr_type_of(gr_body(m)) == GR_NULL) {
        gr_server_end(self);
    } else if (s->meetings == 0) {
        BENCH_OK(gr_cast(self, gr_sender(m), "n"));
    } else if (gr_address_equal(s->waiting, GR_NO_ADDRESS)) {
        s->waiting = gr_sender(m);
    } else {
        BENCH_OK(gr_cast(self, s->waiting, "[V,A]", gr_body(m), gr_sender(m)));
        s->waiting = GR_NO_ADDRESS;
        s->meetings--;
    }
}

static const gr_server mall_server = {.state_bytes = sizeof(mall), .start = mall_start, .on_message = mall_message};

/* ---- a creature ---- */

typedef struct creature {
    gr_address mall;
    int colour;
    int64_t meetings;
} creature;

static void go_to_mall(gr_self *self, creature *c)
{
    BENCH_OK(gr_cast(self, c->mall, "i", c->colour));
}

static void arrive(gr_self *self, creature *c, gr_value args)
{
    BENCH_OK(gr_unpack(args, NULL, "[A,i]", &c->mall, &c->colour));
    go_to_mall(self, c);
}

/* From the mall as above; an int is the new colour, from the other of the pair. False: the mall has closed. */
static bool meet(gr_self *self, creature *c, gr_value body)
{
    if (gr_type_of(body) == GR_NULL) {
        BENCH_OK(gr_return(self, "I", c->meetings));
        return false;
    }
    if (gr_type_of(body) == GR_INT) {
        c->colour = (int)gr_int(body, 0);
    } else {
        gr_address other;
        int colour;
        BENCH_OK(gr_unpack(body, NULL, "[i,A]", &colour, &other));
        c->colour = complement(c->colour, colour);
        BENCH_OK(gr_cast(self, other, "i", c->colour));
    }
    c->meetings++;
    go_to_mall(self, c);
    return true;
}

static void creature_green(gr_self *self, gr_value args)
{
    creature c = {.meetings = 0};
    arrive(self, &c, args);
    for (bool open = true; open;) {
        gr_message *m = savina_receive(self);
        open = meet(self, &c, gr_body(m));
        gr_message_free(&m);
    }
}

static int creature_start(gr_self *self, void *state, gr_value args)
{
    arrive(self, state, args);
    return 0;
}

static void creature_message(gr_self *self, void *state, gr_message *m)
{
    if (!meet(self, state, gr_body(m))) gr_server_end(self);
}

static const gr_server creature_server = {
    .state_bytes = sizeof(creature), .start = creature_start, .on_message = creature_message};

static uint64_t run(bench *b, const bench_parameter *p, bench_span *span)
{
    uint64_t creatures = p[0].value, meetings = p[1].value;
    if (creatures < 2) bench_fail("two creatures or more");
    gr_address place, *all = savina_array(creatures, sizeof *all);
    bench_span_begin(span);
    BENCH_OK(gr_spawn_server(b->self, &place, &mall_server, NULL, "I", (int64_t)meetings));
    for (uint64_t i = 0; i < creatures; i++)
        savina_spawn(b->self, &all[i], creature_green, &creature_server, "[A,i]", place, (int)(i % COLOURS));
    bench_equal("meetings of all creatures", (uint64_t)savina_results(b->self, all, creatures), 2 * meetings);
    bench_span_end(span);
    BENCH_OK(gr_cast(b->self, place, "n"));
    free(all);
    return meetings;
}

static const savina program = {
    .workload = "savina_chameneos",
    .operation = "meeting",
    .run = run,
    .iterations = 5,
    .parameters = {{"creatures", 100, 7}, {"meetings", 200000, 300}},
    .sweep = {{"meetings", 100000}, {"meetings", 400000}, {"creatures", 4}, {"creatures", 1000}}};

int main(int argc, char **argv)
{
    return savina_main(&program, argc, argv);
}
