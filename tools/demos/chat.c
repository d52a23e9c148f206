/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* chat: rooms whose members are actors.
 *
 *     PUT /lobby {"behaviour": "chat"}                    the room
 *     POST /lobby/-/call/join {"name": "ann"}             spawns the member /lobby/ann
 *     POST /lobby/-/call/say {"from": "ann", "text": …}   everybody hears it; so does POST /lobby/ann/-/call/say {"text": …}
 *     GET /lobby, GET /lobby/ann                          who is there, what ann has heard
 *     POST /lobby/-/call/leave {"name": "ann"}            or DELETE /lobby/ann
 *
 *                      join, leave, say             {"from","text"}
 *     clients ------------------------------> room ----------------> members (one body for all: gr_multicast)
 *                                              ^ |                      |
 *                                              | +--- kill -------------+
 *                                              +--- monitor: {"down"} --+   a member that dies leaves
 *                                                   link, PROPAGATE         a room that dies takes its members along
 *
 * With {"behaviour": "chat", "args": {"port": 7581}} it listens on that TCP port of 127.0.0.1, too (chat_port.c): `nc 127.0.0.1
 * 7581`, and whoever types there is a member like the others. Port 0 is any; GET /lobby tells which.
 *
 * A room without a name has members without names: join answers with their addresses. */
#include "demos/chat.h"

#include <stdio.h>
#include <string.h>

enum { MEMBERS_MAX = 1000, NAME_BYTES_MAX = 64 };

typedef struct member {
    char name[NAME_BYTES_MAX + 1];
    gr_address address;
} member;

typedef struct room {
    member *members; /* room for `capacity`, from gr_alloc */
    size_t count, capacity;
    int64_t said;
    char listens[GR_SOCKET_TEXT_BYTES]; /* "127.0.0.1:7581", or empty */
} room;

bool chat_text_fits(gr_value text)
{
    return gr_type_of(text) == GR_STRING && gr_string_bytes(text) <= CHAT_TEXT_BYTES_MAX;
}

static bool is_name(gr_value name)
{
    return demo_is_key(name, NAME_BYTES_MAX) && !strchr(gr_string(name, ""), '/');
}

/* The string under "name" or "from", or an exception. */
static const char *member_name(gr_self *self, gr_value argument, const char *key)
{
    gr_value name = gr_get(argument, key);
    const char *text = gr_string(name, "");
    if (!is_name(name))
        gr_raise(self, "bad_argument", "\"%s\" must be a string of 1 to %d bytes without '/'", key, NAME_BYTES_MAX);
    return text;
}

static member *find(room *r, const char *name)
{
    for (size_t i = 0; i < r->count; i++)
        if (strcmp(r->members[i].name, name) == 0) return &r->members[i];
    return NULL;
}

/* One more place in the list. */
static bool make_room(gr_self *self, room *r)
{
    if (r->count < r->capacity) return true;
    size_t capacity = r->capacity ? r->capacity * 2 : 8;
    member *members = gr_alloc(self, capacity * sizeof *members);
    if (!members) return false;
    if (r->members) memcpy(members, r->members, r->count * sizeof *members);
    gr_free(self, r->members);
    r->members = members;
    r->capacity = capacity;
    return true;
}

/* The same, or an exception. */
static void reserve(gr_self *self, room *r)
{
    if (r->count == MEMBERS_MAX) gr_raise(self, "room_full", "a room has at most %d members", MEMBERS_MAX);
    if (!make_room(self, r)) gr_raise(self, "no_memory", "no memory for one more member");
}

/* ROOM/NAME, or "" if the room has no name. */
static void full_name(gr_self *self, const char *name, char *text, size_t bytes)
{
    gr_actor_info info = {0};
    text[0] = '\0';
    if (gr_inspect(gr_self_address(self), &info) != 0 || !info.name[0]) return;
    int needed = snprintf(text, bytes, "%s/%s", info.name, name);
    if (needed < 0 || (size_t)needed >= bytes) gr_raise(self, "bad_argument", "the member's whole name is too long");
}

static void join(gr_self *self, void *state, gr_value argument)
{
    room *r = state;
    char whole[GR_NAME_BYTES_MAX + 1], address[GR_ADDRESS_TEXT_BYTES];
    const char *name = member_name(self, argument, "name");
    gr_monitor_ref down;
    if (find(r, name)) gr_raise(self, "name_taken", "%s is in the room already", name);
    reserve(self, r);
    full_name(self, name, whole, sizeof whole);
    member *m = &r->members[r->count];
    gr_spawn_options options = {.name = whole[0] ? whole : NULL, .monitor = &down};
    int code = gr_spawn_server(self, &m->address, &chat_member, &options, "{s:A, s:s}", "room", gr_self_address(self),
                               "name", name);
    if (code == GR_EEXISTS) gr_raise(self, "name_taken", "%s is somebody's name already", whole);
    if (code != 0) gr_raise(self, "not_joined", "%s: %s", gr_error_text(code), gr_error_detail(self)->text);
    strcpy(m->name, name);
    r->count++;
    (void)gr_reply(self, "{s:A, s:s}", "address", m->address, "name",
                   whole[0] ? whole : gr_address_print(m->address, address));
}

static void forget(room *r, member *m)
{
    size_t after = (size_t)(r->members + r->count - (m + 1));
    memmove(m, m + 1, after * sizeof *m); /* in the order of their joining */
    r->count--;
}

static void leave(gr_self *self, void *state, gr_value argument)
{
    room *r = state;
    const char *name = member_name(self, argument, "name");
    member *m = find(r, name);
    if (!m) gr_raise(self, "not_a_member", "%s is not in the room", name);
    (void)gr_kill(m->address); /* dead already: as wished */
    forget(r, m);
    (void)gr_reply(self, "{s:s}", "left", name);
}

/* Sends it to everybody; returns how many took it. */
static int tell_all(gr_self *self, room *r, const char *from, gr_value text)
{
    gr_message *message = NULL;
    gr_address to[MEMBERS_MAX];
    for (size_t i = 0; i < r->count; i++) to[i] = r->members[i].address;
    int code = gr_pack(&message, "{s:s, s:V}", "from", from, "text", text);
    if (code == 0) code = gr_multicast(self, to, r->count, &message);
    gr_message_free(&message);
    if (code >= 0) r->said++;
    return code;
}

static void say(gr_self *self, void *state, gr_value argument)
{
    room *r = state;
    const char *from = member_name(self, argument, "from");
    gr_value text = gr_get(argument, "text");
    if (!chat_text_fits(text))
        gr_raise(self, "bad_argument", "\"text\" must be a string of at most %d bytes", CHAT_TEXT_BYTES_MAX);
    if (!find(r, from)) gr_raise(self, "not_a_member", "%s is not in the room", from);
    int heard = tell_all(self, r, from, text);
    if (heard < 0) gr_raise(self, "not_said", "%s", gr_error_text(heard));
    (void)gr_reply(self, "{s:i}", "heard_by", heard);
}

/* A guest wants in. What it is told is a cast: it may have gone already. */
static void enter(gr_self *self, room *r, gr_address guest, gr_value name)
{
    const char *why = NULL;
    gr_monitor_ref down;
    if (!is_name(name))
        why = "A name has 1 to 64 bytes and no '/'";
    else if (find(r, gr_string(name, "")))
        why = "That name is taken";
    else if (r->count == MEMBERS_MAX || !make_room(self, r))
        why = "The room is full";
    if (!why && gr_monitor(self, guest, &down) != 0) return;
    if (why) {
        (void)gr_cast(self, guest, "{s:s}", "refused", why);
        return;
    }
    member *m = &r->members[r->count++];
    m->address = guest;
    strcpy(m->name, gr_string(name, ""));
    (void)gr_cast(self, guest, "{s:s}", "entered", m->name);
}

/* A member's end, a member's own words, or a guest at the door. */
static void on_message(gr_self *self, void *state, gr_message *message)
{
    room *r = state;
    gr_value body = gr_body(message);
    bool down = gr_type_of(gr_get(body, "down")) == GR_INT;
    gr_address who = down ? gr_address_in(gr_get(body, "address")) : gr_sender(message);
    for (size_t i = 0; i < r->count; i++) {
        member *m = &r->members[i];
        if (!gr_address_equal(m->address, who)) continue;
        if (down) {
            forget(r, m);
        } else if (chat_text_fits(gr_get(body, "text")) && tell_all(self, r, m->name, gr_get(body, "text")) < 0) {
            gr_log(GR_LOG_WARN, "chat: something that %s said was lost", m->name);
        }
        return;
    }
    if (gr_type_of(gr_get(body, "enter")) == GR_STRING && gr_alive(who)) enter(self, r, who, gr_get(body, "enter"));
}

/* Opens the port, if it is to have one. */
static int start(gr_self *self, void *state, gr_value args)
{
    room *r = state;
    gr_socket listener;
    gr_address door;
    char address[32];
    int64_t port = gr_int(gr_get(args, "port"), -1);
    if (gr_type_of(gr_get(args, "port")) == GR_MISSING) return 0;
    if (port < 0 || port > 65535) gr_raise(self, "bad_argument", "\"port\" must be 0 to 65535");
    snprintf(address, sizeof address, "127.0.0.1:%d", (int)port);
    int code = gr_listen(self, &listener, address, NULL);
    if (code == 0) code = gr_socket_local(self, listener, r->listens);
    if (code == 0)
        code = gr_spawn(self, &door, chat_door, "{s:A, s:I}", "room", gr_self_address(self), "listener",
                        (int64_t)listener.id);
    if (code != 0) gr_raise(self, "not_listening", "%s: %s", gr_error_text(code), gr_error_detail(self)->text);
    return 0;
}

static void describe(gr_self *self, void *state, gr_builder *builder)
{
    room *r = state;
    (void)self;
    gr_put_object(builder);
    gr_put_key(builder, "members"), gr_put_array(builder);
    for (size_t i = 0; i < r->count; i++) gr_put_string(builder, r->members[i].name);
    gr_put_end(builder);
    gr_put_key(builder, "said"), gr_put_int(builder, r->said);
    if (r->listens[0]) gr_put_key(builder, "listens"), gr_put_string(builder, r->listens);
    gr_put_end(builder);
}

static const gr_method methods[] = {{"join", join}, {"leave", leave}, {"say", say}};

static const gr_server server = {
    .state_bytes = sizeof(room),
    .start = start,
    .methods = methods,
    .method_count = sizeof methods / sizeof *methods,
    .on_message = on_message,
    .describe = describe,
};

const gr_behaviour demo_chat = {
    .name = "chat",
    .server = &server,
    .text = "a room: call join {\"name\"}, say {\"from\", \"text\"}, leave {\"name\"}",
};
