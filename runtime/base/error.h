/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Saying why, for calls that have no `self` to keep it. */
#ifndef GRI_BASE_ERROR_H
#define GRI_BASE_ERROR_H

#include <greenroom/error.h>

/* Fills *ret_detail, if there is one, with nothing but the text, cut to what it holds. Returns `code`. */
GR_PRINTF(3, 4) int gri_refuse(gr_detail *ret_detail, int code, const char *format, ...);

#endif
