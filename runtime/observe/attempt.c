/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* See attempt.h. */
#include "observe/attempt.h"

#include "actor/actor.h"
#include "memory/heap.h"
#include "os/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define SECONDS_DEFAULT 60
#define STATUS_FAILED 1

static gri_attempt_note *note_here; /* of the run that this process is; NULL: it is none */
static bool run_is_forked;

/* ---- the run ---- */

static void fail_here(const char *format, ...) GR_PRINTF(1, 2);
static void fail_here(const char *format, ...)
{
    va_list args;
    if (note_here->why[0]) return; /* the first reason counts */
    va_start(args, format);
    vsnprintf(note_here->why, sizeof note_here->why, format, args);
    va_end(args);
}

void gr_test_fail(const char *file, int line, const char *format, ...)
{
    char text[GRI_ATTEMPT_WHY_BYTES];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    fprintf(stderr, "%s:%d: %s\n", file, line, text);
    if (note_here) fail_here("%s:%d: %s", file, line, text);
    if (!run_is_forked) abort();
    fflush(NULL);
    _exit(STATUS_FAILED);
}

static uint64_t live_blocks(void)
{
    gri_heap_counts heaps;
    gri_chunk_counts chunks;
    gri_heap_count_all(&heaps, &chunks);
    return heaps.blocks_allocated - heaps.blocks_freed;
}

static void run(const gri_attempt_setting *setting, uint64_t seed, const char *plan)
{
    char seed_text[32];
    gr_detail detail;
    gr_self *self = NULL;
    gr_options options = setting->options->runtime ? *setting->options->runtime : (gr_options){.workers = 0};
    snprintf(seed_text, sizeof seed_text, "%llu", (unsigned long long)seed);
    options.simulate = seed_text;
    options.faults = plan;
    options.fixed |= GR_FIXED(simulate) | GR_FIXED(faults);
    gri_faults_record_in(&note_here->faults);
    const uint64_t before = live_blocks();
    int code = gr_start(&options, &detail);
    if (code == 0) code = gr_attach(&self);
    if (code != 0) {
        fail_here("the runtime does not start: %s: %s", gr_error_name(code), detail.text);
        return;
    }
    code = setting->body(self, setting->arg);
    if (code != 0) fail_here("the body returned %d", code);
    note_here->hash = gr_trace_hash();
    note_here->virtual_ns = gri_simulation_ns();
    code = gr_stop(GR_NOW);
    if (code != 0 && code != GR_ETIMEOUT) fail_here("gr_stop: %s", gr_error_name(code));
    const uint64_t after = live_blocks();
    if (code == 0 && after != before)
        fail_here("%lld blocks of message memory are still held after gr_stop", (long long)(after - before));
    gri_faults_record_in(NULL);
    note_here->judged = true;
}

void gri_attempt_here(const gri_attempt_setting *setting, uint64_t seed, const char *plan, gri_attempt_note *note)
{
    memset(note, 0, sizeof *note);
    note_here = note;
    run(setting, seed, plan);
    note_here = NULL;
}

static void run_as_child(const gri_attempt *attempt, const gri_attempt_setting *setting)
{
    if (!setting->shown) {
        int nowhere = open("/dev/null", O_RDWR | O_CLOEXEC);
        if (nowhere >= 0) {
            (void)dup2(nowhere, STDOUT_FILENO);
            (void)dup2(nowhere, STDERR_FILENO);
        }
    }
    note_here = attempt->note;
    run_is_forked = true;
    run(setting, attempt->seed, attempt->plan);
    fflush(NULL);
    _exit(note_here->why[0] ? STATUS_FAILED : 0);
}

/* ---- who waits for it ---- */

int gri_attempt_init(gri_attempt *attempt)
{
    memset(attempt, 0, sizeof *attempt);
    attempt->end = -1;
    void *memory = mmap(NULL, sizeof *attempt->note, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) return GR_ENOMEM;
    attempt->note = memory;
    return 0;
}

static int status_of(gri_attempt *attempt)
{
    int status = 0;
    while (waitpid(attempt->process, &status, 0) < 0)
        if (errno != EINTR) return 0; /* somebody else has waited for it: its note tells */
    return status;
}

void gri_attempt_fini(gri_attempt *attempt)
{
    if (attempt->process > 0) {
        kill(attempt->process, SIGKILL);
        (void)status_of(attempt);
        close(attempt->end);
    }
    if (attempt->note) munmap(attempt->note, sizeof *attempt->note);
    memset(attempt, 0, sizeof *attempt);
}

int gri_attempt_begin(gri_attempt *attempt, const gri_attempt_setting *setting)
{
    int ends[2];
    const unsigned seconds = setting->options->seconds ? setting->options->seconds : SECONDS_DEFAULT;
    memset(attempt->note, 0, sizeof *attempt->note);
    if (pipe2(ends, O_CLOEXEC) != 0) return GR_ESYSTEM;
    fflush(NULL);
    pid_t process = fork();
    if (process == 0) {
        close(ends[0]);
        run_as_child(attempt, setting);
    }
    close(ends[1]);
    if (process < 0) {
        close(ends[0]);
        return GR_ESYSTEM;
    }
    attempt->process = process;
    attempt->end = ends[0];
    attempt->until = gri_clock_monotonic() + (int64_t)seconds * GRI_NS_PER_S;
    return 0;
}

static void judge(gri_attempt *attempt, bool late)
{
    gri_attempt_note *note = attempt->note;
    if (late) kill(attempt->process, SIGKILL);
    const int status = status_of(attempt);
    close(attempt->end);
    attempt->process = 0;
    attempt->end = -1;
    if (note->why[0]) return;
    if (late)
        snprintf(note->why, sizeof note->why, "the run does not end");
    else if (WIFSIGNALED(status))
        snprintf(note->why, sizeof note->why, "the process died of signal %d (%s)", WTERMSIG(status),
                 strsignal(WTERMSIG(status)));
    else if (WEXITSTATUS(status) != 0 || !note->judged)
        snprintf(note->why, sizeof note->why, "the process ended with status %d", WEXITSTATUS(status));
}

#define WAITED_AT_ONCE 64

int gri_attempts_wait(gri_attempt *attempts, size_t count)
{
    for (;;) {
        struct pollfd ends[WAITED_AT_ONCE];
        size_t which[WAITED_AT_ONCE];
        nfds_t running = 0;
        const int64_t now = gri_clock_monotonic();
        int64_t until = INT64_MAX;
        for (size_t i = 0; i < count && running < WAITED_AT_ONCE; i++) {
            if (attempts[i].process <= 0) continue;
            if (attempts[i].until <= now) {
                judge(&attempts[i], true);
                return (int)i;
            }
            until = GRI_MIN(until, attempts[i].until);
            which[running] = i;
            ends[running++] = (struct pollfd){.fd = attempts[i].end, .events = POLLIN};
        }
        if (running == 0) return -1;
        if (poll(ends, running, (int)GRI_MIN((until - now) / GRI_NS_PER_MS + 1, (int64_t)1000)) <= 0) continue;
        for (nfds_t i = 0; i < running; i++) {
            if (!ends[i].revents) continue;
            judge(&attempts[which[i]], false);
            return (int)which[i];
        }
    }
}

int gri_attempt_run(gri_attempt *attempt, const gri_attempt_setting *setting, bool *ret_held)
{
    int code = gri_attempt_begin(attempt, setting);
    if (code != 0) return code;
    (void)gri_attempts_wait(attempt, 1);
    *ret_held = attempt->note->why[0] == '\0';
    return 0;
}
