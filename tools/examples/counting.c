/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* README.md shows this file from the first #include on.
 * Prints: 2005 */
#include <greenroom.h>
#include <stdio.h>

static void counter(gr_self *self, gr_value args) /* an actor: a function with a mailbox */
{
    int64_t count = gr_int(gr_get(args, "start"), 0);
    for (gr_message *m = NULL; gr_receive(self, &m, GR_FOREVER) == 0; gr_message_free(&m)) {
        if (gr_is_call(m)) gr_respond(self, m, "I", count);
        count += gr_int(gr_get(gr_body(m), "add"), 0);
    }
}

int main(void)
{
    gr_self *self;
    gr_address hits;
    gr_message *reply = NULL;
    if (gr_start(NULL, NULL) || gr_attach(&self) || gr_spawn(self, &hits, counter, "{s:i}", "start", 5)) return 1;
    for (int i = 0; i < 1000; i++) gr_cast(self, hits, "{s:i}", "add", 2);
    if (gr_call(self, &reply, hits, "get", gr_after_s(10), "n") == 0) printf("%d\n", (int)gr_int(gr_body(reply), 0));
    gr_message_free(&reply);
    gr_stop(GR_NOW); /* kills who is left */
}
