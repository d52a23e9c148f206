/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Format strings: the scanner, the types of arguments, and the words for what is wrong with them. Shared by pack (plan) and
 * unpack. On the caller's stack; one thread. */
#ifndef GRI_MESSAGE_FORMAT_H
#define GRI_MESSAGE_FORMAT_H

#include "base/compiler.h"

#include <greenroom/pack.h>

#include <stdarg.h>

#define GRI_FORMAT_ARGUMENTS_MAX 48 /* what the macros take; without a site there is no limit */

/* A va_list that functions can share: passing a va_list itself copies it on some machines and not on others. */
typedef struct gri_arguments {
    va_list list;
} gri_arguments;

typedef struct gri_format {
    const char *text;      /* the whole format */
    const char *next;      /* behind the current character */
    const gr_site *site;   /* NULL: nothing to check arguments against */
    uint32_t offset;       /* of the current character */
    unsigned argument;     /* arguments taken so far */
    gr_detail *ret_detail; /* may be NULL */
} gri_format;

/* GR_EFORMAT for a NULL or empty format, else 0. */
GR_MUST_CHECK int gri_format_begin(gri_format *format, const gr_site *site, const char *text, gr_detail *ret_detail);
/* The next character that means something, '\0' at the end (again and again). gri_format_peek does not advance. */
char gri_format_next(gri_format *format);
char gri_format_peek(gri_format *format);
/* Takes the next argument for the current character: it must be one of `accepted` (bits 1 << gr_arg). What it is goes to
 * *ret_kind; without a site that is `usual`. `takes` names it in the error. */
GR_MUST_CHECK int gri_format_take(gri_format *format, uint32_t accepted, gr_arg usual, const char *takes,
                                  uint8_t *ret_kind);
/* After the last: GR_EFORMAT if the call gives more arguments than the format takes. */
GR_MUST_CHECK int gri_format_end(gri_format *format);

/* GR_EFORMAT, with "offset 3: " and the text in the detail. */
GRI_COLD GRI_PRINTF(3, 4) int gri_format_wrong(gri_format *format, uint32_t offset, const char *text, ...);

/* Returns `code`; the detail gets line, column and byte of `offset`, and "argument 2 (format character 's' at
 * offset 3)" with the text right behind it. `argument` counts from 0. */
GRI_COLD GRI_PRINTF(6, 7) int gri_format_explain(const char *format, gr_detail *ret_detail, int code, unsigned argument,
                                                 uint32_t offset, const char *text, ...);

/* Reads an argument of this kind away. */
GRI_INLINE void gri_arguments_skip(gri_arguments *args, unsigned kind)
{
    switch (kind) {
    case GR_ARG_BOOL:
    case GR_ARG_INT:
    case GR_ARG_UINT: (void)va_arg(args->list, int); break;
    case GR_ARG_LONG:
    case GR_ARG_ULONG: (void)va_arg(args->list, long); break;
    case GR_ARG_DOUBLE: (void)va_arg(args->list, double); break;
    case GR_ARG_ADDRESS: (void)va_arg(args->list, gr_address); break;
    case GR_ARG_VALUE: (void)va_arg(args->list, gr_value); break;
    default: (void)va_arg(args->list, void *);
    }
}

const char *gri_arg_name(unsigned kind);

#define GRI_ARG_BIT(kind) (UINT32_C(1) << (kind))
#define GRI_ARG_TEXTS (GRI_ARG_BIT(GR_ARG_TEXT) | GRI_ARG_BIT(GR_ARG_LITERAL) | GRI_ARG_BIT(GR_ARG_POINTER))

#endif
