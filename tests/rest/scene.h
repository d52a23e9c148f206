/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* A runtime, a REST server on a port of its own, and behaviours to try it on.
 *
 *     box      a server that holds a number: publishes it; a message sets it; methods get, bump (one more), trace (its own), fail, wait; args: the number
 *     script   an actor that publishes each message it gets, but for {"return": v}, {"raise": text}, {"burst": n} (publishes
 *              1 to n) and {"stubborn": true} (kills are taken back from then on)
 *     full     takes two messages and looks at none
 *     hidden   named "greenroom.hidden": one of the runtime's own, for who must not reach it */
#ifndef GR_TESTS_REST_SCENE_H
#define GR_TESTS_REST_SCENE_H

#include <greenroom/registry.h>
#include <greenroom/rest.h>
#include <greenroom/runtime.h>
#include <greenroom/text.h>

#include "rest/client.h"
#include "support/test.h"

#define SCENE_TOKEN "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
#define SCENE_AUTH "Authorization: Bearer " SCENE_TOKEN "\r\n"

typedef struct scene {
    gr_self *self;
    gr_rest *rest;
    char address[128];
} scene;

/* The behaviours alone, in a runtime of their own, this thread attached. */
gr_self *scene_runtime(void);
/* Everything; 127.0.0.1 and the token unless options say otherwise. */
scene scene_begin(gr_rest_options options);
void scene_end(scene *scene);

/* Spawns a behaviour under a name (NULL: none). */
gr_address scene_spawn(scene *scene, const char *behaviour, const char *name, int64_t args);

/* A request with the token; checks the status. The answer is to be freed. */
answer scene_ask(const scene *scene, const char *method, const char *path, const char *headers, const char *body,
                 int status);
/* The same with nothing but the body to check; NULL: any. */
void scene_expect(const scene *scene, const char *method, const char *path, const char *headers, const char *body,
                  int status, const char *answer_body);
/* The body as a value, to be freed. */
gr_message *scene_value(const answer *a);

/* A stream of events; what comes is taken event by event. */
typedef struct events {
    client client;
    answer head;
    char *text; /* dechunked, not yet taken */
    size_t bytes;
    bool ended; /* the last chunk has come */
    int beats;  /* comments seen so far */
} events;

typedef struct event {
    char name[32], id[96];
    char *data; /* malloc'd */
} event;

events events_open(const scene *scene, const char *path, const char *headers);
/* The next event, comments (counted) and retry left out; false: the stream has ended in order. */
bool events_next(events *events, event *ret_event);
/* Until so many comments have come since the stream began. */
void events_wait_beats(events *events, int beats);
/* Expects the next event to be this one. data NULL: any. */
void events_expect(events *events, const char *name, const char *data);
void event_free(event *event);
void events_close(events *events);

#endif
