/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
#include "observe/growing.h"

#include "base/compiler.h"

#include <greenroom/error.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define ROOM_FIRST 4096

void gri_text_begin(gri_text *text)
{
    *text = (gri_text){.at = malloc(ROOM_FIRST), .room = ROOM_FIRST};
    if (!text->at) text->code = GR_ENOMEM;
}

static bool make_room(gri_text *text, size_t bytes)
{
    size_t room = GRI_MAX(text->room * 2, text->bytes + bytes + 1);
    char *at = realloc(text->at, room);
    if (!at) {
        text->code = GR_ENOMEM;
        return false;
    }
    text->at = at;
    text->room = room;
    return true;
}

void gri_text_add(gri_text *text, const char *format, ...)
{
    for (int round = 0; round < 2 && text->code == 0; round++) {
        va_list args;
        va_start(args, format);
        int bytes = vsnprintf(text->at + text->bytes, text->room - text->bytes, format, args);
        va_end(args);
        if (bytes < 0) return;
        if ((size_t)bytes < text->room - text->bytes) {
            text->bytes += (size_t)bytes;
            return;
        }
        if (!make_room(text, (size_t)bytes)) return;
    }
}

int gri_text_end(gri_text *text, char **ret_text, size_t *ret_bytes)
{
    if (text->code != 0) {
        free(text->at);
        return text->code;
    }
    text->at[text->bytes] = '\0';
    *ret_text = text->at;
    if (ret_bytes) *ret_bytes = text->bytes;
    return 0;
}
