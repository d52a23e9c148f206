/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Savina's Concurrent Sorted Linked-List: workers insert in a sorted list that one actor keeps, ask whether it contains a number,
 * or how long it is; each waits for its answer. One operation is one of these. Most of the time goes into walking the list.
 *
 * The list is a server with the methods insert, contains and size; the form is the workers', who call them.
 * Verified: only even numbers are inserted, so no odd one may be found, and a worker's latest must be; the list only grows; at
 * the end it is sorted and has the numbers, by count and sum, that the workers' random numbers, drawn again, say. */
#include "savina.h"

#include <stdlib.h>

/* ---- the list ---- */

typedef struct link {
    struct link *next;
    int64_t value;
} link;

typedef struct list {
    link *first;
    int64_t size, sum;
} list;

/* The place of the first link whose value is not smaller. */
static link **find(list *l, int64_t value)
{
    link **at = &l->first;
    while (*at && (*at)->value < value) at = &(*at)->next;
    return at;
}

static void list_insert(gr_self *self, void *state, gr_value argument)
{
    list *l = state;
    int64_t value = gr_int(argument, 0);
    link **at = find(l, value), *new = gr_alloc(self, sizeof *new);
    if (!new) bench_fail("no memory");
    *new = (link){.next = *at, .value = value};
    *at = new;
    l->size++;
    l->sum += value;
    BENCH_OK(gr_reply(self, "I", value));
}

static void list_contains(gr_self *self, void *state, gr_value argument)
{
    int64_t value = gr_int(argument, 0);
    link **at = find(state, value);
    BENCH_OK(gr_reply(self, "b", *at && (*at)->value == value));
}

static void list_size(gr_self *self, void *state, gr_value argument)
{
    (void)argument;
    BENCH_OK(gr_reply(self, "I", ((list *)state)->size));
}

static void list_close(gr_self *self, void *state, gr_value argument)
{
    (void)argument;
    list *l = state;
    bool sorted = true;
    for (link *at = l->first; at && at->next; at = at->next) sorted &= at->value <= at->next->value;
    BENCH_OK(gr_reply(self, "[I,I,b]", l->size, l->sum, sorted));
    gr_server_end(self); /* its memory goes with it */
}

static const gr_method list_methods[] = {
    {"contains", list_contains}, {"insert", list_insert}, {"size", list_size}, {"close", list_close}};
static const gr_server list_server = {.state_bytes = sizeof(list), .methods = list_methods, .method_count = 4};

/* ---- the workers ---- */

typedef struct plan {
    int64_t write_percentage, size_percentage;
    uint64_t random;
} plan;

typedef enum step { SIZE, INSERT, CONTAINS } step;

static step plan_next(plan *p, int64_t *ret_value)
{
    int64_t dice = (int64_t)savina_random_below(&p->random, 100);
    step s = dice < p->size_percentage ? SIZE : dice < p->size_percentage + p->write_percentage ? INSERT : CONTAINS;
    *ret_value = (int64_t)savina_random_below(&p->random, INT32_MAX);
    if (s == INSERT) *ret_value &= ~INT64_C(1);
    return s;
}

typedef struct worker {
    gr_address list;
    plan plan;
    int64_t operations, size, latest; /* latest: what it inserted; -1: nothing yet */
} worker;

static bool contains(gr_self *self, worker *w, int64_t value)
{
    gr_message *answer;
    BENCH_OK(gr_call(self, &answer, w->list, "contains", GR_FOREVER, "I", value));
    bool found = gr_bool(gr_body(answer), false);
    gr_message_free(&answer);
    return found;
}

static int64_t ask(gr_self *self, worker *w, const char *method, int64_t value)
{
    gr_message *answer;
    BENCH_OK(gr_call(self, &answer, w->list, method, GR_FOREVER, "I", value));
    int64_t number = gr_int(gr_body(answer), -1);
    gr_message_free(&answer);
    return number;
}

static void one_operation(gr_self *self, worker *w)
{
    int64_t value, size;
    switch (plan_next(&w->plan, &value)) {
    case SIZE:
        size = ask(self, w, "size", 0);
        if (size < w->size) bench_fail("the list has shrunk");
        w->size = size;
        break;
    case INSERT:
        bench_equal("number inserted", (uint64_t)ask(self, w, "insert", value), (uint64_t)value);
        w->latest = value;
        break;
    case CONTAINS:
        if (value % 64 == 0 && w->latest >= 0) value = w->latest; /* something that is there */
        if (contains(self, w, value) ? value % 2 != 0 : value == w->latest)
            bench_fail("wrong answer for %lld", (long long)value);
        break;
    }
}

static void work(gr_self *self, gr_value args)
{
    worker w = {.latest = -1};
    BENCH_OK(gr_unpack(args, NULL, "[A,I,I,I,I]", &w.list, &w.operations, &w.plan.write_percentage,
                       &w.plan.size_percentage, &w.plan.random));
    for (int64_t i = 0; i < w.operations; i++) one_operation(self, &w);
    BENCH_OK(gr_return(self, "I", w.operations));
}

static int worker_start(gr_self *self, void *state, gr_value args)
{
    (void)state;
    work(self, args);
    gr_server_end(self);
    return 0;
}

static const gr_server worker_server = {.start = worker_start};

/* What must be in the list. */
static list expected(uint64_t workers, uint64_t operations, plan begin)
{
    list l = {.size = 0};
    for (uint64_t w = 0; w < workers; w++) {
        plan p = begin;
        p.random = w;
        for (uint64_t i = 0; i < operations; i++) {
            int64_t value;
            if (plan_next(&p, &value) != INSERT) continue;
            l.size++;
            l.sum += value;
        }
    }
    return l;
}

static void check_list(bench *b, gr_address address, list want)
{
    gr_message *m;
    int64_t size, sum;
    bool sorted;
    BENCH_OK(gr_call(b->self, &m, address, "close", GR_FOREVER, "n"));
    BENCH_OK(gr_unpack(gr_body(m), NULL, "[I,I,b]", &size, &sum, &sorted));
    gr_message_free(&m);
    bench_equal("numbers in the list", (uint64_t)size, (uint64_t)want.size);
    bench_equal("their sum", (uint64_t)sum, (uint64_t)want.sum);
    bench_equal("the list is sorted", sorted, true);
}

static uint64_t run(bench *b, const bench_parameter *p, bench_span *span)
{
    uint64_t workers = p[0].value, operations = p[1].value;
    plan begin = {.write_percentage = (int64_t)p[2].value, .size_percentage = (int64_t)p[3].value};
    if (p[2].value + p[3].value > 100) bench_fail("more than 100 per cent");
    gr_address sorted, *all = savina_array(workers, sizeof *all);
    bench_span_begin(span);
    BENCH_OK(gr_spawn_server(b->self, &sorted, &list_server, NULL, "n"));
    for (uint64_t i = 0; i < workers; i++)
        savina_spawn(b->self, &all[i], work, &worker_server, "[A,I,I,I,I]", sorted, operations, begin.write_percentage,
                     begin.size_percentage, i);
    bench_equal("operations", (uint64_t)savina_results(b->self, all, workers), workers * operations);
    bench_span_end(span);
    check_list(b, sorted, expected(workers, operations, begin));
    free(all);
    return workers * operations;
}

static const savina program = {
    .workload = "savina_concsll",
    .operation = "operation",
    .run = run,
    .iterations = 1,
    .parameters = {{"clients", 20, 4}, {"each", 8000, 100}, {"write-percentage", 10, 10}, {"size-percentage", 1, 1}},
    .sweep = {{"each", 4000}, {"write-percentage", 1}, {"write-percentage", 5}, {"clients", 5}}};

int main(int argc, char **argv)
{
    return savina_main(&program, argc, argv);
}
