/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Kill, death, timeout and stop at every suspension point (support/suspension_points.h), in every place from which one can be
 * reached: a function, a protected one, a server's method, start and on_message, a cleanup. */
#include "support/harness.h"
#include "support/suspension_points.h"

#include "base/atomic.h"

#include <sys/wait.h>
#include <unistd.h>

/* Which one a failed check was about. */
#define CHECK_AT(p, place, mode, actual, expected) \
    do { \
        long long gr_is = (long long)(actual), gr_want = (long long)(expected); \
        if (gr_is != gr_want) \
            TEST_FAIL("%s:%d: at %s in %s, mode %d: %s is %lld, expected %lld", __FILE__, __LINE__, (p)->name, \
                      place_names[place], (int)(mode), #actual, gr_is, gr_want); \
    } while (0)

/* ---- reaching them ---- */

static scene *prepare(gr_self *self, gr_value args)
{
    scene *s = gr_alloc(self, sizeof *s);
    s->point = &points[gr_int(gr_get(args, "point"), 0)];
    s->host = gr_address_in(gr_get(args, "host"));
    s->deadline = (gr_deadline){gr_int(gr_get(args, "deadline"), 0)};
    point_prepare(self, s);
    CHECK_OK(gr_link(self, s->other, GR_LINK_TRAP_EXIT));
    return s;
}

static void tell(gr_self *self, scene *s, const char *key, int64_t value)
{
    int code = gr_cast(self, s->host, "{s:I}", key, value);
    CHECK(code == 0 || code == GR_EDEAD);
}

/* Deadlines given as durations begin when the point is reached. */
static gr_deadline deadline_of(const scene *s)
{
    return s->deadline.ns == GR_FOREVER.ns ? GR_FOREVER : gr_after_us(s->deadline.ns);
}

static void visit(gr_self *self, void *arg)
{
    scene *s = arg;
    int code = gr_cast(self, s->host, "{s:A}", "at", s->other);
    CHECK(code == 0 || code == GR_EDEAD);
    tell(self, s, "code", s->point->run(self, s, deadline_of(s)));
}

static gri_atomic_u32 cleanups;

static void cleanup(gr_self *self, void *arg)
{
    gri_add_relaxed(&cleanups, 1u); /* relaxed: read after gr_stop, or after the exit message */
    tell(self, arg, "cleanup", 1);
}

static void visit_while_cleaning(gr_self *self, void *arg)
{
    visit(self, arg);
}

enum place { ENTRY, PROTECT, METHOD, PROTECT_IN_METHOD, ON_MESSAGE, START, CLEANUP, PLACES };
static const char *const place_names[PLACES] = {"an entry",   "a protect", "a method", "a protect in a method",
                                                "on_message", "start",     "a cleanup"};

static void entry(gr_self *self, gr_value args)
{
    scene *s = prepare(self, args);
    switch (gr_int(gr_get(args, "place"), 0)) {
    case ENTRY:
        CHECK_OK(gr_defer(self, cleanup, s));
        visit(self, s);
        break;
    case PROTECT:
        CHECK_OK(gr_defer(self, cleanup, s));
        tell(self, s, "protect", gr_protect(self, visit, s, NULL));
        break;
    default: /* CLEANUP */ CHECK_OK(gr_defer(self, cleanup, s)); CHECK_OK(gr_defer(self, visit_while_cleaning, s));
    }
}

typedef struct visitor {
    scene *scene;
    int64_t place;
} visitor;

static int visitor_start(gr_self *self, void *state, gr_value args)
{
    visitor *v = state;
    v->scene = prepare(self, args);
    v->place = gr_int(gr_get(args, "place"), 0);
    CHECK_OK(gr_defer(self, cleanup, v->scene));
    if (v->place == START) visit(self, v->scene);
    return 0;
}

static void visitor_method(gr_self *self, void *state, gr_value argument)
{
    (void)argument;
    visitor *v = state;
    if (v->place == METHOD)
        visit(self, v->scene);
    else
        tell(self, v->scene, "protect", gr_protect(self, visit, v->scene, NULL));
    CHECK_OK(gr_reply(self, "s", "answered"));
}

static void visitor_message(gr_self *self, void *state, gr_message *m)
{
    if (strcmp(gr_string(gr_body(m), ""), "visit") == 0) visit(self, ((visitor *)state)->scene);
}

static void visitor_stop(gr_self *self, void *state)
{
    tell(self, ((visitor *)state)->scene, "stop", 1);
}

static const gr_method visitor_methods[] = {{"visit", visitor_method}};
static const gr_server visitor_server = {.state_bytes = sizeof(visitor),
                                         .start = visitor_start,
                                         .methods = visitor_methods,
                                         .method_count = 1,
                                         .on_message = visitor_message,
                                         .stop = visitor_stop};

static void caller(gr_self *self, gr_value args)
{
    int code = gr_call(self, NULL, gr_address_in(gr_get(args, "of")), "visit", GR_FOREVER, "n");
    code = gr_cast(self, gr_address_in(gr_get(args, "host")), "{s:i}", "caller", code);
    CHECK(code == 0 || code == GR_EDEAD);
}

static bool has_caller(enum place place)
{
    return place == METHOD || place == PROTECT_IN_METHOD;
}

static bool is_server(enum place place)
{
    return has_caller(place) || place == ON_MESSAGE || place == START;
}

/* An actor on its way to the point: alive at it when {"at": other} has come, which is received here. */
static gr_address send_to(gr_self *self, const point *p, enum place place, enum gr_kill_mode kill, int64_t wait_us,
                          gr_address *ret_other)
{
    gr_address one, calls;
    const gr_spawn_options options = {.link = GR_LINK_TRAP_EXIT, .kill = kill};
    gr_message *args = NULL;
    CHECK_OK(gr_pack(&args, "{s:i,s:A,s:I,s:i}", "point", (int)(p - points), "host", gr_self_address(self), "deadline",
                     wait_us, "place", (int)place));
    if (is_server(place))
        CHECK_OK(gr_spawn_server_value(self, &one, &visitor_server, &options, gr_body(args)));
    else
        CHECK_OK(gr_spawn_value(self, &one, entry, &options, gr_body(args)));
    FREE(args);
    if (has_caller(place))
        CHECK_OK(gr_spawn(self, &calls, caller, "{s:A,s:A}", "host", gr_self_address(self), "of", one));
    if (place == ON_MESSAGE) CHECK_OK(gr_cast(self, one, "s", "visit"));
    gr_message *m = RECEIVE(self);
    CHECK(gr_type_of(gr_get(gr_body(m), "at")) == GR_ADDRESS);
    *ret_other = gr_address_in(gr_get(gr_body(m), "at"));
    FREE(m);
    if (p->kind != SPINS && wait_us == GR_FOREVER.ns) WAIT_FOR(self, harness_waits(one));
    return one;
}

/* ---- what became of it ---- */

enum { NOT_TOLD = 9999, RETURNED = 0, KILLED = 1 };

typedef struct story {
    int64_t code, protect, caller, cleanup, stop, exit;
} story;

static void note(int64_t *field, gr_value body, const char *key)
{
    gr_value value = gr_get(body, key);
    if (gr_type_of(value) == GR_INT) {
        CHECK_EQ(*field, NOT_TOLD); /* each once */
        *field = gr_int(value, 0);
    }
}

/* Everything that is told until the actor has ended and its caller has been told. */
static story hear(gr_self *self, gr_address one, bool with_caller)
{
    story s = {NOT_TOLD, NOT_TOLD, NOT_TOLD, NOT_TOLD, NOT_TOLD, NOT_TOLD};
    while (s.exit == NOT_TOLD || (with_caller && s.caller == NOT_TOLD)) {
        gr_message *m = RECEIVE(self);
        gr_value body = gr_body(m);
        if (gr_type_of(gr_get(body, "address")) == GR_ADDRESS) {
            CHECK(gr_address_equal(gr_address_in(gr_get(body, "address")), one));
            CHECK_EQ(s.exit, NOT_TOLD);
            gr_value report = gr_get(body, "exception");
            s.exit = report.at ? KILLED : RETURNED;
            if (report.at) CHECK_STR(harness_error(report), "killed");
        }
        note(&s.code, body, "code");
        note(&s.protect, body, "protect");
        note(&s.caller, body, "caller");
        note(&s.cleanup, body, "cleanup");
        note(&s.stop, body, "stop");
        FREE(m);
    }
    EXPECT_NOTHING(self);
    return s;
}

static gr_self *begin(void)
{
    points_open();
    return BEGIN();
}

static void end(gr_self *self, const char *test)
{
    harness_end(self, test);
    points_close();
}

static void end_server(gr_self *self, gr_address one, enum place place)
{
    (void)self;
    if (is_server(place)) CHECK_OK(gr_kill(one));
}

/* ---- kills ---- */

enum kill { BY_KILL, BY_KILL_NOW, KILLS };

static void check_killed(const point *p, enum place place, enum gr_kill_mode mode, enum kill kill, const story *s)
{
    /* A returning kill is an error code for the call; the others never come back to it. */
    bool comes_back = mode == GR_KILL_RETURNS && kill == BY_KILL;
    CHECK_AT(p, place, mode, s->code, comes_back ? GR_EKILLED : NOT_TOLD);
    if (place == PROTECT || place == PROTECT_IN_METHOD) {
        bool caught = mode == GR_KILL_RAISES && kill == BY_KILL;
        CHECK_AT(p, place, mode, s->protect, comes_back ? 0 : caught ? GR_EKILLED : NOT_TOLD);
    }
    CHECK_AT(p, place, mode, s->exit, KILLED);
    CHECK_AT(p, place, mode, s->cleanup, 1);
    if (has_caller(place)) CHECK_AT(p, place, mode, s->caller, GR_EDEAD);
    /* start that returned 0 has succeeded, killed or not; one that was unwound has not */
    if (is_server(place)) CHECK_AT(p, place, mode, s->stop, place == START && !comes_back ? NOT_TOLD : 1);
}

static void kill_at_every_point(enum place first, enum place beyond)
{
    gr_self *self = begin();
    EACH_POINT(p)
    {
        for (int place = first; place < (int)beyond; place++) {
            for (int variant = 0; variant < 2 * KILLS; variant++) {
                enum gr_kill_mode mode = (enum gr_kill_mode)(variant % 2);
                enum kill kill = (enum kill)(variant / 2);
                gr_address other;
                gr_address one = send_to(self, p, (enum place)place, mode, GR_FOREVER.ns, &other);
                CHECK_OK(kill == BY_KILL ? gr_kill(one) : gr_kill_now(one));
                story s = hear(self, one, has_caller((enum place)place));
                check_killed(p, (enum place)place, mode, kill, &s);
                CHECK_OK(gr_kill(other));
            }
        }
    }
    end(self, __func__);
}

TEST(suspension, kill_in_a_function)
{
    kill_at_every_point(ENTRY, METHOD);
}

TEST(suspension, kill_in_a_method)
{
    kill_at_every_point(METHOD, ON_MESSAGE);
}

TEST(suspension, kill_in_a_servers_other_functions)
{
    kill_at_every_point(ON_MESSAGE, CLEANUP);
}

/* In a cleanup kills are held: the call ends by its deadline, as if there had been none. */
TEST(suspension, kill_in_a_cleanup_is_held)
{
    gr_self *self = begin();
    EACH_POINT(p)
    {
        for (int variant = 0; variant < 2 * KILLS; variant++) {
            enum gr_kill_mode mode = (enum gr_kill_mode)(variant % 2);
            gr_address other, one = send_to(self, p, CLEANUP, mode, p->kind == SPINS ? 0 : 3000, &other);
            int code = variant / 2 == BY_KILL ? gr_kill(one) : gr_kill_now(one);
            CHECK(code == 0 || code == GR_EDEAD); /* the deadline was faster */
            story s = hear(self, one, false);
            CHECK_AT(p, CLEANUP, mode, s.code, p->timeout);
            CHECK_AT(p, CLEANUP, mode, s.exit, RETURNED);
            CHECK_AT(p, CLEANUP, mode, s.cleanup, 1);
        }
    }
    end(self, __func__);
}

/* A kill that is there before the call: nothing is waited for, nothing is asked or sent. */
static void killed_before(gr_self *self, gr_value args)
{
    scene *s = prepare(self, args);
    CHECK_OK(gr_kill(gr_self_address(self)));
    tell(self, s, "code", s->point->run(self, s, GR_FOREVER));
    tell(self, s, "protect", s->point->run(self, s, GR_NOW)); /* sticky, for polls too */
    gr_kill_clear(self);
    tell(self, s, "stop", s->point->run(self, s, GR_NOW)); /* taken back */
}

TEST(suspension, a_kill_before_the_call_and_taken_back)
{
    gr_self *self = begin();
    EACH_POINT(p)
    {
        gr_address one;
        CHECK_OK(gr_spawn_link(self, &one, killed_before, "{s:i,s:A}", "point", (int)(p - points), "host",
                               gr_self_address(self)));
        story s = hear(self, one, false);
        CHECK_AT(p, ENTRY, 0, s.code, GR_EKILLED);
        CHECK_AT(p, ENTRY, 0, s.protect, GR_EKILLED);
        CHECK_AT(p, ENTRY, 0, s.stop, p->timeout);
        CHECK_AT(p, ENTRY, 0, s.exit, RETURNED);
    }
    end(self, __func__);
}

/* ---- deadlines ---- */

static void time_out_everywhere(int64_t wait_us)
{
    gr_self *self = begin();
    EACH_POINT(p)
    {
        for (int place = 0; place < PLACES; place++) {
            gr_address one, calls;
            gr_message *args = NULL;
            const gr_spawn_options options = {.link = GR_LINK_TRAP_EXIT};
            CHECK_OK(gr_pack(&args, "{s:i,s:A,s:I,s:i}", "point", (int)(p - points), "host", gr_self_address(self),
                             "deadline", wait_us, "place", place));
            if (is_server((enum place)place))
                CHECK_OK(gr_spawn_server_value(self, &one, &visitor_server, &options, gr_body(args)));
            else
                CHECK_OK(gr_spawn_value(self, &one, entry, &options, gr_body(args)));
            FREE(args);
            if (has_caller((enum place)place))
                CHECK_OK(gr_spawn(self, &calls, caller, "{s:A,s:A}", "host", gr_self_address(self), "of", one));
            if (place == ON_MESSAGE) CHECK_OK(gr_cast(self, one, "s", "visit"));
            gr_message *m = RECEIVE(self);
            CHECK(gr_type_of(gr_get(gr_body(m), "at")) == GR_ADDRESS);
            FREE(m);
            if (is_server((enum place)place)) { /* it goes on afterwards; then it is ended */
                m = RECEIVE(self);
                CHECK_AT(p, place, 0, gr_int(gr_get(gr_body(m), "code"), 1), p->timeout);
                FREE(m);
                if (place == PROTECT_IN_METHOD) EXPECT(self, "{s:i}", "protect", 0);
                if (has_caller((enum place)place)) EXPECT(self, "{s:i}", "caller", 0);
                WAIT_FOR(self, harness_waits(one));
                end_server(self, one, (enum place)place);
                story s = hear(self, one, false);
                CHECK_AT(p, place, 0, s.stop, 1);
                CHECK_AT(p, place, 0, s.cleanup, 1);
            } else {
                story s = hear(self, one, false);
                CHECK_AT(p, place, 0, s.code, p->timeout);
                CHECK_AT(p, place, 0, s.protect, place == PROTECT ? 0 : NOT_TOLD);
                CHECK_AT(p, place, 0, s.exit, RETURNED);
                CHECK_AT(p, place, 0, s.cleanup, 1);
            }
        }
    }
    end(self, __func__);
}

TEST(suspension, timeout_everywhere)
{
    time_out_everywhere(1500);
}

TEST(suspension, poll_everywhere)
{
    time_out_everywhere(-1);
}

/* ---- death of whom it waits for ---- */

static void visit_and_mourn(gr_self *self, gr_value args)
{
    scene *s = prepare(self, args);
    visit(self, s);
    gr_message *m = NULL; /* its exit, whatever the point has done meanwhile */
    CHECK_EQ(gr_select(self, &(gr_pattern){.shape = point_never}, 1, &m, SOON), 0);
    CHECK(gr_address_equal(gr_address_in(gr_get(gr_body(m), "address")), s->other));
    FREE(m);
}

TEST(suspension, death_of_the_other_ends_it_or_leaves_it_waiting)
{
    gr_self *self = begin();
    EACH_POINT(p)
    {
        gr_address one;
        int64_t wait_us = p->death == LEAVES ? 3000 : INT64_C(60000000);
        CHECK_OK(gr_spawn_link(self, &one, visit_and_mourn, "{s:i,s:A,s:I}", "point", (int)(p - points), "host",
                               gr_self_address(self), "deadline", wait_us));
        gr_message *m = RECEIVE(self);
        gr_address other = gr_address_in(gr_get(gr_body(m), "at"));
        FREE(m);
        if (p->death != LEAVES) WAIT_FOR(self, harness_waits(one));
        CHECK_OK(strcmp(p->name, "send_wait") == 0 ? gr_kill(other) : gr_cast(self, other, "s", "end"));
        story s = hear(self, one, false);
        CHECK_AT(p, ENTRY, 0, s.code, p->death == LEAVES ? p->timeout : p->death);
        CHECK_AT(p, ENTRY, 0, s.exit, RETURNED);
    }
    end(self, __func__);
}

/* ---- the runtime stops ---- */

static void stop_at_every_point(enum place first, enum place beyond)
{
    EACH_POINT(p)
    {
        for (int place = first; place < (int)beyond; place++) {
            for (int mode = 0; mode < 2; mode++) {
                gr_self *self = begin();
                gr_address other;
                (void)send_to(self, p, (enum place)place, (enum gr_kill_mode)mode, GR_FOREVER.ns, &other);
                uint32_t before = gri_load_relaxed(&cleanups); /* relaxed: this actor has not cleaned up yet */
                CHECK_AT(p, place, mode, gr_stop(GR_NOW), GR_ETIMEOUT);
                CHECK_AT(p, place, mode, gri_load_relaxed(&cleanups), before + 1); /* relaxed: gr_stop orders it */
                points_close();
            }
        }
    }
}

TEST(suspension, stop_in_a_function)
{
    stop_at_every_point(ENTRY, METHOD);
}

TEST(suspension, stop_in_a_server)
{
    stop_at_every_point(METHOD, CLEANUP);
}

/* ---- casts do not end what does not wait for them ---- */

static void visit_and_count(gr_self *self, gr_value args)
{
    scene *s = prepare(self, args);
    visit(self, s);
    gr_message *m = NULL;
    for (int i = 0; i < 5; i++) {
        CHECK_OK(gr_receive(self, &m, SOON));
        CHECK_EQ(gr_int(gr_get(gr_body(m), "cast"), -1), i);
        FREE(m);
    }
}

TEST(suspension, casts_pile_up_in_order)
{
    gr_self *self = begin();
    EACH_POINT(p)
    {
        if (strcmp(p->name, "receive") == 0) continue; /* it is what waits for them */
        gr_address one;
        CHECK_OK(gr_spawn_link(self, &one, visit_and_count, "{s:i,s:A,s:I}", "point", (int)(p - points), "host",
                               gr_self_address(self), "deadline", INT64_C(2000)));
        gr_message *m = RECEIVE(self);
        CHECK(gr_type_of(gr_get(gr_body(m), "at")) == GR_ADDRESS);
        FREE(m);
        for (int i = 0; i < 5; i++) CHECK_OK(gr_cast(self, one, "{s:i}", "cast", i));
        story s = hear(self, one, false);
        CHECK_AT(p, ENTRY, 0, s.code, p->timeout);
        CHECK_AT(p, ENTRY, 0, s.exit, RETURNED);
    }
    end(self, __func__);
}

/* ---- where it may not be called ---- */

static void tries_without_suspending(gr_self *self, gr_value args)
{
    scene *s = prepare(self, args);
    gr_no_suspend_begin(self);
    int code = s->point->run(self, s, GR_FOREVER);
    gr_no_suspend_end(self);
    tell(self, s, "code", code);
}

TEST(suspension, is_refused_where_suspending_is_forbidden)
{
    gr_self *self = begin();
    EACH_POINT(p)
    {
        gr_address one;
        CHECK_OK(gr_spawn_link(self, &one, tries_without_suspending, "{s:i,s:A}", "point", (int)(p - points), "host",
                               gr_self_address(self)));
        story s = hear(self, one, false);
        CHECK_AT(p, ENTRY, 0, s.code, GR_ESUSPEND);
        CHECK_AT(p, ENTRY, 0, s.exit, RETURNED);
    }
    end(self, __func__);
}

static gri_atomic_ptr somebody;

static void give_self_away(gr_self *self, gr_value args)
{
    gri_store_relaxed(&somebody, self); /* relaxed: the cast publishes it */
    CHECK_OK(gr_cast(self, gr_address_in(args), "s", "up"));
    harness_idle(self, args);
}

TEST(suspension, is_refused_to_another_than_the_actor)
{
    gr_self *self = begin();
    gr_address one;
    CHECK_OK(gr_spawn(self, &one, give_self_away, "A", gr_self_address(self)));
    EXPECT(self, "s", "up");
    WAIT_FOR(self, harness_waits(one));
    EACH_POINT(p)
    {
        scene s = {.point = p, .other = gr_self_address(self), .path = "unix:/nowhere"};
        CHECK_AT(p, ENTRY, 0, p->run(gri_load_relaxed(&somebody), &s, GR_FOREVER),
                 GR_ECONTEXT); /* relaxed: see above */
        CHECK_AT(p, ENTRY, 0, p->run(NULL, &s, GR_FOREVER), GR_ECONTEXT);
    }
    end(self, __func__);
}

TEST(suspension, is_refused_in_a_fork)
{
    gr_self *self = begin();
    fflush(NULL);
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        EACH_POINT(p)
        {
            scene s = {.point = p, .other = GR_DEAD_ADDRESS, .path = "unix:/nowhere"};
            if (p->run(self, &s, GR_FOREVER) != GR_EFORKED) _exit((int)(p - points) + 1);
        }
        _exit(0);
    }
    int status = 0;
    CHECK_EQ(waitpid(child, &status, 0), child);
    CHECK(WIFEXITED(status));
    CHECK_EQ(WEXITSTATUS(status), 0);
    end(self, __func__);
}

/* ---- attached threads ---- */

TEST(suspension, an_attached_thread_gets_codes_only)
{
    gr_self *self = begin();
    EACH_POINT(p)
    {
        scene s = {.point = p, .host = gr_self_address(self)};
        point_prepare(self, &s);
        CHECK_AT(p, ENTRY, 0, p->run(self, &s, gr_after_us(500)), p->timeout);
        for (int now = 0; now < 2; now++) {
            if (now && p->kind != PARKS) continue;
            CHECK_OK(gr_kill(gr_self_address(self)));
            for (int i = 0; i < 3; i++) CHECK_AT(p, ENTRY, 0, p->run(self, &s, GR_FOREVER), GR_EKILLED);
            gr_kill_clear(self);
        }
    }
    end(self, __func__);
}
