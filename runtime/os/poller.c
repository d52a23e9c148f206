/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* See poller.h. The wake is an eventfd in edge-triggered mode that is never read: each write is a new edge, kept by
 * epoll until some wait fetches it, and its counter cannot overflow in a human lifetime. */
#include "os/poller.h"

#include "base/atomic.h"
#include "base/check.h"
#include "base/instant.h"

#include <errno.h>
#include <greenroom/error.h>
#include <limits.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define POLLER_BATCH 64

static int error_from_errno(void)
{
    return errno == ENOMEM ? GR_ENOMEM : GR_ESYSTEM;
}

int gri_poller_open(gri_poller *ret_poller)
{
    int epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (epoll_fd < 0) return error_from_errno();
    int wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    struct epoll_event event = {.events = EPOLLIN | EPOLLET, .data.u64 = GRI_POLLER_COOKIE_RESERVED};
    if (wake_fd < 0 || epoll_ctl(epoll_fd, EPOLL_CTL_ADD, wake_fd, &event) != 0) {
        int error = error_from_errno();
        if (wake_fd >= 0) close(wake_fd);
        close(epoll_fd);
        return error;
    }
    *ret_poller = (gri_poller){epoll_fd, wake_fd};
    return 0;
}

void gri_poller_close(gri_poller *poller)
{
    close(poller->epoll_fd);
    close(poller->wake_fd);
    *poller = (gri_poller){-1, -1};
}

static struct epoll_event everything(uint64_t cookie)
{
    return (struct epoll_event){.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLPRI | EPOLLET, .data.u64 = cookie};
}

int gri_poller_again(gri_poller *poller, int fd, uint64_t cookie)
{
    struct epoll_event event = everything(cookie);
    if (epoll_ctl(poller->epoll_fd, EPOLL_CTL_MOD, fd, &event) == 0) return 0;
    return errno == ENOENT || errno == EBADF ? GR_ENOTFOUND : error_from_errno();
}

int gri_poller_add(gri_poller *poller, int fd, uint64_t cookie)
{
    GRI_ASSERT(cookie != GRI_POLLER_COOKIE_RESERVED);
    struct epoll_event event = everything(cookie);
    if (epoll_ctl(poller->epoll_fd, EPOLL_CTL_ADD, fd, &event) == 0) return 0;
    if (errno == EEXIST) return GR_EEXISTS;
    if (errno == EPERM) return GR_EUNSUPPORTED;
    return error_from_errno();
}

int gri_poller_remove(gri_poller *poller, int fd)
{
    struct epoll_event unused = {0};
    if (epoll_ctl(poller->epoll_fd, EPOLL_CTL_DEL, fd, &unused) == 0) return 0;
    return errno == ENOENT || errno == EBADF ? GR_ENOTFOUND : error_from_errno();
}

static int wait_in_ms(gri_poller *poller, struct epoll_event *events, int64_t timeout_ns)
{
    int64_t ms = timeout_ns < 0 ? -1 : timeout_ns / GRI_NS_PER_MS + (timeout_ns % GRI_NS_PER_MS != 0);
    return epoll_wait(poller->epoll_fd, events, POLLER_BATCH, (int)GRI_MIN(ms, INT_MAX));
}

/* epoll_pwait2 counts nanoseconds; kernels before 5.11 and some containers lack it, and then milliseconds round up. */
static int wait_events(gri_poller *poller, struct epoll_event *events, int64_t timeout_ns)
{
#ifdef SYS_epoll_pwait2
    static gri_atomic_bool missing;
    if (timeout_ns > 0 && !gri_load_relaxed(&missing)) { /* a hint: both ways of waiting are right */
        struct timespec timeout = {timeout_ns / GRI_NS_PER_S, timeout_ns % GRI_NS_PER_S};
        int count = (int)syscall(SYS_epoll_pwait2, poller->epoll_fd, events, POLLER_BATCH, &timeout, NULL, (size_t)0);
        if (count >= 0 || (errno != ENOSYS && errno != EPERM)) return count;
        gri_store_relaxed(&missing, true); /* the same hint */
    }
#endif
    return wait_in_ms(poller, events, timeout_ns);
}

int gri_poller_wait(gri_poller *poller, int64_t timeout_ns, gri_poller_report *report, void *arg)
{
    struct epoll_event events[POLLER_BATCH];
    int count = wait_events(poller, events, timeout_ns);
    if (count < 0) return errno == EINTR ? 0 : GR_ESYSTEM;
    int reported = 0;
    for (int i = 0; i < count; i++) {
        uint64_t cookie = events[i].data.u64;
        uint32_t bits = events[i].events;
        if (cookie == GRI_POLLER_COOKIE_RESERVED) continue;
        bool broken = (bits & (EPOLLERR | EPOLLHUP)) != 0;
        bool hangup = broken || (bits & (EPOLLRDHUP | EPOLLPRI)) != 0;
        report(arg, cookie, hangup || (bits & EPOLLIN) != 0, broken || (bits & EPOLLOUT) != 0, hangup);
        reported++;
    }
    return reported;
}

void gri_poller_wake(gri_poller *poller)
{
    uint64_t one = 1;
    while (write(poller->wake_fd, &one, sizeof one) < 0)
        if (errno != EINTR) gri_panic("poller wake: %s", strerror(errno));
}
