/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* An actor as others see it, while it runs, parks, dies, or its slot begins another life. Any thread; nobody is stopped, and
 * nothing here is written where actors read.
 *
 * What belongs to the actor is copied by os/peek.h and believed only if the life, and for what a parked one waits for its very
 * park, are the same afterwards. */
#ifndef GRI_ACTOR_LOOK_H
#define GRI_ACTOR_LOOK_H

#include "actor/waiting.h"

typedef struct gri_look {
    gr_address address;
    const char *state; /* static: "running", "waiting", "ending", "attached" */
    bool is_server, is_supervisor, is_attached, is_waiting;
    uint32_t received, mailbox_max;
    uint64_t mailbox; /* messages waiting; see gri_look_mailbox */
    uint64_t memory;  /* bytes: its block, what it has allocated, its state, the part of its stack that is in use */
    uint64_t stack;   /* thereof its stack */
    int worker;       /* that runs it; -1: none */
} gri_look;

/* GR_EDEAD. */
GR_MUST_CHECK int gri_look_at(gr_address address, gri_look *ret_look);

/* What a parked actor waits for. Addresses are as they were given; texts are cut to fit. */
#define GRI_LOOK_SHAPES 3
typedef struct gri_look_waiting {
    enum gri_waiting_kind kind;
    int64_t since_ms;     /* how long it has been parked */
    int64_t left_ms;      /* until its deadline; -1: it has none */
    int32_t number;       /* SELECT: shapes in all; SOCKET: the descriptor */
    gr_address address;   /* CALL, END, STATE */
    const void *function; /* BLOCKING */
    char text[128];       /* CALL: method; SOCKET, OTHER */
    char shapes[GRI_LOOK_SHAPES][128];
} gri_look_waiting;
/* False: it is not parked, or too busy to be seen so. */
bool gri_look_waiting_of(gr_address address, gri_look_waiting *ret_waiting);

/* How many messages wait there, of whatever kind: what the actor has sorted already and what it has not taken in yet, which is
 * counted message by message, at most *budget (NULL: GRI_LOOK_MESSAGES), from which it is taken off. While it takes them in the
 * result may be too small. */
#define GRI_LOOK_MESSAGES 100000u
uint64_t gri_look_mailbox(gr_address address, uint32_t *budget);

#endif
