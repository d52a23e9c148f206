/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* PUT, GET, HEAD, DELETE and the casting half of POST; calls.c has the calling half. */
#include "rest/actors_app.h"

#include <string.h>

#include <greenroom/remote.h>
#include <greenroom/runtime.h>

#include "rest/ending.h"
#include "rest/http_target.h"
#include "rest/negotiate.h"
#include "rest/requests.h"

enum { TAG_BYTES = GR_ADDRESS_TEXT_BYTES + 24 };

/* Audit: who changed what. status: of HTTP, or 0 for accepted, or the error that kept it from happening. */
static void note(const gri_request *r, int status)
{
    const gr_environ *env = r->env;
    if (status < 0)
        gr_log(GR_LOG_INFO, "rest: %s %s from %s: refused, %s", env->method, env->path, env->remote,
               gr_error_name(status));
    else
        gr_log(GR_LOG_INFO, "rest: %s %s from %s: %d", env->method, env->path, env->remote, status ? status : 202);
}

int gri_request_json(const gri_request *r, bool optional, gr_message **ret_message)
{
    const char *text = NULL;
    size_t bytes = 0;
    gr_detail detail = {0};
    gr_parse_options options = {.depth_max = r->json_depth, .addresses = gr_remote_form()};
    const char *refusal = gri_content_refusal(r->env);
    if (refusal) {
        int refused = gri_answer_problem_header(r->respond, 415, "Accept-Post", GRI_JSON, refusal);
        return refused != 0 ? refused : GRI_ANSWERED;
    }
    int code = gr_input_all(r->env, &text, &bytes);
    if (code != 0) return code;
    if (optional && bytes == 0) return gr_pack(ret_message, "n");
    code = gr_parse(text, bytes, &options, ret_message, &detail);
    if (code == 0) return 0;
    if (code == GR_ENOMEM || code == GR_EFULL) {
        code = gri_answer_code(r->respond, code, "the body was not read");
    } else if (code == GR_EDENIED) {
        code = gri_answer_problem(r->env, r->respond, 403, &detail, (gr_value){NULL}, "%s", detail.text);
    } else if (code == GR_ETOOBIG) {
        code = gri_answer_problem(r->env, r->respond, 413, &detail, (gr_value){NULL}, "the JSON value is too big: %s",
                                  detail.text);
    } else {
        code = gri_answer_problem(r->env, r->respond, 400, &detail, (gr_value){NULL},
                                  "the body is not acceptable JSON: %s", detail.text);
    }
    return code != 0 ? code : GRI_ANSWERED;
}

static bool is_system(gr_address address)
{
    gr_actor_info info;
    return gr_inspect(address, &info) == 0 && strncmp(info.behaviour, "greenroom.", 10) == 0;
}

/* The runtime's own actors have no names: only an address can lead to one. */
int gri_request_actor(const gri_request *r, gr_address *ret_address)
{
    int code = gr_lookup(r->name, ret_address);
    if (code == 0 && strlen(r->name) == GR_ADDRESS_TEXT_BYTES - 1 && is_system(*ret_address)) code = GR_ENOTFOUND;
    if (code == 0) return 0;
    return gri_request_nobody(r);
}

int gri_request_nobody(const gri_request *r)
{
    int code =
        gri_answer_problem(r->env, r->respond, 404, NULL, (gr_value){NULL}, "no actor answers under %s", r->name);
    return code != 0 ? code : GRI_ANSWERED;
}

/* {"behaviour": b, "args": …}: what is wrong with it, or NULL. */
static const char *check_spawn(gr_value body)
{
    if (gr_type_of(body) != GR_OBJECT) return "the body must be an object: {\"behaviour\": name, \"args\": anything}";
    if (gr_type_of(gr_get(body, "behaviour")) != GR_STRING) return "\"behaviour\" must be there and a string";
    for (gr_iter it = gr_iterate(body); gr_next(&it);)
        if (it.key_bytes != strlen(it.key) || (strcmp(it.key, "behaviour") != 0 && strcmp(it.key, "args") != 0))
            return "only \"behaviour\" and \"args\" may be there";
    return NULL;
}

static int send_location(const gri_request *r)
{
    char location[GR_NAME_BYTES_MAX * 3 + 256];
    const char *prefix = r->env->script_name;
    size_t used = strlen(prefix);
    if (used > 250) return GR_ETOOBIG;
    memcpy(location, prefix, used);
    location[used++] = '/';
    used += gri_http_percent_encode(r->name, strlen(r->name), location + used);
    location[used] = '\0';
    unsigned char storage[GR_NAME_BYTES_MAX + 128];
    gr_header header = {"Location", location};
    gr_value body;
    int code = gr_pack_into(storage, sizeof storage, &body, "{s:s}", "name", r->name);
    return code != 0 ? code : gri_answer_json(r->env, r->respond, 202, GRI_JSON, body, &header, 1);
}

static int spawn_failed(const gri_request *r, const char *behaviour, int code)
{
    const gr_detail *detail = gr_error_detail(r->env->self);
    gr_value none = {NULL};
    note(r, code);
    switch (code) {
    case GR_EEXISTS: return gri_answer_problem(r->env, r->respond, 409, NULL, none, "the name %s is taken", r->name);
    case GR_ENOTFOUND:
        return gri_answer_problem(r->env, r->respond, 404, NULL, none, "there is no behaviour \"%s\" here", behaviour);
    case GR_ETYPE: return gri_answer_problem(r->env, r->respond, 422, NULL, none, "bad \"args\": %s", detail->text);
    case GR_EINVAL: return gri_answer_problem(r->env, r->respond, 400, NULL, none, "cannot spawn: %s", detail->text);
    default: return gri_answer_code(r->respond, code, "cannot spawn");
    }
}

int gri_put_actor(const gri_request *r)
{
    gr_message *body = NULL;
    gr_address address;
    int code = gri_request_json(r, false, &body);
    if (code != 0) return gri_answered(code);
    const char *why = check_spawn(gr_body(body));
    if (why) {
        code = gr_response_problem(r->respond, 422, "%s", why);
    } else {
        gr_value given = gr_get(gr_body(body), "behaviour");
        const char *behaviour = gr_string(given, "");
        gr_spawn_options options = {.name = r->name};
        bool system = strncmp(behaviour, "greenroom.", 10) == 0, whole = gri_is_c_string(given);
        code = system || !whole
                   ? GR_ENOTFOUND
                   : gr_spawn_behaviour(r->env->self, &address, behaviour, &options, gr_get(gr_body(body), "args"));
        if (code == 0) note(r, 202);
        code = code == 0 ? send_location(r) : spawn_failed(r, behaviour, code);
    }
    gr_message_free(&body);
    return code;
}

static int cast(const gri_request *r, gr_address address, gr_message **message)
{
    int code = gr_send(r->env->self, address, message);
    if (code == GR_EDEAD) return gri_answered(gri_request_nobody(r));
    if (code != 0) return gri_answer_refused(r, address, code, "the message was not taken");
    return gr_response_send(r->respond, 202, GRI_JSON, "{\"accepted\":true}\n", 18);
}

int gri_post_actor(const gri_request *r)
{
    gr_message *message = NULL;
    gr_address address;
    int code = gri_request_actor(r, &address);
    if (code == 0) code = gri_request_json(r, false, &message);
    if (code != 0) return gri_answered(code);
    code =
        gri_is_remotecall(gr_body(message)) ? gri_remotecall(r, address, gr_body(message)) : cast(r, address, &message);
    gr_message_free(&message);
    return code;
}

/* "ADDRESS-VERSION", quotes included. */
static void print_tag(gr_address address, uint64_t version, char tag[TAG_BYTES])
{
    char digits[20];
    size_t at = sizeof digits;
    do digits[--at] = (char)('0' + version % 10);
    while (version /= 10);
    *tag++ = '"';
    tag += strlen(gr_address_print(address, tag));
    *tag++ = '-';
    memcpy(tag, digits + at, sizeof digits - at);
    tag += sizeof digits - at;
    memcpy(tag, "\"", 2);
}

int gri_get_actor(const gri_request *r)
{
    char tag[TAG_BYTES];
    unsigned char storage[64];
    gr_address address;
    gr_message *state = NULL;
    uint64_t version = 0;
    gr_value value;
    int code = gri_request_actor(r, &address);
    if (code != 0) return gri_answered(code);
    code = gr_state(address, &state, &version);
    if (code == GR_EDEAD) return gri_answered(gri_request_nobody(r));
    if (code == GR_ENOTFOUND) {
        version = 0;
        code = gr_pack_into(storage, sizeof storage, &value, "{}");
    } else {
        value = gr_body(state);
    }
    if (code != 0) return gri_answer_code(r->respond, code, "the state was not read");
    print_tag(address, version, tag);
    /* May be kept, and has to be asked about each time: that is what the tag is for. */
    const gr_header headers[] = {{"ETag", tag}, {"Cache-Control", "private, no-cache"}, {"Vary", "Accept"}};
    if (gri_tag_known(r->env, tag)) {
        code = gr_response_start(r->respond, 304, headers, 3, 0);
    } else {
        code = gri_answer_json(r->env, r->respond, 200, GRI_JSON, value, headers, 3);
    }
    gr_message_free(&state);
    return code;
}

/* 200 when it has ended in time. */
static int kill_and_wait(const gri_request *r, gr_address address)
{
    gri_ending ending;
    int code = gri_ending_init(&ending, r->env->self, address);
    if (code != 0) return gri_answer_code(r->respond, code, "not killed");
    code = gr_kill(address);
    if (code == 0) code = gri_ending_wait(&ending, gr_after_ms(GRI_DELETE_WAIT_MS));
    gri_ending_fini(&ending);
    if (code == GR_EDEAD) return gri_answered(gri_request_nobody(r));
    if (code != 0 && code != GR_ETIMEOUT) return gri_answer_code(r->respond, code, "killed, but not waited for");
    int status = code == GR_ETIMEOUT ? 202 : 200;
    note(r, status);
    return status == 202 ? gr_response_send(r->respond, 202, GRI_JSON, "{\"killed\":false}\n", 17)
                         : gr_response_send(r->respond, 200, GRI_JSON, "{\"killed\":true}\n", 16);
}

int gri_delete_actor(const gri_request *r)
{
    gr_address address;
    int code = gri_request_actor(r, &address);
    return code != 0 ? gri_answered(code) : kill_and_wait(r, address);
}
