/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Numbers between binary and JSON text: int64 exact, doubles by their shortest text that reads back as the same double.
 *
 * Pure functions, callable from any thread, independent of the process locale and of errno; they expect the default
 * rounding mode (to nearest). Stack: under 1.2 KB in the rare exact comparison, under 200 bytes otherwise. */
#ifndef GRI_MESSAGE_NUMBER_H
#define GRI_MESSAGE_NUMBER_H

#include "base/compiler.h"

#include <stdbool.h>
#include <stdint.h>

/* Room for any number's text: the longest int64 takes 20 bytes, the longest double 24 ("-2.2250738585072014e-308"). */
#define GRI_NUMBER_TEXT_BYTES 32

/* Write the text, of at most GRI_NUMBER_TEXT_BYTES, without a NUL; return its length. */
size_t gri_int_print(int64_t value, char *text);

/* `value` is finite. The text always has a '.' or an 'e', so that it reads back as a double: 1.0, -0.0, 1e22, 1.5e-7. */
size_t gri_double_print(double value, char *text);

typedef struct gri_number {
    bool is_double;
    int64_t integer;
    double real;
} gri_number;

/* Reads one number of RFC 8259's grammar from at..end and sets *ret_end behind it (what follows is not looked at).
 * Without fraction and exponent it is an int ("-0" is the int 0), otherwise a double, correctly rounded, where what is too
 * small becomes 0.0 or -0.0.
 * GR_ESYNTAX: not a number; *ret_end is the byte that does not fit (maybe `end`).
 * GR_ERANGE: beyond int64, or beyond the largest double; *ret_end is behind it. */
int gri_number_parse(const char *at, const char *end, const char **ret_end, gri_number *ret_number);

/* The table of number_powers.c. */
#define GRI_POWER10_MIN (-342)
#define GRI_POWER10_MAX 324
typedef struct gri_power10 {
    uint64_t high, low;
} gri_power10;
extern const gri_power10 gri_powers10[GRI_POWER10_MAX - GRI_POWER10_MIN + 1];

#endif
