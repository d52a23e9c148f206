/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Listening and accepting. */
#include "actor/log.h"
#include "actor/runtime.h"
#include "io/net.h"
#include "io/resolve.h"
#include "io/socket.h"
#include "os/clock.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define BACKLOG_DEFAULT 1024
#define UNIX_MODE_DEFAULT 0600u
#define LOOKUP_NS (5 * GRI_NS_PER_S)        /* guess: what resolvers wait for the first server */
#define PAUSE_NS_FIRST (10 * GRI_NS_PER_MS) /* out of descriptors: guess, as long as a request or two */
#define PASSING_MOST 64 /* connections that ended before they were accepted, in a row: guess, then it pauses */
#define PAUSE_NS_MOST (250 * GRI_NS_PER_MS) /* guess: who waits for room hears of it soon enough */

/* ---- listening ---- */

static int set(int fd, int level, int option, int value)
{
    return gri_net_now()->set(fd, level, option, &value, sizeof value);
}

/* A descriptor, or -1 and errno. */
static int open_tcp(const gri_endpoint *e, const gr_listen_options *options)
{
    const gri_net *net = gri_net_now();
    int fd = net->open(e->address.header.sa_family, SOCK_STREAM);
    if (fd < 0) return -1;
    bool ok = set(fd, SOL_SOCKET, SO_REUSEADDR, 1) == 0;
    if (ok && options->reuse_port) ok = set(fd, SOL_SOCKET, SO_REUSEPORT, 1) == 0;
    if (ok && options->unsent_bytes > 0) /* accepted connections inherit it */
        ok = set(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, options->unsent_bytes) == 0;
    if (ok && e->address.header.sa_family == AF_INET6) ok = set(fd, IPPROTO_IPV6, IPV6_V6ONLY, !e->wildcard) == 0;
    if (ok && net->bind(fd, &e->address.header, e->bytes) == 0) return fd;
    int error = errno;
    (void)net->close(fd);
    errno = error;
    return -1;
}

static int listen_tcp(gri_endpoint *e, const gr_listen_options *options)
{
    int fd = open_tcp(e, options);
    if (fd < 0 && e->wildcard && (errno == EAFNOSUPPORT || errno == EADDRNOTAVAIL)) {
        gri_endpoint_to_ipv4(e);
        fd = open_tcp(e, options);
    }
    return fd;
}

/* Whether a socket file that is in the way may go: nobody listens on it. */
static bool is_stale(const gri_endpoint *e)
{
    struct stat status;
    if (lstat(e->address.local.sun_path, &status) != 0 || !S_ISSOCK(status.st_mode)) return false;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) return false;
    bool stale = connect(fd, &e->address.header, e->bytes) != 0 && errno == ECONNREFUSED;
    close(fd);
    return stale;
}

/* The permissions are set before anybody can connect: that takes listen(2). */
static int listen_unix(const gri_endpoint *e, const gr_listen_options *options)
{
    const char *path = e->address.local.sun_path;
    const gri_net *net = gri_net_now();
    int fd = net->open(AF_UNIX, SOCK_STREAM);
    if (fd < 0) return -1;
    int bound = net->bind(fd, &e->address.header, e->bytes);
    if (gri_endpoint_is_abstract(e) || !net->has_files) {
        if (bound == 0) return fd;
        int error = errno;
        (void)net->close(fd);
        errno = error;
        return -1;
    }
    if (bound != 0 && errno == EADDRINUSE) {
        if (is_stale(e) && unlink(path) == 0)
            bound = bind(fd, &e->address.header, e->bytes);
        else
            errno = EADDRINUSE;
    }
    if (bound == 0 && chmod(path, options->unix_mode ? options->unix_mode : UNIX_MODE_DEFAULT) == 0) return fd;
    int error = errno;
    if (bound == 0) unlink(path);
    close(fd);
    errno = error;
    return -1;
}

/* Notes which file to remove when the listener is closed. Without memory it stays, and the next listener replaces it. */
static void remember_path(gri_socket_record *record, const char *path)
{
    struct stat status;
    if (lstat(path, &status) != 0) return;
    record->unlink_path = strdup(path);
    record->unlink_inode = status.st_ino;
}

static int listen_at(gr_self *self, gri_endpoint *endpoint, const char *address, const gr_listen_options *options,
                     gri_socket_record **ret_record)
{
    bool is_unix = endpoint->address.header.sa_family == AF_UNIX;
    bool is_file = is_unix && !gri_endpoint_is_abstract(endpoint) && gri_net_now()->has_files;
    int fd = is_unix ? listen_unix(endpoint, options) : listen_tcp(endpoint, options);
    if (fd < 0 && errno == EADDRINUSE) return gri_fail(self, GR_EINUSE, "%.128s is in use", address);
    if (fd < 0) return gri_socket_fail(self, address, errno);
    gri_socket_record *record;
    int code = gri_socket_new(self, fd, is_unix, &record);
    if (code != 0) {
        if (is_file) unlink(endpoint->address.local.sun_path);
        return code;
    }
    record->is_listener = true;
    if (is_file) remember_path(record, endpoint->address.local.sun_path);
    if (gri_net_now()->listen(fd, options->backlog ? options->backlog : BACKLOG_DEFAULT) != 0) {
        int error = errno;
        gri_socket_destroy(self, record);
        return error == EADDRINUSE ? gri_fail(self, GR_EINUSE, "%.128s is in use", address)
                                   : gri_socket_fail(self, address, error);
    }
    *ret_record = record;
    return 0;
}

int gr_listen(gr_self *self, gr_socket *ret_socket, const char *address, const gr_listen_options *options)
{
    static const gr_listen_options defaults;
    int code = gri_acting(self);
    if (code != 0) return code;
    if (!options) options = &defaults;
    if (options->backlog < 0)
        return gri_fail(self, GR_EINVAL, "backlog is %d: allowed is 0 (the default) and more", options->backlog);
    if (options->unsent_bytes < 0)
        return gri_fail(self, GR_EINVAL, "unsent_bytes is %d: allowed is 0 (no limit of ours) and more",
                        options->unsent_bytes);
    if (options->unix_mode > 0777)
        return gri_fail(self, GR_EINVAL, "unix_mode is 0%o: allowed is 0 to 0777", options->unix_mode);
    gr_deadline until = options->lookup;
    if (until.ns == 0) until.ns = gri_instant_add(gri_clock_now(), LOOKUP_NS);
    gri_endpoints found;
    gri_socket_record *record = NULL;
    code = gri_resolve(self, address, until, &found);
    if (code != 0) return code;
    for (unsigned i = 0; i < found.count; i++) {
        code = listen_at(self, &found.list[i], address, options, &record);
        if (code == 0) {
            *ret_socket = gri_socket_id(record);
            return gri_socket_end(self, record, 0);
        }
        if (code != GR_ESYSTEM) break;
    }
    return code;
}

/* ---- accepting ---- */

/* The connection is not there any more, or its network is in trouble: the next one may be fine. */
static bool is_passing(int error)
{
    switch (error) {
    case EINTR:
    case ECONNABORTED:
    case EPROTO:
    case EPERM:
    case ENETDOWN:
    case ENOPROTOOPT:
    case EHOSTDOWN:
    case ENONET:
    case EHOSTUNREACH:
    case ENETUNREACH: return true;
    default: return false;
    }
}

static bool is_exhaustion(int error)
{
    return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM;
}

static int wait_for_room(gr_self *self, int error, int64_t *pause_ns, gr_deadline deadline)
{
    if (*pause_ns == 0) {
        gri_log(GR_LOG_WARN, gri_actor_address(self), "accept: %s; trying again until it works",
                strerrordesc_np(error));
        *pause_ns = PAUSE_NS_FIRST;
    }
    int code = gri_socket_pause(self, *pause_ns, deadline);
    *pause_ns = GRI_MIN(2 * *pause_ns, PAUSE_NS_MOST);
    return code;
}

static int accept_one(gr_self *self, gri_socket_record *listener, int *ret_fd, gr_deadline deadline)
{
    int64_t pause_ns = 0;
    int code = 0;
    for (unsigned passing = 0; code == 0;) {
        gri_socket_expect(&listener->readable);
        int fd = gri_net_now()->accept(listener->fd);
        int error = fd < 0 ? gr_errno() : 0;
        if (fd >= 0) {
            *ret_fd = fd;
            return 0;
        }
        /* One that came and went. A filter that refuses them all must not keep the worker, nor outlast a kill. */
        if (is_passing(error))
            code = ++passing % PASSING_MOST ? 0 : gri_socket_pause(self, PAUSE_NS_FIRST, deadline);
        else if (error == EAGAIN)
            code = gri_socket_wait(self, listener, &listener->readable, deadline);
        else if (is_exhaustion(error))
            code = wait_for_room(self, error, &pause_ns, deadline);
        else
            code = gri_socket_fail(self, "gr_accept", error);
    }
    return code;
}

int gr_accept(gr_self *self, gr_socket listener, gr_socket *ret_socket, gr_deadline deadline)
{
    gri_socket_record *from, *record;
    int code = gri_socket_begin_suspending(self, listener, &from);
    if (code != 0) return code;
    if (!from->is_listener)
        return gri_socket_end(self, from, gri_fail(self, GR_EINVAL, "gr_accept needs a socket of gr_listen"));
    int fd = -1;
    bool is_unix = from->is_unix;
    code = accept_one(self, from, &fd, deadline);
    code = gri_socket_end(self, from, code);
    if (code != 0) return code;
    if (!is_unix)
        (void)set(fd, IPPROTO_TCP, TCP_NODELAY, 1); /* refused only for a connection that is gone: reading tells */
    code = gri_socket_new(self, fd, is_unix, &record);
    if (code != 0) return code;
    *ret_socket = gri_socket_id(record);
    return gri_socket_end(self, record, 0);
}
