/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Readers over built values: every type, what is missing, lookup with and without index, hostile keys, verification. */
#include "message/build.h"
#include "message/value.h"
#include "support/test.h"

#include <greenroom/build.h>

static unsigned char storage[1 << 20];

static gr_value finish(gr_builder *b)
{
    gr_value v = {NULL};
    CHECK_OK(gr_build_value(b, &v));
    CHECK(gri_value_verify(v.at, gr_value_bytes(v)));
    return v;
}

static gr_value sample(void)
{
    gr_builder b;
    gr_build_into(&b, storage, sizeof storage);
    gr_put_object(&b);
    gr_put_key(&b, "null"), gr_put_null(&b);
    gr_put_key(&b, "true"), gr_put_bool(&b, true);
    gr_put_key(&b, "false"), gr_put_bool(&b, false);
    gr_put_key(&b, "int"), gr_put_int(&b, INT64_MIN);
    gr_put_key(&b, "double"), gr_put_double(&b, 2.5);
    gr_put_key(&b, "string"), gr_put_string(&b, "h\xc3\xa9llo");
    gr_put_key(&b, "nul"), gr_put_string_n(&b, "a\0b", 3);
    gr_put_key(&b, "bytes"), gr_put_bytes(&b, "\xff\x00\x80", 3);
    gr_put_key(&b, "address"), gr_put_address(&b, (gr_address){77});
    gr_put_key(&b, "list"), gr_put_array(&b);
    gr_put_int(&b, 1), gr_put_null(&b), gr_put_array(&b), gr_put_end(&b), gr_put_string(&b, "x");
    gr_put_end(&b);
    gr_put_key(&b, ""), gr_put_object(&b), gr_put_end(&b);
    gr_put_end(&b);
    return finish(&b);
}

TEST(value, small_message_fits_an_envelope)
{
    gr_builder b;
    gr_build_into(&b, storage, 22);
    gr_put_object(&b), gr_put_key(&b, "add"), gr_put_int(&b, 1), gr_put_end(&b);
    CHECK_EQ(gr_value_bytes(finish(&b)), 22);
}

TEST(value, reads_every_type)
{
    gr_value v = sample();
    CHECK_EQ(gr_type_of(v), GR_OBJECT);
    CHECK_EQ(gr_count(v), 11);
    CHECK_EQ(gr_type_of(gr_get(v, "null")), GR_NULL);
    CHECK_EQ(gr_bool(gr_get(v, "true"), false), true);
    CHECK_EQ(gr_bool(gr_get(v, "false"), true), false);
    CHECK(gr_int(gr_get(v, "int"), 0) == INT64_MIN);
    CHECK(gr_double(gr_get(v, "double"), 0) == 2.5);
    CHECK(gr_double(gr_get(v, "int"), 0) == -9223372036854775808.0);
    CHECK_STR(gr_string(gr_get(v, "string"), NULL), "h\xc3\xa9llo");
    CHECK_EQ(gr_string_bytes(gr_get(v, "string")), 6);
    CHECK_EQ(gr_string_bytes(gr_get(v, "nul")), 3);
    CHECK_EQ(memcmp(gr_string(gr_get(v, "nul"), ""), "a\0b", 4), 0);
    size_t bytes = 9;
    CHECK_EQ(memcmp(gr_bytes(gr_get(v, "bytes"), &bytes), "\xff\x00\x80", 3), 0);
    CHECK_EQ(bytes, 3);
    CHECK_EQ(gr_address_in(gr_get(v, "address")).id, 77);
    gr_value list = gr_get(v, "list");
    CHECK_EQ(gr_count(list), 4);
    CHECK_EQ(gr_int(gr_at(list, 0), 0), 1);
    CHECK_EQ(gr_type_of(gr_at(list, 2)), GR_ARRAY);
    CHECK_STR(gr_string(gr_at(list, 3), NULL), "x");
    CHECK_EQ(gr_type_of(gr_at(list, 4)), GR_MISSING);
    CHECK_EQ(gr_type_of(gr_get(v, "")), GR_OBJECT);
}

TEST(value, another_type_gives_the_fallback)
{
    gr_value v = sample(), none = {NULL};
    const char *keys[] = {"null", "true", "int", "double", "string", "bytes", "address", "list", "", "absent"};
    for (size_t i = 0; i < GRI_ARRAY_COUNT(keys); i++) {
        gr_value x = gr_get(v, keys[i]);
        gr_type type = gr_type_of(x);
        if (type != GR_INT) CHECK_EQ(gr_int(x, 42), 42);
        if (type != GR_DOUBLE && type != GR_INT) CHECK(gr_double(x, 4.5) == 4.5);
        if (type != GR_BOOL) CHECK(gr_bool(x, true) && !gr_bool(x, false));
        if (type != GR_STRING) CHECK_STR(gr_string(x, "fallback"), "fallback");
        if (type != GR_STRING) CHECK_EQ(gr_string_bytes(x), 0);
        size_t bytes = 9;
        if (type != GR_BYTES) CHECK(gr_bytes(x, &bytes) == NULL && bytes == 0 && gr_bytes(x, NULL) == NULL);
        if (type != GR_ADDRESS) CHECK_EQ(gr_address_in(x).id, 0);
        if (type != GR_ARRAY) CHECK(gr_at(x, 0).at == NULL);
        if (type != GR_OBJECT) CHECK(gr_get(x, "a").at == NULL);
        if (type < GR_ARRAY) {
            gr_iter it = gr_iterate(x);
            CHECK(gr_count(x) == 0 && !gr_next(&it) && it.value.at == NULL);
        }
    }
    CHECK_EQ(gr_type_of(none), GR_MISSING);
    CHECK_EQ(gr_value_bytes(none), 0);
    CHECK_STR(gr_type_name(GR_MISSING), "missing");
    CHECK_STR(gr_type_name(GR_OBJECT), "object");
    CHECK_STR(gr_type_name((gr_type)99), "unknown");
}

TEST(value, iterates_in_order)
{
    gr_value v = sample();
    const char *keys[] = {"null", "true", "false", "int", "double", "string", "nul", "bytes", "address", "list", ""};
    size_t i = 0;
    for (gr_iter it = gr_iterate(v); gr_next(&it); i++) {
        CHECK_STR(it.key, keys[i]);
        CHECK_EQ(it.key_bytes, strlen(keys[i]));
        CHECK(it.value.at == gr_get(v, keys[i]).at);
    }
    CHECK_EQ(i, 11);
    i = 0;
    for (gr_iter it = gr_iterate(gr_get(v, "list")); gr_next(&it); i++) {
        CHECK(it.key == NULL);
        CHECK(it.value.at == gr_at(gr_get(v, "list"), i).at);
    }
    CHECK_EQ(i, 4);
}

static gr_value numbered(unsigned count, const char *format)
{
    gr_builder b;
    char key[400];
    gr_build_into(&b, storage, sizeof storage);
    gr_put_object(&b);
    for (unsigned i = 0; i < count; i++) {
        snprintf(key, sizeof key, format, i);
        gr_put_key(&b, key), gr_put_int(&b, i);
    }
    gr_put_end(&b);
    return finish(&b);
}

static void check_numbered(unsigned count, const char *format)
{
    char key[400];
    gr_value v = numbered(count, format);
    CHECK_EQ(gr_count(v), count);
    for (unsigned i = 0; i < count; i++) {
        snprintf(key, sizeof key, format, i);
        CHECK_EQ(gr_int(gr_get(v, key), -1), i);
        strcat(key, "x");
        CHECK(gr_get(v, key).at == NULL);
    }
    unsigned i = 0;
    for (gr_iter it = gr_iterate(v); gr_next(&it); i++) CHECK_EQ(gr_int(it.value, -1), i);
    CHECK_EQ(i, count);
}

TEST(value, finds_keys_with_and_without_index)
{
    for (unsigned count = 0; count <= 40; count++) check_numbered(count, "%u");
    check_numbered(15, "a long prefix that all the keys share, so that they differ late %08u");
    check_numbered(300, "a long prefix that all the keys share, so that they differ late %08u");
    check_numbered(5000, "k%u");
    char format[300];
    memset(format, 'p', sizeof format);
    for (size_t bytes = 246; bytes < 260; bytes++) { /* around the long form of keys */
        strcpy(format + bytes, "%u");
        check_numbered(12, format);
        check_numbered(20, format);
        format[bytes] = 'p', format[bytes + 1] = 'p';
    }
}

/* Keys of eight-byte words that all hash alike: the second word undoes what the first one did. */
static void colliding_key(unsigned i, char key[24])
{
    /* Letters only, so that it is ASCII: search for pairs instead of solving. */
    snprintf(key, 24, "%08x%08x", i * 2654435761u, i);
}

TEST(value, keys_of_one_hash_are_told_apart)
{
    /* Find real collisions of the 32-bit hash by brute force over a few hundred thousand keys. */
    enum { SLOTS = 1 << 19 };
    static uint32_t seen[SLOTS];
    char key[24], other[24];
    gr_builder b;
    gr_build_into(&b, storage, sizeof storage);
    gr_put_object(&b);
    unsigned pairs = 0;
    for (unsigned i = 1; i < 400000 && pairs < 40; i++) {
        colliding_key(i, key);
        uint32_t hash = gri_key_hash(key, 16), slot = hash % SLOTS;
        if (seen[slot]) {
            colliding_key(seen[slot], other);
            if (gri_key_hash(other, 16) == hash) {
                gr_put_key(&b, key), gr_put_int(&b, i);
                gr_put_key(&b, other), gr_put_int(&b, seen[slot]);
                pairs++;
            }
        }
        seen[slot] = i;
    }
    while (gr_build_error(&b, NULL) == 0 && b.count <= 16) { /* an index in any case */
        snprintf(key, sizeof key, "filler%u", b.count);
        gr_put_key(&b, key), gr_put_null(&b);
    }
    gr_put_end(&b);
    gr_value v = finish(&b);
    CHECK(pairs > 0);
    for (gr_iter it = gr_iterate(v); gr_next(&it);) CHECK(gr_get_n(v, it.key, it.key_bytes).at == it.value.at);
}

TEST(value, get_n_takes_nul_inside)
{
    gr_builder b;
    gr_build_into(&b, storage, sizeof storage);
    gr_put_object(&b);
    gr_put_key_n(&b, "a\0b", 3), gr_put_int(&b, 1);
    gr_put_key_n(&b, "a\0c", 3), gr_put_int(&b, 2);
    gr_put_key_n(&b, "a", 1), gr_put_int(&b, 3);
    gr_put_end(&b);
    gr_value v = finish(&b);
    CHECK_EQ(gr_int(gr_get_n(v, "a\0c", 3), 0), 2);
    CHECK_EQ(gr_int(gr_get(v, "a"), 0), 3);
    CHECK(gr_get_n(v, "a\0d", 3).at == NULL);
}

TEST(value, small_comparisons_agree_with_memcmp)
{
    char left[40], right[40];
    for (size_t bytes = 0; bytes < sizeof left; bytes++) {
        memset(left, 'x', sizeof left);
        memset(right, 'x', sizeof right);
        CHECK(gri_bytes_equal(left, right, bytes));
        for (size_t i = 0; i < sizeof left; i++) {
            right[i] = 'y';
            CHECK_EQ(gri_bytes_equal(left, right, bytes), i >= bytes);
            right[i] = (char)0x80;
            CHECK_EQ(gri_is_ascii(right, bytes), i >= bytes);
            right[i] = 'x';
        }
    }
}

TEST(value, depth_counts_containers)
{
    gr_builder b;
    gr_build_into(&b, storage, sizeof storage);
    gr_put_array(&b), gr_put_null(&b), gr_put_object(&b), gr_put_key(&b, "a"), gr_put_array(&b), gr_put_end(&b);
    gr_put_end(&b), gr_put_array(&b), gr_put_end(&b), gr_put_int(&b, 1), gr_put_end(&b);
    gr_value v = finish(&b);
    CHECK_EQ(gri_value_depth(v.at), 3);
    CHECK_EQ(gri_value_depth(gr_at(v, 0).at), 0);
    v = numbered(20, "%u");
    CHECK_EQ(gri_value_depth(v.at), 1);
}

/* Every one-byte change of a value is either refused or still well-formed: verification never reads outside, which the
 * address sanitizer sees, as the copy has exactly the value's size. */
TEST(value, verification_survives_every_changed_byte)
{
    gr_value values[] = {sample(), sample()};
    for (int which = 0; which < 2; which++) {
        if (which == 1) values[1] = numbered(18, "k%u");
        size_t bytes = gr_value_bytes(values[which]);
        unsigned refused = 0;
        for (size_t at = 0; at < bytes; at++) {
            for (unsigned change = 1; change < 256; change += at < 16 ? 1 : 37) {
                unsigned char *copy = malloc(bytes);
                memcpy(copy, values[which].at, bytes);
                copy[at] ^= (unsigned char)change;
                refused += !gri_value_verify(copy, bytes);
                free(copy);
            }
        }
        CHECK(refused > bytes);
    }
}

/* Well-formed but for one thing, which the copies of changed bytes do not come by. */
TEST(value, verification_refuses_long_forms_of_short_things)
{
    static const unsigned char scalars[][8] = {{GRI_TAG_STRING_LONG, 0, 1, 0, 0}, {GRI_TAG_BYTES_LONG, 0, 1, 0, 0}};
    for (size_t i = 0; i < 2; i++)
        for (size_t bytes = 1; bytes <= 8; bytes++) CHECK(!gri_value_verify(scalars[i], bytes));
    static char text[400];
    gr_builder b;
    unsigned char changed[1000];
    memset(text, 'x', sizeof text);
    gr_build_into(&b, storage, sizeof storage);
    gr_put_string_n(&b, text, 300);
    gr_value v = finish(&b);
    memcpy(changed, v.at, gr_value_bytes(v));
    changed[100] = 0xff;
    CHECK(!gri_value_verify(changed, gr_value_bytes(v)));
    gr_build_into(&b, storage, sizeof storage);
    gr_put_object(&b), gr_put_key_n(&b, text, 300), gr_put_null(&b), gr_put_end(&b);
    v = finish(&b);
    memcpy(changed, v.at, gr_value_bytes(v));
    gri_store32(changed + GRI_CONTAINER_BYTES + 1, 200); /* has a shorter form */
    CHECK(!gri_value_verify(changed, gr_value_bytes(v)));
    for (uint32_t bytes = GRI_CONTAINER_BYTES; bytes < gr_value_bytes(v); bytes++) { /* ends inside the key */
        memcpy(changed, v.at, gr_value_bytes(v));
        gri_store64(changed, gri_container_header(GRI_TAG_OBJECT, bytes, 1));
        CHECK(!gri_value_verify(changed, bytes));
    }
}

TEST(value, verification_refuses_what_is_too_deep)
{
    enum { deep = GRI_VALUE_DEPTH_MAX + 1 };
    for (unsigned depth = deep - 1; depth <= deep; depth++) {
        for (unsigned i = 0; i < depth; i++)
            gri_store64(storage + i * GRI_CONTAINER_BYTES,
                        gri_container_header(GRI_TAG_ARRAY, (depth - i) * GRI_CONTAINER_BYTES, i + 1 < depth));
        CHECK_EQ(gri_value_verify(storage, depth * GRI_CONTAINER_BYTES), depth < deep);
    }
}

/* Keys of one hash stand in the index by length, then by bytes; verification wants them so. */
TEST(value, keys_of_one_hash_and_other_lengths)
{
    enum { SLOTS = 1 << 19 };
    static uint32_t seen[SLOTS];
    static const char letters[] = "abcdefghijklmnop";
    char key[24], other[24];
    gr_builder b;
    gr_build_into(&b, storage, sizeof storage);
    gr_put_object(&b);
    unsigned pairs = 0;
    for (uint32_t i = 1; i < 800000 && pairs < 8; i++) { /* long and short by turns */
        size_t bytes = i % 2 ? 16 : 12;
        for (size_t at = 0; at < bytes; at++)
            key[at] = letters[(i * 2654435761u >> (at % 8 * 4) & 15) ^ (at < 8 ? 0 : i & 7)];
        uint32_t hash = gri_key_hash(key, bytes), slot = hash % SLOTS;
        const uint32_t before = seen[slot];
        seen[slot] = i;
        if (!before || before % 2 == i % 2) continue;
        size_t other_bytes = before % 2 ? 16 : 12;
        for (size_t at = 0; at < other_bytes; at++)
            other[at] = letters[(before * 2654435761u >> (at % 8 * 4) & 15) ^ (at < 8 ? 0 : before & 7)];
        if (gri_key_hash(other, other_bytes) != hash) continue;
        gr_put_key_n(&b, key, bytes), gr_put_int(&b, i);
        gr_put_key_n(&b, other, other_bytes), gr_put_int(&b, before);
        pairs++;
    }
    CHECK(pairs > 0);
    while (gr_build_error(&b, NULL) == 0 && b.count <= 16) {
        snprintf(key, sizeof key, "filler%u", b.count);
        gr_put_key(&b, key), gr_put_null(&b);
    }
    gr_put_end(&b);
    gr_value v = finish(&b);
    for (gr_iter it = gr_iterate(v); gr_next(&it);) CHECK(gr_get_n(v, it.key, it.key_bytes).at == it.value.at);
    /* Two of one hash that change places are in the wrong order. */
    uint64_t header = gri_load64(v.at);
    uint32_t count = gri_container_count(header);
    unsigned char *index = storage + gri_container_bytes(header) - (size_t)count * GRI_INDEX_ENTRY_BYTES;
    unsigned swapped = 0;
    for (uint32_t i = 1; i < count; i++) {
        uint64_t left = gri_load64(index + (i - 1) * GRI_INDEX_ENTRY_BYTES),
                 right = gri_load64(index + i * GRI_INDEX_ENTRY_BYTES);
        if (left >> 32 != right >> 32) continue;
        gri_store64(index + (i - 1) * GRI_INDEX_ENTRY_BYTES, right),
            gri_store64(index + i * GRI_INDEX_ENTRY_BYTES, left);
        CHECK(!gri_value_verify(v.at, gr_value_bytes(v)));
        gri_store64(index + (i - 1) * GRI_INDEX_ENTRY_BYTES, left),
            gri_store64(index + i * GRI_INDEX_ENTRY_BYTES, right);
        swapped++;
    }
    CHECK_EQ(swapped, pairs);
}
