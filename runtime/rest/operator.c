/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* What operators ask the process itself: is it alive, may it be sent requests, what can it spawn. */
#include <string.h>

#include <greenroom/build.h>
#include <greenroom/runtime.h>

#include "rest/actors_app.h"
#include "rest/shared.h"

enum { PROBE_BYTES = 16384 }; /* guess: a message that is not small */

int gri_livez(const gri_request *r)
{
    return gr_response_send(r->respond, 200, GRI_JSON, "{\"status\":\"alive\"}\n", 19);
}

/* Is there memory for a message? The limit on it is known to the allocator alone: what is under it may be held in pieces. */
static int probe_message_memory(void)
{
    gr_builder b;
    gr_message *probe = NULL;
    char text[64];
    memset(text, 'x', sizeof text);
    gr_build(&b);
    gr_put_array(&b);
    for (size_t i = 0; i < PROBE_BYTES / sizeof text; i++) gr_put_string_n(&b, text, sizeof text);
    gr_put_end(&b);
    int code = gr_build_message(&b, &probe);
    gr_message_free(&probe);
    return code;
}

/* Why no requests should be sent here now, or NULL. */
static const char *why_unready(const gri_request *r, char said[GRI_READY_WHY_BYTES])
{
    gr_counters counters;
    if (gr_counters_read(&counters) != 0 || counters.workers == 0) return "the runtime has no workers";
    if (gr_killed(r->env->self)) return "the server is stopping";
    if (!gri_shared_ready(r->shared, said)) return said;
    return probe_message_memory() != 0 ? "there is no memory for messages" : NULL;
}

int gri_readyz(const gri_request *r)
{
    char said[GRI_READY_WHY_BYTES];
    const char *why = why_unready(r, said);
    if (why) return gri_answer_problem_header(r->respond, 503, "Retry-After", "1", why);
    return gr_response_send(r->respond, 200, GRI_JSON, "{\"status\":\"ready\"}\n", 19);
}

static void put_text(gr_builder *b, const char *key, const char *text)
{
    gr_put_key(b, key);
    text ? gr_put_string(b, text) : gr_put_null(b);
}

int gri_list_behaviours(const gri_request *r)
{
    gr_builder b;
    gr_message *list = NULL;
    const gr_behaviour *behaviour;
    gr_build(&b);
    gr_put_array(&b);
    for (size_t i = 0; (behaviour = gr_behaviour_at(i)) != NULL; i++) {
        if (strncmp(behaviour->name, "greenroom.", 10) == 0) continue; /* the runtime's own */
        gr_put_object(&b);
        put_text(&b, "name", behaviour->name);
        put_text(&b, "kind", behaviour->server ? "server" : "thread");
        put_text(&b, "arguments", behaviour->arguments);
        put_text(&b, "text", behaviour->text);
        gr_put_key(&b, "methods"), gr_put_array(&b);
        for (size_t m = 0; behaviour->server && m < behaviour->server->method_count; m++)
            gr_put_string(&b, behaviour->server->methods[m].name);
        gr_put_end(&b);
        gr_put_end(&b);
    }
    gr_put_end(&b);
    int code = gr_build_message(&b, &list);
    if (code != 0) return gri_answer_code(r->respond, code, "the list");
    code = gri_answer_json(r->env, r->respond, 200, GRI_JSON, gr_body(list), NULL, 0);
    gr_message_free(&list);
    return code;
}
