/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* The runtime of the process: start, stop, attaching threads, hooks, counters.
 *
 * gr_start is counted: every success needs one gr_stop; the last one drains and ends the workers, and gr_start may be called
 * again. Between them the process has worker threads, one monitor thread, and no other global state. The environment
 * (GREENROOM_*) wins over options in code unless the option's bit is set in .fixed. */
#ifndef GR_RUNTIME_H
#define GR_RUNTIME_H

#include <greenroom/address.h>
#include <greenroom/api.h>
#include <greenroom/error.h>
#include <greenroom/time.h>

GR_BEGIN_DECLS

#define GR_VERSION_MAJOR 0
#define GR_VERSION_MINOR 1
#define GR_VERSION_PATCH 0

/* "0.1.0", of the library that is linked, not of the header. */
GR_ANY_THREAD const char *gr_version(void);

/* One row per setting: X(field, type kind, environment name, default text, unit and range, what it does).
 * This table makes the fields of gr_options, the parser of the environment, its errors, and `greenroom env`. */
#define GR_SETTINGS(X) \
    X(workers, INT, "GREENROOM_WORKERS", "auto", "1 to 1024, or auto", \
      "worker threads; auto: the CPUs this process may really use") \
    X(bind, TEXT, "GREENROOM_BIND", "auto", "auto, core, pu, numa, none, or a list such as 0,2,4-7", \
      "how workers are pinned to CPUs") \
    X(stack_kb, INT, "GREENROOM_STACK_KB", "64", "16 to 16384 KiB", "address space of a green thread's stack") \
    X(guard, TEXT, "GREENROOM_GUARD", "auto", "auto, install, protect, canary or require", \
      "how a stack's end is guarded") \
    X(spin_us, INT, "GREENROOM_SPIN_US", "30", "0 to 10000 microseconds", \
      "how long an idle worker looks for work before it sleeps") \
    X(slice_us, INT, "GREENROOM_SLICE_US", "1000", "50 to 1000000 microseconds", \
      "how long an actor may run while others wait") \
    X(steal, TEXT, "GREENROOM_STEAL", "distance", "distance, random or none", "in which order victims are tried") \
    X(mailbox_max, INT, "GREENROOM_MAILBOX_MAX", "0", "0 to 1000000000 messages, 0: unbounded", \
      "bound of a mailbox unless the spawn option says otherwise") \
    X(mailbox_kb, INT, "GREENROOM_MAILBOX_KB", "0", "0 to 1073741824 KiB, 0: unbounded", \
      "bound of a mailbox in bytes, likewise") \
    X(mailbox_policy, TEXT, "GREENROOM_MAILBOX_POLICY", "fail", "fail, suspend, drop_newest, drop_oldest or kill", \
      "what a full mailbox does: refuse, let the sender wait, drop, or have its actor killed") \
    X(mailbox_wait_ms, INT, "GREENROOM_MAILBOX_WAIT_MS", "1000", "1 to 86400000 milliseconds", \
      "how long a sender waits for room") \
    X(message_mb, INT, "GREENROOM_MESSAGE_MB", "0", "0 to 1048576 MiB, 0: unlimited", \
      "limit on the memory of all messages") \
    X(stuck_ms, INT, "GREENROOM_STUCK_MS", "20", "1 to 60000 milliseconds", \
      "when a worker that one actor holds gets a spare beside it; four times as long is reported") \
    X(blocking_threads, INT, "GREENROOM_BLOCKING_THREADS", "32", "1 to 1024 threads", \
      "how many gr_blocking calls run at once") \
    X(copy, TEXT, "GREENROOM_COPY", "packed", "packed, text or jansson", "how messages are serialized on their way") \
    X(simulate, TEXT, "GREENROOM_SIMULATE", "", "a seed, 0 to 18446744073709551615, or empty", \
      "one thread, virtual time, seeded scheduling") \
    X(faults, TEXT, "GREENROOM_FAULTS", "", "empty, or a plan such as kill=100,drop@3+17 (greenroom/test.h)", \
      "what simulation breaks on purpose, and where") \
    X(remote_allow, TEXT, "GREENROOM_REMOTE_ALLOW", "", \
      "empty, *, or a list such as http://10.0.0.2:7580,https://*.example.org", \
      "which URLs in messages from outside become remote addresses") \
    X(trace, TEXT, "GREENROOM_TRACE", "", "a file's path, or empty", \
      "where spans of traced messages are written (trace.h)") \
    X(log, TEXT, "GREENROOM_LOG", "warn", "off, error, warn, info or debug", "what is logged")

#define GR_FIELD_INT(field) int64_t field;
#define GR_FIELD_TEXT(field) const char *field;
#define GR_FIELD(field, kind, variable, fallback, range, text) GR_FIELD_##kind(field)
#define GR_FIXED_BIT(field, kind, variable, fallback, range, text) GR_FIXED_INDEX_##field,
enum gr_fixed_index { GR_SETTINGS(GR_FIXED_BIT) GR_SETTING_COUNT };

/* .fixed is a set of these: GR_FIXED(workers) | GR_FIXED(bind) */
#define GR_FIXED(field) (UINT64_C(1) << GR_FIXED_INDEX_##field)

/* Zero (or NULL) in a field means its default. Strings are copied. */
typedef struct gr_options {
    GR_SETTINGS(GR_FIELD)
    uint64_t fixed; /* settings the environment must not override */
    /* Leave SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT and SIGTRAP alone: a stack overflow then ends the process, and one that dies
     * in an actor does not say in which. */
    bool no_signal_handler;
} gr_options;

/* Starts the runtime, or adds a reference to the running one.
 * Errors: GR_EENV (variable, value and what is allowed, in *ret_detail), GR_EINVAL (the same for an option), GR_ECONFLICT
 * (running with other options), GR_ENOMEM, GR_ESYSTEM, GR_EFORKED. ret_detail may be NULL. Blocks until all workers run.
 * A start reads the machine in a child process that ends before the call does: a handler for SIGCHLD hears of it, and
 * the fork takes about 30 ms for every gigabyte that is resident by then. */
GR_ANY_THREAD GR_MUST_CHECK int gr_start(const gr_options *options, gr_detail *ret_detail);

/* Gives one reference back. The last one waits until every actor has ended or the deadline passes, then kills what is left,
 * runs its cleanups and ends the workers. Call it from a thread that is not an actor; an attached caller is detached.
 * It kills as gr_kill does, for 2 s, and everybody who is left again after 10, 20, 40 ms and so on, since others are spawned
 * meanwhile; then as gr_kill_now does. So who takes its kill back to tidy up (gr_kill_clear) is killed again while it does:
 * gr_defer and gr_kill_hold keep the first kind away until it has finished. Who has a living supervisor is left to that at first.
 * Nobody can be ended in the middle of a computation: for an actor that never reaches a suspending call, and for an attached
 * thread that neither detaches nor ends (its suspending calls return GR_EKILLED), it waits beyond the deadline, and logs
 * that as an error every ten seconds.
 * Returns 0 when all actors ended by themselves, GR_ETIMEOUT when some had to be killed, GR_ENOTRUNNING, GR_ECONTEXT,
 * GR_EFORKED. */
GR_ANY_THREAD int gr_stop(gr_deadline deadline);

/* Makes the calling OS thread an actor with a mailbox; its suspending calls block the thread and only ever return codes.
 * It ends with gr_detach or with its thread. Attaching twice gives the same self.
 * Errors: GR_ENOTRUNNING, GR_ECONTEXT (called by a green thread), GR_ENOMEM, GR_EFORKED. */
GR_ANY_THREAD GR_MUST_CHECK int gr_attach(gr_self **ret_self);
GR_ANY_THREAD void gr_detach(gr_self **self);

/* What a setting is now and where that came from ("default", "option", "environment"); static strings. value must hold
 * value_bytes. Errors: GR_ENOTFOUND, GR_ETOOBIG. Works before gr_start too: then it tells what would be used. */
typedef struct gr_setting_info {
    const char *variable, *fallback, *range, *text, *source;
    char value[128];
} gr_setting_info;
GR_ANY_THREAD GR_MUST_CHECK int gr_setting_read(size_t index, gr_setting_info *ret_info);

enum gr_log_level { GR_LOG_ERROR, GR_LOG_WARN, GR_LOG_INFO, GR_LOG_DEBUG };

/* Where log lines go (default: stderr). line is one line without newline; subject is the address of the actor it is about,
 * or GR_NO_ADDRESS. Called from any thread, must not call back into Greenroom except to read values. drop(arg) is called
 * once when the sink is replaced. NULL restores the default. Set it before gr_start. */
typedef void (*gr_log_sink)(void *arg, enum gr_log_level level, gr_address subject, const char *line);
GR_ANY_THREAD void gr_log_sink_set(gr_log_sink sink, void *arg, void (*drop)(void *arg));
GR_ANY_THREAD GR_PRINTF(2, 3) void gr_log(enum gr_log_level level, const char *format, ...);

/* Called with the text of a broken contract or invariant just before abort(). */
GR_ANY_THREAD void gr_panic_hook_set(void (*hook)(const char *text));

/* Where the memory of messages, and of what actors allocate, comes from instead of the system. take: `bytes` (a multiple of
 * 64 KiB) aligned to `alignment`, contents undefined, or NULL: then who wanted it gets GR_ENOMEM; give gets the same bytes
 * back. Both are called from any thread and must not call Greenroom. drop(arg), which may be NULL, is called once when the
 * source is replaced. Before gr_start or after the last gr_stop; NULL restores the system. Stacks, tables, and the little that
 * comes from malloc are not asked for here.
 * Errors: GR_EINUSE while messages exist, or the runtime is up; GR_EINVAL when one of the functions is missing. */
typedef struct gr_memory_source {
    void *(*take)(void *arg, size_t bytes, size_t alignment);
    void (*give)(void *arg, void *memory, size_t bytes);
    void *arg;
    void (*drop)(void *arg);
} gr_memory_source;
GR_ANY_THREAD GR_MUST_CHECK int gr_memory_source_set(const gr_memory_source *source);

/* Counters since gr_start, summed over workers; a moment's picture, not a transaction. X(name, text) */
#define GR_COUNTERS(X) \
    X(workers, "worker threads") \
    X(actors, "actors alive") \
    X(spawned, "actors spawned") \
    X(ended, "actors ended") \
    X(messages, "messages sent") \
    X(dead_letters, "messages and replies that found nobody") \
    X(rejected, "messages refused by a full mailbox") \
    X(displaced, "messages dropped by a full mailbox") \
    X(expired, "calls dropped before they ran, because nobody waited for them any more") \
    X(discarded, "messages that were waiting in the mailbox of an actor when it ended") \
    X(dropped, "messages that were no call to a server without on_message") \
    X(switches, "context switches") \
    X(runs, "tasks run as plain calls") \
    X(queued, "times a task was put into a worker's queue") \
    X(spills, "tasks that a full run queue had no room for") \
    X(steals, "successful steals") \
    X(stolen, "tasks stolen") \
    X(wakes, "sleeping workers woken") \
    X(parks, "times a worker went to sleep") \
    X(polls, "looks at the poller") \
    X(timers_fired, "timers fired") \
    X(stuck, "times an actor held its worker too long") \
    X(rescues, "times a spare worker was put in") \
    X(overflows, "stack overflows contained") \
    X(deadlocks, "calls and waits refused because they would have closed a cycle") \
    X(stacks_live, "stacks that hold a green thread or a worker loop") \
    X(stacks_cached, "warm stacks waiting in caches") \
    X(message_bytes, "bytes of slabs for messages and actors") \
    X(system_allocations, "calls to mmap or malloc for messages")

#define GR_COUNTER_FIELD(name, text) uint64_t name;
typedef struct gr_counters {
    GR_COUNTERS(GR_COUNTER_FIELD)
} gr_counters;
#undef GR_COUNTER_FIELD

/* Errors: GR_ENOTRUNNING. */
GR_ANY_THREAD GR_MUST_CHECK int gr_counters_read(gr_counters *ret_counters);

/* Under GREENROOM_SIMULATE: a hash over every scheduling decision and message so far; else 0. Same seed, same hash. */
GR_ANY_THREAD uint64_t gr_trace_hash(void);

GR_END_DECLS

#endif
