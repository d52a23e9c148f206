/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* See net.h: the system's table. */
#include "io/net.h"

#include <sys/sendfile.h>
#include <unistd.h>

static int open_socket(int family, int type)
{
    return socket(family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
}

static int accept_one(int fd)
{
    return accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
}

static ssize_t receive(int fd, void *buffer, size_t bytes)
{
    return recv(fd, buffer, bytes, 0);
}

static ssize_t receive_message(int fd, struct msghdr *message)
{
    return recvmsg(fd, message, 0);
}

static ssize_t receive_from(int fd, void *buffer, size_t bytes, struct sockaddr *ret_address, socklen_t *address_bytes)
{
    return recvfrom(fd, buffer, bytes, MSG_TRUNC, ret_address, address_bytes);
}

static ssize_t send_bytes(int fd, const void *data, size_t bytes)
{
    return send(fd, data, bytes, MSG_NOSIGNAL);
}

static ssize_t send_message(int fd, const struct msghdr *message)
{
    return sendmsg(fd, message, MSG_NOSIGNAL);
}

static ssize_t send_to(int fd, const void *data, size_t bytes, const struct sockaddr *address, socklen_t address_bytes)
{
    return sendto(fd, data, bytes, MSG_NOSIGNAL, address, address_bytes);
}

static int again(int fd, uint64_t cookie)
{
    return gri_poller_again(&gri_scheduler_now->poller, fd, cookie);
}

const gri_net gri_net_system = {
    .open = open_socket,
    .set = setsockopt,
    .get = getsockopt,
    .bind = bind,
    .listen = listen,
    .accept = accept_one,
    .connect = connect,
    .receive = receive,
    .receive_message = receive_message,
    .receive_from = receive_from,
    .send = send_bytes,
    .send_message = send_message,
    .send_to = send_to,
    .send_file = sendfile,
    .shutdown = shutdown,
    .close = close,
    .local = getsockname,
    .peer = getpeername,
    .watch = gri_scheduler_watch,
    .unwatch = gri_scheduler_unwatch,
    .again = again,
    .has_files = true,
};
