/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Savina's All-Pairs Shortest Path: Floyd and Warshall's algorithm on a matrix in blocks, an actor for each; before every step a
 * block sends itself to those in its row and column, though few of them need it, and waits for theirs. One operation is one
 * step of one block.
 *
 * A block travels as one body that all its neighbours share (gr_multicast). A neighbour may be a step ahead, never two.
 * Verified: against the same algorithm in one loop. */
#include "savina.h"

#include <stdlib.h>
#include <string.h>

typedef struct block {
    int64_t nodes, side, row, column; /* the matrix's and the block's size; where it is, counted in blocks */
    int64_t k;                        /* the next step */
    int64_t *distance, *before;       /* side x side each: now, and before the step */
    gr_address *neighbours;
    size_t neighbour_count, arrived[2];
    int64_t *across[2],
        *down[2]; /* what a step needs: the row k of this column's blocks, the column k of this row's; two steps */
} block;

static void *get_memory(gr_self *self, size_t count, size_t bytes)
{
    void *memory = gr_alloc(self, count * bytes);
    if (!memory) bench_fail("no memory");
    return memory;
}

static void set_up(gr_self *self, block *b, gr_value args)
{
    gr_value distances;
    size_t bytes;
    BENCH_OK(gr_unpack(args, NULL, "[I,I,I,I,V]", &b->nodes, &b->side, &b->row, &b->column, &distances));
    const void *source = gr_bytes(distances, &bytes);
    b->distance = get_memory(self, bytes, 1);
    b->before = get_memory(self, bytes, 1);
    memcpy(b->distance, source, bytes);
    for (int i = 0; i < 2; i++) {
        b->across[i] = get_memory(self, (size_t)b->side, sizeof(int64_t));
        b->down[i] = get_memory(self, (size_t)b->side, sizeof(int64_t));
    }
}

static void tell_neighbours(gr_self *self, const block *b)
{
    gr_message *m;
    size_t bytes = (size_t)(b->side * b->side) * sizeof *b->distance;
    BENCH_OK(gr_pack(&m, "[I,I,I,B]", b->k, b->row, b->column, (const void *)b->distance, bytes));
    if (b->neighbour_count == 0)
        gr_message_free(&m);
    else
        bench_equal("neighbours told", (uint64_t)gr_multicast(self, b->neighbours, b->neighbour_count, &m),
                    b->neighbour_count);
}

static void begin(gr_self *self, block *b, gr_value neighbours)
{
    b->neighbour_count = gr_count(neighbours);
    b->neighbours = get_memory(self, b->neighbour_count, sizeof *b->neighbours);
    size_t i = 0;
    for (gr_iter it = gr_iterate(neighbours); gr_next(&it);) b->neighbours[i++] = gr_address_in(it.value);
    tell_neighbours(self, b);
}

/* Keeps of a neighbour's block the line that step k needs, if it is in it. */
static void keep(block *b, gr_value body)
{
    int64_t k, row, column, side = b->side;
    const char *bytes;
    const void *data;
    size_t size;
    BENCH_OK(gr_unpack(body, NULL, "[I,I,I,B]", &k, &row, &column, &data, &size));
    if (k != b->k && k != b->k + 1) bench_fail("a block of step %lld in step %lld", (long long)k, (long long)b->k);
    bytes = data;
    b->arrived[k % 2]++;
    if (column == b->column && k / side == row) memcpy(b->across[k % 2], bytes + k % side * side * 8, (size_t)side * 8);
    if (row == b->row && k / side == column)
        for (int64_t i = 0; i < side; i++) memcpy(&b->down[k % 2][i], bytes + (i * side + k % side) * 8, 8);
}

static void step(block *b)
{
    int64_t k = b->k, side = b->side, *after = b->before;
    b->before = b->distance;
    b->distance = after;
    const int64_t *across = k / side == b->row ? b->before + k % side * side : b->across[k % 2];
    for (int64_t i = 0; i < side; i++) {
        int64_t down = k / side == b->column ? b->before[i * side + k % side] : b->down[k % 2][i];
        for (int64_t j = 0; j < side; j++) {
            int64_t old = b->before[i * side + j], new = down + across[j];
            after[i * side + j] = new < old ? new : old;
        }
    }
    b->arrived[k % 2] = 0;
    b->k++;
}

/* The first message: the neighbours; theirs may come before it. False: all steps are done. */
static bool handle(gr_self *self, block *b, gr_value body)
{
    if (gr_type_of(gr_at(body, 0)) == GR_INT)
        keep(b, body);
    else
        begin(self, b, body);
    while (b->neighbours && b->arrived[b->k % 2] == b->neighbour_count) {
        step(b);
        if (b->k == b->nodes) {
            BENCH_OK(
                gr_return(self, "B", (const void *)b->distance, (size_t)(b->side * b->side) * sizeof *b->distance));
            return false;
        }
        tell_neighbours(self, b);
    }
    return true;
}

static void green(gr_self *self, gr_value args)
{
    block b = {.k = 0};
    set_up(self, &b, args);
    for (bool more = true; more;) {
        gr_message *m = savina_receive(self);
        more = handle(self, &b, gr_body(m));
        gr_message_free(&m);
    }
}

static int start(gr_self *self, void *state, gr_value args)
{
    set_up(self, state, args);
    return 0;
}

static void on_message(gr_self *self, void *state, gr_message *m)
{
    if (!handle(self, state, gr_body(m))) gr_server_end(self);
}

static const gr_server server = {.state_bytes = sizeof(block), .start = start, .on_message = on_message};

/* ---- the matrix ---- */

/* Every pair of nodes has an edge, the same in both directions, none is as long as two of the longest. */
static int64_t *random_graph(uint64_t nodes, uint64_t weight_max)
{
    int64_t *m = savina_array(nodes * nodes, sizeof *m);
    uint64_t random = nodes;
    for (uint64_t i = 0; i < nodes; i++)
        for (uint64_t j = 0; j < i; j++)
            m[i * nodes + j] = m[j * nodes + i] = 1 + (int64_t)savina_random_below(&random, weight_max);
    return m;
}

static void shortest_paths(int64_t *m, uint64_t nodes)
{
    for (uint64_t k = 0; k < nodes; k++)
        for (uint64_t i = 0; i < nodes; i++)
            for (uint64_t j = 0; j < nodes; j++) {
                int64_t detour = m[i * nodes + k] + m[k * nodes + j];
                if (detour < m[i * nodes + j]) m[i * nodes + j] = detour;
            }
}

/* Copies a block out of the matrix into `part`. */
static void cut(const int64_t *matrix, uint64_t nodes, uint64_t side, uint64_t row, uint64_t column, int64_t *part)
{
    for (uint64_t i = 0; i < side; i++)
        memcpy(part + i * side, matrix + (row * side + i) * nodes + column * side, side * sizeof *part);
}

static void introduce(bench *b, const gr_address *blocks, uint64_t count, uint64_t row, uint64_t column)
{
    gr_builder builder;
    gr_message *list;
    gr_build(&builder);
    gr_put_array(&builder);
    for (uint64_t i = 0; i < count; i++) {
        if (i != row) gr_put_address(&builder, blocks[i * count + column]);
        if (i != column) gr_put_address(&builder, blocks[row * count + i]);
    }
    gr_put_end(&builder);
    BENCH_OK(gr_build_message(&builder, &list));
    BENCH_OK(gr_send(b->self, blocks[row * count + column], &list));
}

static uint64_t run(bench *b, const bench_parameter *p, bench_span *span)
{
    uint64_t nodes = p[0].value, side = p[1].value, weight_max = p[2].value;
    if (side < 1 || nodes < side || nodes > 10000 || nodes % side || weight_max < 1)
        bench_fail("1 to 10000 nodes, a multiple of the block's side; weights from 1");
    uint64_t count = nodes / side;
    size_t block_bytes = side * side * sizeof(int64_t);
    int64_t *matrix = random_graph(nodes, weight_max), *part = savina_array(side * side, sizeof *part);
    gr_address *blocks = savina_array(count * count, sizeof *blocks);
    gr_message **results = savina_array(count * count, sizeof *results);
    bench_span_begin(span);
    for (uint64_t i = 0; i < count * count; i++) {
        cut(matrix, nodes, side, i / count, i % count, part);
        savina_spawn(b->self, &blocks[i], green, &server, "[I,I,I,I,B]", nodes, side, i / count, i % count,
                     (const void *)part, block_bytes);
    }
    for (uint64_t i = 0; i < count * count; i++) introduce(b, blocks, count, i / count, i % count);
    for (uint64_t i = 0; i < count * count; i++) BENCH_OK(gr_wait(b->self, blocks[i], &results[i], GR_FOREVER));
    bench_span_end(span);
    shortest_paths(matrix, nodes);
    for (uint64_t i = 0; i < count * count; i++) {
        cut(matrix, nodes, side, i / count, i % count, part);
        if (memcmp(part, gr_bytes(gr_body(results[i]), NULL), block_bytes) != 0)
            bench_fail("wrong distances in block %llu", (unsigned long long)i);
        gr_message_free(&results[i]);
    }
    free(matrix);
    free(part);
    free(blocks);
    free(results);
    return count * count * nodes;
}

static const savina program = {.workload = "savina_apsp",
                               .operation = "step",
                               .run = run,
                               .iterations = 3,
                               .parameters = {{"nodes", 300, 20}, {"side", 50, 5}, {"weight-max", 100, 100}},
                               .sweep = {{"nodes", 150}, {"nodes", 600}, {"side", 25}, {"side", 100}}};

int main(int argc, char **argv)
{
    return savina_main(&program, argc, argv);
}
