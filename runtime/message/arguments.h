/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Variadic arguments by number instead of one after the other, so that a plan reads only those it needs.
 *
 * Both calling conventions we run on hand integers, pointers, and structs of one of them over as 64-bit words, first in
 * registers, then on the stack, and doubles in registers of their own, of which there are eight: a word's place follows from
 * how many words come before it. (System V AMD64 ABI, 3.5.7; Procedure Call Standard for the Arm 64-bit Architecture,
 * "Variable argument lists".) More than eight doubles share the stack with words; then, and on other machines, the
 * arguments are first read into arrays, one after the other, by their types. */
#ifndef GRI_MESSAGE_ARGUMENTS_H
#define GRI_MESSAGE_ARGUMENTS_H

#include "message/format.h"

#include <string.h>

typedef struct gri_argument_places {
    const unsigned char *first; /* the words in registers */
    const unsigned char *rest;  /* the others, as if all were here */
    uint32_t first_count;       /* words in registers */
    uint32_t double_step;       /* bytes from one double to the next */
    const unsigned char *doubles;
} gri_argument_places;

/* Room for what could not be found in place. */
typedef struct gri_argument_copies {
    uint64_t words[GRI_FORMAT_ARGUMENTS_MAX];
    double doubles[GRI_FORMAT_ARGUMENTS_MAX];
} gri_argument_copies;

/* The way that works everywhere: reads `count` arguments of these types. */
void gri_arguments_copy(gri_arguments *args, const unsigned char *types, unsigned count, gri_argument_copies *copies,
                        gri_argument_places *ret_places);

/* The address of a va_list, a parameter too: there it is an array that has become a pointer, or the thing itself. */
#if defined(__x86_64__)
#define GRI_ARGUMENTS_AT(list) ((const void *)(list))
#else
#define GRI_ARGUMENTS_AT(list) ((const void *)&(list))
#endif

/* Whether words are found in place here. */
#if (defined(__x86_64__) || defined(__aarch64__)) && !defined(GRI_PORTABLE_ARGUMENTS)
#define GRI_ARGUMENTS_IN_PLACE 1
#else
#define GRI_ARGUMENTS_IN_PLACE 0
#endif

/* Where the arguments of the va_list at `at` (GRI_ARGUMENTS_AT) are in place; false if they have to be copied. Does not
 * advance the list. Its fields are read one by one, as va_start has just written them: a copy of the whole in wider pieces
 * has to wait for those stores to reach the cache, 7 ns each time (measured). */
GRI_INLINE bool gri_arguments_find(const void *at, unsigned doubles_count, gri_argument_places *ret_places)
{
#if defined(__x86_64__) && !defined(GRI_PORTABLE_ARGUMENTS)
    struct {
        uint32_t words_offset, doubles_offset;
        const unsigned char *stack, *registers;
    } list;
    _Static_assert(sizeof list == sizeof(va_list), "a va_list is what the ABI says");
    const unsigned char *fields = at;
    memcpy(&list.words_offset, fields, 4);
    memcpy(&list.doubles_offset, fields + 4, 4);
    memcpy(&list.stack, fields + 8, 8);
    __asm__("" : "+r"(list.stack)); /* or the compiler reads both pointers as one, and that waits */
    memcpy(&list.registers, fields + 16, 8);
    ret_places->first = list.registers + list.words_offset;
    ret_places->first_count = (48 - list.words_offset) / 8;
    ret_places->rest = list.stack - (size_t)ret_places->first_count * 8;
    ret_places->doubles = list.registers + list.doubles_offset;
    ret_places->double_step = 16;
    return doubles_count <= (176 - list.doubles_offset) / 16;
#elif defined(__aarch64__) && !defined(GRI_PORTABLE_ARGUMENTS)
    struct {
        const unsigned char *stack, *words_end, *doubles_end;
        int32_t words_offset, doubles_offset;
    } list;
    _Static_assert(sizeof list == sizeof(va_list), "a va_list is what the ABI says");
    memcpy(&list, at, sizeof list);
    uint32_t words = list.words_offset < 0 ? (uint32_t)-list.words_offset / 8 : 0;
    uint32_t doubles = list.doubles_offset < 0 ? (uint32_t)-list.doubles_offset / 16 : 0;
    ret_places->first = list.words_end - (size_t)words * 8;
    ret_places->first_count = words;
    ret_places->rest = list.stack - (size_t)words * 8;
    ret_places->doubles = list.doubles_end - (size_t)doubles * 16;
    ret_places->double_step = 16;
    return doubles_count <= doubles;
#else
    (void)at;
    (void)doubles_count;
    (void)ret_places;
    return false;
#endif
}

/* The same for a function that takes `named` words before the variable arguments, of which only words are asked for: less is to be
 * read. Only where GRI_ARGUMENTS_IN_PLACE. */
GRI_INLINE void gri_arguments_find_words(const void *at, unsigned named, gri_argument_places *ret_places)
{
#if defined(__x86_64__) && !defined(GRI_PORTABLE_ARGUMENTS)
    const unsigned char *fields = at, *stack, *registers;
    memcpy(&stack, fields + 8, 8);
    __asm__("" : "+r"(stack)); /* see above */
    memcpy(&registers, fields + 16, 8);
    ret_places->first = registers + named * 8;
    ret_places->first_count = 6 - named;
    ret_places->rest = stack - (size_t)ret_places->first_count * 8;
#else
    (void)named;
    (void)gri_arguments_find(at, 0, ret_places);
#endif
}

GRI_INLINE uint64_t gri_argument_word(const gri_argument_places *places, unsigned place)
{
    const unsigned char *from = place < places->first_count ? places->first : places->rest;
    uint64_t word;
    memcpy(&word, from + (size_t)place * 8, sizeof word);
    return word;
}

/* The bits of a double. */
GRI_INLINE uint64_t gri_argument_double(const gri_argument_places *places, unsigned place)
{
    uint64_t bits;
    memcpy(&bits, places->doubles + (size_t)place * places->double_step, sizeof bits);
    return bits;
}

#endif
