/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Trees of supervisors, from what they publish: for gr_dump. One thread at a time. */
#ifndef GRI_OBSERVE_TREES_H
#define GRI_OBSERVE_TREES_H

#include "observe/growing.h"

#include <greenroom/actor.h>

typedef struct gri_trees {
    struct gri_tree *supervisors;
    size_t count, room;
} gri_trees;

/* Notes the actor if it is a supervisor. */
void gri_trees_note(gri_trees *trees, gr_address address);
/* Prints them, each below who supervises it, and forgets all. Without memory less is printed. */
void gri_trees_print(gri_trees *trees, gri_text *text);

#endif
