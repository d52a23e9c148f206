/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Unpacking: the cases of data/pack/unpack.txt, beside json_unpack, and what only the macros can show. */
#include "message/address.h"
#include "message/plan.h"
#include "message/value.h"
#include "support/test.h"

#include <greenroom/jansson.h>
#include <greenroom/pack.h>
#include <greenroom/text.h>

enum { ARGUMENTS = 16 };

typedef union variable {
    const char *s;
    size_t z;
    int i;
    unsigned u;
    int64_t I;
    uint64_t U;
    bool b;
    double f;
    gr_address A;
    const void *p;
    gr_value V;
    json_t *O;
    unsigned char bytes[8];
} variable;

#define UNTOUCHED 0x5a

typedef struct call {
    void *words[ARGUMENTS];
    unsigned char types[ARGUMENTS];
    variable variables[ARGUMENTS];
    char kinds[ARGUMENTS]; /* the letter behind >, 0 for keys */
    char keys[ARGUMENTS][32];
    unsigned count;
} call;

#define W(c, i) (c)->words[i]
#define ALL(c) \
    W(c, 0), W(c, 1), W(c, 2), W(c, 3), W(c, 4), W(c, 5), W(c, 6), W(c, 7), W(c, 8), W(c, 9), W(c, 10), W(c, 11), \
        W(c, 12), W(c, 13), W(c, 14), W(c, 15)

static gr_arg type_of_kind(char kind)
{
    switch (kind) {
    case 's': return GR_ARG_TEXT_OUT;
    case 'z':
    case 'U': return GR_ARG_ULONG_OUT;
    case 'i':
    case '0': return GR_ARG_INT_OUT;
    case 'u': return GR_ARG_UINT_OUT;
    case 'I': return GR_ARG_LONG_OUT;
    case 'b': return GR_ARG_BOOL_OUT;
    case 'f': return GR_ARG_DOUBLE_OUT;
    case 'A': return GR_ARG_ADDRESS_OUT;
    case 'p': return GR_ARG_POINTER_OUT;
    case 'V': return GR_ARG_VALUE_OUT;
    case 'O': return GR_ARG_JSON_OUT;
    default: TEST_FAIL("unknown kind of variable: %c", kind);
    }
}

static void make_call(call *c, const char *args)
{
    memset(c, 0, sizeof *c);
    memset(c->variables, UNTOUCHED, sizeof c->variables);
    for (const char *at = args; *at; at += strspn(at, " ")) {
        size_t n = strcspn(at, " ");
        unsigned i = c->count++;
        CHECK(i < ARGUMENTS);
        if (*at == '>') {
            c->kinds[i] = at[1];
            c->types[i] = (unsigned char)type_of_kind(at[1]);
            c->words[i] = at[1] == '0' ? NULL : &c->variables[i];
        } else if (*at == '"') {
            memcpy(c->keys[i], at + 1, n - 2);
            c->types[i] = GR_ARG_TEXT;
            c->words[i] = c->keys[i];
        } else {
            c->types[i] = GR_ARG_TEXT; /* NULL */
        }
        at += n;
    }
}

static void print_json_value(gr_value v, char *to)
{
    CHECK_OK(gr_print(v, NULL, to, 512, NULL));
}

static void print_variable(call *c, unsigned i, char *to)
{
    variable *x = &c->variables[i];
    bool touched = false;
    for (size_t k = 0; k < sizeof x->bytes; k++) touched |= x->bytes[k] != UNTOUCHED;
    if (!touched) {
        strcpy(to, "-");
        return;
    }
    switch (c->kinds[i]) {
    case 's': sprintf(to, "\"%s\"", x->s); break;
    case 'z': sprintf(to, "%zu", x->z); break;
    case 'i': sprintf(to, "%d", x->i); break;
    case 'u': sprintf(to, "%u", x->u); break;
    case 'I': sprintf(to, "%lld", (long long)x->I); break;
    case 'U': sprintf(to, "%llu", (unsigned long long)x->U); break;
    case 'b': strcpy(to, x->b ? "true" : "false"); break;
    case 'f': sprintf(to, "%g", x->f); break;
    case 'A': sprintf(to, "@%llu", (unsigned long long)x->A.id); break;
    case 'V': print_json_value(x->V, to); break;
    case 'p': /* its length follows */
        if (c->variables[i + 1].z == 0) strcpy(to, "\"\"");
        for (size_t k = 0; k < c->variables[i + 1].z; k++)
            sprintf(to + 2 * k, "%02x", ((const unsigned char *)x->p)[k]);
        break;
    default: {
        char *text = json_dumps(x->O, JSON_ENCODE_ANY | JSON_COMPACT);
        strcpy(to, text);
        free(text);
    }
    }
}

static void print_all(call *c, char *to)
{
    char *start = to;
    *to = '\0';
    for (unsigned i = 0; i < c->count; i++) {
        if (!c->kinds[i]) continue;
        if (to > start) *to++ = ' ';
        print_variable(c, i, to);
        to += strlen(to);
    }
}

static void release(call *c)
{
    for (unsigned i = 0; i < c->count; i++) {
        bool touched = false;
        for (size_t k = 0; k < 8; k++) touched |= c->variables[i].bytes[k] != UNTOUCHED;
        if (c->kinds[i] == 'O' && touched) json_decref(c->variables[i].O);
    }
}

typedef struct test_case {
    char format[256], value[512], args[256], gives[512], error[32], detail[256];
    bool differs;
    int line;
} test_case;

static void check_case(const test_case *t, call *c, int code, const gr_detail *detail, const char *how)
{
    char got[1024];
    const char *expected = t->error[0] ? t->error : "GR_OK";
    if (code ? strcmp(gr_error_name(code), expected) != 0 : t->error[0] != '\0')
        TEST_FAIL("line %d (%s): %s returns %s (%s), expected %s", t->line, how, t->format, gr_error_name(code),
                  detail->text, expected);
    print_all(c, got);
    if (code) {
        CHECK_STR(detail->text, t->detail);
        for (char *p = got; *p; p++) CHECK(*p == '-' || *p == ' '); /* all or nothing */
    } else if (strcmp(got, t->gives) != 0) {
        TEST_FAIL("line %d (%s): %s gives %s, expected %s", t->line, how, t->format, got, t->gives);
    }
    release(c);
}

static void expand(const char *from, char *to)
{
    while (*from) {
        if (strncmp(from, "\"@", 2) == 0) {
            char *end;
            gr_address address = {strtoull(from + 2, &end, 10)};
            *to++ = '"';
            gr_address_print(address, to);
            to += strlen(to);
            from = end;
        } else {
            *to++ = *from++;
        }
    }
    *to = '\0';
}

static void with_jansson(const test_case *t)
{
    call c;
    char got[1024];
    json_t *value = json_loads(t->value, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
    CHECK(value != NULL);
    make_call(&c, t->args);
    int code = json_unpack(value, t->format, ALL(&c));
    print_all(&c, got);
    bool clean = true;
    for (char *p = got; *p; p++) clean &= *p == '-' || *p == ' ';
    bool agrees = t->error[0] ? code != 0 && clean : code == 0 && strcmp(got, t->gives) == 0;
    if (agrees == t->differs)
        TEST_FAIL("line %d: json_unpack %s: %s", t->line, agrees ? "agrees" : "differs", t->format);
    release(&c);
    json_decref(value);
}

/* Only what json_unpack takes too: it cannot check, and knows int * alone for b, no unsigned, no NULL. */
static bool all_jansson(const test_case *t)
{
    return !strpbrk(t->format, "ABV") && !strstr(t->args, ">b") && !strstr(t->args, ">u") && !strstr(t->args, ">U") &&
           !strstr(t->args, ">0") && !strstr(t->args, "NULL") && strcmp(t->error, "GR_EFORMAT") != 0;
}

static void run_case(const test_case *t)
{
    char json[1024];
    gr_message *m = NULL;
    gr_site site = {.literal = 1};
    expand(t->value, json);
    CHECK_OK(gr_parse(json, strlen(json), NULL, &m, NULL));
    for (int round = 0; round < 3; round++) { /* compiled; from the plan; without a site */
        if (round == 2 && (strpbrk(t->args, "uU") || strstr(t->args, ">b") || strcmp(t->error, "GR_EFORMAT") == 0))
            break;
        call c;
        gr_detail detail = {.line = 0};
        make_call(&c, t->args);
        site.types = c.types;
        site.count = (unsigned short)c.count;
        int code = gr_unpack_site(gr_body(m), &detail, round == 2 ? NULL : &site, t->format, ALL(&c));
        check_case(t, &c, code, &detail, round == 0 ? "first" : round == 1 ? "from the plan" : "no site");
    }
    gri_plan_free(site.plan);
    gr_message_free(&m);
    if (all_jansson(t)) with_jansson(t);
}

TEST(unpack, cases)
{
    char line[1024];
    test_case t = {.line = 0};
    int cases = 0, number = 0;
    FILE *file = fopen(GR_TEST_DATA "/pack/unpack.txt", "r");
    CHECK(file != NULL);
    for (bool more = true; more;) {
        more = fgets(line, sizeof line, file) != NULL;
        number++;
        if (more) line[strcspn(line, "\n")] = '\0';
        if (!more || line[0] == '\0') {
            if (t.line) run_case(&t), cases++;
            memset(&t, 0, sizeof t);
        } else if (strncmp(line, "format ", 7) == 0) {
            strcpy(t.format, line + 7);
            t.line = number;
        } else if (strncmp(line, "value ", 6) == 0) {
            strcpy(t.value, line + 6);
        } else if (strncmp(line, "args ", 5) == 0) {
            strcpy(t.args, line + 5);
        } else if (strncmp(line, "gives", 5) == 0) {
            strcpy(t.gives, line[5] ? line + 6 : "");
        } else if (strncmp(line, "error ", 6) == 0) {
            CHECK_EQ(sscanf(line + 6, "%31s", t.error), 1);
            strcpy(t.detail, line + 6 + strlen(t.error) + 1);
        } else if (strncmp(line, "jansson differs", 15) == 0) {
            t.differs = true;
        } else {
            CHECK_EQ(line[0], '#');
        }
    }
    fclose(file);
    CHECK(cases > 60);
}

TEST(unpack, macros_see_the_types)
{
    gr_message *m = NULL;
    gr_detail detail;
    int i = 0;
    long l = 0;
    long long ll = 0;
    size_t z = 0, n = 0;
    unsigned u = 0;
    bool b = false;
    double f = 0;
    const char *s = NULL;
    char *writable = NULL;
    const void *p = NULL;
    const unsigned char *up = NULL;
    gr_address a = GR_NO_ADDRESS;
    gr_value v = {NULL};
    json_t *json = NULL;
    CHECK_OK(gr_pack(&m, "[i,i,i,i,i,b,f,s,s,B,B,A,V,n]", 1, 2, 3, 4, 5, true, 0.5, "s", "w", "ab", (size_t)2, "cd",
                     (size_t)2, (gr_address){9}, (gr_value){(const unsigned char *)"\4\7\0\0\0\0\0\0\0"}));
    CHECK_OK(gr_unpack(gr_body(m), &detail, "[i,I,I,I,i,b,f,s,s,B,B,A,V,O!]", &i, &l, &ll, &z, &u, &b, &f, &s,
                       &writable, &p, &n, &up, &n, &a, &v, &json));
    CHECK(i == 1 && l == 2 && ll == 3 && z == 4 && u == 5 && b && f == 0.5 && a.id == 9 && n == 2 && up[0] == 'c');
    CHECK_STR(s, "s");
    CHECK_STR(writable, "w");
    CHECK_EQ(gr_int(v, 0), 7);
    CHECK(json_is_null(json));
    json_decref(json);
    CHECK_EQ(memcmp(p, "ab", 2), 0);
    CHECK_EQ(gr_unpack(gr_body(m), &detail, "[I]", &i), GR_EFORMAT);
    CHECK_STR(detail.text, "argument 1 (format character 'I' at offset 1) takes int64_t *, got int *");
    CHECK_EQ(gr_unpack(gr_body(m), NULL, "[s]", &s), GR_ETYPE);
    CHECK_EQ(gr_unpack((gr_value){NULL}, &detail, "i", &i), GR_ETYPE);
    CHECK_STR(detail.text, "there is no value to unpack");
    CHECK_EQ(i, 1);
    gr_message_free(&m);
}

TEST(unpack, big_objects_and_deep_formats)
{
    gr_message *m = NULL;
    gr_builder b;
    gr_detail detail;
    int x = 0;
    gr_build(&b), gr_put_object(&b);
    for (int i = 0; i < 100; i++) {
        char key[16];
        snprintf(key, sizeof key, "k%d", i);
        gr_put_key(&b, key), gr_put_int(&b, i);
    }
    gr_put_end(&b);
    CHECK_OK(gr_build_message(&b, &m));
    CHECK_OK(gr_unpack(gr_body(m), &detail, "{s:i}", "k77", &x));
    CHECK_EQ(x, 77);
    gr_message_free(&m);
    char format[140];
    memset(format, 'i', 51);
    format[0] = '[', format[50] = ']', format[51] = '\0';
    CHECK_OK(gr_pack(&m, "[]"));
    CHECK_EQ(gr_unpack_site(gr_body(m), &detail, NULL, format), GR_EFORMAT);
    CHECK_STR(detail.text, "format, offset 49: more than 48 arguments");
    gr_message_free(&m);
    memset(format, '[', 65);
    memset(format + 65, ']', 65);
    format[130] = '\0';
    CHECK_OK(gr_pack_site(&m, NULL, NULL, format));
    CHECK_EQ(gr_unpack(gr_body(m), &detail, format), GR_EDEPTH);
    format[129] = '\0';
    CHECK_OK(gr_unpack(gr_body(m), &detail, format + 1));
    gr_message_free(&m);
}
