/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* What our own code calls instead of libc: in a copy of our archives objcopy renames malloc to inject_malloc, and so on for
 * every call of injected.h. So exactly our calls fail, not the tests', not those of other libraries; and the same programs can
 * be built with any sanitizer, which preloading forbids. */
#include "inject/injected.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <netdb.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

/* In a wrapper: the answer of the plan for this call, and the usual way to fail. */
#define ANSWER(name) const int error = fault_at(FAULT_##name, __builtin_return_address(0))
#define FAIL(value) \
    do { \
        if (error > 0) { \
            errno = error; \
            return (value); \
        } \
    } while (0)

/* ---- memory ---- */

static void *counted(void *block)
{
    if (block) fault_live(1);
    return block;
}

void *inject_malloc(size_t bytes);
void *inject_malloc(size_t bytes)
{
    ANSWER(malloc);
    FAIL(NULL);
    return counted(malloc(bytes));
}

void *inject_calloc(size_t count, size_t bytes);
void *inject_calloc(size_t count, size_t bytes)
{
    ANSWER(calloc);
    FAIL(NULL);
    return counted(calloc(count, bytes));
}

void *inject_realloc(void *block, size_t bytes);
void *inject_realloc(void *block, size_t bytes)
{
    ANSWER(realloc);
    FAIL(NULL);
    void *moved = realloc(block, bytes);
    return block ? moved : counted(moved);
}

void *inject_aligned_alloc(size_t alignment, size_t bytes);
void *inject_aligned_alloc(size_t alignment, size_t bytes)
{
    ANSWER(aligned_alloc);
    FAIL(NULL);
    return counted(aligned_alloc(alignment, bytes));
}

char *inject_strdup(const char *text);
char *inject_strdup(const char *text)
{
    ANSWER(strdup);
    FAIL(NULL);
    return counted(strdup(text));
}

char *inject_strndup(const char *text, size_t bytes);
char *inject_strndup(const char *text, size_t bytes)
{
    ANSWER(strndup);
    FAIL(NULL);
    return counted(strndup(text, bytes));
}

int inject_asprintf(char **ret_text, const char *format, ...);
int inject_asprintf(char **ret_text, const char *format, ...)
{
    ANSWER(asprintf);
    FAIL(-1);
    va_list args;
    va_start(args, format);
    int length = vasprintf(ret_text, format, args);
    va_end(args);
    if (length >= 0) fault_live(1);
    return length;
}

/* getline, and what optimised code makes of it. The line may be a block that is there already. */
static ssize_t get_line(char **line, size_t *bytes, int delimiter, FILE *file, const void *site)
{
    const int error = fault_at(FAULT_getdelim, site);
    FAIL(-1);
    const char *before = *line;
    ssize_t got = getdelim(line, bytes, delimiter, file);
    if (!before && *line) fault_live(1);
    return got;
}

ssize_t inject_getdelim(char **line, size_t *bytes, int delimiter, FILE *file);
ssize_t inject_getdelim(char **line, size_t *bytes, int delimiter, FILE *file)
{
    return get_line(line, bytes, delimiter, file, __builtin_return_address(0));
}

ssize_t inject_getdelim_too(char **line, size_t *bytes, int delimiter, FILE *file);
ssize_t inject_getdelim_too(char **line, size_t *bytes, int delimiter, FILE *file)
{
    return get_line(line, bytes, delimiter, file, __builtin_return_address(0));
}

ssize_t inject_getline(char **line, size_t *bytes, FILE *file);
ssize_t inject_getline(char **line, size_t *bytes, FILE *file)
{
    return get_line(line, bytes, '\n', file, __builtin_return_address(0));
}

void inject_free(void *block);
void inject_free(void *block)
{
    if (block) fault_live(-1);
    free(block);
}

void *inject_mmap(void *low, size_t bytes, int protection, int flags, int fd, off_t offset);
void *inject_mmap(void *low, size_t bytes, int protection, int flags, int fd, off_t offset)
{
    ANSWER(mmap);
    FAIL(MAP_FAILED);
    return mmap(low, bytes, protection, flags, fd, offset);
}

/* ---- calls that answer -1 and errno: everything alike but the arguments ---- */

#define UNPACK(...) __VA_ARGS__
#define PLAIN(type, name, parameters, arguments) \
    type inject_##name parameters; \
    type inject_##name parameters \
    { \
        ANSWER(name); \
        FAIL((type)-1); \
        return name arguments; \
    }

PLAIN(int, mprotect, (void *low, size_t bytes, int protection), (low, bytes, protection))
PLAIN(int, munmap, (void *low, size_t bytes), (low, bytes))
PLAIN(int, madvise, (void *low, size_t bytes, int advice), (low, bytes, advice))
PLAIN(int, mincore, (void *low, size_t bytes, unsigned char *pages), (low, bytes, pages))
PLAIN(int, stat, (const char *path, struct stat *ret), (path, ret))
PLAIN(int, lstat, (const char *path, struct stat *ret), (path, ret))
PLAIN(int, fstat, (int fd, struct stat *ret), (fd, ret))
PLAIN(int, access, (const char *path, int mode), (path, mode))
PLAIN(int, chmod, (const char *path, mode_t mode), (path, mode))
PLAIN(int, unlink, (const char *path), (path))
PLAIN(int, socket, (int family, int type, int protocol), (family, type, protocol))
PLAIN(int, bind, (int fd, const struct sockaddr *address, socklen_t bytes), (fd, address, bytes))
PLAIN(int, listen, (int fd, int backlog), (fd, backlog))
PLAIN(int, accept4, (int fd, struct sockaddr *address, socklen_t *bytes, int flags), (fd, address, bytes, flags))
PLAIN(int, shutdown, (int fd, int how), (fd, how))
PLAIN(int, getsockname, (int fd, struct sockaddr *address, socklen_t *bytes), (fd, address, bytes))
PLAIN(int, getpeername, (int fd, struct sockaddr *address, socklen_t *bytes), (fd, address, bytes))
PLAIN(int, getsockopt, (int fd, int level, int name, void *value, socklen_t *bytes), (fd, level, name, value, bytes))
PLAIN(int, setsockopt, (int fd, int level, int name, const void *value, socklen_t bytes),
      (fd, level, name, value, bytes))
PLAIN(ssize_t, recvfrom, (int fd, void *to, size_t bytes, int flags, struct sockaddr *from, socklen_t *from_bytes),
      (fd, to, bytes, flags, from, from_bytes))
PLAIN(ssize_t, recvmsg, (int fd, struct msghdr *message, int flags), (fd, message, flags))
PLAIN(ssize_t, sendto,
      (int fd, const void *from, size_t bytes, int flags, const struct sockaddr *to, socklen_t to_bytes),
      (fd, from, bytes, flags, to, to_bytes))
PLAIN(int, poll, (struct pollfd * fds, nfds_t count, int timeout), (fds, count, timeout))
PLAIN(int, epoll_create1, (int flags), (flags))
PLAIN(int, epoll_ctl, (int epoll, int operation, int fd, struct epoll_event *event), (epoll, operation, fd, event))
PLAIN(int, epoll_wait, (int epoll, struct epoll_event *events, int count, int timeout), (epoll, events, count, timeout))
PLAIN(int, eventfd, (unsigned value, int flags), (value, flags))
PLAIN(ssize_t, getrandom, (void *to, size_t bytes, unsigned flags), (to, bytes, flags))
PLAIN(pid_t, fork, (void), ())
PLAIN(int, sigaltstack, (const stack_t *stack, stack_t *before), (stack, before))
PLAIN(int, sigtimedwait, (const sigset_t *set, siginfo_t *ret, const struct timespec *timeout), (set, ret, timeout))
PLAIN(ssize_t, process_vm_readv,
      (pid_t pid, const struct iovec *to, unsigned long to_count, const struct iovec *from, unsigned long from_count,
       unsigned long flags),
      (pid, to, to_count, from, from_count, flags))

/* ---- calls that may do less than asked ---- */

#define SHORTENED(type, name, parameters, arguments) \
    type inject_##name parameters; \
    type inject_##name parameters \
    { \
        ANSWER(name); \
        FAIL((type)-1); \
        if (error == FAULT_SHORT && bytes > 1) bytes = 1; \
        return name arguments; \
    }

SHORTENED(ssize_t, read, (int fd, void *to, size_t bytes), (fd, to, bytes))
SHORTENED(ssize_t, pread, (int fd, void *to, size_t bytes, off_t offset), (fd, to, bytes, offset))
SHORTENED(ssize_t, recv, (int fd, void *to, size_t bytes, int flags), (fd, to, bytes, flags))
SHORTENED(ssize_t, send, (int fd, const void *from, size_t bytes, int flags), (fd, from, bytes, flags))
SHORTENED(ssize_t, sendfile, (int out, int in, off_t *offset, size_t bytes), (out, in, offset, bytes))

static enum fault_call kind_of_write(int fd)
{
    struct stat status;
    if (fstat(fd, &status) != 0 || (status.st_mode & S_IFMT) == 0) return FAULT_write_event;
    return S_ISREG(status.st_mode) ? FAULT_write : FAULT_write_stream;
}

ssize_t inject_write(int fd, const void *from, size_t bytes);
ssize_t inject_write(int fd, const void *from, size_t bytes)
{
    const int error = fault_at(kind_of_write(fd), __builtin_return_address(0));
    FAIL(-1);
    return write(fd, from, error == FAULT_SHORT && bytes > 1 ? 1 : bytes);
}

ssize_t inject_sendmsg(int fd, const struct msghdr *message, int flags);
ssize_t inject_sendmsg(int fd, const struct msghdr *message, int flags)
{
    ANSWER(sendmsg);
    FAIL(-1);
    struct msghdr less = *message;
    struct iovec first;
    if (error == FAULT_SHORT && message->msg_iovlen > 0 && message->msg_iov[0].iov_len > 0) {
        first = (struct iovec){message->msg_iov[0].iov_base, 1};
        less.msg_iov = &first;
        less.msg_iovlen = 1;
    }
    return sendmsg(fd, &less, flags);
}

/* ---- calls with ways of their own ---- */

int inject_open(const char *path, int flags, ...);
int inject_open(const char *path, int flags, ...)
{
    ANSWER(open);
    FAIL(-1);
    va_list args;
    va_start(args, flags);
    mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(args, mode_t) : 0;
    va_end(args);
    return open(path, flags, mode);
}

FILE *inject_fopen(const char *path, const char *mode);
FILE *inject_fopen(const char *path, const char *mode)
{
    ANSWER(fopen);
    FAIL(NULL);
    return fopen(path, mode);
}

/* The descriptor is gone whatever the answer, as on Linux. */
int inject_close(int fd);
int inject_close(int fd)
{
    ANSWER(close);
    int result = close(fd);
    FAIL(-1);
    return result;
}

/* Interrupted, it goes on connecting. */
int inject_connect(int fd, const struct sockaddr *address, socklen_t bytes);
int inject_connect(int fd, const struct sockaddr *address, socklen_t bytes)
{
    ANSWER(connect);
    if (error == EINTR) (void)connect(fd, address, bytes);
    FAIL(-1);
    return connect(fd, address, bytes);
}

/* Somebody else may have reaped the child. */
pid_t inject_waitpid(pid_t pid, int *status, int options);
pid_t inject_waitpid(pid_t pid, int *status, int options)
{
    ANSWER(waitpid);
    if (error == ECHILD) (void)waitpid(pid, status, options);
    FAIL(-1);
    return waitpid(pid, status, options);
}

int inject_getaddrinfo(const char *host, const char *service, const struct addrinfo *hints, struct addrinfo **ret);
int inject_getaddrinfo(const char *host, const char *service, const struct addrinfo *hints, struct addrinfo **ret)
{
    ANSWER(getaddrinfo);
    if (error) errno = ENOMEM; /* of EAI_SYSTEM */
    return error ? error : getaddrinfo(host, service, hints, ret);
}

int inject_getnameinfo(const struct sockaddr *address, socklen_t bytes, char *host, socklen_t host_bytes, char *service,
                       socklen_t service_bytes, int flags);
int inject_getnameinfo(const struct sockaddr *address, socklen_t bytes, char *host, socklen_t host_bytes, char *service,
                       socklen_t service_bytes, int flags)
{
    ANSWER(getnameinfo);
    if (error) errno = ENOMEM;
    return error ? error : getnameinfo(address, bytes, host, host_bytes, service, service_bytes, flags);
}

int inject_pthread_create(pthread_t *ret, const pthread_attr_t *attributes, void *(*fn)(void *), void *arg);
int inject_pthread_create(pthread_t *ret, const pthread_attr_t *attributes, void *(*fn)(void *), void *arg)
{
    ANSWER(pthread_create);
    return error ? error : pthread_create(ret, attributes, fn, arg);
}

int inject_pthread_key_create(pthread_key_t *ret, void (*destructor)(void *));
int inject_pthread_key_create(pthread_key_t *ret, void (*destructor)(void *))
{
    ANSWER(pthread_key_create);
    return error ? error : pthread_key_create(ret, destructor);
}

int inject_pthread_setspecific(pthread_key_t key, const void *value);
int inject_pthread_setspecific(pthread_key_t key, const void *value)
{
    ANSWER(pthread_setspecific);
    return error ? error : pthread_setspecific(key, value);
}

int inject_pthread_setname_np(pthread_t thread, const char *name);
int inject_pthread_setname_np(pthread_t thread, const char *name)
{
    ANSWER(pthread_setname_np);
    return error ? error : pthread_setname_np(thread, name);
}

/* By number; a futex that is woken cannot fail for a reason that is not ours. */
static int by_number(long number, long operation, const void *site)
{
    switch (number) {
    case SYS_futex: {
        long command = operation & FUTEX_CMD_MASK;
        return command == FUTEX_WAIT || command == FUTEX_WAIT_BITSET ? fault_at(FAULT_futex_wait, site) : 0;
    }
    case SYS_membarrier: return fault_at(FAULT_membarrier, site);
    case SYS_mbind: return fault_at(FAULT_mbind, site);
    case SYS_sched_setaffinity: return fault_at(FAULT_sched_setaffinity, site);
    case SYS_sched_getaffinity: return fault_at(FAULT_sched_getaffinity, site);
#ifdef SYS_epoll_pwait2
    case SYS_epoll_pwait2: return fault_at(FAULT_epoll_pwait2, site);
#endif
#ifdef SYS_pidfd_open
    case SYS_pidfd_open: return fault_at(FAULT_pidfd_open, site);
#endif
    default: return 0;
    }
}

/* Not declared with "...": whatever the registers hold beyond what was given is handed on, and the kernel ignores it. */
long inject_syscall(long number, long a, long b, long c, long d, long e, long f);
long inject_syscall(long number, long a, long b, long c, long d, long e, long f)
{
    const int error = by_number(number, b, __builtin_return_address(0));
    FAIL(-1);
    return syscall(number, a, b, c, d, e, f);
}
