/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Looking at a runtime that runs: figures, one actor, how actors ended, metrics. Nothing here stops or slows an actor, and all of
 * it works while workers are busy, stuck, or end actors; what it says is a moment's picture, not a transaction.
 *
 * Texts of addresses are what gr_address_print gives. Times "since" are good to a slice of the scheduler (a millisecond by
 * default). */
#ifndef GR_OBSERVE_H
#define GR_OBSERVE_H

#include <greenroom/actor.h>

GR_BEGIN_DECLS

/* The runtime in figures, as a message to free:
 *     {"time": seconds since 1970, "uptime": seconds, "version": text,
 *      "workers": [{"id", "cpu": where it is pinned or null, "load": 0 to 1, "queue": actors that wait for it, "messages": sent
 *                   by what ran on it, "switches", "steals", "stolen", "parks", "state": "running", "idle", "stuck" or
 *                   "spare"}, …],
 *      "actors": {"live", "running", "waiting", "spawned", "ended"},
 *      "messages": {"sent", "dead_letters", "dropped", "rejected"},
 *      "mailbox": {"time_us": {"p50", "p90", "p99", "max", "buckets": [[up to, how many], …]},
 *                   "depth": {"p50", "p99", "max"}},
 *      "memory": {"messages", "stacks", "resident": bytes}}
 * "load" is the part of the time since the last look that the worker's thread was on a CPU; looks less than a tenth of a second
 * apart see the same. "running" counts actors that run or could run. "dropped" were no call to a server without on_message, waited
 * when their receiver ended, or were dropped by a full mailbox; "rejected" were refused by one. Times in mailboxes are of a sample, up to one
 * message a worker and millisecond; depths are of up to 16,384 actors, the next ones at the next look.
 * Errors: GR_ENOTRUNNING, GR_EFORKED, GR_ENOMEM, GR_EFULL. */
GR_ANY_THREAD GR_MUST_CHECK int gr_observe_stats(gr_message **ret_stats);

/* One actor, as a message to free:
 *     {"address", "names": [text, …], "behaviour": text or null, "kind": "server", "thread" or "attached", "state": as
 *      gr_inspect, "waits_for": text or null, "waits_since_ms": or null, "mailbox", "mailbox_max": 0 if unbounded, "messages",
 *      "publications", "memory", "stack": bytes of it in use, 0 if it has none, "links": [addresses of actors that are linked to
 *      it], "supervisor": address or null, "monitors": how many watch it otherwise, "worker": that runs it, or null}
 * Errors: GR_EDEAD, GR_ENOTRUNNING, GR_EFORKED, GR_ENOMEM, GR_EFULL. */
GR_ANY_THREAD GR_MUST_CHECK int gr_observe_actor(gr_address address, gr_message **ret_info);

/* The actors that ended last without having returned normally (and last of all what was killed by gr_stop), newest first, at
 * most `max` of the GR_EXITS_MAX that are kept, as a message to free:
 *     [{"number": counts from 1, "time": seconds since 1970, "address", "name": the first one or null, "behaviour": or null, "how": "exception", "killed"
 *       or "overflow", "report": {"error", "description", "text-exception"} or null}, …]
 * Long texts are cut. They are kept until the next gr_start; numbers go on over it. An end has its number before it can be seen, so
 * for a moment a number may be missing below others; one that never comes was not given away.
 * Errors: GR_EFORKED, GR_ENOMEM, GR_EFULL. */
#define GR_EXITS_MAX 256
GR_ANY_THREAD GR_MUST_CHECK int gr_observe_exits(size_t max, gr_message **ret_exits);
/* The same of those with a number greater than `after`. */
GR_ANY_THREAD GR_MUST_CHECK int gr_observe_exits_after(uint64_t after, size_t max, gr_message **ret_exits);

/* The runtime's metrics in the text format of Prometheus (version 0.0.4), NUL-terminated, to be freed with free(); *ret_bytes (may
 * be NULL) is its length without the NUL. Errors: GR_ENOTRUNNING, GR_EFORKED, GR_ENOMEM. */
GR_ANY_THREAD GR_MUST_CHECK int gr_metrics(char **ret_text, size_t *ret_bytes);

/* All of it as text for people: the runtime, its workers, and a line for each actor alive: address, names, behaviour, what it is,
 * where it runs or what it waits for and since when, its mailbox, what it has received, its memory; then the trees of
 * supervisors. In pieces of some kilobytes, whole
 * lines, to a descriptor, or to a function that returns 0 to go on. Not from signal handlers: it allocates.
 * Errors: GR_ENOTRUNNING, GR_EFORKED, GR_ENOMEM, GR_ESYSTEM (writing failed); or what the function has returned. */
GR_ANY_THREAD int gr_dump(int descriptor);
GR_ANY_THREAD int gr_dump_to(int (*put)(void *arg, const char *text, size_t bytes), void *arg);

GR_END_DECLS

#endif
