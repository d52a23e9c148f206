/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
#include "rest/http_date.h"

#include <time.h>

#include "support/test.h"

TEST(http_date, known_moments)
{
    char text[GRI_HTTP_DATE_BYTES + 1];
    gri_http_date_format(784111777, text);
    CHECK_STR(text, "Sun, 06 Nov 1994 08:49:37 GMT");
    gri_http_date_format(0, text);
    CHECK_STR(text, "Thu, 01 Jan 1970 00:00:00 GMT");
    gri_http_date_format(951782400, text);
    CHECK_STR(text, "Tue, 29 Feb 2000 00:00:00 GMT");
    gri_http_date_format(253402300799, text);
    CHECK_STR(text, "Fri, 31 Dec 9999 23:59:59 GMT");
}

/* Every 11th hour of 400 years against the C library. */
TEST(http_date, agrees_with_the_c_library)
{
    for (time_t seconds = 0; seconds < (time_t)400 * 366 * 86400; seconds += 11 * 3600 + 17) {
        char text[GRI_HTTP_DATE_BYTES + 1], expected[64];
        struct tm parts;
        gri_http_date_format(seconds, text);
        CHECK(gmtime_r(&seconds, &parts));
        CHECK_EQ(strftime(expected, sizeof expected, "%a, %d %b %Y %H:%M:%S GMT", &parts), GRI_HTTP_DATE_BYTES);
        CHECK_STR(text, expected);
    }
}
