/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* greenroom topology: the machine, and where the workers would run. */
#include <greenroom.h>
#include <stdio.h>
#include <stdlib.h>

#include "greenroom/command.h"
#include "greenroom/command_line.h"

enum { JSON = 1 };

static const cl_option options[] = {{JSON, "--json", NULL, NULL, "one JSON object"}};

static void more_help(void)
{
    puts("\nGREENROOM_WORKERS and GREENROOM_BIND change the answer, and so does HWLOC_SYNTHETIC, which describes "
         "another\n"
         "machine, for example HWLOC_SYNTHETIC='numa:2 core:8 pu:2'.");
}

const cl_command topology_line = {
    .name = "topology",
    .text =
        "Prints the CPUs, cores, caches and NUMA nodes that this process may use, the CPU quota of its control group,\n"
        "how many workers a runtime started here would have, where each runs, and whom it robs first.",
    .options = options,
    .count = sizeof options / sizeof *options,
    .more = more_help,
};

static int print(bool json)
{
    gr_detail detail = {0};
    char *text = NULL;
    size_t bytes = 0;
    int code = gr_topology_print(json, NULL, 0, &bytes, &detail);
    while (code == GR_ETOOBIG) {
        free(text);
        size_t room = bytes + 1;
        text = malloc(room);
        code = text ? gr_topology_print(json, text, room, &bytes, &detail) : GR_ENOMEM;
    }
    if (code == 0) fputs(text, stdout);
    if (code == 0 && json) putchar('\n');
    free(text);
    if (code == 0) return cl_flush();
    fprintf(stderr, "greenroom topology: %s\n", detail.text[0] ? detail.text : gr_error_text(code));
    return code == GR_EENV ? EXIT_USAGE : EXIT_FAILED;
}

int topology_command(int argc, char **argv)
{
    cl_parser parser = {&topology_line, argc, argv, 0};
    const char *value;
    int id;
    bool json = false;
    while ((id = cl_next(&parser, &value)) > 0) json = id == JSON;
    return id == CL_END ? print(json) : cl_exit_code(id);
}
