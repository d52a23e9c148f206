/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
#include "rest/told.h"

bool gri_told_add(gri_told *t, uint64_t number)
{
    uint64_t *at = &t->numbers[number % GR_EXITS_MAX];
    if (number <= t->all || number <= *at) return false;
    *at = number;
    return true;
}

void gri_told_look_end(gri_told *t, uint64_t newest)
{
    if (newest > GR_EXITS_MAX && t->all < newest - GR_EXITS_MAX) t->all = newest - GR_EXITS_MAX; /* not kept any more */
    while (t->all < newest && t->numbers[(t->all + 1) % GR_EXITS_MAX] == t->all + 1) t->all++;
}
