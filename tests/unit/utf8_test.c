/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
#include "message/utf8.h"

#include "support/test.h"

static unsigned length_of(const unsigned char *bytes, size_t count)
{
    return gri_utf8_length(bytes, bytes + count);
}

TEST(utf8, every_code_point)
{
    for (uint32_t c = 0; c <= 0x10ffff; c++) {
        if (c >= 0xd800 && c <= 0xdfff) continue;
        unsigned char text[5] = {0, 0, 0, 0, 0xff};
        unsigned bytes = gri_utf8_write(c, (char *)text);
        if (length_of(text, bytes) != bytes || gri_utf8_code_point(text, bytes) != c || !gri_utf8_valid(text, bytes))
            TEST_FAIL("U+%04X", c);
        for (unsigned part = 1; part < bytes; part++)
            if (length_of(text, part) != 0) TEST_FAIL("U+%04X cut after %u", c, part);
    }
}

/* The definition, written down differently: a first byte says the length, the number must need it. */
static unsigned length_by_value(const unsigned char *t, size_t count)
{
    static const uint32_t least[5] = {0, 0, 0x80, 0x800, 0x10000};
    unsigned length = t[0] < 0x80             ? 1
                      : (t[0] & 0xe0) == 0xc0 ? 2
                      : (t[0] & 0xf0) == 0xe0 ? 3
                      : (t[0] & 0xf8) == 0xf0 ? 4
                                              : 0;
    if (length <= 1) return length;
    if (length > count) return 0;
    uint32_t c = t[0] & (0xffu >> (length + 1));
    for (unsigned i = 1; i < length; i++) {
        if ((t[i] & 0xc0) != 0x80) return 0;
        c = c << 6 | (t[i] & 0x3f);
    }
    return c < least[length] || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff) ? 0 : length;
}

TEST(utf8, every_start)
{
    static const unsigned char thirds[] = {0x00, 0x41, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xff};
    for (unsigned a = 0; a < 256; a++) {
        for (unsigned b = 0; b < 256; b++) {
            for (size_t c = 0; c < sizeof thirds; c++) {
                for (size_t d = 0; d < sizeof thirds; d++) {
                    unsigned char text[4] = {(unsigned char)a, (unsigned char)b, thirds[c], thirds[d]};
                    for (size_t count = 1; count <= 4; count++)
                        if (length_of(text, count) != length_by_value(text, count))
                            TEST_FAIL("%02x %02x %02x %02x", a, b, text[2], text[3]);
                }
            }
        }
    }
    CHECK_EQ(length_of((const unsigned char *)"", 0), 0);
}

TEST(utf8, valid_bytes_stop_at_the_first_fault)
{
    for (size_t before = 0; before < 40; before++) {
        for (size_t after = 0; after < 12; after++) {
            char text[64];
            memset(text, 'x', sizeof text);
            text[before] = (char)0xff;
            CHECK_EQ(gri_utf8_valid_bytes(text, before + 1 + after), before);
            memcpy(text + before, "\xe2\x82\xac", 3);
            CHECK_EQ(gri_utf8_valid_bytes(text, before + 3 + after), before + 3 + after);
            CHECK_EQ(gri_utf8_valid_bytes(text, before + 2), before);
        }
    }
    CHECK(gri_utf8_valid("", 0));
}
