/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Conservation under everything at once: messages, calls, spawns, kills and steals on more workers than cores.
 *
 *     conservation_stress [--seed N] [--messages N] [--actors N] [--workers N]
 *
 * A world of actors, two thirds green threads and one third servers; some have bounded mailboxes, some are unwound by kills.
 * Each keeps sending numbered messages to four neighbours as long as it receives some; now and then it calls a server (which
 * answers at once, or with its next message), spawns a child that reports once, or one whose result it waits for, watches a
 * neighbour and perhaps stops watching, arms a timer and perhaps cancels it, or looks for the food among its messages. The
 * main thread kills random actors, puts new ones in their places, and feeds the world, one by one and many at once, until the
 * number of messages is reached; then it kills everybody and counts. Meanwhile the CPUs that the threads may use change all the
 * time: one for all of them, and back.
 *
 * Laws, checked exactly:
 *   order          for each pair of lives, the receiver sees 0, 1, 2, … without a gap: nothing lost, doubled or reordered
 *   conservation   accepted by gr_cast and gr_multicast = received + discarded (in the mailboxes of the dead, the runtime's
 *                  counter)
 *   calls          made = answered + dead + timed out + full + killed + unwound meanwhile; an answer is the one to this
 *                  question
 *   ends           one DOWN and one exit message for every actor of the world, one end for every spawn; no DOWN but of the
 *                  monitor that is held, and none after it was taken back
 *   timers         armed = cancelled + received, in number and in the sum of what they carry
 *   waits          made = result (the right one) + timed out + killed + unwound meanwhile
 * What it cannot see: a message delivered to the wrong life of the right slot with the right number, and order between
 * different senders, which nobody promises. Of each neighbour the last eight lives are remembered; an older one that is heard of
 * again (it was killed, but had no CPU to notice) counts as forgotten: its order is not judged. */
#include "base/atomic.h"
#include "base/rng.h"
#include "stress/cpu_sets.h"

#include <greenroom.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NEIGHBOURS 4
#define LIVES 8 /* of one neighbour that may be sending at a time: a killed one goes on until it notices */
#define FEED 4  /* messages per actor that are under way at a time */

static unsigned actors = 2000, workers = 8;
static uint64_t messages = 1000000, seed = 1;

typedef gri_atomic_u64
    counter; /* relaxed: sums, compared when nobody counts any more; addresses publish nothing by themselves */
static counter *addresses; /* who lives in each place now */
static counter accepted, refused, received, calls, answered, call_dead, call_late, call_other, children, wrong,
    forgotten;
static counter full, unwound, waits, waited, wait_late, wait_other, armed, armed_sum, cancelled, cancelled_sum, watched,
    told;
static gr_address host;
static gr_shape *food;
static gri_atomic_bool feeding; /* relaxed: seen late is fine */

static void complain(const char *what, uint64_t a, uint64_t b)
{
    if (gri_add_relaxed(&wrong, 1u) < 10)
        fprintf(stderr, "VIOLATION %s: %llu, expected %llu\n", what, (unsigned long long)a, (unsigned long long)b);
}

/* ---- one inhabitant ---- */

typedef struct inhabitant {
    uint32_t place;
    uint64_t random;
    struct numbering {
        uint64_t address, next;
        bool late; /* this place has been another life's: the one that comes now may have been here before */
    } out[NEIGHBOURS], in[NEIGHBOURS][LIVES];
    unsigned oldest[NEIGHBOURS];
    bool busy, watching; /* in a call or wait; a monitor is held */
    gr_monitor_ref monitor;
    gr_message *later; /* server: a call to be answered with the next message */
} inhabitant;

static uint32_t neighbour(uint32_t place, unsigned k)
{
    return (place + 1 + k * 7) % actors;
}

/* What this life of the neighbour has sent so far; a new life takes the place of the oldest. */
static struct numbering *numbering_of(inhabitant *me, unsigned k, uint64_t sender)
{
    for (unsigned i = 0; i < LIVES; i++)
        if (me->in[k][i].address == sender) return &me->in[k][i];
    struct numbering *fresh = &me->in[k][me->oldest[k]++ % LIVES];
    *fresh = (struct numbering){.address = sender, .late = fresh->late || fresh->address != 0};
    return fresh;
}

static void send_one(gr_self *self, inhabitant *me)
{
    unsigned k = (unsigned)(gri_splitmix64(&me->random) % NEIGHBOURS);
    uint64_t address = gri_load_relaxed(&addresses[neighbour(me->place, k)]);
    if (address != me->out[k].address) {
        me->out[k].address = address;
        me->out[k].next = 0;
    }
    int code = gr_cast(self, (gr_address){address}, "{s:i,s:I}", "k", (int)k, "n", (int64_t)me->out[k].next);
    if (code == 0) {
        me->out[k].next++;
        (void)gri_add_relaxed(&accepted, 1u);
    } else if (code == GR_EDEAD) {
        (void)gri_add_relaxed(&refused, 1u);
    } else if (code == GR_EFULL) {
        (void)gri_add_relaxed(&full, 1u);
    } else {
        complain("gr_cast returned", (uint64_t)-code, 0);
    }
}

static void child(gr_self *self, gr_value args)
{
    if (gr_cast(self, gr_address_in(args), "{s:b}", "child", 1) == 0) (void)gri_add_relaxed(&accepted, 1u);
}

static void call_one(gr_self *self, inhabitant *me)
{
    uint32_t place = (uint32_t)(gri_splitmix64(&me->random) % actors) / 3 * 3; /* servers live in every third place */
    gr_address to = {gri_load_relaxed(&addresses[place])};
    int64_t question = (int64_t)(gri_splitmix64(&me->random) >> 8);
    gr_message *reply = NULL;
    (void)gri_add_relaxed(&calls, 1u);
    me->busy = true;
    int code = gr_call(self, &reply, to, question & 1 ? "echo" : "later", gr_after_ms(200), "I", question);
    me->busy = false;
    if (code == 0) {
        if (gr_int(gr_body(reply), -1) != question)
            complain("an answer to another question", (uint64_t)gr_int(gr_body(reply), -1), (uint64_t)question);
        (void)gri_add_relaxed(&answered, 1u);
    } else if (code == GR_EDEAD) {
        (void)gri_add_relaxed(&call_dead, 1u);
    } else if (code == GR_ETIMEOUT) {
        (void)gri_add_relaxed(&call_late, 1u);
    } else {
        (void)gri_add_relaxed(&call_other, 1u); /* killed meanwhile */
    }
    gr_message_free(&reply);
}

static void child_returns(gr_self *self, gr_value args)
{
    if (gr_return_value(self, args) != 0) complain("gr_return_value", 1, 0);
}

/* Retained, so that it is no matter which comes first, the wait or the end. */
static void wait_for_one(gr_self *self, inhabitant *me)
{
    static const gr_spawn_options retained = {.retain = true};
    int64_t number = (int64_t)(gri_splitmix64(&me->random) >> 8);
    gr_address one;
    gr_message *result = NULL;
    if (gr_spawn_with(self, &one, child_returns, &retained, "I", number) != 0) {
        if (!gr_killed(self)) complain("gr_spawn_with", 1, 0);
        return;
    }
    (void)gri_add_relaxed(&waits, 1u);
    me->busy = true;
    int code = gr_wait(self, one, &result, gr_after_us(number % 3000));
    me->busy = false;
    if (code == 0) {
        if (gr_int(gr_body(result), -1) != number)
            complain("a result", (uint64_t)gr_int(gr_body(result), -1), (uint64_t)number);
        (void)gri_add_relaxed(&waited, 1u);
    } else if (code == GR_ETIMEOUT) {
        (void)gri_add_relaxed(&wait_late, 1u);
    } else {
        if (code != GR_EKILLED) complain("gr_wait returned", (uint64_t)-code, 0);
        (void)gri_add_relaxed(&wait_other, 1u);
    }
    gr_message_free(&result);
    (void)gr_forget(one); /* GR_EDEAD: waited for, or not ended yet */
}

/* To the main thread, which outlives all of them. */
static void arm_one(gr_self *self, inhabitant *me)
{
    gr_timer timer;
    uint64_t number = gri_splitmix64(&me->random) >> 40;
    if (gr_cast_after(self, &timer, host, gr_after_us((int64_t)(number % 4000)), "{s:I}", "tick", (int64_t)number) !=
        0) {
        complain("gr_cast_after", 1, 0);
        return;
    }
    (void)gri_add_relaxed(&armed, 1u);
    (void)gri_add_relaxed(&armed_sum, number);
    if (number % 2 == 0 && gr_cancel(self, timer) == 0) {
        (void)gri_add_relaxed(&cancelled, 1u);
        (void)gri_add_relaxed(&cancelled_sum, number);
    }
}

/* Holds at most one monitor; starts one, or takes it back. */
static void watch_one(gr_self *self, inhabitant *me)
{
    if (me->watching) {
        if (gr_demonitor(self, me->monitor, true) != 0) complain("gr_demonitor", 1, 0);
        me->watching = false;
        return;
    }
    gr_address to = {gri_load_relaxed(&addresses[neighbour(me->place, (unsigned)(me->random % NEIGHBOURS))])};
    if (gr_monitor(self, to, &me->monitor) != 0) {
        complain("gr_monitor", 1, 0);
        return;
    }
    me->watching = true;
    (void)gri_add_relaxed(&watched, 1u);
}

static void take_down(inhabitant *me, gr_value body)
{
    gr_address who = gr_address_in(gr_get(body, "address"));
    if (!me->watching || (uint64_t)gr_int(gr_get(body, "down"), -1) != me->monitor.id)
        complain("a DOWN nobody waits for", (uint64_t)gr_int(gr_get(body, "down"), -1), me->monitor.id);
    if (gr_alive(who)) complain("a DOWN of the living", 1, 0);
    me->watching = false;
    (void)gri_add_relaxed(&told, 1u);
}

static void take_one(gr_self *self, inhabitant *me, gr_message *m)
{
    gr_value body = gr_body(m);
    if (gr_type_of(gr_get(body, "down")) == GR_INT) {
        take_down(me, body);
        return;
    }
    (void)gri_add_relaxed(&received, 1u);
    if (gr_bool(gr_get(body, "child"), false)) {
        (void)gri_add_relaxed(&children, 1u);
        return;
    }
    if (gr_bool(gr_get(body, "feed"), false)) {
        send_one(self, me);
        return;
    }
    int64_t k = gr_int(gr_get(body, "k"), -1), n = gr_int(gr_get(body, "n"), -1);
    if (k < 0 || k >= NEIGHBOURS) {
        complain("a message nobody sent", (uint64_t)k, 0);
        return;
    }
    struct numbering *in = numbering_of(me, (unsigned)k, gr_sender(m).id);
    if ((uint64_t)n != in->next && in->next == 0 && in->late)
        (void)gri_add_relaxed(&forgotten, 1u);
    else if ((uint64_t)n != in->next)
        complain("out of order", (uint64_t)n, in->next);
    in->next = (uint64_t)n + 1;
    if (!gri_load_relaxed(&feeding)) return;
    send_one(self, me);
    uint64_t dice = gri_splitmix64(&me->random) % 1024;
    if (dice < 8 && me->place % 3 != 0) call_one(self, me);
    if (dice >= 8 && dice < 12 && me->place % 3 != 0) wait_for_one(self, me);
    if (dice >= 12 && dice < 24) arm_one(self, me);
    if (dice >= 24 && dice < 40) watch_one(self, me);
    gr_address baby;
    if (dice >= 1020) {
        if (gr_spawn(self, &baby, child, "A", gr_self_address(self)) != 0 && !gr_killed(self))
            complain("gr_spawn", 1, 0);
    }
}

static void move_in(inhabitant *me, gr_value args)
{
    me->place = (uint32_t)gr_int(gr_get(args, "place"), 0);
    me->random = (uint64_t)gr_int(gr_get(args, "seed"), 0);
}

/* Runs at every end, also when a kill has unwound it out of a call. */
static void moves_out(gr_self *self, void *arg)
{
    inhabitant *me = arg;
    (void)self;
    if (me->busy) (void)gri_add_relaxed(&unwound, 1u);
}

static void green(gr_self *self, gr_value args)
{
    inhabitant *me = gr_alloc(self, sizeof *me);
    if (!me || gr_defer(self, moves_out, me) != 0) {
        complain("memory", 0, 1);
        return;
    }
    move_in(me, args);
    gr_pattern pattern = {.shape = food};
    for (gr_message *m = NULL;; gr_message_free(&m)) {
        int code = me->random % 16 == 0 ? gr_select(self, &pattern, 1, &m, GR_NOW) : GR_ETIMEOUT;
        if (code == GR_ETIMEOUT) code = gr_receive(self, &m, GR_FOREVER);
        if (code != 0) break;
        take_one(self, me, m);
    }
}

static int server_start(gr_self *self, void *state, gr_value args)
{
    (void)self;
    move_in(state, args);
    return 0;
}

static void server_message(gr_self *self, void *state, gr_message *m)
{
    inhabitant *me = state;
    take_one(self, me, m);
    if (me->later) (void)gr_respond_value(self, me->later, gr_call_argument(me->later)); /* GR_EDEAD: it has gone */
    gr_message_free(&me->later);
}

static void server_echo(gr_self *self, void *state, gr_value argument)
{
    (void)state;
    gr_reply(self, "V", argument);
}

/* The one before it gets its answer now. */
static void server_later(gr_self *self, void *state, gr_value argument)
{
    inhabitant *me = state;
    (void)argument;
    if (me->later) (void)gr_respond_value(self, me->later, gr_call_argument(me->later)); /* GR_EDEAD: it has gone */
    gr_message_free(&me->later);
    me->later = gr_call_take(self);
}

static const gr_method methods[] = {{"echo", server_echo}, {"later", server_later}};
static const gr_server server = {.state_bytes = sizeof(inhabitant),
                                 .start = server_start,
                                 .methods = methods,
                                 .method_count = 2,
                                 .on_message = server_message};

/* ---- the world ---- */

static bool populate(gr_self *self, uint32_t place, uint64_t *random)
{
    gr_address address;
    gr_monitor_ref ref;
    gr_spawn_options options = {.monitor = &ref, .link = GR_LINK | GR_LINK_TRAP_EXIT};
    if (place % 16 == 5) options.mailbox_max = 64;
    if (place % 5 == 1) options.kill = GR_KILL_RAISES;
    int64_t start = (int64_t)(gri_splitmix64(random) >> 1);
    int code = place % 3 == 0
                   ? gr_spawn_server(self, &address, &server, &options, "{s:i,s:I}", "place", (int)place, "seed", start)
                   : gr_spawn_with(self, &address, green, &options, "{s:i,s:I}", "place", (int)place, "seed", start);
    if (code != 0) {
        fprintf(stderr, "spawn: %s: %s\n", gr_error_name(code), gr_error_detail(self)->text);
        return false;
    }
    gri_store_relaxed(&addresses[place], address.id);
    return true;
}

static void feed(gr_self *self, uint32_t place)
{
    int code = gr_cast(self, (gr_address){gri_load_relaxed(&addresses[place])}, "{s:b}", "feed", 1);
    if (code == 0) (void)gri_add_relaxed(&accepted, 1u);
}

static void feed_many(gr_self *self, uint64_t *random)
{
    gr_address to[16];
    gr_message *m = NULL;
    for (unsigned i = 0; i < 16; i++) to[i].id = gri_load_relaxed(&addresses[gri_splitmix64(random) % actors]);
    if (gr_pack(&m, "{s:b}", "feed", 1) != 0) return;
    int sent = gr_multicast(self, to, 16, &m);
    if (sent > 0) (void)gri_add_relaxed(&accepted, (uint64_t)sent);
    gr_message_free(&m);
}

/* What the main thread was told. */
static struct {
    uint64_t downs, exits, ticks, ticks_sum;
} seen;

/* Takes what has arrived. False: nothing did until the deadline. */
static bool look(gr_self *self, gr_deadline deadline)
{
    gr_message *m = NULL;
    bool any = false;
    for (; gr_receive(self, &m, deadline) == 0; gr_message_free(&m)) {
        gr_value body = gr_body(m);
        any = true;
        deadline = GR_NOW;
        if (gr_type_of(gr_get(body, "down")) == GR_INT) {
            seen.downs++;
        } else if (gr_type_of(gr_get(body, "tick")) == GR_INT) {
            seen.ticks++;
            seen.ticks_sum += (uint64_t)gr_int(gr_get(body, "tick"), 0);
        } else if (gr_type_of(gr_get(body, "address")) == GR_ADDRESS) {
            seen.exits++;
        } else {
            complain("a message to the main thread", 1, 0);
        }
    }
    return any;
}

static uint64_t value_of(counter *c)
{
    return gri_load_relaxed(c);
}

static void must_be(const char *what, uint64_t actual, uint64_t expected)
{
    if (actual != expected) complain(what, actual, expected);
}

static void check_laws(const gr_counters *c, uint64_t spawned)
{
    must_be("DOWN messages", seen.downs, spawned);
    must_be("exit messages", seen.exits, spawned);
    must_be("ends", c->ended, c->spawned - 1);
    must_be("received + discarded", value_of(&received) + c->discarded, value_of(&accepted));
    /* Who is unwound was in a call or in a wait. */
    must_be("outcomes of calls and waits",
            value_of(&answered) + value_of(&call_dead) + value_of(&call_late) + value_of(&call_other) +
                value_of(&waited) + value_of(&wait_late) + value_of(&wait_other) + value_of(&unwound),
            value_of(&calls) + value_of(&waits));
    must_be("timers", seen.ticks + value_of(&cancelled), value_of(&armed));
    must_be("what timers carry", seen.ticks_sum + value_of(&cancelled_sum), value_of(&armed_sum));
    if (value_of(&told) > value_of(&watched)) complain("DOWNs among actors", value_of(&told), value_of(&watched));
    if (c->steals == 0 && workers > 1) complain("steals", 0, 1);
}

static void report(const gr_counters *c, uint64_t kills, uint64_t stalls, uint64_t flips)
{
    printf("{\"stress\":\"conservation\",\"seed\":%llu,\"workers\":%u,\"actors\":%u", (unsigned long long)seed, workers,
           actors);
#define SAY(name, value) printf(",\"" name "\":%llu", (unsigned long long)(value))
    SAY("accepted", value_of(&accepted));
    SAY("received", value_of(&received));
    SAY("discarded", c->discarded);
    SAY("refused", value_of(&refused));
    SAY("full", value_of(&full));
    SAY("calls", value_of(&calls));
    SAY("answered", value_of(&answered));
    SAY("dead", value_of(&call_dead));
    SAY("late", value_of(&call_late));
    SAY("waits", value_of(&waits));
    SAY("waited", value_of(&waited));
    SAY("unwound", value_of(&unwound));
    SAY("timers", value_of(&armed));
    SAY("cancelled", value_of(&cancelled));
    SAY("watched", value_of(&watched));
    SAY("told", value_of(&told));
    SAY("children", value_of(&children));
    SAY("kills", kills);
    SAY("spawned", c->spawned);
    SAY("steals", c->steals);
    SAY("cpu_sets", flips);
    SAY("stalls", stalls);
    SAY("forgotten", value_of(&forgotten));
    SAY("violations", value_of(&wrong));
    printf("}\n");
}

static int run(gr_self *self)
{
    uint64_t random = seed, kills = 0, spawned = actors, stalls = 0, last = 0;
    host = gr_self_address(self);
    for (uint32_t i = 0; i < actors; i++)
        if (!populate(self, i, &random)) return 1;
    gri_store_relaxed(&feeding, true);
    while (value_of(&received) < messages && value_of(&wrong) == 0) {
        for (unsigned i = 0; i < actors / 10 + 1; i++) feed(self, (uint32_t)(gri_splitmix64(&random) % actors));
        feed_many(self, &random);
        for (unsigned i = 0; i < actors / 200 + 1; i++) {
            uint32_t place = (uint32_t)(gri_splitmix64(&random) % actors);
            gr_address victim = {gri_load_relaxed(&addresses[place])};
            if ((gri_splitmix64(&random) & 1 ? gr_kill(victim) : gr_kill_now(victim)) != 0) continue;
            kills++;
            if (!populate(self, place, &random)) return 1;
            spawned++;
            feed(self, place);
        }
        (void)look(self, gr_after_ms(2));
        uint64_t now = value_of(&received);
        if (now == last) stalls++;
        last = now;
    }
    gri_store_relaxed(&feeding, false);
    for (uint32_t i = 0; i < actors; i++) (void)gr_kill((gr_address){gri_load_relaxed(&addresses[i])});
    while ((seen.downs < spawned || seen.exits < spawned || seen.ticks + value_of(&cancelled) < value_of(&armed)) &&
           look(self, gr_after_s(60)))
        continue;
    gr_counters c;
    do { /* children that are still on their way */
        if (gr_cooperate(self) != 0 || gr_counters_read(&c) != 0) return 1;
    } while (c.actors > 1);
    (void)look(self, gr_after_ms(20)); /* what comes twice */
    if (gr_counters_read(&c) != 0) return 1;
    const uint64_t flips = cpu_sets_flip_end();
    check_laws(&c, spawned);
    report(&c, kills, stalls, flips);
    return value_of(&wrong) != 0;
}

static bool number_option(int argc, char **argv, int *at, const char *name, uint64_t *ret)
{
    if (strcmp(argv[*at], name) != 0) return false;
    char *end = NULL;
    if (*at + 1 >= argc || (*ret = strtoull(argv[++*at], &end, 10), *end != '\0')) {
        fprintf(stderr, "%s needs a number\n", name);
        exit(2);
    }
    return true;
}

int main(int argc, char **argv)
{
    uint64_t actors_option = actors, workers_option = workers;
    for (int i = 1; i < argc; i++) {
        if (!number_option(argc, argv, &i, "--seed", &seed) &&
            !number_option(argc, argv, &i, "--messages", &messages) &&
            !number_option(argc, argv, &i, "--actors", &actors_option) &&
            !number_option(argc, argv, &i, "--workers", &workers_option)) {
            fprintf(stderr, "usage: %s [--seed N] [--messages N] [--actors N] [--workers N]\n", argv[0]);
            return 2;
        }
    }
    if (actors_option < 100 || actors_option > 1000000 || workers_option < 1 || workers_option > 1024) {
        fprintf(stderr, "--actors is 100 to 1000000, --workers 1 to 1024\n");
        return 2;
    }
    actors = (unsigned)actors_option;
    workers = (unsigned)workers_option;
    addresses = calloc(actors, sizeof *addresses);
    if (!addresses || gr_shape_compile("{\"feed\": bool}", &food, NULL) != 0) return 1;
    gr_detail detail;
    gr_options options = {.workers = workers,
                          .bind = "none",
                          .stuck_ms = 1000,
                          .fixed = GR_FIXED(workers) | GR_FIXED(bind) | GR_FIXED(stuck_ms)};
    int code = gr_start(&options, &detail);
    if (code != 0) {
        fprintf(stderr, "%s: %s\n", gr_error_name(code), detail.text);
        return 1;
    }
    gr_self *self;
    if (gr_attach(&self) != 0) return 1;
    cpu_sets_flip_begin(seed);
    int result = run(self);
    if (gr_stop(gr_after_s(10)) != 0) result = 1;
    gr_shape_free(&food);
    free(addresses);
    return result;
}
