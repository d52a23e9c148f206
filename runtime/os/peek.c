/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
#include "os/peek.h"

#include "base/atomic.h"

#include <sys/uio.h>
#include <unistd.h>

/* bool copy(void *to, const void *from, size_t bytes): words, then bytes. A fault inside, on either side of `from`, goes on at
 * `failed` with the stack as it was. */
#if defined(__x86_64__)
#define GUARDED 1
__asm__(".pushsection .text\n"
        ".hidden gri_peek_copy\n"
        ".hidden gri_peek_failed\n"
        ".globl gri_peek_copy\n"
        ".globl gri_peek_failed\n"
        ".type gri_peek_copy, @function\n"
        ".p2align 4\n"
        "gri_peek_copy:\n"
        "    .cfi_startproc\n"
        "1:  cmpq $8, %rdx\n"
        "    jb 2f\n"
        "    movq (%rsi), %rax\n"
        "    movq %rax, (%rdi)\n"
        "    addq $8, %rsi\n"
        "    addq $8, %rdi\n"
        "    subq $8, %rdx\n"
        "    jmp 1b\n"
        "2:  testq %rdx, %rdx\n"
        "    jz 3f\n"
        "    movb (%rsi), %al\n"
        "    movb %al, (%rdi)\n"
        "    incq %rsi\n"
        "    incq %rdi\n"
        "    decq %rdx\n"
        "    jmp 2b\n"
        "3:  movl $1, %eax\n"
        "    ret\n"
        "gri_peek_failed:\n"
        "    xorl %eax, %eax\n"
        "    ret\n"
        "    .cfi_endproc\n"
        ".size gri_peek_copy, .-gri_peek_copy\n"
        ".popsection\n");
#elif defined(__aarch64__)
#define GUARDED 1
__asm__(".pushsection .text\n"
        ".hidden gri_peek_copy\n"
        ".hidden gri_peek_failed\n"
        ".globl gri_peek_copy\n"
        ".globl gri_peek_failed\n"
        ".type gri_peek_copy, %function\n"
        ".p2align 4\n"
        "gri_peek_copy:\n"
        "    .cfi_startproc\n"
        "1:  cmp x2, #8\n"
        "    b.lo 2f\n"
        "    ldr x3, [x1], #8\n"
        "    str x3, [x0], #8\n"
        "    sub x2, x2, #8\n"
        "    b 1b\n"
        "2:  cbz x2, 3f\n"
        "    ldrb w3, [x1], #1\n"
        "    strb w3, [x0], #1\n"
        "    sub x2, x2, #1\n"
        "    b 2b\n"
        "3:  mov w0, #1\n"
        "    ret\n"
        "gri_peek_failed:\n"
        "    mov w0, #0\n"
        "    ret\n"
        "    .cfi_endproc\n"
        ".size gri_peek_copy, .-gri_peek_copy\n"
        ".popsection\n");
#else
#define GUARDED 0
#endif

#if GUARDED
extern int gri_peek_copy(void *to, const void *from, size_t bytes);
extern const char gri_peek_failed[];
#endif

static gri_atomic_bool guarded;

void gri_peek_guard(bool is_guarded)
{
    gri_store_relaxed(&guarded, is_guarded && GUARDED); /* relaxed: a choice between two ways that both work by now */
}

bool gri_peek_is_guarded(void)
{
    return gri_load_relaxed(&guarded); /* relaxed: as above */
}

bool gri_peek(void *to, const void *from, size_t bytes)
{
#if GUARDED
    if (GRI_LIKELY(gri_peek_is_guarded())) return gri_peek_copy(to, from, bytes) != 0;
#endif
    struct iovec here = {to, bytes}, there = {(void *)(uintptr_t)from, bytes};
    return process_vm_readv(getpid(), &here, 1, &there, 1, 0) == (ssize_t)bytes;
}

bool gri_peek_faulted(uintptr_t *pc)
{
#if GUARDED
    if (*pc < (uintptr_t)gri_peek_copy || *pc >= (uintptr_t)gri_peek_failed) return false;
    *pc = (uintptr_t)gri_peek_failed;
    return true;
#else
    (void)pc;
    return false;
#endif
}
