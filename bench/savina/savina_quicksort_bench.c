/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Savina's Quicksort: an actor that gets many numbers passes those below the middle one to a child, those above to another, and
 * joins what they send back; one that gets few sorts them. Numbers travel as byte strings, copied at every step. One operation is
 * one number of the input.
 *
 * Verified: the result is sorted and a permutation of the input, as far as a sum of mixed numbers can tell. */
#include "savina.h"

#include <stdlib.h>
#include <string.h>

#define LIMIT (INT64_C(1) << 60)

/* ---- arrays ---- */

typedef struct numbers {
    int64_t *at;
    size_t count;
} numbers;

/* A copy: byte strings are not aligned. */
static numbers numbers_of(gr_self *self, gr_value value)
{
    size_t bytes;
    const void *source = gr_bytes(value, &bytes);
    numbers n = {.at = gr_alloc(self, bytes + 1), .count = bytes / sizeof(int64_t)};
    if (!n.at) bench_fail("no memory");
    memcpy(n.at, source, bytes);
    return n;
}

static int compare(const void *left, const void *right)
{
    int64_t l = *(const int64_t *)left, r = *(const int64_t *)right;
    return (l > r) - (l < r);
}

/* Sorts into below, equal, above the pivot; where the last two begin (Dijkstra's flag). */
static void partition(numbers n, int64_t pivot, size_t *ret_equal, size_t *ret_above)
{
    size_t below = 0, above = n.count;
    for (size_t i = 0; i < above;) {
        int64_t x = n.at[i];
        if (x < pivot) {
            n.at[i++] = n.at[below];
            n.at[below++] = x;
        } else if (x > pivot) {
            n.at[i] = n.at[--above];
            n.at[above] = x;
        } else {
            i++;
        }
    }
    *ret_equal = below;
    *ret_above = above;
}

/* ---- a sorter ---- */

typedef struct sorter {
    gr_address parent;
    bool upper; /* it has what is above the parent's middle number */
    int64_t threshold;
    numbers all;
    size_t equal, above; /* where they begin: what is before and behind is the children's */
    int answers;
} sorter;

static void sort_green(gr_self *self, gr_value args);
static const gr_server sort_server;

static void ask_child(gr_self *self, const sorter *s, bool upper, const int64_t *at, size_t count)
{
    savina_launch(self, NULL, sort_green, &sort_server, "[A,b,I,B]", gr_self_address(self), upper, s->threshold,
                  (const void *)at, count * sizeof *at);
}

static void answer(gr_self *self, const sorter *s)
{
    BENCH_OK(gr_cast(self, s->parent, "[b,B]", s->upper, (const void *)s->all.at, s->all.count * sizeof *s->all.at));
}

/* Sorts, or has it done. True: it has answered. */
static bool begin(gr_self *self, sorter *s, gr_value args)
{
    gr_value input;
    BENCH_OK(gr_unpack(args, NULL, "[A,b,I,V]", &s->parent, &s->upper, &s->threshold, &input));
    s->all = numbers_of(self, input);
    if ((int64_t)s->all.count < s->threshold) {
        qsort(s->all.at, s->all.count, sizeof *s->all.at, compare);
        answer(self, s);
        return true;
    }
    partition(s->all, s->all.at[s->all.count / 2], &s->equal, &s->above);
    ask_child(self, s, false, s->all.at, s->equal);
    ask_child(self, s, true, s->all.at + s->above, s->all.count - s->above);
    return false;
}

/* A child's numbers come back to the place where they were. True: it has answered. */
static bool join(gr_self *self, sorter *s, gr_message *m)
{
    const void *sorted;
    size_t bytes;
    bool upper;
    BENCH_OK(gr_unpack(gr_body(m), NULL, "[b,B]", &upper, &sorted, &bytes));
    size_t want = upper ? s->all.count - s->above : s->equal;
    bench_equal("numbers that come back", bytes / sizeof *s->all.at, want);
    memcpy(upper ? s->all.at + s->above : s->all.at, sorted, bytes);
    if (++s->answers < 2) return false;
    answer(self, s);
    return true;
}

static void sort_green(gr_self *self, gr_value args)
{
    sorter s = {.answers = 0};
    for (bool over = begin(self, &s, args); !over;) {
        gr_message *m = savina_receive(self);
        over = join(self, &s, m);
        gr_message_free(&m);
    }
}

static int sort_start(gr_self *self, void *state, gr_value args)
{
    if (begin(self, state, args)) gr_server_end(self);
    return 0;
}

static void sort_message(gr_self *self, void *state, gr_message *m)
{
    if (join(self, state, m)) gr_server_end(self);
}

static const gr_server sort_server = {.state_bytes = sizeof(sorter), .start = sort_start, .on_message = sort_message};

/* ---- input and outcome ---- */

/* The same for every order, another one, most likely, for other numbers. */
static uint64_t mixed_sum(const int64_t *at, size_t count)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < count; i++) {
        uint64_t x = (uint64_t)at[i];
        sum += savina_random(&x);
    }
    return sum;
}

static uint64_t run(bench *b, const bench_parameter *p, bench_span *span)
{
    size_t count = p[0].value;
    if (count < 1 || count > 100000000 || p[1].value < 2) bench_fail("1 to 10^8 numbers, a threshold of 2 or more");
    int64_t *input = savina_array(count, sizeof *input);
    uint64_t random = p[2].value;
    for (size_t i = 0; i < count; i++) input[i] = (int64_t)savina_random_below(&random, LIMIT);
    uint64_t want = mixed_sum(input, count);
    bench_span_begin(span);
    savina_launch(b->self, NULL, sort_green, &sort_server, "[A,b,I,B]", gr_self_address(b->self), false,
                  (int64_t)p[1].value, (const void *)input, count * sizeof *input);
    gr_message *m = bench_receive(b);
    bench_span_end(span);
    const void *sorted;
    size_t bytes;
    bool upper;
    BENCH_OK(gr_unpack(gr_body(m), NULL, "[b,B]", &upper, &sorted, &bytes));
    bench_equal("numbers", bytes / sizeof *input, count);
    memcpy(input, sorted, bytes);
    gr_message_free(&m);
    for (size_t i = 1; i < count; i++)
        if (input[i - 1] > input[i]) bench_fail("number %zu is not sorted", i);
    bench_equal("sum of the numbers, mixed", mixed_sum(input, count), want);
    free(input);
    return count;
}

static const savina program = {
    .workload = "savina_quicksort",
    .operation = "number",
    .run = run,
    .iterations = 3,
    .parameters = {{"numbers", 1000000, 5000}, {"threshold", 2048, 100}, {"seed", 1024, 1024}},
    .sweep = {{"numbers", 500000}, {"numbers", 2000000}, {"threshold", 256}, {"threshold", 16384}}};

int main(int argc, char **argv)
{
    return savina_main(&program, argc, argv);
}
