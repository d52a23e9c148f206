/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* JSON text: what is accepted is well-formed, prints, reads back equal in every way there is, and is what jansson reads; what
 * is refused jansson refuses too, but for what is meant to differ. */
#include "base/check.h"
#include "message/jansson.h"
#include "message/message.h"
#include "message/value.h"

#include <greenroom/text.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static void check_print(gr_value value, const gr_print_options *options)
{
    size_t length, needed;
    gr_message *again = NULL;
    char *text = gr_print_new(value, options, &length), *buffer = malloc(length + 1);
    GRI_ASSERT(text && buffer && strlen(text) == length);
    GRI_ASSERT(gr_print(value, options, buffer, length + 1, &needed) == 0 && needed == length);
    GRI_ASSERT(memcmp(text, buffer, length + 1) == 0);
    GRI_ASSERT(gr_print(value, options, buffer, length / 2, &needed) == GR_ETOOBIG && needed == length);
    GRI_ASSERT(length / 2 == 0 || memcmp(text, buffer, length / 2 - 1) == 0);
    GRI_ASSERT(gr_parse(text, length, NULL, &again, NULL) == 0 && gr_equal(gr_body(again), value));
    gr_message_free(&again);
    free(buffer);
    free(text);
}

static void check_tree(gr_value value)
{
    json_t *tree = NULL;
    gr_message *again = NULL;
    GRI_ASSERT(gri_to_json_unchecked(value, &tree) == 0);
    GRI_ASSERT(gr_from_json(tree, &again, NULL) == 0 && gr_equal(gr_body(again), value));
    gr_message_free(&again);
    json_decref(tree);
}

static void check_good(gr_message *m, const char *text, size_t bytes)
{
    gr_value value = gr_body(m);
    GRI_ASSERT(gri_value_verify(value.at, gr_value_bytes(value)));
    check_print(value, NULL);
    check_print(value, &(gr_print_options){.ascii = true});
    check_print(value, &(gr_print_options){.indent = 3, .sorted = true});
    check_tree(value);
    size_t room = 5 * bytes + 16;
    unsigned char *storage = malloc(room);
    gr_value stored;
    GRI_ASSERT(storage && gr_parse_into(text, bytes, NULL, storage, room, &stored, NULL) == 0);
    GRI_ASSERT(gr_equal(value, stored));
    free(storage);
}

static void check_against_jansson(const char *text, size_t bytes, int code, gr_value value)
{
    json_error_t error;
    json_t *tree = json_loadb(text, bytes, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &error);
    if (code == 0 && !tree) GRI_ASSERT(json_error_code(&error) == json_error_null_byte_in_key);
    /* GR_EINVAL: reserved keys; GR_EDEPTH: jansson goes on. It also takes a NUL byte behind a value for the end. */
    if ((code == GR_ESYNTAX || code == GR_ERANGE) && !memchr(text, 0, bytes)) GRI_ASSERT(!tree);
    gr_message *from_tree = NULL;
    if (code == 0 && tree) GRI_ASSERT(gr_from_json(tree, &from_tree, NULL) == 0 && gr_equal(gr_body(from_tree), value));
    gr_message_free(&from_tree);
    json_decref(tree);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    const char *text = (const char *)data;
    gr_message *m = NULL;
    gr_detail detail = {0};
    int code = gr_parse(text, bytes, NULL, &m, &detail);
    GRI_ASSERT((code == 0) == (m != NULL));
    if (code) {
        GRI_ASSERT(detail.text[0] && detail.byte <= bytes && detail.line > 0 && detail.column > 0);
        GRI_ASSERT(memchr(detail.text, 0, sizeof detail.text) != NULL);
    } else {
        check_good(m, text, bytes);
    }
    check_against_jansson(text, bytes, code, m ? gr_body(m) : (gr_value){NULL});
    gr_message_free(&m);
    return 0;
}
