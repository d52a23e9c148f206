/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* The switch for aarch64, AAPCS64: x19-x30, sp and the low halves of v8-v15. context.c knows the frame's layout (20
 * words: x29 x30 x19 … x28 d8 … d15), jump.h the buffer's. Return addresses are saved as they are, unsigned: the switch
 * itself needs no pointer authentication, and functions that use it sign and check their own frames. */
#if defined(__aarch64__) && !(defined(GRI_CONTEXT_UCONTEXT) && GRI_CONTEXT_UCONTEXT)

#define FUNCTION(name) \
    .globl name; .hidden name; .type name, %function; .p2align 4; name

/* bti c: a no-op where branch target identification is off. */
#define LANDING hint #34

#define FRAME_CFI \
    .cfi_def_cfa_offset 160; \
    .cfi_rel_offset x29, 0; .cfi_rel_offset x30, 8; \
    .cfi_rel_offset x19, 16; .cfi_rel_offset x20, 24; .cfi_rel_offset x21, 32; .cfi_rel_offset x22, 40; \
    .cfi_rel_offset x23, 48; .cfi_rel_offset x24, 56; .cfi_rel_offset x25, 64; .cfi_rel_offset x26, 72; \
    .cfi_rel_offset x27, 80; .cfi_rel_offset x28, 88; \
    .cfi_rel_offset b8, 96; .cfi_rel_offset b9, 104; .cfi_rel_offset b10, 112; .cfi_rel_offset b11, 120; \
    .cfi_rel_offset b12, 128; .cfi_rel_offset b13, 136; .cfi_rel_offset b14, 144; .cfi_rel_offset b15, 152

.macro frame_load
    ldp x19, x20, [sp, #16]
    ldp x21, x22, [sp, #32]
    ldp x23, x24, [sp, #48]
    ldp x25, x26, [sp, #64]
    ldp x27, x28, [sp, #80]
    ldp d8, d9, [sp, #96]
    ldp d10, d11, [sp, #112]
    ldp d12, d13, [sp, #128]
    ldp d14, d15, [sp, #144]
    ldp x29, x30, [sp], #160
    .cfi_def_cfa_offset 0
    .cfi_restore x29
    .cfi_restore x30
.endm

    .text

/* gri_passed gri_context_switch_raw(gri_context *from, gri_context *to, void *first, uintptr_t second) */
FUNCTION(gri_context_switch_raw):
    .cfi_startproc
    LANDING
    stp x29, x30, [sp, #-160]!
    stp x19, x20, [sp, #16]
    stp x21, x22, [sp, #32]
    stp x23, x24, [sp, #48]
    stp x25, x26, [sp, #64]
    stp x27, x28, [sp, #80]
    stp d8, d9, [sp, #96]
    stp d10, d11, [sp, #112]
    stp d12, d13, [sp, #128]
    stp d14, d15, [sp, #144]
    FRAME_CFI
    mov x9, sp
    str x9, [x0]
    ldr x9, [x1]
    mov sp, x9
    mov x0, x2
    mov x1, x3
    frame_load
    ret
    .cfi_endproc
    .size gri_context_switch_raw, . - gri_context_switch_raw

/* void gri_context_abandon_raw(gri_context *to) */
FUNCTION(gri_context_abandon_raw):
    .cfi_startproc
    LANDING
    ldr x9, [x0]
    mov sp, x9
    mov x0, xzr
    mov x1, xzr
    FRAME_CFI
    frame_load
    ret
    .cfi_endproc
    .size gri_context_abandon_raw, . - gri_context_abandon_raw

/* Where a fresh context begins: x19 = entry, x20 = its argument. The outermost frame: no caller. The nop stands for the
 * instruction before a return address, which is what unwinders look up. */
    .p2align 4
    .cfi_startproc
    .cfi_undefined x30
    nop
    .globl gri_context_start
    .hidden gri_context_start
    .type gri_context_start, %function
gri_context_start:
    mov x0, x20
    mov x29, #0
    mov x30, #0
    blr x19
    brk #1
    .cfi_endproc
    .size gri_context_start, . - gri_context_start

/* int gri_jump_mark_raw(gri_jump *jump) */
FUNCTION(gri_jump_mark_raw):
    .cfi_startproc
    LANDING
    mov x9, sp
    stp x19, x20, [x0]
    stp x21, x22, [x0, #16]
    stp x23, x24, [x0, #32]
    stp x25, x26, [x0, #48]
    stp x27, x28, [x0, #64]
    stp x29, x30, [x0, #80]
    str x9, [x0, #96]
    stp d8, d9, [x0, #104]
    stp d10, d11, [x0, #120]
    stp d12, d13, [x0, #136]
    stp d14, d15, [x0, #152]
    mov w0, #0
    ret
    .cfi_endproc
    .size gri_jump_mark_raw, . - gri_jump_mark_raw

/* void gri_jump_to_raw(gri_jump *jump, int value): value is not 0. */
FUNCTION(gri_jump_to_raw):
    .cfi_startproc
    LANDING
    ldp x19, x20, [x0]
    ldp x21, x22, [x0, #16]
    ldp x23, x24, [x0, #32]
    ldp x25, x26, [x0, #48]
    ldp x27, x28, [x0, #64]
    ldp x29, x30, [x0, #80]
    ldr x9, [x0, #96]
    ldp d8, d9, [x0, #104]
    ldp d10, d11, [x0, #120]
    ldp d12, d13, [x0, #136]
    ldp d14, d15, [x0, #152]
    mov sp, x9
    mov w0, w1
    ret
    .cfi_endproc
    .size gri_jump_to_raw, . - gri_jump_to_raw

/* Branch target identification is supported. */
#if defined(__ARM_FEATURE_BTI_DEFAULT)
    .section .note.gnu.property, "a", %note
    .p2align 3
    .long 4, 16, 5
    .asciz "GNU"
    .long 0xc0000000, 4, 1, 0
#endif

#endif

    .section .note.GNU-stack, "", %progbits
