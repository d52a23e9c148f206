/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Reading, writing and closing sockets. Each call tries the system call first and waits only when it would block. */
#include "actor/runtime.h"
#include "io/active.h"
#include "io/endpoint.h"
#include "io/net.h"
#include "io/socket.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

static bool is_gone(int error)
{
    return error == EPIPE || error == ECONNRESET || error == ENOTCONN || error == ESHUTDOWN;
}

static int fail(gr_self *self, const char *what, int error)
{
    if (is_gone(error)) return gri_fail(self, GR_ECLOSED, "%s: the peer has gone", what);
    return gri_socket_fail(self, what, error);
}

int gri_stream_fail(gr_self *self, const gri_socket_record *record, const char *what, int error)
{
    if (error == EPROTO && record->layer)
        return gri_fail(self, GR_ETLS, "%s: %s", what, record->layer->explain((gri_socket_record *)record));
    return fail(self, what, error);
}

/* ---- one try ---- */

/* A read of a Unix socket ends behind descriptors that came along, which are dropped here: then there may be more. */
static ssize_t receive_message(gri_socket_record *record, const struct iovec *parts, int count, size_t bytes,
                               int *ret_error)
{
    struct msghdr message = {.msg_iov = (struct iovec *)(uintptr_t)parts, .msg_iovlen = (size_t)count};
    ssize_t n = gri_net_now()->receive_message(record->fd, &message);
    if (n < 0) *ret_error = gr_errno();
    record->drained = n > 0 && (size_t)n < bytes && !(message.msg_flags & MSG_CTRUNC);
    return n;
}

ssize_t gri_socket_receive(gri_socket_record *record, void *buffer, size_t bytes, int *ret_error,
                           gri_atomic_u32 **ret_ready)
{
    if (GRI_UNLIKELY(record->layer != NULL)) return record->layer->read(record, buffer, bytes, ret_error, ret_ready);
    gri_socket_expect(&record->readable);
    *ret_ready = &record->readable;
    if (record->is_unix) return receive_message(record, &(struct iovec){buffer, bytes}, 1, bytes, ret_error);
    ssize_t n = gri_net_now()->receive(record->fd, buffer, bytes);
    if (n < 0) *ret_error = gr_errno();
    record->drained = n > 0 && (size_t)n < bytes;
    return n;
}

ssize_t gri_socket_send(gri_socket_record *record, const void *data, size_t bytes, int *ret_error,
                        gri_atomic_u32 **ret_ready)
{
    if (GRI_UNLIKELY(record->layer != NULL)) return record->layer->write(record, data, bytes, ret_error, ret_ready);
    gri_socket_expect(&record->writable);
    *ret_ready = &record->writable;
    ssize_t n = gri_net_now()->send(record->fd, data, bytes);
    if (n < 0) *ret_error = gr_errno();
    return n;
}

/* What a try that failed means: 0: once more; or the code that ends the call. */
static int after_failure(gr_self *self, gri_socket_record *record, const char *what, int error, gri_atomic_u32 *ready,
                         gr_deadline deadline)
{
    if (error == EINTR) return 0;
    if (error == EAGAIN) return gri_socket_wait(self, record, ready, deadline);
    return gri_stream_fail(self, record, what, error);
}

/* ---- reading ---- */

/* The read before has emptied the socket, and no edge has been reported since: waits for one instead of asking in vain (a
 * system call of the two that a request would take). Not after a hangup, whose edge may have come with that of the last
 * data. What a poller has not seen yet may be there when the deadline passes: so that is no answer, the caller asks. */
static int wait_for_edge(gr_self *self, gri_socket_record *record, gr_deadline deadline)
{
    if (!record->drained || deadline.ns == GRI_INSTANT_PAST) return 0;
    /* relaxed, both: who sees readable asks, and expects it first, which acquires; who does not, waits, which looks again. A hangup
     * that came with an edge before was seen by the exchange that took that edge; one that came later is an edge. */
    if (gri_load_relaxed(&record->readable) || gri_load_relaxed(&record->hungup)) return 0;
    int code = gri_socket_wait(self, record, &record->readable, deadline);
    return code == GR_ETIMEOUT ? 0 : code;
}

/* What every reading call begins with once it has the record. */
static int may_read(gr_self *self, const gri_socket_record *record)
{
    if (record->is_datagram) /* an empty datagram is no end, and what a read leaves behind comes without another edge */
        return gri_fail(self, GR_EINVAL, "this is a UDP socket: gr_udp_receive reads it");
    return gri_active_is_on(record) ? gri_fail(self, GR_EINUSE, "the socket is active: its data comes as messages") : 0;
}

int gr_read(gr_self *self, gr_socket socket, void *buffer, size_t bytes, size_t *ret_bytes, gr_deadline deadline)
{
    gri_socket_record *record;
    int code = gri_socket_begin_suspending(self, socket, &record);
    if (code != 0) return code;
    if (!buffer || !ret_bytes || bytes == 0)
        return gri_socket_end(self, record, gri_fail(self, GR_EINVAL, "gr_read needs room for at least one byte"));
    if (GRI_UNLIKELY(record->active != NULL || record->is_datagram)) {
        code = may_read(self, record);
        if (code != 0 || gri_active_take_pending(record, buffer, bytes, ret_bytes))
            return gri_socket_end(self, record, code);
    }
    code = wait_for_edge(self, record, deadline);
    while (code == 0) {
        int error = 0;
        gri_atomic_u32 *ready;
        ssize_t n = gri_socket_receive(record, buffer, bytes, &error, &ready);
        if (n >= 0) {
            *ret_bytes = (size_t)n;
            break;
        }
        code = after_failure(self, record, "gr_read", error, ready, deadline);
    }
    return gri_socket_end(self, record, code);
}

/* 0 and how many bytes they are; GR_EINVAL. */
static int check_parts(gr_self *self, const char *what, const struct iovec *parts, int count, size_t *ret_bytes)
{
    size_t bytes = 0;
    if (count < 0 || count > IOV_MAX || (!parts && count > 0))
        return gri_fail(self, GR_EINVAL, "%s takes 0 to %d parts", what, IOV_MAX);
    for (int i = 0; i < count; i++) {
        if ((!parts[i].iov_base && parts[i].iov_len > 0) || __builtin_add_overflow(bytes, parts[i].iov_len, &bytes) ||
            bytes > SSIZE_MAX)
            return gri_fail(self, GR_EINVAL, "%s: part %d is no memory", what, i);
    }
    *ret_bytes = bytes;
    return 0;
}

/* As one receive; a layer fills the first part that has room. */
static ssize_t receive_parts(gri_socket_record *record, const struct iovec *parts, int count, size_t bytes,
                             int *ret_error, gri_atomic_u32 **ret_ready)
{
    if (record->layer) {
        while (parts->iov_len == 0) parts++;
        return record->layer->read(record, parts->iov_base, parts->iov_len, ret_error, ret_ready);
    }
    gri_socket_expect(&record->readable);
    *ret_ready = &record->readable;
    return receive_message(record, parts, count, bytes, ret_error);
}

int gr_readv(gr_self *self, gr_socket socket, const struct iovec *parts, int count, size_t *ret_bytes,
             gr_deadline deadline)
{
    gri_socket_record *record;
    size_t bytes = 0;
    int code = gri_socket_begin_suspending(self, socket, &record);
    if (code != 0) return code;
    code = check_parts(self, "gr_readv", parts, count, &bytes);
    if (code == 0 && (bytes == 0 || !ret_bytes))
        code = gri_fail(self, GR_EINVAL, "gr_readv needs room for at least one byte");
    if (code == 0) code = may_read(self, record);
    if (code == 0 && record->active) {
        int first = 0;
        while (parts[first].iov_len == 0) first++;
        if (gri_active_take_pending(record, parts[first].iov_base, parts[first].iov_len, ret_bytes))
            return gri_socket_end(self, record, 0);
    }
    if (code == 0) code = wait_for_edge(self, record, deadline);
    while (code == 0) {
        int error = 0;
        gri_atomic_u32 *ready;
        ssize_t n = receive_parts(record, parts, count, bytes, &error, &ready);
        if (n >= 0) {
            *ret_bytes = (size_t)n;
            break;
        }
        code = after_failure(self, record, "gr_readv", error, ready, deadline);
    }
    return gri_socket_end(self, record, code);
}

/* ---- writing ---- */

int gr_write(gr_self *self, gr_socket socket, const void *data, size_t bytes, gr_deadline deadline)
{
    gri_socket_record *record;
    int code = gri_socket_begin_suspending(self, socket, &record);
    if (code != 0) return code;
    const char *at = data;
    if (!at && bytes > 0) code = gri_fail(self, GR_EINVAL, "gr_write needs data");
    while (code == 0 && bytes > 0) {
        int error = 0;
        gri_atomic_u32 *ready;
        ssize_t n = gri_socket_send(record, at, GRI_MIN(bytes, GRI_WRITE_BYTES_ONCE), &error, &ready);
        if (n >= 0) {
            at += n;
            bytes -= (size_t)n;
            if (bytes > 0) gri_give_way(self);
            continue;
        }
        code = after_failure(self, record, "gr_write", error, ready, deadline);
    }
    return gri_socket_end(self, record, code);
}

#define PARTS_ONCE 32

/* Where a vectored write is. */
typedef struct cursor {
    const struct iovec *part;
    int left;       /* parts, this one included */
    size_t skipped; /* bytes of this one that are out already */
} cursor;

static void cursor_advance(cursor *c, size_t bytes)
{
    while (c->left > 0 && bytes >= c->part->iov_len - c->skipped) {
        bytes -= c->part->iov_len - c->skipped;
        c->skipped = 0;
        c->part++;
        c->left--;
    }
    if (c->left > 0) c->skipped += bytes;
}

/* The next parts, at most GRI_WRITE_BYTES_ONCE in all. */
static size_t cursor_window(const cursor *c, struct iovec window[PARTS_ONCE])
{
    size_t used = 0, room = GRI_WRITE_BYTES_ONCE;
    for (int i = 0; i < c->left && used < PARTS_ONCE && room > 0; i++) {
        size_t skip = i == 0 ? c->skipped : 0, bytes = GRI_MIN(c->part[i].iov_len - skip, room);
        if (bytes == 0) continue;
        window[used++] = (struct iovec){(char *)c->part[i].iov_base + skip, bytes};
        room -= bytes;
    }
    return used;
}

static ssize_t send_parts(gri_socket_record *record, const cursor *c, int *ret_error, gri_atomic_u32 **ret_ready)
{
    struct iovec window[PARTS_ONCE];
    size_t used = cursor_window(c, window);
    if (record->layer) return record->layer->write(record, window[0].iov_base, window[0].iov_len, ret_error, ret_ready);
    gri_socket_expect(&record->writable);
    *ret_ready = &record->writable;
    struct msghdr message = {.msg_iov = window, .msg_iovlen = used};
    ssize_t n = gri_net_now()->send_message(record->fd, &message);
    if (n < 0) *ret_error = gr_errno();
    return n;
}

int gr_writev(gr_self *self, gr_socket socket, const struct iovec *parts, int count, gr_deadline deadline)
{
    gri_socket_record *record;
    size_t bytes = 0;
    int code = gri_socket_begin_suspending(self, socket, &record);
    if (code != 0) return code;
    code = check_parts(self, "gr_writev", parts, count, &bytes);
    cursor c = {parts, count, 0};
    while (code == 0 && bytes > 0) {
        int error = 0;
        gri_atomic_u32 *ready;
        ssize_t n = send_parts(record, &c, &error, &ready);
        if (n >= 0) {
            cursor_advance(&c, (size_t)n);
            bytes -= (size_t)n;
            if (bytes > 0) gri_give_way(self);
            continue;
        }
        code = after_failure(self, record, "gr_writev", error, ready, deadline);
    }
    return gri_socket_end(self, record, code);
}

/* ---- ending ---- */

int gr_shutdown(gr_self *self, gr_socket socket)
{
    gri_socket_record *record;
    int code = gri_acting(self);
    if (code == 0) code = gri_socket_begin(self, socket, &record);
    if (code != 0) return code;
    gri_atomic_u32 *ready;
    if (record->layer) (void)record->layer->shutdown(record, &ready); /* as good as it gets without waiting */
    if (gri_net_now()->shutdown(record->fd, SHUT_WR) != 0) code = fail(self, "gr_shutdown", errno);
    return gri_socket_end(self, record, code);
}

int gr_shutdown_by(gr_self *self, gr_socket socket, gr_deadline deadline)
{
    gri_socket_record *record;
    int code = gri_socket_begin_suspending(self, socket, &record);
    if (code != 0) return code;
    while (code == 0 && record->layer) {
        gri_atomic_u32 *ready;
        int error = record->layer->shutdown(record, &ready);
        if (error == 0) break;
        code = after_failure(self, record, "gr_shutdown_by", error, ready, deadline);
    }
    if (code == 0 && gri_net_now()->shutdown(record->fd, SHUT_WR) != 0) code = fail(self, "gr_shutdown_by", gr_errno());
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
    return gri_net_now()->local(fd, address, bytes);
}

static int peer_of(int fd, struct sockaddr *address, socklen_t *bytes)
{
    return gri_net_now()->peer(fd, address, bytes);
}

int gr_socket_local(gr_self *self, gr_socket socket, char *ret_text)
{
    return ask(self, socket, local_of, "gr_socket_local", ret_text);
}

int gr_socket_peer(gr_self *self, gr_socket socket, char *ret_text)
{
    return ask(self, socket, peer_of, "gr_socket_peer", ret_text);
}
