/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Socket addresses and their text: "127.0.0.1:7580", "[::1]:0", "[fe80::1%eth0]:80", "*:80", "unix:/path", "unix:@abstract".
 * Names are told apart from addresses, not looked up (resolve.h does that), so nothing here asks a network. Pure but for
 * interface names; any thread. */
#ifndef GRI_IO_ENDPOINT_H
#define GRI_IO_ENDPOINT_H

#include "base/compiler.h"

#include <greenroom/io.h>
#include <sys/socket.h>
#include <sys/un.h>

typedef struct gri_endpoint {
    union {
        struct sockaddr header;
        struct sockaddr_storage any;
        struct sockaddr_un local;
    } address;
    socklen_t bytes;
    bool wildcard; /* "*": address is [::], to be tried before 0.0.0.0 */
} gri_endpoint;

/* GR_EINVAL: the detail's text says what is wrong with which part; `byte` is where. ret_detail may be NULL. */
GR_MUST_CHECK int gri_endpoint_parse(const char *text, gri_endpoint *ret_endpoint, gr_detail *ret_detail);

/* "name:port": a host name of 1 to 253 bytes (letters, digits, '-', '_', '.', at most 63 between dots; the last part not all
 * digits, or it would be an address). False: it is something else, perhaps an address. */
#define GRI_NAME_BYTES_MAX 253
typedef struct gri_name {
    char host[GRI_NAME_BYTES_MAX + 1];
    uint16_t port;
} gri_name;
bool gri_name_parse(const char *text, gri_name *ret_name);

/* Is it a Unix socket without a file? */
bool gri_endpoint_is_abstract(const gri_endpoint *endpoint);
void gri_endpoint_port_set(gri_endpoint *endpoint, uint16_t port);

/* Turns a wildcard endpoint from [::] into 0.0.0.0, for systems without IPv6. */
void gri_endpoint_to_ipv4(gri_endpoint *endpoint);
/* The port, 0 for a Unix socket. */
unsigned gri_endpoint_port(const gri_endpoint *endpoint);

/* Writes the text with its NUL; cut to GR_SOCKET_TEXT_BYTES. IPv4 addresses that came in over IPv6 look like IPv4. */
void gri_endpoint_print(const gri_endpoint *endpoint, char *ret_text);

#endif
