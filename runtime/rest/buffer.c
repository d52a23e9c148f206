/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
#include "rest/buffer.h"

#include <string.h>

#include <greenroom/remote.h>

static bool reserve(gri_buffer *b, size_t more)
{
    if (b->failed || b->capacity - b->bytes >= more) return !b->failed;
    size_t capacity = (b->capacity + more) * 2;
    char *grown = gr_alloc(b->self, capacity);
    b->failed = !grown;
    if (!grown) return false;
    if (b->bytes) memcpy(grown, b->text, b->bytes);
    if (b->text) gr_free(b->self, b->text);
    b->text = grown;
    b->capacity = capacity;
    return true;
}

void gri_buffer_put(gri_buffer *b, const char *text, size_t bytes)
{
    if (!bytes || !reserve(b, bytes)) return;
    memcpy(b->text + b->bytes, text, bytes);
    b->bytes += bytes;
}

void gri_buffer_put_text(gri_buffer *b, const char *text)
{
    gri_buffer_put(b, text, strlen(text));
}

void gri_buffer_put_number(gri_buffer *b, uint64_t number)
{
    char digits[20];
    size_t at = sizeof digits;
    do digits[--at] = (char)('0' + number % 10);
    while (number /= 10);
    gri_buffer_put(b, digits + at, sizeof digits - at);
}

void gri_buffer_put_value(gri_buffer *b, gr_value value)
{
    const gr_print_options options = {.addresses = gr_remote_form()};
    size_t bytes = 0;
    if (!reserve(b, 256)) return;
    int code = gr_print(value, &options, b->text + b->bytes, b->capacity - b->bytes, &bytes);
    if (code == GR_ETOOBIG && reserve(b, bytes + 1))
        code = gr_print(value, &options, b->text + b->bytes, b->capacity - b->bytes, &bytes);
    if (code == 0) b->bytes += bytes;
    b->failed |= code != 0;
}

void gri_buffer_put_string(gri_buffer *b, const char *text, size_t bytes)
{
    gri_buffer_put(b, "\"", 1);
    for (size_t i = 0; i < bytes; i++) {
        unsigned char c = (unsigned char)text[i];
        char escape[6] = {'\\', 'u', '0', '0', "0123456789abcdef"[c >> 4], "0123456789abcdef"[c & 15]};
        if (c == '"' || c == '\\') gri_buffer_put(b, "\\", 1);
        gri_buffer_put(b, c < ' ' ? escape : &text[i], c < ' ' ? sizeof escape : 1);
    }
    gri_buffer_put(b, "\"", 1);
}

void gri_buffer_put_quoted(gri_buffer *b, const char *text)
{
    for (; *text; text++) gri_buffer_put(b, *text == '\'' ? "\"" : text, 1);
}

void gri_buffer_clear(gri_buffer *b)
{
    b->bytes = 0;
}

void gri_buffer_free(gri_buffer *b)
{
    if (b->text) gr_free(b->self, b->text);
    *b = (gri_buffer){.self = b->self};
}
