/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Text, shapes and trees when memory runs out: each allocation of each call fails once; the call says GR_ENOMEM, leaves its
 * outputs alone, and leaks nothing. malloc is replaced for that, which sanitizers do not allow: there it is a test without. */
#include "base/compiler.h"
#include "message/copy.h"
#include "message/message.h"
#include "support/test.h"

#include <errno.h>
#include <greenroom/jansson.h>
#include <greenroom/shape.h>
#include <greenroom/text.h>

#if !GRI_ASAN && !GRI_TSAN && defined(__GLIBC__)
extern void *__libc_malloc(size_t bytes);
extern void *__libc_realloc(void *block, size_t bytes);
extern void __libc_free(void *block);

static long fail_in = -1, live; /* of this thread only in these tests */

static bool fails(void)
{
    if (fail_in < 0 || fail_in-- != 0) return false;
    errno = ENOMEM;
    return true;
}

void *malloc(size_t bytes)
{
    void *block = fails() ? NULL : __libc_malloc(bytes);
    live += block != NULL;
    return block;
}

void *realloc(void *old, size_t bytes)
{
    void *block = fails() ? NULL : __libc_realloc(old, bytes);
    live += block && !old;
    return block;
}

void free(void *block)
{
    live -= block != NULL;
    __libc_free(block);
}
#else
static long fail_in = -1, live;
#endif

static const char document[] =
    "{\"text\":\"\\u00e9\\n a string with escapes that is longer than the small scratch memory of the reader, which "
    "holds one "
    "hundred and twenty-eight bytes, so that it has to be allocated\",\"b\":{\"_pyact_binary\":\"AAECAwQFBgcICQ==\"},"
    "\"z\":[1,2.5,{\"y\":null,\"x\":true}],\"a\":[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]}";

static gr_message *value;
static json_t *tree;

static int do_parse(void)
{
    gr_message *m = NULL;
    int code = gr_parse(document, sizeof document - 1, NULL, &m, NULL);
    CHECK((code == 0) == (m != NULL));
    gr_message_free(&m);
    return code;
}

static int do_print(void)
{
    char *text = gr_print_new(gr_body(value), &(gr_print_options){.indent = 16, .ascii = true}, NULL);
    free(text);
    return text ? 0 : GR_ENOMEM;
}

static int do_print_sorted(void)
{
    char *text = gr_print_new(gr_body(value), &(gr_print_options){.sorted = true}, NULL), buffer[100];
    int code = gr_print(gr_body(value), &(gr_print_options){.sorted = true}, buffer, sizeof buffer, NULL);
    free(text);
    return text ? code == GR_ETOOBIG ? 0 : code : GR_ENOMEM;
}

static int do_compile(void)
{
    gr_shape *shape = NULL;
    int code = gr_shape_compile("{\"a\":[int],\"b\":(1,2,3,4,5,6,7,8),\"c\":\"text\",\"d\":{\"e\":$1}}", &shape, NULL);
    CHECK((code == 0) == (shape != NULL));
    gr_shape_free(&shape);
    return code;
}

static int do_shape_of(void)
{
    gr_shape *shape = NULL;
    gr_message *m = NULL;
    CHECK_OK(gr_parse("{\"a\":{\"b\":[1]},\"c\":\"x\"}", 23, NULL, &m, NULL));
    int code = gr_shape_of(gr_body(m), &shape, NULL);
    CHECK((code == 0) == (shape != NULL));
    gr_shape_free(&shape);
    gr_message_free(&m);
    return code;
}

static int do_shape_call(void)
{
    gr_shape *shape = NULL;
    int code = gr_shape_call("method", &shape);
    gr_shape_free(&shape);
    return code;
}

static int do_to_json(void)
{
    json_t *made = NULL;
    int code = gr_to_json(gr_body(value), &made);
    CHECK((code == 0) == (made != NULL));
    json_decref(made);
    return code;
}

static int do_from_json(void)
{
    gr_message *m = NULL;
    int code = gr_from_json(tree, &m, NULL);
    CHECK((code == 0) == (m != NULL));
    gr_message_free(&m);
    return code;
}

static int do_copy(gri_copy_mode mode)
{
    gr_message *m = NULL;
    CHECK_OK(gr_message_copy(gr_body(value), &m));
    gr_message *before = m;
    int code = gri_copy_through(mode, &m);
    CHECK(code == 0 || m == before);
    CHECK(gr_equal(gr_body(m), gr_body(value)));
    gr_message_free(&m);
    return code;
}

static int do_copy_text(void)
{
    return do_copy(GRI_COPY_TEXT);
}

/* Not deep, so that no other thread allocates meanwhile. */
static int do_copy_jansson(void)
{
    gr_message *all = value, *shallow = NULL;
    CHECK_OK(gr_message_copy(gr_get(gr_body(all), "z"), &shallow));
    value = shallow;
    int code = do_copy(GRI_COPY_JANSSON);
    gr_message_free(&shallow);
    value = all;
    return code;
}

static void check_every_failure(const char *name, int (*call)(void))
{
    CHECK_OK(call()); /* what is allocated once, by the library or libc, is now */
    long allocations = 0;
    for (;; allocations++) {
        long before = live;
        fail_in = allocations;
        int code = call();
        bool all = fail_in >= 0; /* it needs no more than that */
        fail_in = -1;
        if (live != before) TEST_FAIL("%s leaks %ld after failure %ld", name, live - before, allocations);
        if (all) break;
        if (code != GR_ENOMEM) TEST_FAIL("%s returns %d after failure %ld", name, code, allocations);
    }
    CHECK(allocations > 0);
}

TEST(text_memory, every_allocation_fails_once)
{
#if !GRI_ASAN && !GRI_TSAN && defined(__GLIBC__)
    CHECK_OK(gr_parse(document, sizeof document - 1, NULL, &value, NULL));
    CHECK_OK(gr_to_json(gr_body(value), &tree));
    check_every_failure("parse", do_parse);
    check_every_failure("print", do_print);
    check_every_failure("print sorted", do_print_sorted);
    check_every_failure("compile", do_compile);
    check_every_failure("shape of", do_shape_of);
    check_every_failure("shape call", do_shape_call);
    check_every_failure("to json", do_to_json);
    check_every_failure("from json", do_from_json);
    check_every_failure("copy text", do_copy_text);
    check_every_failure("copy jansson", do_copy_jansson);
    json_decref(tree);
    gr_message_free(&value);
#else
    (void)check_every_failure, (void)do_parse, (void)do_print, (void)do_print_sorted, (void)do_compile,
        (void)do_shape_of;
    (void)do_shape_call, (void)do_to_json, (void)do_from_json, (void)do_copy_text, (void)do_copy_jansson;
#endif
}
