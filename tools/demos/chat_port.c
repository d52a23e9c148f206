/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* The chat room's TCP port, for `nc 127.0.0.1 PORT`: one line is the name, every other one is said.
 *
 *     nc --- socket --- guest --- {"enter": name}, {"text": …} --> room --- {"entered"|"refused"}, {"from","text"} --> guest
 *                         ^
 *     door: accepts, spawns a guest for each connection
 *
 * A guest is a server with an active socket: what the client sends are messages, one at a time (GR_ACTIVE_ONCE), so a client that
 * floods waits for the room. The socket is closed with the guest, on whatever path it ends; door and guests end with the room. */
#include "demos/chat.h"

#include <stdio.h>
#include <string.h>

enum { PATIENCE_MS = 5000 }; /* a client that does not read for so long is sent away */

typedef struct guest {
    gr_address room;
    gr_socket socket;
    bool entered, too_long; /* the line that is being read is longer than a room takes */
    size_t bytes;           /* of the line so far */
    char line[CHAT_TEXT_BYTES_MAX + 1];
} guest;

/* Writes to the client; one that does not take it is sent away. */
static void tell(gr_self *self, guest *g, const char *first, const char *second, const char *third)
{
    struct iovec parts[] = {
        {(void *)(uintptr_t)first, strlen(first)},
        {(void *)(uintptr_t)second, strlen(second)},
        {(void *)(uintptr_t)third, strlen(third)},
    };
    if (gr_writev(self, g->socket, parts, 3, gr_after_ms(PATIENCE_MS)) != 0) gr_server_end(self);
}

static int start(gr_self *self, void *state, gr_value args)
{
    guest *g = state;
    g->room = gr_address_in(gr_get(args, "room"));
    g->socket = (gr_socket){(uint64_t)gr_int(gr_get(args, "socket"), 0)};
    int code = gr_socket_adopt(self, g->socket);
    if (code == 0) code = gr_link(self, g->room, GR_LINK | GR_LINK_PROPAGATE);
    if (code == 0) tell(self, g, "What is your name?\n", "", "");
    return code == 0 ? gr_socket_active(self, g->socket, GR_ACTIVE_ONCE, 0) : code;
}

static void end_of_line(gr_self *self, guest *g)
{
    if (g->bytes > 0 && g->line[g->bytes - 1] == '\r') g->bytes--;
    g->line[g->bytes] = '\0';
    int code = 0;
    if (g->too_long)
        tell(self, g, "That was too long.\n", "", "");
    else if (g->bytes > 0)
        code = gr_cast(self, g->room, "{s:s%}", g->entered ? "text" : "enter", g->line, g->bytes);
    if (code != 0) tell(self, g, "That was no UTF-8.\n", "", "");
    g->bytes = 0;
    g->too_long = false;
}

static void take_data(gr_self *self, guest *g, gr_value data)
{
    size_t bytes = 0;
    const char *at = gr_bytes(data, &bytes);
    for (size_t i = 0; i < bytes; i++) {
        if (at[i] == '\n')
            end_of_line(self, g);
        else if (g->bytes < CHAT_TEXT_BYTES_MAX)
            g->line[g->bytes++] = at[i];
        else
            g->too_long = true;
    }
}

static void on_message(gr_self *self, void *state, gr_message *message)
{
    guest *g = state;
    gr_value body = gr_body(message);
    const char *kind = gr_string(gr_get(body, "actnet"), "");
    bool from_room = gr_address_equal(gr_sender(message), g->room);
    if (strcmp(kind, "tcp") == 0) {
        take_data(self, g, gr_get(body, "data"));
        if (gr_socket_active(self, g->socket, GR_ACTIVE_ONCE, 0) != 0) gr_server_end(self);
    } else if (*kind) {
        gr_server_end(self); /* tcp_close, tcp_error */
    } else if (from_room && gr_type_of(gr_get(body, "entered")) == GR_STRING) {
        g->entered = true;
        tell(self, g, "Welcome, ", gr_string(gr_get(body, "entered"), ""), ".\n");
    } else if (from_room && gr_type_of(gr_get(body, "refused")) == GR_STRING) {
        tell(self, g, gr_string(gr_get(body, "refused"), ""), "; another name?\n", "");
    } else if (from_room) {
        tell(self, g, gr_string(gr_get(body, "from"), ""), ": ", gr_string(gr_get(body, "text"), ""));
        tell(self, g, "\n", "", "");
    }
}

static const gr_server chat_guest = {.state_bytes = sizeof(guest), .start = start, .on_message = on_message};

void chat_door(gr_self *self, gr_value args)
{
    gr_address room = gr_address_in(gr_get(args, "room"));
    gr_socket listener = {(uint64_t)gr_int(gr_get(args, "listener"), 0)}, socket;
    if (gr_link(self, room, GR_LINK | GR_LINK_PROPAGATE) != 0 || gr_socket_adopt(self, listener) != 0) return;
    while (gr_accept(self, listener, &socket, GR_FOREVER) == 0) {
        gr_address one;
        int code =
            gr_spawn_server(self, &one, &chat_guest, NULL, "{s:A, s:I}", "room", room, "socket", (int64_t)socket.id);
        if (code == 0) continue;
        gr_log(GR_LOG_WARN, "chat: nobody for a connection: %s", gr_error_text(code));
        (void)gr_close(self, socket);
    }
}
