/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* The description holds every route of the table, and nothing it refers to is missing. tests/command/openapi_check validates it
 * against the specification's own schema, and answers against it. */
#include "rest/openapi.h"

#include "rest/scene.h"

#include <strings.h>

static gr_message *describe(gr_self *self)
{
    gri_buffer b = {.self = self};
    gr_message *m = NULL;
    gr_detail detail;
    gri_openapi_write(&b);
    CHECK(!b.failed);
    if (gr_parse(b.text, b.bytes, NULL, &m, &detail) != 0) TEST_FAIL("byte %zu: %s", detail.byte, detail.text);
    gri_buffer_free(&b);
    return m;
}

/* Every {"$ref": "#/a/b/c"} leads somewhere; returns how many there are. */
static int check_references(gr_value value, gr_value root)
{
    int count = 0;
    gr_value reference = gr_get(value, "$ref");
    if (gr_type_of(reference) == GR_STRING) {
        char path[128], *rest = NULL;
        snprintf(path, sizeof path, "%s", gr_string(reference, "") + 2);
        gr_value at = root;
        for (char *part = strtok_r(path, "/", &rest); part; part = strtok_r(NULL, "/", &rest)) at = gr_get(at, part);
        if (gr_type_of(at) != GR_OBJECT) TEST_FAIL("%s leads nowhere", gr_string(reference, ""));
        return 1;
    }
    if (gr_type_of(value) != GR_OBJECT && gr_type_of(value) != GR_ARRAY) return 0;
    for (gr_iter it = gr_iterate(value); gr_next(&it);) count += check_references(it.value, root);
    return count;
}

static void check_operation(gr_value operation, const gri_route *route)
{
    char status[8];
    CHECK_STR(gr_string(gr_get(operation, "operationId"), ""), route->operation);
    CHECK_STR(gr_string(gr_get(operation, "summary"), ""), route->text);
    CHECK_EQ(gr_type_of(gr_get(operation, "requestBody")) == GR_OBJECT, route->body[0] != '\0');
    CHECK_EQ(gr_type_of(gr_get(operation, "security")) == GR_ARRAY, route->scope >= GRI_SCOPE_READ);
    for (int i = 100; i < 600; i++) {
        snprintf(status, sizeof status, "%d", i);
        if (gr_type_of(gr_get(gr_get(operation, "responses"), status)) == GR_OBJECT) CHECK(gri_route_answers(route, i));
    }
    snprintf(status, sizeof status, "%d", atoi(route->answers));
    CHECK_EQ(gr_type_of(gr_get(gr_get(operation, "responses"), status)), GR_OBJECT);
    /* As many parameters as the row and its path name. */
    size_t named = 0;
    for (const char *at = gri_route_path(route->pattern); (at = strchr(at, '{')) != NULL; at++) named++;
    for (const char *at = route->parameters; *at; at += strspn(at, " "), at += strcspn(at, " ")) named++;
    CHECK_EQ(gr_count(gr_get(operation, "parameters")), named);
}

TEST(openapi, describes_every_route)
{
    gr_self *self = scene_runtime();
    gr_message *m = describe(self);
    gr_value root = gr_body(m), paths = gr_get(root, "paths");
    size_t operations = 0;
    CHECK_STR(gr_string(gr_get(root, "openapi"), ""), "3.0.3");
    CHECK_EQ(gr_count(paths), GRI_PATH_UNKNOWN);
    for (size_t i = 0; i < gri_route_count; i++) {
        char verb[16] = "";
        for (size_t c = 0; gri_routes[i].method[c]; c++) verb[c] = (char)(gri_routes[i].method[c] | 0x20);
        check_operation(gr_get(gr_get(paths, gri_route_path(gri_routes[i].pattern)), verb), &gri_routes[i]);
        for (size_t j = 0; j < i; j++) CHECK(strcmp(gri_routes[i].operation, gri_routes[j].operation) != 0);
    }
    for (gr_iter it = gr_iterate(paths); gr_next(&it);) operations += gr_count(it.value);
    CHECK_EQ(operations, gri_route_count);
    CHECK(check_references(root, root) > 50);
    gr_message_free(&m);
    gr_detach(&self);
    (void)gr_stop(gr_after_ms(10));
}

TEST(openapi, media_types_and_statuses)
{
    for (size_t i = 0; i < gri_route_count; i++) {
        const gri_route *route = &gri_routes[i];
        const char *media = gri_route_media(route);
        bool anything = route->run == gri_get_asset || route->run == gri_check_token; /* any kind of file; no body */
        CHECK_EQ(media == NULL, anything);
        bool streams = route->run == gri_actor_events || route->run == gri_runtime_events;
        CHECK_EQ(media && strcmp(media, "text/event-stream") == 0, streams);
        CHECK_EQ(gri_route_answers(route, 401), route->scope >= GRI_SCOPE_READ);
        CHECK(gri_route_answers(route, 403) && gri_route_answers(route, 500) && !gri_route_answers(route, 201));
    }
    const gri_route *put = gri_route_find("PUT", "/a").route;
    CHECK(gri_route_answers(put, 202) && gri_route_answers(put, 409) && !gri_route_answers(put, 304));
}

TEST(openapi, is_served_with_a_tag)
{
    scene s = scene_begin((gr_rest_options){0});
    char header[256];
    answer a = scene_ask(&s, "GET", "/-/openapi.json", "", NULL, 200);
    CHECK_STR(answer_header(&a, "Content-Type"), "application/json");
    CHECK_STR(answer_header(&a, "Cache-Control"), "private, no-cache");
    snprintf(header, sizeof header, "If-None-Match: %s\r\n", answer_header(&a, "ETag"));
    answer_free(&a);
    scene_expect(&s, "GET", "/-/openapi.json", header, NULL, 304, NULL);
    scene_expect(&s, "HEAD", "/-/openapi.json", "", NULL, 200, NULL);
    scene_expect(&s, "GET", "/-/openapi.json", "Accept: application/yaml\r\n", NULL, 406, NULL);
    scene_end(&s);
}
