/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Tables of schemas and parameters, and the walk over the routes that joins them. The texts are JSON with ' for ". */
#include "rest/openapi.h"

#include <stdlib.h>
#include <string.h>

#include <greenroom/runtime.h>

#include "rest/negotiate.h"

typedef struct schema {
    const char *name, *media, *text;
} schema;

#define TEXT "{'type':'string'}"
#define COUNT "{'type':'integer','format':'int64','minimum':0}"
#define REPORT \
    "{'type':'object','description':'What an actor raised','properties':{'error':" TEXT ",'description':{}," \
    "'text-exception':" TEXT ",'stack-trace':{'type':'array','items':{'type':'object'}}}}"
#define REMOTE "'response':{'description':'The id of the remotecall'}"

static const schema schemas[] = {
    {"Any", "application/json", "{'description':'Any JSON value: what the actor published or answered'}"},
    {"Message", "application/json",
     "{'description':'Any JSON value. An object with remotecall, method, message and timeout is a call as the clients "
     "of "
     "python-actors make it, where POST /{name} casts anything else'}"},
    {"Spawn", "application/json",
     "{'type':'object','required':['behaviour'],'additionalProperties':false,'properties':{'behaviour':" TEXT
     ",'args':{'description':'Any JSON value of the shape that the behaviour asks for'}}}"},
    {"Spawned", "application/json", "{'type':'object','required':['name'],'properties':{'name':" TEXT "}}"},
    {"Taken", "application/json",
     "{'type':'object','description':'accepted: a cast; response and message: the answer to a remotecall',"
     "'properties':{'accepted':{'type':'boolean'}," REMOTE ",'message':{}}}"},
    {"RemoteUnknown", "application/json",
     "{'type':'object','description':'A remotecall of a method that the actor does not have; or a problem report, "
     "where "
     "there is no such actor','properties':{" REMOTE ",'invalid_method':" TEXT "}}"},
    {"RemoteException", "application/json",
     "{'type':'object','required':['response','exception'],'properties':{" REMOTE ",'exception':" REPORT "}}"},
    {"RemoteTimeout", "application/json", "{'type':'object','required':['timeout'],'properties':{'timeout':{}}}"},
    {"Killed", "application/json",
     "{'type':'object','required':['killed'],'properties':{'killed':{'type':'boolean','description':'Has it "
     "ended?'}}}"},
    {"Exit", "application/json",
     "{'type':'object','description':'One of the three','minProperties':1,'maxProperties':1,'properties':{"
     "'exit':{'description':'What it returned'},'exception':" REPORT ",'killed':{'type':'boolean'}}}"},
    {"Events", "text/event-stream",
     "{'type':'string','description':'Events: state, whose data is what the actor published and whose id is "
     "VERSION-ADDRESS; exit, whose data is an Exit, and which is the last'}"},
    {"Actors", "application/json",
     "{'type':'object','required':['total','offset','limit','next','actors'],'properties':{'total':" COUNT
     ",'offset':" COUNT ",'limit':" COUNT
     ",'next':{'type':'string','nullable':true,'description':'For after: where the next page begins'},"
     "'actors':{'type':'array','items':{'$ref':'#/components/schemas/Actor'}}}}"},
    {"Actor", "application/json",
     "{'type':'object','required':['address','name','behaviour','kind','state'],'properties':{'address':" TEXT
     ",'name':{'type':'string','nullable':true},'behaviour':{'type':'string','nullable':true},"
     "'kind':{'type':'string','enum':['server','thread','attached']},"
     "'state':{'type':'string','enum':['running','waiting','ending','attached']},'mailbox':" COUNT ",'messages':" COUNT
     ",'memory':" COUNT ",'publications':" COUNT "}}"},
    {"Info", "application/json",
     "{'type':'object','required':['address','names','behaviour','kind','state'],'properties':{'address':" TEXT
     ",'names':{'type':'array','items':" TEXT "},'behaviour':{'type':'string','nullable':true},'kind':" TEXT
     ",'state':" TEXT ",'waits_for':{'type':'string','nullable':true},'waits_since_ms':{'type':'number','nullable':"
     "true},'mailbox':" COUNT ",'mailbox_max':" COUNT ",'messages':" COUNT ",'publications':" COUNT ",'memory':" COUNT
     ",'stack':" COUNT ",'links':{'type':'array','items':" TEXT "},'monitors':" COUNT
     ",'worker':{'type':'integer','nullable':true}}}"},
    {"Stats", "application/json",
     "{'type':'object','required':['time','uptime','version','workers','actors','messages','mailbox','memory','http'],"
     "'properties':{'time':{'type':'number'},'uptime':{'type':'number'},'version':" TEXT
     ",'workers':{'type':'array','items':{'type':'object'}},'actors':{'type':'object'},'messages':{'type':'object'},"
     "'mailbox':{'type':'object'},'memory':{'type':'object'},'http':{'type':'object','nullable':true}}}"},
    {"Exits", "application/json",
     "{'type':'array','items':{'type':'object','required':['number','time','address','name','behaviour','how','report']"
     ","
     "'properties':{'number':" COUNT ",'time':{'type':'number'},'address':" TEXT
     ",'name':{'type':'string','nullable':true},"
     "'behaviour':{'type':'string','nullable':true},'how':{'type':'string','enum':['exception','killed','overflow']},"
     "'report':{'type':'object','nullable':true}}}}"},
    {"Metrics", "text/plain", "{'type':'string','description':'The text format of Prometheus, version 0.0.4'}"},
    {"Outlook", "text/event-stream",
     "{'type':'string','description':'Events: stats, whose data is Stats; exits, whose data is Exits'}"},
    {"Status", "application/json", "{'type':'object','required':['status'],'properties':{'status':" TEXT "}}"},
    {"Behaviours", "application/json",
     "{'type':'array','items':{'type':'object','required':['name','kind','arguments','text','methods'],'properties':{"
     "'name':" TEXT ",'kind':{'type':'string','enum':['server','thread']},"
     "'arguments':{'type':'string','nullable':true,'description':'The shape of args'},"
     "'text':{'type':'string','nullable':true},'methods':{'type':'array','items':" TEXT "}}}}"},
    {"Description", "application/json", "{'type':'object','description':'An OpenAPI document'}"},
    {"File", "*/*", "{'type':'string','format':'binary'}"},
    {"Problem", "application/problem+json",
     "{'type':'object','description':'RFC "
     "9457','required':['type','title','status','detail'],'properties':{'type':" TEXT ",'title':" TEXT
     ",'status':{'type':'integer'},'detail':" TEXT ",'line':" COUNT ",'column':" COUNT ",'byte':" COUNT
     ",'exception':" REPORT "}}"},
};

typedef struct parameter {
    const char *id, *name, *in, *schema, *text;
} parameter;

static const parameter parameters[] = {
    {"limit", "limit", "query", "{'type':'integer','minimum':0,'maximum':1000,'default':100}", "Actors of one page"},
    {"offset", "offset", "query", "{'type':'integer','minimum':0,'maximum':9000,'default':0}",
     "Actors before the page; for more than 9000 go on with after"},
    {"after", "after", "query", TEXT, "The next of the page before, in the same order"},
    {"sort", "sort", "query",
     "{'type':'string','pattern':'^-?(address|name|behaviour|state|messages|mailbox|memory)$','default':'address'}",
     "The order; a minus turns it round"},
    {"search", "search", "query", "{'type':'string','maxLength':255}",
     "Only actors whose name, behaviour or address contains the text; the case of ASCII letters does not matter"},
    {"state", "state", "query", "{'type':'string','enum':['running','waiting','ending','attached']}", "Only these"},
    {"behaviour", "behaviour", "query", TEXT, "Only actors with exactly this behaviour"},
    {"kind", "kind", "query", "{'type':'string','enum':['server','thread','attached']}", "Only these"},
    {"timeout", "timeout", "query", "{'type':'number','minimum':0,'maximum':3600,'default':30}",
     "Seconds to wait; then 204"},
    {"interval", "interval", "query", "{'type':'integer','minimum':0,'maximum':10000,'default':20}",
     "Milliseconds between two states at least; what comes faster is left out, the newest never"},
    {"period", "interval", "query", "{'type':'integer','minimum':100,'maximum':10000,'default':1000}",
     "Milliseconds between two figures"},
    {"count", "limit", "query", "{'type':'integer','minimum':0,'maximum':256,'default':256}", "At most so many"},
    {"LastEventId", "Last-Event-ID", "header", TEXT, "The id of the last event that was received: not sent again"},
    {"IfNoneMatch", "If-None-Match", "header", TEXT, "Entity tags that are known; 304 if it is one of them"},
    {"Prefer", "Prefer", "header", TEXT, "wait=SECONDS, at most 3600: how long the call may take; 30 without"},
    {"name", "name", "path", "{'type':'string','maxLength':255}",
     "A name, which may contain slashes but no segment -, or the text of an address"},
    {"method", "method", "path", TEXT, "The method that is called"},
    {"file", "file", "path", TEXT, "The file's name"},
};

#define COUNT_OF(array) (sizeof(array) / sizeof *(array))

static const schema *find_schema(const char *name, size_t bytes)
{
    for (size_t i = 0; i < COUNT_OF(schemas); i++)
        if (strlen(schemas[i].name) == bytes && memcmp(schemas[i].name, name, bytes) == 0) return &schemas[i];
    return NULL;
}

/* One of "200=Actors 400". */
typedef struct answer {
    int status;
    const schema *body; /* NULL: none */
} answer;

static const char *next_answer(const char *at, answer *ret)
{
    char *end = NULL;
    at += strspn(at, " ");
    if (!*at) return NULL;
    *ret = (answer){.status = (int)strtol(at, &end, 10)};
    if (*end == '=') {
        size_t bytes = strcspn(++end, " ");
        ret->body = find_schema(end, bytes);
        return end + bytes;
    }
    if (ret->status >= 400) ret->body = find_schema("Problem", 7);
    return end;
}

const char *gri_route_media(const gri_route *route)
{
    answer first;
    if (!next_answer(route->answers, &first) || !first.body) return NULL;
    return first.body->media[0] == '*' ? NULL : first.body->media;
}

bool gri_route_answers(const gri_route *route, int status)
{
    static const int always[] = {400, 405, 408, 413, 414, 431, 500, 503};
    answer own;
    for (const char *at = route->answers; (at = next_answer(at, &own)) != NULL;)
        if (own.status == status) return true;
    for (const int *common = gri_route_common(route); *common; common++)
        if (*common == status) return true;
    for (size_t i = 0; i < COUNT_OF(always); i++)
        if (always[i] == status) return true;
    return false;
}

/* Writing ------------------------------------------------------------------------------------------------------------ */

static void put(gri_buffer *b, const char *text)
{
    gri_buffer_put_quoted(b, text);
}

static void put_string(gri_buffer *b, const char *text)
{
    gri_buffer_put_string(b, text, strlen(text));
}

static void put_reference(gri_buffer *b, const char *what, const char *name)
{
    put(b, "{'$ref':'#/components/");
    put(b, what);
    put(b, "/");
    put(b, name);
    put(b, "'}");
}

static void put_answer(gri_buffer *b, const answer *a, bool first)
{
    if (!first) put(b, ",");
    put(b, "'");
    gri_buffer_put_number(b, (uint64_t)a->status);
    put(b, "':{'description':");
    put_string(b, gr_status_text(a->status));
    if (a->body) {
        put(b, ",'content':{");
        put_string(b, a->body->media);
        put(b, ":{'schema':");
        put_reference(b, "schemas", a->body->name);
        put(b, "}}");
    }
    put(b, "}");
}

static bool is_own(const gri_route *route, int status)
{
    answer a;
    for (const char *at = route->answers; (at = next_answer(at, &a)) != NULL;)
        if (a.status == status) return true;
    return false;
}

static void put_answers(gri_buffer *b, const gri_route *route)
{
    bool first = true;
    answer a;
    put(b, "'responses':{");
    for (const char *at = route->answers; (at = next_answer(at, &a)) != NULL; first = false) put_answer(b, &a, first);
    for (const int *common = gri_route_common(route); *common; common++) {
        a = (answer){*common, find_schema("Problem", 7)};
        if (!is_own(route, *common)) put_answer(b, &a, false);
    }
    put(b, "}");
}

/* Does the list of words, or of {words} in a path, contain the one? */
static bool names(const char *list, const char *word)
{
    size_t bytes = strlen(word);
    for (const char *at = list; *at; at += strcspn(at, " {}"), at += strspn(at, " {}"))
        if (strcspn(at, " {}") == bytes && memcmp(at, word, bytes) == 0) return true;
    return false;
}

static void put_parameters(gri_buffer *b, const gri_route *route)
{
    bool first = true;
    put(b, "'parameters':[");
    for (size_t i = 0; i < COUNT_OF(parameters); i++) {
        bool in_path = strcmp(parameters[i].in, "path") == 0;
        if (!names(in_path ? gri_route_path(route->pattern) : route->parameters, parameters[i].id)) continue;
        if (!first) put(b, ",");
        put_reference(b, "parameters", parameters[i].id);
        first = false;
    }
    put(b, "],");
}

static void put_operation(gri_buffer *b, const gri_route *route)
{
    static const char *const verbs[][2] = {
        {"GET", "'get':{"}, {"PUT", "'put':{"}, {"POST", "'post':{"}, {"DELETE", "'delete':{"}};
    for (size_t i = 0; i < COUNT_OF(verbs); i++)
        if (strcmp(route->method, verbs[i][0]) == 0) put(b, verbs[i][1]);
    put(b, "'operationId':");
    put_string(b, route->operation);
    put(b, ",'summary':");
    put_string(b, route->text);
    put(b, ",");
    put_parameters(b, route);
    if (*route->body) {
        put(b, "'requestBody':{'content':{'application/json':{'schema':");
        put_reference(b, "schemas", route->body);
        put(b, "}}},");
    }
    if (route->scope == GRI_SCOPE_READ)
        put(b, "'security':[{'token':[]},{}],"); /* {}: where only this machine can connect */
    if (route->scope == GRI_SCOPE_CHANGE) put(b, "'security':[{'token':[]}],");
    put_answers(b, route);
    put(b, "}");
}

static void put_paths(gri_buffer *b)
{
    put(b, "'paths':{");
    for (size_t pattern = 0; pattern < GRI_PATH_UNKNOWN; pattern++) {
        bool first = true;
        if (pattern) put(b, ",");
        put_string(b, gri_route_path((enum gri_pattern)pattern));
        put(b, ":{");
        for (size_t i = 0; i < gri_route_count; i++) {
            if (gri_routes[i].pattern != (enum gri_pattern)pattern) continue;
            if (!first) put(b, ",");
            put_operation(b, &gri_routes[i]);
            first = false;
        }
        put(b, "}");
    }
    put(b, "},");
}

static void put_components(gri_buffer *b)
{
    put(b, "'components':{'securitySchemes':{'token':{'type':'http','scheme':'bearer'}},'schemas':{");
    for (size_t i = 0; i < COUNT_OF(schemas); i++) {
        if (i) put(b, ",");
        put_string(b, schemas[i].name);
        put(b, ":");
        put(b, schemas[i].text);
    }
    put(b, "},'parameters':{");
    for (size_t i = 0; i < COUNT_OF(parameters); i++) {
        const parameter *p = &parameters[i];
        if (i) put(b, ",");
        put_string(b, p->id);
        put(b, ":{'name':");
        put_string(b, p->name);
        put(b, ",'in':");
        put_string(b, p->in);
        if (strcmp(p->in, "path") == 0) put(b, ",'required':true");
        put(b, ",'description':");
        put_string(b, p->text);
        put(b, ",'schema':");
        put(b, p->schema);
        put(b, "}");
    }
    put(b, "}}");
}

void gri_openapi_write(gri_buffer *b)
{
    put(b, "{'openapi':'3.0.3','info':{'title':'Greenroom','version':");
    put_string(b, gr_version());
    put(b,
        ",'description':'The actors of one process. HEAD answers as GET, without the body; OPTIONS answers Allow.'},");
    put_paths(b);
    put_components(b);
    put(b, "}\n");
}

/* FNV-1a: who has seen this very text has it. */
static void print_tag(const gri_buffer *b, char tag[20])
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    for (size_t i = 0; i < b->bytes; i++) hash = (hash ^ (unsigned char)b->text[i]) * UINT64_C(0x100000001b3);
    *tag++ = '"';
    for (int i = 60; i >= 0; i -= 4) *tag++ = "0123456789abcdef"[hash >> i & 15];
    memcpy(tag, "\"", 2);
}

int gri_describe(const gri_request *r)
{
    gri_buffer b = {.self = r->env->self};
    char tag[20];
    gri_openapi_write(&b);
    if (b.failed) return gri_answer_code(r->respond, GR_ENOMEM, "the description");
    print_tag(&b, tag);
    const gr_header headers[] = {{"Content-Type", GRI_JSON}, {"ETag", tag}, {"Cache-Control", "private, no-cache"}};
    int code;
    if (gri_tag_known(r->env, tag)) {
        code = gr_response_start(r->respond, 304, headers + 1, 2, 0);
    } else {
        code = gr_response_start(r->respond, 200, headers, 3, (int64_t)b.bytes);
        if (code == 0) code = gr_response_write(r->respond, b.text, b.bytes);
    }
    gri_buffer_free(&b);
    return code;
}
