/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
#include "rest/event_stream.h"

#include <string.h>

#include "rest/requests.h"
#include "rest/shared.h"

static int send_text(gri_stream *s)
{
    int code = s->text.failed ? GR_ENOMEM : gr_response_write(s->request->respond, s->text.text, s->text.bytes);
    gri_buffer_clear(&s->text);
    s->beat = gr_after_ms(s->request->shared->beat_ms);
    return code;
}

int gri_stream_event(gri_stream *s, const char *name, const char *id, gr_value data)
{
    gri_buffer_put_text(&s->text, "event: ");
    gri_buffer_put_text(&s->text, name);
    if (id) gri_buffer_put_text(&s->text, "\nid: "), gri_buffer_put_text(&s->text, id);
    gri_buffer_put_text(&s->text, "\ndata: ");
    gri_buffer_put_value(&s->text, data);
    gri_buffer_put_text(&s->text, "\n\n");
    return send_text(s);
}

int gri_stream_tick(gri_stream *s)
{
    if (gr_killed(s->request->env->self)) return GR_EKILLED;
    if (gr_response_gone(s->request->respond)) return GR_ECLOSED;
    if (gr_now_ns() < s->beat.ns) return 0;
    gri_buffer_put_text(&s->text, ":\n\n");
    return send_text(s);
}

gr_deadline gri_stream_due(const gri_stream *s)
{
    gr_deadline tick = gr_after_ms(GRI_STREAM_TICK_MS);
    return tick.ns < s->beat.ns ? tick : s->beat;
}

int gri_stream_sleep(gri_stream *s, int64_t ms)
{
    const gr_deadline end = gr_after_ms(ms);
    for (;;) {
        gr_deadline due = gri_stream_due(s);
        bool last = end.ns <= due.ns;
        int code = gr_sleep(s->request->env->self, last ? end : due);
        if (code != 0 || last) return code;
        if ((code = gri_stream_tick(s)) != 0) return code;
    }
}

static int begin(gri_stream *s)
{
    const gr_header headers[] = {
        {"Content-Type", "text/event-stream"},
        {"X-Accel-Buffering", "no"}, /* nginx would hold events back until it has a buffer full */
    };
    int code = gr_response_start(s->request->respond, 200, headers, 2, GR_BODY_UNKNOWN);
    if (code != 0) return code;
    gri_buffer_put_text(&s->text, "retry: ");
    gri_buffer_put_number(&s->text, GRI_STREAM_RETRY_MS);
    gri_buffer_put_text(&s->text, "\n\n");
    return send_text(s);
}

int gri_stream_run(const gri_request *r, int (*follow)(gri_stream *stream, void *arg), void *arg)
{
    gr_self *self = r->env->self;
    gri_stream s = {.request = r, .text = {.self = self}};
    gri_stay *stay = NULL;
    if (strcmp(r->env->method, "HEAD") == 0) return begin(&s);
    int code = gri_stay_begin(r->shared, self, true, &stay);
    if (code == GR_EFULL)
        return gri_answer_problem_header(r->respond, 503, "Retry-After", "5", "there are too many event streams");
    if (code != 0) return gri_answer_code(r->respond, code, "no stream");
    gr_kill_release(self);
    code = begin(&s);
    if (code == 0) code = follow(&s, arg);
    gr_kill_hold(self);
    gri_buffer_free(&s.text);
    gri_stay_end(self, stay);
    return code == GR_EKILLED ? 0 : code; /* a drain: what has been sent is a whole answer */
}
