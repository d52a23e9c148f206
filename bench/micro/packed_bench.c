/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Values: building, reading and matching the request {"op":"add","id":…,"args":[1,2,3],"name":24 characters} and an int. The
 * cases for two threads show whether anything is shared: plans are, and are only read. */
#include "micro.h"

#include "memory/heap.h"

#include <string.h>

#define NAME "abcdefghijklmnopqrstuvwx"
#define REQUEST "{s:s,s:I,s:[i,i,i],s:s}", "op", "add", "id", id, "args", 1, 2, 3, "name", NAME

static gr_message *request, *same; /* its copy */
static gr_shape *shape, *selective;

static void enter(unsigned thread)
{
    gri_heap *heap = gri_heap_new(0);
    if (!heap) bench_fail("no heap");
    gri_heap_bind(heap);
    if (thread != 0) return;
    int64_t id = 7;
    BENCH_OK(gr_pack(&request, REQUEST));
    BENCH_OK(gr_message_copy(gr_body(request), &same));
    BENCH_OK(gr_shape_compile("{\"op\": \"add\", \"id\": int, \"args\": [int], \"name\": str}", &shape, NULL));
    BENCH_OK(gr_shape_compile("{\"op\": \"sub\", \"id\": $1}", &selective, NULL));
}

static void leave(unsigned thread)
{
    if (thread == 0) {
        gr_message_free(&request);
        gr_message_free(&same);
        gr_shape_free(&shape);
        gr_shape_free(&selective);
    }
    gri_heap_retire(gri_heap_bound());
}

/* ---- building ---- */

static void run_pack_int(unsigned thread, uint64_t operations)
{
    (void)thread;
    for (uint64_t i = 0; i < operations; i++) {
        gr_message *m;
        BENCH_OK(gr_pack(&m, "I", (int64_t)i));
        gr_message_free(&m);
    }
}

static void run_pack(unsigned thread, uint64_t operations)
{
    (void)thread;
    for (uint64_t i = 0; i < operations; i++) {
        int64_t id = (int64_t)i;
        gr_message *m;
        BENCH_OK(gr_pack(&m, REQUEST));
        gr_message_free(&m);
    }
}

static void run_pack_into(unsigned thread, uint64_t operations)
{
    (void)thread;
    for (uint64_t i = 0; i < operations; i++) {
        int64_t id = (int64_t)i;
        _Alignas(16) unsigned char storage[256];
        gr_value value;
        BENCH_OK(gr_pack_into(storage, sizeof storage, &value, REQUEST));
        MICRO_USE(value.at);
    }
}

static void build_request(gr_builder *b, int64_t id)
{
    gr_put_object(b);
    gr_put_key(b, "op"), gr_put_string(b, "add");
    gr_put_key(b, "id"), gr_put_int(b, id);
    gr_put_key(b, "args"), gr_put_array(b), gr_put_int(b, 1), gr_put_int(b, 2), gr_put_int(b, 3), gr_put_end(b);
    gr_put_key(b, "name"), gr_put_string_n(b, NAME, sizeof NAME - 1);
    gr_put_end(b);
}

static void run_build(unsigned thread, uint64_t operations)
{
    (void)thread;
    for (uint64_t i = 0; i < operations; i++) {
        gr_builder b;
        gr_message *m;
        gr_build(&b);
        build_request(&b, (int64_t)i);
        BENCH_OK(gr_build_message(&b, &m));
        gr_message_free(&m);
    }
}

static void run_copy(unsigned thread, uint64_t operations)
{
    (void)thread;
    for (uint64_t i = 0; i < operations; i++) {
        gr_message *m;
        BENCH_OK(gr_message_copy(gr_body(request), &m));
        gr_message_free(&m);
    }
}

/* ---- reading ---- */

static void run_get(unsigned thread, uint64_t operations)
{
    (void)thread;
    gr_value body = gr_body(request);
    int64_t sum = 0;
    for (uint64_t i = 0; i < operations; i++) {
        MICRO_HIDE(body.at);
        sum += gr_int(gr_get(body, "id"), 0) + (int64_t)gr_string_bytes(gr_get(body, "name"));
    }
    bench_equal("what was read", (uint64_t)sum, operations * (7 + sizeof NAME - 1));
}

static void run_unpack(unsigned thread, uint64_t operations)
{
    (void)thread;
    gr_value body = gr_body(request);
    int64_t sum = 0;
    for (uint64_t i = 0; i < operations; i++) {
        const char *op, *name;
        int64_t id;
        int a, b, c;
        MICRO_HIDE(body.at);
        BENCH_OK(
            gr_unpack(body, NULL, "{s:s,s:I,s:[i,i,i],s:s}", "op", &op, "id", &id, "args", &a, &b, &c, "name", &name));
        sum += id + a + b + c;
        MICRO_USE(op);
        MICRO_USE(name);
    }
    bench_equal("what was read", (uint64_t)sum, operations * 13);
}

static void run_iterate(unsigned thread, uint64_t operations)
{
    (void)thread;
    gr_value body = gr_body(request);
    uint64_t seen = 0;
    for (uint64_t i = 0; i < operations; i++) {
        MICRO_HIDE(body.at);
        for (gr_iter it = gr_iterate(body); gr_next(&it);) seen++;
    }
    bench_equal("members", seen, operations * 4);
}

static void run_equal(unsigned thread, uint64_t operations)
{
    (void)thread;
    gr_value body = gr_body(request);
    for (uint64_t i = 0; i < operations; i++) {
        MICRO_HIDE(body.at);
        if (!gr_equal(body, gr_body(same))) bench_fail("not equal to its copy");
    }
}

/* ---- matching ---- */

static void run_match(unsigned thread, uint64_t operations)
{
    (void)thread;
    gr_value body = gr_body(request), none = {NULL};
    for (uint64_t i = 0; i < operations; i++) {
        MICRO_HIDE(body.at);
        if (!gr_shape_match(shape, body, none)) bench_fail("does not match");
    }
}

static void run_mismatch(unsigned thread, uint64_t operations)
{
    (void)thread;
    gr_value body = gr_body(request), none = {NULL};
    for (uint64_t i = 0; i < operations; i++) {
        MICRO_HIDE(body.at);
        if (gr_shape_match(selective, body, none)) bench_fail("matches");
    }
}

static const micro_case cases[] = {
    {"int: pack, free", 1, 1000000, NULL, run_pack_int, NULL, enter, leave},
    {"int: pack, free, 2 threads", 2, 1000000, NULL, run_pack_int, NULL, enter, leave},
    {"request: pack, free", 1, 500000, NULL, run_pack, NULL, enter, leave},
    {"request: pack, free, 2 threads", 2, 500000, NULL, run_pack, NULL, enter, leave},
    {"request: pack into storage", 1, 500000, NULL, run_pack_into, NULL, enter, leave},
    {"request: builder, free", 1, 500000, NULL, run_build, NULL, enter, leave},
    {"request: copy, free", 1, 500000, NULL, run_copy, NULL, enter, leave},
    {"request: get two members", 1, 1000000, NULL, run_get, NULL, enter, leave},
    {"request: unpack", 1, 500000, NULL, run_unpack, NULL, enter, leave},
    {"request: unpack, 2 threads", 2, 500000, NULL, run_unpack, NULL, enter, leave},
    {"request: iterate", 1, 500000, NULL, run_iterate, NULL, enter, leave},
    {"request: equal", 1, 500000, NULL, run_equal, NULL, enter, leave},
    {"request: shape that matches", 1, 1000000, NULL, run_match, NULL, enter, leave},
    {"request: shape that does not", 1, 1000000, NULL, run_mismatch, NULL, enter, leave},
};

int main(int argc, char **argv)
{
    return MICRO_MAIN("packed", cases, argc, argv);
}
