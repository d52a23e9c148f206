/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Golden cases in files below tests/data, so that a new case needs no code.
 *
 * A file is a list of cases with empty lines between them; a case is lines "name: text"; '#' starts a comment line. In a text
 * %41 is the byte 0x41 and %{3*ab} is "ababab"; spaces at the end count only as %20. Anything else is as it stands. */
#ifndef GR_TESTS_SUPPORT_CASES_H
#define GR_TESTS_SUPPORT_CASES_H

#include <stdbool.h>
#include <stddef.h>

typedef struct gr_case_field {
    char name[16];
    char *text; /* NUL-terminated behind its bytes */
    size_t bytes;
} gr_case_field;

typedef struct gr_case {
    const char *file;
    int line;
    size_t count;
    gr_case_field fields[12];
} gr_case;

/* The field, or NULL. */
const gr_case_field *gr_case_get(const gr_case *c, const char *name);

/* Says what is wrong with a case, and returns false: for the end of a body. */
__attribute__((format(printf, 2, 3))) bool gr_case_wrong(const gr_case *c, const char *format, ...);

/* Runs `body` on every case of every file in tests/data/<folder> whose name ends in `suffix`; returns how many were wrong.
 * Fails the test if there is no case at all. */
int gr_cases_run(const char *folder, const char *suffix, bool (*body)(const gr_case *c));

/* A whole file of tests/data, to be freed. */
char *gr_case_file(const char *folder, const char *name, size_t *ret_bytes);
/* Calls `body` with the names of the files of a folder that end in `suffix`; returns how many there are. */
int gr_case_files(const char *folder, const char *suffix, void (*body)(const char *folder, const char *name));

#endif
