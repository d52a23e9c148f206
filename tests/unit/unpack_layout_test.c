/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* The quick ways of unpacking, by layout and by steps, against the operations: the same codes, details and variables for
 * messages that are mostly alike and now and then not, at places that have seen others before. */
#include "base/rng.h"
#include "message/unpack_layout.h"
#include "message/value.h"
#include "support/test.h"

#include <greenroom/build.h>
#include <greenroom/pack.h>

typedef struct outs {
    const char *s, *t;
    size_t size, other_size;
    int i, j, k, truth;
    unsigned u;
    int64_t id;
    uint64_t big;
    double f, g;
    bool ok;
    gr_address address;
    const void *bytes;
    gr_value v, w, x;
} outs;

/* ---- values that are nearly always what a format asks for ---- */

static void put_text(gr_builder *b, gri_rng *rng)
{
    char text[300];
    size_t bytes = gri_rng_one_in(rng, 30) ? 250 + gri_rng_below(rng, 40) : gri_rng_below(rng, 20);
    memset(text, 'a' + (int)gri_rng_below(rng, 26), bytes);
    gr_put_string_n(b, text, bytes);
}

static void put_any(gr_builder *b, gri_rng *rng)
{
    switch (gri_rng_below(rng, 9)) {
    case 0: gr_put_null(b); break;
    case 1: gr_put_bool(b, gri_rng_one_in(rng, 2)); break;
    case 2: gr_put_int(b, (int64_t)gri_rng_next_u64(rng)); break;
    case 3: gr_put_double(b, gri_rng_next_double(rng)); break;
    case 4: put_text(b, rng); break;
    case 5: gr_put_bytes(b, "bytes", gri_rng_below(rng, 6)); break;
    case 6: gr_put_address(b, (gr_address){gri_rng_next_u64(rng)}); break;
    case 7: gr_put_array(b), gr_put_int(b, 1), gr_put_end(b); break;
    default: gr_put_object(b), gr_put_key(b, "k"), put_text(b, rng), gr_put_end(b);
    }
}

static void put_int(gr_builder *b, gri_rng *rng)
{
    static const int64_t numbers[] = {0, 1, -1, INT32_MAX, INT32_MIN, UINT32_MAX, INT64_MAX, INT64_MIN};
    gr_put_int(b, gri_rng_one_in(rng, 20) ? numbers[gri_rng_below(rng, 8)] : (int64_t)gri_rng_below(rng, 1000));
}

static void put_letter(gr_builder *b, gri_rng *rng, char letter)
{
    if (gri_rng_one_in(rng, 40)) letter = '?';
    switch (letter) {
    case 's': put_text(b, rng); break;
    case 'i': put_int(b, rng); break;
    case 'f': gri_rng_one_in(rng, 10) ? gr_put_int(b, 3) : gr_put_double(b, 0.5); break;
    case 'b': gr_put_bool(b, gri_rng_one_in(rng, 2)); break;
    case 'n': gr_put_null(b); break;
    case 'A': gr_put_address(b, (gr_address){7}); break;
    case 'B': gr_put_bytes(b, "0123456789", gri_rng_below(rng, 10)); break;
    case '3':
        gr_put_array(b);
        for (uint64_t left = gri_rng_one_in(rng, 20) ? gri_rng_below(rng, 6) : 3; left > 0; left--)
            put_letter(b, rng, 'i');
        gr_put_end(b);
        break;
    case '{':
        gr_put_object(b);
        gr_put_key(b, "v"), put_letter(b, rng, '?');
        gr_put_key(b, "f"), put_letter(b, rng, 'f');
        gr_put_end(b);
        break;
    default: put_any(b, rng);
    }
}

/* "op=s id=i": an object with these keys; mostly all of them, in this order, and no others. */
static gr_message *object_like(gri_rng *rng, const char *plan)
{
    const char *keys[24];
    size_t lengths[24];
    char letters[24];
    unsigned count = 0;
    for (const char *at = plan; *at;) {
        size_t length = strcspn(at, "=");
        keys[count] = at, lengths[count] = length, letters[count++] = at[length + 1];
        at += length + 2;
        at += *at == ' ';
    }
    if (gri_rng_one_in(rng, 10)) { /* two of them change places */
        uint64_t x = gri_rng_below(rng, count), y = gri_rng_below(rng, count);
        const char *key = keys[x];
        size_t length = lengths[x];
        char letter = letters[x];
        keys[x] = keys[y], lengths[x] = lengths[y], letters[x] = letters[y];
        keys[y] = key, lengths[y] = length, letters[y] = letter;
    }
    gr_builder b;
    gr_message *m = NULL;
    gr_build(&b);
    gr_put_object(&b);
    for (unsigned i = 0; i < count; i++) {
        if (gri_rng_one_in(rng, 50)) continue;
        if (gri_rng_one_in(rng, 50)) gr_put_key(&b, "unknown"), put_any(&b, rng);
        gr_put_key_n(&b, keys[i], lengths[i]);
        put_letter(&b, rng, letters[i]);
    }
    for (unsigned more = gri_rng_one_in(rng, 50) ? 20 : 0; more > 0; more--) {
        char key[8];
        snprintf(key, sizeof key, "more%u", more);
        gr_put_key(&b, key), gr_put_int(&b, more);
    }
    gr_put_end(&b);
    if (gr_build_message(&b, &m) != 0) return NULL; /* "unknown" twice */
    return m;
}

static gr_message *array_like(gri_rng *rng, const char *letters)
{
    gr_builder b;
    gr_message *m = NULL;
    gr_build(&b);
    gr_put_array(&b);
    for (; *letters; letters++) {
        if (gri_rng_one_in(rng, 50)) continue;
        if (gri_rng_one_in(rng, 50)) put_any(&b, rng);
        put_letter(&b, rng, *letters);
    }
    gr_put_end(&b);
    CHECK_OK(gr_build_message(&b, &m));
    return m;
}

/* ---- two ways ---- */

#define ROUNDS 3000

/* Runs a format both ways over `make` messages; the arguments use `o`. A format that is no literal is run by its operations.
 * At least one message in four must fit. */
#define BOTH_WAYS(seed, make, format, ...) \
    do { \
        static gr_site slow; \
        gri_rng rng; \
        unsigned fitted = 0; \
        gri_rng_seed(&rng, seed); \
        for (unsigned round = 0; round < ROUNDS; round++) { \
            gr_message *m = make; \
            if (!m) continue; \
            outs results[2]; \
            gr_detail details[2]; \
            int codes[2]; \
            memset(results, 0x5a, sizeof results); \
            memset(details, 0, sizeof details); \
            outs *o = &results[0]; \
            if (!slow.types) { \
                slow = *GR_SITE(format, __VA_ARGS__); \
                slow.literal = 0; \
            } \
            codes[0] = gr_unpack(gr_body(m), &details[0], format, __VA_ARGS__); \
            o = &results[1]; \
            codes[1] = gr_unpack_site(gr_body(m), &details[1], &slow, format, __VA_ARGS__); \
            CHECK_EQ(codes[0], codes[1]); \
            if (codes[0] != 0) CHECK_STR(details[0].text, details[1].text); \
            CHECK(memcmp(&results[0], &results[1], sizeof results[0]) == 0); \
            if (codes[0] == 0) fitted++; \
            gr_message_free(&m); \
        } \
        CHECK(fitted > ROUNDS / 4); \
    } while (0)

TEST(unpack_layout, keys_texts_and_arrays)
{
    BOTH_WAYS(1, object_like(&rng, "op=s id=i args=3 name=s"), "{s:s,s:I,s:[i,i,i],s:s%}", "op", &o->s, "id", &o->id,
              "args", &o->i, &o->j, &o->k, "name", &o->t, &o->size);
    BOTH_WAYS(2, object_like(&rng, "op=s id=i args=3 name=s"), "{s:s,s:[i,i,i!],s:i*}", "name", &o->s, "args", &o->i,
              &o->j, &o->k, "id", &o->truth);
    BOTH_WAYS(3, object_like(&rng, "id=i sum=i"), "{s:I,s:I}", "id", &o->id, "sum", &o->big);
    BOTH_WAYS(4, object_like(&rng, "id=i sum=i"), "{s:i,s:i!}", "id", &o->u, "sum", &o->i);
}

TEST(unpack_layout, optional_keys)
{
    BOTH_WAYS(5, object_like(&rng, "a=s b=i c=b d=f"), "{s?:s,s?:I,s?:b,s?:f}", "a", &o->s, "b", &o->id, "c", &o->ok,
              "d", &o->f);
    BOTH_WAYS(6, object_like(&rng, "a=s c=b"), "{s?:s,s?:I,s?:b}", "a", &o->s, "b", &o->id, "c", &o->truth);
    BOTH_WAYS(7, object_like(&rng, "a=s c=b"), "{s?:s,s:b!}", "a", &o->s, "c", &o->truth);
}

TEST(unpack_layout, every_type)
{
    BOTH_WAYS(8, object_like(&rng, "n=n b=b t=b A=A B=B f=f F=f"), "{s:n,s:b,s:b,s:A,s:B,s:f,s:F}", "n", "b", &o->ok,
              "t", &o->truth, "A", &o->address, "B", &o->bytes, &o->size, "f", &o->f, "F", &o->g);
    BOTH_WAYS(9, object_like(&rng, "a=? b=i c=? d={"), "{s:V,s:I,s:V,s:{s:V,s:F}}", "a", &o->v, "b", &o->big, "c",
              &o->w, "d", "v", &o->x, "f", &o->g);
    BOTH_WAYS(10, object_like(&rng, "a_key_of_more_than_sixteen_bytes=i a_key_of_16_byte=i e=b"), "{s:i,s:i,s:b}",
              "a_key_of_more_than_sixteen_bytes", &o->i, "a_key_of_16_byte", &o->j, "e", &o->ok);
    BOTH_WAYS(11, object_like(&rng, "a_key_with_14_=i a_key_with_6=i =i a=b"), "{s:i,s:i,s:i,s:b}", "a_key_with_14_",
              &o->i, "a_key_with_6", &o->j, "", &o->k, "a", &o->ok);
}

TEST(unpack_layout, arrays_and_what_nobody_asked_for)
{
    BOTH_WAYS(12, array_like(&rng, "?isb"), "[V,i,s,b]", &o->v, &o->i, &o->s, &o->ok);
    BOTH_WAYS(13, array_like(&rng, "si"), "[s,i!]", &o->s, &o->i);
    BOTH_WAYS(14, object_like(&rng, "x=? y={ id=i z=3"), "{s:i}", "id", &o->i);
    BOTH_WAYS(15, object_like(&rng, "id=i"), "V", &o->v);
}

TEST(unpack_layout, a_null_target_is_refused_and_nothing_written)
{
    for (int round = 0; round < 4; round++) {
        gr_message *m = NULL;
        CHECK_OK(gr_pack(&m, "{s:i,s:i,s:s}", "a", 1, "b", round, "c", "text"));
        int a = -1, b = -1;
        const char *text = NULL;
        size_t size = 99;
        int *b_or_none = round == 2 ? NULL : &b;
        size_t *size_or_none = round == 3 ? NULL : &size;
        int code = gr_unpack(gr_body(m), NULL, "{s:i,s:i,s:s%}", "a", &a, "b", b_or_none, "c", &text, size_or_none);
        CHECK_EQ(code, round < 2 ? 0 : GR_EINVAL);
        CHECK_EQ(a, round < 2 ? 1 : -1);
        CHECK(round < 2 ? b == round && size == 4 : b == -1 && !text && size == 99);
        gr_message_free(&m);
    }
}

TEST(unpack_layout, few_are_kept)
{
    static const unsigned char types[] = {GR_ARG_LITERAL, GR_ARG_INT_OUT};
    static gr_site site = {types, 2, 1, NULL};
    for (int i = 0; i < 10; i++) {
        gr_message *m = NULL;
        gr_builder b;
        int found = -1;
        gr_build(&b);
        gr_put_object(&b);
        gr_put_key(&b, "id"), gr_put_int(&b, i);
        gr_put_key(&b, (const char[2]){(char)('a' + i)}), gr_put_null(&b);
        gr_put_end(&b);
        CHECK_OK(gr_build_message(&b, &m));
        for (int again = 0; again < 3; again++) {
            CHECK_OK(gr_unpack_site(gr_body(m), NULL, &site, "{s:i}", "id", &found));
            CHECK_EQ(found, i);
        }
        gr_message_free(&m);
    }
    unsigned count = 0;
    for (const gri_layout *l = gri_layout_first(site.plan); l; l = l->next) count++;
    CHECK_EQ(count, GRI_LAYOUTS_MAX);
}

static gr_message *with_text(size_t bytes)
{
    gr_builder b;
    gr_message *m = NULL;
    char text[300];
    memset(text, 'x', sizeof text);
    gr_build(&b);
    gr_put_object(&b);
    gr_put_key(&b, "s"), gr_put_string_n(&b, text, bytes);
    gr_put_end(&b);
    CHECK_OK(gr_build_message(&b, &m));
    return m;
}

/* A place that reads what no layout can hold is not asked to learn for ever. */
TEST(unpack_layout, vain_lessons_come_to_an_end)
{
    static const unsigned char types[] = {GR_ARG_LITERAL, GR_ARG_TEXT_OUT};
    static gr_site sites[2] = {{types, 2, 1, NULL}, {types, 2, 1, NULL}};
    gr_message *longer = with_text(300), *shorter = with_text(3);
    const char *text = NULL;
    for (unsigned i = 0; i < 2; i++) {
        unsigned rounds = i == 0 ? GRI_LAYOUTS_VAIN_MAX : GRI_LAYOUTS_VAIN_MAX - 1;
        for (unsigned round = 0; round < rounds; round++)
            CHECK_OK(gr_unpack_site(gr_body(longer), NULL, &sites[i], "{s:s}", "s", &text));
        CHECK_OK(gr_unpack_site(gr_body(shorter), NULL, &sites[i], "{s:s}", "s", &text));
        CHECK_STR(text, "xxx");
        CHECK((gri_layout_first(sites[i].plan) != NULL) == (i == 1));
    }
    gr_message_free(&longer);
    gr_message_free(&shorter);
}

/* Places whose messages reach every limit of a layout in turn: what cannot be kept is read all the same. */
TEST(unpack_layout, whatever_a_layout_has_no_room_for)
{
    static const unsigned char types[] = {GR_ARG_LITERAL, GR_ARG_INT_OUT,     GR_ARG_LITERAL,   GR_ARG_TEXT_OUT,
                                          GR_ARG_LITERAL, GR_ARG_POINTER_OUT, GR_ARG_ULONG_OUT, GR_ARG_LITERAL,
                                          GR_ARG_LITERAL, GR_ARG_DOUBLE_OUT,  GR_ARG_LITERAL,   GR_ARG_BOOL_OUT};
    static const char format[] = "{s:i,s:s,s:B,s:{s:f,s:b}}";
    char pad[2][256];
    for (unsigned split = 0; split < 3; split++) {
        for (size_t length = 1; length < 255; length++) {
            for (unsigned p = 0; p < 2; p++) {
                memset(pad[p], 'p', sizeof pad[p]);
                pad[p][0] = (char)('x' + p);
                pad[p][p == 0 ? length : split * 100 + 1] = '\0';
            }
            gr_site site = {types, 12, 1, NULL};
            const char *keys[4] = {pad[0], "s", "B", "o"};
            for (int round = 0; round < 3; round++) {
                gr_message *m = NULL;
                int i = -1;
                const char *text = NULL;
                const void *bytes = NULL;
                size_t size = 0;
                double f = 0;
                bool b = false;
                CHECK_OK(gr_pack(&m, "{s:i,s:s,s:B,s:{s:f,s:b}}", keys[0], round, keys[1], "text", keys[2], "bytes",
                                 (size_t)5, keys[3], (const char *)pad[1], 0.5, "b", true));
                CHECK_OK(gr_unpack_site(gr_body(m), NULL, &site, format, keys[0], &i, keys[1], &text, keys[2], &bytes,
                                        &size, keys[3], (const char *)pad[1], &f, "b", &b));
                CHECK(i == round && strcmp(text, "text") == 0 && size == 5 && f == 0.5 && b);
                gr_message_free(&m);
            }
            gri_plan_free(site.plan);
        }
    }
}

/* Sixteen segments, forty-eight words. */
TEST(unpack_layout, more_texts_or_more_numbers_than_a_layout_holds)
{
    for (int round = 0; round < 3; round++) {
        const char *t[18] = {NULL};
        int n[18];
        gr_message *m = NULL;
        CHECK_OK(gr_pack(&m, "[ssssssssssssssssss]", "a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l", "m",
                         "n", "o", "p", "q", "r"));
        CHECK_OK(gr_unpack(gr_body(m), NULL, "[ssssssssssssssssss]", &t[0], &t[1], &t[2], &t[3], &t[4], &t[5], &t[6],
                           &t[7], &t[8], &t[9], &t[10], &t[11], &t[12], &t[13], &t[14], &t[15], &t[16], &t[17]));
        CHECK_STR(t[17], "r");
        CHECK_OK(gr_unpack(gr_body(m), NULL, "[sssssssssssssss]", &t[0], &t[1], &t[2], &t[3], &t[4], &t[5], &t[6],
                           &t[7], &t[8], &t[9], &t[10], &t[11], &t[12], &t[13], &t[14]));
        CHECK_STR(t[14], "o");
        gr_message_free(&m);
        static const char *const names[] = {"a_key_of_30_bytes_............a", "a_key_of_30_bytes_............b",
                                            "a_key_of_30_bytes_............c", "a_key_of_30_bytes_............d",
                                            "a_key_of_30_bytes_............e", "a_key_of_30_bytes_............f"};

        gr_builder b;
        gr_build(&b);
        gr_put_array(&b);
        for (int i = 0; i < 4; i++) {
            gr_put_object(&b);
            for (int k = 0; k < 4; k++) gr_put_key(&b, names[k]), gr_put_int(&b, 4 * i + k + round);
            gr_put_end(&b);
            gr_put_string(&b, "between");
        }
        gr_put_end(&b);
        CHECK_OK(gr_build_message(&b, &m));
#define OBJECT(i) \
    "a_key_of_30_bytes_............a", &n[4 * i], "a_key_of_30_bytes_............b", &n[4 * i + 1], \
        "a_key_of_30_bytes_............c", &n[4 * i + 2], "a_key_of_30_bytes_............d", &n[4 * i + 3], &t[i]
        CHECK_OK(gr_unpack(gr_body(m), NULL, "[{sisisisi}s{sisisisi}s{sisisisi}s{sisisisi}s]", OBJECT(0), OBJECT(1),
                           OBJECT(2), OBJECT(3)));
        for (int i = 0; i < 16; i++) CHECK_EQ(n[i], i + round);
        CHECK_STR(t[3], "between");
        gr_message_free(&m);
    }
}

TEST(unpack_layout, deeper_than_what_is_read_in_a_hurry)
{
    for (int round = 0; round < 3; round++) {
        gr_message *m = NULL;
        int found = -1;
        gr_detail detail;
        CHECK_OK(gr_pack(&m, "[[[[[[[[[[i]]]]]]]]]]", round));
        CHECK_OK(gr_unpack(gr_body(m), NULL, "[[[[[[[[[[i]]]]]]]]]]", &found));
        CHECK_EQ(found, round);
        CHECK_OK(gr_unpack(gr_body(m), NULL, "[[[[[[[[V]]]]]]]]", &(gr_value){NULL}));
        CHECK_EQ(gr_unpack((gr_value){NULL}, NULL, "i", &found), GR_ETYPE);
        CHECK_EQ(gr_unpack((gr_value){NULL}, &detail, "i", &found), GR_ETYPE);
        CHECK_STR(detail.text, "there is no value to unpack");
        gr_message_free(&m);
    }
}
