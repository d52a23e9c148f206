/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* main: finds the subcommand. */
#include "greenroom/command.h"

#include <errno.h>
#include <fcntl.h>
#include <greenroom.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "greenroom/command_line.h"

static int help_command(int argc, char **argv);

static const struct subcommand {
    const char *name;
    int (*run)(int argc, char **argv);
    const cl_command *line; /* its options; NULL: none that could be completed */
    const char *text;
} subcommands[] = {
    {"serve", serve_command, &serve_line, "shows actors over HTTP, with demo behaviours to try"},
    {"topology", topology_command, &topology_line, "prints the machine, and where the workers would run"},
    {"env", env_command, &env_line,
     "prints the GREENROOM_ variables: default, value in force, where from, what each does"},
    {"tune", tune_command, &tune_line, "finds the settings that make a program faster on this machine"},
    {"version", version_command, &version_line, "prints the version"},
    {"complete", complete_command, NULL, "prints what a word of a command line may become, for shells"},
    {"help", help_command, NULL, "prints this, or with a command's name its options"},
};

enum { SUBCOMMANDS = sizeof subcommands / sizeof *subcommands };

static void print_help(FILE *out)
{
    fputs("usage: greenroom COMMAND [OPTION]...\n\n"
          "Greenroom, a work-stealing multicore actor runtime.\n\n",
          out);
    for (size_t i = 0; i < SUBCOMMANDS; i++) fprintf(out, "  %-9s %s\n", subcommands[i].name, subcommands[i].text);
    fputs("\nEvery command has --help, and a manual page.\n", out);
}

static const struct subcommand *find(const char *name)
{
    for (size_t i = 0; i < SUBCOMMANDS; i++)
        if (strcmp(subcommands[i].name, name) == 0) return &subcommands[i];
    return NULL;
}

const char *command_at(size_t index, const char **ret_text, const cl_command **ret_line)
{
    if (index >= SUBCOMMANDS) return NULL;
    *ret_text = subcommands[index].text;
    *ret_line = subcommands[index].line;
    return subcommands[index].name;
}

static int unknown(const char *name)
{
    const char *names[SUBCOMMANDS];
    for (size_t i = 0; i < SUBCOMMANDS; i++) names[i] = subcommands[i].name;
    const char *near = nearest_name(name, names, SUBCOMMANDS);
    fprintf(stderr, "greenroom: there is no command '%s'", name);
    if (near) fprintf(stderr, "; is '%s' meant?", near);
    fputs(" (greenroom help)\n", stderr);
    return EXIT_USAGE;
}

static int help_command(int argc, char **argv)
{
    if (argc == 0 || strcmp(argv[0], "--help") == 0 || strcmp(argv[0], "-h") == 0 || strcmp(argv[0], "help") == 0) {
        print_help(stdout);
        return EXIT_CLEAN;
    }
    bool mdoc = argc == 2 && strcmp(argv[0], "--mdoc") == 0; /* for tools/manual/update */
    const struct subcommand *found = find(argv[mdoc]);
    char *arguments[] = {"--help", NULL};
    if (mdoc && found && found->line) {
        cl_print_mdoc(found->line);
        return cl_flush();
    }
    return found ? found->run(1, arguments) : unknown(argv[0]);
}

const cl_command version_line = {
    .name = "version",
    .text = "Prints the version of the library that the command runs with.",
};

int version_command(int argc, char **argv)
{
    cl_parser parser = {&version_line, argc, argv, 0};
    const char *value;
    int id = cl_next(&parser, &value);
    if (id != CL_END) return cl_exit_code(id);
    printf("greenroom %s\n", gr_version());
    return cl_flush();
}

/* Whoever starts us may have closed these: what we open next must not become stdout. */
static void open_standard(void)
{
    for (int fd = 0; fd <= 2; fd++)
        if (fcntl(fd, F_GETFD) < 0 && errno == EBADF && open("/dev/null", O_RDWR) < 0) _exit(EXIT_FAILED);
}

int main(int argc, char **argv)
{
    open_standard();
    if (argc < 2) {
        print_help(stderr);
        return EXIT_USAGE;
    }
    const char *name = argv[1];
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0) name = "help";
    if (strcmp(name, "--version") == 0) name = "version";
    const struct subcommand *found = find(name);
    return found ? found->run(argc - 2, argv + 2) : unknown(name);
}
