/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* The greenroom command: its subcommands, and what its exit codes mean. It uses the public headers only, like any program. */
#ifndef GREENROOM_COMMAND_H
#define GREENROOM_COMMAND_H

#include <stddef.h>

/* X(name, number, text) */
#define EXIT_CODES(X) \
    X(EXIT_CLEAN, 0, "done; all requests and actors ended in time") \
    X(EXIT_FAILED, 1, "the runtime or the system failed; the reason is on stderr") \
    X(EXIT_USAGE, 2, "wrong option, address, environment variable, token file or plugin; nothing was started") \
    X(EXIT_IN_USE, 3, "somebody listens on the address already") \
    X(EXIT_DEADLINE, 4, "the drain deadline passed: requests or actors were cut off")
#define EXIT_ENUMERATOR(name, number, text) name = number,
enum exit_code { EXIT_CODES(EXIT_ENUMERATOR) EXIT_BY_SIGNAL = 128 };
#undef EXIT_ENUMERATOR

/* Each gets the arguments behind its name and returns the exit code. */
int serve_command(int argc, char **argv);
int topology_command(int argc, char **argv);
int env_command(int argc, char **argv);
int tune_command(int argc, char **argv);
int version_command(int argc, char **argv);
int complete_command(int argc, char **argv);

/* Their options (command_line.h). */
struct cl_command;
extern const struct cl_command serve_line, topology_line, env_line, tune_line, version_line;

/* Subcommands by number: the name, NULL behind the last one; what it does, and its options, NULL if it has none. */
const char *command_at(size_t index, const char **ret_text, const struct cl_command **ret_line);

#endif
