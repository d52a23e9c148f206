/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
#include "message/jansson.h"

#include "support/cases.h"
#include "support/test.h"

#include <greenroom/text.h>

static gr_message *parse(const char *text)
{
    gr_message *m = NULL;
    gr_detail detail;
    if (gr_parse(text, strlen(text), NULL, &m, &detail) != 0) TEST_FAIL("%s: %s", text, detail.text);
    return m;
}

static void check_round_trip(gr_value value)
{
    json_t *tree = NULL;
    gr_message *again = NULL;
    gr_detail detail;
    CHECK_OK(gr_to_json(value, &tree));
    if (gr_from_json(tree, &again, &detail) != 0) TEST_FAIL("%s", detail.text);
    CHECK(gr_equal(gr_body(again), value));
    gr_message_free(&again);
    json_decref(tree);
}

/* Every text of data/json that is good: to a tree and back, and the tree is what jansson reads from the text. */
static bool run_case(const gr_case *c)
{
    const gr_case_field *text = gr_case_get(c, "text");
    gr_message *m = NULL;
    if (!gr_case_get(c, "gives") || gr_parse(text->text, text->bytes, NULL, &m, NULL) != 0) return true;
    check_round_trip(gr_body(m));
    json_t *tree = NULL;
    CHECK_OK(gr_to_json(gr_body(m), &tree));
    json_t *read = json_loadb(text->text, text->bytes, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
    /* jansson has no byte strings and refuses keys with U+0000. */
    bool good = !read || strstr(text->text, "_pyact") || json_equal(tree, read);
    json_decref(read);
    json_decref(tree);
    gr_message_free(&m);
    return good ? true : gr_case_wrong(c, "jansson reads another tree");
}

TEST(jansson, texts)
{
    CHECK_EQ(gr_cases_run("json", ".cases", run_case), 0);
}

TEST(jansson, bytes_and_addresses)
{
    gr_builder b;
    gr_message *m = NULL;
    gr_build(&b);
    gr_put_object(&b);
    gr_put_key(&b, "a"), gr_put_address(&b, (gr_address){0x100000002});
    gr_put_key(&b, "b"), gr_put_bytes(&b, "\0\xff", 2);
    gr_put_key(&b, "e"), gr_put_bytes(&b, "", 0);
    gr_put_end(&b);
    CHECK_OK(gr_build_message(&b, &m));
    check_round_trip(gr_body(m));
    json_t *tree = NULL;
    CHECK_OK(gr_to_json(gr_body(m), &tree));
    CHECK_STR(json_string_value(json_object_get(json_object_get(tree, "b"), "_pyact_binary")), "AP8=");
    char text[GR_ADDRESS_TEXT_BYTES];
    gr_address_print((gr_address){0x100000002}, text);
    CHECK_STR(json_string_value(json_object_get(json_object_get(tree, "a"), "_pyact_address")), text);
    json_decref(tree);
    gr_message_free(&m);
}

static void check_refused(json_t *tree, int code)
{
    gr_message *m = NULL;
    gr_detail detail = {0};
    CHECK_EQ(gr_from_json(tree, &m, &detail), code);
    CHECK(m == NULL && detail.text[0] != '\0');
    CHECK_EQ(gr_from_json(tree, &m, NULL), code);
    json_decref(tree);
}

TEST(jansson, refusals)
{
    check_refused(NULL, GR_EINVAL);
    check_refused(json_pack("{s:i}", "_pyact_binary", 1), GR_EINVAL);
    check_refused(json_pack("{s:s}", "_pyact_binary", "AB=="), GR_EINVAL);
    check_refused(json_pack("[{s:n}]", "_pyact_address"), GR_EINVAL);
    check_refused(json_string_nocheck("\xff"), GR_EINVAL);
    json_t *object = json_object();
    json_object_set_new_nocheck(object, "\xff", json_null());
    check_refused(object, GR_EINVAL);
    json_t *deep = json_array();
    for (int i = 0; i < 512; i++) {
        json_t *around = json_array();
        json_array_append_new(around, deep);
        deep = around;
    }
    check_refused(deep, GR_EDEPTH);
    json_t *a = json_object(), *b = json_array(); /* a tree that contains itself */
    json_object_set(a, "b", b);
    json_array_append(b, a);
    gr_message *m = NULL;
    CHECK_EQ(gr_from_json(a, &m, NULL), GR_EDEPTH);
    json_array_clear(b);
    json_decref(a);
    json_decref(b);
    json_t *tree = NULL;
    CHECK_EQ(gr_to_json((gr_value){NULL}, &tree), GR_EINVAL);
    CHECK(tree == NULL);
}

TEST(jansson, the_tree_stays_the_callers)
{
    json_t *tree = json_pack("{s:[i,f,s],s:{}}", "a", 1, 2.5, "x", "b");
    gr_message *m = NULL;
    CHECK_OK(gr_from_json(tree, &m, NULL));
    CHECK_EQ(tree->refcount, 1);
    json_decref(tree);
    CHECK_EQ(gr_int(gr_at(gr_get(gr_body(m), "a"), 0), 0), 1);
    CHECK_STR(gr_string(gr_at(gr_get(gr_body(m), "a"), 2), NULL), "x");
    gr_message_free(&m);
}

static size_t headroom_now;
static size_t headroom(void)
{
    return headroom_now;
}

TEST(jansson, deep_values_need_stack)
{
    char text[201];
    memset(text, '[', 100);
    memset(text + 100, ']', 100);
    text[200] = '\0';
    gr_message *m = parse(text);
    json_t *tree = NULL;
    check_round_trip(gr_body(m));
    gri_jansson_headroom_set(headroom);
    headroom_now = GRI_JANSSON_STACK_BYTES(100) - 1;
    CHECK_EQ(gr_to_json(gr_body(m), &tree), GR_EDEPTH);
    CHECK(tree == NULL);
    headroom_now++;
    CHECK_OK(gr_to_json(gr_body(m), &tree));
    json_decref(tree);
    gri_jansson_headroom_set(NULL);
    gr_message_free(&m);
}
