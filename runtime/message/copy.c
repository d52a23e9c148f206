/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
#include "message/copy.h"

#include "base/check.h"
#include "message/jansson.h"
#include "message/message.h"
#include "message/value.h"

#include <greenroom/text.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

static const char *const names[] = {"packed", "text", "jansson"};

bool gri_copy_mode_from(const char *name, gri_copy_mode *ret_mode)
{
    for (size_t i = 0; i < GRI_ARRAY_COUNT(names); i++) {
        if (strcmp(name, names[i]) == 0) {
            *ret_mode = (gri_copy_mode)i;
            return true;
        }
    }
    return false;
}

const char *gri_copy_mode_name(gri_copy_mode mode)
{
    return names[mode];
}

static int through_text(gr_value value, gr_message **ret_copy)
{
    size_t bytes;
    char *text = gr_print_new(value, NULL, &bytes);
    if (!text) return GR_ENOMEM;
    int code = gr_parse(text, bytes, NULL, ret_copy, NULL);
    free(text);
    return code;
}

/* The dump of a tree, loaded again. *ret_nul_in_key says that jansson could not for a key. */
static json_t *dump_and_load(const json_t *tree, bool *ret_nul_in_key)
{
    const size_t dump = JSON_COMPACT | JSON_ENCODE_ANY;
    size_t bytes = json_dumpb(tree, NULL, 0, dump);
    char *text = bytes ? malloc(bytes) : NULL;
    json_t *again = NULL;
    json_error_t error;
    *ret_nul_in_key = false;
    if (text && json_dumpb(tree, text, bytes, dump) == bytes) {
        again = json_loadb(text, bytes, JSON_DECODE_ANY | JSON_ALLOW_NUL, &error);
        *ret_nul_in_key = !again && json_error_code(&error) == json_error_null_byte_in_key;
    }
    free(text);
    return again;
}

typedef struct trip {
    gr_value value;
    gr_message *copy;
    int code;
    bool nul_in_key;
} trip;

static void *take_trip(void *arg)
{
    trip *t = arg;
    json_t *tree = NULL, *again = NULL;
    t->code = gri_to_json_unchecked(t->value, &tree);
    if (t->code) return NULL;
    again = dump_and_load(tree, &t->nul_in_key);
    t->code = again ? gr_from_json(again, &t->copy, NULL) : GR_ENOMEM;
    json_decref(tree);
    json_decref(again);
    return NULL;
}

static int trip_on_a_thread(trip *t, unsigned depth)
{
    pthread_attr_t attributes;
    pthread_t thread;
    if (pthread_attr_init(&attributes) != 0) return GR_ENOMEM;
    size_t stack_bytes = 65536 + 2 * GRI_JANSSON_STACK_BYTES(depth); /* sanitizers' frames are larger */
    int error = pthread_attr_setstacksize(&attributes, (stack_bytes + 4095) / 4096 * 4096);
    if (!error) error = pthread_create(&thread, &attributes, take_trip, t);
    pthread_attr_destroy(&attributes);
    if (error) return GR_ENOMEM;
    pthread_join(thread, NULL);
    return t->code;
}

static int through_jansson(gr_value value, gr_message **ret_copy)
{
    trip t = {.value = value};
    unsigned depth = gri_value_depth(value.at);
    int code;
    if (depth <= GRI_COPY_JANSSON_DEPTH) {
        take_trip(&t);
        code = t.code;
    } else {
        code = trip_on_a_thread(&t, depth);
    }
    if (code == 0) *ret_copy = t.copy;
    return t.nul_in_key ? through_text(value, ret_copy) : code;
}

/* The envelope of `from` on the body of *copy. */
static int keep_envelope(const gr_message *from, gr_message **copy)
{
    gr_message *to = *copy;
    if (from->trailer_bytes) {
        gr_message *roomy = gri_message_new_with_trailer(to->body_bytes, from->trailer_bytes);
        if (!roomy) return gri_message_no_memory();
        memcpy(gri_message_room(roomy), gri_message_at(to), to->body_bytes);
        memcpy(gri_message_trailer(roomy), gri_message_trailer((gr_message *)(uintptr_t)from), from->trailer_bytes);
        gr_message_free(copy);
        *copy = to = roomy;
        to->flags |= from->flags & GRI_MESSAGE_TRACED;
    }
    to->sender = from->sender;
    to->reference = from->reference;
    to->kind = from->kind;
    to->tick = from->tick;
    to->generation = from->generation;
    return 0;
}

int gri_copy_through(gri_copy_mode mode, gr_message **message)
{
    gr_message *from = *message, *copy = NULL;
    if (mode == GRI_COPY_PACKED || (from->flags & GRI_MESSAGE_EMBEDDED)) return 0;
    gr_value body = gr_body(from);
    int code = mode == GRI_COPY_TEXT ? through_text(body, &copy) : through_jansson(body, &copy);
    if (!code) code = keep_envelope(from, &copy);
    if (code) {
        gr_message_free(&copy);
        return code;
    }
    GRI_FULL_ASSERT(gr_equal(body, gr_body(copy)));
    gr_message_free(message);
    *message = copy;
    return 0;
}
