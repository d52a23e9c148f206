/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Actors: spawning, sending, receiving, ending. See call.h, link.h, server.h and registry.h for what builds on them.
 *
 * An actor is a green thread with a mailbox. It shares nothing: arguments and messages are JSON values copied by
 * serialization. Addresses are values; whatever is done to a dead actor returns GR_EDEAD and does nothing.
 * Between two actors messages arrive in the order they were sent. An address may be that of an actor in another process: remote.h
 * says what differs. */
#ifndef GR_ACTOR_H
#define GR_ACTOR_H

#include <greenroom/address.h>
#include <greenroom/api.h>
#include <greenroom/error.h>
#include <greenroom/message.h>
#include <greenroom/pack.h>
#include <greenroom/shape.h>
#include <greenroom/time.h>
#include <greenroom/value.h>

GR_BEGIN_DECLS

/* What a green thread runs. args lives until the actor ends. Returning ends the actor. */
typedef void (*gr_entry)(gr_self *self, gr_value args);

enum gr_kill_mode {
    GR_KILL_RETURNS = 0, /* a kill makes suspending calls return GR_EKILLED until the actor ends or clears it */
    GR_KILL_RAISES       /* a kill unwinds to the nearest gr_protect, or ends the actor */
};

/* How a link behaves; see link.h. */
enum gr_link_flags {
    GR_LINK = 1,           /* message when the other dies by exception or kill */
    GR_LINK_TRAP_EXIT = 2, /* message when it ends normally, too */
    GR_LINK_PROPAGATE = 4  /* no message: its death by exception or kill kills the linker */
};

/* What a full mailbox does with one message more. What the runtime itself sends (answers, exits, downs, timers, kills) is never
 * counted, refused, held up or dropped. */
enum gr_mailbox_policy {
    GR_MAILBOX_DEFAULT = 0, /* the setting, GREENROOM_MAILBOX_POLICY */
    GR_MAILBOX_FAIL,        /* the sender gets GR_EFULL */
    /* The sender waits, first come first served, as in a suspending call, for mailbox_wait_ms at most, or until the deadline of
     * its call; then GR_EFULL. A kill ends its waiting (GR_EKILLED). At once: GR_EFULL for who sends to itself, or stands
     * between gr_no_suspend_begin and _end; GR_EDEADLK for who would close a cycle of waiting (call.h). */
    GR_MAILBOX_SUSPEND,
    GR_MAILBOX_DROP_NEWEST, /* it is dropped, and the sender is told nothing; a call gets GR_EFULL */
    /* The oldest one is dropped; if that was a call, its caller gets GR_EFULL. While the receiver does not look into its mailbox as
     * much again may wait. */
    GR_MAILBOX_DROP_OLDEST,
    GR_MAILBOX_KILL /* the receiver is killed (gr_kill), the sender gets GR_EFULL */
};

typedef struct gr_monitor_ref {
    uint64_t id;
} gr_monitor_ref;

/* Zero is the default everywhere. */
typedef struct gr_spawn_options {
    const char *name;        /* registered before the first message can arrive; GR_EEXISTS if taken; copied */
    unsigned link;           /* enum gr_link_flags: link the spawner to it, before it runs */
    gr_monitor_ref *monitor; /* not NULL: monitor it, before it runs; the reference is stored here */
    size_t stack_bytes; /* address space of its stack: 16 KiB to 16 MiB, rounded up to a power of two; 0: the setting */
    uint32_t mailbox_max; /* ordinary messages that may wait; 0: the setting */
    /* Bytes that they may take in memory; one always may; 0: the setting. Counted is of each its part of a slab, 64 at least (of a
     * body that gr_multicast shares, its envelope alone). From 16 MiB on the bound is one of the process's resident memory: 8 MiB
     * a worker of it, an eighth at most, are left to slabs in part use, and GR_MAILBOX_DROP_OLDEST counts half. */
    size_t mailbox_bytes_max;
    enum gr_mailbox_policy mailbox_policy;
    uint32_t mailbox_wait_ms; /* GR_MAILBOX_SUSPEND: how long senders wait; 0: the setting */
    size_t memory_max;        /* bytes that gr_alloc and gr_value_keep may give it at a time; 0: any */
    enum gr_kill_mode kill;
    bool retain; /* keep its exit record until one gr_wait or gr_forget */
    bool pinned; /* always runs on one worker: for code that relies on thread-locals */
} gr_spawn_options;

/* Spawns entry on its own green thread with the arguments that format describes (pack.h); it runs soon, maybe elsewhere.
 *     int gr_spawn(gr_self *self, gr_address *ret_address, gr_entry entry, const char *format, ...)
 *     int gr_spawn_link(…the same…): with options GR_LINK | GR_LINK_TRAP_EXIT
 *     int gr_spawn_with(gr_self *self, gr_address *ret_address, gr_entry entry, const gr_spawn_options *options,
 *                       const char *format, ...)
 * Errors: GR_EFORMAT, GR_EEXISTS, GR_EINVAL, GR_ENOMEM, GR_EFULL (message memory), GR_ENOTRUNNING (stopping).
 * These are macros: a compound literal of options that contains a comma needs parentheses around it. */
#define gr_spawn(self, ret_address, entry, ...) \
    gr_spawn_site((self), (ret_address), (entry), NULL, GR_SITE(__VA_ARGS__), __VA_ARGS__)
#define gr_spawn_link(self, ret_address, entry, ...) \
    gr_spawn_site((self), (ret_address), (entry), gr_spawn_link_options(), GR_SITE(__VA_ARGS__), __VA_ARGS__)
#define gr_spawn_with(self, ret_address, entry, options, ...) \
    gr_spawn_site((self), (ret_address), (entry), (options), GR_SITE(__VA_ARGS__), __VA_ARGS__)
GR_IN_ACTOR GR_MUST_CHECK int gr_spawn_site(gr_self *self, gr_address *ret_address, gr_entry entry,
                                            const gr_spawn_options *options, gr_site *site, const char *format, ...);
GR_ANY_THREAD const gr_spawn_options *gr_spawn_link_options(void);

/* The same with arguments that are a value already; gr_missing becomes null. */
GR_IN_ACTOR GR_MUST_CHECK int gr_spawn_value(gr_self *self, gr_address *ret_address, gr_entry entry,
                                             const gr_spawn_options *options, gr_value args);

/* The address of this actor. */
GR_IN_ACTOR gr_address gr_self_address(gr_self *self);

/* Is it alive at this moment? Of a remote address: does it lead somewhere (remote.h). */
GR_ANY_THREAD bool gr_alive(gr_address address);

/* Sends the message away and sets *message to NULL; on failure *message stays the caller's. Never suspends, unless the
 * receiver's mailbox is full and says GR_MAILBOX_SUSPEND; the same is true of everything that sends.
 * Errors: GR_EDEAD, GR_EFULL (its mailbox bound, or message memory), GR_EINVAL. */
GR_IN_ACTOR GR_MUST_CHECK int gr_send(gr_self *self, gr_address to, gr_message **message);

/* The same; a sender that a full mailbox lets wait (GR_MAILBOX_SUSPEND) waits until the deadline.
 * Errors: those of gr_send (GR_EFULL: the deadline has passed), GR_EKILLED, GR_EDEADLK, GR_ESUSPEND. */
GR_SUSPENDS GR_MUST_CHECK int gr_send_wait(gr_self *self, gr_address to, gr_message **message, gr_deadline deadline);

/* Sends one body to many: each receiver gets its own envelope on one reference-counted body. Returns how many took it, or a
 * negative code if none could be tried; *message is NULL afterwards unless the result is negative. */
GR_IN_ACTOR GR_MUST_CHECK int gr_multicast(gr_self *self, const gr_address *to, size_t count, gr_message **message);

/* Sends what format describes (pack.h):    int gr_cast(gr_self *self, gr_address to, const char *format, ...)
 * Errors: those of gr_send, GR_EFORMAT, GR_ENOMEM. */
#define gr_cast(self, to, ...) gr_cast_site((self), (to), GR_SITE(__VA_ARGS__), __VA_ARGS__)
GR_IN_ACTOR int gr_cast_site(gr_self *self, gr_address to, gr_site *site, const char *format, ...);
GR_IN_ACTOR GR_MUST_CHECK int gr_cast_value(gr_self *self, gr_address to, gr_value value);

/* Sends the message when the deadline has come; it is freed if the receiver is dead by then. The timer can be cancelled until
 * it fires: gr_cancel returns 0 and frees the message, GR_ENOTFOUND when it has fired or was cancelled.
 *     int gr_cast_after(gr_self *self, gr_timer *ret_timer_or_NULL, gr_address to, gr_deadline when, const char *format, ...) */
typedef struct gr_timer {
    uint64_t id;
} gr_timer;
GR_IN_ACTOR GR_MUST_CHECK int gr_send_after(gr_self *self, gr_timer *ret_timer, gr_address to, gr_message **message,
                                            gr_deadline when);
#define gr_cast_after(self, ret_timer, to, when, ...) \
    gr_cast_after_site((self), (ret_timer), (to), (when), GR_SITE(__VA_ARGS__), __VA_ARGS__)
GR_IN_ACTOR GR_MUST_CHECK int gr_cast_after_site(gr_self *self, gr_timer *ret_timer, gr_address to, gr_deadline when,
                                                 gr_site *site, const char *format, ...);
GR_IN_ACTOR int gr_cancel(gr_self *self, gr_timer timer);

/* Takes the oldest message out of the mailbox, waiting for one until the deadline (GR_NOW: a poll).
 * The message is the caller's: gr_message_free it. Errors: GR_ETIMEOUT, GR_EKILLED, GR_ECONTEXT, GR_ESUSPEND. */
GR_SUSPENDS GR_MUST_CHECK int gr_receive(gr_self *self, gr_message **ret_message, gr_deadline deadline);

/* Selective receive: the oldest message that one of the patterns matches; among patterns the first. What matches none stays
 * where it is, in order. Returns the index of the pattern (>= 0) or a negative code as gr_receive.
 * Messages that were looked at in vain are not looked at again for the same patterns and parameters. */
typedef struct gr_pattern {
    const gr_shape *shape;
    gr_value params; /* array whose elements bind $1, $2, …; gr_missing for a shape without parameters */
} gr_pattern;
GR_SUSPENDS GR_MUST_CHECK int gr_select(gr_self *self, const gr_pattern *patterns, size_t count,
                                        gr_message **ret_message, gr_deadline deadline);

/* The result that gr_wait and trapping links will see:   int gr_return(gr_self *self, const char *format, ...)
 * The last one counts; null if never called. Does not end the actor. Errors: GR_EFORMAT, GR_ENOMEM. */
#define gr_return(self, ...) gr_return_site((self), GR_SITE(__VA_ARGS__), __VA_ARGS__)
GR_IN_ACTOR int gr_return_site(gr_self *self, gr_site *site, const char *format, ...);
GR_IN_ACTOR GR_MUST_CHECK int gr_return_value(gr_self *self, gr_value value);

/* The state that GET and gr_state see, replaced as a whole:   int gr_publish(gr_self *self, const char *format, ...)
 * Readers never stop the actor. Errors: GR_EFORMAT, GR_ENOMEM, GR_EFULL. */
#define gr_publish(self, ...) gr_publish_site((self), GR_SITE(__VA_ARGS__), __VA_ARGS__)
GR_IN_ACTOR int gr_publish_site(gr_self *self, gr_site *site, const char *format, ...);
GR_IN_ACTOR GR_MUST_CHECK int gr_publish_value(gr_self *self, gr_value value);

/* A copy of what the actor published last, as a message to free; *ret_version (may be NULL) counts its publications.
 * Errors: GR_EDEAD, GR_ENOTFOUND (it has published nothing), GR_ENOMEM. */
GR_ANY_THREAD GR_MUST_CHECK int gr_state(gr_address address, gr_message **ret_state, uint64_t *ret_version);

/* Waits until the actor's count of publications is another than *version (0: it has published nothing), and stores it there;
 * gr_state then gives what is newest by that time, so a slow reader skips states and never falls behind. The mailbox is not
 * touched. An actor that nobody waits for pays nothing for it, one that is waited for wakes its waiters when it publishes.
 * Within a life the versions only grow; its end is GR_EDEAD, not a version. An error leaves *version as it was.
 * Errors: GR_EDEAD (it was dead, or has ended), GR_ETIMEOUT, GR_EKILLED, GR_EDEADLK (itself), GR_EINVAL (no version). */
GR_SUSPENDS GR_MUST_CHECK int gr_state_wait(gr_self *self, gr_address address, uint64_t *version, gr_deadline deadline);

/* Lets others run; returns at once when nobody waits. Errors: GR_EKILLED. */
GR_SUSPENDS int gr_cooperate(gr_self *self);

/* Sleeps until the deadline. 0, or GR_EKILLED when killed before or meanwhile. */
GR_SUSPENDS int gr_sleep(gr_self *self, gr_deadline deadline);

/* Kills. The victim's suspending calls return GR_EKILLED (or unwind, see gr_kill_mode) until it ends or takes the kill back;
 * after GR_KILL_PATIENCE such returns it is ended. gr_kill_now ends it at its next suspension point. Cleanups run in every
 * case. Idempotent; killing oneself takes effect at one's next suspending call. Errors: GR_EDEAD. */
#define GR_KILL_PATIENCE 1000
GR_ANY_THREAD int gr_kill(gr_address address);
GR_ANY_THREAD int gr_kill_now(gr_address address);
GR_IN_ACTOR bool gr_killed(gr_self *self);
GR_IN_ACTOR void gr_kill_clear(gr_self *self);

/* Between these two a kill waits: suspending calls do not see it, gr_killed does. Nests. What was held takes effect at the
 * first suspending call after the last release. gr_kill_now does not wait. */
GR_IN_ACTOR void gr_kill_hold(gr_self *self);
GR_IN_ACTOR void gr_kill_release(gr_self *self);

/* Runs fn(arg) when the actor ends, however it ends; the latest first, once each. Further kills are held meanwhile. An exception
 * out of fn changes nothing; if fn overflows the stack, the others run all the same, and it is a stack_overflow that watchers see.
 * gr_defer_cancel takes back the latest registration of (fn, arg): GR_ENOTFOUND if there is none. */
GR_IN_ACTOR GR_MUST_CHECK int gr_defer(gr_self *self, void (*fn)(gr_self *self, void *arg), void *arg);
GR_IN_ACTOR int gr_defer_cancel(gr_self *self, void (*fn)(gr_self *self, void *arg), void *arg);

/* Raises an exception: unwinds to the nearest gr_protect; without one the actor ends and its links learn the report
 *     {"error": error, "description": …, "text-exception": …, "stack-trace": [{"filename","lineno","method","code"}]}
 * C has no destructors: what the skipped frames own must hang on gr_defer or gr_alloc. On an attached thread outside
 * gr_protect it is a broken contract. */
GR_IN_ACTOR GR_NORETURN GR_PRINTF(3, 4) void gr_raise(gr_self *self, const char *error, const char *format, ...);
/* The same with a JSON value as description. */
GR_IN_ACTOR GR_NORETURN void gr_raise_value(gr_self *self, const char *error, gr_value description);

/* Calls fn(self, arg). 0 when it returned; GR_EEXCEPTION when it raised, with the report in *ret_report (may be NULL);
 * GR_EKILLED when a raising kill unwound it. */
GR_IN_ACTOR GR_MUST_CHECK int gr_protect(gr_self *self, void (*fn)(gr_self *self, void *arg), void *arg,
                                         gr_message **ret_report);

/* Waits for the end of an actor: 0 and its result in *ret_result (may be NULL); GR_EEXCEPTION and its report; GR_EKILLED when
 * it was killed, or the waiter was (gr_killed tells). Errors: GR_EDEAD (dead and not retained), GR_ETIMEOUT, GR_EDEADLK
 * (itself, or one that waits for this actor: see gr_call). How it ended is always right; a result or report that there was no memory
 * to keep is null. */
GR_SUSPENDS GR_MUST_CHECK int gr_wait(gr_self *self, gr_address address, gr_message **ret_result, gr_deadline deadline);
/* Drops the exit record of a retained actor. 0, GR_EDEAD when there is none. */
GR_ANY_THREAD int gr_forget(gr_address address);
/* Waits for all; *ret_messages is one array of link messages ({"address","exit"} or {"address","exception"}) in the order of
 * addresses. Errors as gr_wait; none of the records of the others is lost. */
GR_SUSPENDS GR_MUST_CHECK int gr_wait_all(gr_self *self, const gr_address *addresses, size_t count,
                                          gr_message **ret_messages, gr_deadline deadline);

/* Memory of the actor, freed when it ends or by gr_free. 16-byte aligned, zeroed; NULL when out of memory, or beyond the spawn
 * option memory_max (gr_actor_info says how much it has). */
GR_IN_ACTOR void *gr_alloc(gr_self *self, size_t bytes);
GR_IN_ACTOR void gr_free(gr_self *self, void *memory);
/* A copy of the value that lives until the actor ends; gr_missing when out of memory. */
GR_IN_ACTOR gr_value gr_value_keep(gr_self *self, gr_value value);

/* Why the last failing call of this actor failed; never NULL. Valid until its next failing call. */
GR_IN_ACTOR const gr_detail *gr_error_detail(gr_self *self);

/* Between these two, suspending calls return GR_ESUSPEND: for callbacks of foreign code that holds locks. Nests. */
GR_IN_ACTOR void gr_no_suspend_begin(gr_self *self);
GR_IN_ACTOR void gr_no_suspend_end(gr_self *self);

/* errno of the OS thread this runs on now. Compilers cache its address across a suspending call; this does not. */
GR_ANY_THREAD int gr_errno(void);

GR_END_DECLS

#endif
