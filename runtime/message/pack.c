/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
#include <greenroom/pack.h>

#include "message/plan.h"

int gr_pack_site(gr_message **ret_message, gr_detail *ret_detail, gr_site *site, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int error = gri_pack_message(site, format, args, ret_message, ret_detail);
    va_end(args);
    return error;
}

int gr_pack_into_site(void *storage, size_t bytes, gr_value *ret_value, gr_site *site, const char *format, ...)
{
    gr_builder b;
    va_list args;
    gr_build_into(&b, storage, bytes);
    va_start(args, format);
    int error = gri_plan_run(&b, site, format, args, NULL);
    va_end(args);
    if (error) {
        gr_build_cancel(&b);
        return error;
    }
    return gr_build_value(&b, ret_value);
}
