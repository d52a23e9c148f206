/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* The headers of values and formats in C++17: the same macros, with types found by templates. */
#include <greenroom/build.h>
#include <greenroom/pack.h>

#include "support/test.h"

#include <string>

namespace {

enum class Colour : int { red = 7 };
enum Old : unsigned { old_value = 9 };

struct Message {
    gr_message *m = nullptr;
    ~Message()
    {
        gr_message_free(&m);
    }
    gr_value body() const
    {
        return gr_body(m);
    }
};

template <class T> int pack_one(gr_message **ret_message, const char *format, T x)
{
    return gr_pack(ret_message, format, x);
}

} // namespace

TEST(pack_cpp, packs_every_type)
{
    Message m;
    gr_detail detail;
    std::string text = "text", key = "a key";
    const bool yes = true;
    const int &reference = 5;
    CHECK_OK(gr_pack_detailed(&m.m, &detail, "{s:s, s:[i,i,I,b,f,i,i], s:A, s%:s?}", "text", text.c_str(), "numbers",
                              reference, Colour::red, INT64_C(1) << 40, yes, 0.5f, short{-3}, old_value, "address",
                              gr_address{77}, key.data(), key.size(), nullptr));
    gr_value numbers = gr_get(m.body(), "numbers");
    CHECK_EQ(gr_int(gr_at(numbers, 0), 0), 5);
    CHECK_EQ(gr_int(gr_at(numbers, 1), 0), 7);
    CHECK_EQ(gr_int(gr_at(numbers, 2), 0), INT64_C(1) << 40);
    CHECK(gr_bool(gr_at(numbers, 3), false));
    CHECK_EQ(gr_int(gr_at(numbers, 5), 0), -3);
    CHECK_EQ(gr_int(gr_at(numbers, 6), 0), 9);
    CHECK_EQ(gr_address_in(gr_get(m.body(), "address")).id, 77);
    CHECK_STR(gr_string(gr_get(m.body(), "text"), ""), "text");
    CHECK_EQ(gr_type_of(gr_get(m.body(), "a key")), GR_NULL);
}

TEST(pack_cpp, refuses_the_wrong_type)
{
    Message m;
    gr_detail detail;
    CHECK_EQ(gr_pack_detailed(&m.m, &detail, "{s:I}", "n", 5), GR_EFORMAT);
    CHECK_STR(detail.text, "argument 2 (format character 'I' at offset 3) takes int64_t, got int");
    CHECK_EQ(gr_pack_detailed(&m.m, &detail, "s", std::string("x").size()), GR_EFORMAT);
    CHECK(m.m == nullptr);
}

TEST(pack_cpp, templates_and_lambdas_are_places_too)
{
    Message a, b, c;
    CHECK_OK(pack_one(&a.m, "i", 1));
    CHECK_OK(pack_one(&b.m, "I", 2L));
    auto pack = [&c](const char *text) { return gr_pack(&c.m, "[s,s]", text, "literal"); };
    CHECK_OK(pack("x"));
    CHECK_STR(gr_string(gr_at(c.body(), 0), ""), "x");
    CHECK_EQ(gr_int(a.body(), 0) + gr_int(b.body(), 0), 3);
}

TEST(pack_cpp, unpacks)
{
    Message m;
    gr_detail detail;
    int i = 0;
    int64_t wide = 0;
    const char *text = nullptr;
    size_t bytes = 0;
    bool flag = false;
    gr_value rest;
    CHECK_OK(
        gr_pack(&m.m, "{s:i, s:I, s:s, s:b, s:[]}", "i", 1, "wide", INT64_C(2), "text", "three", "flag", true, "rest"));
    CHECK_OK(gr_unpack(m.body(), &detail, "{s:i, s:I, s:s%, s:b, s:V !}", "i", &i, "wide", &wide, "text", &text, &bytes,
                       "flag", &flag, "rest", &rest));
    CHECK(i == 1 && wide == 2 && bytes == 5 && flag && gr_type_of(rest) == GR_ARRAY);
    CHECK_EQ(gr_unpack(m.body(), &detail, "{s:i}", "i", &wide), GR_EFORMAT);
}

TEST(pack_cpp, builds_and_iterates)
{
    gr_builder b;
    Message m;
    gr_build(&b);
    gr_put_object(&b);
    gr_put_key(&b, "a"), gr_put_int(&b, 1);
    gr_put_key(&b, "b"), gr_put_string(&b, "two");
    gr_put_end(&b);
    CHECK_OK(gr_build_message(&b, &m.m));
    std::string keys;
    for (gr_iter it = gr_iterate(m.body()); gr_next(&it);) keys += it.key;
    CHECK_STR(keys.c_str(), "ab");
}
