/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
#include "base/error.h"
#include "support/test.h"

TEST(error, every_code_has_name_and_text)
{
#define CHECK_ROW(name, number, text) \
    CHECK_EQ(name, number); \
    CHECK_STR(gr_error_name(number), #name); \
    CHECK_STR(gr_error_text(number), text); \
    CHECK(number < 0);
    GR_ERRORS(CHECK_ROW)
#undef CHECK_ROW
}

TEST(error, success_and_unknown)
{
    CHECK_STR(gr_error_name(0), "GR_OK");
    CHECK_STR(gr_error_text(0), "success");
    CHECK_STR(gr_error_name(1), "GR_E?");
    CHECK_STR(gr_error_text(-100000), "unknown error");
}

TEST(error, a_text_is_cut_to_its_room)
{
    char long_text[1000];
    memset(long_text, 'x', sizeof long_text);
    long_text[sizeof long_text - 1] = '\0';
    gr_detail why = {.line = 7, .column = 8, .byte = 9, .text = "of before"};
    CHECK_EQ(gri_refuse(&why, GR_EINVAL, "%s", long_text), GR_EINVAL);
    CHECK_EQ(strspn(why.text, "x"), sizeof why.text - 1);
    CHECK_EQ(strlen(why.text), sizeof why.text - 1);
    CHECK_EQ(why.line + why.column + why.byte, 0);
    CHECK_EQ(gri_refuse(NULL, GR_ENOMEM, "nobody reads %s", "this"), GR_ENOMEM);
}
