/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* The system calls that sockets are made of, as a table: the system's own, or, in simulation, those of a network inside the process
 * (network.h). Everything in io/ that has a socket's descriptor calls it through gri_net(), so both run the same code above.
 *
 * Each entry is the system call of that name for a non-blocking descriptor, errno and all; accept and open give non-blocking
 * descriptors. watch, unwatch and again are the poller's. Asking which table it is costs two loads beside a system call. */
#ifndef GRI_IO_NET_H
#define GRI_IO_NET_H

#include "schedule/scheduler.h"

#include <sys/socket.h>

typedef struct gri_net {
    int (*open)(int family, int type);
    int (*set)(int fd, int level, int option, const void *value, socklen_t bytes);
    int (*get)(int fd, int level, int option, void *ret_value, socklen_t *bytes);
    int (*bind)(int fd, const struct sockaddr *address, socklen_t bytes);
    int (*listen)(int fd, int backlog);
    int (*accept)(int fd);
    int (*connect)(int fd, const struct sockaddr *address, socklen_t bytes);
    ssize_t (*receive)(int fd, void *buffer, size_t bytes);
    ssize_t (*receive_message)(int fd, struct msghdr *message);
    ssize_t (*receive_from)(int fd, void *buffer, size_t bytes, struct sockaddr *ret_address, socklen_t *address_bytes);
    ssize_t (*send)(int fd, const void *data, size_t bytes);
    ssize_t (*send_message)(int fd, const struct msghdr *message);
    ssize_t (*send_to)(int fd, const void *data, size_t bytes, const struct sockaddr *address, socklen_t address_bytes);
    ssize_t (*send_file)(int fd, int file, off_t *offset, size_t bytes);
    int (*shutdown)(int fd, int how);
    int (*close)(int fd);
    int (*local)(int fd, struct sockaddr *ret_address, socklen_t *bytes);
    int (*peer)(int fd, struct sockaddr *ret_address, socklen_t *bytes);
    int (*watch)(int fd, uint64_t cookie); /* 0 or GR_E… as gri_scheduler_watch */
    void (*unwatch)(int fd);
    int (*again)(int fd, uint64_t cookie);
    bool has_files; /* a Unix socket is a file */
} gri_net;

extern const gri_net gri_net_system, gri_net_simulated;

GRI_INLINE const gri_net *gri_net_now(void)
{
    return GRI_LIKELY(!gri_scheduler_now->simulation) ? &gri_net_system : &gri_net_simulated;
}

#endif
