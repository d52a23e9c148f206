/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* What gdb looks at: actors that wait, and then `look_here`. */
#include <greenroom.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define OK(call) \
    do { \
        if ((call) != 0) { \
            fprintf(stderr, "%s failed\n", #call); \
            exit(1); \
        } \
    } while (0)

static volatile int depth;

/* Frames to be found: deeper(3) calls deeper(2) and so on. */
static __attribute__((noinline)) void deeper(gr_self *self, int more)
{
    if (more > 0) {
        deeper(self, more - 1);
    } else {
        gr_message *m;
        while (gr_receive(self, &m, GR_FOREVER) == 0) gr_message_free(&m);
    }
    depth = more; /* no call is the last thing that is done */
}

static void waits_deep(gr_self *self, gr_value args)
{
    deeper(self, (int)gr_int(args, 0));
    depth = -1;
}

static void asks(gr_self *self, gr_value args)
{
    gr_message *reply = NULL;
    int code = gr_call(self, &reply, gr_address_in(args), "never", GR_FOREVER, "n");
    depth = code;
    gr_message_free(&reply);
}

static const gr_server idle = {.state_bytes = 16};

static int waits(gr_address address)
{
    gr_actor_info info;
    return gr_inspect(address, &info) == 0 && strcmp(info.state, "waiting") == 0;
}

__attribute__((noinline)) void look_here(void);
__attribute__((noinline)) void look_here(void)
{
    depth++;
}

/* With an argument it aborts where it would be looked at. */
int main(int argc, char **argv)
{
    (void)argv;
    gr_self *self = NULL;
    gr_address sleeper, asker, server;
    char text[GR_ADDRESS_TEXT_BYTES];
    OK(gr_start(NULL, NULL));
    OK(gr_attach(&self));
    OK(gr_spawn_with(self, &sleeper, waits_deep, (&(gr_spawn_options){.name = "sleeper"}), "i", 3));
    OK(gr_spawn_with(self, &asker, asks, (&(gr_spawn_options){.name = "asker"}), "A", gr_self_address(self)));
    OK(gr_spawn_server(self, &server, &idle, (&(gr_spawn_options){.name = "quiet"}), "n"));
    while (!waits(sleeper) || !waits(asker) || !waits(server)) (void)gr_cooperate(self);
    printf("sleeper is %s\n", gr_address_print(sleeper, text));
    fflush(stdout);
    look_here();
    if (argc > 1) abort();
    return gr_stop(GR_NOW) == GR_ETIMEOUT ? 0 : 1;
}
