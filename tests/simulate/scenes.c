/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Scenes of messages: streams, bounds, calls. scenes.h says what holds. */
#include "simulate/scenes.h"

#include <string.h>

const scene scenes[] = {
    {"streams", scene_streams},   {"bounds", scene_bounds}, {"calls", scene_calls},
    {"ends", scene_ends},         {"waits", scene_waits},   {"supervisors", scene_supervisors},
    {"cleanups", scene_cleanups}, {"wires", scene_wires},   {"datagrams", scene_datagrams},
    {"web", scene_web},
};
const unsigned scene_count = sizeof scenes / sizeof *scenes;

/* ---- streams: three senders, two receivers, four ways to send ---- */

#define SENDERS 3
#define RECEIVERS 2
#define NUMBERS 12

static struct {
    int sent[SENDERS][RECEIVERS], received[SENDERS][RECEIVERS];
    gr_address receivers[RECEIVERS];
    bool unsure[SENDERS]; /* one more than was counted may have gone to one of them */
} streams;

static void receiver_run(gr_self *self, gr_value args)
{
    int64_t me = gr_int(args, 0);
    gr_message *m = NULL;
    while (gr_receive(self, &m, GR_FOREVER) == 0) {
        int64_t from = gr_int(gr_at(gr_body(m), 0), -1), number = gr_int(gr_at(gr_body(m), 1), -1);
        GR_TEST_CHECK(from >= 0 && from < SENDERS);
        GR_TEST_CHECK(number == streams.received[from][me] + 1);
        streams.received[from][me]++;
        gr_message_free(&m);
        if (number % 5 == 0 && gr_cooperate(self) != 0) return;
    }
}

/* The next number for everybody, one by one. */
static void send_to_each(gr_self *self, int64_t me, int way)
{
    for (int i = 0; i < RECEIVERS; i++) {
        gr_message *m = NULL;
        int code;
        if (way == 0) {
            code = gr_cast(self, streams.receivers[i], "[I,i]", me, streams.sent[me][i] + 1);
        } else {
            code = gr_pack(&m, "[I,i]", me, streams.sent[me][i] + 1);
            if (code == 0)
                code = way == 1 ? gr_send(self, streams.receivers[i], &m)
                                : gr_cast_value(self, streams.receivers[i], gr_body(m));
            gr_message_free(&m);
        }
        streams.sent[me][i] += EXCUSED(code) == 0;
    }
}

/* One message for all says one number, so they have to be at the same one. False: some have it, and which is not told. */
static bool send_to_all(gr_self *self, int64_t me)
{
    gr_message *m = NULL;
    const int *sent = streams.sent[me];
    if (sent[0] != sent[1] || EXCUSED(gr_pack(&m, "[I,i]", me, sent[0] + 1)) != 0) return true;
    int taken = gr_multicast(self, streams.receivers, RECEIVERS, &m);
    if (taken < 0) EXCUSED(taken);
    gr_message_free(&m);
    if (taken == RECEIVERS)
        for (int r = 0; r < RECEIVERS; r++) streams.sent[me][r]++;
    streams.unsure[me] = taken > 0 && taken < RECEIVERS;
    return !streams.unsure[me];
}

static void sender_run(gr_self *self, gr_value args)
{
    int64_t me = gr_int(args, 0);
    for (int i = 0; i < NUMBERS; i++) {
        if (i % 4 == 3) {
            if (!send_to_all(self, me)) return;
        } else {
            send_to_each(self, me, i % 4);
        }
        int code = i % 3 == 0 ? gr_cooperate(self) : i % 3 == 1 ? gr_sleep(self, gr_after_us(50 * i)) : 0;
        if (EXCUSED(code) == GR_EKILLED) return;
    }
}

int scene_streams(gr_self *self, void *arg)
{
    gr_message *m = NULL;
    gr_address address;
    (void)arg;
    for (int i = 0; i < RECEIVERS + SENDERS; i++) {
        GR_TEST_CHECK(gr_pack(&m, "i", i < RECEIVERS ? i : i - RECEIVERS) == 0);
        crew_spawn(self, i < RECEIVERS ? &streams.receivers[i] : &address, i < RECEIVERS ? receiver_run : sender_run,
                   NULL, gr_body(m));
        gr_message_free(&m);
    }
    GR_TEST_CHECK(gr_sleep(self, gr_after_ms(500)) == 0);
    for (int s = 0; s < SENDERS; s++) {
        for (int r = 0; r < RECEIVERS; r++) {
            gr_actor_info info;
            GR_TEST_CHECK(streams.received[s][r] <= streams.sent[s][r] + streams.unsure[s]);
            if (gr_inspect(streams.receivers[r], &info) == 0 && strcmp(info.state, "waiting") == 0)
                GR_TEST_CHECK(streams.received[s][r] >= streams.sent[s][r]);
        }
    }
    crew_dismiss(self, 0);
    return 0;
}

/* ---- bounds: every policy of a full mailbox ---- */

static struct {
    int taken[8], got[8];
    gr_address receivers[8];
} bounds;

static void slow_run(gr_self *self, gr_value args)
{
    int64_t me = gr_int(args, 0), last = 0;
    gr_message *m = NULL;
    while (gr_receive(self, &m, GR_FOREVER) == 0) {
        int64_t number = gr_int(gr_body(m), -1);
        gr_message_free(&m);
        GR_TEST_CHECK(number > last); /* some are dropped, none comes twice or late */
        last = number;
        bounds.got[me]++;
        if (EXCUSED(gr_sleep(self, gr_after_us(300))) != 0) return;
    }
}

static void filler_run(gr_self *self, gr_value args)
{
    int64_t to = gr_int(args, 0);
    for (int i = 1; i <= 8; i++) {
        gr_message *m = NULL;
        if (EXCUSED(gr_pack(&m, "i", i)) != 0) continue;
        int code = i % 2 ? gr_send(self, bounds.receivers[to], &m)
                         : gr_send_wait(self, bounds.receivers[to], &m, gr_after_ms(2));
        gr_message_free(&m);
        bounds.taken[to] += EXCUSED(code) == 0;
        if (code == GR_EKILLED) return;
    }
}

int scene_bounds(gr_self *self, void *arg)
{
    static const enum gr_mailbox_policy policies[] = {GR_MAILBOX_FAIL, GR_MAILBOX_SUSPEND, GR_MAILBOX_DROP_NEWEST,
                                                      GR_MAILBOX_DROP_OLDEST, GR_MAILBOX_KILL};
    gr_message *m = NULL;
    gr_address address;
    (void)arg;
    for (int i = 0; i < 5; i++) {
        GR_TEST_CHECK(gr_pack(&m, "i", i) == 0);
        crew_spawn(self, &bounds.receivers[i], slow_run,
                   &(gr_spawn_options){.mailbox_max = 2, .mailbox_policy = policies[i], .mailbox_wait_ms = 5},
                   gr_body(m));
        crew_spawn(self, &address, filler_run, NULL, gr_body(m));
        gr_message_free(&m);
    }
    GR_TEST_CHECK(gr_sleep(self, gr_after_ms(500)) == 0);
    for (int i = 0; i < 5; i++) GR_TEST_CHECK(bounds.got[i] <= bounds.taken[i]);
    crew_dismiss(self, 0);
    return 0;
}

/* ---- calls: a server, one that passes calls on to it, an actor that answers by hand, clients ---- */

static struct {
    gr_address desk, porter, hand;
    int starts, stops, added, answered;
} calls;

static int desk_start(gr_self *self, void *state, gr_value args)
{
    (void)self, (void)state, (void)args;
    calls.starts++;
    return 0;
}

static void desk_stop(gr_self *self, void *state)
{
    (void)self, (void)state;
    calls.stops++;
}

static void desk_add(gr_self *self, void *state, gr_value argument)
{
    int64_t *sum = state;
    calls.added++;
    *sum += gr_int(argument, 0);
    EXCUSED(gr_publish(self, "{s:I}", "sum", *sum));
    if (EXCUSED(gr_reply(self, "I", gr_int(argument, 0) + 1)) != 0)
        gr_raise(self, "memory", "no answer"); /* not null */
}

static void desk_slow(gr_self *self, void *state, gr_value argument)
{
    (void)state;
    if (EXCUSED(gr_sleep(self, gr_after_us(700))) != 0 || EXCUSED(gr_reply(self, "I", gr_int(argument, 0) + 1)) != 0)
        gr_raise(self, "slow", "no answer");
}

static void desk_wrong(gr_self *self, void *state, gr_value argument)
{
    (void)state, (void)argument;
    gr_raise(self, "wrong", "as asked");
}

static void desk_message(gr_self *self, void *state, gr_message *message)
{
    (void)self, (void)state;
    gr_message_free(&message);
}

static const gr_method desk_methods[] = {{"add", desk_add}, {"slow", desk_slow}, {"wrong", desk_wrong}};
static const gr_server desk = {.state_bytes = 16,
                               .start = desk_start,
                               .methods = desk_methods,
                               .method_count = 3,
                               .on_message = desk_message,
                               .stop = desk_stop};

/* Takes its call out and answers later, with what the desk says. */
static void porter_ask(gr_self *self, void *state, gr_value argument)
{
    gr_message *call = gr_call_take(self), *reply = NULL;
    (void)state;
    int64_t number = gr_int(argument, 0);
    int code = gr_call(self, &reply, calls.desk, "add", gr_after_ms(50), "I", number);
    if (code != GR_EEXCEPTION) EXCUSED(code);
    if (code == 0)
        (void)gr_respond_value(self, call, gr_body(reply));
    else
        (void)gr_respond_invalid_method(self, call);
    gr_message_free(&reply);
    gr_message_free(&call);
}

static const gr_method porter_methods[] = {{"ask", porter_ask}};
static const gr_server porter = {.methods = porter_methods, .method_count = 1, .start = desk_start, .stop = desk_stop};

static void hand_run(gr_self *self, gr_value args)
{
    gr_message *m = NULL;
    (void)args;
    for (int i = 0; gr_receive(self, &m, GR_FOREVER) == 0; i++) {
        if (gr_is_call(m) && i % 3 == 0) EXCUSED(gr_respond(self, m, "I", gr_int(gr_call_argument(m), 0) + 1));
        if (gr_is_call(m) && i % 3 == 1) EXCUSED(gr_respond_exception(self, m, gr_call_argument(m)));
        gr_message_free(&m); /* the third one gets no answer at all */
    }
}

static void client_run(gr_self *self, gr_value args)
{
    static const char *const methods[] = {"add", "slow", "wrong", "nothing"};
    int64_t me = gr_int(args, 0);
    for (int i = 0; i < 12; i++) {
        gr_address to = i % 3 == 0 ? calls.desk : i % 3 == 1 ? calls.porter : calls.hand;
        const char *method = i % 3 == 1 ? "ask" : methods[(i / 3 + me) % 4];
        gr_message *reply = NULL;
        int64_t number = me * 1000 + i;
        int code = gr_call(self, &reply, to, method, gr_after_ms(i % 2 ? 20 : 100), "I", number);
        if (code == 0) GR_TEST_CHECK(gr_int(gr_body(reply), -1) == number + 1);
        GR_TEST_CHECK(code == 0 || is_excuse(code) || code == GR_EMETHOD || code == GR_EEXCEPTION);
        if (code != 0 && code != GR_EEXCEPTION) GR_TEST_CHECK(!reply);
        gr_message_free(&reply);
        if (code == GR_EKILLED) return;
        calls.answered++;
        EXCUSED(gr_cast(self, to, "i", i));
    }
}

int scene_calls(gr_self *self, void *arg)
{
    gr_message *m = NULL;
    gr_address address;
    (void)arg;
    crew_spawn_server(self, &calls.desk, &desk, NULL);
    crew_spawn_server(self, &calls.porter, &porter, &(gr_spawn_options){.mailbox_max = 4});
    crew_spawn(self, &calls.hand, hand_run, NULL, (gr_value){NULL});
    for (int i = 0; i < 3; i++) {
        GR_TEST_CHECK(gr_pack(&m, "i", i) == 0);
        crew_spawn(self, &address, client_run, NULL, gr_body(m));
        gr_message_free(&m);
    }
    crew_dismiss(self, 3000);
    GR_TEST_CHECK(calls.starts == calls.stops);
    return 0;
}
