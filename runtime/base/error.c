/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Names and texts of the error codes, made from the one table in <greenroom/error.h>. */
#include <greenroom/error.h>

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
