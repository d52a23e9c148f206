/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* A runtime for one test: started, with the test's thread attached to it as an actor, and stopped again.
 *
 *     TEST(spawn, passes_arguments)
 *     {
 *         gr_self *self = BEGIN();
 *         gr_address child;
 *         CHECK_OK(gr_spawn(self, &child, tell, "{s:A}", "to", gr_self_address(self)));
 *         EXPECT(self, "{s:i}", "x", 1);
 *         END(self);
 *     }
 *
 * Actors tell what they see by casting it to the test's thread. What has to happen is waited for until SOON, a minute away,
 * so that a test that fails takes long and one that passes does not (less where failures are injected: inject/). The same bodies run under GREENROOM_SIMULATE; what
 * needs threads of its own begins with `if (harness_simulated()) return;`.
 *
 * With GR_TEST_HASHES in the environment, END prints the test and its gr_trace_hash on standard output. */
#ifndef GR_TESTS_SUPPORT_HARNESS_H
#define GR_TESTS_SUPPORT_HARNESS_H

#include "support/test.h"

#include <greenroom.h>

#define SOON gr_after_ms(harness_patience_ms)
extern int64_t harness_patience_ms; /* 60,000 */

/* Starts the runtime with default options, or with these, and attaches this thread. */
#define BEGIN() harness_begin(NULL)
#define BEGIN_WITH(...) harness_begin(&(gr_options){__VA_ARGS__})
gr_self *harness_begin(const gr_options *options);

/* Stops the runtime at once: what is still alive is killed. */
#define END(self) harness_end((self), __func__)
void harness_end(gr_self *self, const char *test);

/* Is GREENROOM_SIMULATE set? */
bool harness_simulated(void);

/* Lets others run until the condition holds. For the test's thread and for actors. */
#define WAIT_FOR(self, condition) \
    for (gr_deadline gr_patience = SOON; !(condition);) { \
        if (!harness_pause((self), gr_patience)) \
            TEST_FAIL("%s:%d: waited in vain for: %s", __FILE__, __LINE__, #condition); \
    }
bool harness_pause(gr_self *self, gr_deadline patience);

/* Does the actor wait in a suspending call at this moment (an idle server does, too)? */
bool harness_waits(gr_address address);
/* Has the actor ended altogether (a retained one has left its exit record)? */
#define WAIT_GONE(self, address) WAIT_FOR(self, harness_gone(address))
bool harness_gone(gr_address address);

/* The value is the one that the format (pack.h) describes. */
#define CHECK_VALUE(value, ...) \
    do { \
        gr_message *gr_expected = NULL; \
        CHECK_OK(gr_pack(&gr_expected, __VA_ARGS__)); \
        harness_compare((value), gr_body(gr_expected), __FILE__, __LINE__); \
        gr_message_free(&gr_expected); \
    } while (0)
void harness_compare(gr_value actual, gr_value expected, const char *file, int line);

/* The next message says so. */
#define EXPECT(self, ...) \
    do { \
        gr_message *gr_received = RECEIVE(self); \
        CHECK_VALUE(gr_body(gr_received), __VA_ARGS__); \
        gr_message_free(&gr_received); \
    } while (0)
/* The next message, to be freed. */
#define RECEIVE(self) harness_receive((self), __FILE__, __LINE__)
gr_message *harness_receive(gr_self *self, const char *file, int line);

/* There is no message now. */
#define EXPECT_NOTHING(self) harness_expect_nothing((self), __FILE__, __LINE__)
void harness_expect_nothing(gr_self *self, const char *file, int line);

/* The next message is {"address": address, "exception": {"error": error, ...}}. */
#define EXPECT_EXCEPTION(self, address, error) harness_expect_exception((self), (address), (error), __FILE__, __LINE__)
void harness_expect_exception(gr_self *self, gr_address address, const char *error, const char *file, int line);

/* report["error"], or "(none)". */
const char *harness_error(gr_value report);

/* The counters. */
gr_counters harness_counters(void);

/* An actor that receives and forgets, until it is killed. */
void harness_idle(gr_self *self, gr_value args);
/* A shape, compiled. */
gr_shape *harness_shape(const char *text);

/* Spawn options as an argument of a macro. */
#define OPTIONS(...) (&(const gr_spawn_options){__VA_ARGS__})

#define FREE(message) gr_message_free(&(message))

#endif
