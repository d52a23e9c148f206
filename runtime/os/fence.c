/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
#include "os/fence.h"

#include "base/check.h"

#include <linux/membarrier.h>
#include <sys/syscall.h>
#include <unistd.h>

bool gri_fence_is_asymmetric;

/* Before any thread of ours: the two sides must agree on the kind of fence. */
__attribute__((constructor)) static void choose(void)
{
    gri_fence_is_asymmetric = syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0) == 0;
}

void gri_fence_heavy(void)
{
    /* mo:fence.heavy seq_cst <-> fence.light seq_cst: what the two promise */
    gri_fence_seq_cst();
    if (!gri_fence_is_asymmetric) return;
    /* A registered process may: after a fork the registration is inherited. */
    if (syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0) != 0) gri_panic("membarrier refused");
}
