/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
#include "message/copy.h"

#include "message/message.h"
#include "support/cases.h"
#include "support/test.h"

#include <greenroom/build.h>
#include <greenroom/text.h>

static const gri_copy_mode modes[] = {GRI_COPY_PACKED, GRI_COPY_TEXT, GRI_COPY_JANSSON};

static bool arrives_equal(gr_message **m)
{
    bool equal = true;
    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++) {
        gr_message *before = NULL;
        CHECK_OK(gr_message_copy(gr_body(*m), &before));
        CHECK_OK(gri_copy_through(modes[i], m));
        equal = equal && gr_equal(gr_body(before), gr_body(*m));
        gr_message_free(&before);
    }
    return equal;
}

static bool run_case(const gr_case *c)
{
    const gr_case_field *text = gr_case_get(c, "text");
    gr_message *m = NULL;
    if (!gr_case_get(c, "gives") || gr_parse(text->text, text->bytes, NULL, &m, NULL) != 0) return true;
    bool equal = arrives_equal(&m);
    gr_message_free(&m);
    return equal ? true : gr_case_wrong(c, "does not arrive as it was sent");
}

TEST(copy, texts)
{
    CHECK_EQ(gr_cases_run("json", ".cases", run_case), 0);
}

TEST(copy, keeps_the_envelope)
{
    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++) {
        for (size_t trailer = 0; trailer <= 16; trailer += 16) {
            gr_message *body = NULL;
            CHECK_OK(gr_parse("{\"a\":{\"_pyact_binary\":\"AQID\"}}", 30, NULL, &body, NULL));
            gr_message *m = gri_message_new_with_trailer(body->body_bytes, trailer);
            memcpy(gri_message_room(m), gri_message_at(body), body->body_bytes);
            if (trailer) memset(gri_message_trailer(m), 0x77, trailer);
            m->sender = (gr_address){0x700000001};
            m->reference = 99;
            m->kind = GRI_MESSAGE_CALL;
            m->tick = 5;
            m->generation = 6;
            CHECK_OK(gri_copy_through(modes[i], &m));
            CHECK(gr_equal(gr_body(m), gr_body(body)));
            CHECK(m->sender.id == 0x700000001 && m->reference == 99 && m->kind == GRI_MESSAGE_CALL);
            CHECK(m->tick == 5 && m->generation == 6 && m->trailer_bytes == trailer);
            for (size_t j = 0; j < trailer; j++) CHECK_EQ(((unsigned char *)gri_message_trailer(m))[j], 0x77);
            gr_message_free(&m);
            gr_message_free(&body);
        }
    }
}

TEST(copy, addresses)
{
    gr_builder b;
    gr_message *m = NULL;
    gr_build(&b);
    gr_put_array(&b), gr_put_address(&b, (gr_address){0x300000009}), gr_put_address(&b, GR_DEAD_ADDRESS),
        gr_put_end(&b);
    CHECK_OK(gr_build_message(&b, &m));
    CHECK(arrives_equal(&m));
    gr_message_free(&m);
}

static bool released;
static void release(gr_message *message)
{
    (void)message;
    released = true;
}

TEST(copy, leaves_embedded_messages_alone)
{
    gr_message *body = NULL;
    CHECK_OK(gr_parse("[1,2,3]", 7, NULL, &body, NULL));
    gr_message record, *m = &record;
    gri_message_init_embedded(m, gr_body(body), release);
    CHECK_OK(gri_copy_through(GRI_COPY_TEXT, &m));
    CHECK(m == &record && !released);
    gr_message_free(&m);
    CHECK(released);
    gr_message_free(&body);
}

TEST(copy, names)
{
    gri_copy_mode mode;
    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++)
        CHECK(gri_copy_mode_from(gri_copy_mode_name(modes[i]), &mode) && mode == modes[i]);
    CHECK(!gri_copy_mode_from("json", &mode));
    CHECK(!gri_copy_mode_from("", &mode));
}
