/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* See apart.h. The child's answer lies in the shared memory, before what fn knows of: an exit status is lost when somebody
 * else reaps the child. */
#include "os/apart.h"

#include "base/instant.h"
#include "os/clock.h"

#include <errno.h>
#include <greenroom/error.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* Written by the child at its end, read by the parent when the child is gone: never at the same time. */
typedef struct answer {
    bool done;
    int code;
} answer;

_Static_assert(sizeof(answer) <= GRI_CACHE_LINE, "the answer lies in the line before the memory");

void *gri_apart_map(size_t bytes)
{
    bytes += GRI_CACHE_LINE;
    char *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return memory == MAP_FAILED ? NULL : memory + GRI_CACHE_LINE;
}

void gri_apart_unmap(void *memory, size_t bytes)
{
    if (memory) munmap((char *)memory - GRI_CACHE_LINE, bytes + GRI_CACHE_LINE);
}

static answer *answer_of(void *arg)
{
    return (answer *)(void *)((char *)arg - GRI_CACHE_LINE);
}

/* Signals stay blocked: no handler of the host's runs here. A fault in spite of that ends the process at once; abort
 * unblocks its own signal. */
GRI_NORETURN static void child_main(int (*fn)(void *arg), void *arg)
{
    const struct rlimit none = {0, 0};
    setrlimit(RLIMIT_CORE, &none);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    signal(SIGABRT, SIG_DFL);
    answer_of(arg)->code = fn(arg);
    answer_of(arg)->done = true;
    _exit(0);
}

/* Waits at most so long until the child can be reaped, and kills it otherwise. Kernels before 5.3, and containers that
 * forbid it, give no descriptor of a process: there is no limit then. */
static void child_await(pid_t child, int64_t patience_ns)
{
#ifdef SYS_pidfd_open
    int fd = (int)syscall(SYS_pidfd_open, child, 0);
    if (fd < 0) return;
    gri_instant now = gri_clock_monotonic(), end = gri_instant_add(now, patience_ns);
    int ready = 0;
    for (; ready == 0 && now < end; now = gri_clock_monotonic()) {
        struct pollfd ended = {.fd = fd, .events = POLLIN};
        ready = poll(&ended, 1, (int)GRI_MIN((end - now) / GRI_NS_PER_MS + 1, INT_MAX));
        if (ready < 0 && errno == EINTR) ready = 0;
    }
    if (ready <= 0) kill(child, SIGKILL);
    close(fd);
#else
    (void)child, (void)patience_ns;
#endif
}

int gri_apart_run(int (*fn)(void *arg), void *arg, int64_t patience_ns)
{
    *answer_of(arg) = (answer){0};
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    pid_t child = fork();
    if (child == 0) child_main(fn, arg);
    int refused = errno;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (child < 0) return refused == ENOMEM || refused == EAGAIN ? GR_ENOMEM : GR_EUNSUPPORTED;

    child_await(child, patience_ns);
    while (waitpid(child, NULL, 0) < 0 && errno == EINTR) continue;
    return answer_of(arg)->done ? answer_of(arg)->code : GR_ESYSTEM;
}
