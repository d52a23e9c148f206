/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Every call of the public headers that is tagged GR_SUSPENDS: what kill, death, timeout and stop are tried on. A new one
 * comes into this table, and tools/check says so if it does not.
 *
 *   X(name, timeout, death, kind)
 *     name     suspension_points.c has point_<name>, which waits in there for what never comes, and calls gr_<name>;
 *              <name>_at_remote: gr_<name> of a remote address
 *     timeout  what it returns when the deadline has passed
 *     death    what it returns when the actor it waits for, or is linked to, ends; LEAVES: it goes on waiting
 *     kind     PARKS, SPINS (lets others run and comes back), or SOCKET (parks on what simulation does not have) */
#ifndef GR_TESTS_SUSPENSION_POINTS_H
#define GR_TESTS_SUSPENSION_POINTS_H

#include "support/harness.h"

#define SUSPENSION_POINTS(X) \
    X(receive, GR_ETIMEOUT, 0, PARKS) \
    X(select, GR_ETIMEOUT, 0, PARKS) \
    X(call, GR_ETIMEOUT, GR_EDEAD, PARKS) \
    X(call_value, GR_ETIMEOUT, GR_EDEAD, PARKS) \
    X(wait, GR_ETIMEOUT, 0, PARKS) \
    X(wait_all, GR_ETIMEOUT, 0, PARKS) \
    X(send_wait, GR_EFULL, GR_EDEAD, PARKS) \
    X(state_wait, GR_ETIMEOUT, GR_EDEAD, PARKS) \
    X(sleep, 0, LEAVES, PARKS) \
    X(cooperate, 0, LEAVES, SPINS) \
    X(blocking, GR_ETIMEOUT, LEAVES, SOCKET) \
    X(resolve, GR_ETIMEOUT, LEAVES, SOCKET) \
    X(listen, GR_ETIMEOUT, LEAVES, SOCKET) \
    X(accept, GR_ETIMEOUT, LEAVES, SOCKET) \
    X(connect, GR_ETIMEOUT, LEAVES, SOCKET) \
    X(read, GR_ETIMEOUT, 0, SOCKET) \
    X(readv, GR_ETIMEOUT, 0, SOCKET) \
    X(write, GR_ETIMEOUT, GR_ECLOSED, SOCKET) \
    X(writev, GR_ETIMEOUT, GR_ECLOSED, SOCKET) \
    X(sendfile, GR_ETIMEOUT, GR_ECLOSED, SOCKET) \
    X(shutdown_by, GR_ETIMEOUT, GR_ECLOSED, SOCKET) \
    X(udp_receive, GR_ETIMEOUT, LEAVES, SOCKET) \
    X(udp_send, GR_ETIMEOUT, LEAVES, SOCKET) \
    X(fetch, GR_ETIMEOUT, LEAVES, SOCKET) \
    X(call_at_remote, GR_ETIMEOUT, LEAVES, SOCKET) \
    X(wait_at_remote, GR_ETIMEOUT, LEAVES, SOCKET) \
    X(wait_all_at_remote, GR_ETIMEOUT, LEAVES, SOCKET) \
    X(remote_lookup, GR_ETIMEOUT, LEAVES, SOCKET) \
    X(remote_kill, GR_ETIMEOUT, LEAVES, SOCKET) \
    X(spawn_remote, GR_ETIMEOUT, LEAVES, SOCKET) \
    X(spawn_remote_value, GR_ETIMEOUT, LEAVES, SOCKET) \
    TLS_SUSPENSION_POINTS(X)

#if GRI_TLS
#define TLS_SUSPENSION_POINTS(X) \
    X(tls_connect, GR_ETIMEOUT, GR_ECLOSED, SOCKET) \
    X(tls_accept, GR_ETIMEOUT, GR_ECLOSED, SOCKET)
#else
#define TLS_SUSPENSION_POINTS(X)
#endif

enum point_kind { PARKS, SPINS, SOCKET };
enum { LEAVES = 1000 };

typedef struct point point;
typedef struct point_pipe point_pipe;

/* What an actor needs to reach its point; made before, so that nothing but the point suspends when it counts. */
typedef struct scene {
    const point *point;
    gr_address host, other; /* other: answers nothing, ends when it is told to */
    gr_socket listener, near;
    char path[GR_SOCKET_TEXT_BYTES];
    point_pipe *pipe; /* what a blocking call reads from until the visitor has ended; NULL where none will begin */
    gr_deadline deadline;
} scene;

typedef int point_run(gr_self *self, scene *s, gr_deadline deadline);

struct point {
    const char *name;
    point_run *run;
    int timeout, death;
    enum point_kind kind;
};

extern const point points[];
extern const size_t points_count;

/* But for those that simulation does not have. */
#define EACH_POINT(p) \
    for (const point *p = points; p < points + points_count; p++) \
        if (p->kind != SOCKET || !harness_simulated())

extern gr_shape *point_never; /* what never comes, but for exits; while they are open */
void points_open(void);       /* before the runtime is started */
void points_close(void);

/* Spawns `other`, not linked yet, and makes the sockets of s->point. */
void point_prepare(gr_self *self, scene *s);

#endif
