/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Savina's Producer-Consumer with Bounded Buffer: a manager holds finished items in a buffer; it lets producers go on while there
 * is room and gives items to consumers that are free. Making and using an item is arithmetic. One operation is one item.
 * The manager is a server; the form is the producers' and consumers'.
 *
 * Verified: the buffer never holds more than it may; the items consumed are those produced, by count and by sum. */
#include "savina.h"

#include <math.h>
#include <stdlib.h>

#define STEPS_A_COST 100

/* ---- the manager: gets items from producers (double), null from consumers that are free, true from producers at their end ---- */

typedef struct queue {
    gr_address *places;
    uint64_t first, count, max;
} queue;

typedef struct manager {
    queue producers, consumers; /* that wait */
    double *buffer;
    uint64_t first, count, max; /* of the buffer */
    int64_t producers_left;
} manager;

static void *get_memory(gr_self *self, size_t count, size_t bytes)
{
    void *memory = gr_alloc(self, count * bytes);
    if (!memory) bench_fail("no memory");
    return memory;
}

static void queue_put(queue *q, gr_address a)
{
    q->places[(q->first + q->count++) % q->max] = a;
}

static gr_address queue_take(queue *q)
{
    q->count--;
    return q->places[q->first++ % q->max];
}

static int manager_start(gr_self *self, void *state, gr_value args)
{
    manager *m = state;
    BENCH_OK(gr_unpack(args, NULL, "[I,I,I]", &m->max, &m->producers.max, &m->consumers.max));
    m->producers_left = (int64_t)m->producers.max;
    m->buffer = get_memory(self, m->max, sizeof *m->buffer);
    m->producers.places = get_memory(self, m->producers.max, sizeof(gr_address));
    m->consumers.places = get_memory(self, m->consumers.max, sizeof(gr_address));
    return 0;
}

static void let_produce(gr_self *self, gr_address producer)
{
    BENCH_OK(gr_cast(self, producer, "n"));
}

static void got_item(gr_self *self, manager *m, double item, gr_address producer)
{
    if (m->consumers.count) {
        BENCH_OK(gr_cast(self, queue_take(&m->consumers), "f", item));
    } else {
        if (m->count == m->max) bench_fail("the buffer holds more than %llu items", (unsigned long long)m->max);
        m->buffer[(m->first + m->count++) % m->max] = item;
    }
    /* Each of those that are working now may still bring one. */
    if (m->count + m->producers.max > m->max)
        queue_put(&m->producers, producer);
    else
        let_produce(self, producer);
}

static void got_consumer(gr_self *self, manager *m, gr_address consumer)
{
    if (m->count) {
        BENCH_OK(gr_cast(self, consumer, "f", m->buffer[m->first++ % m->max]));
        m->count--;
        if (m->producers.count) let_produce(self, queue_take(&m->producers));
    } else {
        queue_put(&m->consumers, consumer);
    }
}

static void manager_message(gr_self *self, void *state, gr_message *message)
{
    manager *m = state;
    gr_value body = gr_body(message);
    switch (gr_type_of(body)) {
    case GR_DOUBLE: got_item(self, m, gr_double(body, 0), gr_sender(message)); break;
    case GR_BOOL: m->producers_left--; break;
    default: got_consumer(self, m, gr_sender(message)); break;
    }
    if (m->producers_left > 0 || m->consumers.count < m->consumers.max) return;
    while (m->consumers.count) BENCH_OK(gr_cast(self, queue_take(&m->consumers), "n")); /* no more items */
    gr_server_end(self);
}

static const gr_server manager_server = {
    .state_bytes = sizeof(manager), .start = manager_start, .on_message = manager_message};

/* ---- producers and consumers: what they have in common is the work ---- */

typedef struct hand {
    gr_address manager;
    int64_t cost, left, items;
    double item, sum;
} hand;

static double work(double item, int64_t cost)
{
    uint64_t random = (uint64_t)cost;
    for (int64_t i = 0; i <= cost * STEPS_A_COST; i++)
        item += log((double)(savina_random(&random) >> 11) * 0x1p-53 + 0.01);
    return item;
}

static void read_args(hand *h, gr_value args)
{
    BENCH_OK(gr_unpack(args, NULL, "[A,I,I]", &h->manager, &h->cost, &h->left));
}

static bool finish(gr_self *self, const hand *h)
{
    BENCH_OK(gr_return(self, "[I,f]", h->items, h->sum));
    return false;
}

/* Told to go on: one more item. False: no more to make. */
static bool produce(gr_self *self, hand *h, gr_message *m)
{
    (void)m;
    if (h->left-- == 0) {
        BENCH_OK(gr_cast(self, h->manager, "b", true));
        return finish(self, h);
    }
    h->item = work(h->item, h->cost);
    h->items++;
    h->sum += h->item;
    BENCH_OK(gr_cast(self, h->manager, "f", h->item));
    return true;
}

/* Gets items. False: null, there will be no more. */
static bool consume(gr_self *self, hand *h, gr_message *m)
{
    if (gr_type_of(gr_body(m)) == GR_NULL) return finish(self, h);
    double item = gr_double(gr_body(m), 0);
    h->items++;
    h->sum += item;
    h->item = work(h->item + item, h->cost);
    BENCH_OK(gr_cast(self, h->manager, "n"));
    return true;
}

static void green(gr_self *self, hand *h, bool (*handle)(gr_self *self, hand *h, gr_message *m))
{
    for (bool more = true; more;) {
        gr_message *m = savina_receive(self);
        more = handle(self, h, m);
        gr_message_free(&m);
    }
}

static void producer_green(gr_self *self, gr_value args)
{
    hand h = {.items = 0};
    read_args(&h, args);
    if (produce(self, &h, NULL)) green(self, &h, produce);
}

static void consumer_green(gr_self *self, gr_value args)
{
    hand h = {.items = 0};
    read_args(&h, args);
    BENCH_OK(gr_cast(self, h.manager, "n"));
    green(self, &h, consume);
}

static int producer_start(gr_self *self, void *state, gr_value args)
{
    read_args(state, args);
    if (!produce(self, state, NULL)) gr_server_end(self);
    return 0;
}

static void producer_message(gr_self *self, void *state, gr_message *m)
{
    if (!produce(self, state, m)) gr_server_end(self);
}

static int consumer_start(gr_self *self, void *state, gr_value args)
{
    read_args(state, args);
    BENCH_OK(gr_cast(self, ((hand *)state)->manager, "n"));
    return 0;
}

static void consumer_message(gr_self *self, void *state, gr_message *m)
{
    if (!consume(self, state, m)) gr_server_end(self);
}

static const gr_server producer_server = {
    .state_bytes = sizeof(hand), .start = producer_start, .on_message = producer_message};
static const gr_server consumer_server = {
    .state_bytes = sizeof(hand), .start = consumer_start, .on_message = consumer_message};

/* What they have made or used; frees the addresses. */
static double settle(bench *b, gr_address *hands, uint64_t count, uint64_t *ret_items)
{
    double sum = 0;
    *ret_items = 0;
    for (uint64_t i = 0; i < count; i++) {
        gr_message *m;
        int64_t items;
        double some;
        BENCH_OK(gr_wait(b->self, hands[i], &m, GR_FOREVER));
        BENCH_OK(gr_unpack(gr_body(m), NULL, "[I,f]", &items, &some));
        gr_message_free(&m);
        *ret_items += (uint64_t)items;
        sum += some;
    }
    free(hands);
    return sum;
}

static uint64_t run(bench *b, const bench_parameter *p, bench_span *span)
{
    uint64_t places = p[0].value, producers = p[1].value, consumers = p[2].value, items = p[3].value, made, used;
    if (producers < 1 || consumers < 1 || places < producers)
        bench_fail("one producer and consumer or more, and a place for each producer");
    gr_address buffer, *all_producers = savina_array(producers, sizeof(gr_address)),
                       *all_consumers = savina_array(consumers, sizeof(gr_address));
    bench_span_begin(span);
    BENCH_OK(gr_spawn_server(b->self, &buffer, &manager_server, NULL, "[I,I,I]", places, producers, consumers));
    for (uint64_t i = 0; i < consumers; i++)
        savina_spawn(b->self, &all_consumers[i], consumer_green, &consumer_server, "[A,I,I]", buffer, p[5].value,
                     items);
    for (uint64_t i = 0; i < producers; i++)
        savina_spawn(b->self, &all_producers[i], producer_green, &producer_server, "[A,I,I]", buffer, p[4].value,
                     items);
    double sum_made = settle(b, all_producers, producers, &made), sum_used = settle(b, all_consumers, consumers, &used);
    bench_span_end(span);
    bench_equal("items produced", made, producers * items);
    bench_equal("items consumed", used, producers * items);
    if (fabs(sum_made - sum_used) > 1e-9 * fabs(sum_made)) bench_fail("other items were consumed than produced");
    return made;
}

static const savina program = {.workload = "savina_bndbuffer",
                               .operation = "item",
                               .run = run,
                               .iterations = 1,
                               .parameters = {{"places", 50, 5},
                                              {"producers", 40, 4},
                                              {"consumers", 40, 4},
                                              {"items", 1000, 20},
                                              {"produce-cost", 25, 2},
                                              {"consume-cost", 25, 2}},
                               .sweep = {{"items", 500}, {"places", 500}, {"consumers", 10}, {"consume-cost", 1}}};

int main(int argc, char **argv)
{
    return savina_main(&program, argc, argv);
}
