/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Two ends of a connection, and much data on it: what tests of sockets share. Every wait is SOON; what fails, fails the test. */
#ifndef GR_TESTS_WIRE_H
#define GR_TESTS_WIRE_H

#include "support/harness.h"

#include <greenroom/io.h>

/* What flood sends, more than the buffers of a connection take; the byte at a place. */
enum { FLOOD_BYTES = 6 << 20 };
unsigned char flood_byte(size_t at);

/* A new block of FLOOD_BYTES such bytes; the caller frees it. */
unsigned char *flood_data(void);

/* Exactly so many bytes. */
void read_all(gr_self *self, gr_socket socket, char *buffer, size_t bytes);
/* The other side has ended. */
void expect_end(gr_self *self, gr_socket socket);
/* A listener on loopback; text: GR_SOCKET_TEXT_BYTES for its address. */
gr_socket listener(gr_self *self, char *text);
/* Both ends of a connection made over `address`. */
void connect_pair(gr_self *self, const char *address, gr_socket *ret_one, gr_socket *ret_other);
/* An actor that connects to its argument and writes flood_data. */
void flood(gr_self *self, gr_value args);
/* All of it, and then the end. */
void expect_flood(gr_self *self, gr_socket socket);

#endif
