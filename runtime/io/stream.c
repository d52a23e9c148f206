/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Reading, writing and closing sockets. Each call tries the system call first and waits only when it would block. */
#include "actor/runtime.h"
#include "io/endpoint.h"
#include "io/socket.h"

#include <errno.h>
#include <string.h>

#define WRITE_BYTES_ONCE ((size_t)1 << 20) /* guess: between two looks at kills and the slice */

static bool is_gone(int error)
{
    return error == EPIPE || error == ECONNRESET || error == ENOTCONN || error == ESHUTDOWN;
}

static int fail(gr_self *self, const char *what, int error)
{
    if (is_gone(error)) return gri_fail(self, GR_ECLOSED, "%s: the peer has gone", what);
    return gri_socket_fail(self, what, error);
}

/* The read before has emptied the socket, and no edge has been reported since: waits for one instead of asking in vain (a
 * system call of the two that a request would take). Not after a hangup, whose edge may have come with that of the last
 * data. What a poller has not seen yet may be there when the deadline passes: so that is no answer, the caller asks. */
static int wait_for_edge(gr_self *self, gri_socket_record *record, gr_deadline deadline)
{
    if (!record->drained || deadline.ns == GRI_INSTANT_PAST) return 0;
    /* mo:stream.drained acquire <- socket.report release */
    if (gri_load_acquire(&record->readable) || gri_load_relaxed(&record->hungup))
        return 0; /* relaxed: the line above */
    int code = gri_socket_wait(self, record, &record->readable, deadline);
    return code == GR_ETIMEOUT ? 0 : code;
}

int gr_read(gr_self *self, gr_socket socket, void *buffer, size_t bytes, size_t *ret_bytes, gr_deadline deadline)
{
    gri_socket_record *record;
    int code = gri_socket_begin_suspending(self, socket, &record);
    if (code != 0) return code;
    if (!buffer || !ret_bytes || bytes == 0)
        return gri_socket_end(self, record, gri_fail(self, GR_EINVAL, "gr_read needs room for at least one byte"));
    code = wait_for_edge(self, record, deadline);
    while (code == 0) {
        gri_socket_expect(&record->readable);
        ssize_t n = recv(record->fd, buffer, bytes, 0);
        int error = n < 0 ? gr_errno() : 0;
        if (n >= 0) {
            *ret_bytes = (size_t)n;
            record->drained = n > 0 && (size_t)n < bytes;
            break;
        }
        if (error == EINTR) continue;
        code =
            error == EAGAIN ? gri_socket_wait(self, record, &record->readable, deadline) : fail(self, "gr_read", error);
    }
    return gri_socket_end(self, record, code);
}

int gr_write(gr_self *self, gr_socket socket, const void *data, size_t bytes, gr_deadline deadline)
{
    gri_socket_record *record;
    int code = gri_socket_begin_suspending(self, socket, &record);
    if (code != 0) return code;
    const char *at = data;
    if (!at && bytes > 0) code = gri_fail(self, GR_EINVAL, "gr_write needs data");
    while (code == 0 && bytes > 0) {
        gri_socket_expect(&record->writable);
        ssize_t n = send(record->fd, at, GRI_MIN(bytes, WRITE_BYTES_ONCE), MSG_NOSIGNAL);
        int error = n < 0 ? gr_errno() : 0;
        if (n >= 0) {
            at += n;
            bytes -= (size_t)n;
            if (bytes > 0) gri_give_way(self);
            continue;
        }
        if (error == EINTR) continue;
        code = error == EAGAIN ? gri_socket_wait(self, record, &record->writable, deadline)
                               : fail(self, "gr_write", error);
    }
    return gri_socket_end(self, record, code);
}

int gr_shutdown(gr_self *self, gr_socket socket)
{
    gri_socket_record *record;
    int code = gri_acting(self);
    if (code == 0) code = gri_socket_begin(self, socket, &record);
    if (code != 0) return code;
    if (shutdown(record->fd, SHUT_WR) != 0) code = fail(self, "gr_shutdown", errno);
    return gri_socket_end(self, record, code);
}

int gr_close(gr_self *self, gr_socket socket)
{
    gri_socket_record *record;
    int code = gri_acting(self);
    if (code == 0) code = gri_socket_begin(self, socket, &record);
    if (code != 0) return code;
    gri_socket_destroy(self, record);
    return 0;
}

/* ---- who is at the ends ---- */

static int ask(gr_self *self, gr_socket socket, int (*call)(int, struct sockaddr *, socklen_t *), const char *what,
               char *ret_text)
{
    gri_socket_record *record;
    int code = gri_acting(self);
    if (code == 0) code = gri_socket_begin(self, socket, &record);
    if (code != 0) return code;
    gri_endpoint endpoint;
    memset(&endpoint, 0, sizeof endpoint);
    endpoint.bytes = sizeof endpoint.address;
    if (call(record->fd, &endpoint.address.header, &endpoint.bytes) == 0)
        gri_endpoint_print(&endpoint, ret_text);
    else
        code = fail(self, what, errno);
    return gri_socket_end(self, record, code);
}

static int local_of(int fd, struct sockaddr *address, socklen_t *bytes)
{
    return getsockname(fd, address, bytes);
}

static int peer_of(int fd, struct sockaddr *address, socklen_t *bytes)
{
    return getpeername(fd, address, bytes);
}

int gr_socket_local(gr_self *self, gr_socket socket, char *ret_text)
{
    return ask(self, socket, local_of, "gr_socket_local", ret_text);
}

int gr_socket_peer(gr_self *self, gr_socket socket, char *ret_text)
{
    return ask(self, socket, peer_of, "gr_socket_peer", ret_text);
}
