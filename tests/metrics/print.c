/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Prints gr_metrics after some messages, for others to read. */
#include <greenroom.h>
#include <stdio.h>
#include <stdlib.h>

static void idle(gr_self *self, gr_value args)
{
    (void)args;
    gr_message *m;
    while (gr_receive(self, &m, GR_FOREVER) == 0) gr_message_free(&m);
}

int main(void)
{
    gr_self *self = NULL;
    gr_address address;
    char *text = NULL;
    if (gr_start(NULL, NULL) != 0 || gr_attach(&self) != 0 || gr_spawn(self, &address, idle, "n") != 0) return 1;
    for (int i = 0; i < 1000; i++)
        if (gr_cast(self, address, "i", i) != 0) return 1;
    if (gr_metrics(&text, NULL) != 0) return 1;
    fputs(text, stdout);
    free(text);
    return gr_stop(GR_NOW) == GR_ETIMEOUT ? 0 : 1;
}
