/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* One body under a plan. When a check of it fails, the runtime is still stopped, with the failures going on: that it can be
 * stopped is part of the verdict. */
#include "inject/drive.h"
#include "support/harness.h"

#include "actor/attach.h"
#include "actor/registry.h"
#include "actor/runtime.h"

#include <dirent.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <unistd.h>

#if GRI_ASAN
#include <sanitizer/lsan_interface.h>
#endif

extern const char __executable_start[];

static drive_shared *shared;
static const gr_test *running;
static sigjmp_buf home;
static pthread_t main_thread;
static bool failed, failed_down; /* before the runtime was up */
static gri_atomic_bool stalled;

uintptr_t drive_offset(uintptr_t site)
{
    return site - (uintptr_t)__executable_start;
}

uintptr_t drive_address(uintptr_t offset)
{
    return offset + (uintptr_t)__executable_start;
}

_Noreturn static void leave(enum drive_verdict verdict)
{
    shared->verdict = (int)verdict;
    fflush(NULL);
    _exit(0);
}

/* Is this the test's own thread, and on its own stack? In simulation the actors' code runs on that thread too. */
static bool is_at_home(void)
{
    if (!pthread_equal(pthread_self(), main_thread)) return false;
    gr_self *self = gri_self_here();
    return !self || self == gri_attached_here();
}

/* Bodies with threads that only they can end, or that go on with what lies on the body's stack: there is no stopping without
 * them, and no going on when a check has failed. */
static bool holds_threads(void)
{
    static const char *const bodies[] = {"blocking/",
                                         "mechanism/",
                                         "names/",
                                         "registry/registering_the_dying_leaves_nothing",
                                         "state/readers_see_whole_states",
                                         "state/who_has_the_answer",
                                         "supervisor/strategy_by_restart_by_how_it_ended",
                                         "waits/on_sockets_and_blocking_calls_are_told"};
    char name[256];
    snprintf(name, sizeof name, "%s/%s", running->suite, running->name);
    for (size_t i = 0; i < GRI_ARRAY_COUNT(bodies); i++)
        if (strncmp(name, bodies[i], strlen(bodies[i])) == 0) return true;
    return false;
}

void gr_test_fail(const char *file, int line, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fprintf(stderr, "%s/%s (%s:%d): ", running->suite, running->name, file, line);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
    if (fault_live_ignored) _exit(1); /* a child that the body forked */
    if (holds_threads() || failed || !is_at_home()) leave(gri_load_relaxed(&stalled) ? DRIVE_STALLED : DRIVE_BODY_LEFT);
    failed = true;
    failed_down = gri_runtime_is_down();
    siglongjmp(home, 1);
}

static int kill_actor(void *arg, gr_address address)
{
    (void)arg;
    (void)gr_kill_now(address); /* GR_EDEAD: it was quicker */
    return 0;
}

/* Kills whoever a body waits for in vain, the test's thread too; says that it hangs if that is of no use. */
static void *watch(void *arg)
{
    (void)arg;
    int patience = shared->strict ? DRIVE_STALL_STRICT_MS : DRIVE_STALL_MS;
    poll(NULL, 0, patience);
    gri_store_relaxed(&stalled, true);
    if (holds_threads()) leave(DRIVE_STALLED);
    for (int left = DRIVE_HANG_MS - patience; left > 0; left -= 100) {
        gr_each(kill_actor, NULL);
        poll(NULL, 0, 100);
    }
    shared->verdict = DRIVE_HUNG;
    abort();
}

static int count_fds(void)
{
    int count = 0;
    DIR *all = opendir("/proc/self/fd");
    if (!all) return -1;
    while (readdir(all)) count++;
    closedir(all);
    return count;
}

/* What they are, so that a finding says it. */
_Noreturn static void leave_with_fds(void)
{
    DIR *all = opendir("/proc/self/fd");
    for (struct dirent *entry; all && (entry = readdir(all));) {
        char target[128];
        ssize_t bytes = readlinkat(dirfd(all), entry->d_name, target, sizeof target - 1);
        if (bytes > 0) fprintf(stderr, "descriptor %s: %.*s\n", entry->d_name, (int)bytes, target);
    }
    leave(DRIVE_FD_LEAKED);
}

static void forked(void)
{
    fault_live_ignored = true;
}

/* Heaps stay for the threads that come next, as many as there ever were at a time; they are pages, which nobody counts here. */
static int64_t blocks_left(void)
{
    return (int64_t)gri_load_relaxed(&shared->plan.live);
}

static void begin_anew(void)
{
    gri_store_relaxed(&shared->plan.seen, 0);
    gri_store_relaxed(&shared->plan.failed, 0);
}

static void stop(void)
{
    int code;
    do code = gr_stop(GR_NOW);
    while (code == 0 || code == GR_ETIMEOUT);
}

static void start_again(void)
{
    gr_detail detail;
    begin_anew();
    int code = gr_start(NULL, &detail);
    if (code == GR_EINUSE) leave(DRIVE_LEAKED);
    stop();
}

static void run_body(const gr_test *test)
{
    begin_anew();
    if (sigsetjmp(home, 0) == 0) test->body();
    stop();
}

_Noreturn void drive_child(drive_shared *shared_, const gr_test *test)
{
    shared = shared_;
    running = test;
    main_thread = pthread_self();
    harness_patience_ms = shared->plan.mode == FAULT_RECORD || shared->strict ? 60000 : 1500;
    pthread_t watcher;
    if (pthread_create(&watcher, NULL, watch, NULL) != 0) leave(DRIVE_DIED);
    if (pthread_atfork(NULL, NULL, forked) != 0) leave(DRIVE_DIED);
    int fds = count_fds();
    fault_now = &shared->plan;
    gri_store_relaxed(&shared->plan.armed, 1);
    run_body(test);
    if (failed_down && !gri_load_relaxed(&stalled)) {
        /* A start that fails may leave what the next one takes up; failing again it leaves nothing more. */
        start_again();
        int64_t left = blocks_left();
        int fds_left = count_fds();
        start_again();
        if (blocks_left() > left) leave(DRIVE_LEAKED);
        if (count_fds() > fds_left) leave_with_fds();
    }
    gri_store_relaxed(&shared->plan.armed, 0);
    if (failed) leave(gri_load_relaxed(&stalled) ? DRIVE_STALLED : DRIVE_BODY_FAILED);
    if (shared->baseline != DRIVE_NO_BASELINE && blocks_left() > shared->baseline) leave(DRIVE_LEAKED);
    shared->fds = count_fds() - fds;
    if (shared->baseline != DRIVE_NO_BASELINE && shared->fds > shared->fds_baseline) leave_with_fds();
#if GRI_ASAN
    if (__lsan_do_recoverable_leak_check()) leave(DRIVE_LEAKED);
#endif
    shared->blocks = blocks_left();
    leave(DRIVE_PASSED);
}
