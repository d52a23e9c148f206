/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* The token's place, and the lines that tell a person what to try. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "demos/chat_page/chat_page.h"
#include "greenroom/command.h"
#include "greenroom/logger.h"
#include "greenroom/serving.h"

static bool has_reader(void)
{
    return isatty(STDOUT_FILENO);
}

/* A folder only we can enter, with a name nobody can know before. */
static int make_folder(serving *s)
{
    const char *places[] = {getenv("XDG_RUNTIME_DIR"), getenv("TMPDIR"), "/tmp"};
    const char *place = NULL;
    for (size_t i = 0; !place && i < sizeof places / sizeof *places; i++)
        if (places[i] && places[i][0] == '/' && access(places[i], W_OK | X_OK) == 0) place = places[i];
    if (!place) place = "/tmp";
    int bytes = snprintf(s->token_folder, sizeof s->token_folder - 8, "%s/greenroom.XXXXXX", place);
    if (bytes < 0 || (size_t)bytes >= sizeof s->token_folder - 8 || !mkdtemp(s->token_folder)) {
        logger_print(GR_LOG_ERROR, "no folder for the token's file in %s: %s", place, strerror(errno));
        s->token_folder[0] = '\0';
        return EXIT_FAILED;
    }
    snprintf(s->token_path, sizeof s->token_path, "%.*s/token", (int)sizeof s->token_path - 8, s->token_folder);
    return EXIT_CLEAN;
}

int token_prepare(serving *s)
{
    gr_detail detail = {0};
    if (s->options->open) return EXIT_CLEAN;
    if (s->options->token_file) {
        snprintf(s->token_path, sizeof s->token_path, "%s", s->options->token_file);
    } else if (has_reader()) {
        if (gr_rest_token_new(s->token) == 0) return EXIT_CLEAN;
        logger_print(GR_LOG_ERROR, "the system gives no random numbers for a token");
        return EXIT_FAILED;
    } else {
        int code = make_folder(s);
        if (code != EXIT_CLEAN) return code;
    }
    if (gr_rest_token_file(s->token_path, s->token, &detail) == 0) return EXIT_CLEAN;
    logger_print(GR_LOG_ERROR, "%s", detail.text);
    return s->options->token_file ? EXIT_USAGE : EXIT_FAILED;
}

void token_remove(const serving *s)
{
    if (!s->token_folder[0]) return;
    (void)unlink(s->token_path);
    (void)rmdir(s->token_folder);
}

void token_forget(serving *s)
{
    explicit_bzero(s->token, sizeof s->token);
    token_remove(s);
}

/* 'text' with every ' inside as '\'': one word for a shell. */
static void print_quoted(const char *text)
{
    putchar('\'');
    for (; *text; text++) *text == '\'' ? (void)fputs("'\\''", stdout) : (void)putchar(*text);
    putchar('\'');
}

static void print_authorization(const serving *s)
{
    fputs("  auth=", stdout);
    if (has_reader()) {
        printf("'Authorization: Bearer %s'\n", s->token);
    } else {
        fputs("\"Authorization: Bearer $(cat ", stdout);
        print_quoted(s->token_path);
        fputs(")\"\n", stdout);
    }
}

static void print_lines(const serving *s, const char *curl, const char *url)
{
    const char *auth = s->options->open ? "" : " -H \"$auth\"", *read = s->options->exposed ? auth : "";
    if (!s->options->open) print_authorization(s);
    printf("  %s -X PUT %s/hits%s -d '{\"behaviour\": \"counter\", \"args\": {\"start\": 5}}'\n", curl, url, auth);
    printf("  %s %s/hits%s -d '{\"add\": 2}'\n", curl, url, auth);
    printf("  %s %s/hits%s\n", curl, url, read);
    printf("  %s -X POST %s/hits/-/call/get%s\n", curl, url, auth);
    printf("  %s -X DELETE %s/hits%s\n", curl, url, auth);
    printf("  %s %s/%s\n", curl, url, read);
}

/* The token in the fragment, which browsers keep to themselves; the page puts it away. */
static void print_pages(const serving *s, const char *url)
{
    const char *fragment = s->options->open ? "" : has_reader() ? "#token=" : "#token=TOKEN";
    const char *token = !s->options->open && has_reader() ? s->token : "";
    printf("\nIn a browser:\n  %s/%s%s\n  %s" CHAT_PAGE_PREFIX "/%s%s\n", url, fragment, token, url, fragment, token);
}

static void print_behaviours(void)
{
    const gr_behaviour *b;
    puts("\nBehaviours:");
    for (size_t i = 0; (b = gr_behaviour_at(i)) != NULL; i++)
        if (strncmp(b->name, "greenroom.", 10) != 0) printf("  %-8s %s\n", b->name, b->text ? b->text : "");
}

void banner_print(const serving *s)
{
    char curl[PATH_BYTES], url[256];
    const char *address = gr_http_address(s->server);
    bool is_unix = strncmp(address, "unix:", 5) == 0;
    const char *scheme = s->tls ? "https" : "http";
    /* Whether the certificate names this address, and who signed it, we do not know: -k is for trying. */
    snprintf(curl, sizeof curl, "curl%s%s%s", s->tls ? " -k" : "", is_unix ? " --unix-socket " : "",
             is_unix ? address + 5 : "");
    snprintf(url, sizeof url, "%s://%s", scheme, is_unix ? "localhost" : address);
    if ((s->options->json || logger_is_journal()) && !has_reader()) { /* nobody is there to try something */
        logger_print(GR_LOG_INFO, "greenroom %s answers on %s%s%s", gr_version(), is_unix ? address : url,
                     s->token_path[0] ? "; the token is in " : "", s->token_path);
        return;
    }
    printf("greenroom %s answers on %s\n\n", gr_version(), is_unix ? address : url);
    if (s->token_path[0]) printf("The token is in %s\n\n", s->token_path);
    puts("Try:");
    print_lines(s, curl, url);
    if (!is_unix) print_pages(s, url);
    print_behaviours();
    (void)fflush(stdout); /* it may be closed: serving goes on */
}
