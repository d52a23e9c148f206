/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Operating-system threads: start, join, name, identity, affinity.
 *
 * A gri_thread is owned by who started it and joined exactly once. Threads start with every signal blocked but the
 * synchronous ones (SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS, SIGABRT): signals of the host program go to its
 * own threads. */
#ifndef GRI_OS_THREAD_H
#define GRI_OS_THREAD_H

#include "base/compiler.h"
#include "os/cpus.h"

#include <pthread.h>
#include <stddef.h>
#include <stdint.h>

typedef struct gri_thread {
    pthread_t handle;
} gri_thread;

/* Runs entry(arg) on a new thread called `name` (cut to 15 bytes; NULL keeps the starter's). stack_bytes 0 is the
 * system's default; too small a size is raised. 0, GR_ENOMEM, or GR_ESYSTEM (the system refuses more threads). */
GRI_MUST_CHECK int gri_thread_start(gri_thread *ret_thread, const char *name, size_t stack_bytes,
                                    void (*entry)(void *arg), void *arg);
/* Returns after entry has returned. */
void gri_thread_join(gri_thread thread);

/* Names the calling thread, for debuggers and top. */
void gri_thread_name_set(const char *name);

/* The kernel's id of the calling thread. A system call: keep it. */
uint32_t gri_thread_id_self(void);

/* How long the thread of this process has been ready to run but had no CPU, since it began. GR_ESYSTEM where the kernel keeps no
 * such account, or there is no such thread. Some microseconds. */
GRI_MUST_CHECK int gri_thread_waited_ns(uint32_t id, int64_t *ret_ns);

/* CPU time that the thread of this process has used since it began. GR_ESYSTEM: there is no such thread. A system call. */
GRI_MUST_CHECK int gri_thread_cpu_ns(uint32_t id, int64_t *ret_ns);

/* Lets other runnable threads go first. */
void gri_thread_yield(void);

/* The CPUs the calling thread may run on. GR_ESYSTEM where the kernel counts more than GRI_CPUS_MAX or refuses. */
GRI_MUST_CHECK int gri_thread_affinity_get(gri_cpus *ret_cpus);
/* GR_EINVAL when none of the CPUs is available to this process (offline, outside its cpuset), else GR_ESYSTEM. */
GRI_MUST_CHECK int gri_thread_affinity_set(const gri_cpus *cpus);

/* The CPU the calling thread runs on at this moment; GRI_CPUS_NONE if the kernel does not say. */
uint32_t gri_thread_cpu_now(void);

#endif
