/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* UDP. */
#include "actor/runtime.h"
#include "io/active.h"
#include "io/endpoint.h"
#include "io/net.h"
#include "io/socket.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <unistd.h>

#define PASSING_MOST 64 /* refusals told of in a row; more than that is no echo of earlier datagrams: guess */

static bool set(int fd, int level, int option, int value)
{
    return gri_net_now()->set(fd, level, option, &value, sizeof value) == 0;
}

/* A descriptor, or -1 and errno. */
static int open_at(const gri_endpoint *e, const gri_endpoint *peer, const gr_udp_options *options)
{
    int family = e->address.header.sa_family;
    const gri_net *net = gri_net_now();
    int fd = net->open(family, SOCK_DGRAM);
    if (fd < 0) return -1;
    bool ok = !options->reuse_port || set(fd, SOL_SOCKET, SO_REUSEPORT, 1);
    if (ok && options->broadcast) ok = set(fd, SOL_SOCKET, SO_BROADCAST, 1);
    if (ok && family == AF_INET6) ok = set(fd, IPPROTO_IPV6, IPV6_V6ONLY, !e->wildcard);
    if (ok) ok = net->bind(fd, &e->address.header, e->bytes) == 0;
    if (ok && peer) ok = net->connect(fd, &peer->address.header, peer->bytes) == 0;
    if (ok) return fd;
    int error = errno;
    (void)net->close(fd);
    errno = error;
    return -1;
}

static int open_any(gri_endpoint *e, const gri_endpoint *peer, const gr_udp_options *options)
{
    if (e->wildcard && peer && peer->address.header.sa_family == AF_INET) gri_endpoint_to_ipv4(e);
    int fd = open_at(e, peer, options);
    if (fd < 0 && e->wildcard && (errno == EAFNOSUPPORT || errno == EADDRNOTAVAIL)) {
        gri_endpoint_to_ipv4(e);
        fd = open_at(e, peer, options);
    }
    return fd;
}

static int parse(gr_self *self, const char *address, gri_endpoint *ret_endpoint)
{
    gr_detail detail;
    int code = gri_endpoint_parse(address, ret_endpoint, &detail);
    if (code != 0) return gri_fail_detail(self, code, &detail);
    if (ret_endpoint->address.header.sa_family == AF_UNIX)
        return gri_fail(self, GR_EINVAL, "address \"%.64s\": UDP has no Unix sockets", address);
    return 0;
}

/* The address of somebody, so neither "*" nor port 0. */
static int parse_peer(gr_self *self, const char *address, gri_endpoint *ret_endpoint)
{
    int code = parse(self, address, ret_endpoint);
    if (code == 0 && (ret_endpoint->wildcard || gri_endpoint_port(ret_endpoint) == 0))
        code = gri_fail(self, GR_EINVAL, "address \"%.64s\": nobody is there", address);
    return code;
}

int gr_udp_open(gr_self *self, gr_socket *ret_socket, const char *address, const gr_udp_options *options)
{
    static const gr_udp_options defaults;
    int code = gri_acting(self);
    if (code != 0) return code;
    if (!options) options = &defaults;
    gri_endpoint endpoint, peer;
    code = parse(self, address, &endpoint);
    if (code == 0 && options->peer) code = parse_peer(self, options->peer, &peer);
    if (code != 0) return code;
    int fd = open_any(&endpoint, options->peer ? &peer : NULL, options);
    if (fd < 0 && errno == EADDRINUSE) return gri_fail(self, GR_EINUSE, "%.128s is in use", address);
    if (fd < 0) return gri_socket_fail(self, address, errno);
    gri_socket_record *record;
    code = gri_socket_new(self, fd, false, &record);
    if (code != 0) return code;
    record->is_datagram = true;
    *ret_socket = gri_socket_id(record);
    return gri_socket_end(self, record, 0);
}

/* IPv4 addresses look like IPv6 ones to a socket that takes both. */
static void match_family(int fd, gri_endpoint *e)
{
    gri_endpoint own;
    socklen_t bytes = sizeof own.address;
    if (e->address.header.sa_family != AF_INET || gri_net_now()->local(fd, &own.address.header, &bytes) != 0 ||
        own.address.header.sa_family != AF_INET6)
        return;
    struct sockaddr_in in;
    memcpy(&in, &e->address, sizeof in);
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = in.sin_port};
    in6.sin6_addr.s6_addr[10] = in6.sin6_addr.s6_addr[11] = 0xff;
    memcpy(&in6.sin6_addr.s6_addr[12], &in.sin_addr, 4);
    memcpy(&e->address, &in6, sizeof in6);
    e->bytes = sizeof in6;
}

static int begin(gr_self *self, gr_socket socket, const char *what, gri_socket_record **ret_record)
{
    int code = gri_socket_begin_suspending(self, socket, ret_record);
    if (code != 0) return code;
    if ((*ret_record)->is_datagram) return 0;
    return gri_socket_end(self, *ret_record, gri_fail(self, GR_EINVAL, "%s needs a socket of gr_udp_open", what));
}

static int fail(gr_self *self, const char *what, int error)
{
    if (error == EMSGSIZE) return gri_fail(self, GR_ETOOBIG, "%s: no datagram takes so much", what);
    if (error == EDESTADDRREQ) return gri_fail(self, GR_EINVAL, "%s: to whom? The socket has no peer", what);
    return gri_socket_fail(self, what, error);
}

int gr_udp_send(gr_self *self, gr_socket socket, const void *data, size_t bytes, const char *to, gr_deadline deadline)
{
    gri_socket_record *record;
    gri_endpoint endpoint;
    int code = begin(self, socket, "gr_udp_send", &record);
    if (code != 0) return code;
    if (!data && bytes > 0) code = gri_fail(self, GR_EINVAL, "gr_udp_send needs data");
    if (code == 0 && to) code = parse_peer(self, to, &endpoint);
    if (code == 0 && to) match_family(record->fd, &endpoint);
    for (unsigned passing = 0; code == 0;) {
        gri_socket_expect(&record->writable);
        const gri_net *net = gri_net_now();
        ssize_t n = to ? net->send_to(record->fd, data, bytes, &endpoint.address.header, endpoint.bytes)
                       : net->send(record->fd, data, bytes);
        int error = n < 0 ? gr_errno() : 0;
        if (n >= 0) break;
        if ((error == EINTR || error == ECONNREFUSED) && ++passing < PASSING_MOST)
            continue; /* the latter tells of an earlier one, and is taken by telling */
        code = error == EAGAIN ? gri_socket_wait(self, record, &record->writable, deadline)
                               : fail(self, "gr_udp_send", error);
    }
    return gri_socket_end(self, record, code);
}

ssize_t gri_datagram_receive(gri_socket_record *record, void *buffer, size_t bytes, gri_endpoint *ret_from,
                             int *ret_error)
{
    memset(ret_from, 0, sizeof *ret_from);
    ret_from->bytes = sizeof ret_from->address;
    for (unsigned passing = 0;; passing++) {
        gri_socket_expect(&record->readable);
        ssize_t n = gri_net_now()->receive_from(record->fd, buffer, bytes, &ret_from->address.header, &ret_from->bytes);
        if (n >= 0) return n;
        *ret_error = gr_errno();
        if ((*ret_error != EINTR && *ret_error != ECONNREFUSED) || passing == PASSING_MOST) return -1;
    }
}

int gr_udp_receive(gr_self *self, gr_socket socket, void *buffer, size_t bytes, size_t *ret_bytes, char *ret_from,
                   gr_deadline deadline)
{
    gri_socket_record *record;
    int code = begin(self, socket, "gr_udp_receive", &record);
    if (code != 0) return code;
    if ((!buffer && bytes > 0) || !ret_bytes) code = gri_fail(self, GR_EINVAL, "gr_udp_receive needs room");
    if (code == 0 && gri_active_is_on(record))
        code = gri_fail(self, GR_EINUSE, "the socket is active: its data comes as messages");
    while (code == 0) {
        gri_endpoint from;
        int error = 0;
        ssize_t n = gri_datagram_receive(record, buffer, bytes, &from, &error);
        if (n >= 0) {
            if (ret_from) gri_endpoint_print(&from, ret_from);
            *ret_bytes = (size_t)n;
            break;
        }
        code = error == EAGAIN ? gri_socket_wait(self, record, &record->readable, deadline)
                               : gri_socket_fail(self, "gr_udp_receive", error);
    }
    return gri_socket_end(self, record, code);
}
