/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Files to sockets: by the kernel, or through a buffer where a layer has to see the bytes. */
#include "actor/runtime.h"
#include "io/net.h"
#include "io/socket.h"

#include <errno.h>
#include <signal.h>
#include <unistd.h>

#define BUFFER_BYTES 16384u /* a TLS record */

typedef struct transfer {
    int fd;
    off_t offset;
    size_t bytes; /* still to go */
} transfer;

/* sendfile has no MSG_NOSIGNAL. Workers take no signals; a thread of the host may, and is spared this one. */
static ssize_t send_quietly(gr_self *self, int to, transfer *t, size_t bytes, int *ret_error)
{
    sigset_t pipe, before, pending;
    bool guarded = (self->flags & GRI_ATTACHED) != 0, was_pending = false;
    if (guarded) {
        sigemptyset(&pipe);
        sigaddset(&pipe, SIGPIPE);
        was_pending = sigpending(&pending) == 0 && sigismember(&pending, SIGPIPE);
        pthread_sigmask(SIG_BLOCK, &pipe, &before);
    }
    ssize_t n = gri_net_now()->send_file(to, t->fd, &t->offset, bytes);
    int error = n < 0 ? gr_errno() : 0;
    if (guarded) {
        const struct timespec none = {0, 0};
        if (error == EPIPE && !was_pending)
            while (sigtimedwait(&pipe, NULL, &none) < 0 && gr_errno() == EINTR) continue;
        pthread_sigmask(SIG_SETMASK, &before, NULL);
    }
    *ret_error = error;
    return n;
}

static int shorter(gr_self *self, const transfer *t)
{
    return gri_fail(self, GR_ERANGE, "gr_sendfile: the file ends %zu bytes too early", t->bytes);
}

static int send_plain(gr_self *self, gri_socket_record *record, transfer *t, gr_deadline deadline)
{
    int code = 0;
    while (code == 0 && t->bytes > 0) {
        int error;
        gri_socket_expect(&record->writable);
        ssize_t n = send_quietly(self, record->fd, t, GRI_MIN(t->bytes, GRI_WRITE_BYTES_ONCE), &error);
        if (n > 0) {
            t->bytes -= (size_t)n;
            if (t->bytes > 0) gri_give_way(self);
        } else if (n == 0) {
            code = shorter(self, t);
        } else if (error == EAGAIN) {
            code = gri_socket_wait(self, record, &record->writable, deadline);
        } else if (error != EINTR) {
            code = gri_stream_fail(self, record, "gr_sendfile", error);
        }
    }
    return code;
}

static int send_buffer(gr_self *self, gri_socket_record *record, const char *at, size_t bytes, gr_deadline deadline)
{
    while (bytes > 0) {
        int error = 0;
        gri_atomic_u32 *ready;
        ssize_t n = gri_socket_send(record, at, bytes, &error, &ready);
        int code = 0;
        if (n >= 0)
            at += n, bytes -= (size_t)n;
        else if (error == EAGAIN)
            code = gri_socket_wait(self, record, ready, deadline);
        else if (error != EINTR)
            code = gri_stream_fail(self, record, "gr_sendfile", error);
        if (code != 0) return code;
    }
    return 0;
}

static int send_through(gr_self *self, gri_socket_record *record, transfer *t, gr_deadline deadline)
{
    char *buffer = gri_block_alloc(BUFFER_BYTES);
    if (!buffer) return gri_fail(self, GR_ENOMEM, "no memory for a buffer");
    int code = 0;
    while (code == 0 && t->bytes > 0) {
        ssize_t n = pread(t->fd, buffer, GRI_MIN(t->bytes, BUFFER_BYTES), t->offset);
        int error = n < 0 ? gr_errno() : 0;
        if (error == EINTR) continue;
        if (n < 0) {
            code = gri_socket_fail(self, "gr_sendfile", error);
        } else if (n == 0) {
            code = shorter(self, t);
        } else {
            code = send_buffer(self, record, buffer, (size_t)n, deadline);
            t->bytes -= (size_t)n;
            t->offset += n;
            gri_give_way(self);
        }
    }
    gri_block_free(buffer);
    return code;
}

int gr_sendfile(gr_self *self, gr_socket socket, int fd, int64_t offset, size_t bytes, gr_deadline deadline)
{
    gri_socket_record *record;
    int code = gri_socket_begin_suspending(self, socket, &record);
    if (code != 0) return code;
    transfer t = {fd, offset, bytes};
    if (fd < 0 || offset < 0 || bytes > INT64_MAX - (uint64_t)offset)
        code = gri_fail(self, GR_EINVAL, "gr_sendfile needs an open file, and an offset that is not negative");
    else
        code = record->layer ? send_through(self, record, &t, deadline) : send_plain(self, record, &t, deadline);
    return gri_socket_end(self, record, code);
}
