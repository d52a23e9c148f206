/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* The model itself: small programs whose outcomes under the C11 memory model are known. Each must show all the allowed
 * outcomes and none of the forbidden ones. */
#include "explore/explorer.h"

static gri_atomic_u32 x, y, z;
static unsigned r[4];
static uint32_t outcomes; /* bit n: the outcome whose results, each 0 or 1, spell n has been seen */

static void setup(void)
{
    gri_atomic_init(&x, 0);
    gri_atomic_init(&y, 0);
    gri_atomic_init(&z, 0);
    r[0] = r[1] = r[2] = r[3] = 0;
}

static void begin(void)
{
    if (explore_is_first()) outcomes = 0;
    setup();
}

static void note(void)
{
    outcomes |= UINT32_C(1) << (r[0] + 2 * r[1] + 4 * r[2] + 8 * r[3]);
}

/* The outcomes that must be seen, among 2 or 4 results; all others must not. */
static void expect(uint32_t wanted)
{
    EXPLORE_CHECK(outcomes == wanted);
}

#define OUTCOME(a, b) (UINT32_C(1) << ((a) + 2 * (b)))
#define ALL_OF_TWO (OUTCOME(0, 0) | OUTCOME(0, 1) | OUTCOME(1, 0) | OUTCOME(1, 1))

/* Store buffering: r0 = y after x = 1, r1 = x after y = 1. Both 0 unless a seq_cst fence stands between. */
static void sb_left(void)
{
    gri_store_release(&x, 1);
    r[0] = gri_load_acquire(&y);
}

static void sb_right(void)
{
    gri_store_release(&y, 1);
    r[1] = gri_load_acquire(&x);
}

static void sb_all(void)
{
    expect(ALL_OF_TWO);
}

static void sb_fence_left(void)
{
    gri_store_relaxed(&x, 1);
    gri_fence_seq_cst();
    r[0] = gri_load_relaxed(&y);
}

static void sb_fence_right(void)
{
    gri_store_relaxed(&y, 1);
    gri_fence_seq_cst();
    r[1] = gri_load_relaxed(&x);
}

static void sb_weak_right(void)
{
    gri_store_relaxed(&y, 1);
    gri_fence_acq_rel();
    r[1] = gri_load_relaxed(&x);
}

static void sb_not_both(void)
{
    expect(ALL_OF_TWO & ~OUTCOME(0, 0));
}

static void sb_sc_left(void)
{
    gri_store_seq_cst(&x, 1);
    r[0] = gri_load_seq_cst(&y);
}

static void sb_sc_right(void)
{
    gri_store_seq_cst(&y, 1);
    r[1] = gri_load_seq_cst(&x);
}

/* A fence on one side, seq_cst accesses on the other. */
static void sb_add_right(void)
{
    gri_add_seq_cst(&y, 1);
    r[1] = gri_load_seq_cst(&x);
}

/* Message passing: r0 = y, then r1 = x; y = 1 was written after x = 1. r0 without r1 only if nothing publishes. */
static void mp_write(void)
{
    gri_store_relaxed(&x, 1);
    gri_store_release(&y, 1);
}

static void mp_read(void)
{
    r[0] = gri_load_acquire(&y);
    r[1] = gri_load_relaxed(&x);
}

static void mp_read_relaxed(void)
{
    r[0] = gri_load_relaxed(&y);
    r[1] = gri_load_relaxed(&x);
}

static void mp_write_relaxed(void)
{
    gri_store_relaxed(&x, 1);
    gri_store_relaxed(&y, 1);
}

static void mp_write_fence(void)
{
    gri_store_relaxed(&x, 1);
    gri_fence_acq_rel();
    gri_store_relaxed(&y, 1);
}

static void mp_read_fence(void)
{
    r[0] = gri_load_relaxed(&y);
    gri_fence_acq_rel();
    r[1] = gri_load_relaxed(&x);
}

static void mp_kept(void)
{
    expect(ALL_OF_TWO & ~OUTCOME(1, 0));
}

/* The same through a read-modify-write of a third thread: the release sequence goes on through a relaxed one. */
static void mp_middle(void)
{
    uint32_t expected = 1;
    gri_cas_strong_relaxed(&y, &expected, 2);
}

static void mp_read_two(void)
{
    r[0] = gri_load_acquire(&y) == 2;
    r[1] = gri_load_relaxed(&x);
}

/* … and is cut by a relaxed store. */
static void mp_overwrite(void)
{
    if (gri_load_relaxed(&y) == 1) gri_store_relaxed(&y, 2);
}

/* Coherence: two reads of one object never go back. */
static void co_write(void)
{
    gri_store_relaxed(&x, 1);
}

static void co_read(void)
{
    r[0] = gri_load_relaxed(&x);
    r[1] = gri_load_relaxed(&x);
}

/* … nor across a hand-over: a later reader sees what an earlier one saw. */
static void co_first(void)
{
    r[0] = gri_load_relaxed(&x);
    gri_store_release(&y, 1);
}

static void co_second(void)
{
    while (gri_load_acquire(&y) == 0) explore_wait();
    r[1] = gri_load_relaxed(&x);
}

/* Independent reads of independent writes: two readers disagree about the order, unless fences forbid it. */
static void iriw_x(void)
{
    gri_store_relaxed(&x, 1);
}

static void iriw_y(void)
{
    gri_store_relaxed(&y, 1);
}

static void iriw_xy(void)
{
    r[0] = gri_load_acquire(&x);
    r[1] = gri_load_acquire(&y);
}

static void iriw_yx(void)
{
    r[2] = gri_load_acquire(&y);
    r[3] = gri_load_acquire(&x);
}

static void iriw_xy_fence(void)
{
    r[0] = gri_load_relaxed(&x);
    gri_fence_seq_cst();
    r[1] = gri_load_relaxed(&y);
}

static void iriw_yx_fence(void)
{
    r[2] = gri_load_relaxed(&y);
    gri_fence_seq_cst();
    r[3] = gri_load_relaxed(&x);
}

static void iriw_all(void)
{
    expect(0xffff);
}

static void iriw_agreed(void)
{
    expect(0xffff & ~(UINT32_C(1) << (1 + 4))); /* x before y for one, y before x for the other */
}

/* Load buffering: each thread reads, then writes what the other reads. Both 1 only if neither publishes and acquires. */
static void lb_left(void)
{
    r[0] = gri_load_relaxed(&x);
    gri_store_relaxed(&y, 1);
}

static void lb_right(void)
{
    r[1] = gri_load_relaxed(&y);
    gri_store_relaxed(&x, 1);
}

static void lb_left_release(void)
{
    r[0] = gri_load_relaxed(&x);
    gri_store_release(&y, 1);
}

static void lb_right_acquire(void)
{
    r[1] = gri_load_acquire(&y);
    gri_store_relaxed(&x, 1);
}

static void lb_not_both(void)
{
    expect(ALL_OF_TWO & ~OUTCOME(1, 1));
}

/* Values do not come out of nowhere. */
static void thin_left(void)
{
    r[0] = gri_load_relaxed(&x);
    gri_store_relaxed(&y, r[0]);
}

static void thin_right(void)
{
    r[1] = gri_load_relaxed(&y);
    gri_store_relaxed(&x, r[1]);
}

static void thin_none(void)
{
    expect(OUTCOME(0, 0));
}

/* Read-modify-writes see the newest value: no increment is lost. */
static void rmw(void)
{
    gri_add_relaxed(&z, 1);
}

static void rmw_note(void)
{
    EXPLORE_CHECK(gri_load_relaxed(&z) == 3);
}

/* A strong swap fails only for a reason; a weak one may fail for none. */
static void weak(void)
{
    uint32_t expected = 0;
    r[0] = gri_cas_weak_relaxed(&x, &expected, 1);
    expected = 0;
    r[1] = gri_cas_strong_relaxed(&y, &expected, 1);
}

static void weak_seen(void)
{
    expect(OUTCOME(0, 1) | OUTCOME(1, 1));
}

int main(int argc, char **argv)
{
    static const explore_program programs[] = {
        {"sb", begin, {sb_left, sb_right}, note, sb_all, 4, 4, 0},
        {"sb_fence", begin, {sb_fence_left, sb_fence_right}, note, sb_not_both, 4, 4, 0},
        {"sb_one_fence", begin, {sb_fence_left, sb_weak_right}, note, sb_all, 4, 4, 0},
        {"sb_seq_cst", begin, {sb_sc_left, sb_sc_right}, note, sb_not_both, 4, 4, 0},
        {"sb_mixed", begin, {sb_fence_left, sb_add_right}, note, sb_not_both, 4, 4, 0},
        {"mp", begin, {mp_write, mp_read}, note, mp_kept, 4, 4, 0},
        {"mp_relaxed_read", begin, {mp_write, mp_read_relaxed}, note, sb_all, 4, 4, 0},
        {"mp_relaxed_write", begin, {mp_write_relaxed, mp_read}, note, sb_all, 4, 4, 0},
        {"mp_fences", begin, {mp_write_fence, mp_read_fence}, note, mp_kept, 4, 4, 0},
        {"mp_sequence", begin, {mp_write, mp_middle, mp_read_two}, note, mp_kept, 4, 4, 0},
        {"mp_cut", begin, {mp_write, mp_overwrite, mp_read_two}, note, sb_all, 4, 4, 0},
        {"coherence", begin, {co_write, co_read}, note, mp_kept, 4, 4, 0},
        {"coherence_across", begin, {co_write, co_first, co_second}, note, mp_kept, 4, 4, 0},
        {"iriw", begin, {iriw_x, iriw_y, iriw_xy, iriw_yx}, note, iriw_all, 6, 4, 0},
        {"iriw_fence", begin, {iriw_x, iriw_y, iriw_xy_fence, iriw_yx_fence}, note, iriw_agreed, 6, 4, 0},
        {"lb", begin, {lb_left, lb_right}, note, sb_all, 4, 4, 2},
        {"lb_half", begin, {lb_left_release, lb_right}, note, sb_all, 4, 4, 2},
        {"lb_other_half", begin, {lb_left, lb_right_acquire}, note, sb_all, 4, 4, 2},
        {"lb_ordered", begin, {lb_left_release, lb_right_acquire}, note, lb_not_both, 4, 4, 2},
        {"thin_air", begin, {thin_left, thin_right}, note, thin_none, 4, 4, 2},
        {"rmw", setup, {rmw, rmw, rmw}, rmw_note, NULL, 4, 4, 0},
        {"weak", begin, {weak}, note, weak_seen, 4, 4, 0},
        {NULL, NULL, {NULL}, NULL, NULL, 0, 0, 0},
    };
    return explore_main(argc, argv, programs);
}
