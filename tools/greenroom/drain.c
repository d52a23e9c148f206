/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Stopping: close the gate, let requests finish, stop listening, let actors finish what they are doing, kill them, stop.
 *
 * Actors of a server do not end by themselves, so waiting for their ends would always take the whole deadline. An actor has
 * finished when it waits and has nothing in its mailbox. */
#include <stdio.h>
#include <string.h>

#include "greenroom/command.h"
#include "greenroom/logger.h"
#include "greenroom/notify.h"
#include "greenroom/serving.h"
#include "greenroom/signals.h"

enum {
    TICK_MS = 5,
    LOOK_UP_MS = 1500,
    KILL_MS = 500,     /* at least so long for killed actors to clean up */
    OVERTIME_MS = 3000 /* after that the process ends, even if an actor holds its worker */
};

typedef struct count {
    gr_address self;
    uint64_t busy;
} count;

static int count_busy(void *arg, gr_address address)
{
    count *c = arg;
    gr_actor_info info;
    if (gr_address_equal(address, c->self) || gr_inspect(address, &info) != 0) return 0;
    c->busy += strcmp(info.state, "waiting") != 0;
    return 0;
}

static bool somebody_is_busy(gr_self *self)
{
    count c = {gr_self_address(self), 0};
    (void)gr_each(count_busy, &c);
    return c.busy > 0;
}

static int kill_other(void *arg, gr_address address)
{
    gr_self *self = arg;
    if (!gr_address_equal(address, gr_self_address(self))) (void)gr_kill(address);
    return 0;
}

static bool passed(gr_deadline deadline)
{
    return gr_now_ns() >= deadline.ns;
}

int serving_drain(serving *s)
{
    gr_deadline deadline = gr_after_ms(s->options->drain_ms);
    bool late = false;
    gate_close(s->gate);
    gr_rest_drain(s->rest); /* event streams would go on for ever */
    const int64_t ms_max = s->options->drain_ms + KILL_MS + OVERTIME_MS;
    signals_expire(ms_max);
    notify_stopping(ms_max);
    if (gr_attach(&s->self) != 0) return EXIT_FAILED;
    while (gate_count(s->gate) > 0 && !passed(deadline)) (void)gr_sleep(s->self, gr_after_ms(TICK_MS));
    if (gate_count(s->gate) > 0) {
        gr_log(GR_LOG_WARN, "%u requests are cut off: the drain deadline has passed", gate_count(s->gate));
        late = true;
    }
    /* Connections that wait for a request look up once a second; then what is cut off was still being sent. */
    int code = gr_http_stop(s->self, &s->server, late ? GR_NOW : deadline);
    if (code == GR_ETIMEOUT && !late && s->options->drain_ms >= LOOK_UP_MS) {
        gr_log(GR_LOG_WARN, "answers are cut off: the drain deadline has passed");
        late = true;
    }
    while (somebody_is_busy(s->self) && !passed(deadline)) (void)gr_sleep(s->self, gr_after_ms(TICK_MS));
    if (!late && somebody_is_busy(s->self)) {
        gr_log(GR_LOG_WARN, "actors are still busy: the drain deadline has passed");
        late = true;
    }
    gr_deadline end = gr_after_ms(KILL_MS);
    if (deadline.ns > end.ns) end = deadline;
    (void)gr_each(kill_other, s->self);
    signals_forbid_calls();
    s->self = NULL; /* stopping detaches it */
    if (gr_stop(end) == GR_ETIMEOUT) {
        gr_log(GR_LOG_WARN, "actors ignored that they were killed");
        late = true;
    }
    layers_free(s); /* now nobody can be in there */
    gr_tls_free(&s->tls);
    gr_tls_free(&s->tls_probe);
    return late ? EXIT_DEADLINE : EXIT_CLEAN;
}

/* A log line for each line of the dump: its pieces are whole lines. */
static int log_lines(void *arg, const char *text, size_t bytes)
{
    (void)arg;
    for (const char *end = text + bytes; text < end;) {
        const char *newline = memchr(text, '\n', (size_t)(end - text));
        char line[2048];
        size_t length = (size_t)((newline ? newline : end) - text);
        snprintf(line, sizeof line, "%.*s", (int)length, text);
        logger_write(NULL, GR_LOG_INFO, GR_NO_ADDRESS, line);
        text += length + 1;
    }
    return 0;
}

void serving_dump(void)
{
    int code = gr_dump_to(log_lines, NULL);
    if (code != 0) logger_print(GR_LOG_ERROR, "the actors could not be dumped: %s", gr_error_text(code));
}
