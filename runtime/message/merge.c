/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Merging objects: left's keys in their order, with right's values where right has them; then the keys only right has.
 * A level of the deep merge is a frame of 56 bytes in growing memory, not recursion. */
#include "message/build.h"
#include "message/message.h"
#include "message/value.h"

#include <stdlib.h>

#define FRAMES_FIRST 8

typedef struct frame {
    gr_value left, right;
    gr_iter it; /* over left, then over right */
    bool in_right;
} frame;

typedef struct merger {
    gr_builder b;
    bool deep;
    frame first[FRAMES_FIRST];
    frame *frames;
    uint32_t depth, room;
} merger;

static bool grow(merger *m)
{
    uint32_t room = m->room * 2;
    frame *frames = malloc(room * sizeof *frames);
    if (!frames) {
        gri_build_fail(&m->b, GR_ENOMEM, gr_error_text(GR_ENOMEM));
        return false;
    }
    memcpy(frames, m->frames, m->depth * sizeof *frames);
    if (m->frames != m->first) free(m->frames);
    m->frames = frames;
    m->room = room;
    return true;
}

static void enter(merger *m, gr_value left, gr_value right)
{
    if (m->depth == m->room && !grow(m)) return;
    m->frames[m->depth++] = (frame){left, right, gr_iterate(left), false};
    gr_put_object(&m->b);
}

static void step(merger *m)
{
    frame *f = &m->frames[m->depth - 1];
    if (!gr_next(&f->it)) {
        if (f->in_right) {
            gr_put_end(&m->b);
            m->depth--;
        } else {
            f->it = gr_iterate(f->right);
            f->in_right = true;
        }
        return;
    }
    gr_value other = gr_get_n(f->in_right ? f->left : f->right, f->it.key, f->it.key_bytes);
    if (f->in_right && other.at) return; /* was merged with left's */
    gr_put_key_n(&m->b, f->it.key, f->it.key_bytes);
    if (m->deep && other.at && gr_type_of(other) == GR_OBJECT && gr_type_of(f->it.value) == GR_OBJECT) {
        enter(m, f->it.value, other);
    } else {
        gr_put_value(&m->b, other.at ? other : f->it.value);
    }
}

static int merge(gr_value left, gr_value right, bool deep, gr_message **ret_message)
{
    if (gr_type_of(left) != GR_OBJECT || gr_type_of(right) != GR_OBJECT) return GR_ETYPE;
    merger m;
    m.deep = deep;
    m.frames = m.first;
    m.depth = 0;
    m.room = FRAMES_FIRST;
    gr_build(&m.b);
    enter(&m, left, right);
    while (m.depth > 0 && !gr_build_error(&m.b, NULL)) step(&m);
    if (m.frames != m.first) free(m.frames);
    return gr_build_message(&m.b, ret_message);
}

int gr_merge(gr_value left, gr_value right, gr_message **ret_message)
{
    return merge(left, right, false, ret_message);
}

int gr_merge_deep(gr_value left, gr_value right, gr_message **ret_message)
{
    return merge(left, right, true, ret_message);
}
