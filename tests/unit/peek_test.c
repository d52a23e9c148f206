/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* os/peek.h: memory that is there, that is not, and that ends in the middle; guarded and unguarded. */
#include "support/test.h"

#include "os/peek.h"

#include <signal.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

static volatile int faults;

static void on_fault(int signal, siginfo_t *info, void *context)
{
    (void)signal, (void)info;
    ucontext_t *at = context;
#if defined(__x86_64__)
    uintptr_t pc = (uintptr_t)at->uc_mcontext.gregs[REG_RIP];
    if (!gri_peek_faulted(&pc)) _exit(3);
    at->uc_mcontext.gregs[REG_RIP] = (greg_t)pc;
#elif defined(__aarch64__)
    uintptr_t pc = (uintptr_t)at->uc_mcontext.pc;
    if (!gri_peek_faulted(&pc)) _exit(3);
    at->uc_mcontext.pc = pc;
#else
    (void)at;
    _exit(3);
#endif
    faults++;
}

static void look_around(void)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    char *memory = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(memory != MAP_FAILED);
    for (size_t i = 0; i < page; i++) memory[i] = (char)(i * 7);
    CHECK_EQ(munmap(memory + page, page), 0);
    char copy[64];
    for (size_t bytes = 0; bytes <= sizeof copy; bytes++) {
        memset(copy, 'x', sizeof copy);
        CHECK(gri_peek(copy, memory + page - bytes, bytes)); /* up to the last byte that is there */
        CHECK_EQ(memcmp(copy, memory + page - bytes, bytes), 0);
        CHECK(bytes == sizeof copy || copy[bytes] == 'x');
        CHECK(!gri_peek(copy, memory + page - bytes, bytes + 1));
    }
    CHECK(!gri_peek(copy, NULL, 8));
    CHECK(!gri_peek(copy, (void *)8, 1));
    CHECK(gri_peek(copy, memory, 0));
    munmap(memory, page);
}

TEST(peek, unguarded_copies_are_system_calls)
{
    gri_peek_guard(false);
    CHECK(!gri_peek_is_guarded());
    char here = 'a', there = 'b';
    if (!gri_peek(&here, &there, 1))
        return; /* a sandbox that forbids it: then there is nothing to see, and nothing to fall over */
    CHECK_EQ(here, 'b');
    look_around();
}

TEST(peek, guarded_copies_survive_faults)
{
#if defined(__x86_64__) || defined(__aarch64__)
    struct sigaction action = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_NODEFER};
    CHECK_EQ(sigaction(SIGSEGV, &action, NULL), 0);
    CHECK_EQ(sigaction(SIGBUS, &action, NULL), 0);
    gri_peek_guard(true);
    CHECK(gri_peek_is_guarded());
    look_around();
    CHECK(faults > 60);
    gri_peek_guard(false);
#endif
    uintptr_t pc = (uintptr_t)look_around, before = pc;
    CHECK(!gri_peek_faulted(&pc)); /* others' faults are not ours */
    CHECK_EQ(pc, before);
}
