/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* See fault.h. */
#include "base/fault.h"

#include "base/rng.h"

#include <stdio.h>
#include <string.h>

bool gri_faults_on, gri_faults_quiet;

static gri_fault_plan plan_now;
static uint64_t seed_now;
static gri_fault_record own_record, *record_now = &own_record;

#define FAULT_NAME(enumerator, name) name,
static const char *const names[] = {GRI_FAULTS(FAULT_NAME)};
#undef FAULT_NAME

const char *gri_fault_name(enum gri_fault kind)
{
    return names[kind];
}

/* ---- texts ---- */

/* A number from 1 to most at *at, which moves behind it. */
static bool read_number(const char **at, uint64_t most, uint64_t *ret_number)
{
    uint64_t number = 0;
    const char *c = *at;
    for (; *c >= '0' && *c <= '9'; c++)
        if (__builtin_mul_overflow(number, (uint64_t)10, &number) ||
            __builtin_add_overflow(number, (uint64_t)(*c - '0'), &number))
            return false;
    if (c == *at || number == 0 || number > most) return false;
    *at = c;
    *ret_number = number;
    return true;
}

static bool read_list(const char **at, gri_fault_rule *rule)
{
    uint64_t number;
    do {
        (*at)++;
        if (rule->count == GRI_FAULTS_LISTED || !read_number(at, UINT64_MAX, &number)) return false;
        if (rule->count > 0 && number <= rule->at[rule->count - 1]) return false;
        rule->at[rule->count++] = number;
    } while (**at == '+');
    return true;
}

static bool read_rule(const char **at, gri_fault_plan *plan)
{
    size_t bytes = strspn(*at, "abcdefghijklmnopqrstuvwxyz_");
    uint64_t number;
    for (size_t kind = 0; kind < GRI_FAULT_KINDS; kind++) {
        gri_fault_rule *rule = &plan->rules[kind];
        if (strlen(names[kind]) != bytes || strncmp(*at, names[kind], bytes) != 0) continue;
        if (rule->one_in || rule->count) return false; /* said before */
        *at += bytes;
        if (**at == '@') return read_list(at, rule);
        if (**at != '=') return false;
        (*at)++;
        if (!read_number(at, UINT32_MAX, &number)) return false;
        rule->one_in = (uint32_t)number;
        return true;
    }
    return false;
}

bool gri_fault_plan_parse(const char *text, gri_fault_plan *ret_plan, const char **ret_wrong)
{
    gri_fault_plan plan;
    const char *at = text;
    memset(&plan, 0, sizeof plan);
    while (*at) {
        if (!read_rule(&at, &plan) || (*at == ',' && !at[1]) || (*at && *at != ',')) {
            if (ret_wrong) *ret_wrong = at;
            return false;
        }
        if (*at == ',') at++;
    }
    *ret_plan = plan;
    return true;
}

bool gri_fault_plan_is_empty(const gri_fault_plan *plan)
{
    for (size_t kind = 0; kind < GRI_FAULT_KINDS; kind++)
        if (plan->rules[kind].one_in || plan->rules[kind].count) return false;
    return true;
}

size_t gri_fault_record_print(const gri_fault_record *record, int but, char *text, size_t bytes)
{
    size_t length = 0;
    uint32_t count = record->happened < GRI_FAULTS_RECORDED ? record->happened : GRI_FAULTS_RECORDED;
    if (bytes > 0) text[0] = '\0';
    for (size_t kind = 0; kind < GRI_FAULT_KINDS; kind++) {
        bool any = false;
        for (uint32_t i = 0; i < count; i++) {
            if (record->faults[i].kind != kind || (int)i == but) continue;
            char *to = length < bytes ? text + length : NULL;
            int wrote = snprintf(to, to ? bytes - length : 0, "%s%s%s%llu", any || length == 0 ? "" : ",",
                                 any ? "" : names[kind], any ? "+" : "@", (unsigned long long)record->faults[i].at);
            length += (size_t)wrote;
            any = true;
        }
    }
    return length;
}

/* ---- while it runs ---- */

void gri_faults_record_in(gri_fault_record *record)
{
    record_now = record ? record : &own_record;
}

const gri_fault_record *gri_faults_recorded(void)
{
    return record_now;
}

void gri_faults_begin(const gri_fault_plan *plan, uint64_t seed)
{
    plan_now = *plan;
    seed_now = seed;
    memset(record_now, 0, sizeof *record_now);
    gri_faults_quiet = true;
    gri_faults_on = !gri_fault_plan_is_empty(plan);
}

void gri_faults_end(void)
{
    gri_faults_on = false;
}

bool gri_faults_have(enum gri_fault kind)
{
    return gri_faults_on && (plan_now.rules[kind].one_in || plan_now.rules[kind].count);
}

static uint64_t mixed(enum gri_fault kind, uint64_t at, uint64_t salt)
{
    uint64_t state = seed_now ^ ((uint64_t)kind + 1) * UINT64_C(0xd1342543de82ef95) ^
                     at * UINT64_C(0xaf251af3b0f025b5) ^ salt * UINT64_C(0x9e6c63d0676a9a99);
    (void)gri_splitmix64(&state);
    return gri_splitmix64(&state);
}

bool gri_fault_due(enum gri_fault kind)
{
    const gri_fault_rule *rule = &plan_now.rules[kind];
    if (gri_faults_quiet || !(rule->one_in || rule->count)) return false;
    const uint64_t at = ++record_now->chances[kind];
    bool due = rule->one_in && mixed(kind, at, 0) % rule->one_in == 0;
    for (uint32_t i = 0; i < rule->count && !due && rule->at[i] <= at; i++) due = rule->at[i] == at;
    if (!due) return false;
    uint32_t number = record_now->happened++;
    if (number < GRI_FAULTS_RECORDED) {
        record_now->faults[number].kind = (uint8_t)kind;
        record_now->faults[number].at = at;
    }
    return true;
}

uint64_t gri_fault_choice(enum gri_fault kind, uint64_t n)
{
    return mixed(kind, record_now->chances[kind], 1) % n;
}
