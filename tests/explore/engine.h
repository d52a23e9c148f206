/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* What the two halves of the explorer tell each other: explorer.c chooses and switches, model.c is the memory. */
#ifndef GR_TESTS_EXPLORE_ENGINE_H
#define GR_TESTS_EXPLORE_ENGINE_H

#include "explore/explorer.h"

/* Thread 0 is setup and check, the program's threads follow. */
#define ENGINE_THREADS (EXPLORE_THREADS_MAX + 1)

/* explorer.c */
extern uint32_t engine_execution; /* counts from 1 */
extern unsigned engine_self;      /* the thread that runs */
void engine_point(void);          /* another thread may go first */
unsigned engine_choose(unsigned count);
/* Whether a value other than the newest may be read now. */
bool engine_stale_allowed(void);
/* Whether a load may return a value that will be stored later. */
bool engine_future_allowed(void);
/* Chooses among `count` values that have been stored, 0 being the newest, and then `futures` later ones. */
unsigned engine_choose_value(unsigned count, unsigned futures);
void engine_wrote(void); /* threads in explore_wait may go on */
void engine_note(const explore_site *site, uint32_t location, uint64_t before, uint64_t after, const char *remark);
const char *engine_place(const void *code); /* its function and address, for engine_note */
void engine_fail(const explore_site *site, const char *text);

/* model.c */
void explore_plain_from(const void *address, bool write, const explore_site *site, const void *caller);
void model_begin(void);
void model_forget(void);          /* the values that loads may expect: another program begins */
void model_learn(bool on);        /* whether stores add to these values */
unsigned model_expecting(void);   /* loads that have returned a value nobody has stored yet */
void model_fork(unsigned thread); /* from thread 0 */
void model_join(unsigned thread); /* to thread 0 */

#endif
