/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* gr_dump. */
#include "actor/registry.h"
#include "actor/runtime.h"
#include "observe/figures.h"
#include "observe/trees.h"
#include "observe/waits.h"
#include "observe/workers.h"

#include <errno.h>
#include <greenroom/observe.h>
#include <greenroom/runtime.h>
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

#define PIECE ((size_t)32 << 10)

typedef int (*put_fn)(void *arg, const char *text, size_t bytes);

typedef struct dump {
    put_fn put;
    void *arg;
    gri_text text;
    uint64_t actors;
    gri_trees trees;
} dump;

/* Hands over what there is, and begins anew. */
static int flush(dump *d)
{
    char *text;
    size_t bytes;
    int code = gri_text_end(&d->text, &text, &bytes);
    gri_text_begin(&d->text);
    if (code != 0) return code;
    if (bytes > 0) code = d->put(d->arg, text, bytes);
    free(text);
    return code;
}

static void add_name(void *arg, const char *name)
{
    gri_text_add(arg, " \"%s\"", name);
}

static void add_ms(gri_text *t, int64_t ms)
{
    gri_text_add(t, "%lld.%03d s", (long long)(ms / 1000), (int)(ms % 1000));
}

static int add_summary(dump *d)
{
    gr_counters c;
    int code = gr_counters_read(&c);
    if (code != 0) return code;
    gri_memory_figures m;
    gri_figures_memory(&m);
    gri_text_add(&d->text, "greenroom %s, up ", gr_version());
    add_ms(&d->text, (int64_t)(gri_figures_uptime() * 1000));
    gri_text_add(
        &d->text,
        ": %llu workers, %llu actors of %llu spawned; messages: %llu sent, %llu dead letters, %llu dropped, %llu "
        "rejected; memory: %llu KiB of messages, %llu KiB resident\n",
        (unsigned long long)c.workers, (unsigned long long)c.actors, (unsigned long long)c.spawned,
        (unsigned long long)c.messages, (unsigned long long)c.dead_letters,
        (unsigned long long)(c.dropped + c.discarded + c.displaced), (unsigned long long)c.rejected,
        (unsigned long long)m.messages / 1024, (unsigned long long)m.resident / 1024);
    return 0;
}

static gr_address address_of_task(uint32_t id)
{
    gr_self *self = gri_table_at(&gri_runtime_now.actors, id);
    return (gr_address){(uint64_t)gri_load_relaxed(&self->generation) << 32 | id}; /* relaxed: a look */
}

static void add_worker(dump *d, const gri_worker_look *w)
{
    gri_text *t = &d->text;
    gri_text_add(t, "worker %u  %s", w->id, w->state);
    if (w->cpu >= 0) gri_text_add(t, " on CPU %lld", (long long)w->cpu);
    gri_text_add(t, ", load %d%%, %llu queued, %llu messages, %llu switches, %llu runs, %llu steals, %llu sleeps",
                 (int)(w->load * 100 + 0.5), (unsigned long long)w->queue, (unsigned long long)w->messages,
                 (unsigned long long)w->switches, (unsigned long long)w->runs, (unsigned long long)w->steals,
                 (unsigned long long)w->parks);
    if (w->is_running) {
        gri_text_add(t, ", runs ");
        gri_waits_print_actor(t, address_of_task(w->task));
    }
    gri_text_add(t, "\n");
}

static void add_activity(gri_text *t, gr_address address, const gri_look *look)
{
    gri_look_waiting waiting;
    if (gri_look_waiting_of(address, &waiting)) {
        gri_text_add(t, ", waits for ");
        gri_waits_print(t, &waiting);
        gri_text_add(t, ", since ");
        add_ms(t, waiting.since_ms);
    } else {
        gri_text_add(t, ", %s", look->state);
        if (look->worker >= 0) gri_text_add(t, " on worker %d", look->worker);
    }
}

static int add_actor(void *arg, gr_address address)
{
    dump *d = arg;
    gri_text *t = &d->text;
    gri_look look;
    char printed[GR_ADDRESS_TEXT_BYTES], name[GR_NAME_BYTES_MAX + 1];
    const gr_behaviour *behaviour;
    if (gri_look_at(address, &look) != 0) return 0;
    d->actors++;
    if (look.is_supervisor) gri_trees_note(&d->trees, address);
    gri_text_add(t, "actor %s", gr_address_print(address, printed));
    gri_registry_each_name(address, add_name, t);
    gri_registry_about(address, name, &behaviour);
    if (behaviour) gri_text_add(t, " %s", behaviour->name);
    gri_text_add(t, ", %s",
                 look.is_attached     ? "attached thread"
                 : look.is_supervisor ? "supervisor"
                 : look.is_server     ? "server"
                                      : "green thread");
    add_activity(t, address, &look);
    gri_text_add(t, "; %llu in the mailbox", (unsigned long long)look.mailbox);
    if (look.mailbox_max) gri_text_add(t, " of %u", look.mailbox_max);
    gri_text_add(t, ", %u received, %llu bytes\n", look.received, (unsigned long long)look.memory);
    return t->bytes >= PIECE || t->code != 0 ? flush(d) : 0;
}

int gr_dump_to(put_fn put, void *arg)
{
    if (gri_runtime_forked()) return GR_EFORKED;
    if (!put) return GR_EINVAL;
    dump d = {.put = put, .arg = arg};
    gri_text_begin(&d.text);
    int code = add_summary(&d);
    gri_worker_look worker;
    for (unsigned id = 0; code == 0 && gri_worker_look_at(id, &worker); id++) add_worker(&d, &worker);
    if (code == 0) code = gr_each(add_actor, &d);
    gri_trees_print(&d.trees, &d.text);
    if (code == 0) gri_text_add(&d.text, "%llu actors\n", (unsigned long long)d.actors);
    if (code == 0) code = flush(&d);
    free(d.text.at);
    return code;
}

/* ---- to a descriptor ---- */

static int put_all(void *arg, const char *text, size_t bytes)
{
    int descriptor = *(int *)arg;
    while (bytes > 0) {
        ssize_t written = write(descriptor, text, bytes);
        if (written > 0) {
            text += written;
            bytes -= (size_t)written;
        } else if (written < 0 && errno == EAGAIN) {
            struct pollfd ready = {.fd = descriptor, .events = POLLOUT};
            if (poll(&ready, 1, -1) < 0 && errno != EINTR) return GR_ESYSTEM;
        } else if (written == 0 || errno != EINTR) {
            return GR_ESYSTEM;
        }
    }
    return 0;
}

int gr_dump(int descriptor)
{
    return gr_dump_to(put_all, &descriptor);
}
