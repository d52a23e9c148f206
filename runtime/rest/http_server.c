/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* The listening actor: accepts, counts, refuses beyond the limits, drains at the end.
 *
 * It alone knows its connections: it is linked to each and takes it off its list when the link message comes. A stop is a
 * {"stop": deadline} message followed by a kill, which is what wakes an accept; it takes the kill back and drains: that is,
 * kills all connections, which hold it while they have something to finish (http_connection.h). */
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include <greenroom/io.h>
#include <greenroom/link.h>
#include <greenroom/registry.h>
#include <greenroom/runtime.h>

#include "rest/http_connection.h"

#define STACK_BYTES \
    ((size_t)64 << 10) /* whatever GREENROOM_STACK_KB says: 32 KB work, 16 do not; applications need some */
#define CONNECTION_BEHAVIOUR "greenroom.http.connection"
#define LISTENER_BEHAVIOUR "greenroom.http.listener"

/* Guess: enough until whoever writes is woken. Without it up to 4 MB of an answer lay in the system for each client that did
 * not take it, and freeing those took a millisecond a connection. */
#define UNSENT_BYTES (128 << 10)

enum { ACCEPT_RETRY_MS = 100, REFUSE_MS = 10, END_MS = 2000 };

typedef struct entry {
    gr_address actor;
    uint64_t peer; /* IPv4 address or the first half of an IPv6 one; 0: not counted */
} entry;

typedef struct listener {
    gr_self *self;
    const gr_http_server *server;
    gr_socket socket;
    entry *entries; /* room for options.connections */
    size_t count;
} listener;

/* What counts as one client; 0 for Unix sockets and, if so wished, loopback. */
static uint64_t peer_of(const listener *l, const char *remote)
{
    char host[GR_SOCKET_TEXT_BYTES];
    unsigned char bytes[16];
    uint64_t peer = 0;
    const char *colon = strrchr(remote, ':');
    if (strncmp(remote, "unix:", 5) == 0 || !colon) return 0;
    bool six = remote[0] == '[';
    size_t skip = six ? 1 : 0, length = (size_t)(colon - remote) - 2 * skip;
    memcpy(host, remote + skip, length);
    host[length] = '\0';
    if (inet_pton(six ? AF_INET6 : AF_INET, host, bytes) != 1) return 0;
    bool loopback = six ? strcmp(host, "::1") == 0 : bytes[0] == 127;
    if (loopback && l->server->options.loopback_unbounded) return 0;
    memcpy(&peer, bytes, six ? 8 : 4);
    return peer + 1; /* ::/64 is not "not counted" */
}

static void forget(listener *l, gr_value message)
{
    gr_address actor = gr_address_in(gr_get(message, "address"));
    for (size_t i = 0; i < l->count; i++) {
        if (!gr_address_equal(l->entries[i].actor, actor)) continue;
        l->entries[i] = l->entries[--l->count];
        return;
    }
}

/* Takes one message, if there is one by the deadline. *ret_stop is set by the stop message. */
static int take_message(listener *l, gr_deadline deadline, gr_deadline *ret_stop)
{
    gr_message *message = NULL;
    int code = gr_receive(l->self, &message, deadline);
    if (code != 0) return code;
    gr_value stop = gr_get(gr_body(message), "stop");
    if (gr_type_of(stop) == GR_INT) ret_stop->ns = gr_int(stop, 0);
    forget(l, gr_body(message));
    gr_message_free(&message);
    return 0;
}

static enum gri_http_admission judge(const listener *l, uint64_t peer)
{
    const gr_http_options *options = &l->server->options;
    size_t same = 0;
    if (l->count >= options->connections) return GRI_HTTP_OVER_LIMIT;
    for (size_t i = 0; peer && i < l->count; i++) same += l->entries[i].peer == peer;
    return same >= options->connections_per_address ? GRI_HTTP_OVER_ADDRESS_LIMIT : GRI_HTTP_ACCEPTED;
}

/* Over TLS without a word: shaking hands first would cost us more than the client. */
static void turn_away(listener *l, gr_socket socket, enum gri_http_admission why)
{
    const char *text =
        why == GRI_HTTP_OVER_LIMIT
            ? "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
            : "HTTP/1.1 429 Too Many Requests\r\nRetry-After: 1\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    if (!l->server->options.tls) {
        int code = gr_write(l->self, socket, text, strlen(text), gr_after_ms(REFUSE_MS));
        if (code == 0) code = gr_shutdown(l->self, socket);
    }
    (void)gr_close(l->self, socket);
}

static int spawn_connection(listener *l, gr_socket socket, gr_address *ret_address)
{
    unsigned char storage[128];
    gr_value args;
    int code = gr_pack_into(storage, sizeof storage, &args, "{s:I, s:I}", "server", (int64_t)(intptr_t)l->server,
                            "socket", (int64_t)socket.id);
    gr_spawn_options options = {.link = GR_LINK | GR_LINK_TRAP_EXIT, .stack_bytes = STACK_BYTES};
    return code != 0 ? code : gr_spawn_behaviour(l->self, ret_address, CONNECTION_BEHAVIOUR, &options, args);
}

static void drop(listener *l, gr_socket socket)
{
    gri_http_tally_refuse(l->server->tally, GRI_HTTP_DROPPED);
    (void)gr_close(l->self, socket);
}

static void admit(listener *l, gr_socket socket)
{
    char remote[GR_SOCKET_TEXT_BYTES];
    gr_address actor;
    if (gr_socket_peer(l->self, socket, remote) != 0) {
        drop(l, socket);
        return;
    }
    uint64_t peer = peer_of(l, remote);
    enum gri_http_admission verdict = judge(l, peer);
    if (verdict != GRI_HTTP_ACCEPTED) {
        gri_http_tally_refuse(l->server->tally, verdict);
        turn_away(l, socket, verdict);
        return;
    }
    int code = spawn_connection(l, socket, &actor);
    if (code != 0) {
        gr_log(GR_LOG_WARN, "http: a connection was dropped: %s", gr_error_text(code));
        drop(l, socket);
        return;
    }
    l->entries[l->count++] = (entry){actor, peer};
}

static void serve(listener *l, gr_deadline *stop)
{
    for (;;) {
        gr_socket socket;
        while (take_message(l, GR_NOW, stop) == 0) {}
        int code = gr_accept(l->self, l->socket, &socket, GR_FOREVER);
        while (code == 0 && take_message(l, GR_NOW, stop) == 0) {} /* who has ended since makes room */
        if (code == 0) {
            admit(l, socket);
        } else if (code == GR_EKILLED || code == GR_ECLOSED) {
            return;
        } else {
            gr_log(GR_LOG_WARN, "http: accept: %s", gr_error_detail(l->self)->text);
            if (gr_sleep(l->self, gr_after_ms(ACCEPT_RETRY_MS)) != 0) return;
        }
    }
}

/* Ends the connections, those at work when they have answered; returns how many would not until the deadline. */
static size_t drain(listener *l, gr_deadline deadline)
{
    for (size_t i = 0; i < l->count; i++) (void)gr_kill(l->entries[i].actor);
    while (l->count && take_message(l, deadline, &deadline) == 0) {}
    size_t killed = l->count;
    for (size_t i = 0; i < l->count; i++) (void)gr_kill_now(l->entries[i].actor);
    gr_deadline end = gr_after_ms(END_MS);
    while (l->count && take_message(l, end, &deadline) == 0) {}
    return killed;
}

/* The starter waits in a call until the socket is ours: what it was the owner of would end with it. */
static void tell_starter(gr_self *self)
{
    gr_message *call = NULL;
    if (gr_receive(self, &call, GR_FOREVER) != 0) return;
    (void)gr_respond(self, call, "n");
    gr_message_free(&call);
}

static void listener_run(gr_self *self, gr_value args)
{
    listener *l = gr_alloc(self, sizeof *l);
    gr_deadline stop = GR_NOW; /* a kill without a stop message ends at once */
    if (!l) return;
    l->self = self;
    l->server = (const gr_http_server *)(intptr_t)gr_int(gr_get(args, "server"), 0);
    l->socket.id = (uint64_t)gr_int(gr_get(args, "socket"), 0);
    l->entries = gr_alloc(self, l->server->options.connections * sizeof *l->entries);
    if (!l->entries || gr_socket_adopt(self, l->socket) != 0) return;
    tell_starter(self);
    serve(l, &stop);
    (void)gr_close(self, l->socket);
    gr_kill_clear(self);
    while (take_message(l, GR_NOW, &stop) == 0) {}
    size_t killed = drain(l, stop);
    (void)gr_return(self, "I", (int64_t)killed);
}

/* Behaviours rather than bare entries: their names tell the system's actors from users', to people and to the REST module. */
static int register_behaviours(void)
{
    static const gr_behaviour behaviours[] = {
        {.name = CONNECTION_BEHAVIOUR, .entry = gri_http_connection_run, .text = "an HTTP connection"},
        {.name = LISTENER_BEHAVIOUR, .entry = listener_run, .text = "accepts HTTP connections"},
    };
    for (size_t i = 0; i < 2; i++) {
        int code = gr_behaviour_register(&behaviours[i], NULL);
        if (code != 0 && code != GR_EEXISTS) return code;
    }
    return 0;
}

static void fill_defaults(gr_http_options *o)
{
#define OR(field, value) \
    if (!o->field) o->field = (value)
    OR(listen, "127.0.0.1:7580");
    OR(line_bytes, 4096);
    OR(head_bytes, 16384);
    OR(fields, 64);
    OR(body_bytes, 1048576);
    OR(head_ms, 10000);
    OR(body_ms, 30000);
    OR(write_ms, 30000);
    OR(idle_ms, 15000);
    OR(linger_ms, 2000);
    OR(connections, 1000);
    OR(connections_per_address, 50);
    OR(requests_per_connection, 1000);
#undef OR
    if (o->head_bytes > UINT16_MAX) o->head_bytes = UINT16_MAX;
}

static int spawn_listener(gr_self *self, gr_http_server *server, gr_socket socket)
{
    unsigned char storage[128];
    gr_value args;
    int code = gr_pack_into(storage, sizeof storage, &args, "{s:I, s:I}", "server", (int64_t)(intptr_t)server, "socket",
                            (int64_t)socket.id);
    gr_spawn_options options = {.retain = true, .stack_bytes = STACK_BYTES};
    return code != 0 ? code : gr_spawn_behaviour(self, &server->listener, LISTENER_BEHAVIOUR, &options, args);
}

static void server_free(gr_http_server *server)
{
    gri_http_tally_fini(server->tally);
    free(server->tally);
    free(server);
}

static gr_http_server *server_new(void)
{
    gr_http_server *server = calloc(1, sizeof *server);
    if (!server) return NULL;
    server->tally = aligned_alloc(_Alignof(gri_http_tally), sizeof *server->tally);
    if (!server->tally) {
        free(server);
        return NULL;
    }
    gri_http_tally_init(server->tally);
    return server;
}

int gr_http_start(gr_self *self, const gr_http_options *options, gr_http_server **ret_server)
{
    gr_socket socket;
    if (!options->application.run) return GR_EINVAL;
    gr_http_server *server = server_new();
    if (!server) return GR_ENOMEM;
    server->options = *options;
    gr_http_options *o = &server->options;
    fill_defaults(o);
    server->limits = (gri_http_limits){o->line_bytes, o->head_bytes, o->fields, o->body_bytes, o->tls != NULL};
    gr_listen_options listen = {.unix_mode = o->unix_mode, .unsent_bytes = UNSENT_BYTES};
    int code = register_behaviours();
    if (code == 0) code = gr_listen(self, &socket, o->listen, &listen);
    if (code != 0) goto fail;
    o->listen = server->address;
    code = gr_socket_local(self, socket, server->address);
    if (code == 0) code = spawn_listener(self, server, socket);
    if (code == 0) {
        gr_kill_hold(self); /* the listener reads the server: it is there, or it is dead */
        code = gr_call(self, NULL, server->listener, "adopted", GR_FOREVER, "n");
        gr_kill_release(self);
        if (code == 0) {
            *ret_server = server;
            return 0;
        }
        (void)gr_forget(server->listener); /* dead: nobody else reads its record */
    }
    (void)gr_close(self, socket);
fail:
    server_free(server);
    return code;
}

const char *gr_http_address(const gr_http_server *server)
{
    return server->address;
}

void gr_http_counters_read(const gr_http_server *server, gr_http_counters *ret_counters)
{
    gri_http_tally_read(server->tally, ret_counters);
}

int gr_http_stop(gr_self *self, gr_http_server **server, gr_deadline deadline)
{
    gr_message *result = NULL;
    if (!server || !*server) return 0;
    (void)gr_cast(self, (*server)->listener, "{s:I}", "stop", (int64_t)deadline.ns);
    (void)gr_kill((*server)->listener);
    int code = gr_wait(self, (*server)->listener, &result, GR_FOREVER);
    if (code == 0 && gr_int(gr_body(result), 0) > 0) code = GR_ETIMEOUT;
    gr_message_free(&result);
    if (code == GR_EKILLED && gr_killed(self)) return code; /* not ended yet: keep it */
    /* A listener that died instead of ending left its connections alone with the server: then it stays allocated. */
    if (code == 0 || code == GR_ETIMEOUT) server_free(*server);
    *server = NULL;
    return code;
}
