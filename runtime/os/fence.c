/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
#include "os/fence.h"

#include <linux/membarrier.h>
#include <sys/syscall.h>
#include <unistd.h>

bool gri_fence_is_asymmetric;

/* Before any thread of ours: the two sides must agree on the kind of fence. */
__attribute__((constructor)) static void choose(void)
{
    gri_fence_is_asymmetric = syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0) == 0;
}

bool gri_fence_heavy(void)
{
    /* mo:fence.heavy seq_cst <-> fence.light seq_cst: what the two promise */
    gri_fence_seq_cst();
    /* A child after fork has inherited the registration. */
    return !gri_fence_is_asymmetric || syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0) == 0;
}
