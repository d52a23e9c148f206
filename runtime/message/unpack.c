/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
#include "message/unpack.h"

#include "base/check.h"
#include "message/unpack_layout.h"

#include <greenroom/jansson.h>

#include <limits.h>
#include <stdio.h>
#include <string.h>

/* ---- in a hurry ---- */

/* Where a container's entries or elements go on, and where they end. */
typedef struct cursor {
    const unsigned char *container, *next, *end;
} cursor;

/* The key is not what stands next: looks at all entries. NULL: it is not there. */
static GRI_NOINLINE const unsigned char *search(const cursor *c, const gri_unpack_step *step)
{
    if (*c->container == GRI_TAG_OBJECT_INDEXED)
        return gr_get_n((gr_value){c->container}, step->key, step->key_bytes).at;
    const unsigned char *at = c->next;
    for (unsigned part = 0; part < 2; part++) { /* from where we are, then from the beginning */
        for (const unsigned char *end = part == 0 ? c->end : c->next; at < end;) {
            gri_key key = gri_key_at(at);
            if (key.bytes == step->key_bytes && gri_bytes_equal(key.text, step->key, key.bytes)) return key.value;
            at = key.value + gri_value_size(key.value);
        }
        at = c->container + GRI_CONTAINER_BYTES;
    }
    return NULL;
}

GRI_INLINE const unsigned char *fetch(const cursor *c, const gri_unpack_step *step)
{
    const unsigned char *at = c->next;
    if (step->fetch == GRI_UNPACK_NEXT) return GRI_LIKELY(at < c->end) ? at : NULL;
    if (GRI_LIKELY((size_t)(c->end - at) >= step->key_room && step->key_size > 0)) {
        uint64_t first = (gri_load64(at) ^ step->key_first) & step->key_mask;
        uint64_t last = (gri_load64(at + step->key_room - 8) ^ step->key_last) & step->key_last_mask;
        if (GRI_LIKELY((first | last) == 0)) return at + step->key_size;
    }
    return search(c, step);
}

GRI_INLINE void enter_container(cursor *c, const unsigned char *container)
{
    uint64_t header = gri_load64(container);
    c->container = container;
    c->next = container + GRI_CONTAINER_BYTES;
    c->end = container + gri_container_bytes(header);
    if (GRI_UNLIKELY(*container == GRI_TAG_OBJECT_INDEXED))
        c->end -= (size_t)gri_container_count(header) * GRI_INDEX_ENTRY_BYTES;
}

GRI_INLINE bool int_fits(unsigned keep, const unsigned char *at)
{
    int64_t x = (int64_t)gri_load64(at + 1);
    return keep == GRI_KEEP_INT ? x == (int32_t)x : keep == GRI_KEEP_UINT ? x == (uint32_t)x : x >= 0;
}

/* Finds and checks what the steps ask for. found[i]: the value of step i, if it is kept. False: something does not fit. */
GRI_INLINE bool find_all(const gri_plan *plan, const unsigned char *root, const gri_argument_places *places,
                         const unsigned char **found)
{
    cursor around[GRI_READ_DEPTH_MAX + 1], c = {root, root, root};
    const gri_unpack_step *step = plan->reads, *end = step + plan->reads_count;
    unsigned depth = 0;
    for (; step < end; step++, found++) {
        const unsigned char *at;
        if (step->fetch == GRI_UNPACK_WHOLE) {
            at = root;
        } else if (GRI_UNLIKELY(step->fetch == GRI_UNPACK_LEAVE)) {
            if (step->strict && gri_container_count(gri_load64(c.container)) != step->count) return false;
            c = around[--depth];
            *found = NULL;
            continue;
        } else {
            at = fetch(&c, step);
            if (GRI_UNLIKELY(!at)) {
                *found = NULL;
                if (!step->optional || !gri_argument_word(places, step->place)) return false;
                continue;
            }
        }
        if (GRI_UNLIKELY(!(step->tags >> *at & 1))) return false;
        c.next = at + gri_value_size(at);
        *found = at;
        if (step->keep == GRI_KEEP_ENTER) {
            around[depth++] = c;
            enter_container(&c, at);
            continue;
        }
        if (step->keep == GRI_KEEP_NOTHING) continue;
        if (step->keep <= GRI_KEEP_ULONG && step->keep != GRI_KEEP_LONG && GRI_UNLIKELY(!int_fits(step->keep, at)))
            return false;
        if (GRI_UNLIKELY(!gri_argument_word(places, step->place))) return false;
        if ((step->keep == GRI_KEEP_STRING_SIZED || step->keep == GRI_KEEP_BYTES) &&
            !gri_argument_word(places, step->place + 1u))
            return false;
    }
    return true;
}

GRI_INLINE void keep_text(void *target, const unsigned char *at, uint64_t size_target)
{
    const bool is_short = *at == GRI_TAG_STRING || *at == GRI_TAG_BYTES;
    const unsigned char *text = at + (is_short ? 2 : 5);
    memcpy(target, &text, sizeof text); /* a char ** or a void **, const or not */
    if (size_target) *(size_t *)(uintptr_t)size_target = is_short ? at[1] : gri_load32(at + 1);
}

GRI_INLINE void *target_of(const gri_argument_places *places, unsigned place)
{
    return (void *)(uintptr_t)gri_argument_word(places, place);
}

/* A result that is neither 8 bytes as they are, nor an int, nor a text without its length. */
static void keep_other(const gri_layout_result *r, const unsigned char *at, const gri_argument_places *places)
{
    void *target = target_of(places, r->place);
    switch (r->keep) {
    case GRI_KEEP_NOTHING: break;
    case GRI_KEEP_BOOL: *(bool *)target = *at == GRI_TAG_TRUE; break;
    case GRI_KEEP_BOOL_INT: *(int *)target = *at == GRI_TAG_TRUE; break;
    case GRI_KEEP_STRING_SIZED:
    case GRI_KEEP_BYTES:
        memcpy(target, &at, sizeof at);
        *(size_t *)target_of(places, r->place + 1u) = at[-1];
        break;
    case GRI_KEEP_UINT: memcpy(target, at, sizeof(uint32_t)); break;
    default: /* GRI_KEEP_ULONG */ memcpy(target, at, sizeof(uint64_t));
    }
}

/* Variables of one size but different types share a case: the bytes are copied. */
GRI_INLINE void keep(const gri_unpack_step *step, const unsigned char *at, const gri_argument_places *places)
{
    void *target = target_of(places, step->place);
    switch (step->keep) {
    case GRI_KEEP_INT:
    case GRI_KEEP_UINT: memcpy(target, at + 1, sizeof(uint32_t)); break;
    case GRI_KEEP_LONG:
    case GRI_KEEP_ULONG:
    case GRI_KEEP_ADDRESS: memcpy(target, at + 1, sizeof(uint64_t)); break;
    case GRI_KEEP_STRING: keep_text(target, at, 0); break;
    case GRI_KEEP_STRING_SIZED:
    case GRI_KEEP_BYTES: keep_text(target, at, gri_argument_word(places, step->place + 1u)); break;
    case GRI_KEEP_BOOL: *(bool *)target = *at == GRI_TAG_TRUE; break;
    case GRI_KEEP_BOOL_INT: *(int *)target = *at == GRI_TAG_TRUE; break;
    case GRI_KEEP_DOUBLE: *(double *)target = gr_double((gr_value){at}, 0); break;
    default: /* GRI_KEEP_VALUE */ memcpy(target, &at, sizeof at);
    }
}

/* Writes what a message holds that is laid out so; the false ones are left to the others. */
GRI_INLINE bool keep_by_layout(const gri_layout *l, const unsigned char *const *starts,
                               const gri_argument_places *places)
{
    const gri_layout_result *results = l->results, *end = results + l->results_count, *r;
    for (r = results; r < end; r++)
        if (GRI_UNLIKELY(!gri_argument_word(places, r->place))) return false;
    for (r = results + l->longs_end; r < results + l->ints_end; r++)
        if (GRI_UNLIKELY(!int_fits(GRI_KEEP_INT, starts[r->segment] + r->offset - 1))) return false;
    for (r = results + l->texts_end; r < end; r++) {
        const unsigned char *at = starts[r->segment] + r->offset;
        if ((r->keep == GRI_KEEP_UINT || r->keep == GRI_KEEP_ULONG) && !int_fits(r->keep, at - 1)) return false;
        if ((r->keep == GRI_KEEP_STRING_SIZED || r->keep == GRI_KEEP_BYTES) &&
            !gri_argument_word(places, r->place + 1u))
            return false;
    }
    r = results;
    for (const gri_layout_result *longs = results + l->longs_end; r < longs; r++)
        memcpy(target_of(places, r->place), starts[r->segment] + r->offset, sizeof(uint64_t));
    for (const gri_layout_result *ints = results + l->ints_end; r < ints; r++)
        memcpy(target_of(places, r->place), starts[r->segment] + r->offset, sizeof(uint32_t));
    for (const gri_layout_result *texts = results + l->texts_end; r < texts; r++) {
        const unsigned char *at = starts[r->segment] + r->offset;
        memcpy(target_of(places, r->place), &at, sizeof at);
    }
    for (; GRI_UNLIKELY(r < end); r++) keep_other(r, starts[r->segment] + r->offset, places);
    return true;
}

GRI_INLINE bool read_by_layout(const unsigned char *root, gr_site *site, gri_arguments *args)
{
    const unsigned char *starts[GRI_LAYOUT_SEGMENTS_MAX];
    gri_argument_places places;
    if (GRI_UNLIKELY(!GRI_ARGUMENTS_IN_PLACE || !root || !site || !site->literal)) return false;
    /* mo:plan.find acquire <- plan.publish release: the plan */
    const gri_plan *plan = gri_load_acquire((gri_atomic_ptr *)(void *)&site->plan);
    const gri_layout *l = GRI_LIKELY(plan != NULL) ? gri_layout_first(plan) : NULL;
    for (; l; l = l->next) {
        if (GRI_UNLIKELY(!gri_layout_match(l, root, starts))) continue;
        (void)gri_arguments_find(GRI_ARGUMENTS_AT(args->list), 0, &places);
        return keep_by_layout(l, starts, &places);
    }
    return false;
}

/* False: something does not fit, nothing was written. */
static GRI_NOINLINE bool read_in_a_hurry(const gri_plan *plan, const unsigned char *root,
                                         const gri_argument_places *places, bool learns)
{
    const unsigned char *found[2 * GRI_FORMAT_ARGUMENTS_MAX];
    if (plan->reads_count > GRI_ARRAY_COUNT(found) || GRI_UNLIKELY(!find_all(plan, root, places, found))) return false;
    for (uint32_t i = 0; i < plan->reads_count; i++)
        if (plan->reads[i].keep > GRI_KEEP_ENTER && found[i]) keep(&plan->reads[i], found[i], places);
    if (learns) gri_layout_learn(plan, root, found);
    return true;
}

/* ---- one operation after the other ---- */

/* What goes where once everything is known to fit. */
typedef struct result {
    void *target;
    size_t *size_target; /* of texts and bytes */
    union {
        int64_t i;
        double d;
        const void *at;
        json_t *json;
    };
    size_t bytes;
    uint8_t code, kind;
} result;

typedef struct level {
    gr_value container; /* GR_MISSING inside an optional member that is absent */
    gr_iter it;
    uint32_t keys_first; /* in `keys` */
} level;

typedef struct unpacker {
    const gri_plan *plan;
    gri_arguments *args;
    gr_detail *ret_detail;
    const char *keys[GRI_FORMAT_ARGUMENTS_MAX];
    result results[GRI_FORMAT_ARGUMENTS_MAX];
    level levels[GRI_UNPACK_DEPTH_MAX];
    uint32_t keys_count, results_count, depth;
    gr_value value;  /* for the next operation */
    size_t unwanted; /* lengths that nobody asked for */
} unpacker;

static GRI_COLD GRI_PRINTF(4, 5) int refuse(const unpacker *u, const gri_plan_op *op, int code, const char *text, ...)
{
    char why[160];
    va_list args;
    if (!u->ret_detail) return code;
    va_start(args, text);
    vsnprintf(why, sizeof why, text, args);
    va_end(args);
    if (op->code == GRI_PLAN_OBJECT || op->code == GRI_PLAN_ARRAY || op->code == GRI_PLAN_END ||
        op->code == GRI_PLAN_NULL) {
        gri_format format = {.text = u->plan->format, .ret_detail = u->ret_detail};
        (void)gri_format_wrong(&format, op->offset, "%s", why);
        return code;
    }
    return gri_format_explain(u->plan->format, u->ret_detail, code, op->argument, op->offset, ": %s", why);
}

static GRI_COLD int wrong_type(const unpacker *u, const gri_plan_op *op, const char *expected)
{
    return refuse(u, op, GR_ETYPE, "expected %s, got %s", expected, gr_type_name(gr_type_of(u->value)));
}

/* ---- scalars ---- */

static int check_int(const unpacker *u, const gri_plan_op *op, int64_t x)
{
    int64_t low = op->kind == GR_ARG_INT_OUT ? INT_MIN : op->kind == GR_ARG_LONG_OUT ? INT64_MIN : 0;
    int64_t high = op->kind == GR_ARG_INT_OUT ? INT_MAX : op->kind == GR_ARG_UINT_OUT ? UINT_MAX : INT64_MAX;
    if (GRI_LIKELY(x >= low && x <= high)) return 0;
    return refuse(u, op, GR_ERANGE, "%lld does not fit %s", (long long)x, gri_arg_name(op->kind));
}

static int take_json(const unpacker *u, const gri_plan_op *op, result *r)
{
    json_t *json = NULL;
    int error = gr_to_json(u->value, &json);
    if (error) return refuse(u, op, error, "%s", gr_error_text(error));
    r->json = json;
    return 0;
}

/* The value for a scalar's operation, if it has the type. */
static int take_value(const unpacker *u, const gri_plan_op *op, result *r)
{
    gr_type type = gr_type_of(u->value);
    switch (op->code) {
    case GRI_PLAN_STRING:
        if (type != GR_STRING) return wrong_type(u, op, "string");
        r->at = gr_string(u->value, NULL);
        r->bytes = gr_string_bytes(u->value);
        return 0;
    case GRI_PLAN_INT:
        if (type != GR_INT) return wrong_type(u, op, "int");
        r->i = gr_int(u->value, 0);
        return check_int(u, op, r->i);
    case GRI_PLAN_BOOL:
        if (type != GR_BOOL) return wrong_type(u, op, "bool");
        r->i = gr_bool(u->value, false);
        return 0;
    case GRI_PLAN_DOUBLE:
        if (type != GR_DOUBLE && !(type == GR_INT && (op->flags & GRI_PLAN_INTS_TOO)))
            return wrong_type(u, op, op->flags & GRI_PLAN_INTS_TOO ? "double or int" : "double");
        r->d = gr_double(u->value, 0);
        return 0;
    case GRI_PLAN_ADDRESS:
        if (type != GR_ADDRESS) return wrong_type(u, op, "address");
        r->i = (int64_t)gr_address_in(u->value).id;
        return 0;
    case GRI_PLAN_BYTES:
        if (type != GR_BYTES) return wrong_type(u, op, "bytes");
        r->at = gr_bytes(u->value, &r->bytes);
        return 0;
    case GRI_PLAN_JSON: return take_json(u, op, r);
    default: r->at = u->value.at; return 0;
    }
}

/* Reads the arguments of a scalar's operation; keeps the result unless the value is absent. */
static int unpack_scalar(unpacker *u, const gri_plan_op *op)
{
    result *r = &u->results[u->results_count];
    r->code = op->code;
    r->kind = op->kind;
    r->target = va_arg(u->args->list, void *);
    r->size_target = op->flags & GRI_PLAN_SIZED ? va_arg(u->args->list, size_t *) : &u->unwanted;
    if (GRI_UNLIKELY(!r->target || !r->size_target)) return refuse(u, op, GR_EINVAL, "NULL where a result goes");
    if (!u->value.at) return 0;
    int error = take_value(u, op, r);
    if (!error) u->results_count++;
    return error;
}

/* ---- containers ---- */

static int enter(unpacker *u, const gri_plan_op *op)
{
    bool object = op->code == GRI_PLAN_OBJECT;
    if (u->value.at && gr_type_of(u->value) != (object ? GR_OBJECT : GR_ARRAY))
        return wrong_type(u, op, object ? "object" : "array");
    level *l = &u->levels[u->depth++];
    l->container = u->value;
    l->it = gr_iterate(u->value);
    l->keys_first = u->keys_count;
    return 0;
}

static int find_key(unpacker *u, const gri_plan_op *op)
{
    const char *key = va_arg(u->args->list, const char *);
    gr_value object = u->levels[u->depth - 1].container;
    if (!key) return refuse(u, op, GR_EINVAL, "NULL where a key belongs");
    u->keys[u->keys_count++] = key;
    u->value = gr_get(object, key);
    if (!u->value.at && object.at && !(op->flags & GRI_PLAN_KEY_MAYBE))
        return refuse(u, op, GR_ENOTFOUND, "there is no key \"%.80s\"", key);
    return 0;
}

static int next_element(unpacker *u, const gri_plan_op *op)
{
    level *l = &u->levels[u->depth - 1];
    bool more = gr_next(&l->it);
    u->value = l->it.value;
    if (more || !l->container.at) return 0;
    return refuse(u, op, GR_ENOTFOUND, "the array has only %zu elements", gr_count(l->container));
}

static bool is_known(const unpacker *u, const level *l, const gr_iter *it)
{
    for (uint32_t i = l->keys_first; i < u->keys_count; i++)
        if (strlen(u->keys[i]) == it->key_bytes && memcmp(u->keys[i], it->key, it->key_bytes) == 0) return true;
    return false;
}

static int leave(unpacker *u, const gri_plan_op *op)
{
    level *l = &u->levels[--u->depth];
    if ((op->flags & GRI_PLAN_STRICT) && l->it.object) {
        for (gr_iter it = gr_iterate(l->container); gr_next(&it);)
            if (!is_known(u, l, &it)) return refuse(u, op, GR_EEXISTS, "unexpected key \"%.80s\"", it.key);
    } else if ((op->flags & GRI_PLAN_STRICT) && l->it.left > 0) {
        return refuse(u, op, GR_EEXISTS, "%u elements too many", l->it.left);
    }
    u->keys_count = l->keys_first; /* what is inside is nobody else's */
    return 0;
}

static int unpack_op(unpacker *u, const gri_plan_op *op)
{
    if (op->code == GRI_PLAN_KEY) return find_key(u, op);
    if (op->code == GRI_PLAN_END) return leave(u, op);
    if (u->depth > 0 && op[-1].code != GRI_PLAN_KEY) {
        int error = next_element(u, op);
        if (error) return error;
    }
    switch (op->code) {
    case GRI_PLAN_OBJECT:
    case GRI_PLAN_ARRAY: return enter(u, op);
    case GRI_PLAN_NULL: return u->value.at && gr_type_of(u->value) != GR_NULL ? wrong_type(u, op, "null") : 0;
    default: return unpack_scalar(u, op);
    }
}

/* ---- results ---- */

static void write_result(const result *r)
{
    switch (r->code) {
    case GRI_PLAN_STRING:
    case GRI_PLAN_BYTES:
        memcpy(r->target, &r->at, sizeof r->at); /* a char ** or a void **, const or not */
        *r->size_target = r->bytes;
        break;
    case GRI_PLAN_BOOL:
    case GRI_PLAN_INT:
        if (r->kind == GR_ARG_BOOL_OUT) {
            *(bool *)r->target = r->i != 0;
        } else if (r->kind == GR_ARG_INT_OUT || r->kind == GR_ARG_UINT_OUT) {
            memcpy(r->target, &(uint32_t){(uint32_t)r->i}, sizeof(uint32_t));
        } else {
            memcpy(r->target, &r->i, sizeof r->i); /* long or long long */
        }
        break;
    default: /* a word of another kind: double, json_t *, gr_address, gr_value */ memcpy(r->target, &r->i, sizeof r->i);
    }
}

_Static_assert(sizeof(double) == 8 && sizeof(gr_address) == 8 && sizeof(gr_value) == 8, "results are words");

static int run(unpacker *u)
{
    int error = 0;
    for (uint32_t i = 0; i < u->plan->ops_count && !error; i++) error = unpack_op(u, &u->plan->ops[i]);
    for (uint32_t i = 0; i < u->results_count; i++) {
        if (!error) {
            write_result(&u->results[i]);
        } else if (u->results[i].code == GRI_PLAN_JSON) {
            json_decref(u->results[i].json);
        }
    }
    return error;
}

static GRI_COLD int nothing_there(gr_detail *ret_detail)
{
    if (ret_detail) {
        *ret_detail = (gr_detail){.line = 0};
        (void)snprintf(ret_detail->text, sizeof ret_detail->text, "there is no value to unpack");
    }
    return GR_ETYPE;
}

static GRI_NOINLINE int unpack_by_ops(const gri_plan *plan, gr_value value, gri_arguments *args, gr_detail *ret_detail)
{
    unpacker u; /* not cleared: its arrays are long */
    u.plan = plan;
    u.args = args;
    u.ret_detail = ret_detail;
    u.keys_count = u.results_count = u.depth = 0;
    u.value = value;
    return run(&u);
}

/* What no layout fits. */
static GRI_NOINLINE int unpack_otherwise(gr_value value, gr_detail *ret_detail, gr_site *site, const char *format,
                                         gri_arguments *args)
{
    gri_plan_found f;
    gri_argument_places places;
    int error = gri_plan_find(site, format, args->list, gri_plan_compile_unpack, ret_detail, &f);
    if (GRI_UNLIKELY(error)) return error;
    if (GRI_UNLIKELY(!value.at)) {
        error = nothing_there(ret_detail);
    } else if (!f.plan->reads || !gri_arguments_find(GRI_ARGUMENTS_AT(args->list), 0, &places) ||
               !read_in_a_hurry(f.plan, value.at, &places, f.own == NULL)) {
        error = unpack_by_ops(f.plan, value, args, ret_detail);
    }
    gri_plan_done(&f);
    return error;
}

int gr_unpack_site(gr_value value, gr_detail *ret_detail, gr_site *site, const char *format, ...)
{
    gri_arguments args;
    va_start(args.list, format);
    int error = GRI_LIKELY(read_by_layout(value.at, site, &args))
                    ? 0
                    : unpack_otherwise(value, ret_detail, site, format, &args);
    va_end(args.list);
    return error;
}
