/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Supervisors: actors that start other actors in order, start them again when they die, and take them down in reverse.
 *
 *     static const gr_child children[] = {
 *         {.id = "store", .server = &store},
 *         {.id = "index", .behaviour = "index", .arguments = "{\"shards\": 4}", .restart = GR_TRANSIENT},
 *     };
 *     static const gr_supervisor tree = {.strategy = GR_REST_FOR_ONE, .children = children, .child_count = 2};
 *     int code = gr_spawn_supervisor(self, &address, &tree, &(gr_spawn_options){.name = "tree"});
 *
 *   a child died       | one_for_one    | one_for_all                | rest_for_one
 *   -------------------+----------------+----------------------------+------------------------------------------------
 *   to be restarted    | it alone       | the others are stopped in  | those after it are stopped in reverse order,
 *                      |                | reverse order, all started | then it and they are started
 *   not to be          | nothing more   | nothing more               | nothing more
 *
 *   how it ended                               | permanent | transient  | temporary
 *   -------------------------------------------+-----------+------------+-----------------------------------------------
 *   returned                                   | restarted | stays down | forgotten
 *   raised, overflowed its stack, was killed   | restarted | restarted  | forgotten
 *   before it was up (it could not be spawned, | restarted | restarted  | forgotten
 *     its start refused, it took too long)     |           |            |
 *   was stopped by its supervisor              | stays down, or is started again with its siblings (temporary: forgotten)
 *
 * A child is up once it is spawned; a server once its start function has returned 0, a supervisor once its children are, and
 * any child with `says_ready` once it calls gr_ready. The next child is started when the one before it is up; a child that
 * has been up once no longer holds up others under one_for_one.
 *
 * Restarts: the first one comes at once. A child that dies again within `period_ms` is started after a pause that doubles
 * each time, `backoff_ms` first, `backoff_max_ms` at most, each pause random between its half and its whole, so that many
 * do not come back in step. More than `intensity` restarts within `period_ms`, all children together: the supervisor stops
 * its children in reverse order and ends with the exception "restart_intensity", whose description says which child was the
 * last and why. Its own supervisor then does with it as the table says.
 *
 * Stopping a child: gr_kill; if it has not ended shutdown_ms later, gr_kill_now, which is logged. A supervisor that is killed
 * stops its children in reverse order, one after the other, and then ends; with gr_kill_now it kills them all at once, now,
 * and does not wait. gr_stop kills supervisors before what they supervise.
 *
 * A supervisor is an actor: it can be named, watched, supervised, and is asked by calls (over REST too):
 *
 *     which_children   null or {"offset", "limit"}    [{"id","address","state","kind","restart","restarts"}], in order
 *     count            null    {"children","up","starting","waiting","stopping","down","supervisors","restarts"}
 *     start_child      {"behaviour", "id", "args", "restart": "permanent" | "transient" | "temporary", "shutdown_ms", "name"},
 *                      all but the first optional; or, for another child from the table's `dynamic`, {"id", "args"} or null
 *                      {"id", "address"}, when it is up
 *     terminate_child  {"id"}  null, when it has ended; it stays in the list, down, if it is not temporary or dynamic
 *     restart_child    {"id"}  {"id", "address"}: starts one that is down
 *     delete_child     {"id"}  null: forgets one that is down
 *     ready            null    null, when all children were up for the first time
 *     shutdown         null    null, when all children have ended; then the supervisor ends normally
 *
 * What cannot be is answered with an exception: "no_such_child", "exists", "running", "bad_argument", "start_failed",
 * "ending". Any other message is counted and dropped. `state` is "up", "starting", "waiting" (to be started), "stopping",
 * "down".
 *
 * It publishes {"supervisor": true, "strategy", "phase", "restarts", "count", "up", "children": [the first 100]}; who has an
 * answer, or is started because it is up, reads a state at least as new, and while deaths follow each other it is at most
 * 100 ms old.
 *
 * Children from `dynamic` may be many: they are started at once and not in order, have numbers as ids unless told otherwise,
 * are restarted one by one whatever the strategy, and stopped all at once. */
#ifndef GR_SUPERVISOR_H
#define GR_SUPERVISOR_H

#include <greenroom/actor.h>
#include <greenroom/server.h>

GR_BEGIN_DECLS

enum gr_strategy { GR_ONE_FOR_ONE = 0, GR_ONE_FOR_ALL, GR_REST_FOR_ONE };
enum gr_restart { GR_PERMANENT = 0, GR_TRANSIENT, GR_TEMPORARY };

/* For shutdown_ms: gr_kill_now at once; or wait for as long as it takes. */
#define GR_SHUTDOWN_NOW (-1)
#define GR_SHUTDOWN_FOREVER (-2)
/* For intensity: no restart at all. */
#define GR_INTENSITY_NONE UINT32_MAX
/* For backoff_ms: restarts never wait. */
#define GR_BACKOFF_NONE (-1)

/* Zero is the default everywhere. Everything it points to must outlive the supervisor. */
typedef struct gr_child {
    const char *id; /* 1 to 255 bytes of UTF-8, no other child of this supervisor has it */
    /* What it runs: exactly one of these. */
    gr_entry entry;
    const gr_server *server;
    const struct gr_supervisor *supervisor;
    const char *behaviour;           /* a registered one, looked up at each start */
    const char *arguments;           /* JSON text; NULL: null */
    const gr_spawn_options *options; /* link and monitor must be zero; NULL: defaults */
    enum gr_restart restart;
    int64_t shutdown_ms; /* 0: 5000; a supervisor's default is GR_SHUTDOWN_FOREVER */
    int64_t start_ms;    /* how long it may take until it is up; 0: as long as it takes */
    bool says_ready;     /* it is up when it calls gr_ready */
} gr_child;

typedef struct gr_supervisor {
    enum gr_strategy strategy;
    uint32_t intensity;       /* restarts within period_ms that are borne; 0: 3 */
    int64_t period_ms;        /* 0: 5000 */
    int64_t backoff_ms;       /* 0: 10 */
    int64_t backoff_max_ms;   /* 0: 1000 */
    const gr_child *children; /* in the order of their start */
    size_t child_count;
    const gr_child *dynamic; /* what start_child starts when it is given no behaviour; its id is NULL */
} gr_supervisor;

/* Spawns a supervisor. It starts its children by itself: call its method "ready" to wait for them.
 * table and what it points to must outlive the supervisor. Errors: GR_EINVAL (the detail names what is wrong with the table),
 * and those of gr_spawn. */
GR_IN_ACTOR GR_MUST_CHECK int gr_spawn_supervisor(gr_self *self, gr_address *ret_address, const gr_supervisor *table,
                                                  const gr_spawn_options *options);

/* A child tells its supervisor that it is up; see says_ready. Does nothing for who has none, or has told. */
GR_IN_ACTOR void gr_ready(gr_self *self);

/* The supervisor of an actor; GR_NO_ADDRESS if it has none, or is dead. */
GR_ANY_THREAD gr_address gr_supervisor_of(gr_address address);

GR_END_DECLS

#endif
