/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* The sources of sockets (io/socket.c, stream.c, active.c, with actor/suspend.c, inbox.c and send.c) over a modelled kernel. Included by
 * a program, once.
 *
 *   a descriptor   counts the bytes that have come and the room there is. A system call sees these as any load does: what its thread
 *                  knows of, or what came later, but not surely the newest
 *   the poller     edge-triggered: an event is pending when something has come to a descriptor that is watched, and when one is
 *                  watched, or asked for again, to which something has come. Whoever polls knows what was known to who caused it,
 *                  and to who gave the descriptor to the poller: the kernel has locks there
 *   the table      two slots, the lower one first, type-stable; its lock orders who gives a slot back and who takes it
 * What has come is looked at where the kernel looks (its own locks make that the newest); a descriptor's `taken` is ordinary memory:
 * system calls of two threads, one after the other with nothing in between that orders them, are a race. */
#ifndef GR_TESTS_EXPLORE_SOCKET_MODEL_H
#define GR_TESTS_EXPLORE_SOCKET_MODEL_H

#include "explore/actor_model.h"

#include "explore/mutex.h"

#include "actor/attach.h"
#include "io/active.h"
#include "io/endpoint.h"
#include "io/net.h"
#include "io/signal_watch.h"

#include <errno.h>
#include <stdlib.h>

/* The kernel ------------------------------------------------------------------------------------------------------------ */

enum { MODEL_SOCKETS = 2, MODEL_FILES = 3, MODEL_POOL = 16, CAN_READ = 1, CAN_WRITE = 2, HUNG_UP = 4 };

typedef struct model_file {
    gri_atomic_u32 come, room, ended;
    unsigned taken, sent;
    bool open, watched; /* from here on the kernel's own: nobody races for it */
    unsigned events;
    uint64_t cookie;
} model_file;

static model_file model_files[MODEL_FILES];
static bool model_is_over;

UNSEEN static void event(int fd, unsigned what)
{
    model_file *file = &model_files[fd];
    explore_hand_over(&file->events);
    if (file->watched) file->events |= what;
}

/* From the peer. */
GRI_UNUSED static void bytes_come(int fd, unsigned count)
{
    gri_add_release(&model_files[fd].come, count);
    event(fd, CAN_READ);
}

GRI_UNUSED static void room_comes(int fd, unsigned count)
{
    gri_add_release(&model_files[fd].room, count);
    event(fd, CAN_WRITE);
}

GRI_UNUSED static void end_comes(int fd)
{
    gri_store_release(&model_files[fd].ended, 1u);
    event(fd, CAN_READ | CAN_WRITE | HUNG_UP);
}

UNSEEN static model_file *model_open_file(int fd)
{
    EXPLORE_CHECK(fd >= 0 && fd < MODEL_FILES && model_files[fd].open);
    return &model_files[fd];
}

static ssize_t file_receive(int fd, void *buffer, size_t bytes)
{
    model_file *file = model_open_file(fd);
    const bool ended = gri_load_acquire(&file->ended); /* first: what has come before it is seen then */
    const uint32_t come = gri_load_acquire(&file->come);
    (void)buffer;
    if (come == file->taken) {
        if (ended) return 0;
        errno = EAGAIN;
        return -1;
    }
    const size_t n = GRI_MIN(bytes, (size_t)(come - file->taken));
    file->taken += (unsigned)n;
    return (ssize_t)n;
}

static ssize_t file_send(int fd, const void *data, size_t bytes)
{
    model_file *file = model_open_file(fd);
    const uint32_t room = gri_load_acquire(&file->room);
    (void)data;
    if (room == file->sent) {
        errno = EAGAIN;
        return -1;
    }
    const size_t n = GRI_MIN(bytes, (size_t)(room - file->sent));
    file->sent += (unsigned)n;
    return (ssize_t)n;
}

UNSEEN static int report_again(int fd, uint64_t cookie)
{
    model_file *file = model_open_file(fd);
    explore_hand_over(&file->events);
    file->watched = true;
    file->cookie = cookie;
    /* relaxed, all: the newest, and nothing known by it */
    unsigned what = gri_add_relaxed(&file->come, 0) != file->taken ? CAN_READ : 0;
    if (gri_add_relaxed(&file->room, 0) != file->sent) what |= CAN_WRITE;
    if (gri_add_relaxed(&file->ended, 0)) what |= CAN_READ | CAN_WRITE | HUNG_UP;
    if (what) event(fd, what);
    return 0;
}

UNSEEN static void file_unwatch(int fd)
{
    model_file *file = model_open_file(fd);
    file->watched = false;
    file->events = 0;
}

UNSEEN static int file_close(int fd)
{
    file_unwatch(fd);
    explore_hand_over(&model_files[fd].cookie);
    model_files[fd].open = false;
    return 0;
}

static int file_peer(int fd, struct sockaddr *ret_address, socklen_t *bytes)
{
    (void)fd, (void)ret_address, (void)bytes;
    return 0;
}

const gri_net gri_net_system = {
    .receive = file_receive,
    .send = file_send,
    .close = file_close,
    .peer = file_peer,
    .watch = report_again,
    .unwatch = file_unwatch,
    .again = report_again,
};
const gri_net gri_net_simulated = {.has_files = true};

gri_poller_report *gri_poll_reporter;

typedef struct model_event {
    uint64_t cookie;
    unsigned what;
} model_event;

UNSEEN static bool take_event(model_event *ret_event)
{
    for (int fd = 0; fd < MODEL_FILES; fd++) {
        model_file *file = &model_files[fd];
        if (!file->events) continue;
        *ret_event = (model_event){file->cookie, file->events};
        file->events = 0;
        explore_take_over(&file->events);
        return true;
    }
    return false;
}

UNSEEN static bool is_over(void)
{
    return model_is_over;
}

/* Reports until everything has happened. */
GRI_UNUSED static void poll_until_over(void)
{
    while (!is_over()) {
        model_event e;
        if (take_event(&e))
            gri_poll_reporter(NULL, e.cookie, e.what & CAN_READ, e.what & CAN_WRITE, e.what & HUNG_UP);
        else
            explore_wait();
    }
}

UNSEEN static void everything_has_happened(void)
{
    explore_hand_over(&model_is_over);
    model_is_over = true;
}

/* Records and messages -------------------------------------------------------------------------------------------------- */

static gri_socket_record model_records[MODEL_SOCKETS];
static bool model_slot_is_free[MODEL_SOCKETS];

int gri_table_start(gri_table *table, size_t slot_bytes, uint32_t capacity)
{
    (void)capacity;
    table->base = (char *)model_records;
    table->slot_bytes = slot_bytes;
    gri_store_relaxed(&table->open, MODEL_SOCKETS);
    return 0;
}

UNSEEN int gri_table_take(gri_table *table, gri_table_cache *cache, uint32_t *ret_index)
{
    (void)table, (void)cache;
    for (uint32_t i = 0; i < MODEL_SOCKETS; i++) {
        if (!model_slot_is_free[i]) continue;
        model_slot_is_free[i] = false;
        explore_take_over(&model_records[i]);
        *ret_index = i;
        return 0;
    }
    return GR_ENOMEM;
}

UNSEEN void gri_table_give(gri_table *table, gri_table_cache *cache, uint32_t index)
{
    (void)table, (void)cache;
    EXPLORE_CHECK(!model_slot_is_free[index]);
    explore_hand_over(&model_records[index]);
    model_slot_is_free[index] = true;
}

static struct model_message {
    GRI_ALIGNED(64) gr_message message;
    bool used;
} model_pool[MODEL_POOL];
static unsigned model_failures; /* how many times more there may be no memory */

UNSEEN static gr_message *free_message(void)
{
    if (model_failures > 0 && explore_choose(2) == 1) {
        model_failures--;
        return NULL;
    }
    for (unsigned i = 0; i < MODEL_POOL; i++) {
        if (model_pool[i].used) continue;
        model_pool[i].used = true;
        explore_take_over(&model_pool[i]);
        return &model_pool[i].message;
    }
    return NULL;
}

UNSEEN static void message_is_free(gr_message *m)
{
    struct model_message *at = GRI_CONTAINER_OF(m, struct model_message, message);
    EXPLORE_CHECK(at->used); /* freed once */
    explore_hand_over(at);
    at->used = false;
}

gr_message *gri_message_new(size_t body_bytes)
{
    (void)body_bytes;
    gr_message *m = free_message();
    if (m) memset(m, 0, sizeof *m);
    return m;
}

void gr_message_free(gr_message **message)
{
    gr_message *m = *message;
    *message = NULL;
    if (!m) return;
    memset(m, 0xff, sizeof *m); /* written: nobody may be at it */
    message_is_free(m);
}

/* What is built is a message, and says no more. */
void gr_build(gr_builder *b)
{
    b->error = 0;
}

void gr_put_object(gr_builder *b)
{
    (void)b;
}

void gr_put_array(gr_builder *b)
{
    (void)b;
}

void gr_put_end(gr_builder *b)
{
    (void)b;
}

void gr_put_key_n(gr_builder *b, const char *key, size_t bytes)
{
    (void)b, (void)key, (void)bytes;
}

void gr_put_string_n(gr_builder *b, const char *value, size_t bytes)
{
    (void)b, (void)value, (void)bytes;
}

void gr_put_int(gr_builder *b, int64_t value)
{
    (void)b, (void)value;
}

void gr_put_bytes(gr_builder *b, const void *value, size_t bytes)
{
    (void)b, (void)value, (void)bytes;
}

int gr_build_message(gr_builder *b, gr_message **ret_message)
{
    (void)b;
    *ret_message = gri_message_new(0);
    return *ret_message ? 0 : GR_ENOMEM;
}

void gri_endpoint_print(const gri_endpoint *e, char *ret_text)
{
    (void)e;
    strcpy(ret_text, "peer:1");
}

unsigned gri_endpoint_port(const gri_endpoint *e)
{
    (void)e;
    return 1;
}

/* At the end: how many are somebody's. */
GRI_UNUSED static unsigned model_messages_used(void)
{
    unsigned used = 0;
    for (unsigned i = 0; i < MODEL_POOL; i++) used += model_pool[i].used;
    return used;
}

/* An active socket's part: from here, since memory that is free and taken again orders its users. */
static char GRI_ALIGNED(64) model_parts[MODEL_SOCKETS][1024];
static bool model_part_is_used[MODEL_SOCKETS];

UNSEEN static void *part_new(size_t bytes)
{
    for (unsigned i = 0; i < MODEL_SOCKETS; i++) {
        if (model_part_is_used[i]) continue;
        EXPLORE_CHECK(bytes <= sizeof model_parts[i]);
        model_part_is_used[i] = true;
        explore_take_over(&model_part_is_used[i]);
        memset(model_parts[i], 0, bytes);
        return model_parts[i];
    }
    return NULL;
}

UNSEEN static void part_is_free(const void *part)
{
    const size_t i = (size_t)((const char *)part - model_parts[0]) / sizeof model_parts[0];
    EXPLORE_CHECK(model_part_is_used[i]);
    explore_hand_over(&model_part_is_used[i]);
    model_part_is_used[i] = false;
}

static void part_free(void *part)
{
    memset(part, 0xff, 64); /* written: nobody may be at it */
    part_is_free(part);
}

/* The rest of the runtime ----------------------------------------------------------------------------------------------- */

GRI_THREAD_LOCAL gri_worker *gri_worker_of_thread; /* none: nobody has to give way */

static gri_attached_mark model_marks[MODEL_ACTORS];
static unsigned model_actor_of[EXPLORE_THREADS_MAX]; /* whose thread each is */

gr_self *gri_attached_here(void) /* the actors are threads to gri_acting; they wait as green threads do */
{
    return &model_actors[model_actor_of[explore_self()]];
}

gri_more *gri_actor_more(gr_self *self)
{
    return self->more;
}

int gri_fail(gr_self *self, int code, const char *format, ...)
{
    (void)self, (void)format;
    return code;
}

void gri_signals_forget(gr_self *self)
{
    (void)self;
}

void gri_signals_deliver(void)
{
}

/* One deadline at a time, which whoever the program says fires. */
static gri_wheel_entry *model_armed;

void gri_wheel_entry_init(gri_wheel_entry *entry, const gri_wheel_kind *kind)
{
    entry->kind = kind;
    gri_atomic_init(&entry->wheel, NULL);
    gri_atomic_init(&entry->when, 0);
}

UNSEEN void gri_scheduler_arm(gri_wheel_entry *entry, gri_instant when)
{
    (void)when;
    explore_hand_over(&model_armed);
    model_armed = entry;
}

/* Takes it out: then nobody else fires it. */
GRI_UNUSED UNSEEN static gri_wheel_entry *model_take_armed(void)
{
    gri_wheel_entry *entry = model_armed;
    model_armed = NULL;
    if (entry) explore_take_over(&model_armed);
    return entry;
}

UNSEEN void gri_wheel_quiesce(gri_wheel_entry *entry)
{
    if (model_armed == entry) model_armed = NULL;
    explore_take_over(&model_armed);
}

/* The sources ----------------------------------------------------------------------------------------------------------- */

#define refuse suspend_refuse
#define is_due suspend_is_due
#include "actor/suspend.c"

#include "actor/inbox.c"
#define count_message send_count_message
#define take_out send_take_out
#define reserve send_reserve
#define woken_by send_woken_by
#define enter_with send_enter_with
#include "actor/send.c"

#define free(part) part_free(part)
#define calloc(count, bytes) part_new((count) * (bytes))
#define begin active_begin
#include "io/active.c"
#undef begin
#define find socket_find
#define report socket_report
#define table socket_table
#include "io/socket.c"
#undef table
#undef free
#undef calloc
#define fail stream_fail
#define ask stream_ask
#include "io/stream.c"
#undef fail
#undef ask

/* What a program begins with -------------------------------------------------------------------------------------------- */

UNSEEN static void model_file_init(int fd)
{
    model_file *file = &model_files[fd];
    memset((void *)file, 0, sizeof *file);
    gri_atomic_init(&file->come, 0);
    gri_atomic_init(&file->room, 0);
    gri_atomic_init(&file->ended, 0);
    file->open = true;
}

UNSEEN static void model_record_init(gri_socket_record *record)
{
    memset((void *)record, 0, sizeof *record);
    gri_atomic_init(&record->generation, 0);
    gri_atomic_init(&record->readable, 0);
    gri_atomic_init(&record->writable, 0);
    gri_atomic_init(&record->hungup, 0);
    gri_atomic_init(&record->holder, 0);
    gri_atomic_init(&record->waiter, 0);
    gri_atomic_init(&record->token, NULL);
}

/* In setup: thread i is actor i. Nothing is started. */
UNSEEN static void model_begin_sockets(void)
{
    model_begin_actors();
    mutex_begin();
    for (unsigned i = 0; i < MODEL_ACTORS; i++) {
        model_actors[i].flags = GRI_ATTACHED;
        gri_atomic_init(&model_marks[i].waiting, NULL);
        model_actors[i].state = &model_marks[i];
    }
    for (unsigned i = 0; i < EXPLORE_THREADS_MAX; i++) model_actor_of[i] = i;
    for (int fd = 0; fd < MODEL_FILES; fd++) model_file_init(fd);
    for (unsigned i = 0; i < MODEL_SOCKETS; i++) {
        model_record_init(&model_records[i]);
        model_slot_is_free[i] = true;
        model_part_is_used[i] = false;
    }
    for (unsigned i = 0; i < MODEL_POOL; i++) model_pool[i].used = false;
    model_failures = 0;
    model_armed = NULL;
    model_is_over = false;
    memset((void *)&socket_table, 0, sizeof socket_table);
    gri_atomic_init(&socket_table.open, 0);
    gri_atomic_init(&started, false);
    gri_atomic_init(&open_count, 0);
    gri_spinlock_init(&links_lock);
    gri_list_init(&kept_sockets);
    gri_poll_reporter = NULL;
    gri_control_arrived = NULL;
}

/* In setup: a socket of that actor's; watched: it has waited before. */
GRI_UNUSED static gr_socket model_socket(unsigned actor, int fd, bool watched)
{
    gri_socket_record *record;
    gr_self *self = &model_actors[actor];
    EXPLORE_CHECK(gri_socket_new(self, fd, false, &record) == 0);
    if (watched) EXPLORE_CHECK(gri_socket_watch(self, record) == 0);
    EXPLORE_CHECK(gri_socket_end(self, record, 0) == 0);
    return gri_socket_id(record);
}

#endif
