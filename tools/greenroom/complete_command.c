/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* greenroom complete: what the last word of a command line may become. The scripts in tools/completion ask it, so that what a
 * shell offers is what the option tables say. A candidate and a tab and its text a line; ":file", ":folder" and ":command"
 * leave it to the shell to list those. */
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "greenroom/command.h"
#include "greenroom/command_line.h"
#include "greenroom/workloads.h"

static void print_usage(void)
{
    puts("usage: greenroom complete -- [WORD]...\n\n"
         "Prints what the last WORD behind `greenroom` may become: a candidate, a tab and what it does a line. A line\n"
         "\":file\", \":folder\" or \":command\" says that any of these may stand there.");
}

static bool begins(const char *word, const char *begin)
{
    return strncmp(word, begin, strlen(begin)) == 0;
}

/* The first line of the text. */
static void candidate(const char *word, const char *text)
{
    printf("%s\t%.*s\n", word, (int)strcspn(text, "\n"), text);
}

static void complete_commands(const char *begin)
{
    const char *name, *text;
    const cl_command *line;
    for (size_t i = 0; (name = command_at(i, &text, &line)) != NULL; i++)
        if (begins(name, begin)) candidate(name, text);
}

static const cl_command *find_line(const char *name)
{
    const char *found, *text;
    const cl_command *line;
    for (size_t i = 0; (found = command_at(i, &text, &line)) != NULL; i++)
        if (strcmp(found, name) == 0) return line;
    return NULL;
}

/* The option that this word is and that takes an argument, or NULL. */
static const cl_option *find_option(const cl_command *line, const char *word, size_t bytes)
{
    for (size_t i = 0; i < line->count; i++)
        if (line->options[i].argument && strlen(line->options[i].name) == bytes &&
            strncmp(line->options[i].name, word, bytes) == 0)
            return &line->options[i];
    return NULL;
}

static void complete_value(const cl_option *option, const char *before, const char *begin)
{
    if (strcmp(option->argument, "FILE") == 0) puts(":file");
    if (strcmp(option->argument, "DIR") == 0) puts(":folder");
    for (const char *word = option->words ? option->words : ""; *word;) {
        int bytes = (int)strcspn(word, " ");
        if (strncmp(word, begin, strlen(begin)) == 0) printf("%s%.*s\t\n", before, bytes, word);
        word += bytes + (word[bytes] == ' ');
    }
}

static void complete_options(const cl_command *line, const char *begin)
{
    for (size_t i = 0; i < line->count; i++)
        if (begins(line->options[i].name, begin)) candidate(line->options[i].name, line->options[i].text);
    if (begins("--help", begin)) candidate("--help", "prints the options");
}

static void complete_workloads(const char *begin)
{
    for (const workload *w = workloads; w->name; w++)
        if (begins(w->name, begin)) candidate(w->name, "a workload");
}

/* words[0] is the command, words[count - 1] the word to complete, count > 1. */
static void complete_in(const cl_command *line, int count, char **words)
{
    const char *last = words[count - 1];
    size_t name_bytes = strcspn(last, "=");
    const cl_option *option = NULL;
    for (int i = 1; i < count - 1; i++) {
        if (strcmp(words[i], "--") == 0) {
            puts(":command");
            return;
        }
        /* An argument is no option, whatever it looks like. */
        option = option ? NULL : find_option(line, words[i], strlen(words[i]));
    }
    if (option) {
        complete_value(option, "", last);
    } else if (last[name_bytes] == '=' && (option = find_option(line, last, name_bytes)) != NULL) {
        char before[64];
        snprintf(before, sizeof before, "%s=", option->name);
        complete_value(option, before, last + name_bytes + 1);
    } else {
        complete_options(line, last);
        if (line == &tune_line) complete_workloads(last);
    }
}

int complete_command(int argc, char **argv)
{
    if (argc == 1 && (strcmp(argv[0], "--help") == 0 || strcmp(argv[0], "-h") == 0)) {
        print_usage();
        return cl_flush();
    }
    if (argc > 0 && strcmp(argv[0], "--") == 0) argc--, argv++;
    if (argc <= 1 || strcmp(argv[0], "help") == 0) {
        if (argc <= 2) complete_commands(argc > 0 ? argv[argc - 1] : "");
        return cl_flush();
    }
    const cl_command *line = find_line(argv[0]);
    if (line) complete_in(line, argc, argv);
    return cl_flush();
}
