/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* A user's program in C: starts the runtime, spawns an actor, sends, waits for its result, stops. */
#include <greenroom.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static void adder(gr_self *self, gr_value args)
{
    int64_t sum = gr_int(gr_get(args, "start"), 0);
    for (gr_message *m = NULL; gr_receive(self, &m, GR_FOREVER) == 0; gr_message_free(&m)) {
        sum += gr_int(gr_get(gr_body(m), "add"), 0);
        if (gr_bool(gr_get(gr_body(m), "last"), false)) {
            gr_message_free(&m);
            gr_return(self, "I", sum);
            return;
        }
    }
}

static int sum_of_three(gr_self *self, int64_t *ret_sum)
{
    gr_address actor;
    gr_message *result = NULL;
    gr_spawn_options options = {.retain = true};
    int error = gr_spawn_with(self, &actor, adder, &options, "{s:i}", "start", 10);
    if (!error) error = gr_cast(self, actor, "{s:i}", "add", 20);
    if (!error) error = gr_cast(self, actor, "{s:i,s:b}", "add", 12, "last", true);
    if (!error) error = gr_wait(self, actor, &result, gr_after_s(60));
    if (!error) *ret_sum = gr_int(gr_body(result), -1);
    gr_message_free(&result);
    return error;
}

int main(void)
{
    gr_detail detail;
    gr_self *self = NULL;
    int64_t sum = 0;
    int error = gr_start(NULL, &detail);
    if (error) {
        fprintf(stderr, "gr_start: %s: %s\n", gr_error_name(error), detail.text);
        return 1;
    }
    error = gr_attach(&self);
    if (!error) error = sum_of_three(self, &sum);
    if (self) gr_detach(&self);
    int stopped = gr_stop(gr_after_s(60));
    printf("C: version %s, sum %" PRId64 ", %s, stop %d\n", gr_version(), sum, gr_error_name(error), stopped);
    char header[32];
    snprintf(header, sizeof header, "%d.%d.%d", GR_VERSION_MAJOR, GR_VERSION_MINOR, GR_VERSION_PATCH);
    return !(error == 0 && stopped == 0 && sum == 42 && strcmp(header, gr_version()) == 0);
}
