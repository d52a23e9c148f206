/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Which call fails, and how. The wrappers of linked.c and preload.c ask fault_at before they call the real function; the
 * driver (drive.c) decides beforehand, in memory that it shares with the process under test.
 *
 * A point is a place that calls (the return address) and how often it has called: the same one in every run, whatever the
 * threads do between. Recording a run lists its points; a run with a plan fails one of them, or that one and, from then on,
 * every call of its kind. Nothing here allocates or locks; any thread, signal handlers too. */
#ifndef GR_TESTS_INJECT_INJECTED_H
#define GR_TESTS_INJECT_INJECTED_H

#include "base/atomic.h"

#include <stdbool.h>
#include <stdint.h>

#define FAULT_POINTS_MAX 32768
#define FAULT_SHORT (-1) /* not an error: the call does less than it was asked for */
#define FAULT_ERRORS_MAX 12

/* The calls that may fail, and with what, as their manual pages say. Left out: what only a mistake of the caller can cause
 * (EFAULT, EBADF, ENOTSOCK and EINVAL where no environment causes it), and EAGAIN on sockets: an edge-triggered poller
 * never hears of a readiness that was denied, so that a lie there is a lost wake-up of the injector's making.
 * write differs with what is written to: files, streams (pipes, sockets, terminals), eventfds.
 * MEMORY calls fail with the first of their errors when memory is injected. */
#define FAULT_CALLS(MEMORY, SYSTEM) \
    MEMORY(malloc, ENOMEM) \
    MEMORY(calloc, ENOMEM) \
    MEMORY(realloc, ENOMEM) \
    MEMORY(aligned_alloc, ENOMEM) \
    MEMORY(strdup, ENOMEM) \
    MEMORY(strndup, ENOMEM) \
    MEMORY(asprintf, ENOMEM) \
    MEMORY(getdelim, ENOMEM) \
    MEMORY(mmap, ENOMEM, EAGAIN, EPERM) \
    MEMORY(mprotect, ENOMEM, EACCES) \
    MEMORY(pthread_create, EAGAIN, EPERM) \
    MEMORY(pthread_key_create, ENOMEM, EAGAIN) \
    MEMORY(pthread_setspecific, ENOMEM) \
    SYSTEM(munmap, ENOMEM) \
    SYSTEM(madvise, EINVAL, ENOMEM, EAGAIN, EIO, EPERM) \
    SYSTEM(mincore, EAGAIN, ENOMEM) \
    SYSTEM(open, EINTR, ENOENT, EACCES, EMFILE, ENFILE, ENOMEM, ELOOP, EPERM, EOVERFLOW) \
    SYSTEM(fopen, EMFILE, ENFILE, ENOENT, EACCES, ENOMEM) \
    SYSTEM(close, EINTR, EIO, ENOSPC, EDQUOT) \
    SYSTEM(read, FAULT_SHORT, EINTR, EIO, ECONNRESET, ENOMEM) \
    SYSTEM(pread, FAULT_SHORT, EINTR, EIO) \
    SYSTEM(write, FAULT_SHORT, EINTR, EIO, ENOSPC, EDQUOT, EFBIG, EPERM) \
    SYSTEM(write_stream, FAULT_SHORT, EINTR, EIO, EPIPE, ECONNRESET) \
    SYSTEM(write_event, EINTR) \
    SYSTEM(stat, ENOENT, EACCES, ENOMEM, ELOOP, ENOTDIR) \
    SYSTEM(lstat, ENOENT, EACCES, ENOMEM, ENOTDIR) \
    SYSTEM(fstat, ENOMEM, EOVERFLOW) \
    SYSTEM(access, EACCES, ENOENT, ELOOP, ENOMEM, EIO) \
    SYSTEM(chmod, EPERM, EROFS, EIO, ENOENT, ENOMEM) \
    SYSTEM(unlink, ENOENT, EACCES, EBUSY, EIO, ENOMEM, EPERM, EROFS) \
    SYSTEM(socket, EMFILE, ENFILE, ENOBUFS, ENOMEM, EACCES, EAFNOSUPPORT, EPROTONOSUPPORT) \
    SYSTEM(bind, EADDRINUSE, EACCES, EADDRNOTAVAIL, ENOMEM, EROFS, ENOENT) \
    SYSTEM(listen, EADDRINUSE, EOPNOTSUPP) \
    SYSTEM(accept4, EINTR, ECONNABORTED, EMFILE, ENFILE, ENOBUFS, ENOMEM, EPERM, EPROTO) \
    SYSTEM(connect, EINTR, ECONNREFUSED, ENETUNREACH, ETIMEDOUT, EACCES, EPERM, EADDRNOTAVAIL, EADDRINUSE) \
    SYSTEM(shutdown, ENOTCONN) \
    SYSTEM(getsockname, ENOBUFS) \
    SYSTEM(getpeername, ENOTCONN, ENOBUFS) \
    SYSTEM(getsockopt, ENOPROTOOPT) \
    SYSTEM(setsockopt, ENOPROTOOPT, ENOMEM, EDOM) \
    SYSTEM(recv, FAULT_SHORT, EINTR, ECONNRESET, ECONNREFUSED, ENOMEM, ENOTCONN) \
    SYSTEM(recvfrom, EINTR, ECONNREFUSED, ENOMEM) \
    SYSTEM(recvmsg, EINTR, ECONNREFUSED, ENOMEM) \
    SYSTEM(send, FAULT_SHORT, EINTR, ECONNRESET, EPIPE, ENOBUFS, ENOMEM, EMSGSIZE) \
    SYSTEM(sendto, EINTR, ENOBUFS, ENOMEM, EMSGSIZE, ECONNRESET, EACCES) \
    SYSTEM(sendmsg, FAULT_SHORT, EINTR, ECONNRESET, EPIPE, ENOBUFS, ENOMEM, EMSGSIZE) \
    SYSTEM(sendfile, FAULT_SHORT, EIO, ENOMEM, EINVAL, EOVERFLOW) \
    SYSTEM(poll, EINTR, ENOMEM) \
    SYSTEM(epoll_create1, EMFILE, ENFILE, ENOMEM) \
    SYSTEM(epoll_ctl, ENOMEM, ENOSPC, EPERM) \
    SYSTEM(epoll_wait, EINTR) \
    SYSTEM(eventfd, EMFILE, ENFILE, ENODEV, ENOMEM) \
    SYSTEM(getrandom, EINTR, EAGAIN, ENOSYS) \
    SYSTEM(getaddrinfo, EAI_AGAIN, EAI_FAIL, EAI_MEMORY, EAI_NONAME, EAI_SERVICE, EAI_SYSTEM) \
    SYSTEM(getnameinfo, EAI_AGAIN, EAI_FAIL, EAI_MEMORY, EAI_SYSTEM) \
    SYSTEM(fork, EAGAIN, ENOMEM, ENOSYS) \
    SYSTEM(waitpid, EINTR, ECHILD) \
    SYSTEM(sigaltstack, ENOMEM, EPERM) \
    SYSTEM(sigtimedwait, EINTR, EAGAIN) \
    SYSTEM(process_vm_readv, EPERM, ENOMEM, EFAULT, ESRCH) \
    SYSTEM(pthread_setname_np, ERANGE) \
    SYSTEM(futex_wait, EINTR, EAGAIN) \
    SYSTEM(membarrier, EPERM, ENOSYS) \
    SYSTEM(mbind, ENOMEM, EPERM, ENOSYS, EIO) \
    SYSTEM(sched_setaffinity, EINVAL, EPERM) \
    SYSTEM(sched_getaffinity, EINVAL) \
    SYSTEM(epoll_pwait2, EINTR, ENOSYS, EPERM) \
    SYSTEM(pidfd_open, EMFILE, ENFILE, ENODEV, ENOMEM, ENOSYS)

enum fault_call {
#define FAULT_ENUMERATOR(name, ...) FAULT_##name,
    FAULT_CALLS(FAULT_ENUMERATOR, FAULT_ENUMERATOR)
#undef FAULT_ENUMERATOR
        FAULT_CALLS_COUNT
};

enum fault_mode { FAULT_OFF, FAULT_RECORD, FAULT_ONCE, FAULT_ONWARDS };
enum fault_kind { FAULT_MEMORY_KIND = 1, FAULT_SYSTEM_KIND = 2 };

typedef struct fault_about {
    const char *name;
    enum fault_kind kind;
    int errors[FAULT_ERRORS_MAX]; /* ends with 0 */
} fault_about;
extern const fault_about fault_calls[FAULT_CALLS_COUNT];

typedef struct fault_point {
    uintptr_t site;
    uint32_t call;
    uint32_t occurrence; /* from 1; set by the driver */
} fault_point;

/* Shared by the driver and the process under test. */
typedef struct fault_plan {
    enum fault_mode mode;
    enum fault_kind kind;
    fault_point point;
    int error;
    gri_atomic_u32 armed;    /* does anything fail, or is anything recorded? */
    gri_atomic_u32 seen;     /* calls at point.site */
    gri_atomic_u32 failed;   /* calls that failed because of the plan */
    gri_atomic_u64 live;     /* blocks that were allocated and not freed */
    gri_atomic_u32 recorded; /* points, of which the first FAULT_POINTS_MAX are kept */
    fault_point points[FAULT_POINTS_MAX];
} fault_plan;

extern fault_plan *fault_now; /* NULL: everything works */

/* What this call is to answer: 0 what the real one does, else the error or FAULT_SHORT. */
int fault_at(enum fault_call call, const void *site);
void fault_live(int64_t blocks);
extern bool fault_live_ignored; /* in children of the process under test: what they allocate ends with them */

#endif
