/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Active sockets: what arrives becomes messages in the owner's mailbox.
 *
 * The poller does not read. It sends the owner a token, a message of the runtime's own; when the owner collects its mailbox, the
 * token is taken as the order to read, on the owner's thread, and what was read takes its place in the inbox:
 *
 *     poller                          owner
 *       readable = 1                    token = T;  readable? take it back, read
 *       token? take it, push it ──▶     T arrives: readable = 0, read, message into the inbox, again; EAGAIN: token = T
 *
 * Both sides are sequentially consistent: one sees the other. So an owner that does not receive reads nothing, and the kernel
 * makes the peer wait; GR_ACTIVE_ONCE does not put the token back. A mailbox that is bounded and full, or memory that is not
 * there, has the token come again in a while. After a few reads in a row the poller is asked to report again, so that others
 * get their turn.
 *
 * A token says which socket it is for and which serial: one that arrives after its socket was closed, given to another actor or
 * made passive is freed. */
#ifndef GRI_IO_ACTIVE_H
#define GRI_IO_ACTIVE_H

#include "io/socket.h"

/* Does it send messages? Owner. */
bool gri_active_is_on(const gri_socket_record *record);
/* What was read and could not be made a message, to a read of the passive socket; false: there is none. Owner. */
bool gri_active_take_pending(gri_socket_record *record, void *buffer, size_t bytes, size_t *ret_bytes);

/* Is there any? Owner. */
bool gri_active_has_pending(const gri_socket_record *record);

/* The poller has set readable. */
void gri_active_ready(gri_socket_record *record);
/* A token arrives. */
void gri_active_arrived(gr_self *self, gr_message *token);
/* self takes the record over and has it. GR_ENOMEM: it may not. */
GR_MUST_CHECK int gri_active_adopt(gr_self *self, gri_socket_record *record);
/* The socket is being closed. */
void gri_active_release(gri_socket_record *record);

#endif
