/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
#include "actor/watch.h"

#include "actor/call.h"
#include "actor/deadlock.h"
#include "actor/remote.h"
#include "actor/runtime.h"
#include "actor/waiting.h"

#include <greenroom/link.h>

#define LOCKS 256 /* guess: links are rare beside messages; a power of two */

static gri_spinlock locks[LOCKS];

/* In `watchers` of an actor that has begun to tell everybody; see watch.h for the three. */
static gri_watch no_more, recorded, kept;
#define NO_MORE (&no_more)
#define RECORDED (&recorded)
#define KEPT (&kept)

static bool has_ended(const gr_self *self)
{
    return self->watchers == NO_MORE || self->watchers == RECORDED || self->watchers == KEPT;
}

gri_spinlock *gri_watch_lock(gr_address address)
{
    return &locks[(uint32_t)address.id % LOCKS];
}

static void watch_release(gr_message *m)
{
    gri_block_free(m); /* the record begins with its message */
}

/* ---- the lists; under the watched actor's lock ---- */

static void enlist(gr_self *target, gri_watch *watch)
{
    watch->prev = NULL;
    watch->next = target->watchers;
    if (watch->next) watch->next->prev = watch;
    target->watchers = watch;
}

static void delist(gr_self *target, gri_watch *watch)
{
    if (watch->prev)
        watch->prev->next = watch->next;
    else
        target->watchers = watch->next;
    if (watch->next) watch->next->prev = watch->prev;
}

int gri_watch_add(gr_self *self, gr_address watched, enum gri_watch_kind kind, unsigned link_flags, uint64_t reference,
                  gri_watch **ret_watch)
{
    gri_more *more = gri_actor_more(self);
    gri_watch *watch = more ? gri_block_alloc(sizeof *watch) : NULL;
    if (!watch) return GR_ENOMEM;
    *watch = (gri_watch){.watcher = gri_actor_address(self), .kind = (uint8_t)kind, .link_flags = (uint8_t)link_flags};
    gri_message_init_embedded(&watch->message, (gr_value){NULL}, watch_release);
    watch->message.sender = watched;
    watch->message.reference = reference;
    gri_spinlock *lock = gri_watch_lock(watched);
    gri_spinlock_lock(lock);
    gr_self *target = gri_actor_find(watched);
    if (target && has_ended(target)) target = NULL;
    if (target) enlist(target, watch);
    gri_spinlock_unlock(lock);
    if (!target) {
        gri_block_free(watch);
        return GR_EDEAD;
    }
    gri_list_push_back(&more->watching, &watch->own);
    if (ret_watch) *ret_watch = watch;
    return 0;
}

bool gri_watch_remove(gr_self *self, gri_watch *watch)
{
    (void)self;
    gri_spinlock *lock = gri_watch_lock(gri_watch_watched(watch));
    gri_spinlock_lock(lock);
    bool watching = watch->state == GRI_WATCHING;
    if (watching) delist(gri_actor_find(gri_watch_watched(watch)), watch);
    gri_spinlock_unlock(lock);
    if (!watching) return false;
    gri_list_remove(&watch->own);
    gri_block_free(watch);
    return true;
}

void gri_watch_remove_all(gr_self *self)
{
    gri_more *more = self->more;
    if (!more) return;
    GRI_LIST_EACH_SAFE(link, &more->watching)
    {
        gri_watch *watch = GRI_LIST_ENTRY(link, gri_watch, own);
        gri_watch_remove(self, watch);
    }
    if (gri_list_is_empty(&more->watching)) return;
    /* What is left was sent: it comes back in the mailbox, or is freed by its sender, who does not look at `own`, and who
     * takes this lock before: the walk above comes first. */
    gri_list_init(&more->watching);
    gri_spinlock *lock = gri_watch_lock(gri_actor_address(self));
    gri_spinlock_lock(lock);
    gri_spinlock_unlock(lock);
}

bool gri_watch_arrived(gr_self *self, gr_message *m)
{
    if (!(m->flags & GRI_MESSAGE_EMBEDDED)) return true; /* of an actor that was dead already: no record */
    gri_watch *watch = GRI_CONTAINER_OF(m, gri_watch, message);
    if (!(self->flags & GRI_FINISHING)) gri_list_remove(&watch->own);
    if (!watch->unwanted && !watch->silent) return true;
    gr_message_free(&m);
    return false;
}

void gri_watch_late(gr_message *m)
{
    gri_list_remove(&GRI_CONTAINER_OF(m, gri_watch, message)->own);
}

bool gri_watch_has_ended(gr_address address)
{
    gri_spinlock *lock = gri_watch_lock(address);
    gri_spinlock_lock(lock);
    const gr_self *target = gri_actor_find(address);
    bool ended = !target || has_ended(target);
    gri_spinlock_unlock(lock);
    return ended;
}

bool gri_watch_has_record(const gr_self *self)
{
    return self->watchers == RECORDED || self->watchers == KEPT;
}

bool gri_watch_record_taken(gr_self *self)
{
    bool over = self->watchers == KEPT;
    self->watchers = NO_MORE;
    return over;
}

bool gri_watch_keep(gr_self *self)
{
    if (self->watchers != RECORDED) return false;
    self->watchers = KEPT;
    return true;
}

void gri_watch_forget_child(gr_self *self, gr_address child)
{
    if (!self->more) return;
    GRI_LIST_EACH_SAFE(link, &self->more->watching)
    {
        gri_watch *watch = GRI_LIST_ENTRY(link, gri_watch, own);
        if (gr_address_equal(gri_watch_watched(watch), child))
            (void)gri_watch_remove(self, watch); /* it cannot have been told */
    }
}

/* ---- telling ---- */

static void kill_linker(gr_address linker)
{
    (void)gr_kill(linker); /* GR_EDEAD: it has gone before */
}

static bool wants(const gri_watch *watch, enum gri_outcome outcome)
{
    if (watch->kind != GRI_WATCH_LINK) return true;
    if (watch->link_flags & GR_LINK_PROPAGATE) return false;
    return outcome != GRI_RETURNED || (watch->link_flags & GR_LINK_TRAP_EXIT);
}

/* The body of a DOWN: the exit record with "down" before it. NULL: no memory. */
static gr_message *down_body(uint64_t reference, gr_value exit)
{
    gr_builder b;
    gr_build(&b);
    gr_put_object(&b);
    gr_put_key(&b, "down"), gr_put_int(&b, (int64_t)reference);
    for (gr_iter it = gr_iterate(exit); gr_next(&it);) {
        gr_put_key_n(&b, it.key, it.key_bytes);
        gr_put_value(&b, it.value);
    }
    gr_put_end(&b);
    gr_message *m = NULL;
    if (gr_build_message(&b, &m) == 0 && gri_message_share(&m) == 0) return m;
    gr_message_free(&m);
    return NULL;
}

static enum gri_message_kind wait_kind(enum gri_outcome outcome)
{
    switch (outcome) {
    case GRI_RETURNED: return GRI_MESSAGE_REPLY;
    case GRI_WAS_KILLED: return GRI_MESSAGE_REPLY_KILLED;
    default: return GRI_MESSAGE_REPLY_EXCEPTION;
    }
}

/* Without memory for the body: who, and which kind of end it was. Where the record's links were. */
static void embed_fallback(gri_watch *watch, enum gri_outcome outcome)
{
    unsigned char room[GRI_WATCH_ROOM];
    gr_builder b;
    gr_value value = gri_runtime_null();
    gr_build_into(&b, room, sizeof room);
    gr_put_object(&b);
    if (watch->kind == GRI_WATCH_MONITOR) gr_put_key(&b, "down"), gr_put_int(&b, (int64_t)watch->message.reference);
    gr_put_key(&b, "address"), gr_put_address(&b, gri_watch_watched(watch));
    gr_put_key(&b, outcome == GRI_RETURNED ? "exit" : "exception"), gr_put_null(&b);
    gr_put_end(&b);
    GRI_ASSERT(gr_build_value(&b, &value) == 0); /* room is enough for it */
    gri_message_embed_within(&watch->message, value);
}

static void tell(gri_watch *watch, gr_message *exit, enum gri_outcome outcome)
{
    gr_message *m = &watch->message;
    gr_address watcher = watch->watcher;
    gr_message *down = watch->kind == GRI_WATCH_MONITOR && exit ? down_body(m->reference, gr_body(exit)) : NULL;
    gr_message *body = watch->kind == GRI_WATCH_MONITOR ? down : exit;
    if (body)
        gri_message_embed_shared(m, body);
    else
        embed_fallback(watch, outcome);
    gr_message_free(&down);
    bool urgent = watch->kind == GRI_WATCH_WAIT;
    m->kind = (uint8_t)(urgent                          ? wait_kind(outcome)
                        : watch->kind == GRI_WATCH_LINK ? GRI_MESSAGE_EXIT
                                                        : GRI_MESSAGE_DOWN);
    if (gri_push(watcher, m, urgent) == 0) return;
    gri_spinlock *lock = gri_watch_lock(watcher); /* the watcher has closed its mailbox: see gri_watch_remove_all */
    gri_spinlock_lock(lock);
    gri_spinlock_unlock(lock);
    gr_message_free(&m);
}

static gr_message *exit_record_new(gr_address address, enum gri_outcome outcome, gr_value value)
{
    gr_builder b;
    gr_build(&b);
    gr_put_object(&b);
    gr_put_key(&b, "address"), gr_put_address(&b, address);
    gr_put_key(&b, outcome == GRI_RETURNED ? "exit" : "exception");
    if (value.at)
        gr_put_value(&b, value);
    else
        gr_put_null(&b);
    gr_put_end(&b);
    gr_message *m = NULL;
    if (gr_build_message(&b, &m) == 0 && gri_message_share(&m) == 0) {
        m->kind = (uint8_t)wait_kind(outcome);
        return m;
    }
    gr_message_free(&m);
    return NULL;
}

/* Ends the list: nobody can be added any more. From here on the record, if there is one, can be taken. Returns the list,
 * oldest first. */
static gri_watch *detach_all(gr_self *self, gr_message *record)
{
    gri_spinlock *lock = gri_watch_lock(gri_actor_address(self));
    gri_spinlock_lock(lock);
    gri_watch *newest = self->watchers, *oldest = NULL;
    self->watchers = record ? RECORDED : NO_MORE;
    if (record) self->result = record;
    while (newest) {
        gri_watch *next = newest->next;
        newest->state = GRI_WATCH_SENT;
        newest->next = oldest;
        oldest = newest;
        newest = next;
    }
    gri_spinlock_unlock(lock);
    return oldest;
}

/* Takes the exit record of a retained actor into the slot, and gives another envelope of it. */
static gri_watch *record_and_detach(gr_self *self, enum gri_outcome outcome, gr_value result_or_report,
                                    gr_message **ret_exit)
{
    gr_message *record = exit_record_new(gri_actor_address(self), outcome, result_or_report);
    /* Somebody may take and free it the moment it is there; without memory, who watches learns of an end without reason. */
    if (record && gri_message_clone_envelope(record, ret_exit) != 0) *ret_exit = NULL;
    gr_message_free(&self->result);
    return detach_all(self, record);
}

void gri_watch_tell_all(gr_self *self, enum gri_outcome outcome, gr_value result_or_report)
{
    gr_message *exit = NULL;
    gri_watch *watch;
    if (self->flags & GRI_RETAIN) {
        watch = record_and_detach(self, outcome, result_or_report, &exit);
    } else {
        watch = detach_all(self, NULL);
        if (watch) exit = exit_record_new(gri_actor_address(self), outcome, result_or_report);
        gr_message_free(&self->result);
    }
    while (watch) {
        gri_watch *next = watch->next;
        gr_address watcher = watch->watcher;
        bool propagates =
            watch->kind == GRI_WATCH_LINK && (watch->link_flags & GR_LINK_PROPAGATE) && outcome != GRI_RETURNED;
        /* Without a message the record must still travel: it hangs in its watcher's own list. */
        watch->silent = !wants(watch, outcome);
        tell(watch, exit, outcome);
        if (propagates) kill_linker(watcher);
        watch = next;
    }
    gr_message_free(&exit);
}

size_t gri_watch_linkers(gr_address address, gr_address *ret_linkers, size_t max, size_t *ret_others)
{
    size_t links = 0, others = 0;
    gri_spinlock *lock = gri_watch_lock(address);
    gri_spinlock_lock(lock);
    gr_self *self = gri_actor_find(address);
    gri_watch *watch = self && !has_ended(self) ? self->watchers : NULL;
    for (unsigned looks = 0; watch && looks < GRI_WATCH_LOOKS; watch = watch->next, looks++) {
        if (watch->kind != GRI_WATCH_LINK)
            others++;
        else if (links < max)
            ret_linkers[links++] = watch->watcher;
    }
    gri_spinlock_unlock(lock);
    *ret_others = others;
    return links;
}

/* ---- public: links ---- */

static gri_watch *find_link(gr_self *self, gr_address to)
{
    if (!self->more) return NULL;
    GRI_LIST_EACH(link, &self->more->watching)
    {
        gri_watch *watch = GRI_LIST_ENTRY(link, gri_watch, own);
        if (watch->kind == GRI_WATCH_LINK && gr_address_equal(gri_watch_watched(watch), to) && !watch->unwanted)
            return watch;
    }
    return NULL;
}

int gr_link(gr_self *self, gr_address to, unsigned flags)
{
    int code = gri_acting(self);
    if (code != 0) return code;
    if ((flags & (GR_LINK | GR_LINK_TRAP_EXIT | GR_LINK_PROPAGATE)) != flags || flags == 0)
        return gri_fail(self, GR_EINVAL,
                        "link flags 0x%x: allowed are GR_LINK, GR_LINK_TRAP_EXIT and GR_LINK_PROPAGATE", flags);
    if (gr_address_equal(to, gri_actor_address(self)))
        return gri_fail(self, GR_EDEADLK, "an actor cannot link to itself");
    if (gri_address_is_remote(to)) return gri_remote_cannot(self, "a link");
    gri_watch *old = find_link(self, to);
    code = gri_watch_add(self, to, GRI_WATCH_LINK, flags, 0, NULL);
    if (code != 0)
        return gri_fail(self, code, code == GR_EDEAD ? "cannot link: the actor is dead" : "no memory for a link");
    if (old && !gri_watch_remove(self, old))
        old->unwanted = true; /* it died meanwhile; the new link would be EDEAD then */
    return 0;
}

int gr_unlink(gr_self *self, gr_address to)
{
    int code = gri_acting(self);
    if (code != 0) return code;
    gri_watch *watch = find_link(self, to);
    if (!watch) return gri_fail(self, GR_ENOTFOUND, "there is no link to that actor");
    (void)gri_watch_remove(self, watch); /* false: its message is on its way and stays */
    return 0;
}

/* ---- public: monitors ---- */

static int send_down_of_dead(gr_self *self, gr_address address, uint64_t reference)
{
    gr_message *report =
        gri_report_new(NULL, "dead", (gr_value){NULL}, "the actor was dead when it was monitored", false);
    gr_message *exit = report ? exit_record_new(address, GRI_RAISED, gr_body(report)) : NULL;
    gr_message_free(&report);
    if (!exit) return gri_fail(self, GR_ENOMEM, "no memory for a monitor");
    gr_message *down = down_body(reference, gr_body(exit));
    gr_message_free(&exit);
    if (!down) return gri_fail(self, GR_ENOMEM, "no memory for a monitor");
    down->kind = GRI_MESSAGE_DOWN;
    down->reference = reference;
    down->sender = address;
    int code = gri_push(gri_actor_address(self), down, false);
    if (code != 0) gr_message_free(&down);
    return code;
}

int gr_monitor(gr_self *self, gr_address address, gr_monitor_ref *ret_ref)
{
    int code = gri_acting(self);
    if (code != 0) return code;
    if (!ret_ref) return gri_fail(self, GR_EINVAL, "gr_monitor needs a place for the reference");
    if (gri_address_is_remote(address)) return gri_remote_cannot(self, "a monitor");
    uint64_t reference = gri_actor_reference(self);
    if (reference == 0) return gri_fail(self, GR_ENOMEM, "no memory for a monitor");
    code = gri_watch_add(self, address, GRI_WATCH_MONITOR, 0, reference, NULL);
    if (code == GR_EDEAD) code = send_down_of_dead(self, address, reference);
    if (code != 0) return gri_fail(self, code, "no memory for a monitor");
    ret_ref->id = reference;
    return 0;
}

static bool flush_down(gr_self *self, uint64_t reference)
{
    gri_inbox_collect(self);
    gr_message *before = NULL;
    for (gr_message *m = self->inbox; m; before = m, m = m->node.link ? gri_message_of_node(m->node.link) : NULL) {
        if (m->kind != GRI_MESSAGE_DOWN || m->reference != reference) continue;
        m = gri_inbox_take_out(self, before, m);
        gr_message_free(&m);
        return true;
    }
    return false;
}

int gr_demonitor(gr_self *self, gr_monitor_ref ref, bool flush)
{
    int code = gri_acting(self);
    if (code != 0) return code;
    gri_watch *found = NULL;
    if (self->more) {
        GRI_LIST_EACH(link, &self->more->watching)
        {
            gri_watch *watch = GRI_LIST_ENTRY(link, gri_watch, own);
            if (watch->kind == GRI_WATCH_MONITOR && watch->message.reference == ref.id && !watch->unwanted)
                found = watch;
        }
    }
    if (found) {
        if (!gri_watch_remove(self, found) && flush) found->unwanted = true;
        return 0;
    }
    if (flush && flush_down(self, ref.id)) return 0;
    return gri_fail(self, GR_ENOTFOUND, "there is no such monitor any more");
}

/* ---- public: waiting for the end ---- */

/* The answer to a wait is the exit record; what the caller wants is what is in it. */
static int unpack_exit(gr_self *self, gr_message *exit, gr_message **ret_result)
{
    int code = exit->kind == GRI_MESSAGE_REPLY          ? 0
               : exit->kind == GRI_MESSAGE_REPLY_KILLED ? GR_EKILLED
                                                        : GR_EEXCEPTION;
    if (ret_result) {
        gr_value value = gr_get(gr_body(exit), code == 0 ? "exit" : "exception");
        if (gr_message_copy(value, ret_result) == 0)
            gri_hold(self, *ret_result);
        else
            code = gri_fail(self, GR_ENOMEM, "no memory for the result");
    }
    gr_message_free(&exit);
    return code;
}

/* The whole exit record of address, as a message of a REPLY kind. keep: of a retained actor a copy, else this was its one
 * wait. Its code is to go through gri_await_end. */
static int wait_record(gr_self *self, gr_address address, bool keep, gr_message **ret_exit, gr_deadline deadline)
{
    if (gr_address_equal(address, gri_actor_address(self)))
        return gri_fail(self, GR_EDEADLK, "an actor cannot wait for itself");
    int code = gri_actor_read_record(address, keep, ret_exit);
    if (code != GR_EDEAD) return code == 0 ? 0 : gri_fail(self, code, "no memory for the result");
    uint64_t reference = gri_actor_reference(self);
    if (reference == 0) return gri_fail(self, GR_ENOMEM, "no memory to wait");
    gri_watch *watch;
    code = gri_watch_add(self, address, GRI_WATCH_WAIT, 0, reference, &watch);
    if (code == GR_EDEAD) { /* it may have ended in between, and been retained */
        code = gri_actor_read_record(address, keep, ret_exit);
        if (code == 0) return 0;
    }
    if (code != 0)
        return gri_fail(self, code, code == GR_EDEAD ? "it is dead and was not retained" : "no memory to wait");
    self->awaited = reference;
    const gri_waiting waiting = {.kind = GRI_WAITING_END, .reference = reference, .address = address};
    gri_waiting_set(self, &waiting);
    code = gri_await(self, deadline, ret_exit);
    if (*ret_exit) {
        gri_list_remove(&watch->own);
        if (code != 0)
            gr_message_free(ret_exit); /* and the watch with it; a retained record stays for another wait */
        else if (!keep)
            (void)gr_forget(address); /* this wait has had it; GR_EDEAD: not retained, or another wait was faster */
    } else if (!gri_watch_remove(self, watch)) {
        /* Late: sorted out as a reply that nobody awaits. Until then it stays in our list: what we have looked at here comes
         * before its sender frees it, by the lock in gri_watch_remove_all. */
        watch->unwanted = true;
    }
    return code;
}

int gr_wait(gr_self *self, gr_address address, gr_message **ret_result, gr_deadline deadline)
{
    int code = gri_suspend_enter(self);
    if (code != 0) return code;
    if (gri_address_is_remote(address)) return gri_remote_wait(self, address, ret_result, deadline);
    gr_message *exit;
    code = wait_record(self, address, false, &exit, deadline);
    return code == 0 ? unpack_exit(self, exit, ret_result) : gri_await_end(self, code);
}

static bool any_is_remote(const gr_address *addresses, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (gri_address_is_remote(addresses[i])) return true;
    return false;
}

/* The exit records as one array. */
static int gather(gr_message *const *exits, size_t count, gr_message **ret_messages)
{
    gr_builder b;
    gr_build(&b);
    gr_put_array(&b);
    for (size_t i = 0; i < count; i++) gr_put_value(&b, gr_body(exits[i]));
    gr_put_end(&b);
    return gr_build_message(&b, ret_messages);
}

static int all_seen(gr_self *self, const gr_address *addresses, size_t count, gr_message *messages)
{
    gri_hold(self, messages);
    for (size_t i = 0; i < count; i++) (void)gr_forget(addresses[i]); /* GR_EDEAD: it was not retained */
    return 0;
}

/* gr_wait_all where some are remote. Those calls may end the actor (gr_kill_now), so what has come is held by it. */
static int wait_all_mixed(gr_self *self, const gr_address *addresses, size_t count, gr_message **ret_messages,
                          gr_deadline deadline)
{
    gr_message **exits = gr_alloc(self, count * sizeof *exits);
    int code = exits ? 0 : gri_fail(self, GR_ENOMEM, "no memory to wait");
    for (size_t i = 0; i < count && code == 0; i++) {
        if (gri_address_is_remote(addresses[i])) {
            code = gri_remote_wait_record(self, addresses[i], &exits[i], deadline);
        } else {
            code = wait_record(self, addresses[i], true, &exits[i], deadline);
            if (code == 0) gri_hold(self, exits[i]);
        }
    }
    if (code == 0) {
        code = gather(exits, count, ret_messages);
        if (code != 0) code = gri_fail(self, code, "the results could not be built: %s", gr_error_text(code));
    }
    for (size_t i = 0; exits && i < count; i++) gr_message_free(&exits[i]);
    gr_free(self, exits);
    return code;
}

int gr_wait_all(gr_self *self, const gr_address *addresses, size_t count, gr_message **ret_messages,
                gr_deadline deadline)
{
    int code = gri_suspend_enter(self);
    if (code != 0) return code;
    if (count > 0 && !addresses) return gri_fail(self, GR_EINVAL, "gr_wait_all needs addresses");
    if (any_is_remote(addresses, count)) {
        code = wait_all_mixed(self, addresses, count, ret_messages, deadline);
        return code == 0 ? all_seen(self, addresses, count, *ret_messages) : gri_await_end(self, code);
    }
    gr_builder b;
    gr_build(&b);
    gr_put_array(&b);
    for (size_t i = 0; i < count && code == 0; i++) {
        gr_message *exit = NULL;
        code = wait_record(self, addresses[i], true, &exit, deadline);
        if (code == 0) gr_put_value(&b, gr_body(exit));
        gr_message_free(&exit);
    }
    gr_put_end(&b);
    if (code != 0) {
        gr_build_cancel(&b);
        return gri_await_end(self, code);
    }
    code = gr_build_message(&b, ret_messages);
    if (code != 0) return gri_fail(self, code, "the results could not be built: %s", gr_error_text(code));
    return all_seen(self, addresses, count, *ret_messages);
}
