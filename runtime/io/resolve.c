/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* See resolve.h. */
#include "io/resolve.h"

#include "actor/runtime.h"

#include <greenroom/blocking.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

typedef struct lookup {
    gri_name name;
    int error; /* EAI_ code */
    gri_endpoints found;
} lookup;

static int ask_system(const gri_name *name, gri_endpoints *ret)
{
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_family = AF_UNSPEC};
    struct addrinfo *all = NULL;
    int error = getaddrinfo(name->host, NULL, &hints, &all);
    if (error != 0) return error;
    ret->count = 0;
    for (const struct addrinfo *one = all; one && ret->count < GRI_RESOLVE_MAX; one = one->ai_next) {
        gri_endpoint *e = &ret->list[ret->count];
        if ((one->ai_family != AF_INET && one->ai_family != AF_INET6) || one->ai_addrlen > sizeof e->address) continue;
        memset(e, 0, sizeof *e);
        memcpy(&e->address, one->ai_addr, one->ai_addrlen);
        e->bytes = one->ai_addrlen;
        gri_endpoint_port_set(e, name->port);
        ret->count++;
    }
    freeaddrinfo(all);
    return ret->count > 0 ? 0 : EAI_NONAME;
}

/* In simulation every name is a host: the same name always the same address, 10.0.0.0/8 by its letters. */
static int make_up(const gri_name *name, gri_endpoints *ret)
{
    uint32_t address = UINT32_C(2166136261);
    for (const char *c = name->host; *c; c++) address = (address ^ (uint8_t)*c) * UINT32_C(16777619);
    address = (address >> 8 ^ address) % UINT32_C(0xfffffe) + 1 + UINT32_C(0x0a000000);
    if (strcmp(name->host, "localhost") == 0) address = INADDR_LOOPBACK;
    const struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr = {htonl(address)}};
    memset(&ret->list[0], 0, sizeof ret->list[0]);
    memcpy(&ret->list[0].address, &in, sizeof in);
    ret->list[0].bytes = sizeof in;
    gri_endpoint_port_set(&ret->list[0], name->port);
    ret->count = 1;
    return 0;
}

static gri_resolver *resolver = ask_system;

void gri_resolver_set(gri_resolver *other)
{
    resolver = other ? other : ask_system;
}

static void run(void *arg)
{
    lookup *l = arg;
    gri_resolver *ask = gri_scheduler_now->simulation && resolver == ask_system ? make_up : resolver;
    l->error = ask(&l->name, &l->found);
}

static int explain(gr_self *self, const char *address, int error)
{
    switch (error) {
    case EAI_NONAME:
#ifdef EAI_NODATA
    case EAI_NODATA:
#endif
        return gri_fail(self, GR_ENOTFOUND, "address \"%.128s\": there is no such name", address);
    case EAI_MEMORY: return gri_fail(self, GR_ENOMEM, "address \"%.128s\": no memory to look the name up", address);
    default: return gri_fail(self, GR_ESYSTEM, "address \"%.128s\": %s", address, gai_strerror(error));
    }
}

int gri_resolve(gr_self *self, const char *address, gr_deadline deadline, gri_endpoints *ret)
{
    gri_name name;
    if (!gri_name_parse(address, &name)) {
        gr_detail detail;
        int code = gri_endpoint_parse(address, &ret->list[0], &detail);
        ret->count = 1;
        return code == 0 ? 0 : gri_fail_detail(self, code, &detail);
    }
    lookup *l = malloc(sizeof *l);
    if (!l) return gri_fail(self, GR_ENOMEM, "no memory to look a name up");
    l->name = name;
    int code = gr_blocking(self, run, l, free, deadline);
    if (code != 0) return code;
    if (l->error == 0)
        *ret = l->found;
    else
        code = explain(self, address, l->error);
    free(l);
    return code;
}

int gr_resolve(gr_self *self, const char *address, char (*ret_texts)[GR_SOCKET_TEXT_BYTES], size_t most,
               size_t *ret_count, gr_deadline deadline)
{
    int code = gri_suspend_enter(self);
    if (code != 0) return code;
    if (!ret_count || (!ret_texts && most > 0))
        return gri_fail(self, GR_EINVAL, "gr_resolve needs room for its answer");
    gri_endpoints found;
    code = gri_resolve(self, address, deadline, &found);
    if (code != 0) return code;
    for (size_t i = 0; i < found.count && i < most; i++) gri_endpoint_print(&found.list[i], ret_texts[i]);
    *ret_count = found.count;
    return 0;
}
