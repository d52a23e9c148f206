/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* The settings in force, made from the one table in <greenroom/runtime.h>: defaults, options in code, environment.
 *
 * The table is the only place where a setting is described: its range text is what the parser here reads ("1 to 1024, or
 * auto", "auto, core or none"), and a word's place in that text is its number. So a new row needs a new row only, unless its
 * range is of a kind of its own (bind and simulate).
 *
 * For each setting: the environment if it says something (empty counts as nothing) and the option is not marked fixed; else
 * the option if it is not zero; else the default. Loading changes nothing; enforcing makes a copy that gr_setting_read
 * shows. Any thread may call anything; the environment must not be written meanwhile (getenv). */
#ifndef GRI_ACTOR_SETTINGS_H
#define GRI_ACTOR_SETTINGS_H

#include "base/compiler.h"

#include <greenroom/runtime.h>

enum gri_setting_source { GRI_SETTING_DEFAULT, GRI_SETTING_OPTION, GRI_SETTING_ENVIRONMENT };

/* In the order of their range texts, as all enumerations below. */
enum gri_guard_setting {
    GRI_GUARD_SETTING_AUTO,
    GRI_GUARD_SETTING_INSTALL,
    GRI_GUARD_SETTING_PROTECT,
    GRI_GUARD_SETTING_CANARY,
    GRI_GUARD_SETTING_REQUIRE,
};

enum gri_steal_setting { GRI_STEAL_SETTING_DISTANCE, GRI_STEAL_SETTING_RANDOM, GRI_STEAL_SETTING_NONE };

enum gri_copy_setting { GRI_COPY_SETTING_PACKED, GRI_COPY_SETTING_TEXT, GRI_COPY_SETTING_JANSSON };

enum gri_log_setting {
    GRI_LOG_SETTING_OFF,
    GRI_LOG_SETTING_ERROR,
    GRI_LOG_SETTING_WARN,
    GRI_LOG_SETTING_INFO,
    GRI_LOG_SETTING_DEBUG,
};

#define GRI_SETTING_BIND_BYTES 2048   /* a list of CPUs longer than this is refused */
#define GRI_SETTING_ALLOW_BYTES 4096  /* a list of URLs, too */
#define GRI_SETTING_TRACE_BYTES 1024  /* a path, too */
#define GRI_SETTING_FAULTS_BYTES 4096 /* a plan, too */

/* Plain value, no pointers. */
typedef struct gri_settings {
    /* workers (0: auto), bind (1 if bind_text is not "auto"), stack_kb, guard (enum gri_guard_setting), spin_us, slice_us,
     * steal (enum gri_steal_setting), mailbox_max (0: unbounded), message_mb (0: unlimited), stuck_ms,
     * blocking_threads, copy (enum gri_copy_setting), simulate (1: yes, see seed), faults (1 if faults_text is not empty),
     * remote_allow (1 if allow_text is not empty),
     * trace (1 if trace_text is not empty), log (enum gri_log_setting) */
#define GRI_SETTING_FIELD(field, kind, variable, fallback, range, text) int64_t field;
    GR_SETTINGS(GRI_SETTING_FIELD)
#undef GRI_SETTING_FIELD
    uint64_t seed;
    char bind_text[GRI_SETTING_BIND_BYTES]; /* never empty */
    char allow_text[GRI_SETTING_ALLOW_BYTES];
    char trace_text[GRI_SETTING_TRACE_BYTES];
    char faults_text[GRI_SETTING_FAULTS_BYTES];
    bool no_signal_handler;
    uint8_t source[GR_SETTING_COUNT]; /* enum gri_setting_source, by enum gr_fixed_index */
} gri_settings;

/* Reads everything. GR_EENV, GR_EINVAL: which variable or option, its value, what is allowed. options and ret_detail may
 * be NULL. */
GR_MUST_CHECK int gri_settings_load(const gr_options *options, gri_settings *ret_settings, gr_detail *ret_detail);

/* May a second gr_start with these options join a runtime that has `in_force`? Zero fields ask for nothing; what the
 * environment decided is not held against options that are not fixed. 0, GR_ECONFLICT, GR_EINVAL. */
GR_MUST_CHECK int gri_settings_conflict(const gri_settings *in_force, const gr_options *options, gr_detail *ret_detail);

/* Logs a warning for each GREENROOM_ variable that nobody reads: misspelt (with the nearest name), or another's. */
void gri_settings_warn(void);

/* What gr_setting_read shows from now on; NULL: nothing is in force. */
void gri_settings_enforce(const gri_settings *settings);

#endif
