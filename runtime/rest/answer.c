/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* JSON answers and problem reports of the actors application. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <greenroom/remote.h>

#include "rest/actors_app.h"
#include "rest/shared.h"

enum { SMALL_BYTES = 1024, HEADERS_MAX = 4, DETAIL_BYTES = 320 };

static int send_text(gr_responder *respond, int status, const char *content_type, const char *text, size_t bytes,
                     const gr_header *headers, size_t count)
{
    gr_header all[HEADERS_MAX + 1] = {{"Content-Type", content_type}};
    if (count > HEADERS_MAX) return GR_EINVAL;
    for (size_t i = 0; i < count; i++) all[i + 1] = headers[i];
    int code = gr_response_start(respond, status, all, count + 1, (int64_t)bytes);
    return code != 0 ? code : gr_response_write(respond, text, bytes);
}

int gri_answer_json(const gr_environ *env, gr_responder *respond, int status, const char *content_type, gr_value value,
                    const gr_header *headers, size_t count)
{
    const gr_print_options options = {.addresses = gr_remote_form()};
    char small[SMALL_BYTES], *text = small;
    size_t bytes = 0;
    int code = gr_print(value, &options, small, sizeof small - 1, &bytes);
    if (code == GR_ETOOBIG) {
        text = gr_alloc(env->self, bytes + 2);
        code = text ? gr_print(value, &options, text, bytes + 1, &bytes) : GR_ENOMEM;
    }
    if (code == 0) {
        text[bytes++] = '\n';
        code = send_text(respond, status, content_type, text, bytes, headers, count);
    }
    if (text && text != small) gr_free(env->self, text);
    return code;
}

/* What a request contained may not be text; a problem report is. */
static void make_text(char *text)
{
    unsigned char storage[DETAIL_BYTES + 32];
    gr_value value;
    if (gr_pack_into(storage, sizeof storage, &value, "s", text) == 0) return;
    for (; *text; text++)
        if ((unsigned char)*text >= 0x80) *text = '?';
}

int gri_answer_problem(const gr_environ *env, gr_responder *respond, int status, const gr_detail *where,
                       gr_value exception, const char *format, ...)
{
    char detail[DETAIL_BYTES];
    gr_builder b;
    gr_message *problem = NULL;
    va_list args;
    va_start(args, format);
    int written = vsnprintf(detail, sizeof detail, format, args);
    va_end(args);
    if (written < 0) return GR_EINVAL;
    make_text(detail);
    gr_build(&b);
    gr_put_object(&b);
    gr_put_key(&b, "type"), gr_put_string(&b, "about:blank");
    gr_put_key(&b, "title"), gr_put_string(&b, gr_status_text(status));
    gr_put_key(&b, "status"), gr_put_int(&b, status);
    gr_put_key(&b, "detail"), gr_put_string(&b, detail);
    if (where && where->line) {
        gr_put_key(&b, "line"), gr_put_int(&b, where->line);
        gr_put_key(&b, "column"), gr_put_int(&b, where->column);
        gr_put_key(&b, "byte"), gr_put_int(&b, (int64_t)where->byte);
    }
    if (gr_type_of(exception) != GR_MISSING) gr_put_key(&b, "exception"), gr_put_value(&b, exception);
    gr_put_end(&b);
    int code = gr_build_message(&b, &problem);
    if (code == 0) code = gri_answer_json(env, respond, status, GRI_PROBLEM, gr_body(problem), NULL, 0);
    gr_message_free(&problem);
    return code;
}

int gri_answer_problem_header(gr_responder *respond, int status, const char *name, const char *value,
                              const char *detail)
{
    unsigned char storage[DETAIL_BYTES * 2];
    char text[DETAIL_BYTES * 3];
    gr_header header = {name, value};
    gr_value problem;
    size_t bytes = 0;
    int code = gr_pack_into(storage, sizeof storage, &problem, "{s:s, s:s, s:i, s:s}", "type", "about:blank", "title",
                            gr_status_text(status), "status", status, "detail", detail);
    if (code == 0) code = gr_print(problem, NULL, text, sizeof text - 1, &bytes);
    if (code != 0) return code;
    text[bytes++] = '\n';
    return send_text(respond, status, GRI_PROBLEM, text, bytes, &header, 1);
}

static int answer_failure(gr_responder *respond, int code, const char *what, unsigned retry_s)
{
    char detail[DETAIL_BYTES], seconds[16];
    if (code == GR_EKILLED || code == GR_ECLOSED) return code;
    snprintf(detail, sizeof detail, "%s: %s", what, gr_error_text(code));
    snprintf(seconds, sizeof seconds, "%u", retry_s);
    if (code == GR_EFULL || code == GR_ENOMEM || code == GR_ENOTRUNNING)
        return gri_answer_problem_header(respond, 503, "Retry-After", seconds, detail);
    return gr_response_problem(respond, 500, "%s", detail);
}

int gri_answer_code(gr_responder *respond, int code, const char *what)
{
    return answer_failure(respond, code, what, 1);
}

int gri_answer_refused(const gri_request *r, gr_address address, int code, const char *what)
{
    unsigned retry_s = code == GR_EFULL ? gri_retry_after_s(&r->shared->retries, r->env->self, address) : 1;
    return answer_failure(r->respond, code, what, retry_s);
}
