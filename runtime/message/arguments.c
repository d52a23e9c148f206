/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
#include "message/arguments.h"

_Static_assert(sizeof(void *) == 8 && sizeof(gr_address) == 8 && sizeof(gr_value) == 8, "each is a word");

static uint64_t read_word(gri_arguments *args, unsigned kind)
{
    switch (kind) {
    case GR_ARG_BOOL:
    case GR_ARG_INT:
    case GR_ARG_UINT: return va_arg(args->list, unsigned);
    case GR_ARG_LONG:
    case GR_ARG_ULONG: return va_arg(args->list, unsigned long);
    case GR_ARG_ADDRESS: return va_arg(args->list, gr_address).id;
    case GR_ARG_VALUE: return (uint64_t)(uintptr_t)va_arg(args->list, gr_value).at;
    default: return (uint64_t)(uintptr_t)va_arg(args->list, void *);
    }
}

void gri_arguments_copy(gri_arguments *args, const unsigned char *types, unsigned count, gri_argument_copies *copies,
                        gri_argument_places *ret_places)
{
    unsigned words = 0, doubles = 0;
    for (unsigned i = 0; i < count; i++) {
        if (types[i] == GR_ARG_DOUBLE) {
            copies->doubles[doubles++] = va_arg(args->list, double);
        } else {
            copies->words[words++] = read_word(args, types[i]);
        }
    }
    ret_places->first = (const unsigned char *)copies->words;
    ret_places->rest = ret_places->first;
    ret_places->first_count = words;
    ret_places->doubles = (const unsigned char *)copies->doubles;
    ret_places->double_step = sizeof(double);
}
