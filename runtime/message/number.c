/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* See number.h. Sources: W. D. Clinger, "How to read floating point numbers accurately" (the exact fast path);
 * R. Giulietti, "The Schubfach way to render doubles" (printing). Reading in between multiplies by a 128-bit power of ten,
 * and where its error could change the rounding compares exactly with big integers. */
#include "message/number.h"

#include "base/check.h"

#include <greenroom/error.h>
#include <string.h>

#define MANTISSA_BITS 52
#define EXPONENT_MIN (-1074) /* of the last mantissa bit */
#define INFINITY_BITS 0x7ff0000000000000u

static const char digit_pairs[] =
    "00010203040506070809101112131415161718192021222324252627282930313233343536373839404142434445"
    "46474849505152535455565758596061626364656667686970717273747576777879808182838485868788899091"
    "9293949596979899";

/* floor(log2(10^e)), |e| <= 1233; floor(log10(2^q)) and floor(log10(3/4 * 2^q)), |q| <= 1500. */
static int log2_of_power10(int e)
{
    return (e * 1741647) >> 19;
}

static int log10_of_power2(int q)
{
    return (q * 1262611) >> 22;
}

static int log10_of_three_quarters_power2(int q)
{
    return (q * 1262611 - 524031) >> 22;
}

static const gri_power10 *power10(int e)
{
    return &gri_powers10[e - GRI_POWER10_MIN];
}

/* ---- printing ---- */

static unsigned digit_count(uint64_t v)
{
    /* 1233/4096 is just above log10(2); the table corrects the estimate. */
    static const uint64_t powers[] = {0u,
                                      10u,
                                      100u,
                                      1000u,
                                      10000u,
                                      100000u,
                                      1000000u,
                                      10000000u,
                                      100000000u,
                                      1000000000u,
                                      10000000000u,
                                      100000000000u,
                                      1000000000000u,
                                      10000000000000u,
                                      100000000000000u,
                                      1000000000000000u,
                                      10000000000000000u,
                                      100000000000000000u,
                                      1000000000000000000u,
                                      10000000000000000000u};
    unsigned estimate = (unsigned)(64 - __builtin_clzll(v | 1)) * 1233 >> 12;
    return estimate + (v >= powers[estimate]);
}

static void print_digits(uint64_t v, char *text, unsigned digits)
{
    char *at = text + digits;
    while (v >= 100) {
        at -= 2;
        memcpy(at, digit_pairs + v % 100 * 2, 2);
        v /= 100;
    }
    if (v >= 10)
        memcpy(at - 2, digit_pairs + v * 2, 2);
    else
        at[-1] = (char)('0' + v);
}

size_t gri_int_print(int64_t value, char *text)
{
    uint64_t magnitude = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
    char *at = text;
    if (value < 0) *at++ = '-';
    if (magnitude < 10) {
        *at = (char)('0' + magnitude);
        return (size_t)(at - text) + 1;
    }
    unsigned digits = digit_count(magnitude);
    print_digits(magnitude, at, digits);
    return (size_t)(at - text) + digits;
}

/* The integer part of g * c / 2^128, with its last bit set if anything was cut off that matters. */
static uint64_t multiply_to_odd(const gri_power10 *g, uint64_t c)
{
    unsigned __int128 low = (unsigned __int128)g->low * c;
    unsigned __int128 high = (unsigned __int128)g->high * c + (uint64_t)(low >> 64);
    return (uint64_t)(high >> 64) | ((uint64_t)high > 1);
}

/* The decimal with fewest digits that rounds to mantissa * 2^exponent, the nearest of those: digits * 10^*ret_exponent. */
static uint64_t shortest_decimal(uint64_t mantissa, int exponent, int *ret_exponent)
{
    bool even = (mantissa & 1) == 0;
    bool lower_is_closer = mantissa == (1ull << MANTISSA_BITS) && exponent > EXPONENT_MIN;
    int k = lower_is_closer ? log10_of_three_quarters_power2(exponent) : log10_of_power2(exponent);
    int shift = exponent + log2_of_power10(-k) + 1;
    const gri_power10 *g = power10(-k);
    uint64_t lower = multiply_to_odd(g, (4 * mantissa - 2 + lower_is_closer) << shift) + !even;
    uint64_t value = multiply_to_odd(g, 4 * mantissa << shift);
    uint64_t upper = multiply_to_odd(g, (4 * mantissa + 2) << shift) - !even;
    uint64_t digits = value / 4;
    if (digits >= 10) {
        uint64_t tens = digits / 10;
        bool below_fits = lower <= 40 * tens, above_fits = 40 * tens + 40 <= upper;
        if (below_fits != above_fits) {
            *ret_exponent = k + 1;
            return tens + above_fits;
        }
    }
    *ret_exponent = k;
    bool below_fits = lower <= 4 * digits, above_fits = 4 * digits + 4 <= upper;
    if (below_fits != above_fits) return digits + above_fits;
    uint64_t middle = 4 * digits + 2;
    return digits + (value > middle || (value == middle && (digits & 1)));
}

/* digits * 10^exponent without trailing zeros, as 12.5, 0.00125 or 1.25e-7. */
static size_t print_decimal(uint64_t digits, int exponent, char *text)
{
    while (digits % 100 == 0) {
        digits /= 100;
        exponent += 2;
    }
    if (digits % 10 == 0) {
        digits /= 10;
        exponent++;
    }
    int count = (int)digit_count(digits);
    int point = count + exponent; /* the decimal point stands before digit number `point` */
    char *at = text;
    if (point > 16 || point < -3) {
        print_digits(digits, at + (count > 1), (unsigned)count);
        if (count > 1) {
            at[0] = at[1];
            at[1] = '.';
            at++;
        }
        at += count;
        *at++ = 'e';
        return (size_t)(at - text) + gri_int_print(point - 1, at);
    }
    if (point <= 0) {
        memcpy(at, "0.0000", 6);
        print_digits(digits, at + 2 - point, (unsigned)count);
        return (size_t)(2 - point + count);
    }
    print_digits(digits, at, (unsigned)count);
    if (point >= count) {
        memset(at + count, '0', (size_t)(point - count));
        memcpy(at + point, ".0", 2);
        return (size_t)point + 2;
    }
    memmove(at + point + 1, at + point, (size_t)(count - point));
    at[point] = '.';
    return (size_t)count + 1;
}

size_t gri_double_print(double value, char *text)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    char *at = text;
    if (bits >> 63) *at++ = '-';
    uint64_t mantissa = bits & ((1ull << MANTISSA_BITS) - 1);
    int biased = (int)(bits >> MANTISSA_BITS & 0x7ff);
    GRI_ASSERT(biased != 0x7ff);
    if (biased == 0 && mantissa == 0) {
        memcpy(at, "0.0", 3);
        return (size_t)(at - text) + 3;
    }
    int exponent = EXPONENT_MIN;
    if (biased != 0) {
        mantissa |= 1ull << MANTISSA_BITS;
        exponent += biased - 1;
    }
    uint64_t digits;
    int shift = -exponent;
    if (shift >= 0 && shift <= MANTISSA_BITS && (mantissa & ((1ull << shift) - 1)) == 0) {
        digits = mantissa >> shift; /* an integer below 2^53 */
        exponent = 0;
    } else {
        digits = shortest_decimal(mantissa, exponent, &exponent);
    }
    return (size_t)(at - text) + print_decimal(digits, exponent, at);
}

/* ---- reading ---- */

/* What the grammar found. The value is 0.DIGITS * 10^point, where DIGITS are the significant ones (from the first that is
 * not zero), which stand in the text from first to behind, maybe with a point among them. */
typedef struct scan {
    bool negative, is_double;
    uint64_t leading; /* the first 19 significant digits, or all */
    size_t significant;
    int64_t point;
    const char *first, *behind;
} scan;

/* Up to 3,000 bits: 800 decimal digits, or 5^1142 times a mantissa, and shifts that level both sides. */
typedef struct big {
    unsigned used;
    uint64_t limb[56];
} big;

static void big_multiply_add(big *b, uint64_t factor, uint64_t add)
{
    for (unsigned i = 0; i < b->used; i++) {
        unsigned __int128 product = (unsigned __int128)b->limb[i] * factor + add;
        b->limb[i] = (uint64_t)product;
        add = (uint64_t)(product >> 64);
    }
    if (add) {
        GRI_ASSERT(b->used < GRI_ARRAY_COUNT(b->limb));
        b->limb[b->used++] = add;
    }
}

static void big_multiply_power5(big *b, unsigned power)
{
    for (; power >= 27; power -= 27) big_multiply_add(b, 7450580596923828125u, 0);
    uint64_t rest = 1;
    while (power--) rest *= 5;
    big_multiply_add(b, rest, 0);
}

static void big_shift_left(big *b, unsigned bits)
{
    unsigned limbs = bits / 64;
    if (bits % 64) big_multiply_add(b, 1ull << bits % 64, 0);
    if (!limbs || !b->used) return;
    GRI_ASSERT(b->used + limbs <= GRI_ARRAY_COUNT(b->limb));
    memmove(b->limb + limbs, b->limb, b->used * sizeof b->limb[0]);
    memset(b->limb, 0, limbs * sizeof b->limb[0]);
    b->used += limbs;
}

static int big_compare(const big *a, const big *b)
{
    if (a->used != b->used) return a->used < b->used ? -1 : 1;
    for (unsigned i = a->used; i-- > 0;) {
        if (a->limb[i] != b->limb[i]) return a->limb[i] < b->limb[i] ? -1 : 1;
    }
    return 0;
}

/* All significant digits; from the 801st on only whether one is not zero: a halfway point between doubles has at most 767.
 * The value is *number * 10^(what it returns). */
static int64_t big_read(big *number, const scan *s)
{
    enum { digits_max = 800 };
    int64_t taken = 0;
    bool more = false;
    number->used = 0;
    for (const char *at = s->first; at < s->behind && !more; at++) {
        if (*at == '.') continue;
        if (taken < digits_max) {
            big_multiply_add(number, 10, (uint64_t)(*at - '0'));
            taken++;
        } else {
            more = *at != '0';
        }
    }
    if (more) {
        big_multiply_add(number, 10, 1);
        taken++;
    }
    return s->point - taken;
}

/* How the value compares with half * 2^exponent. */
static GRI_NOINLINE int compare_exactly(const scan *s, uint64_t half, int exponent)
{
    big value, bound = {.used = 1, .limb = {half}};
    int64_t power10 = big_read(&value, s);
    if (power10 >= 0)
        big_multiply_power5(&value, (unsigned)power10);
    else
        big_multiply_power5(&bound, (unsigned)-power10);
    int64_t shift = power10 - exponent;
    if (shift >= 0)
        big_shift_left(&value, (unsigned)shift);
    else
        big_shift_left(&bound, (unsigned)-shift);
    return big_compare(&value, &bound);
}

/* The bits of the double nearest to the value, INFINITY_BITS or more if it is too large. `leading` is not 0. */
static uint64_t nearest_double(const scan *s)
{
    int64_t wide_exponent = s->point - (int64_t)GRI_MIN(s->significant, 19);
    if (wide_exponent < GRI_POWER10_MIN) return 0;
    if (wide_exponent > 308) return INFINITY_BITS;
    int e = (int)wide_exponent;
    const gri_power10 *g = power10(e);
    int zeros = __builtin_clzll(s->leading);
    uint64_t w = s->leading << zeros;
    unsigned __int128 low = (unsigned __int128)w * g->low;
    unsigned __int128 top = (unsigned __int128)w * g->high + (uint64_t)(low >> 64);
    /* The value is `top` in units of 2^(log2(10^e) - zeros - 63); less up to 1 for the power's error, more by less than
     * 2^69 if there are digits behind the 19th. The mantissa is what remains of it above `shift`. */
    bool exact = e >= 0 && e <= 55 && s->significant <= 19;
    unsigned __int128 slack = s->significant <= 19 ? 1 : (unsigned __int128)1 << 69;
    int shift = 74 + (int)(top >> 127);
    int exponent = log2_of_power10(e) - zeros - 63 + shift;
    if (exponent < EXPONENT_MIN) {
        shift += EXPONENT_MIN - exponent;
        exponent = EXPONENT_MIN;
    }
    if (exponent > 971) return INFINITY_BITS;
    uint64_t mantissa = 0;
    int order = 0; /* of what is cut off and half a mantissa bit */
    bool known = false;
    if (shift <= 127) {
        unsigned __int128 half = (unsigned __int128)1 << (shift - 1), rest = top & (2 * half - 1);
        mantissa = (uint64_t)(top >> shift);
        known = exact || rest > half || rest + slack < half;
        order = rest > half ? 1 : rest < half ? -1 : (uint64_t)low != 0;
    }
    if (!known) order = compare_exactly(s, 2 * mantissa + 1, exponent - 1);
    bool up = order > 0 || (order == 0 && (mantissa & 1));
    return mantissa + up + ((uint64_t)(exponent - EXPONENT_MIN) << MANTISSA_BITS);
}

static int to_int(const scan *s, gri_number *ret_number)
{
    uint64_t limit = (uint64_t)INT64_MAX + s->negative;
    if (s->significant > 19 || s->leading > limit) return GR_ERANGE;
    ret_number->is_double = false;
    ret_number->integer = (int64_t)(s->negative ? 0 - s->leading : s->leading);
    return 0;
}

static int to_double(const scan *s, gri_number *ret_number)
{
    static const double small_powers[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                                          1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
    int64_t power = s->point - (int64_t)s->significant;
    double real = (double)s->leading;
    if (s->leading <= 1ull << 53 && power >= -22 && power <= 22 && s->significant <= 19) {
        /* Both operands are exact, so one operation rounds correctly. */
        real = power < 0 ? real / small_powers[-power] : real * small_powers[power];
    } else if (s->leading != 0) {
        uint64_t bits = nearest_double(s);
        if (bits >= INFINITY_BITS) return GR_ERANGE;
        memcpy(&real, &bits, sizeof real);
    }
    ret_number->is_double = true;
    ret_number->real = s->negative ? -real : real;
    return 0;
}

static bool is_digit(const char *at, const char *end)
{
    return at < end && (unsigned char)(*at - '0') < 10;
}

static const char *scan_digits(const char *at, const char *end, scan *s)
{
    for (; is_digit(at, end); at++) {
        if (s->significant < 19) s->leading = s->leading * 10 + (uint64_t)(*at - '0');
        s->significant++;
    }
    return at;
}

/* at is behind the 'e'. Exponents beyond what any text's digits could level are cut. */
static int scan_exponent(const char *at, const char *end, const char **ret_end, scan *s)
{
    const int64_t exponent_max = (int64_t)1 << 56;
    bool negative = at < end && *at == '-';
    if (at < end && (*at == '-' || *at == '+')) at++;
    *ret_end = at;
    if (!is_digit(at, end)) return GR_ESYNTAX;
    int64_t exponent = 0;
    for (; is_digit(at, end); at++) {
        if (exponent < exponent_max / 10) exponent = exponent * 10 + (*at - '0');
    }
    *ret_end = at;
    s->point += negative ? -exponent : exponent;
    return 0;
}

int gri_number_parse(const char *at, const char *end, const char **ret_end, gri_number *ret_number)
{
    scan s = {0};
    if (at < end && *at == '-') {
        s.negative = true;
        at++;
    }
    *ret_end = at;
    if (!is_digit(at, end)) return GR_ESYNTAX;
    if (*at == '0') {
        *ret_end = ++at;
        if (is_digit(at, end)) return GR_ESYNTAX;
        s.first = at;
    } else {
        s.first = at;
        at = scan_digits(at, end, &s);
    }
    s.point = (int64_t)s.significant;
    if (at < end && *at == '.') {
        s.is_double = true;
        *ret_end = ++at;
        if (!is_digit(at, end)) return GR_ESYNTAX;
        if (s.significant == 0) {
            const char *fraction = at;
            while (at < end && *at == '0') at++;
            s.point = fraction - at;
            s.first = at;
        }
        at = scan_digits(at, end, &s);
    }
    s.behind = at;
    *ret_end = at;
    if (at < end && (*at | 0x20) == 'e') {
        s.is_double = true;
        int error = scan_exponent(at + 1, end, ret_end, &s);
        if (error) return error;
    }
    return s.is_double ? to_double(&s, ret_number) : to_int(&s, ret_number);
}
