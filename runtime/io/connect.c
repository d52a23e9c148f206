/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Connecting: an address, or those of a name one after the other. */
#include "io/net.h"
#include "io/resolve.h"
#include "io/socket.h"
#include "os/clock.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <unistd.h>

#define ADDRESS_NS_LEAST (2 * GRI_NS_PER_S) /* guess: a lost SYN is sent again after one second */
#define ADDRESS_NS_MOST (10 * GRI_NS_PER_S)
#define PAUSE_NS (1 * GRI_NS_PER_MS) /* a Unix listener whose backlog is full: there is nothing to be told by */

/* The handshake is under way. A wake may be for nothing, and then there is neither an error nor a peer. */
static int finish(gr_self *self, gri_socket_record *record, const char *address, gr_deadline deadline)
{
    for (;;) {
        int code = gri_socket_wait(self, record, &record->writable, deadline);
        if (code != 0) return code;
        gri_socket_expect(&record->writable);
        int error = 0;
        socklen_t bytes = sizeof error;
        if (gri_net_now()->get(record->fd, SOL_SOCKET, SO_ERROR, &error, &bytes) != 0) error = gr_errno();
        if (error != 0) return gri_socket_fail(self, address, error);
        gri_endpoint peer;
        bytes = sizeof peer.address;
        if (gri_net_now()->peer(record->fd, &peer.address.header, &bytes) == 0) return 0;
    }
}

static int connect_now(gr_self *self, gri_socket_record *record, const gri_endpoint *e, const char *address,
                       gr_deadline deadline)
{
    for (;;) {
        gri_socket_expect(&record->writable);
        if (gri_net_now()->connect(record->fd, &e->address.header, e->bytes) == 0) return 0;
        int error = gr_errno();
        if (error == EINPROGRESS || error == EINTR)
            return finish(self, record, address, deadline); /* goes on by itself */
        if (error != EAGAIN) return gri_socket_fail(self, address, error);
        int code = gri_socket_pause(self, PAUSE_NS, deadline);
        if (code != 0) return code;
    }
}

static int connect_one(gr_self *self, const gri_endpoint *endpoint, const char *address, gr_deadline deadline,
                       gri_socket_record **ret_record)
{
    bool is_unix = endpoint->address.header.sa_family == AF_UNIX;
    if (endpoint->wildcard)
        return gri_fail(self, GR_EINVAL, "address \"%.64s\": nobody is at \"*\", it is for gr_listen", address);
    if (!is_unix && gri_endpoint_port(endpoint) == 0)
        return gri_fail(self, GR_EINVAL, "address \"%.64s\": nobody is at port 0, it is for gr_listen", address);
    int fd = gri_net_now()->open(endpoint->address.header.sa_family, SOCK_STREAM);
    if (fd < 0) return gri_socket_fail(self, address, errno);
    int one = 1;
    if (!is_unix) (void)gri_net_now()->set(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one); /* a wish */
    gri_socket_record *record;
    int code = gri_socket_new(self, fd, is_unix, &record);
    if (code != 0) return code;
    code = connect_now(self, record, endpoint, address, deadline);
    if (code == 0)
        *ret_record = record;
    else
        gri_socket_destroy(self, record);
    return code;
}

/* How long an address may take when `left` more follow: its share, but no less than a handshake over a bad line takes. */
static gr_deadline share_of(gr_deadline deadline, unsigned left)
{
    int64_t now = gri_clock_now(), ns = ADDRESS_NS_MOST;
    if (left == 0 || deadline.ns == GRI_INSTANT_PAST) return deadline;
    if (deadline.ns != GRI_INSTANT_NEVER) ns = GRI_MIN(ns, (deadline.ns - now) / (left + 1));
    gr_deadline share = {gri_instant_add(now, GRI_MAX(ns, ADDRESS_NS_LEAST))};
    return share.ns < deadline.ns ? share : deadline;
}

int gr_connect(gr_self *self, gr_socket *ret_socket, const char *address, gr_deadline deadline)
{
    int code = gri_suspend_enter(self);
    if (code != 0) return code;
    gri_endpoints found;
    gri_socket_record *record = NULL;
    code = gri_resolve(self, address, deadline, &found);
    if (code != 0) return code;
    for (unsigned i = 0; i < found.count; i++) {
        code = connect_one(self, &found.list[i], address, share_of(deadline, found.count - 1 - i), &record);
        if (code == 0) {
            *ret_socket = gri_socket_id(record);
            return gri_socket_end(self, record, 0);
        }
        if (code != GR_ESYSTEM && code != GR_ETIMEOUT) break;
    }
    if (code != GR_EKILLED) return code;
    int killed = gri_kill_check(self);
    return killed != 0 ? killed : code;
}
