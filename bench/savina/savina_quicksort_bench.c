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

static int64_t *numbers_new(gr_self *self, size_t count)
{
    int64_t *at = gr_alloc(self, count * sizeof *at + 1);
    if (!at) bench_fail("no memory");
    return at;
}

/* A copy: byte strings are not aligned. */
static numbers numbers_of(gr_self *self, gr_value value)
{
    size_t bytes;
    const void *source = gr_bytes(value, &bytes);
    numbers n = {.count = bytes / sizeof *n.at};
    n.at = numbers_new(self, n.count);
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

/* ---- a sorter: gets a byte string of numbers, later [upper, numbers] from each child; sends such a pair to its parent ---- */

typedef struct sorter {
    gr_address parent;
    bool upper; /* it has what is above the parent's pivot */
    int64_t threshold, pivot;
    numbers all;         /* not there while only the children have numbers */
    size_t equal, above; /* where the numbers that are the pivot, and those above it, begin */
    int answers;
} sorter;

static void sort_green(gr_self *self, gr_value args);
static const gr_server sort_server;

/* What is sent is a copy already; what is above the pivot is the upper child's. */
static void ask_child(gr_self *self, const sorter *s, bool upper, const int64_t *at, size_t count)
{
    gr_address child;
    savina_launch(self, &child, sort_green, &sort_server, "[A,b,I]", gr_self_address(self), upper, s->threshold);
    BENCH_OK(gr_cast(self, child, "B", (const void *)at, count * sizeof *at));
}

static void answer(gr_self *self, const sorter *s)
{
    BENCH_OK(gr_cast(self, s->parent, "[b,B]", s->upper, (const void *)s->all.at, s->all.count * sizeof *s->all.at));
}

/* True: it has answered. */
static bool sort(gr_self *self, sorter *s, gr_value input)
{
    s->all = numbers_of(self, input);
    if ((int64_t)s->all.count < s->threshold) {
        qsort(s->all.at, s->all.count, sizeof *s->all.at, compare);
        answer(self, s);
        return true;
    }
    s->pivot = s->all.at[s->all.count / 2];
    partition(s->all, s->pivot, &s->equal, &s->above);
    ask_child(self, s, false, s->all.at, s->equal);
    ask_child(self, s, true, s->all.at + s->above, s->all.count - s->above);
    gr_free(self, s->all.at);
    s->all.at = NULL;
    return false;
}

/* True: it has answered. */
static bool join(gr_self *self, sorter *s, gr_value answered)
{
    const void *sorted;
    size_t bytes;
    bool upper;
    BENCH_OK(gr_unpack(answered, NULL, "[b,B]", &upper, &sorted, &bytes));
    bench_equal("bytes that come back", bytes, (upper ? s->all.count - s->above : s->equal) * sizeof *s->all.at);
    if (!s->all.at) s->all.at = numbers_new(self, s->all.count);
    memcpy(s->all.at + (upper ? s->above : 0), sorted, bytes);
    if (++s->answers < 2) return false;
    for (size_t i = s->equal; i < s->above; i++) s->all.at[i] = s->pivot;
    answer(self, s);
    return true;
}

static bool handle(gr_self *self, sorter *s, gr_message *m)
{
    gr_value body = gr_body(m);
    return gr_type_of(body) == GR_BYTES ? sort(self, s, body) : join(self, s, body);
}

static void read_args(sorter *s, gr_value args)
{
    BENCH_OK(gr_unpack(args, NULL, "[A,b,I]", &s->parent, &s->upper, &s->threshold));
}

static void sort_green(gr_self *self, gr_value args)
{
    sorter s = {.answers = 0};
    read_args(&s, args);
    for (bool over = false; !over;) {
        gr_message *m = savina_receive(self);
        over = handle(self, &s, m);
        gr_message_free(&m);
    }
}

static int sort_start(gr_self *self, void *state, gr_value args)
{
    (void)self;
    read_args(state, args);
    return 0;
}

static void sort_message(gr_self *self, void *state, gr_message *m)
{
    if (handle(self, state, m)) gr_server_end(self);
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
    gr_address root;
    savina_launch(b->self, &root, sort_green, &sort_server, "[A,b,I]", gr_self_address(b->self), false,
                  (int64_t)p[1].value);
    BENCH_OK(gr_cast(b->self, root, "B", (const void *)input, count * sizeof *input));
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
