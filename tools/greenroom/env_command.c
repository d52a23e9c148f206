/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* greenroom env: the settings, as a table for people, for documents, or as JSON. */
#include <greenroom.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "greenroom/command.h"
#include "greenroom/command_line.h"

enum { JSON = 1, MARKDOWN, MDOC };
enum { SETTINGS_MAX = 64, NAME_BYTES = 64 };

static const cl_option options[] = {
    {JSON, "--json", NULL, NULL, "one array of objects"},
    {MARKDOWN, "--markdown", NULL, NULL, "a table for documents: the defaults only"},
    {MDOC, "--mdoc", NULL, NULL, "a list for manuals: the defaults only"},
};

static void more_help(void)
{
    puts("\nExit codes: 0; 2 if a variable has a value that is not allowed. Names nobody knows are listed at the end.");
}

const cl_command env_line = {
    .name = "env",
    .text = "Prints the environment variables that tune the runtime: the value in force now, where it comes from, the\n"
            "default, what is allowed, and what it does. The environment wins over what a program asks for in code,\n"
            "unless the program says that it is fixed.",
    .options = options,
    .count = sizeof options / sizeof *options,
    .more = more_help,
};

static bool is_wrong(const gr_setting_info *info)
{
    return strstr(info->source, "invalid") != NULL;
}

static const char *or_nothing(const char *text)
{
    return *text ? text : "(empty)";
}

static void print_plain(const gr_setting_info *info)
{
    printf("%s=%s (%s)\n    %s\n    allowed: %s; default: %s\n", info->variable, info->value, info->source, info->text,
           info->range, or_nothing(info->fallback));
}

static void print_markdown(const gr_setting_info *info)
{
    printf("| `%s` | %s | %s | %s |\n", info->variable, or_nothing(info->fallback), info->range, info->text);
}

static void print_mdoc(const gr_setting_info *info)
{
    printf(".It Ev %s\n", info->variable);
    cl_print_mdoc_text(info->text);
    fputs(".br\n", stdout);
    fputs("Allowed: ", stdout);
    cl_print_mdoc_text(info->range);
    fputs(".br\n", stdout);
    fputs("Default: ", stdout);
    cl_print_mdoc_text(or_nothing(info->fallback));
}

static int put_json(gr_builder *b, const gr_setting_info *info)
{
    const struct {
        const char *key, *value;
    } members[] = {{"variable", info->variable}, {"value", info->value},   {"source", info->source},
                   {"default", info->fallback},  {"allowed", info->range}, {"text", info->text}};
    gr_put_object(b);
    for (size_t i = 0; i < sizeof members / sizeof *members; i++)
        gr_put_key(b, members[i].key), gr_put_string(b, members[i].value);
    gr_put_end(b);
    return gr_build_error(b, NULL);
}

static int print_built(gr_builder *b)
{
    static const gr_print_options pretty = {.indent = 2};
    gr_message *message = NULL;
    char *text = NULL;
    int code = gr_build_message(b, &message);
    if (code == 0) text = gr_print_new(gr_body(message), &pretty, NULL);
    if (text) puts(text);
    free(text);
    gr_message_free(&message);
    return text ? cl_flush() : EXIT_FAILED;
}

static bool is_setting(const char *entry)
{
    gr_setting_info info;
    size_t bytes = strcspn(entry, "=");
    for (size_t i = 0; gr_setting_read(i, &info) == 0; i++)
        if (strlen(info.variable) == bytes && strncmp(info.variable, entry, bytes) == 0) return true;
    return false;
}

/* The setting that is most like `name`, NULL if none is; in a buffer of this function. */
static const char *nearest_setting(const char *name)
{
    static gr_setting_info infos[SETTINGS_MAX];
    const char *names[SETTINGS_MAX];
    size_t count = 0;
    for (; count < SETTINGS_MAX && gr_setting_read(count, &infos[count]) == 0; count++)
        names[count] = infos[count].variable;
    return nearest_name(name, names, count);
}

static void print_unknown(void)
{
    for (char **entry = environ; entry && *entry; entry++) {
        char name[NAME_BYTES];
        int bytes = (int)strcspn(*entry, "=");
        if (strncmp(*entry, "GREENROOM_", 10) != 0 || is_setting(*entry)) continue;
        snprintf(name, sizeof name, "%.*s", bytes, *entry);
        const char *near = nearest_setting(name);
        printf("%.*s is no setting: it has no effect", bytes, *entry);
        if (near) printf("; is %s meant?", near);
        putchar('\n');
    }
}

int env_command(int argc, char **argv)
{
    cl_parser parser = {&env_line, argc, argv, 0};
    const char *value;
    int id, format = 0;
    bool wrong = false;
    gr_builder b;
    gr_setting_info info;
    while ((id = cl_next(&parser, &value)) > 0) format = id;
    if (id != CL_END) return cl_exit_code(id);
    gr_build(&b);
    gr_put_array(&b);
    if (format == MARKDOWN) puts("| variable | default | allowed | what it does |\n|---|---|---|---|");
    for (size_t i = 0; gr_setting_read(i, &info) == 0; i++) {
        wrong = wrong || is_wrong(&info);
        if (format == 0) print_plain(&info);
        if (format == MARKDOWN) print_markdown(&info);
        if (format == MDOC) print_mdoc(&info);
        if (format == JSON && put_json(&b, &info) != 0) break;
    }
    gr_put_end(&b);
    if (format == 0) print_unknown();
    int code = format == JSON ? print_built(&b) : cl_flush();
    if (format != JSON) gr_build_cancel(&b);
    return code == EXIT_CLEAN && wrong ? EXIT_USAGE : code;
}
