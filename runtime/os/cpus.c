/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* See cpus.h. */
#include "os/cpus.h"

#include <greenroom/error.h>
#include <stdio.h>
#include <string.h>

#define CPUS_WORDS (GRI_CPUS_MAX / 64)

void gri_cpus_clear(gri_cpus *cpus)
{
    memset(cpus, 0, sizeof *cpus);
}

void gri_cpus_add(gri_cpus *cpus, uint32_t cpu)
{
    if (cpu < GRI_CPUS_MAX) cpus->words[cpu / 64] |= UINT64_C(1) << (cpu % 64);
}

bool gri_cpus_has(const gri_cpus *cpus, uint32_t cpu)
{
    return cpu < GRI_CPUS_MAX && (cpus->words[cpu / 64] >> (cpu % 64) & 1) != 0;
}

unsigned gri_cpus_count(const gri_cpus *cpus)
{
    unsigned count = 0;
    for (size_t i = 0; i < CPUS_WORDS; i++) count += gri_popcount64(cpus->words[i]);
    return count;
}

uint32_t gri_cpus_next(const gri_cpus *cpus, uint32_t from)
{
    if (from >= GRI_CPUS_MAX) return GRI_CPUS_NONE;
    uint64_t word = cpus->words[from / 64] & (~UINT64_C(0) << (from % 64));
    for (size_t i = from / 64;;) {
        if (word) return (uint32_t)(i * 64 + gri_ctz64(word));
        if (++i == CPUS_WORDS) return GRI_CPUS_NONE;
        word = cpus->words[i];
    }
}

bool gri_cpus_equal(const gri_cpus *a, const gri_cpus *b)
{
    return memcmp(a, b, sizeof *a) == 0;
}

bool gri_cpus_within(const gri_cpus *inner, const gri_cpus *outer)
{
    for (size_t i = 0; i < CPUS_WORDS; i++)
        if (inner->words[i] & ~outer->words[i]) return false;
    return true;
}

/* A decimal number below GRI_CPUS_MAX; moves *at behind it. */
static int cpu_number_parse(const char **at, uint32_t *ret_cpu)
{
    uint32_t cpu = 0;
    const char *p = *at;
    if (*p < '0' || *p > '9') return GR_ESYNTAX;
    for (; *p >= '0' && *p <= '9'; p++) {
        cpu = cpu * 10 + (uint32_t)(*p - '0');
        if (cpu >= GRI_CPUS_MAX) return GR_ERANGE;
    }
    *at = p;
    *ret_cpu = cpu;
    return 0;
}

int gri_cpus_parse(const char *text, uint32_t *ret_order, size_t capacity, size_t *ret_count)
{
    gri_cpus seen;
    size_t count = 0;
    gri_cpus_clear(&seen);
    for (const char *at = text;; at++) {
        uint32_t low, high;
        int error = cpu_number_parse(&at, &low);
        if (error) return error;
        high = low;
        if (*at == '-') {
            at++;
            if ((error = cpu_number_parse(&at, &high)) != 0) return error;
            if (high < low) return GR_ESYNTAX;
        }
        for (uint32_t cpu = low; cpu <= high; cpu++, count++) {
            if (gri_cpus_has(&seen, cpu)) return GR_EEXISTS;
            gri_cpus_add(&seen, cpu);
            if (!ret_order) continue;
            if (count == capacity) return GR_ETOOBIG;
            ret_order[count] = cpu;
        }
        if (*at == '\0') break;
        if (*at != ',') return GR_ESYNTAX;
    }
    *ret_count = count;
    return 0;
}

size_t gri_cpus_print(const gri_cpus *cpus, char *text, size_t bytes)
{
    size_t length = 0;
    text[0] = '\0';
    for (uint32_t low = gri_cpus_next(cpus, 0), high; low != GRI_CPUS_NONE; low = gri_cpus_next(cpus, high + 1)) {
        for (high = low; gri_cpus_has(cpus, high + 1); high++) continue;
        char range[32];
        int n = snprintf(range, sizeof range, low == high ? "%s%u" : "%s%u-%u", length ? "," : "", low, high);
        if (length < bytes) snprintf(text + length, bytes - length, "%s", range);
        length += (size_t)n;
    }
    return length;
}
