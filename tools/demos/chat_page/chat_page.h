/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* The chat rooms' page, an application to mount at CHAT_PAGE_PREFIX beside the actors. Its files are constant and hold no data, so
 * its mount is open; what it does it does by the actors' routes, with the token. */
#ifndef GREENROOM_CHAT_PAGE_H
#define GREENROOM_CHAT_PAGE_H

#include <greenroom/wsgi.h>

#define CHAT_PAGE_PREFIX "/demo/chat"

/* As runtime/rest/dashboard/embed.cmake writes them; a NUL follows the bytes. */
typedef struct chat_asset {
    const char *name, *content_type, *tag;
    const unsigned char *bytes, *end, *packed, *packed_end;
} chat_asset;

extern const chat_asset chat_page_assets[];
extern const size_t chat_page_assets_count;

gr_application chat_page(void);

#endif
