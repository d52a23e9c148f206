/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
#include "observe/waits.h"

#include "actor/registry.h"
#include "actor/symbol.h"

#include <netdb.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

void gri_waits_print_actor(gri_text *text, gr_address address)
{
    char printed[GR_ADDRESS_TEXT_BYTES], name[GR_NAME_BYTES_MAX + 1];
    gri_registry_about(address, name, NULL);
    gri_text_add(text, "%s", gr_address_print(address, printed));
    if (name[0]) gri_text_add(text, " \"%s\"", name);
}

/* The descriptor may be another's by now; then what was seen is not believed, and this not printed. */
static void print_peer(gri_text *text, int fd)
{
    struct sockaddr_storage peer;
    socklen_t bytes = sizeof peer;
    char host[INET6_ADDRSTRLEN + 32], port[8];
    bool connected = getpeername(fd, (struct sockaddr *)(void *)&peer, &bytes) == 0;
    if (!connected) bytes = sizeof peer;
    if (!connected && getsockname(fd, (struct sockaddr *)(void *)&peer, &bytes) != 0) return;
    const char *how = connected ? "with" : "at";
    if (peer.ss_family == AF_UNIX) {
        const char *path = ((struct sockaddr_un *)(void *)&peer)->sun_path;
        size_t room =
            bytes > offsetof(struct sockaddr_un, sun_path) ? bytes - offsetof(struct sockaddr_un, sun_path) : 0;
        if (room > 0 && path[0]) gri_text_add(text, " %s unix:%.*s", how, (int)strnlen(path, room), path);
        return;
    }
    if (getnameinfo((struct sockaddr *)(void *)&peer, bytes, host, sizeof host, port, sizeof port,
                    NI_NUMERICHOST | NI_NUMERICSERV) == 0)
        gri_text_add(text, strchr(host, ':') ? " %s [%s]:%s" : " %s %s:%s", how, host, port);
}

static void print_shapes(gri_text *text, const gri_look_waiting *w)
{
    gri_text_add(text, "a message like ");
    for (int32_t i = 0; i < w->number && i < GRI_LOOK_SHAPES; i++)
        gri_text_add(text, "%s%s", i == 0 ? "" : " or ", w->shapes[i][0] ? w->shapes[i] : "?");
    if (w->number > GRI_LOOK_SHAPES) gri_text_add(text, " or %d more", (int)(w->number - GRI_LOOK_SHAPES));
}

static void print_function(gri_text *text, const void *function)
{
    uintptr_t pc = (uintptr_t)function;
    const gri_symbol *symbol;
    gri_symbols_find(&pc, 1, &symbol);
    gri_text_add(text, "the blocking call of %s", symbol->method);
}

void gri_waits_print(gri_text *text, const gri_look_waiting *w)
{
    switch (w->kind) {
    case GRI_WAITING_MESSAGE: gri_text_add(text, "a message"); break;
    case GRI_WAITING_SELECT: print_shapes(text, w); break;
    case GRI_WAITING_CALL:
        gri_text_add(text, "the answer of ");
        gri_waits_print_actor(text, w->address);
        gri_text_add(text, " to %s", w->text[0] ? w->text : "?");
        break;
    case GRI_WAITING_END:
        gri_text_add(text, "the end of ");
        gri_waits_print_actor(text, w->address);
        break;
    case GRI_WAITING_STATE:
        gri_text_add(text, "the next publication of ");
        gri_waits_print_actor(text, w->address);
        break;
    case GRI_WAITING_SEND:
        gri_text_add(text, "room in the mailbox of ");
        gri_waits_print_actor(text, w->address);
        break;
    case GRI_WAITING_SLEEP: gri_text_add(text, "time to pass"); break;
    case GRI_WAITING_SOCKET:
        gri_text_add(text, "%s", w->text[0] ? w->text : "a socket");
        print_peer(text, w->number);
        gri_text_add(text, " (descriptor %d)", (int)w->number);
        break;
    case GRI_WAITING_BLOCKING: print_function(text, w->function); break;
    default: gri_text_add(text, "%s", w->text[0] ? w->text : "something urgent"); break;
    }
    if (w->left_ms >= 0) gri_text_add(text, ", %lld ms more", (long long)w->left_ms);
}
