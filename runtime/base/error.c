/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Names and texts of the error codes, made from the one table in <greenroom/error.h>; texts of one's own. */
#include "base/error.h"

#include <stdarg.h>
#include <stdio.h>

const char *gr_error_name(int code)
{
    switch (code) {
    case GR_OK: return "GR_OK";
#define ERROR_NAME(name, number, text) \
    case number: return #name;
        GR_ERRORS(ERROR_NAME)
#undef ERROR_NAME
    default: return "GR_E?";
    }
}

const char *gr_error_text(int code)
{
    switch (code) {
    case GR_OK: return "success";
#define ERROR_TEXT(name, number, text) \
    case number: return text;
        GR_ERRORS(ERROR_TEXT)
#undef ERROR_TEXT
    default: return "unknown error";
    }
}

int gri_refuse(gr_detail *ret_detail, int code, const char *format, ...)
{
    if (!ret_detail) return code;
    *ret_detail = (gr_detail){0};
    va_list args;
    va_start(args, format);
    (void)vsnprintf(ret_detail->text, sizeof ret_detail->text, format, args);
    va_end(args);
    return code;
}
