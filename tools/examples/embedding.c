/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* README.md shows this file from the first #include on.
 * Prints: hello, Ada */
#include <greenroom.h>
#include <greenroom/rest.h>
#include <stdio.h>

/* A server: an actor made of methods. It has no stack while it is idle. */
static void greet(gr_self *self, void *state, gr_value argument)
{
    char text[256];
    int64_t *greeted = state;
    const char *name = gr_string(gr_get(argument, "name"), NULL);
    if (!name) gr_raise(self, "bad_argument", "greet takes {\"name\": string}"); /* the caller gets this */
    ++*greeted;
    snprintf(text, sizeof text, "hello, %s", name);
    (void)gr_reply(self, "s", text);
}

static void describe(gr_self *self, void *state, gr_builder *builder) /* what GET answers */
{
    (void)self;
    gr_put_object(builder);
    gr_put_key(builder, "greeted"), gr_put_int(builder, *(int64_t *)state);
    gr_put_end(builder);
}

static const gr_method methods[] = {{"greet", greet}};
static const gr_server greeter = {
    .state_bytes = sizeof(int64_t), .methods = methods, .method_count = 1, .describe = describe};
static const gr_behaviour behaviour = {.name = "greeter", .server = &greeter, .text = "greets by name"};

static void log_line(void *arg, enum gr_log_level level, gr_address subject, const char *line)
{
    (void)subject;
    fprintf(arg, "<%d> %s\n", (int)level, line);
}

/* What a thread of yours does once it is attached: spawn, call, read. */
static int use(gr_self *self)
{
    gr_address actor;
    gr_message *reply = NULL;
    gr_spawn_options options = {.name = "greeter"};
    int code = gr_spawn_behaviour(self, &actor, "greeter", &options, (gr_value){NULL});
    if (code == 0) code = gr_call(self, &reply, actor, "greet", gr_after_s(10), "{s:s}", "name", "Ada");
    if (code == 0) printf("%s\n", gr_string(gr_body(reply), "?"));
    gr_message_free(&reply);
    if (code == 0) code = gr_kill(actor); /* a server does not end by itself */
    return code;
}

int main(void)
{
    gr_detail detail = {0};
    gr_self *self = NULL;
    gr_rest *rest = NULL;
    char token[GR_REST_TOKEN_BYTES];
    gr_options options = {.log = "info"}; /* GREENROOM_LOG wins, as every variable does */
    gr_rest_options rest_options = {.http.listen = "127.0.0.1:0", .token = token};

    gr_log_sink_set(log_line, stderr, NULL);
    int code = gr_rest_token_new(token);
    if (code == 0) code = gr_behaviour_register(&behaviour, &detail);
    if (code == 0) code = gr_start(&options, &detail);
    if (code == 0) code = gr_attach(&self);
    if (code == 0) code = gr_rest_start(self, &rest_options, &rest, &detail);
    if (code == 0) {
        fprintf(stderr, "curl http://%s/greeter\n", gr_rest_address(rest));
        code = use(self);
    }
    if (code != 0) fprintf(stderr, "%s: %s\n", gr_error_text(code), detail.text);

    (void)gr_rest_stop(self, &rest, gr_after_s(10)); /* requests in flight finish */
    int stopped = gr_stop(gr_after_s(10));           /* waits for the actors, and kills what is left by then */
    return code != 0 || stopped != 0;
}
