/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
#include <greenroom/error.h>

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
