/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* See settings.h. */
#include "actor/settings.h"

#include "actor/log.h"
#include "actor/remote_allow.h"
#include "base/check.h"
#include "base/error.h"
#include "base/fault.h"
#include "os/topology.h"

#include <ctype.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { KIND_INT, KIND_TEXT };

#define PREFIX "GREENROOM_"

typedef struct setting {
    const char *name, *variable, *fallback, *range, *text;
    int kind;
    size_t in_options, in_settings;
} setting;

#define SETTING_ROW(field, kind, variable, fallback, range, text) \
    {#field, variable, fallback, range, text, KIND_##kind, offsetof(gr_options, field), offsetof(gri_settings, field)},
static const setting rows[GR_SETTING_COUNT] = {GR_SETTINGS(SETTING_ROW)};
#undef SETTING_ROW

static pthread_mutex_t in_force_lock = PTHREAD_MUTEX_INITIALIZER;
static gri_settings in_force;
static bool is_in_force;

/* ---- the language of range texts ---- */

static bool parse_u64(const char *text, uint64_t *ret_number)
{
    uint64_t number = 0;
    if (*text == '\0') return false;
    for (; *text; text++) {
        if (*text < '0' || *text > '9') return false;
        if (__builtin_mul_overflow(number, (uint64_t)10, &number)) return false;
        if (__builtin_add_overflow(number, (uint64_t)(*text - '0'), &number)) return false;
    }
    *ret_number = number;
    return true;
}

/* "16 to 16384 KiB": the two numbers. */
static void range_limits(const char *range, int64_t *ret_least, int64_t *ret_most)
{
    char *end;
    *ret_least = strtoll(range, &end, 10);
    *ret_most = strtoll(end + strlen(" to "), NULL, 10);
}

/* Word `index` of "auto, core or none": its bytes and where it is, NULL beyond the last. */
static const char *range_word(const char *range, int64_t index, size_t *ret_bytes)
{
    const char *at = range;
    for (int64_t i = 0; *at; i++) {
        size_t bytes = strcspn(at, ", ");
        if (i == index) {
            *ret_bytes = bytes;
            return at;
        }
        at += bytes;
        at += strspn(at, ", ");
        if (strncmp(at, "or ", 3) == 0) at += 3;
    }
    return NULL;
}

static bool parse_word(const char *range, const char *text, int64_t *ret_index)
{
    size_t bytes;
    const char *word;
    for (int64_t i = 0; (word = range_word(range, i, &bytes)) != NULL; i++) {
        if (strlen(text) != bytes || strncmp(text, word, bytes) != 0) continue;
        *ret_index = i;
        return true;
    }
    return false;
}

/* ---- one value ---- */

static int64_t *field_at(gri_settings *settings, size_t index)
{
    return (int64_t *)(void *)((char *)settings + rows[index].in_settings);
}

/* Stores what `text` says. False: it is not allowed; nothing was written. */
static bool store_text(gri_settings *settings, size_t index, const char *text)
{
    const setting *row = &rows[index];
    int64_t *field = field_at(settings, index);
    uint64_t number;
    if (index == GR_FIXED_INDEX_bind) {
        gri_bind bind;
        if (strlen(text) >= sizeof settings->bind_text || gri_bind_parse(text, &bind) != 0) return false;
        strcpy(settings->bind_text, text);
        *field = bind != GRI_BIND_AUTO;
        return true;
    }
    if (index == GR_FIXED_INDEX_faults) {
        gri_fault_plan plan;
        if (strlen(text) >= sizeof settings->faults_text || !gri_fault_plan_parse(text, &plan, NULL)) return false;
        strcpy(settings->faults_text, text);
        *field = *text != '\0';
        return true;
    }
    if (index == GR_FIXED_INDEX_trace) {
        if (strlen(text) >= sizeof settings->trace_text) return false;
        strcpy(settings->trace_text, text);
        *field = *text != '\0';
        return true;
    }
    if (index == GR_FIXED_INDEX_remote_allow) {
        if (strlen(text) >= sizeof settings->allow_text || !gri_allow_is_list(text)) return false;
        strcpy(settings->allow_text, text);
        *field = *text != '\0';
        return true;
    }
    if (index == GR_FIXED_INDEX_simulate) {
        if (*text == '\0') {
            *field = 0;
            return true;
        }
        if (!parse_u64(text, &number)) return false;
        *field = 1;
        settings->seed = number;
        return true;
    }
    if (row->kind == KIND_TEXT) return parse_word(row->range, text, field);
    if (index == GR_FIXED_INDEX_workers && strcmp(text, "auto") == 0) {
        *field = 0;
        return true;
    }
    int64_t least, most;
    range_limits(row->range, &least, &most);
    if (!parse_u64(text, &number) || number > (uint64_t)most || number < (uint64_t)least) return false;
    *field = (int64_t)number;
    return true;
}

static bool store_number(gri_settings *settings, size_t index, int64_t number)
{
    int64_t least, most;
    range_limits(rows[index].range, &least, &most);
    if (number < least || number > most) return false;
    *field_at(settings, index) = number;
    return true;
}

/* The value as a user would write it; returns its length, which may be more than fits. */
static size_t print_value(const gri_settings *settings, size_t index, char *text, size_t bytes)
{
    const setting *row = &rows[index];
    const int64_t value = *field_at((gri_settings *)(uintptr_t)settings, index);
    int length;
    if (index == GR_FIXED_INDEX_bind) {
        length = snprintf(text, bytes, "%s", settings->bind_text);
    } else if (index == GR_FIXED_INDEX_trace) {
        length = snprintf(text, bytes, "%s", settings->trace_text);
    } else if (index == GR_FIXED_INDEX_remote_allow || index == GR_FIXED_INDEX_faults) {
        const char *list = index == GR_FIXED_INDEX_faults ? settings->faults_text : settings->allow_text;
        const size_t all = strlen(list); /* shown as far as it fits, which is told by dots */
        const bool whole = all < bytes || bytes < 4;
        length = snprintf(text, bytes, "%.*s%s", (int)(whole ? all : bytes - 4), list, whole ? "" : "...");
    } else if (index == GR_FIXED_INDEX_simulate) {
        length =
            value ? snprintf(text, bytes, "%llu", (unsigned long long)settings->seed) : snprintf(text, bytes, "%s", "");
    } else if (row->kind == KIND_TEXT) {
        size_t word_bytes = 0;
        const char *word = range_word(row->range, value, &word_bytes);
        length = snprintf(text, bytes, "%.*s", (int)word_bytes, word ? word : "");
    } else if (index == GR_FIXED_INDEX_workers && value == 0) {
        length = snprintf(text, bytes, "auto");
    } else {
        length = snprintf(text, bytes, "%lld", (long long)value);
    }
    return length < 0 ? 0 : (size_t)length;
}

/* ---- errors ---- */

/* A value from outside, fit for one line: control characters and what is no ASCII become '?', long ones are cut. */
static const char *quoted(const char *value, char text[64])
{
    size_t n = 0;
    for (; value[n] && n < 59; n++) text[n] = value[n] >= ' ' && value[n] <= '~' ? value[n] : '?';
    strcpy(text + n, value[n] ? "..." : "");
    return text;
}

/* ---- loading ---- */

static const char *environment(const setting *row)
{
    const char *text = getenv(row->variable);
    return text && *text ? text : NULL;
}

static const char *option_text(const gr_options *options, const setting *row)
{
    const char *text;
    memcpy(&text, (const char *)options + row->in_options, sizeof text);
    return text && *text ? text : NULL;
}

static int64_t option_number(const gr_options *options, const setting *row)
{
    int64_t number;
    memcpy(&number, (const char *)options + row->in_options, sizeof number);
    return number;
}

/* The option, if it asks for something. Returns 1 if it was stored, 0 if not, GR_EINVAL. */
static int load_option(const gr_options *options, size_t index, gri_settings *settings, gr_detail *ret_detail)
{
    const setting *row = &rows[index];
    char text[64];
    if (!options) return 0;
    if (row->kind == KIND_INT) {
        int64_t number = option_number(options, row);
        if (number == 0) return 0;
        if (store_number(settings, index, number)) return 1;
        return gri_refuse(ret_detail, GR_EINVAL, "option %s is %lld: allowed is %s", row->name, (long long)number,
                          row->range);
    }
    const char *value = option_text(options, row);
    if (!value) return 0;
    if (store_text(settings, index, value)) return 1;
    return gri_refuse(ret_detail, GR_EINVAL, "option %s is \"%s\": allowed is %s", row->name, quoted(value, text),
                      row->range);
}

static int load_row(const gr_options *options, size_t index, gri_settings *settings, gr_detail *ret_detail)
{
    const setting *row = &rows[index];
    char text[64];
    if (!store_text(settings, index, row->fallback)) gri_panic("the default of %s is not allowed", row->variable);
    settings->source[index] = GRI_SETTING_DEFAULT;
    int code = load_option(options, index, settings, ret_detail);
    if (code < 0) return code;
    if (code > 0) settings->source[index] = GRI_SETTING_OPTION;
    if (options && (options->fixed >> index & 1)) return 0;
    const char *value = environment(row);
    if (!value) return 0;
    if (!store_text(settings, index, value))
        return gri_refuse(ret_detail, GR_EENV, "%s is \"%s\": allowed is %s", row->variable, quoted(value, text),
                          row->range);
    settings->source[index] = GRI_SETTING_ENVIRONMENT;
    return 0;
}

static int check_fixed(const gr_options *options, gr_detail *ret_detail)
{
    _Static_assert(GR_SETTING_COUNT < 64, "a bit each in .fixed");
    if (!options || options->fixed >> GR_SETTING_COUNT == 0) return 0;
    return gri_refuse(ret_detail, GR_EINVAL, "option fixed is 0x%llx: allowed is a union of GR_FIXED(...)",
                      (unsigned long long)options->fixed);
}

int gri_settings_load(const gr_options *options, gri_settings *ret_settings, gr_detail *ret_detail)
{
    gri_settings loaded;
    memset(&loaded, 0, sizeof loaded);
    int code = check_fixed(options, ret_detail);
    for (size_t i = 0; code == 0 && i < GR_SETTING_COUNT; i++) code = load_row(options, i, &loaded, ret_detail);
    if (code == 0 && loaded.faults && !loaded.simulate)
        code = gri_refuse(ret_detail, loaded.source[GR_FIXED_INDEX_faults] == GRI_SETTING_OPTION ? GR_EINVAL : GR_EENV,
                          "GREENROOM_FAULTS is for simulation: GREENROOM_SIMULATE says no seed");
    if (code != 0) return code;
    loaded.no_signal_handler = options && options->no_signal_handler;
    *ret_settings = loaded;
    return 0;
}

static bool same_value(const gri_settings *a, const gri_settings *b, size_t index)
{
    if (index == GR_FIXED_INDEX_bind) return strcmp(a->bind_text, b->bind_text) == 0;
    if (index == GR_FIXED_INDEX_trace) return strcmp(a->trace_text, b->trace_text) == 0;
    if (index == GR_FIXED_INDEX_remote_allow) return strcmp(a->allow_text, b->allow_text) == 0;
    if (index == GR_FIXED_INDEX_faults) return strcmp(a->faults_text, b->faults_text) == 0;
    if (index == GR_FIXED_INDEX_simulate && a->seed != b->seed) return false;
    return *field_at((gri_settings *)(uintptr_t)a, index) == *field_at((gri_settings *)(uintptr_t)b, index);
}

int gri_settings_conflict(const gri_settings *running, const gr_options *options, gr_detail *ret_detail)
{
    if (!options) return 0;
    gri_settings asked;
    memset(&asked, 0, sizeof asked);
    int code = check_fixed(options, ret_detail);
    if (code != 0) return code;
    for (size_t i = 0; i < GR_SETTING_COUNT; i++) {
        code = load_option(options, i, &asked, ret_detail);
        if (code < 0) return code;
        if (code == 0 || same_value(running, &asked, i)) continue;
        if (running->source[i] == GRI_SETTING_ENVIRONMENT && !(options->fixed >> i & 1)) continue;
        char wanted[64], has[64];
        print_value(&asked, i, wanted, sizeof wanted);
        print_value(running, i, has, sizeof has);
        return gri_refuse(ret_detail, GR_ECONFLICT, "option %s is \"%s\", but the runtime is up with \"%s\"",
                          rows[i].name, wanted, has);
    }
    if (options->no_signal_handler && !running->no_signal_handler)
        return gri_refuse(ret_detail, GR_ECONFLICT,
                          "option no_signal_handler, but the runtime is up with its signal handlers");
    return 0;
}

/* ---- names that nobody reads ---- */

#define NAME_BYTES_MAX 40

/* Edit distance (insert, remove, replace) of two names of at most NAME_BYTES_MAX bytes. */
static unsigned distance(const char *a, size_t a_bytes, const char *b, size_t b_bytes)
{
    unsigned row[NAME_BYTES_MAX + 1];
    for (unsigned j = 0; j <= b_bytes; j++) row[j] = j;
    for (unsigned i = 1; i <= a_bytes; i++) {
        unsigned diagonal = row[0];
        row[0] = i;
        for (unsigned j = 1; j <= b_bytes; j++) {
            unsigned replace = diagonal + (toupper((unsigned char)a[i - 1]) != b[j - 1]);
            diagonal = row[j];
            row[j] = GRI_MIN(replace, GRI_MIN(row[j], row[j - 1]) + 1);
        }
    }
    return row[b_bytes];
}

static const char *nearest(const char *name, size_t bytes)
{
    const char *best = NULL;
    unsigned best_distance = 4; /* guess: further ones are other words */
    for (size_t i = 0; bytes <= NAME_BYTES_MAX && i < GR_SETTING_COUNT; i++) {
        unsigned d = distance(name, bytes, rows[i].variable, strlen(rows[i].variable));
        if (d >= best_distance) continue;
        best = rows[i].variable;
        best_distance = d;
    }
    return best;
}

static bool is_name(const char *entry, size_t bytes, const char *name)
{
    return strlen(name) == bytes && strncmp(entry, name, bytes) == 0;
}

static void warn_about(const char *entry, size_t bytes)
{
    char text[64];
    char name[64];
    for (size_t i = 0; i < GR_SETTING_COUNT; i++)
        if (is_name(entry, bytes, rows[i].variable)) return;
    snprintf(name, sizeof name, "%.*s", (int)GRI_MIN(bytes, sizeof name), entry);
    quoted(name, text);
    const char *near = nearest(entry, bytes);
    if (near)
        gri_log(GR_LOG_WARN, GR_NO_ADDRESS, "%s is no setting: is %s meant?", text, near);
    else
        gri_log(GR_LOG_WARN, GR_NO_ADDRESS, "%s is no setting: it has no effect", text);
}

void gri_settings_warn(void)
{
    for (char **entry = environ; entry && *entry; entry++) {
        if (strncmp(*entry, PREFIX, sizeof PREFIX - 1) != 0) continue;
        warn_about(*entry, strcspn(*entry, "="));
    }
}

/* ---- showing ---- */

void gri_settings_enforce(const gri_settings *settings)
{
    pthread_mutex_lock(&in_force_lock);
    is_in_force = settings != NULL;
    if (settings) in_force = *settings;
    pthread_mutex_unlock(&in_force_lock);
}

static const char *source_name(uint8_t source)
{
    static const char *const names[] = {"default", "option", "environment"};
    return names[source];
}

int gr_setting_read(size_t index, gr_setting_info *ret_info)
{
    if (index >= GR_SETTING_COUNT) return GR_ENOTFOUND;
    const setting *row = &rows[index];
    gri_settings would;
    gr_setting_info info = {row->variable, row->fallback, row->range, row->text, NULL, {0}};
    size_t bytes;
    pthread_mutex_lock(&in_force_lock);
    if (is_in_force) {
        bytes = print_value(&in_force, index, info.value, sizeof info.value);
        info.source = source_name(in_force.source[index]);
    } else if (load_row(NULL, index, &would, NULL) == 0) {
        bytes = print_value(&would, index, info.value, sizeof info.value);
        info.source = source_name(would.source[index]);
    } else {
        bytes = (size_t)snprintf(info.value, sizeof info.value, "%s", environment(row));
        info.source = "environment, invalid";
    }
    pthread_mutex_unlock(&in_force_lock);
    if (bytes >= sizeof info.value) return GR_ETOOBIG;
    *ret_info = info;
    return 0;
}
