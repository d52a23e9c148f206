/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Packing: the cases of data/pack/pack.txt, and what only the macros can show. */
#include "message/address.h"
#include "message/message.h"
#include "message/plan.h"
#include "message/value.h"
#include "support/test.h"
#include "unit/variadic.h"

#include <greenroom/jansson.h>
#include <greenroom/pack.h>
#include <greenroom/text.h>

#include <errno.h>
#include <math.h>
#include <pthread.h>

static size_t unescape(const char **at, char *to)
{
    size_t n = 0;
    const char *p = *at + 1;
    while (*p != '"') {
        if (*p != '\\') {
            to[n++] = *p++;
            continue;
        }
        p++;
        if (*p == 'x') {
            char hex[3] = {p[1], p[2], '\0'};
            to[n++] = (char)strtoul(hex, NULL, 16);
            p += 3;
        } else {
            to[n++] = *p == 'n' ? '\n' : *p == 't' ? '\t' : *p == '0' ? '\0' : *p;
            p++;
        }
    }
    *at = p + 1;
    return n;
}

static void add_number(call *c, const char *token)
{
    char *end;
    if (strpbrk(token, ".") || strcmp(token, "nan") == 0 || strcmp(token, "inf") == 0) {
        add_double(c, strtod(token, NULL));
        return;
    }
    errno = 0;
    uint64_t x = token[0] == '-' ? (uint64_t)strtoll(token, &end, 10) : strtoull(token, &end, 10);
    CHECK_EQ(errno, 0);
    gr_arg type = strcmp(end, "u") == 0    ? GR_ARG_UINT
                  : strcmp(end, "L") == 0  ? GR_ARG_LONG
                  : strcmp(end, "UL") == 0 ? GR_ARG_ULONG
                                           : GR_ARG_INT;
    add_word(c, x, type);
}

static void add_token(call *c, const char **at)
{
    char token[4096];
    if (**at == '"') {
        size_t n = unescape(at, token);
        (void)add_text(c, token, n);
        return;
    }
    size_t n = strcspn(*at, " ");
    memcpy(token, *at, n);
    token[n] = '\0';
    *at += n;
    if (strcmp(token, "NULL") == 0) {
        add_word(c, 0, GR_ARG_TEXT);
    } else if (strcmp(token, "other") == 0) {
        add_word(c, 0, GR_ARG_OTHER);
    } else if (strcmp(token, "true") == 0 || strcmp(token, "false") == 0) {
        add_word(c, token[0] == 't', GR_ARG_BOOL);
    } else if (token[0] == '@') {
        add_word(c, strtoull(token + 1, NULL, 10), GR_ARG_ADDRESS);
    } else if (token[0] == '=') {
        gr_message *m = NULL;
        if (strcmp(token, "=missing") != 0) {
            CHECK_OK(gr_parse(token + 1, n - 1, NULL, &m, NULL));
            c->values[c->values_count++] = m;
        }
        add_word(c, (uint64_t)(uintptr_t)gr_body(m).at, GR_ARG_VALUE);
    } else if ((token[0] == 'o' || token[0] == 'O') && token[1] == ':') {
        json_t *json = NULL;
        if (strcmp(token + 2, "NULL") != 0) {
            json = json_loads(token + 2, JSON_DECODE_ANY, NULL);
            CHECK(json != NULL);
        }
        add_json(c, json, token[0] == 'o');
    } else {
        add_number(c, token);
    }
}

static void make_call(call *c, const char *args, bool literals)
{
    memset(c, 0, sizeof *c);
    c->literals = literals;
    for (const char *at = args + strspn(args, " "); *at; at += strspn(at, " ")) add_token(c, &at);
}

/* ---- the cases ---- */

typedef struct test_case {
    char format[512], args[1024], gives[1024], error[32], detail[512], differs[128];
    int line;
    const char *file;
} test_case;

static bool all_jansson(const test_case *t)
{
    /* Wrong types must not reach json_pack. */
    return !strpbrk(t->format, "ABV") && strcmp(t->error, "GR_EFORMAT") != 0;
}

static int number_of(const char *error)
{
    for (int code = 0; code > -100; code--)
        if (strcmp(gr_error_name(code), error) == 0) return code;
    TEST_FAIL("no such error: %s", error);
}

/* `pattern` may hold *, for any text. */
static bool matches(const char *pattern, const char *text)
{
    if (*pattern == '\0') return *text == '\0';
    if (*pattern == '*') return matches(pattern + 1, text) || (*text && matches(pattern, text + 1));
    return *pattern == *text && matches(pattern + 1, text + 1);
}

/* "@77" in an expected address stands for the text of that address. */
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

static void check_gives(const test_case *t, gr_value v, const char *how)
{
    char expected[2048], got[2048] = "";
    expand(t->gives, expected);
    CHECK(gri_value_verify(v.at, gr_value_bytes(v)));
    CHECK_OK(gr_print(v, NULL, got, sizeof got, NULL));
    if (strcmp(got, expected) != 0)
        TEST_FAIL("%s:%d (%s): %s gives %s, expected %s", t->file, t->line, how, t->format, got, expected);
}

static void check_error(const test_case *t, int code, const gr_detail *detail, const char *how)
{
    if (code != number_of(t->error[0] ? t->error : "GR_OK"))
        TEST_FAIL("%s:%d (%s): %s returns %s (%s), expected %s", t->file, t->line, how, t->format, gr_error_name(code),
                  detail->text, t->error);
    if (!matches(t->detail, detail->text))
        TEST_FAIL("%s:%d (%s): %s explains \"%s\", expected \"%s\"", t->file, t->line, how, t->format, detail->text,
                  t->detail);
}

static void check_outcome(const test_case *t, call *c, int code, gr_value v, const gr_detail *detail, const char *how)
{
    if (t->error[0] || code) {
        check_error(t, code, detail, how);
    } else {
        check_gives(t, v, how);
    }
    end_call(c, code != GR_EFORMAT);
}

enum texts { VARIABLES, LITERALS, KEYS_LITERAL };

/* Makes literals of the keys alone: what most calls are like. */
static void mark_keys(call *c, const char *format)
{
    gri_plan *plan = NULL;
    gri_arguments none; /* without a site the arguments are not looked at */
    uint64_t stolen;
    memset(&none, 0, sizeof none);
    if (gri_plan_compile(NULL, format, &none, &plan, &stolen, NULL) != 0) return;
    for (uint32_t i = 0; i < plan->ops_count; i++) {
        const gri_plan_op *op = &plan->ops[i];
        if (op->code == GRI_PLAN_KEY && c->types[op->argument] == GR_ARG_TEXT) c->types[op->argument] = GR_ARG_LITERAL;
    }
    gri_plan_free(plan);
}

static void as_message(const test_case *t, gr_site *site, enum texts texts, const char *how)
{
    call c;
    gr_message *m = NULL;
    gr_detail detail = {.line = 0};
    make_call(&c, t->args, texts == LITERALS);
    if (texts == KEYS_LITERAL) mark_keys(&c, t->format);
    if (site) {
        site->types = c.types;
        site->count = (unsigned short)c.count;
    }
    int code = gr_pack_site(&m, &detail, site, t->format, ALL(&c));
    CHECK((m != NULL) == (code == 0));
    check_outcome(t, &c, code, gr_body(m), &detail, how);
    gr_message_free(&m);
}

static int put_format(gr_builder *b, gr_site *site, gr_detail *detail, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int code = gri_plan_run(b, site, format, args, detail);
    va_end(args);
    return code;
}

static void inside_builder(const test_case *t, enum texts texts)
{
    call c;
    gr_builder b;
    gr_message *m = NULL;
    gr_detail detail = {.line = 0};
    gr_site site = {.literal = 1};
    make_call(&c, t->args, texts == LITERALS);
    if (texts == KEYS_LITERAL) mark_keys(&c, t->format);
    site.types = c.types;
    site.count = (unsigned short)c.count;
    gr_build(&b);
    gr_put_array(&b), gr_put_null(&b), gr_put_object(&b), gr_put_key(&b, "in");
    int code = put_format(&b, &site, &detail, t->format, ALL(&c));
    if (strchr(t->format, '*') && code == 0 && t->error[0]) { /* left out: there is something around it here */
        gr_build_cancel(&b);
        end_call(&c, true);
    } else {
        gr_put_key(&b, "after"), gr_put_int(&b, 1), gr_put_end(&b), gr_put_end(&b);
        CHECK_EQ(gr_build_message(&b, &m), code);
        if (!code) CHECK_EQ(gr_int(gr_get(gr_at(gr_body(m), 1), "after"), 0), 1);
        check_outcome(t, &c, code, gr_get(gr_at(gr_body(m), 1), "in"), &detail, "inside a builder");
    }
    gr_message_free(&m);
    gri_plan_free(site.plan);
}

static void into_storage(const test_case *t)
{
    for (size_t room = 0;; room++) { /* what is too small is refused; the first that is enough is exact */
        call c;
        gr_site site = {.literal = 1};
        gr_value v = {NULL};
        unsigned char *storage = malloc(room ? room : 1);
        make_call(&c, t->args, true);
        site.types = c.types;
        site.count = (unsigned short)c.count;
        int code = gr_pack_into_site(storage, room, &v, &site, t->format, ALL(&c));
        end_call(&c, true);
        if (code == 0) {
            CHECK_EQ(gr_value_bytes(v), room);
            check_gives(t, v, "into storage");
        } else {
            CHECK_EQ(code, GR_ETOOBIG);
        }
        free(storage);
        gri_plan_free(site.plan);
        if (code == 0) break;
    }
}

static void with_jansson(const test_case *t)
{
    call c;
    make_call(&c, t->args, false);
    json_t *packed = json_pack(t->format, ALL(&c));
    bool agrees = t->error[0] ? !packed : packed != NULL;
    if (packed && !t->error[0]) {
        json_t *expected = json_loads(t->gives, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
        agrees = json_equal(packed, expected);
        json_decref(expected);
    }
    json_decref(packed);
    end_call(&c, true);
    if (agrees == (t->differs[0] != '\0'))
        TEST_FAIL("%s:%d: json_pack %s: %s", t->file, t->line, agrees ? "agrees" : "differs", t->format);
}

static void run_case(const test_case *t)
{
    static const char *const hows[] = {"variables", "literals", "keys are literals"};
    for (enum texts texts = VARIABLES; texts <= KEYS_LITERAL; texts++) {
        gr_site site = {.literal = 1}, open = {.literal = 0};
        as_message(t, &site, texts, hows[texts]);
        CHECK((site.plan != NULL) == (strcmp(t->error, "GR_EFORMAT") != 0));
        if (texts == VARIABLES) { /* literals would be others the second time */
            as_message(t, &site, texts, "from the plan");
            as_message(t, &open, texts, "open format");
            as_message(t, &open, texts, "open format, from the plan");
        }
        gri_plan_free(site.plan);
        gri_plan_free(open.plan);
        inside_builder(t, texts);
    }
    if (strcmp(t->error, "GR_EFORMAT") != 0 && !t->differs[0]) as_message(t, NULL, VARIABLES, "no site");
    if (!t->error[0]) into_storage(t);
    if (all_jansson(t)) with_jansson(t);
}

static int run_file(const char *path)
{
    char line[2048];
    test_case t = {.file = path};
    int cases = 0, number = 0;
    FILE *file = fopen(path, "r");
    CHECK(file != NULL);
    for (bool more = true; more;) {
        more = fgets(line, sizeof line, file) != NULL;
        number++;
        if (more) line[strcspn(line, "\n")] = '\0';
        if (!more || line[0] == '\0') {
            if (t.line) run_case(&t), cases++;
            memset(&t, 0, sizeof t);
            t.file = path;
        } else if (strncmp(line, "format ", 7) == 0) {
            strcpy(t.format, line + 7);
            t.line = number;
        } else if (strncmp(line, "args ", 5) == 0) {
            strcpy(t.args, line + 5);
        } else if (strncmp(line, "gives ", 6) == 0) {
            strcpy(t.gives, line + 6);
        } else if (strncmp(line, "error ", 6) == 0) {
            CHECK_EQ(sscanf(line + 6, "%31s", t.error), 1);
            strcpy(t.detail, line + 6 + strlen(t.error) + 1);
        } else if (strncmp(line, "jansson differs", 15) == 0) {
            strcpy(t.differs, line);
        } else {
            CHECK_EQ(line[0], '#');
        }
    }
    fclose(file);
    return cases;
}

TEST(pack, cases)
{
    CHECK(run_file(GR_TEST_DATA "/pack/pack.txt") > 100);
}

/* ---- what only the macros can show ---- */

static void check_text(gr_message *m, const char *expected)
{
    char got[1024];
    CHECK_OK(gr_print(gr_body(m), NULL, got, sizeof got, NULL));
    CHECK_STR(got, expected);
    gr_message_free(&m);
}

TEST(pack, macros_see_the_types)
{
    gr_message *m = NULL;
    gr_detail detail;
    signed char c = -1;
    unsigned short h = 65535;
    enum { NONE, SOME } e = SOME;
    float f = 0.5f;
    unsigned long long u = 9;
    char text[] = "text";
    const unsigned char bytes[] = {255, 0};
    gr_value v;
    unsigned char room[64];
    CHECK_OK(gr_pack(&m, "{}"));
    check_text(m, "{}");
    CHECK_OK(gr_pack(&m, "[i,i,i,f,f,I,I,s,s,b,b,n]", c, h, e, f, 2.0, u, INT64_C(-5), text, "literal", true, 1 > 2));
    check_text(m, "[-1,65535,1,0.5,2.0,9,-5,\"text\",\"literal\",true,false,null]");
    CHECK_OK(gr_pack_into(room, sizeof room, &v, "{s:B}", "bytes", bytes, sizeof bytes));
    CHECK_OK(gr_pack_detailed(&m, &detail, "[V,A,s?,O?]", v, (gr_address){3}, NULL, (json_t *)NULL));
    CHECK_EQ(gr_address_in(gr_at(gr_body(m), 1)).id, 3);
    CHECK(gr_equal(gr_at(gr_body(m), 0), v));
    gr_message_free(&m);
    CHECK_EQ(gr_pack_detailed(&m, &detail, "{s:I}", "n", 5), GR_EFORMAT);
    CHECK_STR(detail.text, "argument 2 (format character 'I' at offset 3) takes int64_t, got int");
    CHECK_EQ(detail.byte, 3);
    CHECK_EQ(detail.column, 4);
    CHECK_EQ(gr_pack_detailed(&m, &detail, "{s:i,\n s:s}", "n", 5, "m", 6), GR_EFORMAT);
    CHECK_EQ(detail.line, 2);
    CHECK_EQ(detail.column, 4);
    CHECK_EQ(gr_pack(&m, "[i]", 1.5), GR_EFORMAT);
    CHECK_EQ(gr_pack(&m, NULL), GR_EFORMAT);
    CHECK_EQ(gr_pack_detailed(&m, NULL, "V", (gr_value){NULL}), GR_EINVAL);
    CHECK_EQ(gr_pack_into(room, 3, &v, "{}"), GR_ETOOBIG);
    CHECK(m == NULL);
}

TEST(pack, arguments_are_evaluated_once)
{
    int n = 0;
    gr_message *m = NULL;
    CHECK_OK(gr_pack(&m, "[i,s]", ++n, "x"));
    CHECK_EQ(n, 1);
    CHECK_EQ(gr_int(gr_at(gr_body(m), 0), 0), 1);
    gr_message_free(&m);
}

TEST(pack, forty_eight_arguments)
{
    gr_message *m = NULL;
    CHECK_OK(gr_pack(&m, "[iiiiiiii iiiiiiii iiiiiiii iiiiiiii iiiiiiii iiiiiiii]", 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11,
                     12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36,
                     37, 38, 39, 40, 41, 42, 43, 44, 45, 46, 47, 48));
    for (int i = 0; i < 48; i++) CHECK_EQ(gr_int(gr_at(gr_body(m), (size_t)i), 0), i + 1);
    gr_message_free(&m);
}

/* More doubles than there are registers for: they share the stack with what comes between them. */
TEST(pack, many_doubles_among_other_arguments)
{
    for (int round = 0; round < 2; round++) {
        gr_message *m = NULL;
        char x[] = "x", y[] = "y";
        CHECK_OK(gr_pack(&m, "[fi fs fI fA fs ff fi fb fi fs fI]", 0.5, 1, 1.5, x, 2.5, INT64_C(2), 3.5,
                         (gr_address){3}, 4.5, y, 5.5, 6.5, 7.5, 4, 8.5, true, 9.5, 5, 10.5, "literal", 11.5,
                         INT64_C(6)));
        gr_value v = gr_body(m);
        const int doubles[] = {0, 2, 4, 6, 8, 10, 11, 12, 14, 16, 18, 20};
        for (int i = 0; i < 12; i++) CHECK(gr_double(gr_at(v, (size_t)doubles[i]), -1) == i + 0.5);
        CHECK_EQ(gr_int(gr_at(v, 1), 0), 1);
        CHECK_STR(gr_string(gr_at(v, 3), ""), "x");
        CHECK_EQ(gr_int(gr_at(v, 5), 0), 2);
        CHECK_EQ(gr_address_in(gr_at(v, 7)).id, 3);
        CHECK_STR(gr_string(gr_at(v, 9), ""), "y");
        CHECK_EQ(gr_int(gr_at(v, 13), 0), 4);
        CHECK(gr_bool(gr_at(v, 15), false));
        CHECK_EQ(gr_int(gr_at(v, 17), 0), 5);
        CHECK_STR(gr_string(gr_at(v, 19), ""), "literal");
        CHECK_EQ(gr_int(gr_at(v, 21), 0), 6);
        gr_message_free(&m);
    }
}

TEST(pack, many_doubles_inside_a_builder_and_with_values)
{
    gr_builder b;
    gr_detail detail;
    gr_message *m = NULL, *inner = NULL;
    char x[] = "x";
    CHECK_OK(gr_pack(&inner, "[i]", 7));
    gr_build(&b), gr_put_array(&b), gr_put_null(&b);
#define MANY "[V ffffffffff s u]", gr_body(inner), 0.5, 1.5, 2.5, 3.5, 4.5, 5.5, 6.5, 7.5, 8.5, 9.5, x
#define MANY_RIGHT "[V ffffffffff s]", gr_body(inner), 0.5, 1.5, 2.5, 3.5, 4.5, 5.5, 6.5, 7.5, 8.5, 9.5, x
    CHECK_EQ(gr_pack(&m, MANY), GR_EFORMAT);
    CHECK_OK(put_format(&b, GR_SITE(MANY_RIGHT), &detail, MANY_RIGHT));
    gr_put_end(&b);
    CHECK_OK(gr_build_message(&b, &m));
    gr_value v = gr_at(gr_body(m), 1);
    CHECK_EQ(gr_int(gr_at(gr_at(v, 0), 0), 0), 7);
    CHECK(gr_double(gr_at(v, 10), 0) == 9.5);
    CHECK_STR(gr_string(gr_at(v, 11), ""), "x");
    gr_message_free(&m), gr_message_free(&inner);
}

/* Deeper, and with more containers around strings, than templates are made for. */
TEST(pack, formats_too_big_for_a_template)
{
    gr_message *m = NULL;
    char x[] = "x", text[400] = "";
    CHECK_OK(gr_pack(&m, "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[s]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]", x));
    CHECK_EQ(gri_value_depth(gr_body(m).at), 40);
    gr_message_free(&m);
    CHECK_OK(gr_pack(
        &m, "[[s][s][s][s][s][s][s][s][s][s][s][s][s][s][s][s][s][s][s][s][s][s][s][s][s][s][s][s][s][s][s][s][s][s]]",
        x, x, x, x, x, x, x, x, x, x, x, x, x, x, x, x, x, x, x, x, x, x, x, x, x, x, x, x, x, x, x, x, x, x));
    CHECK_OK(gr_print(gr_body(m), NULL, text, sizeof text, NULL));
    CHECK_EQ(strlen(text), 34 * 6 + 1);
    gr_message_free(&m);
}

static int pack_any(gr_message **ret_message, const char *format, int x)
{
    return gr_pack(ret_message, format, x);
}

/* A format that is no literal: what counts is what it says now, not where it stands. */
TEST(pack, formats_may_change_in_place)
{
    char format[8];
    gr_message *m = NULL;
    for (int round = 0; round < 3; round++) {
        strcpy(format, "i");
        CHECK_OK(pack_any(&m, format, 7));
        check_text(m, "7");
        strcpy(format, "b");
        CHECK_OK(pack_any(&m, format, 7));
        check_text(m, "true");
        strcpy(format, "s");
        CHECK_EQ(pack_any(&m, format, 7), GR_EFORMAT);
        CHECK_EQ(pack_any(&m, NULL, 7), GR_EFORMAT);
    }
    for (int nested = 0; nested < 20; nested++) { /* more formats than a site keeps */
        char many[64] = "", expected[64] = "";
        for (int i = 0; i < nested; i++) many[i] = '[', expected[i] = '[';
        strcat(many, "i"), strcat(expected, "5");
        for (int i = 0; i < nested; i++) strcat(many, "]"), strcat(expected, "]");
        m = NULL;
        CHECK_OK(pack_any(&m, many, 5));
        check_text(m, expected);
    }
}

/* Texts that only look constant. */
TEST(pack, text_in_arrays_is_read_each_time)
{
    char key[2] = "a", value[2] = "x";
    for (char c = 0; c < 3; c++) {
        gr_message *m = NULL;
        char expected[16];
        key[0] = (char)('a' + c), value[0] = (char)('x' + c);
        CHECK_OK(gr_pack(&m, "{s:s, s:s}", key, value, "lit", c == 1 ? "one" : "other"));
        snprintf(expected, sizeof expected, "{\"%s\":\"%s\"", key, value);
        char got[64];
        CHECK_OK(gr_print(gr_body(m), NULL, got, sizeof got, NULL));
        CHECK_EQ(strncmp(got, expected, strlen(expected)), 0);
        CHECK_STR(gr_string(gr_get(gr_body(m), "lit"), ""), c == 1 ? "one" : "other");
        gr_message_free(&m);
    }
}

TEST(pack, strings_around_the_limits_of_their_forms)
{
    for (size_t n = 0; n<600; n += n> 240 && n < 270 ? 1 : 17) {
        char *text = malloc(n + 1);
        memset(text, 'a', n);
        text[n] = '\0';
        gr_message *m = NULL;
        CHECK_OK(gr_pack(&m, "{s:s, s:{s:[B,s]}, s:i}", "first", text, "in", "bytes", text, n, text, "last", 5));
        gr_value v = gr_body(m);
        CHECK(gri_value_verify(v.at, gr_value_bytes(v)));
        CHECK_EQ(gr_value_bytes(v), m->body_bytes);
        CHECK_STR(gr_string(gr_get(v, "first"), NULL), text);
        size_t bytes = 0;
        (void)gr_bytes(gr_at(gr_get(gr_get(v, "in"), "bytes"), 0), &bytes);
        CHECK_EQ(bytes, n);
        CHECK_EQ(gr_int(gr_get(v, "last"), 0), 5);
        gr_message_free(&m);
        free(text);
    }
}

TEST(pack, depth_counts_what_is_around)
{
    gr_message *deep = NULL, *m = NULL;
    gr_builder b;
    gr_detail detail;
    gr_build(&b);
    for (int i = 0; i < 511; i++) gr_put_array(&b);
    for (int i = 0; i < 511; i++) gr_put_end(&b);
    CHECK_OK(gr_build_message(&b, &deep));
    CHECK_OK(gr_pack(&m, "[V]", gr_body(deep)));
    CHECK_EQ(gri_value_depth(gr_body(m).at), 512);
    gr_message_free(&m);
    CHECK_EQ(gr_pack_detailed(&m, &detail, "[[V]]", gr_body(deep)), GR_EDEPTH);
    CHECK_STR(detail.text, "argument 1 (format character 'V' at offset 2) is nested too deeply");
    gr_build(&b), gr_put_array(&b);
    gr_site site = {.types = (const unsigned char[]){GR_ARG_VALUE}, .count = 1, .literal = 1};
    CHECK_EQ(put_format(&b, &site, &detail, "[V]", gr_body(deep)), GR_EDEPTH);
    CHECK_EQ(gr_build_error(&b, NULL), GR_EDEPTH);
    gr_build_cancel(&b);
    gri_plan_free(site.plan);
    gr_message_free(&deep);
    char format[1100];
    memset(format, '[', 513);
    memset(format + 513, ']', 513);
    format[1026] = '\0';
    CHECK_OK(gr_pack_site(&m, &detail, NULL, (format[1025] = '\0', format + 1)));
    gr_message_free(&m);
    format[1025] = ']';
    CHECK_EQ(gr_pack_site(&m, &detail, NULL, format), GR_EDEPTH);
}

TEST(pack, a_failed_builder_stays_failed)
{
    gr_builder b;
    gr_detail detail;
    gr_site site = {.types = (const unsigned char[]){GR_ARG_JSON}, .count = 1, .literal = 1};
    json_t *json = json_array();
    gr_build(&b);
    gr_put_end(&b);
    CHECK_EQ(put_format(&b, &site, &detail, "o", json_incref(json)), GR_EINVAL);
    CHECK_STR(detail.text, "an end without a container");
    CHECK_EQ(json->refcount, 1);
    json_decref(json);
    gr_build_cancel(&b);
    gri_plan_free(site.plan);
    gr_build(&b), gr_put_int(&b, 1);
    site = (gr_site){.types = (const unsigned char[]){GR_ARG_INT}, .count = 1, .literal = 1};
    CHECK_EQ(put_format(&b, &site, &detail, "i", 2), GR_EINVAL);
    CHECK_STR(detail.text, "a second value at the top");
    gr_build_cancel(&b);
    gri_plan_free(site.plan);
}

/* Several threads come to a fresh site at once: one plan stays, all results are right. */
static gr_site shared_site;
static const unsigned char shared_types[] = {GR_ARG_LITERAL, GR_ARG_INT, GR_ARG_LITERAL, GR_ARG_TEXT};
static pthread_barrier_t barrier;

static void *pack_shared(void *arg)
{
    (void)pthread_barrier_wait(&barrier);
    for (int i = 0; i < 50; i++) {
        gr_message *m = NULL;
        CHECK_OK(gr_pack_site(&m, NULL, &shared_site, "{s:i,s:s}", "n", i, "text", "abc"));
        CHECK_EQ(gr_int(gr_get(gr_body(m), "n"), -1), i);
        CHECK_STR(gr_string(gr_get(gr_body(m), "text"), ""), "abc");
        gr_message_free(&m);
    }
    return arg;
}

TEST(pack, threads_share_a_site)
{
    for (int round = 0; round < 20; round++) {
        pthread_t threads[4];
        shared_site = (gr_site){.types = shared_types, .count = 4, .literal = 1};
        CHECK_OK(pthread_barrier_init(&barrier, NULL, 4));
        for (int i = 0; i < 4; i++) CHECK_OK(pthread_create(&threads[i], NULL, pack_shared, NULL));
        for (int i = 0; i < 4; i++) CHECK_OK(pthread_join(threads[i], NULL));
        (void)pthread_barrier_destroy(&barrier);
        const gri_plan *plan = shared_site.plan;
        CHECK(plan && !plan->next && plan->bytes);
        gri_plan_free(shared_site.plan);
    }
}

/* Lengths of every type a format takes, with a template and operation by operation; and those that no value can have. */
TEST(pack, lengths_of_every_type)
{
    gr_message *m = NULL;
    gr_detail detail;
    char x[] = "xyz";
    gr_value v;
    for (int round = 0; round < 2; round++) {
        CHECK_OK(gr_pack(&m, "[s#,s#+,s#,s#+,s%,s%+,B]", x, 2u, x, 2u, "a", x, 1, x, 1, "b", x, (size_t)3, x, (size_t)3,
                         "c", x, (size_t)3));
        v = gr_body(m);
        static const char *const texts[] = {"xy", "xya", "x", "xb", "xyz", "xyzc"};
        for (size_t i = 0; i < 6; i++) CHECK_STR(gr_string(gr_at(v, i), ""), texts[i]);
        CHECK_EQ(gr_count(v), 7);
        gr_message_free(&m);
        CHECK_EQ(gr_pack_detailed(&m, &detail, "[s%]", x, (size_t)2 << 30), GR_ETOOBIG);
        CHECK(strstr(detail.text, " is too big"));
        CHECK_EQ(gr_pack_detailed(&m, &detail, "[B]", x, (size_t)2 << 30), GR_ETOOBIG);
        CHECK(strstr(detail.text, " is too big"));
        CHECK_EQ(gr_pack_detailed(&m, &detail, "[s%+]", x, (size_t)2 << 30, "more"), GR_ETOOBIG);
        CHECK(strstr(detail.text, " is too big"));
        CHECK_EQ(gr_pack_detailed(&m, &detail, "[B]", NULL, (size_t)1), GR_EINVAL);
        CHECK(strstr(detail.text, " is NULL"));
        CHECK_EQ(gr_pack_detailed(&m, &detail, "[B]", x, SIZE_MAX), GR_EINVAL);
        CHECK(strstr(detail.text, " has a negative length"));
        CHECK_OK(gr_pack(&m, "[B]", NULL, (size_t)0));
        gr_message_free(&m);
    }
}

/* Far down a format is packed operation by operation, where others are by their template: the same comes of it. */
TEST(pack, formats_far_down)
{
    gr_message *large = NULL, *m = NULL;
    gr_builder b;
    gr_detail detail;
    static gr_site site;
    site = *GR_SITE("{s:i,s:V}", "a", 1, "v", (gr_value){NULL});
    gr_build(&b), gr_put_array(&b);
    for (int i = 0; i < 2000; i++) gr_put_int(&b, i); /* large enough to be deep, and is not */
    gr_put_end(&b);
    CHECK_OK(gr_build_message(&b, &large));
    for (int depth = 0; depth <= 300; depth += 100) {
        gr_build(&b);
        for (int i = 0; i < depth; i++) gr_put_array(&b);
        CHECK_OK(put_format(&b, &site, &detail, "{s:i,s:V}", "a", depth, "v", gr_body(large)));
        for (int i = 0; i < depth; i++) gr_put_end(&b);
        CHECK_OK(gr_build_message(&b, &m));
        gr_value v = gr_body(m);
        for (int i = 0; i < depth; i++) v = gr_at(v, 0);
        CHECK_EQ(gr_int(gr_get(v, "a"), -1), depth);
        CHECK(gr_equal(gr_get(v, "v"), gr_body(large)));
        gr_message_free(&m);
    }
    gr_message_free(&large);
}
