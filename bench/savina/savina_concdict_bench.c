/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Savina's Concurrent Dictionary: workers read and write in a dictionary that one actor keeps; each waits for its answer. One
 * operation is one read or write.
 *
 * The dictionary is a server with the methods read(key) and write([key, value]); the form is the workers', who call them.
 * Verified: what is read is what was there from the beginning or was written under that key; at the end there are as many keys as
 * the workers' random numbers, drawn again one worker after the other, say. */
#include "savina.h"

#include <stdlib.h>
#include <string.h>

/* ---- a hash table with open addressing: the key 0 is a free place ---- */

typedef struct table {
    int64_t (*entries)[2]; /* key, value */
    uint64_t mask, used;
} table;

static void table_init(table *t, uint64_t max)
{
    t->mask = 15;
    while (t->mask < 2 * max) t->mask = 2 * t->mask + 1;
    t->entries = savina_array(t->mask + 1, sizeof *t->entries);
    t->used = 0;
}

/* Where the key is or belongs. */
static int64_t *table_find(const table *t, int64_t key)
{
    uint64_t seed = (uint64_t)key, at = savina_random(&seed);
    while (t->entries[at & t->mask][0] != key && t->entries[at & t->mask][0] != 0) at++;
    return t->entries[at & t->mask];
}

static void table_put(table *t, int64_t key, int64_t value)
{
    int64_t *entry = table_find(t, key);
    t->used += entry[0] == 0;
    entry[0] = key;
    entry[1] = value;
}

/* At first the keys 1 … entries have themselves as values. Written are others, too, with a value that tells the key. */
static void table_fill(table *t, int64_t entries, int64_t writes)
{
    table_init(t, (uint64_t)(entries + writes));
    for (int64_t key = 1; key <= entries; key++) table_put(t, key, key);
}

static int64_t value_for(int64_t key, int64_t worker)
{
    return (worker + 1) << 32 | key;
}

/* ---- the dictionary ---- */

static int dictionary_start(gr_self *self, void *state, gr_value args)
{
    (void)self;
    int64_t entries, writes;
    BENCH_OK(gr_unpack(args, NULL, "[I,I]", &entries, &writes));
    table_fill(state, entries, writes);
    return 0;
}

static void dictionary_read(gr_self *self, void *state, gr_value key)
{
    const int64_t *entry = table_find(state, gr_int(key, 0));
    BENCH_OK(entry[0] ? gr_reply(self, "I", entry[1]) : gr_reply(self, "n"));
}

static void dictionary_write(gr_self *self, void *state, gr_value argument)
{
    int64_t key, value;
    BENCH_OK(gr_unpack(argument, NULL, "[I,I]", &key, &value));
    table_put(state, key, value);
    BENCH_OK(gr_reply(self, "I", value));
}

static void dictionary_close(gr_self *self, void *state, gr_value argument)
{
    (void)argument;
    BENCH_OK(gr_reply(self, "I", ((table *)state)->used));
    gr_server_end(self);
}

static void dictionary_stop(gr_self *self, void *state)
{
    (void)self;
    free(((table *)state)->entries);
}

static const gr_method dictionary_methods[] = {
    {"read", dictionary_read}, {"write", dictionary_write}, {"close", dictionary_close}};
static const gr_server dictionary_server = {.state_bytes = sizeof(table),
                                            .start = dictionary_start,
                                            .methods = dictionary_methods,
                                            .method_count = 3,
                                            .stop = dictionary_stop};

/* ---- the workers ---- */

typedef struct plan {
    int64_t number, entries, percentage;
    uint64_t random;
} plan;

static plan plan_of(int64_t number, int64_t entries, int64_t percentage)
{
    return (plan){.number = number, .entries = entries, .percentage = percentage, .random = (uint64_t)number};
}

/* The worker's next key; true if it writes under it. Half the keys are not there at first. */
static bool plan_next(plan *p, int64_t *ret_key)
{
    bool writes = savina_random_below(&p->random, 100) < (uint64_t)p->percentage;
    *ret_key = 1 + (int64_t)savina_random_below(&p->random, 2 * (uint64_t)p->entries);
    return writes;
}

static void check_read(gr_value answer, int64_t key, int64_t entries)
{
    int64_t value = gr_int(answer, 0);
    bool right = gr_type_of(answer) == GR_NULL ? key > entries : (value & INT32_MAX) == key;
    if (!right) bench_fail("key %lld has value %lld", (long long)key, (long long)value);
}

static void work(gr_self *self, gr_value args)
{
    gr_address dictionary;
    int64_t number, operations, entries, percentage;
    BENCH_OK(gr_unpack(args, NULL, "[A,I,I,I,I]", &dictionary, &number, &operations, &entries, &percentage));
    plan p = plan_of(number, entries, percentage);
    for (int64_t i = 0; i < operations; i++) {
        int64_t key;
        gr_message *answer;
        if (plan_next(&p, &key))
            BENCH_OK(gr_call(self, &answer, dictionary, "write", GR_FOREVER, "[I,I]", key, value_for(key, number)));
        else
            BENCH_OK(gr_call(self, &answer, dictionary, "read", GR_FOREVER, "I", key));
        check_read(gr_body(answer), key, entries);
        gr_message_free(&answer);
    }
    BENCH_OK(gr_return(self, "I", operations));
}

static int worker_start(gr_self *self, void *state, gr_value args)
{
    (void)state;
    work(self, args);
    gr_server_end(self);
    return 0;
}

static const gr_server worker_server = {.start = worker_start};

/* The keys that are there in the end, whatever the order. */
static uint64_t keys_in_the_end(int64_t workers, int64_t operations, int64_t entries, int64_t percentage)
{
    table t;
    table_fill(&t, entries, workers * operations);
    for (int64_t w = 0; w < workers; w++) {
        plan p = plan_of(w, entries, percentage);
        for (int64_t i = 0, key; i < operations; i++)
            if (plan_next(&p, &key)) table_put(&t, key, key);
    }
    free(t.entries);
    return t.used;
}

static uint64_t run(bench *b, const bench_parameter *p, bench_span *span)
{
    int64_t workers = (int64_t)p[0].value, operations = (int64_t)p[1].value, percentage = (int64_t)p[2].value,
            entries = (int64_t)p[3].value;
    if (percentage > 100 || entries < 1 || entries > 1 << 28) bench_fail("0 to 100 per cent, 1 to 2^28 entries");
    gr_address dictionary, *all = savina_array((size_t)workers, sizeof *all);
    BENCH_OK(gr_spawn_server(b->self, &dictionary, &dictionary_server, NULL, "[I,I]", entries, workers * operations));
    BENCH_OK(gr_call(b->self, NULL, dictionary, "read", GR_FOREVER, "i", 1)); /* it is filled */
    bench_span_begin(span);
    for (int64_t i = 0; i < workers; i++)
        savina_spawn(b->self, &all[i], work, &worker_server, "[A,I,I,I,I]", dictionary, i, operations, entries,
                     percentage);
    bench_equal("operations", (uint64_t)savina_results(b->self, all, (size_t)workers),
                (uint64_t)(workers * operations));
    bench_span_end(span);
    gr_message *keys;
    BENCH_OK(gr_call(b->self, &keys, dictionary, "close", GR_FOREVER, "n"));
    bench_equal("keys", (uint64_t)gr_int(gr_body(keys), -1), keys_in_the_end(workers, operations, entries, percentage));
    gr_message_free(&keys);
    free(all);
    return (uint64_t)(workers * operations);
}

static const savina program = {
    .workload = "savina_concdict",
    .operation = "operation",
    .run = run,
    .iterations = 5,
    .parameters = {{"clients", 20, 4}, {"each", 10000, 100}, {"write-percentage", 10, 10}, {"entries", 524287, 511}},
    .sweep = {{"each", 5000}, {"each", 20000}, {"write-percentage", 1}, {"write-percentage", 50}, {"clients", 100}}};

int main(int argc, char **argv)
{
    return savina_main(&program, argc, argv);
}
