/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Savina's Sleeping Barber: customers come, one after the other, to a waiting room with so many seats; who finds none goes away
 * and is sent in again; the barber sleeps while nobody waits. Cutting, and the pause between two customers, is a random number of
 * steps of arithmetic. One operation is one haircut.
 *
 * Room and barber are servers, the factory is a green thread; the form is the customers'.
 * Verified: each customer has had one haircut, the barber has given as many; never more sit in the room than there are seats; the
 * barber was asked for none while he slept. */
#include "savina.h"

#include <stdlib.h>

#define STEPS_MIN 10

/* ---- the waiting room. From customers: "enter"; from the barber: "next"; from the factory: "close" ---- */

typedef struct room {
    gr_address barber, *seats;
    uint64_t seat_count, first, waiting;
    bool asleep; /* the barber */
} room;

static int room_start(gr_self *self, void *state, gr_value args)
{
    room *r = state;
    BENCH_OK(gr_unpack(args, NULL, "[A,I]", &r->barber, &r->seat_count));
    r->seats = gr_alloc(self, r->seat_count * sizeof *r->seats);
    if (!r->seats) bench_fail("no memory");
    r->asleep = true;
    return 0;
}

static void call_in(gr_self *self, room *r)
{
    r->asleep = r->waiting == 0;
    if (r->asleep) return;
    r->waiting--;
    BENCH_OK(gr_cast(self, r->barber, "A", r->seats[r->first++ % r->seat_count]));
}

static void enter(gr_self *self, room *r, gr_address customer)
{
    if (r->waiting == r->seat_count) {
        BENCH_OK(gr_cast(self, customer, "s", "full"));
        return;
    }
    r->seats[(r->first + r->waiting++) % r->seat_count] = customer;
    BENCH_OK(gr_cast(self, customer, "s", "wait"));
    if (r->asleep) call_in(self, r);
}

static void room_message(gr_self *self, void *state, gr_message *m)
{
    switch (gr_string(gr_body(m), "?")[0]) {
    case 'e': enter(self, state, gr_sender(m)); break;
    case 'n': call_in(self, state); break;
    default: BENCH_OK(gr_cast(self, ((room *)state)->barber, "n")); gr_server_end(self);
    }
}

static const gr_server room_server = {.state_bytes = sizeof(room), .start = room_start, .on_message = room_message};

/* ---- the barber: gets customers from the room, null at the end ---- */

typedef struct barber {
    uint64_t steps_max, random;
    int64_t haircuts;
} barber;

static int barber_start(gr_self *self, void *state, gr_value args)
{
    (void)self;
    ((barber *)state)->steps_max = (uint64_t)gr_int(args, 0);
    return 0;
}

static void barber_message(gr_self *self, void *state, gr_message *m)
{
    barber *b = state;
    gr_address customer = gr_address_in(gr_body(m));
    if (gr_type_of(gr_body(m)) == GR_NULL) {
        BENCH_OK(gr_return(self, "I", b->haircuts));
        gr_server_end(self);
        return;
    }
    BENCH_OK(gr_cast(self, customer, "s", "start"));
    savina_work(&b->random, STEPS_MIN + savina_random_below(&b->random, b->steps_max));
    b->haircuts++;
    BENCH_OK(gr_cast(self, customer, "s", "done"));
    BENCH_OK(gr_cast(self, gr_sender(m), "s", "next"));
}

static const gr_server barber_server = {
    .state_bytes = sizeof(barber), .start = barber_start, .on_message = barber_message};

/* ---- customers: "full", "wait", "start", "done" are what happens to them; they tell the factory of the first and last ---- */

typedef struct customer {
    gr_address room, factory;
    int64_t attempts;
} customer;

static void go_in(gr_self *self, customer *c)
{
    c->attempts++;
    BENCH_OK(gr_cast(self, c->room, "s", "enter"));
}

static void set_out(gr_self *self, customer *c, gr_value args)
{
    BENCH_OK(gr_unpack(args, NULL, "[A,A]", &c->room, &c->factory));
    go_in(self, c);
}

/* False: the hair is cut. */
static bool hear(gr_self *self, customer *c, gr_message *m)
{
    switch (gr_string(gr_body(m), "?")[0]) {
    case 'f': BENCH_OK(gr_cast(self, c->factory, "s", "returned")); return true;
    case 'a': go_in(self, c); return true; /* "again", from the factory */
    case 'd': BENCH_OK(gr_cast(self, c->factory, "I", c->attempts)); return false;
    default: return true;
    }
}

static void customer_green(gr_self *self, gr_value args)
{
    customer c = {.attempts = 0};
    set_out(self, &c, args);
    for (bool more = true; more;) {
        gr_message *m = savina_receive(self);
        more = hear(self, &c, m);
        gr_message_free(&m);
    }
}

static int customer_start(gr_self *self, void *state, gr_value args)
{
    set_out(self, state, args);
    return 0;
}

static void customer_message(gr_self *self, void *state, gr_message *m)
{
    if (!hear(self, state, m)) gr_server_end(self);
}

static const gr_server customer_server = {
    .state_bytes = sizeof(customer), .start = customer_start, .on_message = customer_message};

/* ---- where they come from ---- */

static void factory(gr_self *self, gr_value args)
{
    gr_address waiting_room, me = gr_self_address(self);
    int64_t haircuts, attempts = 0;
    uint64_t steps_max, random = 1;
    BENCH_OK(gr_unpack(args, NULL, "[A,I,I]", &waiting_room, &haircuts, &steps_max));
    for (int64_t i = 0; i < haircuts; i++) {
        savina_launch(self, NULL, customer_green, &customer_server, "[A,A]", waiting_room, me);
        savina_work(&random, STEPS_MIN + savina_random_below(&random, steps_max));
        BENCH_OK(gr_cooperate(self)); /* a pause, for whoever is there */
    }
    for (int64_t done = 0; done < haircuts;) {
        gr_message *m = savina_receive(self);
        if (gr_type_of(gr_body(m)) == GR_INT) {
            attempts += gr_int(gr_body(m), 0);
            done++;
        } else {
            BENCH_OK(gr_cast(self, gr_sender(m), "s", "again"));
        }
        gr_message_free(&m);
    }
    BENCH_OK(gr_cast(self, waiting_room, "s", "close"));
    BENCH_OK(gr_return(self, "I", attempts));
}

static uint64_t run(bench *b, const bench_parameter *p, bench_span *span)
{
    uint64_t haircuts = p[0].value, seats = p[1].value;
    if (seats < 1 || p[2].value < 1 || p[3].value < 1) bench_fail("one seat and one step or more");
    gr_address hairdresser, waiting_room, source;
    bench_span_begin(span);
    BENCH_OK(gr_spawn_server(b->self, &hairdresser, &barber_server, &savina_kept, "I", p[3].value));
    BENCH_OK(gr_spawn_server(b->self, &waiting_room, &room_server, NULL, "[A,I]", hairdresser, seats));
    BENCH_OK(gr_spawn_with(b->self, &source, factory, &savina_kept, "[A,I,I]", waiting_room, haircuts, p[2].value));
    int64_t attempts = savina_result(b->self, source);
    bench_equal("haircuts", (uint64_t)savina_result(b->self, hairdresser), haircuts);
    bench_span_end(span);
    if (attempts < (int64_t)haircuts) bench_fail("more haircuts than attempts");
    return haircuts;
}

static const savina program = {
    .workload = "savina_barber",
    .operation = "haircut",
    .run = run,
    .iterations = 10,
    .parameters = {{"haircuts", 5000, 100},
                   {"seats", 1000, 5},
                   {"pause-steps", 1000, 100},
                   {"haircut-steps", 1000, 200}},
    .sweep = {{"haircuts", 2500}, {"haircuts", 10000}, {"seats", 10}, {"haircut-steps", 3000}, {"pause-steps", 100}}};

int main(int argc, char **argv)
{
    return savina_main(&program, argc, argv);
}
