/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* python-actors' requests (data/pyact) against a server of ours: status and keys of the answers. */
#include <greenroom/registry.h>
#include <greenroom/rest.h>
#include <greenroom/runtime.h>
#include <greenroom/text.h>

#include "rest/client.h"
#include "rest/http_cases.h"
#include "support/test.h"

typedef struct adder {
    int64_t total;
} adder;

static int adder_start(gr_self *self, void *state, gr_value args)
{
    (void)self;
    ((adder *)state)->total = gr_int(gr_get(args, "start"), 0);
    return 0;
}

static void adder_add(gr_self *self, void *state, gr_value argument)
{
    adder *a = state;
    a->total += gr_int(gr_get(argument, "n"), 0);
    CHECK_OK(gr_reply(self, "I", a->total));
}

static void adder_fail(gr_self *self, void *state, gr_value argument)
{
    (void)state;
    gr_raise_value(self, "failed", argument);
}

static void adder_sleep(gr_self *self, void *state, gr_value argument)
{
    (void)state;
    (void)gr_sleep(self, gr_after_ms(gr_int(gr_get(argument, "ms"), 0)));
}

static void adder_die(gr_self *self, void *state, gr_value argument)
{
    (void)state, (void)argument;
    (void)gr_kill(gr_self_address(self));
    (void)gr_sleep(self, GR_FOREVER); /* where the kill takes effect */
}

static void adder_message(gr_self *self, void *state, gr_message *message)
{
    (void)self;
    ((adder *)state)->total += gr_int(gr_get(gr_body(message), "add"), 0);
}

static void adder_describe(gr_self *self, void *state, gr_builder *builder)
{
    (void)self;
    gr_put_object(builder);
    gr_put_key(builder, "total"), gr_put_int(builder, ((adder *)state)->total);
    gr_put_end(builder);
}

static const gr_method methods[] = {
    {"add", adder_add}, {"fail", adder_fail}, {"sleep", adder_sleep}, {"die", adder_die}};
static const gr_server server = {.state_bytes = sizeof(adder),
                                 .start = adder_start,
                                 .methods = methods,
                                 .method_count = sizeof methods / sizeof *methods,
                                 .on_message = adder_message,
                                 .describe = adder_describe};
static const gr_behaviour behaviour = {.name = "pyact.adder", .server = &server, .text = "adds"};

/* "STATUS key key" or "STATUS -" */
static void check_answer(const http_case *item, const answer *a)
{
    char found[512], wanted[512];
    int used = snprintf(found, sizeof found, "%d", a->status);
    snprintf(wanted, sizeof wanted, "%.*s", (int)strcspn(item->expected, "\n"), item->expected);
    if (strchr(wanted, '-')) {
        used += snprintf(found + used, sizeof found - (size_t)used, " -");
    } else {
        gr_message *message = NULL;
        gr_detail detail = {0};
        if (gr_parse(a->body, a->body_bytes, NULL, &message, &detail) != 0)
            TEST_FAIL("%s: not JSON: %s (%s)", item->name, a->body, detail.text);
        for (gr_iter it = gr_iterate(gr_body(message)); gr_next(&it);)
            used += snprintf(found + used, sizeof found - (size_t)used, " %s", it.key);
        gr_message_free(&message);
    }
    if (strcmp(found, wanted) != 0)
        TEST_FAIL("%s: answered \"%s\", expected \"%s\"\n%s", item->name, found, wanted, a->body);
}

static void run_case(const http_case *item, void *arg)
{
    client c = client_open(arg);
    answer a;
    CHECK(client_send(&c, item->bytes, item->byte_count));
    CHECK(client_answer(&c, strncmp(item->bytes, "HEAD ", 5) == 0, &a));
    check_answer(item, &a);
    answer_free(&a);
    client_close(&c);
}

TEST(pyact, its_client_is_understood)
{
    gr_self *self = NULL;
    gr_rest *rest = NULL;
    gr_detail detail = {0};
    gr_address address;
    CHECK_OK(gr_start(NULL, NULL));
    CHECK_OK(gr_attach(&self));
    CHECK_OK(gr_behaviour_register(&behaviour, &detail));
    static const char *const names[] = {"mortal", "other"};
    for (int i = 0; i < 2; i++) {
        gr_spawn_options options = {.name = names[i]};
        CHECK_OK(gr_spawn_server(self, &address, &server, &options, "{}"));
        CHECK_OK(gr_call(self, NULL, address, "add", gr_after_s(60), "{}")); /* it is up: it has published */
    }
    gr_rest_options options = {.http.listen = "127.0.0.1:0", .open = true};
    if (gr_rest_start(self, &options, &rest, &detail) != 0) TEST_FAIL("%s", detail.text);
    char listening[128];
    snprintf(listening, sizeof listening, "%s", gr_rest_address(rest));
    CHECK(http_cases_run("pyact", run_case, listening) >= 20);
    CHECK_OK(gr_rest_stop(self, &rest, gr_after_s(60)));
    gr_detach(&self);
    (void)gr_stop(gr_after_ms(100)); /* its actors live until then */
}
