/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
#include "observe/trees.h"

#include "actor/look.h"
#include "observe/waits.h"

#include <greenroom/value.h>
#include <stdlib.h>
#include <string.h>

#define DEPTH_MAX 32

typedef struct gri_tree {
    gr_address address;
    gr_message *state; /* what it publishes; NULL: nothing */
    bool is_child, is_printed;
} gri_tree;

void gri_trees_note(gri_trees *trees, gr_address address)
{
    gri_look look;
    if (gri_look_at(address, &look) != 0 || !look.is_supervisor) return;
    if (trees->count == trees->room) {
        size_t room = trees->room ? trees->room * 2 : 16;
        gri_tree *more = realloc(trees->supervisors, room * sizeof *more);
        if (!more) return;
        trees->supervisors = more;
        trees->room = room;
    }
    gri_tree *tree = &trees->supervisors[trees->count++];
    *tree = (gri_tree){.address = address};
    if (gr_state(address, &tree->state, NULL) != 0) tree->state = NULL;
}

static gri_tree *tree_of(gri_trees *trees, gr_address address)
{
    for (size_t i = 0; i < trees->count; i++)
        if (gr_address_equal(trees->supervisors[i].address, address)) return &trees->supervisors[i];
    return NULL;
}

static void mark_children(gri_trees *trees)
{
    for (size_t i = 0; i < trees->count; i++) {
        gr_value children = gr_get(gr_body(trees->supervisors[i].state), "children");
        for (size_t c = 0; c < gr_count(children); c++) {
            gri_tree *child = tree_of(trees, gr_address_in(gr_get(gr_at(children, c), "address")));
            if (child) child->is_child = true;
        }
    }
}

static void print_below(gri_trees *trees, gri_text *text, gri_tree *tree, int depth)
{
    gr_value state = gr_body(tree->state), children = gr_get(state, "children");
    tree->is_printed = true;
    if (!tree->state) {
        gri_text_add(text, ", shows nothing yet\n");
        return;
    }
    gri_text_add(text, ", %s, %s: %lld of %lld up, %lld restarts\n", gr_string(gr_get(state, "strategy"), "?"),
                 gr_string(gr_get(state, "phase"), "?"), (long long)gr_int(gr_get(state, "up"), 0),
                 (long long)gr_int(gr_get(state, "count"), 0), (long long)gr_int(gr_get(state, "restarts"), 0));
    for (size_t c = 0; c < gr_count(children); c++) {
        gr_value child = gr_at(children, c);
        gr_address address = gr_address_in(gr_get(child, "address"));
        gri_text_add(text, "%*s%s: ", depth * 2, "", gr_string(gr_get(child, "id"), "?"));
        if (gr_type_of(gr_get(child, "address")) == GR_ADDRESS)
            gri_waits_print_actor(text, address);
        else
            gri_text_add(text, "nobody");
        gri_text_add(text, ", %s", gr_string(gr_get(child, "state"), "?"));
        gri_tree *below = tree_of(trees, address);
        if (below && !below->is_printed && depth < DEPTH_MAX)
            print_below(trees, text, below, depth + 1);
        else
            gri_text_add(text, "\n");
    }
    long long more = (long long)gr_int(gr_get(state, "count"), 0) - (long long)gr_count(children);
    if (more > 0) gri_text_add(text, "%*sand %lld more\n", depth * 2, "", more);
}

void gri_trees_print(gri_trees *trees, gri_text *text)
{
    mark_children(trees);
    /* Two rounds: the second for those that seem to be below themselves; they have moved meanwhile. */
    for (int round = 0; round < 2; round++) {
        for (size_t i = 0; i < trees->count; i++) {
            gri_tree *tree = &trees->supervisors[i];
            if (tree->is_printed || (round == 0 && tree->is_child)) continue;
            gri_text_add(text, "supervisor ");
            gri_waits_print_actor(text, tree->address);
            print_below(trees, text, tree, 1);
        }
    }
    for (size_t i = 0; i < trees->count; i++) gr_message_free(&trees->supervisors[i].state);
    free(trees->supervisors);
    *trees = (gri_trees){0};
}
