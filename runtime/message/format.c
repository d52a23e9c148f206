/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
#include "message/format.h"

#include <stdio.h>
#include <string.h>

_Static_assert(GR_ARG_KINDS <= 32, "kinds are bits of 32");

const char *gri_arg_name(unsigned kind)
{
#define GRI_ARG_NAME(name, text) text,
    static const char *const names[] = {GR_ARGS(GRI_ARG_NAME)};
#undef GRI_ARG_NAME
    return kind < GR_ARG_KINDS ? names[kind] : "?";
}

/* ---- errors ---- */

static void locate(gr_detail *detail, const char *text, uint32_t offset)
{
    memset(detail, 0, sizeof *detail);
    detail->line = 1;
    detail->column = 1;
    detail->byte = offset;
    for (uint32_t i = 0; text && i < offset && text[i]; i++) {
        detail->column++;
        if (text[i] == '\n') detail->line++, detail->column = 1;
    }
}

int gri_format_wrong(gri_format *format, uint32_t offset, const char *text, ...)
{
    gr_detail *detail = format->ret_detail;
    if (!detail) return GR_EFORMAT;
    locate(detail, format->text, offset);
    int used = snprintf(detail->text, sizeof detail->text, "format, offset %u: ", offset);
    va_list args;
    va_start(args, text);
    vsnprintf(detail->text + used, sizeof detail->text - (size_t)used, text, args);
    va_end(args);
    return GR_EFORMAT;
}

int gri_format_explain(const char *format, gr_detail *detail, int code, unsigned argument, uint32_t offset,
                       const char *text, ...)
{
    if (!detail) return code;
    locate(detail, format, offset);
    int used = snprintf(detail->text, sizeof detail->text, "argument %u (format character '%c' at offset %u)",
                        argument + 1, format[offset], offset);
    va_list args;
    va_start(args, text);
    vsnprintf(detail->text + used, sizeof detail->text - (size_t)used, text, args);
    va_end(args);
    return code;
}

/* ---- scanning ---- */

int gri_format_begin(gri_format *format, const gr_site *site, const char *text, gr_detail *ret_detail)
{
    *format = (gri_format){.text = text, .next = text, .site = site, .ret_detail = ret_detail};
    if (text && gri_format_peek(format) != '\0') return 0;
    return gri_format_wrong(format, 0, text ? "the format is empty" : "the format is NULL");
}

static const char *skip(const char *at)
{
    while (*at == ' ' || *at == '\t' || *at == '\n' || *at == ',' || *at == ':') at++;
    return at;
}

char gri_format_peek(gri_format *format)
{
    return *skip(format->next);
}

char gri_format_next(gri_format *format)
{
    const char *at = skip(format->next);
    format->offset = (uint32_t)(at - format->text);
    format->next = *at ? at + 1 : at;
    return *at;
}

/* ---- arguments ---- */

int gri_format_take(gri_format *format, uint32_t accepted, gr_arg usual, const char *takes, uint8_t *ret_kind)
{
    unsigned argument = format->argument++;
    uint32_t offset = format->offset;
    if (!format->site) {
        *ret_kind = (uint8_t)usual;
        return 0;
    }
    if (argument >= format->site->count)
        return gri_format_explain(format->text, format->ret_detail, GR_EFORMAT, argument, offset,
                                  " is not given; it takes %s", takes);
    uint8_t kind = format->site->types[argument];
    if (kind >= GR_ARG_KINDS || !(accepted & GRI_ARG_BIT(kind)))
        return gri_format_explain(format->text, format->ret_detail, GR_EFORMAT, argument, offset, " takes %s, got %s",
                                  takes, gri_arg_name(kind));
    *ret_kind = kind;
    return 0;
}

int gri_format_end(gri_format *format)
{
    if (!format->site || format->argument == format->site->count) return 0;
    if (format->ret_detail) {
        locate(format->ret_detail, format->text, (uint32_t)strlen(format->text));
        snprintf(format->ret_detail->text, sizeof format->ret_detail->text,
                 "the format takes %u argument%s, %u are given", format->argument, format->argument == 1 ? "" : "s",
                 format->site->count);
    }
    return GR_EFORMAT;
}
