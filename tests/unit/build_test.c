/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* The builder: what it accepts and refuses, that errors stick, growth, depth, sizes around the limits of each form. */
#include "memory/heap.h"
#include "message/message.h"
#include "message/value.h"
#include "support/test.h"

#include <greenroom/build.h>
#include <greenroom/pack.h>

#include <math.h>

static unsigned char storage[1 << 16];

#define BUILD(b) \
    gr_builder b; \
    gr_build(&b)

static void refused(gr_builder *b, int code, const char *why)
{
    gr_detail detail;
    gr_message *m = NULL;
    CHECK_EQ(gr_build_error(b, &detail), code);
    CHECK_STR(detail.text, why);
    gr_put_null(b), gr_put_end(b), gr_put_key(b, "more"); /* nothing happens any more */
    CHECK_EQ(gr_build_message(b, &m), code);
    CHECK(m == NULL);
    CHECK_EQ(gr_build_error(b, &detail), code);
    CHECK_STR(detail.text, why);
    gr_build_cancel(b);
}

TEST(build, refuses_what_does_not_belong_there)
{
    {
        BUILD(b);
        gr_put_end(&b);
        refused(&b, GR_EINVAL, "an end without a container");
    }
    {
        BUILD(b);
        gr_put_key(&b, "a");
        refused(&b, GR_EINVAL, "a key where no key belongs");
    }
    {
        BUILD(b);
        gr_put_int(&b, 1), gr_put_int(&b, 2);
        refused(&b, GR_EINVAL, "a second value at the top");
    }
    {
        BUILD(b);
        gr_put_int(&b, 1), gr_put_array(&b);
        refused(&b, GR_EINVAL, "a second value at the top");
    }
    {
        BUILD(b);
        gr_put_object(&b), gr_put_int(&b, 2);
        refused(&b, GR_EINVAL, "a value where a key belongs");
    }
    {
        BUILD(b);
        gr_put_object(&b), gr_put_object(&b);
        refused(&b, GR_EINVAL, "a value where a key belongs");
    }
    {
        BUILD(b);
        gr_put_array(&b), gr_put_key(&b, "a");
        refused(&b, GR_EINVAL, "a key where no key belongs");
    }
    {
        BUILD(b);
        gr_put_object(&b), gr_put_key(&b, "a"), gr_put_key(&b, "b");
        refused(&b, GR_EINVAL, "a key where no key belongs");
    }
    {
        BUILD(b);
        gr_put_object(&b), gr_put_key(&b, "a"), gr_put_end(&b);
        refused(&b, GR_EINVAL, "a key without a value at an end");
    }
    {
        BUILD(b);
        gr_put_string(&b, NULL);
        refused(&b, GR_EINVAL, "NULL where a string belongs");
    }
    {
        BUILD(b);
        gr_put_string_n(&b, NULL, 1);
        refused(&b, GR_EINVAL, "NULL where a string belongs");
    }
    {
        BUILD(b);
        gr_put_bytes(&b, NULL, 1);
        refused(&b, GR_EINVAL, "NULL where bytes belong");
    }
    {
        BUILD(b);
        gr_put_value(&b, (gr_value){NULL});
        refused(&b, GR_EINVAL, "a missing value");
    }
    {
        BUILD(b);
        gr_put_object(&b), gr_put_key(&b, NULL);
        refused(&b, GR_EINVAL, "NULL where a key belongs");
    }
    {
        BUILD(b);
        gr_put_string(&b, "\xff");
        refused(&b, GR_EINVAL, "a string is not valid UTF-8");
    }
    {
        BUILD(b);
        gr_put_string(&b, "aaaaaaaaaaaaaa\xc3");
        refused(&b, GR_EINVAL, "a string is not valid UTF-8");
    }
    {
        BUILD(b);
        gr_put_object(&b), gr_put_key(&b, "\xc0\x80");
        refused(&b, GR_EINVAL, "a key is not valid UTF-8");
    }
    {
        BUILD(b);
        gr_put_double(&b, NAN);
        refused(&b, GR_EINVAL, "NaN and infinities have no JSON form");
    }
    {
        BUILD(b);
        gr_put_double(&b, INFINITY);
        refused(&b, GR_EINVAL, "NaN and infinities have no JSON form");
    }
    {
        BUILD(b);
        gr_put_double(&b, -INFINITY);
        refused(&b, GR_EINVAL, "NaN and infinities have no JSON form");
    }
    {
        BUILD(b);
        gr_put_string_n(&b, "x", (size_t)-1);
        refused(&b, GR_ETOOBIG, "the value is too big");
    }
    {
        BUILD(b);
        gr_put_bytes(&b, "x", GRI_VALUE_BYTES_MAX);
        refused(&b, GR_ETOOBIG, "the value is too big");
    }
    {
        BUILD(b);
        gr_put_bytes(&b, "x", (size_t)-1);
        refused(&b, GR_ETOOBIG, "the value is too big");
    }
    {
        BUILD(b);
        gr_put_object(&b), gr_put_key_n(&b, "x", (size_t)-1);
        refused(&b, GR_ETOOBIG, "a key is too big");
    }
    {
        BUILD(b);
        gr_put_int(&b, 1), gr_build_cancel(&b);
        refused(&b, GR_EINVAL, "the builder was cancelled");
    }
}

static void unfinished(gr_builder *b, const char *why)
{
    gr_detail detail;
    gr_message *m = NULL;
    CHECK_EQ(gr_build_error(b, &detail), 0);
    CHECK_EQ(gr_build_message(b, &m), GR_EINVAL);
    CHECK_EQ(gr_build_error(b, &detail), GR_EINVAL);
    CHECK_STR(detail.text, why);
}

TEST(build, refuses_to_end_early_or_twice)
{
    {
        BUILD(b);
        unfinished(&b, "nothing was built");
    }
    {
        BUILD(b);
        gr_put_object(&b);
        unfinished(&b, "a container was left open");
    }
    {
        BUILD(b);
        gr_put_array(&b), gr_put_null(&b);
        unfinished(&b, "a container was left open");
    }
    BUILD(b);
    gr_put_null(&b);
    gr_message *m = NULL, *again = NULL;
    gr_detail detail;
    CHECK_OK(gr_build_message(&b, &m));
    CHECK_EQ(gr_build_error(&b, &detail), 0);
    CHECK_EQ(gr_build_message(&b, &again), GR_EINVAL);
    CHECK_EQ(gr_build_error(&b, &detail), GR_EINVAL);
    CHECK_STR(detail.text, "the builder has ended");
    gr_build_cancel(&b);
    gr_message_free(&m);
    gr_value v;
    gr_build(&b), gr_put_null(&b);
    CHECK_EQ(gr_build_value(&b, &v), GR_EINVAL);
    gr_build_into(&b, storage, sizeof storage), gr_put_null(&b);
    CHECK_EQ(gr_build_message(&b, &m), GR_EINVAL);
}

TEST(build, refuses_keys_put_twice)
{
    for (unsigned count = 2; count < 60; count++) {
        for (unsigned twice = 0; twice < count - 1; twice += count < 20 ? 1 : 7) {
            BUILD(b);
            char key[16];
            gr_put_object(&b);
            for (unsigned i = 0; i < count; i++) {
                snprintf(key, sizeof key, "key%u", i == count - 1 ? twice : i);
                gr_put_key(&b, key);
                if (i % 3 == 0) {
                    gr_put_object(&b), gr_put_key(&b, key), gr_put_null(&b), gr_put_end(&b);
                } else {
                    gr_put_int(&b, i);
                }
            }
            gr_put_end(&b);
            char why[80];
            snprintf(why, sizeof why, "a key stands twice in an object: \"%s\"", key);
            refused(&b, GR_EINVAL, why);
        }
    }
    BUILD(b);
    char key[200];
    memset(key, 'k', sizeof key);
    key[2] = '\n';
    gr_put_object(&b);
    gr_put_key_n(&b, key, sizeof key), gr_put_null(&b), gr_put_key_n(&b, key, sizeof key);
    refused(&b, GR_EINVAL,
            "a key stands twice in an object: \"kk?kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk...\"");
}

TEST(build, refuses_objects_that_look_like_bytes_or_addresses)
{
    static const struct {
        const char *key, *why;
    } cases[] = {
        {"_pyact_binary", "an object's only key is reserved: \"_pyact_binary\""},
        {"_pyact_address", "an object's only key is reserved: \"_pyact_address\""},
    };
    for (int i = 0; i < 2; i++) {
        BUILD(b);
        gr_put_object(&b), gr_put_key(&b, cases[i].key), gr_put_string(&b, "x"), gr_put_end(&b);
        refused(&b, GR_EINVAL, cases[i].why);
        gr_build(&b); /* beside another key it is a key like any other */
        gr_put_object(&b), gr_put_key(&b, cases[i].key), gr_put_null(&b), gr_put_key(&b, "x"), gr_put_null(&b);
        gr_put_end(&b);
        gr_message *m = NULL;
        CHECK_OK(gr_build_message(&b, &m));
        gr_message_free(&m);
    }
}

TEST(build, storage_of_the_exact_size_is_enough)
{
    char text[600];
    memset(text, 'a', sizeof text);
    for (size_t n = 0; n<sizeof text; n += n> 240 && n < 270 ? 1 : 13) {
        size_t needed[] = {n + (n > 255 ? 6 : 3), n + (n > 255 ? 5 : 2), n + 9 + (n > 254 ? 6 : 2), 9, 1};
        for (int kind = 0; kind < 5; kind++) {
            for (size_t room = needed[kind] - 1; room <= needed[kind]; room++) {
                unsigned char *exact = malloc(room ? room : 1);
                gr_builder b;
                gr_value v;
                gr_build_into(&b, exact, room);
                switch (kind) {
                case 0: gr_put_string_n(&b, text, n); break;
                case 1: gr_put_bytes(&b, text, n); break;
                case 2: gr_put_object(&b), gr_put_key_n(&b, text, n), gr_put_null(&b), gr_put_end(&b); break;
                case 3: gr_put_int(&b, 5); break;
                default: gr_put_null(&b);
                }
                if (room == needed[kind]) {
                    CHECK_OK(gr_build_value(&b, &v));
                    CHECK_EQ(gr_value_bytes(v), room);
                    CHECK(gri_value_verify(v.at, room));
                } else {
                    gr_detail detail;
                    CHECK_EQ(gr_build_value(&b, &v), GR_ETOOBIG);
                    CHECK_EQ(gr_build_error(&b, &detail), GR_ETOOBIG);
                    CHECK_STR(detail.text, "the storage is too small");
                }
                free(exact);
            }
        }
    }
}

TEST(build, grows_through_scratch_and_blocks)
{
    for (unsigned count = 1; count < 3000; count = count * 5 / 4 + 1) {
        BUILD(b);
        gr_put_object(&b), gr_put_key(&b, "xs"), gr_put_array(&b);
        for (unsigned i = 0; i < count; i++) gr_put_int(&b, i);
        gr_put_end(&b), gr_put_key(&b, "after"), gr_put_string(&b, "end"), gr_put_end(&b);
        gr_message *m = NULL;
        CHECK_OK(gr_build_message(&b, &m));
        gr_value xs = gr_get(gr_body(m), "xs");
        CHECK(gri_value_verify(gr_body(m).at, m->body_bytes));
        CHECK_EQ(gr_count(xs), count);
        CHECK_EQ(gr_int(gr_at(xs, count - 1), -1), count - 1);
        CHECK_STR(gr_string(gr_get(gr_body(m), "after"), NULL), "end");
        gr_message_free(&m);
    }
}

static void nest(gr_builder *b, unsigned depth)
{
    for (unsigned i = 0; i < depth; i++) {
        if (i % 2) {
            gr_put_object(b), gr_put_key(b, "k");
        } else {
            gr_put_array(b);
        }
    }
    gr_put_null(b);
    for (unsigned i = 0; i < depth; i++) gr_put_end(b);
}

TEST(build, depth_is_limited)
{
    gr_message *deep = NULL, *m = NULL;
    BUILD(b);
    nest(&b, 512);
    CHECK_OK(gr_build_message(&b, &deep));
    CHECK_EQ(gri_value_depth(gr_body(deep).at), 512);
    gr_build(&b), nest(&b, 513);
    refused(&b, GR_EDEPTH, "nested too deeply");
    gr_build(&b), gr_put_array(&b), gr_put_value(&b, gr_body(deep));
    refused(&b, GR_EDEPTH, "nested too deeply");
    gr_build(&b), gr_put_value(&b, gr_body(deep));
    CHECK_OK(gr_build_message(&b, &m));
    gr_message_free(&m);
    gr_build(&b), gr_put_array(&b), gr_put_value(&b, gr_at(gr_body(deep), 0)), gr_put_end(&b);
    CHECK_OK(gr_build_message(&b, &m));
    CHECK(gr_equal(gr_body(m), gr_body(deep)));
    gr_message_free(&m);
    gr_message_free(&deep);
}

TEST(build, values_are_copied_whole)
{
    gr_message *first = NULL, *second = NULL;
    BUILD(b);
    gr_put_object(&b), gr_put_key(&b, "a"), gr_put_array(&b), gr_put_int(&b, 1), gr_put_end(&b), gr_put_end(&b);
    CHECK_OK(gr_build_message(&b, &first));
    gr_build(&b);
    gr_put_array(&b), gr_put_value(&b, gr_body(first)), gr_put_value(&b, gr_get(gr_body(first), "a")), gr_put_end(&b);
    CHECK_OK(gr_build_message(&b, &second));
    CHECK(gr_equal(gr_at(gr_body(second), 0), gr_body(first)));
    CHECK_EQ(gr_int(gr_at(gr_at(gr_body(second), 1), 0), 0), 1);
    gr_message_free(&first);
    gr_message_free(&second);
}

static void many_nulls(gr_builder *b)
{
    gr_build(b), gr_put_array(b);
    for (uint32_t i = 0; i < GRI_VALUE_COUNT_MAX; i++) gr_put_null(b);
}

TEST(build, elements_are_counted_in_24_bits)
{
    gr_builder b;
    gr_message *m = NULL;
    many_nulls(&b), gr_put_end(&b);
    CHECK_OK(gr_build_message(&b, &m));
    CHECK_EQ(gr_count(gr_body(m)), GRI_VALUE_COUNT_MAX);
    gr_message_free(&m);
    many_nulls(&b), gr_put_null(&b), gr_put_end(&b);
    refused(&b, GR_ETOOBIG, "too many elements in an array");
    many_nulls(&b), gr_put_array(&b);
    refused(&b, GR_ETOOBIG, "too many elements in an array");
}

/* Without memory every way to a message says so, and leaves what it was given. */
TEST(build, says_when_there_is_no_memory)
{
    gr_builder b;
    gr_detail detail;
    gr_message *held = NULL, *m = NULL, *list = NULL;
    CHECK_OK(gr_pack(&held, "{s:s, s:{s:i}}", "text", "a text that takes more than an envelope", "in", "x", 1));
    gri_heap_limit(1);
    for (size_t bytes = 0; bytes < 2048; bytes += 64)
        for (gr_message *next; (next = gri_message_new(bytes)) != NULL; list = next)
            next->node.link = list ? &list->node : NULL;
    CHECK_EQ(gri_message_no_memory(), GR_EFULL);
    CHECK_EQ(gr_pack_detailed(&m, &detail, "{s:i}", "a", 1), GR_EFULL);
    CHECK_STR(detail.text, gr_error_text(GR_EFULL));
    CHECK_EQ(gr_pack(&m, "{s:s}", "a", gr_string(gr_get(gr_body(held), "text"), "")), GR_EFULL);
    CHECK_EQ(gr_message_copy(gr_body(held), &m), GR_EFULL);
    CHECK_EQ(gr_merge_deep(gr_body(held), gr_body(held), &m), GR_EFULL);
    gr_build(&b), gr_put_null(&b);
    CHECK_EQ(gr_build_message(&b, &m), GR_EFULL);
    gr_build(&b), gr_put_array(&b);
    for (int i = 0; i < 1000; i++) gr_put_int(&b, i);
    refused(&b, GR_EFULL, gr_error_text(GR_EFULL));
    gr_message *before = held;
    CHECK_EQ(gri_message_share(&held), GR_EFULL);
    CHECK_EQ(gri_message_add_trailer(&held, 16), GR_EFULL);
    CHECK(gri_message_new_with_trailer(8, 16) == NULL);
    CHECK(held == before && m == NULL);
    while (list) {
        gr_message *next = list->node.link ? gri_message_of_node(list->node.link) : NULL;
        gr_message_free(&list);
        list = next;
    }
    gri_heap_limit(0);
    CHECK_OK(gri_message_share(&held));
    gr_message_free(&held);
}

/* A message that was handed out is nobody's to cancel, and what was built stays right. */
TEST(build, cancelling_what_has_ended_changes_nothing)
{
    BUILD(b);
    gr_message *m = NULL;
    gr_put_string(&b, "kept");
    CHECK_OK(gr_build_message(&b, &m));
    gr_build_cancel(&b);
    CHECK_OK(gr_build_error(&b, NULL));
    CHECK_STR(gr_string(gr_body(m), ""), "kept");
    gr_message_free(&m);
}

/* The index of an object is written when it closes: there has to be room for it then. */
TEST(build, an_index_without_room_is_refused)
{
    size_t needed = 0;
    for (size_t room = 1000; room > 0; room--) {
        unsigned char exact[1000];
        gr_builder b;
        gr_value v = {NULL};
        memset(exact, 0x5a, sizeof exact);
        gr_build_into(&b, exact, room);
        gr_put_object(&b);
        for (int i = 0; i < 17; i++) gr_put_key(&b, (char[2]){(char)('a' + i)}), gr_put_null(&b);
        if (gr_build_error(&b, NULL) == 0 && needed > 0) CHECK(room >= needed - (size_t)17 * 8);
        gr_put_end(&b);
        if (gr_build_value(&b, &v) == 0) {
            needed = gr_value_bytes(v);
            CHECK(needed <= room);
            continue;
        }
        CHECK(room < needed);
        CHECK(room == sizeof exact || exact[room] == 0x5a);
        refused(&b, GR_ETOOBIG, "the storage is too small");
    }
    CHECK(needed > 0);
}

/* Sixteen million keys take a while: the builder is told that they are there. */
TEST(build, keys_are_counted_in_24_bits)
{
    gr_builder b;
    gr_build_into(&b, storage, sizeof storage);
    gr_put_object(&b);
    b.count = GRI_VALUE_COUNT_MAX;
    gr_put_key_n(&b, "", 0);
    refused(&b, GR_ETOOBIG, "too many keys in an object");
    gr_build_into(&b, storage, sizeof storage);
    gr_put_object(&b);
    gr_put_key_n(&b, "k", GRI_VALUE_BYTES_MAX + 1);
    refused(&b, GR_ETOOBIG, "a key is too big");
}
