/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
#include "greenroom/descent.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LUCK_MAX 0.02 /* of a final result; a guess: one in fifty searches on pure noise may end with a setting */
#define SLOW_FACTOR 5 /* a setting that makes a run so much longer is out */
#define SLOW_NS 1000000000

enum { PASSES = 2, TRIES = 2 };

/* ---- numbers ---- */

static int compare_doubles(const void *left, const void *right)
{
    double l = *(const double *)left, r = *(const double *)right;
    return (l > r) - (l < r);
}

static double rank(const gains *g, size_t doubled)
{
    double sorted[FINAL_PAIRS_MAX];
    if (g->count == 0) return 1;
    memcpy(sorted, g->values, g->count * sizeof *sorted);
    qsort(sorted, g->count, sizeof *sorted, compare_doubles);
    return (sorted[doubled / 2] + sorted[(doubled + 1) / 2]) / 2;
}

double gains_median(const gains *g)
{
    return rank(g, g->count - 1);
}

double gains_least(const gains *g)
{
    return rank(g, 0);
}

double gains_most(const gains *g)
{
    return rank(g, 2 * (g->count - 1));
}

static size_t count_above(const gains *g, int sign)
{
    size_t found = 0;
    for (size_t i = 0; i < g->count; i++) found += sign > 0 ? g->values[i] > 1 : g->values[i] < 1;
    return found;
}

size_t gains_wins(const gains *g)
{
    return count_above(g, 1);
}

double gains_luck(const gains *g)
{
    size_t wins = gains_wins(g), n = wins + count_above(g, -1);
    double ways = 1, sum = 0, all = 1;
    for (size_t k = 0; k <= n; k++) {
        if (k >= wins) sum += ways;
        ways = ways * (double)(n - k) / (double)(k + 1);
    }
    for (size_t i = 0; i < n; i++) all *= 2;
    return sum / all;
}

const char *gain_text(double gain, char *text)
{
    double percent = (gain - 1) * 100;
    snprintf(text, 16, "%+.*f %%", percent > -10 && percent < 10 ? 1 : 0, percent);
    return text;
}

/* ---- one run ---- */

/* What is chosen, with knob `changed` at `value` instead; NULL: nothing changed. plain: nothing chosen either. */
static trial_result run(descent *d, bool plain, const knob *changed, int value)
{
    trial_setting settings[KNOBS_MAX];
    size_t count = 0;
    for (size_t i = 0; i < d->knob_count && !plain; i++) {
        const knob *k = &d->knobs[i];
        int index = k == changed ? value : k->chosen;
        if (index != KNOB_AS_IT_IS) settings[count++] = (trial_setting){k->variable, k->values[index]};
    }
    int64_t left_ns = d->end_ns - trial_now(), limit_ns = d->run_ns ? d->run_ns * SLOW_FACTOR + SLOW_NS : left_ns;
    trial_result out_of_time = {.end = TRIAL_INTERRUPTED};
    if (left_ns <= 0) return out_of_time;
    bool last = limit_ns >= left_ns;
    trial_result result = trial_run(&d->subject, settings, count, last ? left_ns : limit_ns);
    if (d->runs++ > 0) d->spent_ns += result.took_ns; /* the first one warms up */
    if (d->runs > 1) d->run_ns = d->spent_ns / (int64_t)(d->runs - 1);
    if (last && result.end == TRIAL_TOO_LONG) return out_of_time;
    return result;
}

static double gain(const descent *d, double from, double to)
{
    return d->subject.less_is_better ? from / to : to / from;
}

static int broken(const descent *d, const trial_result *result)
{
    if (result->end == TRIAL_INTERRUPTED) return DESCENT_INTERRUPTED;
    fprintf(stderr, "%sgreenroom tune: the command failed: %s\n", d->terminal ? "\r\033[K" : "",
            result->end == TRIAL_TOO_LONG ? "it took five times as long as before" : result->reason);
    return DESCENT_BROKEN;
}

int descent_begin(descent *d)
{
    for (int i = 0; i < 2; i++) {
        trial_result result = run(d, true, NULL, 0);
        if (result.end != TRIAL_DONE) return broken(d, &result);
        d->value = result.value;
    }
    return 0;
}

static size_t values_most(const descent *d)
{
    size_t most = 0;
    for (size_t i = 0; i < d->knob_count; i++)
        if (d->knobs[i].count > most) most = d->knobs[i].count;
    return most;
}

double descent_seconds_min(const descent *d)
{
    size_t runs = SCREEN_ROUNDS * (values_most(d) + 1) + 2 * CONFIRM_PAIRS + 2 * FINAL_PAIRS_MIN;
    return (double)d->run_ns * 1e-9 * (double)runs;
}

/* Whether so many runs can be had, with the last pairs after them. */
static bool affordable(const descent *d, size_t runs)
{
    return trial_now() + d->run_ns * (int64_t)(runs + 2 * d->final_pairs) <= d->end_ns;
}

/* ---- pairs ---- */

/* The choice with `changed` at `value` beside the choice without, or with NULL the choice beside the default. Stops when `wins`
 * can no longer be reached. */
static int pairs(descent *d, const knob *changed, int value, size_t count, size_t wins, gains *ret_gains)
{
    gains g = {.count = 0};
    while (g.count < count && gains_wins(&g) + (count - g.count) >= wins) {
        trial_result results[2];
        for (size_t turn = 0; turn < 2; turn++) {
            size_t side = (turn + g.count) % 2; /* who begins changes */
            results[side] = run(d, side == 0 && !changed, side == 1 ? changed : NULL, value);
            if (results[side].end != TRIAL_DONE) {
                *ret_gains = g;
                return broken(d, &results[side]);
            }
        }
        g.values[g.count++] = gain(d, results[0].value, results[1].value);
    }
    *ret_gains = g;
    return 0;
}

/* ---- one setting ---- */

typedef struct screening {
    gains gains[KNOB_VALUES_MAX];
    bool out[KNOB_VALUES_MAX]; /* in force already, failed, or turned down */
} screening;

static void show(const descent *d, const knob *k, size_t round)
{
    if (d->terminal) fprintf(stderr, "\r\033[K  %s: round %zu of %d", k->variable, round + 1, SCREEN_ROUNDS);
}

static int screen(descent *d, const knob *k, screening *s)
{
    for (size_t round = 0; round < SCREEN_ROUNDS; round++) {
        double values[KNOB_VALUES_MAX + 1];
        bool done[KNOB_VALUES_MAX + 1] = {false};
        show(d, k, round);
        for (size_t turn = 0; turn <= k->count; turn++) {
            size_t side = (turn + round) % (k->count + 1); /* the last one is what there is */
            if (side < k->count && s->out[side]) continue;
            trial_result result = run(d, false, side < k->count ? k : NULL, (int)side);
            if (result.end == TRIAL_INTERRUPTED || (result.end != TRIAL_DONE && side == k->count))
                return broken(d, &result);
            values[side] = result.value;
            done[side] = result.end == TRIAL_DONE;
            if (done[side]) continue;
            s->out[side] = true;
            fprintf(stderr, "%s  %s=%s: %s\n", d->terminal ? "\r\033[K" : "", k->variable, k->values[side],
                    result.end == TRIAL_TOO_LONG ? "takes more than five times as long" : result.reason);
        }
        for (size_t i = 0; i < k->count; i++)
            if (done[i]) s->gains[i].values[s->gains[i].count++] = gain(d, values[k->count], values[i]);
    }
    return 0;
}

static void print_screening(const descent *d, const knob *k, const screening *s)
{
    char text[16];
    fprintf(stderr, "%s  %s is %s;", d->terminal ? "\r\033[K" : "", k->variable, knob_value(k));
    for (size_t i = 0; i < k->count; i++)
        if (!s->out[i]) fprintf(stderr, " %s: %s;", k->values[i], gain_text(gains_median(&s->gains[i]), text));
}

/* The value that looks best, above what is asked for in most rounds; -1 without one. */
static int promising(const descent *d, const knob *k, const screening *s)
{
    int best = -1;
    for (size_t i = 0; i < k->count; i++) {
        const gains *g = &s->gains[i];
        if (s->out[i] || gains_median(g) < d->least || gains_wins(g) * 2 <= g->count) continue;
        if (best < 0 || gains_median(g) > gains_median(&s->gains[best])) best = (int)i;
    }
    return best;
}

/* *ret_kept: a value was taken. */
static int improve(descent *d, knob *k, bool *ret_kept)
{
    screening s = {.out = {false}};
    for (size_t i = 0; i < k->count; i++) s.out[i] = strcmp(k->values[i], knob_value(k)) == 0;
    int code = screen(d, k, &s);
    if (code != 0) return code;
    print_screening(d, k, &s);
    int value;
    for (int attempt = 0; attempt < TRIES && (value = promising(d, k, &s)) >= 0; attempt++) {
        char median[16], low[16], high[16];
        gains g;
        if (!affordable(d, 2 * CONFIRM_PAIRS)) break;
        code = pairs(d, k, value, CONFIRM_PAIRS, CONFIRM_WINS, &g);
        if (code != 0) break;
        bool good = gains_wins(&g) >= CONFIRM_WINS && gains_median(&g) >= d->least;
        fprintf(stderr, "\n    %s again: %s [%s..%s], better in %zu of %zu: %s", k->values[value],
                gain_text(gains_median(&g), median), gain_text(gains_least(&g), low), gain_text(gains_most(&g), high),
                gains_wins(&g), g.count, good ? "kept" : "noise");
        s.out[value] = true;
        if (!good) continue;
        k->chosen = value;
        *ret_kept = true;
        break;
    }
    fputc('\n', stderr);
    return code;
}

/* ---- all of it ---- */

static int search(descent *d)
{
    bool kept = true, short_of_time = false;
    for (int pass = 0; pass < PASSES && kept && !short_of_time; pass++) {
        kept = false;
        for (size_t i = 0; i < d->knob_count; i++) {
            knob *k = &d->knobs[i];
            if (!affordable(d, SCREEN_ROUNDS * (k->count + 1))) {
                fprintf(stderr, "  no time for %s\n", k->variable);
                short_of_time = true;
                continue;
            }
            int code = improve(d, k, &kept);
            if (code != 0) return code;
        }
    }
    return 0;
}

static bool chose(const descent *d)
{
    for (size_t i = 0; i < d->knob_count; i++)
        if (d->knobs[i].chosen != KNOB_AS_IT_IS) return true;
    return false;
}

static void forget(descent *d)
{
    for (size_t i = 0; i < d->knob_count; i++) d->knobs[i].chosen = KNOB_AS_IT_IS;
}

enum descent_end descent_run(descent *d)
{
    size_t can = (size_t)((d->end_ns - trial_now()) / (d->run_ns + 1)) / 8;
    d->final_pairs = can < FINAL_PAIRS_MIN ? FINAL_PAIRS_MIN : can > FINAL_PAIRS_MAX ? FINAL_PAIRS_MAX : can;
    int code = search(d);
    if (code != 0) return code;
    if (!chose(d)) return DESCENT_DEFAULT;
    if (d->terminal) fprintf(stderr, "  all of it beside the default");
    code = pairs(d, NULL, 0, d->final_pairs, 0, &d->final);
    if (d->terminal) fputs("\r\033[K", stderr);
    if (code != 0) return code;
    if (gains_median(&d->final) >= d->least && gains_luck(&d->final) <= LUCK_MAX) return DESCENT_BETTER;
    forget(d);
    return DESCENT_DEFAULT;
}
