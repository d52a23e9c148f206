/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* R7: a throng of actors, all alive at once, each of whom takes part; deque and mailbox operations, counted, as fast as
 * ThreadSanitizer lets them go. For bare speed of the same, bench/; for everything else an actor does, conservation_stress.
 *
 *     throng_stress [--seed N] [--actors N] [--green PERCENT] [--workers N] [--tokens N] [--burst N] [--yields N] [--rounds N]
 *                   [--mailbox N] [--deque N] [--seconds N]
 *
 * So many of a hundred actors are green threads, parked in a receive; the others are servers. Tokens go round: who gets one sends
 * half a burst of numbered messages to one neighbour, the other half and the token to another, and both wake. Each eighth place is a
 * conductor: with a token it multicasts so many messages (rounds) to the 64 places behind it, giving way after each: these fill its
 * worker's deque, and thieves come. A green thread then gives way so many times; one receive of four is selective: a
 * token first, past whatever came before it, else any of two shapes. Meanwhile the main
 * thread kills actors at random, in both ways, and puts new ones in their places, until both counts are reached, or the
 * time is over (0: no limit). Then it kills everybody and counts.
 *
 * An operation, all of them by public calls only:
 *   mailbox  a message pushed (gr_cast took it, or gr_multicast for one of its receivers), a message taken (a receive, a select, or a server's on_message): one each.
 *            Kills, looks into an empty mailbox and what is discarded with a mailbox are not counted
 *   deque    a task pushed onto a worker's ring by its owner, one taken by its owner, a steal of any number: one each. Read from
 *            the rings' own indices, which only grow: heads + tails - 2 (stolen - steals), for a steal of n moves one head by n and
 *            another tail by n - 1. What goes by a worker's slot, its overflow or the common queue is not in there
 *
 * Laws, exact: for each pair of lives and each kind of message the receiver sees 0, 1, 2, … without a gap; pushed = taken +
 * discarded (the runtime's counter); heads = tails; spawned = ended; alive, at each look, is never less than the actors asked for, but for the one
 * that is being replaced; with 1,000 messages an actor or more every place has had some. Under ThreadSanitizer: no report. */
#include "base/atomic.h"
#include "base/rng.h"
#include "schedule/scheduler.h"
#include "stress/census.h"

#include <stdlib.h>

#define NEIGHBOURS 4
#define LIVES 2 /* of a neighbour that are remembered: a killed one goes on until it notices */
#define SHARDS 64
#define CONDUCTOR_EACH 8
#define CROWD_PLACES 64
#define CONDUCTORS (CROWD_PLACES / CONDUCTOR_EACH) /* that a place hears */

/* of a neighbour's messages: tokens may overtake others in a selective receive, so each kind has its own numbers */
enum { PLAIN, TOKEN, KINDS };

static uint64_t seed = 1, actors = GRI_TSAN ? 2000 : 20000, green_percent = 10, workers = 4, tokens = 12, burst = 2,
                rounds = 16, yields = 1, mailbox_goal = GRI_TSAN ? 300000 : 3000000,
                deque_goal = GRI_TSAN ? 100000 : 1000000, seconds = 0;

typedef struct shard {
    GRI_ALIGNED(GRI_CACHE_LINE)
    gri_atomic_u64 pushed, taken, selected, refused,
        forgotten; /* relaxed: sums, compared when nobody counts any more */
} shard;
static shard shards[SHARDS];
static gri_atomic_u64 *addresses; /* who lives in each place; relaxed: addresses publish nothing by themselves */
static gri_atomic_u8 *visited;    /* has this place had a message; relaxed: a flag */
static gri_atomic_bool feeding;   /* relaxed: seen late is fine */
static gri_atomic_u64 wrong;      /* relaxed: a counter */
static gr_shape *token_shape, *number_shape;

static void complain(const char *what, int64_t have, int64_t want)
{
    if (gri_add_relaxed(&wrong, 1u) < 10) law(what, have, want);
}

#define COUNT(place, field) (void)gri_add_relaxed(&shards[(place) % SHARDS].field, 1u)
#define SUM(field) sum(offsetof(shard, field))

static uint64_t sum(size_t offset)
{
    uint64_t total = 0;
    for (size_t i = 0; i < SHARDS; i++) total += gri_load_relaxed((gri_atomic_u64 *)((char *)&shards[i] + offset));
    return total;
}

/* ---- one of them ---- */

typedef struct heard {
    uint64_t address, next[KINDS];
    bool late; /* this room was another life's: the one that comes now may have been here before */
} heard;

typedef struct one {
    uint32_t place;
    uint64_t random;
    struct {
        uint64_t address, next[KINDS];
    } out[NEIGHBOURS];
    heard in[NEIGHBOURS][LIVES];
    uint8_t oldest[NEIGHBOURS];
    struct conductor {
        uint64_t address, next;
    } crowd[CONDUCTORS][LIVES];
    uint8_t crowd_oldest[CONDUCTORS];
    uint64_t conducted;
} one;

static uint32_t neighbour(uint32_t place, unsigned k)
{
    return (uint32_t)((place + 1 + k * (actors / NEIGHBOURS + 67)) %
                      actors); /* far away: crowds that overlap wake nobody */
}

static heard *heard_of(heard *lives, uint8_t *oldest, uint64_t sender)
{
    for (unsigned i = 0; i < LIVES; i++)
        if (lives[i].address == sender) return &lives[i];
    heard *fresh = &lives[(*oldest)++ % LIVES];
    *fresh = (heard){.address = sender, .late = fresh->late || fresh->address != 0};
    return fresh;
}

/* A plain message is its number, a token an array of it: both with the neighbour's index below. False: it is dead. */
static bool send(gr_self *self, one *me, unsigned k, int kind)
{
    uint64_t address = gri_load_relaxed(&addresses[neighbour(me->place, k)]);
    if (address != me->out[k].address) {
        me->out[k].address = address;
        me->out[k].next[PLAIN] = me->out[k].next[TOKEN] = 0;
    }
    int64_t number = (int64_t)(me->out[k].next[kind] * NEIGHBOURS + k);
    int code = kind == TOKEN ? gr_cast(self, (gr_address){address}, "[I]", number)
                             : gr_cast(self, (gr_address){address}, "I", number);
    if (code == 0) {
        me->out[k].next[kind]++;
        COUNT(me->place, pushed);
        return true;
    }
    if (code != GR_EDEAD) complain("gr_cast", code, 0);
    COUNT(me->place, refused);
    return false;
}

/* To all behind this place at once, with one number, which is negative: so it is told from a plain one. */
static void conduct(gr_self *self, one *me)
{
    gr_address to[CROWD_PLACES];
    gr_message *m = NULL;
    for (uint64_t i = 0; i < CROWD_PLACES; i++) to[i].id = gri_load_relaxed(&addresses[(me->place + 1 + i) % actors]);
    int64_t number = (int64_t)(++me->conducted * CONDUCTORS + me->place / CONDUCTOR_EACH % CONDUCTORS);
    MUST(gr_pack(&m, "I", -number));
    int sent = gr_multicast(self, to, CROWD_PLACES, &m);
    if (sent < 0) complain("gr_multicast", sent, CROWD_PLACES);
    if (sent > 0) (void)gri_add_relaxed(&shards[me->place % SHARDS].pushed, (uint64_t)sent);
    gr_message_free(&m);
}

static void pass_on(gr_self *self, one *me)
{
    unsigned first = (unsigned)(gri_splitmix64(&me->random) % NEIGHBOURS);
    unsigned second = (unsigned)(first + 1 + (me->random >> 32) % (NEIGHBOURS - 1)) % NEIGHBOURS;
    /* The token before the rest, so that its receiver waits its turn in the deque: spoken to last, it would run next, and tokens
     * would run away from the crowds. To the dead it cannot go: to another, then. All dead: it is lost. */
    for (unsigned i = 0; i < NEIGHBOURS && !send(self, me, (second + i) % NEIGHBOURS, TOKEN); i++) continue;
    for (uint64_t i = 1; i < burst; i++) (void)send(self, me, i <= burst / 2 ? first : second, PLAIN);
    if (me->place % CONDUCTOR_EACH != 0) return;
    for (uint64_t i = 0; i < rounds; i++) { /* giving way lets the crowd run: the next message wakes it again */
        conduct(self, me);
        if (gr_cooperate(self) != 0) return;
    }
}

/* A conductor numbers from 1 on for everybody; who came later hears the first one at any number, and from then on all. */
static void hear_conductor(one *me, uint64_t number, uint64_t sender)
{
    unsigned k = (unsigned)(number % CONDUCTORS);
    uint64_t n = number / CONDUCTORS;
    struct conductor *from = NULL;
    for (unsigned i = 0; i < LIVES && !from; i++)
        if (me->crowd[k][i].address == sender) from = &me->crowd[k][i];
    if (!from) {
        from = &me->crowd[k][me->crowd_oldest[k]++ % LIVES];
        *from = (struct conductor){.address = sender, .next = n};
    }
    if (n != from->next) complain("order of a conductor", (int64_t)n, (int64_t)from->next);
    from->next = n + 1;
}

static void hear(one *me, uint64_t number, int kind, uint64_t sender)
{
    unsigned k = (unsigned)(number % NEIGHBOURS);
    heard *from = heard_of(me->in[k], &me->oldest[k], sender);
    uint64_t n = number / NEIGHBOURS;
    if (n != from->next[kind] && from->next[kind] == 0 && from->late)
        COUNT(me->place, forgotten);
    else if (n != from->next[kind])
        complain("order", (int64_t)n, (int64_t)from->next[kind]);
    from->next[kind] = n + 1;
}

static void take(gr_self *self, one *me, gr_message *m)
{
    gr_value body = gr_body(m);
    int kind = gr_type_of(body) == GR_ARRAY ? TOKEN : PLAIN;
    int64_t number = gr_int(kind == TOKEN ? gr_at(body, 0) : body, 0);
    COUNT(me->place, taken);
    if (gri_load_relaxed(&visited[me->place]) == 0) gri_store_relaxed(&visited[me->place], 1); /* relaxed: see above */
    if (number >= 0)
        hear(me, (uint64_t)number, kind, gr_sender(m).id);
    else if (kind == PLAIN)
        hear_conductor(me, (uint64_t)-number, gr_sender(m).id);
    /* else: a token of the main thread's, which carries -1 */
    if (kind == TOKEN && gri_load_relaxed(&feeding)) pass_on(self, me);
}

static void move_in(one *me, gr_value args)
{
    me->place = (uint32_t)gr_int(gr_at(args, 0), 0);
    me->random = (uint64_t)gr_int(gr_at(args, 1), 0);
}

static void green(gr_self *self, gr_value args)
{
    one *me = gr_alloc(self, sizeof *me);
    if (!me) {
        complain("gr_alloc", 0, 1);
        return;
    }
    move_in(me, args);
    const gr_pattern patterns[2] = {{.shape = token_shape}, {.shape = number_shape}};
    for (gr_message *m = NULL;; gr_message_free(&m)) {
        const bool selective = gri_splitmix64(&me->random) % 4 == 0;
        int code = selective ? gr_select(self, patterns, 1, &m, GR_NOW) : GR_ETIMEOUT; /* a token, past the others */
        if (code == GR_ETIMEOUT)
            code = selective ? gr_select(self, patterns, 2, &m, GR_FOREVER) : gr_receive(self, &m, GR_FOREVER);
        if (code < 0) return;
        if (selective) COUNT(me->place, selected);
        take(self, me, m);
        if (gr_type_of(gr_body(m)) != GR_ARRAY) continue;
        for (uint64_t i = 0; i < yields; i++) (void)gr_cooperate(self); /* GR_EKILLED: the next receive says so too */
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
    take(self, state, m);
}

static const gr_server server = {.state_bytes = sizeof(one), .start = server_start, .on_message = server_message};

/* ---- the throng ---- */

static void populate(gr_self *self, uint64_t place, uint64_t *random)
{
    gr_address address;
    int64_t start = (int64_t)(gri_splitmix64(random) >> 1);
    if (place % 100 < green_percent)
        MUST(gr_spawn(self, &address, green, "[I,I]", (int64_t)place, start));
    else
        MUST(gr_spawn_server(self, &address, &server, NULL, "[I,I]", (int64_t)place, start));
    gri_store_relaxed(&addresses[place], address.id);
}

static void feed(gr_self *self, uint64_t place)
{
    if (gr_cast(self, (gr_address){gri_load_relaxed(&addresses[place])}, "[I]", (int64_t)-1) == 0) COUNT(place, pushed);
}

typedef struct counted {
    uint64_t mailbox, deque, heads, tails;
    gr_counters runtime;
} counted;

static counted count(void)
{
    counted now = {.mailbox = SUM(pushed) + SUM(taken)};
    /* mo:workers.count acquire <- workers.add release: the spares' rings */
    const uint32_t rings = gri_load_acquire(&gri_scheduler_now->worker_count);
    for (uint32_t i = 0; i < rings;
         i++) { /* relaxed, both: counters; heads first, for they never are beyond their tails */
        now.heads += gri_load_relaxed(&gri_scheduler_now->workers[i].deque.head);
        now.tails += gri_load_relaxed(&gri_scheduler_now->workers[i].deque.tail);
    }
    MUST(gr_counters_read(&now.runtime));
    now.deque = now.heads + now.tails - 2 * (now.runtime.stolen - now.runtime.steals);
    return now;
}

static void report(const counted *at, uint64_t kills, uint64_t alive_least, uint64_t places, double took)
{
    printf("{\"stress\":\"throng\",\"seed\":%llu,\"tsan\":%d", (unsigned long long)seed, GRI_TSAN);
#define SAY(name, value) printf(",\"" name "\":%llu", (unsigned long long)(value))
    SAY("actors", actors);
    SAY("alive_least", alive_least);
    SAY("places_visited", places);
    SAY("workers", workers);
    SAY("mailbox_operations", at->mailbox);
    SAY("pushed", SUM(pushed));
    SAY("taken", SUM(taken));
    SAY("selected", SUM(selected));
    SAY("discarded", at->runtime.discarded);
    SAY("refused", SUM(refused));
    SAY("forgotten", SUM(forgotten));
    SAY("deque_operations", at->deque);
    SAY("deque_pushed", at->tails);
    SAY("deque_taken", at->heads);
    SAY("steals", at->runtime.steals);
    SAY("stolen", at->runtime.stolen);
    SAY("spills", at->runtime.spills);
    SAY("switches", at->runtime.switches);
    SAY("kills", kills);
    SAY("spawned", at->runtime.spawned);
    SAY("resident", census_now().resident);
    SAY("violations", gri_load_relaxed(&wrong) + laws_broken);
    printf(",\"seconds\":%.1f}\n", took);
}

static void run(gr_self *self)
{
    uint64_t random = seed, kills = 0, alive_least = UINT64_MAX, places = 0;
    for (uint64_t i = 0; i < actors; i++) populate(self, i, &random);
    gri_store_relaxed(&feeding, true);
    for (uint64_t i = 0; i < tokens; i++) feed(self, gri_splitmix64(&random) % actors);
    const int64_t from = gr_now_ns();
    for (;;) {
        MUST(gr_sleep(self, gr_after_ms(5)));
        const counted now = count();
        alive_least = GRI_MIN(alive_least, now.runtime.actors - 1);
        if (now.mailbox >= mailbox_goal && now.deque >= deque_goal) break;
        if (gri_load_relaxed(&wrong) != 0) break;
        if (seconds && gr_now_ns() - from > (int64_t)seconds * 1000000000) break;
        const uint64_t place = gri_splitmix64(&random) % actors;
        const gr_address victim = {gri_load_relaxed(&addresses[place])};
        populate(self, place, &random);
        if ((gri_splitmix64(&random) & 1 ? gr_kill(victim) : gr_kill_now(victim)) == 0) kills++;
        /* One in `actors / tokens` of the killed had a token in its mailbox: so their number stays about what it was. */
        if (gri_splitmix64(&random) % actors < tokens) feed(self, place);
    }
    const double took = (double)(gr_now_ns() - from) / 1e9;
    gri_store_relaxed(&feeding, false);
    for (uint64_t i = 0; i < actors; i++) (void)gr_kill((gr_address){gri_load_relaxed(&addresses[i])});
    counted last = count();
    for (; last.runtime.actors > 1; last = count()) MUST(gr_sleep(self, gr_after_ms(5)));
    for (uint64_t i = 0; i < actors; i++) places += gri_load_relaxed(&visited[i]);
    law("pushed", (int64_t)SUM(pushed), (int64_t)(SUM(taken) + last.runtime.discarded));
    law("taken off the deques", (int64_t)last.heads, (int64_t)last.tails);
    law("ended", (int64_t)last.runtime.ended, (int64_t)last.runtime.spawned - 1);
    if (alive_least < actors) law("alive", (int64_t)alive_least, (int64_t)actors);
    if (SUM(taken) >= actors * 1000) law("places visited", (int64_t)places, (int64_t)actors);
    report(&last, kills, alive_least, places, took);
}

int main(int argc, char **argv)
{
    const option options[] = {{"--seed", &seed},        {"--actors", &actors},  {"--green", &green_percent},
                              {"--workers", &workers},  {"--tokens", &tokens},  {"--burst", &burst},
                              {"--yields", &yields},    {"--rounds", &rounds},  {"--mailbox", &mailbox_goal},
                              {"--deque", &deque_goal}, {"--seconds", &seconds}};
    options_read(argc, argv, options, GRI_ARRAY_COUNT(options));
    if (actors < 128) actors = 128; /* all that a place speaks to are different places */
    actors = (actors + CROWD_PLACES - 1) / CROWD_PLACES * CROWD_PLACES; /* so are the conductors it hears */
    addresses = calloc(actors, sizeof *addresses);
    visited = calloc(actors, sizeof *visited);
    gr_options start = {.workers = (int64_t)workers, .log = "off", .fixed = GR_FIXED(workers) | GR_FIXED(log)};
    gr_self *self;
    if (!addresses || !visited) return 1;
    MUST(gr_start(&start, NULL));
    MUST(gr_attach(&self));
    MUST(gr_shape_compile("[int]", &token_shape, NULL));
    MUST(gr_shape_compile("int", &number_shape, NULL));
    run(self);
    gr_shape_free(&token_shape);
    gr_shape_free(&number_shape);
    gr_stop(GR_NOW);
    free(addresses);
    free(visited);
    return laws_broken != 0 || gri_load_relaxed(&wrong) != 0;
}
