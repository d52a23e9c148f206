/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
#include "actor/crash.h"

#include "actor/registry.h"
#include "actor/runtime.h"
#include "actor/serve.h"
#include "actor/symbol.h"
#include "os/peek.h"

#include <errno.h>
#include <execinfo.h>
#include <greenroom/call.h>
#include <greenroom/text.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define FRAMES_MAX 64
#define CHILD_SECONDS 5
#define MESSAGE_BYTES 600

/* Written by the one thread that reports. */
static gri_atomic_u32 reporting; /* its id; 0: none yet. Never goes back */
static sigjmp_buf next_stage;
static volatile sig_atomic_t in_stage;

static GRI_PRINTF(1, 2) void say(const char *format, ...)
{
    char text[1024];
    va_list args;
    va_start(args, format);
    int bytes = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (bytes > (int)sizeof text - 1) bytes = (int)sizeof text - 1;
    ssize_t written = bytes > 0 ? write(STDERR_FILENO, text, (size_t)bytes) : 0;
    (void)written; /* nothing is left to be done about it */
}

/* ---- who ---- */

static const char *name_of(int signal)
{
    switch (signal) {
    case SIGSEGV: return "SIGSEGV";
    case SIGBUS: return "SIGBUS";
    case SIGFPE: return "SIGFPE";
    case SIGILL: return "SIGILL";
    default: return "SIGABRT";
    }
}

/* self: NULL: a worker between two actors. */
static void say_who(int signal, const siginfo_t *info, gr_self *self)
{
    gri_worker *worker = gri_worker_here();
    say("greenroom: %s", name_of(signal));
    if (signal != SIGABRT && info->si_code > 0) say(" at address %p", info->si_addr);
    if (!self) {
        say(" on worker %u, which runs no actor\n", worker->index);
        return;
    }
    char address[GR_ADDRESS_TEXT_BYTES], name[GR_NAME_BYTES_MAX + 1] = "";
    const gr_behaviour *behaviour = NULL;
    gri_registry_try_about(gri_actor_address(self), name, &behaviour);
    if (!behaviour && self->more) behaviour = self->more->behaviour;
    say(" in actor %s", gr_address_print(gri_actor_address(self), address));
    if (name[0]) say(" \"%s\"", name);
    if (behaviour) say(" (%s)", behaviour->name);
    if (worker)
        say(" on worker %u\n", worker->index);
    else
        say(" of an attached thread\n");
}

/* ---- the message ---- */

static void say_message(gr_self *self)
{
    char text[MESSAGE_BYTES], sender[GR_ADDRESS_TEXT_BYTES];
    const gr_message *m = gri_serve_now(self);
    if (!m) m = self->held;
    if (!m) {
        say("  last message: none is held\n");
        return;
    }
    const char *method = gr_call_method(m);
    gr_value value = method ? gr_call_argument(m) : gr_body(m);
    int code = gr_print(value, &(gr_print_options){.ascii = true}, text, sizeof text, NULL);
    if (method)
        say("  last message: call \"%.100s\" ", method);
    else
        say("  last message: ");
    say("%s%s", text, code == GR_ETOOBIG ? "…" : "");
    if (!gr_address_equal(gr_sender(m), GR_NO_ADDRESS)) say(" from %s", gr_address_print(gr_sender(m), sender));
    say("\n");
}

/* ---- the frames ---- */

/* Innermost first, beginning where it happened: the handler's own frames are left out. */
static size_t walk(uintptr_t pc, uintptr_t return_at, uintptr_t *ret_pcs)
{
    void *all[FRAMES_MAX];
    size_t count = 0;
    int frames = backtrace(all, FRAMES_MAX), first = 0;
    while (first < frames && (uintptr_t)all[first] != pc) first++;
    if (first == frames) { /* nothing is known about that place: a call of no function, perhaps. Who called it? */
        uintptr_t caller;
        ret_pcs[count++] = pc;
        if (gri_peek(&caller, (void *)return_at, sizeof caller)) ret_pcs[count++] = caller - 1;
        return count;
    }
    ret_pcs[count++] = pc;
    for (int i = first + 1; i < frames; i++) ret_pcs[count++] = (uintptr_t)all[i] - 1; /* into the call */
    return count;
}

GRI_UNUSED static void say_names(const uintptr_t *pcs, size_t count)
{
    const gri_symbol *symbols[FRAMES_MAX];
    gri_symbols_find(pcs, count, symbols);
    for (size_t i = 0; i < count; i++) {
        if (symbols[i]->line > 0)
            say("    %s at %s:%d\n", symbols[i]->method, symbols[i]->file, symbols[i]->line);
        else
            say("    %s [%p]\n", symbols[i]->method, (void *)pcs[i]);
    }
}

/* In a child, whose locks may be taken for ever: true if it has said everything. */
static bool say_names_elsewhere(const uintptr_t *pcs, size_t count)
{
#if GRI_ASAN || GRI_TSAN
    (void)pcs, (void)count;
    return false; /* a child of a process with these may do nothing */
#else
    pid_t child = _Fork();
    if (child < 0) return false;
    if (child == 0) {
        signal(SIGALRM, SIG_DFL);
        for (int i = 0; i < 5; i++) signal((int[]){SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT}[i], SIG_DFL);
        alarm(CHILD_SECONDS);
        say_names(pcs, count);
        _exit(0);
    }
    int status = -1;
    while (waitpid(child, &status, 0) < 0)
        if (errno != EINTR) return false;
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
#endif
}

static void say_addresses(const uintptr_t *pcs, size_t count)
{
    void *all[FRAMES_MAX];
    for (size_t i = 0; i < count; i++) all[i] = (void *)pcs[i];
    backtrace_symbols_fd(all, (int)count, STDERR_FILENO);
}

/* ---- all of it ---- */

static uintptr_t frames[FRAMES_MAX];
static size_t frame_count;

void gri_crash_report(int signal, const siginfo_t *info, uintptr_t pc, uintptr_t return_at)
{
    gr_self *self = gri_runtime_forked() ? NULL : gri_self_here();
    uint32_t nobody = 0;
    if (!self && (gri_runtime_forked() || !gri_worker_here())) return;
    /* relaxed: who comes first reports; nothing is handed over */
    if (!gri_cas_strong_relaxed(&reporting, &nobody, gri_thread_id_self())) return;
    for (volatile int stage = 0; stage < 4; stage++) {
        if (sigsetjmp(next_stage, 0) != 0) continue; /* it has faulted itself */
        in_stage = 1;
        switch (stage) {
        case 0: say_who(signal, info, self); break;
        case 1:
            if (self) say_message(self);
            break;
        case 2: frame_count = walk(pc, return_at, frames); break;
        default:
            say("  backtrace:\n");
            if (frame_count > 0 && !say_names_elsewhere(frames, frame_count)) say_addresses(frames, frame_count);
        }
    }
    in_stage = 0;
}

void gri_crash_go_on(void)
{
    if (GRI_LIKELY(!in_stage) || gri_load_relaxed(&reporting) != gri_thread_id_self()) return; /* relaxed: a number */
    in_stage = 0;
    say(" (here the report itself has failed)\n");
    siglongjmp(next_stage, 1);
}

void gri_crash_prepare(void)
{
    void *frame;
    (void)backtrace(&frame, 1); /* loads the unwinder */
}
