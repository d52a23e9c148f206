/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Address texts, and the hash that proves them. */
#include "message/address.h"

#include "base/rng.h"
#include "message/siphash.h"
#include "support/test.h"

static const unsigned char key[16] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};

static gr_address parse(const char *text)
{
    return gr_address_parse(text, strlen(text));
}

static bool is_dead(gr_address a)
{
    return gr_address_equal(a, GR_DEAD_ADDRESS);
}

TEST(address, siphash_of_the_paper)
{
    /* Appendix A: key 00 01 … 0f, message 00 01 … 0e. */
    unsigned char bytes[16];
    for (int i = 0; i < 16; i++) bytes[i] = (unsigned char)i;
    gri_siphash_key k = gri_siphash_key_from(bytes);
    CHECK(gri_siphash(k, bytes, 15) == UINT64_C(0xa129ca6149be45e5));
    /* The form for two words is the general one. */
    uint64_t a, b;
    memcpy(&a, bytes, 8), memcpy(&b, bytes + 8, 8); /* little-endian, as all machines we run on */
    CHECK(gri_siphash_two(k, a, b) == gri_siphash(k, bytes, 16));
}

TEST(address, texts_read_back)
{
    gri_address_key_set(key);
    gri_rng rng;
    gri_rng_seed(&rng, 1);
    char text[GR_ADDRESS_TEXT_BYTES];
    for (int i = 0; i < 20000; i++) {
        gr_address a = {i < 64 ? UINT64_C(1) << i : gri_rng_next_u64(&rng)};
        CHECK(gr_address_print(a, text) == text);
        CHECK_EQ(strlen(text), GR_ADDRESS_TEXT_BYTES - 1);
        CHECK_EQ(strspn(text, "abcdefghijklmnopqrstuvwxyz234567"), GR_ADDRESS_TEXT_BYTES - 1);
        CHECK(gr_address_equal(parse(text), a));
        CHECK(gri_address_is_text(text, strlen(text)));
    }
    CHECK(gr_address_equal(parse(gr_address_print(GR_NO_ADDRESS, text)), GR_NO_ADDRESS));
    CHECK(is_dead(parse(gr_address_print(GR_DEAD_ADDRESS, text))));
}

TEST(address, every_change_is_dead)
{
    gri_address_key_set(key);
    char text[GR_ADDRESS_TEXT_BYTES];
    gr_address a = {UINT64_C(0x0000000500000123)};
    gr_address_print(a, text);
    for (int i = 0; text[i]; i++) {
        char was = text[i];
        for (int c = 1; c < 256; c++) {
            if ((char)c == was) continue;
            text[i] = (char)c;
            if (!is_dead(gr_address_parse(text, GR_ADDRESS_TEXT_BYTES - 1))) TEST_FAIL("%s", text);
            bool letter = (c >= 'a' && c <= 'z') || (c >= '2' && c <= '7');
            CHECK(gri_address_is_text(text, GR_ADDRESS_TEXT_BYTES - 1) == letter);
        }
        text[i] = was;
    }
    CHECK(is_dead(gr_address_parse(text, GR_ADDRESS_TEXT_BYTES - 2)));
    CHECK(is_dead(gr_address_parse(text, GR_ADDRESS_TEXT_BYTES)));
    CHECK(is_dead(gr_address_parse("", 0)));
    CHECK(is_dead(parse("http://example.org/actor")));
    CHECK(!gri_address_is_text("counter", 7));
    CHECK(gr_address_equal(parse(text), a));
}

TEST(address, earlier_lives_are_dead)
{
    char first[GR_ADDRESS_TEXT_BYTES], second[GR_ADDRESS_TEXT_BYTES];
    gr_address a = {UINT64_C(0x0000000100000001)};
    gri_address_key_seed(1);
    uint32_t life = gri_address_incarnation();
    gr_address_print(a, first);
    gri_address_key_seed(2);
    CHECK(life != gri_address_incarnation());
    gr_address_print(a, second);
    CHECK(strcmp(first, second) != 0);
    CHECK(is_dead(parse(first)) && gr_address_equal(parse(second), a));
    gri_address_key_seed(1); /* a simulation's second run */
    CHECK(gr_address_equal(parse(first), a) && is_dead(parse(second)));
}

/* Neighbouring ids have nothing in common but the life: the text tells neither index nor generation. */
TEST(address, texts_tell_nothing)
{
    gri_address_key_set(key);
    int same = 0;
    for (uint64_t id = 1; id < 1000; id++) {
        char a[GR_ADDRESS_TEXT_BYTES], b[GR_ADDRESS_TEXT_BYTES];
        gr_address_print((gr_address){id}, a), gr_address_print((gr_address){id + 1}, b);
        CHECK(memcmp(a, b, 6) == 0); /* 30 of the life's 32 bits */
        for (int i = 7; a[i]; i++) same += a[i] == b[i];
    }
    CHECK(same > 400 && same < 1300); /* 999 * 25 characters, one in 32 by chance: 780 */
}
