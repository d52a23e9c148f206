/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* For coverage: what a process has counted is written when it exits. Tests' processes also end otherwise, by _exit in a child of a
 * fork, and by a signal where a crash is what is tested: then it is written here. Only the preset coverage links this in, with
 * --wrap=_exit. */
#if GREENROOM_COVERAGE
#include <signal.h>
#include <stddef.h>
#include <stdnoreturn.h>

int __llvm_profile_write_file(void);
noreturn void __wrap__exit(int status);
noreturn void __real__exit(int status);

void __wrap__exit(int status)
{
    (void)__llvm_profile_write_file();
    __real__exit(status);
}

static const int ends[] = {SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGILL};

/* Found by the runtime as the handler there was before its own: it comes when the runtime has reported. */
static void on_end(int signal)
{
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++)
        (void)sigaction(ends[i], &(struct sigaction){.sa_handler = SIG_DFL}, NULL);
    (void)__llvm_profile_write_file();
    (void)raise(signal);
}

__attribute__((constructor)) static void watch_ends(void)
{
    struct sigaction action = {.sa_handler = on_end, .sa_flags = SA_ONSTACK};
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) (void)sigaction(ends[i], &action, NULL);
}
#else
typedef int nothing_to_count; /* a source is not empty */
#endif
