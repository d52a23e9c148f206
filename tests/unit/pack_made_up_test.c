/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Made-up formats: gr_pack and json_pack agree on what they take and on what it gives. */
#include "base/rng.h"
#include "message/plan.h"
#include "message/value.h"
#include "support/test.h"
#include "unit/variadic.h"

#include <greenroom/jansson.h>
#include <greenroom/pack.h>

typedef struct made {
    gri_rng rng;
    char format[512];
    size_t bytes;
    unsigned keys;
    call ours, theirs;
} made;

static void append(made *m, const char *text)
{
    strcpy(m->format + m->bytes, text);
    m->bytes += strlen(text);
    if (gri_rng_one_in(&m->rng, 6)) m->format[m->bytes++] = " ,:\n"[gri_rng_below(&m->rng, 4)];
    m->format[m->bytes] = '\0';
}

static bool has_room(const made *m)
{
    return m->ours.words_count < WORDS - 8 && m->ours.doubles_count < DOUBLES && m->bytes < 400;
}

static void make_string(made *m, const char *letter, bool optional)
{
    static const char *const texts[] = {"", "a", "text", "h\xc3\xa9", "longer than that", "\xff"};
    append(m, letter);
    bool null = gri_rng_one_in(&m->rng, optional ? 3 : 60);
    if (optional && gri_rng_one_in(&m->rng, 3)) {
        append(m, gri_rng_one_in(&m->rng, 2) ? "?" : "*");
    } else {
        optional = false;
        null = gri_rng_one_in(&m->rng, 60);
    }
    for (;;) {
        const char *text = texts[gri_rng_below(&m->rng, gri_rng_one_in(&m->rng, 4) ? 6 : 5)];
        size_t n = strlen(text);
        if (null) {
            add_word(&m->ours, 0, GR_ARG_TEXT), add_word(&m->theirs, 0, GR_ARG_TEXT);
            n = 0;
        } else {
            (void)add_text(&m->ours, text, n), (void)add_text(&m->theirs, text, n);
        }
        if (optional) return;
        if (gri_rng_one_in(&m->rng, 4)) {
            bool hash = gri_rng_one_in(&m->rng, 2);
            append(m, hash ? "#" : "%");
            add_word(&m->ours, n, hash ? GR_ARG_INT : GR_ARG_ULONG);
            add_word(&m->theirs, n, hash ? GR_ARG_INT : GR_ARG_ULONG);
        }
        if (!has_room(m) || !gri_rng_one_in(&m->rng, 6)) return;
        append(m, "+");
        null = gri_rng_one_in(&m->rng, 60);
    }
}

static void make_value(made *m, unsigned depth);

static void make_key(made *m)
{
    char key[16];
    append(m, "s");
    snprintf(key, sizeof key, "key%u", m->keys++);
    (void)add_text(&m->ours, key, strlen(key)), (void)add_text(&m->theirs, key, strlen(key));
}

static void make_json(made *m)
{
    bool steal = gri_rng_one_in(&m->rng, 2);
    append(m, steal ? "o" : "O");
    json_t *json = gri_rng_one_in(&m->rng, 12) ? NULL : json_pack("[i,s]", 7, "seven");
    if (!json || gri_rng_one_in(&m->rng, 3)) append(m, gri_rng_one_in(&m->rng, 2) ? "?" : "*");
    add_json(&m->ours, json, steal);
    add_json(&m->theirs, json ? json_deep_copy(json) : NULL, steal);
}

static void make_scalar(made *m)
{
    uint64_t x = gri_rng_next_u64(&m->rng) >> gri_rng_below(&m->rng, 64);
    switch (gri_rng_below(&m->rng, 7)) {
    case 0: append(m, "n"); break;
    case 1: append(m, "b"), add_word(&m->ours, x & 1, GR_ARG_BOOL), add_word(&m->theirs, x & 1, GR_ARG_BOOL); break;
    case 2: append(m, "i"), add_word(&m->ours, x, GR_ARG_INT), add_word(&m->theirs, x, GR_ARG_INT); break;
    case 3: append(m, "I"), add_word(&m->ours, x, GR_ARG_LONG), add_word(&m->theirs, x, GR_ARG_LONG); break;
    case 4: append(m, "f"), add_double(&m->ours, (double)x / 3), add_double(&m->theirs, (double)x / 3); break;
    case 5: make_json(m); break;
    default: make_string(m, "s", true);
    }
}

static void make_value(made *m, unsigned depth)
{
    if (depth > 5 || !has_room(m) || gri_rng_one_in(&m->rng, 2)) {
        if (m->ours.doubles_count == DOUBLES) {
            append(m, "n");
        } else {
            make_scalar(m);
        }
        return;
    }
    bool object = gri_rng_one_in(&m->rng, 2);
    append(m, object ? "{" : "[");
    for (uint64_t n = gri_rng_below(&m->rng, 6); n > 0 && has_room(m); n--) {
        if (object) make_key(m);
        make_value(m, depth + 1);
    }
    append(m, object ? "}" : "]");
}

TEST(pack_made_up, formats_agree_with_json_pack)
{
    unsigned made_count = 0, refused_count = 0;
    for (uint64_t seed = 1; seed <= 4000; seed++) {
        static made m;
        memset(&m, 0, sizeof m);
        gri_rng_seed(&m.rng, seed);
        m.ours.literals = seed % 2;
        make_value(&m, 0);
        gr_site site = {.types = m.ours.types, .count = (unsigned short)m.ours.count, .literal = 1};
        gr_message *ours = NULL, *theirs = NULL;
        gr_detail detail;
        int code = gr_pack_site(&ours, &detail, &site, m.format, ALL(&m.ours));
        json_t *tree = json_pack(m.format, ALL(&m.theirs));
        if ((code == 0) != (tree != NULL))
            TEST_FAIL("seed %llu: \"%s\": ours %s, theirs %s", (unsigned long long)seed, m.format,
                      code ? detail.text : "packs", tree ? "packs" : "refuses");
        if (tree) {
            CHECK(gri_value_verify(gr_body(ours).at, gr_value_bytes(gr_body(ours))));
            CHECK_OK(gr_from_json(tree, &theirs, NULL));
            if (!gr_equal(gr_body(ours), gr_body(theirs)))
                TEST_FAIL("seed %llu: \"%s\" differs", (unsigned long long)seed, m.format);
            made_count++;
        } else {
            CHECK(code == GR_EINVAL && detail.text[0]);
            refused_count++;
        }
        json_decref(tree);
        gr_message_free(&ours), gr_message_free(&theirs);
        end_call(&m.ours, true), end_call(&m.theirs, true);
        gri_plan_free(site.plan);
    }
    CHECK(made_count > 1000);
    CHECK(refused_count > 100);
}
