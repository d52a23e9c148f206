/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* The envelope: what travels through mailboxes.
 *
 * A block of gri_block_alloc, 64-byte aligned. Its first cache line:
 *
 *   byte  field
 *   0     node            the mailbox's link
 *   8     sender          address, 0 if nobody
 *   16    reference       of the call it asks or answers, of the monitor or timer it comes from; 0 if none
 *   24    kind            enum gri_message_kind
 *   25    flags           GRI_MESSAGE_*
 *   26    trailer_bytes   of the trailer behind the body; 0 almost always
 *   28    body_bytes
 *   32    tick            coarse time of the push, in milliseconds; with GRI_MESSAGE_TIMED exact, in microseconds
 *   36    generation      of the receiver it is meant for
 *         or, once it was received (GRI_MESSAGE_HELD):
 *   32    held_prev       link of the receiver's list, as node is
 *   40    body            24 bytes, more behind them in the same block (a value of 24 bytes or less takes one line in all)
 *         or, with GRI_MESSAGE_OUTSIDE: where the body is, and who holds it:
 *   40      at            the packed bytes
 *   48      holder        a reference-counted body that several envelopes share, or NULL
 *   56      release       with GRI_MESSAGE_EMBEDDED: what to call instead of freeing the block
 *         or, with GRI_MESSAGE_WITHIN too: the body, as far as the record has room
 *
 * Who may do what: a message has one owner; he alone writes the envelope, and only before he pushes it. The push publishes
 * it (mo:mailbox.*). A shared body is written before the first clone exists and read-only from then on; its count is the
 * only field that several threads touch.
 *
 * gri_message_free may be called by any thread (the block goes home to its heap). */
#ifndef GRI_MESSAGE_MESSAGE_H
#define GRI_MESSAGE_MESSAGE_H

#include "base/compiler.h"
#include "sync/mailword.h"

#include <greenroom/message.h>
#include <string.h>

enum gri_message_kind {
    GRI_MESSAGE_CAST,
    GRI_MESSAGE_CALL,
    GRI_MESSAGE_REPLY, /* from here on: answers to `reference` */
    GRI_MESSAGE_REPLY_EXCEPTION,
    GRI_MESSAGE_REPLY_INVALID_METHOD,
    GRI_MESSAGE_REPLY_KILLED, /* to a wait */
    GRI_MESSAGE_REPLY_FULL,   /* the receiver's full mailbox has dropped the call */
    GRI_MESSAGE_REPLY_DEAD,   /* the last of the answers */
    GRI_MESSAGE_EXIT,         /* of a linked actor */
    GRI_MESSAGE_DOWN,         /* of a monitored actor */
    GRI_MESSAGE_TIMER,
    GRI_MESSAGE_CONTROL, /* the runtime's own, never seen by actors; the next one, too */
    GRI_MESSAGE_BELL,    /* of a bounded mailbox */
    GRI_MESSAGE_KINDS,
};

enum gri_message_flag {
    GRI_MESSAGE_OUTSIDE = 1,  /* the body is elsewhere */
    GRI_MESSAGE_HELD = 4,     /* in its receiver's list of what it has received and not freed (hold.h) */
    GRI_MESSAGE_EMBEDDED = 2, /* the envelope is part of a bigger record: release() instead of freeing */
    GRI_MESSAGE_TIMED = 8,    /* how long it waits in the mailbox is measured; taken off when it is received */
    GRI_MESSAGE_TRACED = 16,  /* the trailer is a trace context (actor/trace.h) */
    GRI_MESSAGE_WITHIN = 32,  /* with both: the body is in the record itself, which is a block */
};

#define GRI_MESSAGE_INLINE_BYTES 24
#define GRI_MESSAGE_HEAD_BYTES 40

typedef struct gri_body gri_body;

struct gr_message {
    gri_mailnode node;
    gr_address sender;
    uint64_t reference;
    uint8_t kind, flags;
    uint16_t trailer_bytes;
    uint32_t body_bytes;
    union {
        struct {
            uint32_t tick, generation; /* on its way */
        };
        gr_message *held_prev; /* received: see hold.h */
    };
    union {
        unsigned char body[GRI_MESSAGE_INLINE_BYTES];
        struct {
            const unsigned char *at;
            gri_body *holder;
            void (*release)(gr_message *message);
        } outside;
    };
};

_Static_assert(sizeof(struct gr_message) == GRI_CACHE_LINE, "an envelope is one cache line");
_Static_assert(offsetof(struct gr_message, body) == GRI_MESSAGE_HEAD_BYTES, "the body follows the head");

/* The packed bytes, and the room for them in a message whose body is inside. */
GRI_INLINE const unsigned char *gri_message_at(const gr_message *m)
{
    return GRI_UNLIKELY(m->flags & GRI_MESSAGE_OUTSIDE) ? m->outside.at
                                                        : (const unsigned char *)m + GRI_MESSAGE_HEAD_BYTES;
}
GRI_INLINE unsigned char *gri_message_room(gr_message *m)
{
    return (unsigned char *)m + GRI_MESSAGE_HEAD_BYTES;
}
GRI_INLINE gr_message *gri_message_of_node(gri_mailnode *node)
{
    return GRI_CONTAINER_OF(node, gr_message, node);
}
/* A cast or a call that nothing is to be done about when it is taken out. */
GRI_INLINE bool gri_message_is_usual(const gr_message *m)
{
    uint16_t head; /* kind and flags: one look */
    memcpy(&head, &m->kind, sizeof head);
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    return (head & (0xff | (GRI_MESSAGE_TIMED | GRI_MESSAGE_TRACED) << 8)) <= GRI_MESSAGE_CALL;
#else
    return m->kind <= GRI_MESSAGE_CALL && !(m->flags & (GRI_MESSAGE_TIMED | GRI_MESSAGE_TRACED));
#endif
}
/* The same of a message of any kind. */
GRI_INLINE bool gri_message_is_special(const gr_message *m)
{
    return (m->flags & (GRI_MESSAGE_TIMED | GRI_MESSAGE_TRACED)) != 0;
}
GRI_INLINE uint32_t gri_message_tick(const gr_message *m)
{
    return m->tick;
}

/* Sets every field of a fresh envelope: a cast from nobody with `body_bytes` bytes of body inside. */
GRI_INLINE void gri_message_init(gr_message *m, uint32_t body_bytes)
{
    m->node.link = NULL;
    m->sender = GR_NO_ADDRESS;
    m->reference = 0;
    m->kind = GRI_MESSAGE_CAST;
    m->flags = 0;
    m->trailer_bytes = 0;
    m->body_bytes = body_bytes;
    m->tick = 0;
    m->generation = 0;
}

/* A message with room for `body_bytes` bytes, which the caller writes (gri_message_room). NULL: out of memory, or over the
 * message limit: gri_message_no_memory() says which, GR_ENOMEM or GR_EFULL. */
gr_message *gri_message_new(size_t body_bytes);
int gri_message_no_memory(void);

/* As gri_message_new, with a trailer of zeroed bytes (a multiple of 8, at most 65,528), 8-byte aligned. */
gr_message *gri_message_new_with_trailer(size_t body_bytes, size_t trailer_bytes);
void *gri_message_trailer(gr_message *m); /* NULL if there is none */

/* Gives a message that has no trailer one of zeroed bytes, by putting another in its place; not one that is held, or embedded.
 * GR_ENOMEM, GR_EFULL: *message is as before. */
GR_MUST_CHECK int gri_message_add_trailer(gr_message **message, size_t trailer_bytes);

/* A body that is part of a bigger record, envelope included: nothing is allocated, and gr_message_free calls `release`.
 * The bytes must stay as they are until then. */
void gri_message_init_embedded(gr_message *m, gr_value body, void (*release)(gr_message *message));

/* Gives an envelope that is part of a bigger record (gri_message_init_embedded) the body of `source`, which
 * gri_message_share prepared and that is larger than GRI_MESSAGE_INLINE_BYTES: a reference is taken. Cannot fail. */
void gri_message_embed_shared(gr_message *m, const gr_message *source);

/* Gives such an envelope, at the beginning of a record that is a block, a copy of the value, written over the record from
 * outside.holder on: the record is a message then and nothing else, as far as the value reaches. Cannot fail. */
void gri_message_embed_within(gr_message *m, gr_value value);

/* Makes `part`, a value inside the message's body, the whole body. The trailer goes. */
void gri_message_narrow(gr_message *m, gr_value part);

/* Makes the body fit for sharing: afterwards each clone costs one envelope of 64 bytes. Bodies that fit an envelope stay
 * where they are (a clone copies them). On failure (GR_ENOMEM, GR_EFULL) *message is as before. Trailers are dropped. */
GR_MUST_CHECK int gri_message_share(gr_message **message);
/* Another envelope (a cast from nobody) on the body of a message that gri_message_share prepared. Any thread that may read
 * `message` may do this. */
GR_MUST_CHECK int gri_message_clone_envelope(const gr_message *message, gr_message **ret_clone);

#endif
