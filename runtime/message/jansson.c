/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Both directions walk with a stack of their own: a few levels on the C stack, more in malloc'ed memory. */
#include "message/jansson.h"

#include "base/atomic.h"
#include "message/base64.h"
#include "message/build.h"
#include "message/value.h"

#include <stdlib.h>
#include <string.h>

enum { levels_inline = 16 };

/* Makes room for a level more: from the inline array to malloc'ed memory, and on. */
static bool grow(void **levels, void *inline_levels, unsigned *room, size_t level_bytes)
{
    unsigned larger = *room * 4;
    bool first = *levels == inline_levels;
    void *moved = realloc(first ? NULL : *levels, larger * level_bytes);
    if (!moved) return false;
    if (first) memcpy(moved, inline_levels, *room * level_bytes);
    *levels = moved;
    *room = larger;
    return true;
}

/* ---- from trees ---- */

typedef struct reading {
    json_t *container; /* never changed; jansson's iterators just take no const */
    void *iterator;    /* of an object */
    size_t index;      /* of an array */
} reading;

/* Puts {"_pyact_…": "text"} and says so. */
static bool put_reserved(gr_builder *b, json_t *object)
{
    void *iterator = json_object_iter(object);
    const char *key = json_object_iter_key(iterator);
    size_t key_bytes = json_object_iter_key_len(iterator);
    json_t *content = json_object_iter_value(iterator);
    if (!gri_key_is_reserved(key, key_bytes) || !json_is_string(content)) return false;
    const char *text = json_string_value(content);
    size_t bytes = json_string_length(content);
    if (key_bytes == strlen("_pyact_address")) {
        gr_put_address(b, gr_address_parse(text, bytes));
        return true;
    }
    unsigned char *data = malloc(bytes / 4 * 3 + 1);
    if (!data)
        gri_build_fail(b, GR_ENOMEM, gr_error_text(GR_ENOMEM));
    else if (gri_base64_parse(text, bytes, data, &bytes) != 0)
        gri_build_fail(b, GR_EINVAL, "\"_pyact_binary\" holds no canonical base64 with padding");
    else
        gr_put_bytes(b, data, bytes);
    free(data);
    return true;
}

/* A whole value, or the opening of a container that is left to be filled: then true. */
static bool begin_reading(gr_builder *b, const json_t *json, reading *ret_level)
{
    switch (json_typeof(json)) {
    case JSON_NULL: gr_put_null(b); return false;
    case JSON_TRUE: gr_put_bool(b, true); return false;
    case JSON_FALSE: gr_put_bool(b, false); return false;
    case JSON_INTEGER: gr_put_int(b, json_integer_value(json)); return false;
    case JSON_REAL: gr_put_double(b, json_real_value(json)); return false;
    case JSON_STRING: gr_put_string_n(b, json_string_value(json), json_string_length(json)); return false;
    case JSON_OBJECT:
    case JSON_ARRAY: break;
    }
    json_t *container = (json_t *)(uintptr_t)json;
    *ret_level = (reading){.container = container};
    if (json_is_array(json)) {
        gr_put_array(b);
        return true;
    }
    if (json_object_size(json) == 1 && put_reserved(b, container)) return false;
    gr_put_object(b);
    ret_level->iterator = json_object_iter(container);
    return true;
}

/* The next member or element; an object's key is put. NULL at the end. */
static const json_t *next_of(gr_builder *b, reading *level)
{
    if (json_is_array(level->container)) return json_array_get(level->container, level->index++);
    if (!level->iterator) return NULL;
    gr_put_key_n(b, json_object_iter_key(level->iterator), json_object_iter_key_len(level->iterator));
    const json_t *value = json_object_iter_value(level->iterator);
    level->iterator = json_object_iter_next(level->container, level->iterator);
    return value;
}

void gri_put_json(gr_builder *b, const json_t *json)
{
    reading inline_levels[levels_inline], *levels = inline_levels, level;
    unsigned depth = 0, room = levels_inline;
    if (!json) {
        gri_build_fail(b, GR_EINVAL, "NULL where a json_t belongs");
        return;
    }
    if (begin_reading(b, json, &level)) levels[depth++] = level;
    while (depth > 0 && b->error == 0) {
        const json_t *next = next_of(b, &levels[depth - 1]);
        if (!next) {
            gr_put_end(b);
            depth--;
        } else if (begin_reading(b, next, &level)) {
            if (depth == room && !grow((void **)&levels, inline_levels, &room, sizeof *levels))
                gri_build_fail(b, GR_ENOMEM, gr_error_text(GR_ENOMEM));
            else
                levels[depth++] = level;
        }
    }
    if (levels != inline_levels) free(levels);
}

int gr_from_json(const json_t *json, gr_message **ret_message, gr_detail *ret_detail)
{
    gr_builder b;
    gr_build(&b);
    gri_put_json(&b, json);
    int code = gr_build_message(&b, ret_message);
    if (code && ret_detail) gr_build_error(&b, ret_detail);
    return code;
}

/* ---- to trees ---- */

/* Set once before actors run, read by gr_to_json. */
static gri_atomic_ptr headroom_function;

void gri_jansson_headroom_set(size_t (*headroom)(void))
{
    /* mo:jansson.headroom_set release -> jansson.to_json acquire: what the function reads */
    gri_store_release(&headroom_function, (void *)headroom);
}

static json_t *text_object(const char *key, const char *text, size_t bytes)
{
    json_t *object = json_object();
    if (object && json_object_set_new_nocheck(object, key, json_stringn_nocheck(text, bytes)) == 0) return object;
    json_decref(object);
    return NULL;
}

static json_t *bytes_object(gr_value value)
{
    size_t bytes, text_bytes;
    const void *data = gr_bytes(value, &bytes);
    text_bytes = gri_base64_text_bytes(bytes);
    char *text = malloc(text_bytes + 1);
    if (!text) return NULL;
    gri_base64_print(data, bytes, text);
    json_t *object = text_object("_pyact_binary", text, text_bytes);
    free(text);
    return object;
}

static json_t *address_object(gr_value value)
{
    char text[GR_ADDRESS_TEXT_BYTES];
    return text_object("_pyact_address", gr_address_print(gr_address_in(value), text), GR_ADDRESS_TEXT_BYTES - 1);
}

/* A scalar, or an empty container; NULL: out of memory. */
static json_t *new_node(gr_value value)
{
    switch (gr_type_of(value)) {
    case GR_NULL: return json_null();
    case GR_BOOL: return json_boolean(gr_bool(value, false));
    case GR_INT: return json_integer(gr_int(value, 0));
    case GR_DOUBLE: return json_real(gr_double(value, 0));
    case GR_STRING: return json_stringn_nocheck(gr_string(value, ""), gr_string_bytes(value));
    case GR_BYTES: return bytes_object(value);
    case GR_ADDRESS: return address_object(value);
    case GR_ARRAY: return json_array();
    case GR_OBJECT: return json_object();
    default: return NULL;
    }
}

typedef struct writing {
    json_t *container;
    gr_iter it;
} writing;

static bool add(json_t *container, const gr_iter *it, json_t *node)
{
    if (!node) return false;
    /* Both steal the node, also when they fail. */
    if (it->key) return json_object_setn_new_nocheck(container, it->key, it->key_bytes, node) == 0;
    return json_array_append_new(container, node) == 0;
}

int gri_to_json_unchecked(gr_value value, json_t **ret_json)
{
    writing inline_levels[levels_inline], *levels = inline_levels;
    unsigned depth = 0, room = levels_inline;
    if (gr_type_of(value) == GR_MISSING) return GR_EINVAL;
    json_t *root = new_node(value);
    if (!root) return GR_ENOMEM;
    int code = 0;
    if (gr_count(value) > 0) levels[depth++] = (writing){root, gr_iterate(value)};
    while (depth > 0 && !code) {
        writing *level = &levels[depth - 1];
        if (!gr_next(&level->it)) {
            depth--;
            continue;
        }
        gr_value element = level->it.value;
        json_t *node = new_node(element);
        if (!add(level->container, &level->it, node))
            code = GR_ENOMEM;
        else if (gr_count(element) > 0 && depth == room &&
                 !grow((void **)&levels, inline_levels, &room, sizeof *levels))
            code = GR_ENOMEM;
        else if (gr_count(element) > 0)
            levels[depth++] = (writing){node, gr_iterate(element)};
    }
    if (levels != inline_levels) free(levels);
    if (code)
        json_decref(root);
    else
        *ret_json = root;
    return code;
}

int gr_to_json(gr_value value, json_t **ret_json)
{
    /* mo:jansson.to_json acquire <- jansson.headroom_set release */
    size_t (*headroom)(void) = (size_t(*)(void))gri_load_acquire(&headroom_function);
    if (gr_type_of(value) == GR_MISSING) return GR_EINVAL;
    if (headroom && GRI_JANSSON_STACK_BYTES(gri_value_depth(value.at)) > headroom()) return GR_EDEPTH;
    return gri_to_json_unchecked(value, ret_json);
}
