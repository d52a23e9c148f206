/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* One run of a command under given settings, and the number that comes of it. One thread uses it, which blocks SIGINT, SIGTERM
 * and SIGCHLD (trial_signals): the command runs in a process group of its own, and what is left of the group when it has ended
 * is killed. */
#ifndef GREENROOM_TRIAL_H
#define GREENROOM_TRIAL_H

#include <regex.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct trial_subject {
    char *const *argv;
    const regex_t *metric; /* its first group is the number, the last match counts; NULL: wall time in seconds */
    bool less_is_better;
} trial_subject;

/* An environment variable of the run. */
typedef struct trial_setting {
    const char *variable, *value;
} trial_setting;

enum trial_end { TRIAL_DONE, TRIAL_FAILED, TRIAL_TOO_LONG, TRIAL_INTERRUPTED };

typedef struct trial_result {
    enum trial_end end;
    double value; /* with TRIAL_DONE; > 0 */
    int64_t took_ns;
    char reason[256]; /* with TRIAL_FAILED */
} trial_result;

/* Call it before anything else. */
void trial_signals(void);

/* limit_ns: after that it is stopped; 0: never. */
trial_result trial_run(const trial_subject *subject, const trial_setting *settings, size_t count, int64_t limit_ns);

int64_t trial_now(void);

/* Whether SIGINT or SIGTERM came, ever; its number. */
int trial_signal(void);

#endif
