/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
#include "rest/fake_request.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

static int input_all(gr_input *input, const char **ret_body, size_t *ret_bytes)
{
    fake_request *request = (fake_request *)(void *)((char *)input - offsetof(fake_request, input));
    *ret_body = request->body;
    *ret_bytes = strlen(request->body);
    request->body += *ret_bytes;
    return 0;
}

static int input_read(gr_input *input, void *buffer, size_t bytes, size_t *ret_bytes)
{
    fake_request *request = (fake_request *)(void *)((char *)input - offsetof(fake_request, input));
    size_t left = strlen(request->body);
    *ret_bytes = left < bytes ? left : bytes;
    memcpy(buffer, request->body, *ret_bytes);
    request->body += *ret_bytes;
    return 0;
}

void fake_request_init(fake_request *r, gr_self *self, const char *method, const char *path, const char *body)
{
    *r = (fake_request){.body = body ? body : ""};
    r->input = (gr_input){input_read, input_all};
    r->env = (gr_environ){.self = self,
                          .method = method,
                          .target = path,
                          .script_name = "",
                          .path = path,
                          .scheme = "http",
                          .protocol = "HTTP/1.1",
                          .host = "localhost:7580",
                          .remote = "127.0.0.1:1",
                          .local = "127.0.0.1:7580",
                          .headers = r->headers,
                          .content_length = (int64_t)strlen(r->body),
                          .input = &r->input};
    static char copy[4096];
    const char *mark = strchr(path, '?');
    if (mark) {
        snprintf(copy, sizeof copy, "%.*s", (int)(mark - path), path);
        r->env.path = copy;
        r->env.query = mark + 1;
    }
}

void fake_request_header(fake_request *r, const char *name, const char *value)
{
    r->headers[r->env.header_count++] = (gr_header){name, value};
}

static int start(gr_responder *respond, int status, const gr_header *headers, size_t count, int64_t body_bytes)
{
    fake_answer *a = (fake_answer *)respond;
    size_t used = 0;
    if (a->status) return GR_EEXISTS;
    a->status = status;
    a->announced = body_bytes;
    for (size_t i = 0; i < count; i++)
        used += (size_t)snprintf(a->headers + used, sizeof a->headers - used, "%s: %s\n", headers[i].name,
                                 headers[i].value);
    return 0;
}

static int write_body(gr_responder *respond, const void *data, size_t bytes)
{
    fake_answer *a = (fake_answer *)respond;
    if (a->body_bytes + bytes >= sizeof a->body) return GR_ETOOBIG;
    memcpy(a->body + a->body_bytes, data, bytes);
    a->body_bytes += bytes;
    a->body[a->body_bytes] = '\0';
    return 0;
}

void fake_answer_init(fake_answer *a)
{
    *a = (fake_answer){.respond = {start, write_body, NULL}};
}

const char *fake_answer_header(const fake_answer *a, const char *name)
{
    static char value[1024];
    size_t bytes = strlen(name);
    for (const char *at = a->headers; *at; at = strchr(at, '\n') + 1) {
        if (strncasecmp(at, name, bytes) != 0 || at[bytes] != ':') continue;
        snprintf(value, sizeof value, "%.*s", (int)strcspn(at + bytes + 2, "\n"), at + bytes + 2);
        return value;
    }
    return NULL;
}

int fake_run(gr_application application, const fake_request *request, fake_answer *ret_answer)
{
    fake_answer_init(ret_answer);
    gr_self *self = request->env.self;
    if (self) gr_kill_hold(self); /* as a server does */
    int code = application.run(application.state, &request->env, &ret_answer->respond);
    if (self) gr_kill_release(self);
    return code;
}
