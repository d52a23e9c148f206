/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* See active.h. */
#include "io/active.h"

#include "actor/bound.h"

#include "actor/log.h"
#include "actor/runtime.h"
#include "io/endpoint.h"
#include "io/net.h"
#include "os/clock.h"

#include <arpa/inet.h>
#include <errno.h>
#include <greenroom/build.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#define BYTES_DEFAULT 4096u
#define READS_IN_A_ROW 8              /* guess: 32 KiB, some 20 µs */
#define RETRY_NS (10 * GRI_NS_PER_MS) /* guess: no memory, no room in the mailbox */
#define HOST_BYTES GR_SOCKET_TEXT_BYTES

/* The owner's, but for what `retry` does under its wheel's lock. */
struct gri_active {
    gri_wheel_entry retry;
    gri_atomic_ptr retry_token; /* what it sends when it fires */
    gri_socket_record *record;
    enum gr_active_mode mode;
    uint64_t serial;   /* of the token that counts */
    gr_message *spare; /* the token, while nobody is to send it */
    size_t bytes_max;
    gr_message *pending; /* its body is raw bytes that were read */
    size_t pending_bytes;
    int peer_port;
    char peer_host[HOST_BYTES];
};

enum outcome { DELIVERED, EMPTY, ENDED, LATER };

/* ---- tokens ---- */

static gr_message *token_new(void)
{
    gr_message *token = gri_message_new(0);
    if (token) token->kind = GRI_MESSAGE_CONTROL;
    return token;
}

/* urgent: also to an owner that waits for something else, this very socket for one. */
static void token_send(gri_socket_record *record, gr_message *token, bool urgent)
{
    /* relaxed: whoever it was a moment ago; a token that finds another owner is passed over there */
    gr_address owner = {gri_load_relaxed(&record->holder) & ~GRI_SOCKET_BUSY};
    if (gri_push(owner, token, urgent) != 0) gr_message_free(&token);
}

void gri_active_ready(gri_socket_record *record)
{
    /* mo:active.ready seq_cst <-> active.install seq_cst: readable was set, then the token looked for; the owner puts the token
     * there, then looks at readable */
    if (GRI_LIKELY(!gri_load_seq_cst(&record->token))) return;
    /* Who takes it, sends it, and writes to it.
     * mo:active.take acquire <- active.install release */
    gr_message *token = gri_exchange_acquire(&record->token, NULL);
    if (token) token_send(record, token, false);
}

/* For the poller to send; false: it is ready already, and the token still the caller's. */
static bool install(gri_socket_record *record, gr_message *token)
{
    /* mo:active.install seq_cst <-> active.ready seq_cst: see there
     * mo:active.install release -> active.take acquire: the token as it was left */
    gri_store_seq_cst(&record->token, token);
    /* mo:active.install seq_cst <-> socket.report seq_cst: readable */
    if (!gri_load_seq_cst(&record->readable)) return true;
    return !gri_exchange_relaxed(&record->token, NULL); /* relaxed: the store above's, or nothing */
}

/* Takes back what the poller or the wheel would send, if it is not on its way. */
static gr_message *recall(gri_socket_record *record)
{
    gri_active *a = record->active;
    /* relaxed: what an owner put there, this one or one before, whose record this is by now; or nothing */
    gr_message *token = gri_exchange_relaxed(&record->token, NULL);
    gri_wheel_quiesce(&a->retry);
    if (!token) token = gri_exchange_relaxed(&a->retry_token, NULL); /* relaxed: nobody else, after the quiescing */
    if (!token) token = a->spare;
    if (token == a->spare) a->spare = NULL;
    return token;
}

/* Under the wheel's lock. */
static void retry_fire(gri_wheel_entry *entry, gri_instant now)
{
    (void)now;
    gri_active *a = GRI_CONTAINER_OF(entry, gri_active, retry);
    gr_message *token = gri_exchange_relaxed(&a->retry_token, NULL); /* relaxed: the wheel's lock orders it */
    /* Urgent: with a report the poller wakes who waits for the socket (socket.c), here nobody else would, and a write waits
     * for a peer that waits for us to read. */
    if (token) token_send(a->record, token, true);
}

static void send_after(gri_active *a, gr_message *token, int64_t ns)
{
    gri_store_relaxed(&a->retry_token, token); /* relaxed: the wheel's lock orders it */
    gri_scheduler_arm(&a->retry, gri_instant_add(gri_clock_now(), ns));
}

/* ---- messages ---- */

/* Addresses as python-actors has them: host and port; a Unix socket is "unix:/path" at port 0. */
static void name_peer(const gri_endpoint *e, char ret_host[HOST_BYTES], int *ret_port)
{
    gri_endpoint_print(e, ret_host);
    *ret_port = (int)gri_endpoint_port(e);
    if (e->address.header.sa_family == AF_UNIX) { /* any bytes, chosen by the peer: a message takes only text */
        for (char *c = ret_host; *c; c++)
            if (*c < ' ' || *c > '~') *c = '?';
        return;
    }
    char *colon = strrchr(ret_host, ':');
    if (colon) *colon = '\0';
    size_t bytes = strlen(ret_host);
    if (ret_host[0] == '[') {
        memmove(ret_host, ret_host + 1, bytes);
        ret_host[strcspn(ret_host, "]")] = '\0';
    }
}

static void put_head(gr_builder *b, const gri_socket_record *record, const char *kind, const char *host, int port)
{
    gr_build(b);
    gr_put_object(b);
    gr_put_key(b, "actnet"), gr_put_string(b, kind);
    gr_put_key(b, "host"), gr_put_string(b, host);
    gr_put_key(b, "port"), gr_put_int(b, port);
    gr_put_key(b, "socket"), gr_put_int(b, (int64_t)gri_socket_id(record).id);
}

static bool deliver(gr_self *self, gr_builder *b)
{
    gr_message *m;
    gr_put_end(b);
    if (gr_build_message(b, &m) != 0) return false;
    m->tick = gri_runtime_tick();
    if (self->flags & GRI_BOUNDED) gri_bound_added(self, m);
    gri_inbox_append(self, m);
    return true;
}

static bool deliver_data(gr_self *self, gri_socket_record *record, const char *host, int port, gr_message *raw,
                         size_t bytes)
{
    gr_builder b;
    put_head(&b, record, record->is_datagram ? "udp" : "tcp", host, port);
    gr_put_key(&b, "data"), gr_put_bytes(&b, gri_message_room(raw), bytes);
    return deliver(self, &b);
}

/* The stream has ended, well or badly. */
static bool deliver_end(gr_self *self, gri_socket_record *record, int error)
{
    gri_active *a = record->active;
    gr_builder b;
    put_head(&b, record, error ? "tcp_error" : "tcp_close", a->peer_host, a->peer_port);
    if (error) {
        const char *text = error == EPROTO && record->layer ? record->layer->explain(record) : strerrordesc_np(error);
        gr_put_key(&b, "error"), gr_put_array(&b);
        gr_put_int(&b, error), gr_put_string(&b, text ? text : "unknown error");
        gr_put_end(&b);
    }
    return deliver(self, &b);
}

/* ---- reading ---- */

static bool is_full(gr_self *self)
{
    return (self->flags & GRI_BOUNDED) && gri_bound_is_full(self);
}

static enum outcome deliver_pending(gr_self *self, gri_socket_record *record)
{
    gri_active *a = record->active;
    if (!deliver_data(self, record, a->peer_host, a->peer_port, a->pending, a->pending_bytes)) return LATER;
    gr_message_free(&a->pending);
    return DELIVERED;
}

/* What was read into `raw` has become a message, or waits for memory. */
static enum outcome pass_on(gr_self *self, gri_socket_record *record, const char *host, int port, gr_message *raw,
                            size_t bytes)
{
    gri_active *a = record->active;
    if (deliver_data(self, record, host, port, raw, bytes)) {
        gr_message_free(&raw);
        return DELIVERED;
    }
    if (record->is_datagram) { /* may be lost anywhere on its way */
        gr_message_free(&raw);
        return LATER;
    }
    a->pending = raw;
    a->pending_bytes = bytes;
    return LATER;
}

static enum outcome read_datagram(gr_self *self, gri_socket_record *record, gr_message *raw)
{
    gri_active *a = record->active;
    gri_endpoint from;
    char host[HOST_BYTES];
    int port, error = 0;
    ssize_t n = gri_datagram_receive(record, gri_message_room(raw), a->bytes_max, &from, &error);
    if (n < 0) {
        if (error != EAGAIN)
            gri_log(GR_LOG_WARN, gri_actor_address(self), "an active UDP socket: %s", strerrordesc_np(error));
        gr_message_free(&raw);
        return error == EAGAIN ? EMPTY : LATER;
    }
    name_peer(&from, host, &port);
    return pass_on(self, record, host, port, raw, GRI_MIN((size_t)n, a->bytes_max));
}

static enum outcome read_stream(gr_self *self, gri_socket_record *record, gr_message *raw)
{
    gri_active *a = record->active;
    gri_atomic_u32 *ready;
    int error = 0;
    ssize_t n = gri_socket_receive(record, gri_message_room(raw), a->bytes_max, &error, &ready);
    if (n > 0) return pass_on(self, record, a->peer_host, a->peer_port, raw, (size_t)n);
    gr_message_free(&raw);
    if (n < 0 && (error == EAGAIN || error == EINTR)) return error == EAGAIN ? EMPTY : LATER;
    /* A stream that has ended says so again when it is asked again. */
    return deliver_end(self, record, n < 0 ? error : 0) ? ENDED : LATER;
}

static enum outcome read_one(gr_self *self, gri_socket_record *record)
{
    gri_active *a = record->active;
    if (is_full(self)) return LATER;
    if (a->pending) return deliver_pending(self, record);
    gr_message *raw = gri_message_new(a->bytes_max);
    if (!raw) return LATER;
    return record->is_datagram ? read_datagram(self, record, raw) : read_stream(self, record, raw);
}

/* Nothing more is there as far as a read can tell: it got less than it had room for, and no edge has come since. */
static bool is_drained(const gri_socket_record *record)
{
    gri_atomic_u32 *hungup = &((gri_socket_record *)(uintptr_t)record)->hungup;
    /* relaxed: readable is set with it, and install looks at that */
    return record->drained && !record->active->pending && !gri_load_relaxed(hungup);
}

/* There may be more: others first. The poller does not know what a layer has read ahead. */
static void come_again(gri_socket_record *record, gr_message *token)
{
    if (record->layer) {
        send_after(record->active, token, 0);
        return;
    }
    /* The report that is asked for comes after it. One that is under way may take it, too.
     * mo:active.install release -> active.take acquire: the token as it was left */
    gri_store_release(&record->token, token);
    if (gri_net_now()->again(record->fd, gri_socket_id(record).id) == 0) return;
    token = gri_exchange_relaxed(&record->token, NULL); /* relaxed: the store above's, or nothing */
    if (token) send_after(record->active, token, RETRY_NS);
}

static void pump(gr_self *self, gri_socket_record *record, gr_message *token)
{
    gri_active *a = record->active;
    for (int reads = 0; reads < READS_IN_A_ROW; reads++) {
        enum outcome outcome = read_one(self, record);
        if (outcome == DELIVERED && a->mode == GR_ACTIVE) {
            if (!is_drained(record)) continue;
            outcome = EMPTY;
        }
        switch (outcome) {
        case DELIVERED: /* once */
        case ENDED:
            a->mode = GR_PASSIVE;
            a->spare = token;
            return;
        case EMPTY:
            if (install(record, token)) return;
            continue;
        case LATER: send_after(a, token, RETRY_NS); return;
        }
    }
    come_again(record, token);
}

void gri_active_arrived(gr_self *self, gr_message *token)
{
    gri_socket_record *record;
    bool outer;
    if ((self->flags & GRI_ENDING) || !gri_socket_hold(self, (gr_socket){token->reference}, &record, &outer)) {
        gr_message_free(&token);
        return;
    }
    gri_active *a = record->active;
    if (a && a->mode != GR_PASSIVE && a->serial == token->sender.id)
        pump(self, record, token);
    else
        gr_message_free(&token);
    gri_socket_release(self, record, outer);
}

/* ---- turning it on and off ---- */

bool gri_active_is_on(const gri_socket_record *record)
{
    return record->active && record->active->mode != GR_PASSIVE;
}

bool gri_active_has_pending(const gri_socket_record *record)
{
    return record->active && record->active->pending;
}

bool gri_active_take_pending(gri_socket_record *record, void *buffer, size_t bytes, size_t *ret_bytes)
{
    gri_active *a = record->active;
    if (!a || !a->pending) return false;
    size_t taken = GRI_MIN(bytes, a->pending_bytes);
    unsigned char *room = gri_message_room(a->pending);
    memcpy(buffer, room, taken);
    memmove(room, room + taken, a->pending_bytes - taken);
    a->pending_bytes -= taken;
    if (a->pending_bytes == 0) gr_message_free(&a->pending);
    *ret_bytes = taken;
    return true;
}

/* Has the token read for self, first thing when it collects. */
static int begin(gr_self *self, gri_socket_record *record)
{
    gri_active *a = record->active;
    gr_message *token = recall(record);
    if (!token) token = token_new();
    if (!token) return GR_ENOMEM;
    token->reference = gri_socket_id(record).id;
    token->sender.id = ++a->serial;
    if (gri_push(gri_actor_address(self), token, false) == 0) return 0;
    a->spare = token;
    return GR_EDEAD;
}

int gri_active_adopt(gr_self *self, gri_socket_record *record)
{
    return gri_active_is_on(record) ? begin(self, record) : 0;
}

static int make_active(gr_self *self, gri_socket_record *record)
{
    gri_active *a = calloc(1, sizeof *a);
    if (!a) return gri_fail(self, GR_ENOMEM, "no memory for an active socket");
    gri_endpoint peer;
    memset(&peer, 0, sizeof peer);
    peer.bytes = sizeof peer.address;
    if (!record->is_datagram) {
        if (gri_net_now()->peer(record->fd, &peer.address.header, &peer.bytes) != 0) {
            int code = gri_stream_fail(self, record, "gr_socket_active", errno);
            free(a);
            return code;
        }
        name_peer(&peer, a->peer_host, &a->peer_port);
    }
    static const gri_wheel_kind retry = {.fire = retry_fire};
    gri_wheel_entry_init(&a->retry, &retry);
    a->record = record;
    record->active = a;
    return 0;
}

static int turn_on(gr_self *self, gri_socket_record *record, enum gr_active_mode mode, size_t bytes_max)
{
    if (record->is_listener) return gri_fail(self, GR_EINVAL, "a listener is not active: its connections may be");
    int code = record->active ? 0 : make_active(self, record);
    if (code == 0) code = gri_socket_watch(self, record);
    if (code != 0) return code;
    gri_active *a = record->active;
    bool was_on = a->mode != GR_PASSIVE;
    a->bytes_max = bytes_max ? bytes_max : BYTES_DEFAULT;
    a->mode = mode;
    if (was_on) return 0;
    code = begin(self, record);
    if (code == 0) return 0;
    a->mode = GR_PASSIVE;
    return gri_fail(self, code, "no memory for an active socket");
}

int gr_socket_active(gr_self *self, gr_socket socket, enum gr_active_mode mode, size_t bytes_max)
{
    gri_socket_record *record;
    int code = gri_acting(self);
    if (code == 0) code = gri_socket_begin(self, socket, &record);
    if (code != 0) return code;
    if ((unsigned)mode > GR_ACTIVE_ONCE || bytes_max > GR_ACTIVE_BYTES_MAX) {
        code = gri_fail(self, GR_EINVAL,
                        "gr_socket_active takes GR_PASSIVE, GR_ACTIVE or GR_ACTIVE_ONCE, and at most %u bytes",
                        GR_ACTIVE_BYTES_MAX);
    } else if (mode != GR_PASSIVE) {
        code = turn_on(self, record, mode, bytes_max);
    } else if (gri_active_is_on(record)) {
        record->active->mode = GR_PASSIVE;
        record->active->spare = recall(record);
    }
    return gri_socket_end(self, record, code);
}

void gri_active_release(gri_socket_record *record)
{
    gri_active *a = record->active;
    if (!a) return;
    gr_message *token = recall(record);
    gr_message_free(&token);
    gr_message_free(&a->spare);
    gr_message_free(&a->pending);
    record->active = NULL;
    free(a);
}
