/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
#include "actor/actor.h"

#include "actor/attach.h"
#include "actor/bound.h"
#include "actor/call.h"
#include "actor/finish.h"
#include "actor/registry.h"
#include "actor/remote.h"
#include "actor/runtime.h"
#include "actor/serve.h"
#include "actor/watch.h"
#include "message/plan.h"

#include <greenroom/link.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* ---- finding ---- */

gr_address gr_self_address(gr_self *self)
{
    return gri_actor_address(self);
}

bool gr_alive(gr_address address)
{
    gr_self *self = gri_actor_find(address);
    if (GRI_UNLIKELY(!self)) return gri_remote_is_known(address);
    return gri_mailword_is_open(&self->mailbox, (uint32_t)(address.id >> 32));
}

/* ---- the rare part ---- */

GRI_NOINLINE static gri_more *make_more(gr_self *self)
{
    gri_more *more = gri_block_alloc(sizeof *more);
    if (!more) return NULL;
    memset(more, 0, sizeof *more);
    gri_list_init(&more->watching);
    gri_list_init(&more->memory);
    gri_list_init(&more->sockets);
    self->more = more;
    return more;
}

gri_more *gri_actor_more(gr_self *self)
{
    return GRI_LIKELY(self->more != NULL) ? self->more : make_more(self);
}

uint64_t gri_actor_reference(gr_self *self)
{
    gri_more *more = gri_actor_more(self);
    return more ? ++more->references : 0;
}

/* ---- errors ---- */

static gr_detail *detail_of(gr_self *self)
{
    gri_more *more = self ? gri_actor_more(self) : NULL;
    if (!more) return NULL;
    if (!more->detail) more->detail = gri_block_alloc(sizeof *more->detail);
    return more->detail;
}

int gri_fail(gr_self *self, int code, const char *format, ...)
{
    gr_detail *detail = detail_of(self);
    if (!detail) return code;
    detail->line = detail->column = 0;
    detail->byte = 0;
    va_list args;
    va_start(args, format);
    vsnprintf(detail->text, sizeof detail->text, format, args);
    va_end(args);
    return code;
}

int gri_fail_detail(gr_self *self, int code, const gr_detail *from)
{
    gr_detail *detail = detail_of(self);
    if (detail) *detail = *from;
    return code;
}

const gr_detail *gr_error_detail(gr_self *self)
{
    static const gr_detail none = {.text = "no detail"};
    return self && self->more && self->more->detail ? self->more->detail : &none;
}

int gri_pack_for(gr_self *self, gr_message **ret_message, gr_site *site, const char *format, va_list args)
{
    gr_detail detail;
    int code = gri_pack_message(site, format, args, ret_message, &detail);
    return GRI_LIKELY(code == 0) ? 0 : gri_fail_detail(self, code, &detail);
}

/* ---- running ---- */

GRI_NOINLINE static enum gri_outcome run_entry(gr_self *self)
{
    gri_frame frame;
    gri_frame_enter(self, &frame);
    if (gri_jump_mark(&frame.jump) == 0) self->entry(self, self->args ? gr_body(self->args) : gri_runtime_null());
    self->frame = NULL;
    if (GRI_UNLIKELY(gri_runtime_forked())) gri_runtime_end_child();
    gri_inbox_collect(self); /* a kill that nobody has looked at yet counts */
    if (self->flags & GRI_OVERFLOWED) return GRI_STACK_OVERFLOW;
    if (frame.outcome != GRI_RETURNED) return frame.outcome;
    return self->flags & (GRI_KILLED | GRI_KILLED_NOW) ? GRI_WAS_KILLED : GRI_RETURNED;
}

static void run_green_thread(gri_task *task)
{
    gr_self *self = gri_actor_of_task(task);
    gri_actor_finish(self, run_entry(self));
}

/* ---- spawning ---- */

uint32_t gri_actor_save(const void *slot)
{
    /* relaxed: a free slot is nobody's. Even, as it is free; zero if it never lived: the low bit makes it none */
    uint32_t generation = gri_load_relaxed(&((gr_self *)(uintptr_t)slot)->generation);
    if (generation > gri_runtime_now.generation_saved) gri_runtime_now.generation_saved = generation;
    return generation | 1;
}

void gri_actor_restore(void *slot, uint32_t generation)
{
    gri_store_relaxed(&((gr_self *)slot)->generation, generation & ~UINT32_C(1)); /* relaxed: as above */
}

static gr_self *take_slot(void)
{
    uint32_t index;
    gri_worker *worker = gri_worker_here();
    if (gri_table_take(&gri_runtime_now.actors, worker ? &worker->slots : NULL, &index) != 0) return NULL;
    /* relaxed, all: the limit is a bound for finding, published together with the address */
    uint32_t limit = gri_load_relaxed(&gri_runtime_now.actor_limit);
    while (index >= limit && !gri_cas_weak_relaxed(&gri_runtime_now.actor_limit, &limit, index + 1)) continue;
    gr_self *self = gri_table_at(&gri_runtime_now.actors, index);
    gri_store_relaxed(&self->task.id, index); /* relaxed: the same in every life */
    return self;
}

/* Under its watch lock, so that who has found it there may rely on it until he unlocks. */
static void end_life_locked(gr_self *self)
{
    uint32_t generation = gri_load_relaxed(&self->generation); /* relaxed: ours */
    gri_store_relaxed(&self->generation, generation + 1);      /* relaxed: stale finders are refused by the word, too */
}

static void give_slot(gr_self *self)
{
    if (gri_load_relaxed(&self->generation) == 0) return; /* relaxed: ours. Used up: this slot is never used again */
    gri_worker *worker = gri_worker_here();
    gri_table_give(&gri_runtime_now.actors, worker ? &worker->slots : NULL,
                   gri_load_relaxed(&self->task.id)); /* relaxed: constant */
}

static void begin_life(gr_self *self)
{
    uint32_t generation = gri_load_relaxed(&self->generation);         /* relaxed: ours */
    if (generation == 0) generation = gri_runtime_now.generation_base; /* of a slot that is used for the first time */
    generation++;
    GRI_ASSERT(generation & 1);
    gri_store_relaxed(&self->mailbox_max, 0); /* relaxed: published with the address */
    self->task.stack = NULL;
    self->task.worker = NULL;
    self->task.home = 0;
    self->task.own_stack_class = 0;
    self->task.foreign = false;
    self->handed = NULL;
    self->inbox = self->inbox_last = self->held = self->reply = NULL;
    self->awaited = 0;
    self->serving = NULL;
    /* mo:state.begin release -> state.none acquire: the life before, which whoever looks may mean, is over */
    gri_store_release(&self->published, 0);
    gri_store_relaxed(&self->attention, 0); /* relaxed: a hint */
    self->flags = 0;
    self->kill_returns = 0;
    self->args = self->result = NULL;
    self->state = NULL;
    self->watchers = NULL;
    self->frame = NULL;
    self->more = NULL;
    self->received = 0;
    gri_store_relaxed(&self->queued, 0); /* relaxed: a count */
    gri_mailword_init(&self->mailbox, generation);
    /* mo:actor.begin release -> actor.find acquire: what a life begins with, for who has the address from nowhere (gr_each,
     * an atomic of the user's) */
    gri_store_release(&self->generation, generation);
}

static int check_options(gr_self *self, const gr_spawn_options *options)
{
    if (!options) return 0;
    const unsigned known = GR_LINK | GR_LINK_TRAP_EXIT | GR_LINK_PROPAGATE;
    if (options->link & ~known)
        return gri_fail(self, GR_EINVAL,
                        "spawn option link = 0x%x: allowed are GR_LINK, GR_LINK_TRAP_EXIT and GR_LINK_PROPAGATE",
                        options->link);
    if (options->stack_bytes &&
        (options->stack_bytes < GRI_STACK_BYTES_MIN || options->stack_bytes > GRI_STACK_BYTES_MAX))
        return gri_fail(self, GR_EINVAL, "spawn option stack_bytes = %zu: allowed are 16 KiB to 16 MiB, or 0",
                        options->stack_bytes);
    if ((unsigned)options->mailbox_policy > GR_MAILBOX_KILL)
        return gri_fail(self, GR_EINVAL, "spawn option mailbox_policy = %d: there is no such policy",
                        (int)options->mailbox_policy);
    if (options->kill != GR_KILL_RETURNS && options->kill != GR_KILL_RAISES)
        return gri_fail(self, GR_EINVAL, "spawn option kill = %d: allowed are GR_KILL_RETURNS and GR_KILL_RAISES",
                        (int)options->kill);
    return 0;
}

static void apply_options(gr_self *child, const gr_spawn_options *options)
{
    if (options) {
        if (options->retain) child->flags |= GRI_RETAIN;
        if (options->kill == GR_KILL_RAISES) child->flags |= GRI_KILL_RAISING;
        if (options->stack_bytes) {
            int size_class = gri_stack_class(options->stack_bytes);
            if ((unsigned)size_class != gri_scheduler_now->config.stack_class)
                child->task.own_stack_class = (uint8_t)(size_class + 1);
        }
        if (options->pinned) child->task.home = gri_scheduler_home();
    }
}

/* Prepares what will tell its supervisor that it is up, so that telling cannot fail. */
static int supervise_child(gr_self *self, gr_self *child, const gri_spawn *what)
{
    gri_more *more = gri_actor_more(child);
    int code = more ? gri_registry_note_supervisor(gri_actor_address(child), what->supervisor) : GR_ENOMEM;
    if (code == 0 && what->ready != GRI_READY_AT_ONCE) code = gr_pack(&more->ready, "{s:b}", "ready", true);
    if (code != 0) return gri_fail(self, code, "no memory for a supervised actor");
    more->supervisor = what->supervisor;
    more->ready_when_started = what->ready == GRI_READY_STARTED;
    if (more->ready) more->ready->reference = what->options->monitor->id;
    return 0;
}

static int watch_child(gr_self *self, gr_address address, const gr_spawn_options *options)
{
    if (!options) return 0;
    if (options->link) {
        int code = gri_watch_add(self, address, GRI_WATCH_LINK, options->link, 0, NULL);
        if (code != 0) return gri_fail(self, code, "no memory for a link");
    }
    return options->monitor ? gr_monitor(self, address, options->monitor) : 0;
}

/* A child that never ran: as if it had not been. Nobody but the spawner and gr_each can know its address, its name
 * excepted. */
static void undo(gr_self *self, gr_self *child)
{
    child->flags |= GRI_FINISHING;
    gri_registry_release_all(child);
    gri_watch_forget_child(self, gri_actor_address(child));
    gri_mail_taken taken = gri_mailword_close(&child->mailbox);
    gri_registry_release_last(child);
    while (taken.chain) { /* found by its name already */
        gr_message *m = gri_message_of_node(taken.chain);
        taken.chain = taken.chain->link;
        gri_call_bury(m);
    }
    /* gr_each may have shown it to somebody who watches it now. */
    gr_message *report = gri_report_new(NULL, "killed", (gr_value){NULL}, "the actor could not be spawned", false);
    child->flags &= (uint16_t)~GRI_RETAIN;
    gri_watch_tell_all(child, GRI_WAS_KILLED, gr_body(report));
    gr_message_free(&report);
    if (child->flags & GRI_BOUNDED) (void)gri_bound_close(child);
    gri_block_free(child->state);
    if (child->more) gr_message_free(&child->more->ready);
    gri_block_free(child->more);
    gri_spinlock *lock = gri_watch_lock(gri_actor_address(child));
    gri_spinlock_lock(lock);
    end_life_locked(child);
    gri_spinlock_unlock(lock);
    give_slot(child);
}

GRI_INLINE int spawn(gr_self *self, gr_address *ret_address, const gri_spawn *what)
{
    if (GRI_UNLIKELY(!gri_runtime_is_up())) return gri_fail(self, GR_ENOTRUNNING, "the runtime is stopping");
    if (GRI_UNLIKELY(!what->entry && !what->server))
        return gri_fail(self, GR_EINVAL, "gr_spawn needs a function or a server");
    const gr_spawn_options *options = what->options;
    int code = check_options(self, options);
    if (code != 0) return code;
    gr_self *child = take_slot();
    if (!child) return gri_fail(self, GR_ENOMEM, "no room for another actor");
    begin_life(child);
    apply_options(child, options);
    if (GRI_UNLIKELY(gri_bound_is_asked(options))) {
        code = gri_bound_open(child, options);
        if (code != 0) gri_fail(self, code, "no memory for another bounded mailbox");
    }
    if (what->server) {
        child->flags |= GRI_SERVER;
        child->server = what->server;
        child->task.run = gri_serve_run;
        if (what->server->state_bytes) {
            child->state = gri_block_alloc(what->server->state_bytes);
            if (!child->state)
                code = gri_fail(self, GR_ENOMEM, "no memory for the server's state");
            else
                memset(child->state, 0, what->server->state_bytes);
            if (child->state && what->given) memcpy(child->state, &what->given, sizeof what->given);
        }
    } else {
        child->entry = what->entry;
        child->task.run = run_green_thread;
    }
    gr_address address = gri_actor_address(child);
    if (code == 0 && what->behaviour) {
        if (gri_actor_more(child))
            child->more->behaviour = what->behaviour;
        else
            code = gri_fail(self, GR_ENOMEM, "no memory for another actor");
    }
    if (code == 0 && options && options->memory_max) {
        if (gri_actor_more(child))
            child->more->memory_max = options->memory_max;
        else
            code = gri_fail(self, GR_ENOMEM, "no memory for another actor");
    }
    if (code == 0) code = watch_child(self, address, options);
    if (code == 0 && what->supervisor.id) code = supervise_child(self, child, what);
    if (code == 0 && options && options->name) {
        code = gr_register(address, options->name);
        if (code != 0) code = gri_registry_explain(self, code, options->name);
    }
    if (code != 0) {
        undo(self, child);
        return code;
    }
    child->args = what->args;
    gri_runtime_count_spawned();
    if (ret_address) *ret_address = address;
    gri_task_ready(&child->task);
    return 0;
}

int gri_actor_spawn(gr_self *self, gr_address *ret_address, const gri_spawn *what)
{
    int code = gri_acting(self);
    return GRI_LIKELY(code == 0) ? spawn(self, ret_address, what) : code;
}

int gri_actor_spawn_alone(const gri_spawn *what)
{
    return spawn(NULL, NULL, what);
}

static int spawn_format(gr_self *self, gr_address *ret_address, gri_spawn *what, gr_site *site, const char *format,
                        va_list args)
{
    gr_message *m = NULL;
    int code = gri_pack_for(self, &m, site, format, args);
    if (code != 0) return code;
    what->args = m;
    code = gri_actor_spawn(self, ret_address, what);
    if (code != 0) gr_message_free(&m);
    return code;
}

static int spawn_value(gr_self *self, gr_address *ret_address, gri_spawn *what, gr_value value)
{
    gr_message *m = NULL;
    if (value.at) {
        int code = gr_message_copy(value, &m);
        if (code != 0) return gri_fail(self, code, "no memory for the arguments");
    }
    what->args = m;
    int code = gri_actor_spawn(self, ret_address, what);
    if (code != 0) gr_message_free(&m);
    return code;
}

int gr_spawn_site(gr_self *self, gr_address *ret_address, gr_entry entry, const gr_spawn_options *options,
                  gr_site *site, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int code = spawn_format(self, ret_address, &(gri_spawn){.entry = entry, .options = options}, site, format, args);
    va_end(args);
    return code;
}

int gr_spawn_value(gr_self *self, gr_address *ret_address, gr_entry entry, const gr_spawn_options *options,
                   gr_value args)
{
    return spawn_value(self, ret_address, &(gri_spawn){.entry = entry, .options = options}, args);
}

int gr_spawn_server_site(gr_self *self, gr_address *ret_address, const gr_server *server,
                         const gr_spawn_options *options, gr_site *site, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int code = spawn_format(self, ret_address, &(gri_spawn){.server = server, .options = options}, site, format, args);
    va_end(args);
    return code;
}

int gr_spawn_server_value(gr_self *self, gr_address *ret_address, const gr_server *server,
                          const gr_spawn_options *options, gr_value args)
{
    return spawn_value(self, ret_address, &(gri_spawn){.server = server, .options = options}, args);
}

const gr_spawn_options *gr_spawn_link_options(void)
{
    static const gr_spawn_options options = {.link = GR_LINK | GR_LINK_TRAP_EXIT};
    return &options;
}

int gri_actor_new_attached(gr_self **ret_self)
{
    gr_self *self = take_slot();
    if (!self) return GR_ENOMEM;
    begin_life(self);
    self->flags = GRI_ATTACHED;
    self->task.foreign = true;
    gri_runtime_count_spawned();
    *ret_self = self;
    return 0;
}

/* ---- the last step ---- */

void gri_actor_end(gr_self *self)
{
    gri_spinlock *lock = gri_watch_lock(gri_actor_address(self));
    gri_spinlock_lock(lock);
    bool keep = gri_watch_keep(self);
    if (!keep) end_life_locked(self);
    gri_spinlock_unlock(lock);
    if (!keep) give_slot(self);
    gri_runtime_count_ended();
}

int gri_actor_read_record(gr_address address, bool keep, gr_message **ret_exit)
{
    gr_message *exit = NULL;
    int code = 0;
    bool over = false;
    gri_spinlock *lock = gri_watch_lock(address);
    gri_spinlock_lock(lock);
    gr_self *self = gri_actor_find(address);
    if (!self || !gri_watch_has_record(self)) {
        code = GR_EDEAD;
    } else if (keep) {
        code = gri_message_clone_envelope(self->result, &exit);
        if (code == 0) exit->kind = self->result->kind;
    } else {
        exit = self->result;
        self->result = NULL;
        over = gri_watch_record_taken(self);
        if (over) end_life_locked(self);
    }
    gri_spinlock_unlock(lock);
    if (over) give_slot(self);
    if (code == 0) *ret_exit = exit;
    return code;
}

int gr_forget(gr_address address)
{
    if (gri_runtime_forked()) return GR_EFORKED;
    gr_message *exit;
    int code = gri_actor_read_record(address, false, &exit);
    if (code == 0) gr_message_free(&exit);
    return code;
}

/* ---- results and memory ---- */

int gr_return_site(gr_self *self, gr_site *site, const char *format, ...)
{
    int code = gri_acting(self);
    if (code != 0) return code;
    va_list args;
    va_start(args, format);
    gr_message *m = NULL;
    code = gri_pack_for(self, &m, site, format, args);
    va_end(args);
    if (code != 0) return code;
    gr_message_free(&self->result);
    self->result = m;
    return 0;
}

int gr_return_value(gr_self *self, gr_value value)
{
    int code = gri_acting(self);
    if (code != 0) return code;
    gr_message *m = NULL;
    code = gr_message_copy(value, &m);
    if (code != 0) return gri_fail(self, code, "no memory for the result");
    gr_message_free(&self->result);
    self->result = m;
    return 0;
}

typedef struct owned {
    gri_list link;
    size_t size;
    GRI_ALIGNED(16) unsigned char bytes[];
} owned;

void *gr_alloc(gr_self *self, size_t bytes)
{
    if (!gri_self_is_here(self) || bytes > SIZE_MAX - sizeof(owned)) return NULL;
    gri_more *more = gri_actor_more(self);
    if (more && more->memory_max && bytes > more->memory_max - more->memory_bytes) {
        gri_fail(self, GR_ENOMEM, "%zu bytes more than the %zu it has are beyond its limit of %zu", bytes,
                 (size_t)more->memory_bytes, more->memory_max);
        return NULL;
    }
    owned *memory = more ? gri_block_alloc(sizeof *memory + bytes) : NULL;
    if (!memory) return NULL;
    memset(memory->bytes, 0, bytes);
    memory->size = bytes;
    more->memory_bytes += bytes;
    gri_list_push_back(&more->memory, &memory->link);
    return memory->bytes;
}

void gr_free(gr_self *self, void *memory)
{
    if (!memory) return;
    owned *block = GRI_CONTAINER_OF(memory, owned, bytes);
    if (self && self->more) self->more->memory_bytes -= block->size;
    gri_list_remove(&block->link);
    gri_block_free(block);
}

void gri_own_release(gr_self *self)
{
    gri_list *link;
    while ((link = gri_list_pop_front(&self->more->memory)) != NULL) gri_block_free(GRI_LIST_ENTRY(link, owned, link));
}

gr_value gr_value_keep(gr_self *self, gr_value value)
{
    size_t bytes = gr_value_bytes(value);
    unsigned char *copy = bytes ? gr_alloc(self, bytes) : NULL;
    if (copy) memcpy(copy, value.at, bytes);
    return (gr_value){copy};
}
