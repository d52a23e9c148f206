/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
#include "greenroom/command_line.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "greenroom/command.h"

enum { NAME_BYTES_MAX = 32, DISTANCE_MAX = 3 /* guess: further ones are other words */ };

static unsigned least(unsigned a, unsigned b)
{
    return a < b ? a : b;
}

/* Edit distance (insert, remove, replace) of two names of at most NAME_BYTES_MAX bytes. */
static unsigned distance(const char *a, const char *b)
{
    unsigned row[NAME_BYTES_MAX + 1];
    size_t a_bytes = strlen(a), b_bytes = strlen(b);
    for (size_t j = 0; j <= b_bytes; j++) row[j] = (unsigned)j;
    for (size_t i = 1; i <= a_bytes; i++) {
        unsigned diagonal = row[0];
        row[0] = (unsigned)i;
        for (size_t j = 1; j <= b_bytes; j++) {
            unsigned replaced = diagonal + (a[i - 1] != b[j - 1]);
            diagonal = row[j];
            row[j] = least(replaced, least(row[j], row[j - 1]) + 1);
        }
    }
    return row[b_bytes];
}

const char *nearest_name(const char *name, const char *const *names, size_t count)
{
    const char *best = NULL;
    unsigned best_distance = DISTANCE_MAX + 1;
    if (strlen(name) > NAME_BYTES_MAX) return NULL;
    for (size_t i = 0; i < count; i++) {
        unsigned d = strlen(names[i]) > NAME_BYTES_MAX ? DISTANCE_MAX + 1 : distance(name, names[i]);
        if (d >= best_distance || d >= strlen(names[i])) continue;
        best = names[i];
        best_distance = d;
    }
    return best;
}

int cl_error(const cl_command *command, const char *format, ...)
{
    va_list args;
    fprintf(stderr, "greenroom %s: ", command->name);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fprintf(stderr, " (greenroom %s --help)\n", command->name);
    return CL_WRONG;
}

/* The text of an option may have several lines; each is indented. */
static void print_option(const char *name, const char *argument, const char *text)
{
    char left[64];
    snprintf(left, sizeof left, "%s%s%s", name, argument ? " " : "", argument ? argument : "");
    printf("  %-22s ", left);
    for (; *text; text++) {
        putchar(*text);
        if (*text == '\n') printf("%25s", "");
    }
    putchar('\n');
}

static void print_help(const cl_command *command)
{
    printf("usage: greenroom %s%s%s%s\n\n%s\n\n", command->name, command->count ? " [OPTION]..." : "",
           command->arguments ? " " : "", command->arguments ? command->arguments : "", command->text);
    for (size_t i = 0; i < command->count; i++)
        print_option(command->options[i].name, command->options[i].argument, command->options[i].text);
    print_option("--help", NULL, "prints this");
    if (command->more) command->more();
}

void cl_print_mdoc_text(const char *text)
{
    static const struct {
        char c;
        const char *escaped;
    } escapes[] = {{'\\', "\\e"}, {'~', "\\(ti"}, {'^', "\\(ha"}, {'"', "\\(dq"}, {'-', "\\-"}};
    if (*text == '.' || *text == '\'') fputs("\\&", stdout);
    for (char before = ' '; *text; before = *text++) {
        size_t i = 0, count = sizeof escapes / sizeof *escapes;
        while (i < count && escapes[i].c != *text) i++;
        bool blank = *text == ' ' || *text == '\n', sentence = before == '.' && text[1] >= 'A' && text[1] <= 'Z';
        if (i < count) {
            fputs(escapes[i].escaped, stdout);
        } else {
            putchar(blank ? (sentence ? '\n' : ' ') : *text); /* a sentence begins a line */
        }
    }
    putchar('\n');
}

void cl_print_mdoc(const cl_command *command)
{
    for (size_t i = 0; i < command->count; i++) {
        const cl_option *option = &command->options[i];
        printf(".It Fl %s%s%s\n", option->name + 1, option->argument ? " Ar " : "",
               option->argument ? option->argument : "");
        cl_print_mdoc_text(option->text);
    }
    puts(".It Fl -help\nPrints a summary.");
}

static int unknown(const cl_command *command, const char *argument, size_t bytes)
{
    char name[NAME_BYTES_MAX + 2];
    const char *names[64];
    size_t count = 0;
    for (; count < command->count && count < sizeof names / sizeof *names - 1; count++)
        names[count] = command->options[count].name;
    names[count++] = "--help";
    snprintf(name, sizeof name, "%.*s", (int)bytes, argument);
    const char *near = nearest_name(name, names, count);
    if (argument[0] != '-') return cl_error(command, "unexpected argument '%s'", argument);
    if (near) return cl_error(command, "unknown option %.*s; is %s meant?", (int)bytes, argument, near);
    return cl_error(command, "unknown option %.*s", (int)bytes, argument);
}

static bool is_one_of(const char *value, const char *words)
{
    size_t bytes = strlen(value);
    for (; *words; words += strcspn(words, " "), words += *words == ' ')
        if (strcspn(words, " ") == bytes && strncmp(words, value, bytes) == 0) return true;
    return false;
}

/* "--log is 'xml': text or json" */
static int not_one_of(const cl_command *command, const cl_option *option, const char *value)
{
    char list[256];
    size_t used = 0;
    for (const char *word = option->words; *word && used < sizeof list;) {
        size_t bytes = strcspn(word, " ");
        const char *before = word == option->words ? "" : word[bytes] ? ", " : " or ";
        used += (size_t)snprintf(list + used, sizeof list - used, "%s%.*s", before, (int)bytes, word);
        word += bytes + (word[bytes] == ' ');
    }
    return cl_error(command, "%s is '%s': %s", option->name, value, list);
}

int cl_next(cl_parser *parser, const char **ret_value)
{
    const cl_command *command = parser->command;
    if (parser->at == parser->argc) return CL_END;
    const char *argument = parser->argv[parser->at++];
    size_t bytes = strcspn(argument, "=");
    if (strcmp(argument, "--help") == 0 || strcmp(argument, "-h") == 0) {
        print_help(command);
        return CL_HELP;
    }
    for (size_t i = 0; i < command->count; i++) {
        const cl_option *option = &command->options[i];
        if (strlen(option->name) != bytes || strncmp(option->name, argument, bytes) != 0) continue;
        bool inside = argument[bytes] == '=';
        if (!option->argument) {
            *ret_value = NULL;
            return inside ? cl_error(command, "%s takes no value", option->name) : option->id;
        }
        if (!inside && parser->at == parser->argc)
            return cl_error(command, "%s needs %s", option->name, option->argument);
        const char *found = inside ? argument + bytes + 1 : parser->argv[parser->at++];
        if (option->words && !is_one_of(found, option->words)) return not_one_of(command, option, found);
        *ret_value = found;
        return option->id;
    }
    return unknown(command, argument, bytes);
}

int cl_exit_code(int id)
{
    return id == CL_WRONG ? EXIT_USAGE : id == CL_HELP ? cl_flush() : EXIT_CLEAN;
}

int cl_flush(void)
{
    errno = 0;
    if (fflush(stdout) == 0 && !ferror(stdout)) return EXIT_CLEAN;
    fprintf(stderr, "greenroom: stdout: %s\n", strerror(errno));
    return EXIT_FAILED;
}
