/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
#include "actor/remote.h"

#include "actor/call.h"
#include "actor/runtime.h"
#include "message/siphash.h"
#include "os/random.h"

#include <stdlib.h>
#include <string.h>

#define NONE UINT32_MAX
#define TAG (UINT32_C(2) << 30)

typedef struct proxy {
    char *url;              /* malloc'ed; NULL: the slot is free */
    uint32_t serial;        /* the address's upper half */
    uint32_t bucket, chain; /* where it hangs; the next one there */
    uint32_t newer, older;  /* in order of use */
} proxy;

static gri_spinlock lock; /* guards the rest but `transport` */
static proxy *slots;      /* GRI_REMOTE_MAX, allocated with the first; NULL: none */
static uint32_t *buckets; /* GRI_REMOTE_MAX heads of chains */
static uint32_t used;     /* slots from here on are free */
static uint32_t newest, oldest;
static uint32_t serial_last; /* of all runs: an address of an earlier one stays dead */
static gri_siphash_key key;
static bool up;

static gri_atomic_ptr
    transport; /* const gri_transport; written by gri_remote_transport_set, read by whoever does something */

/* ---- the table ---- */

static uint32_t bucket_of(const char *url)
{
    return (uint32_t)(gri_siphash(key, url, strlen(url)) % GRI_REMOTE_MAX);
}

static void unlink_use(uint32_t slot)
{
    proxy *p = &slots[slot];
    *(p->newer == NONE ? &newest : &slots[p->newer].older) = p->older;
    *(p->older == NONE ? &oldest : &slots[p->older].newer) = p->newer;
}

static void link_use(uint32_t slot)
{
    slots[slot].newer = NONE;
    slots[slot].older = newest;
    *(newest == NONE ? &oldest : &slots[newest].newer) = slot;
    newest = slot;
}

static void use(uint32_t slot)
{
    if (newest == slot) return;
    unlink_use(slot);
    link_use(slot);
}

static void unlink_chain(uint32_t slot)
{
    uint32_t *at = &buckets[slots[slot].bucket];
    while (*at != slot) at = &slots[*at].chain;
    *at = slots[slot].chain;
}

static uint32_t find_locked(const char *url, uint32_t bucket)
{
    uint32_t slot = buckets[bucket];
    while (slot != NONE && strcmp(slots[slot].url, url) != 0) slot = slots[slot].chain;
    return slot;
}

/* The first use: all free. */
static bool make_table_locked(void)
{
    if (slots) return true;
    slots = calloc(GRI_REMOTE_MAX, sizeof *slots); /* pages that nobody touches cost nothing */
    buckets = malloc(GRI_REMOTE_MAX * sizeof *buckets);
    if (!slots || !buckets) {
        free(slots);
        free(buckets);
        slots = NULL, buckets = NULL;
        return false;
    }
    memset(buckets, 0xff, GRI_REMOTE_MAX * sizeof *buckets);
    newest = oldest = NONE;
    used = 0;
    return true;
}

/* A slot for a new URL: a free one, or that of the address that was not used for the longest time, whose URL is to be freed. */
static uint32_t take_locked(char **ret_garbage)
{
    if (used < GRI_REMOTE_MAX) return used++;
    uint32_t slot = oldest;
    unlink_use(slot);
    unlink_chain(slot);
    *ret_garbage = slots[slot].url;
    return slot;
}

static gr_address address_of(uint32_t slot)
{
    return (gr_address){(uint64_t)slots[slot].serial << 32 | TAG | slot};
}

int gri_remote_intern(const char *url, gr_address *ret_address)
{
    char *copy = strdup(url), *garbage = NULL;
    if (!copy) return GR_ENOMEM;
    int code = 0;
    gri_spinlock_lock(&lock);
    if (!up) code = GR_ENOTRUNNING;
    if (code == 0 && !make_table_locked()) code = GR_ENOMEM;
    if (code == 0) {
        uint32_t bucket = bucket_of(url), slot = find_locked(url, bucket);
        if (slot == NONE) {
            slot = take_locked(&garbage);
            slots[slot] = (proxy){.url = copy, .serial = ++serial_last, .bucket = bucket, .chain = buckets[bucket]};
            buckets[bucket] = slot;
            link_use(slot);
            copy = NULL;
        } else {
            use(slot);
        }
        *ret_address = address_of(slot);
    }
    gri_spinlock_unlock(&lock);
    free(copy);
    free(garbage);
    return code;
}

static bool is_known_locked(gr_address address, uint32_t *ret_slot)
{
    uint32_t slot = (uint32_t)address.id & ~TAG;
    if (!slots || slot >= used || slots[slot].serial != (uint32_t)(address.id >> 32)) return false;
    *ret_slot = slot;
    return true;
}

bool gri_remote_url_of(gr_address address, char url[GR_REMOTE_URL_BYTES])
{
    uint32_t slot;
    if (!gri_address_is_remote(address) || gri_runtime_forked()) return false;
    gri_spinlock_lock(&lock);
    bool known = is_known_locked(address, &slot);
    if (known) {
        strcpy(url, slots[slot].url);
        use(slot);
    }
    gri_spinlock_unlock(&lock);
    return known;
}

bool gri_remote_is_known(gr_address address)
{
    uint32_t slot;
    if (!gri_address_is_remote(address) || gri_runtime_forked())
        return false; /* the lock may be held by nobody who is here */
    gri_spinlock_lock(&lock);
    bool known = is_known_locked(address, &slot);
    gri_spinlock_unlock(&lock);
    return known;
}

unsigned gri_remote_count(void)
{
    gri_spinlock_lock(&lock);
    unsigned count = slots ? used : 0;
    gri_spinlock_unlock(&lock);
    return count;
}

int gri_remote_start(void)
{
    unsigned char bytes[16];
    if (gri_random_bytes(bytes, sizeof bytes) != 0) return GR_ESYSTEM;
    gri_spinlock_lock(&lock);
    key = gri_siphash_key_from(bytes);
    up = true;
    gri_spinlock_unlock(&lock);
    return 0;
}

void gri_remote_stop(void)
{
    gri_spinlock_lock(&lock);
    proxy *old = slots;
    uint32_t *old_buckets = buckets;
    const uint32_t count = old ? used : 0;
    slots = NULL, buckets = NULL;
    up = false;
    gri_spinlock_unlock(&lock);
    for (uint32_t i = 0; i < count; i++) free(old[i].url);
    free(old);
    free(old_buckets);
}

/* ---- doing something there ---- */

void gri_remote_transport_set(const gri_transport *table)
{
    /* mo:remote.transport_set release -> remote.transport acquire: the table */
    gri_store_release(&transport, (void *)(uintptr_t)table);
}

/* The transport and the URL to give it. */
static const gri_transport *reach(gr_address address, char url[GR_REMOTE_URL_BYTES])
{
    /* mo:remote.transport acquire <- remote.transport_set release */
    const gri_transport *table = gri_load_acquire(&transport);
    return table && gri_remote_url_of(address, url) ? table : NULL;
}

static int is_dead(gr_self *self)
{
    return gri_fail(self, GR_EDEAD, "the remote address is of an earlier run, or has not been used for too long");
}

int gri_remote_deliver(gr_self *from, gr_address to, gr_message **message)
{
    char url[GR_REMOTE_URL_BYTES];
    if ((*message)->kind == GRI_MESSAGE_CALL) return GRI_IS_REMOTE;
    const gri_transport *table = reach(to, url);
    int code = table ? table->cast(from, url, message) : is_dead(from);
    if (code == 0) gri_runtime_count_message(gri_worker_of_sender(from));
    return code;
}

int gri_remote_kill(gr_address address)
{
    char url[GR_REMOTE_URL_BYTES];
    const gri_transport *table = reach(address, url);
    return table ? table->kill(url) : GR_EDEAD;
}

int gri_remote_call(gr_self *self, gr_address to, gr_message **request, gr_deadline deadline, gr_message **ret_reply)
{
    char url[GR_REMOTE_URL_BYTES];
    gr_message *reply = NULL;
    const gri_transport *table = reach(to, url);
    int code = table ? table->call(self, url, request, deadline, &reply) : is_dead(self);
    gr_message_free(request);
    if (ret_reply && reply)
        *ret_reply = reply;
    else
        gr_message_free(&reply);
    return gri_await_end(self, code);
}

/* ---- waiting for an end ---- */

static int wait_there(gr_self *self, gr_address address, gr_deadline deadline, enum gri_outcome *ret_outcome,
                      gr_message **ret_value)
{
    char url[GR_REMOTE_URL_BYTES];
    const gri_transport *table = reach(address, url);
    *ret_value = NULL;
    int code = table ? table->wait(self, url, deadline, ret_outcome, ret_value) : is_dead(self);
    if (code != 0 || *ret_value) return code;
    /* Killed, which is all that was said: as a local actor's end would say it. */
    gr_message *report = gri_report_new(NULL, "killed", (gr_value){NULL}, "the actor was killed", false);
    if (!report) return gri_fail(self, GR_ENOMEM, "no memory for the result");
    gri_hold(self, report);
    *ret_value = report;
    return 0;
}

int gri_remote_wait(gr_self *self, gr_address address, gr_message **ret_result, gr_deadline deadline)
{
    enum gri_outcome outcome;
    gr_message *value;
    int code = wait_there(self, address, deadline, &outcome, &value);
    if (code != 0) return gri_await_end(self, code);
    if (ret_result)
        *ret_result = value;
    else
        gr_message_free(&value);
    return outcome == GRI_RETURNED ? 0 : outcome == GRI_WAS_KILLED ? GR_EKILLED : GR_EEXCEPTION;
}

/* As a local actor's link message would say it. */
static gr_message *record_new(gr_address address, enum gri_outcome outcome, const gr_message *value)
{
    gr_message *record = NULL;
    gr_builder b;
    gr_build(&b);
    gr_put_object(&b);
    gr_put_key(&b, "address"), gr_put_address(&b, address);
    gr_put_key(&b, outcome == GRI_RETURNED ? "exit" : "exception");
    gr_put_value(&b, gr_body(value));
    gr_put_end(&b);
    return gr_build_message(&b, &record) == 0 ? record : NULL;
}

int gri_remote_wait_record(gr_self *self, gr_address address, gr_message **ret_exit, gr_deadline deadline)
{
    enum gri_outcome outcome;
    gr_message *value;
    int code = wait_there(self, address, deadline, &outcome, &value);
    if (code != 0) return code;
    gr_message *record = record_new(address, outcome, value);
    gr_message_free(&value);
    if (!record) return gri_fail(self, GR_ENOMEM, "no memory for the result");
    gri_hold(self, record);
    *ret_exit = record;
    return 0;
}

/* ---- the others ---- */

bool gr_is_remote(gr_address address)
{
    return gri_address_is_remote(address);
}

int gri_remote_cannot(gr_self *self, const char *what)
{
    return gri_fail(self, GR_EUNSUPPORTED, "%s does not go over a network; gr_wait and gr_call do", what);
}
