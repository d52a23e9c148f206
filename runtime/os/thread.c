/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* See thread.h. Affinity goes by system call: glibc's cpu_set_t holds 1,024 CPUs and pthread_setaffinity_np may check
 * more than the kernel does. */
#include "os/thread.h"

#include "base/check.h"

#include <errno.h>
#include <fcntl.h>
#include <greenroom/error.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define THREAD_NAME_BYTES 16 /* the kernel's TASK_COMM_LEN */

typedef struct thread_start {
    void (*entry)(void *arg);
    void *arg;
    char name[THREAD_NAME_BYTES];
} thread_start;

static void name_cut(char ret_cut[THREAD_NAME_BYTES], const char *name)
{
    size_t bytes = strnlen(name, THREAD_NAME_BYTES - 1);
    memcpy(ret_cut, name, bytes);
    ret_cut[bytes] = '\0';
}

static void *thread_main(void *start_arg)
{
    thread_start start = *(thread_start *)start_arg;
    free(start_arg);
    if (start.name[0]) gri_thread_name_set(start.name);
    start.entry(start.arg);
    return NULL;
}

static void signals_of_others(sigset_t *ret_set)
{
    static const int synchronous[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS, SIGABRT};
    sigfillset(ret_set);
    for (size_t i = 0; i < GRI_ARRAY_COUNT(synchronous); i++) sigdelset(ret_set, synchronous[i]);
}

static int attributes_init(pthread_attr_t *ret_attributes, size_t stack_bytes)
{
    if (pthread_attr_init(ret_attributes) != 0) return GR_ENOMEM;
    if (stack_bytes == 0) return 0;
    size_t least = (size_t)sysconf(_SC_THREAD_STACK_MIN), page = (size_t)sysconf(_SC_PAGESIZE);
    stack_bytes = gri_align_up(GRI_MAX(stack_bytes, least), page);
    if (pthread_attr_setstacksize(ret_attributes, stack_bytes) == 0) return 0;
    pthread_attr_destroy(ret_attributes);
    return GR_EINVAL;
}

int gri_thread_start(gri_thread *ret_thread, const char *name, size_t stack_bytes, void (*entry)(void *arg), void *arg)
{
    thread_start *start = calloc(1, sizeof *start);
    if (!start) return GR_ENOMEM;
    start->entry = entry;
    start->arg = arg;
    if (name) name_cut(start->name, name);

    pthread_attr_t attributes;
    int error = attributes_init(&attributes, stack_bytes);
    if (error) {
        free(start);
        return error;
    }
    sigset_t blocked, before;
    pthread_t handle;
    signals_of_others(&blocked);
    pthread_sigmask(SIG_SETMASK, &blocked, &before); /* the new thread inherits the mask */
    int refused = pthread_create(&handle, &attributes, thread_main, start);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
    if (refused) {
        free(start);
        return refused == ENOMEM ? GR_ENOMEM : GR_ESYSTEM;
    }
    ret_thread->handle = handle;
    return 0;
}

void gri_thread_join(gri_thread thread)
{
    int error = pthread_join(thread.handle, NULL);
    if (error) gri_panic("a thread cannot be joined: %s", strerror(error));
}

void gri_thread_name_set(const char *name)
{
    char cut[THREAD_NAME_BYTES];
    name_cut(cut, name);
    pthread_setname_np(pthread_self(), cut); /* a name is a convenience: a refusal changes nothing */
}

uint32_t gri_thread_id_self(void)
{
    return (uint32_t)syscall(SYS_gettid);
}

int gri_thread_waited_ns(uint32_t id, int64_t *ret_ns)
{
    char path[64], text[96];
    snprintf(path, sizeof path, "/proc/self/task/%u/schedstat", id);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return GR_ESYSTEM;
    ssize_t bytes = read(fd, text, sizeof text - 1);
    close(fd);
    if (bytes <= 0) return GR_ESYSTEM;
    text[bytes] = '\0';
    unsigned long long ran, waited;
    if (sscanf(text, "%llu %llu", &ran, &waited) != 2) return GR_ESYSTEM;
    *ret_ns = (int64_t)waited;
    return 0;
}

int gri_thread_cpu_ns(uint32_t id, int64_t *ret_ns)
{
    /* The kernel's own name for the clock of a thread: pthread_getcpuclockid makes the same from a handle. */
    const clockid_t clock = (clockid_t)(~id << 3 | 6u);
    struct timespec used;
    if (clock_gettime(clock, &used) != 0) return GR_ESYSTEM;
    *ret_ns = (int64_t)used.tv_sec * 1000000000 + used.tv_nsec;
    return 0;
}

void gri_thread_yield(void)
{
    sched_yield();
}

int gri_thread_affinity_get(gri_cpus *ret_cpus)
{
    gri_cpus cpus;
    gri_cpus_clear(&cpus);
    /* The kernel fills longs, lowest CPU first: on a little-endian machine, and on any 64-bit one, our own layout. */
    if (syscall(SYS_sched_getaffinity, 0, sizeof cpus.words, cpus.words) < 0) return GR_ESYSTEM;
    *ret_cpus = cpus;
    return 0;
}

int gri_thread_affinity_set(const gri_cpus *cpus)
{
    if (syscall(SYS_sched_setaffinity, 0, sizeof cpus->words, cpus->words) == 0) return 0;
    return errno == EINVAL ? GR_EINVAL : GR_ESYSTEM;
}

uint32_t gri_thread_cpu_now(void)
{
    int cpu = sched_getcpu();
    return cpu < 0 ? GRI_CPUS_NONE : (uint32_t)cpu;
}
