/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
#include "support/test.h"

#include "context/context.h"

#include <pthread.h>
#include <unwind.h>

#define STACK_BYTES (64u * 1024)

typedef struct side {
    gri_context context, *other;
    char *stack;
    int rounds, seen;
    char text[64];
} side;

static void side_init(side *s, gri_context_entry entry, gri_context *other)
{
    memset(s, 0, sizeof *s);
    s->stack = aligned_alloc(4096, STACK_BYTES);
    CHECK(s->stack != NULL);
    s->other = other;
    gri_context_prepare(&s->context, s->stack, STACK_BYTES, entry, s);
}

static void side_fini(side *s)
{
    gri_context_fini(&s->context);
    free(s->stack);
}

static void count_rounds(void *arg)
{
    side *s = arg;
    for (;;) {
        s->seen++;
        gri_context_switch(&s->context, s->other);
    }
}

TEST(context, goes_there_and_back)
{
    gri_context here = {0};
    side there;
    gri_context_from_thread(&here);
    side_init(&there, count_rounds, &here);
    for (int i = 1; i <= 1000; i++) {
        gri_context_switch(&here, &there.context);
        CHECK_EQ(there.seen, i);
    }
    side_fini(&there);
    gri_context_fini(&here);
}

/* Says how often it was resumed, and what it was told. */
static void answer(void *arg)
{
    side *s = arg;
    for (uintptr_t told = 0;;) {
        const gri_passed passed = gri_context_switch_passing(&s->context, s->other, s, told + 1);
        CHECK(passed.first == s->text);
        told = passed.second;
        s->seen++;
    }
}

static void abandon_at_once(void *arg)
{
    side *s = arg;
    gri_context_doom(&s->context);
    gri_context_abandon(s->other);
}

/* Two words go along with a switch, either way; with an abandon, and with a switch that says nothing, none. */
TEST(context, what_is_passed_arrives)
{
    gri_context here = {0};
    side there, last;
    gri_context_from_thread(&here);
    side_init(&there, answer, &here);
    side_init(&last, abandon_at_once, &here);
    gri_passed passed = gri_context_switch_passing(&here, &there.context, NULL, 0);
    CHECK(passed.first == &there);
    CHECK_EQ(passed.second, 1u);
    for (uintptr_t i = 1; i <= 1000; i++) {
        passed = gri_context_switch_passing(&here, &there.context, there.text, UINTPTR_MAX - i);
        CHECK(passed.first == &there);
        CHECK_EQ(passed.second, UINTPTR_MAX - i + 1);
    }
    CHECK_EQ(there.seen, 1000);
    passed = gri_context_switch_passing(&here, &last.context, &here, 1);
    CHECK(passed.first == NULL);
    CHECK_EQ(passed.second, 0u);
    side_fini(&there);
    side_fini(&last);
    gri_context_fini(&here);
}

/* A stack that is not 16-byte aligned at the first call crashes in the vector instructions of printf. */
static void print_double(void *arg)
{
    side *s = arg;
    volatile double third = 1.0 / 3;
    snprintf(s->text, sizeof s->text, "%.6f %d", third, 7);
    gri_context_switch(&s->context, s->other);
    abort();
}

TEST(context, first_frame_is_aligned_for_any_stack)
{
    for (unsigned shave = 0; shave < 64; shave += 8) {
        gri_context here = {0};
        side there;
        gri_context_from_thread(&here);
        side_init(&there, print_double, &here);
        gri_context_prepare(&there.context, there.stack, STACK_BYTES - shave, print_double, &there);
        gri_context_switch(&here, &there.context);
        CHECK_STR(there.text, "0.333333 7");
        side_fini(&there);
    }
}

/* Eight integers and eight doubles live across the switch, on both sides, so that no callee-saved register can be lost. */
static void keep_registers(void *arg)
{
    side *s = arg;
    for (;;) {
        long a = s->rounds * 3, b = a + 1, c = a + 2, d = a + 3, e = a + 4, f = a + 5, g = a + 6, h = a + 7;
        double p = a * 0.5, q = b * 0.5, r = c * 0.5, t = d * 0.5, u = e * 0.5, v = f * 0.5, w = g * 0.5, x = h * 0.5;
        __asm__ volatile("" : "+r"(a), "+r"(b), "+r"(c), "+r"(d), "+r"(e), "+r"(f), "+r"(g), "+r"(h));
        __asm__ volatile("" : "+m"(p), "+m"(q), "+m"(r), "+m"(t), "+m"(u), "+m"(v), "+m"(w), "+m"(x));
        gri_context_switch(&s->context, s->other);
        if (b != a + 1 || c != a + 2 || d != a + 3 || e != a + 4 || f != a + 5 || g != a + 6 || h != a + 7) abort();
        if (p + q + r + t + u + v + w + x != 0.5 * (a + b + c + d + e + f + g + h)) abort();
        s->seen++;
    }
}

TEST(context, callee_saved_registers_survive)
{
    gri_context here = {0};
    side ring[3];
    gri_context_from_thread(&here);
    for (int i = 0; i < 3; i++) side_init(&ring[i], keep_registers, NULL);
    for (int i = 0; i < 3; i++) ring[i].other = i == 2 ? &here : &ring[i + 1].context;
    for (int round = 0; round < 100; round++) {
        for (int i = 0; i < 3; i++) ring[i].rounds = round * 1000 + i * 17;
        gri_context_switch(&here, &ring[0].context);
        for (int i = 0; i < 3; i++) CHECK_EQ(ring[i].seen, round);
    }
    for (int i = 0; i < 3; i++) side_fini(&ring[i]);
}

/* The scheduler's pattern: a loop runs on a stack, calls a task, which blocks: the stack goes with the task, the loop goes on
 * on a fresh one; resuming the task abandons the loop's stack, which is prepared again. */
static struct {
    side loops[2];
    gri_context main;
    int current, started, finished;
    bool parked;
} hybrid;

static void hybrid_task_block(void)
{
    side *mine = &hybrid.loops[hybrid.current];
    hybrid.current ^= 1;
    hybrid.parked = true;
    gri_context_switch(&mine->context, &hybrid.loops[hybrid.current].context);
    hybrid.finished++;
}

static void hybrid_loop(void *arg)
{
    side *self = arg;
    volatile char frame[200];
    memset((void *)frame, 1, sizeof frame);
    if (!hybrid.parked) {
        hybrid.started++;
        hybrid_task_block();
        self = &hybrid.loops[hybrid.current];
        /* back as the current loop; the other one's frames are dead */
        side *other = &hybrid.loops[hybrid.current ^ 1];
        gri_context_prepare(&other->context, other->stack, STACK_BYTES, hybrid_loop, other);
        gri_context_switch(&self->context, &hybrid.main);
    }
    /* this loop resumes the parked task and dies, one way or the other */
    hybrid.parked = false;
    hybrid.current ^= 1;
    if (hybrid.started % 2) {
        gri_context_doom(&self->context);
        gri_context_switch(&self->context, &hybrid.loops[hybrid.current].context);
    } else {
        gri_context_abandon(&hybrid.loops[hybrid.current].context);
    }
    abort();
}

TEST(context, a_stack_whose_frames_are_dead_is_prepared_again)
{
    memset(&hybrid, 0, sizeof hybrid);
    gri_context_from_thread(&hybrid.main);
    for (int i = 0; i < 2; i++) side_init(&hybrid.loops[i], hybrid_loop, NULL);
    for (int i = 0; i < 1000; i++) {
        side *first = &hybrid.loops[hybrid.current];
        gri_context_prepare(&first->context, first->stack, STACK_BYTES, hybrid_loop, first);
        gri_context_switch(&hybrid.main, &first->context);
        CHECK_EQ(hybrid.started, i + 1);
        CHECK_EQ(hybrid.finished, i + 1);
    }
    for (int i = 0; i < 2; i++) side_fini(&hybrid.loops[i]);
}

typedef struct mover {
    gri_context thread, *green;
} mover;

static mover *mover_now;

static void visit_threads(void *arg)
{
    side *s = arg;
    for (;;) {
        s->seen++;
        gri_context_switch(&s->context, &mover_now->thread);
    }
}

static void *resume_once(void *arg)
{
    mover *m = arg;
    gri_context_from_thread(&m->thread);
    mover_now = m;
    gri_context_switch(&m->thread, m->green);
    gri_context_fini(&m->thread);
    return NULL;
}

TEST(context, resumes_on_any_thread)
{
    side green;
    side_init(&green, visit_threads, NULL);
    for (int i = 1; i <= 20; i++) {
        mover m = {.green = &green.context};
        pthread_t thread;
        CHECK_EQ(pthread_create(&thread, NULL, resume_once, &m), 0);
        CHECK_EQ(pthread_join(thread, NULL), 0);
        CHECK_EQ(green.seen, i);
    }
    side_fini(&green);
}

typedef struct walk {
    int frames;
    bool met_marker, overran;
} walk;

static _Unwind_Reason_Code walk_step(struct _Unwind_Context *frame, void *arg)
{
    walk *w = arg;
    (void)frame;
    if (++w->frames > 64) {
        w->overran = true;
        return _URC_NORMAL_STOP;
    }
    return _URC_NO_REASON;
}

static walk walked;

static GRI_NOINLINE void walk_here(void)
{
    memset(&walked, 0, sizeof walked);
    _Unwind_Backtrace(walk_step, &walked);
    __asm__ volatile("");
}

static void walk_inside(void *arg)
{
    side *s = arg;
    walk_here();
    gri_context_switch(&s->context, s->other);
    abort();
}

TEST(context, unwinding_stops_at_the_first_frame)
{
    gri_context here = {0};
    side there;
    gri_context_from_thread(&here);
    side_init(&there, walk_inside, &here);
    gri_context_switch(&here, &there.context);
    CHECK(!walked.overran);
    CHECK(walked.frames >= 2);
    CHECK(walked.frames <= 8);
    side_fini(&there);
}

TEST(context, a_suspended_context_says_where_it_is)
{
    gri_context here = {0};
    gri_context_place place = {0, 0, 0};
    side there;
    gri_context_from_thread(&here);
    side_init(&there, count_rounds, &here);
    if (gri_context_place_of(&there.context, &place)) {
        CHECK(place.pc != 0);
        CHECK_EQ(place.fp, 0);
        gri_context_switch(&here, &there.context);
        CHECK(gri_context_place_of(&there.context, &place));
        CHECK(place.sp > (uintptr_t)there.stack);
        CHECK(place.sp < (uintptr_t)there.stack + STACK_BYTES);
    }
    side_fini(&there);
}
