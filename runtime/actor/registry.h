/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Names of actors: a hash table from name to address, and from each actor to its names.
 *
 *   function                            who               how
 *   gr_lookup                           any thread        on workers lock-free (liburcu's rculfhash in a read-side section
 *                                                         of some 20 ns that never spans a switch); elsewhere under the
 *                                                         lock, so that no thread of the program is registered with RCU
 *   gr_register, _unregister, _rename   any thread        under the lock
 *   gri_registry_release_all, _last     the dying actor   two or three loads and a fence if it has no names
 *   gri_registry_start, _stop           one thread        no actor lives
 *
 * A worker registers itself with RCU (memb flavour) at its first lookup and leaves when its thread ends: code that runs in
 * actors must not register its thread with that flavour again. The table grows by a writer that finds it crowded, and
 * removed names are freed 256 at a time after one grace period, outside the lock: no helper threads.
 *
 * Names come from networks: the hash is keyed.
 *
 * Registering a dying actor: the registrar puts the name into the actor's list, then looks whether its mailbox is closed;
 * the actor closes its mailbox, then looks at its list. One of them sees the other, and nobody else sees a name before that
 * is decided (gri_registry_release_last). */
#ifndef GRI_ACTOR_REGISTRY_H
#define GRI_ACTOR_REGISTRY_H

#include "actor/actor.h"

/* GR_ENOMEM, GR_ESYSTEM (no random bytes). */
GR_MUST_CHECK int gri_registry_start(void);
void gri_registry_stop(void);

/* The actor's detail for a code that gr_register has returned; returns the code. */
int gri_registry_explain(gr_self *self, int code, const char *name);

/* The end of an actor: takes its names away, and once more, after its mailbox was closed, what others gave it meanwhile.
 * From then on nobody finds it by a name. */
void gri_registry_release_all(gr_self *self);
void gri_registry_release_last(gr_self *self);

/* What is known of an actor besides its control block: the name it got first ("" if none), and the behaviour it was spawned
 * by (NULL if by none; ret_behaviour may be NULL). name has GR_NAME_BYTES_MAX + 1 bytes. */
void gri_registry_about(gr_address address, char *name, const gr_behaviour **ret_behaviour);
/* The same for the last words of a process: false if it would have to wait. */
bool gri_registry_try_about(gr_address address, char *name, const gr_behaviour **ret_behaviour);
/* All its names, the first one first. visit is called under a lock and must not come back here. */
void gri_registry_each_name(gr_address address, void (*visit)(void *arg, const char *name), void *arg);
/* Notes the behaviour of an actor; kept until it ends. GR_EDEAD, GR_ENOMEM. */
int gri_registry_note_behaviour(gr_address address, const gr_behaviour *behaviour);

/* Notes who supervises an actor that has not run yet; kept until it ends. GR_ENOMEM. */
GR_MUST_CHECK int gri_registry_note_supervisor(gr_address address, gr_address supervisor);

/* 0, or GR_EINVAL and what is wrong with the name. */
GR_MUST_CHECK int gri_name_check(const char *name, gr_detail *ret_detail);

/* How many names there are, and how many that were taken away wait for being freed. For tests and counters. */
void gri_registry_count(size_t *ret_names, size_t *ret_waiting);

/* Is the calling thread between reading the table and having done with it? No actor may be switched away from then. */
bool gri_registry_is_reading(void);

/* The actor whose code the calling thread runs now, or NULL. */
gr_self *gri_self_here(void);

#endif
