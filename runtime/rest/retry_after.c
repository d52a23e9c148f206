/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
#include "rest/retry_after.h"

#include <greenroom/registry.h>
#include <greenroom/time.h>

#define SECOND INT64_C(1000000000)

void gri_retries_init(gri_retries *r)
{
    r->count = 0;
    pthread_mutex_init(&r->lock, NULL); /* cannot fail without attributes on Linux */
}

void gri_retries_fini(gri_retries *r)
{
    pthread_mutex_destroy(&r->lock);
}

unsigned gri_retry_estimate_s(uint64_t waiting, int64_t each_ns)
{
    double all = (double)each_ns * (double)waiting / (double)SECOND;
    if (!(all > 1)) return 1;
    if (all >= GRI_RETRY_S_MAX) return GRI_RETRY_S_MAX;
    unsigned whole = (unsigned)all;
    return whole + ((double)whole < all);
}

/* The actor's slot, or one that may become it: a new one, else the one that was not seen for longest. */
static gri_refuser *slot_of(gri_retries *r, uint64_t id, bool *ret_known)
{
    size_t oldest = 0;
    for (size_t i = 0; i < r->count; i++) {
        if (r->ids[i] == id) {
            *ret_known = true;
            return &r->refusers[i];
        }
        if (r->refusers[i].seen_ns < r->refusers[oldest].seen_ns) oldest = i;
    }
    if (r->count < GRI_RETRY_ACTORS) oldest = r->count++;
    r->ids[oldest] = id;
    *ret_known = false;
    return &r->refusers[oldest];
}

/* What the actor takes for a message. While it takes none, what it is at may be as long as those before, or, if it has been at it
 * for longer, longer. */
static int64_t each_of(const gri_refuser *f, uint64_t messages, int64_t now_ns)
{
    uint64_t now = messages - f->begin_messages, all = f->before_taken + now;
    int64_t passed = f->before_ns + now_ns - f->begin_ns;
    if (now > 0) return passed / (int64_t)all;
    int64_t before = f->before_taken ? f->before_ns / (int64_t)f->before_taken : 0, least = passed / (int64_t)(all + 1);
    return before > least ? before : least;
}

static void end_window(gri_refuser *f, uint64_t messages, int64_t now_ns)
{
    if (messages == f->begin_messages || now_ns - f->begin_ns < GRI_RETRY_WINDOW_NS) return;
    f->before_taken = messages - f->begin_messages;
    f->before_ns = now_ns - f->begin_ns;
    f->begin_messages = messages;
    f->begin_ns = now_ns;
}

int64_t gri_retry_look(gri_retries *r, gr_address address, uint64_t messages, uint64_t waiting, int64_t now_ns,
                       unsigned *ret_s)
{
    bool known;
    pthread_mutex_lock(&r->lock);
    gri_refuser *f = slot_of(r, address.id, &known);
    int64_t unseen = known ? now_ns - f->seen_ns : 0;
    if (!known || unseen >= GRI_RETRY_KEEP_NS)
        *f = (gri_refuser){.begin_messages = messages, .begin_ns = now_ns};
    else if (unseen >= GRI_RETRY_PAUSE_NS && messages != f->begin_messages)
        f->begin_messages = messages, f->begin_ns = now_ns; /* its mailbox may have been empty for a while */
    f->seen_ns = now_ns;
    int64_t early = f->before_ns ? 0 : f->begin_ns + GRI_RETRY_LOOK_NS - now_ns;
    int64_t each = early > 0 ? 0 : each_of(f, messages, now_ns);
    end_window(f, messages, now_ns);
    pthread_mutex_unlock(&r->lock);
    *ret_s = gri_retry_estimate_s(waiting, each);
    return early > 0 ? early : 0;
}

unsigned gri_retry_after_s(gri_retries *r, gr_self *self, gr_address address)
{
    unsigned seconds = 1;
    for (int looks = 0; looks < 2; looks++) {
        gr_actor_info info;
        if (gr_inspect(address, &info) != 0) return 1;
        int64_t again_ns = gri_retry_look(r, address, info.messages, info.mailbox, gr_now_ns(), &seconds);
        if (again_ns == 0 || gr_sleep(self, (gr_deadline){gr_now_ns() + again_ns}) != 0) break;
    }
    return seconds;
}
