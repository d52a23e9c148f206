/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
#include "message/base64.h"

#include "base/rng.h"
#include "support/test.h"

#include <greenroom/error.h>

static void check(const char *data, const char *text)
{
    char printed[64] = {0}, parsed[64];
    size_t bytes;
    gri_base64_print(data, strlen(data), printed);
    CHECK_STR(printed, text);
    CHECK_EQ(gri_base64_text_bytes(strlen(data)), strlen(text));
    CHECK_OK(gri_base64_parse(text, strlen(text), parsed, &bytes));
    CHECK(bytes == strlen(data) && memcmp(parsed, data, bytes) == 0);
}

TEST(base64, vectors_of_rfc_4648)
{
    check("", "");
    check("f", "Zg==");
    check("fo", "Zm8=");
    check("foo", "Zm9v");
    check("foob", "Zm9vYg==");
    check("fooba", "Zm9vYmE=");
    check("foobar", "Zm9vYmFy");
}

TEST(base64, every_length_and_in_place)
{
    gri_rng rng;
    gri_rng_seed(&rng, 3);
    for (size_t bytes = 0; bytes < 300; bytes++) {
        unsigned char data[300];
        char text[404];
        size_t parsed;
        for (size_t i = 0; i < bytes; i++) data[i] = (unsigned char)gri_rng_below(&rng, 256);
        gri_base64_print(data, bytes, text);
        CHECK_OK(gri_base64_parse(text, gri_base64_text_bytes(bytes), text, &parsed));
        CHECK(parsed == bytes && memcmp(text, data, bytes) == 0);
    }
}

/* Of all texts of four characters over a few, exactly those that printing can give are accepted. */
TEST(base64, only_what_printing_gives)
{
    static const char few[] = "ABCEIQg+/=-_ \n";
    for (size_t i = 0; i < 14 * 14 * 14 * 14; i++) {
        char text[5] = {few[i % 14], few[i / 14 % 14], few[i / 196 % 14], few[i / 2744], 0}, again[5] = {0};
        unsigned char data[3];
        size_t bytes;
        int code = gri_base64_parse(text, 4, data, &bytes);
        if (code) {
            CHECK(code == GR_ESYNTAX && bytes <= 4);
            continue;
        }
        gri_base64_print(data, bytes, again);
        CHECK_STR(again, text);
    }
    for (unsigned v = 0; v < 1u << 16; v++) {
        unsigned char data[2] = {(unsigned char)(v >> 8), (unsigned char)v}, parsed[3];
        char text[4];
        size_t bytes;
        gri_base64_print(data, 2, text);
        CHECK_OK(gri_base64_parse(text, 4, parsed, &bytes));
        CHECK(bytes == 2 && memcmp(parsed, data, 2) == 0);
    }
}
