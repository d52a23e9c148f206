/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Watches: links, monitors and waits, all of them one record that holds the message it will become.
 *
 * A record hangs in two lists: the watched actor's (`watchers`, guarded by a lock that actors share by hash) and the
 * watcher's own (`more->watching`, its owner's alone). While the lock is held and state is WATCHING, both ends may be relied
 * on. When the watched actor ends it takes its whole list under the lock, marks each record SENT, and pushes each into its
 * watcher's mailbox as a message; from then on the record belongs to whoever holds the message, and gr_message_free frees
 * it. A watcher that ends takes its WATCHING records back before it closes its mailbox, so the SENT ones it leaves behind
 * come back to it in what close returns, or are refused and freed by the sender.
 *
 * Nothing is allocated when an actor ends: the body of its exit messages is one shared record, and if even that could not be
 * had, each watch has room for a small body where its links were. */
#ifndef GRI_ACTOR_WATCH_H
#define GRI_ACTOR_WATCH_H

#include "actor/actor.h"

enum gri_watch_kind { GRI_WATCH_LINK, GRI_WATCH_MONITOR, GRI_WATCH_WAIT };
enum gri_watch_state { GRI_WATCHING, GRI_WATCH_SENT };

/* Two cache lines. The body of last resort is written from message.outside.holder to the end of `spare`, when nobody needs any more
 * what is there; sender (the watched one) and reference are the message's own from the beginning. */
typedef struct gri_watch {
    gr_message message;            /* first: the record is freed as a message. sender: the watched one; constant */
    struct gri_watch *next, *prev; /* in the watched one's list; guarded by its lock, then the sender's */
    gr_address watcher;            /* constant, the sender's */
    unsigned char spare[16];
    gri_list own;        /* in the watcher's list; the watcher's */
    uint8_t kind, state; /* state is guarded by the lock */
    uint8_t link_flags;  /* enum gr_link_flags */
    bool unwanted;       /* the watcher's: drop the message when it arrives */
    bool silent;         /* the sender's: for this outcome there is no message, only the record's way back */
} gri_watch;
#define GRI_WATCH_ROOM (offsetof(gri_watch, own) - offsetof(gri_watch, message.outside.holder))
_Static_assert(sizeof(gri_watch) == 2 * GRI_CACHE_LINE, "an idle server with a monitor is to stay below 512 bytes");

GRI_INLINE gr_address gri_watch_watched(const gri_watch *watch)
{
    return watch->message.sender;
}

/* Begins to watch. GR_EDEAD when watched is dead. ret_watch may be NULL. */
GR_MUST_CHECK int gri_watch_add(gr_self *self, gr_address watched, enum gri_watch_kind kind, unsigned link_flags,
                                uint64_t reference, gri_watch **ret_watch);
/* Stops watching; true if the message has not been sent (the record is gone), false if it is on its way. */
bool gri_watch_remove(gr_self *self, gri_watch *watch);
/* An exit message has reached its watcher: false if it is unwanted and was freed. */
bool gri_watch_arrived(gr_self *self, gr_message *m);
/* The record of a wait that nobody waits in any more is about to be freed. */
void gri_watch_late(gr_message *m);
/* The end of a watcher: takes all its records back. */
void gri_watch_remove_all(gr_self *self);
/* The end of a watched actor, whose mailbox is closed: nobody can begin to watch it any more, everybody who did is told. Frees
 * self->result; if the actor is retained, what is there afterwards is its exit record ({"address", "exit" or "exception"},
 * kind as a wait's answer), until somebody takes it.
 *
 *   watchers:  list --tell_all--> NO_MORE (no record) or RECORDED --gri_watch_keep--> KEPT, the slot waits for who takes it
 *              RECORDED --taken--> NO_MORE: the actor, who has not finished yet, gives the slot away
 *              KEPT --taken--> NO_MORE: whoever takes it gives the slot away */
void gri_watch_tell_all(gr_self *self, enum gri_outcome outcome, gr_value result_or_report);
/* Has that life come to tell_all, or further? Takes its lock: who sees false has done all before in time for what follows it. */
bool gri_watch_has_ended(gr_address address);
/* These three under its lock. */
bool gri_watch_has_record(const gr_self *self);
bool gri_watch_record_taken(gr_self *self); /* true: the taker ends the slot's life */
bool gri_watch_keep(gr_self *self);         /* the actor's last step; false: it ends the slot's life */
/* Who watches it: the linkers' addresses, at most `max`, and how many watch it otherwise (monitors, waits). Looks at no more than
 * GRI_WATCH_LOOKS records. Any thread. */
#define GRI_WATCH_LOOKS 10000u
size_t gri_watch_linkers(gr_address address, gr_address *ret_linkers, size_t max, size_t *ret_others);
/* Takes back what a spawner has put on a child that will not be. */
void gri_watch_forget_child(gr_self *self, gr_address child);
gri_spinlock *gri_watch_lock(gr_address address);

#endif
