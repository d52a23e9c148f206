/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Traces through actors: what trace.h promises. */
#include "support/harness.h"

#include <greenroom/trace.h>
#include <unistd.h>

static const char example[] = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

static gr_trace parsed(const char *text)
{
    gr_trace trace;
    CHECK_OK(gr_trace_parse(text, strlen(text), &trace));
    return trace;
}

/* ---- text ---- */

TEST(trace, text_is_read_and_printed)
{
    char text[GR_TRACE_TEXT_BYTES];
    gr_trace trace = parsed(example);
    CHECK_EQ(trace.trace_id[0], 0x0a);
    CHECK_EQ(trace.trace_id[15], 0x9c);
    CHECK_EQ(trace.span_id[7], 0x31);
    CHECK_EQ(trace.flags, GR_TRACE_SAMPLED);
    CHECK_STR(gr_trace_print(&trace, text), example);
    trace = parsed("cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-ff-what-the-future-brings");
    CHECK_STR(gr_trace_print(&trace, text), "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-ff");
}

TEST(trace, text_that_is_none)
{
    static const char *const bad[] = {
        "",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-",
        "cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01.what",
        "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
        "00-00000000000000000000000000000000-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
        "00_0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0g",
    };
    gr_trace trace;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        CHECK_EQ(gr_trace_parse(bad[i], strlen(bad[i]), &trace), GR_ESYNTAX);
    CHECK_EQ(gr_trace_parse(NULL, 55, &trace), GR_ESYNTAX);
    CHECK_EQ(gr_trace_parse(example, 54, &trace), GR_ESYNTAX);
}

TEST(trace, new_ones_differ)
{
    gr_trace a, b;
    CHECK_OK(gr_trace_new(&a));
    CHECK_OK(gr_trace_new(&b));
    CHECK(memcmp(a.trace_id, b.trace_id, 16) != 0);
    CHECK(memcmp(a.span_id, b.span_id, 8) != 0);
    CHECK_EQ(a.flags, GR_TRACE_SAMPLED);
}

/* ---- inheritance ---- */

/* The traceparent that this actor would send, or "none". */
static const char *mine(gr_self *self, char text[GR_TRACE_TEXT_BYTES])
{
    gr_trace trace;
    int code = gr_trace_get(self, &trace);
    CHECK(code == 0 || code == GR_ENOTFOUND);
    return code == 0 ? gr_trace_print(&trace, text) : strcpy(text, "none");
}

static const char *carried(const gr_message *m, char text[GR_TRACE_TEXT_BYTES])
{
    gr_trace trace;
    int code = gr_trace_of(m, &trace);
    CHECK(code == 0 || code == GR_ENOTFOUND);
    return code == 0 ? gr_trace_print(&trace, text) : strcpy(text, "none");
}

static bool is_child_of(const char *child, const char *parent)
{
    return strncmp(child, parent, 36) == 0 && strncmp(child + 36, parent + 36, 16) != 0;
}

/* Says of each message in which trace it came and in which it acts, before and after the next receive. */
static void tells(gr_self *self, gr_value args)
{
    gr_address host = gr_address_in(gr_get(args, "host"));
    char a[GR_TRACE_TEXT_BYTES], b[GR_TRACE_TEXT_BYTES];
    gr_message *m;
    while (gr_receive(self, &m, GR_FOREVER) == 0) {
        CHECK_OK(gr_cast(self, host, "{s:s,s:s}", "carried", carried(m, a), "acts", mine(self, b)));
        gr_message_free(&m);
        CHECK_STR(mine(self, a), b); /* freeing it ends nothing */
        int code = gr_receive(self, &m, GR_NOW);
        if (code == GR_EKILLED) return;
        CHECK_EQ(code, GR_ETIMEOUT);
        CHECK_STR(mine(self, a), "none"); /* the next receive does */
        CHECK_OK(gr_cast(self, host, "s", "done"));
    }
}

typedef struct heard {
    char carried[GR_TRACE_TEXT_BYTES], acts[GR_TRACE_TEXT_BYTES], reply[GR_TRACE_TEXT_BYTES];
} heard;

static heard hear(gr_self *self)
{
    heard h;
    gr_message *m = RECEIVE(self);
    snprintf(h.carried, sizeof h.carried, "%s", gr_string(gr_get(gr_body(m), "carried"), "?"));
    snprintf(h.acts, sizeof h.acts, "%s", gr_string(gr_get(gr_body(m), "acts"), "?"));
    carried(m, h.reply);
    FREE(m);
    return h;
}

TEST(trace, what_is_sent_in_one_carries_it)
{
    gr_self *self = BEGIN();
    gr_address actor;
    char me[GR_TRACE_TEXT_BYTES];
    gr_trace parent = parsed(example);
    CHECK_OK(gr_spawn(self, &actor, tells, "{s:A}", "host", gr_self_address(self)));
    CHECK_OK(gr_cast(self, actor, "i", 1));
    heard h = hear(self);
    CHECK_STR(h.carried, "none");
    CHECK_STR(h.acts, "none");
    CHECK_STR(h.reply, "none");
    EXPECT(self, "s", "done");
    for (int big = 0; big < 3; big++) {
        char text[5000] = "";
        memset(text, 'x', big == 0 ? 1 : big == 1 ? 100 : sizeof text - 1);
        CHECK_OK(gr_trace_set(self, &parent));
        CHECK(is_child_of(mine(self, me), example));
        CHECK_OK(gr_cast(self, actor, "s", text));
        CHECK_OK(gr_trace_set(self, NULL));
        h = hear(self);
        CHECK_STR(h.carried, me);
        CHECK(is_child_of(h.acts, me));
        CHECK_STR(h.reply, h.acts);
        EXPECT(self, "s", "done");
        CHECK_STR(mine(self, me), "none");
    }
    END(self);
}

TEST(trace, many_receivers_get_it_with_one_body)
{
    gr_self *self = BEGIN();
    gr_address actors[3];
    char me[GR_TRACE_TEXT_BYTES], text[400] = "";
    memset(text, 'y', sizeof text - 1);
    gr_trace parent = parsed(example);
    for (int i = 0; i < 3; i++) CHECK_OK(gr_spawn(self, &actors[i], tells, "{s:A}", "host", gr_self_address(self)));
    CHECK_OK(gr_trace_set(self, &parent));
    mine(self, me);
    gr_message *m = NULL;
    CHECK_OK(gr_pack(&m, "s", text));
    CHECK_EQ(gr_multicast(self, actors, 3, &m), 3);
    char spans[3][GR_TRACE_TEXT_BYTES];
    for (int told = 0, done = 0; told < 3 || done < 3;) {
        m = RECEIVE(self);
        if (gr_type_of(gr_body(m)) == GR_OBJECT) {
            CHECK_STR(gr_string(gr_get(gr_body(m), "carried"), "?"), me);
            strcpy(spans[told++], gr_string(gr_get(gr_body(m), "acts"), "?"));
        } else {
            done++;
        }
        FREE(m);
    }
    CHECK(strcmp(spans[0], spans[1]) != 0 && strcmp(spans[1], spans[2]) != 0 && strcmp(spans[0], spans[2]) != 0);
    END(self);
}

static void asked(gr_self *self, void *state, gr_value argument)
{
    (void)state;
    char text[GR_TRACE_TEXT_BYTES];
    mine(self, text);
    if (gr_bool(gr_get(argument, "raise"), false)) gr_raise(self, "on_purpose", "%s", text);
    CHECK_OK(gr_reply(self, "s", text));
}

static void answers_outside(gr_self *self, void *state, gr_message *message)
{
    (void)state;
    char text[GR_TRACE_TEXT_BYTES];
    CHECK_OK(gr_cast(self, gr_sender(message), "s", mine(self, text)));
}

static const gr_method methods[] = {{"ask", asked}};
static const gr_server server = {.methods = methods, .method_count = 1, .on_message = answers_outside};

TEST(trace, methods_act_within_the_callers)
{
    gr_self *self = BEGIN();
    gr_address actor;
    gr_message *reply = NULL;
    char me[GR_TRACE_TEXT_BYTES];
    gr_trace parent = parsed(example);
    CHECK_OK(gr_spawn_server(self, &actor, &server, NULL, "n"));
    for (int raise = 0; raise < 2; raise++) {
        CHECK_OK(gr_trace_set(self, &parent));
        mine(self, me);
        int code = gr_call(self, &reply, actor, "ask", SOON, "{s:b}", "raise", raise);
        CHECK_EQ(code, raise ? GR_EEXCEPTION : 0);
        const char *said =
            raise ? gr_string(gr_get(gr_body(reply), "description"), "?") : gr_string(gr_body(reply), "?");
        CHECK(is_child_of(said, me));
        FREE(reply);
        char after[GR_TRACE_TEXT_BYTES];
        CHECK_STR(mine(self, after), me); /* an answer changes nothing */
        CHECK_OK(gr_trace_set(self, NULL));
        CHECK_OK(gr_cast(self, actor, "n"));
        EXPECT(self, "s", "none"); /* the method is over, however it ended */
    }
    END(self);
}

static void selects(gr_self *self, gr_value args)
{
    gr_address host = gr_address_in(gr_get(args, "host"));
    char text[GR_TRACE_TEXT_BYTES];
    gr_shape *shape = harness_shape("{\"go\":any}");
    gr_pattern pattern = {.shape = shape};
    gr_message *m;
    CHECK_OK(gr_receive(self, &m, GR_FOREVER));
    gr_message_free(&m);
    CHECK_OK(gr_cast(self, host, "s", mine(self, text)));
    for (int i = 0; i < 2 && gr_select(self, &pattern, 1, &m, GR_FOREVER) == 0; i++) {
        CHECK_OK(gr_cast(self, host, "s", mine(self, text)));
        gr_message_free(&m);
    }
    gr_shape_free(&shape);
}

TEST(trace, select_keeps_it_unless_the_message_has_another)
{
    gr_self *self = BEGIN();
    gr_address actor;
    char first[GR_TRACE_TEXT_BYTES], text[GR_TRACE_TEXT_BYTES];
    gr_trace parent = parsed(example), other = parsed("00-11111111111111111111111111111111-2222222222222222-00");
    CHECK_OK(gr_spawn(self, &actor, selects, "{s:A}", "host", gr_self_address(self)));
    CHECK_OK(gr_trace_set(self, &parent));
    CHECK_OK(gr_cast(self, actor, "n"));
    CHECK_OK(gr_trace_set(self, NULL));
    gr_message *m = RECEIVE(self);
    strcpy(first, gr_string(gr_body(m), "?"));
    FREE(m);
    CHECK(is_child_of(first, mine(self, text)) || strncmp(first, example, 35) == 0);
    CHECK_OK(gr_trace_set(self, NULL));
    CHECK_OK(gr_cast(self, actor, "{s:n}", "go"));
    EXPECT(self, "s", first);
    CHECK_OK(gr_trace_set(self, &other));
    CHECK_OK(gr_cast(self, actor, "{s:n}", "go"));
    m = RECEIVE(self);
    CHECK(strncmp(gr_string(gr_body(m), "?"), "00-11111111111111111111111111111111-", 36) == 0);
    CHECK(strcmp(gr_string(gr_body(m), "?") + 53, "00") == 0);
    FREE(m);
    END(self);
}

TEST(trace, a_message_is_passed_on_within_the_passers)
{
    gr_self *self = BEGIN();
    gr_address actor;
    gr_trace parent = parsed(example);
    CHECK_OK(gr_spawn(self, &actor, tells, "{s:A}", "host", gr_self_address(self)));
    CHECK_OK(gr_trace_set(self, &parent));
    CHECK_OK(
        gr_cast(self, gr_self_address(self), "s", "a message that is passed on, long enough for a block of its own"));
    gr_message *m = RECEIVE(self);
    char came[GR_TRACE_TEXT_BYTES], me[GR_TRACE_TEXT_BYTES];
    carried(m, came);
    mine(self, me);
    CHECK(is_child_of(me, came));
    CHECK_OK(gr_send(self, actor, &m));
    heard h = hear(self);
    CHECK_STR(h.carried, me);
    m = RECEIVE(self); /* "done", with a trace of its own no more */
    CHECK_STR(gr_string(gr_body(m), "?"), "done");
    FREE(m);
    END(self);
}

TEST(trace, wrong_calls)
{
    gr_self *self = BEGIN();
    gr_trace zero, good = parsed(example);
    memset(&zero, 0, sizeof zero);
    CHECK_EQ(gr_trace_set(self, &zero), GR_EINVAL);
    CHECK_EQ(gr_trace_get(self, &zero), GR_ENOTFOUND);
    CHECK_EQ(gr_trace_of(NULL, &zero), GR_ENOTFOUND);
    CHECK_EQ(gr_trace_set(NULL, &good), GR_ECONTEXT);
    CHECK_EQ(gr_trace_get(NULL, &good), GR_ECONTEXT);
    gr_message *m = NULL;
    CHECK_OK(gr_pack(&m, "n"));
    CHECK_EQ(gr_trace_of(m, &zero), GR_ENOTFOUND);
    FREE(m);
    END(self);
}

/* ---- the file ---- */

static char *read_all(const char *path)
{
    FILE *file = fopen(path, "r");
    CHECK(file);
    static char text[1 << 20];
    text[fread(text, 1, sizeof text - 1, file)] = '\0';
    fclose(file);
    return text;
}

static void trace_path(char path[64])
{
    snprintf(path, 64, "/tmp/greenroom-trace-%d", (int)getpid());
    unlink(path);
}

TEST(trace, spans_are_written_to_a_file)
{
    char path[64], me[GR_TRACE_TEXT_BYTES], wanted[128];
    trace_path(path);
    gr_self *self = BEGIN_WITH(.trace = path);
    gr_address actor;
    gr_message *reply = NULL;
    gr_trace parent = parsed(example);
    CHECK_OK(gr_spawn_server(self, &actor, &server, &(gr_spawn_options){.name = "the \"server\""}, "n"));
    CHECK_OK(gr_trace_set(self, &parent));
    mine(self, me);
    CHECK_OK(gr_call(self, &reply, actor, "ask", SOON, "n"));
    FREE(reply);
    CHECK_OK(gr_trace_set(self, NULL));
    END(self);
    char *text = read_all(path);
    unlink(path);
    CHECK(strncmp(text, "[\n", 2) == 0 && strcmp(text + strlen(text) - 3, "\n]\n") == 0);
    gr_message *m = NULL;
    gr_detail detail;
    if (gr_parse(text, strlen(text), NULL, &m, &detail) != 0) TEST_FAIL("%s: %s", detail.text, text);
    size_t calls = 0, works = 0;
    for (size_t i = 0; i < gr_count(gr_body(m)); i++) {
        gr_value event = gr_at(gr_body(m), i), args = gr_get(event, "args");
        snprintf(wanted, sizeof wanted, "%.32s", me + 3);
        if (strcmp(gr_string(gr_get(event, "ph"), ""), "X") != 0 ||
            strcmp(gr_string(gr_get(args, "trace"), ""), wanted) != 0)
            continue;
        CHECK(gr_double(gr_get(event, "dur"), -1) >= 0);
        snprintf(wanted, sizeof wanted, "%.16s", me + 36);
        if (strcmp(gr_string(gr_get(event, "cat"), ""), "call") == 0) {
            CHECK_STR(gr_string(gr_get(event, "name"), ""), "ask");
            CHECK_STR(gr_string(gr_get(args, "parent"), ""), wanted);
            calls++;
        } else {
            CHECK_STR(gr_string(gr_get(event, "cat"), ""), "set");
            CHECK_STR(gr_string(gr_get(args, "span"), ""), wanted);
            works++;
        }
    }
    CHECK_EQ(calls, 1);
    CHECK_EQ(works, 1);
    CHECK(strstr(text, "{\"name\":\"the \\\"server\\\"\"}"));
    FREE(m);
}

TEST(trace, a_sample_begins_some_by_itself)
{
    if (harness_simulated()) return;
    char path[64];
    trace_path(path);
    gr_self *self = BEGIN_WITH(.trace = path);
    gr_address actor;
    bool seen = false;
    CHECK_OK(gr_spawn(self, &actor, tells, "{s:A}", "host", gr_self_address(self)));
    for (gr_deadline patience = SOON; !seen && gr_now_ns() < patience.ns;) {
        CHECK_OK(gr_cast(self, actor, "n"));
        heard h = hear(self);
        seen = strcmp(h.carried, "none") != 0;
        gr_message *m = RECEIVE(self);
        FREE(m);
    }
    CHECK(seen);
    END(self);
    CHECK(strstr(read_all(path), "\"ph\":\"X\""));
    unlink(path);
}

/* Sends it to itself for ever: such a trace ends. */
static void to_itself(gr_self *self, gr_value args)
{
    gr_address host = gr_address_in(gr_get(args, "host"));
    gr_trace trace;
    gr_message *m;
    int64_t hops = 0;
    while (gr_receive(self, &m, GR_FOREVER) == 0) {
        bool traced = gr_trace_of(m, &trace) == 0;
        if (!traced && hops > 0) {
            CHECK_OK(gr_cast(self, host, "I", hops));
            break;
        }
        hops += traced;
        CHECK_OK(gr_send(self, gr_self_address(self), &m));
    }
    gr_message_free(&m);
}

TEST(trace, a_sampled_one_ends_after_so_many_hops)
{
    if (harness_simulated()) return;
    char path[64];
    trace_path(path);
    gr_self *self = BEGIN_WITH(.trace = path);
    gr_address actor;
    CHECK_OK(gr_spawn(self, &actor, to_itself, "{s:A}", "host", gr_self_address(self)));
    CHECK_OK(gr_cast(self, actor, "n"));
    gr_message *m = RECEIVE(self);
    CHECK_EQ(gr_int(gr_body(m), 0), 256);
    FREE(m);
    END(self);
    unlink(path);
}

TEST(trace, a_file_that_cannot_be_written_is_told_at_the_start)
{
    gr_detail detail;
    gr_options options = {.trace = "/nowhere/at/all"};
    CHECK_EQ(gr_start(&options, &detail), GR_EENV);
    CHECK(strstr(detail.text, "GREENROOM_TRACE is \"/nowhere/at/all\""));
    CHECK_OK(gr_start(NULL, NULL)); /* and nothing is left of it */
    CHECK_OK(gr_stop(SOON));
}
