/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Savina's Dining Philosophers: an arbiter has the forks; a philosopher asks for both of his, is refused while a neighbour has
 * one and asks again, eats, gives them back. One operation is one meal; there are far more requests than meals.
 *
 * The arbiter is a server: the green philosophers call its methods; the server ones send it "hungry" and hear true or false.
 * Verified: every philosopher has his meals, never beside one who eats, and in the end all forks lie there. */
#include "savina.h"

#include <stdlib.h>

/* ---- the arbiter ---- */

typedef struct arbiter {
    bool *taken;
    int64_t forks, meals, refusals;
} arbiter;

static int arbiter_start(gr_self *self, void *state, gr_value args)
{
    arbiter *a = state;
    a->forks = gr_int(args, 0);
    a->taken = gr_alloc(self, (size_t)a->forks);
    if (!a->taken) bench_fail("no memory");
    return 0;
}

static bool take(arbiter *a, int64_t philosopher)
{
    bool *left = &a->taken[philosopher], *right = &a->taken[(philosopher + 1) % a->forks];
    if (*left || *right) {
        a->refusals++;
        return false;
    }
    a->meals++;
    return *left = *right = true;
}

static void arbiter_take(gr_self *self, void *state, gr_value philosopher)
{
    BENCH_OK(gr_reply(self, "b", take(state, gr_int(philosopher, 0))));
}

/* An int: that philosopher is hungry; [int]: he has done; null: all have. */
static void arbiter_message(gr_self *self, void *state, gr_message *m)
{
    arbiter *a = state;
    gr_value body = gr_body(m);
    if (gr_type_of(body) == GR_INT) {
        BENCH_OK(gr_cast(self, gr_sender(m), "b", take(a, gr_int(body, 0))));
    } else if (gr_type_of(body) == GR_ARRAY) {
        int64_t philosopher = gr_int(gr_at(body, 0), 0);
        bool *left = &a->taken[philosopher], *right = &a->taken[(philosopher + 1) % a->forks];
        if (!*left || !*right) bench_fail("somebody else took a fork");
        *left = *right = false;
    } else {
        for (int64_t i = 0; i < a->forks; i++)
            if (a->taken[i]) bench_fail("a fork is missing");
        BENCH_OK(gr_return(self, "[I,I]", a->meals, a->refusals));
        gr_server_end(self);
    }
}

static const gr_method arbiter_methods[] = {{"take", arbiter_take}};
static const gr_server arbiter_server = {.state_bytes = sizeof(arbiter),
                                         .start = arbiter_start,
                                         .methods = arbiter_methods,
                                         .method_count = 1,
                                         .on_message = arbiter_message};

/* ---- the philosophers ---- */

typedef struct philosopher {
    gr_address arbiter;
    int64_t number, meals, eaten;
} philosopher;

static void sit_down(philosopher *p, gr_value args)
{
    BENCH_OK(gr_unpack(args, NULL, "[A,I,I]", &p->arbiter, &p->number, &p->meals));
}

static void give_back(gr_self *self, philosopher *p)
{
    p->eaten++;
    BENCH_OK(gr_cast(self, p->arbiter, "[I]", p->number));
}

static bool may_eat(gr_self *self, const philosopher *p)
{
    gr_message *answer;
    BENCH_OK(gr_call(self, &answer, p->arbiter, "take", GR_FOREVER, "I", p->number));
    bool may = gr_bool(gr_body(answer), false);
    gr_message_free(&answer);
    return may;
}

static void dine_green(gr_self *self, gr_value args)
{
    philosopher p = {.eaten = 0};
    sit_down(&p, args);
    while (p.eaten < p.meals) {
        while (!may_eat(self, &p)) continue;
        give_back(self, &p);
    }
    BENCH_OK(gr_return(self, "I", p.eaten));
}

static int dine_start(gr_self *self, void *state, gr_value args)
{
    philosopher *p = state;
    sit_down(p, args);
    BENCH_OK(gr_cast(self, p->arbiter, "I", p->number));
    return 0;
}

static void dine_message(gr_self *self, void *state, gr_message *m)
{
    philosopher *p = state;
    if (gr_bool(gr_body(m), false)) give_back(self, p);
    if (p->eaten < p->meals) {
        BENCH_OK(gr_cast(self, p->arbiter, "I", p->number));
        return;
    }
    BENCH_OK(gr_return(self, "I", p->eaten));
    gr_server_end(self);
}

static const gr_server dine_server = {
    .state_bytes = sizeof(philosopher), .start = dine_start, .on_message = dine_message};

static uint64_t run(bench *b, const bench_parameter *p, bench_span *span)
{
    uint64_t count = p[0].value, meals = p[1].value;
    if (count < 2 || meals < 1) bench_fail("two philosophers or more, one meal or more");
    gr_address waiter, *all = savina_array(count, sizeof *all);
    bench_span_begin(span);
    BENCH_OK(gr_spawn_server(b->self, &waiter, &arbiter_server, &savina_kept, "I", (int64_t)count));
    for (uint64_t i = 0; i < count; i++)
        savina_spawn(b->self, &all[i], dine_green, &dine_server, "[A,I,I]", waiter, i, meals);
    bench_equal("meals eaten", (uint64_t)savina_results(b->self, all, count), count * meals);
    bench_span_end(span);
    gr_message *result;
    int64_t served, refused;
    BENCH_OK(gr_cast(b->self, waiter, "n"));
    BENCH_OK(gr_wait(b->self, waiter, &result, GR_FOREVER));
    BENCH_OK(gr_unpack(gr_body(result), NULL, "[I,I]", &served, &refused));
    gr_message_free(&result);
    bench_equal("meals served", (uint64_t)served, count * meals);
    free(all);
    return count * meals;
}

static const savina program = {
    .workload = "savina_philosopher",
    .operation = "meal",
    .run = run,
    .iterations = 5,
    .parameters = {{"philosophers", 20, 5}, {"meals", 10000, 50}},
    .sweep = {{"meals", 5000}, {"meals", 20000}, {"philosophers", 5}, {"philosophers", 200}}};

int main(int argc, char **argv)
{
    return savina_main(&program, argc, argv);
}
