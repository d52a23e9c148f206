/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Remote addresses: addresses that lead to a URL. What this layer knows of them: how they are told from local ones, which URL
 * each stands for, and a table of functions (the transport, set by io/) that do over there what is done here.
 *
 *     id = serial << 32 | 2 << 30 | slot      no local address has these two bits, so gri_actor_find says "nobody", and only
 *                                             who was about to say GR_EDEAD asks whether it is a remote one
 *
 * A slot holds a URL in normal form and the serial of its address. URLs are interned: the same URL has the same address for as
 * long as it lives. One rule of life: an address lives until gr_stop, or until GRI_REMOTE_MAX others have been used more
 * recently, whichever comes first; then it is dead like any other. Used is what is made, printed, sent to or asked. Nothing
 * that is under way refers to a slot: who starts something copies the URL out.
 *
 * Any thread may call anything; one spin lock, held for a hash lookup and a copy. */
#ifndef GRI_ACTOR_REMOTE_H
#define GRI_ACTOR_REMOTE_H

#include "actor/actor.h"

#include <greenroom/remote.h>

#if GRI_SMALL
#define GRI_REMOTE_MAX 4u
#else
#define GRI_REMOTE_MAX 16384u /* guess: 16 MiB of the longest URLs */
#endif

GRI_INLINE bool gri_address_is_remote(gr_address address)
{
    return (uint32_t)address.id >> 30 == 2;
}

/* ---- the table ---- */

/* The address of a URL in normal form. GR_ENOMEM, GR_ENOTRUNNING. */
GR_MUST_CHECK int gri_remote_intern(const char *url, gr_address *ret_address);
/* The URL of an address; false: it is dead, or not remote. */
bool gri_remote_url_of(gr_address address, char url[GR_REMOTE_URL_BYTES]);
/* Is it a remote address that leads somewhere? Who asks does not use it. */
bool gri_remote_is_known(gr_address address);
/* How many there are, for tests. */
unsigned gri_remote_count(void);

int gri_remote_start(void);
void gri_remote_stop(void);

/* ---- the transport ---- */

/* What can be done at a URL. Only call and wait suspend; they return GR_EKILLED without unwinding, and the caller leaves through
 * gri_await_end. All keep the reason of a failure with gri_fail if there is an actor. */
typedef struct gri_transport {
    /* Takes the message on success. from may be NULL. Called with the lock of a timer wheel held. */
    int (*cast)(gr_self *from, const char *url, gr_message **message);
    int (*kill)(const char *url);
    /* request is a built call (message/call_form.h), which is consumed in any case. *ret_reply is held by self: an answer, or
     * the report with GR_EEXCEPTION; NULL otherwise. */
    int (*call)(gr_self *self, const char *url, gr_message **request, gr_deadline deadline, gr_message **ret_reply);
    /* 0: it has ended so; *ret_value is its result or the report, held by self; NULL only if it was killed. */
    int (*wait)(gr_self *self, const char *url, gr_deadline deadline, enum gri_outcome *ret_outcome,
                gr_message **ret_value);
} gri_transport;

/* Set by io/ before it makes the first remote address; stays. */
void gri_remote_transport_set(const gri_transport *transport);

/* ---- for who finds that an address is not local ---- */

/* What gri_deliver returns for a call: it is gri_remote_call's. */
#define GRI_IS_REMOTE 1

/* As gri_deliver, without the checks that it has done. GR_EDEAD: the address is. */
int gri_remote_deliver(gr_self *from, gr_address to, gr_message **message);
int gri_remote_kill(gr_address address);
/* As gr_call, from the built request on, which is consumed. */
int gri_remote_call(gr_self *self, gr_address to, gr_message **request, gr_deadline deadline, gr_message **ret_reply);
/* As gr_wait, behind its checks. */
int gri_remote_wait(gr_self *self, gr_address address, gr_message **ret_result, gr_deadline deadline);
/* The exit record {"address", "exit" or "exception"} as a message of a REPLY kind that self holds. The code is to go through
 * gri_await_end. */
int gri_remote_wait_record(gr_self *self, gr_address address, gr_message **ret_exit, gr_deadline deadline);
/* GR_EUNSUPPORTED, with a detail that says what to do instead of `what`. */
int gri_remote_cannot(gr_self *self, const char *what);

#endif
