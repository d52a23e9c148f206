/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Names for actors, behaviours that can be spawned by name, and looking at what is there.
 * A name is 1 to 255 bytes of UTF-8 without control characters, made of non-empty segments between slashes, none of them
 * "-", "." or "..". An actor may have several; all are released when it dies, before its links learn of it. */
#ifndef GR_REGISTRY_H
#define GR_REGISTRY_H

#include <greenroom/actor.h>
#include <greenroom/server.h>

GR_BEGIN_DECLS

#define GR_NAME_BYTES_MAX 255

/* Gives the actor one more name. Errors: GR_EEXISTS, GR_EDEAD, GR_EINVAL (what is wrong with the name), GR_ENOMEM. */
GR_ANY_THREAD GR_MUST_CHECK int gr_register(gr_address address, const char *name);
/* Takes a name away: GR_ENOTFOUND. */
GR_ANY_THREAD int gr_unregister(const char *name);
/* Gives the actor the new name and takes its old ones away, in one step for lookups of the new one. */
GR_IN_ACTOR GR_MUST_CHECK int gr_rename(gr_self *self, const char *name);
/* Who has the name: GR_ENOTFOUND. The text form of an address is looked up too; a URL is not: gr_remote_lookup asks there. */
GR_ANY_THREAD GR_MUST_CHECK int gr_lookup(const char *name, gr_address *ret_address);

/* A behaviour: what PUT and gr_spawn_behaviour may spawn. Exactly one of entry, server and supervisor is set. */
typedef struct gr_behaviour {
    const char *name; /* letters, digits, '_', '-', '.'; 1 to 64 bytes */
    gr_entry entry;
    const gr_server *server;
    const struct gr_supervisor *supervisor; /* supervisor.h; its arguments are not looked at */
    const char *arguments;                  /* shape that the arguments must have (shape.h); NULL: any */
    const char *text;                       /* one line for people */
    gr_spawn_options options;               /* defaults; name, link and monitor must be zero */
} gr_behaviour;

/* behaviour must outlive the runtime. Works before gr_start. Errors: GR_EEXISTS, GR_EINVAL, GR_ESYNTAX (the shape). */
GR_ANY_THREAD GR_MUST_CHECK int gr_behaviour_register(const gr_behaviour *behaviour, gr_detail *ret_detail);
/* The behaviour number index in order of registration, or NULL. */
GR_ANY_THREAD const gr_behaviour *gr_behaviour_at(size_t index);
/* Spawns it. Non-zero fields of options win over the behaviour's. Errors: GR_ENOTFOUND (unknown behaviour), GR_ETYPE (the
 * arguments do not have the shape; the detail says where), and those of gr_spawn. */
GR_IN_ACTOR GR_MUST_CHECK int gr_spawn_behaviour(gr_self *self, gr_address *ret_address, const char *behaviour,
                                                 const gr_spawn_options *options, gr_value args);

/* A look at one actor; a moment's picture. Strings are cut to fit. */
typedef struct gr_actor_info {
    gr_address address;
    char name[GR_NAME_BYTES_MAX + 1]; /* the first one; empty if none */
    char behaviour[65];               /* empty unless spawned by name */
    const char *state;                /* "running", "waiting", "ending", "attached"; static */
    uint64_t messages;                /* received so far */
    uint64_t publications;
    uint64_t mailbox; /* messages waiting; beyond 100,000 perhaps only that many */
    uint64_t memory;  /* bytes: its block, gr_alloc, a server's state, what is in use of its stack while it waits */
    bool is_server, has_state;
} gr_actor_info;
GR_ANY_THREAD GR_MUST_CHECK int gr_inspect(gr_address address, gr_actor_info *ret_info);

/* Calls visit for every actor alive, in order of table index, until it returns non-zero, which is returned. Actors spawned or
 * ended meanwhile may or may not be seen; none is seen twice. */
GR_ANY_THREAD int gr_each(int (*visit)(void *arg, gr_address address), void *arg);

GR_END_DECLS

#endif
