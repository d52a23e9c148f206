/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Savina's N-Queens (first N solutions): a master deals boards to workers in turn; a worker tries every column of the next row,
 * sends what is possible back as new boards, or, below a threshold, finds all solutions of the board itself and tells the
 * master of each. One operation is one solution. Greenroom's mailboxes have no priorities: boards come in order.
 *
 * Verified: the number of solutions is the known one, or the limit was reached. */
#include "savina.h"

#include <stdlib.h>
#include <string.h>

#define SIZE_MAX_KNOWN 17
static const uint64_t solutions_known[SIZE_MAX_KNOWN + 1] = {
    1, 1, 0, 0, 2, 10, 4, 40, 92, 352, 724, 2680, 14200, 73712, 365596, 2279184, 14772512, 95815104};

typedef struct board {
    int rows;                             /* that have a queen */
    unsigned char column[SIZE_MAX_KNOWN]; /* of each of them */
} board;

/* May the next queen stand there? */
static bool is_free(const board *b, int column)
{
    for (int row = 0; row < b->rows; row++) {
        int distance = b->rows - row, other = b->column[row];
        if (other == column || other == column - distance || other == column + distance) return false;
    }
    return true;
}

/* ---- a worker: boards are byte strings, null is the end. To the master: boards, true for a solution, null for "done" ---- */

typedef struct worker {
    gr_address master;
    int size, threshold;
    int64_t solutions;
} worker;

static void found(gr_self *self, worker *w)
{
    w->solutions++;
    BENCH_OK(gr_cast(self, w->master, "b", true));
}

static void solve(gr_self *self, worker *w, board *b)
{
    if (b->rows == w->size) {
        found(self, w);
        return;
    }
    for (int column = 0; column < w->size; column++) {
        if (!is_free(b, column)) continue;
        b->column[b->rows++] = (unsigned char)column;
        solve(self, w, b);
        b->rows--;
    }
}

static void split(gr_self *self, worker *w, board *b)
{
    for (int column = 0; column < w->size; column++) {
        if (!is_free(b, column)) continue;
        b->column[b->rows] = (unsigned char)column;
        BENCH_OK(gr_cast(self, w->master, "B", (const void *)b->column, (size_t)b->rows + 1));
    }
}

/* False: the end. */
static bool work(gr_self *self, worker *w, gr_message *m)
{
    if (gr_type_of(gr_body(m)) == GR_NULL) {
        BENCH_OK(gr_return(self, "I", w->solutions));
        return false;
    }
    size_t rows;
    const void *columns = gr_bytes(gr_body(m), &rows);
    board b = {.rows = (int)rows};
    memcpy(b.column, columns, rows);
    if (b.rows < w->threshold && b.rows < w->size)
        split(self, w, &b);
    else
        solve(self, w, &b);
    BENCH_OK(gr_cast(self, w->master, "n"));
    return true;
}

static void hire(worker *w, gr_value args)
{
    BENCH_OK(gr_unpack(args, NULL, "[A,i,i]", &w->master, &w->size, &w->threshold));
}

static void worker_green(gr_self *self, gr_value args)
{
    worker w = {.solutions = 0};
    hire(&w, args);
    for (bool more = true; more;) {
        gr_message *m = savina_receive(self);
        more = work(self, &w, m);
        gr_message_free(&m);
    }
}

static int worker_start(gr_self *self, void *state, gr_value args)
{
    (void)self;
    hire(state, args);
    return 0;
}

static void worker_message(gr_self *self, void *state, gr_message *m)
{
    if (!work(self, state, m)) gr_server_end(self);
}

static const gr_server worker_server = {
    .state_bytes = sizeof(worker), .start = worker_start, .on_message = worker_message};

/* ---- the master; its result is [solutions, boards] ---- */

typedef struct master {
    gr_address *workers;
    uint64_t count, solutions, limit, dealt, done;
} master;

/* A board is sent on as it is, to the next worker; none any more once there are solutions enough. */
static void deal(gr_self *self, master *s, gr_message *m)
{
    if (s->solutions >= s->limit)
        gr_message_free(&m);
    else
        BENCH_OK(gr_send(self, s->workers[s->dealt++ % s->count], &m));
}

static void set_up(gr_self *self, master *s, gr_value args)
{
    int size, threshold;
    BENCH_OK(gr_unpack(args, NULL, "[i,i,I,I]", &size, &threshold, &s->count, &s->limit));
    s->workers = gr_alloc(self, s->count * sizeof *s->workers);
    if (!s->workers) bench_fail("no memory");
    for (uint64_t i = 0; i < s->count; i++)
        savina_spawn(self, &s->workers[i], worker_green, &worker_server, "[A,i,i]", gr_self_address(self), size,
                     threshold);
    gr_message *empty;
    BENCH_OK(gr_pack(&empty, "B", (const void *)"", (size_t)0));
    deal(self, s, empty);
}

/* False: every board that was dealt is done. */
static bool account(master *s, gr_message *m)
{
    if (gr_type_of(gr_body(m)) == GR_BOOL)
        s->solutions++;
    else
        s->done++;
    return s->done < s->dealt;
}

static void finish(gr_self *self, master *s)
{
    for (uint64_t i = 0; i < s->count; i++) BENCH_OK(gr_cast(self, s->workers[i], "n"));
    bench_equal("solutions of the workers", (uint64_t)savina_results(self, s->workers, s->count), s->solutions);
    BENCH_OK(gr_return(self, "[I,I]", s->solutions, s->dealt));
}

static void master_green(gr_self *self, gr_value args)
{
    master s = {.count = 0};
    set_up(self, &s, args);
    for (bool more = true; more;) {
        gr_message *m = savina_receive(self);
        if (gr_type_of(gr_body(m)) == GR_BYTES) {
            deal(self, &s, m);
            continue;
        }
        more = account(&s, m);
        gr_message_free(&m);
    }
    finish(self, &s);
}

static int master_start(gr_self *self, void *state, gr_value args)
{
    set_up(self, state, args);
    return 0;
}

static void master_message(gr_self *self, void *state, gr_message *m)
{
    if (gr_type_of(gr_body(m)) == GR_BYTES) {
        deal(self, state, m);
    } else if (!account(state, m)) {
        finish(self, state);
        gr_server_end(self);
    }
}

static const gr_server master_server = {
    .state_bytes = sizeof(master), .start = master_start, .on_message = master_message};

static uint64_t run(bench *b, const bench_parameter *p, bench_span *span)
{
    uint64_t size = p[0].value, threshold = p[1].value, workers = p[2].value, limit = p[3].value;
    if (size < 1 || size > SIZE_MAX_KNOWN || threshold > size || workers < 1 || limit < 1)
        bench_fail("1 to %d queens, a threshold of no more, one client and one solution or more", SIZE_MAX_KNOWN);
    gr_address all;
    bench_span_begin(span);
    savina_spawn(b->self, &all, master_green, &master_server, "[i,i,I,I]", (int)size, (int)threshold, workers, limit);
    gr_message *m;
    uint64_t solutions, boards;
    BENCH_OK(gr_wait(b->self, all, &m, GR_FOREVER));
    bench_span_end(span);
    BENCH_OK(gr_unpack(gr_body(m), NULL, "[I,I]", &solutions, &boards));
    gr_message_free(&m);
    uint64_t known = solutions_known[size];
    if (limit < known ? solutions < limit || solutions > known : solutions != known)
        bench_fail("%llu solutions of %llu", (unsigned long long)solutions, (unsigned long long)known);
    return solutions;
}

static const savina program = {
    .workload = "savina_nqueens",
    .operation = "solution",
    .run = run,
    .iterations = 3,
    .parameters = {{"size", 12, 6}, {"threshold", 4, 2}, {"clients", 20, 3}, {"limit", 1500000, 1500000}},
    .sweep = {{"size", 10}, {"size", 11}, {"size", 13}, {"threshold", 2}, {"threshold", 6}}};

int main(int argc, char **argv)
{
    return savina_main(&program, argc, argv);
}
