/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* A fault on a green thread's stack:
 *
 *   in actor code        the actor is ended at once: its stack is reset and the end of the actor runs on it
 *   in other code, where the runtime or a library may hold a lock:
 *     in the yellow zone the zone is opened, the code goes on, and the actor dies with "stack_overflow" at its next runtime
 *                        call, or as soon as it is back in its own code. On x86-64 the processor tells: the code goes on one
 *                        instruction at a time (the trap flag). Elsewhere its next overflow tells, if the zone is enough
 *     in the red page    report and end the process
 *   not on its stack     reported (crash.h), then the previous handler, or the default action; SIGFPE, SIGILL and SIGABRT too
 *
 * "Actor code" is whatever is not in an object the runtime depends on: the executable and what it has loaded, but not this
 * library when it is shared, and not libc, ld.so, jansson, liburcu, hwloc. When Greenroom is linked statically its own code
 * cannot be told from the actor's by object, so addresses of its text section are compared instead. What it calls in libraries it
 * then calls by the executable's stubs (the PLT), which belong to nobody: an instruction as they have it says nothing.
 *
 * Everything here is async-signal-safe: the table of objects is read when the handler is installed. */
#include "actor/overflow.h"

#include "actor/crash.h"
#include "actor/finish.h"
#include "actor/runtime.h"
#include "actor/serve.h"
#include "os/peek.h"

#include <errno.h>
#include <link.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

#define SIGNAL_STACK_BYTES ((size_t)64 << 10)
#define RANGES_MAX 64

typedef struct range {
    uintptr_t low, high;
} range;

static range library_code[RANGES_MAX];
static unsigned library_ranges;
/* What else ends a process in the middle of an actor's work: reported, not contained. */
enum { SEGV, BUS, TRAP, FPE, ILL, ABRT, SIGNALS };
static const int numbers[SIGNALS] = {SIGSEGV, SIGBUS, SIGTRAP, SIGFPE, SIGILL, SIGABRT};
static struct sigaction previous_ones[SIGNALS];

/* Sanitizers have handlers of their own, and an instrumented program is too slow to be stepped through. */
#if defined(__x86_64__) && !GRI_ASAN && !GRI_TSAN
#define STEPS 1
#define TRAP_FLAG ((greg_t)0x100)
#else
#define STEPS 0
#endif
static GRI_THREAD_LOCAL void *signal_stack;

/* ---- whose code is it ---- */

static bool is_runtime_object(const char *path)
{
    static const char *const names[] = {"/libc.so",      "/libc-",     "/ld-linux", "/libm.so",  "/libpthread",
                                        "/libjansson",   "/liburcu",   "/libhwloc", "/libdw",    "/libelf",
                                        "/libgreenroom", "/libgcc_s",  "/libasan",  "/libubsan", "/libtsan",
                                        "linux-vdso",    "/libstdc++", "/libdl"};
    for (size_t i = 0; i < GRI_ARRAY_COUNT(names); i++)
        if (strstr(path, names[i])) return true;
    return false;
}

static int note_object(struct dl_phdr_info *info, size_t size, void *arg)
{
    (void)size;
    (void)arg;
    if (!info->dlpi_name || !is_runtime_object(info->dlpi_name)) return 0;
    for (int i = 0; i < info->dlpi_phnum && library_ranges < RANGES_MAX; i++) {
        const ElfW(Phdr) *header = &info->dlpi_phdr[i];
        if (header->p_type != PT_LOAD || !(header->p_flags & PF_X)) continue;
        uintptr_t low = info->dlpi_addr + header->p_vaddr;
        library_code[library_ranges++] = (range){low, low + header->p_memsz};
    }
    return 0;
}

/* First and last of the runtime's own text: the section that the build puts all of it in. */
extern const char __start_gri_text[] __attribute__((weak));
extern const char __stop_gri_text[] __attribute__((weak));

static bool is_actor_code(uintptr_t pc)
{
    for (unsigned i = 0; i < library_ranges; i++)
        if (pc >= library_code[i].low && pc < library_code[i].high) return false;
    if (__start_gri_text && pc >= (uintptr_t)__start_gri_text && pc < (uintptr_t)__stop_gri_text) return false;
    return true;
}

#if STEPS
/* jmp *x(%rip), behind endbr64 and bnd or not; push $n and jmp; push x(%rip) and jmp: what stubs consist of. Actor code may have such
 * an instruction too: then the next one tells. The bytes at the program counter are code, and readable. */
static bool is_stub(uintptr_t pc)
{
    const unsigned char *at = (const unsigned char *)pc;
    if (at[0] == 0xf3 && at[1] == 0x0f && at[2] == 0x1e && at[3] == 0xfa) at += 4;
    if (at[0] == 0xf2) at++;
    return at[0] == 0x68 || at[0] == 0xe9 || (at[0] == 0xff && (at[1] == 0x25 || at[1] == 0x35));
}
#else
static bool is_stub(uintptr_t pc)
{
    (void)pc; /* no stack is touched there, and nobody steps */
    return false;
}
#endif

/* ---- the handler ---- */

static uintptr_t program_counter(const ucontext_t *context)
{
#if defined(__x86_64__)
    return (uintptr_t)context->uc_mcontext.gregs[REG_RIP];
#elif defined(__aarch64__)
    return (uintptr_t)context->uc_mcontext.pc;
#else
    (void)context;
    return 0;
#endif
}

/* Where the return address stands of a function that has just been called and has done nothing yet. */
static uintptr_t return_at(const ucontext_t *context)
{
#if defined(__x86_64__)
    return (uintptr_t)context->uc_mcontext.gregs[REG_RSP];
#elif defined(__aarch64__)
    return (uintptr_t)&context->uc_mcontext.regs[30];
#else
    (void)context;
    return 0;
#endif
}

static void program_counter_set(ucontext_t *context, uintptr_t pc)
{
#if defined(__x86_64__)
    context->uc_mcontext.gregs[REG_RIP] = (greg_t)pc;
#elif defined(__aarch64__)
    context->uc_mcontext.pc = pc;
#else
    (void)context, (void)pc;
#endif
}

/* On the actor's own stack, from its top: everything that was on it is lost. */
GRI_NORETURN static void end_overflown(gr_self *self)
{
    self->task.stack = NULL;
    gri_stack_overflown(gri_worker_here()->stack, __builtin_frame_address(0)); /* its end has a whole stack before it */
    gri_actor_finish(self, GRI_STACK_OVERFLOW);
    gri_worker_loop(gri_worker_here());
}

static void resume_at_top(ucontext_t *context, gri_stack *stack, gr_self *self)
{
    uintptr_t top = (uintptr_t)stack & ~(uintptr_t)15; /* the record stands above the frames */
#if defined(__x86_64__)
    /* As after a call: the stack pointer is 8 below a multiple of 16, and there is no one to return to. */
    top -= 8;
    *(uintptr_t *)top = 0;
    context->uc_mcontext.gregs[REG_RSP] = (greg_t)top;
    context->uc_mcontext.gregs[REG_RBP] = 0;
    context->uc_mcontext.gregs[REG_RDI] = (greg_t)(uintptr_t)self;
    context->uc_mcontext.gregs[REG_RIP] = (greg_t)(uintptr_t)end_overflown;
    context->uc_mcontext.gregs[REG_EFL] &= ~(greg_t)0x100; /* no more steps */
#elif defined(__aarch64__)
    context->uc_mcontext.sp = top;
    context->uc_mcontext.regs[29] = 0;
    context->uc_mcontext.regs[30] = 0;
    context->uc_mcontext.regs[0] = (uintptr_t)self;
    context->uc_mcontext.pc = (uintptr_t)end_overflown;
#else
    (void)context, (void)top, (void)self;
#endif
}

static void say(const char *text)
{
    ssize_t written = write(STDERR_FILENO, text, strlen(text));
    (void)written; /* nothing is left to be done about it */
}

static void pass_on(int signal, siginfo_t *info, void *context)
{
    const struct sigaction *previous = &previous_ones[0];
    for (size_t i = 0; i < SIGNALS; i++)
        if (numbers[i] == signal) previous = &previous_ones[i];
    if (previous->sa_flags & SA_SIGINFO) {
        previous->sa_sigaction(signal, info, context);
    } else if (previous->sa_handler != SIG_DFL && previous->sa_handler != SIG_IGN) {
        previous->sa_handler(signal);
    } else {
        struct sigaction fallback = {.sa_handler = SIG_DFL};
        sigaction(signal, &fallback, NULL);          /* the instruction runs again, and faults again; */
        if (info->si_code <= 0) (void)raise(signal); /* one that was sent comes again, when the handler is left */
    }
}

/* The actor whose code this thread runs, if it stands on `stack`; NULL otherwise. */
static gr_self *actor_on(const gri_stack *stack)
{
    gri_worker *worker = gri_worker_here();
    gri_task *task = worker ? gri_load_relaxed(&worker->current) : NULL; /* relaxed: this thread's own write */
    return task && worker->stack == stack ? gri_actor_of_task(task) : NULL;
}

static void end_at_once(ucontext_t *context, gri_stack *stack, gr_self *self)
{
    gri_serve_overflown(self);
    gri_context_forget_frames(&stack->context);
    resume_at_top(context, stack, self);
}

static void on_fault(int signal, siginfo_t *info, void *context)
{
    uintptr_t pc = program_counter(context);
    if (gri_peek_faulted(&pc)) {
        program_counter_set(context, pc);
        return;
    }
    gri_crash_go_on();
    int saved = errno;
    gri_stack *stack = NULL;
    gri_stack_zone zone = info->si_code > 0 ? gri_stack_find(info->si_addr, &stack) : GRI_ZONE_NONE;
    gr_self *self = zone == GRI_ZONE_YELLOW || zone == GRI_ZONE_RED ? actor_on(stack) : NULL;
    if (!self) {
        gri_crash_report(signal, info, pc, return_at(context));
        pass_on(signal, info, context);
        errno = saved;
        return;
    }
    if (!(self->flags & GRI_OVERFLOWED)) gri_add_relaxed(&gri_runtime_now.overflows, 1u); /* relaxed: a counter */
    if (is_actor_code(program_counter(context)) && (zone == GRI_ZONE_RED || !is_stub(program_counter(context)))) {
        end_at_once(context, stack, self);
    } else if (zone == GRI_ZONE_YELLOW && gri_stack_open_yellow(stack) == 0) {
        self->flags |= GRI_OVERFLOWED;
        gri_store_relaxed(&self->attention, 1u); /* relaxed: read by this thread */
#if STEPS
        ((ucontext_t *)context)->uc_mcontext.gregs[REG_EFL] |= TRAP_FLAG;
#endif
    } else {
        say("greenroom: a stack overflow inside a library: memory may be inconsistent, ending the process\n");
        gri_crash_report(signal, info, pc, return_at(context));
        pass_on(signal, info, context);
    }
    errno = saved;
}

/* SIGFPE, SIGILL, SIGABRT. */
static void on_crash(int signal, siginfo_t *info, void *context)
{
    int saved = errno;
    gri_crash_go_on();
    gri_crash_report(signal, info, program_counter(context), return_at(context));
    pass_on(signal, info, context);
    errno = saved;
}

#if STEPS
/* After each instruction of an actor that has overflown outside its own code. */
static void on_step(int signal, siginfo_t *info, void *context)
{
    ucontext_t *at = context;
    int saved = errno;
    gri_worker *worker = gri_worker_here();
    gri_stack *stack = worker ? worker->stack : NULL;
    gr_self *self = stack ? actor_on(stack) : NULL;
    bool overflown = self && (self->flags & GRI_OVERFLOWED) && !(self->flags & GRI_KILL_HELD);
    /* A virtual processor may lose the bit that tells a step from a breakpoint register. */
    bool step =
        info->si_code == TRAP_TRACE || (info->si_code == TRAP_BRKPT && (at->uc_mcontext.gregs[REG_EFL] & TRAP_FLAG));
    if (!step) {
        pass_on(signal, info, context);
    } else if (!overflown) {
        at->uc_mcontext.gregs[REG_EFL] &= ~TRAP_FLAG; /* its end has begun, or somebody else runs */
    } else if (is_actor_code(program_counter(at)) && !is_stub(program_counter(at))) {
        end_at_once(at, stack, self);
    }
    errno = saved;
}
#endif

void gri_overflow_step_end(void)
{
#if STEPS
    __asm__ volatile("pushfq\n\tandq $~0x100, (%%rsp)\n\tpopfq" ::: "memory", "cc");
#endif
}

/* ---- installing ---- */

typedef void (*handler)(int signal, siginfo_t *info, void *context);

/* Constant: which handler is for which; NULL: leave it alone. */
static handler handler_of(size_t which)
{
    switch (which) {
    case SEGV:
    case BUS: return on_fault;
#if STEPS
    case TRAP: return on_step;
#else
    case TRAP: return NULL;
#endif
    default: return on_crash;
    }
}

static void put_back(int signal, const struct sigaction *previous, void (*ours)(int, siginfo_t *, void *))
{
    struct sigaction now;
    if (sigaction(signal, NULL, &now) == 0 && (now.sa_flags & SA_SIGINFO) && now.sa_sigaction == ours)
        sigaction(signal, previous, NULL);
}

/* The first so many. */
static void uninstall(size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (handler_of(i)) put_back(numbers[i], &previous_ones[i], handler_of(i));
}

int gri_overflow_install(void)
{
    library_ranges = 0;
    dl_iterate_phdr(note_object, NULL);
    gri_crash_prepare();
    for (size_t i = 0; i < SIGNALS; i++) {
        handler ours = handler_of(i);
        struct sigaction action = {.sa_sigaction = ours, .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER};
        sigemptyset(&action.sa_mask);
        if (!ours || sigaction(numbers[i], &action, &previous_ones[i]) == 0) continue;
        uninstall(i);
        return GR_ESYSTEM;
    }
    gri_peek_guard(true);
    return 0;
}

void gri_overflow_check(void)
{
    struct sigaction now;
    gri_peek_guard(sigaction(SIGSEGV, NULL, &now) == 0 && (now.sa_flags & SA_SIGINFO) && now.sa_sigaction == on_fault);
}

void gri_overflow_uninstall(void)
{
    gri_peek_guard(false);
    uninstall(SIGNALS);
}

void *gri_overflow_stack_map(void)
{
    void *stack =
        mmap(NULL, SIGNAL_STACK_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
    return stack == MAP_FAILED ? NULL : stack;
}

void gri_overflow_stack_unmap(void *stack)
{
    if (stack) munmap(stack, SIGNAL_STACK_BYTES);
}

int gri_overflow_thread_begin(void *stack)
{
    stack_t now;
    if (sigaltstack(NULL, &now) != 0) return GR_ESYSTEM;
    if (!(now.ss_flags & SS_DISABLE)) return 0; /* somebody has set one: good enough */
    stack_t alternate = {.ss_sp = stack, .ss_size = SIGNAL_STACK_BYTES};
    if (sigaltstack(&alternate, NULL) != 0) return GR_ESYSTEM;
    signal_stack = stack;
    return 0;
}

void gri_overflow_thread_end(void)
{
    if (!signal_stack) return;
    stack_t none = {.ss_flags = SS_DISABLE};
    sigaltstack(&none, NULL);
    signal_stack = NULL;
}
