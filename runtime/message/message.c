/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
#include "message/message.h"

#include "message/hold.h"

#include "base/atomic.h"
#include "base/bits.h"
#include "base/check.h"
#include "memory/heap.h"
#include "message/value.h"

/* A shared body is the block of the message it came in: the bytes stay where they are, the count takes the place of the
 * envelope.
 *
 * references: written by everybody who clones or frees; publishes nothing on the way up (whoever clones holds a reference,
 * which was published to it). */
struct gri_body {
    gri_atomic_u32 references;
    unsigned char unused[GRI_MESSAGE_HEAD_BYTES - sizeof(gri_atomic_u32)];
    unsigned char bytes[];
};

_Static_assert(offsetof(struct gri_body, bytes) == GRI_MESSAGE_HEAD_BYTES,
               "a body stays in place when it becomes shared");

gr_message *gri_message_new(size_t body_bytes)
{
    if (GRI_UNLIKELY(body_bytes > GRI_VALUE_BYTES_MAX)) return NULL;
    size_t bytes = GRI_MESSAGE_HEAD_BYTES + body_bytes;
    gr_message *m = gri_block_alloc(GRI_MAX(bytes, sizeof *m));
    if (GRI_LIKELY(m != NULL)) gri_message_init(m, (uint32_t)body_bytes);
    return m;
}

int gri_message_no_memory(void)
{
    return gri_heap_over_limit() ? GR_EFULL : GR_ENOMEM;
}

gr_message *gri_message_new_with_trailer(size_t body_bytes, size_t trailer_bytes)
{
    GRI_ASSERT(trailer_bytes % 8 == 0 && trailer_bytes <= UINT16_MAX);
    size_t room = gri_align_up(GRI_MAX(body_bytes, (size_t)GRI_MESSAGE_INLINE_BYTES), 8);
    gr_message *m = gri_message_new(room + trailer_bytes);
    if (!m) return NULL;
    m->body_bytes = (uint32_t)body_bytes;
    m->trailer_bytes = (uint16_t)trailer_bytes;
    memset(gri_message_room(m) + room, 0, trailer_bytes);
    return m;
}

void *gri_message_trailer(gr_message *m)
{
    if (m->trailer_bytes == 0) return NULL;
    const size_t inside = m->flags & GRI_MESSAGE_OUTSIDE ? 0 : m->body_bytes;
    size_t room = gri_align_up(GRI_MAX(inside, (size_t)GRI_MESSAGE_INLINE_BYTES), 8);
    return gri_message_room(m) + room;
}

void gri_message_init_embedded(gr_message *m, gr_value body, void (*release)(gr_message *message))
{
    gri_message_init(m, (uint32_t)gr_value_bytes(body));
    m->flags = GRI_MESSAGE_OUTSIDE | GRI_MESSAGE_EMBEDDED;
    m->outside.at = body.at;
    m->outside.holder = NULL;
    m->outside.release = release;
}

static void body_unref(gri_body *body)
{
    /* Alone: nobody can clone from a body that only we hold, so what we read is the truth. */
    /* mo:body.last acquire <- body.unref release: the readers are done */
    if (gri_load_acquire(&body->references) != 1) {
        /* mo:body.unref release -> body.last acquire: the readers are done */
        if (gri_sub_release(&body->references, 1) != 1) return;
        /* mo:body.last acquire <- body.unref release: the readers are done */
        (void)gri_load_acquire(&body->references);
    }
    gri_block_free(body);
}

/* The shared body of an envelope, or NULL. */
static gri_body *holder_of(const gr_message *m)
{
    return (m->flags & (GRI_MESSAGE_OUTSIDE | GRI_MESSAGE_WITHIN)) == GRI_MESSAGE_OUTSIDE ? m->outside.holder : NULL;
}

GRI_NOINLINE void gri_message_release_outside(gr_message *m)
{
    if (m->flags & GRI_MESSAGE_WITHIN) {
        gri_block_free(m);
        return;
    }
    void (*release)(gr_message *) = m->flags & GRI_MESSAGE_EMBEDDED ? m->outside.release : NULL;
    if (m->outside.holder) body_unref(m->outside.holder);
    if (release) {
        release(m);
    } else {
        gri_block_free(m);
    }
}

void (*gri_message_held_free)(gr_message *m);

void gr_message_free(gr_message **message)
{
    if (!message || !*message) return;
    gr_message *m = *message;
    *message = NULL;
    if (m->flags & GRI_MESSAGE_HELD)
        gri_message_held_free(m);
    else
        gri_message_release(m);
}

gr_value gr_body(const gr_message *message)
{
    if (GRI_UNLIKELY(!message)) return (gr_value){NULL};
    return (gr_value){gri_message_at(message)};
}

gr_address gr_sender(const gr_message *message)
{
    return message ? message->sender : GR_NO_ADDRESS;
}

int gr_message_copy(gr_value value, gr_message **ret_message)
{
    if (!value.at) return GR_EINVAL;
    size_t bytes = gr_value_bytes(value);
    gr_message *m = gri_message_new(bytes);
    if (!m) return gri_message_no_memory();
    memcpy(gri_message_room(m), value.at, bytes);
    *ret_message = m;
    return 0;
}

int gri_message_add_trailer(gr_message **message, size_t trailer_bytes)
{
    gr_message *from = *message;
    GRI_ASSERT(from->trailer_bytes == 0 && !(from->flags & (GRI_MESSAGE_EMBEDDED | GRI_MESSAGE_HELD)));
    const bool shared = (from->flags & GRI_MESSAGE_OUTSIDE) && from->outside.holder;
    gr_message *to = gri_message_new_with_trailer(shared ? 0 : from->body_bytes, trailer_bytes);
    if (!to) return gri_message_no_memory();
    if (shared) { /* the reference moves over */
        to->outside = from->outside;
        to->flags = GRI_MESSAGE_OUTSIDE;
        to->body_bytes = from->body_bytes;
        from->outside.holder = NULL;
    } else {
        memcpy(gri_message_room(to), gri_message_at(from), from->body_bytes);
    }
    to->sender = from->sender;
    to->reference = from->reference;
    to->kind = from->kind;
    to->tick = from->tick;
    to->generation = from->generation;
    gr_message_free(message);
    *message = to;
    return 0;
}

/* ---- shared bodies ---- */

/* Who sent it and what it is; where the body is stays as it is in `to`. */
static void take_head(gr_message *to, const gr_message *from)
{
    to->sender = from->sender;
    to->reference = from->reference;
    to->kind = from->kind;
}

/* A body in a record that is not ours, or a message that its receiver's list knows: only a copy of it can be shared. */
static int share_copy(gr_message **message)
{
    gr_message *copy = NULL;
    int code = gr_message_copy(gr_body(*message), &copy);
    if (!code) {
        take_head(copy, *message);
        code = gri_message_share(&copy);
    }
    if (code) {
        gr_message_free(&copy);
        return code;
    }
    gr_message_free(message);
    *message = copy;
    return 0;
}

int gri_message_share(gr_message **message)
{
    gr_message *m = *message;
    bool outside = m->flags & GRI_MESSAGE_OUTSIDE;
    if (outside ? holder_of(m) != NULL : m->body_bytes <= GRI_MESSAGE_INLINE_BYTES) return 0;
    if (outside || (m->flags & GRI_MESSAGE_HELD)) return share_copy(message);
    gr_message *envelope = gri_message_new(0);
    if (!envelope) return gri_message_no_memory();
    take_head(envelope, m);
    envelope->body_bytes = m->body_bytes;
    envelope->flags = GRI_MESSAGE_OUTSIDE;
    gri_body *body = (gri_body *)(void *)m;
    gri_atomic_init(&body->references, 1);
    envelope->outside.at = body->bytes;
    envelope->outside.holder = body;
    envelope->outside.release = NULL;
    *message = envelope;
    return 0;
}

int gri_message_clone_envelope(const gr_message *message, gr_message **ret_clone)
{
    if (!holder_of(message)) return gr_message_copy(gr_body(message), ret_clone);
    gr_message *clone = gri_message_new(0);
    if (!clone) return gri_message_no_memory();
    clone->flags = GRI_MESSAGE_OUTSIDE;
    clone->body_bytes = message->body_bytes;
    clone->outside = message->outside;
    clone->outside.release = NULL;
    /* Relaxed: we hold a reference through `message`, so the body cannot go away; publishes nothing. */
    (void)gri_add_relaxed(&message->outside.holder->references, 1u);
    *ret_clone = clone;
    return 0;
}

void gri_message_embed_shared(gr_message *m, const gr_message *source)
{
    GRI_ASSERT((source->flags & GRI_MESSAGE_OUTSIDE) && source->outside.holder);
    GRI_ASSERT((m->flags & GRI_MESSAGE_EMBEDDED) && !m->outside.holder);
    m->body_bytes = source->body_bytes;
    m->outside.at = source->outside.at;
    m->outside.holder = source->outside.holder;
    /* relaxed: as in gri_message_clone_envelope */
    (void)gri_add_relaxed(&m->outside.holder->references, 1u);
}

void gri_message_embed_within(gr_message *m, gr_value value)
{
    GRI_ASSERT((m->flags & GRI_MESSAGE_EMBEDDED) && !m->outside.holder);
    unsigned char *to = (unsigned char *)m + offsetof(struct gr_message, outside.holder);
    const size_t bytes = gri_value_size(value.at);
    m->flags |= GRI_MESSAGE_WITHIN;
    m->body_bytes = (uint32_t)bytes;
    m->outside.at = memcpy(to, value.at, bytes);
}

void gri_message_narrow(gr_message *m, gr_value part)
{
    size_t bytes = gri_value_size(part.at);
    const unsigned char *room = gri_message_room(m);
    if (m->flags & GRI_MESSAGE_OUTSIDE) {
        m->outside.at = part.at;
    } else if (part.at >= room + sizeof m->outside) {
        /* It stays where it is; what says so has room in front of it. */
        m->flags |= GRI_MESSAGE_OUTSIDE;
        m->outside.at = part.at;
        m->outside.holder = NULL;
        m->outside.release = NULL;
    } else {
        memmove(gri_message_room(m), part.at, bytes);
    }
    m->body_bytes = (uint32_t)bytes;
    m->trailer_bytes = 0;
    m->flags &= (uint8_t)~GRI_MESSAGE_TRACED;
}
