/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
#include "rest/scene.h"

#include <greenroom/trace.h>

static int box_start(gr_self *self, void *state, gr_value args)
{
    (void)self;
    *(int64_t *)state = gr_int(args, 0);
    return 0;
}

static void box_get(gr_self *self, void *state, gr_value argument)
{
    (void)argument;
    CHECK_OK(gr_reply(self, "I", *(int64_t *)state));
}

static void box_bump(gr_self *self, void *state, gr_value argument)
{
    (void)argument;
    CHECK_OK(gr_reply(self, "I", ++*(int64_t *)state));
}

static void box_trace(gr_self *self, void *state, gr_value argument)
{
    char text[GR_TRACE_TEXT_BYTES];
    gr_trace trace;
    (void)state, (void)argument;
    if (gr_trace_get(self, &trace) == 0)
        CHECK_OK(gr_reply(self, "s", gr_trace_print(&trace, text)));
    else
        CHECK_OK(gr_reply(self, "n"));
}

static void box_fail(gr_self *self, void *state, gr_value argument)
{
    (void)state;
    gr_raise_value(self, "failed", argument);
}

static void box_wait(gr_self *self, void *state, gr_value argument)
{
    (void)state, (void)argument;
    (void)gr_sleep(self, GR_FOREVER);
}

static void box_message(gr_self *self, void *state, gr_message *message)
{
    (void)self;
    *(int64_t *)state = gr_int(gr_body(message), 0);
}

static void box_describe(gr_self *self, void *state, gr_builder *builder)
{
    (void)self;
    gr_put_int(builder, *(int64_t *)state);
}

static bool obey(gr_self *self, gr_value body, bool *stubborn)
{
    gr_value burst = gr_get(body, "burst"), result = gr_get(body, "return");
    if (gr_type_of(result) != GR_MISSING) {
        CHECK_OK(gr_return_value(self, result));
        return false;
    }
    if (gr_type_of(gr_get(body, "raise")) == GR_STRING)
        gr_raise(self, gr_string(gr_get(body, "raise"), ""), "as it was told");
    if (gr_type_of(gr_get(body, "stubborn")) != GR_MISSING) {
        *stubborn = true;
        return true;
    }
    if (gr_type_of(burst) == GR_MISSING) CHECK_OK(gr_publish_value(self, body));
    for (int64_t i = 1; i <= gr_int(burst, 0); i++) CHECK_OK(gr_publish(self, "I", i));
    return true;
}

static void script(gr_self *self, gr_value args)
{
    gr_message *m = NULL;
    bool stubborn = false, goes_on = true;
    (void)args;
    while (goes_on) {
        int code = gr_receive(self, &m, GR_FOREVER);
        if (code == GR_EKILLED && stubborn) gr_kill_clear(self);
        if (code == GR_EKILLED && !stubborn) return;
        if (code != 0) continue;
        goes_on = obey(self, gr_body(m), &stubborn);
        gr_message_free(&m);
    }
}

static void full(gr_self *self, gr_value args)
{
    (void)args;
    (void)gr_sleep(self, GR_FOREVER);
}

static const gr_method methods[] = {
    {"get", box_get}, {"bump", box_bump}, {"trace", box_trace}, {"fail", box_fail}, {"wait", box_wait}};
static const gr_server box = {.state_bytes = sizeof(int64_t),
                              .start = box_start,
                              .methods = methods,
                              .method_count = sizeof methods / sizeof *methods,
                              .on_message = box_message,
                              .describe = box_describe};
static const gr_behaviour behaviours[] = {
    {.name = "box", .server = &box, .arguments = "int", .text = "holds a number"},
    {.name = "script", .entry = script, .text = "does as it is told"},
    {.name = "full", .entry = full, .options = {.mailbox_max = 2}},
    {.name = "greenroom.hidden", .entry = full, .text = "one of the runtime's own"},
};

gr_self *scene_runtime(void)
{
    gr_self *self = NULL;
    gr_detail detail = {0};
    CHECK_OK(gr_start(NULL, NULL));
    CHECK_OK(gr_attach(&self));
    for (size_t i = 0; i < sizeof behaviours / sizeof *behaviours; i++) {
        int code = gr_behaviour_register(&behaviours[i], &detail);
        if (code != 0 && code != GR_EEXISTS) TEST_FAIL("%s", detail.text);
    }
    return self;
}

scene scene_begin(gr_rest_options options)
{
    scene s = {.self = scene_runtime()};
    gr_detail detail = {0};
    if (!options.http.listen) options.http.listen = "127.0.0.1:0";
    if (!options.http.connections_per_address) options.http.connections_per_address = 100000;
    if (!options.open && !options.token) options.token = SCENE_TOKEN;
    if (gr_rest_start(s.self, &options, &s.rest, &detail) != 0) TEST_FAIL("%s", detail.text);
    snprintf(s.address, sizeof s.address, "%s", gr_rest_address(s.rest));
    return s;
}

void scene_end(scene *s)
{
    if (s->rest) CHECK_OK(gr_rest_stop(s->self, &s->rest, gr_after_s(120)));
    gr_detach(&s->self);
    (void)gr_stop(gr_after_ms(10)); /* actors that live are killed */
}

gr_address scene_spawn(scene *s, const char *behaviour, const char *name, int64_t number)
{
    gr_message *args = NULL;
    gr_address address;
    gr_spawn_options options = {.name = name};
    CHECK_OK(gr_pack(&args, "I", number));
    CHECK_OK(gr_spawn_behaviour(s->self, &address, behaviour, &options, gr_body(args)));
    gr_message_free(&args);
    return address;
}

answer scene_ask(const scene *s, const char *method, const char *path, const char *headers, const char *body,
                 int status)
{
    char all[2048];
    snprintf(all, sizeof all, SCENE_AUTH "%s", headers);
    answer a = client_request(s->address, method, path, all, body);
    if (a.status != status) TEST_FAIL("%s %s: %d, expected %d\n%s", method, path, a.status, status, a.body);
    return a;
}

void scene_expect(const scene *s, const char *method, const char *path, const char *headers, const char *body,
                  int status, const char *answer_body)
{
    answer a = scene_ask(s, method, path, headers, body, status);
    if (answer_body) CHECK_STR(a.body, answer_body);
    answer_free(&a);
}

gr_message *scene_value(const answer *a)
{
    gr_message *value = NULL;
    CHECK_OK(gr_parse(a->body, a->body_bytes, NULL, &value, NULL));
    return value;
}

/* Events ------------------------------------------------------------------------------------------------------------- */

events events_open(const scene *s, const char *path, const char *headers)
{
    events e = {.client = client_open(s->address)};
    char text[2048];
    snprintf(text, sizeof text, "GET %s HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n%s\r\n", path,
             headers);
    client_say(&e.client, text);
    CHECK(client_head(&e.client, &e.head));
    return e;
}

static void more_text(events *e)
{
    size_t bytes = 0;
    char *chunk = client_chunk(&e->client, &bytes);
    if (!chunk) {
        e->ended = true;
        return;
    }
    e->text = realloc(e->text, e->bytes + bytes + 1);
    CHECK(e->text);
    memcpy(e->text + e->bytes, chunk, bytes);
    e->bytes += bytes;
    e->text[e->bytes] = '\0';
    free(chunk);
}

static void read_line(event *e, const char *line)
{
    if (strncmp(line, "event: ", 7) == 0) snprintf(e->name, sizeof e->name, "%s", line + 7);
    if (strncmp(line, "id: ", 4) == 0) snprintf(e->id, sizeof e->id, "%s", line + 4);
    if (strncmp(line, "data: ", 6) == 0) {
        CHECK(!e->data); /* JSON on one line */
        e->data = strdup(line + 6);
    }
}

/* What comes next, be it an event or a comment; false: the stream has ended. */
static bool next_block(events *e, event *ret_event)
{
    char *end = NULL;
    *ret_event = (event){0};
    while (!e->ended && !(e->text && (end = strstr(e->text, "\n\n")))) more_text(e);
    if (e->ended) {
        CHECK_EQ(e->bytes, 0); /* no half event */
        return false;
    }
    *end = '\0';
    char *rest = NULL;
    for (char *line = strtok_r(e->text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest))
        read_line(ret_event, line), e->beats += line[0] == ':';
    size_t used = (size_t)(end - e->text) + 2;
    e->bytes -= used;
    memmove(e->text, e->text + used, e->bytes + 1);
    return true;
}

void events_wait_beats(events *e, int beats)
{
    event none;
    while (e->beats < beats) {
        CHECK(next_block(e, &none));
        event_free(&none);
    }
}

bool events_next(events *e, event *ret_event)
{
    while (next_block(e, ret_event))
        if (ret_event->data) return true;
    return false;
}

void events_expect(events *e, const char *name, const char *data)
{
    event got;
    if (!events_next(e, &got)) TEST_FAIL("the stream ended instead of saying %s", name);
    CHECK_STR(got.name, name);
    if (data) CHECK_STR(got.data, data);
    event_free(&got);
}

void event_free(event *e)
{
    free(e->data);
    e->data = NULL;
}

void events_close(events *e)
{
    client_close(&e->client);
    answer_free(&e->head);
    free(e->text);
    *e = (events){.client.fd = -1};
}
