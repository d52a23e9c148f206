/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Merging and equality. */
#include "message/value.h"
#include "support/test.h"

#include <greenroom/build.h>
#include <greenroom/pack.h>

static gr_message *merged(bool deep, gr_message *left, gr_message *right)
{
    gr_message *m = NULL;
    CHECK_OK(deep ? gr_merge_deep(gr_body(left), gr_body(right), &m) : gr_merge(gr_body(left), gr_body(right), &m));
    CHECK(gri_value_verify(gr_body(m).at, gr_value_bytes(gr_body(m))));
    gr_message_free(&left);
    gr_message_free(&right);
    return m;
}

static gr_message *left_sample(void)
{
    gr_message *m = NULL;
    CHECK_OK(gr_pack(&m, "{s:i, s:{s:i, s:{s:i}}, s:i}", "a", 1, "o", "x", 1, "p", "q", 1, "b", 2));
    return m;
}

static gr_message *right_sample(void)
{
    gr_message *m = NULL;
    CHECK_OK(gr_pack(&m, "{s:s, s:i, s:{s:i, s:{s:i}}, s:[i]}", "b", "two", "c", 3, "o", "y", 2, "p", "r", 2, "d", 4));
    return m;
}

static void check_equal(gr_message *got, gr_message *expected)
{
    CHECK(gr_equal(gr_body(got), gr_body(expected)));
    gr_message_free(&got);
    gr_message_free(&expected);
}

TEST(merge, right_wins_and_left_orders)
{
    gr_message *m = merged(false, left_sample(), right_sample()), *expected = NULL;
    const char *order[] = {"a", "o", "b", "c", "d"};
    size_t i = 0;
    for (gr_iter it = gr_iterate(gr_body(m)); gr_next(&it); i++) CHECK_STR(it.key, order[i]);
    CHECK_EQ(i, 5);
    CHECK_OK(gr_pack(&expected, "{s:i, s:s, s:{s:i, s:{s:i}}, s:i, s:[i]}", "a", 1, "b", "two", "o", "y", 2, "p", "r",
                     2, "c", 3, "d", 4));
    check_equal(m, expected);
}

TEST(merge, deep_goes_into_objects)
{
    gr_message *m = merged(true, left_sample(), right_sample()), *expected = NULL;
    CHECK_OK(gr_pack(&expected, "{s:i, s:{s:i, s:{s:i, s:i}, s:i}, s:s, s:i, s:[i]}", "a", 1, "o", "x", 1, "p", "q", 1,
                     "r", 2, "y", 2, "b", "two", "c", 3, "d", 4));
    check_equal(m, expected);
}

TEST(merge, empty_sides_and_big_ones)
{
    gr_message *empty = NULL, *sample = left_sample(), *m = NULL;
    CHECK_OK(gr_pack(&empty, "{}"));
    CHECK_OK(gr_merge(gr_body(empty), gr_body(sample), &m));
    CHECK(gr_equal(gr_body(m), gr_body(sample)));
    gr_message_free(&m);
    CHECK_OK(gr_merge_deep(gr_body(sample), gr_body(empty), &m));
    CHECK(gr_equal(gr_body(m), gr_body(sample)));
    gr_message_free(&m);
    gr_builder b[2];
    gr_message *side[2] = {NULL, NULL};
    for (int s = 0; s < 2; s++) {
        gr_build(&b[s]), gr_put_object(&b[s]);
        for (int i = 0; i < 100; i++) {
            char key[16];
            snprintf(key, sizeof key, "k%d", i * (s + 1));
            gr_put_key(&b[s], key), gr_put_int(&b[s], s);
        }
        gr_put_end(&b[s]);
        CHECK_OK(gr_build_message(&b[s], &side[s]));
    }
    CHECK_OK(gr_merge(gr_body(side[0]), gr_body(side[1]), &m));
    CHECK_EQ(gr_count(gr_body(m)), 150);
    CHECK_EQ(gr_int(gr_get(gr_body(m), "k4"), -1), 1);
    CHECK_EQ(gr_int(gr_get(gr_body(m), "k5"), -1), 0);
    CHECK(gri_value_verify(gr_body(m).at, gr_value_bytes(gr_body(m))));
    gr_message_free(&m), gr_message_free(&side[0]), gr_message_free(&side[1]);
    gr_message_free(&empty), gr_message_free(&sample);
}

TEST(merge, goes_deeper_than_its_first_frames)
{
    gr_message *side[2] = {NULL, NULL}, *m = NULL;
    for (int s = 0; s < 2; s++) {
        gr_builder b;
        gr_build(&b);
        for (int i = 0; i < 511; i++) gr_put_object(&b), gr_put_key(&b, "k");
        gr_put_object(&b), gr_put_key(&b, s ? "right" : "left"), gr_put_null(&b);
        for (int i = 0; i < 512; i++) gr_put_end(&b);
        CHECK_OK(gr_build_message(&b, &side[s]));
    }
    CHECK_OK(gr_merge_deep(gr_body(side[0]), gr_body(side[1]), &m));
    gr_value v = gr_body(m);
    for (int i = 0; i < 511; i++) v = gr_get(v, "k");
    CHECK_EQ(gr_count(v), 2);
    CHECK(!gr_equal(gr_body(side[0]), gr_body(side[1])));
    gr_message_free(&m), gr_message_free(&side[0]), gr_message_free(&side[1]);
}

TEST(merge, refuses_what_is_no_object)
{
    gr_message *array = NULL, *object = NULL, *reserved = NULL, *m = NULL;
    CHECK_OK(gr_pack(&array, "[]"));
    CHECK_OK(gr_pack(&object, "{}"));
    CHECK_OK(gr_pack(&reserved, "{s:i,s:i}", "_pyact_binary", 1, "x", 1));
    CHECK_EQ(gr_merge(gr_body(array), gr_body(object), &m), GR_ETYPE);
    CHECK_EQ(gr_merge_deep(gr_body(object), gr_body(array), &m), GR_ETYPE);
    CHECK_EQ(gr_merge((gr_value){NULL}, gr_body(object), &m), GR_ETYPE);
    CHECK(m == NULL);
    gr_message_free(&array), gr_message_free(&object), gr_message_free(&reserved);
}

static bool equal_packed(gr_message *left, gr_message *right)
{
    bool equal = gr_equal(gr_body(left), gr_body(right));
    CHECK_EQ(gr_equal(gr_body(right), gr_body(left)), equal);
    gr_message_free(&left);
    gr_message_free(&right);
    return equal;
}

static gr_message *one(int code, gr_message *m)
{
    CHECK_OK(code);
    return m;
}

#define PACKED(...) \
    ({ \
        gr_message *m_ = NULL; \
        int code_ = gr_pack(&m_, __VA_ARGS__); \
        one(code_, m_); \
    })

TEST(equal, compares_types_and_content)
{
    CHECK(equal_packed(PACKED("i", 1), PACKED("I", INT64_C(1))));
    CHECK(!equal_packed(PACKED("i", 1), PACKED("f", 1.0)));
    CHECK(!equal_packed(PACKED("i", 1), PACKED("b", 1)));
    CHECK(!equal_packed(PACKED("b", 0), PACKED("n")));
    CHECK(equal_packed(PACKED("f", 0.0), PACKED("f", -0.0)));
    CHECK(equal_packed(PACKED("[f]", 0.0), PACKED("[f]", -0.0)));
    CHECK(!equal_packed(PACKED("f", 0.5), PACKED("f", -0.5)));
    CHECK(!equal_packed(PACKED("s", "a"), PACKED("B", "a", (size_t)1)));
    CHECK(!equal_packed(PACKED("s", "a"), PACKED("s", "ab")));
    CHECK(!equal_packed(PACKED("[]"), PACKED("{}")));
    CHECK(!equal_packed(PACKED("[i]", 1), PACKED("[i,i]", 1, 1)));
    CHECK(!equal_packed(PACKED("[i,f]", 1, 0.0), PACKED("[i,f]", 2, -0.0)));
    CHECK(!equal_packed(PACKED("A", (gr_address){1}), PACKED("A", (gr_address){2})));
    gr_value none = {NULL};
    gr_message *m = PACKED("n");
    CHECK(gr_equal(none, none) && !gr_equal(none, gr_body(m)) && !gr_equal(gr_body(m), none));
    gr_message_free(&m);
}

TEST(equal, ignores_the_order_of_keys)
{
    CHECK(equal_packed(PACKED("{s:i,s:{s:n,s:[i,i]}}", "a", 1, "b", "c", "d", 1, 2),
                       PACKED("{s:{s:[i,i],s:n},s:i}", "b", "d", 1, 2, "c", "a", 1)));
    CHECK(!equal_packed(PACKED("{s:i,s:{s:n,s:[i,i]}}", "a", 1, "b", "c", "d", 1, 2),
                        PACKED("{s:{s:[i,i],s:n},s:i}", "b", "d", 2, 1, "c", "a", 1)));
    CHECK(!equal_packed(PACKED("{s:i,s:i}", "a", 1, "b", 2), PACKED("{s:i,s:i}", "b", 2, "c", 1)));
    for (int count = 15; count < 40; count++) {
        gr_message *m[2] = {NULL, NULL};
        for (int side = 0; side < 2; side++) {
            gr_builder b;
            gr_build(&b), gr_put_object(&b);
            for (int i = 0; i < count; i++) {
                char key[16];
                snprintf(key, sizeof key, "k%d", side ? count - 1 - i : i);
                gr_put_key(&b, key), gr_put_int(&b, side ? count - 1 - i : i);
            }
            gr_put_end(&b);
            CHECK_OK(gr_build_message(&b, &m[side]));
        }
        CHECK(equal_packed(m[0], m[1]));
    }
}

TEST(merge, deep_replaces_what_is_no_object_on_both_sides)
{
    gr_message *left = NULL, *right = NULL, *expected = NULL;
    CHECK_OK(gr_pack(&left, "{s:i,s:{s:i}}", "a", 1, "b", "x", 1));
    CHECK_OK(gr_pack(&right, "{s:{s:i},s:i}", "a", "y", 2, "b", 2));
    CHECK_OK(gr_pack(&expected, "{s:{s:i},s:i}", "a", "y", 2, "b", 2));
    check_equal(merged(true, left, right), expected);
}
