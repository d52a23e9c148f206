/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Options of a subcommand: one table makes the parser, its errors (with the nearest name) and --help.
 *
 *     cl_parser parser = {&line, argc, argv, 0};
 *     while ((id = cl_next(&parser, &value)) > 0) switch (id) { … }
 *     if (id != CL_END) return cl_exit_code(id);
 *
 * "--name value" and "--name=value" are the same; there are no short options but -h. Arguments besides options are errors: a
 * command that takes some looks at argv[at] before it calls cl_next. */
#ifndef GREENROOM_COMMAND_LINE_H
#define GREENROOM_COMMAND_LINE_H

#include <stdbool.h>
#include <stddef.h>

typedef struct cl_option {
    int id;               /* > 0 */
    const char *name;     /* "--listen" */
    const char *argument; /* "ADDR"; NULL: takes none. FILE and DIR are completed as such */
    const char *words;    /* "text json": what it may be; others are refused. NULL: anything */
    const char *text;     /* lines for --help */
} cl_option;

typedef struct cl_command {
    const char *name; /* "serve" */
    const char *text; /* what it does */
    const cl_option *options;
    size_t count;
    void (*more)(void);    /* prints the rest of --help; may be NULL */
    const char *arguments; /* besides options, for --help; may be NULL */
} cl_command;

typedef struct cl_parser {
    const cl_command *command;
    int argc;
    char **argv;
    int at;
} cl_parser;

enum { CL_END = 0, CL_WRONG = -1, CL_HELP = -2 };

/* The id of the next option, its value in *ret_value; CL_END; CL_WRONG after an error, CL_HELP after help was printed. */
int cl_next(cl_parser *parser, const char **ret_value);

/* What to exit with after CL_END, CL_WRONG or CL_HELP. */
int cl_exit_code(int id);

/* "greenroom serve: …" on stderr; returns CL_WRONG. */
__attribute__((format(printf, 2, 3))) int cl_error(const cl_command *command, const char *format, ...);

/* The options as items of a list in mdoc(7), for the manual: greenroom help --mdoc COMMAND. */
void cl_print_mdoc(const cl_command *command);

/* A line of text for mdoc: what it would take for markup is escaped, newlines are blanks. */
void cl_print_mdoc_text(const char *text);

/* Ends a command that prints: the exit code, 1 if stdout did not take it all. */
int cl_flush(void);

/* The name that is most like it, NULL if none is. */
const char *nearest_name(const char *name, const char *const *names, size_t count);

#endif
