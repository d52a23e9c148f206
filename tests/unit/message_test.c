/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Envelopes: layout, freeing on every path, sharing, trailers, bodies inside other records. */
#include "message/hold.h"
#include "message/message.h"
#include "message/value.h"
#include "support/test.h"

#include <greenroom/build.h>
#include <greenroom/pack.h>

#include <pthread.h>

TEST(message, head_is_laid_out_as_written)
{
    CHECK_EQ(offsetof(gr_message, node), 0);
    CHECK_EQ(offsetof(gr_message, sender), 8);
    CHECK_EQ(offsetof(gr_message, reference), 16);
    CHECK_EQ(offsetof(gr_message, kind), 24);
    CHECK_EQ(offsetof(gr_message, flags), 25);
    CHECK_EQ(offsetof(gr_message, trailer_bytes), 26);
    CHECK_EQ(offsetof(gr_message, body_bytes), 28);
    CHECK_EQ(offsetof(gr_message, tick), 32);
    CHECK_EQ(offsetof(gr_message, generation), 36);
    gr_message *m = gri_message_new(5);
    CHECK_EQ((uintptr_t)m % 64, 0);
    CHECK(m->kind == GRI_MESSAGE_CAST && m->flags == 0 && m->reference == 0 && m->body_bytes == 5 && m->tick == 0);
    CHECK(gri_message_of_node(&m->node) == m);
    CHECK_EQ(gri_message_tick(m), 0);
    gr_message_free(&m);
}

TEST(message, free_is_right_on_every_path)
{
    gr_message *none = NULL;
    gr_message_free(NULL);
    gr_message_free(&none);
    CHECK(gr_body(NULL).at == NULL);
    CHECK_EQ(gr_sender(NULL).id, 0);
    gr_message *m = NULL;
    CHECK_OK(gr_pack(&m, "i", 5));
    m->sender = (gr_address){8};
    CHECK_EQ(gr_sender(m).id, 8);
    gr_message_free(&m);
    CHECK(m == NULL);
    gr_message_free(&m);
}

TEST(message, copies_any_value)
{
    gr_message *m = NULL, *copy = NULL;
    CHECK_OK(gr_pack(&m, "{s:[i,i], s:s}", "xs", 1, 2, "text", "a text that takes more than what is inline"));
    CHECK_OK(gr_message_copy(gr_get(gr_body(m), "text"), &copy));
    CHECK_STR(gr_string(gr_body(copy), ""), "a text that takes more than what is inline");
    gr_message_free(&copy);
    CHECK_EQ(gr_message_copy((gr_value){NULL}, &copy), GR_EINVAL);
    CHECK(copy == NULL);
    CHECK(gri_message_new(GRI_VALUE_BYTES_MAX + 1) == NULL);
    gr_message_free(&m);
}

TEST(message, trailers_lie_behind_any_body)
{
    for (size_t body = 0; body < 200; body++) {
        gr_message *m = gri_message_new_with_trailer(body, 24);
        CHECK_EQ(m->body_bytes, body);
        unsigned char *trailer = gri_message_trailer(m);
        CHECK_EQ((uintptr_t)trailer % 8, 0);
        CHECK(trailer >= gri_message_room(m) + body);
        for (int i = 0; i < 24; i++) CHECK_EQ(trailer[i], 0);
        memset(trailer, 0xee, 24);
        memset(gri_message_room(m), 0x11, body);
        for (int i = 0; i < 24; i++) CHECK_EQ(trailer[i], 0xee);
        gr_message_free(&m);
    }
    gr_message *m = gri_message_new(10);
    CHECK(gri_message_trailer(m) == NULL);
    gr_message_free(&m);
}

static void check_shared(gr_message *m, const char *text)
{
    gr_message *clones[5], *last = NULL;
    m->sender = (gr_address){3};
    m->reference = 4;
    m->kind = GRI_MESSAGE_CALL;
    CHECK_OK(gri_message_share(&m));
    CHECK(m->sender.id == 3 && m->reference == 4 && m->kind == GRI_MESSAGE_CALL);
    CHECK_OK(gri_message_share(&m)); /* again: nothing to do */
    for (int i = 0; i < 5; i++) {
        CHECK_OK(gri_message_clone_envelope(m, &clones[i]));
        CHECK(clones[i]->sender.id == 0 && clones[i]->kind == GRI_MESSAGE_CAST && clones[i]->reference == 0);
        CHECK_EQ(clones[i]->body_bytes, m->body_bytes);
        if (m->body_bytes > GRI_MESSAGE_INLINE_BYTES) CHECK(gr_body(clones[i]).at == gr_body(m).at);
    }
    CHECK_OK(gri_message_clone_envelope(clones[2], &last));
    gr_message_free(&m);
    for (int i = 0; i < 5; i++) {
        CHECK_STR(gr_string(gr_body(clones[i]), ""), text);
        gr_message_free(&clones[i]);
    }
    CHECK_STR(gr_string(gr_body(last), ""), text);
    gr_message_free(&last);
}

TEST(message, shared_bodies_live_as_long_as_an_envelope)
{
    const char *texts[] = {"small", "exactly 21 bytes long", "exactly 22 bytes long!",
                           "a text far beyond what an envelope holds"};
    for (int i = 0; i < 4; i++) {
        gr_message *m = NULL;
        CHECK_OK(gr_pack(&m, "s", texts[i]));
        check_shared(m, texts[i]);
    }
}

static int released;

static void count_release(gr_message *m)
{
    CHECK(m->flags & GRI_MESSAGE_EMBEDDED);
    released++;
}

TEST(message, embedded_in_a_record)
{
    struct {
        gr_message message;
        unsigned char body[64];
        int mine;
    } record __attribute__((aligned(64)));
    gr_value v;
    const char *texts[] = {"small", "a body far beyond what an envelope holds"};
    for (int i = 0; i < 2; i++) {
        CHECK_OK(gr_pack_into(record.body, sizeof record.body, &v, "s", texts[i]));
        gri_message_init_embedded(&record.message, v, count_release);
        gr_message *m = &record.message, *clone = NULL;
        CHECK(gr_body(m).at == record.body);
        CHECK_OK(gri_message_clone_envelope(m, &clone)); /* copies: the record may go */
        CHECK(gr_body(clone).at != record.body);
        gr_message_free(&m);
        CHECK_EQ(released, 2 * i + 1);
        CHECK_STR(gr_string(gr_body(clone), ""), texts[i]);
        gr_message_free(&clone);
        gri_message_init_embedded(&record.message, v, count_release);
        m = &record.message;
        m->reference = 9;
        CHECK_OK(gri_message_share(&m)); /* moves out of the record */
        CHECK_EQ(released, 2 * i + 2);
        CHECK(m != &record.message && m->reference == 9);
        CHECK_STR(gr_string(gr_body(m), ""), texts[i]);
        CHECK_OK(gri_message_clone_envelope(m, &clone));
        gr_message_free(&m);
        CHECK_STR(gr_string(gr_body(clone), ""), texts[i]);
        gr_message_free(&clone);
    }
}

/* What lies behind the place the body is written to stays as it was; the rest of the record is only a message. */
TEST(message, embedded_with_its_body_in_the_record)
{
    struct record {
        gr_message message;
        unsigned char room[40];
        char mine[16];
    };
    for (int way = 0; way < 3; way++) {
        uint8_t storage[64];
        gr_value v;
        struct record *record = gri_block_alloc(sizeof *record);
        CHECK_OK(gr_pack_into(storage, sizeof storage, &v, "{s:I,s:s}", "down", INT64_C(7), "address", "somebody"));
        CHECK(gr_value_bytes(v) <= 56);
        gri_message_init_embedded(&record->message, (gr_value){NULL}, count_release);
        record->message.sender = (gr_address){3};
        record->message.reference = 9;
        memcpy(record->mine, "fifteen letters", sizeof record->mine);
        gri_message_embed_within(&record->message, v);
        gr_message *m = &record->message, *clone = NULL;
        CHECK_STR(record->mine, "fifteen letters");
        CHECK(gr_body(m).at != v.at && gr_equal(gr_body(m), v) && m->sender.id == 3 && m->reference == 9);
        if (way == 1) {
            CHECK_OK(gri_message_clone_envelope(m, &clone));
            CHECK(gr_equal(gr_body(clone), v));
        } else if (way == 2) {
            CHECK_OK(gri_message_share(&m)); /* moves out of the record, which is freed */
            CHECK(m != &record->message && m->reference == 9 && gr_equal(gr_body(m), v));
        }
        gr_message_free(&m);
        gr_message_free(&clone);
    }
}

static gr_message *held;

static void leave_list(gr_message *m)
{
    CHECK(m == held);
    held = NULL;
    gri_message_release(m);
}

TEST(message, held_messages_leave_their_list_when_shared)
{
    gr_message *m = NULL;
    gri_message_held_free = leave_list;
    CHECK_OK(gr_pack(&m, "s", "a body far beyond what an envelope holds"));
    held = m;
    m->flags |= GRI_MESSAGE_HELD;
    m->sender = (gr_address){6};
    CHECK_OK(gri_message_share(&m));
    CHECK(held == NULL && !(m->flags & GRI_MESSAGE_HELD) && m->sender.id == 6);
    CHECK_STR(gr_string(gr_body(m), ""), "a body far beyond what an envelope holds");
    gr_message_free(&m);
}

/* The last of several threads frees the body: the address sanitizer sees it twice or never, the thread sanitizer a read
 * that is not ordered before the free. */
static void *read_and_free(void *arg)
{
    gr_message *m = arg;
    for (int i = 0; i < 10; i++) {
        gr_message *clone = NULL;
        CHECK_OK(gri_message_clone_envelope(m, &clone));
        CHECK_EQ(gr_int(gr_get(gr_body(clone), "n"), 0), 7);
        gr_message_free(&clone);
    }
    CHECK_EQ(gr_count(gr_get(gr_body(m), "xs")), 4);
    gr_message_free(&m);
    return NULL;
}

TEST(message, the_last_of_many_threads_frees_the_body)
{
    for (int round = 0; round < 50; round++) {
        pthread_t threads[4];
        gr_message *m = NULL;
        CHECK_OK(gr_pack(&m, "{s:i, s:[i,i,i,i]}", "n", 7, "xs", 1, 2, 3, 4));
        CHECK_OK(gri_message_share(&m));
        for (int i = 0; i < 4; i++) {
            gr_message *clone = NULL;
            CHECK_OK(gri_message_clone_envelope(m, &clone));
            CHECK_OK(pthread_create(&threads[i], NULL, read_and_free, clone));
        }
        gr_message_free(&m);
        for (int i = 0; i < 4; i++) CHECK_OK(pthread_join(threads[i], NULL));
    }
}

/* A part of a body becomes the body, wherever the body is; a trailer can then be added. */
TEST(message, a_narrowed_message_can_get_a_trailer)
{
    for (int way = 0; way < 3; way++) { /* narrowed once, twice; shared */
        gr_message *m = NULL;
        CHECK_OK(gr_pack(&m, "{s:s,s:{s:s,s:i}}", "first", "a text that takes some room in front of the rest", "part",
                         "text", "the part that stays", "number", 7));
        m->sender = (gr_address){5};
        if (way == 2) CHECK_OK(gri_message_share(&m));
        gri_message_narrow(m, gr_get(gr_body(m), "part"));
        if (way == 1) gri_message_narrow(m, gr_get(gr_body(m), "text"));
        CHECK_OK(gri_message_add_trailer(&m, 16));
        CHECK_EQ(m->trailer_bytes, 16);
        CHECK_EQ(m->sender.id, 5);
        memset(gri_message_trailer(m), 0x77, 16);
        gr_value text = way == 1 ? gr_body(m) : gr_get(gr_body(m), "text");
        CHECK_STR(gr_string(text, ""), "the part that stays");
        if (way != 1) CHECK_EQ(gr_int(gr_get(gr_body(m), "number"), 0), 7);
        gr_message_free(&m);
    }
}
