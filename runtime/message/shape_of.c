/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Shapes that nobody wrote: of a given value, and of calls. Both make text and compile it. */

#include "base/compiler.h"

#include <greenroom/shape.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { text_bytes_max = 65536 };

typedef struct writer {
    char *text;
    size_t bytes, room;
    int error;
} writer;

static void put(writer *w, const char *text, size_t bytes)
{
    if (w->error) return;
    if (w->bytes + bytes >= w->room) {
        size_t room = GRI_MAX(w->room * 2, w->bytes + bytes + 256);
        char *larger = realloc(w->text, room);
        w->error = !larger ? GR_ENOMEM : room > 4 * (size_t)text_bytes_max ? GR_ETOOBIG : 0;
        if (larger) w->text = larger;
        if (w->error) return;
        w->room = room;
    }
    memcpy(w->text + w->bytes, text, bytes);
    w->bytes += bytes;
    w->text[w->bytes] = '\0';
}

/* As a JSON string. */
static void put_string(writer *w, const char *text, size_t bytes)
{
    put(w, "\"", 1);
    for (size_t i = 0; i < bytes; i++) {
        char escape[8];
        unsigned char c = (unsigned char)text[i];
        if (c < 0x20 || c == '"' || c == '\\')
            put(w, escape, (size_t)snprintf(escape, sizeof escape, "\\u%04x", c));
        else
            put(w, text + i, 1);
    }
    put(w, "\"", 1);
}

static const char *scalar_shape(gr_type type)
{
    switch (type) {
    case GR_INT: return "int";
    case GR_DOUBLE: return "float";
    default: return gr_type_name(type); /* null, bool, string, bytes, address */
    }
}

/* A scalar's shape, or an opening bracket; an array's first element then stands for all. */
static bool begin(writer *w, gr_value value, gr_iter *ret_it)
{
    gr_type type = gr_type_of(value);
    if (type < GR_ARRAY) {
        put(w, scalar_shape(type), strlen(scalar_shape(type)));
        return false;
    }
    if (type == GR_ARRAY && gr_count(value) == 0) w->error = w->error ? w->error : GR_EINVAL;
    put(w, type == GR_ARRAY ? "[" : "{", 1);
    *ret_it = gr_iterate(value);
    return true;
}

static void write_shape(writer *w, gr_value value)
{
    gr_iter open[GR_SHAPE_DEPTH_MAX];
    bool array[GR_SHAPE_DEPTH_MAX], first = true;
    unsigned depth = 0;
    if (!begin(w, value, &open[0])) return;
    array[depth++] = gr_type_of(value) == GR_ARRAY;
    while (depth > 0 && !w->error) {
        gr_iter *it = &open[depth - 1];
        if ((array[depth - 1] && !first) || !gr_next(it)) {
            put(w, array[--depth] ? "]" : "}", 1);
            first = false;
            continue;
        }
        if (!first) put(w, ",", 1);
        first = false;
        if (!array[depth - 1]) {
            put_string(w, it->key, it->key_bytes);
            put(w, ":", 1);
        }
        gr_iter inside;
        gr_value element = it->value;
        if (!begin(w, element, &inside)) continue;
        if (depth == GR_SHAPE_DEPTH_MAX) {
            w->error = GR_EDEPTH;
            return;
        }
        array[depth] = gr_type_of(element) == GR_ARRAY;
        open[depth++] = inside;
        first = true;
    }
}

static int refuse(gr_detail *detail, int code, const char *why)
{
    if (detail) {
        memset(detail, 0, sizeof *detail);
        snprintf(detail->text, sizeof detail->text, "%s", why);
    }
    return code;
}

int gr_shape_of(gr_value value, gr_shape **ret_shape, gr_detail *ret_detail)
{
    if (gr_type_of(value) == GR_MISSING) return refuse(ret_detail, GR_EINVAL, "no value");
    writer w = {0};
    write_shape(&w, value);
    gr_shape *shape = NULL;
    if (w.error) {
        free(w.text);
        return refuse(ret_detail, w.error,
                      w.error == GR_EINVAL ? "an empty array does not say what its elements are"
                                           : gr_error_text(w.error));
    }
    int code = gr_shape_compile(w.text, &shape, ret_detail);
    free(w.text);
    if (code) return code;
    gr_detail why;
    if (gr_shape_explain(shape, value, (gr_value){NULL}, &why) != 0) {
        gr_shape_free(&shape);
        if (ret_detail) {
            memset(ret_detail, 0, sizeof *ret_detail);
            snprintf(ret_detail->text, sizeof ret_detail->text, "an array of mixed elements: %.200s", why.text);
        }
        return GR_EINVAL;
    }
    *ret_shape = shape;
    return 0;
}

int gr_shape_call(const char *method, gr_shape **ret_shape)
{
    writer w = {0};
    put(&w, "{\"call\":int,\"method\":", 21);
    if (method)
        put_string(&w, method, strlen(method));
    else
        put(&w, "string", 6);
    put(&w, ",\"address\":address,\"message\":any}", 33);
    int code = w.error ? w.error : gr_shape_compile(w.text, ret_shape, NULL);
    free(w.text);
    return code;
}
