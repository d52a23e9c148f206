/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Supervised children, and questions to their supervisor.
 *
 * The children tell the test's thread, named "tester", what happens to them: {"start": id}, {"stop": id}. A text sent to one ends it:
 * "raise" and "overflow" as they say, any other in the normal way. */
#ifndef GR_TESTS_FAMILY_H
#define GR_TESTS_FAMILY_H

#include "support/harness.h"

#include "base/atomic.h"

#include <greenroom/supervisor.h>

#define SIZE(array) (sizeof(array) / sizeof *(array))

void family_child(gr_self *self, gr_value args); /* a green thread. args: its id */
extern const gr_server family_servant;           /* args: its id, or {"id", "refuse": true} */

#define CHILD(name, ...) \
    { \
        .id = name, .entry = family_child, .says_ready = true, .arguments = "\"" name "\"", __VA_ARGS__ \
    }
#define SERVANT(name, ...) \
    { \
        .id = name, .server = &family_servant, .arguments = "\"" name "\"", __VA_ARGS__ \
    }
#define TABLE(list, ...) \
    { \
        .children = list, .child_count = SIZE(list), __VA_ARGS__ \
    }

/* In which order the green threads stopped: the first letters of their ids. */
extern char family_stopped[8];
extern gri_atomic_u32 family_stopped_count;

/* For children of one's own; the second to be deferred, with the id. */
void family_tell(gr_self *self, const char *what, const char *id);
void family_tell_stop(gr_self *self, void *arg);

/* Registers the test as "tester", spawns the supervisor, waits until its children are up. */
gr_address family_start(gr_self *self, const gr_supervisor *table);

void family_ask(gr_self *self, gr_address to, const char *method);                   /* about all of them */
void family_order(gr_self *self, gr_address to, const char *method, const char *id); /* about one */

/* The call is answered with this exception. */
void family_refuses(gr_self *self, gr_address to, const char *method, const char *error, const char *json);

/* A figure of `count`. */
int64_t family_count(gr_self *self, gr_address to, const char *what);

/* The entry of one child in which_children: its state, "" if it is not there, and its address. Until the next call. */
const char *family_look(gr_self *self, gr_address to, const char *id, gr_address *ret_address);
gr_address family_address(gr_self *self, gr_address to, const char *id);

/* The next things that the children tell: "+a" is {"start": "a"}, "-a" {"stop": "a"}. */
void family_expect(gr_self *self, const char *first, ...);
#define TOLD(...) family_expect(self, __VA_ARGS__, NULL)

#endif
