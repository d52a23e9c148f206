/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* GET /: the actors, sorted and in pages, as JSON or as a plain page for browsers. One pass over all actors keeps the first
 * offset + limit of the wanted order in a heap, so memory does not grow with their number. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rest/actors_app.h"
#include "rest/http_target.h"
#include "rest/requests.h"

enum sort { BY_ADDRESS, BY_NAME, BY_BEHAVIOUR, BY_MESSAGES };

enum { COOPERATE_EVERY = 1024 }; /* actors looked at between letting others run */

typedef struct listing {
    gr_self *self;
    uint32_t seen;
    enum sort sort;
    bool descending;
    size_t offset, limit;
    gr_actor_info *heap; /* the worst of the kept ones on top */
    size_t kept;
    uint64_t total;
} listing;

static int compare(const listing *l, const gr_actor_info *a, const gr_actor_info *b)
{
    int order = 0;
    switch (l->sort) {
    case BY_NAME: /* those without a name come last */
        order = (!a->name[0] - !b->name[0]) ? (!a->name[0] - !b->name[0]) : strcmp(a->name, b->name);
        break;
    case BY_BEHAVIOUR: order = strcmp(a->behaviour, b->behaviour); break;
    case BY_MESSAGES: order = (a->messages > b->messages) - (a->messages < b->messages); break;
    case BY_ADDRESS: break;
    }
    if (order == 0) {
        uint32_t left = (uint32_t)a->address.id, right = (uint32_t)b->address.id;
        order = (left > right) - (left < right);
    }
    return l->descending ? -order : order;
}

static void swap(gr_actor_info *a, gr_actor_info *b)
{
    gr_actor_info kept = *a;
    *a = *b;
    *b = kept;
}

static void sink(listing *l, size_t at, size_t count)
{
    for (;;) {
        size_t child = 2 * at + 1;
        if (child >= count) return;
        if (child + 1 < count && compare(l, &l->heap[child + 1], &l->heap[child]) > 0) child++;
        if (compare(l, &l->heap[child], &l->heap[at]) <= 0) return;
        swap(&l->heap[child], &l->heap[at]);
        at = child;
    }
}

static int visit(void *arg, gr_address address)
{
    listing *l = arg;
    gr_actor_info info;
    if (++l->seen % COOPERATE_EVERY == 0 && gr_cooperate(l->self) != 0) return GR_EKILLED;
    if (gr_inspect(address, &info) != 0 || strncmp(info.behaviour, "greenroom.", 10) == 0) return 0;
    l->total++;
    if (l->kept < l->offset + l->limit) {
        size_t at = l->kept++;
        l->heap[at] = info;
        for (; at && compare(l, &l->heap[at], &l->heap[(at - 1) / 2]) > 0; at = (at - 1) / 2)
            swap(&l->heap[at], &l->heap[(at - 1) / 2]);
    } else if (l->kept && compare(l, &info, &l->heap[0]) < 0) {
        l->heap[0] = info;
        sink(l, 0, l->kept);
    }
    return 0;
}

static int collect(listing *l)
{
    int code = gr_each(visit, l);
    for (size_t count = l->kept; count > 1; count--) {
        swap(&l->heap[0], &l->heap[count - 1]);
        sink(l, 0, count - 1);
    }
    return code;
}

/* The value of a parameter of the query, decoded; NULL if it is not there or too long. */
static const char *parameter(const char *query, const char *name, char *value, size_t bytes)
{
    size_t name_bytes = strlen(name);
    for (const char *at = query; at && *at; at += strcspn(at, "&"), at += *at == '&') {
        size_t length = strcspn(at, "&");
        if (length <= name_bytes || strncmp(at, name, name_bytes) != 0 || at[name_bytes] != '=') continue;
        length -= name_bytes + 1;
        if (length >= bytes) return NULL;
        value[gri_http_percent_decode(at + name_bytes + 1, length, value)] = '\0';
        return value;
    }
    return NULL;
}

static bool number_parameter(const char *query, const char *name, size_t fallback, size_t max, size_t *ret_number)
{
    char text[24], *end = NULL;
    const char *value = parameter(query, name, text, sizeof text);
    *ret_number = fallback;
    if (!value) return true;
    if (*value < '0' || *value > '9') return false;
    *ret_number = strtoul(value, &end, 10);
    return *end == '\0' && *ret_number <= max;
}

/* What is wrong with the query, or NULL. */
static const char *read_query(listing *l, const char *query)
{
    static const char *const names[] = {"address", "name", "behaviour", "messages"};
    char text[24];
    const char *sort = parameter(query, "sort", text, sizeof text);
    if (!number_parameter(query, "limit", GRI_LIST_LIMIT, GRI_LIST_LIMIT_MAX, &l->limit)) return "limit: 0 to 1000";
    if (!number_parameter(query, "offset", 0, GRI_LIST_OFFSET_MAX, &l->offset)) return "offset: 0 to 9000";
    if (!sort) return NULL;
    l->descending = *sort == '-';
    sort += l->descending;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (strcmp(sort, names[i]) != 0) continue;
        l->sort = (enum sort)i;
        return NULL;
    }
    return "sort: address, name, behaviour or messages, with - in front for the reverse";
}

static void put_actor(gr_builder *b, const gr_actor_info *info)
{
    char text[GR_ADDRESS_TEXT_BYTES];
    gr_put_object(b);
    gr_put_key(b, "address"), gr_put_string(b, gr_address_print(info->address, text));
    gr_put_key(b, "name");
    info->name[0] ? gr_put_string(b, info->name) : gr_put_null(b);
    gr_put_key(b, "behaviour");
    info->behaviour[0] ? gr_put_string(b, info->behaviour) : gr_put_null(b);
    gr_put_key(b, "kind"), gr_put_string(b, info->is_server ? "server" : "thread");
    gr_put_key(b, "state"), gr_put_string(b, info->state);
    gr_put_key(b, "messages"), gr_put_int(b, (int64_t)info->messages);
    gr_put_key(b, "publications"), gr_put_int(b, (int64_t)info->publications);
    gr_put_end(b);
}

static int answer_json(const gri_request *r, const listing *l)
{
    gr_builder b;
    gr_message *message = NULL;
    gr_build(&b);
    gr_put_object(&b);
    gr_put_key(&b, "total"), gr_put_int(&b, (int64_t)l->total);
    gr_put_key(&b, "offset"), gr_put_int(&b, (int64_t)l->offset);
    gr_put_key(&b, "limit"), gr_put_int(&b, (int64_t)l->limit);
    gr_put_key(&b, "actors"), gr_put_array(&b);
    for (size_t i = l->offset; i < l->kept; i++) put_actor(&b, &l->heap[i]);
    gr_put_end(&b), gr_put_end(&b);
    int code = gr_build_message(&b, &message);
    if (code == 0) code = gri_answer_json(r->env, r->respond, 200, GRI_JSON, gr_body(message), NULL, 0);
    gr_message_free(&message);
    return code;
}

/* A page in the making; out of memory sticks. */
typedef struct page {
    gr_self *self;
    char *text;
    size_t bytes, capacity;
    bool failed;
} page;

static void put(page *p, const char *text, size_t bytes)
{
    if (p->capacity - p->bytes < bytes && !p->failed) {
        size_t capacity = (p->capacity + bytes) * 2;
        char *grown = gr_alloc(p->self, capacity);
        p->failed = !grown;
        if (!grown) return;
        if (p->bytes) memcpy(grown, p->text, p->bytes);
        if (p->text) gr_free(p->self, p->text);
        p->text = grown;
        p->capacity = capacity;
    }
    if (p->failed) return;
    memcpy(p->text + p->bytes, text, bytes);
    p->bytes += bytes;
}

#define PUT(page, literal) put((page), (literal), sizeof(literal) - 1)

static void put_escaped(page *p, const char *text)
{
    for (;;) {
        size_t plain = strcspn(text, "&<>\"'");
        char entity[8];
        put(p, text, plain);
        if (!text[plain]) return;
        put(p, entity, (size_t)snprintf(entity, sizeof entity, "&#%d;", text[plain]));
        text += plain + 1;
    }
}

static void put_row(page *p, const gr_actor_info *info)
{
    char address[GR_ADDRESS_TEXT_BYTES], path[GR_NAME_BYTES_MAX * 3 + 1], messages[24];
    const char *name = info->name[0] ? info->name : gr_address_print(info->address, address);
    path[gri_http_percent_encode(name, strlen(name), path)] = '\0';
    snprintf(messages, sizeof messages, "%llu", (unsigned long long)info->messages);
    PUT(p, "<tr><td><a href=\"/");
    put_escaped(p, path);
    PUT(p, "\">");
    put_escaped(p, name);
    PUT(p, "</a><td>");
    put_escaped(p, info->behaviour);
    PUT(p, "<td>");
    put_escaped(p, info->state);
    PUT(p, "<td>");
    put_escaped(p, messages);
    PUT(p, "\n");
}

static int answer_page(const gri_request *r, const listing *l)
{
    const gr_header headers[] = {
        {"Content-Type", "text/html; charset=utf-8"},
        {"Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"},
    };
    char count[96];
    page p = {.self = r->env->self};
    PUT(&p, "<!DOCTYPE html>\n<html lang=\"en\"><meta charset=\"utf-8\"><title>Greenroom</title>\n"
            "<style>body{font:16px sans-serif;margin:2em}td,th{text-align:left;padding:.2em 1em .2em 0}</style>\n"
            "<h1>Actors</h1>\n");
    put(&p, count,
        (size_t)snprintf(count, sizeof count, "<p>%llu in all, %zu from number %zu on\n", (unsigned long long)l->total,
                         l->kept > l->offset ? l->kept - l->offset : 0, l->offset));
    PUT(&p, "<table><tr><th>name<th>behaviour<th>state<th>messages\n");
    for (size_t i = l->offset; i < l->kept; i++) put_row(&p, &l->heap[i]);
    PUT(&p, "</table>\n");
    int code = p.failed ? GR_ENOMEM : gr_response_start(r->respond, 200, headers, 2, (int64_t)p.bytes);
    if (code == 0) code = gr_response_write(r->respond, p.text, p.bytes);
    if (p.text) gr_free(r->env->self, p.text);
    return code;
}

int gri_list_actors(const gri_request *r)
{
    listing l = {.self = r->env->self};
    const char *why = read_query(&l, r->env->query);
    if (why) return gr_response_problem(r->respond, 400, "%s", why);
    l.heap = gr_alloc(r->env->self, (l.offset + l.limit + 1) * sizeof *l.heap);
    if (!l.heap) return gri_answer_code(r->respond, GR_ENOMEM, "the list");
    int code = collect(&l);
    const char *accept = gr_environ_header(r->env, "accept");
    if (code == 0) code = accept && strstr(accept, "text/html") ? answer_page(r, &l) : answer_json(r, &l);
    gr_free(r->env->self, l.heap);
    return code;
}
