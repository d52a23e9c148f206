/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Published state: what gr_publish and gr_state promise, with readers on other threads all the time. */
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
