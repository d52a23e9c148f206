/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* The simulated network: sockets that are records in this process, and what is on its way between them.
 *
 *   network.c         sockets: the table gri_net_simulated (net.h)
 *   network_events.c  what is on its way: a queue by time; arrivals; what pollers are told
 *
 * Every address is somebody's; who listens nowhere refuses. What is sent arrives 20 us to 2 ms later, as the seed says, in one to four
 * pieces; streams and datagrams between the same two sockets keep their order. A stream takes at most its window of bytes that nobody
 * has read yet. Faults (base/fault.h): a call fails with an errno that it may have (system); a datagram is lost, a connection is
 * reset, a request for one is lost and comes again after a second (drop); a datagram is held up, and overtaken (delay).
 *
 *   stream:    fresh ──connect──▶ CONNECTING ──▶ CONNECTED ──▶ (end of reading, end of writing, each by itself) ──close──▶ gone
 *                    ──listen───▶ LISTENING ─accept─▶ a CONNECTED one of its own
 *              any of them ──reset──▶ BROKEN: the next call says why
 *
 * One thread, as all simulation; sockets are found by number and generation, never by address, and no address decides an order. */
#ifndef GRI_IO_NETWORK_H
#define GRI_IO_NETWORK_H

#include "base/instant.h"
#include "base/list.h"
#include "io/endpoint.h"

#define GRI_NETWORK_FIRST_FD (1 << 24) /* no descriptor of the system's is that high */

enum gri_sim_state { GRI_SIM_FRESH, GRI_SIM_LISTENING, GRI_SIM_CONNECTING, GRI_SIM_CONNECTED, GRI_SIM_BROKEN };

typedef struct gri_sim_ref {
    uint32_t index, generation; /* generation 0: nobody */
} gri_sim_ref;

/* Bytes, or one datagram. */
typedef struct gri_sim_piece {
    struct gri_sim_piece *next;
    gri_endpoint from; /* of a datagram */
    size_t bytes, taken;
    char data[];
} gri_sim_piece;

typedef struct gri_sim_socket {
    gri_sim_ref self;
    int family, type;
    enum gri_sim_state state;
    bool bound, only_ipv6, reuse_port;
    bool read_ended;                /* the other side writes no more, and that has arrived */
    bool write_ended;               /* ours */
    bool was_full;                  /* a write was refused: tell when there is room */
    int error;                      /* to be told once: SO_ERROR, or the next call */
    gri_endpoint local, far;        /* far.bytes 0: none */
    gri_sim_ref other;              /* the socket at the other end */
    size_t unread;                  /* bytes sent to it that it has not read, those on their way too */
    size_t window;                  /* how many that may be */
    gri_sim_piece *first, *last;    /* what has arrived */
    gri_instant arrives;            /* when the last thing sent from here arrives */
    int backlog;                    /* LISTENING: how many may wait */
    gri_sim_ref *waiting;           /* that do, oldest first */
    unsigned waiting_count, on_way; /* on_way: asked for, on their way to `waiting` */
    bool watched;
    uint64_t cookie;
} gri_sim_socket;

enum gri_sim_kind {
    GRI_SIM_ASKED,    /* somebody wants to connect to us */
    GRI_SIM_ANSWERED, /* we are connected; or, with an error, refused */
    GRI_SIM_ARRIVED,  /* a piece */
    GRI_SIM_ENDED,    /* the other side writes no more */
    GRI_SIM_RESET,
    GRI_SIM_ROOM, /* something of ours was read */
    GRI_SIM_LOOK, /* say how it is */
};

typedef struct gri_sim_event {
    gri_instant at;
    uint64_t number; /* in the order of their making: what comes first of two at the same time */
    enum gri_sim_kind kind;
    gri_sim_ref to, from;
    gri_sim_piece *piece;
    gri_endpoint address; /* ASKED, ARRIVED at a datagram's receiver: where it is to go */
    int error;
} gri_sim_event;

/* ---- sockets (network.c) ---- */

gri_sim_socket *gri_sim_find(gri_sim_ref ref);
/* Who is bound there: a listener (stream) or any (datagram), the first in the order of numbers; NULL: nobody. */
gri_sim_socket *gri_sim_at(const gri_endpoint *where, int type);
/* A connected socket for whoever `client` is, at the listener's end; NULL: no memory. */
gri_sim_socket *gri_sim_accepting(gri_sim_socket *listener, gri_sim_socket *client);
void gri_sim_break(gri_sim_socket *s, int error);
void gri_sim_close(gri_sim_socket *s);

/* ---- events (network_events.c) ---- */

/* Both false: no memory. */
bool gri_sim_send(const gri_sim_event *event, gri_instant at);
/* As long as it takes to get there, behind what was sent from here before. */
gri_instant gri_sim_arrival(gri_sim_socket *from);
gri_instant gri_sim_soon(void);
/* Tells the poller's reporter, if the socket is watched. */
void gri_sim_report(gri_sim_socket *s, bool readable, bool writable, bool hangup);
bool gri_sim_is_writable(gri_sim_socket *s);
/* Whether something is on its way at all, for network.c to begin and end with. */
void gri_sim_events_begin(void);
void gri_sim_events_end(void);

#endif
