/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
#include "message/unpack_layout.h"

#include "base/check.h"

#include <stdlib.h>

#define SEGMENT_BYTES_MAX 256
_Static_assert((GRI_TAG_FALSE ^ GRI_TAG_TRUE) == 1, "true and false differ in the last bit");

typedef struct learner {
    const gri_plan *plan;
    const unsigned char *const *found;
    gri_layout *made; /* has room for all words there may be */
    uint32_t words_count;
    /* The segment that is growing. */
    unsigned char bytes[SEGMENT_BYTES_MAX], mask[SEGMENT_BYTES_MAX];
    uint32_t used;
} learner;

/* ---- segments ---- */

static bool add(learner *k, const unsigned char *at, size_t bytes, unsigned mask)
{
    if (bytes > SEGMENT_BYTES_MAX - k->used) return false;
    memcpy(k->bytes + k->used, at, bytes);
    memset(k->mask + k->used, (int)mask, bytes);
    k->used += (uint32_t)bytes;
    return true;
}

/* The word that ends at `end`, of which only the last `bytes` bytes count: the others may not be the segment's. */
static bool add_word(learner *k, uint32_t end, uint32_t bytes)
{
    unsigned char expected[8] = {0}, mask[8] = {0};
    memcpy(expected + 8 - bytes, k->bytes + end - bytes, bytes);
    memcpy(mask + 8 - bytes, k->mask + end - bytes, bytes);
    gri_layout_word *word = &k->made->words[k->words_count];
    if (gri_load64(mask) == 0) return true;
    if (k->words_count == GRI_LAYOUT_WORDS_MAX) return false;
    *word = (gri_layout_word){gri_load64(expected) & gri_load64(mask), gri_load64(mask), (int64_t)end - 8};
    k->words_count++;
    k->made->segments[k->made->segments_count].words++;
    return true;
}

/* The word of a short segment begins in front of it: there is the root's header at least. */
static bool end_segment(learner *k, enum gri_layout_skip skip)
{
    gri_layout *made = k->made;
    if (made->segments_count == GRI_LAYOUT_SEGMENTS_MAX) return false;
    gri_layout_segment *segment = &made->segments[made->segments_count];
    *segment = (gri_layout_segment){.bytes = (uint16_t)k->used, .skip = (uint8_t)skip};
    for (uint32_t end = 8; end <= k->used; end += 8)
        if (!add_word(k, end, 8)) return false;
    if (k->used % 8 != 0 && !add_word(k, k->used, k->used % 8)) return false;
    made->segments_count++;
    k->used = 0;
    return true;
}

/* ---- values ---- */

static void add_result(learner *k, const gri_unpack_step *step, uint32_t offset)
{
    gri_layout *made = k->made;
    made->results[made->results_count++] = (gri_layout_result){
        .place = step->place, .offset = (uint16_t)offset, .segment = (uint8_t)made->segments_count, .keep = step->keep};
}

static bool add_scalar(learner *k, const gri_unpack_step *step, const unsigned char *at)
{
    static const unsigned char any_length[1];
    _Static_assert((GRI_TAG_FALSE ^ GRI_TAG_TRUE) == 1, "they differ in the last bit");
    const uint32_t offset = k->used;
    if (step->keep != GRI_KEEP_NOTHING && k->made->results_count == GRI_FORMAT_ARGUMENTS_MAX) return false;
    switch (step->keep) {
    case GRI_KEEP_NOTHING: return add(k, at, 1, 0xff);
    case GRI_KEEP_BOOL:
    case GRI_KEEP_BOOL_INT: add_result(k, step, offset); return add(k, at, 1, 0xfe);
    case GRI_KEEP_STRING:
    case GRI_KEEP_STRING_SIZED:
    case GRI_KEEP_BYTES:
        if (*at != GRI_TAG_STRING && *at != GRI_TAG_BYTES) return false;
        add_result(k, step, offset + 2);
        return add(k, at, 1, 0xff) && add(k, any_length, 1, 0) &&
               end_segment(k, *at == GRI_TAG_STRING ? GRI_SKIP_STRING : GRI_SKIP_BYTES);
    case GRI_KEEP_VALUE: add_result(k, step, offset); return end_segment(k, GRI_SKIP_VALUE);
    case GRI_KEEP_DOUBLE:
        if (*at != GRI_TAG_DOUBLE) return false;
        break;
    default: break;
    }
    add_result(k, step, offset + 1);
    return add(k, at, 1, 0xff) && add(k, at + 1, GRI_SCALAR_BYTES - 1, 0);
}

/* The step that has found this value. A value may be asked for twice: only by two steps with the same key. */
static const gri_unpack_step *step_of(const learner *k, const unsigned char *at)
{
    for (uint32_t i = 0; i < k->plan->reads_count; i++)
        if (k->found[i] == at) return &k->plan->reads[i];
    return NULL;
}

static bool add_header(learner *k, const unsigned char *container)
{
    return *container != GRI_TAG_OBJECT_INDEXED && add(k, container, 1, 0xff) && add(k, container + 1, 4, 0) &&
           add(k, container + 5, 3, 0xff);
}

/* Everything in the order in which it stands. */
static bool walk(learner *k, const unsigned char *root)
{
    struct {
        const unsigned char *at;
        uint32_t left;
        bool object;
    } open[GRI_READ_DEPTH_MAX + 1];
    unsigned depth = 0;
    const unsigned char *at = root;
    for (;;) {
        const gri_unpack_step *step = step_of(k, at);
        if (step && step->keep == GRI_KEEP_ENTER) {
            if (!add_header(k, at)) return false;
            open[depth].left = gri_container_count(gri_load64(at));
            open[depth++].object = *at == GRI_TAG_OBJECT;
            at += GRI_CONTAINER_BYTES;
        } else {
            if (!(step ? add_scalar(k, step, at) : end_segment(k, GRI_SKIP_VALUE))) return false;
            at += gri_value_size(at);
        }
        while (depth > 0 && open[depth - 1].left == 0) depth--;
        if (depth == 0) return end_segment(k, GRI_SKIP_NOTHING);
        open[depth - 1].left--;
        if (!open[depth - 1].object) continue;
        gri_key key = gri_key_at(at);
        if (!add(k, at, (size_t)(key.value - at), 0xff)) return false;
        at = key.value;
    }
}

/* ---- the whole ---- */

static unsigned group_of(unsigned keep)
{
    switch (keep) {
    case GRI_KEEP_LONG:
    case GRI_KEEP_DOUBLE:
    case GRI_KEEP_ADDRESS: return 0;
    case GRI_KEEP_INT: return 1;
    case GRI_KEEP_STRING:
    case GRI_KEEP_VALUE: return 2;
    default: return 3;
    }
}

static void sort_results(gri_layout *made)
{
    gri_layout_result sorted[GRI_FORMAT_ARGUMENTS_MAX];
    uint16_t count = 0, ends[4];
    for (unsigned group = 0; group < 4; group++) {
        for (uint16_t i = 0; i < made->results_count; i++)
            if (group_of(made->results[i].keep) == group) sorted[count++] = made->results[i];
        ends[group] = count;
    }
    memcpy(made->results, sorted, count * sizeof *sorted);
    made->longs_end = ends[0];
    made->ints_end = ends[1];
    made->texts_end = ends[2];
}

static gri_atomic_ptr *layouts_of(const gri_plan *plan)
{
    return (gri_atomic_ptr *)(uintptr_t)&plan->layouts;
}

static void publish(const gri_plan *plan, gri_layout *made)
{
    /* mo:layout.find acquire <- layout.publish release: the layout */
    void *first = gri_load_acquire(layouts_of(plan));
    for (;;) {
        unsigned count = 0;
        for (const gri_layout *l = first; l; l = l->next) count++;
        if (count >= GRI_LAYOUTS_MAX) {
            free(made);
            return;
        }
        made->next = first;
        /* mo:layout.publish release -> layout.find acquire: the layout. The failure order is acquire: it reads another's. */
        if (gri_cas_weak_acq_rel_acquire_fail(layouts_of(plan), &first, made)) return;
    }
}

void gri_layout_learn(const gri_plan *plan, const unsigned char *root, const unsigned char *const *found)
{
    unsigned known = 0;
    for (const gri_layout *l = gri_layout_first(plan); l; l = l->next) known++;
    gri_atomic_u32 *vain = (gri_atomic_u32 *)(uintptr_t)&plan->layouts_vain;
    /* relaxed, here and below: a counter */
    if (known >= GRI_LAYOUTS_MAX || *root < GRI_TAG_ARRAY || gri_load_relaxed(vain) >= GRI_LAYOUTS_VAIN_MAX) return;
    learner k = {.plan = plan, .found = found};
    k.made = calloc(1, sizeof *k.made + GRI_LAYOUT_WORDS_MAX * sizeof(gri_layout_word));
    if (!k.made) return;
    if (!walk(&k, root)) {
        gri_add_relaxed(vain, 1u); /* relaxed: a counter */
        free(k.made);
        return;
    }
    for (uint32_t i = 0; i < plan->reads_count; i++)
        if (!found[i] && plan->reads[i].optional)
            k.made->results[k.made->results_count++] = (gri_layout_result){.place = plan->reads[i].place};
    sort_results(k.made);
    gri_layout *fitting = realloc(k.made, sizeof *k.made + k.words_count * sizeof(gri_layout_word));
    publish(plan, fitting ? fitting : k.made);
}

void gri_layouts_free(gri_plan *plan)
{
    gri_layout *next = plan->layouts;
    while (next) {
        gri_layout *layout = next;
        next = layout->next;
        free(layout);
    }
    plan->layouts = NULL;
}
