/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* The memory model: what a load may return, and what happens before what. See explorer.h for what it covers.
 *
 * Each thread counts its operations; a clock holds, per thread, how many of its operations are known. A store remembers
 * when each thread first saw it (read it or wrote it): a load may go back in the history as far as the first store that
 * somebody saw in an operation known to the loading thread. Known means: happens before (hb), or comes before by the order
 * of seq_cst fences (sc), which orders reads of atomics but makes no plain access safe.
 *
 * A relaxed load may also expect a value that another thread stores only later (load buffering). The values are those
 * seen in the location in trial executions; the store that fulfils an expectation must not know of the load. An execution
 * that leaves one unfulfilled is impossible: it counts for nothing, and its failures are not reported. */
#include "explore/engine.h"

#include <string.h>

enum {
    STORES_MAX = 1 << 14,
    LOCATIONS_MAX = 512,
    PLAIN_SLOTS = 4096,
    CANDIDATES_MAX = 32,
    FUTURES_MAX = 8,
    EXPECTATIONS_MAX = 8
};

typedef struct clock {
    uint32_t hb[ENGINE_THREADS];
    uint32_t sc[ENGINE_THREADS];
    uint32_t fence; /* position in S of the last seq_cst fence that is known */
} clock;

typedef struct store {
    uint64_t value;
    uint32_t previous;                   /* next older store of the location; 0 none */
    uint32_t sc_position;                /* in S, of the first seq_cst operation that wrote or read it; 0 none */
    uint32_t first_seen[ENGINE_THREADS]; /* 0: not yet */
    clock released;                      /* what an acquiring reader gets to know */
} store;

typedef struct location {
    uint32_t newest, init_thread, init_time;
} location;

typedef struct plain {
    const void *address;
    uint32_t execution, write_thread, write_time;
    uint32_t read_time[ENGINE_THREADS];
    clock handed; /* explore_hand_over */
} plain;

static clock now[ENGINE_THREADS];      /* what each thread knows */
static clock acquired[ENGINE_THREADS]; /* what it would know after an acquire fence */
static clock fenced[ENGINE_THREADS];   /* what its relaxed stores release: its knowledge at its last release fence */
static clock fences;                   /* what seq_cst fences so far have made known */
static uint32_t sc_count;
static store stores[STORES_MAX];
static uint32_t store_count;
static location locations[LOCATIONS_MAX];
static uint32_t location_count;
static plain plains[PLAIN_SLOTS];

static struct future {
    uint64_t values[FUTURES_MAX];
    unsigned count;
} futures[LOCATIONS_MAX]; /* what threads have stored in trial executions */
static bool learning;
static struct expectation {
    uint64_t value;
    uint32_t location, time;
    unsigned thread;
} expectations[EXPECTATIONS_MAX];
static unsigned expectation_count;

static void learn(uint32_t where, uint64_t value)
{
    struct future *f = &futures[where];
    for (unsigned i = 0; i < f->count; i++)
        if (f->values[i] == value) return;
    if (f->count < FUTURES_MAX) f->values[f->count++] = value;
}

/* Whether the running thread knows of the load that expects: then it cannot be the one that fulfils it. */
static bool knows(const struct expectation *e)
{
    const clock *known = &now[engine_self];
    return e->time <= known->hb[e->thread] || e->time <= known->sc[e->thread];
}

/* The running thread has appended s to the location: is that what somebody expected? */
static void fulfil(uint32_t where, store *s)
{
    for (unsigned i = 0; i < expectation_count; i++) {
        const struct expectation *e = &expectations[i];
        if (e->location != where || e->value != s->value || knows(e)) continue;
        s->first_seen[e->thread] = e->time;
        expectations[i--] = expectations[--expectation_count];
    }
}

/* An access after such a load, by whom it is known to, sees what is older than the load saw: impossible. */
static void contradict(uint32_t where)
{
    for (unsigned i = 0; i < expectation_count; i++)
        if (expectations[i].location == where && knows(&expectations[i])) expectations[i].time = 0; /* known to all */
}

static const explore_site inside = {"model", "", 0};

static void join(clock *to, const clock *from)
{
    for (unsigned i = 0; i < ENGINE_THREADS; i++) {
        if (from->hb[i] > to->hb[i]) to->hb[i] = from->hb[i];
        if (from->sc[i] > to->sc[i]) to->sc[i] = from->sc[i];
    }
    if (from->fence > to->fence) to->fence = from->fence;
}

void model_begin(void)
{
    memset(now, 0, sizeof now);
    memset(acquired, 0, sizeof acquired);
    memset(fenced, 0, sizeof fenced);
    memset(&fences, 0, sizeof fences);
    sc_count = 0;
    store_count = 0;
    location_count = 0;
    expectation_count = 0;
}

void model_forget(void)
{
    memset(futures, 0, sizeof futures);
}

void model_learn(bool on)
{
    learning = on;
}

unsigned model_expecting(void)
{
    return expectation_count;
}

void model_fork(unsigned thread)
{
    now[0].hb[0]++;
    now[thread] = now[0];
}

void model_join(unsigned thread)
{
    join(&now[0], &now[thread]);
}

static bool acquires(explore_order order)
{
    return order == EXPLORE_ACQUIRE || order >= EXPLORE_ACQ_REL;
}

static bool releases(explore_order order)
{
    return order >= EXPLORE_RELEASE;
}

static uint32_t tick(void)
{
    return ++now[engine_self].hb[engine_self];
}

static store *append(location *at, uint64_t value)
{
    if (store_count + 1 >= STORES_MAX) engine_fail(&inside, "too many stores");
    store *s = &stores[++store_count];
    memset(s, 0, sizeof *s);
    s->value = value;
    s->previous = at->newest;
    s->first_seen[engine_self] = now[engine_self].hb[engine_self];
    at->newest = store_count;
    return s;
}

static location *begin_location(explore_cell *cell)
{
    if (location_count >= LOCATIONS_MAX) engine_fail(&inside, "too many atomics");
    cell->execution = engine_execution;
    cell->location = location_count++;
    location *at = &locations[cell->location];
    at->newest = 0;
    return at;
}

void explore_init(explore_cell *cell, uint64_t value, const explore_site *site)
{
    location *at = begin_location(cell);
    cell->initial = value;
    tick();
    store *s = append(at, value);
    s->released = fenced[engine_self];
    at->init_thread = engine_self;
    at->init_time = s->first_seen[engine_self];
    engine_note(site, cell->location, value, value, "");
}

/* The cell's location; a cell that nobody initialised in this execution has held its initial value since the beginning. */
static location *locate(explore_cell *cell, const explore_site *site)
{
    if (cell->execution == engine_execution) {
        location *at = &locations[cell->location];
        if (at->init_time > now[engine_self].hb[at->init_thread])
            engine_fail(site, "data race: used by one thread while another initialises it");
        if (expectation_count > 0) contradict(cell->location);
        return at;
    }
    location *at = begin_location(cell);
    const unsigned self = engine_self;
    engine_self = 0;
    append(at, cell->initial)->first_seen[0] = 1;
    engine_self = self;
    at->init_thread = 0;
    at->init_time = 0;
    return at;
}

/* Whether nothing older than s may be read by an operation of the running thread with this order. */
static bool is_oldest(const store *s, explore_order order)
{
    const clock *known = &now[engine_self];
    for (unsigned u = 0; u < ENGINE_THREADS; u++) {
        const uint32_t seen = s->first_seen[u];
        if (seen == 0) continue;
        if (seen <= known->hb[u] || seen <= known->sc[u]) return true;
        if (order == EXPLORE_SEQ_CST && seen <= fences.hb[u]) return true;
    }
    return s->sc_position != 0 && (s->sc_position <= known->fence || order == EXPLORE_SEQ_CST);
}

static void see(store *s, explore_order order)
{
    if (s->first_seen[engine_self] == 0) s->first_seen[engine_self] = now[engine_self].hb[engine_self];
    join(acquires(order) ? &now[engine_self] : &acquired[engine_self], &s->released);
    if (order == EXPLORE_SEQ_CST && s->sc_position == 0) s->sc_position = sc_count + 1;
    if (order == EXPLORE_SEQ_CST) sc_count++;
}

uint64_t explore_load(explore_cell *cell, explore_order order, const explore_site *site)
{
    engine_point();
    location *at = locate(cell, site);
    tick();
    uint32_t candidates[CANDIDATES_MAX], count = 0;
    for (uint32_t s = at->newest; s != 0 && count < CANDIDATES_MAX; s = stores[s].previous) {
        candidates[count++] = s;
        if (!engine_stale_allowed() || is_oldest(&stores[s], order)) break;
    }
    const struct future *f = &futures[cell->location];
    const bool may_expect = order == EXPLORE_RELAXED && engine_future_allowed() && expectation_count < EXPECTATIONS_MAX;
    const unsigned chosen = engine_choose_value(count, may_expect ? f->count : 0);
    if (chosen >= count) {
        const uint64_t value = f->values[chosen - count];
        expectations[expectation_count++] =
            (struct expectation){value, cell->location, now[engine_self].hb[engine_self], engine_self};
        engine_note(site, cell->location, value, value, " (stored later)");
        return value;
    }
    store *s = &stores[candidates[chosen]];
    see(s, order);
    engine_note(site, cell->location, s->value, s->value, chosen == 0 ? "" : " (stale)");
    return s->value;
}

static void publish(explore_cell *cell, store *s, explore_order order)
{
    if (learning && engine_self != 0) learn(cell->location, s->value);
    if (expectation_count > 0) fulfil(cell->location, s);
    if (stores[s->previous].value != s->value) engine_wrote(); /* who waits for a change need not look at none */
    join(&s->released, releases(order) ? &now[engine_self] : &fenced[engine_self]);
    if (order == EXPLORE_SEQ_CST) s->sc_position = ++sc_count;
}

void explore_store(explore_cell *cell, uint64_t value, explore_order order, const explore_site *site)
{
    engine_point();
    location *at = locate(cell, site);
    tick();
    const uint64_t before = stores[at->newest].value;
    publish(cell, append(at, value), order);
    engine_note(site, cell->location, before, value, "");
}

/* The second half of a read-modify-write whose first half has seen the newest store. */
static void replace(explore_cell *cell, location *at, uint64_t value, explore_order order)
{
    const store *old = &stores[at->newest];
    store *s = append(at, value);
    s->released = old->released; /* the release sequence goes on */
    publish(cell, s, order);
}

uint64_t explore_change_by(explore_cell *cell, explore_change change, uint64_t value, size_t bytes, explore_order order,
                           const explore_site *site)
{
    engine_point();
    location *at = locate(cell, site);
    tick();
    see(&stores[at->newest], order);
    const uint64_t before = stores[at->newest].value;
    uint64_t after = value;
    switch (change) {
    case EXPLORE_EXCHANGE: break;
    case EXPLORE_ADD: after = before + value; break;
    case EXPLORE_SUB: after = before - value; break;
    case EXPLORE_OR: after = before | value; break;
    case EXPLORE_AND: after = before & value; break;
    }
    if (bytes < 8) after &= (UINT64_C(1) << bytes * 8) - 1;
    replace(cell, at, after, order);
    engine_note(site, cell->location, before, after, "");
    return before;
}

bool explore_swap(explore_cell *cell, void *expected, uint64_t value, size_t bytes, bool weak, explore_order order,
                  explore_order failure, const explore_site *site)
{
    engine_point();
    location *at = locate(cell, site);
    tick();
    uint64_t wanted = 0;
    memcpy(&wanted, expected, bytes);
    /* Only the newest value can be replaced; a failure may have seen an older one. */
    uint32_t candidates[CANDIDATES_MAX], count = 0;
    for (uint32_t s = at->newest; s != 0 && count < CANDIDATES_MAX - 1; s = stores[s].previous) {
        if (s == at->newest || stores[s].value != wanted) candidates[count++] = s;
        if (!engine_stale_allowed() || is_oldest(&stores[s], order)) break;
    }
    const bool spurious = weak && engine_stale_allowed() && stores[at->newest].value == wanted;
    if (spurious) candidates[count++] = at->newest;
    const unsigned chosen = engine_choose_value(count, 0);
    store *seen = &stores[candidates[chosen]];
    if (chosen == 0 && seen->value == wanted) {
        see(seen, order);
        replace(cell, at, value, order);
        engine_note(site, cell->location, wanted, value, " ok");
        return true;
    }
    see(seen, failure);
    memcpy(expected, &seen->value, bytes);
    const char *remark = chosen == 0 ? " failed" : " failed (stale)";
    if (seen->value == wanted) remark = " failed for no reason";
    engine_note(site, cell->location, seen->value, value, remark);
    return false;
}

void explore_fence(explore_order order, const explore_site *site)
{
    engine_point();
    tick();
    clock *known = &now[engine_self];
    if (acquires(order)) join(known, &acquired[engine_self]);
    if (order == EXPLORE_SEQ_CST) {
        for (unsigned i = 0; i < ENGINE_THREADS; i++) {
            if (fences.hb[i] > known->sc[i]) known->sc[i] = fences.hb[i];
            if (known->hb[i] > fences.hb[i]) fences.hb[i] = known->hb[i];
        }
        known->fence = ++sc_count;
    }
    if (releases(order)) fenced[engine_self] = *known;
    engine_note(site, UINT32_MAX, 0, 0, "");
}

static plain *plain_at(const void *address)
{
    uintptr_t slot = ((uintptr_t)address >> 3) * UINT64_C(0x9e3779b97f4a7c15) >> 52;
    for (unsigned tries = 0; tries < PLAIN_SLOTS; tries++, slot++) {
        plain *p = &plains[slot % PLAIN_SLOTS];
        if (p->execution == engine_execution && p->address != address) continue;
        if (p->execution != engine_execution) {
            memset(p, 0, sizeof *p);
            p->execution = engine_execution;
            p->address = address;
        }
        return p;
    }
    engine_fail(&inside, "too many plain objects");
    return NULL;
}

void explore_plain(const void *address, bool write, const explore_site *site)
{
    engine_note(site, UINT32_MAX, (uintptr_t)address, 0, "");
    explore_plain_from(address, write, site, NULL);
}

/* A race, by code at `caller` if it is known. */
static void race(const void *address, const explore_site *site, const void *caller, const char *text)
{
    if (caller) engine_note(site, UINT32_MAX, (uintptr_t)address, 0, engine_place(caller));
    engine_fail(site, text);
}

void explore_plain_from(const void *address, bool write, const explore_site *site, const void *caller)
{
    plain *p = plain_at(address);
    const uint32_t time = tick();
    const clock *known = &now[engine_self];
    if (p->write_time > known->hb[p->write_thread])
        race(address, site, caller, "data race with an earlier plain write");
    if (!write) {
        p->read_time[engine_self] = time;
        return;
    }
    for (unsigned u = 0; u < ENGINE_THREADS; u++)
        if (p->read_time[u] > known->hb[u]) race(address, site, caller, "data race with an earlier plain read");
    p->write_thread = engine_self;
    p->write_time = time;
}

void explore_hand_over(const void *address)
{
    engine_point();
    tick();
    join(&plain_at(address)->handed, &now[engine_self]);
    engine_wrote();
}

void explore_take_over(const void *address)
{
    tick();
    join(&now[engine_self], &plain_at(address)->handed);
}
