/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* A server that tells the test what happens to it: methods that reply, raise, hang, overflow, end, take calls over.
 *
 * Spawned with {"host": the test's address, "start": n, "refuse": b, "raise": b, "wait": b, "stop_raises": b}. It casts to its
 * host "stop" when it stops, what its methods say ("hanging", "taken", …), and {"message": m} for a message m that is no call,
 * but for "raise", "answer" (the call taken over) and "end", which it obeys. */
#ifndef GR_TESTS_DESK_H
#define GR_TESTS_DESK_H

#include "support/harness.h"

extern const gr_server desk_server;

/* One that starts at 10. desk_new: linked to the test. */
gr_address desk_new(gr_self *self);
gr_address desk_with(gr_self *self, const gr_spawn_options *options);

/* Spawns an actor that calls the method and tells {"code": …, "reply": …}. */
gr_address call_from_elsewhere(gr_self *self, gr_address of, const char *method);

/* The method gives what the rest describes. */
#define CALL_GIVES(self, to, method, argument, ...) \
    do { \
        gr_message *gr_reply_ = NULL; \
        CHECK_OK(gr_call((self), &gr_reply_, (to), (method), SOON, "i", (argument))); \
        CHECK_VALUE(gr_body(gr_reply_), __VA_ARGS__); \
        FREE(gr_reply_); \
    } while (0)

#endif
