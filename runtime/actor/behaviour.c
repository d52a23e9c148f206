/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Behaviours: what can be spawned by name. A list of the process, not of one run of the runtime: programs register before
 * gr_start or after, once. Nothing is ever removed, so what was looked up stays. Any thread, under a lock. */
#include "actor/registry.h"
#include "actor/runtime.h"
#include "actor/supervisor.h"
#include "base/error.h"

#include <ctype.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NAME_BYTES_MAX 64

typedef struct known {
    const gr_behaviour *behaviour;
    gr_shape *shape; /* NULL: any arguments */
} known;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static known *list; /* under the lock, as the rest */
static size_t count, capacity;

static known *find_locked(const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(list[i].behaviour->name, name) == 0) return &list[i];
    return NULL;
}

/* And the compiled shape of its arguments (NULL: any). */
static const gr_behaviour *find_behaviour(const char *name, const gr_shape **ret_shape)
{
    pthread_mutex_lock(&lock);
    known *found = name ? find_locked(name) : NULL;
    const gr_behaviour *behaviour = found ? found->behaviour : NULL;
    if (found) *ret_shape = found->shape;
    pthread_mutex_unlock(&lock);
    return behaviour;
}

const gr_behaviour *gr_behaviour_at(size_t index)
{
    pthread_mutex_lock(&lock);
    const gr_behaviour *behaviour = index < count ? list[index].behaviour : NULL;
    pthread_mutex_unlock(&lock);
    return behaviour;
}

static int check_name(const char *name, gr_detail *ret_detail)
{
    size_t bytes = name ? strnlen(name, NAME_BYTES_MAX + 1) : 0;
    if (bytes == 0 || bytes > NAME_BYTES_MAX)
        return gri_refuse(ret_detail, GR_EINVAL, "a behaviour's name has 1 to %d bytes", NAME_BYTES_MAX);
    for (size_t i = 0; i < bytes; i++) {
        unsigned char c = (unsigned char)name[i];
        if (c < 0x80 && (isalnum(c) || strchr("_-.", c))) continue;
        return gri_refuse(ret_detail, GR_EINVAL,
                          "a behaviour's name has letters, digits, '_', '-' and '.': byte %zu is none", i);
    }
    return 0;
}

static int check(const gr_behaviour *b, gr_detail *ret_detail)
{
    if (!b) return gri_refuse(ret_detail, GR_EINVAL, "no behaviour");
    int code = check_name(b->name, ret_detail);
    if (code != 0) return code;
    if (!!b->entry + !!b->server + !!b->supervisor != 1)
        return gri_refuse(ret_detail, GR_EINVAL,
                          "behaviour %s: exactly one of entry, server and supervisor must be set", b->name);
    if (b->options.name || b->options.link || b->options.monitor)
        return gri_refuse(ret_detail, GR_EINVAL, "behaviour %s: options.name, link and monitor must be zero", b->name);
    return 0;
}

static int append_locked(const gr_behaviour *b, gr_shape *shape)
{
    if (count == capacity) {
        size_t more = capacity ? 2 * capacity : 16;
        known *moved = realloc(list, more * sizeof *list);
        if (!moved) return GR_ENOMEM;
        list = moved;
        capacity = more;
    }
    list[count++] = (known){b, shape};
    return 0;
}

int gr_behaviour_register(const gr_behaviour *behaviour, gr_detail *ret_detail)
{
    int code = check(behaviour, ret_detail);
    if (code != 0) return code;
    gr_shape *shape = NULL;
    if (behaviour->arguments) code = gr_shape_compile(behaviour->arguments, &shape, ret_detail);
    if (code != 0) return code;
    pthread_mutex_lock(&lock);
    known *before = find_locked(behaviour->name);
    if (before)
        code = gri_refuse(ret_detail, GR_EEXISTS, "there is a behaviour %s already", behaviour->name);
    else if (append_locked(behaviour, shape) != 0)
        code = gri_refuse(ret_detail, GR_ENOMEM, "no memory for behaviour %s", behaviour->name);
    pthread_mutex_unlock(&lock);
    if (code != 0) gr_shape_free(&shape);
    return code;
}

/* ---- spawning ---- */

static gr_spawn_options merged(const gr_spawn_options *defaults, const gr_spawn_options *options)
{
    gr_spawn_options all = *defaults;
    if (!options) return all;
    all.name = options->name;
    all.link = options->link;
    all.monitor = options->monitor;
    if (options->stack_bytes) all.stack_bytes = options->stack_bytes;
    if (options->mailbox_max) all.mailbox_max = options->mailbox_max;
    if (options->mailbox_bytes_max) all.mailbox_bytes_max = options->mailbox_bytes_max;
    if (options->mailbox_policy) all.mailbox_policy = options->mailbox_policy;
    if (options->mailbox_wait_ms) all.mailbox_wait_ms = options->mailbox_wait_ms;
    if (options->memory_max) all.memory_max = options->memory_max;
    if (options->kill) all.kill = options->kill;
    all.retain |= options->retain;
    all.pinned |= options->pinned;
    return all;
}

int gri_behaviour_spawn(gr_self *self, gr_address *ret_address, const char *name, gri_spawn *how)
{
    const gr_shape *shape = NULL;
    const gr_behaviour *behaviour = find_behaviour(name, &shape);
    if (!behaviour) return gri_fail(self, GR_ENOTFOUND, "there is no behaviour %.64s", name ? name : "(null)");
    gr_value args = how->args ? gr_body(how->args) : gri_runtime_null();
    gr_detail detail;
    if (shape && gr_shape_explain(shape, args, (gr_value){NULL}, &detail) != 0)
        return gri_fail(self, GR_ETYPE, "arguments of %s: %s", behaviour->name, detail.text);
    gr_spawn_options all = merged(&behaviour->options, how->options);
    gri_spawn what = *how;
    what.entry = behaviour->entry;
    what.server = behaviour->server;
    what.options = &all;
    what.behaviour = behaviour;
    if (how->supervisor.id && how->ready == GRI_READY_AT_ONCE && behaviour->server) what.ready = GRI_READY_STARTED;
    if (how->supervisor.id && behaviour->supervisor) what.ready = GRI_READY_SAYS;
    gr_address address;
    int code = behaviour->supervisor ? gri_supervisor_spawn(self, &address, behaviour->supervisor, &what)
                                     : gri_actor_spawn(self, &address, &what);
    if (code != 0) return code;
    how->ready = what.ready;
    (void)gri_registry_note_behaviour(address, behaviour); /* dead already, or no memory: then nobody is shown it */
    if (ret_address) *ret_address = address;
    return 0;
}

int gr_spawn_behaviour(gr_self *self, gr_address *ret_address, const char *name, const gr_spawn_options *options,
                       gr_value args)
{
    int code = gri_acting(self);
    if (code != 0) return code;
    gri_spawn how = {.options = options};
    if (gr_type_of(args) != GR_MISSING) code = gr_message_copy(args, &how.args);
    if (code != 0) return gri_fail(self, code, "no memory for arguments");
    code = gri_behaviour_spawn(self, ret_address, name, &how);
    if (code != 0) gr_message_free(&how.args);
    return code;
}
