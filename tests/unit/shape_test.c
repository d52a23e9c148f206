/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Shapes. Most cases are in data/shape:
 *     shape: …  value: … (JSON text)  params: [ … ]            matches: yes    or    fails: CODE why
 *     shape: …                                                 refused: CODE line:column byte why    or    text: without space
 *     value: …                                                 of: its shape   or    of fails: CODE why
 * {"_pyact_address": "me"} in values and parameters is an address that lives. */
#include "support/cases.h"
#include "support/test.h"

#include "base/compiler.h"

#include <greenroom/build.h>
#include <greenroom/shape.h>
#include <greenroom/text.h>
#include <pthread.h>

#define MISSING ((gr_value){NULL})

static gr_message *parse(const char *text)
{
    gr_message *m = NULL;
    gr_detail detail;
    if (gr_parse(text, strlen(text), NULL, &m, &detail) != 0) TEST_FAIL("%s: %s", text, detail.text);
    return m;
}

static gr_shape *compile(const char *text)
{
    gr_shape *shape = NULL;
    gr_detail detail;
    if (gr_shape_compile(text, &shape, &detail) != 0) TEST_FAIL("%s: %s", text, detail.text);
    return shape;
}

/* Of a field's text, with "me" made an address. */
static gr_message *parse_field(const gr_case_field *field)
{
    if (!field) return NULL;
    char text[4096], address[GR_ADDRESS_TEXT_BYTES];
    const char *me = strstr(field->text, "\"me\"");
    gr_address_print((gr_address){0x100000001}, address);
    if (me) snprintf(text, sizeof text, "%.*s\"%s\"%s", (int)(me - field->text), field->text, address, me + 4);
    return parse(me ? text : field->text);
}

/* A copy in a block of its exact size, so that a sanitizer sees a read behind it. */
static gr_value exact_copy(gr_value value)
{
    size_t bytes = gr_value_bytes(value);
    if (bytes == 0) return MISSING;
    void *copy = malloc(bytes);
    if (!copy) TEST_FAIL("out of memory");
    memcpy(copy, value.at, bytes);
    return (gr_value){copy};
}

static bool check_said(const gr_case *c, const gr_case_field *expected, const char *said)
{
    return expected && strcmp(expected->text, said) == 0 ? true : gr_case_wrong(c, "says: %s", said);
}

static bool run_match(const gr_case *c, const gr_shape *shape)
{
    gr_message *value = parse_field(gr_case_get(c, "value")), *params = parse_field(gr_case_get(c, "params"));
    gr_value body = exact_copy(gr_body(value)), bound = exact_copy(gr_body(params));
    gr_detail detail = {0};
    int code = gr_shape_explain(shape, body, bound, &detail);
    bool matched = gr_shape_match(shape, body, bound), good;
    char said[400];
    snprintf(said, sizeof said, "%s %s", gr_error_name(code), detail.text);
    if (matched != (code == 0))
        good = gr_case_wrong(c, "match and explain disagree: %s", said);
    else if (code == 0)
        good = gr_case_get(c, "matches") ? true : gr_case_wrong(c, "matches");
    else
        good = check_said(c, gr_case_get(c, "fails"), said);
    free((void *)(uintptr_t)body.at);
    free((void *)(uintptr_t)bound.at);
    gr_message_free(&value);
    gr_message_free(&params);
    return good;
}

static bool run_compile(const gr_case *c)
{
    gr_shape *shape = NULL, *again = NULL;
    gr_detail detail = {0};
    char said[400];
    int code = gr_shape_compile(gr_case_get(c, "shape")->text, &shape, &detail);
    snprintf(said, sizeof said, "%s %u:%u %llu %s", gr_error_name(code), detail.line, detail.column,
             (unsigned long long)detail.byte, detail.text);
    if (code) {
        CHECK(shape == NULL);
        CHECK_EQ(gr_shape_compile(gr_case_get(c, "shape")->text, &shape, NULL), code);
        return check_said(c, gr_case_get(c, "refused"), said);
    }
    const gr_case_field *text = gr_case_get(c, "text");
    bool good = !text || strcmp(gr_shape_text(shape), text->text) == 0;
    if (!good) gr_case_wrong(c, "text is %s", gr_shape_text(shape));
    CHECK_OK(gr_shape_compile(gr_shape_text(shape), &again, &detail)); /* the text is a shape, and its own text */
    CHECK_STR(gr_shape_text(again), gr_shape_text(shape));
    if (good && gr_case_get(c, "value"))
        good = run_match(c, shape) && run_match(c, again);
    else if (good && !text)
        good = gr_case_wrong(c, "is accepted");
    gr_shape_free(&shape);
    gr_shape_free(&again);
    return good;
}

static bool run_of(const gr_case *c)
{
    gr_message *value = parse_field(gr_case_get(c, "value"));
    gr_shape *shape = NULL;
    gr_detail detail = {0};
    int code = gr_shape_of(gr_body(value), &shape, &detail);
    char said[400];
    snprintf(said, sizeof said, "%s %s", gr_error_name(code), detail.text);
    bool good;
    if (code) {
        good = check_said(c, gr_case_get(c, "of fails"), said);
    } else {
        good = check_said(c, gr_case_get(c, "of"), gr_shape_text(shape));
        if (!gr_shape_match(shape, gr_body(value), MISSING)) good = gr_case_wrong(c, "does not have its own shape");
    }
    gr_shape_free(&shape);
    gr_message_free(&value);
    return good;
}

static bool run_case(const gr_case *c)
{
    return gr_case_get(c, "shape") ? run_compile(c) : run_of(c);
}

TEST(shape, cases)
{
    CHECK_EQ(gr_cases_run("shape", ".cases", run_case), 0);
}

/* Every type against every kind of value. */
TEST(shape, types_table)
{
    static const char *const values[] = {
        "null", "true",      "1", "1.0", "\"x\"", "{\"_pyact_binary\":\"AA==\"}", "{\"_pyact_address\":\"x\"}",
        "[1]",  "{\"a\":1}",
    };
    static const struct {
        const char *type, *matches; /* a column of '1' and '.' for the values above */
    } types[] = {
        {"any", "111111111"},   {"null", "1........"},   {"bool", ".1......."},        {"true", ".1......."},
        {"false", "........."}, {"int", "..1......"},    {"1", "..1......"},           {"float", "...1....."},
        {"1.0", "...1....."},   {"number", "..11....."}, {"str", "....1...."},         {"string", "....1...."},
        {"\"x\"", "....1...."}, {"bytes", ".....1..."},  {"address", "......1.."},     {"list", ".......1."},
        {"[]", ".......1."},    {"[int]", ".......1."},  {"(int)", ".......1."},       {"()", "........."},
        {"dict", "........1"},  {"{}", "........1"},     {"{\"a\":int}", "........1"}, {"{\"b\":any}", "........."},
    };
    for (size_t t = 0; t < GRI_ARRAY_COUNT(types); t++) {
        gr_shape *shape = compile(types[t].type);
        for (size_t v = 0; v < GRI_ARRAY_COUNT(values); v++) {
            gr_message *m = parse(values[v]);
            if (gr_shape_match(shape, gr_body(m), MISSING) != (types[t].matches[v] == '1'))
                TEST_FAIL("%s and %s", types[t].type, values[v]);
            gr_message_free(&m);
        }
        CHECK(!gr_shape_match(shape, MISSING, MISSING));
        gr_shape_free(&shape);
    }
}

TEST(shape, parameters)
{
    gr_shape *shape = compile("{\"response\": $1, \"message\": any, \"more\": [$2]}");
    CHECK_EQ(gr_shape_params(shape), 2);
    gr_message *m = parse("{\"response\":7,\"message\":null,\"more\":[\"x\",\"x\"]}");
    static const struct {
        const char *params;
        bool matches;
    } cases[] = {
        {"[7,\"x\"]", true}, {"[8,\"x\"]", false}, {"[7,\"y\"]", false}, {"[7.0,\"x\"]", false},  {"[7]", false},
        {"[]", false},       {"7", false},         {"{}", false},        {"[7,\"x\",1,2]", true},
    };
    for (size_t i = 0; i < GRI_ARRAY_COUNT(cases); i++) {
        gr_message *params = parse(cases[i].params);
        if (gr_shape_match(shape, gr_body(m), gr_body(params)) != cases[i].matches) TEST_FAIL("%s", cases[i].params);
        gr_message_free(&params);
    }
    CHECK(!gr_shape_match(shape, gr_body(m), MISSING));
    gr_shape_free(&shape);
    shape = compile("$1"); /* a whole value */
    gr_message *params = parse("[{\"a\":[1,{\"b\":2}],\"c\":3}]");
    gr_message *same = parse("{\"c\":3,\"a\":[1,{\"b\":2}]}"), *other = parse("{\"c\":3,\"a\":[1,{\"b\":2}],\"d\":4}");
    CHECK(gr_shape_match(shape, gr_body(same), gr_body(params)));
    CHECK(!gr_shape_match(shape, gr_body(other), gr_body(params)));
    gr_message_free(&same);
    gr_message_free(&other);
    gr_message_free(&params);
    gr_message_free(&m);
    gr_shape_free(&shape);
}

TEST(shape, call)
{
    gr_shape *shape = NULL;
    CHECK_OK(gr_shape_call("add \"one\"\n", &shape));
    gr_builder b;
    gr_message *m = NULL;
    gr_build(&b);
    gr_put_object(&b);
    gr_put_key(&b, "call"), gr_put_int(&b, 5);
    gr_put_key(&b, "method"), gr_put_string(&b, "add \"one\"\n");
    gr_put_key(&b, "address"), gr_put_address(&b, (gr_address){7});
    gr_put_key(&b, "message"), gr_put_null(&b);
    gr_put_end(&b);
    CHECK_OK(gr_build_message(&b, &m));
    CHECK(gr_shape_match(shape, gr_body(m), MISSING));
    gr_shape_free(&shape);
    CHECK_OK(gr_shape_call(NULL, &shape));
    CHECK_STR(gr_shape_text(shape), "{\"call\":int,\"method\":string,\"address\":address,\"message\":any}");
    CHECK(gr_shape_match(shape, gr_body(m), MISSING));
    gr_shape_free(&shape);
    CHECK_OK(gr_shape_call("sub", &shape));
    CHECK(!gr_shape_match(shape, gr_body(m), MISSING));
    gr_shape_free(&shape);
    CHECK_EQ(gr_shape_call("\xff", &shape), GR_ESYNTAX);
    gr_message_free(&m);
}

TEST(shape, limits)
{
    enum { size = 70000 };
    char *text = malloc(size + 1);
    gr_shape *shape = NULL;
    gr_detail detail;
    memset(text, ' ', size), text[size] = '\0';
    memcpy(text, "any", 3);
    CHECK_EQ(gr_shape_compile(text, &shape, &detail), GR_ETOOBIG);
    CHECK_EQ(gr_shape_compile(NULL, &shape, &detail), GR_EINVAL);
    /* As deep as allowed, matched and explained, and one more. */
    for (int extra = 0; extra <= 1; extra++) {
        int depth = GR_SHAPE_DEPTH_MAX + extra;
        char *at = text;
        for (int i = 0; i < depth; i++) *at++ = i % 2 ? '(' : '[';
        for (int i = depth; i-- > 0;) *at++ = i % 2 ? ')' : ']';
        *at = '\0';
        CHECK_EQ(gr_shape_compile(text, &shape, &detail), extra ? GR_EDEPTH : 0);
        if (extra) break;
        for (char *c = text; *c; c++) *c = *c == '(' ? '[' : *c == ')' ? ']' : *c;
        gr_message *m = parse(text);
        CHECK_OK(gr_shape_explain(shape, gr_body(m), MISSING, &detail));
        gr_shape_free(&shape);
        CHECK_EQ(gr_shape_of(gr_body(m), &shape, &detail), GR_EINVAL); /* the innermost is empty */
        gr_message_free(&m);
    }
    /* Many keys, the last one twice. */
    char *at = text;
    *at++ = '{';
    for (int i = 0; i < 5000; i++) at += sprintf(at, "\"k%d\":1,", i);
    strcpy(at, "\"k777\":1}");
    CHECK_EQ(gr_shape_compile(text, &shape, &detail), GR_EINVAL);
    CHECK_EQ(detail.byte, at - text);
    CHECK(shape == NULL);
    free(text);
}

TEST(shape, long_paths_are_cut)
{
    char text[3000], *at = text;
    for (int i = 0; i < 20; i++) at += sprintf(at, "{\"a_rather_long_key_%d\":", i);
    strcpy(at, "int");
    for (int i = 0; i < 20; i++) strcat(text, "}");
    gr_shape *shape = compile(text);
    char *type = strstr(text, "int");
    memcpy(type, "\"x\"", 3);
    gr_message *m = parse(text);
    gr_detail detail;
    CHECK_EQ(gr_shape_explain(shape, gr_body(m), MISSING, &detail), GR_ETYPE);
    CHECK(strlen(detail.text) < sizeof detail.text && strstr(detail.text, "...: expected int, found \"x\""));
    gr_message_free(&m);
    gr_shape_free(&shape);
}

/* One shape, several threads at once. */
static void *match_often(void *arg)
{
    const gr_shape *shape = arg;
    gr_message *good = parse("{\"a\":[1,2,3],\"b\":[1,\"x\"]}"), *bad = parse("{\"a\":[1,2,3],\"b\":[1,2]}");
    for (int i = 0; i < 2000; i++) {
        CHECK(gr_shape_match(shape, gr_body(good), MISSING));
        CHECK(!gr_shape_match(shape, gr_body(bad), MISSING));
    }
    gr_message_free(&good);
    gr_message_free(&bad);
    return NULL;
}

TEST(shape, shared_between_threads)
{
    gr_shape *shape = compile("{\"a\":[int],\"b\":(int,str)}");
    pthread_t threads[3];
    for (int i = 0; i < 3; i++) CHECK_OK(pthread_create(&threads[i], NULL, match_often, shape));
    for (int i = 0; i < 3; i++) CHECK_OK(pthread_join(threads[i], NULL));
    gr_shape_free(&shape);
    gr_shape_free(&shape);
    gr_shape_free(NULL);
}

/* Texts in both of their forms, which a shape knows as one. */
TEST(shape, long_texts)
{
    char text[304], other[308];
    for (size_t bytes = 250; bytes <= 300; bytes += 50) {
        memset(text, 'x', sizeof text);
        text[0] = text[bytes + 1] = '"', text[bytes + 2] = '\0';
        gr_shape *shape = compile(text);
        for (int which = 0; which < 5; which++) { /* the same, another end, one more, short, no text */
            strcpy(other, text);
            if (which == 1) other[bytes] = 'y';
            if (which == 2) strcpy(other + bytes + 1, "x\"");
            if (which == 3) strcpy(other, "\"x\"");
            if (which == 4) strcpy(other, "true");
            gr_message *m = parse(other);
            CHECK_EQ(gr_shape_match(shape, gr_body(m), MISSING), which == 0);
            gr_message_free(&m);
        }
        gr_shape_free(&shape);
    }
}

/* Keys that are names are written as such in the place of a mismatch. */
TEST(shape, places_are_written_as_people_write_them)
{
    static const char *const places[][2] = {{"aZ", "at .aZ:"},      {"Az", "at .Az:"},
                                            {"_", "at ._:"},        {"a0", "at .a0:"},
                                            {"a9", "at .a9:"},      {"0a", "at [\"0a\"]:"},
                                            {"a:", "at [\"a:\"]:"}, {"a/", "at [\"a/\"]:"},
                                            {"a{", "at [\"a{\"]:"}, {"a[", "at [\"a[\"]:"},
                                            {"a@", "at [\"a@\"]:"}, {"", "at [\"\"]:"},
                                            {"a`", "at [\"a`\"]:"}, {"\xc3\xa9", "at [\"\xc3\xa9\"]:"}};
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        char text[64];
        gr_detail detail;
        snprintf(text, sizeof text, "{\"%s\":int}", places[i][0]);
        gr_shape *shape = compile(text);
        snprintf(text, sizeof text, "{\"%s\":null}", places[i][0]);
        gr_message *m = parse(text);
        CHECK_EQ(gr_shape_explain(shape, gr_body(m), MISSING, NULL), GR_ETYPE);
        CHECK_EQ(gr_shape_explain(shape, gr_body(m), MISSING, &detail), GR_ETYPE);
        if (strncmp(detail.text, places[i][1], strlen(places[i][1])) != 0) TEST_FAIL("%s: %s", text, detail.text);
        gr_message_free(&m);
        gr_shape_free(&shape);
    }
}

TEST(shape, nothing_has_no_shape)
{
    gr_shape *shape = NULL;
    gr_detail detail;
    CHECK_EQ(gr_shape_of(MISSING, &shape, &detail), GR_EINVAL);
    CHECK_STR(detail.text, "no value");
    CHECK_EQ(gr_shape_of(MISSING, &shape, NULL), GR_EINVAL);
    shape = compile("int");
    CHECK(!gr_shape_match(shape, MISSING, MISSING));
    CHECK_EQ(gr_shape_explain(shape, MISSING, MISSING, &detail), GR_ETYPE);
    CHECK_STR(detail.text, "at the top: expected int, found nothing");
    gr_shape_free(&shape);
}

/* What is too long to be a shape's text is too big, whatever else is wrong with it. */
TEST(shape, of_too_big_a_value)
{
    enum { bytes = 400000 };
    char *text = malloc(bytes + 16);
    gr_shape *shape = NULL;
    gr_detail detail;
    memset(text, 'k', bytes);
    memcpy(text, "{\"", 2), strcpy(text + bytes, "\":[]}");
    gr_message *m = parse(text);
    CHECK_EQ(gr_shape_of(gr_body(m), &shape, &detail), GR_ETOOBIG);
    CHECK_STR(detail.text, gr_error_text(GR_ETOOBIG));
    gr_message_free(&m);
    m = parse("[1,\"mixed\"]");
    CHECK_EQ(gr_shape_of(gr_body(m), &shape, NULL), GR_EINVAL);
    CHECK(shape == NULL);
    gr_message_free(&m);
    free(text);
}
