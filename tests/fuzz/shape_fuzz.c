/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Shapes: the input is a shape, a NUL or newline, a value, and maybe another one and parameters. Matching and explaining
 * agree, a shape's text is the same shape, a value has the shape that is made of it. */
#include "base/check.h"

#include <greenroom/shape.h>
#include <greenroom/text.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static const char *part_end(const char *at, const char *end)
{
    while (at < end && *at != '\n' && *at != '\0') at++;
    return at;
}

static gr_message *next_value(const char **at, const char *end)
{
    gr_message *m = NULL;
    const char *stop = part_end(*at, end);
    if (gr_parse(*at, (size_t)(stop - *at), NULL, &m, NULL) != 0) m = NULL;
    *at = stop < end ? stop + 1 : end;
    return m;
}

static void check_match(const gr_shape *shape, gr_value value, gr_value params)
{
    gr_detail detail = {0};
    int code = gr_shape_explain(shape, value, params, &detail);
    GRI_ASSERT(gr_shape_match(shape, value, params) == (code == 0));
    GRI_ASSERT((code == 0) == (detail.text[0] == '\0') && memchr(detail.text, 0, sizeof detail.text));
}

static void check_of(gr_value value)
{
    gr_shape *shape = NULL;
    gr_detail detail = {0};
    if (gr_shape_of(value, &shape, &detail) == 0)
        GRI_ASSERT(gr_shape_match(shape, value, (gr_value){NULL}));
    else
        GRI_ASSERT(detail.text[0] && !shape);
    gr_shape_free(&shape);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    const char *at = (const char *)data, *end = at + bytes, *stop = part_end(at, end);
    char *text = malloc((size_t)(stop - at) + 1);
    GRI_ASSERT(text != NULL);
    memcpy(text, at, (size_t)(stop - at));
    text[stop - at] = '\0';
    at = stop < end ? stop + 1 : end;
    gr_shape *shape = NULL, *again = NULL;
    gr_detail detail = {0};
    int code = gr_shape_compile(text, &shape, &detail);
    GRI_ASSERT((code == 0) == (shape != NULL) && (code == 0) == (detail.text[0] == '\0'));
    gr_message *value = next_value(&at, end), *params = next_value(&at, end);
    if (shape) {
        GRI_ASSERT(gr_shape_compile(gr_shape_text(shape), &again, &detail) == 0);
        GRI_ASSERT(strcmp(gr_shape_text(again), gr_shape_text(shape)) == 0);
        if (value) {
            gr_value bound = params ? gr_body(params) : (gr_value){NULL};
            check_match(shape, gr_body(value), bound);
            GRI_ASSERT(gr_shape_match(shape, gr_body(value), bound) == gr_shape_match(again, gr_body(value), bound));
        }
    }
    if (value) check_of(gr_body(value));
    gr_message_free(&params);
    gr_message_free(&value);
    gr_shape_free(&again);
    gr_shape_free(&shape);
    free(text);
    return 0;
}
