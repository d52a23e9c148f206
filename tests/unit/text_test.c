/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* JSON text. Most cases are in data/json:
 *     *.cases   text: …, and either gives: (the value printed; for what prints as it stands: "same"), or
 *               fails: CODE line:column byte reason;  with depth: and bytes: for the options,
 *               pretty: for the value printed with indent 2, sorted and in ASCII
 *     *.json    documents that are read, printed in every way and read again, and that jansson reads the same */
#include "message/text_scan.h"
#include "support/cases.h"
#include "support/test.h"

#include "base/rng.h"

#include <greenroom/build.h>
#include <greenroom/text.h>
#include <jansson.h>
#include <pthread.h>

static const gr_print_options ways[] = {
    {0}, {.ascii = true}, {.sorted = true}, {.indent = 1}, {.indent = 2, .sorted = true, .ascii = true}, {.indent = 99},
};

static gr_message *parse(const char *text)
{
    gr_message *m = NULL;
    gr_detail detail;
    if (gr_parse(text, strlen(text), NULL, &m, &detail) != 0) TEST_FAIL("%s: %s", text, detail.text);
    return m;
}

/* Printing, by every way there is to print, gives the same text; it reads back as an equal value. */
static bool check_ways(gr_value value, const char *what)
{
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
        size_t bytes = 0, needed = 0;
        char *text = gr_print_new(value, &ways[i], &bytes);
        CHECK(text && strlen(text) == bytes);
        char *buffer = malloc(bytes + 1);
        CHECK_OK(gr_print(value, &ways[i], buffer, bytes + 1, &needed));
        CHECK(needed == bytes && memcmp(buffer, text, bytes + 1) == 0);
        gr_message *again = NULL;
        gr_detail detail;
        if (gr_parse(text, bytes, NULL, &again, &detail) != 0) TEST_FAIL("%s: %s: %s", what, text, detail.text);
        bool equal = gr_equal(gr_body(again), value);
        if (!equal) fprintf(stderr, "%s: %s reads back as another value\n", what, text);
        gr_message_free(&again);
        free(buffer);
        free(text);
        if (!equal) return false;
    }
    return true;
}

static bool check_good(const gr_case *c, gr_value value, const gr_case_field *text, const gr_case_field *gives)
{
    if (strcmp(gives->text, "same") == 0) gives = text;
    size_t bytes;
    char *printed = gr_print_new(value, NULL, &bytes);
    bool good = printed && bytes == gives->bytes && memcmp(printed, gives->text, bytes) == 0;
    if (!good) gr_case_wrong(c, "gives %s", printed);
    free(printed);
    const gr_case_field *pretty = gr_case_get(c, "pretty");
    if (pretty) {
        printed = gr_print_new(value, &(gr_print_options){.indent = 2, .sorted = true, .ascii = true}, &bytes);
        if (!printed || strcmp(printed, pretty->text) != 0) good = gr_case_wrong(c, "pretty is %s", printed);
        free(printed);
    }
    return good && check_ways(value, c->file);
}

static bool run_case(const gr_case *c)
{
    const gr_case_field *text = gr_case_get(c, "text"), *gives = gr_case_get(c, "gives"),
                        *fails = gr_case_get(c, "fails");
    const gr_case_field *depth = gr_case_get(c, "depth"), *bytes_max = gr_case_get(c, "bytes");
    gr_parse_options options = {.depth_max = depth ? (unsigned)atoi(depth->text) : 0,
                                .bytes_max = bytes_max ? (size_t)atoi(bytes_max->text) : 0};
    gr_message *m = NULL;
    gr_detail detail = {0};
    if (!text || !gives == !fails) return gr_case_wrong(c, "a case has text, and gives or fails");
    char *exact = malloc(text->bytes + !text->bytes); /* so that a sanitizer sees a byte too far */
    memcpy(exact, text->text, text->bytes);
    int code = gr_parse(exact, text->bytes, &options, &m, &detail);
    char said[400];
    snprintf(said, sizeof said, "%s %u:%u %llu %s", gr_error_name(code), detail.line, detail.column,
             (unsigned long long)detail.byte, detail.text);
    unsigned char storage[65536];
    gr_value value;
    gr_detail detail_into = {0};
    int code_into = gr_parse_into(exact, text->bytes, &options, storage, sizeof storage, &value, &detail_into);
    bool good = true;
    if (text->bytes * 5 + 16 <= sizeof storage &&
        (code_into != code || memcmp(&detail, &detail_into, sizeof detail) != 0))
        good = gr_case_wrong(c, "into storage gives %s %s", gr_error_name(code_into), detail_into.text);
    free(exact);
    if (code == 0 && code_into == 0 && !gr_equal(value, gr_body(m))) good = gr_case_wrong(c, "into storage differs");
    if (gives)
        good = code ? gr_case_wrong(c, "fails: %s", said) : check_good(c, gr_body(m), text, gives) && good;
    else if (code == 0 || strcmp(said, fails->text) != 0)
        good = gr_case_wrong(c, "%s %s", code ? "fails:" : "is accepted:", said);
    gr_message_free(&m);
    return good;
}

TEST(text, cases)
{
    CHECK_EQ(gr_cases_run("json", ".cases", run_case), 0);
}

/* Equal as JSON, through jansson's own reader of what both print. */
static void check_against_jansson(const char *text, size_t bytes, gr_value value)
{
    json_t *tree = json_loadb(text, bytes, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, NULL);
    size_t printed_bytes;
    char *printed = gr_print_new(value, NULL, &printed_bytes);
    json_t *again = json_loadb(printed, printed_bytes, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, NULL);
    if (!tree || !again || !json_equal(tree, again)) TEST_FAIL("jansson reads %.200s another way", printed);
    json_decref(tree);
    json_decref(again);
    free(printed);
}

static void run_document(const char *folder, const char *name)
{
    size_t bytes;
    char *text = gr_case_file(folder, name, &bytes);
    gr_message *m = NULL;
    gr_detail detail;
    if (gr_parse(text, bytes, NULL, &m, &detail) != 0)
        TEST_FAIL("%s:%u:%u: %s", name, detail.line, detail.column, detail.text);
    if (!check_ways(gr_body(m), name)) TEST_FAIL("%s", name);
    check_against_jansson(text, bytes, gr_body(m));
    /* No part of a text is a text, unless it is a scalar or ends in space. */
    if (gr_type_of(gr_body(m)) >= GR_ARRAY) {
        size_t end = bytes;
        while (end > 0 && strchr(" \n\r\t", text[end - 1])) end--;
        for (size_t part = 0; part < end; part += 1 + part / 256) {
            gr_message *no = NULL;
            char *exact = malloc(part + !part);
            memcpy(exact, text, part);
            CHECK(gr_parse(exact, part, NULL, &no, NULL) != 0 && no == NULL);
            free(exact);
        }
    }
    gr_message_free(&m);
    free(text);
}

TEST(text, documents)
{
    CHECK(gr_case_files("json", ".json", run_document) > 0);
}

TEST(text, printing_as_snprintf_does)
{
    gr_message *m =
        parse("{\"a\":[1,2.5,\"x\\u0001\\\"y\",null,true,{\"_pyact_binary\":\"AAECAw==\"}],\"key\":\"\xc3\xa4\","
              "\"b\":\"\\u0001\\u0001\\u0001\\u0001\\u0001\\u0001\\u0001\\u0001\\u0001\\u0001"
              "\\u0001\\u0001\\u0001\\u0001\\u0001\\u0001\\u0001\\u0001\\u0001\\u0001"
              "\\u0001\\u0001\\u0001\\u0001\\u0001\\u0001\\u0001\\u0001\\u0001\\u0001"
              "\\u0001\\u0001\\u0001\\u0001\\u0001\\u0001\\u0001\\u0001\\u0001\\u0001\"}");
    char *whole = gr_print_new(gr_body(m), NULL, NULL), buffer[500];
    size_t length = strlen(whole), needed;
    for (size_t room = 0; room < sizeof buffer; room++) {
        memset(buffer, '#', sizeof buffer);
        needed = 0;
        CHECK_EQ(gr_print(gr_body(m), NULL, buffer, room, &needed), room > length ? 0 : GR_ETOOBIG);
        CHECK_EQ(needed, length);
        size_t fit = room == 0 ? 0 : room - 1 < length ? room - 1 : length;
        CHECK(memcmp(buffer, whole, fit) == 0);
        CHECK(room == 0 || buffer[fit] == '\0');
        for (size_t i = room ? fit + 1 : 0; i < sizeof buffer; i++) {
            if (i >= room) CHECK(buffer[i] == '#');
        }
    }
    for (size_t room = 1; room <= length + 1; room++) { /* a sanitizer sees a byte too far */
        char *exact = malloc(room);
        CHECK_EQ(gr_print(gr_body(m), NULL, exact, room, NULL), room > length ? 0 : GR_ETOOBIG);
        CHECK(memcmp(exact, whole, room - 1) == 0);
        free(exact);
    }
    CHECK_EQ(gr_print(gr_body(m), NULL, NULL, 0, &needed), GR_ETOOBIG);
    CHECK_EQ(needed, length);
    CHECK_EQ(gr_print(gr_body(m), NULL, NULL, 5, &needed), GR_EINVAL);
    CHECK_EQ(gr_print((gr_value){NULL}, NULL, buffer, sizeof buffer, &needed), GR_EINVAL);
    CHECK(gr_print_new((gr_value){NULL}, NULL, NULL) == NULL);
    free(whole);
    gr_message_free(&m);
}

TEST(text, long_strings_and_bytes)
{
    enum { size = 100000 };
    char *string = malloc(size);
    unsigned char *bytes = malloc(size);
    gri_rng rng;
    gri_rng_seed(&rng, 5);
    for (size_t length = 1; length < size; length = length * 3 + gri_rng_below(&rng, 5)) {
        for (size_t i = 0; i < length; i++) {
            string[i] = (char)gri_rng_below(&rng, i % 97 == 0 ? 128 : 0x60) + (i % 97 ? 0x20 : 0);
            bytes[i] = (unsigned char)gri_rng_below(&rng, 256);
        }
        gr_builder b;
        gr_message *m = NULL;
        gr_build(&b);
        gr_put_array(&b), gr_put_string_n(&b, string, length), gr_put_bytes(&b, bytes, length), gr_put_end(&b);
        CHECK_OK(gr_build_message(&b, &m));
        CHECK(check_ways(gr_body(m), "long"));
        gr_message_free(&m);
    }
    free(bytes);
    free(string);
}

TEST(text, addresses)
{
    gr_builder b;
    gr_message *m = NULL, *again = NULL;
    gr_build(&b);
    gr_put_array(&b);
    gr_put_address(&b, (gr_address){0x0000000700000003});
    gr_put_address(&b, GR_DEAD_ADDRESS);
    gr_put_end(&b);
    CHECK_OK(gr_build_message(&b, &m));
    CHECK(check_ways(gr_body(m), "addresses"));
    char *text = gr_print_new(gr_body(m), NULL, NULL);
    CHECK(strncmp(text, "[{\"_pyact_address\":\"", 20) == 0);
    text[24] = text[24] == 'a' ? 'b' : 'a';
    CHECK_OK(gr_parse(text, strlen(text), NULL, &again, NULL));
    CHECK(gr_address_equal(gr_address_in(gr_at(gr_body(again), 0)), GR_DEAD_ADDRESS));
    free(text);
    gr_message_free(&again);
    gr_message_free(&m);
}

/* ---- depth, on a stack of 16 KB ---- */

typedef struct deep {
    const char *text;
    size_t bytes;
    int code;
    gr_message *message;
    gr_detail detail;
    char *printed;
} deep;

static void *run_deep(void *arg)
{
    deep *d = arg;
    d->code = gr_parse(d->text, d->bytes, NULL, &d->message, &d->detail);
    if (d->code == 0) d->printed = gr_print_new(gr_body(d->message), &(gr_print_options){.sorted = true}, NULL);
    return NULL;
}

/* Sanitizers put red zones into frames and runtimes below them. */
#if GRI_ASAN || GRI_TSAN
enum { small_stack = 262144 };
#elif defined(__aarch64__)
enum { small_stack = 131072 }; /* the least that glibc gives a thread there */
#else
enum { small_stack = 16384 };
#endif

static void on_small_stack(void *(*body)(void *), void *arg)
{
    pthread_attr_t attributes;
    pthread_t thread;
    CHECK_OK(pthread_attr_init(&attributes));
    CHECK_OK(pthread_attr_setstacksize(&attributes, small_stack));
    CHECK_OK(pthread_create(&thread, &attributes, body, arg));
    CHECK_OK(pthread_join(thread, NULL));
    pthread_attr_destroy(&attributes);
}

static char *nested(const char *open, const char *inside, const char *close, size_t depth)
{
    size_t open_bytes = strlen(open), close_bytes = strlen(close), inside_bytes = strlen(inside);
    char *text = malloc(depth * (open_bytes + close_bytes) + inside_bytes + 1), *at = text;
    for (size_t i = 0; i < depth; i++, at += open_bytes) memcpy(at, open, open_bytes);
    memcpy(at, inside, inside_bytes);
    at += inside_bytes;
    for (size_t i = 0; i < depth; i++, at += close_bytes) memcpy(at, close, close_bytes);
    *at = '\0';
    return text;
}

static const struct {
    const char *open, *inside, *close;
} nests[] = {
    {"[", "", "]"},
    {"[", "1.5", "]"},
    {"{\"a\":", "null", "}"},
    {"{\"key\":1,\"other\":[", "{\"_pyact_binary\":\"\"}", "]}"},
    {"{\"_pyact_binary\":", "\"\"", ",\"x\":1}"},
};

TEST(text, depth_512_on_a_small_stack)
{
    for (size_t i = 0; i < sizeof nests / sizeof *nests; i++) {
        size_t depth = strchr(nests[i].open, '[') && strchr(nests[i].open, '{') ? 256 : 512;
        char *text = nested(nests[i].open, nests[i].inside, nests[i].close, depth);
        deep d = {.text = text, .bytes = strlen(text)};
        on_small_stack(run_deep, &d);
        if (d.code) TEST_FAIL("%.30s: %s", text, d.detail.text);
        CHECK_STR(d.printed, text);
        CHECK(check_ways(gr_body(d.message), "deep"));
        free(d.printed);
        gr_message_free(&d.message);
        free(text);
        text = nested(nests[i].open, nests[i].inside, nests[i].close, depth + 1);
        d = (deep){.text = text, .bytes = strlen(text)};
        on_small_stack(run_deep, &d);
        CHECK_EQ(d.code, GR_EDEPTH);
        free(text);
    }
}

TEST(text, a_million_levels_are_refused)
{
    for (size_t i = 0; i < sizeof nests / sizeof *nests; i++) {
        char *text = nested(nests[i].open, nests[i].inside, nests[i].close, 1000000);
        deep d = {.text = text, .bytes = strlen(text)};
        on_small_stack(run_deep, &d);
        CHECK_EQ(d.code, GR_EDEPTH);
        CHECK(d.message == NULL);
        free(text);
    }
}

/* ---- sizes ---- */

TEST(text, many_keys_are_not_quadratic)
{
    enum { keys = 200000 };
    char *text = malloc(keys * 20), *at = text;
    *at++ = '{';
    for (int i = 0; i < keys; i++) at += sprintf(at, "\"k%d\":%d,", i, i);
    at[-1] = '}';
    gr_message *m = NULL;
    CHECK_OK(gr_parse(text, (size_t)(at - text), NULL, &m, NULL));
    CHECK_EQ(gr_count(gr_body(m)), keys);
    CHECK_EQ(gr_int(gr_get(gr_body(m), "k199999"), 0), 199999);
    gr_message_free(&m);
    memcpy(at - 1, ",\"k77777\":1}", 12);
    gr_detail detail;
    CHECK_EQ(gr_parse(text, (size_t)(at - text) + 11, NULL, &m, &detail), GR_EINVAL);
    CHECK_EQ(detail.byte, at - text);
    free(text);
}

TEST(text, storage_too_small)
{
    static const char text[] = "{\"a\":[1,2,3],\"b\":\"a string\"}";
    unsigned char storage[256];
    gr_value value = {NULL};
    gr_detail detail;
    size_t needed = sizeof storage;
    while (needed > 0 && gr_parse_into(text, strlen(text), NULL, storage, needed - 1, &value, &detail) == 0) needed--;
    CHECK(needed > 0 && needed < 5 * sizeof text + 16);
    for (size_t room = 0; room < needed; room++) {
        memset(storage, 0xa5, sizeof storage);
        CHECK_EQ(gr_parse_into(text, strlen(text), NULL, storage, room, &value, &detail), GR_ETOOBIG);
        CHECK(storage[room] == 0xa5);
        CHECK(detail.text[0] != 0);
    }
}

TEST(text, odd_arguments)
{
    gr_message *m = NULL;
    gr_detail detail;
    CHECK_EQ(gr_parse(NULL, 5, NULL, &m, &detail), GR_EINVAL);
    CHECK_EQ(gr_parse(NULL, 0, NULL, &m, &detail), GR_ESYNTAX);
    CHECK_EQ(gr_parse("[1", 2, NULL, &m, NULL), GR_ESYNTAX);
    CHECK_EQ(gr_parse("{\"a\":1,\"a\":2}", 13, NULL, &m, NULL), GR_EINVAL);
    CHECK_EQ(gr_parse("1e999", 5, NULL, &m, NULL), GR_ERANGE);
    CHECK(m == NULL);
    CHECK_OK(gr_parse("12", 1, NULL, &m, NULL)); /* not a byte beyond the length */
    CHECK_EQ(gr_int(gr_body(m), 0), 1);
    gr_message_free(&m);
}

/* ---- jansson as oracle ---- */

/* Random texts near JSON: both readers agree on what is JSON, except where ours is meant to differ. */
TEST(text, agrees_with_jansson)
{
    static const char *const pieces[] = {
        "{",
        "}",
        "[",
        "]",
        ",",
        ":",
        "\"a\"",
        "\"b\"",
        "\"\"",
        "1",
        "-0",
        "0",
        "-",
        "1.5",
        "-0.0",
        "1e5",
        "1E+2",
        "2e-3",
        ".",
        "e",
        "true",
        "false",
        "null",
        "nul",
        " ",
        "\n",
        "\t",
        "\"\\u00e9\"",
        "\"\\ud83d\\ude00\"",
        "\"\\ud83d\"",
        "\"\\n\\/\"",
        "\"\xc3\xa9\"",
        "\"\xff\"",
        "\"\\x\"",
        "\"",
        "\\",
        "01",
        "1.",
        "[1,2]",
        "{\"a\":1}",
        "9223372036854775807",
        "-9223372036854775808",
        "9223372036854775808",
        "1e308",
        "1e309",
        "\x01",
        "\"\x1f\"",
        "\"\x7f\"",
        "[]",
        "{}",
        "[[",
        "]]",
    };
    gri_rng rng;
    gri_rng_seed(&rng, 11);
    int accepted = 0;
    for (int i = 0; i < 200000; i++) {
        char text[256];
        size_t bytes = 0, count = 1 + gri_rng_below(&rng, 9);
        for (size_t j = 0; j < count; j++) {
            const char *piece = pieces[gri_rng_below(&rng, sizeof pieces / sizeof *pieces)];
            memcpy(text + bytes, piece, strlen(piece));
            bytes += strlen(piece);
        }
        gr_message *m = NULL;
        int code = gr_parse(text, bytes, NULL, &m, NULL);
        json_error_t error;
        json_t *tree = json_loadb(text, bytes, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &error);
        if ((code == 0) != (tree != NULL))
            TEST_FAIL("\"%.*s\": %s, jansson: %s", (int)bytes, text, gr_error_name(code), tree ? "good" : error.text);
        if (tree) check_against_jansson(text, bytes, gr_body(m));
        accepted += tree != NULL;
        json_decref(tree);
        gr_message_free(&m);
    }
    CHECK(accepted > 1000);
}

TEST(text, odd_arguments_with_storage_of_ones_own)
{
    unsigned char storage[64];
    gr_value value = {NULL};
    gr_detail detail;
    CHECK_EQ(gr_parse_into(NULL, 5, NULL, storage, sizeof storage, &value, &detail), GR_EINVAL);
    CHECK_STR(detail.text, "the text is NULL");
    CHECK_EQ(gr_parse_into(NULL, 5, NULL, storage, sizeof storage, &value, NULL), GR_EINVAL);
    CHECK_EQ(gr_parse_into(NULL, 0, NULL, storage, sizeof storage, &value, &detail), GR_ESYNTAX);
    CHECK(value.at == NULL);
}

/* Keys of big objects are compared when the object ends; the place said is that of the second one all the same. */
TEST(text, a_key_that_stands_in_a_big_object_more_than_once)
{
    char text[4000], *at;
    gr_message *m = NULL;
    gr_detail detail;
    for (int way = 0; way < 3; way++) {
        at = text + sprintf(text, "{\"twice\":0,");
        for (int i = 0; i < 20; i++) {
            if (way == 1 && i == 3) { /* longer than what is kept of keys */
                *at++ = '"';
                memset(at, 'l', 400);
                at += 400;
                at += sprintf(at, "\":[\"twice\",\"twice\"],");
            }
            at += sprintf(at, "\"k%d\":{\"twice\":%d},", i, i);
        }
        const char *second = at;
        at += sprintf(at, "\"twice\":1");
        if (way == 2) at += sprintf(at, ",\"twice\":2");
        strcpy(at, "}");
        CHECK_EQ(gr_parse(text, strlen(text), NULL, &m, &detail), GR_EINVAL);
        CHECK_EQ(detail.byte, second - text);
        CHECK_STR(detail.text, "a key stands twice in an object: \"twice\"");
    }
    CHECK(m == NULL);
}

TEST(text, quoted_for_people_whatever_it_is)
{
    char shown[16];
    gri_text_quote("a\xff\x01\x7f\xc3\xa9", 6, shown, sizeof shown);
    CHECK_STR(shown, "a???\xc3\xa9");
    gri_text_quote("\xc3", 1, shown, sizeof shown);
    CHECK_STR(shown, "?");
    gri_text_quote("a text that is longer", 21, shown, sizeof shown);
    CHECK_STR(shown, "a text that ...");
}
