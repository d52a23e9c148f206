/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* A guard that the kernel begins, does not finish, and does not take back: the stack is out of use until it does.
 *
 * wrapped: gri_vmem_protect_none gri_vmem_protect_rw */
#include "support/test.h"

#include "memory/stack.h"
#include "os/vmem.h"

static bool refused; /* by a test's only thread */
static unsigned torn;

int __real_gri_vmem_protect_none(void *base, size_t bytes);
int __wrap_gri_vmem_protect_none(void *base, size_t bytes);
int __wrap_gri_vmem_protect_none(void *base, size_t bytes)
{
    if (!refused) return __real_gri_vmem_protect_none(base, bytes);
    CHECK_OK(__real_gri_vmem_protect_none(base, gri_vmem_page_bytes())); /* half of it */
    torn++;
    return -1;
}

int __real_gri_vmem_protect_rw(void *base, size_t bytes);
int __wrap_gri_vmem_protect_rw(void *base, size_t bytes);
int __wrap_gri_vmem_protect_rw(void *base, size_t bytes)
{
    return refused && torn > 0 ? -1 : __real_gri_vmem_protect_rw(base, bytes);
}

TEST(torn_stack, is_out_of_use_until_it_is_whole)
{
    const gri_stack_options options = {.guard = GRI_GUARD_PROTECT};
    gri_stack_cache cache;
    CHECK_OK(gri_stacks_start(&options));
    gri_stack_cache_init(&cache, 16);
    const unsigned size_class = (unsigned)gri_stack_class(GRI_STACK_BYTES_DEFAULT);
    refused = true;
    for (int i = 0; i < 3; i++) CHECK(gri_stack_take(&cache, size_class) == NULL);
    CHECK(torn > 0);
    refused = false;
    gri_stack *stack = gri_stack_take(&cache, size_class);
    CHECK(stack != NULL);
    CHECK_EQ(gri_stack_guard(stack), GRI_GUARDED_PROTECT);
    memset(stack->low, 1, (size_t)((char *)stack - stack->low)); /* all of it is there */
    gri_stack_give(&cache, stack);
    gri_stack_cache_fini(&cache);
    CHECK_OK(gri_stacks_stop());
}
