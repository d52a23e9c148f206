/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* The switch for x86-64, System V calling convention. context.c knows the frame's layout, jump.h the buffer's.
 *
 * It ends in `ret`, not `pop; jmp`: a lone benchmark likes the jump better (2.5 against 8 ns), but in a receive loop it
 * leaves the return-address predictor one entry off and every message pays (18 against 7-9 ns, measured).
 * The CFI is the same before and after sp changes, because both stacks hold the same frame there. */
#if defined(__x86_64__) && !(defined(GRI_CONTEXT_UCONTEXT) && GRI_CONTEXT_UCONTEXT)

#if defined(__CET__) && (__CET__ & 1)
#define LANDING endbr64
#else
#define LANDING
#endif

#define FUNCTION(name) \
    .globl name; .hidden name; .type name, @function; .p2align 4; name

#define PUSHED(reg) pushq %reg; .cfi_adjust_cfa_offset 8; .cfi_rel_offset reg, 0
#define POPPED(reg) popq %reg; .cfi_adjust_cfa_offset -8; .cfi_restore reg

    .text

/* gri_passed gri_context_switch_raw(gri_context *from, gri_context *to, void *first, uintptr_t second) */
FUNCTION(gri_context_switch_raw):
    .cfi_startproc
    LANDING
    PUSHED(rbp)
    PUSHED(rbx)
    PUSHED(r12)
    PUSHED(r13)
    PUSHED(r14)
    PUSHED(r15)
    movq %rsp, (%rdi)
    movq (%rsi), %rsp
    movq %rdx, %rax
    movq %rcx, %rdx
    POPPED(r15)
    POPPED(r14)
    POPPED(r13)
    POPPED(r12)
    POPPED(rbx)
    POPPED(rbp)
    ret
    .cfi_endproc
    .size gri_context_switch_raw, . - gri_context_switch_raw

/* void gri_context_abandon_raw(gri_context *to) */
FUNCTION(gri_context_abandon_raw):
    .cfi_startproc
    LANDING
    movq (%rdi), %rsp
    xorl %eax, %eax
    xorl %edx, %edx
    .cfi_def_cfa_offset 56
    .cfi_rel_offset r15, 0
    .cfi_rel_offset r14, 8
    .cfi_rel_offset r13, 16
    .cfi_rel_offset r12, 24
    .cfi_rel_offset rbx, 32
    .cfi_rel_offset rbp, 40
    POPPED(r15)
    POPPED(r14)
    POPPED(r13)
    POPPED(r12)
    POPPED(rbx)
    POPPED(rbp)
    ret
    .cfi_endproc
    .size gri_context_abandon_raw, . - gri_context_abandon_raw

/* Where a fresh context begins: r12 = entry, r13 = its argument, rsp 16-byte aligned. The outermost frame: no caller.
 * Unwinders look up the byte before a return address, and a fresh frame's return address is the function itself: hence
 * the nop, inside the same description. */
    .p2align 4
    .cfi_startproc
    .cfi_undefined rip
    nop
    .globl gri_context_start
    .hidden gri_context_start
    .type gri_context_start, @function
gri_context_start:
    movq %r13, %rdi
    xorl %ebp, %ebp
    call *%r12
    ud2
    .cfi_endproc
    .size gri_context_start, . - gri_context_start

/* int gri_jump_mark_raw(gri_jump *jump) */
FUNCTION(gri_jump_mark_raw):
    .cfi_startproc
    LANDING
    movq (%rsp), %rax
    leaq 8(%rsp), %rdx
    movq %rbx, (%rdi)
    movq %rbp, 8(%rdi)
    movq %r12, 16(%rdi)
    movq %r13, 24(%rdi)
    movq %r14, 32(%rdi)
    movq %r15, 40(%rdi)
    movq %rdx, 48(%rdi)
    movq %rax, 56(%rdi)
    xorl %eax, %eax
    ret
    .cfi_endproc
    .size gri_jump_mark_raw, . - gri_jump_mark_raw

/* void gri_jump_to_raw(gri_jump *jump, int value): value is not 0. */
FUNCTION(gri_jump_to_raw):
    .cfi_startproc
    LANDING
    movl %esi, %eax
    .cfi_def_cfa rdi, 0
    .cfi_offset rbx, 0
    .cfi_offset rbp, 8
    .cfi_offset r12, 16
    .cfi_offset r13, 24
    .cfi_offset r14, 32
    .cfi_offset r15, 40
    .cfi_offset rsp, 48
    .cfi_offset rip, 56
    movq (%rdi), %rbx
    movq 8(%rdi), %rbp
    movq 16(%rdi), %r12
    movq 24(%rdi), %r13
    movq 32(%rdi), %r14
    movq 40(%rdi), %r15
    movq 48(%rdi), %rsp
#if defined(__CET__) && (__CET__ & 1)
    notrack jmp *56(%rdi)
#else
    jmp *56(%rdi)
#endif
    .cfi_endproc
    .size gri_jump_to_raw, . - gri_jump_to_raw

/* Indirect-branch tracking is supported (IBT), shadow stacks are not: linked with this, a program runs without them. */
#if defined(__CET__) && (__CET__ & 1)
    .section .note.gnu.property, "a", @note
    .p2align 3
    .long 4, 16, 5
    .asciz "GNU"
    .long 0xc0000002, 4, 1, 0
#endif

#endif

    .section .note.GNU-stack, "", %progbits
