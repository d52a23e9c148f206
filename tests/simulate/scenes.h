/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Scenes for simulation with faults: bodies for <greenroom/test.h> that go through the public calls, and whose laws hold whoever is
 * killed, whatever is late, and wherever there is no memory:
 *
 *   crew       everybody that the body has spawned, watched by a link and a monitor: each tells of the end exactly once, everybody
 *              can be ended, and nobody is left (gr_stop after the body would wait for ever)
 *   messages   per sender and receiver: what is received is what was sent, from the first on, in order, without a gap; a receiver
 *              that lives to the end has all of it
 *   calls      each gets one answer: its own, or a code that says why not
 *   clean-ups  what gr_defer was given runs once; `stop` as often as `start` has succeeded; `drop` once
 *   memory     nothing is held after gr_stop (the kit looks)
 *
 * One process a run, one thread: so what they count is in plain variables, which every run begins with at zero. */
#ifndef GR_TESTS_SIMULATE_SCENES_H
#define GR_TESTS_SIMULATE_SCENES_H

#include <greenroom.h>
#include <greenroom/test.h>

typedef struct scene {
    const char *name;
    gr_test_body *body;
} scene;
extern const scene scenes[];
extern const unsigned scene_count;

/* ---- what scenes are made of ---- */

/* Spawns one for the crew: false if there was no memory, say (never without faults). */
bool crew_spawn(gr_self *self, gr_address *ret_address, gr_entry entry, const gr_spawn_options *options, gr_value args);
bool crew_spawn_server(gr_self *self, gr_address *ret_address, const gr_server *server,
                       const gr_spawn_options *options);
/* Another actor's end is to be told to the body, too. */
bool crew_watch(gr_self *self, gr_address address);
/* Waits for patience_ms of virtual time, kills who is still there, and checks that everybody's end was told once. Other messages to
 * the body are dropped. */
void crew_dismiss(gr_self *self, int64_t patience_ms);

/* Codes that a fault may be the reason of. */
bool is_excuse(int code);
/* Fails but for 0 and these. */
#define EXCUSED(call) excused((call), #call, __FILE__, __LINE__)
int excused(int code, const char *call, const char *file, int line);

int scene_streams(gr_self *self, void *arg);
int scene_bounds(gr_self *self, void *arg);
int scene_calls(gr_self *self, void *arg);
int scene_ends(gr_self *self, void *arg);
int scene_supervisors(gr_self *self, void *arg);
int scene_waits(gr_self *self, void *arg);
int scene_cleanups(gr_self *self, void *arg);
int scene_wires(gr_self *self, void *arg);
int scene_datagrams(gr_self *self, void *arg);
int scene_web(gr_self *self, void *arg);

#endif
