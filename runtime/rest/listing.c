/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
#include "rest/listing.h"

#include <stdlib.h>
#include <string.h>

#include "rest/negotiate.h"
#include "rest/query.h"
#include "rest/requests.h"

enum { COOPERATE_EVERY = 1024, HEAP_FIRST = 64, AFTER_BYTES = GR_NAME_BYTES_MAX + GR_ADDRESS_TEXT_BYTES + 2 };

const char *gri_actor_kind(const gr_actor_info *info)
{
    return info->is_server ? "server" : strcmp(info->state, "attached") == 0 ? "attached" : "thread";
}

/* The order ------------------------------------------------------------------------------------------------------------- */

static int by_number(uint64_t a, uint64_t b)
{
    return (a > b) - (a < b);
}

/* What the order is by, if that is a number. */
static uint64_t number_of(const gri_listing *l, const gr_actor_info *info)
{
    switch (l->sort) {
    case GRI_BY_MESSAGES: return info->messages;
    case GRI_BY_MAILBOX: return info->mailbox;
    case GRI_BY_MEMORY: return info->memory;
    default: return 0;
    }
}

static int by_key(const gri_listing *l, const gr_actor_info *a, const gr_actor_info *b)
{
    switch (l->sort) {
    case GRI_BY_NAME: return strcmp(a->name, b->name);
    case GRI_BY_BEHAVIOUR: return strcmp(a->behaviour, b->behaviour);
    case GRI_BY_STATE: return strcmp(a->state, b->state);
    default: return by_number(number_of(l, a), number_of(l, b));
    }
}

static int compare(const gri_listing *l, const gr_actor_info *a, const gr_actor_info *b)
{
    if (l->sort == GRI_BY_NAME && !a->name[0] != !b->name[0]) return !a->name[0] - !b->name[0]; /* always last */
    if (l->sort == GRI_BY_BEHAVIOUR && !a->behaviour[0] != !b->behaviour[0]) return !a->behaviour[0] - !b->behaviour[0];
    int order = by_key(l, a, b);
    if (order != 0) return l->descending ? -order : order;
    /* Those that are the same in what they are sorted by stand in the order they are visited in, either way: most are idle, and
     * each of them would push another one out of the heap. */
    order = by_number((uint32_t)a->address.id, (uint32_t)b->address.id);
    return l->descending && l->sort == GRI_BY_ADDRESS ? -order : order;
}

const gr_actor_info *gri_listing_at(const gri_listing *l, size_t at)
{
    return &l->infos[l->heap[at]];
}

static int compare_at(const gri_listing *l, size_t a, size_t b)
{
    return compare(l, gri_listing_at(l, a), gri_listing_at(l, b));
}

static void swap(gri_listing *l, size_t a, size_t b)
{
    uint32_t kept = l->heap[a];
    l->heap[a] = l->heap[b];
    l->heap[b] = kept;
}

static void sink(gri_listing *l, size_t at, size_t count)
{
    for (;;) {
        size_t child = 2 * at + 1;
        if (child >= count) return;
        if (child + 1 < count && compare_at(l, child + 1, child) > 0) child++;
        if (compare_at(l, child, at) <= 0) return;
        swap(l, child, at);
        at = child;
    }
}

/* More room in both, or none. */
static int grow(gri_listing *l)
{
    size_t most = l->offset + l->limit, capacity = l->capacity ? l->capacity * 2 : HEAP_FIRST;
    if (capacity > most) capacity = most;
    gr_actor_info *infos = gr_alloc(l->self, capacity * (sizeof *infos + sizeof *l->heap));
    if (!infos) return GR_ENOMEM;
    uint32_t *heap = (uint32_t *)(infos + capacity);
    if (l->kept) {
        memcpy(infos, l->infos, l->kept * sizeof *infos);
        memcpy(heap, l->heap, l->kept * sizeof *heap);
    }
    gri_listing_fini(l);
    l->infos = infos;
    l->heap = heap;
    l->capacity = capacity;
    return 0;
}

static int keep(gri_listing *l, const gr_actor_info *info)
{
    if (l->kept < l->offset + l->limit) {
        if (l->kept == l->capacity && grow(l) != 0) return GR_ENOMEM;
        size_t at = l->kept++;
        l->heap[at] = (uint32_t)at;
        l->infos[at] = *info;
        for (; at && compare_at(l, at, (at - 1) / 2) > 0; at = (at - 1) / 2) swap(l, at, (at - 1) / 2);
    } else if (l->kept && compare(l, info, gri_listing_at(l, 0)) < 0) {
        l->infos[l->heap[0]] = *info;
        sink(l, 0, l->kept);
    }
    return 0;
}

static bool is_wanted(const gri_listing *l, const gr_actor_info *info)
{
    char address[GR_ADDRESS_TEXT_BYTES];
    if (strncmp(info->behaviour, "greenroom.", 10) == 0) return false; /* the runtime's own */
    if (l->state[0] && strcmp(l->state, info->state) != 0) return false;
    if (l->behaviour[0] && strcmp(l->behaviour, info->behaviour) != 0) return false;
    if (l->kind[0] && strcmp(l->kind, gri_actor_kind(info)) != 0) return false;
    if (!l->search[0] || strcasestr(info->name, l->search) || strcasestr(info->behaviour, l->search)) return true;
    return strcasestr(gr_address_print(info->address, address), l->search) != NULL;
}

static int visit(void *arg, gr_address address)
{
    gri_listing *l = arg;
    gr_actor_info info;
    if (++l->seen % COOPERATE_EVERY == 0 && gr_cooperate(l->self) != 0) return GR_EKILLED;
    if (gr_inspect(address, &info) != 0 || !is_wanted(l, &info)) return 0;
    l->total++;
    if (l->resumed && compare(l, &info, &l->mark) <= 0) return 0;
    l->following++;
    return keep(l, &info);
}

int gri_listing_collect(gri_listing *l)
{
    int code = gr_each(visit, l);
    for (size_t count = l->kept; count > 1; count--) {
        swap(l, 0, count - 1);
        sink(l, 0, count - 1);
    }
    return code;
}

void gri_listing_fini(gri_listing *l)
{
    if (l->infos) gr_free(l->self, l->infos);
    l->infos = NULL;
    l->heap = NULL;
}

/* The query ---------------------------------------------------------------------------------------------------------- */

static const char *const sorts[] = {
#define SORT(name, symbol) name,
    GRI_LIST_SORTS(SORT)
#undef SORT
};

static bool read_sort(gri_listing *l, const char *query)
{
    char text[24];
    enum gri_found found = gri_query_text(query, "sort", text, sizeof text);
    if (found != GRI_FOUND) return found == GRI_MISSING;
    l->descending = text[0] == '-';
    for (size_t i = 0; i < GRI_LIST_SORT_COUNT; i++) {
        if (strcmp(text + l->descending, sorts[i]) != 0) continue;
        l->sort = (enum gri_list_sort)i;
        return true;
    }
    return false;
}

static bool is_one_of(const char *text, const char *const *words)
{
    while (*words && strcmp(text, *words) != 0) words++;
    return *words || !text[0];
}

/* "KEY~ADDRESS": the key is what was sorted by, empty where that is the address. */
static void print_after(const gri_listing *l, const gr_actor_info *info, char text[AFTER_BYTES])
{
    char digits[24] = "";
    const char *key = "";
    uint64_t number = number_of(l, info);
    size_t at = sizeof digits - 1;
    switch (l->sort) {
    case GRI_BY_NAME: key = info->name; break;
    case GRI_BY_BEHAVIOUR: key = info->behaviour; break;
    case GRI_BY_STATE: key = info->state; break;
    case GRI_BY_ADDRESS: break;
    default:
        do digits[--at] = (char)('0' + number % 10);
        while (number /= 10);
        key = digits + at;
    }
    size_t bytes = strlen(key);
    memcpy(text, key, bytes);
    text[bytes++] = '~';
    (void)gr_address_print(info->address, text + bytes);
}

/* Into the mark. What was made up is no mark; a name that is over is one: the order knows where it would stand. */
static bool read_after(gri_listing *l, const char *query)
{
    static const char *const states[] = {"running", "waiting", "ending", "attached", NULL};
    char text[AFTER_BYTES];
    enum gri_found found = gri_query_text(query, "after", text, sizeof text);
    if (found != GRI_FOUND) return found == GRI_MISSING;
    char *tilde = strrchr(text, '~');
    if (!tilde) return false;
    *tilde = '\0';
    l->resumed = true;
    l->mark.state = "";
    l->mark.address = gr_address_parse(tilde + 1, strlen(tilde + 1));
    if (gr_address_equal(l->mark.address, GR_DEAD_ADDRESS)) return false;
    switch (l->sort) {
    case GRI_BY_NAME:
        if (strlen(text) >= sizeof l->mark.name) return false;
        memcpy(l->mark.name, text, strlen(text) + 1);
        return true;
    case GRI_BY_BEHAVIOUR:
        if (strlen(text) >= sizeof l->mark.behaviour) return false;
        memcpy(l->mark.behaviour, text, strlen(text) + 1);
        return true;
    case GRI_BY_STATE:
        for (size_t i = 0; states[i]; i++)
            if (strcmp(text, states[i]) == 0) l->mark.state = states[i];
        return l->mark.state[0] != '\0';
    case GRI_BY_ADDRESS: return !text[0];
    default:
        l->mark.messages = l->mark.mailbox = l->mark.memory = strtoull(text, NULL, 10);
        return text[0] >= '0' && text[0] <= '9';
    }
}

const char *gri_listing_read(gri_listing *l, const char *query)
{
    static const char *const states[] = {"running", "waiting", "ending", "attached", NULL};
    static const char *const kinds[] = {"server", "thread", "attached", NULL};
    if (!gri_query_number(query, "limit", GRI_LIST_LIMIT, 0, GRI_LIST_LIMIT_MAX, &l->limit)) return "limit: 0 to 1000";
    if (!gri_query_number(query, "offset", 0, 0, GRI_LIST_OFFSET_MAX, &l->offset))
        return "offset: 0 to 9000; further pages begin after the \"next\" of the page before: after=NEXT";
    if (!read_sort(l, query))
        return "sort: address, name, behaviour, state, messages, mailbox or memory, with - in front for the reverse";
    if (!read_after(l, query)) return "after: the \"next\" of an answer with the same sort";
    if (l->resumed && l->offset) return "offset and after exclude each other";
    if (gri_query_text(query, "search", l->search, sizeof l->search) == GRI_BAD)
        return "search: one text of at most 255 bytes";
    if (gri_query_text(query, "behaviour", l->behaviour, sizeof l->behaviour) == GRI_BAD)
        return "behaviour: the whole name of one";
    if (gri_query_text(query, "state", l->state, sizeof l->state) == GRI_BAD || !is_one_of(l->state, states))
        return "state: running, waiting, ending or attached";
    if (gri_query_text(query, "kind", l->kind, sizeof l->kind) == GRI_BAD || !is_one_of(l->kind, kinds))
        return "kind: server, thread or attached";
    return NULL;
}

/* The answer --------------------------------------------------------------------------------------------------------- */

static void put_text(gr_builder *b, const char *key, const char *text)
{
    gr_put_key(b, key);
    text[0] ? gr_put_string(b, text) : gr_put_null(b);
}

static void put_actor(gr_builder *b, const gr_actor_info *info)
{
    char text[GR_ADDRESS_TEXT_BYTES];
    gr_put_object(b);
    put_text(b, "address", gr_address_print(info->address, text));
    put_text(b, "name", info->name);
    put_text(b, "behaviour", info->behaviour);
    put_text(b, "kind", gri_actor_kind(info));
    put_text(b, "state", info->state);
    gr_put_key(b, "mailbox"), gr_put_int(b, (int64_t)info->mailbox);
    gr_put_key(b, "messages"), gr_put_int(b, (int64_t)info->messages);
    gr_put_key(b, "memory"), gr_put_int(b, (int64_t)info->memory);
    gr_put_key(b, "publications"), gr_put_int(b, (int64_t)info->publications);
    gr_put_end(b);
}

static int answer_json(const gri_request *r, const gri_listing *l)
{
    const gr_header vary = {"Vary", "Accept"};
    gr_builder b;
    gr_message *message = NULL;
    char after[AFTER_BYTES] = "";
    bool more = l->kept > l->offset && l->following > l->kept;
    if (more) print_after(l, gri_listing_at(l, l->kept - 1), after);
    gr_build(&b);
    gr_put_object(&b);
    gr_put_key(&b, "total"), gr_put_int(&b, (int64_t)l->total);
    gr_put_key(&b, "offset"), gr_put_int(&b, (int64_t)l->offset);
    gr_put_key(&b, "limit"), gr_put_int(&b, (int64_t)l->limit);
    put_text(&b, "next", after);
    gr_put_key(&b, "actors"), gr_put_array(&b);
    for (size_t i = l->offset; i < l->kept; i++) put_actor(&b, gri_listing_at(l, i));
    gr_put_end(&b), gr_put_end(&b);
    int code = gr_build_message(&b, &message);
    if (code != 0) return gri_answer_code(r->respond, code, "the list");
    code = gri_answer_json(r->env, r->respond, 200, GRI_JSON, gr_body(message), &vary, 1);
    gr_message_free(&message);
    return code;
}

int gri_list_actors(const gri_request *r)
{
    gri_listing l = {.self = r->env->self};
    const char *why = gri_listing_read(&l, r->env->query);
    if (why) return gr_response_problem(r->respond, 400, "%s", why);
    int code = gri_listing_collect(&l);
    code = code != 0 ? gri_answer_code(r->respond, code, "the list") : answer_json(r, &l);
    gri_listing_fini(&l);
    return code;
}
