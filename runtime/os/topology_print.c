/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* See topology.h: the machine and the placement in words and as JSON, for the `greenroom topology` command and the log.
 *
 * JSON: {"cpus", "cores", "caches", "nodes", "packages", "machine_cpus": counts; "mask": "0-3"; "synthetic", "flat",
 * "exclusive": bool; "quota": null or {"cpus", "quota_us", "period_us", "where"}; "quota_complete": bool; "bind",
 * "in_force", "reason": strings; "workers": [{"cpus": "0,2", "core", "cache", "node", "package": number or null,
 * "bound": bool, "victims": [numbers]}]}. "victims" is left out above 256 workers: it grows with their square. */
#include "os/topology.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define PRINT_VICTIMS_MAX 256u

typedef struct out {
    char *text;
    size_t bytes, length;
} out;

GRI_PRINTF(2, 3) static void put(out *o, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    size_t room = o->length < o->bytes ? o->bytes - o->length : 0;
    int n = vsnprintf(room ? o->text + o->length : NULL, room, format, args);
    va_end(args);
    if (n > 0) o->length += (size_t)n;
}

/* A JSON string; what comes from outside are paths, which may hold any byte but NUL. Bytes above 127 pass. */
static void put_string(out *o, const char *text)
{
    put(o, "\"");
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;
        if (c == '"' || c == '\\')
            put(o, "\\%c", c);
        else if (c < 0x20)
            put(o, "\\u%04x", c);
        else
            put(o, "%c", c);
    }
    put(o, "\"");
}

static const char *place_cpus(const gri_topology *topology, const gri_place *place, char *text, size_t bytes)
{
    gri_cpus cpus;
    gri_cpus_clear(&cpus);
    for (uint32_t i = 0; i < place->pu_count; i++) gri_cpus_add(&cpus, topology->pus[place->pu_first + i].os_index);
    gri_cpus_print(&cpus, text, bytes);
    return text;
}

static void put_number_or(out *o, const char *before, uint32_t number, const char *unknown)
{
    if (number == GRI_TOPOLOGY_UNKNOWN)
        put(o, "%s%s", before, unknown);
    else
        put(o, "%s%u", before, number);
}

static void put_victims(out *o, const gri_topology *topology, uint32_t worker, const char *separator)
{
    uint32_t order[PRINT_VICTIMS_MAX];
    gri_topology_victims(topology, worker, topology->workers, order);
    for (uint32_t i = 0; i + 1 < topology->workers; i++) put(o, "%s%u", i ? separator : "", order[i]);
}

size_t gri_topology_text(const gri_topology *topology, char *text, size_t bytes)
{
    out o = {text, bytes, 0};
    const gri_topology *t = topology;
    char cpus[512];
    if (bytes) text[0] = '\0';
    gri_cpus_print(&t->mask, cpus, sizeof cpus);
    put(&o, "machine: %u CPUs%s\n", t->machine_pus_count,
        t->synthetic ? ", synthetic: nothing is really bound"
        : t->flat    ? ", topology unknown"
                     : "");
    put(&o, "usable:  %u CPUs (%s), %u cores, %u caches, %u NUMA nodes, %u packages\n", t->pus_count, cpus,
        t->cores_count, t->caches_count, t->nodes_count, t->packages_count);
    if (t->quota.limited)
        put(&o, "quota:   %.2f CPUs (%s)\n", (double)t->quota.quota_us / (double)t->quota.period_us, t->quota.where);
    else
        put(&o, "quota:   none%s\n", t->quota.complete ? "" : " that could be read");
    put(&o, "workers: %u, %s%s: %s\n", t->workers, t->in_force == GRI_BIND_NONE ? "floating" : "bound by ",
        t->in_force == GRI_BIND_NONE ? "" : gri_bind_name(t->in_force), t->reason);
    put(&o, "worker  core cache node package  CPUs and victims, nearest first\n");
    for (uint32_t w = 0; w < t->workers; w++) {
        const gri_place *place = &t->places[w];
        const uint32_t columns[] = {place->core, place->cache, place->node, place->package};
        static const int widths[] = {4, 5, 4, 7};
        put(&o, "%6u ", w);
        for (size_t i = 0; i < GRI_ARRAY_COUNT(columns); i++) {
            if (columns[i] == GRI_TOPOLOGY_UNKNOWN)
                put(&o, " %*s", widths[i], "-");
            else
                put(&o, " %*u", widths[i], columns[i]);
        }
        put(&o, "  %s", place_cpus(t, place, cpus, sizeof cpus));
        if (t->workers > 1 && t->workers <= PRINT_VICTIMS_MAX) {
            put(&o, " <- ");
            put_victims(&o, t, w, " ");
        }
        put(&o, "\n");
    }
    return o.length;
}

size_t gri_topology_json(const gri_topology *topology, char *text, size_t bytes)
{
    out o = {text, bytes, 0};
    const gri_topology *t = topology;
    char cpus[4096];
    if (bytes) text[0] = '\0';
    gri_cpus_print(&t->mask, cpus, sizeof cpus);
    put(&o, "{\"cpus\":%u,\"cores\":%u,\"caches\":%u,\"nodes\":%u,\"packages\":%u,\"machine_cpus\":%u,\"mask\":\"%s\"",
        t->pus_count, t->cores_count, t->caches_count, t->nodes_count, t->packages_count, t->machine_pus_count, cpus);
    put(&o, ",\"synthetic\":%s,\"flat\":%s,\"exclusive\":%s,\"quota\":", t->synthetic ? "true" : "false",
        t->flat ? "true" : "false", t->exclusive ? "true" : "false");
    if (t->quota.limited) {
        put(&o, "{\"cpus\":%u,\"quota_us\":%lld,\"period_us\":%lld,\"where\":", t->quota.cpus,
            (long long)t->quota.quota_us, (long long)t->quota.period_us);
        put_string(&o, t->quota.where);
        put(&o, "}");
    } else {
        put(&o, "null");
    }
    put(&o,
        ",\"quota_complete\":%s,\"bind\":\"%s\",\"in_force\":\"%s\",\"reason\":", t->quota.complete ? "true" : "false",
        gri_bind_name(t->asked), gri_bind_name(t->in_force));
    put_string(&o, t->reason);
    put(&o, ",\"workers\":[");
    for (uint32_t w = 0; w < t->workers; w++) {
        const gri_place *place = &t->places[w];
        put(&o, "%s{\"cpus\":\"%s\"", w ? "," : "", place_cpus(t, place, cpus, sizeof cpus));
        put_number_or(&o, ",\"core\":", place->core, "null");
        put_number_or(&o, ",\"cache\":", place->cache, "null");
        put_number_or(&o, ",\"node\":", place->node, "null");
        put_number_or(&o, ",\"package\":", place->package, "null");
        put(&o, ",\"bound\":%s", place->bound ? "true" : "false");
        if (t->workers <= PRINT_VICTIMS_MAX) {
            put(&o, ",\"victims\":[");
            put_victims(&o, t, w, ",");
            put(&o, "]");
        }
        put(&o, "}");
    }
    put(&o, "]}");
    return o.length;
}
