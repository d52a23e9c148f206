/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
#include "rest/http_date.h"

#include <string.h>
#include <time.h>

static void put_number(char *at, int digits, int64_t number)
{
    while (digits--) {
        at[digits] = (char)('0' + number % 10);
        number /= 10;
    }
}

void gri_http_date_format(int64_t seconds, char text[GRI_HTTP_DATE_BYTES + 1])
{
    static const char days[] = "SunMonTueWedThuFriSat", months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    int64_t day = seconds / 86400, second = seconds % 86400;
    /* Years that begin in March: a leap day is then the last day, and months follow a formula. */
    int64_t shifted = day + 719468, era = shifted / 146097, of_era = shifted % 146097;
    int64_t year_of_era = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    int64_t of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t from_march = (5 * of_year + 2) / 153;
    int64_t month = from_march < 10 ? from_march + 2 : from_march - 10; /* from 0 */
    int64_t year = year_of_era + era * 400 + (month < 2);

    memcpy(text, "Day, 00 Mon 0000 00:00:00 GMT", GRI_HTTP_DATE_BYTES + 1);
    memcpy(text, days + (day + 4) % 7 * 3, 3);
    put_number(text + 5, 2, of_year - (153 * from_march + 2) / 5 + 1);
    memcpy(text + 8, months + month * 3, 3);
    put_number(text + 12, 4, year);
    put_number(text + 17, 2, second / 3600);
    put_number(text + 20, 2, second / 60 % 60);
    put_number(text + 23, 2, second % 60);
}

const char *gri_http_date_text(gri_http_date *date)
{
    struct timespec wall = {0, 0};
    clock_gettime(CLOCK_REALTIME_COARSE, &wall); /* late by a kernel tick, and a quarter of the price */
    if (wall.tv_sec != date->seconds || !date->text[0]) {
        gri_http_date_format(wall.tv_sec, date->text);
        date->seconds = wall.tv_sec;
    }
    return date->text;
}
