/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* A user's program in C++17: the same headers, the same macros. */
#include <cstdio>
#include <cstring>
#include <greenroom.h>

static void echo(gr_self *self, gr_value args)
{
    gr_return(self, "{s:V,s:s}", "got", args, "from", "C++");
}

static int ask(gr_self *self, bool *ret_right)
{
    gr_address actor;
    gr_message *result = nullptr;
    gr_spawn_options options = {};
    options.retain = true;
    int error = gr_spawn_with(self, &actor, echo, &options, "[i,s]", 7, "seven");
    if (!error) error = gr_wait(self, actor, &result, gr_after_s(60));
    if (!error) {
        gr_value got = gr_get(gr_body(result), "got");
        *ret_right = gr_int(gr_at(got, 0), 0) == 7 && std::strcmp(gr_string(gr_at(got, 1), ""), "seven") == 0;
    }
    gr_message_free(&result);
    return error;
}

int main()
{
    gr_detail detail;
    gr_self *self = nullptr;
    bool right = false;
    int error = gr_start(nullptr, &detail);
    if (error) {
        std::fprintf(stderr, "gr_start: %s: %s\n", gr_error_name(error), detail.text);
        return 1;
    }
    error = gr_attach(&self);
    if (!error) error = ask(self, &right);
    if (self) gr_detach(&self);
    int stopped = gr_stop(gr_after_s(60));
    std::printf("C++: version %s, right %d, %s, stop %d\n", gr_version(), right, gr_error_name(error), stopped);
    return !(error == 0 && stopped == 0 && right);
}
