/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Published state: what gr_publish and gr_state promise, with readers on other threads all the time. */
#include "actor/runtime.h"
#include "memory/heap.h"
#include "support/harness.h"

#include <pthread.h>

TEST(state, of_oneself)
{
    gr_self *self = BEGIN();
    gr_address me = gr_self_address(self);
    gr_message *m;
    uint64_t version;
    CHECK_EQ(gr_state(me, &m, &version), GR_ENOTFOUND);
    CHECK_OK(gr_publish(self, "{s:i}", "count", 1));
    CHECK_OK(gr_state(me, &m, &version));
    CHECK_EQ(gr_int(gr_get(gr_body(m), "count"), 0), 1);
    CHECK_EQ(version, 1);
    gr_message *kept = m;
    for (int i = 2; i <= 100; i++) CHECK_OK(gr_publish(self, "{s:i}", "count", i));
    CHECK_OK(gr_state(me, &m, &version));
    CHECK_EQ(gr_int(gr_get(gr_body(m), "count"), 0), 100);
    CHECK_EQ(version, 100);
    CHECK_EQ(gr_int(gr_get(gr_body(kept), "count"), 0), 1); /* a copy */
    CHECK_OK(gr_publish_value(self, gr_body(kept)));
    gr_message_free(&kept);
    gr_message_free(&m);
    CHECK_OK(gr_state(me, &m, NULL));
    CHECK_EQ(gr_int(gr_get(gr_body(m), "count"), 0), 1);
    gr_message_free(&m);
    CHECK_EQ(gr_publish(self, "{s:I}", "count", 1), GR_EFORMAT);
    CHECK_EQ(gr_publish_value(self, (gr_value){NULL}), GR_EINVAL);
    CHECK_OK(gr_state(me, &m, &version));
    CHECK_EQ(version, 101);
    gr_message_free(&m);
    CHECK_EQ(gr_state(GR_NO_ADDRESS, &m, NULL), GR_EDEAD);
    CHECK_EQ(gr_state(GR_DEAD_ADDRESS, &m, NULL), GR_EDEAD);
    END(self);
}

/* Publishes objects whose parts belong together until told to stop. */
static void publisher(gr_self *self, gr_value args)
{
    int64_t size = gr_int(args, 0);
    char text[3000];
    gr_message *m = NULL;
    for (int64_t i = 1; gr_receive(self, &m, GR_NOW) == GR_ETIMEOUT; i++) {
        memset(text, 'a' + (int)(i % 26), sizeof text);
        text[size ? i % size : 0] = '\0';
        CHECK_OK(gr_publish(self, "{s:I, s:I, s:s}", "i", i, "twice", 2 * i, "text", text));
        CHECK_OK(gr_cooperate(self));
    }
    gr_message_free(&m);
}

typedef struct reader {
    gr_address address;
    uint64_t last, reads;
} reader;

static void check_state(gr_message *m, uint64_t version, reader *r)
{
    int64_t i = gr_int(gr_get(gr_body(m), "i"), -1);
    CHECK_EQ(gr_int(gr_get(gr_body(m), "twice"), -1), 2 * i);
    const char *text = gr_string(gr_get(gr_body(m), "text"), NULL);
    for (const char *at = text; *at; at++) CHECK_EQ(*at, 'a' + (int)(i % 26));
    CHECK(version == (uint64_t)i);
    CHECK(version >= r->last);
    r->last = version;
    r->reads++;
}

static void *reads(void *arg)
{
    reader *r = arg;
    while (r->reads < 3000) {
        gr_message *m;
        uint64_t version;
        int code = gr_state(r->address, &m, &version);
        if (code == GR_ENOTFOUND) continue;
        CHECK_OK(code);
        check_state(m, version, r);
        gr_message_free(&m);
    }
    return NULL;
}

/* Blocks of messages alive. Exact when nothing runs. */
static uint64_t live_blocks(void)
{
    gri_heap_counts heaps;
    gri_chunk_counts chunks;
    gri_heap_count_all(&heaps, &chunks);
    return heaps.blocks_allocated - heaps.blocks_freed;
}

static void readers_against_publisher(int64_t size)
{
    if (harness_simulated()) return;
    uint64_t before = live_blocks();
    gr_self *self = BEGIN();
    gr_address a;
    CHECK_OK(gr_spawn_with(self, &a, publisher, &(gr_spawn_options){.retain = true}, "I", size));
    reader readers[3] = {{.address = a}, {.address = a}, {.address = a}};
    pthread_t threads[3];
    for (int i = 0; i < 3; i++) CHECK_OK(pthread_create(&threads[i], NULL, reads, &readers[i]));
    for (int i = 0; i < 3; i++) CHECK_OK(pthread_join(threads[i], NULL));
    CHECK_OK(gr_cast(self, a, "n"));
    CHECK_OK(gr_wait(self, a, NULL, SOON));
    gr_message *m;
    CHECK_EQ(gr_state(a, &m, NULL), GR_EDEAD);
    END(self);
    CHECK_EQ(live_blocks(), before);
}

TEST(state, readers_see_whole_states_in_order)
{
    readers_against_publisher(1);
}

TEST(state, states_of_changing_size)
{
    readers_against_publisher(2999);
}

/* ---- deaths ---- */

static void publishes_once(gr_self *self, gr_value args)
{
    CHECK_OK(gr_publish(self, "{s:A, s:V}", "me", gr_self_address(self), "args", args));
}

static gr_address current; /* what the reader looks at; a hint */
static bool finished;

static void *reads_the_dying(void *arg)
{
    (void)arg;
    while (!__atomic_load_n(&finished, __ATOMIC_ACQUIRE)) {
        gr_address a = {__atomic_load_n(&current.id, __ATOMIC_ACQUIRE)};
        gr_message *m;
        int code = gr_state(a, &m, NULL);
        CHECK(code == 0 || code == GR_EDEAD || code == GR_ENOTFOUND);
        if (code != 0) continue;
        CHECK(gr_address_equal(gr_address_in(gr_get(gr_body(m), "me")), a)); /* never another life's in the same slot */
        gr_message_free(&m);
    }
    return NULL;
}

TEST(state, of_actors_that_die_meanwhile)
{
    if (harness_simulated()) return;
    gr_self *self = BEGIN();
    pthread_t threads[2];
    for (int i = 0; i < 2; i++) CHECK_OK(pthread_create(&threads[i], NULL, reads_the_dying, NULL));
    for (int i = 0; i < 2000; i++) {
        gr_address a;
        CHECK_OK(
            gr_spawn_with(self, &a, publishes_once, OPTIONS(.retain = true), "s", "longer than one line by itself"));
        __atomic_store_n(&current.id, a.id, __ATOMIC_RELEASE);
        CHECK_OK(gr_wait(self, a, NULL, SOON));
    }
    __atomic_store_n(&finished, true, __ATOMIC_RELEASE);
    for (int i = 0; i < 2; i++) CHECK_OK(pthread_join(threads[i], NULL));
    END(self);
}

/* ---- servers ---- */

static void count_up(gr_self *self, void *state, gr_value argument)
{
    *(int64_t *)state += gr_int(argument, 0);
    CHECK_OK(gr_reply(self, "I", *(int64_t *)state));
}

static void describe(gr_self *self, void *state, gr_builder *b)
{
    (void)self;
    gr_put_object(b), gr_put_key(b, "count"), gr_put_int(b, *(int64_t *)state), gr_put_end(b);
}

static const gr_method methods[] = {{"add", count_up}};
static const gr_server counter = {
    .state_bytes = sizeof(int64_t), .methods = methods, .method_count = 1, .describe = describe};

TEST(state, who_has_the_answer_reads_a_state_as_new)
{
    gr_self *self = BEGIN();
    gr_address a;
    CHECK_OK(gr_spawn_server(self, &a, &counter, NULL, "n"));
    for (int64_t i = 1; i <= 500; i++) {
        gr_message *m;
        uint64_t version;
        CHECK_OK(gr_call(self, NULL, a, "add", SOON, "i", 1));
        CHECK_OK(gr_state(a, &m, &version));
        CHECK(gr_int(gr_get(gr_body(m), "count"), 0) >= i);
        gr_message_free(&m);
        gr_actor_info info;
        CHECK_OK(gr_inspect(a, &info));
        CHECK(info.has_state && info.publications >= version);
    }
    CHECK_OK(gr_kill(a));
    END(self);
}

/* ---- waiting for the next one ---- */

/* Publishes what it is told, ends when that is a string. */
static void publishes_what_it_gets(gr_self *self, gr_value args)
{
    (void)args;
    for (gr_message *m = NULL; gr_receive(self, &m, GR_FOREVER) == 0; FREE(m)) {
        if (gr_type_of(gr_body(m)) == GR_STRING) return FREE(m);
        CHECK_OK(gr_publish_value(self, gr_body(m)));
    }
}

/* Tells every version of `of` it is woken for, then {"over": code, "version"}. args: {"of", "to", "known"} */
static void watches(gr_self *self, gr_value args)
{
    gr_address of = gr_address_in(gr_get(args, "of")), to = gr_address_in(gr_get(args, "to"));
    uint64_t version = (uint64_t)gr_int(gr_get(args, "known"), 0);
    int code;
    while ((code = gr_state_wait(self, of, &version, GR_FOREVER)) == 0)
        CHECK_OK(gr_cast(self, to, "{s:I}", "version", (int64_t)version));
    (void)gr_cast(self, to, "{s:i, s:I}", "over", code, "version", (int64_t)version);
}

TEST(state_wait, tells_of_every_publication_and_of_the_end)
{
    gr_self *self = BEGIN();
    gr_address of, watcher;
    CHECK_OK(gr_spawn(self, &of, publishes_what_it_gets, "n"));
    CHECK_OK(gr_spawn(self, &watcher, watches, "{s:A, s:A}", "of", of, "to", gr_self_address(self)));
    for (int64_t i = 1; i <= 100; i++) {
        if (i % 2) WAIT_FOR(self, harness_waits(watcher)); /* parked, and on its way there */
        CHECK_OK(gr_cast(self, of, "I", i));
        EXPECT(self, "{s:I}", "version", i);
    }
    WAIT_FOR(self, harness_waits(watcher));
    CHECK_OK(gr_cast(self, of, "s", "end"));
    EXPECT(self, "{s:i, s:I}", "over", GR_EDEAD, "version", INT64_C(100));
    END(self);
}

TEST(state_wait, what_differs_is_told_at_once_and_the_newest_counts)
{
    gr_self *self = BEGIN();
    gr_address of;
    uint64_t version = 0;
    CHECK_OK(gr_spawn(self, &of, publishes_what_it_gets, "n"));
    for (int64_t i = 1; i <= 7; i++) CHECK_OK(gr_cast(self, of, "I", i));
    WAIT_FOR(self, gr_state_wait(self, of, &version, GR_NOW) == GR_ETIMEOUT && version == 7);
    version = 3;
    CHECK_OK(gr_state_wait(self, of, &version, GR_NOW)); /* 4, 5 and 6 are nowhere any more */
    CHECK_EQ(version, 7);
    version = 12; /* of another life: different is different */
    CHECK_OK(gr_state_wait(self, of, &version, SOON));
    CHECK_EQ(version, 7);
    CHECK_EQ(gr_state_wait(self, of, &version, gr_after_ms(1)), GR_ETIMEOUT);
    CHECK_EQ(version, 7);
    CHECK_OK(gr_kill(of));
    CHECK_EQ(gr_state_wait(self, of, &version, SOON), GR_EDEAD);
    CHECK_EQ(gr_state_wait(self, of, &version, SOON), GR_EDEAD);
    CHECK_EQ(version, 7);
    END(self);
}

TEST(state_wait, of_what_cannot_be_waited_for)
{
    gr_self *self = BEGIN();
    uint64_t version = 5;
    gr_address of;
    CHECK_OK(gr_spawn(self, &of, harness_idle, "n"));
    CHECK_EQ(gr_state_wait(self, gr_self_address(self), &version, SOON), GR_EDEADLK);
    CHECK_EQ(gr_state_wait(self, of, NULL, SOON), GR_EINVAL);
    CHECK_EQ(gr_state_wait(self, GR_NO_ADDRESS, &version, SOON), GR_EDEAD);
    CHECK_EQ(gr_state_wait(self, GR_DEAD_ADDRESS, &version, SOON), GR_EDEAD);
    CHECK_EQ(version, 5);
    CHECK_OK(gr_state_wait(self, of, &version, SOON)); /* it has published nothing: 0 */
    CHECK_EQ(version, 0);
    CHECK_OK(gr_kill(of));
    CHECK_EQ(gr_state_wait(self, of, &version, SOON), GR_EDEAD); /* also of one that never publishes */
    END(self);
}

TEST(state_wait, wakes_all_who_wait_and_leaves_mailboxes_alone)
{
    enum { WATCHERS = 150 }; /* more than are woken in one go */
    gr_self *self = BEGIN();
    gr_address of, other, watcher[WATCHERS];
    uint64_t seen[WATCHERS] = {0};
    CHECK_OK(gr_spawn(self, &of, publishes_what_it_gets, "n"));
    CHECK_OK(gr_spawn(self, &other, publishes_what_it_gets, "n"));
    for (int i = 0; i < WATCHERS; i++)
        CHECK_OK(
            gr_spawn(self, &watcher[i], watches, "{s:A, s:A}", "of", i % 3 ? of : other, "to", gr_self_address(self)));
    for (int i = 0; i < WATCHERS; i++) WAIT_FOR(self, harness_waits(watcher[i]));
    for (int i = 0; i < WATCHERS; i++) CHECK_OK(gr_cast(self, watcher[i], "s", "not for now"));
    CHECK_OK(gr_cast(self, of, "i", 1));
    for (int i = 0; i < WATCHERS - WATCHERS / 3; i++) EXPECT(self, "{s:i}", "version", 1);
    EXPECT_NOTHING(self); /* the other one's were not woken, and if they had been, they would have waited on */
    for (int i = 0; i < WATCHERS; i++) CHECK_OK(gr_kill(watcher[i]));
    for (int i = 0; i < WATCHERS; i++) {
        gr_message *m = RECEIVE(self);
        CHECK_EQ(gr_int(gr_get(gr_body(m), "over"), 0), GR_EKILLED);
        seen[gr_int(gr_get(gr_body(m), "version"), 0)]++;
        FREE(m);
    }
    CHECK_EQ(seen[0], WATCHERS / 3);
    CHECK_EQ(seen[1], WATCHERS - WATCHERS / 3);
    CHECK_OK(gr_cast(self, of, "i", 2)); /* nobody is left to be woken: the entries went with their stacks */
    CHECK_OK(gr_cast(self, of, "s", "end"));
    WAIT_GONE(self, of);
    END(self);
}

/* Is the bit set that makes the next publication look for waiters? */
static bool is_watched(gr_address address)
{
    return gri_load_relaxed(&gri_actor_find(address)->published) & 1; /* relaxed: a moment's picture */
}

TEST(state_wait, who_publishes_looks_for_waiters_only_where_there_were_some)
{
    gr_self *self = BEGIN();
    gr_address of, watcher;
    CHECK_OK(gr_spawn(self, &of, publishes_what_it_gets, "n"));
    CHECK(!is_watched(of));
    CHECK_OK(gr_spawn(self, &watcher, watches, "{s:A, s:A}", "of", of, "to", gr_self_address(self)));
    WAIT_FOR(self, is_watched(of));
    CHECK_OK(gr_cast(self, of, "i", 1));
    EXPECT(self, "{s:i}", "version", 1);
    WAIT_FOR(self, is_watched(of));
    CHECK_OK(gr_kill(watcher));
    EXPECT(self, "{s:i, s:i}", "over", GR_EKILLED, "version", 1);
    CHECK_OK(gr_cast(self, of, "i", 2)); /* in vain, and for the last time */
    WAIT_FOR(self, !is_watched(of));
    CHECK_OK(gr_cast(self, of, "i", 3));
    uint64_t version = 0;
    WAIT_FOR(self, gr_state_wait(self, of, &version, SOON) == 0 && version == 3);
    CHECK(!is_watched(of));
    END(self);
}

/* Publishes 1 to n as fast as it can, and ends at once. */
static void bursts(gr_self *self, gr_value args)
{
    for (int64_t i = 1; i <= gr_int(args, 0); i++) {
        CHECK_OK(gr_publish(self, "I", i));
        if (i % 16 == 0) CHECK_OK(gr_cooperate(self));
    }
}

/* The versions only grow, and the wait always ends: with a change, or with the end, however close both are. */
static void follows(gr_self *self, gr_value args)
{
    gr_address of = gr_address_in(gr_get(args, "of"));
    uint64_t version = 0, before = 0;
    while (gr_state_wait(self, of, &version, GR_FOREVER) == 0) {
        gr_message *m;
        uint64_t read;
        CHECK(version > before);
        before = version;
        int code = gr_state(of, &m, &read);
        if (code != 0) {
            CHECK_EQ(code, GR_EDEAD); /* what was published is not taken back while it lives */
            continue;
        }
        CHECK(read >= version);
        CHECK_EQ((uint64_t)gr_int(gr_body(m), 0), read);
        FREE(m);
    }
    CHECK_OK(gr_return(self, "I", (int64_t)before));
}

TEST(state_wait, loses_no_wakeup_against_bursts_and_deaths)
{
    uint64_t before = live_blocks();
    gr_self *self = BEGIN();
    for (int round = 0; round < 300; round++) {
        gr_address of, watcher[3];
        int64_t last = round % 40;
        CHECK_OK(gr_spawn(self, &of, bursts, "I", last));
        for (int i = 0; i < 3; i++)
            CHECK_OK(gr_spawn_with(self, &watcher[i], follows, OPTIONS(.retain = true), "{s:A}", "of", of));
        for (int i = 0; i < 3; i++) {
            gr_message *result;
            CHECK_OK(gr_wait(self, watcher[i], &result, SOON));
            CHECK(gr_int(gr_body(result), -1) <= last);
            FREE(result);
        }
    }
    END(self);
    CHECK_EQ(live_blocks(), before);
}

/* Looked at from another thread all the while it ends. */
TEST(state_wait, an_end_is_no_version)
{
    gr_self *self = BEGIN();
    for (int round = 0; round < 2000; round++) {
        gr_address of;
        gr_message *m;
        uint64_t version = 0, read;
        int wait, state;
        CHECK_OK(gr_spawn(self, &of, publishes_what_it_gets, "n"));
        CHECK_OK(gr_cast(self, of, "i", 1));
        CHECK_OK(gr_state_wait(self, of, &version, SOON));
        CHECK_EQ(version, 1);
        CHECK_OK(gr_kill(of));
        do {
            wait = gr_state_wait(self, of, &version, GR_NOW);
            CHECK(wait == GR_ETIMEOUT || wait == GR_EDEAD);
            CHECK_EQ(version, 1);
            state = gr_state(of, &m, &read);
            CHECK(state == 0 || state == GR_EDEAD);
            if (state == 0) FREE(m);
            if (harness_simulated()) CHECK_OK(gr_cooperate(self)); /* there nobody runs beside a thread that polls */
        } while (state == 0);
        CHECK_EQ(gr_state_wait(self, of, &version, SOON), GR_EDEAD);
    }
    END(self);
}

/* As bursts, and stays until it is told to end. */
static void bursts_and_stays(gr_self *self, gr_value args)
{
    gr_message *m = NULL;
    bursts(self, args);
    (void)!gr_receive(self, &m, GR_FOREVER); /* or the runtime stops */
    FREE(m);
}

static void follows_to(gr_self *self, gr_value args)
{
    gr_address of = gr_address_in(gr_get(args, "of"));
    int64_t last = gr_int(gr_get(args, "last"), 0);
    for (uint64_t version = 0; version < (uint64_t)last;) CHECK_OK(gr_state_wait(self, of, &version, GR_FOREVER));
}

/* Nothing comes after the last publication that would wake who was not woken by it. */
TEST(state_wait, the_last_of_a_burst_is_seen)
{
    gr_self *self = BEGIN();
    for (int round = 0; round < 1500; round++) {
        gr_address of, watcher[2];
        int64_t last = 1 + round % 7;
        CHECK_OK(gr_spawn(self, &of, bursts_and_stays, "I", last));
        for (int i = 0; i < 2; i++)
            CHECK_OK(gr_spawn_with(self, &watcher[i], follows_to, OPTIONS(.retain = true), "{s:A, s:I}", "of", of,
                                   "last", last));
        for (int i = 0; i < 2; i++) CHECK_OK(gr_wait(self, watcher[i], NULL, SOON));
        CHECK_OK(gr_cast(self, of, "n"));
    }
    END(self);
}

static void ends(gr_self *self, gr_value args)
{
    (void)self, (void)args;
}

/* Of actors that publish nothing there is only the end to hear of. */
TEST(state_wait, the_end_is_seen_however_soon_it_comes)
{
    gr_self *self = BEGIN();
    for (int round = 0; round < 4000; round++) {
        gr_address of;
        uint64_t version = 0;
        CHECK_OK(gr_spawn(self, &of, ends, "n"));
        CHECK_EQ(gr_state_wait(self, of, &version, SOON), GR_EDEAD);
    }
    END(self);
}
