/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* See scenes.h. */
#include "simulate/scenes.h"

#include <string.h>

#define CREW_MOST 64

static struct {
    gr_address address;
    gr_monitor_ref ref;
    unsigned downs, exits;
} crew[CREW_MOST];
static unsigned crew_count;

bool is_excuse(int code)
{
    return code == GR_EKILLED || code == GR_ENOMEM || code == GR_EDEAD || code == GR_EFULL || code == GR_ETIMEOUT;
}

int excused(int code, const char *call, const char *file, int line)
{
    if (code != 0 && !is_excuse(code)) gr_test_fail(file, line, "%s is %s", call, gr_error_name(code));
    return code;
}

bool crew_watch(gr_self *self, gr_address address)
{
    GR_TEST_CHECK(crew_count < CREW_MOST);
    crew[crew_count].address = address;
    int code = gr_link(self, address, GR_LINK | GR_LINK_TRAP_EXIT);
    if (code == GR_EDEAD) crew[crew_count].exits = 1; /* nothing will be told */
    GR_TEST_CHECK(code == 0 || code == GR_EDEAD);
    GR_TEST_CHECK(gr_monitor(self, address, &crew[crew_count].ref) == 0);
    crew_count++;
    return true;
}

static bool joined(int code, gr_address address)
{
    GR_TEST_CHECK(code == 0); /* the body meets with no faults */
    GR_TEST_CHECK(crew_count < CREW_MOST);
    crew[crew_count++].address = address;
    return true;
}

bool crew_spawn(gr_self *self, gr_address *ret_address, gr_entry entry, const gr_spawn_options *options, gr_value args)
{
    gr_spawn_options with = options ? *options : (gr_spawn_options){.link = 0};
    with.link = GR_LINK | GR_LINK_TRAP_EXIT;
    with.monitor = &crew[crew_count].ref;
    return joined(gr_spawn_value(self, ret_address, entry, &with, args), *ret_address);
}

bool crew_spawn_server(gr_self *self, gr_address *ret_address, const gr_server *server, const gr_spawn_options *options)
{
    gr_spawn_options with = options ? *options : (gr_spawn_options){.link = 0};
    with.link = GR_LINK | GR_LINK_TRAP_EXIT;
    with.monitor = &crew[crew_count].ref;
    return joined(gr_spawn_server(self, ret_address, server, &with, "n"), *ret_address);
}

static void note(gr_value body)
{
    gr_address address = gr_address_in(gr_get(body, "address"));
    gr_value down = gr_get(body, "down");
    for (unsigned i = 0; i < crew_count; i++) {
        if (!gr_address_equal(crew[i].address, address)) continue;
        if (gr_type_of(down) != GR_MISSING && (uint64_t)gr_int(down, 0) == crew[i].ref.id)
            crew[i].downs++;
        else if (gr_type_of(down) == GR_MISSING)
            crew[i].exits++;
        GR_TEST_CHECK(crew[i].downs <= 1 && crew[i].exits <= 1);
    }
}

static bool all_told(void)
{
    for (unsigned i = 0; i < crew_count; i++)
        if (crew[i].downs == 0 || crew[i].exits == 0) return false;
    return true;
}

static void listen_until(gr_self *self, gr_deadline until, bool all)
{
    gr_message *m = NULL;
    while ((!all || !all_told()) && gr_receive(self, &m, until) == 0) {
        note(gr_body(m));
        gr_message_free(&m);
    }
}

void crew_dismiss(gr_self *self, int64_t patience_ms)
{
    listen_until(self, gr_after_ms(patience_ms), true);
    for (unsigned i = 0; i < crew_count; i++) (void)gr_kill(crew[i].address); /* GR_EDEAD: it has ended */
    listen_until(self, gr_after_ms(30000), true);
    for (unsigned i = 0; i < crew_count; i++) {
        if (crew[i].downs == 1 && crew[i].exits == 1) continue;
        gr_actor_info info;
        memset(&info, 0, sizeof info);
        const bool alive = gr_inspect(crew[i].address, &info) == 0;
        gr_test_fail(__FILE__, __LINE__,
                     "number %u of the crew: told %u times by its monitor and %u times by its link; it is %s", i,
                     crew[i].downs, crew[i].exits, alive ? info.state : "gone");
    }
    listen_until(self, gr_after_ms(100), false); /* nobody is told twice */
    crew_count = 0;
}
