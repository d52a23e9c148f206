/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
#include "message/call_form.h"

#include "base/check.h"

/* ---- requests ---- */

static const unsigned char null_value[] = {GRI_TAG_NULL};

/* Header and number are filled in. */
static const unsigned char request_head[GRI_REQUEST_METHOD + 1] = "\0\0\0\0\0\0\0\0"
                                                                  "\4call\0"
                                                                  "\4\0\0\0\0\0\0\0\0"
                                                                  "\6method";
static const unsigned char request_tail[GRI_REQUEST_BETWEEN + 1] = "\7address\0"
                                                                   "\6\0\0\0\0\0\0\0\0"
                                                                   "\7message";

_Static_assert(GRI_TAG_INT == 4 && GRI_TAG_ADDRESS == 6, "as in the texts above");
_Static_assert(GRI_REQUEST_ID == GRI_CONTAINER_BYTES + sizeof "4call" - 1 + 1, "where the number is");

/* A key of seven bytes with its length in front, as one word. */
GRI_INLINE bool is_key_of_seven(const unsigned char *at, const char *packed)
{
    uint64_t word;
    memcpy(&word, packed, sizeof word);
    return gri_load64(at) == word;
}

void gri_request_write(gr_message *m, uint64_t id, const char *method, size_t method_bytes, gr_address caller)
{
    unsigned char *to = gri_message_room(m), *at = to + GRI_REQUEST_METHOD;
    memcpy(to, request_head, GRI_REQUEST_METHOD);
    gri_store64(to, gri_container_header(GRI_TAG_OBJECT, m->body_bytes, 4));
    gri_store64(to + GRI_REQUEST_ID + 1, id);
    if (GRI_LIKELY(method_bytes <= GRI_STRING_SHORT_MAX)) {
        *at++ = GRI_TAG_STRING;
        *at++ = (unsigned char)method_bytes;
    } else {
        *at++ = GRI_TAG_STRING_LONG;
        gri_store32(at, (uint32_t)method_bytes);
        at += 4;
    }
    gri_copy_short(at, method, method_bytes);
    at += method_bytes;
    *at++ = '\0';
    memcpy(at, request_tail, GRI_REQUEST_BETWEEN);
    gri_store64(at + 10, caller.id);
    GRI_FULL_ASSERT(gri_value_verify(to, m->body_bytes));
}

/* The value of the method, if the message is laid out as gri_request_write does it, with a name of up to 255 bytes. */
GRI_INLINE const unsigned char *our_method(const unsigned char *at)
{
    uint64_t word;
    memcpy(&word, "\6method", sizeof word);
    if (GRI_UNLIKELY(*at != GRI_TAG_OBJECT || gri_load32(at + 1) <= gri_request_before(0))) return NULL;
    const unsigned char *method = at + GRI_REQUEST_METHOD;
    return GRI_LIKELY(gri_load64(method - 8) == word && *method == GRI_TAG_STRING) ? method : NULL;
}

gr_value gri_request_method(const gr_message *m)
{
    gr_value body = {gri_message_at(m)};
    const unsigned char *method = our_method(body.at);
    return method ? (gr_value){method} : gr_get(body, "method");
}

gr_value gri_request_argument(const gr_message *m)
{
    gr_value body = {gri_message_at(m)};
    const unsigned char *method = our_method(body.at);
    if (GRI_LIKELY(method && gri_load32(body.at + 1) > gri_request_before(method[1]))) {
        const unsigned char *at = method + method[1] + 3;
        if (GRI_LIKELY(is_key_of_seven(at, "\7address") && at[9] == GRI_TAG_ADDRESS &&
                       is_key_of_seven(at + 18, "\7message")))
            return (gr_value){at + GRI_REQUEST_BETWEEN};
    }
    return gr_get(body, "message");
}

/* ---- answers ---- */

static const char *const answer_keys[] = {"message", "exception", "invalid_method"};

void gri_answer_write(gr_message *m, enum gri_message_kind kind, uint64_t id)
{
    static const unsigned char head[] = "\0\0\0\0\0\0\0\0"
                                        "\10response\0"
                                        "\4\0\0\0\0\0\0\0\0"
                                        "\7message";
    unsigned char *to = gri_message_room(m);
    if (GRI_LIKELY(kind == GRI_MESSAGE_REPLY)) {
        memcpy(to, head, 36);
    } else {
        const char *key = answer_keys[kind - GRI_MESSAGE_REPLY];
        memcpy(to, head, 27);
        (void)gri_key_write(to + 27, key, strlen(key));
    }
    gri_store64(to, gri_container_header(GRI_TAG_OBJECT, m->body_bytes, 2));
    gri_store64(to + 19, id);
    GRI_FULL_ASSERT(gri_value_verify(to, m->body_bytes));
}

gr_value gri_answer_value(const gr_message *m, enum gri_message_kind kind)
{
    const unsigned char *at = gri_message_at(m);
    if (GRI_LIKELY(kind == GRI_MESSAGE_REPLY && *at == GRI_TAG_OBJECT && gri_load32(at + 1) > gri_answer_before(kind) &&
                   at[18] == GRI_TAG_INT && is_key_of_seven(at + 27, "\7message")))
        return (gr_value){at + gri_answer_before(kind)};
    return gr_get((gr_value){at}, answer_keys[kind - GRI_MESSAGE_REPLY]);
}

/* ---- around a copy of a value ---- */

int gri_message_behind(size_t before, gr_value value, gr_message **ret_message)
{
    if (!value.at) value.at = null_value;
    size_t bytes = gri_value_size(value.at);
    if (bytes > GRI_VALUE_BYTES_MAX - before) return GR_ETOOBIG;
    /* A level takes a header, so small values need no walk. */
    if (1 + bytes / GRI_CONTAINER_BYTES > GRI_VALUE_DEPTH_MAX && gri_value_depth(value.at) >= GRI_VALUE_DEPTH_MAX)
        return GR_EDEPTH;
    gr_message *m = gri_message_new(before + bytes);
    if (GRI_UNLIKELY(!m)) return gri_message_no_memory();
    gri_copy_short(gri_message_room(m) + before, value.at, bytes);
    *ret_message = m;
    return 0;
}
