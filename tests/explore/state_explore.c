/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Published state, with the sources of actor/state.c, suspend.c and actor.c: who reads a snapshot reads the whole of it, nothing is
 * freed while somebody reads it, each is freed once; a reader is not given another life's; who waits for the next one is told. */
#include "explore/actor_model.h"

#define take_out state_take_out
#include "actor/state.c"
#undef take_out
#include "actor/suspend.c"
int actor_fail(gr_self *self, int code, const char *format, ...); /* not come to */
#define gri_fail actor_fail
#include "actor/actor.c"
#undef gri_fail

/* A message, and behind it what state.c counts in (its `tick` is too small for the model's atomics). */
typedef struct snapshot {
    gr_message message;
    gri_atomic_u32 count;
    unsigned life, freed_by, published;
} GRI_ALIGNED(64) snapshot;

enum { SNAPSHOTS = 4, NOBODY = 99 };

static snapshot snapshots[SNAPSHOTS];
static gri_atomic_u32 first_is_over;

static gr_self *const actor = &model_actors[0];

static uint64_t *value_of(gr_message *m)
{
    return (uint64_t *)(void *)m->body;
}

/* A free block; one that the actor itself has freed comes first, as from its heap. */
UNSEEN static snapshot *block(void)
{
    for (unsigned i = 0; i < SNAPSHOTS; i++)
        if (snapshots[i].freed_by == explore_self()) return &snapshots[i];
    for (unsigned i = 0; i < SNAPSHOTS; i++)
        if (snapshots[i].published == 0) return &snapshots[i];
    explore_fail(__FILE__, __LINE__, "no block");
    return NULL;
}

UNSEEN static void note_block(snapshot *s, unsigned freed_by)
{
    EXPLORE_CHECK(s->freed_by == NOBODY || freed_by == NOBODY); /* freed once */
    s->freed_by = freed_by;
    s->published++;
}

static void publish(uint64_t value)
{
    snapshot *s = block();
    note_block(s, NOBODY);
    *value_of(&s->message) = value;
    gr_message *m = &s->message;
    EXPLORE_CHECK(gri_state_publish(actor, &m) == 0);
}

void gr_message_free(gr_message **message)
{
    gr_message *m = *message;
    *value_of(m) = 0;
    m->reference = 0;
    m->sender = GR_NO_ADDRESS;
    note_block((snapshot *)m, explore_self());
}

gr_value gr_body(const gr_message *message)
{
    return (gr_value){message->body};
}

static uint64_t copied[EXPLORE_THREADS_MAX];

int gr_message_copy(gr_value value, gr_message **ret_message)
{
    copied[explore_self()] = *(const uint64_t *)(const void *)value.at;
    *ret_message = NULL;
    return 0;
}

/* ---- what watch.c has: a life's end is marked under its lock ---- */

static gri_spinlock watch_lock;
static bool over;

bool gri_watch_has_ended(gr_address address)
{
    gri_spinlock_lock(&watch_lock);
    bool ended = gri_actor_find(address) == NULL || over;
    gri_spinlock_unlock(&watch_lock);
    return ended;
}

void gri_inbox_collect(gr_self *self)
{
    (void)gri_mailword_take(&self->mailbox);
}

int gri_fail(gr_self *self, int code, const char *format, ...)
{
    (void)self, (void)format;
    return code;
}

static void begin(void)
{
    model_begin_actors();
    memset(snapshots, 0, sizeof snapshots);
    for (unsigned i = 0; i < SNAPSHOTS; i++) snapshots[i].freed_by = NOBODY;
    for (unsigned i = 0; i < BUCKETS; i++) buckets[i] = (struct bucket){.first = NULL};
    gri_spinlock_init(&bucket_of(model_address(0))->lock);
    gri_spinlock_init(&watch_lock);
    over = false;
    gri_atomic_init(&first_is_over, 0);
}

/* The end of actor/finish.c. */
static void end(void)
{
    (void)gri_mailword_close(&actor->mailbox);
    gri_spinlock_lock(&watch_lock);
    over = true;
    gri_spinlock_unlock(&watch_lock);
    gri_state_release(actor);
}

/* ---- reading while it is replaced ---- */

static void publish_setup(void)
{
    begin();
    publish(1);
}

static void publish_two(void)
{
    publish(2);
    publish(3);
    end();
}

static void read_two(void)
{
    uint64_t newest = 0, version;
    gr_message *copy;
    for (unsigned i = 0; i < 2; i++) {
        int code = gr_state(model_address(0), &copy, &version);
        if (code == GR_EDEAD) break;
        EXPLORE_CHECK(code == 0);
        EXPLORE_CHECK(copied[explore_self()] == version && version >= newest);
        newest = version;
    }
}

static void all_freed(void)
{
    unsigned in_use = 0;
    for (unsigned i = 0; i < SNAPSHOTS; i++) in_use += snapshots[i].published % 2;
    EXPLORE_CHECK(in_use == 0);
}

/* ---- the slot's next life ---- */

static void publish_in_two_lives(void)
{
    publish(2);
    end();
    end_life_locked(actor);
    over = false;
    begin_life(actor);
    publish(1);
}

static void read_first_life(void)
{
    uint64_t version = 0;
    gr_message *copy;
    int code = gr_state(model_address(0), &copy, &version);
    if (code == 0) EXPLORE_CHECK(copied[explore_self()] == version);
    EXPLORE_CHECK(code == 0 || code == GR_EDEAD);
}

static void lives_check(void)
{
    gri_state_release(actor);
    all_freed();
}

/* ---- waiting for the next ---- */

static void wait_until_over(void)
{
    gr_self *self = &model_actors[1];
    waiter w = {.watched = model_address(0), .actor = model_address(1)};
    uint64_t version = 1;
    int code = 0;
    while (code == 0) {
        uint64_t before = version;
        code = wait_for_change(self, &w, &version, GR_FOREVER);
        EXPLORE_CHECK(code != 0 || version > before);
        EXPLORE_CHECK(code == 0 || code == GR_EDEAD);
    }
    leave(&w);
}

static void publish_one(void)
{
    publish(2);
    end();
}

int main(int argc, char **argv)
{
    static const explore_program programs[] = {
        {"publish", publish_setup, {publish_two, read_two}, all_freed, NULL, 3, 2, 0},
        {"readers", publish_setup, {publish_one, read_first_life, read_first_life}, all_freed, NULL, 2, 1, 0},
        {"lives", publish_setup, {publish_in_two_lives, read_first_life}, lives_check, NULL, 3, 2, 0},
        {"waits", publish_setup, {publish_one, wait_until_over}, all_freed, NULL, 3, 2, 0},
        {NULL, NULL, {NULL}, NULL, NULL, 0, 0, 0},
    };
    return explore_main(argc, argv, programs);
}
