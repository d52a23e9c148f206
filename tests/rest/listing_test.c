/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* The list of actors: orders, pages, filters, with more actors than a page may reach by its offset. */
#include "rest/listing.h"

#include "rest/scene.h"

enum { ACTORS = 12000 }; /* beyond GRI_LIST_OFFSET_MAX and the largest page */

static void populate(gr_self *self)
{
    for (int i = 0; i < ACTORS; i++) {
        gr_address address;
        char name[32];
        unsigned char storage[16];
        gr_value args;
        snprintf(name, sizeof name, i % 5 ? "Room/%05d" : "hall%05d", (i * 7919) % ACTORS);
        gr_spawn_options options = {.name = i % 3 ? name : NULL};
        CHECK_OK(gr_pack_into(storage, sizeof storage, &args, "i", i));
        CHECK_OK(gr_spawn_behaviour(self, &address, i % 2 ? "box" : "script", &options, args));
    }
}

static gri_listing list(gr_self *self, const char *query)
{
    gri_listing l = {.self = self};
    const char *why = gri_listing_read(&l, query);
    if (why) TEST_FAIL("%s: %s", query, why);
    CHECK_OK(gri_listing_collect(&l));
    return l;
}

static int in_order(enum gri_list_sort sort, const gr_actor_info *a, const gr_actor_info *b)
{
    switch (sort) {
    case GRI_BY_NAME: return !a->name[0] ? !b->name[0] : !b->name[0] || strcmp(a->name, b->name) <= 0;
    case GRI_BY_BEHAVIOUR: return strcmp(a->behaviour, b->behaviour) <= 0;
    case GRI_BY_STATE: return strcmp(a->state, b->state) <= 0;
    case GRI_BY_MESSAGES: return a->messages <= b->messages;
    case GRI_BY_MAILBOX: return a->mailbox <= b->mailbox;
    case GRI_BY_MEMORY: return a->memory <= b->memory;
    default: return (uint32_t)a->address.id < (uint32_t)b->address.id;
    }
}

TEST(listing, pages_by_offset)
{
    gr_self *self = scene_runtime();
    populate(self);
    gri_listing whole = list(self, "limit=1000&offset=9000&sort=name"),
                few = list(self, "limit=3&offset=4000&sort=name");
    CHECK_EQ(whole.total, ACTORS + 1); /* and this thread */
    CHECK_EQ(whole.kept, 10000);
    CHECK_EQ(few.kept, 4003);
    for (size_t i = 1; i < whole.kept; i++)
        CHECK(in_order(GRI_BY_NAME, gri_listing_at(&whole, i - 1), gri_listing_at(&whole, i)));
    for (size_t i = 4000; i < 4003; i++) CHECK_STR(gri_listing_at(&few, i)->name, gri_listing_at(&whole, i)->name);
    gri_listing_fini(&whole), gri_listing_fini(&few);
    static const char *const sorts[] = {"address", "name", "behaviour", "state", "messages", "mailbox", "memory"};
    for (size_t i = 0; i < GRI_LIST_SORT_COUNT; i++) {
        char query[64];
        snprintf(query, sizeof query, "limit=500&kind=thread&sort=%s", sorts[i]);
        gri_listing up = list(self, query);
        snprintf(query, sizeof query, "limit=500&kind=thread&sort=-%s", sorts[i]);
        gri_listing down = list(self, query);
        CHECK(up.kept == 500 && down.kept == 500 && up.sort == i && down.sort == i);
        for (size_t at = 1; at < 500; at++) {
            CHECK(in_order(up.sort, gri_listing_at(&up, at - 1), gri_listing_at(&up, at)));
            bool unnamed = i == GRI_BY_NAME && !gri_listing_at(&down, at)->name[0]; /* always last */
            CHECK(unnamed || in_order(up.sort, gri_listing_at(&down, at), gri_listing_at(&down, at - 1)));
        }
        gri_listing_fini(&up), gri_listing_fini(&down);
    }
    gri_listing none = list(self, "limit=0"), beyond = list(self, "offset=9000&search=hall00005");
    CHECK(none.kept == 0 && none.total == ACTORS + 1);
    CHECK(beyond.kept <= beyond.offset);
    gri_listing_fini(&none), gri_listing_fini(&beyond);
    gr_detach(&self);
    (void)gr_stop(gr_after_ms(10));
}

/* Every order, both ways: page after page by `next` gives every actor once. */
TEST(listing, pages_by_next)
{
    scene s = scene_begin((gr_rest_options){.http.requests_per_connection = 100000});
    static const char *const sorts[] = {"address", "name", "behaviour", "state", "messages", "mailbox", "memory"};
    populate(s.self);
    for (size_t i = 0; i < 2 * sizeof sorts / sizeof *sorts; i++) {
        char path[1024], next[512] = "";
        bool *seen = calloc(ACTORS * 4, 1);
        size_t count = 0;
        do {
            snprintf(path, sizeof path, "/?limit=1000&sort=%s%s%s%s&behaviour=box", i % 2 ? "-" : "", sorts[i / 2],
                     next[0] ? "&after=" : "", next);
            answer a = scene_ask(&s, "GET", path, "", NULL, 200);
            gr_message *m = scene_value(&a);
            CHECK_EQ(gr_int(gr_get(gr_body(m), "total"), 0), ACTORS / 2);
            for (gr_iter it = gr_iterate(gr_get(gr_body(m), "actors")); gr_next(&it); count++) {
                gr_value text = gr_get(it.value, "address");
                uint32_t index = (uint32_t)gr_address_parse(gr_string(text, ""), gr_string_bytes(text)).id;
                CHECK(index < ACTORS * 4 && !seen[index]);
                seen[index] = true;
            }
            snprintf(next, sizeof next, "%s", gr_string(gr_get(gr_body(m), "next"), ""));
            gr_message_free(&m), answer_free(&a);
        } while (next[0]);
        CHECK_EQ(count, ACTORS / 2);
        free(seen);
    }
    scene_end(&s);
}

TEST(listing, filters)
{
    gr_self *self = scene_runtime();
    populate(self);
    static const struct {
        const char *query;
        int64_t total;
    } cases[] = {
        {"behaviour=box", ACTORS / 2},
        {"behaviour=bo", 0},
        {"kind=server", ACTORS / 2},
        {"kind=thread", ACTORS / 2},
        {"kind=attached", 1},
        {"state=attached", 1},
        {"search=room%2F", ACTORS * 8 / 15}, /* the case does not matter */
        {"search=ROOM%2F0", -1},
        {"search=/script", 0},
        {"search=room%2F&kind=server&limit=0", ACTORS * 4 / 15},
        {"search=greenroom", 0},
        {"search=%FF", 0},
        {"search=", ACTORS + 1},
        {"search=room+", 0},
        {"nonsense=1", ACTORS + 1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        gri_listing l = list(self, cases[i].query);
        if (cases[i].total >= 0 && (int64_t)l.total != cases[i].total)
            TEST_FAIL("%s: %llu", cases[i].query, (unsigned long long)l.total);
        if (cases[i].total < 0) CHECK(l.total > 0 && l.total < ACTORS / 2);
        gri_listing_fini(&l);
    }
    char text[GR_ADDRESS_TEXT_BYTES], query[64];
    snprintf(query, sizeof query, "search=%s", gr_address_print(gr_self_address(self), text));
    gri_listing l = list(self, query);
    CHECK(l.total == 1 && gr_address_equal(gri_listing_at(&l, 0)->address, gr_self_address(self)));
    gri_listing_fini(&l);
    gr_detach(&self);
    (void)gr_stop(gr_after_ms(10));
}

TEST(listing, bad_queries)
{
    static const char *const bad[] = {"limit=1001",
                                      "limit=-1",
                                      "limit=",
                                      "limit=1&limit=2",
                                      "offset=9001",
                                      "offset=99999999999999999999",
                                      "offset=1e3",
                                      "sort=size",
                                      "sort=",
                                      "sort=-",
                                      "sort=--name",
                                      "sort=name&sort=name",
                                      "sort=addressaddressaddressaddress",
                                      "state=dead",
                                      "state=running%00",
                                      "kind=x",
                                      "after=x",
                                      "after=",
                                      "after=~",
                                      "after=a~b",
                                      "after=~aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
                                      "after=5",
                                      "kind=server&kind=server"};
    gr_self *self = scene_runtime();
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        gri_listing l = {.self = self};
        if (!gri_listing_read(&l, bad[i])) TEST_FAIL("%s was taken", bad[i]);
    }
    /* Marks of other orders, of names too long, of addresses that are over. */
    char query[1024], name[400], address[GR_ADDRESS_TEXT_BYTES];
    gr_address_print(gr_self_address(self), address);
    memset(name, 'n', sizeof name);
    for (int bytes = 250; bytes < 400; bytes += 1 + (bytes > 262) * 20) {
        gri_listing l = {.self = self};
        snprintf(query, sizeof query, "sort=name&after=%.*s~%s", bytes, name, address);
        CHECK_EQ(gri_listing_read(&l, query) == NULL, bytes <= GR_NAME_BYTES_MAX);
        snprintf(query, sizeof query, "sort=behaviour&after=%.*s~%s", bytes, name, address);
        CHECK(gri_listing_read(&(gri_listing){.self = self}, query) != NULL);
    }
    static const char *const others[] = {"sort=messages&after=x~%s", "sort=messages&after=-1~%s",
                                         "sort=state&after=x~%s", "sort=address&after=1~%s",
                                         "sort=name&offset=1&after=a~%s"};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        gri_listing l = {.self = self};
        snprintf(query, sizeof query, others[i], address);
        if (!gri_listing_read(&l, query)) TEST_FAIL("%s was taken", query);
    }
    gr_detach(&self);
    (void)gr_stop(gr_after_ms(10));
}
