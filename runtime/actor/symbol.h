/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* What an address in the program is called: function, file, line, and the lines of source around it.
 *
 * Made with elfutils' libdw where the build has it (GRI_DWARF), from debug information in the file or in the system's
 * build-id tree; never over the network. Without it, or when it finds nothing: the dynamic symbol, file "?", line 0.
 *
 * Each address is looked up once per run; then it is a search in a table under a lock. The first look is made on a helper
 * thread, since libdw needs more stack than a green thread has, and the caller blocks for it: 0.1 ms once its module's debug
 * information is open, 1.5 ms to open that of a small program (measured).
 *
 * Any thread, any actor; never suspends; needs 2 KB of stack. */
#ifndef GRI_ACTOR_SYMBOL_H
#define GRI_ACTOR_SYMBOL_H

#include "base/compiler.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define GRI_SYMBOL_LINES 4 /* of source: two before, the line, one after */

/* Valid UTF-8 all of it; immutable; lives until gri_symbols_stop. */
typedef struct gri_symbol {
    uintptr_t pc;
    const char *method, *file;           /* "?" if unknown */
    int line;                            /* 0 if unknown */
    int lines_first;                     /* number of the first line below */
    const char *lines[GRI_SYMBOL_LINES]; /* without newline; NULL where there is none */
    bool ours;                           /* the runtime's own */
} gri_symbol;

/* Addresses of the frames above the caller's, innermost first; at most `capacity`. Ends where the green thread began.
 * Return addresses are moved back into their call. */
size_t gri_symbols_walk(uintptr_t *ret_pcs, size_t capacity);

/* Looks all of them up. What cannot be found (no memory either) is "?". */
void gri_symbols_find(const uintptr_t *pcs, size_t count, const gri_symbol **ret_symbols);

/* Forgets everything. Nobody uses a symbol. */
void gri_symbols_stop(void);

#endif
