/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* GET / for browsers, as a table without scripts. */
#include <string.h>

#include "rest/buffer.h"
#include "rest/http_target.h"
#include "rest/listing.h"

static void put(gri_buffer *b, const char *text)
{
    gri_buffer_put_text(b, text);
}

static void put_escaped(gri_buffer *b, const char *text)
{
    for (;;) {
        size_t plain = strcspn(text, "&<>\"'");
        gri_buffer_put(b, text, plain);
        if (!text[plain]) return;
        put(b, "&#");
        gri_buffer_put_number(b, (unsigned char)text[plain]);
        put(b, ";");
        text += plain + 1;
    }
}

static void put_row(gri_buffer *b, const gr_actor_info *info)
{
    char address[GR_ADDRESS_TEXT_BYTES], path[GR_NAME_BYTES_MAX * 3 + 1];
    const char *name = info->name[0] ? info->name : gr_address_print(info->address, address);
    path[gri_http_percent_encode(name, strlen(name), path)] = '\0';
    put(b, "<tr><td><a href=\"/");
    put_escaped(b, path);
    put(b, "\">");
    put_escaped(b, name);
    put(b, "</a><td>");
    put_escaped(b, info->behaviour);
    put(b, "<td>");
    put_escaped(b, info->state);
    put(b, "<td>");
    gri_buffer_put_number(b, info->messages);
    put(b, "\n");
}

int gri_plain_page(const gri_request *r, const gri_listing *l)
{
    const gr_header headers[] = {
        {"Content-Type", "text/html; charset=utf-8"},
        {"Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"},
        {"Vary", "Accept"},
    };
    gri_buffer b = {.self = r->env->self};
    put(&b, "<!DOCTYPE html>\n<html lang=\"en\"><meta charset=\"utf-8\"><title>Greenroom</title>\n"
            "<style>body{font:16px sans-serif;margin:2em}td,th{text-align:left;padding:.2em 1em .2em 0}</style>\n"
            "<h1>Actors</h1>\n<p>");
    gri_buffer_put_number(&b, l->total);
    put(&b, " in all, ");
    gri_buffer_put_number(&b, l->kept > l->offset ? l->kept - l->offset : 0);
    put(&b, " from number ");
    gri_buffer_put_number(&b, l->offset);
    put(&b, " on\n<table><tr><th>name<th>behaviour<th>state<th>messages\n");
    for (size_t i = l->offset; i < l->kept; i++) put_row(&b, &l->heap[i]);
    put(&b, "</table>\n");
    int code = b.failed ? GR_ENOMEM : gr_response_start(r->respond, 200, headers, 3, (int64_t)b.bytes);
    if (code == 0) code = gr_response_write(r->respond, b.text, b.bytes);
    gri_buffer_free(&b);
    return code;
}
