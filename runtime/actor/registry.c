/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* See registry.h. */
#include "actor/registry.h"

#include "actor/attach.h"
#include "actor/remote.h"
#include "actor/runtime.h"
#include "message/address.h"
#include "message/siphash.h"
#include "os/random.h"

#include <greenroom/supervisor.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <urcu/rculfhash.h>
#include <urcu/urcu-memb.h>

#define BUCKETS_FIRST 64
#define FREED_AT_ONCE 256 /* guess: a grace period takes microseconds, a waiting name some 80 bytes */

/* Asides: what few actors have, by table index, in chunks that stay until stop. */
#define ASIDES_PER_CHUNK 1024
#define ASIDE_CHUNKS 16384

typedef struct name {
    struct cds_lfht_node node;
    gr_address address;
    uint64_t hash;
    struct name *next; /* of the same actor, in order of registration; or, removed, of those that wait */
    uint32_t bytes;
    char text[];
} name;

typedef struct aside {
    gri_atomic_ptr names;      /* name: the first; written under the lock, read by the actor when it ends */
    gri_atomic_ptr behaviour;  /* const gr_behaviour; the same */
    gri_atomic_u64 supervisor; /* an address; the same */
} aside;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static gri_atomic_ptr table;        /* struct cds_lfht, NULL: down. Written under the lock */
static gri_siphash_key hash_key;    /* constant while up */
static size_t names_count, buckets; /* under the lock */
static name *waiting;               /* removed, to be freed after a grace period; under the lock */
static size_t waiting_count;
static gri_atomic_ptr asides[ASIDE_CHUNKS]; /* arrays of aside; written under the lock */

/* Which worker threads are registered with RCU. */
static pthread_key_t worker_key;
static bool has_worker_key; /* constant while up */
static GRI_THREAD_LOCAL bool is_reader;

/* ---- threads ---- */

bool gri_registry_is_reading(void)
{
    return urcu_memb_read_ongoing();
}

gr_self *gri_self_here(void)
{
    gri_worker *worker = gri_worker_here();
    /* relaxed: this thread's own write */
    gri_task *task = worker ? gri_load_relaxed(&worker->current) : NULL;
    return task ? gri_actor_of_task(task) : gri_attached_here();
}

static void reader_end(void *unused)
{
    (void)unused;
    urcu_memb_unregister_thread();
}

/* May the calling thread look without the lock? Out of line: it touches thread-locals. */
static GRI_NOINLINE bool reader_here(void)
{
#if GRI_TSAN
    return false; /* liburcu is not instrumented: what it orders looks like races */
#endif
    if (GRI_LIKELY(is_reader)) return true;
    if (!has_worker_key || !gri_worker_here() || gri_scheduler_now->simulation) return false;
    if (pthread_setspecific(worker_key, &is_reader) != 0) return false;
    urcu_memb_register_thread();
    is_reader = true;
    return true;
}

/* ---- the table ---- */

static uint64_t hash_of(const char *text, size_t bytes)
{
    return gri_siphash(hash_key, text, bytes);
}

typedef struct wanted {
    const char *text;
    size_t bytes;
} wanted;

static name *name_of(struct cds_lfht_node *node)
{
    return GRI_CONTAINER_OF(node, name, node);
}

static int matches(struct cds_lfht_node *node, const void *key)
{
    const name *n = name_of(node);
    const wanted *w = key;
    return n->bytes == w->bytes && memcmp(n->text, w->text, w->bytes) == 0;
}

static name *find(struct cds_lfht *in, const char *text, size_t bytes)
{
    struct cds_lfht_iter iter;
    wanted w = {text, bytes};
    cds_lfht_lookup(in, (unsigned long)hash_of(text, bytes), matches, &w, &iter);
    struct cds_lfht_node *node = cds_lfht_iter_get_node(&iter);
    return node ? name_of(node) : NULL;
}

static struct cds_lfht *table_locked(void)
{
    return gri_load_relaxed(&table); /* relaxed: the lock orders it */
}

static void grow_locked(struct cds_lfht *in)
{
    if (names_count <= 2 * buckets) return;
    buckets *= 4;
    cds_lfht_resize(in, buckets);
}

static name *name_new(gr_address address, const char *text)
{
    size_t bytes = strlen(text);
    name *n = malloc(sizeof *n + bytes + 1);
    if (!n) return NULL;
    cds_lfht_node_init(&n->node);
    n->address = address;
    n->hash = hash_of(text, bytes);
    n->next = NULL;
    n->bytes = (uint32_t)bytes;
    memcpy(n->text, text, bytes + 1);
    return n;
}

static void free_names(name *first)
{
    while (first) {
        name *next = first->next;
        free(first);
        first = next;
    }
}

/* Removes one that is in the table and in no actor's list any more. */
static void remove_locked(name *n)
{
    cds_lfht_del(table_locked(), &n->node);
    names_count--;
    n->next = waiting;
    waiting = n;
    waiting_count++;
}

/* Ends the section that has removed names. */
static void unlock_and_free(void)
{
    name *ripe = NULL;
    if (waiting_count >= FREED_AT_ONCE) {
        ripe = waiting;
        waiting = NULL;
        waiting_count = 0;
    }
    pthread_mutex_unlock(&lock);
    if (!ripe) return;
    urcu_memb_synchronize_rcu();
    free_names(ripe);
}

/* ---- asides ---- */

static uint32_t index_of(gr_address address)
{
    return (uint32_t)address.id;
}

static aside *aside_find(gr_address address)
{
    uint32_t index = index_of(address);
    if (index / ASIDES_PER_CHUNK >= ASIDE_CHUNKS) return NULL;
    /* mo:registry.aside acquire <- registry.aside_new release */
    aside *chunk = gri_load_acquire(&asides[index / ASIDES_PER_CHUNK]);
    return chunk ? &chunk[index % ASIDES_PER_CHUNK] : NULL;
}

static aside *aside_locked(gr_address address)
{
    uint32_t index = index_of(address);
    if (index / ASIDES_PER_CHUNK >= ASIDE_CHUNKS) return NULL;
    aside *found = aside_find(address);
    if (found) return found;
    aside *chunk = calloc(ASIDES_PER_CHUNK, sizeof *chunk);
    /* mo:registry.aside_new release -> registry.aside acquire: publishes the zeroed chunk */
    if (chunk) gri_store_release(&asides[index / ASIDES_PER_CHUNK], chunk);
    return aside_find(address);
}

static name *names_of(aside *a)
{
    return gri_load_relaxed(&a->names); /* relaxed: under the lock */
}

/* The link that points to n, or the last one for NULL. The first link is atomic, so it is set by names_set. */
static name *name_before(aside *a, const name *n)
{
    name *before = NULL;
    for (name *at = names_of(a); at != n; at = at->next) before = at;
    return before;
}

static void list_append(aside *a, name *n)
{
    name *last = name_before(a, NULL);
    if (last)
        last->next = n;
    else
        gri_store_relaxed(&a->names, n); /* relaxed: the fence of register orders it */
}

static void list_remove(aside *a, name *n)
{
    name *before = name_before(a, n);
    if (before)
        before->next = n->next;
    else
        gri_store_relaxed(&a->names, n->next); /* relaxed: under the lock */
}

/* Whether what was put into the aside before will be seen by that life's release_all, or the life is over. */
static bool will_release(gr_address address)
{
    /* mo:registry.claim seq_cst <-> registry.release_last seq_cst: the list is written, then the mailbox looked at */
    gri_fence_seq_cst();
    gr_self *self = gri_actor_find(address);
    /* relaxed: the fence orders it */
    return self && (gri_load_relaxed(&self->mailbox.word) & GRI_MAIL_STATE_MASK) != GRI_MAIL_CLOSED;
}

/* ---- adding ---- */

static int add_locked(gr_address address, const char *text)
{
    struct cds_lfht *in = table_locked();
    if (gri_address_is_remote(address)) return GR_EUNSUPPORTED;
    if (!in || !gr_alive(address)) return GR_EDEAD;
    if (find(in, text, strlen(text))) return GR_EEXISTS;
    aside *a = aside_locked(address);
    name *n = a ? name_new(address, text) : NULL;
    if (!n) return GR_ENOMEM;
    list_append(a, n);
    if (!will_release(address)) {
        list_remove(a, n);
        free(n); /* no lookup has seen it */
        return GR_EDEAD;
    }
    cds_lfht_add(in, (unsigned long)n->hash, &n->node);
    names_count++;
    grow_locked(in);
    return 0;
}

int gr_register(gr_address address, const char *text)
{
    if (gri_runtime_forked()) return GR_EFORKED;
    int code = gri_name_check(text, NULL);
    if (code == 0) {
        pthread_mutex_lock(&lock);
        code = add_locked(address, text);
        pthread_mutex_unlock(&lock);
    }
    gr_self *self = code != 0 ? gri_self_here() : NULL;
    return self ? gri_registry_explain(self, code, text) : code;
}

/* ---- taking away ---- */

int gr_unregister(const char *text)
{
    if (gri_runtime_forked()) return GR_EFORKED;
    pthread_mutex_lock(&lock);
    struct cds_lfht *in = table_locked();
    name *n = in && text ? find(in, text, strlen(text)) : NULL;
    if (n) {
        list_remove(aside_find(n->address), n);
        remove_locked(n);
    }
    unlock_and_free();
    return n ? 0 : GR_ENOTFOUND;
}

static void remove_all_locked(aside *a)
{
    for (name *n = names_of(a), *next; n; n = next) {
        next = n->next;
        remove_locked(n);
    }
    gri_store_relaxed(&a->names, NULL); /* relaxed: under the lock */
}

static void release(aside *a)
{
    /* relaxed: whoever adds to them later finds the mailbox closed, or is seen by release_last */
    if (!a || (!gri_load_relaxed(&a->names) && !gri_load_relaxed(&a->behaviour) && !gri_load_relaxed(&a->supervisor)))
        return;
    pthread_mutex_lock(&lock);
    remove_all_locked(a);
    gri_store_relaxed(&a->behaviour, NULL); /* relaxed: under the lock */
    gri_store_relaxed(&a->supervisor, 0);   /* relaxed: under the lock */
    unlock_and_free();
}

void gri_registry_release_all(gr_self *self)
{
    release(aside_find(gri_actor_address(self)));
}

void gri_registry_release_last(gr_self *self)
{
    /* mo:registry.release_last seq_cst <-> registry.claim seq_cst: the mailbox was closed, then the list is looked at */
    gri_fence_seq_cst();
    release(aside_find(gri_actor_address(self)));
}

int gri_registry_explain(gr_self *self, int code, const char *text)
{
    gr_detail detail;
    if (code == GR_EINVAL && gri_name_check(text, &detail) != 0) return gri_fail_detail(self, code, &detail);
    return gri_fail(self, code, "name %.200s: %s", text ? text : "(null)", gr_error_text(code));
}

int gr_rename(gr_self *self, const char *text)
{
    int code = gri_acting(self);
    if (code != 0) return code;
    code = gri_name_check(text, NULL);
    if (code != 0) return gri_registry_explain(self, code, text);
    gr_address address = gri_actor_address(self);
    pthread_mutex_lock(&lock);
    struct cds_lfht *in = table_locked();
    name *n = in ? find(in, text, strlen(text)) : NULL;
    if (!n || !gr_address_equal(n->address, address)) code = add_locked(address, text);
    if (code == 0) {
        n = find(in, text, strlen(text));
        aside *a = aside_find(address);
        list_remove(a, n);
        remove_all_locked(a);
        n->next = NULL;
        gri_store_relaxed(&a->names, n); /* relaxed: under the lock */
    }
    unlock_and_free();
    return code == 0 ? 0 : gri_registry_explain(self, code, text);
}

/* ---- looking ---- */

static gr_address lookup_read_side(const char *text, size_t bytes)
{
    gr_address address = GR_NO_ADDRESS;
    urcu_memb_read_lock();
    /* mo:registry.look acquire <- registry.start release */
    struct cds_lfht *in = gri_load_acquire(&table);
    name *n = in ? find(in, text, bytes) : NULL;
    if (n) address = n->address;
    urcu_memb_read_unlock();
    return address;
}

static gr_address lookup_locked(const char *text, size_t bytes)
{
    pthread_mutex_lock(&lock);
    struct cds_lfht *in = table_locked();
    name *n = in ? find(in, text, bytes) : NULL;
    gr_address address = n ? n->address : GR_NO_ADDRESS;
    pthread_mutex_unlock(&lock);
    return address;
}

int gr_lookup(const char *text, gr_address *ret_address)
{
    if (gri_runtime_forked()) return GR_EFORKED;
    size_t bytes = text ? strnlen(text, GR_NAME_BYTES_MAX + 1) : 0;
    gr_address address = GR_NO_ADDRESS;
    if (bytes == 0 || bytes > GR_NAME_BYTES_MAX) return GR_ENOTFOUND;
    if (gri_address_is_text(text, bytes)) {
        address = gr_address_parse(text, bytes);
        if (!gr_alive(address) || gri_address_is_remote(address)) return GR_ENOTFOUND;
    } else {
        address = reader_here() ? lookup_read_side(text, bytes) : lookup_locked(text, bytes);
    }
    if (gr_address_equal(address, GR_NO_ADDRESS)) return GR_ENOTFOUND;
    *ret_address = address;
    return 0;
}

/* Most have neither: without the lock, for the sake of many that end at once. */
static aside *aside_of_named(gr_address address)
{
    aside *a = aside_find(address);
    /* relaxed, both: a look */
    return a && (gri_load_relaxed(&a->names) || gri_load_relaxed(&a->behaviour)) ? a : NULL;
}

static void about_locked(aside *a, gr_address address, char *text, const gr_behaviour **ret_behaviour)
{
    if (!will_release(address)) return; /* it is another life's */
    name *n = names_of(a);
    if (n) memcpy(text, n->text, n->bytes + 1);
    if (ret_behaviour) *ret_behaviour = gri_load_relaxed(&a->behaviour); /* relaxed: under the lock */
}

void gri_registry_about(gr_address address, char *text, const gr_behaviour **ret_behaviour)
{
    *text = '\0';
    if (ret_behaviour) *ret_behaviour = NULL;
    aside *a = aside_of_named(address);
    if (!a) return;
    pthread_mutex_lock(&lock);
    about_locked(a, address, text, ret_behaviour);
    pthread_mutex_unlock(&lock);
}

bool gri_registry_try_about(gr_address address, char *text, const gr_behaviour **ret_behaviour)
{
    *text = '\0';
    *ret_behaviour = NULL;
    aside *a = aside_of_named(address);
    if (!a) return true;
    if (pthread_mutex_trylock(&lock) != 0) return false;
    about_locked(a, address, text, ret_behaviour);
    pthread_mutex_unlock(&lock);
    return true;
}

void gri_registry_each_name(gr_address address, void (*visit)(void *arg, const char *name), void *arg)
{
    pthread_mutex_lock(&lock);
    aside *a = aside_find(address);
    if (a && will_release(address))
        for (name *n = names_of(a); n; n = n->next) visit(arg, n->text);
    pthread_mutex_unlock(&lock);
}

int gri_registry_note_behaviour(gr_address address, const gr_behaviour *behaviour)
{
    pthread_mutex_lock(&lock);
    aside *a = aside_locked(address);
    int code = a ? 0 : GR_ENOMEM;
    if (a) {
        void *before = gri_load_relaxed(&a->behaviour); /* relaxed: under the lock */
        gri_store_relaxed(&a->behaviour,
                          (void *)(uintptr_t)behaviour); /* relaxed: the fence of will_release orders it */
        if (!will_release(address)) {
            gri_store_relaxed(&a->behaviour, before); /* relaxed: as above */
            code = GR_EDEAD;
        }
    }
    pthread_mutex_unlock(&lock);
    return code;
}

int gri_registry_note_supervisor(gr_address address, gr_address supervisor)
{
    pthread_mutex_lock(&lock);
    aside *a = aside_locked(address);
    if (a) gri_store_relaxed(&a->supervisor, supervisor.id); /* relaxed: under the lock */
    pthread_mutex_unlock(&lock);
    return a ? 0 : GR_ENOMEM;
}

gr_address gr_supervisor_of(gr_address address)
{
    if (gri_runtime_forked()) return GR_NO_ADDRESS;
    pthread_mutex_lock(&lock);
    aside *a = aside_find(address);
    gr_address supervisor = GR_NO_ADDRESS;
    if (a && will_release(address)) supervisor.id = gri_load_relaxed(&a->supervisor); /* relaxed: under the lock */
    pthread_mutex_unlock(&lock);
    return supervisor;
}

void gri_registry_count(size_t *ret_names, size_t *ret_waiting)
{
    pthread_mutex_lock(&lock);
    *ret_names = names_count;
    *ret_waiting = waiting_count;
    pthread_mutex_unlock(&lock);
}

/* ---- start and stop ---- */

int gri_registry_start(void)
{
    unsigned char key[16];
    if (gri_random_bytes(key, sizeof key) != 0) return GR_ESYSTEM;
    struct cds_lfht *made = cds_lfht_new_flavor(BUCKETS_FIRST, BUCKETS_FIRST, 0, 0, &urcu_memb_flavor, NULL);
    if (!made) return GR_ENOMEM;
    has_worker_key = pthread_key_create(&worker_key, reader_end) == 0; /* without: workers take the lock */
    hash_key = gri_siphash_key_from(key);
    names_count = 0;
    buckets = BUCKETS_FIRST;
    /* mo:registry.start release -> registry.look acquire: publishes table and key */
    gri_store_release(&table, made);
    return 0;
}

void gri_registry_stop(void)
{
    pthread_mutex_lock(&lock);
    struct cds_lfht *old = table_locked();
    gri_store_relaxed(&table, NULL); /* relaxed: the grace period below orders it for readers */
    struct cds_lfht_iter iter;
    if (old) cds_lfht_first(old, &iter);
    for (struct cds_lfht_node *node; old && (node = cds_lfht_iter_get_node(&iter)) != NULL;) {
        cds_lfht_next(old, &iter);
        cds_lfht_del(old, node);
        name_of(node)->next = waiting;
        waiting = name_of(node);
    }
    name *ripe = waiting;
    waiting = NULL;
    names_count = waiting_count = 0;
    for (size_t i = 0; i < ASIDE_CHUNKS; i++) {
        void *chunk = gri_load_relaxed(&asides[i]);     /* relaxed: no actor lives */
        if (chunk) gri_store_relaxed(&asides[i], NULL); /* the same */
        free(chunk);
    }
    pthread_mutex_unlock(&lock);
    if (!old) return;
    urcu_memb_synchronize_rcu();
    free_names(ripe);
    if (cds_lfht_destroy(old, NULL) != 0) gri_panic("the table of names is not empty at its end");
    if (has_worker_key) pthread_key_delete(worker_key);
    has_worker_key = false;
}
