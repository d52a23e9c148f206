/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* A kit to test actors with: the same body in simulation with many seeds, with faults on purpose, and when it fails the shortest
 * way to see it fail again.
 *
 *     static int transfers(gr_self *self, void *arg)
 *     {
 *         gr_address bank;
 *         ...spawn, call, cast...
 *         GR_TEST_CHECK(total == 1000);
 *         return 0;
 *     }
 *     int main(void)
 *     {
 *         return gr_test_simulate(&(gr_test_options){.name = "transfers", .faults = "kill=100"}, transfers, NULL, NULL);
 *     }
 *
 *     greenroom: test transfers: seed 17 fails: bank_test.c:40: not true: total == 1000
 *     greenroom: test transfers: 9 faults, 1 of them is enough. Again:
 *         GREENROOM_SIMULATE=17 GREENROOM_FAULTS=kill@45 ./bank_test
 *
 * Each seed is a process of its own, forked: it may crash, hang or leave anything behind. In it the runtime is started, with one
 * thread, virtual time and every choice made by the seed; the body runs as the attached thread and says at its end what must hold.
 * It fails when the body returns anything but 0, when a check fails, here or in an actor, when the process dies, takes longer than
 * it may, or when messages are still held after the runtime has stopped.
 *
 * The faults of a plan are things that may happen anywhere: what an actor that is right survives. They never hit the body's own
 * thread. A plan names kinds, each with its chance, "kill=100" (one chance in 100), or with the chances to take, "kill@3+17":
 *
 *     kill        gr_kill: at every point where another actor could have called it: before it runs on, while it waits, in its calls
 *     kill_now    the same with gr_kill_now
 *     delay       an actor runs 0.1 to 10 ms later than it could, as when its worker has been stopped
 *     drop        the simulated network loses a datagram, or resets a connection
 *     allocate    there is no memory for a message, a stack, or what the runtime needs for the call: GR_ENOMEM
 *     system      a call of a simulated socket fails with an error that it may have
 *
 * Sockets have a network in the process: what is sent arrives 20 us to 2 ms later, in pieces; every address is somebody's, every
 * name a host, and what nobody listens to refuses. TLS and signals are GR_EUNSUPPORTED there, Unix sockets are no files. Time passes
 * only when no actor can run, so one that asks again and again without waiting hears nothing.
 *
 * Messages between local actors are neither lost nor reordered, here as always. Chances are counted per kind from 1. */
#ifndef GR_TEST_H
#define GR_TEST_H

#include <greenroom/actor.h>
#include <greenroom/runtime.h>

GR_BEGIN_DECLS

/* What is tried: 0 if all held. self is the attached thread, a host's; actors it leaves behind are killed. */
typedef int gr_test_body(gr_self *self, void *arg);

typedef struct gr_test_options {
    const char *name;          /* in what is printed; NULL: "simulation" */
    uint64_t seeds;            /* how many; 0: 100, and 1 for gr_test_every */
    uint64_t first_seed;       /* 0: 1 */
    const char *faults;        /* a plan; NULL: none */
    const gr_options *runtime; /* but for simulate and faults; NULL: as gr_start's */
    unsigned jobs;             /* processes at a time; 0: as many as there are CPUs to use */
    unsigned step;             /* gr_test_every: takes each step-th chance only; 0: 1 */
    unsigned seconds;          /* how long a run may take, not in virtual time; 0: 60 */
    bool replay; /* each run is made twice, and fails unless the second is the same: gr_trace_hash and virtual time */
    bool shown;  /* what runs write on standard output and standard error goes through; else only that of the last */
    /* Where the kit's own lines go, without newline; NULL: to standard error. */
    void (*print)(void *arg, const char *line);
    void *print_arg;
} gr_test_options;

typedef struct gr_test_result {
    uint64_t runs;            /* that were judged; replays, and those that looked for a shorter way, not among them */
    uint64_t faults;          /* that happened in them */
    int64_t virtual_ns;       /* time that passed in them */
    uint64_t failed_seed;     /* of the run that failed, if one did */
    unsigned shrunk_from;     /* how many faults had happened in it */
    char failed_faults[4096]; /* the plan that is enough */
    char why[256];
    bool steady; /* it failed again when it was tried again; else what it does does not depend on the seed alone */
} gr_test_result;

/* Runs the body with each seed. With GREENROOM_SIMULATE in the environment only with that one, with the plan of GREENROOM_FAULTS if
 * that is set, in this process and without a limit, for a debugger: a failed check aborts.
 * Returns 0 when all held, 1 when a run failed (*ret_result, which may be NULL, and what is printed tell which).
 * Errors: GR_EINVAL (a plan that is none, an unknown kind), GR_EINUSE (the runtime is up), GR_ENOMEM, GR_ESYSTEM. */
GR_ANY_THREAD GR_MUST_CHECK int gr_test_simulate(const gr_test_options *options, gr_test_body *body, void *arg,
                                                 gr_test_result *ret_result);

/* Runs the body once for every chance of this kind ("kill", say): with the first one taken, with the second one, to the last one that
 * the seed has; or with each options.step-th. options.faults is not used. The same for each of options.seeds. Returns and errors as
 * above. */
GR_ANY_THREAD GR_MUST_CHECK int gr_test_every(const gr_test_options *options, const char *kind, gr_test_body *body,
                                              void *arg, gr_test_result *ret_result);

/* Faults leave this actor alone from now on: no kill, for an actor that stands for something outside. Nothing where nothing is
 * simulated. */
GR_ANY_THREAD void gr_test_spare(gr_address address);

/* Ends the run as failed: in the body or in any actor. Outside of a run it aborts the process. */
GR_ANY_THREAD __attribute__((noreturn))
GR_PRINTF(3, 4) void gr_test_fail(const char *file, int line, const char *format, ...);
#define GR_TEST_CHECK(condition) ((condition) ? (void)0 : gr_test_fail(__FILE__, __LINE__, "not true: %s", #condition))

GR_END_DECLS

#endif
