/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
#include "rest/ending.h"

#include <string.h>

int gri_ending_init(gri_ending *ending, gr_self *self, gr_address address)
{
    *ending = (gri_ending){.self = self, .address = address};
    return gr_monitor(self, address, &ending->monitor);
}

void gri_ending_fini(gri_ending *ending)
{
    gr_message_free(&ending->down);
    (void)gr_demonitor(ending->self, ending->monitor, true); /* GR_ENOTFOUND: it has told */
}

/* Whatever else is in the mailbox is not ours. */
int gri_ending_wait(gri_ending *ending, gr_deadline deadline)
{
    unsigned char storage[32];
    gr_shape *shape = NULL;
    gr_pattern pattern = {.params = {NULL}};
    if (ending->down) return 0;
    int code = gr_pack_into(storage, sizeof storage, &pattern.params, "[I]", (int64_t)ending->monitor.id);
    if (code == 0) code = gr_shape_compile("{\"down\": $1}", &shape, NULL);
    pattern.shape = shape;
    if (code == 0) code = gr_select(ending->self, &pattern, 1, &ending->down, deadline);
    gr_shape_free(&shape);
    return code < 0 ? code : 0;
}

/* A report that the runtime made itself has no stack; one that an actor raised under the same name has. */
static bool is_made_by_runtime(gr_value report, const char *error)
{
    return strcmp(gr_string(gr_get(report, "error"), ""), error) == 0 && gr_count(gr_get(report, "stack-trace")) == 0;
}

bool gri_ending_was_before(const gri_ending *ending)
{
    return is_made_by_runtime(gr_get(gr_body(ending->down), "exception"), "dead");
}

int gri_ending_pack(const gri_ending *ending, gr_message **ret_message)
{
    gr_value down = gr_body(ending->down), report = gr_get(down, "exception");
    if (is_made_by_runtime(report, "killed")) return gr_pack(ret_message, "{s:b}", "killed", true);
    if (gr_type_of(report) != GR_MISSING) return gr_pack(ret_message, "{s:V}", "exception", report);
    return gr_pack(ret_message, "{s:V}", "exit", gr_get(down, "exit"));
}
