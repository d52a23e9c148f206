/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Looks for faster settings, one at a time (coordinate descent), and does not take noise for a gain:
 *
 *     default, twice                the first warms up, the second says how long a run takes
 *     for each setting              SCREEN_ROUNDS rounds in which what is best so far and every other value take turns
 *         the best one or two       CONFIRM_PAIRS fresh pairs beside what is best so far; kept if CONFIRM_WINS are faster, and
 *                                   the median by what is asked for at least
 *     a second time around          if something was kept: one setting changes what another is worth
 *     what was kept                 fresh pairs beside the default; the figures are of these alone, because those that chose a
 *                                   setting flatter it
 *
 * Gains are ratios within a pair or round, above 1 for better, whichever way the number goes. */
#ifndef GREENROOM_DESCENT_H
#define GREENROOM_DESCENT_H

#include "greenroom/knobs.h"
#include "greenroom/trial.h"

enum { SCREEN_ROUNDS = 3, CONFIRM_PAIRS = 10, CONFIRM_WINS = 9, FINAL_PAIRS_MIN = 7, FINAL_PAIRS_MAX = 15 };

typedef struct gains {
    double values[FINAL_PAIRS_MAX];
    size_t count;
} gains;

enum descent_end {
    DESCENT_BETTER,      /* the choice in knobs is proven */
    DESCENT_DEFAULT,     /* nothing was better, or it did not prove true; no choice is left */
    DESCENT_INTERRUPTED, /* the choice in knobs was kept so far, and not compared with the default afresh */
    DESCENT_BROKEN       /* the command failed; said on stderr */
};

typedef struct descent {
    trial_subject subject;
    knob knobs[KNOBS_MAX];
    size_t knob_count;
    double least;   /* 1.02: a gain below 2 % is none */
    int64_t end_ns; /* trial_now() then: over, whatever happens */
    bool terminal;  /* stderr is one: a line that changes */
    /* Set by the search. */
    double value; /* of the default */
    size_t final_pairs, runs;
    int64_t spent_ns, run_ns; /* all runs but the first; their mean */
    gains final;
} descent;

/* Measures the default. 0; DESCENT_BROKEN; DESCENT_INTERRUPTED. */
int descent_begin(descent *d);

/* Seconds that the least useful search takes. */
double descent_seconds_min(const descent *d);

enum descent_end descent_run(descent *d);

double gains_median(const gains *g);
double gains_least(const gains *g);
double gains_most(const gains *g);
size_t gains_wins(const gains *g);
/* That so many wins or more are luck: a sign test. Ties count as neither. */
double gains_luck(const gains *g);

/* "+12.3 %"; text must hold 16 bytes. */
const char *gain_text(double gain, char *text);

#endif
