/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* The table of remote addresses, with room for four. */
#include "actor/remote.h"
#include "support/harness.h"

#include <string.h>

static gr_address made(const char *url)
{
    gr_address address = GR_NO_ADDRESS;
    CHECK_OK(gr_remote_address(url, &address, NULL));
    return address;
}

static void check_url(gr_address address, const char *expected)
{
    char url[GR_REMOTE_URL_BYTES];
    CHECK_OK(gr_remote_url(address, url, sizeof url));
    CHECK_STR(url, expected);
}

TEST(remote_small, the_same_url_is_the_same_address)
{
    gr_self *self = BEGIN();
    gr_address a = made("http://a/x"), b = made("http://b/x");
    CHECK(gr_is_remote(a) && gr_is_remote(b));
    CHECK(!gr_address_equal(a, b));
    CHECK(gr_address_equal(a, made("HTTP://A:80/%78")));
    check_url(a, "http://a/x");
    CHECK(gr_alive(a));
    CHECK_EQ(gri_remote_count(), 2);
    CHECK(!gr_is_remote(gr_self_address(self)));
    CHECK(!gr_is_remote(GR_NO_ADDRESS));
    CHECK(!gr_is_remote(GR_DEAD_ADDRESS));
    END(self);
}

TEST(remote_small, who_is_not_used_for_longest_goes)
{
    gr_self *self = BEGIN();
    char url[32];
    gr_address a[4];
    for (int i = 0; i < 4; i++) {
        snprintf(url, sizeof url, "http://h%d/x", i);
        a[i] = made(url);
    }
    check_url(a[0], "http://h0/x"); /* used again: 1 is the oldest */
    CHECK(gr_alive(a[1]));          /* no use */
    gr_address fifth = made("http://h4/x");
    CHECK(!gr_alive(a[1]));
    CHECK_EQ(gr_remote_url(a[1], url, sizeof url), GR_EDEAD);
    CHECK_EQ(gr_cast(self, a[1], "i", 1), GR_EDEAD);
    CHECK_EQ(gr_kill(a[1]), GR_EDEAD);
    CHECK_EQ(gr_call(self, NULL, a[1], "m", GR_FOREVER, "i", 1), GR_EDEAD);
    CHECK_EQ(gr_wait(self, a[1], NULL, GR_FOREVER), GR_EDEAD);
    check_url(a[0], "http://h0/x");
    check_url(a[2], "http://h2/x");
    check_url(a[3], "http://h3/x");
    check_url(fifth, "http://h4/x");
    /* It comes back as another one. */
    gr_address again = made("http://h1/x");
    CHECK(!gr_address_equal(again, a[1]));
    check_url(again, "http://h1/x");
    CHECK(!gr_alive(a[0]));
    CHECK_EQ(gri_remote_count(), 4);
    /* Many more: chains and order stay whole. */
    for (int i = 0; i < 1000; i++) {
        snprintf(url, sizeof url, "http://h%d/x", i % 7);
        gr_address now = made(url);
        check_url(now, url);
    }
    CHECK_EQ(gri_remote_count(), 4);
    END(self);
}

TEST(remote_small, addresses_of_an_earlier_run_are_dead)
{
    gr_self *self = BEGIN();
    gr_address before = made("http://a/x"), now;
    char url[32];
    END(self);
    CHECK_EQ(gr_remote_address("http://a/x", &now, NULL), GR_ENOTRUNNING);
    CHECK(!gr_alive(before));
    self = BEGIN();
    CHECK_EQ(gri_remote_count(), 0);
    now = made("http://a/x");
    CHECK(!gr_address_equal(before, now));
    CHECK(!gr_alive(before));
    CHECK_EQ(gr_remote_url(before, url, sizeof url), GR_EDEAD);
    CHECK_EQ(gr_remote_url(now, url, 10), GR_ETOOBIG);
    CHECK_OK(gr_remote_url(now, url, 11));
    END(self);
}

TEST(remote_small, what_does_not_go_over_a_network)
{
    gr_self *self = BEGIN();
    gr_address a = made("http://a/x"), found;
    gr_monitor_ref ref;
    gr_actor_info info;
    gr_message *state = NULL;
    char text[GR_ADDRESS_TEXT_BYTES];
    CHECK_EQ(gr_link(self, a, GR_LINK), GR_EUNSUPPORTED);
    CHECK(strstr(gr_error_detail(self)->text, "network"));
    CHECK_EQ(gr_monitor(self, a, &ref), GR_EUNSUPPORTED);
    CHECK_EQ(gr_register(a, "a"), GR_EUNSUPPORTED);
    CHECK_EQ(gr_inspect(a, &info), GR_EUNSUPPORTED);
    CHECK_EQ(gr_state(a, &state, NULL), GR_EUNSUPPORTED);
    CHECK_EQ(gr_remote_kill(self, gr_self_address(self), GR_FOREVER), GR_EINVAL);
    /* The text of this process leads back to it here, and nobody finds it by that. */
    CHECK(gr_address_equal(gr_address_parse(gr_address_print(a, text), GR_ADDRESS_TEXT_BYTES - 1), a));
    CHECK_EQ(gr_lookup(text, &found), GR_ENOTFOUND);
    gr_detail detail;
    CHECK_EQ(gr_remote_address("http://a", &found, &detail), GR_EINVAL);
    CHECK(strstr(detail.text, "path"));
    END(self);
}
