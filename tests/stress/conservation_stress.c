/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Conservation under everything at once: messages, calls, spawns, kills and steals on more workers than cores.
 *
 *     conservation_stress [--seed N] [--messages N] [--actors N] [--workers N]
 *
 * A world of actors, two thirds green threads and one third servers. Each keeps sending numbered messages to four
 * neighbours as long as it receives some; now and then it calls a server, or spawns a child that reports once. The main thread
 * kills random actors, puts new ones in their places, and feeds the world until the number of messages is reached; then it
 * kills everybody and counts.
 *
 * Laws, checked exactly:
 *   order          for each pair of lives, the receiver sees 0, 1, 2, … without a gap: nothing lost, doubled or reordered
 *   conservation   accepted by gr_cast = received + discarded (in the mailboxes of the dead, the runtime's counter)
 *   calls          made = answered + dead + timed out + full + killed meanwhile; an answer is the one to this question
 *   ends           one DOWN for every actor of the world, one end for every spawn
 * What it cannot see: a message delivered to the wrong life of the right slot with the right number, and order between
 * different senders, which nobody promises. */
#include "base/atomic.h"

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
static counter accepted, refused, received, calls, answered, call_dead, call_late, call_other, children, wrong;
static gri_atomic_bool feeding; /* relaxed: seen late is fine */

static void complain(const char *what, uint64_t a, uint64_t b)
{
    if (gri_add_relaxed(&wrong, 1u) < 10)
        fprintf(stderr, "VIOLATION %s: %llu, expected %llu\n", what, (unsigned long long)a, (unsigned long long)b);
}

static uint64_t random_next(uint64_t *state)
{
    uint64_t z = (*state += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

/* ---- one inhabitant ---- */

typedef struct inhabitant {
    uint32_t place;
    uint64_t random;
    struct numbering {
        uint64_t address, next;
    } out[NEIGHBOURS], in[NEIGHBOURS][LIVES];
    unsigned oldest[NEIGHBOURS];
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
    *fresh = (struct numbering){.address = sender};
    return fresh;
}

static void send_one(gr_self *self, inhabitant *me)
{
    unsigned k = (unsigned)(random_next(&me->random) % NEIGHBOURS);
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
    uint32_t place = (uint32_t)(random_next(&me->random) % actors) / 3 * 3; /* servers live in every third place */
    gr_address to = {gri_load_relaxed(&addresses[place])};
    int64_t question = (int64_t)(random_next(&me->random) >> 8);
    gr_message *reply = NULL;
    (void)gri_add_relaxed(&calls, 1u);
    int code = gr_call(self, &reply, to, "echo", gr_after_ms(200), "I", question);
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

static void take_one(gr_self *self, inhabitant *me, gr_message *m)
{
    (void)gri_add_relaxed(&received, 1u);
    gr_value body = gr_body(m);
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
    if ((uint64_t)n != in->next) complain("out of order", (uint64_t)n, in->next);
    in->next = (uint64_t)n + 1;
    if (!gri_load_relaxed(&feeding)) return;
    send_one(self, me);
    uint64_t dice = random_next(&me->random) % 1024;
    if (dice < 8 && me->place % 3 != 0) call_one(self, me);
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

static void green(gr_self *self, gr_value args)
{
    inhabitant me = {0};
    move_in(&me, args);
    for (gr_message *m = NULL; gr_receive(self, &m, GR_FOREVER) == 0; gr_message_free(&m)) take_one(self, &me, m);
}

static int server_start(gr_self *self, void *state, gr_value args)
{
    (void)self;
    move_in(state, args);
    return 0;
}

static void server_message(gr_self *self, void *state, gr_message *m)
{
    take_one(self, state, m);
}

static void server_echo(gr_self *self, void *state, gr_value argument)
{
    (void)state;
    gr_reply(self, "V", argument);
}

static const gr_method methods[] = {{"echo", server_echo}};
static const gr_server server = {.state_bytes = sizeof(inhabitant),
                                 .start = server_start,
                                 .methods = methods,
                                 .method_count = 1,
                                 .on_message = server_message};

/* ---- the world ---- */

static bool populate(gr_self *self, uint32_t place, uint64_t *random)
{
    gr_address address;
    gr_monitor_ref ref;
    gr_spawn_options options = {.monitor = &ref};
    int64_t start = (int64_t)(random_next(random) >> 1);
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

/* Takes the DOWN messages that have arrived; returns how many. */
static uint64_t count_downs(gr_self *self, gr_deadline deadline)
{
    uint64_t downs = 0;
    gr_message *m = NULL;
    while (gr_receive(self, &m, deadline) == 0) {
        if (gr_type_of(gr_get(gr_body(m), "down")) == GR_INT)
            downs++;
        else
            complain("a message to the main thread", 1, 0);
        gr_message_free(&m);
        deadline = GR_NOW;
    }
    return downs;
}

static int run(gr_self *self)
{
    uint64_t random = seed, kills = 0, downs = 0, spawned = actors, restarted = 0;
    for (uint32_t i = 0; i < actors; i++)
        if (!populate(self, i, &random)) return 1;
    gri_store_relaxed(&feeding, true);
    uint64_t last = 0;
    while (gri_load_relaxed(&received) < messages && gri_load_relaxed(&wrong) == 0) {
        for (unsigned i = 0; i < actors / 10 + 1; i++) feed(self, (uint32_t)(random_next(&random) % actors));
        for (unsigned i = 0; i < actors / 200 + 1; i++) {
            uint32_t place = (uint32_t)(random_next(&random) % actors);
            gr_address victim = {gri_load_relaxed(&addresses[place])};
            if ((random_next(&random) & 1 ? gr_kill(victim) : gr_kill_now(victim)) != 0) continue;
            kills++;
            if (!populate(self, place, &random)) return 1;
            spawned++;
            feed(self, place);
        }
        downs += count_downs(self, gr_after_ms(2));
        uint64_t now = gri_load_relaxed(&received);
        if (now == last) restarted++;
        last = now;
    }
    gri_store_relaxed(&feeding, false);
    for (uint32_t i = 0; i < actors; i++) (void)gr_kill((gr_address){gri_load_relaxed(&addresses[i])});
    while (downs < spawned) {
        uint64_t more = count_downs(self, gr_after_s(60));
        if (more == 0) break;
        downs += more;
    }
    gr_counters c;
    do { /* children that are still on their way */
        if (gr_cooperate(self) != 0 || gr_counters_read(&c) != 0) return 1;
    } while (c.actors > 1);
    if (gr_counters_read(&c) != 0) return 1;
    if (downs != spawned) complain("DOWN messages", downs, spawned);
    if (c.ended != c.spawned - 1) complain("ends", c.ended, c.spawned - 1);
    if (gri_load_relaxed(&received) + c.discarded != gri_load_relaxed(&accepted))
        complain("received + discarded", gri_load_relaxed(&received) + c.discarded, gri_load_relaxed(&accepted));
    uint64_t outcomes = gri_load_relaxed(&answered) + gri_load_relaxed(&call_dead) + gri_load_relaxed(&call_late) +
                        gri_load_relaxed(&call_other);
    /* A caller that gr_kill_now unwinds inside gr_call counts nothing after it. */
    if (outcomes > gri_load_relaxed(&calls) || gri_load_relaxed(&calls) - outcomes > kills)
        complain("outcomes of calls", outcomes, gri_load_relaxed(&calls));
    if (c.steals == 0 && workers > 1) complain("steals", 0, 1);
    printf("{\"stress\":\"conservation\",\"seed\":%llu,\"workers\":%u,\"actors\":%u,\"accepted\":%llu,\"received\":%"
           "llu,\"discarded\":%llu,"
           "\"refused\":%llu,\"calls\":%llu,\"answered\":%llu,\"dead\":%llu,\"late\":%llu,\"children\":%llu,\"kills\":%"
           "llu,\"spawned\":%llu,"
           "\"steals\":%llu,\"stalls\":%llu,\"violations\":%llu}\n",
           (unsigned long long)seed, workers, actors, (unsigned long long)accepted, (unsigned long long)received,
           (unsigned long long)c.discarded, (unsigned long long)refused, (unsigned long long)calls,
           (unsigned long long)answered, (unsigned long long)call_dead, (unsigned long long)call_late,
           (unsigned long long)children, (unsigned long long)kills, (unsigned long long)c.spawned,
           (unsigned long long)c.steals, (unsigned long long)restarted, (unsigned long long)wrong);
    return gri_load_relaxed(&wrong) != 0;
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
    int result = run(self);
    if (gr_stop(gr_after_s(10)) != 0) result = 1;
    free(addresses);
    return result;
}
