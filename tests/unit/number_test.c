/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Numbers and their texts, against libc's strtod and printf as oracle in the C locale, which tests run in. */
#include "message/number.h"

#include "base/rng.h"
#include "support/test.h"

#include <greenroom/error.h>
#include <locale.h>
#include <math.h>

static int parse(const char *text, gri_number *number)
{
    const char *behind;
    int error = gri_number_parse(text, text + strlen(text), &behind, number);
    if (error == 0) CHECK_STR(behind, "");
    return error;
}

static double real(const char *text)
{
    gri_number number;
    if (parse(text, &number) != 0) TEST_FAIL("%s is refused", text);
    CHECK(number.is_double);
    return number.real;
}

static int64_t integer(const char *text)
{
    gri_number number;
    if (parse(text, &number) != 0) TEST_FAIL("%s is refused", text);
    CHECK(!number.is_double);
    return number.integer;
}

static uint64_t bits_of(double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static double from_bits(uint64_t bits)
{
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static void check_as_strtod(const char *text)
{
    double expected = strtod(text, NULL);
    gri_number number;
    int error = parse(text, &number);
    if (isinf(expected)) {
        if (error != GR_ERANGE) TEST_FAIL("%.40s… is not refused", text);
    } else if (error != 0 || bits_of(number.real) != bits_of(expected)) {
        TEST_FAIL("%s is read as %a, not %a", text, number.real, expected);
    }
}

static void check_print(double value, const char *expected)
{
    char text[GRI_NUMBER_TEXT_BYTES + 1];
    text[gri_double_print(value, text)] = 0;
    CHECK_STR(text, expected);
}

/* Reads back, and no shorter text of printf's does; as short as the shortest of printf's. */
static void check_shortest(double value)
{
    char text[GRI_NUMBER_TEXT_BYTES + 1], other[40];
    size_t bytes = gri_double_print(value, text);
    CHECK(bytes <= 24);
    text[bytes] = 0;
    if (bits_of(strtod(text, NULL)) != bits_of(value)) TEST_FAIL("%a is printed as %s", value, text);
    if (bits_of(real(text)) != bits_of(value)) TEST_FAIL("%s is not read as %a", text, value);
    CHECK(strpbrk(text, ".e") != NULL);
    int digits = 0;
    const char *last = strchr(text, 'e');
    char copy[40];
    snprintf(copy, sizeof copy, "%.*s", last ? (int)(last - text) : (int)bytes, text);
    const char *at = copy;
    while (*at && (*at < '1' || *at > '9')) at++;
    int zeros = 0;
    for (; *at; at++) {
        if (*at < '0' || *at > '9') continue;
        digits += 1 + (*at == '0' ? 0 : zeros);
        if (*at == '0')
            zeros++, digits--;
        else
            zeros = 0;
    }
    int shortest = 1;
    while (shortest < 17) {
        snprintf(other, sizeof other, "%.*e", shortest - 1, value);
        if (strtod(other, NULL) == value) break;
        shortest++;
    }
    if (digits > shortest) TEST_FAIL("%s has %d digits, %s %d", text, digits, other, shortest);
}

TEST(number, powers_are_what_the_table_says)
{
    /* Exact for 10^0 … 10^38, which a 128-bit integer holds. */
    unsigned __int128 power = 1;
    for (int e = 0; e <= 38; e++, power *= 10) {
        unsigned __int128 normal = power;
        while (!(normal >> 127)) normal <<= 1;
        const gri_power10 *row = &gri_powers10[e - GRI_POWER10_MIN];
        CHECK(row->high == (uint64_t)(normal >> 64) && row->low == (uint64_t)normal);
    }
    /* The others: row * 10 is the next one within the rounding of both, up and down. */
    for (int e = GRI_POWER10_MIN; e < GRI_POWER10_MAX; e++) {
        const gri_power10 *row = &gri_powers10[e - GRI_POWER10_MIN], *next = row + 1;
        CHECK(row->high >> 63);
        unsigned __int128 value = (unsigned __int128)row->high << 64 | row->low;
        unsigned __int128 next_value = (unsigned __int128)next->high << 64 | next->low;
        /* value * 10/16 or 10/8, rounded down; an upper bound of at most one too much makes it at most 2 too much. */
        unsigned __int128 scaled = value / 8 * 5 + value % 8 * 5 / 8;
        if (!(scaled >> 127)) scaled = value / 4 * 5 + value % 4 * 5 / 4;
        CHECK(next_value + 2 >= scaled && next_value <= scaled + 1);
    }
}

TEST(number, ints)
{
    CHECK_EQ(integer("0"), 0);
    CHECK_EQ(integer("-0"), 0);
    CHECK_EQ(integer("-1"), -1);
    CHECK_EQ(integer("9223372036854775807"), INT64_MAX);
    CHECK_EQ(integer("-9223372036854775808"), INT64_MIN);
    gri_number number;
    CHECK_EQ(parse("9223372036854775808", &number), GR_ERANGE);
    CHECK_EQ(parse("-9223372036854775809", &number), GR_ERANGE);
    CHECK_EQ(parse("18446744073709551616", &number), GR_ERANGE);
    CHECK_EQ(parse("-18446744073709551617", &number), GR_ERANGE);
    CHECK_EQ(parse("10000000000000000000000000000000000000000", &number), GR_ERANGE);

    char text[GRI_NUMBER_TEXT_BYTES + 1], expected[32];
    int64_t power = 1;
    for (int i = 0; i < 19; i++, power = i < 19 ? power * 10 : power) {
        for (int64_t near = -1; near <= 1; near++) {
            for (int sign = -1; sign <= 1; sign += 2) {
                int64_t value = sign * (power + near);
                text[gri_int_print(value, text)] = 0;
                snprintf(expected, sizeof expected, "%lld", (long long)value);
                CHECK_STR(text, expected);
                CHECK_EQ(integer(text), value);
            }
        }
    }
    text[gri_int_print(INT64_MIN, text)] = 0;
    CHECK_STR(text, "-9223372036854775808");
    text[gri_int_print(INT64_MAX, text)] = 0;
    CHECK_STR(text, "9223372036854775807");
}

TEST(number, grammar)
{
    static const struct {
        const char *text;
        int code, behind;
    } cases[] = {
        {"", GR_ESYNTAX, 0},     {"-", GR_ESYNTAX, 1},   {"+1", GR_ESYNTAX, 0},  {"01", GR_ESYNTAX, 1},
        {"-01", GR_ESYNTAX, 2},  {"00", GR_ESYNTAX, 1},  {".5", GR_ESYNTAX, 0},  {"1.", GR_ESYNTAX, 2},
        {"1.e3", GR_ESYNTAX, 2}, {"1e", GR_ESYNTAX, 2},  {"1e+", GR_ESYNTAX, 3}, {"1E-", GR_ESYNTAX, 3},
        {"-.5", GR_ESYNTAX, 1},  {"--1", GR_ESYNTAX, 1}, {"0x10", 0, 1},         {"1f", 0, 1},
        {"1 2", 0, 1},           {"1e5.5", 0, 3},        {"1.5.5", 0, 3},        {"-x", GR_ESYNTAX, 1},
        {"1e400", GR_ERANGE, 5}, {"0e400", 0, 5},        {"1,", 0, 1},           {"12-3", 0, 2},
    };
    for (size_t i = 0; i < GRI_ARRAY_COUNT(cases); i++) {
        const char *text = cases[i].text, *behind = NULL;
        gri_number number;
        int code = gri_number_parse(text, text + strlen(text), &behind, &number);
        if (code != cases[i].code || behind - text != cases[i].behind)
            TEST_FAIL("\"%s\": %d at %d, expected %d at %d", text, code, (int)(behind - text), cases[i].code,
                      cases[i].behind);
    }
}

TEST(number, reads_only_up_to_the_end)
{
    static const char text[] = "12345.5e3";
    gri_number number;
    const char *behind;
    CHECK_OK(gri_number_parse(text, text + 3, &behind, &number));
    CHECK(!number.is_double && number.integer == 123 && behind == text + 3);
    CHECK_EQ(gri_number_parse(text, text + 6, &behind, &number), GR_ESYNTAX);
    CHECK(behind == text + 6);
    CHECK_OK(gri_number_parse(text, text + 7, &behind, &number));
    CHECK(number.is_double && number.real == 12345.5);
    CHECK_EQ(gri_number_parse(text, text + 8, &behind, &number), GR_ESYNTAX);
}

TEST(number, prints_doubles)
{
    check_print(0.0, "0.0");
    check_print(-0.0, "-0.0");
    check_print(1, "1.0");
    check_print(-1, "-1.0");
    check_print(0.1, "0.1");
    check_print(0.3, "0.3");
    check_print(0.1 + 0.2, "0.30000000000000004");
    check_print(100, "100.0");
    check_print(1234.5, "1234.5");
    check_print(0.001, "0.001");
    check_print(0.0001, "0.0001");
    check_print(0.00012345678901234567, "0.00012345678901234567");
    check_print(0.00001, "1e-5");
    check_print(1.5e-7, "1.5e-7");
    check_print(9007199254740991.0, "9007199254740991.0");
    check_print(9007199254740993.0, "9007199254740992.0");
    check_print(1e15, "1000000000000000.0");
    check_print(1e16, "1e16");
    check_print(12345678901234567000.0, "1.2345678901234567e19");
    check_print(1e22, "1e22");
    check_print(1e23, "1e23");
    check_print(1.7976931348623157e308, "1.7976931348623157e308");
    check_print(-2.2250738585072014e-308, "-2.2250738585072014e-308");
    check_print(5e-324, "5e-324");
}

TEST(number, hard_cases)
{
    static const char *const cases[] = {
        "1e23",
        "8.5e22",
        "9007199254740993.0",
        "9007199254740992.999999999999999999999999",
        "5e-324",
        "4.9e-324",
        "2.4703282292062327208e-324",
        "2.4703282292062328e-324",
        "2.47e-324",
        "1e-400",
        "0e999999999999999999999",
        "-0.0",
        "0.0e-5",
        "2.2250738585072011e-308",
        "2.2250738585072014e-308",
        "2.225073858507201136057409796709131975935e-308",
        "1.7976931348623157e308",
        "1.7976931348623158e308",
        "1.7976931348623159e308",
        "1.797693134862315807e308",
        "1e308",
        "1e309",
        "17976931348623157e292",
        "0.000000000000000000000000000000000000000000000000000000000000000123e70",
        "123456789012345678901234567890e-10",
        "9214843084008499.0",
        "30078505129381147446200.0",
        "1777820000000000000001.0",
        "0.500000000000000166533453693773481063544750213623046875",
        "3.518437208883201171875e13",
        "62.5364939768271845828",
        "8.10109172351e-10",
        "1.50000000000000011102230246251565",
        "179769313486231580793728971405301e276",
        "7.2057594037927933e16",
        "7.205759403792793199999e16",
        "4503599627370496.5",
        "4503599627370497.5",
        ("4503599627370496."
         "500000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000001"),
        "6.631236846766476e-316",
        "2.2250738585072012e-308",
        "1e-323",
        "1.5e-323",
        "1e0000000000000000000001",
        "1e-0000000000001",
        "1e99999999999999999999999999",
        "1e-99999999999999999999999999",
        "100000000000000000000000000000000000000.0",
        "1e22",
        "1e-22",
    };
    for (size_t i = 0; i < GRI_ARRAY_COUNT(cases); i++) check_as_strtod(cases[i]);
}

/* Halfway between neighbours, exactly, and moved up or down behind hundreds of digits. */
TEST(number, halfway_points)
{
    gri_rng rng;
    gri_rng_seed(&rng, 7);
    char text[2000];
    for (int i = 0; i < 2000; i++) {
        /* Halfway points are printed exactly by long double where it has the bits for them. */
        double low = from_bits(gri_rng_next_u64(&rng) & 0x7fefffffffffffffu);
        if (i % 4 == 0) low = from_bits(gri_rng_next_u64(&rng) & 0x001fffffffffffffu);
        double high = nextafter(low, INFINITY);
        if (isinf(high)) continue;
        long double middle = ((long double)low + (long double)high) / 2;
        int bytes = snprintf(text, sizeof text - 40, "%.1100Lf", middle);
        if (middle == low || middle == high) continue;
        check_as_strtod(text);
        strcpy(text + bytes, "0000000000000000000000000000001");
        check_as_strtod(text);
        text[bytes] = 0;
        char *digit = text + bytes;
        while (digit > text && (digit[-1] == '0' || digit[-1] == '.')) digit--;
        if (digit > text && digit[-1] > '0') digit[-1]--, check_as_strtod(text);
    }
}

TEST(number, digits_without_end)
{
    char *text = malloc(300000);
    CHECK(text != NULL);
    memset(text, '0', 300000);
    memcpy(text, "1.", 2);
    text[250000] = '1', text[250001] = 0;
    CHECK(real(text) == 1.0);
    memcpy(text, "0.", 2);
    strcpy(text + 250000, "125e249999");
    check_as_strtod(text);
    memset(text, '7', 250000);
    strcpy(text + 250000, "e-250000");
    check_as_strtod(text);
    gri_number number;
    strcpy(text + 250000, "");
    CHECK_EQ(parse(text, &number), GR_ERANGE);
    free(text);
}

TEST(number, random_round_trips)
{
    gri_rng rng;
    gri_rng_seed(&rng, 42);
    for (int i = 0; i < 30000; i++) {
        double value = from_bits(gri_rng_next_u64(&rng));
        if (isfinite(value)) check_shortest(value);
        value = (double)(int64_t)gri_rng_next_u64(&rng) / 1e6;
        check_shortest(value);
        check_shortest((double)gri_rng_below(&rng, 100000) / 100);
        check_shortest((double)gri_rng_below(&rng, UINT64_MAX));
    }
    for (int exponent = 1; exponent < 2047; exponent++) { /* powers of two: the lower neighbour is closer */
        check_shortest(from_bits((uint64_t)exponent << 52));
        check_shortest(from_bits(((uint64_t)exponent << 52) + 1));
        check_shortest(from_bits(((uint64_t)exponent << 52) - 1));
    }
}

TEST(number, random_texts_as_strtod)
{
    gri_rng rng;
    gri_rng_seed(&rng, 43);
    char text[128];
    for (int i = 0; i < 100000; i++) {
        int digits = 1 + (int)gri_rng_below(&rng, i % 8 ? 20 : 60), bytes = 0;
        text[bytes++] = (char)('1' + gri_rng_below(&rng, 9));
        text[bytes++] = '.';
        while (digits--) text[bytes++] = (char)('0' + gri_rng_below(&rng, 10));
        snprintf(text + bytes, 16, "e%d", (int)gri_rng_below(&rng, 660) - 345);
        check_as_strtod(text);
    }
}

TEST(number, ignores_the_locale)
{
    static const char *const names[] = {"de_DE.UTF-8", "fr_FR.UTF-8", "de_DE", "fr_FR"};
    for (size_t i = 0; i < GRI_ARRAY_COUNT(names); i++) {
        if (!setlocale(LC_ALL, names[i])) continue; /* not installed */
        CHECK(real("1.5") == 1.5);
        check_print(1.5, "1.5");
    }
    setlocale(LC_ALL, "C");
}
