/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* The settings that change speed and nothing else, with the values that are worth trying. What trades memory or safety for speed
 * (stacks, guards, bounds, copy modes) is nobody's to change but the user's. */
#ifndef GREENROOM_KNOBS_H
#define GREENROOM_KNOBS_H

#include <stddef.h>

enum { KNOB_VALUES_MAX = 12, KNOBS_MAX = 16, KNOB_AS_IT_IS = -1 };

typedef struct knob {
    const char *variable;
    const char *in_force; /* without us: the environment's value or the default */
    const char *values[KNOB_VALUES_MAX];
    size_t count;
    int chosen; /* index into values, or KNOB_AS_IT_IS */
} knob;

/* Fills knobs with those that this runtime has; returns how many. Valid until the next call. */
size_t knobs_find(knob *knobs);

/* The value in force with what is chosen. */
const char *knob_value(const knob *k);

#endif
