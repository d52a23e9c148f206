/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* gr_topology_print on machines that hwloc makes up. */
#include <greenroom.h>
#include <stdlib.h>

#include "support/test.h"

static char text[65536];

static size_t print(bool json)
{
    gr_detail detail = {0};
    size_t bytes = 0;
    if (gr_topology_print(json, text, sizeof text, &bytes, &detail) != 0) TEST_FAIL("%s", detail.text);
    CHECK_EQ(strlen(text), bytes);
    return bytes;
}

TEST(machine, text_and_json)
{
    gr_message *message = NULL;
    setenv("HWLOC_SYNTHETIC", "numa:2 core:4 pu:2", 1);
    setenv("GREENROOM_BIND", "core", 1);
    print(false);
    CHECK(strstr(text, "workers: 8, bound by core"));
    size_t bytes = print(true);
    CHECK_OK(gr_parse(text, bytes, NULL, &message, NULL));
    CHECK_EQ(gr_int(gr_get(gr_body(message), "nodes"), 0), 2);
    CHECK_EQ(gr_count(gr_get(gr_body(message), "workers")), 8);
    gr_message_free(&message);
}

TEST(machine, settings_change_the_answer)
{
    gr_detail detail = {0};
    size_t bytes = 0;
    setenv("HWLOC_SYNTHETIC", "core:4 pu:1", 1);
    setenv("GREENROOM_WORKERS", "3", 1);
    setenv("GREENROOM_BIND", "none", 1);
    print(false);
    CHECK(strstr(text, "workers: 3"));
    setenv("GREENROOM_WORKERS", "many", 1);
    CHECK_EQ(gr_topology_print(false, text, sizeof text, &bytes, &detail), GR_EENV);
    CHECK(strstr(detail.text, "GREENROOM_WORKERS") && strstr(detail.text, "many"));
    CHECK_EQ(gr_topology_print(false, text, sizeof text, NULL, NULL), GR_EENV);
}

TEST(machine, what_does_not_fit)
{
    gr_detail detail = {0};
    size_t bytes = 0, needed = 0;
    setenv("HWLOC_SYNTHETIC", "core:4 pu:1", 1);
    CHECK_EQ(gr_topology_print(true, NULL, 0, &needed, &detail), GR_ETOOBIG);
    CHECK(needed > 0 && detail.text[0]);
    CHECK_EQ(gr_topology_print(true, text, needed, &bytes, NULL), GR_ETOOBIG);
    CHECK_EQ(bytes, needed);
    CHECK_EQ(strlen(text), needed - 1);
    CHECK_OK(gr_topology_print(true, text, needed + 1, &bytes, NULL));
    CHECK_EQ(strlen(text), needed);
}

static void ask(gr_self *self, gr_value args)
{
    gr_detail detail = {0};
    (void)args;
    (void)gr_return(self, "{s:i, s:s}", "code", gr_topology_print(false, NULL, 0, NULL, &detail), "why", detail.text);
}

TEST(machine, actors_may_not_ask)
{
    gr_self *self;
    gr_address actor;
    gr_message *result = NULL;
    CHECK_OK(gr_start(NULL, NULL));
    CHECK_OK(gr_attach(&self));
    CHECK_OK(gr_spawn_with(self, &actor, ask, &((gr_spawn_options){.retain = true}), "n"));
    CHECK_OK(gr_wait(self, actor, &result, GR_FOREVER));
    CHECK_EQ(gr_int(gr_get(gr_body(result), "code"), 0), GR_ECONTEXT);
    CHECK(strstr(gr_string(gr_get(gr_body(result), "why"), ""), "actor"));
    gr_message_free(&result);
    gr_detach(&self);
    CHECK_OK(gr_stop(GR_FOREVER));
}
